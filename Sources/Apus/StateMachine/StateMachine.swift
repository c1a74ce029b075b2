/// A process whose code is a table of states and events.
///
/// The value holds the data that every state shares; the state is a value of its own, given to each callback. What a callback wants to
/// happen next it returns as a ``StateTransition``: the next state, and actions such as to postpone the event or to start a time-out.
///
/// ```swift
/// struct Door: StateMachine {
///     enum State { case locked, open }
///     enum Message { case code(Int), push }
///     let code: Int
///
///     mutating func initialize(in context: borrowing Context<Message>) throws -> StateStart<State, Message> { .ok(.locked) }
///
///     mutating func handle(_ message: Message, state: State, in context: borrowing Context<Message>) throws -> Transition {
///         switch (state, message) {
///         case (.locked, .code(code)): .next(.open, .stateTimeout(.seconds(10)))
///         case (.locked, .push): .keep(.postpone)                 // pushed again as soon as it is open
///         default: .keep
///         }
///     }
///
///     mutating func handle(timeout: StateTimeout, state: State, in context: borrowing Context<Message>) throws -> Transition {
///         .next(.locked)
///     }
/// }
///
/// let door = try spawn(Door(code: 17))
/// door.send(.code(17))
/// ```
///
/// A state is *changed* when the next state differs from the current one (`==`). Then, and only then, the state's time-out is cancelled,
/// the postponed events are taken again, oldest first, before anything that waits in the mailbox, and ``enter(_:from:in:)`` is called.
/// An error that a callback throws ends the process with a reason that carries it.
///
/// A machine with one state is a ``GenServer``; use that.
///
/// **OTP**: `gen_statem` with `handle_event_function` and `state_enter`.
public protocol StateMachine {
    /// The states. An enum with associated values is a state with data of its own.
    associatedtype State: Equatable
    /// What it can be sent; copied if it is postponed.
    associatedtype Message
    /// What callbacks return.
    typealias Transition = StateTransition<State, Message>

    /// The first that runs in the process; answers the first state.
    mutating func initialize(in context: borrowing Context<Message>) throws -> StateStart<State, Message>

    /// Handles a message.
    mutating func handle(_ message: Message, state: State, in context: borrowing Context<Message>) throws -> Transition

    /// A time-out has passed. The default keeps the state.
    mutating func handle(timeout: StateTimeout, state: State, in context: borrowing Context<Message>) throws -> Transition

    /// Handles what is not a message of its own type; it cannot be postponed. The default drops it.
    mutating func handle(info: consuming Info, state: State, in context: borrowing Context<Message>) throws -> Transition

    /// A state has been entered: the first, with `old` the same, or after a change, or because of ``StateTransition/repeat(_:)-(StateAction<Message>...)``.
    /// It runs before any other event and may start time-outs, but neither change the state, nor postpone, nor insert events.
    /// The default does nothing.
    mutating func enter(_ state: State, from old: State, in context: borrowing Context<Message>) throws -> Transition

    /// As ``GenServer/terminate(_:in:)``. The default does nothing.
    mutating func terminate(_ reason: ExitReason, state: State, in context: borrowing Context<Message>)
}

extension StateMachine {
    public mutating func handle(timeout: StateTimeout, state: State, in context: borrowing Context<Message>) throws -> Transition {
        .keep
    }
    public mutating func handle(info: consuming Info, state: State, in context: borrowing Context<Message>) throws -> Transition {
        .keep
    }
    public mutating func enter(_ state: State, from old: State, in context: borrowing Context<Message>) throws -> Transition { .keep }
    public mutating func terminate(_ reason: ExitReason, state: State, in context: borrowing Context<Message>) {}

    /// The machine of this kind that is registered under a name.
    public static func at(_ name: String) -> Name<Message> { Name(name) }
}

/// A time-out of a state machine. **OTP**: the event types `state_timeout`, `timeout` and `{timeout, Name}`.
public enum StateTimeout: Hashable, Sendable {
    /// Of the state: cancelled when the state changes.
    case state
    /// Until the next event: cancelled by any event.
    case event
    /// One of your own: it runs until it is cancelled or started again.
    case named(String)
}

