import CApus
import CApusSwift

/// How ``Context/asyncStream(over:_:work:forEach:)`` goes about it.
public struct TaskStreamOptions: Sendable {
    /// What happens when a task takes too long.
    public enum OnTimeout: Sendable {
        /// The stream ends with ``ApusError/Code/timeout``, and all its tasks with it.
        case exit
        /// The task is killed; its result is the failure ``ExitReason/timeout``, and the stream goes on.
        case kill
    }

    /// How many tasks are at work at a time; nil: one for each scheduler.
    public var maxConcurrency: Int?
    /// Whether results come in the order of the elements, or as they are ready.
    public var isOrdered = true
    /// How long one task may take; nil: for ever.
    public var timeout: Duration? = .seconds(5)
    /// What happens when that time is up.
    public var onTimeout = OnTimeout.exit

    /// The options; see the properties of the same names.
    public init(maxConcurrency: Int? = nil, isOrdered: Bool = true, timeout: Duration? = .seconds(5), onTimeout: OnTimeout = .exit) {
        self.maxConcurrency = maxConcurrency
        self.isOrdered = isOrdered
        self.timeout = timeout
        self.onTimeout = onTimeout
    }
}

/// Whether a consumer of results wants more.
public enum TaskStreamNext: Sendable {
    /// Go on.
    case next
    /// It has what it wants: the stream ends, and the tasks still at work are killed.
    case stop
}

extension Context where Message: ~Copyable {
    /// Works on the elements of a sequence, each in a process of its own, some at a time, and hands the results to a consumer.
    ///
    /// ```swift
    /// try context.asyncStream(over: urls, .init(maxConcurrency: 8, onTimeout: .kill)) { url, _ in
    ///     try fetch(url)
    /// } forEach: { result in
    ///     if case .success(let page) = result { pages.append(page) }
    ///     return pages.count < 10 ? .next : .stop
    /// }
    /// ```
    ///
    /// The tasks are not linked with this process: one that fails is a result, and the others go on. However the stream ends, because the
    /// consumer stops or throws, a task takes too long, or this process ends, the tasks that are still at work are killed, and no message
    /// of them is left in the mailbox.
    ///
    /// - Parameters:
    ///   - elements: taken as tasks come free, so that it may be endless.
    ///   - options: how many at a time, in which order, how long.
    ///   - work: runs in the tasks.
    ///   - consume: runs here, between waits. What it throws ends the stream and is thrown on.
    /// - Throws: ``ApusError/Code/timeout`` with ``TaskStreamOptions/OnTimeout/exit``; ``ApusError/Code/ending``; as
    ///   ``spawn(_:options:)->Pid<Server.Message>``.
    /// - **OTP**: Elixir's `Task.async_stream/3`, with failures as of `Task.Supervisor.async_stream_nolink/4` (R60).
    public func asyncStream<Elements: Sequence, Value: Sendable>(
        over elements: Elements, _ options: TaskStreamOptions = TaskStreamOptions(),
        work: @escaping @Sendable (Elements.Element, borrowing Context<Never>) throws -> Value,
        forEach consume: (Result<Value, ExitReason>) throws -> TaskStreamNext
    ) throws where Elements.Element: Sendable {
        var stream = try TaskStream<Value>(owner: pid, options)
        defer { stream.end(process) }
        var rest = elements.makeIterator()
        var element = rest.next()
        while true {
            while let next = element, stream.hasRoom {
                try stream.start(in: self) { me in try work(next, me) }
                element = rest.next()
            }
            guard try stream.wait(process) else { return }
            while let result = stream.takeReady() {
                if try consume(result) == .stop { return }
            }
        }
    }

