import CApusSwift

/// Milliseconds as the core takes them: rounded up, so that nothing is early; nil is for ever, a negative time is none.
@inlinable
package func milliseconds(_ duration: Duration?) -> UInt64 {
    guard let duration else { return apus_swift_infinity() }
    let attoseconds = duration.attoseconds, perMillisecond: UInt64 = 1_000_000_000_000_000
    guard attoseconds > 0 else { return 0 }
    let high = UInt64(truncatingIfNeeded: attoseconds >> 64)
    guard high < perMillisecond / 2 else { return apus_swift_infinity() }
    let (whole, rest) = perMillisecond.dividingFullWidth((high, UInt64(truncatingIfNeeded: attoseconds)))
    return whole + (rest > 0 ? 1 : 0)
}
