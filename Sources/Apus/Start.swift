import CApus
import CApusSwift

// Starting a server and waiting until it has started, or has not.
//
// Idea:       a server that fails at once might be gone before anybody can ask it, and its reason with it. So one that is started here waits
//             for a request before its `initialize`; the request is answered when that has succeeded, and if it has not, the server's end
//             is the request's outcome. For whoever starts it, be it a process, a task or a plain thread, that is a call.
// Given up:   whoever does not wait to the end kills what it has spawned.

/// Starts a server and waits until its ``GenServer/initialize(in:)`` has succeeded, in a Task, which is suspended meanwhile.
///
/// ```swift
/// do {
///     let store = try await start(Store(file: "tea.db"), timeout: .seconds(5))
///     store.send(.open)
/// } catch {
///     guard error.code == .failed else { throw error }
///     print("no store: \(error.reason!)")  // whose `error` is what `initialize` threw
/// }
/// ```
///
/// Called from inside an asynchronous process, that is the parent. The runtime is started with its defaults if it was never started.
///
/// - Parameters:
///   - server: moved into the process.
///   - options: name, priority, mailbox bound and more.
///   - timeout: when it is up the server is killed; nil waits for ever.
/// - Throws: ``ApusError/Code/failed`` it did not start, and ``ApusError/reason`` says why, `normal` if `initialize` answered
///   ``InitResult/ignore``; ``ApusError/Code/timeout``; ``ApusError/Code/noproc`` somebody killed it before it began; ``ApusError/Code/taken``
///   the name is; ``ApusError/Code/limit``; ``ApusError/Code/notRunning``; ``ApusError/Code/ending`` the task was cancelled, and the server
///   is killed.
/// - Complexity: a spawn and a call. **OTP**: `gen_server:start/3`.
@inlinable @discardableResult
public nonisolated(nonsending) func start<Server: GenServer & ~Copyable>(
    _ server: consuming sending Server, options: SpawnOptions? = nil, timeout: Duration? = nil
) async throws(ApusError) -> Pid<Server.Message> {
    try await begin(spawnToBegin(server, options: options, flags: 0), timeout: timeout)
}

/// Starts a server and waits until its ``GenServer/initialize(in:)`` has succeeded, in a plain thread.
///
/// ```swift
/// let store = try startSync(Store(file: "tea.db"))
/// ```
///
/// - Throws: as ``start(_:options:timeout:)->Pid<Server.Message>``; ``ApusError/Code/notPermitted`` inside a process, which starts with its
///   ``Context/start(_:options:timeout:)->Pid<Server.Message>``. **OTP**: `gen_server:start/3`.
@inlinable @discardableResult
public func startSync<Server: GenServer & ~Copyable>(
    _ server: consuming sending Server, options: SpawnOptions? = nil, timeout: Duration? = nil
) throws(ApusError) -> Pid<Server.Message> {
    try beginSync(spawnToBegin(server, options: options, flags: 0), timeout: timeout)
}

extension Context where Message: ~Copyable {
    /// Starts a server and waits until its ``GenServer/initialize(in:)`` has succeeded. This process's stack is set aside meanwhile, and it takes
    /// no other message.
    ///
    /// ```swift
    /// let store = try context.start(Store(file: "tea.db"), timeout: .seconds(5))
    /// ```
    ///
    /// - Parameters:
    ///   - server: moved into the process.
    ///   - options: name, priority, mailbox bound and more.
    ///   - timeout: when it is up the server is killed; nil waits for ever.
    /// - Throws: ``ApusError/Code/failed`` it did not start, and ``ApusError/reason`` says why, `normal` if `initialize` answered
    ///   ``InitResult/ignore``; ``ApusError/Code/timeout``; ``ApusError/Code/noproc`` somebody killed it before it began;
    ///   ``ApusError/Code/taken`` the name is; ``ApusError/Code/limit``; ``ApusError/Code/ending`` this process must end, and the server is
    ///   killed.
    /// - **OTP**: `gen_server:start/3`.
    @inlinable @discardableResult
    public func start<Server: GenServer & ~Copyable>(
        _ server: consuming sending Server, options: SpawnOptions? = nil, timeout: Duration? = nil
    ) throws(ApusError) -> Pid<Server.Message> {
        try begin(spawnToBegin(server, options: options, flags: 0), timeout: timeout)
    }

