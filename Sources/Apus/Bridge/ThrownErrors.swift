import Synchronization

/// The errors that processes threw last, so that an exit reason, which travels through the core as plain bytes, leads back to them.
///
/// A ring of 1,024: an error is forgotten when that many others were thrown after it. Its number, never 0 and never used twice, is the
/// `address` of the C reason, which kinds other than faults have no use for.
enum ThrownErrors {
    private struct Ring {
        var count: UInt64 = 0
        var errors: [(any Error)?] = []
    }

    private static let size: UInt64 = 1024
    private static let ring = Mutex(Ring())

    static func remember(_ error: any Error) -> UInt64 {
        // What is forgotten is destroyed when the lock is free: that may be code which throws, calls the core, or traps.
        let (number, _) = ring.withLock { ring in
            ring.count += 1
            if ring.errors.isEmpty { ring.errors = Array(repeating: nil, count: Int(size)) }
            let forgotten = ring.errors[Int(ring.count % size)]
            ring.errors[Int(ring.count % size)] = error
            return (ring.count, forgotten)
        }
        return number
    }

    static func find(_ number: UInt64) -> (any Error)? {
        guard number != 0 else { return nil }
        return ring.withLock { ring in
            ring.count >= number && ring.count - number < size && !ring.errors.isEmpty ? ring.errors[Int(number % size)] : nil
        }
    }
}
