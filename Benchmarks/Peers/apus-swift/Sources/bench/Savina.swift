// Savina.swift - Savina's workloads of messages; those that compute are in SavinaWork.swift.
import Apus
import Glibc

let savinaWorkloads = [
    Workload(name: "count", unit: "msg/s", run: runCount),
    Workload(name: "fork_join", unit: "msg/s", run: runForkJoin),
    Workload(name: "fork_create", unit: "spawn/s", run: runForkCreate),
    Workload(name: "thread_ring", unit: "ns/hop", run: runThreadRing),
    Workload(name: "chameneos", unit: "meetings/s", run: runChameneos),
    Workload(name: "dictionary", unit: "requests/s", run: runDictionary),
    Workload(name: "philosophers", unit: "meals/s", run: runPhilosophers),
    Workload(name: "bank", unit: "transactions/s", run: runBank),
]

// count: a producer sends increments to a counter, then asks what it has counted.

struct Count: Worker {
    enum Message { case add(Int), get(Pid<Int>) }
    var count = 0

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .add(let n):
            count += n
            return true
        case .get(let boss):
            boss.send(count)
            return false
        }
    }
}

struct Producer: Worker {
    typealias Message = Never
    let counter: Pid<Count.Message>
    let boss: Pid<Int>
    let messages: Int

    mutating func begin(_ me: Pid<Never>) -> Bool {
        for _ in 0..<messages { counter.send(.add(1)) }
        counter.send(.get(boss))
        return false
    }
}

func runCount(_ boss: borrowing Boss) throws -> Double {
    let total = scaled(1_000_000), counter = try start(Count())
    let began = nanoseconds()
    try start(Producer(counter: counter, boss: boss.pid, messages: total))
    let counted = boss.number()
    let value = perSecond(total, since: began)
    check(counted == total, "count")
    return value
}

// fork_join: the boss sends to 60 workers in turn; fork_create: a worker for each message. A message is a sine squared.

struct Angles: Worker {
    let boss: Pid<Int>
    var left: Int
    var sum = 0.0

    mutating func handle(_ angle: consuming Double, _ me: Pid<Double>) -> Bool {
        let sine = sin(angle)
        sum += sine * sine
        left -= 1
        guard left == 0 else { return true }
        check(sum > 0, "sum of squares")
        boss.send(1)
        return false
    }
}

func runForkJoin(_ boss: borrowing Boss) throws -> Double {
    let each = scaled(10_000), count = 60
    var workers: [Pid<Double>] = []
    for _ in 0..<count { workers.append(try start(Angles(boss: boss.pid, left: each))) }
    let began = nanoseconds()
    for _ in 0..<each { for worker in workers { worker.send(37.2) } }
    check(boss.sum(count) == count, "workers")
    return perSecond(count * each, since: began)
}

func runForkCreate(_ boss: borrowing Boss) throws -> Double {
    let total = scaled(40_000)
    let began = nanoseconds()
    for _ in 0..<total { try start(Angles(boss: boss.pid, left: 1)).send(37.2) }
    check(boss.sum(total) == total, "workers")
    return perSecond(total, since: began)
}

// thread_ring: 100 processes in a circle pass on a counter, each taking one off.

struct ThreadLink: Worker {
    let boss: Pid<Int>
    nonisolated(unsafe) let ring: UnsafeMutablePointer<Pid<Int>>
    let next: Int

    mutating func handle(_ left: consuming Int, _ me: Pid<Int>) -> Bool {
        if left > 0 { ring[next].send(left - 1) } else { boss.send(next) }
        return true
    }
}

func runThreadRing(_ boss: borrowing Boss) throws -> Double {
    let hops = scaled(100_000), links = 100
    let ring = UnsafeMutablePointer<Pid<Int>>.allocate(capacity: links)
    for i in 0..<links { (ring + i).initialize(to: try start(ThreadLink(boss: boss.pid, ring: ring, next: (i + 1) % links))) }
    let began = nanoseconds()
    ring[0].send(hops)
    let last = boss.number()
    let end = nanoseconds()
    check(last == (hops + 1) % links, "where it ends")
    return Double(end - began) / Double(hops)
}