    /// As ``start(_:options:timeout:)->Pid<Server.Message>``, of a server that is linked with this process from its first moment. If it does not
    /// start, this process gets its exit signal as well, unless it was given up. **OTP**: `gen_server:start_link/3`.
    @inlinable @discardableResult
    public func startLink<Server: GenServer & ~Copyable>(
        _ server: consuming sending Server, options: SpawnOptions? = nil, timeout: Duration? = nil
    ) throws(ApusError) -> Pid<Server.Message> {
        try begin(spawnToBegin(server, options: options, flags: UInt32(APUS_SPAWN_LINK)), timeout: timeout)
    }
}

extension AsyncContext where Message: ~Copyable {
    /// Starts a server and waits until its ``GenServer/initialize(in:)`` has succeeded. The process takes no other message meanwhile, and runs no
    /// other job of its executor.
    ///
    /// ```swift
    /// let store = try await me.start(Store(file: "tea.db"), timeout: .seconds(5))
    /// ```
    ///
    /// - Parameters:
    ///   - server: moved into the process.
    ///   - options: name, priority, mailbox bound and more.
    ///   - timeout: when it is up the server is killed; nil waits for ever.
    /// - Throws: as ``Context/start(_:options:timeout:)->Pid<Server.Message>``. **OTP**: `gen_server:start/3`.
    @inlinable @discardableResult
    public nonisolated(nonsending) func start<Server: GenServer & ~Copyable>(
        _ server: consuming sending Server, options: SpawnOptions? = nil, timeout: Duration? = nil
    ) async throws(ApusError) -> Pid<Server.Message> {
        try await comeDirect()
        return try Context<Message>(actor.process).start(server, options: options, timeout: timeout)
    }

    /// As ``start(_:options:timeout:)->Pid<Server.Message>``, of a server that is linked with this process from its first moment. If it does not
    /// start, this process gets its exit signal as well, unless it was given up. **OTP**: `gen_server:start_link/3`.
    @inlinable @discardableResult
    public nonisolated(nonsending) func startLink<Server: GenServer & ~Copyable>(
        _ server: consuming sending Server, options: SpawnOptions? = nil, timeout: Duration? = nil
    ) async throws(ApusError) -> Pid<Server.Message> {
        try await comeDirect()
        return try Context<Message>(actor.process).startLink(server, options: options, timeout: timeout)
    }
}

// --- State machines -------------------------------------------------------------------------------------------------------------

/// As ``start(_:options:timeout:)->Pid<Server.Message>``, of a state machine: until it is in its first state. **OTP**: `gen_statem:start/3`.
@inlinable @discardableResult
public nonisolated(nonsending) func start<Machine: StateMachine>(
    _ machine: consuming sending Machine, options: SpawnOptions? = nil, timeout: Duration? = nil
) async throws(ApusError) -> Pid<Machine.Message> {
    try await start(StateMachineServer(machine), options: options, timeout: timeout)
}

/// As ``startSync(_:options:timeout:)->Pid<Server.Message>``, of a state machine. **OTP**: `gen_statem:start/3`.
@inlinable @discardableResult
public func startSync<Machine: StateMachine>(
    _ machine: consuming sending Machine, options: SpawnOptions? = nil, timeout: Duration? = nil
) throws(ApusError) -> Pid<Machine.Message> {
    try startSync(StateMachineServer(machine), options: options, timeout: timeout)
}

extension Context where Message: ~Copyable {
    /// As ``start(_:options:timeout:)->Pid<Server.Message>``, of a state machine. **OTP**: `gen_statem:start/3`.
    @inlinable @discardableResult
    public func start<Machine: StateMachine>(
        _ machine: consuming sending Machine, options: SpawnOptions? = nil, timeout: Duration? = nil
    ) throws(ApusError) -> Pid<Machine.Message> {
        try start(StateMachineServer(machine), options: options, timeout: timeout)
    }

    /// As ``startLink(_:options:timeout:)->Pid<Server.Message>``, of a state machine. **OTP**: `gen_statem:start_link/3`.
    @inlinable @discardableResult
    public func startLink<Machine: StateMachine>(
        _ machine: consuming sending Machine, options: SpawnOptions? = nil, timeout: Duration? = nil
    ) throws(ApusError) -> Pid<Machine.Message> {
        try startLink(StateMachineServer(machine), options: options, timeout: timeout)
    }
}

extension AsyncContext where Message: ~Copyable {
    /// As ``start(_:options:timeout:)->Pid<Server.Message>``, of a state machine. **OTP**: `gen_statem:start/3`.
    @inlinable @discardableResult
    public nonisolated(nonsending) func start<Machine: StateMachine>(
        _ machine: consuming sending Machine, options: SpawnOptions? = nil, timeout: Duration? = nil
    ) async throws(ApusError) -> Pid<Machine.Message> {
        try await start(StateMachineServer(machine), options: options, timeout: timeout)
    }

