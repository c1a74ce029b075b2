import Apus
import Glibc
import Synchronization
import Testing

/// Writes down what happens, in order.
private final class Log: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

private struct SlowStarter: GenServer {
    let log: Log

    mutating func initialize(in context: borrowing Context<Never>) throws -> InitResult {
        try context.sleep(for: .milliseconds(50))
        log.add("up")
        return .ok
    }

    mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
}

private func application(_ name: String, _ log: Log, dependencies: [Application] = []) -> Application {
    Application(
        name, environment: ["count": 3], dependencies: dependencies,
        whenStopped: { _ in
            usleep(20_000)  // whoever does not wait for it goes on meanwhile
            log.add("stopped \(name)")
        },
        tree: { environment in
            log.add("starting \(name)")
            return try Supervisor.start(name: name, intensity: 0) {
                Child(Counter(count: environment["count"] ?? 0), name: "\(name) counter")
            }
        })
}

extension AllTests { @Suite struct ApplicationTests {
    @Test("a setting may look at others when it is destroyed") func settings() {
        final class Last: Sendable {
            let environment: ApplicationEnvironment
            init(_ environment: ApplicationEnvironment) { self.environment = environment }
            deinit { environment["left"] = environment.names }
        }
        let environment = application("settings", Log()).environment
        environment["last"] = Last(environment)
        environment["last"] = Int?.none
        #expect(environment["left"] == ["count"])
    }

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
            #expect(log.all == ["starting below", "starting above", "stopped above", "stopped below"])
        }
    } }

    @Test("a tree that does not start is an error with its reason, however soon it fails")
    func doesNotStart() async throws { try await withRuntime {
        let broken = Application("broken") { _ in throw Failure(text: "no disk") }
        for _ in 0..<20 {
            var error: ApusError?
            do { try await broken.start() } catch let thrown { error = thrown as? ApusError }
            #expect(error?.code == .exited)
            #expect((error?.reason?.error as? Failure)?.text == "no disk")
        }
        #expect(!broken.isRunning)
    } }

    @Test("who starts an application that is being started waits for it")
    func startsTogether() async throws { try await withRuntime {
        try await inProcess { me in
            let log = Log()
            let slow = Application("slow") { _ in try Supervisor.start { Child(SlowStarter(log: log)) } }
            try me.spawnLinkBlocking(of: Never.self) { _ in try slow.start() }
            eventually(me) { slow.isRunning }
            try slow.start()
            #expect(log.all == ["up"])
            try slow.stop()
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
