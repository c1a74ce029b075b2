// Failing.swift - workloads of processes that crash and are restarted: from the message that crashes a supervisor's only child until
// the new child's hello. The child has a registered name and is crashed through it.
import Apus

let failureWorkloads = [
    Workload(name: "restart", unit: "ns/restart") { boss in try runRestarts(boss, scaled(50_000)) },
    Workload(name: "restart_fresh", unit: "ns/restart") { boss in try runRestarts(boss, 100) },
]

struct Crashing: Worker {
    enum Message { case crash, ask(From<Int>) }
    let boss: Pid<Int>

    mutating func begin(_ me: Pid<Message>) -> Bool {
        boss.send(1)
        return true
    }

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) throws -> Bool {
        switch message {
        case .crash: throw ExitReason.error("crash")
        case .ask(let from): from.reply(1)
        }
        return true
    }
}

func runRestarts(_ boss: borrowing Boss, _ perSupervisor: Int) throws -> Double {
    let total = scaled(50_000)
    var nanoseconds = 0
    for left in stride(from: total, to: 0, by: -perSupervisor) { nanoseconds += try runSupervisor(boss, min(left, perSupervisor)) }
    return Double(nanoseconds) / Double(total)
}

func runSupervisor(_ boss: borrowing Boss, _ crashes: Int) throws -> Int {
    let me = boss.pid, server = Name<Crashing.Message>("bench child")
    let supervisor = try Supervisor.start(intensity: 1_000_000_000, within: .seconds(1)) {
        child(Crashing(boss: me), id: "bench child", name: "bench child")
    }
    _ = boss.number()
    let start = nanoseconds()
    for _ in 0..<crashes {
        try server.send(.crash)
        _ = boss.number()
    }
    let end = nanoseconds()
    check(try boss.call(server) { .ask($0) } == 1, "the last child answers")
    check(try supervisor.whichChildren().first?.restarts == crashes, "as many restarts as crashes")
    try supervisor.stop()
    check(server.pid == nil, "the child is gone")
    check(boss.receive(timeout: .zero) == nil, "no restart too many")
    return end - start
}
