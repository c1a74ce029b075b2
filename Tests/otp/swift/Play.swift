// Play.swift - plays the scenarios of a file (../scenarios.txt says what the lines mean) through the Swift package, in the simulator.
//
//   PlayOTP FILE [SEED]    prints what happened in each; what ../play.escript and ../play.c print of the same file must be the same
//
// Idea: as play.c. The driver of the simulation is the conductor: it reads the lines, sends each to the actor it names, and lets the
//       simulation run until nothing can run. The seed chooses the order of turns, and which actors are servers and which blocking
//       bodies, which must not show. Everything runs on one thread.
import Apus
import CApus
import Foundation

private let stepsMax: UInt64 = 1_000_000
private let waitMilliseconds: UInt64 = 5000

@main struct Play {
    private var observer: Pid<Observer.Message>?

    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count > 1 else { fatalError("PlayOTP FILE [SEED]") }
        world.seed = arguments.count > 2 ? UInt64(arguments[2])! : 1
        let lines = try String(contentsOfFile: arguments[1], encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
        var play = Play()
        for (index, line) in lines.enumerated() {
            let isJoined = line.hasSuffix(" &")  // the next step belongs to this one
            let words = Words(isJoined ? line.dropLast(2) : line)
            if words.list.isEmpty || words[0].hasPrefix("#") { continue }
            if words[0] == "scenario" {
                try play.end()
                print(line)
                try play.begin(seed: world.seed &+ UInt64(index + 1))
            } else {
                print("> \(line)")
                try play.direct(words)
                if isJoined { continue }
                settle()
                world.journal.printAll { world.role($0).pid.isAlive }
            }
        }
        try play.end()
    }

    private mutating func begin(seed: UInt64) throws {
        var options = apus_options()
        options.struct_size = MemoryLayout<apus_options>.size
        options.max_processes = 1024
        options.max_timers = 1024
        precondition(apus_simulation_begin(&options, seed) == 0)
        observer = try spawn(Observer())
        world.begin(dead: try spawnBlocking(of: Never.self) { _ in }.untyped)
        settle()
    }

    private mutating func end() throws {
        guard observer != nil else { return }
        observer = nil
        precondition(apus_simulation_end() == 0)
        let info = try Runtime.info()
        precondition(info.processes == 0 && info.timers == 0 && info.stacksParked == 0 && info.blocksInUse == 0)
    }

    private func direct(_ words: Words) throws {
        switch words[0] {
        case "spawn":
            try spawnActor(words)
            watch(words[1])
        case "next":
            if words[2] == "fail" { world.role(words[1]).fails = Int(words[3])! } else { world.role(words[1]).ignores = Int(words[3])! }
        case "stubborn": world.role(words[1]).isStubborn = true
        case "wait":
            settle()
            apus_simulation_pass(waitMilliseconds)
        default:
            world.role(words[1]).mailbox.send(.order(words))
            guard words[0] == "spawn_by", words.value("dies=") == nil else { return }
            settle()
            if world.isPlayed(world.role(words[2])) { watch(words[2]) }
        }
    }

    private func watch(_ name: String) {
        observer!.send(.watch(world.role(name).pid))
    }
}

private func settle() {
    precondition(apus_simulation_settle(stepsMax))
}
