import CApus
import CApusSwift

/// A process that owns a value and handles one message at a time.
///
/// The value is the process's state. It lives in the process, nobody else can reach it, and `handle` may change it without locks. While a
/// handler waits (``Context/call(_:timeout:_:)-(Pid<Asked>,_,_)``, ``Context/receive(timeout:)``, ``Context/sleep(for:)``) the process
/// takes no other message, and its core goes on with other processes: handlers are not re-entrant.
///
/// ```swift
/// struct Counter: GenServer {
///     enum Message: Sendable { case add(Int), get(From<Int>) }
///     var count = 0
///
///     mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
///         switch message {
///         case .add(let n): count += n
///         case .get(let from): from.reply(count)
///         }
///         return .continue
///     }
/// }
///
/// let counter = try spawn(Counter())
/// counter.send(.add(2))
/// let count = try await counter.call { .get($0) }
/// ```
///
/// A message without a ``From`` is a cast, one with a ``From`` a call; there is no other difference. An error thrown by a handler ends the
/// process with a reason that carries it. To be restarted then, let it be started by a ``Supervisor``.
///
/// Do not use it for code that must `await`, such as a client of an asynchronous library: that is what ``spawn(of:options:body:)`` with
/// an asynchronous body is for.
///
/// **OTP**: `gen_server`.
public protocol GenServer: ~Copyable {
    /// What it can be sent. Move-only types work.
    associatedtype Message: ~Copyable

    /// The first that runs in the process. While it runs, what is sent waits. The default answers ``InitResult/ok``.
    mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult

    /// Handles a message.
    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next

    /// Handles what is not a message of its own type. The default drops it.
    mutating func handle(info: consuming Info, in context: borrowing Context<Message>) throws -> Next

    /// Takes the step that ``Next/continue(then:)`` asked for, before any message. The default does nothing.
    mutating func handle(step: Step, in context: borrowing Context<Message>) throws -> Next

    /// The time of ``Next/continue(timeout:)`` has passed without a message. The default does nothing.
    mutating func handleTimeout(in context: borrowing Context<Message>) throws -> Next

    /// Called once before the process ends, if it ends of its own accord, is stopped (``Pid/stop(_:timeout:)``), or traps exits and its parent
    /// told it to. A signal that ends a process which does not trap does not call it; the value is destroyed however the process ends. The
    /// default does nothing.
    mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Message>)
}

extension GenServer where Self: ~Copyable {
    @inlinable public mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult { .ok }
    @inlinable public mutating func handle(info: consuming Info, in context: borrowing Context<Message>) throws -> Next { .continue }
    @inlinable public mutating func handle(step: Step, in context: borrowing Context<Message>) throws -> Next { .continue }
    @inlinable public mutating func handleTimeout(in context: borrowing Context<Message>) throws -> Next { .continue }
    @inlinable public mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Message>) {}
}
