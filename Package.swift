// swift-tools-version: 6.0
// The Swift view of the tree; the Makefile is the C view. Same sources, same language standard, same defines.
import PackageDescription

let package = Package(
    name: "apus",
    products: [
        .library(name: "Apus", targets: ["Apus"]),
        .library(name: "CApus", targets: ["CApus"]),
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
        .testTarget(name: "ApusTests", dependencies: ["Apus"], path: "Tests/ApusTests"),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11
)
