import Apus
import Testing

extension AllTests { @Suite struct SupervisorTests {
    @Test("a tree restarts a server that fails, and keeps what it starts from") func restarts() async throws { try await withRuntime {
        let rooms = DynamicSupervisor(name: "rooms")
        let tree = try await Supervisor.start(strategy: .oneForOne, intensity: 3, within: .seconds(5)) {
            Child(Counter(count: 7), name: "hits", restart: .permanent)
            rooms
            Child(id: "feed", of: Int.self, restart: .transient, blocking: { me in
                while let n = me.receive() { if n < 0 { throw Failure(text: "negative") } }
            })
            Child(supervisor: "inner", strategy: .restForOne) {
                Child(Counter(), id: "one")
                Child(Counter(), id: "two")
            }
        }
        let counts = try tree.countChildren()
        #expect([counts.specifications, counts.active, counts.supervisors, counts.workers] == [4, 4, 2, 2])
        let room = try rooms.startChild(Counter(count: 1))
        try await inProcess { me in
            let one: Int = try me.call(room) { .get($0) }
            #expect(one == 1)
            let hits = Counter.at("hits")
            try hits.send(.add(1))
            let eight: Int = try me.call(hits) { .get($0) }
            #expect(eight == 8)
            let pid = try #require(hits.pid)
            let monitor = try me.monitor(pid)
            pid.send(.fail)
            guard case .down(let down)? = me.receiveInfo() else { return }
            #expect(down.reference == monitor)
            while hits.pid == nil { me.yield() }
            let seven: Int = try me.call(hits) { .get($0) }
            #expect(seven == 7)
        }
        #expect(try tree.whichChildren().map(\.id) == ["hits", "rooms", "feed", "inner"])
        try tree.stop()
    } }
}
}
