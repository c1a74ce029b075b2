import Apus
import Testing

extension AllTests { @Suite struct AsyncProcessTests {
    @Test("an asynchronous process receives, awaits elsewhere, calls and comes back") func receives() async throws { try await withRuntime {
        let counter = try spawn(Counter(count: 5))
        let body = try spawn(of: Int.self) { me in
            var sum = 0
            while let n = await me.receive(timeout: .seconds(5)), n >= 0 {
                sum += n
                try await Task.sleep(for: .milliseconds(1))
            }
            #expect(sum == 6)
            let count: Int = try await me.call(counter) { .get($0) }
            #expect(count == 5)
            #expect(await me.receive(String.self, timeout: .zero) == "hello")
            #expect(await me.receive(timeout: .zero) == nil)
            #expect(await me.receive(timeout: .milliseconds(5)) == nil)
            throw Failure(text: "async")
        }
        AnyPid(body).send("hello")
        for n in [1, 2, 3, -1] { body.send(n) }
        let reason = try body.join()
        #expect(reason.code == .error)
    } }

    @Test("an asynchronous process that is ended in a wait unwinds") func unwinds() async throws { try await withRuntime {
        let (stream, ended) = AsyncStream.makeStream(of: Bool.self)
        let body = try spawn(of: Int.self) { me in
            defer { ended.yield(true) }
            while let n = await me.receive() { ended.yield(n == 1) }
            ended.yield(Task.isCancelled)
        }
        body.send(1)
        var iterator = stream.makeAsyncIterator()
        #expect(await iterator.next() == true)
        body.exit(.kill)
        #expect(await iterator.next() == true)
        #expect(await iterator.next() == true)
    } }

    @Test("an asynchronous body that stays in a job for long keeps its thread, and goes on as the same task") func stays() async throws {
        try await withRuntime(schedulers: 1) {
            let (stream, ended) = AsyncStream.makeStream(of: Int.self)
            let other = try spawn(Counter())
            for _ in 0..<4 {
                let body = try spawn(of: Int.self) { me in
                    var sum = 0
                    for _ in 0..<5 {
                        spin(for: .milliseconds(30))
                        sum += await me.receive() ?? 0
                        let count: Int = try await me.call(other) { .get($0) }
                        sum += count
                        try await Task.sleep(for: .milliseconds(1))
                        #expect(!Task.isCancelled)
                    }
                    ended.yield(sum)
                }
                for n in 1...5 { body.send(n) }
            }
            var iterator = stream.makeAsyncIterator()
            for _ in 0..<4 {
                let sum = await iterator.next()
                #expect(sum == 15)
            }
        }
    }

    @Test("a call of an asynchronous body goes on as the same task when its scheduler has gone to another thread") func calls() async throws {
        try await withRuntime(schedulers: 1) {
            let (stream, ended) = AsyncStream.makeStream(of: Int.self)
            let slow = try spawn(Slow())
            for _ in 0..<3 {
                try spawn(of: Never.self) { me in
                    let task = withUnsafeCurrentTask { $0.hashValue }
                    var sum = 0
                    for _ in 0..<3 {
                        sum += try await me.call(slow) { .get($0) }
                        #expect(withUnsafeCurrentTask { $0.hashValue } == task)
                        #expect(await me.receive(String.self, timeout: .milliseconds(1)) == nil)
                        try await Task.sleep(for: .milliseconds(1))
                        #expect(withUnsafeCurrentTask { $0.hashValue } == task)
                    }
                    ended.yield(sum)
                }
            }
            var iterator = stream.makeAsyncIterator()
            for _ in 0..<3 {
                let sum = await iterator.next()
                #expect(sum == 3)
            }
            #expect(try Runtime.info().rescues > 0)
        }
    }

