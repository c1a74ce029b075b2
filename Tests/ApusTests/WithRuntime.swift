import Apus
import Testing

/// All tests, one after the other: there is one runtime in an OS process.
@Suite(.serialized) enum AllTests {}

/// Runs `body` with a runtime of its own, and checks that nothing is left when it is stopped: no process, no timer, no block in use.
func withRuntime(schedulers: Int = 2, _ body: () async throws -> Void) async throws {
    var options = Runtime.Options()
    options.schedulers = schedulers
    options.binding = .none
    try await withRuntime(options, body)
}

/// The same with other options.
func withRuntime(_ options: Runtime.Options, _ body: () async throws -> Void) async throws {
    try Runtime.start(options)
    do {
        try await body()
    } catch {
        try Runtime.stop()
        throw error
    }
    try Runtime.stop()
    let left = try Runtime.info()
    #expect(left.processes == 0)
    #expect(left.timers == 0)
    #expect(left.stacksParked == 0)
    #expect(left.blocksInUse == 0)
}

struct Failure: Error { let text: String }

/// The error of Apus that `body` throws; nil if it throws none.
func errorOf(_ body: () throws -> Void) -> ApusError? {
    do { try body() } catch { return error as? ApusError }
    return nil
}

nonisolated(nonsending) func errorOf(_ body: nonisolated(nonsending) () async throws -> Void) async -> ApusError? {
    do { try await body() } catch { return error as? ApusError }
    return nil
}

/// Runs `body` in a process of its own, and gives what it throws.
func inProcess(_ body: @escaping @Sendable (borrowing Context<Never>) throws -> Void) async throws {
    let error: (any Error)? = await withCheckedContinuation { continuation in
        do {
            try spawnBlocking(of: Never.self) { me in
                do {
                    try body(me)
                    continuation.resume(returning: nil)
                } catch {
                    continuation.resume(returning: error)
                }
            }
        } catch {
            continuation.resume(returning: error)
        }
    }
    if let error { throw error }
}

/// Runs `body` in an asynchronous process of its own, and gives what it throws.
func inAsyncProcess(
    _ body: nonisolated(nonsending) @escaping @Sendable (borrowing AsyncContext<Never>) async throws -> Void
) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        do {
            try spawn(of: Never.self) { me in
                do {
                    try await body(me)
                    continuation.resume()
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        } catch {
            continuation.resume(throwing: error)
        }
    }
}
