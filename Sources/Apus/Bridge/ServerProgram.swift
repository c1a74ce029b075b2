import CApus
import CApusSwift

// How a GenServer is a process of the core: its program (CApusSwift.h), formed where the server's type is known, so that the handler is
// specialised and inlined into the closure that the trampoline jumps to.

/// What lies in a server's process behind the program's address.
@usableFromInline
struct ServerRecord<Server: GenServer & ~Copyable>: ~Copyable {
    /// What is to be seen to before the next message: a timer that runs, or a step to be taken; nil: nothing.
    @usableFromInline var pending: NextDetail?
    @usableFromInline var server: Server

    @inlinable init(_ server: consuming Server) {
        pending = nil
        self.server = server
    }

    @usableFromInline typealias Pointer = UnsafeMutablePointer<ServerRecord<Server>>

    @inlinable static var offset: Int { max(MemoryLayout<UnsafeRawPointer>.size, MemoryLayout<ServerRecord<Server>>.alignment) }

    @inlinable @inline(__always)
    static func at(_ state: UnsafeMutableRawPointer) -> Pointer {
        (state + offset).assumingMemoryBound(to: ServerRecord<Server>.self)
    }
}

@inlinable
func serverProgram<Server: GenServer & ~Copyable>(of type: Server.Type) -> UnsafePointer<apus_swift_program> {
    apus_swift_find_program(metadataAddress(of: type)) ?? addServerProgram(type)
}

/// Inlined where the server's type is known, so that its closures are specialised for it. That of `handle` captures nothing: so it is
/// called by the core itself (CApusSwift.h, "Idea").
@inlinable
func addServerProgram<Server: GenServer & ~Copyable>(_ type: Server.Type) -> UnsafePointer<apus_swift_program> {
    makeServerProgram(
        type, key: metadataAddress(of: type), argumentOffset: argumentOffset(of: type),
        start: StartClosure { process, state, value in
            let record = ServerRecord<Server>.at(state)
            record.initialize(to: ServerRecord(value.assumingMemoryBound(to: Server.self).move()))
            return startServer(record, process)
        },
        handle: handleClosure(of: type),
        cleanup: cleanupClosure(of: type),
        discard: ValueClosure { value in value.assumingMemoryBound(to: Server.self).deinitialize(count: 1) })
}

@inlinable @inline(__always)
func startServer<Server: GenServer & ~Copyable>(_ record: ServerRecord<Server>.Pointer, _ process: OpaquePointer) -> Int32 {
    do {
        guard let detail = try record.pointee.server.initialize(in: Context(process)).next.detail else { return 0 }
        return start(detail, record, process)
    } catch {
        return exitThrowing(error, process)
    }
}

@inlinable
func handleClosure<Server: GenServer & ~Copyable>(of type: Server.Type) -> HandleClosure {
    HandleClosure { process, state, message in
        let record = ServerRecord<Server>.at(state)
        guard apus_swift_is_own(state, message), record.pointee.pending == nil else {
            return handleSeldom(record, process, message)
        }
        do {
            let next = try record.pointee.server.handle(takePayload(of: message, as: Server.Message.self), in: Context(process))
            guard let detail = next.detail else { return 0 }
            return follow(detail, record, process)
        } catch {
            return exitThrowing(error, process)
        }
    }
}

