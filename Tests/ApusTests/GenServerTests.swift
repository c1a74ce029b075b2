import Apus
import Testing

struct Counter: GenServer {
    enum Message { case add(Int), get(From<Int>), fail, list([Int]), wait, never(From<Int>), failing(From<Int>) }
    var count = 0

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .add(let n): count += n
        case .get(let from): from.reply(count)
        case .never: count += 1
        case .failing: throw Failure(text: "while asked")
        case .fail: throw Failure(text: "broken")
        case .list(let numbers): count += numbers.reduce(0, +)
        case .wait: _ = context.receive { if case .wait = $0 { true } else { false } }
        }
        return .continue
    }
}

extension AllTests { @Suite struct GenServerTests {
    @Test("a server handles casts and a call in order") func casts() async throws { try await withRuntime {
        let counter = try spawn(Counter())
        for i in 1...10 { counter.send(.add(i)) }
        counter.send(.list([1, 2, 3]))
        try await inProcess { me in
            let count = try me.call(counter) { .get($0) }
            #expect(count == 61)
            let down = try me.monitor(counter)
            counter.send(.fail)
            guard case .down(let down2)? = me.receiveInfo() else { return }
            #expect(down2.reference == down)
            #expect(down2.reason.code == .error)
            #expect((down2.reason.error as? Failure)?.text == "broken")
            print(down2.reason)
        }
    } }
}
}
