import CApus
import CApusSwift

extension Context where Message: ~Copyable {
    /// Asks a server and waits for its reply. This process's stack is set aside meanwhile, and it takes no other message.
    ///
    /// ```swift
    /// let price = try context.call(shop) { .price("tea", $0) }
    /// ```
    ///
    /// - Parameters:
    ///   - server: whom to ask.
    ///   - timeout: nil waits for ever.
    ///   - message: makes the message around the way back.
    /// - Throws: ``ApusError/Code/timeout`` (a late reply is never seen), ``ApusError/Code/noproc``, ``ApusError/Code/exited`` with the
    ///   reason, ``ApusError/Code/deadlock`` to itself, or in a circle of calls that wait for each other (found within milliseconds, and
    ///   named in ``ApusError/detail``), ``ApusError/Code/mailboxFull``, ``ApusError/Code/ending`` this process must end.
    /// - Complexity: two messages and two switches of stacks. **OTP**: `gen_server:call/3`.
    @inlinable
    public func call<Asked: ~Copyable, Reply: ~Copyable>(
        _ server: Pid<Asked>, timeout: Duration? = .seconds(5), _ message: (From<Reply>) -> Asked
    ) throws(ApusError) -> Reply {
        var caller = apus_caller()
        try check(apus_caller_make(apus_pid(id: 0), &caller))
        return try callMoving(caller, server.c, timeout, message(From(caller)))
    }

    /// As ``call(_:timeout:_:)``, whoever has the name now.
    @inlinable
    public func call<Asked: ~Copyable, Reply: ~Copyable>(
        _ server: Name<Asked>, timeout: Duration? = .seconds(5), _ message: (From<Reply>) -> Asked
    ) throws(ApusError) -> Reply {
        try call(server.resolve(), timeout: timeout, message)
    }
}

@inlinable
func callMoving<Asked: ~Copyable, Reply: ~Copyable>(
    _ caller: apus_caller, _ server: apus_pid, _ timeout: Duration?, _ message: consuming Asked
) throws(ApusError) -> Reply {
    let type = messageType(of: Asked.self)
    var box: Asked? = consume message
    var reply: UnsafeMutablePointer<apus_message>?
    let result = _withUnprotectedUnsafeTemporaryAllocation(of: Asked.self, capacity: 1) { place in
        let payload = place.baseAddress.unsafelyUnwrapped
        payload.initialize(to: box.take()!)
        let result = apus_call_as(caller, server, type, payload, MemoryLayout<Asked>.size, milliseconds(timeout), &reply)
        if isRefused(result) { payload.deinitialize(count: 1) }
        return result
    }
    guard result == 0, let reply else { throw callError(result, reply) }
    let value = takePayload(of: reply, as: Reply.self)
    apus_message_release(reply)
    return value
}

/// Whether a call changed nothing, so that its message is still the caller's (apus/request.h, "Ownership").
@inlinable
func isRefused(_ result: Int32) -> Bool {
    result == -EINVAL || result == -EMSGSIZE || result == -EDEADLK || result == -ENOMEM || result == -EAGAIN
}

/// The error of a call; takes the outcome, which says why a server ended.
@usableFromInline @inline(never)
func callError(_ result: Int32, _ outcome: UnsafeMutablePointer<apus_message>?) -> ApusError {
    guard let outcome else { return ApusError(result: result) }
    defer { apus_message_release(outcome) }
    let down = apus_swift_payload(outcome).assumingMemoryBound(to: apus_down_message.self)
    if result == -ELOOP { return ApusError(.deadlock, detail: String(cString: down.pointee.reason.text)) }
    return ApusError(result: result, reason: ExitReason(&down.pointee.reason))
}
