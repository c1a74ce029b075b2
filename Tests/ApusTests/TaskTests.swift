import Apus
import Testing

extension AllTests { @Suite struct TaskTests {
    @Test("a task's value reaches its owner, and no message is left")
    func value() async throws { try await withRuntime {
        try await inProcess { me in
            let one = try me.async { _ in 6 }
            let two = try me.async { _ in "seven" }
            #expect(try two.value(in: me) == "seven")
            #expect(try one.value(in: me) == 6)
            expectEmptyMailbox(me)
        }
    } }

    @Test("R60 await by another process than the owner is refused")
    func owner() async throws { try await withRuntime {
        try await inProcess { me in
            let task = try me.async { own in own.receive(Int.self, timeout: .seconds(60)) ?? 0 }
            let other = try me.async { own in
                let error = #expect(throws: ApusError.self) { try task.value(in: own) }
                return error?.code == .notPermitted
            }
            #expect(try other.value(in: me) == true)
            task.pid.send(3)
            #expect(try task.value(in: me) == 3)
        }
    } }

    @Test("a task that fails ends its owner with its reason, since they are linked")
    func linked() async throws { try await withRuntime {
        try await inProcess { me in
            let (_, monitor) = try me.spawnMonitorBlocking(of: Never.self) { own in
                let task = try own.async { _ -> Int in throw Failure(text: "broken") }
                _ = try task.value(in: own)
            }
            guard case .down(let down)? = me.receiveInfo() else { throw Failure(text: "no down") }
            #expect(down.reference == monitor)
            #expect(down.reason.code == .error)
            #expect((down.reason.error as? Failure)?.text == "broken")
        }
    } }

    @Test("R61 a task without a link that fails leaves its caller alone, who is told when it asks")
    func noLink() async throws { try await withRuntime {
        try await inProcess { me in
            let task = try me.asyncNoLink { _ -> Int in throw Failure(text: "broken") }
            let error = #expect(throws: ApusError.self) { try task.value(in: me) }
            #expect(error?.code == .exited)
            #expect((error?.reason?.error as? Failure)?.text == "broken")
            expectEmptyMailbox(me)
        }
    } }

    @Test("a task that takes too long is killed, and nothing of it comes later")
    func timeout() async throws { try await withRuntime {
        try await inProcess { me in
            let task = try me.async { own in own.receive(Int.self) ?? 0 }
            #expect(try task.yield(in: me, timeout: .zero) == nil)
            let error = #expect(throws: ApusError.self) { try task.value(in: me, timeout: .milliseconds(1)) }
            #expect(error?.code == .timeout)
            #expect(!task.pid.isAlive)
            expectEmptyMailbox(me)
        }
    } }

    @Test("an owner that must end while it waits for its task is told so, and one that shuts it down has it killed")
    func endingOwner() async throws { try await withRuntime {
        try await inProcess { me in
            let own = me.pid
            let waits: [@Sendable (ProcessTask<Int>, borrowing Context<Never>) throws -> Void] = [
                { task, owner in _ = try task.value(in: owner, timeout: nil) },
                { task, owner in _ = try task.yield(in: owner, timeout: nil) },
                { task, owner in _ = try task.shutdown(in: owner, timeout: .seconds(1000)) },
            ]
            var trapping = SpawnOptions()
            trapping.trapsExits = true
            for (wait, isKilled) in zip(waits, [false, false, true]) {
                let owner = try spawnBlocking(of: Never.self) { [trapping] owner in
                    let task = try owner.asyncNoLink(options: trapping) { task in task.receive(Int.self) ?? 0 }
                    AnyPid(own).send(task.pid)
                    let error = errorOf { try wait(task, owner) }
                    AnyPid(own).send(error?.code == .ending)
                }
                guard let task = me.receive(AnyPid.self) else { throw Failure(text: "no task") }
                owner.exit(.shutdown)
                #expect(me.receive(Bool.self) == true)
                #expect(task.isAlive != isKilled)
                task.exit(.kill)
            }
        }
    } }

