import Apus
import Synchronization
import Testing

// Asynchronous code that stays in a job, computing or asleep in the system, loses its scheduler to others and has it again on its thread.
//
// One scheduler, so that an answer of another process while somebody stays shows that the scheduler was taken. Nothing is measured: what
// must not happen would hang.

#if canImport(Glibc)
import Glibc
#endif

/// Where jobs stay until they are let go.
final class Stay: Sendable {
    enum How: CaseIterable { case computing, asleep }
    private let mayGo = Atomic(false), there = Atomic(0), gone = Atomic(0)

    func stay(_ how: How) {
        there.add(1, ordering: .sequentiallyConsistent)
        while !mayGo.load(ordering: .sequentiallyConsistent) { if how == .asleep { usleep(1000) } }
        gone.add(1, ordering: .sequentiallyConsistent)
    }

    var isThere: Bool { there.load(ordering: .sequentiallyConsistent) > 0 }
    func letGo() { mayGo.store(true, ordering: .sequentiallyConsistent) }
    func arrived(_ count: Int) async { while there.load(ordering: .sequentiallyConsistent) < count { await Task.yield() } }
    func left(_ count: Int) async { while gone.load(ordering: .sequentiallyConsistent) < count { await Task.yield() } }
}

private func ask(_ server: Pid<Counter.Message>, times: Int = 100) async throws {
    for _ in 0..<times { let _: Int = try await server.call(timeout: nil) { .get($0) } }
}

private actor Sleeper {
    let process = try! ActorProcess()
    nonisolated var unownedExecutor: UnownedSerialExecutor { process.asUnownedSerialExecutor() }
    private var visits = 0

    func visit(_ stay: Stay, _ how: Stay.How) async -> Int {
        stay.stay(how)
        visits += 1
        await Task.yield()
        return visits
    }
}

private struct Stuck: GenServer, Sendable {
    enum Message { case stay }
    let stay: Stay

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        stay.stay(.computing)
        return .continue
    }
}

/// Counts how many there are.
private final class Own: Sendable {
    let count: Count
    init(_ count: Count) {
        self.count = count
        count.value.add(1, ordering: .sequentiallyConsistent)
    }
    deinit { count.value.subtract(1, ordering: .sequentiallyConsistent) }
}

private final class Count: Sendable { let value = Atomic(0) }

/// What a body that has been killed meanwhile does next; in a job of the runtime of tasks, or run on by the handler.
private enum LastCall: CaseIterable {
    case receive, receiveInJob, sleep, awaitElsewhere, send, call, callInJob, inProcess
    var isOfDirectTask: Bool { self != .receiveInJob && self != .callInJob }
}

private struct Calling: GenServer {
    enum Message { case stay }
    let stay: Stay, server: Pid<Counter.Message>, own: Own

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        stay.stay(.computing)
        #expect(errorOf { let _: Int = try context.call(server) { .get($0) } }?.code == .ending)
        #expect(context.receive() == nil)
        return .continue
    }
}

extension AllTests { @Suite struct LongJobTests {
    @Test("others go on while an asynchronous process stays in a job; then it goes on as the same task", arguments: Stay.How.allCases)
    func stays(how: Stay.How) async throws { try await withRuntime(schedulers: 1) {
        let stay = Stay(), server = try spawn(Counter(count: 5))
        let body = try spawn(of: Int.self) { me in
            stay.stay(how)
            for n in 1...3 {
                let got = await me.receive()
                #expect(got == n)
            }
            let count: Int = try await me.call(server) { .get($0) }
            #expect(count == 5)
            try await Task.sleep(for: .milliseconds(1))
            #expect(!Task.isCancelled)
        }
        await stay.arrived(1)
        for n in 1...3 {
            try await ask(server)
            body.send(n)
        }
        let info = try Runtime.info()
        #expect(info.rescues >= 1)
        stay.letGo()
        let reason = try body.join()
        #expect(reason == .normal)
    } }

    @Test("others go on while an actor on a process stays in a job", arguments: Stay.How.allCases)
    func actors(how: Stay.How) async throws { try await withRuntime(schedulers: 1) {
        let stay = Stay(), server = try spawn(Counter())
        let sleeper = Sleeper()
        async let first = sleeper.visit(stay, how)
        await stay.arrived(1)
        try await ask(server)
        stay.letGo()
        let one = await first
        let two = await sleeper.visit(stay, how)
        #expect(one == 1)
        #expect(two == 2)
    } }

