import Glibc
import Synchronization

/// A tree of supervisors with a name, an environment, and others that must run before it: what a program is put together from.
///
/// ```swift
/// let shop = Application("shop", environment: ["port": 8080], dependencies: [database]) { environment in
///     try Supervisor.start(name: "shop") {
///         Child(Listener(port: environment["port"] ?? 80))
///     }
/// }
/// try shop.start()           // the database first
/// ...
/// try shop.stop()
/// ```
///
/// The tree is started by a process of the application's own, its master, which is the parent of the top supervisor and learns of its
/// end. Applications are known by their name; two values of one name are the same application.
///
/// The waiting functions set a process's stack aside, and block a plain thread.
///
/// **OTP**: `application`.
public struct Application: Sendable {
    /// What happens to the rest if the top supervisor ends by itself. **OTP**: the restart type of `application:start/2`.
    public enum Kind: Sendable {
        /// The runtime is stopped, whatever the reason.
        case permanent
        /// The runtime is stopped, unless the end was an orderly one.
        case transient
        /// Nothing.
        case temporary
    }

    /// Unique in the OS process.
    public let name: String
    /// Its settings; one for each name, which outlives stop and start.
    public let environment: ApplicationEnvironment
    /// Started before it.
    public let dependencies: [Application]
    let tree: @Sendable (ApplicationEnvironment) throws -> Supervisor
    let whenStopped: @Sendable (ApplicationEnvironment) -> Void

    /// - Parameters:
    ///   - name: what it is known by.
    ///   - environment: first settings.
    ///   - dependencies: started before it, if they do not run. They are not stopped with it.
    ///   - whenStopped: called when the tree has ended, however.
    ///   - tree: starts the top supervisor, inside the application's master.
    public init(
        _ name: String, environment: [String: any Sendable] = [:], dependencies: [Application] = [],
        whenStopped: @escaping @Sendable (ApplicationEnvironment) -> Void = { _ in },
        tree: @escaping @Sendable (ApplicationEnvironment) throws -> Supervisor
    ) {
        self.name = name
        self.environment = ApplicationEnvironment(environment)
        self.dependencies = dependencies
        self.whenStopped = whenStopped
        self.tree = tree
    }

    /// Starts what it depends on, then it, and returns when the tree has started. One that runs already is left as it is; one that somebody
    /// else is starting is waited for.
    ///
    /// - Throws: ``ApusError/Code/exited`` the tree, or that of a dependency, did not start, with the reason. Dependencies that did start
    ///   go on.
    /// - **OTP**: `application:ensure_all_started/2`.
    public func start(_ kind: Kind = .temporary, timeout: Duration? = nil) throws(ApusError) {
        for dependency in dependencies { try dependency.start(kind, timeout: timeout) }
        while true {
            do {
                return try callHere(master(kind), timeout: timeout) { .start($0) }
            } catch where error.code == .noproc || error.code == .exited && error.reason == .normal {
                // It was being stopped when it was asked, and has been by now.
            }
        }
    }

    /// The process that runs it, which is made if there is none.
    private func master(_ kind: Kind) throws(ApusError) -> Pid<ApplicationMaster.Message> {
        var options = SpawnOptions(name: registeredName)
        options.trapsExits = true
        do {
            return try spawn(ApplicationMaster(application: self, kind: kind), options: options)
        } catch where error.code == .taken {
            return try Name(registeredName).resolve()
        }
    }

    /// Stops it: its tree, in reverse order of the start, then `whenStopped`. What depends on it is not stopped.
    /// - Throws: ``ApusError/Code/noproc`` it does not run; ``ApusError/Code/timeout``. **OTP**: `application:stop/1`.
    public func stop(timeout: Duration? = nil) throws(ApusError) {
        let master = try Name<ApplicationMaster.Message>(registeredName).resolve()
        try callHere(master, timeout: timeout) { .stop($0) }
    }

    /// Starts it, for a Task, which is suspended meanwhile.
    public func start(_ kind: Kind = .temporary, timeout: Duration? = nil) async throws(ApusError) {
        try await onPlainThread { () throws(ApusError) in try start(kind, timeout: timeout) }
    }

    /// Stops it, for a Task, which is suspended meanwhile.
    public func stop(timeout: Duration? = nil) async throws(ApusError) {
        try await onPlainThread { () throws(ApusError) in try stop(timeout: timeout) }
    }

    /// Whether it runs, or is being started or stopped.
    public var isRunning: Bool { Name<ApplicationMaster.Message>(registeredName).pid != nil }

    private var registeredName: String { "application \(name)" }
}

/// The settings of an application: values by name. Any thread may read and change them. **OTP**: `application:get_env/2`, `set_env/3`.
public final class ApplicationEnvironment: Sendable {
    private let values: Mutex<[String: any Sendable]>

    init(_ values: [String: any Sendable]) { self.values = Mutex(values) }

    /// The value of a setting; nil if there is none, or none of that type. Setting it to nil takes it away.
    public subscript<Value: Sendable>(name: String) -> Value? {
        get { values.withLock { $0[name] } as? Value }
        set {
            // The old value is destroyed when the lock is free: that may be code which asks for another.
            _ = values.withLock { values in
                let old = values[name]
                values[name] = newValue
                return old
            }
        }
    }

    /// The names of all settings, sorted.
    public var names: [String] { values.withLock { $0.keys.sorted() } }
}

/// The process that starts an application's tree and stops it. **OTP**: the application master.
struct ApplicationMaster: GenServer {
    enum Message {
        case start(From<Void>)
        case stop(From<Void>)
    }

    let application: Application
    let kind: Application.Kind
    /// From its start until `whenStopped` is called for it, although it may have ended by itself before.
    var tree: Supervisor?

    init(application: Application, kind: Application.Kind) {
        self.application = application
        self.kind = kind
    }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .start(let from):
            // Not before it is asked to: whoever asks a process that has failed already is not told why.
            if tree == nil { tree = try application.tree(application.environment) }
            from.reply()
            return .continue
        case .stop(let from):
            end()
            // Nobody finds it under its name any more when its stop is answered.
            try unregister("application \(application.name)")
            from.reply()
            return .stop
        }
    }

    mutating func handle(info: consuming Info, in context: borrowing Context<Message>) throws -> Next {
        guard case .exit(let exit) = consume info, exit.from == tree?.untyped else { return .continue }
        switch kind {
        case .temporary: break
        case .transient where exit.reason.isOrderly: break
        case .permanent, .transient: stopRuntime()
        }
        return .stop(exit.reason)
    }

    mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Message>) { end() }

    private mutating func end() {
        guard let tree else { return }
        self.tree = nil
        // A tree that has ended meanwhile is what was wanted.
        try? tree.stop()
        application.whenStopped(application.environment)
    }

    /// The runtime cannot be stopped from inside a process.
    private func stopRuntime() {
        var thread = pthread_t()
        let error = pthread_create(&thread, nil, { _ in
            try? Runtime.stop()
            return nil
        }, nil)
        precondition(error == 0, "no thread to stop the runtime with: \(error)")
        pthread_detach(thread)
    }
}
