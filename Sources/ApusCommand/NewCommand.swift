#if Command
import ArgumentParser
import Glibc

/// `apus new NAME`: a project that builds and runs at once.
struct NewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Makes a project: a supervised counter, a client, and a test.",
        discussion: "Then: cd NAME && swift run && swift test")

    @Argument(help: "The project's name: letters, digits and underscores, a letter first.")
    var name: String

    @Option(help: "A checkout of Apus to depend on; the one that this command was built from, if neither this nor --url is given.")
    var checkout: String?

    @Option(help: "The address of Apus's repository, to depend on a version instead of a checkout.")
    var url: String?

    @Option(name: .customLong("apus-version"), help: "The lowest version to depend on, with --url.")
    var version = "0.1.0"

    func validate() throws {
        let isName = name.first?.isLetter == true && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        if !isName { throw ValidationError("\"\(name)\" cannot be the name of a Swift module") }
        if url != nil && checkout != nil { throw ValidationError("give --checkout or --url, not both") }
        if access(name, F_OK) == 0 { throw ValidationError("there is a file or folder \(name) already") }
    }

    func run() throws {
        let package = url.map { "url: \"\($0)\", from: \"\(version)\"" } ?? "name: \"apus\", path: \"\(absolute(checkout ?? Checkout.path))\""
        let project = Project(name: name, package: package)
        for folder in ["", "/Sources", "/Sources/\(name)", "/Tests", "/Tests/\(name)Tests"] {
            guard mkdir(name + folder, 0o777) == 0 else { throw failure(name + folder) }
        }
        for (path, text) in project.files { try write(text, to: "\(name)/\(path)") }
        print("\(name) is there. Next: cd \(name) && swift run && swift test")
    }

    private func absolute(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    private func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else { throw failure(path) }
        defer { fclose(file) }
        guard fputs(text, file) >= 0 else { throw failure(path) }
    }

    private func failure(_ path: String) -> ValidationError { ValidationError("\(path): \(String(cString: strerror(errno)))") }
}

/// The files of a new project.
struct Project {
    let name: String
    /// The argument of `.package(...)`.
    let package: String

    var files: [(path: String, text: String)] {
        [
            ("Package.swift", manifest), (".gitignore", ".build/\nPackage.resolved\n"), ("Sources/\(name)/Counter.swift", counter),
            ("Sources/\(name)/Main.swift", main), ("Tests/\(name)Tests/CounterTests.swift", tests),
        ]
    }

    private var manifest: String {
        """
        // swift-tools-version: 6.0
        import PackageDescription

        let package = Package(
            name: "\(name)",
            dependencies: [.package(\(package))],
            targets: [
                .executableTarget(name: "\(name)", dependencies: [.product(name: "Apus", package: "apus")]),
                .testTarget(
                    name: "\(name)Tests", dependencies: ["\(name)", .product(name: "ApusTesting", package: "apus")]),
            ],
            swiftLanguageModes: [.v6]
        )

        """
    }

    private var counter: String {
        """
        import Apus

        /// A process that counts.
        struct Counter: GenServer, Sendable {
            enum Message: Sendable {
                case add(Int)
                case get(From<Int>)
            }

            private var count = 0

            mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
                switch message {
                case .add(let n): count += n
                case .get(let from): from.reply(count)
                }
                return .continue
            }
        }

        """
    }

    private var main: String {
        """
        import Apus

        @main
        struct Main {
            static func main() async throws {
                // Whatever fails below is started again.
                let tree = try await Supervisor.start {
                    Child(Counter(), name: "counter")
                }
                try Counter.at("counter").send(.add(42))
                let client = try spawnBlocking(of: Never.self) { me in
                    let count = try me.call(Counter.at("counter")) { .get($0) }
                    print("The counter is at \\(count).")
                }
                try client.join()
                try tree.stop()
                try Runtime.stop()
            }
        }

        """
    }

    private var tests: String {
        """
        import Apus
        import ApusTesting
        import Testing

        @testable import \(name)

        @Test("the counter adds up, and nothing is left when it has stopped") func counts() async throws {
            try await withRuntime {
                _ = try await startSupervised { Child(Counter(), name: "counter") }
                let probe = try Probe(of: Never.self)
                let count = try await probe.run { me in
                    let counter = Counter.at("counter")
                    try counter.send(.add(1))
                    try counter.send(.add(2))
                    return try me.call(counter) { .get($0) }
                }
                #expect(count == 3)
            }
        }

        """
    }
}
#endif