    @Test("an access that is under way goes along with a stack that is set aside, and with a task that waits") func accesses() async throws {
        try await withRuntime(schedulers: 1) { try await inProcess { me in
            let shared = Shared()
            let blocking = try me.spawnMonitorBlocking(of: Int.self) { me in hold(&shared.first, me) }
            let body = try me.spawnMonitor(of: Int.self) { me in await hold(&shared.second, me) }
            // The law of exclusivity is watched on each thread: those two accesses are not found beside these.
            _ = try me.spawnMonitorBlocking(of: Never.self) { me in
                eventually(me) { shared.first == 1 && shared.second == 1 }
                blocking.pid.send(1)
                body.pid.send(1)
            }
            for _ in 0..<3 {
                guard case .down(let down)? = me.receiveInfo() else { Issue.record("no down message"); return }
                #expect(down.reason.code == .normal)
                if down.reason.code != .normal { return }
            }
        } }
    }

    @Test("a task-local value that is bound outside of a task goes along with a stack that is set aside, and no other process has it")
    func locals() async throws {
        try await withRuntime(schedulers: 1) { try await inProcess { me in
            let own = me.pid
            let tasks = try (1...2).map { number in
                try me.async { task in
                    let before = Local.number
                    let inside = Local.$number.withValue(number) {
                        AnyPid(own).send(number)
                        _ = task.receive(Int.self)
                        return Local.number
                    }
                    return [before, inside, Local.number]
                }
            }
            for number in 1...2 { #expect(me.receive(Int.self) == number) }
            for task in tasks { task.pid.send(0) }
            #expect(try tasks[0].value(in: me) == [0, 1, 0])
            #expect(try tasks[1].value(in: me) == [0, 2, 0])
        } }
    }

    @Test("an asynchronous body waits until its time is up, also when there are no timers left") func noTimers() async throws {
        var options = Runtime.Options()
        options.schedulers = 1
        options.maxTimers = 1
        try await withRuntime(options) { try await inAsyncProcess { me in
            var timers: [Reference] = []
            while let timer = try? me.inProcess({ try $0.startTimer(after: .seconds(1000)) }) { timers.append(timer) }
            let none = await me.receive(Int.self, timeout: .milliseconds(1))
            #expect(none == nil)
            try await me.sleep(for: .milliseconds(1))
            AnyPid(me.pid).send(7)
            let seven = await me.receive(Int.self, timeout: .seconds(1000))
            #expect(seven == 7)
            for timer in timers { cancelTimer(timer) }
        } }
    }

    @Test("R26: what came while an asynchronous body was elsewhere keeps its order, whatever is taken out of it") func keepsOrder() async throws {
        try await withRuntime {
            let (stream, ended) = AsyncStream.makeStream(of: [Int].self)
            let body = try spawn(of: Int.self) { me in
                _ = await me.receive(String.self)
                while await me.receive(where: { $0 == 999 }) == nil {}
                var taken = [await me.receive(where: { $0 == 500 }) ?? -1]
                while let n = await me.receive(timeout: .zero) { taken.append(n) }
                ended.yield(taken)
            }
            for n in 0..<1000 { body.send(n) }
            AnyPid(body).send("go")
            var iterator = stream.makeAsyncIterator()
            let taken = await iterator.next()
            #expect(taken == [500] + (0..<999).filter { $0 != 500 })
        }
    }

    @Test("an asynchronous body takes whatever comes next, in order, and keeps what it has not looked at") func next() async throws {
        try await withRuntime {
            let (stream, told) = AsyncStream.makeStream(of: String.self)
            let body = try spawn(of: Int.self) { me in
                defer { told.finish() }
                try me.inProcess { own in
                    own.trapExits()
                    let ended = try own.spawnLinkBlocking(of: Never.self) { _ in }
                    _ = try own.monitor(ended)
                }
                _ = await me.receiveInfo {
                    switch $0 {
                    case .down: true
                    default: false
                    }
                }
                _ = await me.receive(Bool.self)
                while let next = await me.receiveNext(timeout: .zero) {
                    switch consume next {
                    case .message(let number): told.yield("\(number)")
                    case .info(.message(let message)): told.yield(message.take(as: String.self) ?? "unknown")
                    case .info(.exit): told.yield("exit")
                    case .info: told.yield("unknown")
                    }
                }
                let alive = Owned.alive.load(ordering: .relaxed)
                told.yield("next")
                guard case .info(.message(let owned))? = await me.receiveNext() else { return }
                _ = await me.receive()
                told.yield("\(Owned.alive.load(ordering: .relaxed) - alive) of \(owned.typeName)")
            }
            body.send(1)
            AnyPid(body).send("two")
            body.send(3)
            AnyPid(body).send(true)
            var iterator = stream.makeAsyncIterator(), lines: [String] = []
            while let line = await iterator.next() {
                lines.append(line)
                if line == "next" {
                    AnyPid(body).send(Owned())
                    body.send(4)
                }
            }
            // The exit is another sender's: it comes before or after any of the first three (R12).
            #expect(lines.filter { $0 != "exit" } == ["1", "two", "3", "next", "1 of Owned"])
            #expect(lines.firstIndex(of: "exit") ?? 9 < 4)
        }
    }

    @Test("an asynchronous process that is ended before its body has begun never begins it") func neverBegins() async throws {
        try await withRuntime(schedulers: 1) {
            let (stream, ended) = AsyncStream.makeStream(of: Bool.self)
            try await inProcess { _ in
                let body = try spawn(of: Never.self) { _ in ended.yield(true) }
                body.exit(.kill)
            }
            try await inProcess { _ in ended.yield(false) }
            var iterator = stream.makeAsyncIterator()
            #expect(await iterator.next() == false)
        }
    }

    @Test("a body that awaits elsewhere when its process ends comes to its end, and lets go of what it has") func outlives() async throws {
        try await withRuntime {
            let (stream, ended) = AsyncStream.makeStream(of: Bool.self)
            let (gates, gate) = AsyncStream.makeStream(of: CheckedContinuation<Void, Never>.self)
            for _ in 0..<100 {
                let farewell = Farewell { ended.yield(true) }
                let body = try spawn(of: Int.self) { me in
                    await withCheckedContinuation { gate.yield($0) }
                    withExtendedLifetime(farewell) {}
                    #expect(Task.isCancelled)
                    #expect(await me.receive() == nil)
                }
                var iterator = gates.makeAsyncIterator()
                let continuation = await iterator.next()
                body.exit(.kill)
                _ = try body.join()
                continuation?.resume()
            }
            var iterator = stream.makeAsyncIterator()
            for _ in 0..<100 { _ = await iterator.next() }
        }
    }

    @Test("an asynchronous body that is ended in a call unwinds") func unwindsCall() async throws { try await withRuntime {
        let (stream, ended) = AsyncStream.makeStream(of: ApusError.Code?.self)
        let silent = try spawnBlocking(of: Slow.Message.self) { me in while me.receive(String.self) != nil {} }
        let body = try spawn(of: Never.self) { me in
            do {
                ended.yield(nil)
                let _: Int = try await me.call(silent, timeout: nil) { .get($0) }
            } catch {
                ended.yield((error as? ApusError)?.code)
                ended.yield(await me.receiveInfo() == nil ? nil : .timeout)
            }
        }
        var iterator = stream.makeAsyncIterator()
        #expect(await iterator.next() == .some(nil))
        body.exit(.kill)
        #expect(await iterator.next() == .ending)
        #expect(await iterator.next() == .some(nil))
        silent.exit(.kill)
    } }
} }

/// Says so when the last who has it has let go.
private final class Farewell: Sendable {
    let say: @Sendable () -> Void
    init(_ say: @escaping @Sendable () -> Void) { self.say = say }
    deinit { say() }
}

private enum Local {
    @TaskLocal static var number = 0
}

/// Variables whose accesses are looked at for exclusivity.
private final class Shared: @unchecked Sendable {
    var first = 0, second = 0
}

/// Stays in its access to a variable until a message has come.
@inline(never) private func hold(_ value: inout Int, _ me: borrowing Context<Int>) {
    value += 1
    _ = me.receive()
}

@inline(never) private nonisolated(nonsending) func hold(_ value: inout Int, _ me: borrowing AsyncContext<Int>) async {
    value += 1
    _ = await me.receive()
}

/// Keeps its scheduler's thread for long.
private struct Slow: GenServer {
    enum Message { case get(From<Int>) }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) -> Next {
        spin(for: .milliseconds(30))
        switch message {
        case .get(let from): from.reply(1)
        }
        return .continue
    }
}

func spin(for duration: Duration) {
    let end = ContinuousClock.now + duration
    while ContinuousClock.now < end {}
}
