// Bencherl.swift - bencherl's workloads.
import Apus
import Glibc

let bencherlWorkloads = [
    Workload(name: "ehb", unit: "msg/s", run: runGroups),
    Workload(name: "serialmsg", unit: "msg/s", run: runSerial),
    Workload(name: "timer_wheel", unit: "msg/s", run: runTimerWheel),
    Workload(name: "estone", unit: "rounds/s", run: runEstone),
    Workload(name: "mbrot", unit: "points/s", run: runPictures),
    Workload(name: "orbit", unit: "vertices/s", run: runOrbit),
]

// ehb: groups in which 20 senders each send to 20 receivers, and ask now and then whether they keep up.

let groupSize = 20

struct GroupReceiver: Worker {
    enum Message {
        case data(InlineArray<13, Int>)
        /// Answered with the receiver's number.
        case keepingUp(Pid<Int>)
        case end
    }
    let group: Pid<Int>
    let number: Int
    var senders = 0
    var received = 0

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .data(let data): received += data[12]
        case .keepingUp(let sender): sender.send(number)
        case .end:
            senders += 1
            if senders == groupSize { group.send(received) }
        }
        return senders < groupSize
    }
}

/// Waits in the middle of what it does: a blocking body, or an asynchronous one.
struct GroupSender: Sendable {
    let receivers: [Pid<GroupReceiver.Message>]
    let loops: Int

    func sendToAll(_ times: Int) { for _ in 0..<times { for receiver in receivers { sendData(receiver) } } }

    func sendData(_ receiver: Pid<GroupReceiver.Message>) {
        var data = InlineArray<13, Int> { $0 + 1 }
        data[12] = 1
        receiver.send(.data(data))
    }

    func ask(_ me: Pid<Int>) { for receiver in receivers { receiver.send(.keepingUp(me)) } }

    func end(_ left: Int) {
        sendToAll(left)
        for receiver in receivers { receiver.send(.end) }
    }

    func start() throws {
        guard isAsynchronous else {
            try spawnBlocking(of: Int.self) { me in
                var left = loops
                while left > 100 {
                    sendToAll(99)
                    ask(me.pid)
                    for i in 0..<groupSize {
                        check(me.receive { $0 == i } == i, "answer")
                        sendData(receivers[i])
                    }
                    left -= 100
                }
                end(left)
            }
            return
        }
        try spawn(of: Int.self) { me in
            var left = loops
            while left > 100 {
                sendToAll(99)
                ask(me.pid)
                for i in 0..<groupSize {
                    let answer = await me.receive { $0 == i }
                    check(answer == i, "answer")
                    sendData(receivers[i])
                }
                left -= 100
            }
            end(left)
        }
    }
}

struct Group: Worker {
    let boss: Pid<Int>
    let loops: Int
    var sum = 0
    var due = groupSize

    mutating func begin(_ me: Pid<Int>) throws -> Bool {
        var receivers: [Pid<GroupReceiver.Message>] = []
        for i in 0..<groupSize { receivers.append(try start(GroupReceiver(group: me, number: i))) }
        for _ in 0..<groupSize { try GroupSender(receivers: receivers, loops: loops).start() }
        return true
    }

    mutating func handle(_ received: consuming Int, _ me: Pid<Int>) -> Bool {
        sum += received
        due -= 1
        if due == 0 { boss.send(sum) }
        return due > 0
    }
}

func runGroups(_ boss: borrowing Boss) throws -> Double {
    let loops = scaled(250), groups = 50, messages = loops * groups * groupSize * groupSize
    let began = nanoseconds()
    for _ in 0..<groups { try start(Group(boss: boss.pid, loops: loops)) }
    let received = boss.sum(groups)
    let value = perSecond(messages, since: began)
    check(received == messages, "messages")
    return value
}

// serialmsg: 100 generators send 2,000 integers at a time to 100 receivers, all through one dispatcher. The array moves along.

typealias Parcel = (to: Pid<[Int]>, values: [Int])

struct Dispatcher: Worker {
    mutating func handle(_ parcel: consuming Parcel, _ me: Pid<Parcel>) -> Bool {
        parcel.to.send(parcel.values)
        return true
    }
}

struct ParcelReceiver: Worker {
    let boss: Pid<Int>
    var left: Int
    var sum = 0

    mutating func handle(_ values: consuming [Int], _ me: Pid<[Int]>) -> Bool {
        sum += values[0] + values[values.count - 1]
        left -= 1
        if left == 0 { boss.send(sum) }
        return left > 0
    }
}

struct ParcelGenerator: Worker {
    typealias Message = Never
    let dispatcher: Pid<Parcel>
    let to: Pid<[Int]>
    let messages: Int

    mutating func begin(_ me: Pid<Never>) -> Bool {
        for _ in 0..<messages {
            let values = [Int](unsafeUninitializedCapacity: 2000) { words, count in
                for i in 0..<2000 { words[i] = i + 1 }
                count = 2000
            }
            dispatcher.send((to, values))
        }
        return false
    }
}

