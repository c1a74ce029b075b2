/// A supervisor of tasks: they are its children, are shown and stopped with it, and are not restarted unless told so.
///
/// ```swift
/// let jobs = TaskSupervisor(name: "jobs")
/// let tree = try await Supervisor.start { jobs }
/// let task = try context.asyncNoLink(under: jobs) { _ in try render(page) }     // in a process
/// ```
///
/// **OTP**: Elixir's `Task.Supervisor`.
public struct TaskSupervisor: Sendable {
    /// The supervisor of the tasks; its ``DynamicSupervisor/maxChildren`` bounds them.
    public var supervisor: DynamicSupervisor

    /// - Parameters:
    ///   - name: its registered name.
    ///   - maxTasks: at once; 0: no limit.
    public init(name: String, maxTasks: UInt32 = 0) {
        supervisor = DynamicSupervisor(name: name, maxChildren: maxTasks)
    }

    /// It as a child of another supervisor.
    public var child: Child { supervisor.child }

    /// Starts a body whose value nobody waits for.
    ///
    /// - Throws: ``ApusError/Code/limit`` there are as many as there may be; ``ApusError/Code/noproc`` the supervisor does not run.
    /// - **OTP**: `Task.Supervisor.start_child/3`.
    @discardableResult
    public func startChild(
        restart: Child.Restart = .temporary, _ body: @escaping @Sendable (borrowing Context<Never>) throws -> Void
    ) throws(ApusError) -> AnyPid {
        try start(Child(id: "task", of: Never.self, restart: restart, blocking: body))
    }

    /// The tasks at work. **OTP**: `Task.Supervisor.children/1`.
    public func children() throws(ApusError) -> [AnyPid] {
        try supervisor.supervisor.whichChildren().compactMap(\.pid)
    }

    private func start(_ child: Child) throws(ApusError) -> AnyPid {
        var child = child
        child.id = nil  // there may be any number
        guard let pid = try supervisor.startChild(child) else { throw ApusError(.ending) }
        return pid
    }

    func start<Own: ~Copyable, Value: Sendable>(
        in context: borrowing Context<Own>, isLinked: Bool, _ body: @escaping @Sendable (borrowing Context<Never>) throws -> Value
    ) throws(ApusError) -> ProcessTask<Value> {
        let pid = try start(Child(id: "task", of: TaskRequest.self, restart: .temporary) { me in try runTask(me.process, body) })
        if isLinked { try context.link(pid) }
        return try request(from: pid, in: context, isLinked: isLinked, timeout: nil)
    }
}

extension ChildBuilder {
    /// A task supervisor.
    public static func buildExpression(_ supervisor: TaskSupervisor) -> [Child] { [supervisor.child] }
}

extension Context where Message: ~Copyable {
    /// As ``async(options:_:)``, as a child of a supervisor. **OTP**: `Task.Supervisor.async/2`.
    /// - Throws: ``ApusError/Code/limit`` there are as many as there may be; ``ApusError/Code/noproc`` the supervisor does not run.
    public func async<Value: Sendable>(
        under supervisor: TaskSupervisor, _ body: @escaping @Sendable (borrowing Context<Never>) throws -> Value
    ) throws(ApusError) -> ProcessTask<Value> {
        try supervisor.start(in: self, isLinked: true, body)
    }

    /// As ``asyncNoLink(options:_:)``, as a child of a supervisor. **OTP**: `Task.Supervisor.async_nolink/2` (R61).
    public func asyncNoLink<Value: Sendable>(
        under supervisor: TaskSupervisor, _ body: @escaping @Sendable (borrowing Context<Never>) throws -> Value
    ) throws(ApusError) -> ProcessTask<Value> {
        try supervisor.start(in: self, isLinked: false, body)
    }
}
