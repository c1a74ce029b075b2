import Apus

/// A process in the hands of a test: others send to it, link with it and are watched by it, and the test looks at what it got.
///
/// ```swift
/// let probe = try Probe(of: String.self)
/// greeter.send(.greet("ann", answerTo: probe.pid))
/// try await probe.expectMessage("hello, ann")
/// let reason = try await probe.expectDown(greeter)
/// ```
///
/// Messages wait in the probe's mailbox until they are expected; an expectation takes the first that fits and leaves the others.
///
/// **OTP**: what `ExUnit`'s `assert_receive` does in a test's process.
public final class Probe<Message: Sendable>: Sendable {
    /// The probe's process.
    public let pid: Pid<Message>

    /// Starts a probe.
    /// - Parameters:
    ///   - type: of the messages it takes.
    ///   - name: to register under.
    ///   - trapsExits: whether exit signals become messages, for ``expectExit(from:timeout:)``.
    public init(of type: Message.Type, name: String? = nil, trapsExits: Bool = true) throws(ApusError) {
        var options = SpawnOptions()
        options.name = name
        options.trapsExits = trapsExits
        pid = try spawnBlocking(of: Message.self, options: options) { me in
            while let errand = me.receive(Errand<Message>.self) {
                errand.run(me)
            }
        }
    }

    deinit {
        pid.exit(.kill)
    }

    /// Runs `body` in the probe's process and waits for what it returns.
    /// - Throws: what `body` throws; ``ProbeError`` the probe has ended.
    public func run<Result: Sendable>(_ body: @escaping @Sendable (borrowing Context<Message>) throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            let answer = Answer(continuation)
            AnyPid(pid).send(Errand<Message> { me in answer.give(Swift.Result { try body(me) }) })
        }
    }

    /// Waits for a message that fits, and returns it.
    /// - Throws: ``ProbeError`` none came in time.
    @discardableResult
    public func expectMessage(
        timeout: Duration = .seconds(5), where isWanted: @escaping @Sendable (Message) -> Bool = { _ in true }
    ) async throws -> Message {
        try await run { me in
            guard let message = me.receive(timeout: timeout, where: { isWanted($0) }) else {
                throw ProbeError("no \(Message.self) that fits came within \(timeout)")
            }
            return message
        }
    }

    /// Waits for this message.
    /// - Throws: ``ProbeError`` it did not come in time.
    public func expectMessage(_ expected: Message, timeout: Duration = .seconds(5)) async throws where Message: Equatable {
        try await run { me in
            guard me.receive(timeout: timeout, where: { $0 == expected }) != nil else {
                throw ProbeError("\(expected) did not come within \(timeout)")
            }
        }
    }

    /// Checks that no message comes for some time, or none is there if that is zero.
    /// - Throws: ``ProbeError`` one did.
    public func expectNoMessage(for time: Duration = .zero) async throws {
        try await run { me in
            if let message = me.receive(timeout: time) { throw ProbeError("unexpected: \(message)") }
        }
    }

    /// Waits for the end of a process.
    /// - Returns: why it ended; `noproc` if it was gone already.
    /// - Throws: ``ProbeError`` it did not end in time.
    @discardableResult
    public func expectDown(_ process: some ProcessIdentifier, timeout: Duration = .seconds(5)) async throws -> ExitReason {
        try await run { me in
            let monitor = try me.monitor(process)
            while case .some(let info) = me.receiveInfo(timeout: timeout) {
                if case .down(let down) = info, down.reference == monitor { return down.reason }
            }
            me.demonitor(monitor, flush: true)
            throw ProbeError("\(process.untyped) did not end within \(timeout)")
        }
    }

    /// Waits for an exit signal from a process that the probe is linked with.
    /// - Throws: ``ProbeError`` none came in time.
    @discardableResult
    public func expectExit(from process: some ProcessIdentifier, timeout: Duration = .seconds(5)) async throws -> ExitReason {
        try await run { me in
            while case .some(let info) = me.receiveInfo(timeout: timeout) {
                if case .exit(let exit) = info, exit.from == process.untyped { return exit.reason }
            }
            throw ProbeError("no exit signal of \(process.untyped) came within \(timeout)")
        }
    }
}

/// What a probe expected and did not get.
public struct ProbeError: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// What a probe's process is asked to do.
private struct Errand<Message: Sendable>: Sendable {
    let run: @Sendable (borrowing Context<Message>) -> Void
    init(_ run: @escaping @Sendable (borrowing Context<Message>) -> Void) { self.run = run }
}

/// Resumes a continuation once: with an answer, or, if the errand is destroyed undone because the probe has ended, with an error.
private final class Answer<Result: Sendable>: @unchecked Sendable {  // only the probe's process gives it, or whoever destroys it last
    private var continuation: CheckedContinuation<Result, any Error>?

    init(_ continuation: CheckedContinuation<Result, any Error>) { self.continuation = continuation }

    deinit {
        continuation?.resume(throwing: ProbeError("the probe has ended"))
    }

    func give(_ result: Swift.Result<Result, any Error>) {
        continuation?.resume(with: result)
        continuation = nil
    }
}
