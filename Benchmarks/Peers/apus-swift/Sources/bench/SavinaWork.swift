// SavinaWork.swift - Savina's workloads that compute: bounded buffer, barber, smokers, N-queens, quicksort, matrices, sieve.
import Apus
import Glibc

let savinaWorkWorkloads = [
    Workload(name: "bounded_buffer", unit: "items/s", run: runBoundedBuffer),
    Workload(name: "barber", unit: "haircuts/s", run: runBarber),
    Workload(name: "smokers", unit: "rounds/s", run: runSmokers),
    Workload(name: "nqueens", unit: "s") { boss in
        try repeated(boss, 14_200) { try start(QueensMaster(boss: $0)) }
    },
    Workload(name: "quicksort", unit: "values/s", run: runQuicksort),
    Workload(name: "matmul", unit: "multiply-adds/s", run: runMatrices),
    Workload(name: "sieve", unit: "numbers/s", run: runSieve),
]

/// First in, first out, in an array.
struct Queue<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private var first = 0

    var count: Int { elements.count - first }

    mutating func push(_ element: Element) { elements.append(element) }

    mutating func pop() -> Element? {
        guard first < elements.count else { return nil }
        first += 1
        let element = elements[first - 1]
        if first > 1000, first * 2 > elements.count {
            elements.removeFirst(first)
            first = 0
        }
        return element
    }
}

// bounded_buffer: a manager holds producers back when 50 items wait. Making and using an item each cost 2,500 logarithms.

func logarithms(_ start: Double) -> Double {
    var random = Random(seed: 25), sum = start
    for _ in 0..<2500 { sum += log(Double(random.next() >> 11) / 9_007_199_254_740_992 + 0.01) }
    return sum
}

typealias Item = (number: Int, data: Double)

struct BufferManager: Worker {
    enum Message { case item(Item, Pid<Void>), ready(Pid<Item?>) }
    static let parties = 40, size = 50
    var due: Int
    var items = Queue<Item>()
    var producers = Queue<Pid<Void>>()
    var consumers = Queue<Pid<Item?>>()

    mutating func handOut(_ item: Item, _ consumer: Pid<Item?>) {
        consumer.send(item)
        due -= 1
    }

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .item(let item, let from):
            if let consumer = consumers.pop() { handOut(item, consumer) } else { items.push(item) }
            check(items.count <= Self.size + Self.parties, "the buffer is bounded")
            if items.count >= Self.size - Self.parties { producers.push(from) } else { from.send(()) }
        case .ready(let from):
            if let item = items.pop() {
                handOut(item, from)
                producers.pop()?.send(())
            } else {
                consumers.push(from)
            }
        }
        if due > 0 || consumers.count < Self.parties { return true }
        // Everything has been handed out, and all consumers are done with it.
        while let consumer = consumers.pop() { consumer.send(nil) }
        return false
    }
}

struct ItemProducer: Worker {
    let manager: Pid<BufferManager.Message>
    var next: Int
    let end: Int

    mutating func handle(_ produce: consuming Void, _ me: Pid<Void>) -> Bool {
        guard next < end else { return false }
        manager.send(.item((next, logarithms(0)), me))
        next += 1
        return true
    }
}

struct ItemConsumer: Worker {
    let manager: Pid<BufferManager.Message>
    let boss: Pid<Int>
    var sum = 0
    var data = 0.0

    mutating func begin(_ me: Pid<Item?>) -> Bool {
        manager.send(.ready(me))
        return true
    }

    mutating func handle(_ item: consuming Item?, _ me: Pid<Item?>) -> Bool {
        guard let item else {
            check(data.isFinite, "data")
            boss.send(sum)
            return false
        }
        data = logarithms(item.data)
        sum += item.number
        return begin(me)
    }
}

func runBoundedBuffer(_ boss: borrowing Boss) throws -> Double {
    let each = scaled(1000), parties = BufferManager.parties, total = parties * each
    let manager = try start(BufferManager(due: total))
    let began = nanoseconds()
    for _ in 0..<parties { try start(ItemConsumer(manager: manager, boss: boss.pid)) }
    for i in 0..<parties { try start(ItemProducer(manager: manager, next: i * each, end: (i + 1) * each)).send(()) }
    let sum = boss.sum(parties)
    let value = perSecond(total, since: began)
    check(sum == total * (total - 1) / 2, "each item once")
    return value
}

