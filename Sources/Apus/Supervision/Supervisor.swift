import CApus
import CApusSwift
import Glibc

/// A process that starts, watches and restarts others.
///
/// ```swift
/// let tree = try await Supervisor.start(strategy: .oneForOne, intensity: 3, within: .seconds(5)) {
///     Child(Counter(), name: "hits", restart: .permanent)
///     DynamicSupervisor(name: "rooms")
/// }
/// ```
///
/// Children start in order and stop in reverse order. A value of this type is only a way to reach the supervisor: copy it freely.
/// Its functions ask it and wait: in a Task they are `async`, in a process they park its stack, a plain thread sleeps.
///
/// **OTP**: `supervisor`.
public struct Supervisor: ProcessIdentifier, Sendable, Hashable {
    /// What to do with the siblings when a child has failed.
    public enum Strategy: UInt32, Sendable {
        /// Nothing: restart the failed one.
        case oneForOne = 0
        /// Stop all others, then start all.
        case oneForAll = 1
        /// Stop the later ones, then start it and them.
        case restForOne = 2
        /// Children by template, added and removed at any time; see ``DynamicSupervisor``.
        case dynamic = 3
    }

    /// When the end of significant children ends the supervisor (R51).
    public enum AutomaticShutdown: UInt32, Sendable {
        /// Never.
        case never = 0
        /// With the first of them that ends by itself.
        case anySignificant = 1
        /// With the last of them.
        case allSignificant = 2
    }

    public let untyped: AnyPid

    /// A supervisor that is known by its pid.
    public init(_ pid: AnyPid) { untyped = pid }

    // --- Starting ---------------------------------------------------------------------------------------------------------------

    /// Starts a supervisor and its children, in order, and returns when all have started. Inside a process it is linked with that one,
    /// its parent. The runtime is started with its defaults if it was never started.
    ///
    /// - Parameters:
    ///   - name: to register under.
    ///   - strategy: what becomes of the siblings.
    ///   - intensity: restarts allowed within `period`; one more ends the supervisor with `shutdown`. 0: the first failure does.
    ///   - period: the time in which restarts are counted.
    ///   - automaticShutdown: when the end of significant children ends it.
    ///   - stopBudget: beyond OTP: total time for stopping all children, then kill; nil: none.
    ///   - children: in start order.
    /// - Throws: ``ApusError`` of the first child that failed, with its error in ``ApusError/reason``, and ``ApusError/detail`` names it; the
    ///   siblings started before it are stopped in reverse. ``ApusError/Code/taken`` the name, or an id, is. ``ApusError/Code/ending`` this
    ///   process must end, as it does if a child fails and it does not trap exits.
    /// - Threads: a plain thread or a process; it waits. **OTP**: `supervisor:start_link/3`.
    @_disfavoredOverload
    public static func start(
        name: String? = nil, strategy: Strategy = .oneForOne, intensity: UInt32 = 1, within period: Duration = .seconds(5),
        automaticShutdown: AutomaticShutdown = .never, stopBudget: Duration? = nil, @ChildBuilder children: () -> [Child]
    ) throws(ApusError) -> Supervisor {
        var description = SupervisorDescription(name: name, strategy: strategy, children: children())
        description.intensity = intensity
        description.period = period
        description.automaticShutdown = automaticShutdown
        description.stopBudget = stopBudget
        return Supervisor(try description.start(parent: apus_self()))
    }

    /// The same for a Task, which is suspended meanwhile. The supervisor has no parent: it is stopped by ``Runtime/stop(timeout:)``, or
    /// by ``stop(timeout:)``.
    public nonisolated(nonsending) static func start(
        name: String? = nil, strategy: Strategy = .oneForOne, intensity: UInt32 = 1, within period: Duration = .seconds(5),
        automaticShutdown: AutomaticShutdown = .never, stopBudget: Duration? = nil, @ChildBuilder children: () -> [Child]
    ) async throws(ApusError) -> Supervisor {
        var description = SupervisorDescription(name: name, strategy: strategy, children: children())
        description.intensity = intensity
        description.period = period
        description.automaticShutdown = automaticShutdown
        description.stopBudget = stopBudget
        let described = description
        // From a plain thread, so that the supervisor is a root, which a stop of the runtime ends in order.
        return Supervisor(try await onPlainThread { () throws(ApusError) in try described.start(parent: nil) })
    }

    /// The supervisor that is registered under a name. - Throws: ``ApusError/Code/noproc``.
    public static func at(_ name: String) throws(ApusError) -> Supervisor {
        var pid = apus_pid()
        guard apus_whereis(name, &pid) == 0 else { throw ApusError(.noproc, detail: "nobody is registered as \"\(name)\"") }
        return Supervisor(AnyPid(pid))
    }

    // --- Asking it --------------------------------------------------------------------------------------------------------------

    /// Adds a child and starts it.
    ///
    /// - Returns: its pid; nil if its `initialize` answered `ignore`.
    /// - Throws: ``ApusError/Code/already`` the id is there and runs, ``ApusError/Code/taken`` the id is there and stopped,
    ///   ``ApusError/Code/limit`` there are as many children as there may be. If the child did not start: ``ApusError/Code/failed``, or the
    ///   code that its error has, with its ``ApusError/reason``.
    /// - **OTP**: `supervisor:start_child/2`.
    @discardableResult
    public func startChild(_ child: Child) throws(ApusError) -> AnyPid? {
        try startChild(child, needsId: true)
    }

