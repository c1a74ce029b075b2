import Apus
import Testing

extension AllTests { @Suite struct AgentTests {
    @Test("an agent is read and changed by functions, in the order in which they were sent")
    func order() async throws { try await withRuntime {
        try await inProcess { me in
            let agent = try Agent.startLink([1], in: me)
            agent.cast { $0.append(2) }
            try agent.update { $0.append(3) }
            #expect(try agent.get { $0 } == [1, 2, 3])
            let last = try agent.getAndUpdate { $0.removeLast() }
            #expect(last == 3)
            #expect(try agent.get(\.count) == 2)
        }
    } }

    @Test("a function that throws ends the agent, and the caller gets the error (R33)")
    func failure() async throws { try await withRuntime {
        try await inProcess { _ in
            let agent = try Agent.start(0)
            let error = #expect(throws: ApusError.self) { try agent.update { _ in throw Failure(text: "broken") } }
            #expect(error?.code == .exited)
            #expect((error?.reason?.error as? Failure)?.text == "broken")
            let gone = #expect(throws: ApusError.self) { try agent.get { $0 } }
            #expect(gone?.code == .noproc)
        }
    } }

    @Test("a supervised agent starts again with its first value")
    func supervised() async throws { try await withRuntime {
        let tree = try await Supervisor.start { Child(Agent.server(7), name: "seven") }
        try await inProcess { me in
            let name = AgentServer<Int>.at("seven")
            let pid = try #require(name.pid)
            try Agent(pid).update { $0 += 1 }
            #expect(try Agent(pid).get { $0 } == 8)
            pid.exit(.kill)
            let another = eventually(me, name, isNot: pid)
            #expect(try Agent(another).get { $0 } == 7)
        }
        try tree.stop()
    } }
} }
