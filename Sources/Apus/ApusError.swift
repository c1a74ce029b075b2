import CApus
import Glibc

/// What went wrong in a call of Apus that the caller is expected to meet.
///
/// Compare ``code``; more may be added. Misuse that a program cannot meet (a message type with a weak reference, say) is a precondition
/// with a sentence instead.
public struct ApusError: Error, Hashable, Sendable {
    /// What kind of error it is.
    public struct Code: Hashable, Sendable {
        let errno: Int32
        init(_ errno: Int32) { self.errno = errno }

        /// There is no such process, or nobody has that name. (`noproc`)
        public static let noproc = Code(ESRCH)
        /// The time was up. A reply that comes later is never seen.
        public static let timeout = Code(ETIMEDOUT)
        /// The server ended before it replied; ``ApusError/reason`` says why.
        public static let exited = Code(ECONNABORTED)
        /// A server or a child did not start; ``ApusError/reason`` says why. A child whose error is a negative errno gives that as the code.
        public static let failed = Code(EPROTO)
        /// The caller would wait for itself: directly, or through others that wait in calls. Then ``ApusError/detail`` names them all,
        /// "b <2.1> calls a <1.1> calls b <2.1>".
        public static let deadlock = Code(EDEADLK)
        /// The mailbox is bounded, full, and refuses.
        public static let mailboxFull = Code(ENOBUFS)
        /// The name or id is taken, or the process has a name already.
        public static let taken = Code(EEXIST)
        /// It has been done, or runs already.
        public static let already = Code(EALREADY)
        /// The process that calls must end, because a signal told it to while it waited; or the task that calls was cancelled.
        public static let ending = Code(ECANCELED)
        /// The runtime is not running.
        public static let notRunning = Code(ESHUTDOWN)
        /// A limit of processes, timers, threads or children is reached.
        public static let limit = Code(EAGAIN)
        /// The message is larger than a gigabyte.
        public static let tooLarge = Code(EMSGSIZE)
        /// There is no memory left; nothing has changed.
        public static let outOfMemory = Code(ENOMEM)
        /// It may not be done here: inside a process, or outside of one.
        public static let notPermitted = Code(EPERM)
        /// An argument is out of range.
        public static let invalid = Code(EINVAL)
        /// It is not there, or no longer active.
        public static let notFound = Code(ENOENT)
        /// It is in use.
        public static let busy = Code(EBUSY)
    }

    /// The kind.
    public var code: Code
    /// For ``Code/exited`` and children that did not start, why; else nil.
    public var reason: ExitReason?
    /// More to say, for people; or nil.
    public var detail: String?

    @usableFromInline
    init(_ code: Code, reason: ExitReason? = nil, detail: String? = nil) {
        self.code = code
        self.reason = reason
        self.detail = detail
    }

    /// From a result of the core: a negative errno.
    @usableFromInline
    init(result: Int32, reason: ExitReason? = nil, detail: String? = nil) {
        self.init(ApusError.code(of: result), reason: reason, detail: detail)
    }

    @usableFromInline
    static func code(of result: Int32) -> Code {
        switch result {
        case -ENOSPC: .limit
        case -ELOOP: .deadlock
        default: Code(-result)
        }
    }

    /// The errno the core used.
    public var errno: Int32 { code.errno }
}

extension ApusError: CustomStringConvertible {
    public var description: String {
        var text = String(cString: apus_strerror(-code.errno))
        // A detail beside a reason is a sentence with the reason in it.
        if let said = detail ?? reason?.description { text += ": \(said)" }
        return text
    }
}

/// Throws if a result of the core is an error.
@inlinable @inline(__always)
package func check(_ result: Int32) throws(ApusError) {
    if result < 0 { throw ApusError(result: result) }
}
