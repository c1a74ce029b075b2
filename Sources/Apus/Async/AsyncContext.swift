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
    @usableFromInline let actor: ProcessActor

    init(_ actor: ProcessActor) { self.actor = actor }

    /// This process's pid. **OTP**: `self/0`.
    public var pid: Pid<Message> { Pid(actor.pid) }

    /// Waits for a message of this process's type and takes it; the others stay, in order.
    ///
    /// - Parameter timeout: nil waits for ever; zero looks through what is there.
    /// - Returns: nil when the time is up, or when the process must end.
    /// - **OTP**: `receive ... after`.
    @inlinable @inline(__always)
    public nonisolated(nonsending) func receive(timeout: Duration? = nil) async -> Message? {
        await receive(Message.self, timeout: timeout)
    }

    /// As ``receive(timeout:)``, of any type.
    @inlinable @inline(__always)
    public nonisolated(nonsending) func receive<Other: ~Copyable>(_ type: Other.Type, timeout: Duration? = nil) async -> Other? {
        let wanted = Wanted(messageType(of: type)), state = actor.state
        // The common case of `wait`, written out, since the compiler does not inline that.
        guard timeout == nil, apus_self() == actor.process, state.pointee.canWaitAtOnce else {
            return await actor.wait(for: wanted, timeout: timeout)?.take(as: type)
        }
        state.pointee.wanted = wanted
        await apus_swift_task_wait(&state.pointee.task)
        return state.pointee.takeArrived()?.take(as: type)
    }

    /// As ``receive(timeout:)``, the first one for which `isWanted` is true. It must not call Apus.
    public nonisolated(nonsending) func receive(
        timeout: Duration? = nil, where isWanted: @escaping (borrowing Message) -> Bool
    ) async -> Message? {
        let type = messageType(of: Message.self)
        let match = MatchClosure { message in
            apus_message_type(message) == type && isWanted(apus_swift_payload(message).assumingMemoryBound(to: Message.self).pointee)
        }
        return await wait(for: match, timeout: timeout)?.take(as: Message.self)
    }

    /// Waits for something that is not a message of somebody's: an exit, a down, a timeout, readiness, a start.
    public nonisolated(nonsending) func receiveInfo(timeout: Duration? = nil) async -> Info? {
        await actor.wait(for: Wanted(apus_swift_match_system), timeout: timeout)?.info
    }

    /// As ``receiveInfo(timeout:)``, the first one for which `isWanted` is true, which may look at it with a `switch`, as in
    /// ``Context/receiveInfo(timeout:where:)``. It must not call Apus.
    public nonisolated(nonsending) func receiveInfo(
        timeout: Duration? = nil, where isWanted: @escaping (borrowing Info) -> Bool
    ) async -> Info? {
        let match = MatchClosure { message in
            apus_swift_match_system(message, nil) && isWanted(Info(UnsafeMutablePointer(mutating: message), isOwned: false))
        }
        return await wait(for: match, timeout: timeout)?.info
    }

    /// Waits for whatever comes next, of this process's type or not, in the order in which it came.
    ///
    /// - Parameter timeout: nil waits for ever; zero takes what is there.
    /// - Returns: nil when the time is up, or when the process must end, as ``receive(timeout:)``. **OTP**: `receive` of any message.
    public nonisolated(nonsending) func receiveNext(timeout: Duration? = nil) async -> Received<Message>? {
        guard let arrival = await actor.wait(for: Wanted(isForBody), timeout: timeout) else { return nil }
        guard apus_message_type(arrival.message) == messageType(of: Message.self) else { return .info(arrival.info) }
        return .message(arrival.take(as: Message.self))
    }

    private nonisolated(nonsending) func wait(for match: MatchClosure, timeout: Duration?) async -> Arrival? {
        let words = UnsafeMutablePointer<MatchClosure>.allocate(capacity: 1)
        words.initialize(to: match)
        defer {
            words.deinitialize(count: 1)
            words.deallocate()
        }
        return await actor.wait(for: Wanted(apus_swift_match_closure, words), timeout: timeout)
    }

    /// Waits, taking no message. - Throws: ``ApusError/Code/ending`` the process must end.
    public nonisolated(nonsending) func sleep(for duration: Duration) async throws(ApusError) {
        _ = await actor.wait(for: Wanted(), timeout: duration)
        guard actor.isAtHome else { throw ApusError(.ending) }
    }

    /// Asks a server and waits for its reply. The process takes no other message meanwhile, and runs no other job of its executor; its
    /// stack is set aside.
    ///
    /// - Throws: as ``Context/call(_:timeout:_:)-(Pid<Asked>,_,_)``. **OTP**: `gen_server:call/3`.
    @inlinable
    public nonisolated(nonsending) func call<Asked: ~Copyable, Reply: ~Copyable>(
        _ server: Pid<Asked>, timeout: Duration? = .seconds(5), _ message: (From<Reply>) -> Asked
    ) async throws(ApusError) -> Reply {
        try await comeDirect()
        return try Context<Message>(actor.process).call(server, timeout: timeout, message)
    }

    /// As ``call(_:timeout:_:)``, whoever has the name now.
    @inlinable
    public nonisolated(nonsending) func call<Asked: ~Copyable, Reply: ~Copyable>(
        _ server: Name<Asked>, timeout: Duration? = .seconds(5), _ message: (From<Reply>) -> Asked
    ) async throws(ApusError) -> Reply {
        try await call(server.resolve(), timeout: timeout, message)
    }

    /// Comes to where the core may set the process's stack aside.
    @inlinable @inline(__always)
    nonisolated(nonsending) func comeDirect() async throws(ApusError) {
        if apus_self() != actor.process || !actor.state.pointee.task.is_direct {
            await actor.comeDirect()
            guard actor.isAtHome else { throw ApusError(.ending) }
        }
        guard !actor.state.pointee.isEnding else { throw ApusError(.ending) }
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
