import CApus
import CApusSwift

/// Starts a process whose body is asynchronous, for code that must `await`.
///
/// ```swift
/// let greeter = try spawn(of: String.self) { me in
///     while let name = await me.receive() { print("Hello, \(name)!") }
/// }
/// ```
///
/// Its jobs run in the process, on the core's schedulers, never on Swift's global pool. It costs a task, about 1.3 KB in all, where a
/// ``GenServer`` costs 200 to 300 bytes: prefer the latter for what need not `await`.
///
/// - Parameters:
///   - type: of its messages; `Never` for one that receives by type only.
///   - options: name, priority, mailbox bound and more.
///   - body: when it returns the process ends normal; when it throws, with a reason that carries the error.
/// - Throws: as ``spawn(_:options:)->Pid<Server.Message>``.
/// - Threads: any. **OTP**: `spawn/1`.
@discardableResult
public func spawn<Message: ~Copyable>(
    of type: Message.Type, options: SpawnOptions? = nil,
    body: nonisolated(nonsending) @escaping @Sendable (borrowing AsyncContext<Message>) async throws -> Void
) throws(ApusError) -> Pid<Message> {
    try Pid(spawnAsync(of: type, options: options, flags: 0, monitor: nil, body: body))
}

extension Context where Message: ~Copyable {
    /// Starts an asynchronous process linked with this one, atomically. **OTP**: `spawn_link/1`.
    @discardableResult
    public func spawnLink<Other: ~Copyable>(
        of type: Other.Type, options: SpawnOptions? = nil,
        body: nonisolated(nonsending) @escaping @Sendable (borrowing AsyncContext<Other>) async throws -> Void
    ) throws(ApusError) -> Pid<Other> {
        try Pid(spawnAsync(of: type, options: options, flags: UInt32(APUS_SPAWN_LINK), monitor: nil, body: body))
    }

    /// Starts an asynchronous process monitored by this one, atomically. **OTP**: `spawn_monitor/1`.
    public func spawnMonitor<Other: ~Copyable>(
        of type: Other.Type, options: SpawnOptions? = nil,
        body: nonisolated(nonsending) @escaping @Sendable (borrowing AsyncContext<Other>) async throws -> Void
    ) throws(ApusError) -> (pid: Pid<Other>, monitor: Reference) {
        var ref = apus_ref()
        let pid = try spawnAsync(of: type, options: options, flags: UInt32(APUS_SPAWN_MONITOR), monitor: &ref, body: body)
        return (Pid(pid), Reference(ref))
    }
}

extension Child {
    /// An asynchronous process, whose body is run anew for each start.
    ///
    /// ```swift
    /// Child(id: "feed") { me in
    ///     while let line = await me.receive(Line.self, timeout: .seconds(30)) { try parse(line) }
    /// }
    /// ```
    public init(
        id: String, name: String? = nil, restart: Restart = .permanent, shutdown: Shutdown = .standard,
        options: SpawnOptions = SpawnOptions(),
        body: nonisolated(nonsending) @escaping @Sendable (borrowing AsyncContext<Never>) async throws -> Void
    ) {
        self.init(id: id, of: Never.self, name: name, restart: restart, shutdown: shutdown, options: options, body: body)
    }

    /// An asynchronous process of messages of a type.
    public init<Message: ~Copyable>(
        id: String, of type: Message.Type, name: String? = nil, restart: Restart = .permanent, shutdown: Shutdown = .standard,
        options: SpawnOptions = SpawnOptions(),
        body: nonisolated(nonsending) @escaping @Sendable (borrowing AsyncContext<Message>) async throws -> Void
    ) {
        var options = options
        if let name { options.name = name }
        self.init(
            id: id, restart: restart, shutdown: shutdown, options: options.keepingThread,
            way: ChildWay(program: asyncChildProgram.pointer, source: AsyncSource(AsyncBody(body))))
    }
}

