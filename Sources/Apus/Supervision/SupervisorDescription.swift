import CApus
import CApusSwift
import Glibc

/// What a supervisor is to be, and how the core gets to know it.
struct SupervisorDescription: Sendable {
    var name: String?
    var strategy: Supervisor.Strategy
    var intensity: UInt32 = 1
    var period: Duration = .seconds(5)
    var automaticShutdown: Supervisor.AutomaticShutdown = .never
    var stopBudget: Duration?
    var maxChildren: UInt32 = 0
    var children: [Child] = []

    init(name: String?, strategy: Supervisor.Strategy, children: [Child] = []) {
        self.name = name
        self.strategy = strategy
        self.children = children
    }

    /// Starts it, linked with `parent`; nil from a plain thread.
    func start(parent: OpaquePointer?) throws(ApusError) -> AnyPid {
        var pid = apus_pid()
        let memory = SpecMemory()
        let specs = children.map { memory.spec(of: $0) }
        let result = specs.withUnsafeBufferPointer { specs in
            var spec = apus_supervisor_spec()
            spec.struct_size = MemoryLayout<apus_supervisor_spec>.size
            spec.name = memory.string(name)
            spec.strategy = apus_strategy(rawValue: strategy.rawValue)
            spec.intensity_is_set = true
            spec.intensity = intensity
            spec.period_ms = milliseconds(period)
            spec.auto_shutdown = apus_auto_shutdown(rawValue: automaticShutdown.rawValue)
            spec.stop_budget_ms = stopBudget.map { milliseconds($0) } ?? 0
            spec.max_children = maxChildren
            spec.children = specs.baseAddress
            spec.child_count = specs.count
            let result = apus_supervisor_start(parent, &spec, &pid)
            return result == -ESHUTDOWN && Runtime.startIfNeverStarted() ? apus_supervisor_start(parent, &spec, &pid) : result
        }
        withExtendedLifetime(self) {}
        try checkSupervisor(result)
        return AnyPid(pid)
    }
}

/// Throws with what the supervisor had to say.
func checkSupervisor(_ result: Int32) throws(ApusError) {
    guard result < 0 else { return }
    let text = String(cString: apus_supervisor_last_error())
    var reason = apus_reason()
    let failed = apus_supervisor_last_reason(&reason)
    // A child that ended in another way than with an error is not the caller's end.
    let code = failed && result == -ECANCELED ? .failed : ApusError.code(of: result)
    let isSaid = text.isEmpty || text == String(cString: apus_strerror(-code.errno))
    throw ApusError(code, reason: failed ? ExitReason(&reason) : nil, detail: isSaid ? nil : text)
}

/// A nested supervisor's source.
final class SupervisorSource: Sendable {
    let description: SupervisorDescription
    init(_ description: SupervisorDescription) { self.description = description }
}

/// Starts a nested supervisor, in the process of the one above it.
private func startNested(_ parent: OpaquePointer?, _ argument: UnsafeRawPointer?, _ pid: UnsafeMutablePointer<apus_pid>?) -> Int32 {
    let source = argument!.load(fromByteOffset: MemoryLayout<UnsafeRawPointer>.size, as: Unmanaged<SupervisorSource>.self)
    do {
        pid!.pointee = try source.takeUnretainedValue().description.start(parent: parent).c
        return 0
    } catch {
        return -error.errno  // the supervisor finds the reason by itself
    }
}

/// The C form of specifications, as long as the core reads them; it copies them.
final class SpecMemory {
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit {
        for block in blocks { free(block) }
    }

    func string(_ text: String?) -> UnsafePointer<CChar>? {
        guard let text, let copy = strdup(text) else { return nil }
        blocks.append(copy)
        return UnsafePointer(copy)
    }

    private func place<Value>(_ value: Value) -> UnsafeMutablePointer<Value> {
        let memory = malloc(MemoryLayout<Value>.size)!
        blocks.append(memory)
        let typed = memory.bindMemory(to: Value.self, capacity: 1)
        typed.initialize(to: value)
        return typed
    }

    /// The argument's object is borrowed: the child must live as long as this.
    func spec(of child: Child, needsId: Bool = true) -> apus_child_spec {
        var spec = apus_child_spec()
        let way = child.way
        spec.struct_size = MemoryLayout<apus_child_spec>.size
        spec.id = string(child.id ?? (needsId ? child.options.name ?? way.kind : nil))
        let object = UnsafeRawPointer(Unmanaged.passUnretained(way.source).toOpaque())
        spec.argument = UnsafeRawPointer(place((UnsafeRawPointer(way.program), object)))
        spec.argument_size = MemoryLayout<(UnsafeRawPointer, UnsafeRawPointer)>.size
        spec.keep = apus_swift_keep
        if way.isSupervisor {
            spec.start = startNested
            spec.kind = APUS_SUPERVISOR
        } else if way.isBody {
            spec.body = apus_swift_body
        } else {
            spec.behaviour = UnsafeRawPointer(way.program).assumingMemoryBound(to: apus_behaviour.self)
        }
        spec.options = UnsafePointer(place(options(of: child)))
        spec.restart = apus_restart(rawValue: child.restart.rawValue)
        spec.significant = child.isSignificant
        spec.shutdown_ms = child.shutdown.milliseconds
        spec.start_timeout_ms = child.startTimeout.map { max(1, milliseconds($0)) } ?? 0
        if let backoff = child.backoff {
            spec.backoff = apus_backoff(
                initial_ms: milliseconds(backoff.initial), factor: backoff.factor, maximum_ms: milliseconds(backoff.maximum),
                jitter: backoff.jitter, reset_ms: milliseconds(backoff.reset))
        }
        return spec
    }

    private func options(of child: Child) -> apus_spawn_options {
        var result = apus_spawn_options()
        var plain = SpawnOptions.plain(flags: 0, monitor: nil, argumentType: argumentType(of: child.way.program))
        child.options.withC(&plain) { result = $0.pointee }
        result.name = string(child.options.name)
        result.label = string(child.options.label)
        return result
    }
}
