import Apus
import Testing

#if canImport(Glibc)
import Glibc
#endif

// What ends a Swift program, to be had on purpose.

/// Not under a sanitizer, which takes the signals of a fault for its own report.
let faultsAreContained = dlsym(nil, "__asan_init") == nil && dlsym(nil, "__tsan_init") == nil

/// What the optimiser cannot know.
@inline(never) func opaque<T>(_ value: T) -> T { value }

class Animal {}
final class Dog: Animal {}
final class Cat: Animal {}
private class Box { var value = 1 }

@inline(never) private func change(_ number: inout Int, _ body: () -> Void) {
    number += 1
    body()
    number += 1
}

private func goDeeper(_ depth: Int) -> Int { opaque(depth) < 0 ? 0 : opaque(goDeeper(opaque(depth &+ 1))) &+ depth }

/// A fault of every kind that Swift code can have.
enum Trap: Int, CaseIterable, Sendable {
    case unwrap, index, division, overflow, fatal, precondition, preconditionFailure, range, tried, nan, duplicateKey
    case cast, castToInt, exclusivity, deadUnowned, hugeAllocation, isolation, abort
    case nullPointer, stackOverflow

    func spring() {
        switch self {
        case .unwrap: print(opaque(Int("x"))!)
        case .index: print([1, 2, 3][opaque(7)])
        case .division: print(10 / opaque(0))
        case .overflow: print(Int.max + opaque(1))
        case .fatal: fatalError("told so \(opaque(42))")
        case .precondition: Swift.precondition(opaque(1) == 2, "one is two")
        case .preconditionFailure: if opaque(1) == 1 { Swift.preconditionFailure("there is no such case") }
        case .range: print(Array([1, 2, 3][opaque(2)...opaque(1)]))
        case .tried: try! { throw Failure(text: "thrown") }()
        case .nan: print(Int(opaque(Double.nan)))
        case .duplicateKey: print(Dictionary(uniqueKeysWithValues: [(opaque(1), 1), (opaque(1), 2)]))
        case .cast: print(opaque(Dog() as Animal) as! Cat)
        case .castToInt: print(opaque("one" as Any) as! Int)
        case .exclusivity:
            let box = opaque(Box()), same = opaque(box)
            change(&box.value) { same.value = opaque(2) }
        case .deadUnowned:
            var box: Box? = opaque(Box())
            unowned let dead = box!
            box = opaque(nil)
            print(dead.value)
        case .hugeAllocation: print(UnsafeMutableRawPointer.allocate(byteCount: opaque(Int.max / 2), alignment: 16))
        case .isolation: MainActor.assumeIsolated { print("on the main actor") }
        case .abort: Glibc.abort()
        case .nullPointer: opaque(UnsafeMutablePointer<Int>(bitPattern: 8))!.pointee = 1
        case .stackOverflow: print(goDeeper(1))
        }
    }

    /// The signals it may raise: of a trap the processor decides.
    var signals: [Int32] {
        switch self {
        case .castToInt, .exclusivity, .deadUnowned, .hugeAllocation, .abort: [SIGABRT]
        case .nullPointer, .stackOverflow: [SIGSEGV]
        default: [SIGILL, SIGTRAP]
        }
    }

    /// What Swift says about it with and without optimisation; nil where it says nothing with it.
    var text: String? {
        switch self {
        case .fatal: "told so 42"
        case .tried: "thrown"
        case .duplicateKey: "Duplicate values for key"
        case .castToInt: "Could not cast value"
        case .exclusivity: "access conflict"
        case .deadUnowned: "unowned reference"
        default: nil
        }
    }

    /// Whether the reason is that of this trap.
    func explains(_ reason: ExitReason) -> Bool {
        reason.code == .fault && signals.contains(reason.number) && (text.map { reason.text?.contains($0) ?? false } ?? true)
    }
}
