import Apus
import Testing

// A server that traps in a different way for each message, and workers beside it that must not notice.

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

extension AllTests { @Suite(.enabled(if: faultsAreContained)) struct FaultTests {
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
                #expect(trap.explains(down.reason), "\(trap): \(down.reason)")
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

    @Test("a trap of every kind in an asynchronous process ends it, and the others go on") func asynchronous() async throws {
        try await withRuntime {
            let others = try (0..<20).map { _ in
                try spawn(of: From<Int>.self) { me in
                    var asked = 0
                    while let from = await me.receive() {
                        asked += 1
                        from.reply(asked)
                    }
                }
            }
            for (round, trap) in Trap.allCases.enumerated() {
                try await inProcess { me in
                    let (victim, monitor) = try me.spawnMonitor(of: Int.self) { me in
                        if await me.receive() == 1 { trap.spring() }
                    }
                    victim.send(1)
                    guard case .down(let down)? = me.receiveInfo() else { Issue.record("no down message"); return }
                    #expect(down.reference == monitor)
                    #expect(trap.explains(down.reason), "\(trap): \(down.reason)")
                    for other in others {
                        let asked: Int = try me.call(other) { $0 }
                        #expect(asked == round + 1)
                    }
                }
            }
        }
    }
}
}

/// A lazy global whose initialiser traps: whoever came next would wait for it for ever.
private let neverMade: Int = opaque(Int("x"))!

extension AllTests { @Suite(.enabled(if: faultsAreContained)) struct FatalFaultTests {
    @Test("rule 4: a trap in the initialiser of a lazy global ends the program") func once() async {
        await #expect(processExitsWith: .failure) {
            try Runtime.start()
            let pid = try spawnBlocking(of: Never.self) { _ in print(neverMade) }
            while pid.isAlive { try await Task.sleep(for: .milliseconds(1)) }
        }
    }

    @Test("rule 1: a trap in a child task of an asynchronous process, which runs on Swift's threads, ends the program") func child() async {
        await #expect(processExitsWith: .failure) {
            try Runtime.start()
            let pid = try spawn(of: Never.self) { _ in
                async let never: Void = Trap.fatal.spring()
                await never
            }
            while pid.isAlive { try await Task.sleep(for: .milliseconds(1)) }
        }
    }
}
}
