import CApus
import CApusSwift

// Starting processes. What a plain thread and a process can do is free functions; what only a process can, links and monitors, is in
// Context+Relations.swift.

/// Starts a server.
///
/// Returns at once; ``GenServer/initialize(in:)`` runs later, in the new process: ``start(_:options:timeout:)->Pid<Server.Message>`` waits for
/// it. Called from inside a process, that is the parent.
/// The runtime is started with its defaults if it was never started.
///
/// - Parameters:
///   - server: moved into the process.
///   - options: name, priority, mailbox bound and more.
/// - Returns: its pid; it can be sent to at once, and what is sent waits until `initialize` has run.
/// - Throws: ``ApusError/Code/taken`` the name is, ``ApusError/Code/limit``, ``ApusError/Code/notRunning``.
/// - Threads: any. **OTP**: `gen_server:start/3`, without waiting for `init`.
@inlinable @discardableResult
public func spawn<Server: GenServer & ~Copyable>(
    _ server: consuming sending Server, options: SpawnOptions? = nil
) throws(ApusError) -> Pid<Server.Message> {
    try Pid(spawnServer(server, options: options, flags: 0, monitor: nil))
}

/// Starts a process that is one straight-line body; it takes messages with ``Context/receive(timeout:)``.
///
/// When the body returns the process ends normal; when it throws it ends with a reason that carries the error. While it waits its stack
/// is set aside, and only then does it cost one.
///
/// - Throws: as ``spawn(_:options:)->Pid<Server.Message>``.
/// - Threads: any. **OTP**: `spawn/1`.
@discardableResult
public func spawnBlocking<Message: ~Copyable>(
    of type: Message.Type, options: SpawnOptions? = nil,
    body: sending @escaping (borrowing Context<Message>) throws -> Void
) throws(ApusError) -> Pid<Message> {
    try Pid(spawnBody(of: type, options: options, flags: 0, monitor: nil, body: body))
}

@inlinable
func spawnServer<Server: GenServer & ~Copyable>(
    _ server: consuming Server, options: SpawnOptions?, flags: UInt32, monitor: UnsafeMutablePointer<apus_ref>?
) throws(ApusError) -> apus_pid {
    let program = serverProgram(of: Server.self)
    return try spawnProgram(program, named: options?.name, value: server) { argument, size in
        spawnRaw(program, argument, size, options, flags, monitor)
    }
}

/// Lays the argument out, program and value, and spawns; destroys the value if that fails.
@inlinable
func spawnProgram<Value: ~Copyable>(
    _ program: UnsafePointer<apus_swift_program>, named name: @autoclosure () -> String?, value: consuming Value,
    _ spawn: (UnsafeMutableRawPointer, Int) -> SpawnResult
) throws(ApusError) -> apus_pid {
    let offset = argumentOffset(of: Value.self)
    let size = offset + MemoryLayout<Value>.size
    var box: Value? = consume value
    let result = withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { place in
        let argument = place.baseAddress.unsafelyUnwrapped
        argument.storeBytes(of: UnsafeRawPointer(program), as: UnsafeRawPointer.self)
        let content = (argument + offset).bindMemory(to: Value.self, capacity: 1)
        content.initialize(to: box.take()!)
        let result = spawn(argument, size)
        if result.error != 0 { content.deinitialize(count: 1) }
        return result
    }
    guard result.error == 0 else { throw namingError(result.error, name()) }
    return result.pid
}

@usableFromInline
struct SpawnResult {
    @usableFromInline var pid = apus_pid()
    @usableFromInline var error: Int32 = 0
    @usableFromInline init() {}
}

@usableFromInline
func spawnRaw(
    _ program: UnsafePointer<apus_swift_program>, _ argument: UnsafeMutableRawPointer, _ size: Int, _ options: SpawnOptions?,
    _ flags: UInt32, _ monitor: UnsafeMutablePointer<apus_ref>?
) -> SpawnResult {
    spawnStarting(program, options, flags, monitor) { options, pid in
        apus_spawn(UnsafeRawPointer(program).assumingMemoryBound(to: apus_behaviour.self), argument, size, options, pid)
    }
}

