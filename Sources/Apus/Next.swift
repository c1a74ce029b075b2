import CApus

/// What a handler wants to happen next.
@frozen
public struct Next {
    /// What takes memory to say; nil: `more` says it all.
    @usableFromInline let detail: NextDetail?
    /// 0: take the next message. Positive: the same, with a timeout of one millisecond less than that. Negative: end, and this is what the
    /// core is told, turned round.
    @usableFromInline let more: Int

    @inlinable init(detail: NextDetail? = nil, more: Int = 0) {
        self.detail = detail
        self.more = more
    }

    @usableFromInline init(_ kind: NextDetail.Kind) { self.init(detail: NextDetail(kind)) }

    /// Whether there is nothing to do but to take the next message.
    @inlinable var isPlain: Bool { detail == nil && more == 0 }

    /// Take the next message when there is one.
    @inlinable public static var `continue`: Next { Next() }

    /// As ``continue``, and if no message comes within `timeout`, ``GenServer/handleTimeout(in:)`` is called. Any message cancels it. 34 years
    /// are the most; what is more is taken for that.
    public static func `continue`(timeout: Duration) -> Next {
        let longest: UInt64 = 1 << 40 // of a timer (apus/timer.h)
        return Next(more: Int(min(milliseconds(timeout), longest)) + 1)
    }

    /// Call ``GenServer/handle(step:in:)`` before any message that waits. **OTP**: `{continue, Term}`.
    public static func `continue`(then step: Step) -> Next { Next(.step(step)) }

    /// As ``continue``, and give memory that an idle process does not need back. **OTP**: `hibernate`.
    public static var hibernate: Next { Next(.hibernate) }

    /// End, with reason normal.
    @inlinable public static var stop: Next { Next(more: -Int(APUS_DONE)) }

    /// End with a reason; ``GenServer/terminate(_:in:)`` is called first.
    public static func stop(_ reason: ExitReason) -> Next { reason.isPlainlyNormal ? .stop : Next(.stop(reason)) }
}

/// What is seldom: kept out of line, so that all else is two words.
@usableFromInline
final class NextDetail {
    @usableFromInline enum Kind {
        case step(Step)
        case hibernate
        case stop(ExitReason)
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
    public static func stop(_ reason: ExitReason) -> InitResult {
        // As after apus_exit(), with no reason given: normal, where APUS_DONE would say that it has started.
        InitResult(next: reason.isPlainlyNormal ? Next(more: -Int(APUS_EXITED)) : .stop(reason))
    }
    /// Not started after all, and that is all right: it ends normal, and a supervisor keeps its specification without a process.
    public static var ignore: InitResult { InitResult(next: Next(more: -Int(APUS_IGNORE))) }
}
