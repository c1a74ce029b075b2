// A chat server over the core's I/O: a process accepts, a process serves each connection, a process is the room. Run with a port it serves
// until it is interrupted; without one it plays three clients of its own, and ends.
import Apus
import Glibc

/// Passes each line on to everyone in the room.
struct Room: GenServer {
    enum Message { case join(Pid<Connection.Message>), leave(Pid<Connection.Message>), say(String, by: Pid<Connection.Message>) }
    var members: [Pid<Connection.Message>] = []

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .join(let member):
            members.append(member)
            _ = try context.monitor(member)
        case .leave(let member): members.removeAll { $0 == member }
        case .say(let line, let speaker): for member in members where member != speaker { member.send(.line(line)) }
        }
        return .continue
    }

    // A connection that ended without a word, whatever the reason.
    mutating func handle(info: consuming Info, in context: borrowing Context<Message>) -> Next {
        if case .down(let down) = info { members.removeAll { $0.untyped == down.pid } }
        return .continue
    }
}

/// One client. Reads lines when the descriptor is ready, and writes what the room passes on.
struct Connection: GenServer {
    enum Message { case line(String) }
    let descriptor: Int32
    let room: Pid<Room.Message>
    var rest: [UInt8] = []

    init(descriptor: Int32, room: Pid<Room.Message>) {
        self.descriptor = descriptor
        self.room = room
    }

    mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult {
        room.send(.join(context.pid))
        send("welcome\n")
        try context.watch(descriptor, for: .read)
        return .ok
    }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) -> Next {
        switch message {
        case .line(let text): send(text + "\n")
        }
        return .continue
    }

    mutating func handle(info: consuming Info, in context: borrowing Context<Message>) throws -> Next {
        guard case .io = info else { return .continue }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else {
            if count < 0, errno == EAGAIN { try context.watch(descriptor, for: .read); return .continue }
            return .stop
        }
        rest += buffer[..<count]
        while let end = rest.firstIndex(of: 10) {
            room.send(.say(String(decoding: rest[..<end], as: UTF8.self), by: context.pid))
            rest.removeSubrange(...end)
        }
        try context.watch(descriptor, for: .read)
        return .continue
    }

    mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Message>) {
        context.unwatch(descriptor)
        close(descriptor)
    }

    // A client that does not read loses what does not fit its socket.
    func send(_ text: String) {
        _ = text.withCString { write(descriptor, $0, strlen($0)) }
    }
}

/// Accepts connections and has them served.
struct Listener: GenServer {
    let descriptor: Int32
    let room: Pid<Room.Message>
    let connections: DynamicSupervisor

    mutating func initialize(in context: borrowing Context<Never>) throws -> InitResult {
        try context.watch(descriptor, for: .read)
        return .ok
    }

    mutating func handle(info: consuming Info, in context: borrowing Context<Never>) throws -> Next {
        while case let client = accept(descriptor, nil, nil), client >= 0 {
            _ = fcntl(client, F_SETFL, O_NONBLOCK)
            try connections.startChild(Connection(descriptor: client, room: room))
        }
        try context.watch(descriptor, for: .read)
        return .continue
    }

    mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
}

func address(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
}

/// Listens on the loopback interface; port 0 takes a free one.
func listen(port: UInt16) -> (descriptor: Int32, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
    var address = address(port: port), size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0 }
    }
    precondition(isBound && Glibc.listen(descriptor, 128) == 0, "cannot listen on port \(port)")
    return (descriptor, UInt16(bigEndian: address.sin_port))
}

// --- The clients of the self-test -----------------------------------------------------------------------------------------------

final class Client {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)

    init(port: UInt16) {
        var address = address(port: port)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { sockaddr in
                precondition(connect(descriptor, sockaddr, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0, "cannot connect")
            }
        }
    }

    deinit { close(descriptor) }

    func say(_ line: String) { _ = (line + "\n").withCString { write(descriptor, $0, strlen($0)) } }

    func line() -> String {
        var bytes: [UInt8] = [], byte: UInt8 = 0
        while read(descriptor, &byte, 1) == 1, byte != 10 { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

let port = CommandLine.arguments.dropFirst().first.flatMap { UInt16($0) }
let listener = listen(port: port ?? 0)
let connections = DynamicSupervisor(name: "connections", intensity: 10)
let room = try spawn(Room())
let tree = try Supervisor.start(strategy: .restForOne) {
    connections
    Child(Listener(descriptor: listener.descriptor, room: room, connections: connections))
}
if let port {
    print("chat: serving 127.0.0.1:\(port)")
    while true { pause() }
}
let clients = (0..<3).map { _ in Client(port: listener.port) }
print(clients.map { $0.line() }.joined(separator: ", "))
clients[0].say("hello from the first")
print(clients[1].line())
print(clients[2].line())
clients[2].say("and from the third")
print(clients[0].line())
try tree.stop()
try Runtime.stop()
