import Apus
import CApus
import Glibc

extension Simulation {
    /// Runs it with each seed until one fails.
    ///
    /// - Throws: ``SimulationFailure`` the first run that failed, in its shortest form; what `begin` throws; `ApusError` if there is no
    ///   memory, or the runtime runs already.
    /// - Complexity: about 50 µs for each run and 1 µs for each step, more in a debug build.
    @discardableResult
    public func run(seeds: ClosedRange<UInt64>) async throws -> Report {
        try await study { apus_simulate($0, seeds.lowerBound, UInt64(seeds.count), $1) }
    }

    /// Runs it once with a seed, as it is. - Throws: as ``run(seeds:)``; the failure is not made shorter.
    @discardableResult
    public func replay(seed: UInt64) async throws -> Report {
        try await study { apus_simulate_replay($0, nil, seed, $1) }
    }

    /// Runs it once by the choices of a ``SimulationFailure``. - Throws: as ``run(seeds:)``; `ApusError` of code `invalid`: they are none.
    @discardableResult
    public func replay(_ choices: String) async throws -> Report {
        try await study { apus_simulate_replay($0, choices, 0, $1) }
    }

    /// Goes through all runs that differ from the plain one in at most so many choices, fewest first. For small cases, with
    /// ``schedulers`` given: the number of runs grows with the power of the bound.
    /// - Parameters:
    ///   - deviations: at most 8.
    ///   - maxRuns: after which it is given up; see ``Report/isComplete``.
    /// - Throws: as ``run(seeds:)``.
    @discardableResult
    public func explore(deviations: Int, maxRuns: Int) async throws -> Report {
        try await study { apus_simulate_explore($0, UInt32(clamping: deviations), UInt64(maxRuns), $1) }
    }

    private typealias Work = @Sendable (UnsafePointer<apus_simulation>, UnsafeMutablePointer<apus_simulation_result>) -> Int32

    private func study(_ work: @escaping Work) async throws -> Report {
        await theRuntime.lock()
        defer { theRuntime.unlock() }
        return try await onPlainThread { () throws(ApusError) in Result { try studyHere(work) } }.get()
    }

    private func studyHere(_ work: Work) throws -> Report {
        let study = Study(self)
        var c = description(for: study)
        var result = apus_simulation_result()
        result.struct_size = MemoryLayout<apus_simulation_result>.size
        let outcome = withExtendedLifetime(study) { work(&c, &result) }
        if let error = study.error { throw error }
        try Apus.check(outcome)
        guard outcome == 1 else {
            return Report(runs: Int(result.runs), steps: Int(result.steps), isComplete: result.is_complete, trace: study.trace)
        }
        throw SimulationFailure(
            what: text(in: &result.failure), seed: result.seed == 0 ? nil : result.seed, choices: text(in: &result.choices),
            deviations: Int(result.deviations), steps: Int(result.steps), trace: study.trace)
    }

    private func description(for study: Study) -> apus_simulation {
        var c = apus_simulation()
        c.struct_size = MemoryLayout<apus_simulation>.size
        c.context = Unmanaged.passUnretained(study).toOpaque()
        c.schedulers = UInt32(clamping: schedulers ?? 0)
        c.disturb = disturbances.rawValue
        c.disturbances_max = UInt32(clamping: maxDisturbances)
        c.time_max_ms = milliseconds(maxTime)
        c.steps_max = UInt64(maxSteps)
        c.max_processes = UInt32(clamping: maxProcesses)
        c.max_timers = UInt32(clamping: maxTimers)
        c.stack_size = stackSize
        c.begin = { Study.of($0).begin() }
        c.check = { Study.of($0).check($1) }
        c.trace = { Study.of($0).trace.append(String(cString: $1!)) }
        if mayDisturb != nil { c.may_disturb = { Study.of($0).mayDisturb(AnyPid($1), $2) } }
        return c
    }
}

/// A study under way: what its C callbacks find by their context.
private final class Study {
    private let simulation: Simulation
    /// What `begin` has thrown.
    private(set) var error: (any Error)?
    var trace: [String] = []
    /// The text that `check` gave last, which the core looks at until the next one.
    private var said: UnsafeMutablePointer<CChar>?

    init(_ simulation: Simulation) { self.simulation = simulation }

    deinit { free(said) }

    static func of(_ context: UnsafeMutableRawPointer?) -> Study { Unmanaged<Study>.fromOpaque(context!).takeUnretainedValue() }

    func begin() -> Int32 {
        do {
            try simulation.begin()
            return 0
        } catch {
            self.error = error
            return -ECANCELED
        }
    }

    func check(_ moment: apus_simulation_moment) -> UnsafePointer<CChar>? {
        let moment: Simulation.Moment =
            switch moment {
            case APUS_SIMULATION_QUIET: .quiet
            case APUS_SIMULATION_OVER: .over
            default: .step
            }
        guard let text = simulation.check(moment) else { return nil }
        free(said)
        said = strdup(text)
        return UnsafePointer(said)
    }

    func mayDisturb(_ pid: AnyPid, _ kind: UnsafePointer<CChar>?) -> Bool {
        simulation.mayDisturb!(pid, kind.map { String(cString: $0) } ?? "")
    }
}

/// The C string in a fixed array.
private func text<Array>(in array: inout Array) -> String {
    withUnsafeBytes(of: &array) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
