import CApus
import CApusSwift

/// How one child of a supervisor is started, and what becomes of it when it ends.
///
/// ```swift
/// Child(Counter(), name: "hits", restart: .permanent)
/// ```
///
/// The value is copied for each start; it is kept as long as the supervisor may need it.
///
/// **OTP**: a child specification.
public struct Child: Sendable {
    /// When a child is started again.
    public enum Restart: UInt32, Sendable {
        /// Always, also after a normal end.
        case permanent = 0
        /// After an abnormal end: anything but normal, shutdown and shutdown(term).
        case transient = 1
        /// Never; its specification goes when it ends.
        case temporary = 2
    }

    /// How a child is stopped.
    public struct Shutdown: Sendable, Hashable {
        let milliseconds: UInt64
        /// Five seconds for a worker, for ever for a supervisor.
        public static let standard = Shutdown(milliseconds: 0)
        /// At once, with kill.
        public static let brutalKill = Shutdown(milliseconds: UInt64.max - 1)
        /// Shutdown, and wait until it has ended.
        public static let infinity = Shutdown(milliseconds: UInt64.max)
        /// Shutdown, then kill when the time is up.
        public static func after(_ time: Duration) -> Shutdown { Shutdown(milliseconds: max(1, Apus.milliseconds(time))) }
    }

    /// A delay before each restart, beyond OTP (R55).
    public struct Backoff: Sendable, Hashable {
        /// Before the first restart.
        public var initial: Duration
        /// Times this for each further one.
        public var factor: Double
        /// Never more.
        public var maximum: Duration
        /// 0...1: that share of each delay is random.
        public var jitter: Double
        /// A child that has run this long starts again at `initial`.
        public var reset: Duration

        /// Delays of `initial`, `initial * factor`, `initial * factor * factor`, up to `maximum`.
        public init(
            initial: Duration, factor: Double = 2, maximum: Duration = .seconds(60), jitter: Double = 0, reset: Duration = .seconds(60)
        ) {
            self.initial = initial
            self.factor = factor
            self.maximum = maximum
            self.jitter = jitter
            self.reset = reset
        }
    }

    /// Unique in its supervisor. nil: its name, or else the server's type; in a ``DynamicSupervisor`` children need none.
    public var id: String?
    /// After which ends it is started again.
    public var restart: Restart
    /// How it is stopped.
    public var shutdown: Shutdown
    /// Whether its end counts for the supervisor's automatic shutdown.
    public var isSignificant = false
    /// nil: restarted at once.
    public var backoff: Backoff?
    /// How long `initialize` may take before it is killed; nil: for ever.
    public var startTimeout: Duration?
    /// How it is spawned; the name is the child's registered name.
    public var options: SpawnOptions

    @usableFromInline let way: ChildWay

    @usableFromInline
    init(id: String?, restart: Restart, shutdown: Shutdown, options: SpawnOptions, way: ChildWay) {
        self.id = id
        self.restart = restart
        self.shutdown = shutdown
        self.options = options
        self.way = way
    }

    /// A server.
    ///
    /// - Parameters:
    ///   - server: copied for each start.
    ///   - id: nil: the name, or else the type's name.
    ///   - name: to register under.
    ///   - restart: when it is started again.
    ///   - shutdown: how it is stopped.
    ///   - options: further options; `name` goes before the one in there.
    @inlinable
    public init<Server: GenServer & Sendable>(
        _ server: Server, id: String? = nil, name: String? = nil, restart: Restart = .permanent, shutdown: Shutdown = .standard,
        options: SpawnOptions = SpawnOptions()
    ) {
        var options = options
        if let name { options.name = name }
        self.init(
            id: id, restart: restart, shutdown: shutdown, options: options,
            way: ChildWay(program: childProgram(of: Server.self), source: ServerSource(server), kind: String(describing: Server.self)))
    }

    /// A blocking process: one straight-line body, run anew for each start.
    public init<Message: ~Copyable>(
        id: String, of type: Message.Type, name: String? = nil, restart: Restart = .permanent, shutdown: Shutdown = .standard,
        options: SpawnOptions = SpawnOptions(), blocking body: @escaping @Sendable (borrowing Context<Message>) throws -> Void
    ) {
        var options = options
        if let name { options.name = name }
        self.init(
            id: id, restart: restart, shutdown: shutdown, options: options,
            way: ChildWay(program: bodyChildProgram.pointer, source: BodySource(bodyRunner(body)), isBody: true))
    }

