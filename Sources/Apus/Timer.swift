import CApus
import CApusSwift

extension Pid where Message: ~Copyable {
    /// Sends a message when at least `delay` has passed; never earlier.
    ///
    /// - Returns: the timer, for ``cancelTimer(_:)``. It goes when the process ends.
    /// - Throws: ``ApusError/Code/limit``, ``ApusError/Code/notRunning``; the message is destroyed then.
    /// - **Order**: none against messages sent directly meanwhile. **OTP**: `send_after/3`.
    @inlinable @discardableResult
    public func send(_ message: consuming sending Message, after delay: Duration) throws(ApusError) -> Reference {
        try sendMovingLater(message) { type, payload, size, ref in apus_send_after(milliseconds(delay), c, type, payload, size, ref) }
    }
}

extension Name where Message: ~Copyable {
    /// As ``Pid/send(_:after:)``, to whoever has the name when the time has come; to nobody if nobody has. **OTP**: `send_after/3`.
    @inlinable @discardableResult
    public func send(_ message: consuming sending Message, after delay: Duration) throws(ApusError) -> Reference {
        try sendMovingLater(message) { type, payload, size, ref in
            apus_send_name_after(milliseconds(delay), text, type, payload, size, ref)
        }
    }
}

/// Moves the message into a timer that `start` makes; destroys it if that fails.
@inlinable
func sendMovingLater<Message: ~Copyable>(
    _ message: consuming Message,
    _ start: (UnsafePointer<apus_type>, UnsafeMutablePointer<Message>, Int, UnsafeMutablePointer<apus_ref>) -> Int32
) throws(ApusError) -> Reference {
    let type = messageType(of: Message.self)
    var box: Message? = consume message
    var ref = apus_ref()
    let result = withUnsafeTemporaryAllocation(of: Message.self, capacity: 1) { place in
        let payload = place.baseAddress.unsafelyUnwrapped
        payload.initialize(to: box.take()!)
        let result = start(type, payload, MemoryLayout<Message>.size, &ref)
        if result != 0 { payload.deinitialize(count: 1) }
        return result
    }
    try check(result)
    return Reference(ref)
}

/// Cancels a timer. Exactly one of expiry and cancel wins.
///
/// - Returns: what was left of its time; nil if it is not active: it has expired, been cancelled, or its receiver has ended.
/// - Threads: any. **OTP**: `cancel_timer/1`.
@discardableResult
public func cancelTimer(_ timer: Reference) -> Duration? {
    var left: UInt64 = 0
    return apus_cancel(timer.c, &left) == 0 ? .milliseconds(Int64(clamping: left)) : nil
}
