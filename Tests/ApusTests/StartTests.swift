import Apus
import Testing

/// Its `initialize` does what it is told to; asked, it says who its parent is.
private struct Store: GenServer {
    var answer: @Sendable (borrowing Context<From<AnyPid?>>) throws -> InitResult = { _ in .ok }

    mutating func initialize(in context: borrowing Context<From<AnyPid?>>) throws -> InitResult { try answer(context) }

    mutating func handle(_ message: consuming From<AnyPid?>, in context: borrowing Context<From<AnyPid?>>) -> Next {
        message.reply(context.parent)
        return .continue
    }
}

/// What `initialize` does, and the reason and the error that whoever starts it is told.
private let failures: [(answer: @Sendable (borrowing Context<From<AnyPid?>>) throws -> InitResult, reason: ExitReason.Code, text: String?)] = [
    ({ _ in throw Failure(text: "no disk") }, .error, "no disk"),
    ({ _ in .stop(.shutdown) }, .shutdown, nil),
    ({ _ in .stop(.normal) }, .normal, nil),
    ({ _ in .ignore }, .normal, nil),
]

private struct Hatch: StateMachine {
    let opens: Bool
    mutating func initialize(in context: borrowing Context<Int>) throws -> StateStart<Bool, Int> { opens ? .ok(true) : .stop(.shutdown(7)) }
    mutating func handle(_ message: Int, state: Bool, in context: borrowing Context<Int>) throws -> Transition { .keep }
}

extension AllTests { @Suite("R30, R31: a server is started, and whoever starts it is told how that went") struct StartTests {
    @Test("a task and a plain thread wait for initialize, and are told what it threw") func outside() async throws {
        try await withRuntime {
            let slow = try await start(Store(answer: { context in
                try context.sleep(for: .milliseconds(5))
                try context.pid.register(as: "slow")
                return .ok(then: "first")
            }))
            #expect(Store.at("slow").pid == slow)
            let parent: AnyPid? = try await slow.call { $0 }
            #expect(parent == nil)
            let named = try startSync(Store(), options: SpawnOptions(name: "named"))
            let taken = await errorOf { try await start(Store(), options: SpawnOptions(name: "named")) }
            #expect(taken?.code == .taken)
            #expect(named.isAlive)
            for (answer, reason, text) in failures {
                for error in [
                    await errorOf { try await start(Store(answer: answer), options: SpawnOptions(name: "failed")) },
                    errorOf { try startSync(Store(answer: answer), options: SpawnOptions(name: "failed")) },
                ] {
                    #expect(error?.code == .failed)
                    #expect(error?.reason?.code == reason)
                    #expect((error?.reason?.error as? Failure)?.text == text)
                }
            }
        }
    }

    @Test("a process is too, and one that is linked gets the exit signal besides") func inside() async throws {
        try await withRuntime { try await inProcess { me in
            let store = try me.start(Store())
            let parent: AnyPid? = try me.call(store) { $0 }
            #expect(parent == AnyPid(me.pid))
            me.trapExits()
            for (answer, reason, text) in failures {
                let error = errorOf { try me.start(Store(answer: answer)) }
                #expect(error?.code == .failed && error?.reason?.code == reason && (error?.reason?.error as? Failure)?.text == text)
                expectEmptyMailbox(me)
                let linked = errorOf { try me.startLink(Store(answer: answer)) }
                #expect(linked?.code == .failed && linked?.reason?.code == reason)
                guard case .exit(let exit)? = me.receiveInfo() else { throw Failure(text: "no exit signal") }
                #expect(exit.reason == linked?.reason)
            }
            let child = try me.startLink(Store())
            child.exit(.kill)
            guard case .exit(let exit)? = me.receiveInfo() else { throw Failure(text: "no exit signal") }
            #expect(exit.from == AnyPid(child))
        } }
    }

