import Apus
import ApusTesting
import Synchronization
import Testing

private actor Account {
    let process: ActorProcess
    nonisolated var unownedExecutor: UnownedSerialExecutor { process.asUnownedSerialExecutor() }
    private var balance = 0

    init(in process: ActorProcess) { self.process = process }

    func deposit(_ amount: Int) -> Int {
        balance += amount
        return balance
    }

    var isInProcess: Bool { process.isIsolatingCurrentContext() == true }

    /// Stays for others to come in between, if they could.
    func visit(_ room: Room) async {
        room.enter()
        for _ in 0..<100 { room.stay() }
        room.leave()
        await Task.yield()
    }
}

/// Where only one may be at a time.
private final class Room: Sendable {
    private let present = Atomic(0)
    private let crowds = Atomic(0)
    private let visits = Atomic(0)

    func enter() { if present.add(1, ordering: .sequentiallyConsistent).newValue > 1 { crowds.add(1, ordering: .relaxed) } }
    func stay() { visits.add(1, ordering: .relaxed) }
    func leave() { present.subtract(1, ordering: .sequentiallyConsistent) }
    var isOrderly: Bool { crowds.load(ordering: .relaxed) == 0 }
    var stays: Int { visits.load(ordering: .relaxed) }
}

extension AllTests { @Suite struct ActorProcessTests {
    @Test("an actor's jobs run in its process, in order") func jobs() async throws {
        try await ApusTesting.withRuntime {
            let account = Account(in: try ActorProcess())
            #expect(await account.isInProcess)
            for n in 1...100 {
                let balance = await account.deposit(1)
                #expect(balance == n)
            }
            #expect(account.process.pid.isAlive)
        }
    }

    @Test("actors that share a process never run at the same time") func shared() async throws {
        try await ApusTesting.withRuntime {
            let process = try ActorProcess()
            let accounts = (0..<4).map { _ in Account(in: process) }
            let room = Room()
            await withTaskGroup(of: Void.self) { group in
                for account in accounts {
                    for _ in 0..<50 { group.addTask { await account.visit(room) } }
                }
            }
            #expect(room.isOrderly)
            #expect(room.stays == 4 * 50 * 100)
        }
    }

    @Test("an actor's process has a name, and is linked and monitored like any other") func relations() async throws {
        try await ApusTesting.withRuntime {
            var options = SpawnOptions()
            options.name = "account"
            let account = Account(in: try ActorProcess(options: options))
            #expect(Name<Never>("account").pid.map { AnyPid($0) } == account.process.pid)
            let probe = try Probe(of: Never?.self)
            try await probe.run { try $0.link(account.process.pid) }
            account.process.pid.exit(.error("closed"))
            let reason = try await probe.expectExit(from: account.process.pid)
            #expect(reason == .error("closed"))
        }
    }

    @Test("when its process has ended an actor's jobs run elsewhere, and no task is left hanging") func ended() async throws {
        try await ApusTesting.withRuntime {
            let account = Account(in: try ActorProcess())
            let one = await account.deposit(1)
            #expect(one == 1)
            account.process.pid.exit(.kill)
            try await Probe(of: Never?.self).expectDown(account.process.pid)
            let two = await account.deposit(1)
            #expect(two == 2)
            let isInProcess = await account.isInProcess
            #expect(!isInProcess)
        }
    }

    @Test("the process ends with the last reference to it") func lastReference() async throws {
        try await ApusTesting.withRuntime {
            let probe = try Probe(of: Never?.self)
            let pid = try ActorProcess().pid
            let reason = try await probe.expectDown(pid)
            #expect(reason == .shutdown || reason == .noproc)
        }
    }
} }
