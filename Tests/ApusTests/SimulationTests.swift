import Apus
import ApusTesting
import Synchronization
import Testing

// The tree of Examples/C/simulated_tree.c: a store, and a cache in front of it that looks the store up when it starts. The planted bug:
// with one-for-one the cache lives on when the store is restarted, and asks a process that is no more for ever.

private struct Store: GenServer, Sendable {
    enum Message: Sendable { case get(From<Int>) }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .get(let from): from.reply(1)
        }
        return .continue
    }
}

private struct Cache: GenServer, Sendable {
    enum Message: Sendable { case get(From<Int>) }
    var store: Pid<Store.Message>?

    mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult {
        store = Store.at("store").pid
        return .ok
    }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .get(let from):
            if let store, let value: Int = try? context.call(store, timeout: .seconds(1), { .get($0) }) { from.reply(value) }
        }
        return .continue
    }
}

private final class Observed: Sendable {
    /// Of the client's last calls, how many failed in a row.
    let failures = Atomic(0)
    let begun = Atomic(0)
}

private func treeSimulation(_ strategy: Supervisor.Strategy, _ observed: Observed) -> Simulation {
    Simulation {
        observed.failures.store(0, ordering: .relaxed)
        observed.begun.add(1, ordering: .relaxed)
        try spawnBlocking(of: Never.self) { me in
            me.trapExits()
            while (try? startTree(strategy)) == nil { try me.sleep(for: .milliseconds(10)) }
            while me.receiveInfo() != nil {}
        }
        try spawnBlocking(of: Never.self) { me in
            for _ in 0..<50 {
                let value: Int? = try? me.call(Cache.at("cache"), timeout: .seconds(2)) { .get($0) }
                if value != nil {
                    observed.failures.store(0, ordering: .relaxed)
                } else {
                    observed.failures.add(1, ordering: .relaxed)
                }
                try me.sleep(for: .milliseconds(100))
            }
        }
    } check: { moment in
        moment == .step || observed.failures.load(ordering: .relaxed) < 20 ? nil : "the cache does not answer any more"
    }.disturbed(by: [.kill, .fault]) { _, kind in kind == "Store" || kind == "Cache" }
}

private func startTree(_ strategy: Supervisor.Strategy) throws {
    _ = try Supervisor.start(strategy: strategy, intensity: 10) {
        Child(Store(), name: "store")
        Child(Cache(), name: "cache")
    }
}

/// Counts how often it was left alone for as long as the last message says; after `quiet` it does not matter for how long.
private struct Patient: GenServer, Sendable {
    enum Message: Sendable { case wait(Int), quiet }
    let timeouts: Counted

    mutating func initialize(in context: borrowing Context<Message>) -> InitResult { .ok(timeout: .seconds(10)) }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) -> Next {
        switch message {
        case .wait(let seconds): .continue(timeout: .seconds(seconds))
        case .quiet: .continue
        }
    }

    mutating func handleTimeout(in context: borrowing Context<Message>) -> Next {
        timeouts.value.add(1, ordering: .relaxed)
        return .continue
    }
}

private func failure(_ body: () async throws -> Void) async throws -> SimulationFailure? {
    do {
        try await body()
        return nil
    } catch let failure as SimulationFailure { return failure }
}

extension AllTests { @Suite struct SimulationTests {
    @Test("a planted bug is found, made short, and had again by its choices") func finds() async throws {
        let simulation = treeSimulation(.oneForOne, Observed())
        let found = try #require(await failure { try await simulation.run(seeds: 1...1000) })
        #expect(found.what == "the cache does not answer any more")
        #expect(found.deviations <= 3)
        #expect(found.trace.contains { $0.contains("Store") && $0.contains(found.deviations == 0 ? "" : "process") })
        let again = try #require(await failure { try await simulation.replay(found.choices) })
        #expect(again.what == found.what)
        #expect(again.trace == found.trace, "the same run, line by line")
        #expect(found.description.contains("replay(\"\(found.choices)\")"))
    }

    @Test("what is right passes all its seeds") func passes() async throws {
        let observed = Observed()
        let report = try await treeSimulation(.restForOne, observed).run(seeds: 1...100)
        #expect(report.runs == 100)
        #expect(observed.begun.load(ordering: .relaxed) == 100)
    }

    @Test("a seed is the same run each time, another seed another one") func replays() async throws {
        let simulation = treeSimulation(.restForOne, Observed())
        let first = try await simulation.replay(seed: 7)
        #expect(!first.trace.isEmpty)
        for _ in 0..<3 {
            let again = try await simulation.replay(seed: 7)
            #expect(again.trace == first.trace)
        }
        let other = try await simulation.replay(seed: 8)
        #expect(other.trace != first.trace)
    }

