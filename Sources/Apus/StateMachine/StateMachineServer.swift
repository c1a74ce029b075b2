// The engine of a state machine: a server that turns each message into an event, and each transition into what is to be done.
//
// Queues:     `queue` holds the events to be handled before the mailbox is looked at again, the first one last; it is empty between
//             callbacks. `postponed` holds the postponed ones, oldest first, until the state changes.
// Time-outs:  a running one is a timer of the core, known by its reference. One that was cancelled too late, its message being in the
//             mailbox already, is remembered as stale until that has come.

/// A state machine as a server.
@usableFromInline
struct StateMachineServer<Machine: StateMachine>: GenServer {
    @usableFromInline typealias Message = Machine.Message
    typealias Transition = StateTransition<Machine.State, Message>

    enum Event {
        case message(Message)
        case timeout(StateTimeout)
    }

    var machine: Machine
    /// nil until `initialize` has answered.
    var state: Machine.State?
    var queue: [Event] = []
    var postponed: [Event] = []
    /// Whether `queue` may hold time-outs of zero: what spares a long queue from being searched for each event.
    var hasQueuedTimeouts = false
    var timers = StateTimers()
    var hibernates = false

    @usableFromInline init(_ machine: Machine) { self.machine = machine }

    // --- What reaches it --------------------------------------------------------------------------------------------------------

    @usableFromInline
    mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult {
        switch try machine.initialize(in: context).kind {
        case .stop(let reason): return .stop(reason)
        case .ignore: return .ignore
        case .ok(let first, let actions):
            state = first
            try perform(actions, postponing: nil, in: context)
            var reason = try enter(first, from: first, in: context)
            if reason == nil { reason = try drain(in: context) }
            return reason.map { .stop($0) } ?? .ok
        }
    }

    @usableFromInline
    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        queue.append(.message(message))
        return try next(drain(in: context))
    }

    @usableFromInline
    mutating func handle(info: consuming Info, in context: borrowing Context<Message>) throws -> Next {
        switch timers.expired(info.timer) {
        case .running(let timeout):
            queue.append(.timeout(timeout))
            return try next(drain(in: context))
        case .stale: return .continue
        case .unknown: return try handleInfo(info, in: context)
        }
    }

    private mutating func handleInfo(_ info: consuming Info, in context: borrowing Context<Message>) throws -> Next {
        cancel(.event)
        let transition = try machine.handle(info: info, state: state!, in: context)
        var reason = try follow(transition, postponing: nil, in: context)
        if reason == nil { reason = try drain(in: context) }
        return next(reason)
    }

    @usableFromInline
    mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Message>) {
        if let state { machine.terminate(reason, state: state, in: context) }
    }

    private mutating func next(_ reason: ExitReason?) -> Next {
        if let reason { return .stop(reason) }
        defer { hibernates = false }
        return hibernates ? .hibernate : .continue
    }

    // --- Events and transitions -------------------------------------------------------------------------------------------------

    /// Handles what is in the queue. Returns why to stop, or nil.
    private mutating func drain(in context: borrowing Context<Message>) throws -> ExitReason? {
        while let event = queue.popLast() {
            cancel(.event)
            let transition =
                switch event {
                case .message(let message): try machine.handle(message, state: state!, in: context)
                case .timeout(let timeout): try machine.handle(timeout: timeout, state: state!, in: context)
                }
            if let reason = try follow(transition, postponing: event, in: context) { return reason }
        }
        hasQueuedTimeouts = false
        return nil
    }

    /// Does what a callback returned. Returns why to stop, or nil.
    private mutating func follow(
        _ transition: Transition, postponing event: Event?, in context: borrowing Context<Message>
    ) throws -> ExitReason? {
        let old = state!
        switch transition.kind {
        case .stop(let reason): return reason
        case .keep:
            try perform(transition.actions, postponing: event, in: context)
        case .repeat:
            try perform(transition.actions, postponing: event, in: context)
            return try enter(old, from: old, in: context)
        case .next(let new) where new == old:
            state = new
            try perform(transition.actions, postponing: event, in: context)
        case .next(let new):
            state = new
            cancel(.state)
            try perform(transition.actions, postponing: event, isChange: true, in: context)
            return try enter(new, from: old, in: context)
        }
        return nil
    }

    private mutating func enter(_ state: Machine.State, from old: Machine.State, in context: borrowing Context<Message>) throws -> ExitReason? {
        let transition = try machine.enter(state, from: old, in: context)
        switch transition.kind {
        case .stop(let reason): return reason
        case .keep: break
        case .next, .repeat: preconditionFailure("\(Machine.self).enter must keep the state, or stop")
        }
        for case .nextEvent in transition.actions.lazy.map(\.kind) {
            preconditionFailure("\(Machine.self).enter cannot insert events")
        }
        try perform(transition.actions, postponing: nil, in: context)
        return nil
    }

    private mutating func perform(
        _ actions: [StateAction<Message>], postponing event: Event?, isChange: Bool = false, in context: borrowing Context<Message>
    ) throws {
        var inserted: [Event] = []
        var timeouts: [(StateTimeout, Duration?)] = []
        for action in actions {
            switch action.kind {
            case .postpone:
                guard let event else { preconditionFailure("\(Machine.self) can postpone only a message or a time-out") }
                postponed.append(event)
            case .nextEvent(let message): inserted.append(.message(message))
            case .start(let timeout, let time): timeouts.append((timeout, time))
            case .cancel(let timeout): timeouts.append((timeout, nil))
            case .hibernate: hibernates = true
            }
        }
        if isChange {
            queue.append(contentsOf: postponed.reversed())
            postponed = []
        }
        queue.append(contentsOf: inserted.reversed())
        for (timeout, time) in timeouts {
            cancel(timeout)
            guard let time else { continue }
            if time <= .zero {
                queue.insert(.timeout(timeout), at: 0)
                hasQueuedTimeouts = true
            } else {
                try timers.start(timeout, context.startTimer(after: time))
            }
        }
    }

    private mutating func cancel(_ timeout: StateTimeout) {
        timers.cancel(timeout)
        guard hasQueuedTimeouts else { return }
        queue.removeAll { if case .timeout(timeout) = $0 { true } else { false } }
    }
}