    /// Works on the elements of a collection, each in a process of its own, and returns the results, in order unless told otherwise.
    ///
    /// As ``asyncStream(over:_:work:forEach:)``.
    public func asyncMap<Elements: Sequence, Value: Sendable>(
        _ elements: Elements, _ options: TaskStreamOptions = TaskStreamOptions(),
        work: @escaping @Sendable (Elements.Element, borrowing Context<Never>) throws -> Value
    ) throws -> [Result<Value, ExitReason>] where Elements.Element: Sendable {
        var results: [Result<Value, ExitReason>] = []
        try asyncStream(over: elements, options, work: work) { result in
            results.append(result)
            return .next
        }
        return results
    }
}

/// The tasks of a stream that are at work, and the results that wait for their turn.
struct TaskStream<Value: Sendable> {
    private let options: TaskStreamOptions
    private let maxConcurrency: Int
    private let guardian: Pid<TaskGuardian.Message>
    /// By the reference of their requests: the task and its number.
    private var running: [UInt64: (task: ProcessTask<Value>, number: Int)] = [:]
    /// Results by number, or, unordered, by order of arrival.
    private var ready: [Int: Result<Value, ExitReason>] = [:]
    private var started = 0
    private var finished = 0
    private var taken = 0

    init<Own: ~Copyable>(owner: Pid<Own>, _ options: TaskStreamOptions) throws(ApusError) {
        self.options = options
        if let maxConcurrency = options.maxConcurrency {
            self.maxConcurrency = maxConcurrency
        } else {
            maxConcurrency = try Runtime.info().schedulers
        }
        precondition(maxConcurrency > 0, "a stream needs room for one task")
        var trapping = SpawnOptions()
        trapping.trapsExits = true
        guardian = try spawn(TaskGuardian(owner: AnyPid(owner)), options: trapping)
    }

    var hasRoom: Bool { running.count < maxConcurrency }

    mutating func start<Own: ~Copyable>(
        in context: borrowing Context<Own>, _ work: sending @escaping (borrowing Context<Never>) throws -> Value
    ) throws(ApusError) {
        let guardian = guardian
        let task: ProcessTask<Value> = try startTask(in: context, isLinked: false, options: nil, timeout: options.timeout) { me in
            try me.link(guardian)
            return try work(me)
        }
        running[task.reference.id] = (task, started)
        started += 1
    }

    /// Waits for one result, unless there is one. False if none will come.
    mutating func wait(_ process: OpaquePointer) throws(ApusError) -> Bool {
        guard !running.isEmpty else { return false }
        guard let message = nextOutcome(process) else { throw ApusError(.ending) }
        let isTimeout = apus_message_type(message) == SystemTypes.timeout
        let (task, number) = running.removeValue(forKey: apus_message_ref(message).id)!
        let result = takeOutcome(of: message, as: Value.self)
        if isTimeout {
            task.pid.exit(.kill)
            if options.onTimeout == .exit { throw ApusError(.timeout, detail: "task \(number + 1) of a stream") }
        }
        ready[options.isOrdered ? number : finished] = result
        finished += 1
        return true
    }

    private func nextOutcome(_ process: OpaquePointer) -> UnsafeMutablePointer<apus_message>? {
        let running = running
        return receive(process, timeout: nil, where: { running[apus_message_ref($0).id] != nil })
    }

    mutating func takeReady() -> Result<Value, ExitReason>? {
        guard let result = ready.removeValue(forKey: taken) else { return nil }
        taken += 1
        return result
    }

    /// Kills what is still at work, and gives its outcome up.
    mutating func end(_ process: OpaquePointer) {
        for (task, _) in running.values {
            apus_request_abandon(process, task.reference.c)
            task.pid.exit(.kill)
        }
        running = [:]
        guardian.send(.done)
    }
}

/// Ends the tasks of a stream with its owner: they are linked with this process, which watches the owner. A task that fails does not end
/// it, since it traps exits from its first moment.
struct TaskGuardian: GenServer {
    enum Message { case done }

    let owner: AnyPid

    mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult {
        _ = try context.monitor(owner)
        return .ok
    }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next { .stop }

    mutating func handle(info: consuming Info, in context: borrowing Context<Message>) throws -> Next {
        if case .down = consume info { return .stop(.kill) }
        return .continue
    }
}
