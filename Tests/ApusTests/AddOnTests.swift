// What needs other packages, behind the traits of Package.swift: swift test --enable-all-traits.
#if Logging && Metrics && ServiceLifecycle && Command
import Apus
import ApusLogging
import ApusMetrics
import ApusServiceLifecycle
import ApusTesting
import InMemoryLogging
import Logging
import Metrics
import MetricsTestKit
import ServiceLifecycle
import Testing

@testable import ApusCommand

extension AllTests { @Suite struct LoggingTests {
    @Test("what the runtime tells goes to the logger, by kind")
    func entries() async throws {
        let handler = InMemoryLogHandler()
        let logger = Logger(label: "test") { _ in handler }
        let entry = Runtime.LogEntry(
            kind: .crash, pid: nil, reason: .killed, text: "process <1.2> ended\nmore\n", json: "{}")
        entry.log(to: logger)
        let logged = try #require(handler.entries.first)
        #expect(logged.level == .error)
        #expect(logged.message == "process <1.2> ended")
        #expect(logged.metadata["apus.reason"] == "killed")
        #expect(logged.metadata["apus.report"] == "{}")
    }

    @Test("the reporter tells of the ends and restarts of a supervisor's children, and follows them")
    func reporter() async throws { try await withRuntime {
        let handler = InMemoryLogHandler()
        var logger = Logger(label: "test") { _ in handler }
        logger.logLevel = .info
        let tree = try await Supervisor.start(intensity: 5) {
            Child(EndReporter(logger), name: "reporter")
            Child(Counter(), name: "hits")
        }
        try EndReporter.at("reporter").send(.watchChildren(of: tree))
        try await inProcess { me in
            for round in 1...2 {
                let pid = try #require(Counter.at("hits").pid)
                pid.send(.fail)
                eventually(me) { handler.entries.count == 2 * round }
            }
        }
        #expect(handler.entries.map(\.level) == [.error, .info, .error, .info])
        #expect("\(handler.entries[0].message)".contains("child \"hits\" ended: error"))
        #expect(handler.entries[3].message == "child \"hits\" started again")
        try tree.stop()
    } }
} }

extension AllTests { @Suite struct MetricsTests {
    @Test("the runtime's counters are recorded as gauges, and as counters by how much they have grown")
    func records() async throws { try await withRuntime {
        let metrics = TestMetrics()
        let recorder = try spawn(RuntimeMetrics(every: .seconds(3600), factory: metrics))
        try await inProcess { me in
            let _: Void = try me.call(recorder) { .record($0) }
            #expect(try metrics.expectGauge("apus.processes").lastValue == 2)
            let spawned = try metrics.expectCounter("apus.spawned")
            #expect(spawned.values.reduce(0, +) == Int64(try Runtime.info().spawned))
        }
    } }

    @Test("schedulers that are taken from long handlers are counted, and what has lost one now is a gauge")
    func rescues() async throws { try await withRuntime(schedulers: 1) {
        let metrics = TestMetrics(), stay = Stay()
        let recorder = try spawn(RuntimeMetrics(every: .seconds(3600), factory: metrics))
        let stayer = try spawnBlocking(of: Never.self) { _ in stay.stay(.computing) }
        await stay.arrived(1)
        try await recorder.call { .record($0) }  // answered, so the scheduler was taken
        // On a busy machine from others as well.
        let detached = try metrics.expectGauge("apus.detached").lastValue ?? 0
        let rescues = try metrics.expectCounter("apus.rescues").values.reduce(0, +)
        let rescuesByNow = try Runtime.info().rescues
        let refused = try metrics.expectCounter("apus.rescues_refused").values
        #expect(detached >= 1)
        #expect(rescues >= 1 && rescues <= Int64(rescuesByNow))
        #expect(refused.count == 2)
        stay.letGo()
        try stayer.join()
    } }

    @Test("contained faults are counted", .enabled(if: faultsAreContained))
    func faults() async throws { try await withRuntime {
        let metrics = TestMetrics()
        let recorder = try spawn(RuntimeMetrics(every: .seconds(3600), factory: metrics))
        let trapper = try spawnBlocking(of: Never.self) { _ in Trap.unwrap.spring() }
        try trapper.join()
        try await recorder.call { .record($0) }
        let faults = try metrics.expectCounter("apus.faults").values.reduce(0, +)
        #expect(faults == 1)
    } }
} }

extension AllTests { @Suite struct ServiceLifecycleTests {
    @Test("a graceful shutdown stops the tree in reverse order")
    func shutdown() async throws { try await withRuntime {
        let started = try Probe(of: String.self, name: "started")
        let service = SupervisorService {
            try await Supervisor.start(name: "tree") { Child(Counter(), name: "counter") }
        }
        let group = ServiceGroup(services: [service], logger: Logger(label: "test") { _ in InMemoryLogHandler() })
        async let ended: Void = group.run()
        try await started.run { me in
            while Counter.at("counter").pid == nil { me.yield() }
        }
        let counter = try #require(Counter.at("counter").pid)
        await group.triggerGracefulShutdown()
        try await ended
        #expect(!counter.isAlive)
    } }

    @Test("a tree that ends by itself with an error ends the service with its reason; a cancelled service stops its tree")
    func ends() async throws { try await withRuntime {
        let (trees, started) = AsyncStream.makeStream(of: Supervisor.self)
        var tree = trees.makeAsyncIterator()
        let failing = SupervisorService {
            let tree = try await Supervisor.start(intensity: 0) { Child(Counter(), name: "counter") }
            started.yield(tree)
            return tree
        }
        let failed = Task { try await failing.run() }
        let probe = try Probe(of: String.self)
        await tree.next()?.exit(.kill)
        // noproc: it had ended before it was watched.
        let error = await #expect(throws: ExitReason.self) { try await failed.value }
        #expect(error == .killed || error == .noproc)
        // A killed supervisor's children end after it.
        if let counter = Counter.at("counter").pid { try await probe.expectDown(counter) }
        let cancelled = Task { try await failing.run() }
        _ = await tree.next()
        cancelled.cancel()
        try await cancelled.value
        #expect(Counter.at("counter").pid == nil)
    } }
} }

@Suite struct CommandTests {
    private func cpu(_ number: Int, _ node: Int, _ package: Int, _ core: Int, _ cache: Int) -> Topology.CPU {
        Topology.CPU(number: number, node: node, package: package, core: core, cache: cache)
    }

    @Test("the topology is drawn as nodes, sockets, caches and cores")
    func topology() {
        let topology = Topology(
            cpus: [cpu(0, 0, 0, 0, 0), cpu(1, 0, 0, 0, 0), cpu(2, 0, 0, 1, 0), cpu(3, 1, 1, 0, 1)], quota: 1.5)
        #expect(
            drawing(of: topology) { $0 == $1 ? 10 : 21 } == """
                4 CPUs allowed, 2 NUMA nodes, quota of 1.5 CPUs
                node 0
                └─ socket 0
                   └─ cache 0
                      ├─ core 0: CPU 0, 1
                      └─ core 1: CPU 2
                node 1
                └─ socket 1
                   └─ cache 1
                      └─ core 0: CPU 3
                distances
                        0   1
                   0   10  21
                   1   21  10
                """)
    }

    @Test("a name that is no module's is refused")
    func newName() {
        #expect(throws: (any Error).self) { try NewCommand.parse(["1st"]) }
        #expect(throws: (any Error).self) { try NewCommand.parse(["a-b"]) }
        #expect(throws: Never.self) { try NewCommand.parse(["a_b1"]) }
    }
}
#endif
