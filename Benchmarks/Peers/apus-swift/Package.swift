// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "apus-swift",
    dependencies: [.package(name: "apus", path: "../../..")],
    targets: [.executableTarget(name: "bench", dependencies: [.product(name: "Apus", package: "apus")])],
    swiftLanguageModes: [.v6]
)
