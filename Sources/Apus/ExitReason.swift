import CApus

/// Why a process ended, or why an exit signal was sent.
///
/// It has a ``code``, so that new kinds can be added; compare codes, or use ``isOrderly``. A reason travels with every signal: its text
/// is cut to 255 bytes of UTF-8. The ``error`` that a handler threw is found again in the same program while it is among the last 1,024
/// that were thrown.
///
/// ```swift
/// if case .down(let down) = info, down.reason == .killed { ... }
/// ```
///
/// **OTP**: the exit reason term.
public struct ExitReason: Error, Sendable {
    /// The kinds of reason.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        @usableFromInline let rawValue: UInt32
        @inlinable init(_ rawValue: UInt32) { self.rawValue = rawValue }

        /// Its work was done.
        public static let normal = Code(APUS_REASON_NORMAL.rawValue)
        /// It was asked to end; ``ExitReason/number`` is the term of `shutdown(term)`, 0 for plain `shutdown`.
        public static let shutdown = Code(APUS_REASON_SHUTDOWN.rawValue)
        /// As a signal: ends the receiver, whatever it traps.
        public static let kill = Code(APUS_REASON_KILL.rawValue)
        /// It was ended by the signal `kill`.
        public static let killed = Code(APUS_REASON_KILLED.rawValue)
        /// There was no such process.
        public static let noproc = Code(APUS_REASON_NOPROC.rawValue)
        /// The way to it was lost.
        public static let noconnection = Code(APUS_REASON_NOCONNECTION.rawValue)
        /// It took too long.
        public static let timeout = Code(APUS_REASON_TIMEOUT.rawValue)
        /// An error: ``ExitReason/number`` says which, ``ExitReason/text`` what, ``ExitReason/error`` is what was thrown.
        public static let error = Code(APUS_REASON_ERROR.rawValue)
        /// A contained fault: ``ExitReason/number`` is the signal, with ``ExitReason/address`` and ``ExitReason/instruction``.
        public static let fault = Code(APUS_REASON_FAULT.rawValue)

        public var description: String {
            let names = ["normal", "shutdown", "kill", "killed", "noproc", "noconnection", "timeout", "error", "fault"]
            return rawValue < names.count ? names[Int(rawValue)] : "reason \(rawValue)"
        }
    }

    /// The kind of reason.
    public var code: Code
    /// For `.error` a negative errno or a number of your own, for `.shutdown` its term, for `.fault` the signal; else 0.
    public var number: Int32
    /// What there is to say, for people.
    public var text: String?
    /// For `.fault`, the address that was touched.
    public var address: UInt64
    /// For `.fault`, the instruction that did it.
    public var instruction: UInt64
    /// What was thrown, if it is still known.
    public var error: (any Error)?

    /// Whether it says nothing but that.
    var isPlainlyNormal: Bool { code == .normal && number == 0 && text == nil && error == nil }

    init(code: Code, number: Int32 = 0, text: String? = nil, error: (any Error)? = nil) {
        self.code = code
        self.number = number
        self.text = text
        self.address = 0
        self.instruction = 0
        self.error = error
    }

    /// It was done.
    public static let normal = ExitReason(code: .normal)
    /// It was told to end, by its supervisor mostly.
    public static let shutdown = ExitReason(code: .shutdown)
    /// As a signal it ends a process that traps exits too, as ``killed``.
    public static let kill = ExitReason(code: .kill)
    /// It got ``kill``.
    public static let killed = ExitReason(code: .killed)
    /// There was no such process.
    public static let noproc = ExitReason(code: .noproc)
    /// Kept for processes of other machines; the runtime itself never gives it.
    public static let noconnection = ExitReason(code: .noconnection)
    /// Its time was up.
    public static let timeout = ExitReason(code: .timeout)

    /// `shutdown(term)`: an orderly end that says more.
    public static func shutdown(_ term: Int32) -> ExitReason { ExitReason(code: .shutdown, number: term) }

    /// An error of your own.
    /// - Parameters:
    ///   - text: what went wrong, at most 255 bytes of UTF-8; more is cut off.
    ///   - number: a negative errno, or a number of your own.
    public static func error(_ text: String, number: Int32 = 1) -> ExitReason {
        ExitReason(code: .error, number: number, text: text)
    }

    /// The reason of a process whose code threw `error`: that reason itself if it is one, else an `.error` that carries it.
    public init(throwing error: any Error) {
        if let reason = error as? ExitReason {
            self = reason
        } else {
            let number = (error as? ApusError).map { $0.errno == 0 ? 1 : -$0.errno } ?? 1
            self = ExitReason(code: .error, number: number, text: "\(type(of: error)): \(error)", error: error)
        }
    }

    /// Whether it was an orderly end: normal or any shutdown. A transient child is not restarted after one.
    public var isOrderly: Bool { code == .normal || code == .shutdown }
}

extension ExitReason: Hashable {
    /// Whether the two have the same code, number and text. The error that was thrown is not looked at.
    public static func == (one: ExitReason, other: ExitReason) -> Bool {
        one.code == other.code && one.number == other.number && one.text == other.text
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
        hasher.combine(number)
        hasher.combine(text)
    }
}

extension ExitReason: CustomStringConvertible {
    /// As the core writes it: `normal`, `shutdown(3)`, `error -5 (Input/output error): disk gone`.
    public var description: String {
        withCReason { reason in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
                _ = apus_reason_text(reason, buffer.baseAddress, buffer.count)
                return String(cString: buffer.baseAddress!)
            }
        }
    }
}

extension ExitReason {
    /// The reason as the core has it; its text lives during `body`.
    func withCReason<Result>(_ body: (UnsafePointer<apus_reason>) -> Result) -> Result {
        var reason = apus_reason()
        reason.kind = apus_reason_kind(rawValue: code.rawValue)
        reason.code = number
        reason.address = address
        reason.pc = instruction
        if let error, code == .error {
            reason.address = ThrownErrors.remember(error)
        }
        guard let text else { return body(&reason) }
        return text.withCString {
            reason.text = $0
            return body(&reason)
        }
    }

    /// A copy of what the core says.
    init(_ reason: UnsafePointer<apus_reason>) {
        let c = reason.pointee
        self.init(code: Code(c.kind.rawValue), number: c.code, text: c.text.map { String(cString: $0) })
        if code == .error {
            error = ThrownErrors.find(c.address)
        } else {
            address = c.address
            instruction = c.pc
        }
    }
}
