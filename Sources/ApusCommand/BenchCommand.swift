#if Command
import ArgumentParser
import Glibc

/// `apus bench`: a front to the benchmarks of a checkout.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Runs the benchmarks beside other runtimes.",
        discussion: """
            Passes its arguments on to Benchmarks/bench of a checkout of Apus, whose README says what is measured:
            `apus bench quick --workloads "ring big"`. `apus bench --help` shows this; `apus bench quick --help` all options.
            """)

    @Option(help: "The checkout of Apus; the one that this command was built from, if not given.")
    var checkout = Checkout.path

    @Argument(parsing: .captureForPassthrough, help: "What to run, and its options; `quick` if there is nothing.")
    var arguments: [String] = []

    func run() throws {
        let program = "\(checkout)/Benchmarks/bench"
        guard access(program, X_OK) == 0 else { throw ValidationError("there are no benchmarks in \(checkout): give --checkout") }
        try execute([program] + (arguments.isEmpty ? ["quick"] : arguments))
    }
}

/// The checkout that this command was built from.
enum Checkout {
    /// Sources/ApusCommand/BenchCommand.swift lies three levels below it.
    static let path = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
}

/// Becomes another program. - Throws: it could not be started.
private func execute(_ command: [String]) throws {
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    arguments.append(nil)
    execv(command[0], &arguments)
    throw ValidationError("\(command[0]): \(String(cString: strerror(errno)))")
}
#endif
