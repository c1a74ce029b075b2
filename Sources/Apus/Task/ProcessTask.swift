import CApus
import CApusSwift

/// A process that computes one value for the process that started it, its owner.
///
/// ```swift
/// let price = try context.async { _ in try lookUp("tea") }
/// let stock = try context.async { _ in try count("tea") }
/// let worth = try price.value(in: context) * stock.value(in: context)
/// ```
///
/// The value, or the news that the task failed, is one message that only the owner can take: with ``value(in:timeout:)``, at once or
/// later. The two are linked, unless the task was started with ``Context/asyncNoLink(options:_:)``: a task that fails ends its owner, and
/// an owner that ends with an error ends its task.
///
/// It is not called `Task`, since that is Swift's: use Swift's for code that must `await`, and this for work whose failure is to be
/// contained, linked or supervised.
///
/// **OTP**: Elixir's `Task` (R60, R61).
public struct ProcessTask<Value: Sendable>: Sendable {
    /// The process.
    public let pid: AnyPid
    /// The process that started it, and may wait for it.
    public let owner: AnyPid
    /// What the message with the outcome carries: a server that does not wait finds it in ``Envelope/reference`` of the value, or in
    /// ``Info/Down/reference`` of a failure.
    public let reference: Reference

    /// Waits for the value.
    ///
    /// - Parameters:
    ///   - context: of the owner.
    ///   - timeout: when it is up the task is killed, so that no message of it can come later. nil waits for ever.
    /// - Throws: ``ApusError/Code/notPermitted`` by another process than the owner; ``ApusError/Code/exited`` it failed, with the reason;
    ///   ``ApusError/Code/timeout``; ``ApusError/Code/ending``. Await once: what has been taken does not come again, and a second time waits
    ///   for the time-out.
    /// - **OTP**: `Task.await/2`, which exits on a time-out instead of throwing.
    public func value<Own: ~Copyable>(in context: borrowing Context<Own>, timeout: Duration? = .seconds(5)) throws(ApusError) -> Value {
        guard let outcome = try yield(in: context, timeout: timeout) else {
            try ignore(in: context)
            pid.exit(.kill)
            throw ApusError(.timeout)
        }
        do {
            return try outcome.get()
        } catch {
            throw ApusError(.exited, reason: error)
        }
    }

    /// Waits for the value for some time, and may be called again if it has not come.
    ///
    /// - Returns: the value, or why the task failed; nil if it is still at work.
    /// - Throws: ``ApusError/Code/notPermitted`` by another process than the owner; ``ApusError/Code/ending``. **OTP**: `Task.yield/2`.
    public func yield<Own: ~Copyable>(
        in context: borrowing Context<Own>, timeout: Duration? = .seconds(5)
    ) throws(ApusError) -> Result<Value, ExitReason>? {
        try checkOwner(context)
        let wanted = reference.id
        guard let message = receive(context.process, timeout: timeout, where: { apus_message_ref($0).id == wanted }) else {
            if !context.pid.isAlive { throw ApusError(.ending) }
            return nil
        }
        return takeOutcome(of: message, as: Value.self)
    }

    /// Tells the task to end and waits until it has.
    ///
    /// - Parameters:
    ///   - context: of the owner.
    ///   - timeout: how long it may take before it is killed; zero kills it at once.
    /// - Returns: the value, if it came all the same; or why it ended, `noproc` if its outcome has been taken before.
    /// - Throws: ``ApusError/Code/notPermitted`` by another process than the owner; ``ApusError/Code/ending``. **OTP**: `Task.shutdown/2`.
    @discardableResult
    public func shutdown<Own: ~Copyable>(
        in context: borrowing Context<Own>, timeout: Duration = .seconds(5)
    ) throws(ApusError) -> Result<Value, ExitReason> {
        try checkOwner(context)
        context.unlink(pid)
        // Its outcome has come, and may have been taken: then none comes again.
        guard apus_request_is_open(context.process, reference.c) else {
            return try yield(in: context, timeout: .zero) ?? .failure(.noproc)
        }
        if timeout > .zero {
            pid.exit(.shutdown)
            if let outcome = try? yield(in: context, timeout: timeout) { return outcome }
        }
        pid.exit(.kill)
        guard let outcome = try yield(in: context, timeout: nil) else { throw ApusError(.ending) }
        return outcome
    }

    /// Lets the task go on without its owner: the link goes, and its outcome will not be told. **OTP**: `Task.ignore/1`.
    public func ignore<Own: ~Copyable>(in context: borrowing Context<Own>) throws(ApusError) {
        try checkOwner(context)
        context.unlink(pid)
        apus_request_abandon(context.process, reference.c)
    }

