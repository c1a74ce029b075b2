import CApus
import CApusSwift

extension Runtime {
    /// Something that goes wrong slowly: a message of this type comes to the process that asked for it.
    ///
    /// **OTP**: the messages of `erlang:system_monitor/2`.
    public struct SystemEvent: BitwiseCopyable, Sendable, Hashable {
        /// The kinds of event.
        public struct Kind: BitwiseCopyable, Sendable, Hashable {
            let rawValue: UInt32
            /// A process is in its handler for ``SystemEvent/value`` milliseconds; told once for each handler.
            public static let longHandler = Kind(rawValue: APUS_SYSTEM_LONG_CALLBACK.rawValue)
            /// At least ``SystemEvent/value`` messages wait for a process; told once, and again after they were fewer.
            public static let longMailbox = Kind(rawValue: APUS_SYSTEM_LONG_MAILBOX.rawValue)
            /// A supervisor has restarted children ``SystemEvent/value`` times within its period.
            public static let manyRestarts = Kind(rawValue: APUS_SYSTEM_MANY_RESTARTS.rawValue)
        }

        /// What it is.
        public let kind: Kind
        /// Whom it is about.
        public let process: AnyPid
        /// Milliseconds, messages or restarts.
        public let value: UInt64
    }

    /// From when on to be told; nil: not at all.
    public struct SystemLimits: Sendable, Hashable {
        /// A handler that takes so long; whole milliseconds.
        public var longHandler: Duration?
        /// So many messages in a mailbox.
        public var longMailbox: Int?
        /// So many restarts by one supervisor within its period.
        public var manyRestarts: Int?

        /// The limits; nil: not told of.
        public init(longHandler: Duration? = nil, longMailbox: Int? = nil, manyRestarts: Int? = nil) {
            self.longHandler = longHandler
            self.longMailbox = longMailbox
            self.manyRestarts = manyRestarts
        }
    }

    /// Makes one process the one that is told of what goes wrong slowly, in place of whoever was before.
    ///
    /// ```swift
    /// try Runtime.monitorSystem(SystemLimits(longHandler: .milliseconds(50), longMailbox: 10_000), tell: watcher)
    /// ```
    ///
    /// - Parameters:
    ///   - limits: from when on.
    ///   - subscriber: a process whose messages are events.
    /// - Throws: ``ApusError/Code/noproc``; ``ApusError/Code/notRunning``.
    /// - Threads: any. **Order**: events come when they are noticed. **OTP**: `erlang:system_monitor/2`.
    /// - Complexity: nothing for each message; while mailboxes are watched, a process that falls behind counts its messages each turn.
    public static func monitorSystem(_ limits: SystemLimits, tell subscriber: Pid<SystemEvent>) throws(ApusError) {
        var c = apus_system_limits()
        c.struct_size = MemoryLayout<apus_system_limits>.size
        c.long_callback_ms = limits.longHandler.map { UInt32(clamping: milliseconds($0)) } ?? 0
        c.long_mailbox = UInt32(clamping: limits.longMailbox ?? 0)
        c.many_restarts = UInt32(clamping: limits.manyRestarts ?? 0)
        try check(apus_system_monitor(subscriber.c, &c))
    }

    /// Tells nobody any more.
    public static func monitorSystemNoMore() throws(ApusError) {
        try check(apus_system_monitor(apus_pid(id: 0), nil))
    }
}
