import CApus

extension Runtime {
    /// What the runtime has to tell the program: a fault that ended a process, a process that held up its core, a warning.
    ///
    /// An error that a handler throws is not among them: it is that process's end, of which supervisors and monitors are told.
    public struct LogEntry: Sendable {
        /// The kinds of entry.
        public struct Kind: Hashable, Sendable {
            let rawValue: UInt32
            /// A process had a fault, which has ended it.
            public static let crash = Kind(rawValue: APUS_LOG_CRASH.rawValue)
            /// A fault ends the program when the log returns.
            public static let fatal = Kind(rawValue: APUS_LOG_FATAL.rawValue)
            /// A process stayed in its handler and has lost its scheduler to others.
            public static let rescue = Kind(rawValue: APUS_LOG_RESCUE.rawValue)
            /// Something the program should be told, once.
            public static let warning = Kind(rawValue: APUS_LOG_WARNING.rawValue)
        }

        /// What it tells.
        public var kind: Kind
        /// Whom it is about; nil: nobody.
        public var pid: AnyPid?
        /// Of a crash, why the process ended.
        public var reason: ExitReason?
        /// For people: a line, or for crashes many.
        public var text: String
        /// The same for machines: one JSON object on one line.
        public var json: String

        /// An entry, for tests of what handles them.
        public init(kind: Kind, pid: AnyPid? = nil, reason: ExitReason? = nil, text: String, json: String) {
            self.kind = kind
            self.pid = pid
            self.reason = reason
            self.text = text
            self.json = json
        }
    }

    /// What is told.
    final class LogTarget: Sendable {
        let log: @Sendable (LogEntry) -> Void
        init(_ log: @escaping @Sendable (LogEntry) -> Void) { self.log = log }

        /// Lets the core call it. It is to be kept as long as that runs.
        func install(in c: inout apus_options) {
            c.log_context = Unmanaged.passUnretained(self).toOpaque()
            c.log = { entry, context in
                guard let entry, let context else { return }
                Unmanaged<LogTarget>.fromOpaque(context).takeUnretainedValue().log(LogEntry(entry))
            }
        }
    }
}

extension Runtime.LogEntry {
    init(_ entry: UnsafePointer<apus_log>) {
        let c = entry.pointee
        kind = Kind(rawValue: c.kind.rawValue)
        pid = c.pid.id == 0 ? nil : AnyPid(c.pid)
        reason = c.kind == APUS_LOG_CRASH ? withUnsafePointer(to: c.reason) { ExitReason($0) } : nil
        text = c.text.map { String(cString: $0) } ?? ""
        json = c.json.map { String(cString: $0) } ?? ""
    }
}