    /// A supervisor of its own children.
    public init(
        supervisor id: String, name: String? = nil, strategy: Supervisor.Strategy = .oneForOne, intensity: UInt32 = 1,
        within period: Duration = .seconds(5), restart: Restart = .permanent,
        @ChildBuilder children: () -> [Child]
    ) {
        var description = SupervisorDescription(name: name, strategy: strategy, children: children())
        description.intensity = intensity
        description.period = period
        self.init(supervising: description, id: id, restart: restart)
    }

    init(supervising description: SupervisorDescription, id: String?, restart: Restart = .permanent) {
        self.init(
            id: id, restart: restart, shutdown: .standard, options: SpawnOptions(),
            way: ChildWay(program: supervisorChildProgram.pointer, source: SupervisorSource(description), isSupervisor: true))
    }
}

/// What a child is made from: an object that the supervisor keeps, and the program that knows what to do with it.
///
/// The argument of the C specification is [program][object]. Each holder of the bytes holds the object: the supervisor one reference for
/// the specification, each process one until its init has copied what it needs (`keep` in apus/supervisor.h).
@usableFromInline
struct ChildWay: @unchecked Sendable {  // the program is immortal and immutable, the source is Sendable
    let program: UnsafePointer<apus_swift_program>
    let source: AnyObject & Sendable
    let kind: String
    let isBody: Bool
    let isSupervisor: Bool

    @usableFromInline
    init(
        program: UnsafePointer<apus_swift_program>, source: AnyObject & Sendable, kind: String = "process", isBody: Bool = false,
        isSupervisor: Bool = false
    ) {
        self.kind = kind
        self.program = program
        self.source = source
        self.isBody = isBody
        self.isSupervisor = isSupervisor
    }
}

@usableFromInline
final class ServerSource<Server: GenServer & Sendable>: Sendable {
    @usableFromInline let server: Server
    @usableFromInline init(_ server: Server) { self.server = server }
}

final class BodySource: Sendable {
    let body: @Sendable (OpaquePointer) -> Void
    init(_ body: @escaping @Sendable (OpaquePointer) -> Void) { self.body = body }
}

/// The program of servers that start from a source rather than from a value.
@inlinable
func childProgram<Server: GenServer & Sendable>(of type: Server.Type) -> UnsafePointer<apus_swift_program> {
    let key = metadataAddress(of: ServerSource<Server>.self)
    if let program = apus_swift_find_program(key) { return program }
    return makeServerProgram(
        type, key: key, argumentOffset: MemoryLayout<UnsafeRawPointer>.size,
        start: StartClosure { process, state, value in
            let source = takeSource(ServerSource<Server>.self, value)
            let record = ServerRecord<Server>.at(state)
            record.initialize(to: ServerRecord(source.server))
            return startServer(record, process)
        },
        handle: handleClosure(of: type),
        cleanup: cleanupClosure(of: type),
        discard: ValueClosure { _ = takeSource(ServerSource<Server>.self, $0) })
}

@inlinable
func takeSource<Source: AnyObject>(_ type: Source.Type, _ value: UnsafeMutableRawPointer) -> Source {
    value.load(as: Unmanaged<Source>.self).takeRetainedValue()
}

let bodyChildProgram = sourceProgram(name: "body", of: BodySource.self) { process, source in source.body(process) }

let supervisorChildProgram = sourceProgram(name: "supervisor", of: SupervisorSource.self) { _, _ in }

/// A program whose only callback is a body that gets its source.
private func sourceProgram<Source: AnyObject>(
    name: String, of type: Source.Type, _ run: @escaping (OpaquePointer, Source) -> Void
) -> ImmortalProgram {
    let program = UnsafeMutablePointer<apus_swift_program>.allocate(capacity: 1)
    let none = immortalClosure(ValueClosure { _ in })
    apus_swift_program_make(
        program, immortalName(name), 0, MemoryLayout<UnsafeRawPointer>.size,
        immortalClosure(
            StartClosure { process, _, value in
                run(process, takeSource(type, value))
                return 0
            }), none, none, none,
        immortalClosure(ValueClosure { _ = takeSource(type, $0) }))
    return ImmortalProgram(pointer: UnsafePointer(program))
}

/// The address of a program, which never changes once made.
struct ImmortalProgram: @unchecked Sendable {
    let pointer: UnsafePointer<apus_swift_program>
}