// barber: customers, a waiting room of 1,000, one barber; who finds it full comes again.

struct WaitingRoom: Worker {
    enum Message { case enter(Pid<Customer.Message>), next }
    let barber: Pid<Barber.Message>
    var waiting = Queue<Pid<Customer.Message>>()
    var barberSleeps = true

    mutating func next(_ me: Pid<Message>) {
        if let customer = waiting.pop() {
            barber.send(.enter(customer, me))
        } else {
            barber.send(.wait)
            barberSleeps = true
        }
    }

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .next: next(me)
        case .enter(let customer):
            guard waiting.count < 1000 else {
                customer.send(.full)
                return true
            }
            waiting.push(customer)
            if barberSleeps {
                barberSleeps = false
                next(me)
            } else {
                customer.send(.wait)
            }
        }
        return true
    }
}

struct Barber: Worker {
    enum Message { case enter(Pid<Customer.Message>, Pid<WaitingRoom.Message>), wait }
    var random = Random(seed: 4711)

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        guard case .enter(let customer, let room) = message else { return true }
        customer.send(.start)
        random.spin(random.below(1000) + 10)
        customer.send(.done)
        room.send(.next)
        return true
    }
}

struct Customer: Worker {
    enum Message { case full, wait, start, done }
    let factory: Pid<CustomerFactory.Message>

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .full: factory.send(.returned(me))
        case .done:
            factory.send(.done)
            return false
        case .wait, .start: break
        }
        return true
    }
}

struct CustomerFactory: Worker {
    enum Message { case returned(Pid<Customer.Message>), done }
    let boss: Pid<Int>
    let room: Pid<WaitingRoom.Message>
    let haircuts: Int
    var done = 0
    var random = Random()

    mutating func begin(_ me: Pid<Message>) throws -> Bool {
        for _ in 0..<haircuts {
            room.send(.enter(try start(Customer(factory: me))))
            random.spin(random.below(1000) + 10)
        }
        return true
    }

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .returned(let customer): room.send(.enter(customer))
        case .done:
            done += 1
            if done == haircuts { boss.send(done) }
        }
        return done < haircuts
    }
}

func runBarber(_ boss: borrowing Boss) throws -> Double {
    let haircuts = scaled(5000), room = try start(WaitingRoom(barber: start(Barber())))
    let began = nanoseconds()
    try start(CustomerFactory(boss: boss.pid, room: room, haircuts: haircuts))
    let done = boss.number()
    let value = perSecond(haircuts, since: began)
    check(done == haircuts, "haircuts")
    return value
}

// smokers: an arbiter lets one of 200 smokers smoke, and the next as soon as that one has begun.

struct Smoker: Worker {
    let arbiter: Pid<Void>

    mutating func handle(_ period: consuming Int, _ me: Pid<Int>) -> Bool {
        var random = Random(seed: 1)
        arbiter.send(())
        random.spin(period)
        return true
    }
}

struct SmokersArbiter: Worker {
    let boss: Pid<Int>
    let rounds: Int
    var smokers: [Pid<Int>] = []
    var started = 0
    var random = Random()

    mutating func next() { smokers[random.below(smokers.count)].send(random.below(1000) + 10) }

    mutating func begin(_ me: Pid<Void>) throws -> Bool {
        for _ in 0..<200 { smokers.append(try start(Smoker(arbiter: me))) }
        next()
        return true
    }

    mutating func handle(_ hasStarted: consuming Void, _ me: Pid<Void>) -> Bool {
        started += 1
        if started < rounds { next() } else { boss.send(started) }
        return started < rounds
    }
}

func runSmokers(_ boss: borrowing Boss) throws -> Double {
    let rounds = scaled(1000)
    let began = nanoseconds()
    try start(SmokersArbiter(boss: boss.pid, rounds: rounds))
    let started = boss.number()
    let value = perSecond(rounds, since: began)
    check(started == rounds, "rounds")
    return value
}

// nqueens, matmul: a master hands work to 20 workers, which hand parts of it back until a part is small.

/// Hands out work in turn and counts what is outstanding.
struct HandOut<Work: Sendable>: Sendable {
    var workers: [Pid<Work>] = []
    var next = 0
    var outstanding = 0

    mutating func callAsFunction(_ work: Work) {
        workers[next % workers.count].send(work)
        next += 1
        outstanding += 1
    }
}

