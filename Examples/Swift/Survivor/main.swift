// A server with a process for each connection: in one of them the code unwraps nil by force. That connection ends; the others, and the
// program, go on. (What is contained, and what is not: docs/guides/faults.md.)
import Apus

struct Connection: GenServer {
    enum Message { case request(String, From<String>) }
    let users = ["1": "Joe", "2": "Mike"]

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) -> Next {
        switch message {
        case .request(let id, let from): from.reply("Hello, \(users[id]!)")
        }
        return .continue
    }
}

let connections = try (0..<3).map { _ in try spawn(Connection()) }
for (connection, id) in zip(connections, ["1", "3", "2"]) {
    do {
        print(try await connection.call { .request(id, $0) })
    } catch {
        print("A connection ended with a", error.reason?.code ?? .normal)
    }
}
print(try await connections[0].call { .request("2", $0) })
try Runtime.stop()
