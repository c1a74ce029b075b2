// Async.swift - the same workloads with asynchronous processes.
import Apus

let asyncWorkloads = [
    Workload(name: "pingpong", unit: "ns/msg") { boss in
        let rounds = scaled(1_000_000)
        return Double(try runAsyncPairs(boss, 1, rounds)) / Double(2 * rounds)
    },
    Workload(name: "pairs", unit: "msg/s") { boss in
        let rounds = scaled(50_000)
        return Double(2 * 64 * rounds) / seconds(try runAsyncPairs(boss, 64, rounds))
    },
    Workload(name: "ring", unit: "ns/hop", run: runAsyncRing),
    Workload(name: "bang", unit: "msg/s", run: runAsyncBang),
    Workload(name: "spawn", unit: "spawn/s", run: runAsyncSpawn),
    Workload(name: "idle_mem", unit: "bytes/proc", run: runAsyncIdle),
    Workload(name: "skynet", unit: "s") { boss in
        try repeated(boss, 499_999_500_000) { try spawnAsyncSkynet(parent: $0, first: 0, size: 1_000_000) }
    },
    Workload(name: "fib", unit: "s") { boss in try repeated(boss, 196_418) { try spawnAsyncFib(parent: $0, n: 27) } },
    Workload(name: "call", unit: "ns/call", run: runAsyncCall),
] + commonWorkloads

func runAsyncPairs(_ boss: borrowing Boss, _ pairs: Int, _ rounds: Int) throws -> Int {
    let me = boss.pid
    var first: [Pid<Ball>] = [], second: [Pid<Ball>] = []
    for _ in 0..<pairs {
        let ping = try spawn(of: Ball.self) { process in
            guard case .go(let peer)? = await process.receive() else { fail("go") }
            peer.send(.token(0))
            var left = rounds
            while case .token(let token)? = await process.receive() {
                left -= 1
                guard left > 0 else {
                    me.send(token)
                    return
                }
                peer.send(.token(token + 1))
            }
        }
        first.append(ping)
        second.append(
            try spawn(of: Ball.self) { process in
                for _ in 0..<rounds {
                    guard case .token(let token)? = await process.receive() else { fail("token") }
                    ping.send(.token(token + 1))
                }
            })
    }
    let start = nanoseconds()
    for i in 0..<pairs { first[i].send(.go(second[i])) }
    for _ in 0..<pairs { check(boss.number() == 2 * rounds - 1, "token") }
    return nanoseconds() - start
}

func runAsyncRing(_ boss: borrowing Boss) throws -> Double {
    let hops = scaled(2_000_000), me = boss.pid
    @Sendable func link(_ given: Pid<Ball>?) throws -> Pid<Ball> {
        try spawn(of: Ball.self) { process in
            var next = given
            while let message = await process.receive() {
                switch message {
                case .go(let pid): next = pid
                case .token(let hop): if hop == hops { me.send(hop) } else { next!.send(.token(hop + 1)) }
                }
            }
        }
    }
    let first = try link(nil)
    var next = first
    for _ in 1..<1000 { next = try link(next) }
    first.send(.go(next))
    let start = nanoseconds()
    first.send(.token(1))
    let made = boss.number()
    let end = nanoseconds()
    check(made == hops, "hops")
    return Double(end - start) / Double(hops)
}

func runAsyncBang(_ boss: borrowing Boss) throws -> Double {
    let senders = 512, each = scaled(4000), me = boss.pid
    let receiver = try spawn(of: Int.self) { process in
        var sum = 0
        for _ in 0..<(senders * each) { sum += await process.receive() ?? 0 }
        me.send(sum)
    }
    let start = nanoseconds()
    for _ in 0..<senders {
        try spawn(of: Never.self) { _ in for i in stride(from: each, to: 0, by: -1) { receiver.send(i) } }
    }
    let sum = boss.number()
    let end = nanoseconds()
    check(sum == senders * (each * (each + 1) / 2), "sum")
    return Double(senders * each) / seconds(end - start)
}

func runAsyncSpawn(_ boss: borrowing Boss) throws -> Double {
    let total = scaled(500_000), me = boss.pid
    let start = nanoseconds()
    try spawn(of: Int.self) { process in
        let parent = process.pid
        @Sendable func brief() throws { _ = try spawn(of: Never.self) { _ in parent.send(1) } }
        var left = total, sum = 0
        for _ in 0..<min(left, 10_000) { try brief() }
        left -= min(left, 10_000)
        for _ in 0..<total {
            sum += await process.receive() ?? 0
            if left > 0 {
                left -= 1
                try brief()
            }
        }
        me.send(sum)
    }
    let sum = boss.number()
    let end = nanoseconds()
    check(sum == total, "count")
    return Double(total) / seconds(end - start)
}

func runAsyncIdle(_ boss: borrowing Boss) throws -> Double {
    let me = boss.pid
    return try measureIdle(
        boss,
        {
            try spawn(of: Idle.Message.self) { process in
                var sum = 0
                while let message = await process.receive() {
                    switch message {
                    case .add(let n):
                        sum += n
                        me.send(0)
                    case .get: me.send(sum)
                    }
                }
            }
        }, { $0.send(.add($1)) }, { $0.send(.get) })
}

@discardableResult
func spawnAsyncSkynet(parent: Pid<Int>, first: Int, size: Int) throws -> Pid<Int> {
    try spawn(of: Int.self) { process in
        guard size > 1 else {
            parent.send(first)
            return
        }
        let part = size / 10
        for i in 0..<10 { try spawnAsyncSkynet(parent: process.pid, first: first + i * part, size: part) }
        var sum = 0
        for _ in 0..<10 { sum += await process.receive() ?? 0 }
        parent.send(sum)
    }
}

@discardableResult
func spawnAsyncFib(parent: Pid<Int>, n: Int) throws -> Pid<Int> {
    try spawn(of: Int.self) { process in
        var left = n, due = 0
        while left >= 2 {
            try spawnAsyncFib(parent: process.pid, n: left - 1)
            due += 1
            left -= 2
        }
        var sum = left
        for _ in 0..<due { sum += await process.receive() ?? 0 }
        parent.send(sum)
    }
}

func runAsyncCall(_ boss: borrowing Boss) throws -> Double {
    let calls = scaled(500_000), me = boss.pid
    let server = try spawn(Counter())
    let start = nanoseconds()
    try spawn(of: Never.self) { process in
        var last = 0
        for _ in 0..<calls { last = try await process.call(server, timeout: nil) { .add(1, $0) } }
        me.send(last)
    }
    let last = boss.number()
    let end = nanoseconds()
    check(last == calls, "last reply")
    return Double(end - start) / Double(calls)
}
