import Apus
import Testing

extension AllTests { @Suite("calls from outside of any process") struct OutsideCallTests {
    @Test("a Task and a plain thread call a server and get its reply") func replies() async throws { try await withRuntime {
        let counter = try spawn(Counter(count: 1))
        for i in 0..<100 {
            counter.send(.add(1))
            #expect(try await counter.call { .get($0) } == i + 2)
        }
        let count: Int = try counter.callSync { .get($0) }
        #expect(count == 101)
        let calls = 1000
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<calls { group.addTask { try await counter.call { .get($0) } } }
            return try await group.reduce(0, +)
        }
        #expect(sum == calls * 101)
    } }

    @Test("R32, R33: a call to a dead server, to one that fails, and one that is not answered") func failures() async throws {
        try await withRuntime {
            let counter = try spawn(Counter())
            let late = await errorOf { let _: Int = try await counter.call(timeout: .milliseconds(5)) { .never($0) } }
            #expect(late?.code == .timeout)
            let exited = await errorOf { let _: Int = try await counter.call { .failing($0) } }
            #expect(exited?.code == .exited)
            #expect(exited?.reason?.code == .error)
            #expect((exited?.reason?.error as? Failure)?.text == "while asked")
            let gone = errorOf { let _: Int = try counter.callSync { .get($0) } }
            #expect(gone?.code == .noproc)
        }
    }

    @Test("a plain thread's call, made within another, to a server that does not answer, and to one that fails") func threads() async throws {
        try await withRuntime {
            let counter = try spawn(Counter(count: 1))
            var inner = 0
            let outer: Int = try counter.callSync {
                inner = (try? counter.callSync { .get($0) }) ?? 0
                counter.send(.add(1))
                return .get($0)
            }
            #expect(inner == 1)
            #expect(outer == 2)
            let late = errorOf { let _: Int = try counter.callSync(timeout: .milliseconds(5)) { .never($0) } }
            #expect(late?.code == .timeout)
            let count: Int = try counter.callSync { .get($0) }
            #expect(count >= 2)  // `never` counts too, if it was begun
            let exited = errorOf { let _: Int = try counter.callSync { .failing($0) } }
            #expect(exited?.code == .exited)
            #expect((exited?.reason?.error as? Failure)?.text == "while asked")
        }
    }

    @Test("a task that is cancelled gives its call up") func cancels() async throws { try await withRuntime {
        let counter = try spawn(Counter())
        let task = Task { await errorOf { let _: Int = try await counter.call(timeout: nil) { .never($0) } } }
        task.cancel()
        let error = await task.value
        #expect(error?.code == .ending && error?.detail == "the task that called was cancelled")
    } }

    @Test("calls that wait when the runtime is stopped are told so") func stops() async throws {
        try Runtime.start()
        let counter = try spawn(Counter())
        let waiting = Task.detached { await errorOf { let _: Int = try await counter.call(timeout: nil) { .never($0) } } }
        while try await counter.call({ .get($0) }) == 0 {}
        try Runtime.stop()
        let code = await waiting.value?.code
        #expect(code == .notRunning || code == .exited)
        #expect(try Runtime.info().blocksInUse == 0)
    }
} }
