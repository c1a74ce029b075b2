import CApus
import CApusSwift

/// A process identifier: names one process for ever, and says which messages it takes.
///
/// A plain value of eight bytes: copy it, compare it, store it and send it freely, also to other threads. ``AnyPid`` is the same without
/// the type, for links and monitors.
///
/// **OTP**: `pid()`.
@frozen
public struct Pid<Message: ~Copyable>: Sendable, Hashable {
    @usableFromInline let id: UInt64

    @inlinable init(_ pid: apus_pid) { id = pid.id }

    /// A process that is known by its untyped pid, taken to be one of messages of this type.
    ///
    /// A message of a type that the process does not handle arrives as ``Info``.
    @inlinable public init(_ pid: AnyPid) { id = pid.id }

    @inlinable var c: apus_pid { apus_pid(id: id) }

    /// Sends a message and returns; it never waits, unless the mailbox is bounded and blocks its senders.
    ///
    /// The value moves into the envelope in place: nothing is boxed, and no reference is counted. What is not read is destroyed.
    ///
    /// - Returns: false if the process is known to have ended, or refuses because its mailbox is full; advice only, since it may end
    ///   before it reads the message all the same. The message is destroyed then.
    /// - Complexity: O(1); to a process of the same scheduler without a locked instruction.
    /// - Threads: any. **Order**: after everything this process or thread has sent there before. **OTP**: `!`.
    @inlinable @inline(__always) @discardableResult
    public func send(_ message: consuming sending Message) -> Bool {
        sendMoving(message, to: c)
    }
}

/// A process identifier without the type of its messages.
///
/// **OTP**: `pid()`.
@frozen
public struct AnyPid: Sendable, Hashable {
    @usableFromInline let id: UInt64

    @inlinable package init(_ pid: apus_pid) { id = pid.id }
    /// The same process, without the type of its messages.
    @inlinable public init<Message: ~Copyable>(_ pid: Pid<Message>) { id = pid.id }

    @inlinable package var c: apus_pid { apus_pid(id: id) }

    /// Sends a message of any type. One that the process does not handle arrives as ``Info``. As ``Pid/send(_:)`` otherwise.
    @inlinable @discardableResult
    public func send<Message: ~Copyable>(_ message: consuming sending Message) -> Bool {
        sendMoving(message, to: c)
    }
}

@inlinable @inline(__always)
func sendMoving<Message: ~Copyable>(_ message: consuming Message, to pid: apus_pid) -> Bool {
    let type = messageType(of: Message.self)
    // A consumed parameter cannot be moved out of a closure, an optional can be emptied in one.
    var box: Message? = consume message
    return _withUnprotectedUnsafeTemporaryAllocation(of: Message.self, capacity: 1) { place in
        let payload = place.baseAddress.unsafelyUnwrapped
        payload.initialize(to: box.take()!)
        let isSent = apus_send(pid, type, payload, MemoryLayout<Message>.size) == 0
        if !isSent { payload.deinitialize(count: 1) }
        return isSent
    }
}

/// What names a process: a typed or an untyped pid.
public protocol ProcessIdentifier: Sendable {
    /// The process's untyped pid.
    var untyped: AnyPid { get }
}

extension Pid: ProcessIdentifier where Message: ~Copyable {
    @inlinable public var untyped: AnyPid { AnyPid(c) }
}

extension AnyPid: ProcessIdentifier {
    @inlinable public var untyped: AnyPid { self }
}

extension ProcessIdentifier {
    /// Whether the process exists and has not begun to end. After this caller's `kill` to it, the answer is no.
    ///
    /// **OTP**: `is_process_alive/1`.
    public var isAlive: Bool { apus_is_alive(untyped.c) }

    /// Sends an exit signal.
    ///
    /// `normal` does nothing to another process that does not trap exits; `kill` cannot be trapped and becomes `killed`; anything else
    /// ends a process that does not trap, with that reason; one that traps gets ``Info/exit(_:)``.
    ///
    /// - Returns: false if the process is known to have ended; advice only.
    /// - Threads: any. **OTP**: `exit/2`.
    @discardableResult
    public func exit(_ reason: ExitReason) -> Bool {
        reason.withCReason { apus_exit_signal(untyped.c, $0.pointee) == 0 }
    }

    /// Waits in a plain thread until the process has ended. A process monitors instead.
    ///
    /// - Parameter timeout: nil waits for ever.
    /// - Returns: why it ended, without text; `noproc` if it was gone before.
    /// - Throws: ``ApusError/Code/timeout``, ``ApusError/Code/notPermitted`` inside a process, ``ApusError/Code/notRunning``.
    @discardableResult
    public func join(timeout: Duration? = nil) throws(ApusError) -> ExitReason {
        var reason = apus_reason()
        try check(apus_join(untyped.c, milliseconds(timeout), &reason))
        return ExitReason(&reason)
    }
}

extension AnyPid: CustomStringConvertible {
    /// The index and the generation, as `<17.3>`.
    public var description: String { "<\(UInt32(truncatingIfNeeded: id)).\(id >> 32)>" }
}

extension Pid: CustomStringConvertible where Message: ~Copyable {
    public var description: String { AnyPid(self).description }
}
