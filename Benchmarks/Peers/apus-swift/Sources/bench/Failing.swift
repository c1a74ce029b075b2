// Failing.swift - workloads of processes that crash and are restarted: from the message that crashes a supervisor's only child until
// the new child's hello. The child has a registered name and is crashed through it.
import Apus

let failureWorkloads = [
    Workload(name: "restart", unit: "ns/restart") { boss in try runRestarts(boss, scaled(50_000)) },
    Workload(name: "restart_fresh", unit: "ns/restart") { boss in try runRestarts(boss, 100) },
]

struct Crash: Error {}

struct Crashing: GenServer {
    enum Message { case crash, ask(From<Int>) }
    let boss: Pid<Int>

    mutating func initialize(in context: borrowing Context<Message>) -> InitResult {
        boss.send(1)
        return .ok
    }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .crash: return .stop(.error("crash"))
        case .ask(let from): from.reply(1)
        }
        return .continue
    }
}

func runRestarts(_ boss: borrowing Boss, _ perSupervisor: Int) throws -> Double {
    let total = scaled(50_000)
    var nanoseconds = 0
    for left in stride(from: total, to: 0, by: -perSupervisor) { nanoseconds += try runSupervisor(boss, min(left, perSupervisor)) }
    return Double(nanoseconds) / Double(total)
}

func runSupervisor(_ boss: borrowing Boss, _ crashes: Int) throws -> Int {
    let me = boss.pid
    let child = Crashing.at("bench child")
    let supervisor = try Supervisor.start(intensity: 1_000_000_000, within: .seconds(1)) {
        Child(Crashing(boss: me), name: "bench child")
    }
    _ = boss.number()
    let start = nanoseconds()
    for _ in 0..<crashes {
        try child.send(.crash)
        _ = boss.number()
    }
    let end = nanoseconds()
    check(try boss.call(child) { .ask($0) } == 1, "the last child answers")
    check(try supervisor.whichChildren().first?.restarts == crashes, "as many restarts as crashes")
    try supervisor.stop()
    check(child.pid == nil, "the child is gone")
    check(boss.receive(timeout: .zero) == nil, "no restart too many")
    return end - start
}
