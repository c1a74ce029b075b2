import CApus
import CApusSwift

/// The process, seen from inside: what a handler or a blocking body is given.
///
/// It cannot be copied or sent away, and is valid only during the call it was given to.
///
/// **OTP**: the functions that work on `self()`.
public struct Context<Message: ~Copyable>: ~Copyable {
    @usableFromInline let process: OpaquePointer

    @inlinable init(_ process: OpaquePointer) { self.process = process }

    /// This process's pid. **OTP**: `self/0`.
    @inlinable public var pid: Pid<Message> { Pid(apus_pid_of(process)) }

    /// Who spawned this process; nil if that was a plain thread.
    public var parent: AnyPid? {
        let parent = apus_parent_of(process)
        return parent.id == 0 ? nil : AnyPid(parent)
    }

    // --- Waiting ----------------------------------------------------------------------------------------------------------------

    /// Waits for a message of this process's type and takes it; the others stay, in order.
    ///
    /// - Parameter timeout: nil waits for ever; zero looks through what is there.
    /// - Returns: nil when the time is up, or when the process must end because a signal told it to: return then. A loop that goes on
    ///   waiting all the same is ended after 100 waits, and what its stack owns is lost.
    /// - Complexity: skipped messages are looked at once for each call. **OTP**: `receive ... after`.
    @inlinable
    public func receive(timeout: Duration? = nil) -> Message? {
        receive(Message.self, timeout: timeout)
    }

    /// As ``receive(timeout:)``, of any type.
    @inlinable
    public func receive<Other: ~Copyable>(_ type: Other.Type, timeout: Duration? = nil) -> Other? {
        let messageType = UnsafeMutableRawPointer(mutating: messageType(of: type))
        guard let message = apus_receive(process, apus_swift_match_type, messageType, milliseconds(timeout)) else { return nil }
        let payload = takePayload(of: message, as: type)
        apus_message_release(message)
        return payload
    }

    /// As ``receive(timeout:)``, the first one for which `isWanted` is true. It must not call Apus.
    public func receive(timeout: Duration? = nil, where isWanted: (borrowing Message) -> Bool) -> Message? {
        let type = messageType(of: Message.self)
        let message = withoutActuallyEscaping(isWanted) { isWanted in
            let match = MatchClosure { message in
                apus_message_type(message) == type && isWanted(apus_swift_payload(message).assumingMemoryBound(to: Message.self).pointee)
            }
            return withClosure(match) { apus_receive(process, apus_swift_match_closure, $0, milliseconds(timeout)) }
        }
        guard let message else { return nil }
        let payload = takePayload(of: message, as: Message.self)
        apus_message_release(message)
        return payload
    }

    /// Waits for something that is not a message of somebody's: an exit, a down, a timeout, readiness, a start.
    public func receiveInfo(timeout: Duration? = nil) -> Info? {
        guard let message = apus_receive(process, apus_swift_match_system, nil, milliseconds(timeout)) else { return nil }
        return Info(message, isOwned: true)
    }

    /// As ``receiveInfo(timeout:)``, the first one for which `isWanted` is true. It must not call Apus.
    ///
    /// An ``Info`` cannot be copied, so `isWanted` looks at it with a `switch`:
    ///
    /// ```swift
    /// let end = context.receiveInfo(timeout: .seconds(5)) {
    ///     switch $0 {
    ///     case .down(let down): down.reference == monitor
    ///     default: false
    ///     }
    /// }
    /// ```
    public func receiveInfo(timeout: Duration? = nil, where isWanted: (borrowing Info) -> Bool) -> Info? {
        let message = withoutActuallyEscaping(isWanted) { isWanted in
            let match = MatchClosure { message in
                apus_swift_match_system(message, nil) && isWanted(Info(UnsafeMutablePointer(mutating: message), isOwned: false))
            }
            return withClosure(match) { apus_receive(process, apus_swift_match_closure, $0, milliseconds(timeout)) }
        }
        guard let message else { return nil }
        return Info(message, isOwned: true)
    }

    /// Waits for whatever comes next, of this process's type or not, in the order in which it came.
    ///
    /// - Parameter timeout: nil waits for ever; zero takes what is there.
    /// - Returns: nil when the time is up, or when the process must end, as ``receive(timeout:)``. **OTP**: `receive` of any message.
    public func receiveNext(timeout: Duration? = nil) -> Received<Message>? {
        guard let message = apus_receive(process, nil, nil, milliseconds(timeout)) else { return nil }
        guard apus_message_type(message) == messageType(of: Message.self) else { return .info(Info(message, isOwned: true)) }
        let payload = takePayload(of: message, as: Message.self)
        apus_message_release(message)
        return .message(payload)
    }

    /// Waits, taking no message.
    /// - Throws: ``ApusError/Code/ending`` the process must end. **OTP**: `timer:sleep/1`.
    public func sleep(for duration: Duration) throws(ApusError) {
        try check(apus_sleep(process, milliseconds(duration)))
    }

    /// Lets others of its priority run, then goes on. **OTP**: `yield/0`.
    public func yield() {
        apus_yield(process)
    }

    // --- Itself -----------------------------------------------------------------------------------------------------------------

    /// Turns trapping of exit signals on or off. Messages already queued stay. **OTP**: `process_flag(trap_exit, _)`.
    public func trapExits(_ on: Bool = true) {
        apus_trap_exits(process, on)
    }

    /// Changes the priority from its next turn on.
    public func setPriority(_ priority: SpawnOptions.Priority) {
        apus_set_priority(process, apus_priority(rawValue: priority.rawValue))
    }

    /// Changes the label that tools and reports show, at most 63 bytes.
    public func setLabel(_ label: String?) {
        withOptionalCString(label) { _ = apus_set_label(process, $0) }
    }

    /// Ends a blocking body with a reason when it returns. A server returns ``Next/stop(_:)`` instead. **OTP**: `exit/1`.
    public func exitWhenDone(_ reason: ExitReason) {
        _ = exit(process, reason)
    }
}

/// What ``Context/receiveNext(timeout:)`` takes.
public enum Received<Message: ~Copyable>: ~Copyable {
    /// A message of the process's own type.
    case message(Message)
    /// Anything else.
    case info(Info)
}
