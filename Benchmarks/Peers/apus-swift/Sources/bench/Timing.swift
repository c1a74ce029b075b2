// Timing.swift - workloads of timers and of the scheduler's fairness.
import Apus
import Synchronization

let timerWorkloads = [Workload(name: "timers", unit: "ns/timer", run: runTimers)]

/// Of the synchronous form only: no scheduler is taken from an asynchronous process that loops.
let fairnessWorkloads = [
    Workload(name: "fairness", unit: "us") { boss in try runFairness(boss, 0.99) },
    Workload(name: "fairness_max", unit: "us") { boss in try runFairness(boss, 1) },
]

// timers: all created, then all cancelled in the same order; delays of 1 to 60 s, drawn before the clock starts.

func runTimers(_ boss: borrowing Boss) throws -> Double {
    let total = scaled(500_000)
    var generator = SystemRandomNumberGenerator()
    let delays = (0..<total).map { _ in Duration.milliseconds(Int.random(in: 1000...60_000, using: &generator)) }
    var timers: [Reference] = []
    timers.reserveCapacity(total)
    let me = boss.pid
    var late = 0
    let start = nanoseconds()
    for delay in delays { timers.append(try me.send(0, after: delay)) }
    for timer in timers where cancelTimer(timer) == nil { late += 1 }
    let end = nanoseconds()
    var fired = 0
    while boss.receive(timeout: .milliseconds(50)) != nil { fired += 1 }
    check(fired == late, "every timer has either fired or been cancelled")
    check(late * 20 <= total, "few late timers")
    return Double(end - start) / Double(total)
}

// fairness: endless loops on all schedulers, four each, and two processes that play ping-pong among them.

let burnEnds = Atomic(false)

struct Burner: GenServer {
    mutating func initialize(in context: borrowing Context<Never>) -> InitResult {
        while !burnEnds.load(ordering: .relaxed) {}
        return .stop(.normal)
    }

    mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
}

struct Echo: Worker {
    mutating func handle(_ message: consuming (Pid<Int>, Int), _ me: Pid<(Pid<Int>, Int)>) -> Bool {
        message.0.send(message.1 + 1)
        return true
    }
}

struct Prober: Worker {
    let boss: Pid<Int>
    let echo: Pid<(Pid<Int>, Int)>
    let end: Int
    var number = 0
    var sent = 0
    var trips: [Int] = []

    init(boss: Pid<Int>, echo: Pid<(Pid<Int>, Int)>, end: Int) {
        self.boss = boss
        self.echo = echo
        self.end = end
    }

    mutating func probe(_ me: Pid<Int>) {
        sent = nanoseconds()
        echo.send((me, number))
    }

    mutating func begin(_ me: Pid<Int>) -> Bool {
        trips.reserveCapacity(1 << 24)
        probe(me)
        return true
    }

    mutating func handle(_ message: consuming Int, _ me: Pid<Int>) -> Bool {
        let now = nanoseconds()
        number += 1
        check(message == number, "reply")
        trips.append(now - sent)
        if now < end {
            probe(me)
            return true
        }
        AnyPid(boss).send(trips)
        return false
    }
}

/// The time in microseconds below or at which that share of the times in nanoseconds lie.
func percentile(_ times: [Int], _ share: Double) -> Double {
    let rank = max(1, Int((Double(times.count) * share).rounded(.up)))
    return Double(times.sorted()[rank - 1]) / 1000
}

func runFairness(_ boss: borrowing Boss, _ share: Double) throws -> Double {
    for _ in 0..<(4 * cores) { try spawn(Burner()) }
    try boss.sleep(for: .milliseconds(100))
    try start(Prober(boss: boss.pid, echo: start(Echo()), end: nanoseconds() + Int(2e9 * scale)))
    guard let trips = boss.receive([Int].self) else { fail("round trips") }
    burnEnds.store(true, ordering: .relaxed)
    return percentile(trips, share)
}
