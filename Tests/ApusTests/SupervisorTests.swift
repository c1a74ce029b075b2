import Apus
import ApusTesting
import Synchronization
import Testing

extension AllTests { @Suite struct SupervisorTests {
    @Test("a tree restarts a server that fails, and keeps what it starts from") func restarts() async throws { try await withRuntime {
        let rooms = DynamicSupervisor(name: "rooms")
        let tree = try await Supervisor.start(strategy: .oneForOne, intensity: 3, within: .seconds(5)) {
            Child(Counter(count: 7), name: "hits", restart: .permanent)
            rooms
            Child(id: "feed", of: Int.self, restart: .transient, blocking: { me in
                while let n = me.receive() { if n < 0 { throw Failure(text: "negative") } }
            })
            Child(supervisor: "inner", strategy: .restForOne) {
                Child(Counter(), id: "one")
                Child(Counter(), id: "two")
            }
        }
        let counts = try tree.countChildren()
        #expect([counts.specifications, counts.active, counts.supervisors, counts.workers] == [4, 4, 2, 2])
        let room = try rooms.startChild(Counter(count: 1))
        try await inProcess { me in
            let one: Int = try me.call(room) { .get($0) }
            #expect(one == 1)
            let hits = Counter.at("hits")
            try hits.send(.add(1))
            let eight: Int = try me.call(hits) { .get($0) }
            #expect(eight == 8)
            let pid = try #require(hits.pid)
            let monitor = try me.monitor(pid)
            pid.send(.fail)
            guard case .down(let down)? = me.receiveInfo() else { return }
            #expect(down.reference == monitor)
            while hits.pid == nil { me.yield() }
            let seven: Int = try me.call(hits) { .get($0) }
            #expect(seven == 7)
        }
        #expect(try tree.whichChildren().map(\.id) == ["hits", "rooms", "feed", "inner"])
        try tree.stop()
    } }

    @Test("R41: a start that fails says why, with the error that was thrown, whoever asked and however deep") func reasons() async throws {
        struct Refuser: GenServer, Sendable {
            let reason: ExitReason?
            mutating func initialize(in context: borrowing Context<Never>) throws -> InitResult {
                guard let reason else { throw Failure(text: "no disk") }
                return .stop(reason)
            }
            mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
        }
        try await withRuntime {
            let rooms = DynamicSupervisor(name: "rooms")
            let tree = try await Supervisor.start {
                rooms
                Child(Counter(), name: "hits")
            }
            let banned = errorOf { try rooms.startChild(Child(Refuser(reason: .error("banned", number: 403)))) }
            #expect(banned?.code == .failed && banned?.reason == .error("banned", number: 403))
            #expect(banned?.detail == "a child: error 403: banned")
            let ended = errorOf { try rooms.startChild(Child(Refuser(reason: .shutdown))) }
            #expect(ended?.code == .failed && ended?.reason == .shutdown)
            let thrown = errorOf { try rooms.startChild(Child(Refuser(reason: nil))) }
            #expect((thrown?.reason?.error as? Failure)?.text == "no disk")
            let again = errorOf { try tree.startChild(Child(Counter(), id: "hits")) }
            #expect(again?.code == .already && again?.reason == nil)
            #expect(again?.detail == "\(Counter.at("hits").pid!) runs under that id")
            let broken = Child(supervisor: "outer") { Child(supervisor: "inner") { Child(Refuser(reason: nil), id: "disk") } }
            @Sendable func check(_ error: ApusError?) {
                #expect(error?.code == .failed)
                #expect((error?.reason?.error as? Failure)?.text == "no disk")
                #expect(error?.detail?.contains("child \"inner\": error -71 (Protocol error): child \"disk\": ") == true)
            }
            check(await errorOf { _ = try await Supervisor.start { broken } })
            try await inProcess { me in
                me.trapExits()
                check(errorOf { _ = try Supervisor.start { broken } })
            }
            try tree.stop()
        }
    }

    @Test("who must end while a supervisor starts is told so, and what its children are made of is there as long as they need it")
    func ending() async throws {
        final class Gone: Sendable { let isSo = Atomic(false) }
        final class Origin: Sendable {
            let gone: Gone
            init(_ gone: Gone) { self.gone = gone }
            deinit { gone.isSo.store(true, ordering: .relaxed) }
        }
        struct Made: GenServer, Sendable {
            let origin: Origin, gone: Gone, hears: AnyPid
            mutating func initialize(in context: borrowing Context<Never>) throws -> InitResult {
                hears.send("begun after it was \(gone.isSo.load(ordering: .relaxed) ? "gone" : "there")")
                return .ok
            }
            mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
        }
        try await withRuntime(schedulers: 1) { try await inProcess { me in
            let gone = Gone(), own = AnyPid(me.pid)
            var soon = SpawnOptions(), first = SpawnOptions()
            soon.priority = .high
            first.priority = .max
            let killer = try spawnBlocking(of: AnyPid.self, options: soon) { killer in killer.receive()?.exit(.kill) }
            try spawnBlocking(of: Never.self, options: first) { starter in
                killer.send(AnyPid(starter.pid))
                let error = errorOf { _ = try Supervisor.start { Child(Made(origin: Origin(gone), gone: gone, hears: own)) } }
                own.send(error?.code == .ending)
            }
            #expect(me.receive(Bool.self) == true)
            #expect(me.receive(String.self) == "begun after it was there")
            eventually(me) { gone.isSo.load(ordering: .relaxed) }
        } }
    }

    @Test("R54: a child that unlinks itself and dies is noticed all the same") func unlinked() async throws {
        struct Loner: GenServer, Sendable {
            enum Message: Sendable { case leave }
            mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
                if let parent = context.parent { context.unlink(parent) }
                throw Failure(text: "alone")
            }
        }
        try await withRuntime {
            let tree = try await Supervisor.start { Child(Loner(), name: "loner") }
            let first = try #require(Loner.at("loner").pid)
            first.send(.leave)
            try await inProcess { me in
                let next = eventually(me, Loner.at("loner"), isNot: first)
                #expect(next.isAlive)
            }
            try tree.stop()
        }
    }

    @Test("R55: restarts with a backoff come later each time, in virtual time") func backoff() async throws {
        let starts = Starts()
        try await withSimulatedRuntime { runtime in
            try spawnBlocking(of: Never.self) { me in
                var child = Child(Flaky(starts: starts), name: "flaky")
                child.backoff = Child.Backoff(initial: .seconds(10), factor: 3)
                _ = try Supervisor.start(intensity: 10) { child }
                _ = me.receiveInfo()
            }
            runtime.settle()
            for (restart, delay) in [10, 30].enumerated() {
                #expect(starts.count.load(ordering: .relaxed) == restart + 1)
                Flaky.at("flaky").pid?.send(.fail)
                runtime.settle()
                runtime.pass(.seconds(delay - 1))
                runtime.settle()
                #expect(starts.count.load(ordering: .relaxed) == restart + 1)
                runtime.pass(.seconds(2))
                runtime.settle()
                #expect(starts.count.load(ordering: .relaxed) == restart + 2)
            }
        }
    }
} }

private final class Starts: Sendable {
    let count = Atomic(0)
}

private struct Flaky: GenServer, Sendable {
    enum Message: Sendable { case fail }
    let starts: Starts

    mutating func initialize(in context: borrowing Context<Message>) -> InitResult {
        starts.count.add(1, ordering: .relaxed)
        return .ok
    }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next { throw Failure(text: "flaky") }
}