/// The time-outs of a state machine that run.
struct StateTimers {
    enum Expired {
        case running(StateTimeout)
        case stale
        case unknown
    }

    /// Those that run are cancelled with the machine, however that ends.
    private final class Running {
        var timers: [(timeout: StateTimeout, reference: Reference)] = []
        deinit { for timer in timers { cancelTimer(timer.reference) } }
    }

    /// nil until one is started: a machine that is a child's template is copied.
    private var running: Running?
    private var stale: [Reference] = []

    mutating func start(_ timeout: StateTimeout, _ reference: Reference) {
        let running = running ?? Running()
        running.timers.append((timeout, reference))
        self.running = running
    }

    mutating func cancel(_ timeout: StateTimeout) {
        guard let running, let index = running.timers.firstIndex(where: { $0.timeout == timeout }) else { return }
        let reference = running.timers.remove(at: index).reference
        if cancelTimer(reference) == nil { stale.append(reference) }
    }

    /// What the timer with this reference was, now that it has expired.
    mutating func expired(_ reference: Reference?) -> Expired {
        guard let reference else { return .unknown }
        if let running, let index = running.timers.firstIndex(where: { $0.reference == reference }) {
            return .running(running.timers.remove(at: index).timeout)
        }
        guard let index = stale.firstIndex(of: reference) else { return .unknown }
        stale.remove(at: index)
        return .stale
    }
}

// What is copied to other threads, a child's template, has only its machine: the rest is made in the process.
extension StateMachineServer: @unchecked Sendable where Machine: Sendable {}

// --- Starting -------------------------------------------------------------------------------------------------------------------

/// Starts a state machine. As ``spawn(_:options:)->Pid<Server.Message>`` of a server.
///
/// **OTP**: `gen_statem:start/3`, without waiting for `init`.
@discardableResult
public func spawn<Machine: StateMachine>(
    _ machine: consuming sending Machine, options: SpawnOptions? = nil
) throws(ApusError) -> Pid<Machine.Message> {
    try Pid(spawnServer(StateMachineServer(machine), options: options, flags: 0, monitor: nil))
}

extension Context where Message: ~Copyable {
    /// Starts a state machine linked with this process. **OTP**: `gen_statem:start_link/3`, without waiting for `init`.
    @discardableResult
    public func spawnLink<Machine: StateMachine>(
        _ machine: consuming sending Machine, options: SpawnOptions? = nil
    ) throws(ApusError) -> Pid<Machine.Message> {
        try spawnLink(StateMachineServer(machine), options: options)
    }

    /// Starts a state machine monitored by this process.
    public func spawnMonitor<Machine: StateMachine>(
        _ machine: consuming sending Machine, options: SpawnOptions? = nil
    ) throws(ApusError) -> (pid: Pid<Machine.Message>, monitor: Reference) {
        try spawnMonitor(StateMachineServer(machine), options: options)
    }
}

extension Child {
    /// A state machine; as a server.
    public init<Machine: StateMachine & Sendable>(
        _ machine: Machine, id: String? = nil, name: String? = nil, restart: Restart = .permanent, shutdown: Shutdown = .standard,
        options: SpawnOptions = SpawnOptions()
    ) {
        self.init(
            StateMachineServer(machine), id: id ?? name ?? options.name ?? String(describing: Machine.self), name: name,
            restart: restart, shutdown: shutdown, options: options)
    }
}
