import Apus
import ApusTesting
import Testing

extension AllTests { @Suite struct ProbeTests {
    @Test("a probe takes what is expected of it, in any order, and nothing else is there")
    func messages() async throws {
        try await ApusTesting.withRuntime {
            let probe = try Probe(of: Int.self)
            for n in 1...3 { probe.pid.send(n) }
            try await probe.expectMessage(2)
            #expect(try await probe.expectMessage() == 1)
            #expect(try await probe.expectMessage { $0 > 2 } == 3)
            try await probe.expectNoMessage()
            probe.pid.send(4)
            await #expect(throws: ProbeError.self) { try await probe.expectNoMessage() }
            await #expect(throws: ProbeError.self) { try await probe.expectMessage(5, timeout: .zero) }
        }
    }

    @Test("a probe sees ends and exit signals, and tells when it has ended itself")
    func ends() async throws {
        try await ApusTesting.withRuntime {
            let probe = try Probe(of: Int.self)
            let counter = try spawn(Counter())
            try await probe.run { try $0.link(counter) }
            counter.send(.fail)
            #expect(try await probe.expectExit(from: counter).code == .error)
            #expect(try await probe.expectDown(counter) == .noproc)
            probe.pid.exit(.kill)
            await #expect(throws: ProbeError.self) { try await probe.expectMessage() }
        }
    }

    @Test("the end of a supervised process that fails in a test ends its supervisor")
    func supervised() async throws {
        try await ApusTesting.withRuntime {
            let tree = try await startSupervised { Child(Counter(), name: "counter") }
            let probe = try Probe(of: Int.self)
            try Counter.at("counter").send(.fail)
            // noproc: it had ended before it was watched.
            let reason = try await probe.expectDown(tree)
            #expect(reason == .shutdown || reason == .noproc)
        }
    }
} }