/// A new queen is compared with those before it, as Savina does.
struct Board: Sendable {
    var columns: InlineArray<16, Int8> = .init(repeating: 0)
    var queens = 0

    mutating func push(_ column: Int) {
        columns[queens] = Int8(column)
        queens += 1
    }

    var fits: Bool {
        let last = queens - 1, column = columns[last]
        for row in 0..<last {
            let other = columns[row], rows = Int8(last - row)
            if other == column || other == column - rows || other == column + rows { return false }
        }
        return true
    }

    mutating func solutions(_ size: Int) -> Int {
        guard queens < size else { return 1 }
        var sum = 0
        for column in 0..<size {
            push(column)
            if fits { sum += solutions(size) }
            queens -= 1
        }
        return sum
    }
}

struct QueensWorker: Worker {
    let master: Pid<QueensMaster.Message>

    mutating func handle(_ board: consuming Board, _ me: Pid<Board>) -> Bool {
        guard board.queens < 4 else {
            master.send(.done(board.solutions(12)))
            return true
        }
        for column in 0..<12 {
            board.push(column)
            if board.fits { master.send(.work(board)) }
            board.queens -= 1
        }
        master.send(.done(0))
        return true
    }
}

struct QueensMaster: Worker {
    enum Message { case work(Board), done(Int) }
    let boss: Pid<Int>
    var handOut = HandOut<Board>()
    var solutions = 0

    init(boss: Pid<Int>) { self.boss = boss }

    mutating func begin(_ me: Pid<Message>) throws -> Bool {
        for _ in 0..<20 { handOut.workers.append(try start(QueensWorker(master: me))) }
        handOut(Board())
        return true
    }

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .work(let board): handOut(board)
        case .done(let found):
            solutions += found
            handOut.outstanding -= 1
        }
        if handOut.outstanding == 0 { boss.send(solutions) }
        return handOut.outstanding > 0
    }
}

/// Three square matrices that the workers share.
struct Matrices: @unchecked Sendable {  // no two workers write to one block
    let n: Int
    let a, b, c: UnsafeMutablePointer<Double>

    init(_ n: Int) {
        self.n = n
        (a, b, c) = (.allocate(capacity: n * n), .allocate(capacity: n * n), .allocate(capacity: n * n))
        for i in 0..<(n * n) {
            a[i] = Double(i / n)
            b[i] = Double(i % n)
            c[i] = 0
        }
    }

    func multiply(_ block: Block) {
        for i in block.row..<(block.row + block.size) {
            for k in 0..<n {
                let x = a[i * n + k], from = b + (k * n + block.column), to = c + (i * n + block.column)
                for j in 0..<block.size { to[j] += x * from[j] }
            }
        }
    }
}

struct Block {
    let row, column, size: Int
}

struct MatrixWorker: Worker {
    let master: Pid<MatrixMaster.Message>
    let matrices: Matrices

    mutating func handle(_ block: consuming Block, _ me: Pid<Block>) -> Bool {
        if block.size * block.size > 16_384 {
            let half = block.size / 2
            for quarter in 0..<4 {
                let row = block.row + quarter / 2 * half, column = block.column + quarter % 2 * half
                master.send(.work(Block(row: row, column: column, size: half)))
            }
        } else {
            matrices.multiply(block)
        }
        master.send(.done)
        return true
    }
}

struct MatrixMaster: Worker {
    enum Message { case work(Block), done }
    let boss: Pid<Int>
    let matrices: Matrices
    var handOut = HandOut<Block>()

    mutating func begin(_ me: Pid<Message>) throws -> Bool {
        for _ in 0..<20 { handOut.workers.append(try start(MatrixWorker(master: me, matrices: matrices))) }
        handOut(Block(row: 0, column: 0, size: matrices.n))
        return true
    }

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .work(let block): handOut(block)
        case .done: handOut.outstanding -= 1
        }
        if handOut.outstanding == 0 { boss.send(0) }
        return handOut.outstanding > 0
    }
}

func runMatrices(_ boss: borrowing Boss) throws -> Double {
    let n = scale < 1 ? 256 : 1024, matrices = Matrices(n)
    let began = nanoseconds()
    try start(MatrixMaster(boss: boss.pid, matrices: matrices))
    _ = boss.number()
    let value = perSecond(n * n * n, since: began)
    for i in 0..<(n * n) { check(matrices.c[i] == Double(n * (i / n) * (i % n)), "product") }
    return value
}

