// Messages.swift - workloads of messages between processes that are there already; the processes are GenServers.
import Apus

let workloads = messageWorkloads + spawnWorkloads + fairnessWorkloads + commonWorkloads

let messageWorkloads = [
    Workload(name: "pingpong", unit: "ns/msg") { boss in
        let rounds = scaled(1_000_000)
        return Double(try runPairs(boss, 1, rounds)) / Double(2 * rounds)
    },
    Workload(name: "pairs", unit: "msg/s") { boss in
        let rounds = scaled(50_000)
        return Double(2 * 64 * rounds) / seconds(try runPairs(boss, 64, rounds))
    },
    Workload(name: "ring", unit: "ns/hop", run: runRing),
    Workload(name: "bang", unit: "msg/s", run: runBang),
    Workload(name: "call", unit: "ns/call", run: runCall),
]

// pingpong, pairs: the token starts at 0 and each receiver adds one, so the last message of N round trips is 2N-1.

enum Ball { case go(Pid<Ball>), token(Int) }

struct Pinger: GenServer {
    let boss: Pid<Int>
    var peer: Pid<Ball>?
    var left: Int

    mutating func handle(_ message: consuming Ball, in context: borrowing Context<Ball>) -> Next {
        switch message {
        case .go(let peer):
            self.peer = peer
            peer.send(.token(0))
        case .token(let token):
            left -= 1
            guard left > 0 else {
                boss.send(token)
                return .stop
            }
            peer!.send(.token(token + 1))
        }
        return .continue
    }
}

struct Ponger: GenServer {
    let peer: Pid<Ball>
    var left: Int

    mutating func handle(_ message: consuming Ball, in context: borrowing Context<Ball>) -> Next {
        guard case .token(let token) = message else { return .continue }
        peer.send(.token(token + 1))
        left -= 1
        return left > 0 ? .continue : .stop
    }
}

func runPairs(_ boss: borrowing Boss, _ pairs: Int, _ rounds: Int) throws -> Int {
    var first: [Pid<Ball>] = [], second: [Pid<Ball>] = []
    for _ in 0..<pairs {
        let ping = try spawn(Pinger(boss: boss.pid, peer: nil, left: rounds))
        first.append(ping)
        second.append(try spawn(Ponger(peer: ping, left: rounds)))
    }
    let start = nanoseconds()
    for i in 0..<pairs { first[i].send(.go(second[i])) }
    for _ in 0..<pairs { check(boss.number() == 2 * rounds - 1, "token") }
    return nanoseconds() - start
}

// ring: the token is the number of hops it has made.

struct Link: GenServer {
    let boss: Pid<Int>
    var next: Pid<Ball>?
    let hops: Int

    mutating func handle(_ message: consuming Ball, in context: borrowing Context<Ball>) -> Next {
        switch message {
        case .go(let next): self.next = next
        case .token(let hop):
            if hop == hops { boss.send(hop) } else { next!.send(.token(hop + 1)) }
        }
        return .continue
    }
}

func runRing(_ boss: borrowing Boss) throws -> Double {
    let hops = scaled(2_000_000)
    let first = try spawn(Link(boss: boss.pid, next: nil, hops: hops))
    var next = first
    for _ in 1..<1000 { next = try spawn(Link(boss: boss.pid, next: next, hops: hops)) }
    first.send(.go(next))
    let start = nanoseconds()
    first.send(.token(1))
    let made = boss.number()
    let end = nanoseconds()
    check(made == hops, "hops")
    return Double(end - start) / Double(hops)
}

// bang: each sender sends all it has in one callback; the mailbox is unbounded, nobody is held back.

struct BangReceiver: GenServer {
    let boss: Pid<Int>
    var left: Int
    var sum = 0

    mutating func handle(_ message: consuming Int, in context: borrowing Context<Int>) -> Next {
        sum += message
        left -= 1
        guard left == 0 else { return .continue }
        boss.send(sum)
        return .stop
    }
}

struct BangSender: GenServer {
    typealias Message = Never
    let to: Pid<Int>
    let count: Int

    mutating func initialize(in context: borrowing Context<Never>) -> InitResult {
        for i in stride(from: count, to: 0, by: -1) { to.send(i) }
        return .stop(.normal)
    }

    mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
}

func runBang(_ boss: borrowing Boss) throws -> Double {
    let senders = 512, each = scaled(4000)
    let receiver = try spawn(BangReceiver(boss: boss.pid, left: senders * each))
    let start = nanoseconds()
    for _ in 0..<senders { try spawn(BangSender(to: receiver, count: each)) }
    let sum = boss.number()
    let end = nanoseconds()
    check(sum == senders * (each * (each + 1) / 2), "sum")
    return Double(senders * each) / seconds(end - start)
}

// big: everyone pings all others, and answers whoever pings.

let bigCount = 512
nonisolated(unsafe) var bigPids: [Pid<BigMessage>] = []

enum BigMessage { case go, ping(Pid<BigMessage>), pong, stop }

struct Big: Worker {
    let boss: Pid<Int>
    var rounds: Int
    var pongs = 0
    var pings = 0

    mutating func pingOthers(_ me: Pid<BigMessage>) {
        pongs = bigCount - 1
        for pid in bigPids where pid != me { pid.send(.ping(me)) }
    }

    mutating func handle(_ message: consuming BigMessage, _ me: Pid<BigMessage>) -> Bool {
        switch message {
        case .go: pingOthers(me)
        case .ping(let from):
            pings += 1
            from.send(.pong)
        case .pong:
            pongs -= 1
            guard pongs == 0 else { return true }
            rounds -= 1
            if rounds > 0 { pingOthers(me) } else { boss.send(0) }
        case .stop:
            boss.send(pings)
            return false
        }
        return true
    }
}

func runBig(_ boss: borrowing Boss) throws -> Double {
    let rounds = scaled(1)
    for _ in 0..<bigCount { bigPids.append(try start(Big(boss: boss.pid, rounds: rounds))) }
    let began = nanoseconds()
    for pid in bigPids { pid.send(.go) }
    for _ in bigPids { _ = boss.number() }
    let end = nanoseconds()
    for pid in bigPids { pid.send(.stop) }
    var pings = 0
    for _ in bigPids { pings += boss.number() }
    check(pings == bigCount * (bigCount - 1) * rounds, "pings")
    return Double(2 * pings) / seconds(end - began)
}

// call: the boss asks a counter server again and again; its stack is parked during each call.

struct Counter: GenServer {
    enum Message { case add(Int, From<Int>) }
    var count = 0

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) -> Next {
        switch message {
        case .add(let n, let from):
            count += n
            from.reply(count)
        }
        return .continue
    }
}

func runCall(_ boss: borrowing Boss) throws -> Double {
    let calls = scaled(500_000)
    var last = 0
    let server = try spawn(Counter())
    let start = nanoseconds()
    for _ in 0..<calls { last = try boss.call(server, timeout: nil) { .add(1, $0) } }
    let end = nanoseconds()
    check(last == calls, "last reply")
    check(try boss.call(server) { .add(0, $0) } == calls, "counter")
    return Double(end - start) / Double(calls)
}
