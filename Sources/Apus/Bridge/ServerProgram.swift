import CApus
import CApusSwift

// How a GenServer is a process of the core: its program (CApusSwift.h), formed where the server's type is known, so that the handler is
// specialised and inlined into the closure that the trampoline jumps to.

/// What lies in a server's process behind the program's address.
@usableFromInline
struct ServerRecord<Server: GenServer & ~Copyable>: ~Copyable {
    @usableFromInline var pending = Pending()
    @usableFromInline var server: Server

    @inlinable init(_ server: consuming Server) { self.server = server }

    @usableFromInline typealias Pointer = UnsafeMutablePointer<ServerRecord<Server>>

    @inlinable static var offset: Int { max(MemoryLayout<UnsafeRawPointer>.size, MemoryLayout<ServerRecord<Server>>.alignment) }

    @inlinable @inline(__always)
    static func at(_ state: UnsafeMutableRawPointer) -> Pointer {
        (state + offset).assumingMemoryBound(to: ServerRecord<Server>.self)
    }
}

@inlinable
func serverProgram<Server: GenServer & ~Copyable>(of type: Server.Type) -> UnsafePointer<apus_swift_program> {
    let key = metadataAddress(of: type)
    return apus_swift_find_program(key) ?? addServerProgram(
        type, key: key,
        start: StartClosure { process, state, value in
            startServer(makeRecord(of: type, in: state, from: value), process)
        })
}

/// Inlined where the server's type is known, so that its closures are specialised for it. That of `handle` captures nothing: so it is
/// called by the core itself (CApusSwift.h, "Idea").
@inlinable
func addServerProgram<Server: GenServer & ~Copyable>(
    _ type: Server.Type, key: UnsafeRawPointer, start: StartClosure
) -> UnsafePointer<apus_swift_program> {
    makeServerProgram(
        type, key: key, argumentOffset: argumentOffset(of: type), start: start, handle: handleClosure(of: type),
        cleanup: cleanupClosure(of: type),
        discard: ValueClosure { value in value.assumingMemoryBound(to: Server.self).deinitialize(count: 1) })
}

/// Moves a server from the argument of its spawn into the state of its process.
@inlinable @inline(__always)
func makeRecord<Server: GenServer & ~Copyable>(
    of type: Server.Type, in state: UnsafeMutableRawPointer, from value: UnsafeMutableRawPointer
) -> ServerRecord<Server>.Pointer {
    let record = ServerRecord<Server>.at(state)
    record.initialize(to: ServerRecord(value.assumingMemoryBound(to: Server.self).move()))
    return record
}

@inlinable @inline(__always)
func startServer<Server: GenServer & ~Copyable>(_ record: ServerRecord<Server>.Pointer, _ process: OpaquePointer) -> Int32 {
    do {
        let next = try record.pointee.server.initialize(in: Context(process)).next
        return next.isPlain ? 0 : start(next, record, process)
    } catch {
        return exitThrowing(error, process)
    }
}

@inlinable
func handleClosure<Server: GenServer & ~Copyable>(of type: Server.Type) -> HandleClosure {
    HandleClosure { process, state, message in
        let record = ServerRecord<Server>.at(state)
        guard apus_swift_is_own(state, message) else { return handleSeldom(record, process, message) }
        guard record.pointee.pending.isNone else { return handlePending(record, process, message) }
        do {
            let next = try record.pointee.server.handle(takePayload(of: message, as: Server.Message.self), in: Context(process))
            return next.isPlain ? 0 : follow(next, record, process, running: 0)
        } catch {
            return exitThrowing(error, process)
        }
    }
}

/// A message of the server's own type while a timeout runs or a step is pending: by itself, since the closure above keeps fewer registers so.
@inlinable @inline(never)
func handlePending<Server: GenServer & ~Copyable>(
    _ record: ServerRecord<Server>.Pointer, _ process: OpaquePointer, _ message: UnsafeMutablePointer<apus_message>
) -> Int32 {
    guard record.pointee.pending.isTimer else { return handleSeldom(record, process, message) }
    let timer = record.pointee.pending.takeTimer()
    do {
        let next = try record.pointee.server.handle(takePayload(of: message, as: Server.Message.self), in: Context(process))
        return follow(next, record, process, running: timer)
    } catch {
        return exitThrowing(error, process, running: timer)
    }
}

