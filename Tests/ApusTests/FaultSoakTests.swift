import Apus
import Synchronization
import Testing

// A thousand traps of all kinds among a hundred thousand processes that work.
//
// Groups of a hundred: a ring in which a token goes round, and a keeper, who has a victim spring its trap and sees it fall. A victim is a
// server, a blocking closure, an asynchronous closure, each linked with and monitored by its keeper, or a supervised server, which must
// be there again. When all have fallen, each keeper asks each worker of its ring how often it had the token. The log must have one report
// for each victim, with its label and what its trap is known by.

private let groups = 1000
private let ring = 98
private let rounds = 5

private struct Worker: GenServer {
    enum Message { case next(Pid<Message>), token(Int), count(From<Int>) }
    let record: Record
    var next: Pid<Message>?
    var count = 0

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .next(let pid): next = pid
        case .token(let left):
            count += 1
            if left > 1 { next!.send(.token(left - 1)) } else { record.ringsDone.add(1, ordering: .relaxed) }
        case .count(let from):
            from.reply(count)
            return .stop(.normal)
        }
        return .continue
    }
}

/// What has happened so far.
private final class Record: Sendable {
    struct Fallen { var trap: Trap, label: String }
    let fallen = Mutex([AnyPid: Fallen]())
    let reports = Mutex([Runtime.LogEntry]())
    let ringsDone = Atomic(0), victimsFallen = Atomic(0), ringsCounted = Atomic(0)

    func wait(until counter: (Record) -> Int) async throws {
        while counter(self) < groups { try await Task.sleep(for: .milliseconds(10)) }
    }

    func isAboutToFall(_ pid: AnyPid, _ victim: Fallen) {
        fallen.withLock { $0[pid] = victim }
    }
}

private struct Victim: GenServer {
    enum Message { case spring, isThere(From<Bool>) }
    let trap: Trap

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .spring:
            trap.spring()
            throw Failure(text: "\(trap) is no trap")
        case .isThere(let from): from.reply(true)
        }
        return .continue
    }
}

private struct Keeper: Sendable {
    enum Step { case collect }
    let group: Int
    let record: Record
    var trap: Trap { Trap.allCases[group / 4 % Trap.allCases.count] }
    var label: String { "victim \(group)" }

    func run(_ me: borrowing Context<Step>) throws {
        let workers = try startRing()
        if group % 4 == 3 { try fellSupervised(me) } else { try fellLinked(me) }
        record.victimsFallen.add(1, ordering: .relaxed)
        guard case .collect? = me.receive() else { return }
        for (place, worker) in workers.enumerated() {
            let count: Int = try me.call(worker, timeout: nil) { .count($0) }
            #expect(count == rounds, "worker \(place) of group \(group)")
        }
        record.ringsCounted.add(1, ordering: .relaxed)
    }

    private func startRing() throws -> [Pid<Worker.Message>] {
        let workers = try (0..<ring).map { _ in try spawn(Worker(record: record)) }
        for (place, worker) in workers.enumerated() { worker.send(.next(workers[(place + 1) % ring])) }
        workers[0].send(.token(ring * rounds))
        return workers
    }

    private func spawnVictim(_ me: borrowing Context<Step>) throws -> (AnyPid, Reference) {
        let trap = trap
        var options = SpawnOptions()
        options.label = label
        switch group % 4 {
        case 0:
            let (pid, monitor) = try me.spawnMonitor(Victim(trap: trap), options: options)
            try me.link(pid)
            pid.send(.spring)
            return (pid.untyped, monitor)
        case 1:
            let (pid, monitor) = try me.spawnMonitorBlocking(of: Bool.self, options: options) { victim in
                if victim.receive() == true { trap.spring() }
            }
            try me.link(pid)
            pid.send(true)
            return (pid.untyped, monitor)
        default:
            let (pid, monitor) = try me.spawnMonitor(of: Bool.self, options: options) { victim in
                if await victim.receive() == true { trap.spring() }
            }
            try me.link(pid)
            pid.send(true)
            return (pid.untyped, monitor)
        }
    }

    private func fellLinked(_ me: borrowing Context<Step>) throws {
        me.trapExits()
        let (victim, monitor) = try spawnVictim(me)
        record.isAboutToFall(victim, Record.Fallen(trap: trap, label: label))
        var exits = 0, downs = 0
        while exits + downs < 2 {
            switch me.receiveInfo() {
            case .exit(let exit)? where exit.from == victim:
                exits += 1
                #expect(trap.explains(exit.reason), "\(trap): \(exit.reason)")
            case .down(let down)? where down.reference == monitor:
                downs += 1
                #expect(trap.explains(down.reason), "\(trap): \(down.reason)")
            default: Issue.record("group \(group) got something else")
            }
        }
        #expect(exits == 1)
    }

    private func fellSupervised(_ me: borrowing Context<Step>) throws {
        let name = Victim.at("victim \(group)")
        var options = SpawnOptions()
        options.label = label
        let trap = trap
        _ = try Supervisor.start { Child(Victim(trap: trap), name: "victim \(group)", options: options) }
        let before = try #require(name.pid)
        record.isAboutToFall(before.untyped, Record.Fallen(trap: trap, label: label))
        before.send(.spring)
        while name.pid == nil || name.pid == before { try me.sleep(for: .milliseconds(1)) }
        let isThere: Bool = try me.call(name) { .isThere($0) }
        #expect(isThere)
    }
}

/// The runtime, told of faults by `record`, with a budget for all of them.
private func withRecord(_ record: Record, _ body: () async throws -> Void) async throws {
    var options = Runtime.Options()
    options.schedulers = 2
    options.binding = .none
    options.maxFaults = groups
    options.maxFaultsPerMinute = groups
    options.log = { entry in
        if entry.kind != .rescue { record.reports.withLock { $0.append(entry) } }
    }
    try await withRuntime(options, body)
}

extension AllTests { @Suite(.enabled(if: faultsAreContained)) struct SoakFaultTests {
    @Test("1,000 traps among 100,000 processes that work: nothing is lost, and every report is of the right process")
    func soak() async throws {
        let record = Record()
        try await withRecord(record) {
            let keepers = try (0..<groups).map { group in
                let keeper = Keeper(group: group, record: record)
                return try spawnBlocking(of: Keeper.Step.self) { me in try keeper.run(me) }
            }
            try await record.wait { $0.victimsFallen.load(ordering: .relaxed) }
            try await record.wait { $0.ringsDone.load(ordering: .relaxed) }
            #expect(try Runtime.info().processes >= groups * (ring + 1))
            #expect(try Runtime.info().faults == groups)
            for keeper in keepers { keeper.send(.collect) }
            try await record.wait { $0.ringsCounted.load(ordering: .relaxed) }
        }
        checkReports(record)
    }

    private func checkReports(_ record: Record) {
        var fallen = record.fallen.withLock { $0 }
        let reports = record.reports.withLock { $0 }
        #expect(fallen.count == groups)
        #expect(reports.count == groups)
        for report in reports {
            guard let pid = report.pid, let reason = report.reason, let victim = fallen.removeValue(forKey: pid) else {
                Issue.record("a report of nobody who has fallen: \(report.text)")
                continue
            }
            #expect(report.kind == .crash)
            #expect(victim.trap.explains(reason), "\(victim.trap): \(reason)")
            #expect(report.text.contains(victim.label) && report.json.contains(victim.label))
            let function = victim.trap == .stackOverflow ? "goDeeper" : "ApusTests.Trap.spring() -> ()+"
            #expect(report.text.contains(function), "\(report.text)")
        }
        #expect(fallen.isEmpty)
    }
}
}
