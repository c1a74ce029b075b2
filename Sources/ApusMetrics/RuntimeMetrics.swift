#if Metrics
import Apus
import Metrics

/// A process that records the runtime's counters with swift-metrics, again and again: a child of your supervisor.
///
/// ```swift
/// let tree = try await Supervisor.start {
///     Child(RuntimeMetrics(every: .seconds(10)))
/// }
/// ```
///
/// What each of them counts is said at `Runtime.Info`.
///
/// Gauges: `apus.schedulers`, `apus.processes`, `apus.timers`, `apus.blocks_in_use`, `apus.stacks_parked`, `apus.memory_bytes`,
/// `apus.detached`. Counters, by how much they have grown: `apus.spawned`, `apus.handled`, `apus.faults`, `apus.rescues`,
/// `apus.rescues_refused`.
public struct RuntimeMetrics: GenServer, Sendable {
    /// What it is sent.
    public enum Message: Sendable {
        /// Record now, and answer.
        case record(From<Void>)
    }

    private let interval: Duration
    private let factory: any MetricsFactory
    private var counted: [String: Int] = [:]

    /// - Parameters:
    ///   - interval: from one record to the next.
    ///   - factory: where to; that of `MetricsSystem` if nil.
    public init(every interval: Duration, factory: (any MetricsFactory)? = nil) {
        self.interval = interval
        self.factory = factory ?? MetricsSystem.factory
    }

    public mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult {
        try record()
        return .ok(timeout: interval)
    }

    public mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .record(let from):
            try record()
            from.reply()
        }
        return .continue(timeout: interval)
    }

    public mutating func handleTimeout(in context: borrowing Context<Message>) throws -> Next {
        try record()
        return .continue(timeout: interval)
    }

    private mutating func record() throws {
        let info = try Runtime.info()
        let gauges = [
            ("apus.schedulers", info.schedulers), ("apus.processes", info.processes), ("apus.timers", info.timers),
            ("apus.blocks_in_use", info.blocksInUse), ("apus.stacks_parked", info.stacksParked), ("apus.memory_bytes", info.memory),
            ("apus.detached", info.detached),
        ]
        let counters = [
            ("apus.spawned", info.spawned), ("apus.handled", info.handled), ("apus.faults", info.faults),
            ("apus.rescues", info.rescues), ("apus.rescues_refused", info.rescuesRefused),
        ]
        for (label, value) in gauges { Gauge(label: label, dimensions: [], factory: factory).record(value) }
        for (label, value) in counters {
            Counter(label: label, dimensions: [], factory: factory).increment(by: value - (counted.updateValue(value, forKey: label) ?? 0))
        }
    }
}
#endif