    @Test("so is an asynchronous process") func insideAsync() async throws {
        try await withRuntime { try await inAsyncProcess { me in
            let store = try await me.start(Store())
            let parent: AnyPid? = try await me.call(store) { $0 }
            #expect(parent == AnyPid(me.pid))
            me.inProcess { $0.trapExits() }
            for (answer, reason, text) in failures {
                let error = await errorOf { try await me.start(Store(answer: answer)) }
                #expect(error?.code == .failed && error?.reason?.code == reason && (error?.reason?.error as? Failure)?.text == text)
                await expectEmptyMailbox(me)
                let linked = await errorOf { try await me.startLink(Store(answer: answer)) }
                #expect(linked?.code == .failed && linked?.reason?.code == reason)
                guard case .exit(let exit)? = await me.receiveInfo() else { throw Failure(text: "no exit signal") }
                #expect(exit.reason == linked?.reason)
            }
            let late = await errorOf {
                try await me.startLink(
                    Store(answer: { context in
                        context.receive(Never.self)
                        return .ok
                    }), timeout: .milliseconds(5))
            }
            #expect(late?.code == .timeout)
            await expectEmptyMailbox(me)
            try await me.stop(me.start(Hatch(opens: true)))
            let shut = await errorOf { try await me.startLink(Hatch(opens: false)) }
            #expect(shut?.reason == .shutdown(7))
        } }
    }

    @Test("a starter that is linked and does not trap exits ends with the reason") func linked() async throws {
        try await withRuntime { try await inProcess { me in
            let (_, monitor) = try me.spawnMonitorBlocking(of: Never.self) { starter in
                _ = try? starter.startLink(Store(answer: { _ in .stop(.shutdown(3)) }))
                _ = starter.receive()
            }
            guard case .down(let down)? = me.receiveInfo() else { throw Failure(text: "not told") }
            #expect(down.reference == monitor && down.reason == .shutdown(3))
        } }
    }

    @Test("one that is given up is killed, and its name is free; its starter gets no exit signal") func givenUp() async throws {
        try await withRuntime {
            let forever: @Sendable (borrowing Context<From<AnyPid?>>) throws -> InitResult = { context in
                context.receive(Never.self)
                return .ok
            }
            let options = SpawnOptions(name: "slow")
            let late = errorOf { try startSync(Store(answer: forever), options: options, timeout: .milliseconds(5)) }
            #expect(late?.code == .timeout)
            try await inProcess { me in
                eventually(me) { Store.at("slow").pid == nil }
                me.trapExits()
                let late = errorOf { try me.startLink(Store(answer: forever), options: options, timeout: .milliseconds(5)) }
                #expect(late?.code == .timeout)
                eventually(me) { Store.at("slow").pid == nil }
                expectEmptyMailbox(me)
            }
            let task = Task { await errorOf { try await start(Store(answer: forever), options: options) } }
            try await inProcess { me in eventually(me) { Store.at("slow").pid != nil } }
            task.cancel()
            #expect(await task.value?.code == .ending)
            try await inProcess { me in eventually(me) { Store.at("slow").pid == nil } }
        }
    }

    @Test("one that calls its starter, which waits for it, finds the circle") func circle() async throws { try await withRuntime {
        let starter = try spawnBlocking(of: From<AnyPid?>.self) { me in
            let own = me.pid
            let error = errorOf {
                try me.start(Store(answer: { context in
                    let _: AnyPid? = try context.call(own, timeout: nil) { $0 }
                    return .ok
                }))
            }
            #expect(error?.code == .failed)
            #expect((error?.reason?.error as? ApusError)?.code == .deadlock)
        }
        try starter.join()
    } }

    @Test("a state machine is started so as well") func machines() async throws { try await withRuntime {
        let hatch = try await start(Hatch(opens: true))
        #expect(hatch.isAlive)
        try await inProcess { me in
            try me.start(Hatch(opens: true))
            let error = errorOf { try me.start(Hatch(opens: false)) }
            #expect(error?.code == .failed && error?.reason == .shutdown(7))
        }
        let error = errorOf { try startSync(Hatch(opens: false)) }
        #expect(error?.reason == .shutdown(7))
    } }
} }
