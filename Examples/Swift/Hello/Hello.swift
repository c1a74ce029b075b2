// A server, a supervisor above it, and calls from a task and from an asynchronous process.
import Apus

struct Counter: GenServer {
    enum Message { case add(Int), get(From<Int>), fail }
    var count = 0

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .add(let n): count += n
        case .get(let from): from.reply(count)
        case .fail: throw ExitReason.error("told to")
        }
        return .continue
    }
}

@main enum Hello {
    static func main() async throws {
        let tree = try await Supervisor.start(strategy: .oneForOne, intensity: 3, within: .seconds(5)) {
            Child(Counter(), name: "hits")
            Child(id: "greeter", of: String.self, name: "greeter") { me in
                while let name = await me.receive() {
                    try Counter.at("hits").send(.add(1))
                    let hits: Int = try await me.call(Counter.at("hits")) { .get($0) }
                    print("Hello, \(name)! You are number \(hits).")
                }
            }
        }

        let greeter = Name<String>("greeter")
        for name in ["Joe", "Mike", "Robert"] { try greeter.send(name) }
        while try await Counter.at("hits").call({ .get($0) }) < 3 { await Task.yield() }

        let failing = Counter.at("hits").pid!
        failing.send(.fail)
        var restarted = Counter.at("hits").pid
        while restarted == nil || restarted == failing {
            await Task.yield()
            restarted = Counter.at("hits").pid
        }
        print("The counter failed, was restarted, and begins at \(try await Counter.at("hits").call { .get($0) }).")
        try tree.stop()
        try Runtime.stop()
    }
}