    @Test("a value that has been taken does not come again: the time-out does")
    func takenValue() async throws { try await withRuntime {
        try await inProcess { me in
            let task = try me.async { _ in 7 }
            #expect(try task.value(in: me) == 7)
            let error = #expect(throws: ApusError.self) { try task.value(in: me, timeout: .milliseconds(1)) }
            #expect(error?.code == .timeout)
        }
    } }

    @Test("a task that is shut down says why it ended, or its value if that came first")
    func shutdown() async throws { try await withRuntime {
        try await inProcess { me in
            let idle = try me.async { own in own.receive(Int.self) ?? 0 }
            #expect(try idle.shutdown(in: me) == .failure(.shutdown))
            let done = try me.async { _ in 7 }
            eventually(me) { !done.pid.isAlive }
            #expect(try done.shutdown(in: me) == .success(7))
            let owner = AnyPid(me.pid)
            let stubborn = try me.async { own in
                own.trapExits()
                owner.send("trapping")
                return own.receive(Int.self) ?? 0
            }
            _ = me.receive(String.self)
            let end = try stubborn.shutdown(in: me, timeout: .milliseconds(10))
            #expect(end == .failure(.killed))
            let ignored = try me.async { own -> Int in
                _ = own.receive(Int.self)
                throw Failure(text: "nobody hears this")
            }
            try ignored.ignore(in: me)
            ignored.pid.send(1)
            eventually(me) { !ignored.pid.isAlive }
            expectEmptyMailbox(me)
        }
    } }

    @Test("a task that is shut down after its outcome was taken is gone: that does not come again")
    func takenThenShutDown() async throws { try await withRuntime {
        try await inProcess { me in
            let task = try me.async { _ in 7 }
            #expect(try task.value(in: me) == 7)
            #expect(try task.shutdown(in: me) == .failure(.noproc))
            let failing = try me.asyncNoLink { _ -> Int in throw Failure(text: "broken") }
            guard case .failure? = try failing.yield(in: me) else { throw Failure(text: "no failure") }
            #expect(try failing.shutdown(in: me, timeout: .zero) == .failure(.noproc))
            expectEmptyMailbox(me)
        }
    } }

    @Test("a server that does not wait finds a task's value, or its failure, by its reference")
    func asInfo() async throws { try await withRuntime {
        try await inProcess { me in
            let good = try me.asyncNoLink { _ in 7 }
            guard case .message(let envelope)? = me.receiveInfo() else { throw Failure(text: "no message") }
            #expect(envelope.reference == good.reference)
            #expect(envelope.take(as: Int.self) == 7)
            let bad = try me.asyncNoLink { _ -> Int in throw Failure(text: "broken") }
            guard case .down(let down)? = me.receiveInfo() else { throw Failure(text: "no down") }
            #expect(down.reference == bad.reference)
        }
    } }

    @Test("R61 tasks of a supervisor are its children, end with it, and are bounded; one without a link leaves its caller alone")
    func supervised() async throws { try await withRuntime {
        let jobs = TaskSupervisor(name: "jobs", maxTasks: 2)
        let tree = try await Supervisor.start { jobs }
        try await inProcess { me in
            #expect(try me.async(under: jobs) { _ in 7 }.value(in: me) == 7)
            let failing = try me.asyncNoLink(under: jobs) { _ -> Int in throw Failure(text: "broken") }
            let error = #expect(throws: ApusError.self) { try failing.value(in: me) }
            #expect((error?.reason?.error as? Failure)?.text == "broken")
            eventually(me) { (try? jobs.children()) == [] }
            let one = try jobs.startChild { own in _ = own.receive(Int.self) }
            let two = try me.asyncNoLink(under: jobs) { own in own.receive(Int.self) }
            #expect(try Set(jobs.children()) == [one, two.pid])
            let full = #expect(throws: ApusError.self) { try jobs.startChild { _ in } }
            #expect(full?.code == .limit)
            try tree.stop()
            #expect(try two.yield(in: me) == .failure(.shutdown))
        }
    } }

    // --- Streams ----------------------------------------------------------------------------------------------------------------

