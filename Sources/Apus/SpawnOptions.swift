import CApus

/// How a process is to be started. The defaults are those of a plain `spawn`.
public struct SpawnOptions: Sendable {
    /// Priorities as in Erlang: `max` and `high` run before everything below them; a `low` process gets every eighth turn.
    public enum Priority: UInt32, Sendable {
        /// The default.
        case normal = 0
        /// After the normal ones, but for every eighth turn.
        case low = 1
        /// Before the normal ones.
        case high = 2
        /// Before all others.
        case max = 3
    }

    /// A bound of the mailbox. It counts user messages only: exits, downs, replies and timers always fit.
    public struct MailboxBound: Sendable {
        /// What happens to a message that does not fit.
        public enum Policy: UInt32, Sendable {
            /// `send` returns false.
            case fail = 0
            /// The new message is dropped, and counted.
            case dropNewest = 1
            /// The oldest waiting message is dropped, and counted.
            case dropOldest = 2
            /// The sender waits, if it can.
            case block = 3
        }

        /// In messages; 0: none.
        public var messages: UInt32
        /// In bytes of payload; 0: none.
        public var bytes: Int
        /// What happens to a message beyond the bounds.
        public var policy: Policy

        /// A bound; whichever of the two is reached first counts.
        public init(messages: UInt32 = 0, bytes: Int = 0, policy: Policy) {
            self.messages = messages
            self.bytes = bytes
            self.policy = policy
        }
    }

    /// Register under this name, atomically.
    public var name: String?
    /// For tools and reports, at most 63 bytes.
    public var label: String?
    /// It can be changed by the process itself.
    public var priority: Priority = .normal
    /// Whether it traps exits from its first moment.
    public var trapsExits = false
    /// Whether the spawning process gets ``Info/started(_:)`` when `initialize` has ended, however.
    public var acknowledges = false
    /// nil: unbounded.
    public var mailbox: MailboxBound?
    /// Who gets the messages that a bounded mailbox drops; nil: they are only counted.
    public var deadLetters: AnyPid?
    /// Run on the NUMA node of this process, and stay there.
    public var near: AnyPid?
    /// Run on this NUMA node, from 0, and stay there.
    public var node: Int?

    /// Whether a job in it must end on the thread it began on: the runtime of Swift's tasks keeps addresses of thread-local variables.
    var keepsThread = false

    var keepingThread: SpawnOptions {
        var options = self
        options.keepsThread = true
        return options
    }

    /// The defaults.
    public init() {}

    /// The defaults, with a name.
    public init(name: String) { self.name = name }

    /// The defaults as the core has them.
    static func plain(
        flags: UInt32, monitor: UnsafeMutablePointer<apus_ref>?, argumentType: UnsafePointer<apus_type>?
    ) -> apus_spawn_options {
        var c = apus_spawn_options()
        c.struct_size = MemoryLayout<apus_spawn_options>.size
        c.flags = flags | UInt32(APUS_SPAWN_UNWIND)
        c.monitor = monitor
        c.argument_type = argumentType
        return c
    }

    /// Calls `body` with these options, put into the core's defaults; valid during the call.
    func withC<Result>(_ c: inout apus_spawn_options, _ body: (UnsafePointer<apus_spawn_options>) -> Result) -> Result {
        if keepsThread { c.flags |= UInt32(APUS_SPAWN_KEEP_THREAD) }
        if trapsExits { c.flags |= UInt32(APUS_SPAWN_TRAP_EXITS) }
        if acknowledges { c.flags |= UInt32(APUS_SPAWN_ACK) }
        c.priority = apus_priority(rawValue: priority.rawValue)
        c.near = near?.c ?? apus_pid(id: 0)
        c.node = node.map { Int32(clamping: $0 + 1) } ?? 0
        c.dead_letters = deadLetters?.c ?? apus_pid(id: 0)
        if let mailbox {
            c.mailbox_messages = mailbox.messages
            c.mailbox_bytes = mailbox.bytes
            c.mailbox_policy = apus_mailbox_policy(rawValue: mailbox.policy.rawValue)
        }
        return withOptionalCString(name) { name in
            withOptionalCString(label) { label in
                c.name = name
                c.label = label
                return body(&c)
            }
        }
    }
}

func withOptionalCString<Result>(_ string: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let string else { return body(nil) }
    return string.withCString(body)
}
