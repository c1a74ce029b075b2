import Apus
import Testing

/// A machine that does what each message says, and writes down what reached it in which state.
struct Scripted: StateMachine, Sendable {
    enum State: Equatable, Sendable { case a, b, c }
    enum Message: Sendable {
        case act(String, @Sendable (State) throws -> StateTransition<State, Message>)
        case log(From<[String]>)
    }
    var log: [String] = []
    var entering: @Sendable (State) -> Transition = { _ in .keep }
    var ended: Agent<String>?

    init(ended: Agent<String>? = nil, entering: @escaping @Sendable (State) -> Transition = { _ in .keep }) {
        self.ended = ended
        self.entering = entering
    }

    mutating func initialize(in context: borrowing Context<Message>) throws -> StateStart<State, Message> { .ok(.a) }

    mutating func enter(_ state: State, from old: State, in context: borrowing Context<Message>) throws -> Transition {
        log.append("\(old)>\(state)")
        return entering(state)
    }

    mutating func handle(_ message: Message, state: State, in context: borrowing Context<Message>) throws -> Transition {
        switch message {
        case .act(let name, let act):
            log.append("\(state) \(name)")
            return try act(state)
        case .log(let from):
            from.reply(log)
            return .keep
        }
    }

    mutating func handle(timeout: StateTimeout, state: State, in context: borrowing Context<Message>) throws -> Transition {
        log.append("\(state) \(timeout)")
        return .keep
    }

    mutating func handle(info: consuming Info, state: State, in context: borrowing Context<Message>) throws -> Transition {
        if case .message(let envelope) = consume info, let text = envelope.take(as: String.self) { log.append("\(state) info \(text)") }
        return .keep
    }

    mutating func terminate(_ reason: ExitReason, state: State, in context: borrowing Context<Message>) {
        ended?.cast { $0 = "\(state) \(reason)" }
    }
}

/// Waits until the machine has written down `count` things, and returns them.
private func log(of machine: Pid<Scripted.Message>, count: Int, _ me: borrowing Context<Never>) throws -> [String] {
    while true {
        let log: [String] = try me.call(machine) { .log($0) }
        if log.count >= count { return log }
        me.yield()
    }
}

