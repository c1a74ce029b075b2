import Apus

/// Runs what is tested thousands of times on one thread, under a virtual clock and an order of events that a seed chooses, finds the run
/// that goes wrong, and makes it short.
///
/// ```swift
/// let simulation = Simulation {
///     answers.store(0, ordering: .relaxed)
///     try spawnBlocking(of: Never.self) { me in
///         _ = try Supervisor.start(strategy: .restForOne, intensity: 10) { Child(Store(), name: "store"); Child(Cache(), name: "cache") }
///         _ = me.receiveInfo()
///     }
///     try spawnBlocking(of: Never.self) { me in askAgainAndAgain(me) }
/// } check: { moment in
///     moment == .step || answers.load(ordering: .relaxed) > 0 ? nil : "the cache does not answer any more"
/// }
/// try await simulation.disturbed(by: .kill).run(seeds: 1...1000)
/// ```
///
/// Which scheduler has the next turn, when what was sent arrives, how long a step takes, what is killed and when: all of that the seed
/// chooses. Time jumps: an hour of time limits and timers takes no longer than what is done in it. A run that fails is tried again with
/// fewer deviations from the plain one, until none can be left out, and thrown as a ``SimulationFailure`` with its trace and the way to have
/// it again.
///
/// Every run also fails if a process does not end at the stop, or if memory is left in use after it.
///
/// What the processes do must depend on nothing but what Apus tells them: on `Runtime.now` and not on the time of day; on no thread
/// or task of Swift's pool; on no order of a `Set` or `Dictionary` whose elements differ from run to run. `begin` and `check` are called
/// outside of any process, by the one thread that runs everything: they may spawn, send and look, but must not wait, as a call and a
/// `Supervisor.start` do. A trap ends the program.
///
/// There is one runtime in an OS process: simulations and ``withRuntime(_:_:)`` wait for each other.
///
/// **OTP**: none; Concuerror and PULSE have the same aim.
public struct Simulation: Sendable {
    /// What may go wrong in a run, beside the order of things.
    public struct Disturbances: OptionSet, Sendable, Hashable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// A process gets the exit signal `kill`.
        public static let kill = Disturbances(rawValue: 1)
        /// A process ends as by a fault of its own, whether it traps exits or not.
        public static let fault = Disturbances(rawValue: 2)
        /// A handler takes up to four seconds, and holds up its scheduler.
        public static let slowHandler = Disturbances(rawValue: 4)
        /// A message to a mailbox with a bound finds it full.
        public static let fullMailbox = Disturbances(rawValue: 8)
    }

    /// When `check` is called.
    public enum Moment: Sendable {
        /// After each step: for what must always hold.
        case step
        /// Nothing can ever run again: for what must hold in the end.
        case quiet
        /// The time or the steps are used up, and nothing was disturbed in the second half: the same.
        case over
    }

    /// nil: from 1 to 4, as the seed says.
    public var schedulers: Int?
    /// What may go wrong.
    public var disturbances: Disturbances = []
    /// How often, in one run.
    public var maxDisturbances = 3
    /// Virtual, for one run.
    public var maxTime = Duration.seconds(3600)
    /// Turns of processes, for one run.
    public var maxSteps = 20_000
    /// At once.
    public var maxProcesses = 1024
    /// At once.
    public var maxTimers = 1024
    /// Bytes of a stack for a process that waits.
    public var stackSize = 256 * 1024
    /// Whether a process may be killed or fail, by its pid and the name of its kind: the type of a server, "body", "supervisor". nil: any.
    public var mayDisturb: (@Sendable (AnyPid, _ kind: String) -> Bool)?

    let begin: @Sendable () throws -> Void
    let check: @Sendable (Moment) -> String?

    /// Describes a simulation; nothing runs yet.
    /// - Parameters:
    ///   - begin: begins each run: spawns what is tested, and resets what the test keeps of it outside.
    ///   - check: what is wrong, which fails the run; nil if all is well. The same text for the same failure, so that the run can be made
    ///     shorter.
    public init(begin: @escaping @Sendable () throws -> Void, check: @escaping @Sendable (Moment) -> String? = { _ in nil }) {
        self.begin = begin
        self.check = check
    }

    /// The same, disturbed.
    public func disturbed(by disturbances: Disturbances, mayDisturb: (@Sendable (AnyPid, _ kind: String) -> Bool)? = nil) -> Simulation {
        var simulation = self
        simulation.disturbances = disturbances
        simulation.mayDisturb = mayDisturb
        return simulation
    }

    /// What came of runs that did not fail.
    public struct Report: Sendable {
        /// How many there were.
        public var runs: Int
        /// Steps of the last one.
        public var steps: Int
        /// Of ``Simulation/explore(deviations:maxRuns:)``: no run within the bound is left out.
        public var isComplete: Bool
        /// What happened, line by line, if the run was a replay; else nothing.
        public var trace: [String]
    }
}

/// A run that went wrong.
public struct SimulationFailure: Error, Sendable, CustomStringConvertible {
    /// What was wrong: the text that `check` gave, or that processes or memory were left.
    public var what: String
    /// Of the run that failed first; nil if runs were not chosen by seeds.
    public var seed: UInt64?
    /// The run in its shortest form, for ``Simulation/replay(_:)``; empty if it is too long, then have it again by its seed.
    public var choices: String
    /// How many of its choices are not the plain ones: turns of another scheduler, late arrivals, disturbances.
    public var deviations: Int
    /// Turns of processes in it.
    public var steps: Int
    /// What happened, line by line.
    public var trace: [String]

    public var description: String {
        let again = choices.isEmpty ? "replay(seed: \(seed ?? 0))" : "replay(\"\(choices)\")"
        let last = trace.suffix(40).map { "\n    \($0)" }.joined()
        return "\(what)\(seed.map { " (seed \($0))" } ?? ""), in a run with \(deviations) deviations and \(steps) steps; again: \(again)\(last)"
    }
}
