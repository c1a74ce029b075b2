// swift-tools-version: 6.1
// The Swift view of the tree; the Makefile is the C view. Same sources, same language standard, same defines.
import PackageDescription

let package = Package(
    name: "apus",
    products: [
        .library(name: "Apus", targets: ["Apus"]),
        .library(name: "CApus", targets: ["CApus"]),
        .library(name: "ApusTesting", targets: ["ApusTesting"]),
        // Add-ons: only who uses one gets what it depends on (docs/decisions/0015-add-ons-are-traits.md).
        .library(name: "ApusLogging", targets: ["ApusLogging"]),
        .library(name: "ApusMetrics", targets: ["ApusMetrics"]),
        .library(name: "ApusServiceLifecycle", targets: ["ApusServiceLifecycle"]),
        .executable(name: "apus", targets: ["ApusCommand"]),
    ],
    traits: [
        .trait(name: "Logging", description: "ApusLogging: reports go to swift-log"),
        .trait(name: "Metrics", description: "ApusMetrics: counters go to swift-metrics"),
        .trait(name: "ServiceLifecycle", description: "ApusServiceLifecycle: a tree is a service of swift-service-lifecycle"),
        .trait(name: "Command", description: "the command apus, with swift-argument-parser"),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        // The C core. Its private headers are included relative to CSources.
        .target(
            name: "CApus",
            dependencies: ["CLiburcu", "CLiburcuCDS", "CNuma"],
            path: "CSources",
            publicHeadersPath: "include",
            cSettings: [.headerSearchPath(".")],
            linkerSettings: [.linkedLibrary("pthread")]
        ),
        // What the core stands on; only rcu/ and os/ include their headers.
        .systemLibrary(name: "CLiburcu", pkgConfig: "liburcu-memb", providers: [.apt(["liburcu-dev"])]),
        .systemLibrary(name: "CLiburcuCDS", pkgConfig: "liburcu-cds", providers: [.apt(["liburcu-dev"])]),
        .systemLibrary(name: "CNuma", pkgConfig: "numa", providers: [.apt(["libnuma-dev"])]),
        // Between the core, which knows no Swift, and Swift: clang only.
        .target(name: "CApusSwift", dependencies: ["CApus"]),
        .target(
            name: "Apus",
            dependencies: ["CApus", "CApusSwift"],
            swiftSettings: [.enableExperimentalFeature("SuppressedAssociatedTypes")]
        ),
        // Small programs, one idea each; Tests/swift.sh runs them and compares what they print.
        .example("Hello"), .example("Chat"), .example("RateLimiter"), .example("JobQueue"), .example("CrashingTree"),
        .example("WordCount"), .example("Survivor"),
        .target(name: "ApusTesting", dependencies: ["Apus", "CApus", "CApusSwift"]),
        // Plays the scenarios that are compared with Erlang/OTP (Tests/otp).
        .executableTarget(name: "PlayOTP", dependencies: ["Apus", "CApus"], path: "Tests/otp/swift"),
        .target(
            name: "ApusLogging",
            dependencies: ["Apus", .product(name: "Logging", package: "swift-log", condition: .when(traits: ["Logging"]))]
        ),
        .target(
            name: "ApusMetrics",
            dependencies: ["Apus", .product(name: "Metrics", package: "swift-metrics", condition: .when(traits: ["Metrics"]))]
        ),
        .target(
            name: "ApusServiceLifecycle",
            dependencies: [
                "Apus",
                .product(
                    name: "ServiceLifecycle", package: "swift-service-lifecycle", condition: .when(traits: ["ServiceLifecycle"])),
            ]
        ),
        .executableTarget(
            name: "ApusCommand",
            dependencies: [
                "Apus",
                .product(name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Command"])),
            ]
        ),
        .testTarget(
            name: "ApusTests",
            dependencies: [
                "Apus", "CApus", "ApusTesting", "ApusLogging", "ApusMetrics", "ApusServiceLifecycle", "ApusCommand",
                .product(name: "InMemoryLogging", package: "swift-log", condition: .when(traits: ["Logging"])),
                .product(name: "MetricsTestKit", package: "swift-metrics", condition: .when(traits: ["Metrics"])),
            ],
            path: "Tests/ApusTests"
        ),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11
)

extension Target {
    static func example(_ name: String) -> Target {
        .executableTarget(
            name: name, dependencies: ["Apus"], path: "Examples/Swift/\(name)", exclude: ["expected.txt"])
    }
}