private func spawnStarting(
    _ program: UnsafePointer<apus_swift_program>, _ options: SpawnOptions?, _ flags: UInt32, _ monitor: UnsafeMutablePointer<apus_ref>?,
    _ spawn: (UnsafePointer<apus_spawn_options>, UnsafeMutablePointer<apus_pid>) -> Int32
) -> SpawnResult {
    var plain = SpawnOptions.plain(flags: flags, monitor: monitor, argumentType: argumentType(of: program))
    guard let options else { return spawnAtOnceOrStarting(&plain, spawn) }
    return options.withC(&plain) { spawnAtOnceOrStarting($0, spawn) }
}

@inline(__always)
private func spawnAtOnceOrStarting(
    _ options: UnsafePointer<apus_spawn_options>,
    _ spawn: (UnsafePointer<apus_spawn_options>, UnsafeMutablePointer<apus_pid>) -> Int32
) -> SpawnResult {
    var result = SpawnResult()
    result.error = spawn(options, &result.pid)
    if result.error == -ESHUTDOWN, Runtime.startIfNeverStarted() { result.error = spawn(options, &result.pid) }
    return result
}

/// The type of the program's argument, whose drop destroys a value that no process has taken.
func argumentType(of program: UnsafePointer<apus_swift_program>) -> UnsafePointer<apus_type> {
    (UnsafeRawPointer(program) + MemoryLayout<apus_swift_program>.offset(of: \.argument_type)!).assumingMemoryBound(to: apus_type.self)
}

// --- Bodies ---------------------------------------------------------------------------------------------------------------------

/// A body without its type of messages.
struct Body {
    let run: (OpaquePointer) -> Void
}

private nonisolated(unsafe) let bodyProgram: UnsafePointer<apus_swift_program> = {
    let program = UnsafeMutablePointer<apus_swift_program>.allocate(capacity: 1)
    let none = immortalClosure(ValueClosure { _ in })
    apus_swift_program_make(
        program, immortalName("body"), 0, argumentOffset(of: Body.self),
        immortalClosure(
            StartClosure { process, _, value in
                value.assumingMemoryBound(to: Body.self).move().run(process)
                return 0
            }), none, none, none,
        immortalClosure(ValueClosure { value in value.assumingMemoryBound(to: Body.self).deinitialize(count: 1) }))
    return UnsafePointer(program)
}()

/// A body that ends its process with what it throws.
func bodyRunner<Message: ~Copyable>(
    _ body: @escaping (borrowing Context<Message>) throws -> Void
) -> (OpaquePointer) -> Void {
    { process in
        do {
            try body(Context(process))
        } catch {
            _ = exitThrowing(error, process)
        }
    }
}

/// The same for a body that is run by any process.
func bodyRunner<Message: ~Copyable>(
    _ body: @escaping @Sendable (borrowing Context<Message>) throws -> Void
) -> @Sendable (OpaquePointer) -> Void {
    { process in
        do {
            try body(Context(process))
        } catch {
            _ = exitThrowing(error, process)
        }
    }
}

func spawnBody<Message: ~Copyable>(
    of type: Message.Type, options: SpawnOptions?, flags: UInt32, monitor: UnsafeMutablePointer<apus_ref>?,
    body: @escaping (borrowing Context<Message>) throws -> Void
) throws(ApusError) -> apus_pid {
    return try spawnProgram(bodyProgram, named: options?.name, value: Body(run: bodyRunner(body))) { argument, size in
        spawnStarting(bodyProgram, options, flags, monitor) { options, pid in
            apus_spawn_blocking(apus_swift_body, argument, size, options, pid)
        }
    }
}
