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
/// Gauges: `apus.processes`, `apus.timers`, `apus.blocks_in_use`, `apus.stacks_parked`, `apus.memory_bytes`, `apus.schedulers`.
/// Counters: `apus.spawned`, `apus.handled`, by how much they have grown.
public struct RuntimeMetrics: GenServer, Sendable {
    /// What it is sent.
    public enum Message: Sendable {
        /// Record now, and answer.
        case record(From<Void>)
    }

    private let interval: Duration
    private let factory: any MetricsFactory
    private var counted = (spawned: 0, handled: 0)

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
        ]
        for (label, value) in gauges { Gauge(label: label, dimensions: [], factory: factory).record(value) }
        Counter(label: "apus.spawned", dimensions: [], factory: factory).increment(by: info.spawned - counted.spawned)
        Counter(label: "apus.handled", dimensions: [], factory: factory).increment(by: info.handled - counted.handled)
        counted = (info.spawned, info.handled)
    }
}
#endif
