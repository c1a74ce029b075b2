import Apus

/// Runs `body` with a runtime of its own, and checks that nothing is left when that has stopped: no process, no timer, no block in use.
///
/// ```swift
/// @Test func counts() async throws {
///     try await withRuntime {
///         let tree = try await startSupervised { Child(Counter(), name: "hits") }
///         ...
///     }
/// }
/// ```
///
/// There is one runtime in an OS process: tests that use this wait for each other.
///
/// - Parameters:
///   - options: how the runtime is set up; the default has two schedulers that are not bound to CPUs.
///   - body: what is tested. Processes that are left when it returns are stopped.
/// - Throws: what `body` throws; else ``LeftBehind``.
public func withRuntime<Result: Sendable>(
    _ options: Runtime.Options? = nil, _ body: @Sendable () async throws -> Result
) async throws -> Result {
    await theRuntime.lock()
    defer { theRuntime.unlock() }
    var standard = Runtime.Options()
    standard.schedulers = 2
    standard.binding = .none
    try Runtime.start(options ?? standard)
    let result: Result
    do {
        result = try await body()
    } catch {
        try Runtime.stop()
        throw error
    }
    try Runtime.stop()
    try LeftBehind.check()
    return result
}

/// What was left when a runtime had stopped: something holds what it should have given back.
public struct LeftBehind: Error, Hashable, Sendable, CustomStringConvertible {
    /// Processes.
    public var processes: Int
    /// Timers.
    public var timers: Int
    /// Blocks of messages, relations and states.
    public var blocksInUse: Int
    /// Stacks of processes that waited inside a callback.
    public var stacksParked: Int

    /// Throws if the runtime that was stopped last has left anything.
    static func check() throws {
        let info = try Runtime.info()
        let left = LeftBehind(
            processes: info.processes, timers: info.timers, blocksInUse: info.blocksInUse, stacksParked: info.stacksParked)
        guard left == LeftBehind(processes: 0, timers: 0, blocksInUse: 0, stacksParked: 0) else { throw left }
    }

    public var description: String {
        "left behind: \(processes) processes, \(timers) timers, \(blocksInUse) blocks, \(stacksParked) stacks"
    }
}

/// Starts a supervisor that a failing child does not bring down unseen: it restarts nothing, so that the first failure ends it.
///
/// Inside ``withRuntime(_:_:)`` it is stopped with the runtime, children in reverse order.
///
/// **OTP**: `ExUnit`'s `start_supervised/2`.
public nonisolated(nonsending) func startSupervised(@ChildBuilder children: () -> [Child]) async throws(ApusError) -> Supervisor {
    try await Supervisor.start(intensity: 0, children: children)
}