func runSerial(_ boss: borrowing Boss) throws -> Double {
    let each = scaled(1000), pairs = 100, dispatcher = try start(Dispatcher())
    let began = nanoseconds()
    for _ in 0..<pairs {
        let receiver = try start(ParcelReceiver(boss: boss.pid, left: each))
        try start(ParcelGenerator(dispatcher: dispatcher, to: receiver, messages: each))
    }
    let sum = boss.sum(pairs)
    let value = perSecond(pairs * each, since: began)
    check(sum == pairs * each * 2001, "sum of the ends")
    return value
}

// timer_wheel: each of 1,000 processes pings all others, with a time limit on every wait for a message.

nonisolated(unsafe) var players: [Pid<Player.Message>] = []

struct Player: Worker {
    enum Message { case go, ping(Pid<Message>), pong }
    static var limit: Duration? { .milliseconds(1_073_741_824) }
    let boss: Pid<Int>
    let index: Int
    var pinged = 0
    var answered = 0

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        if case .ping(let from) = message {
            from.send(.pong)
            answered += 1
        } else {
            pinged += 1
            if pinged < players.count { players[(index + pinged) % players.count].send(.ping(me)) }
        }
        guard pinged == players.count, answered == players.count - 1 else { return true }
        boss.send(answered)
        return false
    }
}

func runTimerWheel(_ boss: borrowing Boss) throws -> Double {
    let total = max(2, Int(1000 * scale.squareRoot() + 0.5))
    for i in 0..<total { players.append(try start(Player(boss: boss.pid, index: i))) }
    let began = nanoseconds()
    for player in players { player.send(.go) }
    let answered = boss.sum(total)
    let value = perSecond(2 * answered, since: began)
    check(answered == total * (total - 1), "answers")
    return value
}

// estone: a mix. One round of one runner is 100 messages of 8 bytes, 50 of 256 and 10 of 4,096 to an echo and back, 10 calls, 10 linked
// processes that end, 10 timers made and cancelled. Sixteen runners work at once, as blocking or as asynchronous bodies.

struct EstoneEcho: Worker {
    enum Message { case bytes([UInt8], Pid<[UInt8]>), add(Int, From<Int>) }
    var count = 0

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        switch message {
        case .bytes(let bytes, let from): from.send(bytes)
        case .add(let n, let from):
            count += n
            from.reply(count)
        }
        return true
    }
}

let estoneExchanges = [(times: 100, size: 8), (50, 256), (10, 4096)]

/// A process that has nothing to do.
struct Nothing: GenServer {
    mutating func initialize(in context: borrowing Context<Never>) -> InitResult { .stop(.normal) }
    mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
}

func estoneBytes(_ i: Int, _ size: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: size)
    bytes[size - 1] = UInt8(i)
    return bytes
}

func estoneTimers(_ me: Pid<[UInt8]>) throws {
    var timers: [Reference] = []
    for _ in 0..<10 { timers.append(try me.send([], after: .seconds(60))) }
    for timer in timers { check(cancelTimer(timer) != nil, "cancel") }
}

func blockingRunner(_ me: borrowing Context<[UInt8]>, _ rounds: Int) throws -> Int {
    let echo = try start(EstoneEcho())
    var counted = 0
    me.trapExits()
    for _ in 0..<rounds {
        for (times, size) in estoneExchanges {
            for i in 0..<times {
                echo.send(.bytes(estoneBytes(i, size), me.pid))
                guard let back = me.receive() else { fail("bytes") }
                check(back.count == size && back[size - 1] == UInt8(i), "the same comes back")
            }
        }
        for _ in 0..<10 { counted = try me.call(echo, timeout: nil) { .add(1, $0) } }
        for _ in 0..<10 { try me.spawnLink(Nothing()) }
        for _ in 0..<10 { guard case .exit? = me.receiveInfo() else { fail("exit") } }
        try estoneTimers(me.pid)
    }
    return counted
}

nonisolated(nonsending) func asynchronousRunner(_ me: borrowing AsyncContext<[UInt8]>, _ rounds: Int) async throws -> Int {
    let echo = try start(EstoneEcho())
    var counted = 0
    me.inProcess { $0.trapExits() }
    for _ in 0..<rounds {
        for (times, size) in estoneExchanges {
            for i in 0..<times {
                echo.send(.bytes(estoneBytes(i, size), me.pid))
                guard let back = await me.receive() else { fail("bytes") }
                check(back.count == size && back[size - 1] == UInt8(i), "the same comes back")
            }
        }
        for _ in 0..<10 { counted = try await me.call(echo, timeout: nil) { .add(1, $0) } }
        try me.inProcess { me in for _ in 0..<10 { try me.spawnLink(of: Never.self) { _ in } } }
        for _ in 0..<10 { guard case .exit? = await me.receiveInfo() else { fail("exit") } }
        try estoneTimers(me.pid)
    }
    return counted
}

