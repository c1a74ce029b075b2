#if ServiceLifecycle
import Apus
import ServiceLifecycle
import Synchronization

/// A tree of supervisors as a service of swift-service-lifecycle: it runs until the tree ends or a graceful shutdown is asked for, which
/// stops the tree in reverse order of its start.
///
/// ```swift
/// let shop = SupervisorService {
///     try await Supervisor.start { Child(Listener()) }
/// }
/// try await ServiceGroup(services: [shop], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger).run()
/// ```
///
/// If the tree ends by itself, `run()` returns if that was an orderly end, and throws its `ExitReason` if it was not: the group then
/// does what its configuration says. Cancelling the task stops the tree as well.
public struct SupervisorService: Service {
    private let stopTimeout: Duration?
    private let tree: @Sendable () async throws -> Supervisor

    /// - Parameters:
    ///   - stopTimeout: how long the tree may take to stop before it is killed; nil: as long as it needs.
    ///   - tree: starts the top supervisor. The runtime is started with its defaults if it was never started.
    public init(stopTimeout: Duration? = nil, tree: @escaping @Sendable () async throws -> Supervisor) {
        self.stopTimeout = stopTimeout
        self.tree = tree
    }

    public func run() async throws {
        let tree = try await tree()
        let isStopping = Atomic(false)
        let reason = try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                try await end(of: tree)
            } onGracefulShutdown: {
                isStopping.store(true, ordering: .relaxed)
                stop(tree)
            }
        } onCancel: {
            isStopping.store(true, ordering: .relaxed)
            stop(tree)
        }
        // A tree that had stopped before it was watched has left no reason.
        if !reason.isOrderly && !(reason == .noproc && isStopping.load(ordering: .relaxed)) { throw reason }
    }

    /// Stops the tree from a process of its own, since the handlers must not wait.
    private func stop(_ tree: Supervisor) {
        let timeout = stopTimeout
        // If no process can be made, the runtime is stopping, and the tree with it.
        _ = try? spawnBlocking(of: Never.self) { _ in
            do throws(ApusError) {
                try tree.stop(timeout: timeout)
            } catch where error.code == .timeout {
                tree.exit(.kill)
            }
        }
    }

    /// Waits until the tree has ended.
    private func end(of tree: Supervisor) async throws -> ExitReason {
        try await withCheckedThrowingContinuation { continuation in
            do {
                try spawnBlocking(of: Never.self) { me in
                    do {
                        _ = try me.monitor(tree)
                        guard case .down(let down)? = me.receiveInfo() else {
                            // The runtime is being stopped, and the tree with it.
                            return continuation.resume(returning: .shutdown)
                        }
                        continuation.resume(returning: down.reason)
                    } catch {
                        continuation.resume(throwing: error)
                    }
                }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}
#endif
