import CApus
import CApusSwift

/// What reaches a process beside the messages of its own type.
///
/// It is handed to ``GenServer/handle(info:in:)``, or taken with ``Context/receiveInfo(timeout:)``.
///
/// **OTP**: what `handle_info/2` gets.
public enum Info: ~Copyable {
    /// An exit signal came and the process traps exits.
    case exit(Exit)
    /// A monitored process has ended.
    case down(Down)
    /// A timer that was started with ``Context/startTimer(after:)`` has expired.
    case timeout(Reference)
    /// A descriptor is ready.
    case io(Readiness)
    /// A process that was spawned with `acknowledge` has started, or not.
    case started(Started)
    /// A message of a type that is not the process's own.
    case message(Envelope)

    /// An exit signal, as a message.
    public struct Exit: Sendable, Hashable {
        /// Who sent it, or ended.
        public var from: AnyPid
        /// Why.
        public var reason: ExitReason
    }

    /// The end of a monitored process.
    public struct Down: Sendable, Hashable {
        /// The monitor's.
        public var reference: Reference
        /// Who ended.
        public var pid: AnyPid
        /// Why; `noproc` if it was gone when it was asked for.
        public var reason: ExitReason
    }

    /// What a watched descriptor is ready for.
    public struct Readiness: Sendable, Hashable {
        /// The one that was watched.
        public var descriptor: Int32
        /// What can be done without waiting, or that there was an error.
        public var events: IOEvents
    }

    /// How the start of a process went.
    public struct Started: Sendable, Hashable {
        /// The process that was spawned.
        public var pid: AnyPid
        /// Whether `initialize` succeeded. If it answered `ignore`, ``reason`` is normal.
        public var isStarted: Bool
        /// Why it did not start.
        public var reason: ExitReason
    }
}

/// A message that was received and whose content has not been looked at. What is not taken is destroyed.
public struct Envelope: ~Copyable {
    @usableFromInline let message: UnsafeMutablePointer<apus_message>
    /// Whether the message is this value's to release, or borrowed from the callback it was given to.
    let isOwned: Bool

    init(_ message: UnsafeMutablePointer<apus_message>, isOwned: Bool) {
        self.message = message
        self.isOwned = isOwned
    }

    deinit {
        if isOwned { apus_message_release(message) }
    }

    /// Who sent it; nil if that was a plain thread.
    public var sender: AnyPid? {
        let from = apus_message_from(message)
        return from.id == 0 ? nil : AnyPid(from)
    }

    /// Of a reply, the reference of what asked for it, such as ``ProcessTask/reference``; nil if it has none.
    public var reference: Reference? {
        let ref = apus_message_ref(message)
        return ref.id == 0 ? nil : Reference(ref)
    }

    /// The name of its type, for people.
    public var typeName: String { String(cString: apus_message_type(message).pointee.name) }

    /// Takes the content out, if it is of that type and has not been taken.
    public func take<Message: ~Copyable>(as type: Message.Type) -> Message? {
        guard apus_message_type(message) == messageType(of: type), message.pointee.flags & 1 == 0 else { return nil }
        return takePayload(of: message, as: type)
    }
}

/// Moves the payload out. The message's type is `Message`'s.
@inlinable @inline(__always)
func takePayload<Message: ~Copyable>(of message: UnsafeMutablePointer<apus_message>, as type: Message.Type) -> Message {
    apus_swift_take(message, MemoryLayout<Message>.size).assumingMemoryBound(to: type).move()
}

extension Info {
    /// The reference, if it is a timer's.
    var timer: Reference? {
        switch self {
        case .timeout(let reference): reference
        default: nil
        }
    }

    /// What a handler was given, and may put anywhere: a message whose content is not copied is kept for it.
    init(handed message: UnsafeMutablePointer<apus_message>) {
        let isCopied = apus_swift_match_system(message, nil) && !apus_message_is_reply(message)
        self.init(message, isOwned: !isCopied && apus_message_keep(message) == 0)
    }

    /// What a message of another type than the process's own is.
    init(_ message: UnsafeMutablePointer<apus_message>, isOwned: Bool) {
        let payload = apus_swift_payload(message)
        let envelope = Envelope(message, isOwned: isOwned)
        switch apus_message_type(message) {
        case SystemTypes.exit:
            let exit = payload.assumingMemoryBound(to: apus_exit_message.self)
            self = .exit(Exit(from: AnyPid(exit.pointee.from), reason: ExitReason(&exit.pointee.reason)))
        case SystemTypes.down:
            let down = payload.assumingMemoryBound(to: apus_down_message.self)
            self = .down(
                Down(
                    reference: Reference(down.pointee.ref), pid: AnyPid(down.pointee.pid),
                    reason: ExitReason(&down.pointee.reason)))
        case SystemTypes.timeout:
            self = .timeout(Reference(apus_message_ref(message)))
        case SystemTypes.io:
            let io = payload.assumingMemoryBound(to: apus_io_message.self).pointee
            self = .io(Readiness(descriptor: io.fd, events: IOEvents(rawValue: io.events)))
        case SystemTypes.started:
            let started = payload.assumingMemoryBound(to: apus_started.self)
            self = .started(
                Started(
                    pid: AnyPid(started.pointee.pid), isStarted: started.pointee.status == 0,
                    reason: ExitReason(&started.pointee.reason)))
        default:
            self = .message(envelope)
            return
        }
        _ = consume envelope
    }
}

/// The types of the messages that the runtime makes.
enum SystemTypes {
    nonisolated(unsafe) static let exit = apus_swift_system_type(APUS_SWIFT_EXIT)
    nonisolated(unsafe) static let down = apus_swift_system_type(APUS_SWIFT_DOWN)
    nonisolated(unsafe) static let timeout = apus_swift_system_type(APUS_SWIFT_TIMEOUT)
    nonisolated(unsafe) static let io = apus_swift_system_type(APUS_SWIFT_IO)
    nonisolated(unsafe) static let started = apus_swift_system_type(APUS_SWIFT_STARTED)
    nonisolated(unsafe) static let system = apus_swift_system_type(APUS_SWIFT_SYSTEM)
}

/// What a descriptor can be ready for.
public struct IOEvents: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// It can be read, or the peer has closed.
    public static let read = IOEvents(rawValue: UInt32(APUS_IO_READ))
    /// It can be written.
    public static let write = IOEvents(rawValue: UInt32(APUS_IO_WRITE))
    /// An error or a hang-up; always reported, need not be asked for.
    public static let error = IOEvents(rawValue: UInt32(APUS_IO_ERROR))
}