// chameneos: creatures meet in pairs at a mall and change colour; the mall is the bottleneck.

struct Meet {
    let who: Pid<Creature.Message>
    let colour: Int
}

struct Mall: Worker {
    enum Message { case meet(Meet), total(Int) }
    let boss: Pid<Int>
    var left: Int
    var creatures: Int
    var sum = 0
    var waiting: Pid<Creature.Message>?

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .meet(let meet):
            if left == 0 {
                meet.who.send(.stop)
            } else if let other = waiting.take() {
                other.send(.meet(meet))
                left -= 1
            } else {
                waiting = meet.who
            }
            return true
        case .total(let meetings):
            sum += meetings
            creatures -= 1
            if creatures == 0 { boss.send(sum) }
            return creatures > 0
        }
    }
}

struct Creature: Worker {
    enum Message { case meet(Meet), change(Int), stop }
    let mall: Pid<Mall.Message>
    var colour: Int
    var meetings = 0

    mutating func begin(_ me: Pid<Message>) -> Bool {
        mall.send(.meet(Meet(who: me, colour: colour)))
        return true
    }

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .meet(let other):
            // Equal colours stay; of two that differ, both take the third.
            if colour != other.colour { colour = 3 - colour - other.colour }
            other.who.send(.change(colour))
        case .change(let new): colour = new
        case .stop:
            mall.send(.total(meetings))
            return false
        }
        meetings += 1
        return begin(me)
    }
}

func runChameneos(_ boss: borrowing Boss) throws -> Double {
    let meetings = scaled(200_000), creatures = 100
    let mall = try start(Mall(boss: boss.pid, left: meetings, creatures: creatures))
    let began = nanoseconds()
    for i in 0..<creatures { try start(Creature(mall: mall, colour: i % 3)) }
    let sum = boss.number()
    let value = perSecond(meetings, since: began)
    check(sum == 2 * meetings, "two at each meeting")
    return value
}

// dictionary: 20 workers read and write, one request at a time each. The value of a key is the key plus a multiple of their number.

let dictionaryKeys = 524_287

/// An open hash table of fixed size.
struct Table {
    var entries = [(key: Int, value: Int)](repeating: (0, 0), count: 1 << 20)

    subscript(key: Int) -> Int {
        mutating get { entries[slot(of: key)].value }
        set {
            let slot = slot(of: key)
            entries[slot] = (key + 1, newValue)
        }
    }

    func slot(of key: Int) -> Int {
        var slot = Int((UInt64(key) &* 0x9E37_79B9_7F4A_7C15) >> 44)
        while entries[slot].key != 0 && entries[slot].key != key + 1 { slot = (slot + 1) & (1 << 20 - 1) }
        return slot
    }
}

struct Dictionary: Worker {
    struct Message {
        let key: Int
        let value: Int?
        let from: Pid<DictionaryUser.Message>
    }
    var table: Table

    mutating func handle(_ asked: consuming Message, _ me: Pid<Message>) -> Bool {
        if let value = asked.value { table[asked.key] = value }
        asked.from.send((asked.key, table[asked.key]))
        return true
    }
}

struct DictionaryUser: Worker {
    typealias Message = (key: Int, value: Int)
    let dictionary: Pid<Dictionary.Message>
    let boss: Pid<Int>
    let number: Int
    var random: Random
    var left: Int

    mutating func begin(_ me: Pid<Message>) -> Bool {
        let writes = random.below(100) < 10, key = random.below(dictionaryKeys)
        dictionary.send(.init(key: key, value: writes ? key + number * dictionaryKeys : nil, from: me))
        return true
    }

    mutating func handle(_ answer: consuming Message, _ me: Pid<Message>) -> Bool {
        check(answer.value % dictionaryKeys == answer.key, "value of the key")
        left -= 1
        guard left == 0 else { return begin(me) }
        boss.send(number)
        return false
    }
}

