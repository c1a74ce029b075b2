import CApus
import CApusSwift

/// An asynchronous process, seen from inside: what its body is given.
///
/// The body may `await` whatever it likes. Its own waits, those below, cost no continuation and no allocation; while it waits, its core goes
/// on with other processes. It is not re-entrant: nothing else runs in the process meanwhile.
///
/// When a signal ends the process, the body's task is cancelled and each wait returns nil or throws ``ApusError/Code/ending``: return then.
///
/// - Note: synchronous waits of the core (``Context``) are for handlers and blocking bodies; there are none here, and a `callSync` in an
///   asynchronous body is refused.
public struct AsyncContext<Message: ~Copyable>: ~Copyable {
    let actor: ProcessActor

    init(_ actor: ProcessActor) { self.actor = actor }

    /// This process's pid. **OTP**: `self/0`.
    public var pid: Pid<Message> { Pid(actor.pid) }

    /// Waits for a message of this process's type and takes it; the others stay, in order.
    ///
    /// - Parameter timeout: nil waits for ever; zero looks through what is there.
    /// - Returns: nil when the time is up, or when the process must end.
    /// - **OTP**: `receive ... after`.
    public nonisolated(nonsending) func receive(timeout: Duration? = nil) async -> Message? {
        await receive(Message.self, timeout: timeout)
    }

    /// As ``receive(timeout:)``, of any type.
    public nonisolated(nonsending) func receive<Other: ~Copyable>(_ type: Other.Type, timeout: Duration? = nil) async -> Other? {
        guard let (message, isOwned) = await actor.wait(for: .type(messageType(of: type)), timeout: timeout) else { return nil }
        return take(message, isOwned, as: type)
    }

    /// As ``receive(timeout:)``, the first one for which `isWanted` is true.
    public nonisolated(nonsending) func receive(
        timeout: Duration? = nil, where isWanted: @escaping (borrowing Message) -> Bool
    ) async -> Message? {
        let type = messageType(of: Message.self)
        let match = { (message: UnsafeMutablePointer<apus_message>) -> Bool in
            apus_message_type(message) == type && isWanted(apus_swift_payload(message).assumingMemoryBound(to: Message.self).pointee)
        }
        guard let (message, isOwned) = await actor.wait(for: .match(match), timeout: timeout) else { return nil }
        return take(message, isOwned, as: Message.self)
    }

    /// Waits for something that is not a message of somebody's: an exit, a down, a timeout, readiness, a start.
    public nonisolated(nonsending) func receiveInfo(timeout: Duration? = nil) async -> Info? {
        guard let (message, isOwned) = await actor.wait(for: .system, timeout: timeout) else { return nil }
        return Info(message, isOwned: isOwned)
    }

    /// Waits, taking no message. - Throws: ``ApusError/Code/ending`` the process must end.
    public nonisolated(nonsending) func sleep(for duration: Duration) async throws(ApusError) {
        _ = await actor.wait(for: .nothing, timeout: duration)
        if actor.isEnding { throw ApusError(.ending) }
    }

    /// Asks a server and waits for its reply; the process takes no other message meanwhile.
    ///
    /// The core does not see whom an asynchronous process waits for: a circle of calls that goes through one ends by its time limits.
    ///
    /// - Throws: as ``Context/call(_:timeout:_:)``. **OTP**: `gen_server:call/3`.
    public nonisolated(nonsending) func call<Asked: ~Copyable, Reply: ~Copyable>(
        _ server: Pid<Asked>, timeout: Duration? = .seconds(5), _ message: (From<Reply>) -> Asked
    ) async throws(ApusError) -> Reply {
        await actor.comeHome()
        guard !actor.isEnding else { throw ApusError(.ending) }
        var caller = apus_caller()
        try check(apus_caller_make(actor.pid, &caller))
        try check(requestMoving(actor.process, caller, server.c, timeout, message(From(caller))))
        guard let (outcome, isOwned) = await actor.wait(for: .reference(caller.ref.id), timeout: nil) else {
            throw ApusError(.ending)
        }
        guard apus_message_is_reply(outcome) else { throw outcomeError(outcome, isOwned) }
        return take(outcome, isOwned, as: Reply.self)
    }

    /// As ``call(_:timeout:_:)``, whoever has the name now.
    public nonisolated(nonsending) func call<Asked: ~Copyable, Reply: ~Copyable>(
        _ server: Name<Asked>, timeout: Duration? = .seconds(5), _ message: (From<Reply>) -> Asked
    ) async throws(ApusError) -> Reply {
        try await call(server.resolve(), timeout: timeout, message)
    }

    /// The process for what does not wait: links, monitors, timers, spawning linked processes. Valid until the next `await`.
    ///
    /// - Precondition: the body is on its process, as it is after any wait of this type.
    public func inProcess<Result: ~Copyable, Failure: Error>(
        _ body: (borrowing Context<Message>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(apus_self() == actor.process, "the body is not on its process: await one of its own waits first")
        return try body(Context(actor.process))
    }
}

private func take<Message: ~Copyable>(
    _ message: UnsafeMutablePointer<apus_message>, _ isOwned: Bool, as type: Message.Type
) -> Message {
    let payload = takePayload(of: message, as: type)
    if isOwned { apus_message_release(message) }
    return payload
}

/// Why a request was not answered: its server ended, or the time is up.
func outcomeError(_ outcome: UnsafeMutablePointer<apus_message>, _ isOwned: Bool) -> ApusError {
    defer { if isOwned { apus_message_release(outcome) } }
    guard apus_message_type(outcome) == SystemTypes.down else { return ApusError(.timeout) }
    let reason = ExitReason(&apus_swift_payload(outcome).assumingMemoryBound(to: apus_down_message.self).pointee.reason)
    return reason.code == .noproc ? ApusError(.noproc) : ApusError(.exited, reason: reason)
}

/// Sends a request of this process with a reference that was made before; the message is destroyed if that fails.
func requestMoving<Asked: ~Copyable>(
    _ process: OpaquePointer, _ caller: apus_caller, _ server: apus_pid, _ timeout: Duration?, _ message: consuming Asked
) -> Int32 {
    let type = messageType(of: Asked.self)
    var box: Asked? = consume message
    return withUnsafeTemporaryAllocation(of: Asked.self, capacity: 1) { place in
        let payload = place.baseAddress.unsafelyUnwrapped
        payload.initialize(to: box.take()!)
        let result = apus_request_as(process, caller, server, type, payload, MemoryLayout<Asked>.size, milliseconds(timeout))
        if result != 0 { payload.deinitialize(count: 1) }
        return result
    }
}
