import Apus
import CApus
import CApusSwift

/// A runtime under a virtual clock, in the hands of a test that runs it step by step.
///
/// See ``withSimulatedRuntime(seed:schedulers:_:)``.
public struct SimulatedRuntime: ~Copyable {
    fileprivate init() {}

    /// One turn of one scheduler. - Returns: false if nothing can ever run again without the test: nothing is under way, no timer pends.
    public func step() -> Bool { outsideTask { apus_simulation_step() } }

    /// Steps, with time jumping to the next timer when nothing else can run.
    /// - Returns: true if it came to the point where a step answers false.
    @discardableResult
    public func run(maxSteps: Int = 20_000) -> Bool { outsideTask { apus_simulation_run(UInt64(maxSteps)) } }

    /// Steps until nothing can run at this time. - Returns: true if it came to that.
    @discardableResult
    public func settle(maxSteps: Int = 20_000) -> Bool { outsideTask { apus_simulation_settle(UInt64(maxSteps)) } }

    /// Lets time pass. What is due by then comes with the next steps.
    public func pass(_ time: Duration) { apus_simulation_pass(milliseconds(time)) }

    /// Says that a descriptor is ready. - Returns: true if a process waited for that, and is told.
    @discardableResult
    public func ready(_ descriptor: Int32, for events: IOEvents) -> Bool { apus_simulation_ready(descriptor, events.rawValue) == 1 }
}

/// Runs `body` with a simulated runtime, and checks that nothing is left when that has stopped.
///
/// ```swift
/// try await withSimulatedRuntime { runtime in
///     let reminder = try spawn(Reminder(every: .seconds(3600)))
///     runtime.settle()
///     runtime.pass(.seconds(7200))
///     runtime.settle()
///     #expect(reminders.load(ordering: .relaxed) == 2)
/// }
/// ```
///
/// Nothing runs but by the steps that `body` asks for, on its thread; `Runtime.now` is the virtual time. `body` is outside of any
/// process and must not wait: no call, no `join`, no `Supervisor.start`; it is synchronous for that reason. The same seed and the same
/// steps give the same run.
///
/// - Parameters:
///   - seed: chooses whose turn is next, and what has arrived by then.
///   - schedulers: nil: from 1 to 4, as the seed says.
///   - body: the steps.
/// - Throws: what `body` throws; else ``LeftBehind``; `ApusError` of code `timeout`: a handler neither waits nor returns.
public func withSimulatedRuntime<Result: Sendable>(
    seed: UInt64 = 1, schedulers: Int? = nil, _ body: @Sendable (borrowing SimulatedRuntime) throws -> Result
) async throws -> Result {
    await theRuntime.lock()
    defer { theRuntime.unlock() }
    var options = apus_options()
    options.struct_size = MemoryLayout<apus_options>.size
    options.schedulers = UInt32(clamping: schedulers ?? 0)
    try check(apus_simulation_begin(&options, seed))
    let result: Result
    do {
        result = try body(SimulatedRuntime())
    } catch {
        try check(outsideTask { apus_simulation_end() })
        throw error
    }
    try check(outsideTask { apus_simulation_end() })
    try LeftBehind.check()
    return result
}

/// Runs processes on this thread, which is in a task: what belongs to the task is not theirs.
private func outsideTask<Result>(_ body: () -> Result) -> Result {
    apus_swift_learn_task()
    return withUnsafeTemporaryAllocation(byteCount: Int(APUS_HOOK_CONTEXT), alignment: 16) { place in
        let context = place.baseAddress.unsafelyUnwrapped
        apus_swift_leave(context)
        defer { apus_swift_enter(context) }
        return body()
    }
}