    /// As ``startLink(_:options:timeout:)->Pid<Server.Message>``, of a state machine. **OTP**: `gen_statem:start_link/3`.
    @inlinable @discardableResult
    public nonisolated(nonsending) func startLink<Machine: StateMachine>(
        _ machine: consuming sending Machine, options: SpawnOptions? = nil, timeout: Duration? = nil
    ) async throws(ApusError) -> Pid<Machine.Message> {
        try await startLink(StateMachineServer(machine), options: options, timeout: timeout)
    }
}

// --- How ------------------------------------------------------------------------------------------------------------------------

/// The request to begin.
@usableFromInline
struct BeginRequest {
    @usableFromInline let from: From<Void>

    /// A server as one that is asked to begin.
    static func to<Message: ~Copyable>(_ server: Pid<Message>) -> Pid<BeginRequest> { Pid(server.untyped) }
}

@usableFromInline
func receiveRequest(_ process: OpaquePointer) -> UnsafeMutablePointer<apus_message>? {
    let type = messageType(of: BeginRequest.self)
    return receive(process, timeout: nil, where: { apus_message_type($0) == type })
}

/// Asks a server that was spawned to begin to do so, and waits until it has.
@usableFromInline
nonisolated(nonsending) func begin<Message: ~Copyable>(_ server: Pid<Message>, timeout: Duration?) async throws(ApusError) -> Pid<Message> {
    do {
        try await BeginRequest.to(server).call(timeout: timeout) { BeginRequest(from: $0) }
        return server
    } catch {
        throw startError(error, of: server.untyped)
    }
}

@usableFromInline
func beginSync<Message: ~Copyable>(_ server: Pid<Message>, timeout: Duration?) throws(ApusError) -> Pid<Message> {
    do {
        try BeginRequest.to(server).callSync(timeout: timeout) { BeginRequest(from: $0) }
        return server
    } catch {
        throw startError(error, of: server.untyped)
    }
}

extension Context where Message: ~Copyable {
    @usableFromInline
    func begin<Other: ~Copyable>(_ server: Pid<Other>, timeout: Duration?) throws(ApusError) -> Pid<Other> {
        do {
            try call(BeginRequest.to(server), timeout: timeout) { BeginRequest(from: $0) }
            return server
        } catch {
            // The exit signal of one that has ended by itself is to come, that of one that is given up is not.
            if !error.isEnd { apus_unlink(process, server.c) }
            throw startError(error, of: server.untyped)
        }
    }
}

/// What is wrong if a server was not heard to have begun. It is killed if it has not ended.
private func startError(_ error: ApusError, of server: AnyPid) -> ApusError {
    if error.code == .exited { return ApusError(.failed, reason: error.reason) }
    if !error.isEnd { server.exit(.kill) }
    return error
}

extension ApusError {
    /// Whether the one who was asked has ended.
    fileprivate var isEnd: Bool { code == .exited || code == .noproc }
}

@inlinable
func spawnToBegin<Server: GenServer & ~Copyable>(
    _ server: consuming Server, options: SpawnOptions?, flags: UInt32
) throws(ApusError) -> Pid<Server.Message> {
    let program = beginningProgram(of: Server.self)
    return try Pid(spawnProgram(program, named: options?.name, value: server) { argument, size in
        spawnRaw(program, argument, size, options, flags, nil)
    })
}

/// Names the program of servers of a kind that wait for a request to begin.
@usableFromInline
enum Beginning<Server: GenServer & ~Copyable> {}

/// The program of servers that wait for a request to begin. A signal that ends one meanwhile leaves it to be taken down.
@inlinable
func beginningProgram<Server: GenServer & ~Copyable>(of type: Server.Type) -> UnsafePointer<apus_swift_program> {
    let key = metadataAddress(of: Beginning<Server>.self)
    return apus_swift_find_program(key) ?? addServerProgram(
        type, key: key,
        start: StartClosure { process, state, value in
            let record = makeRecord(of: type, in: state, from: value)
            guard let request = receiveRequest(process) else { return 0 }
            // Kept meanwhile, so that calls that go round to whoever starts it are found to.
            defer { apus_message_release(request) }
            let from = takePayload(of: request, as: BeginRequest.self).from
            let result = startServer(record, process)
            if result == 0 { from.reply() }
            return result
        })
}