    func startChild(_ child: Child, needsId: Bool) throws(ApusError) -> AnyPid? {
        var pid = apus_pid()
        let memory = SpecMemory()
        var spec = memory.spec(of: child, needsId: needsId)
        let result = apus_supervisor_start_child(untyped.c, &spec, &pid)
        // A caller that must end does not know whether the request is still on its way: the object stays.
        if result == -ECANCELED, !apus_supervisor_last_reason(nil) { _ = Unmanaged.passRetained(child.way.source) }
        withExtendedLifetime(child) {}
        if result == -EALREADY { throw ApusError(.already, detail: "\(AnyPid(pid)) runs under that id") }
        try checkSupervisor(result)
        return pid.id == 0 ? nil : AnyPid(pid)
    }

    /// Stops a child and keeps its specification; of a temporary one, drops it. Not a restart (R48). **OTP**: `terminate_child/2`.
    /// - Throws: ``ApusError/Code/notFound``.
    public func terminateChild(_ id: String) throws(ApusError) {
        try checkSupervisor(apus_supervisor_terminate_child(untyped.c, id))
    }

    /// Stops a child of a dynamic supervisor, and drops it. One that has ended already is no error.
    /// - Throws: ``ApusError/Code/notFound`` it runs and is no child.
    public func terminateChild(_ pid: some ProcessIdentifier) throws(ApusError) {
        try checkSupervisor(apus_supervisor_terminate_pid(untyped.c, pid.untyped.c))
    }

    /// Starts a stopped child again. - Throws: ``ApusError/Code/already`` it runs, ``ApusError/Code/notFound``.
    /// - **OTP**: `restart_child/2`.
    @discardableResult
    public func restartChild(_ id: String) throws(ApusError) -> AnyPid? {
        var pid = apus_pid()
        try checkSupervisor(apus_supervisor_restart_child(untyped.c, id, &pid))
        return pid.id == 0 ? nil : AnyPid(pid)
    }

    /// Forgets a stopped child. - Throws: ``ApusError/Code/busy`` it runs, or is being restarted. **OTP**: `delete_child/2`.
    public func deleteChild(_ id: String) throws(ApusError) {
        try checkSupervisor(apus_supervisor_delete_child(untyped.c, id))
    }

    /// What is known of one child.
    public struct ChildInfo: Sendable, Hashable {
        /// At most 63 bytes of it.
        public var id: String
        /// nil if it does not run.
        public var pid: AnyPid?
        /// Or a worker.
        public var isSupervisor: Bool
        /// After which ends it is started again.
        public var restart: Child.Restart
        /// Whether it waits for its restart.
        public var isRestarting: Bool
        /// Restarts so far.
        public var restarts: Int
    }

    /// Lists the children, in start order. **OTP**: `which_children/1`.
    public func whichChildren() throws(ApusError) -> [ChildInfo] {
        var capacity = 16
        while true {
            var infos = [apus_child_info](repeating: apus_child_info(), count: capacity)
            let count = apus_supervisor_which_children(untyped.c, &infos, capacity)
            try checkSupervisor(Int32(clamping: min(count, 0)))
            if count <= capacity { return infos.prefix(Int(count)).map(ChildInfo.init) }
            capacity = Int(count) * 2
        }
    }

    /// How many children there are.
    public struct ChildCounts: Sendable, Hashable {
        /// Children it knows, whether they run or not.
        public var specifications: Int
        /// Children that run.
        public var active: Int
        /// Of those it knows.
        public var supervisors: Int
        /// Of those it knows.
        public var workers: Int
    }

    /// Counts the children. **OTP**: `count_children/1`.
    public func countChildren() throws(ApusError) -> ChildCounts {
        var counts = apus_child_counts()
        try checkSupervisor(apus_supervisor_count_children(untyped.c, &counts))
        return ChildCounts(
            specifications: Int(counts.specs), active: Int(counts.active), supervisors: Int(counts.supervisors),
            workers: Int(counts.workers))
    }

    /// Stops the supervisor, its children in reverse order first, and waits until it has ended.
    /// - Throws: ``ApusError/Code/timeout``, ``ApusError/Code/noproc``.
    public func stop(timeout: Duration? = nil) throws(ApusError) {
        try checkSupervisor(apus_supervisor_stop(untyped.c, milliseconds(timeout)))
    }
}

extension Supervisor.ChildInfo {
    init(_ c: apus_child_info) {
        id = withUnsafeBytes(of: c.id) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        pid = c.pid.id == 0 ? nil : AnyPid(c.pid)
        isSupervisor = c.kind == APUS_SUPERVISOR
        restart = Child.Restart(rawValue: c.restart.rawValue) ?? .permanent
        isRestarting = c.restarting
        restarts = Int(c.restarts)
    }
}

/// Runs `body` on a thread of its own and suspends the task meanwhile: for what waits and must not be inside a process.
package nonisolated(nonsending) func onPlainThread<Result: Sendable>(_ body: @escaping @Sendable () throws(ApusError) -> Result) async throws(ApusError) -> Result {
    let result = await withUnsafeContinuation { (continuation: UnsafeContinuation<Swift.Result<Result, ApusError>, Never>) in
        let work = Work { continuation.resume(returning: Swift.Result { () throws(ApusError) in try body() }) }
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(work).toOpaque()
        let error = pthread_create(&thread, nil, { Unmanaged<Work>.fromOpaque($0!).takeRetainedValue().body(); return nil }, argument)
        if error == 0 {
            pthread_detach(thread)
        } else {
            Unmanaged<Work>.fromOpaque(argument).release()
            continuation.resume(returning: .failure(ApusError(.limit)))
        }
    }
    return try result.get()
}

private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
