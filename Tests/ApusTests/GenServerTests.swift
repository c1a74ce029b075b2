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

/// Puts a message away that is not its own, and says whether it has one.
private struct Attic: GenServer, ~Copyable {
    var kept: Envelope?

    mutating func handle(_ message: consuming From<Bool>, in context: borrowing Context<From<Bool>>) -> Next {
        let isKept = kept != nil
        message.reply(isKept)
        return .continue
    }

    mutating func handle(info: consuming Info, in context: borrowing Context<From<Bool>>) -> Next {
        if case .message(let envelope) = consume info { kept = consume envelope }
        return .continue
    }
}

extension AllTests { @Suite struct GenServerTests {
    @Test("a message that is not a server's own is there as long as the server keeps it") func keeps() async throws { try await withRuntime {
        let attic = try spawn(Attic()), alive = Owned.alive.load(ordering: .relaxed)
        AnyPid(attic).send(Owned())
        let isKept: Bool = try await attic.call { $0 }
        #expect(isKept)
        #expect(Owned.alive.load(ordering: .relaxed) == alive + 1)
        attic.exit(.shutdown)
        try await inProcess { me in eventually(me) { Owned.alive.load(ordering: .relaxed) == alive } }
    } }

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
