#if Logging
import Apus
import Logging

extension Runtime.Options {
    /// Sends what the runtime has to tell to a logger of swift-log, instead of to standard error.
    ///
    /// ```swift
    /// var options = Runtime.Options()
    /// options.log(to: Logger(label: "shop"))
    /// try Runtime.start(options)
    /// ```
    ///
    /// A crash is an `error`, what ends the program `critical`, a process that held up its core a `notice`, anything else a `warning`.
    /// The message is the report's first line; all of it, the process and the reason are in the metadata.
    public mutating func log(to logger: Logger) {
        log = { $0.log(to: logger) }
    }
}

extension Runtime.LogEntry {
    /// Writes the entry to a logger. - Threads: any.
    public func log(to logger: Logger) {
        var metadata: Logger.Metadata = ["apus.report": .string(json)]
        if let pid { metadata["apus.pid"] = "\(pid)" }
        if let reason { metadata["apus.reason"] = "\(reason)" }
        let firstLine = text.split(separator: "\n", maxSplits: 1).first.map(String.init) ?? ""
        logger.log(level: level, "\(firstLine)", metadata: metadata)
    }

    private var level: Logger.Level {
        switch kind {
        case .crash: .error
        case .fatal: .critical
        case .rescue: .notice
        default: .warning
        }
    }
}

/// A process that reports the ends of others to a logger: put it first among a supervisor's children, and let it watch what matters.
///
/// ```swift
/// let tree = try await Supervisor.start {
///     Child(EndReporter(logger), name: "reporter")
///     Child(Counter(), name: "hits")
/// }
/// try EndReporter.at("reporter").send(.watchChildren(of: tree))
/// ```
///
/// It asks each supervisor it watches for its children, reports each end that is not an orderly one as an `error`, each restart as
/// `info`, and the end of the supervisor itself as `error`.
///
/// **OTP**: the crash and supervisor reports of `logger`.
public struct EndReporter: GenServer, Sendable {
    /// What it is sent.
    public struct Message: Sendable {
        enum Kind {
            case watch(AnyPid, label: String)
            case watchChildren(Supervisor)
            /// The supervisor had not yet heard of this end when it was asked for its children.
            case lookAgain(Supervisor, ended: AnyPid)
        }
        let kind: Kind

        /// Report the end of this process.
        public static func watch(_ pid: AnyPid, label: String) -> Message { Message(kind: .watch(pid, label: label)) }
        /// Report what becomes of the children of this supervisor, and of those below it.
        public static func watchChildren(of supervisor: Supervisor) -> Message { Message(kind: .watchChildren(supervisor)) }
    }

    private struct Watched {
        var label: String
        /// Whose child it is; nil: nobody's who is watched.
        var supervisor: Supervisor?
        var isSupervisor: Bool
    }

    private let logger: Logger
    private var watched: [AnyPid: Watched] = [:]

    /// A reporter that writes to this logger.
    public init(_ logger: Logger) { self.logger = logger }

    public mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message.kind {
        case .watch(let pid, let label): try watch(pid, Watched(label: label, isSupervisor: false), in: context)
        case .watchChildren(let supervisor):
            try watch(supervisor.untyped, Watched(label: "supervisor", isSupervisor: true), in: context)
            try watchChildren(of: supervisor, in: context)
        case .lookAgain(let supervisor, let ended):
            try watchChildren(of: supervisor, afterEndOf: ended, in: context)
        }
        return .continue
    }

    public mutating func handle(info: consuming Info, in context: borrowing Context<Message>) throws -> Next {
        guard case .down(let down) = consume info, let ended = watched.removeValue(forKey: down.pid) else { return .continue }
        let metadata: Logger.Metadata = ["apus.pid": "\(down.pid)", "apus.reason": "\(down.reason)"]
        if !down.reason.isOrderly { logger.error("\(ended.label) ended: \(down.reason)", metadata: metadata) }
        if let supervisor = ended.supervisor, supervisor.isAlive {
            try watchChildren(of: supervisor, afterEndOf: down.pid, in: context)
        }
        return .continue
    }

    private mutating func watch(_ pid: AnyPid, _ new: Watched, in context: borrowing Context<Message>) throws {
        if watched.updateValue(new, forKey: pid) == nil { _ = try context.monitor(pid) }
    }

    /// Watches the children that are not yet watched. After an end, those are the ones that were started again.
    private mutating func watchChildren(
        of supervisor: Supervisor, afterEndOf ended: AnyPid? = nil, in context: borrowing Context<Message>
    ) throws {
        // One that ends meanwhile is reported by its own monitor.
        guard let children = try? supervisor.whichChildren() else { return }
        if let ended, children.contains(where: { $0.pid == ended || $0.isRestarting }) {
            try context.pid.send(Message(kind: .lookAgain(supervisor, ended: ended)), after: .milliseconds(10))
        }
        for child in children where child.pid != ended {
            guard let pid = child.pid, pid != AnyPid(context.pid), watched[pid] == nil else { continue }
            let label = "child \"\(child.id)\""
            if ended != nil { logger.info("\(label) started again", metadata: ["apus.pid": "\(pid)", "apus.restarts": "\(child.restarts)"]) }
            try watch(pid, Watched(label: label, supervisor: supervisor, isSupervisor: child.isSupervisor), in: context)
            if child.isSupervisor { try watchChildren(of: Supervisor(pid), afterEndOf: ended, in: context) }
        }
    }
}
#endif
