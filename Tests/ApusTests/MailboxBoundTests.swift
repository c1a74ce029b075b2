import Apus
import CApus
import Testing

// R70: a bound counts user messages only. What is the Swift layer's own, jobs above all, reaches its process whatever the policy is.

private typealias Policy = SpawnOptions.MailboxBound.Policy
private let policies: [Policy] = [.fail, .dropNewest, .dropOldest, .block]

private func bounded(_ policy: Policy) -> SpawnOptions {
    var options = SpawnOptions()
    options.mailbox = .init(messages: 1, policy: policy)
    return options
}

/// Its mailbox has room for one message. It tells which it had.
private struct Narrow: GenServer {
    let told: AsyncStream<Int>.Continuation
    mutating func handle(_ message: consuming Int, in context: borrowing Context<Int>) -> Next {
        told.yield(message)
        return .continue
    }
    mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Int>) { told.finish() }
}

/// A process that comes before all others once its parent waits, and sends `numbers` to the server that has the name.
private func interject(_ numbers: ClosedRange<Int>) throws {
    var options = SpawnOptions()
    options.priority = .max
    try spawnBlocking(of: Never.self, options: options) { _ in
        for n in numbers { Narrow.at("narrow").pid?.send(n) }
    }
}

private func isIn(_ pid: AnyPid) -> Bool { AnyPid(apus_pid_of(apus_self())) == pid }

private actor Crowded {
    let process: ActorProcess
    nonisolated var unownedExecutor: UnownedSerialExecutor { process.asUnownedSerialExecutor() }

    init(_ options: SpawnOptions) throws { process = try ActorProcess(options: options) }

    func visit() async -> Bool {
        for _ in 0..<20 {
            guard isIn(process.pid) else { return false }
            await Task.yield()
        }
        return isIn(process.pid)
    }
}

extension AllTests { @Suite struct MailboxBoundTests {
    @Test("R70: the jobs of an actor are no messages that a bound is for", arguments: policies)
    fileprivate func actors(policy: Policy) async throws { try await withRuntime {
        let crowded = try Crowded(bounded(policy))
        let areIn = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<50 { group.addTask { await crowded.visit() } }
            return await group.reduce(true) { $0 && $1 }
        }
        #expect(areIn)
    } }

    @Test("R70: an asynchronous body comes back to its process through a mailbox that is full", arguments: policies)
    fileprivate func bodies(policy: Policy) async throws { try await withRuntime {
        let (stream, told) = AsyncStream.makeStream(of: Bool.self)
        try spawn(of: Int.self, options: bounded(policy)) { me in
            var isHome = true
            for _ in 0..<100 {
                await Task.detached {}.value
                for n in 0..<3 { me.pid.send(n) }
                while await me.receive(timeout: .zero) != nil {}
                isHome = isHome && isIn(AnyPid(me.pid))
            }
            told.yield(isHome)
        }
        var iterator = stream.makeAsyncIterator()
        let isHome = await iterator.next()
        #expect(isHome == true)
    } }

    @Test("R70: a server takes its first step though its mailbox is full, and loses no message to that", arguments: policies)
    fileprivate func steps(policy: Policy) async throws {
        struct Stepping: GenServer {
            let told: AsyncStream<String>.Continuation
            mutating func initialize(in context: borrowing Context<String>) -> InitResult {
                context.pid.send("queued")
                return .ok(then: "step")
            }
            mutating func handle(step: Step, in context: borrowing Context<String>) -> Next {
                told.yield(step.name)
                return .continue
            }
            mutating func handle(_ message: consuming String, in context: borrowing Context<String>) -> Next {
                told.yield(message)
                return .stop
            }
            mutating func terminate(_ reason: ExitReason, in context: borrowing Context<String>) { told.finish() }
        }
        try await withRuntime {
            let (stream, told) = AsyncStream.makeStream(of: String.self)
            try spawn(Stepping(told: told), options: bounded(policy))
            let steps = await stream.reduce(into: []) { $0.append($1) }
            #expect(steps == ["step", "queued"])
        }
    }

    @Test("R70: a server is stopped though its mailbox is full, and what fills it meanwhile does not drop that", arguments: policies)
    fileprivate func stops(policy: Policy) async throws { try await withRuntime(schedulers: 1) {
        let (stream, told) = AsyncStream.makeStream(of: Int.self)
        try await inProcess { me in
            var options = bounded(policy)
            options.name = "narrow"
            // On the one scheduler, it runs when this process waits.
            let server = try spawn(Narrow(told: told), options: options)
            server.send(0)
            try interject(1...1)
            try me.stop(server)
        }
        let numbers = await stream.reduce(into: []) { $0.append($1) }
        #expect(numbers == (policy == .dropOldest ? [] : [0]))  // what came meanwhile lies behind the request
    } }

    @Test("R70: a server begins though its mailbox is full, and what fills it meanwhile does not drop that", arguments: policies)
    fileprivate func begins(policy: Policy) async throws { try await withRuntime(schedulers: 1) {
        let (stream, told) = AsyncStream.makeStream(of: Int.self)
        try await inProcess { me in
            var options = bounded(policy)
            options.name = "narrow"
            try interject(1...2)
            try me.stop(me.start(Narrow(told: told), options: options))
        }
        let numbers = await stream.reduce(into: []) { $0.append($1) }
        #expect(numbers.first == (policy == .dropOldest ? 2 : 1))
    } }
} }
