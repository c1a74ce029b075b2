// Sockets.swift - echo: a TCP server with a process for each connection; the common client keeps 1, 10, 100 and 1,000 connections busy.
//
// The client (Benchmarks/Common/echo_client.c, named by BENCH_ECHO_CLIENT) is a child of this program, so it has the same CPUs. It
// prints a line `CONNECTIONS RATE P50 P99` for each, round trips a second and microseconds, when all is done.
import Apus
import Glibc

let socketWorkloads = [Workload(name: "echo", unit: "round trips/s", run: runEcho)]

/// What owns a descriptor: does what can be done without waiting. False: it is done.
protocol Pump: Sendable {
    func pump(_ context: borrowing Context<Never>) throws -> Bool
}

struct Connection: Pump {
    let descriptor: Int32

    /// What the client has not read yet is never more than one message of 64 bytes, so a write takes all.
    func pump(_ context: borrowing Context<Never>) throws -> Bool {
        try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { bytes in
            while true {
                let got = read(descriptor, bytes.baseAddress, bytes.count)
                if got > 0 {
                    check(write(descriptor, bytes.baseAddress, got) == got, "write")
                } else if got == 0 || errno != EAGAIN {
                    context.unwatch(descriptor)
                    close(descriptor)
                    return false
                } else {
                    try context.watch(descriptor, for: .read)
                    return true
                }
            }
        }
    }
}

struct Listener: Pump {
    let descriptor: Int32

    func pump(_ context: borrowing Context<Never>) throws -> Bool {
        while true {
            let next = accept(descriptor, nil, nil)
            if next < 0 {
                try context.watch(descriptor, for: .read)
                return true
            }
            check(fcntl(next, F_SETFL, O_NONBLOCK) == 0, "no blocking")
            var on: Int32 = 1
            setsockopt(next, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
            try startPump(Connection(descriptor: next))
        }
    }
}

struct PumpServer<Body: Pump>: GenServer {
    typealias Message = Never
    let body: Body

    mutating func initialize(in context: borrowing Context<Never>) throws -> InitResult {
        try body.pump(context) ? .ok : .stop(.normal)
    }

    mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}

    mutating func handle(info: consuming Info, in context: borrowing Context<Never>) throws -> Next {
        try body.pump(context) ? .continue : .stop
    }
}

func startPump(_ body: some Pump) throws {
    guard isAsynchronous else {
        try spawn(PumpServer(body: body))
        return
    }
    try spawn(of: Never.self) { me in
        while try me.inProcess({ try body.pump($0) }) { guard await me.receiveInfo() != nil else { return } }
    }
}

func listenHere() -> (descriptor: Int32, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in(), size = socklen_t(MemoryLayout<sockaddr_in>.size)
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            check(descriptor >= 0 && bind(descriptor, address, size) == 0 && listen(descriptor, 4096) == 0, "listen")
            check(getsockname(descriptor, address, &size) == 0, "port")
        }
    }
    return (descriptor, UInt16(bigEndian: address.sin_port))
}

/// Takes the client's report. Returns the rate with 100 connections.
func readReport(_ file: UnsafeMutablePointer<FILE>) -> Double {
    var line = [CChar](repeating: 0, count: 256), of100 = 0.0
    while fgets(&line, 256, file) != nil {
        let words = String(cString: line).split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
        check(words.count == 4, "the client's report")
        let prefix = "c\(Int(words[0]))"
        also(prefix, words[1], "round trips/s")
        also(prefix + "_p50", words[2], "us")
        also(prefix + "_p99", words[3], "us")
        if words[0] == 100 { of100 = words[1] }
    }
    return of100
}

func runEcho(_ boss: borrowing Boss) throws -> Double {
    guard let client = getenv("BENCH_ECHO_CLIENT") else { fail("BENCH_ECHO_CLIENT names the client") }
    let (descriptor, port) = listenHere()
    try startPump(Listener(descriptor: descriptor))
    guard let file = popen("exec '\(String(cString: client))' \(port) \(scaled(100_000))", "r") else { fail("start the client") }
    // The boss waits for the first line, which comes when all is done, without holding up its scheduler.
    check(fcntl(fileno(file), F_SETFL, O_NONBLOCK) == 0, "no blocking")
    try boss.watch(fileno(file), for: .read)
    guard case .io? = boss.receiveInfo() else { fail("readiness") }
    check(fcntl(fileno(file), F_SETFL, 0) == 0, "blocking again")
    let rate = readReport(file)
    check(pclose(file) == 0 && rate > 0, "the client's own check")
    return rate
}