@inlinable
func cleanupClosure<Server: GenServer & ~Copyable>(of type: Server.Type) -> CleanupClosure {
    CleanupClosure { _, state in
        let record = ServerRecord<Server>.at(state)
        record.pointee.pending?.cancelTimer()
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

/// What `initialize` asked for.
@usableFromInline @inline(never)
func start<Server: GenServer & ~Copyable>(
    _ detail: NextDetail, _ record: ServerRecord<Server>.Pointer, _ process: OpaquePointer
) -> Int32 {
    guard case .step = detail.kind else { return follow(detail, record, process) }
    // Whoever spawned it is to hear first that it has started. The marker gives the step its turn, and any message that comes before.
    record.pointee.pending = detail
    return apus_send_exempt(apus_pid_of(process), ServerMarker.type, nil, 0)
}

/// A message while something is pending, or one that is not of the server's own type.
///
/// A timeout that runs is left running while the message is handled: mostly a timeout is what is asked for then, and the timer goes on as
/// that. If it expires meanwhile, its message, whose reference is another than that of the next timer, is not seen (R35).
@usableFromInline @inline(never)
func handleSeldom<Server: GenServer & ~Copyable>(
    _ record: ServerRecord<Server>.Pointer, _ process: OpaquePointer, _ message: UnsafeMutablePointer<apus_message>
) -> Int32 {
    let type = apus_message_type(message)
    var timer: NextDetail?
    switch record.pointee.pending?.kind {
    case .step:
        let result = follow(record.pointee.pending.take()!, record, process)
        return result == 0 ? handleSeldom(record, process, message) : result
    case .timer(let id):
        if type == ServerMarker.type, apus_message_ref(message).id != id { return 0 }
        timer = record.pointee.pending.take()
    default:
        if type == ServerMarker.type { return 0 }
    }
    do {
        let next: Next
        if type == ServerMarker.type {
            timer = nil
            next = try record.pointee.server.handleTimeout(in: Context(process))
        } else if type == messageType(of: Server.Message.self) {
            let own = takePayload(of: message, as: Server.Message.self)
            next = try record.pointee.server.handle(own, in: Context(process))
        } else {
            next = try record.pointee.server.handle(info: Info(handed: message), in: Context(process))
        }
        if let detail = next.detail { return follow(detail, record, process, running: timer) }
        timer?.cancelTimer()
        return 0
    } catch {
        timer?.cancelTimer()
        return exitThrowing(error, process)
    }
}

/// The message that a server's own timeout is, and the one that gives a server its turn.
enum ServerMarker {
    struct Message {}
    static var type: UnsafePointer<apus_type> { Apus.messageType(of: Message.self) }
}

/// Does what a handler asked for beyond going on. R35: steps are taken before any message that waits.
@usableFromInline @inline(never)
func follow<Server: GenServer & ~Copyable>(
    _ detail: NextDetail, _ record: ServerRecord<Server>.Pointer, _ process: OpaquePointer, running timer: NextDetail? = nil
) -> Int32 {
    if case .timeout(let duration) = detail.kind, timer?.rearmTimer(duration) == true {
        record.pointee.pending = timer
        return 0
    }
    timer?.cancelTimer()
    var detail = detail
    while true {
        switch detail.kind {
        case .timeout(let duration):
            var ref = apus_ref()
            let result = apus_send_after(milliseconds(duration), apus_pid_of(process), ServerMarker.type, nil, 0, &ref)
            record.pointee.pending = NextDetail(.timer(ref.id))
            return min(result, 0)
        case .step(let step):
            do {
                guard let next = try record.pointee.server.handle(step: step, in: Context(process)).detail else { return 0 }
                detail = next
            } catch {
                return exitThrowing(error, process)
            }
        case .hibernate:
            return apus_hibernate(process)
        case .ignore:
            return Int32(APUS_IGNORE)
        case .stop(let reason):
            return exit(process, reason)
        case .timer:
            return 0
        }
    }
}

extension NextDetail {
    /// Ends a timeout that runs.
    @usableFromInline func cancelTimer() {
        if case .timer(let id) = kind { apus_cancel(apus_ref(id: id), nil) }
    }

    /// Lets a timeout that runs begin anew. False if it has expired meanwhile, or its server has changed schedulers.
    fileprivate func rearmTimer(_ duration: Duration) -> Bool {
        guard case .timer(let id) = kind else { return false }
        return apus_rearm(apus_ref(id: id), milliseconds(duration)) == 0
    }
}

@usableFromInline @inline(never)
func exitThrowing(_ error: any Error, _ process: OpaquePointer) -> Int32 {
    exit(process, ExitReason(throwing: error))
}

func exit(_ process: OpaquePointer, _ reason: ExitReason) -> Int32 {
    reason.withCReason { apus_exit(process, $0.pointee) }
}
