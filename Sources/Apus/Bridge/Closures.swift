import CApus
import CApusSwift


// Swift closures as pairs of words that the trampolines of CApusSwift call. A struct around a closure keeps its natural calling
// convention: (arguments in order, context) with Swift's `swiftcall`; a bare closure as a generic argument would be reabstracted.

@usableFromInline struct ValueClosure {
    @usableFromInline let call: (UnsafeMutableRawPointer) -> Void
    @usableFromInline init(_ call: @escaping (UnsafeMutableRawPointer) -> Void) { self.call = call }
}

@usableFromInline struct StartClosure {
    @usableFromInline let call: (OpaquePointer, UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> Int32
    @usableFromInline init(_ call: @escaping (OpaquePointer, UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> Int32) {
        self.call = call
    }
}

@usableFromInline struct HandleClosure {
    @usableFromInline let call: (OpaquePointer, UnsafeMutableRawPointer, UnsafeMutablePointer<apus_message>) -> Int32
    @usableFromInline init(_ call: @escaping (OpaquePointer, UnsafeMutableRawPointer, UnsafeMutablePointer<apus_message>) -> Int32) {
        self.call = call
    }
}

@usableFromInline struct TerminateClosure {
    @usableFromInline let call: (OpaquePointer, UnsafeMutableRawPointer, UnsafePointer<apus_reason>) -> Void
    @usableFromInline init(_ call: @escaping (OpaquePointer, UnsafeMutableRawPointer, UnsafePointer<apus_reason>) -> Void) {
        self.call = call
    }
}

@usableFromInline struct CleanupClosure {
    @usableFromInline let call: (OpaquePointer, UnsafeMutableRawPointer) -> Void
    @usableFromInline init(_ call: @escaping (OpaquePointer, UnsafeMutableRawPointer) -> Void) { self.call = call }
}

struct MatchClosure {
    let call: (UnsafePointer<apus_message>) -> Bool
}

/// The two words of a closure struct, whose context is kept for ever.
@usableFromInline
func immortalClosure<Closure>(_ closure: Closure) -> apus_swift_closure {
    let words = unsafeBitCast(closure, to: apus_swift_closure.self)
    if let context = words.context { _ = Unmanaged<AnyObject>.fromOpaque(context).retain() }
    return words
}

/// The two words of a closure struct, valid during `body`.
func withClosure<Result>(_ closure: MatchClosure, _ body: (UnsafeMutableRawPointer) -> Result) -> Result {
    var words = unsafeBitCast(closure, to: apus_swift_closure.self)
    return withExtendedLifetime(closure) { withUnsafeMutablePointer(to: &words) { body($0) } }
}