    private func checkOwner<Own: ~Copyable>(_ context: borrowing Context<Own>) throws(ApusError) {
        if AnyPid(context.pid) != owner {
            throw ApusError(.notPermitted, detail: "the task is \(owner)'s, and \(context.pid) asks for its value")
        }
    }
}

extension Context where Message: ~Copyable {
    /// Starts a task, linked with this process.
    /// - Throws: as ``spawn(_:options:)->Pid<Server.Message>``. **OTP**: `Task.async/1`.
    public func async<Value: Sendable>(
        options: SpawnOptions? = nil, _ body: sending @escaping (borrowing Context<Never>) throws -> Value
    ) throws(ApusError) -> ProcessTask<Value> {
        try startTask(in: self, isLinked: true, options: options, timeout: nil, body)
    }

    /// Starts a task that is not linked: if it fails, this process goes on and is told so when it asks; if this process ends, the task
    /// goes on. **OTP**: `Task.Supervisor.async_nolink/2` (R61).
    public func asyncNoLink<Value: Sendable>(
        options: SpawnOptions? = nil, _ body: sending @escaping (borrowing Context<Never>) throws -> Value
    ) throws(ApusError) -> ProcessTask<Value> {
        try startTask(in: self, isLinked: false, options: options, timeout: nil, body)
    }
}

/// The request to a task, which it answers with its value.
struct TaskRequest {}

/// A task is a body that waits for a request and answers it with what it has computed: so the core sees to it that there is exactly one
/// outcome, and none after it has been given up.
///
/// - Parameter timeout: of the request; it makes a time-out the outcome, and does not end the task.
func startTask<Own: ~Copyable, Value: Sendable>(
    in context: borrowing Context<Own>, isLinked: Bool, options: SpawnOptions?, timeout: Duration?,
    _ body: sending @escaping (borrowing Context<Never>) throws -> Value
) throws(ApusError) -> ProcessTask<Value> {
    let flags = isLinked ? UInt32(APUS_SPAWN_LINK) : 0
    let pid = try spawnBody(of: TaskRequest.self, options: options, flags: flags, monitor: nil) { me in
        try runTask(me.process, body)
    }
    return try request(from: AnyPid(pid), in: context, isLinked: isLinked, timeout: timeout)
}

/// What a task's process does.
func runTask<Value: Sendable>(_ process: OpaquePointer, _ body: (borrowing Context<Never>) throws -> Value) throws {
    let type = messageType(of: TaskRequest.self)
    guard let message = receive(process, timeout: nil, where: { apus_message_type($0) == type }) else { return }
    let owner = From<Value>(apus_caller(pid: apus_message_from(message), ref: apus_message_ref(message)))
    apus_message_release(message)
    let value = try body(Context(process))
    // A signal that ends a task makes its waits return, and what it makes of that is not the value.
    if AnyPid(apus_pid_of(process)).isAlive { owner.reply(value) }
}

/// Asks a task's process for its value; kills it if that cannot be done.
func request<Own: ~Copyable, Value: Sendable>(
    from task: AnyPid, in context: borrowing Context<Own>, isLinked: Bool, timeout: Duration?
) throws(ApusError) -> ProcessTask<Value> {
    var ref = apus_ref()
    let result = apus_request(context.process, task.c, messageType(of: TaskRequest.self), nil, 0, milliseconds(timeout), &ref)
    if result < 0 {
        if isLinked { context.unlink(task) }
        task.exit(.kill)
        throw ApusError(result: result)
    }
    return ProcessTask(pid: task, owner: AnyPid(context.pid), reference: Reference(ref))
}

/// What the message with the outcome of a request says: the value, or why there is none. Releases it.
func takeOutcome<Value>(of message: UnsafeMutablePointer<apus_message>, as type: Value.Type) -> Result<Value, ExitReason> {
    defer { apus_message_release(message) }
    switch apus_message_type(message) {
    case SystemTypes.down:
        let down = apus_swift_payload(message).assumingMemoryBound(to: apus_down_message.self)
        return .failure(ExitReason(&down.pointee.reason))
    case SystemTypes.timeout: return .failure(.timeout)
    default: return .success(takePayload(of: message, as: type))
    }
}

/// Waits for a message for which `isWanted` is true; the caller owns it.
func receive(
    _ process: OpaquePointer, timeout: Duration?, where isWanted: (UnsafePointer<apus_message>) -> Bool
) -> UnsafeMutablePointer<apus_message>? {
    withoutActuallyEscaping(isWanted) { isWanted in
        withClosure(MatchClosure { isWanted($0) }) { apus_receive(process, apus_swift_match_closure, $0, milliseconds(timeout)) }
    }
}
