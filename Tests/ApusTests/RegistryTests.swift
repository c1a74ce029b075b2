import Apus
import Testing

private enum Order: Sendable {
    case register(Registry<String, Int>, String, Int, From<Bool>)
    case unregister(Registry<String, Int>, String, From<Void>)
    case end
}

/// A process that registers itself as it is told.
private func member(_ me: borrowing Context<Never>) throws -> Pid<Order> {
    try me.spawnLinkBlocking(of: Order.self) { own in
        while let order = own.receive() {
            switch order {
            case .register(let registry, let key, let value, let from):
                from.reply((try? registry.register(key, value: value, in: own)) != nil)
            case .unregister(let registry, let key, let from):
                registry.unregister(key, in: own)
                from.reply()
            case .end: return
            }
        }
    }
}

/// Runs `body` in a process that has lost its scheduler, and waits for its end.
private func afterDetached(_ body: @escaping @Sendable (borrowing Context<Never>) throws -> Void) async throws {
    let stay = Stay()
    let stayer = try spawnBlocking(of: Never.self) { own in
        stay.stay(.computing)
        try body(own)
    }
    try spawn(Counter()).send(.add(1))  // somebody must wait for the scheduler
    while try Runtime.info().detached == 0 { await Task.yield() }
    stay.letGo()
    try stayer.join()
}

extension AllTests { @Suite struct RegistryTests {
    @Test("R62 a unique key has one process, a duplicate key any number")
    func keys() async throws { try await withRuntime {
        try await inProcess { me in
            let unique = try Registry<String, Int>.start(keys: .unique)
            let (one, two) = (try member(me), try member(me))
            #expect(try me.call(one) { .register(unique, "a", 1, $0) } == true)
            #expect(try me.call(two) { .register(unique, "a", 2, $0) } == false)
            #expect(try me.call(one) { .register(unique, "a", 3, $0) } == false)
            #expect(try me.call(two) { .register(unique, "b", 2, $0) } == true)
            #expect(unique.lookup("a").map(\.value) == [1])
            #expect(unique.pid(of: "b", as: Order.self) == two)
            #expect(unique.keys(of: one) == ["a"])
            #expect(Set(unique.allKeys) == ["a", "b"])
            #expect(unique.count == 2)
            try me.call(one) { .unregister(unique, "a", $0) }
            #expect(unique.lookup("a").isEmpty)
            let duplicate = try Registry<String, Int>.start(keys: .duplicate)
            #expect(try me.call(one) { .register(duplicate, "a", 1, $0) } == true)
            #expect(try me.call(two) { .register(duplicate, "a", 2, $0) } == true)
            #expect(try me.call(two) { .register(duplicate, "a", 3, $0) } == true)
            #expect(duplicate.lookup("a").map(\.value) == [1, 2, 3])
            #expect(duplicate.keys(of: two) == ["a", "a"])
            try me.call(two) { .unregister(duplicate, "a", $0) }
            #expect(duplicate.lookup("a").map(\.pid) == [AnyPid(one)])
        }
    } }

    @Test("R62 entries go when their process ends, and are not seen even before they are removed")
    func ends() async throws { try await withRuntime {
        try await inProcess { me in
            let registry = try Registry<String, Int>.start(keys: .unique)
            let one = try member(me)
            #expect(try me.call(one) { .register(registry, "a", 1, $0) } == true)
            #expect(try me.call(one) { .register(registry, "b", 2, $0) } == true)
            me.unlink(one)
            one.exit(.kill)
            #expect(registry.lookup("a").isEmpty)
            #expect(registry.keys(of: one).isEmpty)
            #expect(registry.count == 0)
            let two = try member(me)
            #expect(try me.call(two) { .register(registry, "a", 3, $0) } == true)
            #expect(registry.lookup("a").map(\.value) == [3])
        }
    } }

    @Test("R62 dispatch hands over the processes of a key, if there are any; a value can be updated by its owner")
    func dispatch() async throws { try await withRuntime {
        try await inProcess { me in
            let registry = try Registry<String, Int>.start(keys: .unique)
            try registry.register("me", value: 1, in: me)
            #expect(registry.updateValue("me", in: me) { $0 + 1 } == 2)
            #expect(registry.updateValue("nobody", in: me) { $0 + 1 } == nil)
            var calls: [[Int]] = []
            registry.dispatch("me") { calls.append($0.map(\.value)) }
            registry.dispatch("nobody") { calls.append($0.map(\.value)) }
            #expect(calls == [[2]])
        }
    } }

