/// A process that keeps a value for others, who read and change it with functions that run in the process.
///
/// ```swift
/// let cache = try Agent.start([String: Int]())
/// try cache.update { $0["tea"] = 3 }
/// let tea = try cache.get { $0["tea"] }
/// ```
///
/// The functions run one after the other, in the agent: what is slow there, others wait for. Do not use an agent for something with more
/// than one kind of question; a ``GenServer`` says what it can be asked. An error that a function throws ends the agent, and the caller
/// gets ``ApusError/Code/exited`` with the reason.
///
/// The waiting functions set a process's stack aside, and block a plain thread; in a Task use those that `await`.
///
/// **OTP**: Elixir's `Agent`.
public struct Agent<State>: Sendable {
    /// What an agent is sent: a function to run.
    public struct Message: Sendable {
        let run: @Sendable (inout State) throws -> Void
    }

    /// The agent's process.
    public let pid: Pid<Message>

    /// The agent that is known by its pid.
    public init(_ pid: Pid<Message>) { self.pid = pid }

    /// Starts an agent.
    /// - Parameters:
    ///   - state: its first value, moved into the process.
    ///   - options: name, priority, mailbox bound and more.
    /// - Throws: as ``spawn(_:options:)->Pid<Server.Message>``. **OTP**: `Agent.start/2`.
    public static func start(_ state: consuming sending State, options: SpawnOptions? = nil) throws(ApusError) -> Agent {
        Agent(try spawn(AgentServer(state: state), options: options))
    }

    /// Starts an agent linked with the calling process. **OTP**: `Agent.start_link/2`.
    public static func startLink<Own: ~Copyable>(
        _ state: consuming sending State, options: SpawnOptions? = nil, in context: borrowing Context<Own>
    ) throws(ApusError) -> Agent {
        Agent(try context.spawnLink(AgentServer(state: state), options: options))
    }

    /// The agent as a server, to be supervised: `Child(Agent.server([:]), name: "cache")`.
    public static func server(_ state: consuming sending State) -> sending AgentServer<State> { AgentServer(state: state) }

    /// Waits for what `body` makes of the value.
    /// - Throws: as a call: ``ApusError/Code/timeout``, ``ApusError/Code/noproc``, ``ApusError/Code/exited``.
    /// - **OTP**: `Agent.get/3`.
    public func get<Result: Sendable>(
        timeout: Duration? = .seconds(5), _ body: @escaping @Sendable (State) throws -> Result
    ) throws(ApusError) -> Result {
        try getAndUpdate(timeout: timeout) { try body($0) }
    }

    /// Waits until `body` has changed the value. **OTP**: `Agent.update/3`.
    public func update(timeout: Duration? = .seconds(5), _ body: @escaping @Sendable (inout State) throws -> Void) throws(ApusError) {
        try getAndUpdate(timeout: timeout, body)
    }

    /// Waits until `body` has changed the value, and for what it returns. **OTP**: `Agent.get_and_update/3`.
    public func getAndUpdate<Result: Sendable>(
        timeout: Duration? = .seconds(5), _ body: @escaping @Sendable (inout State) throws -> Result
    ) throws(ApusError) -> Result {
        try callHere(pid, timeout: timeout) { from in Message { state in from.reply(try body(&state)) } }
    }

    /// Reads the value, for a Task, which is suspended meanwhile.
    public func get<Result: Sendable>(
        timeout: Duration? = .seconds(5), _ body: @escaping @Sendable (State) throws -> Result
    ) async throws(ApusError) -> Result {
        try await getAndUpdate(timeout: timeout) { try body($0) }
    }

    /// Changes the value, for a Task, which is suspended meanwhile.
    public func update(timeout: Duration? = .seconds(5), _ body: @escaping @Sendable (inout State) throws -> Void) async throws(ApusError) {
        try await getAndUpdate(timeout: timeout, body)
    }

    /// Changes the value and returns something, for a Task, which is suspended meanwhile.
    public func getAndUpdate<Result: Sendable>(
        timeout: Duration? = .seconds(5), _ body: @escaping @Sendable (inout State) throws -> Result
    ) async throws(ApusError) -> Result {
        try await pid.call(timeout: timeout) { from in Message { state in from.reply(try body(&state)) } }
    }

    /// Has the value changed, and does not wait. **OTP**: `Agent.cast/2`.
    public func cast(_ body: @escaping @Sendable (inout State) throws -> Void) {
        pid.send(Message { state in try body(&state) })
    }

    /// Ends the agent, when it has run what it was given before, and waits until it has ended.
    /// - Throws: as ``Context/stop(_:_:timeout:)-(Pid<Other>,_,_)``. **OTP**: `Agent.stop/3`.
    public func stop(_ reason: ExitReason = .normal, timeout: Duration? = nil) throws(ApusError) {
        try stopHere(pid, reason, timeout: timeout)
    }

    /// Ends the agent, for a Task, which is suspended meanwhile.
    public func stop(_ reason: ExitReason = .normal, timeout: Duration? = nil) async throws(ApusError) {
        try await pid.stop(reason, timeout: timeout)
    }
}

/// The process of an ``Agent``.
public struct AgentServer<State>: GenServer {
    var state: State

    public mutating func handle(
        _ message: consuming Agent<State>.Message, in context: borrowing Context<Agent<State>.Message>
    ) throws -> Next {
        try message.run(&state)
        return .continue
    }
}

extension AgentServer: Sendable where State: Sendable {}
