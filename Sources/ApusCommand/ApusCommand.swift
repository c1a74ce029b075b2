#if Command
import ArgumentParser

/// The command `apus`.
@main
struct ApusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Looks at the machine, starts projects, and measures, for programs built on Apus.",
        subcommands: [TopologyCommand.self, BenchCommand.self, NewCommand.self])
}
#else
import Glibc

@main
struct WithoutTrait {
    static func main() {
        let text = "apus: build it with `swift build --traits Command`\n"
        write(STDERR_FILENO, text, text.utf8.count)
        exit(1)
    }
}
#endif