    @Test("R62 listeners are told of what is registered, unregistered and left behind, in order")
    func listeners() async throws { try await withRuntime {
        try await inProcess { me in
            let registry = try Registry<String, Int>.start(keys: .unique)
            let told = try Agent.startLink([String](), in: me)
            let listener = try me.spawnLinkBlocking(of: String.self) { own in
                while let text = own.receive() { try told.update { $0.append(text) } }
            }
            registry.addListener(listener) { event in
                switch event {
                case .registered(let key, _, let value): "+\(key)\(value)"
                case .unregistered(let key, _): "-\(key)"
                }
            }
            let one = try member(me)
            #expect(try me.call(one) { .register(registry, "a", 1, $0) } == true)
            try me.call(one) { .unregister(registry, "a", $0) }
            #expect(try me.call(one) { .register(registry, "b", 2, $0) } == true)
            one.send(.end)
            eventually(me) { (try? told.get(\.count)) == 4 }
            #expect(try told.get { $0 } == ["+a1", "-a", "+b2", "-b"])
        }
    } }

    @Test("R62 a process that has lost its scheduler registers, and tells a listener, as any other")
    func detached() async throws {
        var options = Runtime.Options()
        options.schedulers = 1
        options.rescueAfter = .milliseconds(1)
        try await withRuntime(options) {
            let registry = try Registry<String, Int>.start(keys: .unique)
            let told = try Agent.start([String]())
            let holder = try spawnBlocking(of: Order.self) { own in
                try registry.register("a", value: 1, in: own)
                _ = own.receive()
            }
            while registry.lookup("a").isEmpty { await Task.yield() }
            try await afterDetached { own in
                let code = errorOf { try registry.register("a", value: 2, in: own) }?.code
                told.cast { $0.append(code == .taken ? "taken" : "\(String(describing: code))") }
            }
            registry.addListener(holder) { _ in .end }
            try await afterDetached { own in
                try registry.register("b", value: 3, in: own)
                told.cast { $0.append("registered") }
            }
            #expect(try await told.get { $0 } == ["taken", "registered"])
        }
    }

    @Test("R62 a registry that is restarted has the entries it had, and removes those of processes that ended meanwhile")
    func restart() async throws { try await withRuntime {
        let registry = Registry<String, Int>(keys: .unique)
        let tree = try await Supervisor.start { Child(registry.server) }
        try await inProcess { me in
            let (one, two) = (try member(me), try member(me))
            #expect(try me.call(one) { .register(registry, "a", 1, $0) } == true)
            #expect(try me.call(two) { .register(registry, "b", 2, $0) } == true)
            let old = try #require(registry.pid)
            old.exit(.kill)
            me.unlink(one)
            one.exit(.kill)
            eventually(me) { registry.pid != old }
            #expect(registry.allKeys == ["b"])
            two.send(.end)
            eventually(me) { registry.allKeys.isEmpty }
        }
        try tree.stop()
        try await inProcess { me in
            #expect(errorOf { try registry.register("c", value: 3, in: me) }?.code == .noproc)
        }
    } }

    @Test("groups have the processes that joined, as often as they joined and have not left, until they end")
    func groups() async throws { try await withRuntime {
        try await inProcess { me in
            let groups = try ProcessGroups<String>.start()
            let (one, two) = (try member(me), try member(me))
            try groups.join("workers", one)
            try groups.join("workers", two)
            try groups.join("workers", one)
            try groups.join("others", two)
            #expect(groups.members("workers") == [AnyPid(one), AnyPid(two), AnyPid(one)])
            #expect(Set(groups.groups) == ["workers", "others"])
            #expect(Set(groups.groups(of: two)) == ["workers", "others"])
            #expect(groups.leave("workers", one))
            #expect(groups.members("workers") == [AnyPid(one), AnyPid(two)])
            #expect(groups.leave("workers", one))
            #expect(!groups.leave("workers", one))
            two.send(.end)
            eventually(me) { groups.groups.isEmpty }
            try groups.join("ghosts", two)
            #expect(groups.members("ghosts").isEmpty)
        }
    } }
} }
