// Own.swift - our own workloads; the one of sockets is in Sockets.swift.
import Apus
import Glibc
import Synchronization

let ownWorkloads = [
    Workload(name: "storm", unit: "restarts/s", run: runStorm),
    Workload(name: "selective", unit: "us") { boss in try runSelective(boss, scaled(200), calls: false) / 1000 },
    Workload(name: "selective_call", unit: "ns/call") { boss in try runSelective(boss, scaled(200_000), calls: true) },
    Workload(name: "fanin", unit: "msg/s", run: runFanin),
    Workload(name: "call_thread", unit: "ns/call", run: runCallThread),
    Workload(name: "size_64", unit: "bytes/s") { boss in try runSizes(boss, 64, 1_000_000) },
    Workload(name: "size_1k", unit: "bytes/s") { boss in try runSizes(boss, 1024, 500_000) },
    Workload(name: "size_16k", unit: "bytes/s") { boss in try runSizes(boss, 16_384, 100_000) },
    Workload(name: "size_256k", unit: "bytes/s") { boss in try runSizes(boss, 262_144, 10_000) },
    Workload(name: "size_1m", unit: "bytes/s") { boss in try runSizes(boss, 1 << 20, 2500) },
    Workload(name: "idle_cpu", unit: "us of CPU in a second", run: runIdleCPU),
    Workload(name: "latency", unit: "us", run: runLatency),
    Workload(name: "million", unit: "msg/s", run: runMillion),
]

// storm: all 1,000 children of one supervisor crash at once, again and again.

struct Hello {
    let index: Int
    let pid: Pid<Void>
}

struct StormChild: Worker {
    let boss: Pid<Hello>
    let index: Int

    mutating func begin(_ me: Pid<Void>) -> Bool {
        boss.send(Hello(index: index, pid: me))
        return true
    }

    mutating func handle(_ crash: consuming Void, _ me: Pid<Void>) throws -> Bool { throw ExitReason.error("crash") }
}

func runStorm(_ boss: borrowing Boss) throws -> Double {
    let rounds = scaled(20), count = 1000, me = Pid<Hello>(AnyPid(boss.pid))
    var children = [Pid<Void>?](repeating: nil, count: count)
    let supervisor = try Supervisor.start(intensity: 1_000_000_000, within: .seconds(1)) {
        for i in 0..<count { child(StormChild(boss: me, index: i), id: "child \(i)") }
    }
    func receiveHellos(_ boss: borrowing Boss) {
        for _ in 0..<count {
            guard let hello = boss.receive(Hello.self) else { fail("hello") }
            check(children[hello.index] != hello.pid, "a new child")
            children[hello.index] = hello.pid
        }
    }
    receiveHellos(boss)
    let began = nanoseconds()
    for _ in 0..<rounds {
        for child in children { child?.send(()) }
        receiveHellos(boss)
    }
    let value = perSecond(rounds * count, since: began)
    check(try supervisor.countChildren().active == count, "all children are back")
    check(boss.receive(Hello.self, timeout: .zero) == nil, "no restart too many")
    try supervisor.stop()
    return value
}

// selective, selective_call: an exchange with 100,000 other messages waiting, by what the message is, and by a call. Who receives is a
// blocking or an asynchronous body.

struct Pong {
    let number: Int
}

struct PongEcho: Worker {
    enum Message { case ping(Int, AnyPid), ask(Int, From<Pong>) }

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .ping(let number, let from): from.send(Pong(number: number))
        case .ask(let number, let from): from.reply(Pong(number: number))
        }
        return true
    }
}

