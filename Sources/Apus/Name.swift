import CApus
import CApusSwift
import Glibc

/// A name under which a process may be registered: it is looked up at each use, so that it outlives restarts.
///
/// ```swift
/// try Counter.at("hits").send(.add(1))
/// ```
///
/// **OTP**: a registered name.
public struct Name<Message: ~Copyable>: Sendable, Hashable {
    /// 1 to 127 bytes of UTF-8.
    public let text: String
    /// The name; nothing is registered or looked up yet.
    public init(_ text: String) { self.text = text }

    /// Who has the name now; nil if nobody has. **OTP**: `whereis/1`.
    public var pid: Pid<Message>? {
        var pid = apus_pid()
        return apus_whereis(text, &pid) == 0 ? Pid(pid) : nil
    }

    /// Who has the name now. - Throws: ``ApusError/Code/noproc``.
    @usableFromInline
    func resolve() throws(ApusError) -> Pid<Message> {
        guard let pid else { throw ApusError(.noproc, detail: "nobody is registered as \"\(text)\"") }
        return pid
    }

    /// Sends to whoever has the name now. - Throws: ``ApusError/Code/noproc`` nobody has it (R14). **OTP**: `Name ! Message`.
    @inlinable
    public func send(_ message: consuming sending Message) throws(ApusError) {
        try resolve().send(message)
    }
}

extension GenServer where Self: ~Copyable {
    /// The server of this kind that is registered under a name.
    public static func at(_ name: String) -> Name<Message> { Name(name) }
}

extension ProcessIdentifier {
    /// Gives the process a name. It has at most one, which goes when it ends, before anyone hears of the end.
    ///
    /// - Throws: ``ApusError/Code/taken``, ``ApusError/Code/already`` it has a name, ``ApusError/Code/noproc`` it has ended,
    ///   ``ApusError/Code/invalid`` the name is empty or longer than 127 bytes. **OTP**: `register/2`.
    public func register(as name: String) throws(ApusError) {
        let result = apus_register(name, untyped.c)
        guard result == 0 else { throw namingError(result, name) }
    }
}

/// What is wrong when a process cannot be spawned, or named.
@usableFromInline @inline(never)
func namingError(_ result: Int32, _ name: String?) -> ApusError {
    let detail: String? =
        switch result {
        case -EALREADY: "the process has a name"
        case -EEXIST, -EINVAL: name.map { "\"\($0)\"" }
        default: nil
        }
    return ApusError(result: result, detail: detail)
}

/// Takes a name away from its process. - Throws: ``ApusError/Code/noproc`` nobody has it. **OTP**: `unregister/1`.
public func unregister(_ name: String) throws(ApusError) {
    let result = apus_unregister(name)
    guard result == 0 else { throw ApusError(result: result, detail: "nobody is registered as \"\(name)\"") }
}