@inlinable
func cleanupClosure<Server: GenServer & ~Copyable>(of type: Server.Type) -> CleanupClosure {
    CleanupClosure { _, state in
        let record = ServerRecord<Server>.at(state)
        record.pointee.pending.drop()
        record.deinitialize(count: 1)
    }
}

@usableFromInline @inline(never)
func makeServerProgram<Server: GenServer & ~Copyable>(
    _ type: Server.Type, key: UnsafeRawPointer, argumentOffset: Int, start: StartClosure, handle: HandleClosure,
    cleanup: CleanupClosure, discard: ValueClosure
) -> UnsafePointer<apus_swift_program> {
    let alignment = MemoryLayout<ServerRecord<Server>>.alignment
    precondition(alignment <= 16, "a server cannot be aligned to more than 16 bytes (\(typeName(type)))")
    precondition(
        apus_swift_is_bitwise_takable(metadataAddress(of: type)),
        "a server cannot be a value with a weak reference in it (\(typeName(type))): put that into a class")
    let program = UnsafeMutablePointer<apus_swift_program>.allocate(capacity: 1)
    apus_swift_program_make(
        program, immortalName(typeName(type)), ServerRecord<Server>.offset + MemoryLayout<ServerRecord<Server>>.size,
        argumentOffset, immortalClosure(start), immortalClosure(handle),
        immortalClosure(
            TerminateClosure { process, state, reason in
                ServerRecord<Server>.at(state).pointee.server.terminate(ExitReason(reason), in: Context(process))
            }),
        immortalClosure(cleanup), immortalClosure(discard))
    program.pointee.message_type = messageType(of: Server.Message.self)
    return apus_swift_add_program(key, program)
}

/// Where the value lies in the argument of a spawn: behind the program's address.
@inlinable
func argumentOffset<Value: ~Copyable>(of type: Value.Type) -> Int {
    max(MemoryLayout<UnsafeRawPointer>.size, MemoryLayout<Value>.alignment)
}

// --- What is seldom -------------------------------------------------------------------------------------------------------------

/// What is to be seen to before the next message, in one word: 0 nothing; the reference of a timer that runs, whose upper bit is set; or
/// a step to be taken, owned.
@usableFromInline
struct Pending {
    @usableFromInline var word: UInt64 = 0

    @inlinable init() {}

    @inlinable var isNone: Bool { word == 0 }
    @inlinable var isTimer: Bool { Int64(bitPattern: word) < 0 }
    @inlinable var isStep: Bool { Int64(bitPattern: word) > 0 }

    /// The timer that runs; 0 if none does. It is no step that is pending.
    @inlinable mutating func takeTimer() -> UInt64 {
        let timer = word
        if timer != 0 { word = 0 }
        return timer
    }

    mutating func setStep(_ step: NextDetail) { word = UInt64(UInt(bitPattern: Unmanaged.passRetained(step).toOpaque())) }

    mutating func takeStep() -> NextDetail {
        defer { word = 0 }
        return Unmanaged.fromOpaque(UnsafeRawPointer(bitPattern: UInt(word)).unsafelyUnwrapped).takeRetainedValue()
    }

    @usableFromInline mutating func drop() {
        if isStep { _ = takeStep() } else { cancelTimer(takeTimer()) }
    }
}

/// What `initialize` asked for.
@usableFromInline @inline(never)
func start<Server: GenServer & ~Copyable>(_ next: Next, _ record: ServerRecord<Server>.Pointer, _ process: OpaquePointer) -> Int32 {
    guard let detail = next.detail, case .step = detail.kind else { return follow(next, record, process, running: 0) }
    // Whoever spawned it is to hear first that it has started. The marker gives the step its turn, and any message that comes before.
    record.pointee.pending.setStep(detail)
    return apus_send(apus_pid_of(process), ServerMarker.type, nil, 0)
}