func runEstone(_ boss: borrowing Boss) throws -> Double {
    let rounds = scaled(1000), runners = 16, me = boss.pid
    let began = nanoseconds()
    for _ in 0..<runners {
        if isAsynchronous {
            try spawn(of: [UInt8].self) { me.send(try await asynchronousRunner($0, rounds)) }
        } else {
            try spawnBlocking(of: [UInt8].self) { me.send(try blockingRunner($0, rounds)) }
        }
    }
    let counted = boss.sum(runners)
    let value = perSecond(runners * rounds, since: began)
    check(counted == runners * rounds * 10, "calls")
    return value
}

// mbrot: each process computes a Mandelbrot picture of 100 times 100 points.

/// The sum of the iterations of all points.
func mandelbrot(_ n: Int) -> Int {
    var sum = 0
    for row in (1...n).reversed() {
        for column in (1...n).reversed() {
            let x0 = Double(column - 1) / Double(n) * 4 - 2, y0 = Double(row - 1) / Double(n) * 4 - 2
            var x = x0, y = y0, i = 0
            while i < 255, x * x + y * y <= 4 {
                (x, y) = (x * x - y * y + x0, 2 * x * y + y0)
                i += 1
            }
            sum += i
        }
    }
    return sum
}

struct Picture: Worker {
    typealias Message = Never
    let boss: Pid<Int>

    mutating func begin(_ me: Pid<Never>) -> Bool {
        boss.send(mandelbrot(100))
        return false
    }
}

func runPictures(_ boss: borrowing Boss) throws -> Double {
    let pictures = scaled(200)
    let began = nanoseconds()
    for _ in 0..<pictures { try start(Picture(boss: boss.pid)) }
    let sum = boss.sum(pictures)
    let value = perSecond(pictures * 100 * 100, since: began)
    check(sum == pictures * mandelbrot(100), "iterations")
    return value
}

// orbit: 100 workers hold the numbers that two functions can reach from 0, each those of its own remainder. That all is done is found by
// credit: the first vertex has one, each image half of that of the vertex it comes from, and what is not used comes back.

nonisolated(unsafe) var orbitWorkers: [Pid<OrbitWorker.Message>] = []

/// Counts from 1 at 0 and 1, by doubly recursive calls, which are the work.
func orbitFib(_ n: Int) -> Int { n < 2 ? 1 : orbitFib(n - 1) + orbitFib(n - 2) }

/// bencherl's generators f1 and f3, which map numbers below n to numbers below n.
func orbitImages(_ x: Int, below n: Int) -> [Int] {
    [abs(orbitFib(x % 16) + x) % n, abs(orbitFib(x % 16 + 10) - x * x * x + 8 * x) % n]
}

func sendVertex(_ number: Int, _ halvings: Int) { orbitWorkers[number % orbitWorkers.count].send(.vertex(number, halvings)) }

struct OrbitWorker: Worker {
    enum Message { case vertex(Int, Int), count }
    let boss: Pid<Int>
    let space: Int
    /// Of the numbers that are its own.
    var seen: [Bool]
    var count = 0

    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) -> Bool {
        guard case .vertex(let number, let halvings) = message else {
            boss.send(count)
            return false
        }
        if seen[number / orbitWorkers.count] {
            boss.send(halvings)  // for a credit of 1 / 2^halvings
            return true
        }
        seen[number / orbitWorkers.count] = true
        count += 1
        for image in orbitImages(number, below: space) { sendVertex(image, halvings + 1) }
        return true
    }
}

/// How many numbers can be reached from 0.
func orbitSize(_ space: Int) -> Int {
    var seen = Set([0]), queue = [0]
    while let x = queue.popLast() {
        for image in orbitImages(x, below: space) where seen.insert(image).inserted { queue.append(image) }
    }
    return seen.count
}

func runOrbit(_ boss: borrowing Boss) throws -> Double {
    let space = scaled(700), count = 100
    let seen = [Bool](repeating: false, count: space / count + 1)
    for _ in 0..<count { orbitWorkers.append(try start(OrbitWorker(boss: boss.pid, space: space, seen: seen))) }
    // The credit that has come back, in binary: digit i is worth 1 / 2^i.
    var credit = [Bool](repeating: false, count: space + 2)
    let began = nanoseconds()
    sendVertex(0, 0)
    while !credit[0] {
        var digit = boss.number()
        while credit[digit] {
            credit[digit] = false
            digit -= 1
        }
        credit[digit] = true
    }
    let end = nanoseconds()
    for worker in orbitWorkers { worker.send(.count) }
    let reached = boss.sum(count)
    check(reached == orbitSize(space), "size of the orbit")
    return Double(2 * reached + 1) / seconds(end - began)
}
