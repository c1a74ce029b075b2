/// What a handler wants to happen next.
@frozen
public struct Next {
    /// 0: take the next message. Everything else is in `detail`.
    @usableFromInline let detail: NextDetail?

    @inlinable init(_ detail: NextDetail?) { self.detail = detail }

    /// Take the next message when there is one.
    @inlinable public static var `continue`: Next { Next(nil) }

    /// As ``continue``, and if no message comes within `timeout`, ``GenServer/handleTimeout(in:)`` is called. Any message cancels it.
    public static func `continue`(timeout: Duration) -> Next { Next(NextDetail(.timeout(timeout))) }

    /// Call ``GenServer/handle(step:in:)`` before any message that waits. **OTP**: `{continue, Term}`.
    public static func `continue`(then step: Step) -> Next { Next(NextDetail(.step(step))) }

    /// As ``continue``, and give memory that an idle process does not need back. **OTP**: `hibernate`.
    public static var hibernate: Next { Next(NextDetail(.hibernate)) }

    /// End, with reason normal.
    public static var stop: Next { Next(NextDetail(.stop(.normal))) }

    /// End with a reason; ``GenServer/terminate(_:in:)`` is called first.
    public static func stop(_ reason: ExitReason) -> Next { Next(NextDetail(.stop(reason))) }
}

/// What is seldom: kept out of line, so that `.continue` is one word.
@usableFromInline
final class NextDetail {
    enum Kind {
        case timeout(Duration)
        case step(Step)
        case hibernate
        case stop(ExitReason)
        case ignore
        /// Only as what is pending in a server: the timer of its timeout runs.
        case timer(UInt64)
    }

    let kind: Kind
    init(_ kind: Kind) { self.kind = kind }
}

/// The name of a step that a server takes before its next message. **OTP**: the term of `{continue, Term}`.
public struct Step: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// What the server knows it by.
    public let name: String
    public init(stringLiteral name: String) { self.name = name }
    /// A step of this name.
    public init(_ name: String) { self.name = name }
    public var description: String { name }
}

/// What ``GenServer/initialize(in:)`` answers.
public struct InitResult {
    @usableFromInline let next: Next

    /// Started.
    public static var ok: InitResult { InitResult(next: .continue) }
    /// Started; if no message comes in time, ``GenServer/handleTimeout(in:)`` is called.
    public static func ok(timeout: Duration) -> InitResult { InitResult(next: .continue(timeout: timeout)) }
    /// Started; ``GenServer/handle(step:in:)`` comes first.
    public static func ok(then step: Step) -> InitResult { InitResult(next: .continue(then: step)) }
    /// Not started: whoever spawned it gets the reason.
    public static func stop(_ reason: ExitReason) -> InitResult { InitResult(next: .stop(reason)) }
    /// Not started after all, and that is all right: it ends normal, and a supervisor keeps its specification without a process.
    public static var ignore: InitResult { InitResult(next: Next(NextDetail(.ignore))) }
}
