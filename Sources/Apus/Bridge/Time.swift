import CApusSwift

/// Milliseconds as the core takes them: rounded up, so that nothing is early; nil is for ever, a negative time is none.
@inlinable
package func milliseconds(_ duration: Duration?) -> UInt64 {
    guard let duration else { return apus_swift_infinity() }
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    guard seconds < Int64.max / 2000 else { return apus_swift_infinity() }
    let perMillisecond: Int64 = 1_000_000_000_000_000
    return UInt64(seconds) * 1000 + UInt64((attoseconds + perMillisecond - 1) / perMillisecond)
}
