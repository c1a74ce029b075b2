import Apus
import Testing

/// Writes down the events it gets, and ends as they say.
private struct Recorder: EventHandler, Sendable {
    var seen: [String] = []
    var ended: Agent<[HandlerEnd]>

    mutating func initialize() throws {
        if seen == ["refuse"] { throw Failure(text: "refused") }
    }

    mutating func handle(_ event: String) throws -> HandlerNext {
        seen.append(event)
        switch event {
        case "fail": throw Failure(text: "broken")
        case "remove": return .remove
        default: return .keep
        }
    }

    mutating func terminate(_ end: HandlerEnd) {
        ended.cast { $0.append(end) }
    }
}

/// Counts events.
private struct Tally: EventHandler, Sendable {
    var count: Int
    mutating func handle(_ event: String) -> HandlerNext {
        count += 1
        return .keep
    }
}

extension AllTests { @Suite struct EventManagerTests {
    @Test("each handler gets each event, in order; a call reaches one of them")
    func notify() async throws { try await withRuntime {
        try await inProcess { me in
            let ended = try Agent.startLink([HandlerEnd](), in: me)
            let manager = try EventManager<String>.startLink(in: me)
            try manager.add(Recorder(ended: ended), id: "recorder")
            try manager.add(Tally(count: 10), id: "tally")
            #expect(try manager.handlers() == ["recorder", "tally"])
            manager.notify("1")
            try manager.syncNotify("2")
            #expect(try manager.call("recorder", as: Recorder.self) { $0.seen } == ["1", "2"])
            #expect(try manager.call("tally", as: Tally.self) { $0.count } == 12)
            let wrong = #expect(throws: ApusError.self) { try manager.call("tally", as: Recorder.self) { $0.seen } }
            #expect(wrong?.code == .notFound)
            let twice = #expect(throws: ApusError.self) { try manager.add(Tally(count: 0), id: "tally") }
            #expect(twice?.code == .taken)
        }
    } }

    @Test("a handler that fails is removed, and the others go on")
    func failing() async throws { try await withRuntime {
        try await inProcess { me in
            let ended = try Agent.startLink([HandlerEnd](), in: me)
            let manager = try EventManager<String>.startLink(in: me)
            try manager.add(Recorder(ended: ended), id: "one", owner: AnyPid(me.pid))
            try manager.add(Tally(count: 0), id: "tally")
            try manager.syncNotify("fail")
            #expect(try manager.handlers() == ["tally"])
            #expect(try manager.call("tally", as: Tally.self) { $0.count } == 1)
            guard let removed = me.receive(HandlerRemoved.self) else { throw Failure(text: "not told") }
            #expect(removed.id == "one")
            #expect(removed.manager == AnyPid(manager.pid))
            guard case .failed(let reason) = removed.end else { throw Failure(text: "\(removed.end)") }
            #expect((reason.error as? Failure)?.text == "broken")
            let refused = #expect(throws: ApusError.self) { try manager.add(Recorder(seen: ["refuse"], ended: ended), id: "no") }
            #expect((refused?.reason?.error as? Failure)?.text == "refused")
            let failed = #expect(throws: ApusError.self) {
                try manager.call("tally", as: Tally.self) { _ in throw Failure(text: "asked") }
            }
            #expect((failed?.reason?.error as? Failure)?.text == "asked")
            #expect(try manager.handlers() == [])
        }
    } }

    @Test("handlers are deleted, remove themselves, are swapped, and go with their owner and with the manager")
    func removing() async throws { try await withRuntime {
        try await inProcess { me in
            let ended = try Agent.startLink([HandlerEnd](), in: me)
            let manager = try EventManager<String>.start()
            try manager.add(Recorder(ended: ended), id: "deleted")
            try manager.delete("deleted")
            #expect(try ended.get { $0 } == [.deleted])
            try manager.add(Recorder(ended: ended), id: "removed")
            try manager.syncNotify("remove")
            #expect(try ended.get { $0 } == [.deleted, .removed])
            try manager.add(Recorder(ended: ended), id: "swapped")
            try manager.syncNotify("1")
            try manager.swap("swapped", as: Recorder.self) { Tally(count: $0.seen.count) }
            #expect(try manager.call("swapped", as: Tally.self) { $0.count } == 1)
            #expect(try ended.get { $0.last } == .swapped)
            let owner = try spawnBlocking(of: Int.self) { _ = $0.receive() }
            try manager.add(Recorder(ended: ended), id: "owned", owner: AnyPid(owner))
            owner.send(1)
            eventually(me) { (try? manager.handlers()) == ["swapped"] }
            #expect(try ended.get { $0.last } == .ownerEnded(.normal))
            try manager.add(Recorder(ended: ended), id: "last")
            _ = try me.monitor(manager.pid)
            try manager.stop()
            guard case .down(let down)? = me.receiveInfo() else { throw Failure(text: "no down") }
            #expect(down.reason == .normal)
            #expect(try ended.get { $0.last } == .stopped(.normal))
        }
    } }
} }