    @Test("R60 a stream keeps the order of the elements, with no more tasks at work than allowed")
    func ordered() async throws { try await withRuntime {
        try await inProcess { me in
            let atWork = try Agent.startLink((now: 0, most: 0), in: me)
            let results = try me.asyncMap(1...40, TaskStreamOptions(maxConcurrency: 4)) { n, own in
                try atWork.update { ($0.now, $0.most) = ($0.now + 1, max($0.most, $0.now + 1)) }
                for _ in 0..<(n % 5) { own.yield() }
                try atWork.update { $0.now -= 1 }
                return n * n
            }
            #expect(try results.map { try $0.get() } == (1...40).map { $0 * $0 })
            #expect(try atWork.get { $0.most <= 4 && $0.most > 1 })
            expectEmptyMailbox(me)
        }
    } }

    @Test("R60 a stream told otherwise gives results as they come")
    func unordered() async throws { try await withRuntime {
        try await inProcess { me in
            let gate = try Agent.startLink(0, in: me)
            var seen: [Int] = []
            try me.asyncStream(over: [1, 2, 3], TaskStreamOptions(maxConcurrency: 3, isOrdered: false)) { n, own in
                // The first waits until the others have been seen.
                while n == 1, try gate.get({ $0 }) < 2 { own.yield() }
                return n
            } forEach: { result in
                seen.append(try result.get())
                try gate.update { $0 += 1 }
                return .next
            }
            #expect(seen.count == 3)
            #expect(seen.last == 1)
        }
    } }

    @Test("R60 R61 a failure is a result, and the others go on")
    func failures() async throws { try await withRuntime {
        try await inProcess { me in
            let results = try me.asyncMap(0..<4) { n, _ -> Int in
                if n == 1 { throw Failure(text: "one") }
                return n
            }
            #expect(results.map { (try? $0.get()) ?? -1 } == [0, -1, 2, 3])
            guard case .failure(let reason) = results[1] else { throw Failure(text: "no failure") }
            #expect((reason.error as? Failure)?.text == "one")
        }
    } }

    @Test("R60 a task of a stream that takes too long is killed and gives timeout, or ends the stream")
    func streamTimeout() async throws { try await withRuntime {
        try await inProcess { me in
            let killing = TaskStreamOptions(timeout: .milliseconds(20), onTimeout: .kill)
            let results = try me.asyncMap([1, 2, 3], killing) { n, own in
                if n == 2 { _ = own.receive(Int.self) }
                return n
            }
            #expect(results == [.success(1), .failure(.timeout), .success(3)])
            let error = #expect(throws: ApusError.self) {
                _ = try me.asyncMap([1], TaskStreamOptions(timeout: .milliseconds(1))) { _, own in own.receive(Int.self) }
            }
            #expect(error?.code == .timeout)
            expectEmptyMailbox(me)
            eventually(me) { (try? Runtime.info().processes) == 1 }
        }
    } }

    @Test("R60 ending the consumer ends the outstanding tasks and leaves no stray message")
    func endOfConsumer() async throws { try await withRuntime {
        try await inProcess { me in
            var seen = 0
            try me.asyncStream(over: 0..., TaskStreamOptions(maxConcurrency: 4, isOrdered: false)) { n, own in
                if n > 2 { _ = own.receive(Int.self) }
                return n
            } forEach: { _ in
                seen += 1
                return seen < 3 ? .next : .stop
            }
            #expect(seen == 3)
            #expect(throws: Failure.self) {
                try me.asyncStream(over: 0...) { n, _ in n } forEach: { _ in throw Failure(text: "enough") }
            }
            eventually(me) { (try? Runtime.info().processes) == 1 }
            expectEmptyMailbox(me)
        }
    } }

    @Test("R60 a consumer that is ended takes its outstanding tasks along", arguments: [ExitReason.kill, .shutdown])
    func endOfConsumersProcess(reason: ExitReason) async throws { try await withRuntime {
        try await inProcess { me in
            let consumer = try spawnBlocking(of: Never.self) { own in
                _ = try own.asyncMap(0..<8, TaskStreamOptions(maxConcurrency: 8)) { _, task in task.receive(Int.self) }
            }
            // The consumer, the stream's guardian, eight tasks, and this process.
            eventually(me) { (try? Runtime.info().processes) == 11 }
            consumer.exit(reason)
            eventually(me) { (try? Runtime.info().processes) == 1 }
        }
    } }
} }
