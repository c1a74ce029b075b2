import Apus
import Synchronization
import Testing

/// Notes why it was terminated.
private struct Session: GenServer {
    enum Message { case wait, fail }
    let ends: Ends

    /// With a time-out that runs when it is stopped.
    mutating func initialize(in context: borrowing Context<Message>) -> InitResult { .ok(timeout: .seconds(60)) }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .wait: _ = context.receive { if case .wait = $0 { true } else { false } }
        case .fail: throw Failure(text: "by itself")
        }
        return .continue
    }

    mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Message>) { ends.note(reason) }
}

private final class Ends: Sendable {
    private let noted = Mutex([ExitReason]())
    var all: [ExitReason] { noted.withLock { $0 } }
    func note(_ reason: ExitReason) { noted.withLock { $0.append(reason) } }
}

/// One that goes round in its states until it is stopped.
private struct Lamp: StateMachine {
    let ends: Ends
    mutating func initialize(in context: borrowing Context<Int>) throws -> StateStart<Bool, Int> { .ok(false) }
    mutating func handle(_ message: Int, state: Bool, in context: borrowing Context<Int>) throws -> Transition { .next(!state) }
    mutating func terminate(_ reason: ExitReason, state: Bool, in context: borrowing Context<Int>) { ends.note(reason) }
}

extension AllTests { @Suite("a server is stopped") struct StopTests {
    @Test("by a task, a plain thread, a process and an asynchronous one: terminate is called, though it does not trap exits")
    func stops() async throws { try await withRuntime {
        let ends = Ends()
        let reasons: [ExitReason] = [.normal, .shutdown, .error("enough", number: -5), .shutdown(3), .error("by name", number: 7)]
        let first = try spawn(Session(ends: ends), options: SpawnOptions(name: "session"))
        try await first.stop()
        #expect(!first.isAlive)
        let second = try spawn(Session(ends: ends), options: SpawnOptions(name: "session"))
        let name = Name<Session.Message>("session")
        try name.stopSync(reasons[1])
        #expect(!second.isAlive)
        try await inProcess { me in
            let (third, monitor) = try me.spawnMonitor(Session(ends: ends))
            try me.stop(third, reasons[2])
            #expect(!third.isAlive)
            guard case .down(let down)? = me.receiveInfo() else { throw Failure(text: "not told") }
            #expect(down.reference == monitor && down.reason == reasons[2])
            expectEmptyMailbox(me)
        }
        try await inAsyncProcess { me in
            try await me.stop(spawn(Session(ends: ends)), reasons[3])
            try await spawn(Session(ends: ends)).stop(reasons[4])
        }
        #expect(ends.all == reasons)
    } }

    @Test("after what was sent before: one that ends otherwise by then says so") func order() async throws {
        try await withRuntime(schedulers: 1) {
            let ends = Ends()
            try await inProcess { me in
                // On the one scheduler, it runs when this process waits.
                let session = try spawn(Session(ends: ends))
                session.send(.fail)
                let error = errorOf { try me.stop(session) }
                #expect(error?.code == .exited && (error?.reason?.error as? Failure)?.text == "by itself")
                let gone = errorOf { try me.stop(session) }
                #expect(gone?.code == .noproc)
            }
            let nobody = await errorOf { try await Counter.at("nobody").stop() }
            #expect(nobody?.code == .noproc)
        }
    }

    @Test("one that is busy is waited for until the time is up, and ends later; nobody stops itself") func late() async throws {
        try await withRuntime {
            let ends = Ends()
            try await inProcess { me in
                let (session, _) = try me.spawnMonitor(Session(ends: ends))
                session.send(.wait)
                let late = errorOf { try me.stop(session, .shutdown, timeout: .milliseconds(5)) }
                #expect(late?.code == .timeout)
                session.send(.wait)
                guard case .down(let down)? = me.receiveInfo() else { throw Failure(text: "not told") }
                #expect(down.reason == .shutdown)
                let own = errorOf { try me.stop(me.pid) }
                #expect(own?.code == .deadlock)
            }
            #expect(ends.all == [.shutdown])
        }
    }

    @Test("so are a state machine, an agent and an event manager") func others() async throws { try await withRuntime {
        let ends = Ends()
        let lamp = try spawn(Lamp(ends: ends))
        lamp.send(1)
        try await lamp.stop(.shutdown)
        #expect(ends.all == [.shutdown])
        let agent = try Agent.start(1)
        agent.cast { _ in ends.note(.normal) }
        try await agent.stop()
        #expect(ends.all == [.shutdown, .normal])
        #expect(!agent.pid.isAlive)
        try await inProcess { me in
            let agent = try Agent.start(1)
            try agent.stop(.shutdown)
            #expect(!agent.pid.isAlive)
            let manager = try EventManager<Int>.start()
            try manager.stop()
            #expect(!manager.pid.isAlive)
        }
    } }
} }
