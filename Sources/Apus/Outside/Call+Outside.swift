import CApus
import CApusSwift

extension Pid where Message: ~Copyable {
    /// Asks the server and waits for its reply, in a plain thread. In a Task use ``call(timeout:_:)``, in a process its own
    /// ``Context/call(_:timeout:_:)-(Pid<Asked>,_,_)``.
    ///
    /// ```swift
    /// let count = try counter.callSync { .get($0) }
    /// ```
    ///
    /// - Parameters:
    ///   - timeout: nil waits for ever.
    ///   - message: makes the message around the way back.
    /// - Throws: ``ApusError/Code/timeout`` (a late reply is never seen), ``ApusError/Code/noproc``, ``ApusError/Code/exited`` with the
    ///   reason, ``ApusError/Code/mailboxFull``, ``ApusError/Code/notRunning``, ``ApusError/Code/notPermitted`` inside a process.
    /// - **OTP**: `gen_server:call/3`.
    @inlinable
    public func callSync<Reply: ~Copyable>(
        timeout: Duration? = .seconds(5), _ message: (From<Reply>) -> Message
    ) throws(ApusError) -> Reply {
        guard apus_self() == nil else { throw ApusError(.notPermitted, detail: "a process calls with its context") }
        var caller = apus_caller()
        try check(apus_caller_make(apus_pid(id: 0), &caller))
        return try callMoving(caller, c, timeout, message(From(caller)))
    }

    /// Asks the server and waits for its reply, in a Task, which is suspended meanwhile.
    ///
    /// ```swift
    /// let count = try await counter.call { .get($0) }
    /// ```
    ///
    /// An asynchronous process calls with its ``AsyncContext/call(_:timeout:_:)-(Pid<Asked>,_,_)``, which costs less.
    ///
    /// - Throws: as ``callSync(timeout:_:)``; ``ApusError/Code/ending`` the task was cancelled; ``ApusError/Code/deadlock`` a process
    ///   called itself.
    /// - **OTP**: `gen_server:call/3`.
    public nonisolated(nonsending) func call<Reply: ~Copyable>(
        timeout: Duration? = .seconds(5), _ message: (From<Reply>) -> Message
    ) async throws(ApusError) -> Reply {
        if let inside = apus_self(), apus_pid_of(inside).id == id { throw ApusError(.deadlock) }
        let waiter = TaskWaiter<Reply>()
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                waiter.continuation = continuation
                Porter.ask(c, timeout: timeout, waiter: waiter, message)
            }
        } onCancel: {
            waiter.cancel()
        }
        return try waiter.outcome()
    }
}

extension Name where Message: ~Copyable {
    /// As ``Pid/callSync(timeout:_:)``, whoever has the name now.
    @inlinable
    public func callSync<Reply: ~Copyable>(
        timeout: Duration? = .seconds(5), _ message: (From<Reply>) -> Message
    ) throws(ApusError) -> Reply {
        try resolve().callSync(timeout: timeout, message)
    }

    /// As ``Pid/call(timeout:_:)``, whoever has the name now.
    public nonisolated(nonsending) func call<Reply: ~Copyable>(
        timeout: Duration? = .seconds(5), _ message: (From<Reply>) -> Message
    ) async throws(ApusError) -> Reply {
        try await resolve().call(timeout: timeout, message)
    }
}