/// A body without its type of messages.
struct AsyncBody: Sendable {
    let run: nonisolated(nonsending) @Sendable (borrowing AsyncContext<Never>) async throws -> Void

    /// A context is the same bytes whatever its messages are, so the body is what it was: a closure around it would be an allocation.
    init<Message: ~Copyable>(_ body: nonisolated(nonsending) @escaping @Sendable (borrowing AsyncContext<Message>) async throws -> Void) {
        self = unsafeBitCast(TypedAsyncBody(run: body), to: AsyncBody.self)
    }
}

private struct TypedAsyncBody<Message: ~Copyable> {
    let run: nonisolated(nonsending) @Sendable (borrowing AsyncContext<Message>) async throws -> Void
}

final class AsyncSource: Sendable {
    let body: AsyncBody
    init(_ body: AsyncBody) { self.body = body }
}

private func spawnAsync<Message: ~Copyable>(
    of type: Message.Type, options: SpawnOptions?, flags: UInt32, monitor: UnsafeMutablePointer<apus_ref>?,
    body: nonisolated(nonsending) @escaping @Sendable (borrowing AsyncContext<Message>) async throws -> Void
) throws(ApusError) -> apus_pid {
    try spawnProgram(asyncProgram.pointer, named: options?.name, value: AsyncBody(body)) { argument, size in
        spawnRaw(asyncProgram.pointer, argument, size, (options ?? SpawnOptions()).keepingThread, flags, monitor)
    }
}

private let asyncProgram = makeAsyncProgram(
    argumentOffset: argumentOffset(of: AsyncBody.self),
    take: { $0.assumingMemoryBound(to: AsyncBody.self).move() },
    discard: { $0.assumingMemoryBound(to: AsyncBody.self).deinitialize(count: 1) })

private let asyncChildProgram = makeAsyncProgram(
    argumentOffset: MemoryLayout<UnsafeRawPointer>.size,
    take: { takeSource(AsyncSource.self, $0).body },
    discard: { _ = takeSource(AsyncSource.self, $0) })

/// What lies in the state of an asynchronous process, behind the program's address.
private enum AsyncPlaces {
    static var actor: Int { MemoryLayout<UnsafeRawPointer>.size }
    static var state: Int { 2 * MemoryLayout<UnsafeRawPointer>.size }
    static var size: Int { 3 * MemoryLayout<UnsafeRawPointer>.size }
}

/// The program of asynchronous processes.
private func makeAsyncProgram(
    argumentOffset: Int, take: @escaping (UnsafeMutableRawPointer) -> AsyncBody, discard: @escaping (UnsafeMutableRawPointer) -> Void
) -> ImmortalProgram {
    let program = UnsafeMutablePointer<apus_swift_program>.allocate(capacity: 1)
    apus_swift_program_make(
        program, immortalName("async"), AsyncPlaces.size, argumentOffset,
        immortalClosure(
            StartClosure { process, state, value in
                nonisolated(unsafe) let process = process  // it stays in its process: the actor is that process
                let actor = ProcessActor(process, take(value))
                (state + AsyncPlaces.actor).storeBytes(of: Unmanaged.passRetained(actor), as: Unmanaged<ProcessActor>.self)
                (state + AsyncPlaces.state).storeBytes(of: actor.state, as: UnsafeMutablePointer<AsyncState>.self)
                return actor.launch()
            }),
        immortalClosure(
            HandleClosure { _, state, message in
                AsyncState.handle((state + AsyncPlaces.state).load(as: UnsafeMutablePointer<AsyncState>.self), message)
            }),
        immortalClosure(TerminateClosure { _, _, _ in }),
        immortalClosure(
            CleanupClosure { _, state in
                let actor = (state + AsyncPlaces.actor).load(as: Unmanaged<ProcessActor>.self).takeRetainedValue()
                actor.end()
            }),
        immortalClosure(ValueClosure(discard)))
    return ImmortalProgram(pointer: UnsafePointer(program))
}