    @Test("more asynchronous processes than may lose the scheduler at once all come to their end") func ceiling() async throws {
        var options = Runtime.Options()
        options.schedulers = 1
        options.binding = .none
        options.maxDetached = 2
        try await withRuntime(options) {
            let server = try spawn(Counter())
            let bodies = try (0..<6).map { _ in
                try spawn(of: Int.self) { me in
                    for _ in 0..<3 {
                        usleep(30_000)
                        server.send(.add(1))
                    }
                }
            }
            for body in bodies { try body.join() }
            let count: Int = try await server.call { .get($0) }
            #expect(count == 18)
        }
    }

    @Test("one that never returns is killed by its supervisor's shutdown timeout and replaced while its thread spins", arguments: [false, true])
    func killed(isServer: Bool) async throws { try await withRuntime(schedulers: 1) {
        let stay = Stay(), server = try spawn(Counter()), stuck = Name<Stuck.Message>("stuck")
        let child =
            isServer
            ? Child(Stuck(stay: stay), id: "stuck", name: "stuck", shutdown: .after(.milliseconds(20)))
            : Child(id: "stuck", of: Stuck.Message.self, name: "stuck", shutdown: .after(.milliseconds(20))) { me in
                if case .stay? = await me.receive() { stay.stay(.computing) }
            }
        let tree = try await Supervisor.start(strategy: .oneForOne) { child }
        let first = stuck.pid!
        first.send(.stay)
        await stay.arrived(1)
        try tree.terminateChild("stuck")
        #expect(!first.isAlive)
        let second = try tree.restartChild("stuck")
        #expect(second != nil && second != AnyPid(first))
        try await ask(server)
        let info = try Runtime.info()
        #expect(info.rescues >= 1)
        stay.letGo()
        await stay.left(1)
        try tree.stop()
    } }

    @Test("what one that is killed in a long job owns is released, whatever it then asks of Apus", arguments: LastCall.allCases)
    fileprivate func released(call: LastCall) async throws {
        let owned = Count()
        try await withRuntime(schedulers: 1) {
            let stay = Stay(), server = try spawn(Counter())
            let body = try spawn(of: Int.self) { me in
                let own = Own(owned)
                if call.isOfDirectTask { _ = await me.receive() }
                stay.stay(.computing)
                switch call {
                case .receive, .receiveInJob:
                    let got = await me.receive()
                    #expect(got == nil)
                case .sleep: try await me.sleep(for: .seconds(3600))
                case .awaitElsewhere:
                    try? await Task.sleep(for: .seconds(3600))
                    let got = await me.receive()
                    #expect(got == nil)
                case .send: #expect(!server.send(.add(1)))
                case .call, .callInJob: let _: Int = try await me.call(server) { .get($0) }
                case .inProcess: try me.inProcess { _ = try $0.monitor(server) }
                }
                withExtendedLifetime(own) {}
            }
            if call.isOfDirectTask { body.send(1) }
            await stay.arrived(1)
            try await ask(server)
            body.exit(.kill)
            #expect(!body.isAlive)
            try await ask(server)
            stay.letGo()
            while owned.value.load(ordering: .sequentiallyConsistent) != 0 { await Task.yield() }
            let count: Int = try await server.call { .get($0) }
            #expect(count == 0)
        }
    }

    @Test("what a server that is killed in a long handler owns is released, though it then calls Apus") func serverReleased() async throws {
        let owned = Count()
        try await withRuntime(schedulers: 1) {
            let stay = Stay(), server = try spawn(Counter())
            let caller = try spawn(Calling(stay: stay, server: server, own: Own(owned)))
            caller.send(.stay)
            await stay.arrived(1)
            try await ask(server)
            caller.exit(.kill)
            try await ask(server)
            stay.letGo()
            while owned.value.load(ordering: .sequentiallyConsistent) != 0 { await Task.yield() }
        }
    }

    @Test("a trap in a job that has lost its scheduler ends its process, and no other", .enabled(if: faultsAreContained))
    func trapped() async throws { try await withRuntime(schedulers: 1) {
        let server = try spawn(Counter())
        for trap in [Trap.unwrap, .fatal, .overflow, .hugeAllocation, .stackOverflow] {
            try await inProcess { me in
                let stay = Stay()
                let (_, monitor) = try me.spawnMonitor(of: Int.self) { _ in
                    stay.stay(.computing)
                    trap.spring()
                }
                eventually(me) { stay.isThere }
                stay.letGo()
                guard case .down(let down)? = me.receiveInfo() else { Issue.record("no down message"); return }
                #expect(down.reference == monitor)
                #expect(trap.explains(down.reason), "\(trap): \(down.reason)")
                let _: Int = try me.call(server) { .get($0) }
            }
        }
    } }
} }