/// A message while a step is pending, or one that is not of the server's own type.
@usableFromInline @inline(never)
func handleSeldom<Server: GenServer & ~Copyable>(
    _ record: ServerRecord<Server>.Pointer, _ process: OpaquePointer, _ message: UnsafeMutablePointer<apus_message>
) -> Int32 {
    if record.pointee.pending.isStep {
        let result = follow(Next(detail: record.pointee.pending.takeStep()), record, process, running: 0)
        return result == 0 ? handleSeldom(record, process, message) : result
    }
    let type = apus_message_type(message)
    if type == ServerMarker.type, !record.pointee.pending.isTimer || apus_message_ref(message).id != record.pointee.pending.word {
        return 0
    }
    var timer = record.pointee.pending.takeTimer()
    do {
        let next: Next
        if type == ServerMarker.type {
            timer = 0
            next = try record.pointee.server.handleTimeout(in: Context(process))
        } else if type == messageType(of: Server.Message.self) {
            let own = takePayload(of: message, as: Server.Message.self)
            next = try record.pointee.server.handle(own, in: Context(process))
        } else if type == StopRequest.type {
            next = .stop(takePayload(of: message, as: StopRequest.self).reason)
        } else {
            next = try record.pointee.server.handle(info: Info(handed: message), in: Context(process))
        }
        return follow(next, record, process, running: timer)
    } catch {
        return exitThrowing(error, process, running: timer)
    }
}

/// The message that a server's own timeout is, and the one that gives a server its turn.
enum ServerMarker {
    struct Message {}
    static var type: UnsafePointer<apus_type> { Apus.messageType(of: Message.self) }
}

/// Does what a handler asked for.
///
/// A timeout that ran while the message was handled runs still: mostly a timeout is what is asked for now, and the timer goes on as that. If
/// it has expired meanwhile, its message, whose reference is another than that of the next timer, is not seen (R35).
@inlinable @inline(__always)
func follow<Server: GenServer & ~Copyable>(
    _ next: Next, _ record: ServerRecord<Server>.Pointer, _ process: OpaquePointer, running timer: UInt64
) -> Int32 {
    guard let detail = next.detail else { return follow(next.more, &record.pointee.pending, process, running: timer) }
    cancelTimer(timer)
    return follow(detail, record, process)
}

@usableFromInline @inline(never)
func follow(_ more: Int, _ pending: inout Pending, _ process: OpaquePointer, running timer: UInt64) -> Int32 {
    guard more > 0 else {
        cancelTimer(timer)
        return Int32(-more)
    }
    let timeout = UInt64(more - 1)
    if timer != 0, apus_rearm(apus_ref(id: timer), timeout) == 0 {
        pending.word = timer
        return 0
    }
    cancelTimer(timer)
    var ref = apus_ref()
    let result = apus_send_after(timeout, apus_pid_of(process), ServerMarker.type, nil, 0, &ref)
    guard result >= 0 else { return result }
    pending.word = ref.id
    assert(pending.isTimer)
    return 0
}

/// R35: steps are taken before any message that waits.
@usableFromInline @inline(never)
func follow<Server: GenServer & ~Copyable>(
    _ detail: NextDetail, _ record: ServerRecord<Server>.Pointer, _ process: OpaquePointer
) -> Int32 {
    var detail = detail
    while true {
        switch detail.kind {
        case .step(let step):
            do {
                let next = try record.pointee.server.handle(step: step, in: Context(process))
                guard let another = next.detail else { return follow(next.more, &record.pointee.pending, process, running: 0) }
                detail = another
            } catch {
                return exitThrowing(error, process)
            }
        case .hibernate:
            return apus_hibernate(process)
        case .stop(let reason):
            return exit(process, reason)
        }
    }
}

/// Ends a timeout that runs; 0 is none.
@usableFromInline
func cancelTimer(_ timer: UInt64) {
    if timer != 0 { apus_cancel(apus_ref(id: timer), nil) }
}

@usableFromInline @inline(never)
func exitThrowing(_ error: any Error, _ process: OpaquePointer, running timer: UInt64 = 0) -> Int32 {
    cancelTimer(timer)
    return exit(process, ExitReason(throwing: error))
}

func exit(_ process: OpaquePointer, _ reason: ExitReason) -> Int32 {
    reason.withCReason { apus_exit(process, $0.pointee) }
}