// quicksort: a process splits its numbers and hands what is less and greater to two others, down to 2,048 of them. Arrays move along.

/// What is less than, equal to and greater than the value in the middle.
func split(_ all: [Int]) -> (less: [Int], equal: [Int], greater: [Int]) {
    let pivot = all[all.count / 2]
    return (all.filter { $0 < pivot }, all.filter { $0 == pivot }, all.filter { $0 > pivot })
}

func sorted(_ all: [Int]) -> [Int] {
    guard all.count > 1 else { return all }
    let parts = split(all)
    return sorted(parts.less) + parts.equal + sorted(parts.greater)
}

struct Sorter: Worker {
    enum Message { case less([Int]), greater([Int]) }
    enum Parent { case boss(Pid<[Int]>), sorter(Pid<Message>, isGreater: Bool) }
    let parent: Parent
    var values: [Int]
    var less: [Int]?
    var greater: [Int]?

    func report(_ values: consuming sending [Int]) -> Bool {
        switch parent {
        case .boss(let boss): boss.send(values)
        case .sorter(let parent, let isGreater): parent.send(isGreater ? .greater(values) : .less(values))
        }
        return false
    }

    mutating func begin(_ me: Pid<Message>) throws -> Bool {
        guard values.count > 2048 else { return report(sorted(values)) }
        let parts = split(values)
        values = parts.equal
        if parts.less.isEmpty { less = [] } else { try start(Sorter(parent: .sorter(me, isGreater: false), values: parts.less)) }
        if parts.greater.isEmpty { greater = [] } else { try start(Sorter(parent: .sorter(me, isGreater: true), values: parts.greater)) }
        return join()
    }

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .less(let part): less = part
        case .greater(let part): greater = part
        }
        return join()
    }

    /// Reports when both parts are there.
    mutating func join() -> Bool {
        guard let less, let greater else { return true }
        return report(less + values + greater)
    }
}

func runQuicksort(_ boss: borrowing Boss) throws -> Double {
    let total = scaled(1_000_000)
    var random = Random(seed: 1024)
    let values = (0..<total).map { _ in Int(random.next() >> 4) }
    let began = nanoseconds()
    try start(Sorter(parent: .boss(Pid(AnyPid(boss.pid))), values: values))
    guard let result = boss.receive([Int].self) else { fail("sorted") }
    let value = perSecond(total, since: began)
    check(result.count == total, "length")
    check(zip(result, result.dropFirst()).allSatisfy { $0 <= $1 }, "order")
    check(result.reduce(0) { $0 + $1 % 1_000_003 } == values.reduce(0) { $0 + $1 % 1_000_003 }, "the same numbers")
    return value
}

// sieve: a chain of filters with up to 1,000 primes each, through which the odd numbers go.

struct Filter: Worker {
    enum Message { case number(Int), end(Int) }
    let boss: Pid<Int>
    var primes: [Int]
    var next: Pid<Message>?

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) throws -> Bool {
        switch message {
        case .end(let found):
            if let next { next.send(.end(found + primes.count)) } else { boss.send(found + primes.count) }
            return false
        case .number(let number):
            for prime in primes where number % prime == 0 { return true }
            if primes.count < 1000 {
                primes.append(number)
            } else if let next {
                next.send(.number(number))
            } else {
                next = try start(Filter(boss: boss, primes: [number]))
            }
            return true
        }
    }
}

func countPrimes(_ limit: Int) -> Int {
    var isComposite = [Bool](repeating: false, count: limit + 1), primes = 0
    for i in 2...limit where !isComposite[i] {
        primes += 1
        for multiple in stride(from: i * i, through: limit, by: i) { isComposite[multiple] = true }
    }
    return primes
}

func runSieve(_ boss: borrowing Boss) throws -> Double {
    let limit = max(10, scaled(100_000))
    let began = nanoseconds()
    let first = try start(Filter(boss: boss.pid, primes: [2]))
    for number in stride(from: 3, through: limit, by: 2) { first.send(.number(number)) }
    first.send(.end(0))
    let primes = boss.number()
    let value = perSecond(limit / 2, since: began)
    check(primes == countPrimes(limit), "primes")
    return value
}
