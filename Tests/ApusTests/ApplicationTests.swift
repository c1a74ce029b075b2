import Apus
import Synchronization
import Testing

/// Writes down what happens, in order.
private final class Log: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

private func application(_ name: String, _ log: Log, dependencies: [Application] = []) -> Application {
    Application(
        name, environment: ["count": 3], dependencies: dependencies, whenStopped: { _ in log.add("stopped \(name)") },
        tree: { environment in
            log.add("starting \(name)")
            return try Supervisor.start(name: name, intensity: 0) {
                Child(Counter(count: environment["count"] ?? 0), name: "\(name) counter")
            }
        })
}

extension AllTests { @Suite struct ApplicationTests {
    @Test("an application starts after what it depends on, with its environment, and stops its tree")
    func startAndStop() async throws { try await withRuntime {
        try await inProcess { me in
            let log = Log()
            let below = application("below", log)
            let above = application("above", log, dependencies: [below])
            above.environment["count"] = 5
            try above.start()
            try above.start()
            #expect(log.all == ["starting below", "starting above"])
            let counts = try ["below", "above"].map { name -> Int in try me.call(Counter.at("\(name) counter")) { .get($0) } }
            #expect(counts == [3, 5])
            try above.stop()
            #expect(!above.isRunning && below.isRunning)
            #expect(Counter.at("above counter").pid == nil)
            #expect(above.environment["count"] == 5)
            let twice = #expect(throws: ApusError.self) { try above.stop() }
            #expect(twice?.code == .noproc)
            try below.stop()
            eventually(me) { log.all.count == 4 }
            #expect(log.all == ["starting below", "starting above", "stopped above", "stopped below"])
        }
    } }

    @Test("a tree that does not start is an error with its reason")
    func doesNotStart() async throws { try await withRuntime {
        try await inProcess { _ in
            let broken = Application("broken") { _ in throw Failure(text: "no disk") }
            let error = #expect(throws: ApusError.self) { try broken.start() }
            #expect(error?.code == .exited || error?.code == .noproc)
            #expect(!broken.isRunning)
        }
    } }

    @Test("a temporary application whose tree ends is only gone")
    func temporary() async throws { try await withRuntime {
        try await inProcess { me in
            let temporary = application("temporary", Log())
            try temporary.start(.temporary)
            try Counter.at("temporary counter").send(.fail)
            eventually(me) { !temporary.isRunning }
        }
        #expect(Runtime.isRunning)
    } }

    @Test("a permanent application whose tree ends takes the runtime along")
    func permanent() async throws {
        let log = Log()
        try Runtime.start()
        let starter = try spawnBlocking(of: Never.self) { _ in
            try application("permanent", log).start(.permanent)
            try Counter.at("permanent counter").send(.fail)
        }
        _ = try? starter.join()
        // The start of the next one is refused until this one has stopped.
        while true {
            do throws(ApusError) {
                try Runtime.start()
                break
            } catch {
                #expect(error.code == .already)
                await Task.yield()
            }
        }
        #expect(log.all == ["starting permanent", "stopped permanent"])
        try Runtime.stop()
    }
} }