func runDictionary(_ boss: borrowing Boss) throws -> Double {
    let each = scaled(10_000), workers = 20
    var table = Table()
    for key in 0..<dictionaryKeys { table[key] = key }
    let dictionary = try start(Dictionary(table: table))
    table = Table()
    let began = nanoseconds()
    for i in 1...workers {
        let random = Random(seed: UInt64(i * 7919))
        try start(DictionaryUser(dictionary: dictionary, boss: boss.pid, number: i, random: random, left: each))
    }
    check(boss.sum(workers) == workers * (workers + 1) / 2, "workers")
    return perSecond(workers * each, since: began)
}

// philosophers: 20 of them ask an arbiter for both forks, and ask again when refused.

struct Arbiter: Worker {
    enum Message { case hungry(Int, Pid<Bool>), done(Int) }
    let boss: Pid<Int>
    let due: Int
    var taken = [Bool](repeating: false, count: 20)
    var meals = 0

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .hungry(let left, let from):
            let right = (left + 1) % taken.count, isFree = !taken[left] && !taken[right]
            if isFree { (taken[left], taken[right]) = (true, true) }
            from.send(isFree)
        case .done(let left):
            let right = (left + 1) % taken.count
            check(taken[left] && taken[right], "forks are put back that were taken")
            (taken[left], taken[right]) = (false, false)
            meals += 1
            if meals == due { boss.send(meals) }
        }
        return meals < due
    }
}

struct Philosopher: Worker {
    let arbiter: Pid<Arbiter.Message>
    let number: Int
    var left: Int

    mutating func begin(_ me: Pid<Bool>) -> Bool {
        arbiter.send(.hungry(number, me))
        return true
    }

    mutating func handle(_ mayEat: consuming Bool, _ me: Pid<Bool>) -> Bool {
        if mayEat {
            arbiter.send(.done(number))
            left -= 1
        }
        return left > 0 && begin(me)
    }
}

func runPhilosophers(_ boss: borrowing Boss) throws -> Double {
    let rounds = scaled(10_000), meals = 20 * rounds
    let arbiter = try start(Arbiter(boss: boss.pid, due: meals))
    let began = nanoseconds()
    for i in 0..<20 { try start(Philosopher(arbiter: arbiter, number: i, left: rounds)) }
    let eaten = boss.number()
    let value = perSecond(meals, since: began)
    check(eaten == meals, "meals")
    return value
}

// bank: an account asks another to take the money and does nothing else until it has answered. Money goes only to accounts of higher
// number, so no circle of accounts waits for itself. The wait is a call in the middle of what the account does, hence two forms.

nonisolated(unsafe) var accounts: [Pid<Account.Message>] = []

struct Account: GenServer {
    enum Message { case credit(Int, to: Int), debit(Int, From<Void>), balance }
    let boss: Pid<Int>
    var balance = 0

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .credit(let amount, let to):
            balance -= amount
            try context.call(accounts[to], timeout: nil) { .debit(amount, $0) } as Void
            boss.send(1)
        default: handle(message)
        }
        return .continue
    }

    mutating func handle(_ message: Message) {
        switch message {
        case .debit(let amount, let from):
            balance += amount
            from.reply()
        default: boss.send(balance)
        }
    }

    func start() throws -> Pid<Message> {
        guard isAsynchronous else { return try spawn(self) }
        return try spawn(of: Message.self) { me in
            var account = self
            while let message = await me.receive() {
                guard case .credit(let amount, let to) = message else {
                    account.handle(message)
                    continue
                }
                account.balance -= amount
                try await me.call(accounts[to], timeout: nil) { .debit(amount, $0) } as Void
                account.boss.send(1)
            }
        }
    }
}

func runBank(_ boss: borrowing Boss) throws -> Double {
    let transactions = scaled(50_000), count = 1000
    var random = Random()
    for _ in 0..<count { accounts.append(try Account(boss: boss.pid).start()) }
    let began = nanoseconds()
    for _ in 0..<transactions {
        let from = random.below(count / 10 * 8), to = from + 1 + random.below(count - from - 1)
        accounts[from].send(.credit(random.below(1000), to: to))
    }
    check(boss.sum(transactions) == transactions, "transactions")
    let value = perSecond(transactions, since: began)
    for account in accounts { account.send(.balance) }
    check(boss.sum(count) == 0, "no money is lost or made")
    return value
}
