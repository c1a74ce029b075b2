import CApus
import CApusSwift

/// Who waits for the reply to a call: the way back, carried in the message.
///
/// A plain value of sixteen bytes. Any process may answer, at once or later; the first reply counts, and one that comes after the
/// caller's time is up is never seen.
///
/// Whoever hands it to another process to answer should return from the handler before it calls anybody: until then it is taken to
/// answer itself, and a call of its own that leads back to the one who asked fails with ``ApusError/Code/deadlock``.
///
/// **OTP**: `From` of `handle_call/3`.
@frozen
public struct From<Reply: ~Copyable>: Sendable, Hashable {
    @usableFromInline let pid: UInt64
    @usableFromInline let ref: UInt64

    @inlinable init(_ caller: apus_caller) {
        pid = caller.pid.id
        ref = caller.ref.id
    }

    /// Answers the call.
    ///
    /// - Returns: false if the caller is known to have ended; advice only.
    /// - Threads: any. **OTP**: `gen_server:reply/2`.
    @inlinable @discardableResult
    public func reply(_ reply: consuming sending Reply) -> Bool {
        let type = messageType(of: Reply.self)
        var box: Reply? = consume reply
        return _withUnprotectedUnsafeTemporaryAllocation(of: Reply.self, capacity: 1) { place in
            let payload = place.baseAddress.unsafelyUnwrapped
            payload.initialize(to: box.take()!)
            let result = apus_reply_to(apus_pid(id: pid), apus_ref(id: ref), type, payload, MemoryLayout<Reply>.size)
            if result != 0 { payload.deinitialize(count: 1) }
            return result == 0
        }
    }
}

extension From where Reply == Void {
    /// Answers a call that only waits for it to be done.
    @inlinable @discardableResult
    public func reply() -> Bool { reply(()) }
}