/// What ``StateMachine/initialize(in:)`` answers.
public struct StateStart<State, Message> {
    enum Kind {
        case ok(State, [StateAction<Message>])
        case stop(ExitReason)
        case ignore
    }
    let kind: Kind

    /// Started, in this state; the actions may be those of ``StateMachine/enter(_:from:in:)`` and ``StateAction/nextEvent(_:)``.
    public static func ok(_ state: State, _ actions: StateAction<Message>...) -> Self { .ok(state, actions) }
    /// The same, with as many actions as there are in an array.
    public static func ok(_ state: State, _ actions: [StateAction<Message>]) -> Self { Self(kind: .ok(state, actions)) }
    /// Not started: whoever spawned it gets the reason.
    public static func stop(_ reason: ExitReason) -> Self { Self(kind: .stop(reason)) }
    /// Not started after all, and that is all right.
    public static var ignore: Self { Self(kind: .ignore) }
}

/// What a callback of a state machine wants to happen next.
public struct StateTransition<State, Message> {
    enum Kind {
        case keep
        case next(State)
        case `repeat`
        case stop(ExitReason)
    }
    let kind: Kind
    let actions: [StateAction<Message>]

    /// Stay in this state.
    public static var keep: Self { Self(kind: .keep, actions: []) }
    /// Stay in this state, and do this.
    public static func keep(_ actions: StateAction<Message>...) -> Self { .keep(actions) }
    /// The same, with as many actions as there are in an array.
    public static func keep(_ actions: [StateAction<Message>]) -> Self { Self(kind: .keep, actions: actions) }
    /// Go to this state; the same one counts as staying.
    public static func next(_ state: State, _ actions: StateAction<Message>...) -> Self { .next(state, actions) }
    /// The same, with as many actions as there are in an array.
    ///
    /// ```swift
    /// .next(.open, waiting.map { .nextEvent($0) } + [.stateTimeout(.seconds(10))])
    /// ```
    public static func next(_ state: State, _ actions: [StateAction<Message>]) -> Self { Self(kind: .next(state), actions: actions) }
    /// Stay, and call ``StateMachine/enter(_:from:in:)`` again. **OTP**: `repeat_state`.
    public static func `repeat`(_ actions: StateAction<Message>...) -> Self { .repeat(actions) }
    /// The same, with as many actions as there are in an array.
    public static func `repeat`(_ actions: [StateAction<Message>]) -> Self { Self(kind: .repeat, actions: actions) }
    /// End, with reason normal.
    public static var stop: Self { Self(kind: .stop(.normal), actions: []) }
    /// End with a reason.
    public static func stop(_ reason: ExitReason) -> Self { Self(kind: .stop(reason), actions: []) }
}

/// What a transition does beside changing the state. Actions are done in order. **OTP**: transition actions.
public struct StateAction<Message> {
    enum Kind {
        case postpone
        case nextEvent(Message)
        case start(StateTimeout, Duration)
        case cancel(StateTimeout)
        case hibernate
    }
    let kind: Kind

    /// Keep the message that is being handled until the state has changed, and take it again then.
    public static var postpone: Self { Self(kind: .postpone) }
    /// Handle this before anything that waits; several are handled in the order given.
    public static func nextEvent(_ message: Message) -> Self { Self(kind: .nextEvent(message)) }
    /// Start the state's time-out, or start it again. One of zero passes at once, before anything that waits in the mailbox.
    public static func stateTimeout(_ time: Duration) -> Self { Self(kind: .start(.state, time)) }
    /// Start the time-out until the next event.
    public static func eventTimeout(_ time: Duration) -> Self { Self(kind: .start(.event, time)) }
    /// Start a time-out of your own, or start it again.
    public static func timeout(_ name: String, _ time: Duration) -> Self { Self(kind: .start(.named(name), time)) }
    /// Cancel a time-out: once this is done, it is not seen any more.
    public static func cancel(_ timeout: StateTimeout) -> Self { Self(kind: .cancel(timeout)) }
    /// Give memory that an idle process does not need back.
    public static var hibernate: Self { Self(kind: .hibernate) }
}
