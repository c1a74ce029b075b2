import Apus
import Testing

/// Calls the first of a path of names and answers with what became of that; the last one of the path just answers.
private struct Stop: GenServer {
    enum Message { case pass([String], From<ApusError?>) }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .pass(let path, let from): from.reply(follow(path) { try context.call(Stop.at($0), timeout: nil, $1) })
        }
        return .continue
    }
}

private func follow(_ path: [String], _ call: (String, (From<ApusError?>) -> Stop.Message) throws -> ApusError?) -> ApusError? {
    guard let next = path.first else { return nil }
    do {
        return try call(next) { .pass(Array(path.dropFirst()), $0) }
    } catch { return error as? ApusError }
}

/// The same as a blocking body.
private func stopBody(_ me: borrowing Context<Stop.Message>) {
    while let message = me.receive() {
        switch message {
        case .pass(let path, let from):
            var outcome: ApusError?
            if let next = path.first {
                do {
                    outcome = try me.call(Stop.at(next), timeout: nil) { .pass(Array(path.dropFirst()), $0) }
                } catch { outcome = error }
            }
            from.reply(outcome)
        }
    }
}

/// The same as an asynchronous body.
private nonisolated(nonsending) func stopBody(_ me: borrowing AsyncContext<Stop.Message>) async {
    while let message = await me.receive() {
        switch message {
        case .pass(let path, let from):
            var outcome: ApusError?
            if let next = path.first {
                do {
                    outcome = try await me.call(Stop.at(next), timeout: nil) { .pass(Array(path.dropFirst()), $0) }
                } catch { outcome = error }
            }
            from.reply(outcome)
        }
    }
}

private enum Kind: CaseIterable {
    case server, blocking, asynchronous

    func start(_ name: String) throws {
        let options = SpawnOptions(name: name)
        switch self {
        case .server: try spawn(Stop(), options: options)
        case .blocking: try spawnBlocking(of: Stop.Message.self, options: options) { stopBody($0) }
        case .asynchronous: try spawn(of: Stop.Message.self, options: options) { await stopBody($0) }
        }
    }
}

extension AllTests { @Suite struct CircleTests {
    @Test("R32: of calls that wait for each other the last one fails at once, and its error names them all", arguments: [
        [.server, .blocking], [.asynchronous, .server], [.blocking, .asynchronous], [.asynchronous, .asynchronous],
        Kind.allCases, Kind.allCases.reversed(),
    ])
    fileprivate func circle(kinds: [Kind]) async throws { try await withRuntime {
        let names = ["a", "b", "c"].prefix(kinds.count)
        for (name, kind) in zip(names, kinds) { try kind.start(name) }
        let error: ApusError? = try await Stop.at("a").call { .pass(Array(names.dropFirst() + ["a"]), $0) }
        #expect(error?.code == .deadlock)
        let chain = [names.last!] + names
        #expect(error?.detail == chain.map { "\($0) \(Stop.at($0).pid!)" }.joined(separator: " calls "))
        let free: ApusError? = try await Stop.at("a").call { .pass(Array(names.dropFirst()), $0) }
        #expect(free == nil, "the same path without its last step is no circle, and everybody lives")
    } }
} }
