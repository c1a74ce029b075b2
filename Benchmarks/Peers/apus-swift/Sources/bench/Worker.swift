// Worker.swift - a process of a workload that is written once and runs in both forms: as a server, and as an asynchronous body.
//
// Where the forms differ by more than their loop, because a process waits in the middle of what it does, a workload has both.
import Apus

/// Whether processes are asynchronous bodies; told by the peer's name.
nonisolated(unsafe) var isAsynchronous = false

protocol Worker: Sendable {
    associatedtype Message

    /// How long it waits for a message; then something is wrong.
    static var limit: Duration? { get }
    /// The first that runs in the process. False: it is done.
    mutating func begin(_ me: Pid<Message>) throws -> Bool
    /// False: it is done.
    mutating func handle(_ message: consuming Message, _ me: Pid<Message>) throws -> Bool
}

extension Worker {
    static var limit: Duration? { nil }
    mutating func begin(_ me: Pid<Message>) -> Bool { true }
}

extension Worker where Message == Never {
    mutating func handle(_ message: consuming Never, _ me: Pid<Never>) -> Bool {}
}

struct WorkServer<Work: Worker>: GenServer {
    typealias Message = Work.Message
    var work: Work

    mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult {
        guard try work.begin(context.pid) else { return .stop(.normal) }
        return Work.limit.map { .ok(timeout: $0) } ?? .ok
    }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        guard try work.handle(message, context.pid) else { return .stop }
        return Work.limit.map { .continue(timeout: $0) } ?? .continue
    }

    mutating func handleTimeout(in context: borrowing Context<Message>) -> Next { fail("a message in time") }
}

@discardableResult
func start<Work: Worker>(_ work: Work, options: SpawnOptions? = nil) throws -> Pid<Work.Message> {
    guard isAsynchronous else { return try spawn(WorkServer(work: work), options: options) }
    return try spawn(of: Work.Message.self, options: options) { me in try await runWork(work, me) }
}

/// A worker as a supervisor's child.
func child<Work: Worker>(_ work: Work, id: String, name: String? = nil) -> Child {
    guard isAsynchronous else { return Child(WorkServer(work: work), id: id, name: name) }
    return Child(id: id, of: Work.Message.self, name: name) { me in try await runWork(work, me) }
}

@inline(__always)
nonisolated(nonsending) func runWork<Work: Worker>(_ work: Work, _ me: borrowing AsyncContext<Work.Message>) async throws {
    var work = work
    guard try work.begin(me.pid) else { return }
    while let message = await me.receive(timeout: Work.limit) {
        guard try work.handle(message, me.pid) else { return }
    }
}

extension Context where Message == Int {
    /// The sum of `count` numbers of the boss's processes.
    func sum(_ count: Int) -> Int {
        var sum = 0
        for _ in 0..<count { sum += number() }
        return sum
    }
}

func perSecond(_ count: Int, since start: Int) -> Double { Double(count) / seconds(nanoseconds() - start) }

/// The generator that all peers use: xorshift, 64 bits (Marsaglia, 2003).
struct Random {
    var seed: UInt64 = 88_172_645_463_325_252

    @inline(__always)
    mutating func next() -> UInt64 {
        seed ^= seed << 13
        seed ^= seed >> 7
        seed ^= seed << 17
        return seed
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

    /// Work that cannot be left out: draws numbers, and ends the program if the last is 0, which it never is.
    mutating func spin(_ steps: Int) {
        for _ in 0..<steps { _ = next() }
        check(seed != 0, "spin")
    }
}
