import Apus
import ApusTesting
import Testing

extension AllTests { @Suite struct SystemTests {
    @Test("a process that falls behind, and a supervisor that restarts a lot, are told of to the one who asked") func events() async throws {
        try await ApusTesting.withRuntime {
            let watcher = try Probe(of: Runtime.SystemEvent.self)
            try Runtime.monitorSystem(Runtime.SystemLimits(longMailbox: 100, manyRestarts: 2), tell: watcher.pid)
            let sleeper = try spawnBlocking(of: Int.self) { me in
                _ = me.receive(String.self)
                _ = me.receive { $0 == -1 }
            }
            for n in 0..<200 { sleeper.send(n) }
            AnyPid(sleeper).send("they are all there: wait")
            let long = try await watcher.expectMessage { $0.kind == .longMailbox }
            #expect(long.process == AnyPid(sleeper))
            #expect(long.value >= 100)
            let tree = try await Supervisor.start(intensity: 10) { Child(Counter(), name: "counter") }
            for restart in 1...2 {
                try await inProcess { me in
                    let old = try #require(Counter.at("counter").pid)
                    old.send(.fail)
                    _ = eventually(me, Counter.at("counter"), isNot: old)
                }
                if restart == 2 {
                    let many = try await watcher.expectMessage { $0.kind == .manyRestarts }
                    #expect(many.process == tree.untyped)
                    #expect(many.value == 2)
                }
            }
            try Runtime.monitorSystemNoMore()
            #expect(errorOf { try Runtime.monitorSystem(Runtime.SystemLimits(longMailbox: 1), tell: Pid(AnyPid(watcher.pid))) } == nil)
        }
    }

    @Test("who is told of system events must live") func dead() async throws {
        try await ApusTesting.withRuntime {
            let gone = try spawnBlocking(of: Runtime.SystemEvent.self) { _ in }
            try await Probe(of: Never?.self).expectDown(gone)
            #expect(errorOf { try Runtime.monitorSystem(Runtime.SystemLimits(longMailbox: 1), tell: gone) }?.code == .noproc)
        }
    }
} }
