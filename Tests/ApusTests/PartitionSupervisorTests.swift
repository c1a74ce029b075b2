import Apus
import Testing

extension AllTests { @Suite struct PartitionSupervisorTests {
    @Test("a key always goes to the same one of the servers, also after that has been restarted")
    func keys() async throws { try await withRuntime {
        let counters = PartitionSupervisor(name: "counters", partitions: 3) { Counter(count: $0 * 100) }
        let tree = try await Supervisor.start { counters }
        try await inProcess { me in
            #expect((0..<7).map { counters.at($0) } == [0, 1, 2, 0, 1, 2, 0].map { counters.partition($0) })
            #expect(counters.at("apples") == counters.at("apples"))
            try counters.at(4).send(.add(1))
            let sums = try (0..<3).map { index -> Int in try me.call(counters.partition(index)) { .get($0) } }
            #expect(sums == [0, 101, 200])
            let pid = try #require(counters.partition(1).pid)
            pid.send(.fail)
            _ = eventually(me, counters.partition(1), isNot: pid)
            let restarted: Int = try me.call(counters.at(4)) { .get($0) }
            #expect(restarted == 100)
            #expect(try Supervisor.at("counters").whichChildren().map(\.id) == ["0", "1", "2"])
        }
        try tree.stop()
    } }
} }
