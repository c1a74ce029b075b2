// Spawning.swift - workloads of processes that come and go.
import Apus

let spawnWorkloads = [
    Workload(name: "spawn", unit: "spawn/s", run: runSpawn),
    Workload(name: "idle_mem", unit: "bytes/proc", run: runIdle),
    Workload(name: "skynet", unit: "s") { boss in
        try repeated(boss, 499_999_500_000) { try spawn(Skynet(parent: $0, first: 0, size: 1_000_000)) }
    },
    Workload(name: "fib", unit: "s") { boss in try repeated(boss, 196_418) { try spawn(Fib(parent: $0, n: 27)) } },
]

func repeated(_ boss: borrowing Boss, _ expected: Int, _ start: (Pid<Int>) throws -> Void) throws -> Double {
    let repetitions = scaled(1)
    let began = nanoseconds()
    for _ in 0..<repetitions {
        try start(boss.pid)
        check(boss.number() == expected, "sum")
    }
    return seconds(nanoseconds() - began) / Double(repetitions)
}

// spawn: one in, one out, never more than 10,000 outstanding. The short process sends from its first callback and ends there.

struct Brief: GenServer {
    let parent: Pid<Int>

    mutating func initialize(in context: borrowing Context<Never>) -> InitResult {
        parent.send(1)
        return .stop(.normal)
    }

    mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
}

struct Spawner: GenServer {
    let boss: Pid<Int>
    var left: Int
    var due: Int
    var sum = 0

    mutating func initialize(in context: borrowing Context<Int>) throws -> InitResult {
        for _ in 0..<min(left, 10_000) { try spawn(Brief(parent: context.pid)) }
        left -= min(left, 10_000)
        return .ok
    }

    mutating func handle(_ message: consuming Int, in context: borrowing Context<Int>) throws -> Next {
        sum += message
        if left > 0 {
            left -= 1
            try spawn(Brief(parent: context.pid))
        }
        due -= 1
        guard due == 0 else { return .continue }
        boss.send(sum)
        return .stop
    }
}

func runSpawn(_ boss: borrowing Boss) throws -> Double {
    let total = scaled(500_000)
    let start = nanoseconds()
    try spawn(Spawner(boss: boss.pid, left: total, due: total))
    let sum = boss.number()
    let end = nanoseconds()
    check(sum == total, "count")
    return Double(total) / seconds(end - start)
}

// idle_mem: every process adds the number it is sent to its state and acknowledges. Afterwards all states are read back.

struct Idle: GenServer {
    enum Message { case add(Int), get }
    let boss: Pid<Int>
    var sum = 0

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) -> Next {
        switch message {
        case .add(let n):
            sum += n
            boss.send(0)
        case .get: boss.send(sum)
        }
        return .continue
    }
}

func runIdle(_ boss: borrowing Boss) throws -> Double {
    let me = boss.pid
    return try measureIdle(boss, { try spawn(Idle(boss: me)) }, { $0.send(.add($1)) }, { $0.send(.get) })
}

func measureIdle<Message: ~Copyable>(
    _ boss: borrowing Boss, _ spawn: () throws -> Pid<Message>, _ add: (Pid<Message>, Int) -> Void, _ get: (Pid<Message>) -> Void
) throws -> Double {
    let total = scaled(1_000_000), batch = 10_000
    var pids: [Pid<Message>] = []
    pids.reserveCapacity(total)
    let before = residentBytes()
    for begin in stride(from: 0, to: total, by: batch) {
        let end = min(begin + batch, total)
        for i in begin..<end {
            let pid = try spawn()
            pids.append(pid)
            add(pid, i + 1)
        }
        for _ in begin..<end { check(boss.number() == 0, "acknowledgement") }
    }
    let after = residentBytes()
    var sum = 0
    for pid in pids {
        get(pid)
        sum += boss.number()
    }
    check(sum == total * (total + 1) / 2, "sum of states")
    return Double(after - before) / Double(total)
}

// skynet, fib: trees of processes that sum what their children send, and send the sum to their parent.

struct Skynet: GenServer {
    let parent: Pid<Int>
    let first: Int
    let size: Int
    var sum = 0
    var due = 10

    init(parent: Pid<Int>, first: Int, size: Int) {
        self.parent = parent
        self.first = first
        self.size = size
    }

    mutating func initialize(in context: borrowing Context<Int>) throws -> InitResult {
        guard size > 1 else {
            parent.send(first)
            return .stop(.normal)
        }
        for i in 0..<10 { try spawn(Skynet(parent: context.pid, first: first + i * (size / 10), size: size / 10)) }
        return .ok
    }

    mutating func handle(_ message: consuming Int, in context: borrowing Context<Int>) -> Next {
        sum += message
        due -= 1
        guard due == 0 else { return .continue }
        parent.send(sum)
        return .stop
    }
}

// The left branch of every call is a process, the right one goes on here: fib(n) = fib(n-1) + fib(n-3) + ... + fib(0 or 1).

struct Fib: GenServer {
    let parent: Pid<Int>
    let n: Int
    var sum = 0
    var due = 0

    init(parent: Pid<Int>, n: Int) {
        self.parent = parent
        self.n = n
    }

    mutating func initialize(in context: borrowing Context<Int>) throws -> InitResult {
        var n = n
        while n >= 2 {
            try spawn(Fib(parent: context.pid, n: n - 1))
            due += 1
            n -= 2
        }
        sum = n
        guard due == 0 else { return .ok }
        parent.send(n)
        return .stop(.normal)
    }

    mutating func handle(_ message: consuming Int, in context: borrowing Context<Int>) -> Next {
        sum += message
        due -= 1
        guard due == 0 else { return .continue }
        parent.send(sum)
        return .stop
    }
}