extension AllTests { @Suite struct StateMachineTests {
    @Test("a postponed event is taken again when the state has changed, before anything that waits, oldest first")
    func postpone() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try me.spawnLink(Scripted())
            for name in ["1", "2"] { machine.send(.act(name) { $0 == .a ? .keep(.postpone) : .keep }) }
            machine.send(.act("stay") { .next($0) })
            machine.send(.act("go") { _ in .next(.b) })
            machine.send(.act("last") { _ in .keep })
            #expect(try log(of: machine, count: 9, me) == ["a>a", "a 1", "a 2", "a stay", "a go", "a>b", "b 1", "b 2", "b last"])
        }
    } }

    @Test("actions may be an array") func arrays() async throws { try await withRuntime {
        struct Chain: StateMachine {
            enum Message { case log(From<[Int]>) }
            typealias State = Int
            var seen: [Int] = []
            mutating func initialize(in context: borrowing Context<Message>) -> StateStart<Int, Message> {
                .ok(0, [1, 2].map { .timeout("\($0)", .zero) })
            }
            mutating func handle(timeout: StateTimeout, state: Int, in context: borrowing Context<Message>) -> Transition {
                seen.append(state)
                let next: [StateAction<Message>] = state < 3 ? [.stateTimeout(.zero)] : []
                return switch state {
                case 0: .next(1, next)
                case 1: seen.count == 2 ? .keep(next) : .next(2, next)
                case 2: seen.count == 4 ? .repeat(next) : .next(3, next)
                default: .keep
                }
            }
            mutating func handle(_ message: Message, state: Int, in context: borrowing Context<Message>) -> Transition {
                if case .log(let from) = message { from.reply(seen) }
                return .keep
            }
        }
        let chain = try spawn(Chain())
        #expect(try chain.callSync { .log($0) } == [0, 1, 1, 2, 2, 3])
    } }

    @Test("an event that changes the state and is postponed is taken again in the new state")
    func postponeAndChange() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try me.spawnLink(Scripted())
            machine.send(.act("x") { $0 == .a ? .next(.b, .postpone) : .keep })
            #expect(try log(of: machine, count: 4, me) == ["a>a", "a x", "a>b", "b x"])
        }
    } }

    @Test("inserted events are handled in order, before postponed ones and before what waits")
    func nextEvents() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try me.spawnLink(Scripted())
            machine.send(.act("old") { $0 == .a ? .keep(.postpone) : .keep })
            machine.send(
                .act("go") { _ in .next(.b, .nextEvent(.act("1") { _ in .keep }), .nextEvent(.act("2") { _ in .keep })) })
            machine.send(.act("last") { _ in .keep })
            #expect(try log(of: machine, count: 8, me) == ["a>a", "a old", "a go", "a>b", "b 1", "b 2", "b old", "b last"])
        }
    } }

    @Test("time-outs that run are cancelled with the machine, also if it is killed")
    func timeoutsEnd() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try spawn(Scripted())
            _ = try me.monitor(machine)
            machine.send(.act("start") { _ in .keep(.stateTimeout(.seconds(3600)), .timeout("mine", .seconds(3600))) })
            _ = try log(of: machine, count: 2, me)
            #expect(try Runtime.info().timers == 2)
            machine.exit(.kill)
            guard case .down? = me.receiveInfo(timeout: .seconds(20)) else { Issue.record("no down message"); return }
            #expect(try Runtime.info().timers == 0)
        }
    } }

    @Test("the time-out of a state is cancelled when the state changes, and only then")
    func stateTimeout() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try me.spawnLink(Scripted())
            machine.send(.act("start") { _ in .keep(.stateTimeout(.seconds(3600)), .timeout("mine", .milliseconds(1))) })
            #expect(try log(of: machine, count: 3, me) == ["a>a", "a start", "a named(\"mine\")"])
            #expect(try Runtime.info().timers == 1)
            machine.send(.act("stay") { .next($0) })
            _ = try log(of: machine, count: 4, me)
            #expect(try Runtime.info().timers == 1)
            machine.send(.act("go") { _ in .next(.b) })
            _ = try log(of: machine, count: 6, me)
            #expect(try Runtime.info().timers == 0)
            machine.send(.act("short") { _ in .keep(.stateTimeout(.milliseconds(1))) })
            #expect(try log(of: machine, count: 8, me).last == "b state")
        }
    } }

    @Test("the time-out until the next event is cancelled by any event, one of one's own name by none")
    func eventTimeout() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try me.spawnLink(Scripted())
            machine.send(.act("start") { _ in .keep(.eventTimeout(.seconds(3600)), .timeout("mine", .seconds(3600))) })
            machine.send(.act("any") { _ in .keep })
            _ = try log(of: machine, count: 3, me)
            #expect(try Runtime.info().timers == 1)
            machine.send(.act("cancel") { _ in .keep(.cancel(.named("mine"))) })
            _ = try log(of: machine, count: 4, me)
            #expect(try Runtime.info().timers == 0)
        }
    } }

    @Test("a time-out of zero passes before what waits, and after inserted events; one until the next event is cancelled by those")
    func zeroTimeout() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try me.spawnLink(Scripted())
            machine.send(
                .act("start") { _ in .keep(.stateTimeout(.zero), .eventTimeout(.zero), .nextEvent(.act("1") { _ in .keep })) })
            machine.send(.act("last") { _ in .keep })
            #expect(try log(of: machine, count: 5, me) == ["a>a", "a start", "a 1", "a state", "a last"])
        }
    } }

    @Test("a time-out that was cancelled is not seen, even if it has passed already")
    func cancelledTooLate() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try me.spawnLink(Scripted())
            machine.send(.act("start") { _ in .keep(.timeout("mine", .milliseconds(1))) })
            machine.send(
                .act("spin") { _ in
                    let end = Runtime.now + .milliseconds(20)
                    while Runtime.now < end {}
                    return .keep(.cancel(.named("mine")))
                })
            machine.send(.act("last") { _ in .keep })
            #expect(try log(of: machine, count: 4, me) == ["a>a", "a start", "a spin", "a last"])
            me.yield()
            #expect(try log(of: machine, count: 4, me).count == 4)
        }
    } }

    @Test("actions are done in order: a time-out that is started and then cancelled does not come")
    func ordered() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try me.spawnLink(Scripted())
            machine.send(.act("start") { _ in .keep(.timeout("mine", .zero), .cancel(.named("mine"))) })
            machine.send(.act("again") { _ in .keep(.cancel(.named("mine")), .timeout("mine", .zero)) })
            #expect(try log(of: machine, count: 4, me) == ["a>a", "a start", "a again", "a named(\"mine\")"])
        }
    } }

    @Test("entering is called at the start, at a change, and when a state repeats itself; its actions count")
    func enter() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try me.spawnLink(Scripted { $0 == .c ? .keep(.stateTimeout(.zero)) : .keep })
            machine.send(.act("again") { _ in .repeat() })
            machine.send(.act("go") { _ in .next(.c) })
            #expect(try log(of: machine, count: 6, me) == ["a>a", "a again", "a>a", "a go", "a>c", "c state"])
        }
    } }

    @Test("what is not a message of its own reaches the machine as info")
    func info() async throws { try await withRuntime {
        try await inProcess { me in
            let machine = try me.spawnLink(Scripted())
            AnyPid(machine).send("hello")
            #expect(try log(of: machine, count: 2, me) == ["a>a", "a info hello"])
        }
    } }

    @Test("a machine that stops or throws ends with that reason, after terminate")
    func stop() async throws { try await withRuntime {
        try await inProcess { me in
            let ended = try Agent.start("")
            let (one, monitor) = try me.spawnMonitor(Scripted(ended: ended))
            one.send(.act("stop") { _ in .stop(.shutdown(3)) })
            guard case .down(let down)? = me.receiveInfo() else { throw Failure(text: "no down") }
            #expect(down.reference == monitor)
            #expect(down.reason == .shutdown(3))
            #expect(try ended.get { $0 } == "a shutdown(3)")
            let (two, _) = try me.spawnMonitor(Scripted())
            two.send(.act("throw") { _ in throw Failure(text: "broken") })
            guard case .down(let failed)? = me.receiveInfo() else { throw Failure(text: "no down") }
            #expect((failed.reason.error as? Failure)?.text == "broken")
            try ended.stop()
        }
    } }

    @Test("a supervisor restarts a state machine in its first state")
    func supervised() async throws { try await withRuntime {
        let tree = try await Supervisor.start { Child(Scripted(), name: "machine") }
        try await inProcess { me in
            let name = Scripted.at("machine")
            let pid = try #require(name.pid)
            try name.send(.act("go") { _ in .next(.b) })
            try name.send(.act("throw") { _ in throw Failure(text: "broken") })
            let another = eventually(me, name, isNot: pid)
            #expect(try log(of: another, count: 1, me) == ["a>a"])
        }
        try tree.stop()
    } }
} }