    @Test("seeds find both orders, an exploration goes through all runs of a small case") func explores() async throws {
        let seen = Seen()
        var simulation = Simulation {
            seen.text.withLock { $0 = "" }
            let reader = try spawnBlocking(of: String.self) { me in
                for _ in 0..<2 { if let text = me.receive() { seen.text.withLock { $0 += text } } }
            }
            for text in ["a", "b"] { try spawnBlocking(of: Never.self) { _ in reader.send(text) } }
        } check: { moment in
            guard moment != .step else { return nil }
            let text = seen.text.withLock { $0 }
            seen.orders.withLock { _ = $0.insert(text) }
            return text.count == 2 ? nil : "something is lost"
        }
        try await simulation.run(seeds: 1...200)
        let orders = seen.orders.withLock { $0 }
        #expect(orders == ["ab", "ba"], "both orders of two senders")
        simulation.schedulers = 2
        let report = try await simulation.explore(deviations: 2, maxRuns: 10_000)
        #expect(report.isComplete)
        #expect(report.runs > 1)
    }

    @Test("what begin throws is thrown, and choices that are none are refused") func begins() async throws {
        await #expect(throws: Failure.self) { try await Simulation { throw Failure(text: "no") }.run(seeds: 1...2) }
        await #expect(throws: ApusError.self) { try await Simulation {}.replay("nonsense") }
    }

    @Test("step by step: hours pass at once, and nothing runs by itself") func steps() async throws {
        try await withSimulatedRuntime(seed: 3) { runtime in
            let count = Counted()
            let start = Runtime.now
            try spawnBlocking(of: Never.self) { me in
                for _ in 0..<3 {
                    try me.sleep(for: .seconds(3600))
                    count.value.add(1, ordering: .relaxed)
                }
            }
            #expect(count.value.load(ordering: .relaxed) == 0)
            runtime.settle()
            runtime.pass(.seconds(3599))
            runtime.settle()
            #expect(count.value.load(ordering: .relaxed) == 0)
            runtime.pass(.seconds(2))
            runtime.settle()
            #expect(count.value.load(ordering: .relaxed) == 1)
            #expect(Runtime.now - start < .seconds(3602), "time goes on only as it is told to")
            let isOver = runtime.run()
            #expect(isOver)
            #expect(count.value.load(ordering: .relaxed) == 3)
            #expect(Runtime.now - start >= .seconds(3 * 3600))
            let more = runtime.step()
            #expect(!more)
        }
    }

    @Test("R35: each message begins a server's timeout anew, with one timer", arguments: UInt64(1)...20)
    func timeouts(seed: UInt64) async throws {
        try await withSimulatedRuntime(seed: seed) { runtime in
            let timeouts = Counted()
            let patient = try spawn(Patient(timeouts: timeouts))
            // What it is sent, how long it is left alone then, and how many timeouts and timers there are afterwards.
            let story: [(message: Patient.Message?, seconds: Int, timeouts: Int, timers: Int)] = [
                (nil, 9, 0, 1), (.wait(10), 9, 0, 1), (.wait(10), 9, 0, 1), (.wait(10), 9, 0, 1), (nil, 2, 1, 0),
                (.wait(100), 1, 1, 1), (.wait(2), 1, 1, 1), (nil, 2, 2, 0), (.wait(10), 1, 2, 1), (.quiet, 100, 2, 0),
            ]
            for part in story {
                if let message = part.message { patient.send(message) }
                runtime.settle()
                runtime.pass(.seconds(part.seconds))
                runtime.settle()
                let timers = try Runtime.info().timers
                #expect(timeouts.value.load(ordering: .relaxed) == part.timeouts)
                #expect(timers == part.timers)
            }
            patient.exit(.kill)
        }
    }

    @Test("an asynchronous process runs in a simulation as long as it awaits its own waits only") func asynchronous() async throws {
        let sum = Counted()
        let simulation = Simulation {
            sum.value.store(0, ordering: .relaxed)
            let adder = try spawn(of: Int.self) { me in
                for _ in 0..<3 {
                    guard let n = await me.receive(timeout: .seconds(60)) else { return }
                    sum.value.add(n, ordering: .relaxed)
                    try await me.sleep(for: .seconds(10))
                }
            }
            for n in 1...3 { adder.send(n) }
        } check: { moment in
            moment == .step || sum.value.load(ordering: .relaxed) == 6 ? nil : "not all was added"
        }
        let report = try await simulation.run(seeds: 1...50)
        #expect(report.runs == 50)
    }
} }

private final class Counted: Sendable {
    let value = Atomic(0)
}

private final class Seen: Sendable {
    let text = Mutex("")
    let orders = Mutex<Set<String>>([])
}