func runSelective(_ boss: borrowing Boss, _ times: Int, calls: Bool) throws -> Double {
    let waiting = 100_000, echo = try start(PongEcho()), me = boss.pid
    func fill(_ pid: Pid<Int>) { for i in 0..<waiting { pid.send(i) } }
    guard isAsynchronous else {
        fill(me)
        let began = nanoseconds()
        for i in 0..<times {
            if !calls { echo.send(.ping(i, AnyPid(me))) }
            let pong: Pong? = calls ? try boss.call(echo, timeout: nil) { .ask(i, $0) } : boss.receive(Pong.self)
            check(pong?.number == i, "pong")
        }
        let end = nanoseconds()
        for i in 0..<waiting { check(boss.receive(timeout: .zero) == i, "the others keep their order") }
        return Double(end - began) / Double(times)
    }
    let body = try spawn(of: Int.self) { process in
        guard await process.receive() == -1 else { fail("go") }
        let began = nanoseconds()
        for i in 0..<times {
            if !calls { echo.send(.ping(i, AnyPid(process.pid))) }
            let pong: Pong? = calls ? try await process.call(echo, timeout: nil) { .ask(i, $0) } : await process.receive(Pong.self)
            check(pong?.number == i, "pong")
        }
        let end = nanoseconds()
        for i in 0..<waiting {
            let number = await process.receive(timeout: .zero)
            check(number == i, "the others keep their order")
        }
        me.send(end - began)
    }
    body.send(-1)
    fill(body)
    return Double(boss.number()) / Double(times)
}

// fanin: four plain threads of the program send to one process.

struct Sink: Worker {
    let boss: Pid<Int>
    var left: Int
    var sum = 0

    mutating func handle(_ number: consuming Int, _ me: Pid<Int>) -> Bool {
        sum += number
        left -= 1
        if left == 0 { boss.send(sum) }
        return left > 0
    }
}

nonisolated(unsafe) var faninTarget: Pid<Int>?
nonisolated(unsafe) var faninEach = 0

func runFanin(_ boss: borrowing Boss) throws -> Double {
    let count = 4, each = scaled(500_000)
    faninEach = each
    faninTarget = try start(Sink(boss: boss.pid, left: count * each))
    let began = nanoseconds()
    var threads: [pthread_t] = []
    for _ in 0..<count {
        var thread = pthread_t()
        let error = pthread_create(
            &thread, nil,
            { _ in
                for i in 1...faninEach { faninTarget!.send(i) }
                return nil
            }, nil)
        check(error == 0, "thread")
        threads.append(thread)
    }
    let sum = boss.number()
    let value = perSecond(count * each, since: began)
    for thread in threads { pthread_join(thread, nil) }
    check(sum == count * (each * (each + 1) / 2), "sum")
    return value
}

// call_thread: a plain thread of the program starts a counter server and calls it.

nonisolated(unsafe) var threadCalls = 0
nonisolated(unsafe) var threadBoss: Pid<Int>?

func runCallThread(_ boss: borrowing Boss) throws -> Double {
    threadCalls = scaled(200_000)
    threadBoss = boss.pid
    var thread = pthread_t()
    let error = pthread_create(
        &thread, nil,
        { _ in
            guard let server = try? spawn(Counter()) else { fail("spawn") }
            var last = 0
            let start = nanoseconds()
            for _ in 0..<threadCalls { last = (try? server.callSync(timeout: nil) { .add(1, $0) }) ?? -1 }
            let end = nanoseconds()
            check(last == threadCalls, "last reply")
            threadBoss!.send(end - start)
            return nil
        }, nil)
    check(error == 0, "thread")
    let took = boss.number()
    pthread_join(thread, nil)
    return Double(took) / Double(threadCalls)
}

// size_64 to size_1m: one process sends fresh copies of a buffer to another that reads all, at most eight at once.

struct SizeReceiver: Worker {
    typealias Message = (words: [Int], from: Pid<Int>)

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        var sum = 0
        for word in message.words { sum &+= word }
        message.from.send(sum)
        return true
    }
}

struct SizeSender: Worker {
    let receiver: Pid<SizeReceiver.Message>
    let boss: Pid<Int>
    let buffer: [Int]
    var left: Int
    var due: Int
    var sum = 0

