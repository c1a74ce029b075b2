import Apus
import Testing

#if canImport(Glibc)
import Glibc
#endif

// A server that traps in a different way for each message, and workers beside it that must not notice.

/// What the optimiser cannot know.
@inline(never) func opaque<T>(_ value: T) -> T { value }

class Animal {}
final class Dog: Animal {}
final class Cat: Animal {}

enum Trap: Int, CaseIterable, Sendable {
    case unwrap, index, division, overflow, fatal, precondition, range, tried, cast, nan

    func spring() {
        switch self {
        case .unwrap: print(opaque(Int("x"))!)
        case .index: print([1, 2, 3][opaque(7)])
        case .division: print(10 / opaque(0))
        case .overflow: print(Int.max + opaque(1))
        case .fatal: fatalError("told so \(opaque(42))")
        case .precondition: Swift.precondition(opaque(1) == 2, "one is two")
        case .range: print(Array([1, 2, 3][opaque(2)...opaque(1)]))
        case .tried: try! { throw Failure(text: "thrown") }()
        case .cast: print(opaque(Dog() as Animal) as! Cat)
        case .nan: print(Int(opaque(Double.nan)))
        }
    }
}

struct Trapper: GenServer {
    enum Message { case spring(Trap), get(From<Int>) }
    let values: [Int]

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .spring(let trap): trap.spring()
        case .get(let from): from.reply(values.count)
        }
        return .continue
    }
}

extension AllTests { @Suite struct FaultTests {
    @Test("a Swift trap of every kind ends its process, and no other") func traps() async throws { try await withRuntime {
        let workers = try (0..<100).map { _ in try spawn(Counter()) }
        for trap in Trap.allCases {
            for worker in workers { worker.send(.add(1)) }
            try await inProcess { me in
                let server = try spawn(Trapper(values: [1, 2, 3]))
                let three: Int = try me.call(server) { .get($0) }
                #expect(three == 3)
                let monitor = try me.monitor(server)
                server.send(.spring(trap))
                guard case .down(let down)? = me.receiveInfo() else { Issue.record("no down message"); return }
                #expect(down.reference == monitor)
                #expect(down.reason.code == .fault, "\(trap): \(down.reason)")
                #expect([SIGILL, SIGTRAP, SIGABRT, SIGFPE].contains(down.reason.number))
                if trap == .fatal { #expect(down.reason.text?.contains("told so 42") == true) }
                for worker in workers { worker.send(.add(1)) }
            }
        }
        for worker in workers {
            try await inProcess { me in
                let count: Int = try me.call(worker) { .get($0) }
                #expect(count == 2 * Trap.allCases.count)
                worker.exit(.shutdown)
            }
        }
    } }

    @Test("traps from many processes at once, beside others that work") func soak() async throws { try await withRuntime {
        let workers = try (0..<1000).map { _ in try spawn(Counter()) }
        for round in 0..<9 {
            let trappers = try Trap.allCases.map { _ in try spawn(Trapper(values: [])) }
            for (trapper, trap) in zip(trappers, Trap.allCases) { trapper.send(.spring(trap)) }
            for worker in workers { worker.send(.add(round)) }
            try await inProcess { me in
                for trapper in trappers {
                    let monitor = try me.monitor(trapper)
                    guard case .down(let down)? = me.receiveInfo() else { Issue.record("no down message"); return }
                    #expect(down.reference == monitor)
                    #expect(down.reason.code == .fault || down.reason.code == .noproc)
                }
            }
        }
        try await inProcess { me in
            for worker in workers {
                let count: Int = try me.call(worker) { .get($0) }
                #expect(count == 36)
            }
        }
        for worker in workers { worker.exit(.shutdown) }
    } }
}
}

/// A lazy global whose initialiser traps: whoever came next would wait for it for ever.
private let neverMade: Int = opaque(Int("x"))!

extension AllTests { @Suite struct FatalFaultTests {
    @Test("rule 4: a trap in the initialiser of a lazy global ends the program") func once() async {
        await #expect(processExitsWith: .failure) {
            try Runtime.start()
            let pid = try spawnBlocking(of: Never.self) { _ in print(neverMade) }
            while pid.isAlive { try await Task.sleep(for: .milliseconds(1)) }
        }
    }
}
}
