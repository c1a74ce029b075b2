// The code of Sources/Apus/Apus.docc/OTPForSwiftProgrammers.md, line by line: Tests/tutorial.sh compares.
import Apus
import Testing

private struct ImpossiblePrice: Error { let what: String }

struct Till: GenServer, Sendable {
    enum Message: Sendable {
        case sell(String, cents: Int)
        case total(From<Int>)
    }

    private var cents = 0

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .sell(let what, let price):
            if price < 0 { throw ImpossiblePrice(what: what) }
            cents += price
        case .total(let from):
            from.reply(cents)
        }
        return .continue
    }
}

struct Door: StateMachine, Sendable {
    enum State: Sendable { case locked, open }
    enum Message: Sendable { case unlock, push(From<Void>) }

    mutating func initialize(in context: borrowing Context<Message>) throws -> StateStart<State, Message> { .ok(.locked) }

    mutating func handle(_ message: Message, state: State, in context: borrowing Context<Message>) throws -> Transition {
        switch (state, message) {
        case (.locked, .unlock): return .next(.open, .stateTimeout(.seconds(10)))
        case (.locked, .push): return .keep(.postpone)
        case (.open, .unlock): return .keep
        case (.open, .push(let from)):
            from.reply()
            return .keep
        }
    }

    mutating func handle(timeout: StateTimeout, state: State, in context: borrowing Context<Message>) throws -> Transition {
        .next(.locked)
    }
}

private func price(of what: String) throws -> Int {
    guard let cents = ["tea": 250, "coffee": 300][what] else { throw ImpossiblePrice(what: what) }
    return cents
}

extension AllTests { @Suite struct TutorialTests {
    @Test("steps 1 to 3: a till counts, is called, and fails")
    func till() async throws { try await withRuntime {
        let till = try spawn(Till())
        till.send(.sell("tea", cents: 250))
        let total = try await till.call { .total($0) }
        #expect(total == 250)
        let process = try spawnBlocking(of: Never.self) { me in
            let (till, monitor) = try me.spawnMonitor(Till())
            till.send(.sell("luck", cents: -1))
            if case .down(let down)? = me.receiveInfo(), down.reference == monitor {
                print("the till ended: \(down.reason)")
            }
        }
        let reason = try process.join()
        #expect(reason == .normal || reason == .noproc)
    } }

    @Test("steps 4 and 5: a supervised shop, and prices worked out at the same time")
    func shop() async throws { try await withRuntime {
        let shop = try await Supervisor.start(strategy: .oneForOne, intensity: 3, within: .seconds(5)) {
            Child(Till(), name: "till")
            TaskSupervisor(name: "errands")
        }
        try Till.at("till").send(.sell("coffee", cents: 300))
        let total = try await Till.at("till").call { .total($0) }
        #expect(total == 300)
        try await inProcess { me in
            let prices = try me.asyncMap(["tea", "coffee", "luck"]) { what, _ in
                try price(of: what)
            }
            let known = prices.compactMap { try? $0.get() }
            #expect(known == [250, 300])
        }
        try shop.stop()
    } }

    @Test("step 6: a push on a locked door is answered when it is unlocked")
    func door() async throws { try await withRuntime {
        let door = try spawn(Door())
        async let pushed: Void = door.call { .push($0) }
        try await inProcess { me in
            // The push is there first, or is answered at once: either way it is answered.
            door.send(.unlock)
        }
        try await pushed
    } }
} }