    mutating func send(_ me: Pid<Int>) {
        guard left > 0 else { return }
        left -= 1
        receiver.send((buffer.withUnsafeBufferPointer { Array($0) }, me))
    }

    mutating func begin(_ me: Pid<Int>) -> Bool {
        for _ in 0..<8 { send(me) }
        return true
    }

    mutating func handle(_ taken: consuming Int, _ me: Pid<Int>) -> Bool {
        sum += taken
        send(me)
        due -= 1
        if due == 0 { boss.send(sum) }
        return due > 0
    }
}

func runSizes(_ boss: borrowing Boss, _ size: Int, _ messages: Int) throws -> Double {
    let total = scaled(messages), words = size / 8
    let receiver = try start(SizeReceiver()), buffer = Array(1...words)
    let began = nanoseconds()
    try start(SizeSender(receiver: receiver, boss: boss.pid, buffer: buffer, left: total, due: total))
    let sum = boss.number()
    let value = perSecond(total * size, since: began)
    check(sum == total * (words * (words + 1) / 2), "sum of all words")
    return value
}

// idle_cpu: what 10,000 processes that wait cost while nothing happens, from the kernel's books.

struct Idler: Worker {
    let boss: Pid<Int>

    mutating func handle(_ number: consuming Int, _ me: Pid<Int>) -> Bool {
        boss.send(number)
        return true
    }
}

func runIdleCPU(_ boss: borrowing Boss) throws -> Double {
    func used() -> Int {
        var time = timespec()
        check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0, "CPU time")
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
    let quiet = Duration.milliseconds(scaled(2000)), count = 10_000
    for _ in 0..<count { try start(Idler(boss: boss.pid)).send(1) }
    check(boss.sum(count) == count, "processes")
    try boss.sleep(for: min(quiet, .milliseconds(50)))
    let began = nanoseconds(), before = used()
    try boss.sleep(for: quiet)
    let spent = used() - before
    return Double(spent) / 1000 / seconds(nanoseconds() - began)
}

// latency: round trips of two processes while 64 pairs of others keep all cores busy with messages.

let loadEnds = Atomic(false)

struct Loader: Worker {
    enum Message { case begin(Pid<Message>), number(Int, Pid<Message>) }

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .begin(let other): other.send(.number(0, me))
        case .number(let number, let other):
            if loadEnds.load(ordering: .relaxed) { return false }
            other.send(.number(number + 1, me))  // the other may have ended already
        }
        return true
    }
}

func runLatency(_ boss: borrowing Boss) throws -> Double {
    for _ in 0..<64 { try start(Loader()).send(.begin(start(Loader()))) }
    try boss.sleep(for: .milliseconds(20))
    try start(Prober(boss: boss.pid, echo: start(Echo()), end: nanoseconds() + scaled(1_000_000_000)))
    guard let trips = boss.receive([Int].self) else { fail("round trips") }
    loadEnds.store(true, ordering: .relaxed)
    return percentile(trips, 0.99)
}

// million: processes that each hold a token and pass it on, four times in all.

nonisolated(unsafe) var holders: [Pid<Int>] = []

struct Holder: Worker {
    let boss: Pid<Int>
    let index: Int

    mutating func handle(_ left: consuming Int, _ me: Pid<Int>) -> Bool {
        if left > 0 { holders[(index + 7919) % holders.count].send(left - 1) } else { boss.send(index) }
        return true
    }
}

func runMillion(_ boss: borrowing Boss) throws -> Double {
    let total = scaled(1_000_000)
    holders.reserveCapacity(total)
    for i in 0..<total { holders.append(try start(Holder(boss: boss.pid, index: i))) }
    let began = nanoseconds()
    for holder in holders { holder.send(4) }
    let sum = boss.sum(total)
    let value = perSecond(total * 6, since: began)
    check(sum == total * (total - 1) / 2, "each token once")
    return value
}
