import CApus
import CApusSwift

// Ending a server from outside: a request that the server's program answers by ending (Bridge/ServerProgram.swift). That end is the
// request's outcome, so that whoever waits is told of it, and of no other.

extension Context where Message: ~Copyable {
    /// Asks a server to end with a reason, and waits until it has ended. It does what is in its mailbox already first; then its
    /// ``GenServer/terminate(_:in:)`` is called, whether it traps exits or not.
    ///
    /// ```swift
    /// let session = try context.spawnMonitor(Session()).pid
    /// try context.stop(session, .shutdown, timeout: .seconds(5))
    /// ```
    ///
    /// This process gets no exit signal for it, unless the two are linked and the reason is not `normal`. If the server has a supervisor, that
    /// learns of the end as of any other.
    ///
    /// - Parameters:
    ///   - server: a ``GenServer``, or what is made of one: a ``StateMachine``, an ``Agent``'s process. No other process understands it, and
    ///     waiting for one ends with the time-out.
    ///   - reason: what the server ends with.
    ///   - timeout: nil waits for ever. A server that has not ended when the time is up still ends when it comes to it.
    /// - Throws: ``ApusError/Code/noproc`` there is no such process, ``ApusError/Code/exited`` it ended with another reason,
    ///   ``ApusError/Code/timeout``, ``ApusError/Code/deadlock`` it is this process or waits for it in a call,
    ///   ``ApusError/Code/ending`` this process must end. That its mailbox is full does not matter.
    /// - **OTP**: `gen_server:stop/3`, whose caller exits where this throws.
    public func stop<Other: ~Copyable>(
        _ server: Pid<Other>, _ reason: ExitReason = .normal, timeout: Duration? = nil
    ) throws(ApusError) {
        do {
            try call(StopRequest.to(server), timeout: timeout) { StopRequest(reason, $0) }
        } catch where error.isEnd(with: reason) {}
    }

    /// As ``stop(_:_:timeout:)-(Pid<Other>,_,_)``, whoever has the name now.
    public func stop<Other: ~Copyable>(
        _ server: Name<Other>, _ reason: ExitReason = .normal, timeout: Duration? = nil
    ) throws(ApusError) {
        try stop(server.resolve(), reason, timeout: timeout)
    }
}

extension AsyncContext where Message: ~Copyable {
    /// Asks a server to end with a reason, and waits until it has ended. The process takes no other message meanwhile.
    ///
    /// - Throws: as ``Context/stop(_:_:timeout:)-(Pid<Other>,_,_)``. **OTP**: `gen_server:stop/3`.
    public nonisolated(nonsending) func stop<Other: ~Copyable>(
        _ server: Pid<Other>, _ reason: ExitReason = .normal, timeout: Duration? = nil
    ) async throws(ApusError) {
        do {
            try await call(StopRequest.to(server), timeout: timeout) { StopRequest(reason, $0) }
        } catch where error.isEnd(with: reason) {}
    }
}

extension Pid where Message: ~Copyable {
    /// Asks the server to end with a reason, and waits until it has ended, in a Task, which is suspended meanwhile.
    ///
    /// ```swift
    /// try await counter.stop()
    /// ```
    ///
    /// - Throws: as ``stopSync(_:timeout:)``; ``ApusError/Code/ending`` the task was cancelled, and the server ends all the same;
    ///   ``ApusError/Code/deadlock`` a process stops itself. **OTP**: `gen_server:stop/3`.
    public nonisolated(nonsending) func stop(_ reason: ExitReason = .normal, timeout: Duration? = nil) async throws(ApusError) {
        do {
            try await StopRequest.to(self).call(timeout: timeout) { StopRequest(reason, $0) }
        } catch where error.isEnd(with: reason) {}
    }

    /// Asks the server to end with a reason, and waits until it has ended, in a plain thread. In a Task use ``stop(_:timeout:)``, in a process
    /// its own ``Context/stop(_:_:timeout:)-(Pid<Other>,_,_)``, which says more.
    ///
    /// ```swift
    /// try counter.stopSync(.shutdown, timeout: .seconds(5))
    /// ```
    ///
    /// - Parameters:
    ///   - reason: what the server ends with.
    ///   - timeout: nil waits for ever. A server that has not ended when the time is up still ends when it comes to it.
    /// - Throws: ``ApusError/Code/noproc``, ``ApusError/Code/exited`` it ended with another reason, ``ApusError/Code/timeout``,
    ///   ``ApusError/Code/notRunning``, ``ApusError/Code/notPermitted`` inside a process.
    /// - **OTP**: `gen_server:stop/3`.
    public func stopSync(_ reason: ExitReason = .normal, timeout: Duration? = nil) throws(ApusError) {
        do {
            try StopRequest.to(self).callSync(timeout: timeout) { StopRequest(reason, $0) }
        } catch where error.isEnd(with: reason) {}
    }
}

extension Name where Message: ~Copyable {
    /// As ``Pid/stop(_:timeout:)``, whoever has the name now.
    public nonisolated(nonsending) func stop(_ reason: ExitReason = .normal, timeout: Duration? = nil) async throws(ApusError) {
        try await resolve().stop(reason, timeout: timeout)
    }

    /// As ``Pid/stopSync(_:timeout:)``, whoever has the name now.
    public func stopSync(_ reason: ExitReason = .normal, timeout: Duration? = nil) throws(ApusError) {
        try resolve().stopSync(reason, timeout: timeout)
    }
}

/// The request to end, which is never replied to.
struct StopRequest {
    let reason: ExitReason

    init(_ reason: ExitReason, _: From<Void>) { self.reason = reason }

    /// A server as one that is asked to end.
    static func to<Message: ~Copyable>(_ server: Pid<Message>) -> Pid<StopRequest> { Pid(server.untyped) }

    static var type: UnsafePointer<apus_type> { messageType(of: StopRequest.self) }
}

extension ApusError {
    /// Whether a server that was asked to end with `reason` has. Its text may have been cut off on the way.
    func isEnd(with reason: ExitReason) -> Bool {
        code == .exited && self.reason?.code == reason.code && self.reason?.number == reason.number
    }
}
