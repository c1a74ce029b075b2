import CApus
import CApusSwift
import Synchronization

/// Who waits outside of any process for the outcome of a call. Told exactly once.
class CallWaiter: @unchecked Sendable {  // no state here; subclasses say why theirs is safe
    /// The parcel is on its way; the outcome may have come already.
    func isSent(_ caller: apus_caller) {}
    /// The reply has come; it is borrowed, and its payload may be moved out.
    func tell(_ reply: UnsafeMutablePointer<apus_message>) {}
    func tell(_ error: ApusError) {}
}

/// A task that is suspended until it is told.
///
/// Cancelling sends the porter an abandon, once the parcel is on its way: so it comes after the parcel.
final class TaskWaiter<Reply: ~Copyable>: CallWaiter, @unchecked Sendable {  // written before the continuation is resumed, by one
    private struct State {
        var caller: apus_caller?
        var isCancelled = false
    }

    private var reply: Reply?
    private var error: ApusError?
    private let state = Mutex(State())
    var continuation: UnsafeContinuation<Void, Never>?

    override func isSent(_ caller: apus_caller) {
        let isCancelled = state.withLock { state in
            state.caller = caller
            return state.isCancelled
        }
        if isCancelled { Porter.abandon(caller) }
    }

    func cancel() {
        let caller = state.withLock { state in
            state.isCancelled = true
            return state.caller
        }
        if let caller { Porter.abandon(caller) }
    }

    override func tell(_ reply: UnsafeMutablePointer<apus_message>) {
        self.reply = takePayload(of: reply, as: Reply.self)
        continuation?.resume()
    }

    override func tell(_ error: ApusError) {
        self.error = error
        continuation?.resume()
    }

    /// What was told. After the continuation was resumed, once.
    func outcome() throws(ApusError) -> Reply {
        if let error { throw error }
        return reply.take()!
    }
}
