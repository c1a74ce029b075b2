// RuleTests.swift - the rules of docs/SEMANTICS.md that have a face of their own in Swift, by number.
//
// Method: each is played in a process of its own (`inProcess`), against servers whose messages say what they are to do.
import Apus
import Synchronization
import Testing

/// Does what it is told.
private struct Puppet: GenServer {
    enum Message {
        case exit(ExitReason), fail, trap, link(AnyPid), report(Pid<String>), askSelf(From<ApusError.Code?>), wait(Duration, From<String>)
    }
    var reporter: Pid<String>?

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .exit(let reason): return .stop(reason)
        case .fail: throw Failure(text: "told to")
        case .trap: context.trapExits()
        case .link(let pid): try context.link(pid)
        case .report(let pid): reporter = pid
        case .askSelf(let from):
            let me = context.pid
            do {
                let _: ApusError.Code? = try context.call(me) { .askSelf($0) }
                from.reply(nil)
            } catch { from.reply((error as? ApusError)?.code) }
        case .wait(let time, let from):
            try context.sleep(for: time)
            from.reply("waited")
        }
        return .continue
    }

    mutating func handle(info: consuming Info, in context: borrowing Context<Message>) -> Next {
        if case .exit(let exit) = info { reporter?.send("exit \(exit.reason)") }
        return .continue
    }

    mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Message>) { reporter?.send("terminate \(reason)") }
}

/// Waits for the end of a monitored process and gives its reason.
private func end<Message: ~Copyable>(of monitor: Reference, in me: borrowing Context<Message>) -> ExitReason? {
    guard case .down(let down)? = me.receiveInfo(timeout: .seconds(20)), down.reference == monitor else { return nil }
    return down.reason
}

private func inStringProcess(_ body: @escaping @Sendable (borrowing Context<String>) throws -> Void) async throws {
    let error: (any Error)? = await withCheckedContinuation { continuation in
        do {
            try spawnBlocking(of: String.self) { me in
                do {
                    try body(me)
                    continuation.resume(returning: nil)
                } catch { continuation.resume(returning: error) }
            }
        } catch { continuation.resume(returning: error) }
    }
    if let error { throw error }
}

extension AllTests { @Suite("rules") struct RuleTests {
    @Test("R1: exit normal from another process does nothing to one that does not trap") func exitNormal() async throws {
        try await withRuntime { try await inProcess { me in
            let puppet = try spawn(Puppet())
            puppet.exit(.normal)
            let code: ApusError.Code? = try me.call(puppet) { .askSelf($0) }
            #expect(code == .deadlock)
        } }
    }

    @Test("R2: a server that stops, and a body that returns, end normal") func endNormal() async throws {
        try await withRuntime { try await inProcess { me in
            let (puppet, first) = try me.spawnMonitor(Puppet())
            puppet.send(.exit(.normal))
            let one = end(of: first, in: me)
            #expect(one == .normal)
            let (_, second) = try me.spawnMonitorBlocking(of: Never.self) { _ in }
            let two = end(of: second, in: me)
            #expect(two == .normal)
            let (_, third) = try me.spawnMonitor(of: Never.self) { _ in }
            let three = end(of: third, in: me)
            #expect(three == .normal)
        } }
    }

    @Test("R3: kill cannot be trapped and becomes killed") func kill() async throws {
        try await withRuntime { try await inProcess { me in
            let (puppet, monitor) = try me.spawnMonitor(Puppet())
            puppet.send(.trap)
            puppet.exit(.kill)
            #expect(!puppet.isAlive)
            let reason = end(of: monitor, in: me)
            #expect(reason == .killed)
        } }
    }

    @Test("R5: an abnormal exit of a linked peer ends one that does not trap, with the same reason; one that traps is told") func links()
        async throws
    {
        try await withRuntime { try await inStringProcess { me in
            let (victim, monitor) = try me.spawnMonitor(Puppet())
            let (trapper, _) = try me.spawnMonitor(Puppet())
            let peer = try spawn(Puppet())
            trapper.send(.trap)
            trapper.send(.report(me.pid))
            for pid in [victim, trapper] {
                pid.send(.link(peer.untyped))
                let code: ApusError.Code? = try me.call(pid) { .askSelf($0) }
                #expect(code == .deadlock)
            }
            peer.send(.exit(.error("gone", number: 7)))
            let reason = end(of: monitor, in: me)
            #expect(reason == .error("gone", number: 7))
            let told = me.receive(timeout: .seconds(20))
            #expect(told == "exit error 7: gone")
        } }
    }

    @Test("R7: an uncaught error becomes a reason that carries it") func errors() async throws {
        try await withRuntime { try await inProcess { me in
            let (puppet, monitor) = try me.spawnMonitor(Puppet())
            puppet.send(.fail)
            let reason = end(of: monitor, in: me)
            #expect(reason?.code == .error)
            #expect((reason?.error as? Failure)?.text == "told to")
            #expect(reason?.text == "Failure: Failure(text: \"told to\")")
        } }
    }

    @Test("R7: an error that is forgotten may make another when it is destroyed") func forgotten() async throws {
        final class Last: Sendable {
            let pid: AnyPid
            init(_ pid: AnyPid) { self.pid = pid }
            deinit { pid.exit(ExitReason(throwing: Failure(text: "gone"))) }
        }
        struct Heavy: Error { let last: Last }
        try await withRuntime { try await inProcess { me in
            me.trapExits()
            let own = AnyPid(me.pid)
            own.exit(ExitReason(throwing: Heavy(last: Last(own))))
            for _ in 0..<1100 { own.exit(ExitReason(throwing: CancellationError())) }
            let end = me.receiveInfo {
                switch $0 {
                case .exit(let exit): exit.reason.error is Failure
                default: false
                }
            }
            guard case .exit(let exit)? = end else { throw Failure(text: "no exit") }
            #expect((exit.reason.error as? Failure)?.text == "gone")
        } }
    }

    @Test("R10: a pid is not used again: the old one stays dead while others take its place") func pids() async throws {
        try await withRuntime { try await inProcess { me in
            let (old, monitor) = try me.spawnMonitor(Puppet())
            old.send(.exit(.normal))
            _ = end(of: monitor, in: me)
            for _ in 0..<1000 {
                let (other, monitor) = try me.spawnMonitor(Puppet())
                #expect(other != old)
                #expect(!old.isAlive)
                #expect(!old.send(.fail))
                other.send(.exit(.normal))
                let reason = end(of: monitor, in: me)
                #expect(reason == .normal, "what was sent to the old one did not reach the new one")
            }
        } }
    }

    @Test("R11: a process that is killed in a long handler is dead for everyone at once") func longHandler() async throws {
        final class Gate: Sendable {
            let isInside = Atomic(false)
            let mayGo = Atomic(false)
        }
        try await withRuntime { try await inProcess { me in
            let gate = Gate()
            let (busy, monitor) = try me.spawnMonitorBlocking(of: Never.self) { _ in
                gate.isInside.store(true, ordering: .releasing)
                while !gate.mayGo.load(ordering: .acquiring) {}
            }
            eventually(me) { gate.isInside.load(ordering: .acquiring) }
            busy.exit(.kill)
            #expect(!busy.isAlive)
            gate.mayGo.store(true, ordering: .releasing)
            let reason = end(of: monitor, in: me)
            #expect(reason == .killed)
        } }
    }

    @Test("R12, R13: everything from one sender arrives in order, messages before the exit") func order() async throws {
        try await withRuntime { try await inProcess { me in
            let boss = AnyPid(me.pid)
            let (_, monitor) = try me.spawnMonitorBlocking(of: Never.self) { _ in for i in 0..<1000 { boss.send(i) } }
            let reason = end(of: monitor, in: me)
            #expect(reason == .normal)
            for i in 0..<1000 {
                let n = me.receive(Int.self, timeout: .zero)
                #expect(n == i)
            }
        } }
    }

    @Test("R14: sending to a dead pid is silent, to an unregistered name an error") func dead() async throws {
        try await withRuntime { try await inProcess { me in
            let (puppet, monitor) = try me.spawnMonitor(Puppet())
            puppet.send(.exit(.normal))
            _ = end(of: monitor, in: me)
            #expect(!puppet.send(.trap))
            let error = errorOf { try Puppet.at("nobody").send(.trap) }
            #expect(error?.code == .noproc)
        } }
    }

    @Test("R15: a timer is never early, and is cancelled once") func timers() async throws {
        try await withRuntime { try await inProcess { me in
            let start = Runtime.now
            let timer = try me.startTimer(after: .milliseconds(20))
            guard case .timeout(let expired)? = me.receiveInfo() else { throw Failure(text: "no timeout") }
            #expect(expired == timer)
            #expect(Runtime.now - start >= .milliseconds(20))
            #expect(cancelTimer(timer) == nil)
            let later = try AnyPid(me.pid).typed(Int.self).send(1, after: .seconds(60))
            #expect(cancelTimer(later) != nil)
            #expect(cancelTimer(later) == nil)
        } }
    }

    @Test("R15: a timer for a name finds whoever has it at expiry") func namedTimers() async throws {
        try await withRuntime { try await inProcess { me in
            let name = Name<Int>("late")
            try name.send(1, after: .milliseconds(20))
            try AnyPid(me.pid).register(as: "late")
            let got = me.receive(Int.self, timeout: .seconds(20))
            #expect(got == 1)
            let timer = try name.send(2, after: .seconds(60))
            #expect(cancelTimer(timer) != nil)
        } }
    }

    @Test("R18, R19: linking to the dead is an error, or an exit for one that traps; linking to oneself does nothing") func linkDead()
        async throws
    {
        try await withRuntime { try await inProcess { me in
            let (puppet, monitor) = try me.spawnMonitor(Puppet())
            puppet.send(.exit(.normal))
            _ = end(of: monitor, in: me)
            let dead = puppet.untyped
            try me.link(me.pid)
            do {
                try me.link(dead)
                Issue.record("linked")
            } catch { #expect((error as? ApusError)?.code == .noproc) }
            me.trapExits()
            try me.link(dead)
            guard case .exit(let exit)? = me.receiveInfo() else { throw Failure(text: "no exit") }
            #expect(exit.reason == .noproc)
            #expect(exit.from == dead)
        } }
    }

    @Test("R20: spawn with a link or a monitor is atomic") func atomic() async throws {
        try await withRuntime { try await inProcess { me in
            me.trapExits()
            for _ in 0..<200 {
                let child = try me.spawnLinkBlocking(of: Never.self) { _ in throw ExitReason.shutdown(3) }
                guard case .exit(let exit)? = me.receiveInfo(timeout: .seconds(20)) else { throw Failure(text: "no exit") }
                #expect(exit.from == child.untyped)
                #expect(exit.reason == .shutdown(3))
            }
        } }
    }

    @Test("R21, R22, R23: monitors of nobody, several of one, and ended ones") func monitors() async throws {
        try await withRuntime { try await inProcess { me in
            _ = try me.monitor(name: "nobody")
            guard case .down(let nobody)? = me.receiveInfo() else { throw Failure(text: "no down") }
            #expect(nobody.reason == .noproc)
            let puppet = try spawn(Puppet())
            let references = try (0..<3).map { _ in try me.monitor(puppet) }
            let wasActive = me.demonitor(references[1])
            #expect(wasActive)
            puppet.send(.exit(.normal))
            var seen: Set<Reference> = []
            for _ in 0..<2 { if case .down(let down)? = me.receiveInfo(timeout: .seconds(20)) { seen.insert(down.reference) } }
            #expect(seen == [references[0], references[2]])
            let isActive = me.demonitor(references[0], flush: true)
            #expect(!isActive)
        } }
    }

    @Test("R25, R32: a late reply is never seen, a call to oneself is refused") func late() async throws {
        try await withRuntime { try await inProcess { me in
            let puppet = try spawn(Puppet())
            do {
                let _: String = try me.call(puppet, timeout: .milliseconds(1)) { .wait(.milliseconds(20), $0) }
                Issue.record("answered")
            } catch { #expect((error as? ApusError)?.code == .timeout) }
            let code: ApusError.Code? = try me.call(puppet) { .askSelf($0) }
            #expect(code == .deadlock)
            let late = me.receive(String.self, timeout: .zero)
            #expect(late == nil)
        } }
    }

    @Test("R26: selective receive leaves the others in order, a zero timeout looks through all") func selective() async throws {
        try await withRuntime { try await inProcess { me in
            let own = AnyPid(me.pid)
            for i in 1...3 { own.send(i) }
            own.send("x")
            let text = me.receive(String.self, timeout: .zero)
            #expect(text == "x")
            for i in 1...3 {
                let n = me.receive(Int.self, timeout: .zero)
                #expect(n == i)
            }
        } }
    }

    @Test("R26: a body takes what comes next whatever it is, or one info and leaves the others in order") func inOrder() async throws {
        try await withRuntime { try await inStringProcess { me in
            let own = me.pid
            own.send("one")
            _ = try me.monitor(name: "nobody")
            own.send("two")
            let second = try me.monitor(name: "nobody")
            AnyPid(own).send(3)
            let chosen = me.receiveInfo(timeout: .zero) {
                switch $0 {
                case .down(let down): down.reference == second
                default: false
                }
            }
            guard case .down? = chosen else { throw Failure(text: "not found") }
            var seen: [String] = []
            while let next = me.receiveNext(timeout: .zero) {
                switch consume next {
                case .message(let text): seen.append(text)
                case .info(.down): seen.append("down")
                case .info(.message(let envelope)): seen.append(envelope.take(as: Int.self).map { "\($0)" } ?? "nothing")
                case .info: seen.append("something")
                }
            }
            #expect(seen == ["one", "down", "two", "3"])
        } }
    }

    @Test("R29: registering fails if the name is taken, the process named or dead") func names() async throws {
        try await withRuntime { try await inProcess { me in
            let puppet = try spawn(Puppet(), options: SpawnOptions(name: "one"))
            #expect(Puppet.at("one").pid == puppet)
            let pid = me.pid
            let taken = errorOf { try pid.register(as: "one") }
            #expect(taken?.code == .taken && taken?.detail == "\"one\"")
            let again = errorOf { try spawn(Puppet(), options: SpawnOptions(name: "one")) }
            #expect(again?.code == .taken && again?.detail == "\"one\"")
            let named = errorOf { try puppet.register(as: "two") }
            #expect(named?.code == .already && named?.detail == "the process has a name")
            try unregister("one")
            let nobody = errorOf { try unregister("one") }
            #expect(nobody?.code == .noproc && nobody?.detail == "nobody is registered as \"one\"")
            try pid.register(as: "one")
            let monitor = try me.monitor(puppet)
            puppet.exit(.kill)
            _ = end(of: monitor, in: me)
            let dead = errorOf { try puppet.register(as: "two") }
            #expect(dead?.code == .noproc)
        } }
    }

    @Test("R30, R31: initialize may stop or ignore, and who asked for it is told") func starts() async throws {
        struct Starting: GenServer {
            let answer: @Sendable () throws -> InitResult
            mutating func initialize(in context: borrowing Context<Never>) throws -> InitResult { try answer() }
            mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
        }
        try await withRuntime { try await inProcess { me in
            var options = SpawnOptions()
            options.acknowledges = true
            let answers: [(@Sendable () throws -> InitResult, Bool, ExitReason.Code)] = [
                ({ .ok }, true, .normal), ({ .ignore }, false, .normal), ({ .stop(.error("no")) }, false, .error), ({ .stop(.normal) }, false, .normal),
                ({ throw Failure(text: "no") }, false, .error),
            ]
            for (answer, isStarted, code) in answers {
                try spawn(Starting(answer: answer), options: options)
                guard case .started(let started)? = me.receiveInfo(timeout: .seconds(20)) else { throw Failure(text: "not told") }
                #expect(started.isStarted == isStarted)
                #expect(started.reason.code == code)
            }
        } }
    }

    @Test("R35: a step comes before any message, a timeout is cancelled by one") func steps() async throws {
        struct Stepping: GenServer {
            let log: Pid<String>
            mutating func initialize(in context: borrowing Context<String>) -> InitResult {
                context.pid.send("queued")
                return .ok(then: "first")
            }
            mutating func handle(step: Step, in context: borrowing Context<String>) -> Next {
                log.send("step \(step)")
                return step == "first" ? .continue(then: "second") : .continue
            }
            mutating func handle(_ message: consuming String, in context: borrowing Context<String>) -> Next {
                let text = message
                log.send(text)
                return text == "again" ? .continue(timeout: .milliseconds(1)) : .continue(timeout: .seconds(3600))
            }
            mutating func handleTimeout(in context: borrowing Context<String>) -> Next {
                log.send("timeout")
                return .stop
            }
        }
        try await withRuntime { try await inStringProcess { me in
            let server = try spawn(Stepping(log: me.pid))
            for wanted in ["step first", "step second", "queued"] {
                let got = me.receive(timeout: .seconds(20))
                #expect(got == wanted)
            }
            server.send("again")
            for wanted in ["again", "timeout"] {
                let got = me.receive(timeout: .seconds(20))
                #expect(got == wanted)
            }

            let killed = try spawn(Stepping(log: me.pid)), monitor = try me.monitor(killed)
            for wanted in ["step first", "step second", "queued"] {
                let got = me.receive(timeout: .seconds(20))
                #expect(got == wanted)
            }
            killed.exit(.kill)
            _ = end(of: monitor, in: me)
            #expect(try Runtime.info().timers == 0)
        } }
    }

    @Test("R35: a timeout may be as long or short as there are times, begins anew with each answer, and ends with the server")
    func timeouts() async throws {
        struct Timed: GenServer {
            enum Message { case wait(Duration), go(From<Int>), end(ExitReason) }
            let log: AnyPid
            var expired = 0
            mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) -> Next {
                switch message {
                case .wait(let time): return .continue(timeout: time)
                case .go(let from): from.reply(expired)
                case .end(let reason): return .stop(reason)
                }
                return .continue
            }
            mutating func handle(info: consuming Info, in context: borrowing Context<Message>) -> Next { .continue(timeout: .zero) }
            mutating func handleTimeout(in context: borrowing Context<Message>) -> Next {
                expired += 1
                log.send(expired)
                return .continue
            }
        }
        try await withRuntime { try await inProcess { me in
            let (server, monitor) = try me.spawnMonitor(Timed(log: AnyPid(me.pid)))
            func expectExpired(_ count: Int, _ me: borrowing Context<Never>) {
                let told = me.receive(Int.self, timeout: .seconds(20))
                #expect(told == count)
            }
            let short: [Duration] = [.seconds(-1), .zero, Duration(secondsComponent: 0, attosecondsComponent: 1), .milliseconds(1)]
            for (index, time) in short.enumerated() {
                server.send(.wait(time))
                expectExpired(index + 1, me)
            }
            for time in [Duration.seconds(Int64.max), .seconds(Int64.max / 1000), .seconds(3600), .seconds(3601)] { server.send(.wait(time)) }
            var count: Int = try me.call(server) { .go($0) }
            #expect(count == 4)
            #expect(try Runtime.info().timers == 0)
            server.send(.wait(.seconds(3600)))
            AnyPid(server).send("not its own")
            expectExpired(5, me)
            server.send(.wait(.seconds(3600)))
            count = try me.call(server) { .go($0) }
            #expect(count == 5)
            server.send(.wait(.seconds(3600)))
            server.send(.end(.normal))
            #expect(end(of: monitor, in: me)?.code == .normal)
            #expect(try Runtime.info().timers == 0)
        } }
    }

    @Test("R36: the parent's exit calls terminate of one that traps, and not of one that does not") func parents() async throws {
        try await withRuntime { try await inStringProcess { me in
            let log = me.pid
            for traps in [true, false] {
                let (parent, monitor) = try me.spawnMonitorBlocking(of: Never.self) { parent in
                    var options = SpawnOptions()
                    options.trapsExits = traps
                    let child = try parent.spawnLink(Puppet(reporter: log), options: options)
                    let code: ApusError.Code? = try parent.call(child) { .askSelf($0) }
                    #expect(code == .deadlock)
                    throw ExitReason.shutdown
                }
                _ = end(of: monitor, in: me)
                _ = parent
                if traps {
                    let told = me.receive(timeout: .seconds(20))
                    #expect(told == "terminate shutdown")
                }
            }
            let more = me.receive(timeout: .milliseconds(20))
            #expect(more == nil)
        } }
    }

    @Test("R40, R42: children start in order, stop in reverse, and rest_for_one restarts the later ones") func supervision() async throws {
        struct Logged: GenServer {
            let name: String
            let log: Pid<String>
            mutating func initialize(in context: borrowing Context<Bool>) -> InitResult {
                context.trapExits()
                log.send("+\(name)")
                return .ok
            }
            mutating func handle(_ message: consuming Bool, in context: borrowing Context<Bool>) throws -> Next { throw Failure(text: name) }
            mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Bool>) { log.send("-\(name)") }
        }
        try await withRuntime { try await inStringProcess { me in
            let log = me.pid
            func expect(_ wanted: [String], _ me: borrowing Context<String>) {
                for word in wanted {
                    let got = me.receive(timeout: .seconds(20))
                    #expect(got == word)
                }
            }
            let tree = try Supervisor.start(strategy: .restForOne) {
                for name in ["a", "b", "c"] { Child(Logged(name: name, log: log), name: name) }
            }
            expect(["+a", "+b", "+c"], me)
            try Logged.at("b").send(true)
            expect(["-b", "-c", "+b", "+c"], me)
            let again = errorOf { try tree.startChild(Child(Logged(name: "a", log: log), id: "a")) }
            #expect(again?.code == .already)
            try tree.terminateChild("a")
            expect(["-a"], me)
            let present = errorOf { try tree.startChild(Child(Logged(name: "a", log: log), id: "a")) }
            #expect(present?.code == .taken)
            try tree.deleteChild("a")
            try tree.stop()
            expect(["-c", "-b"], me)
        } }
    }

    @Test("R41, R43: a child that cannot start, and more restarts than allowed") func intensity() async throws {
        struct Failing: GenServer {
            mutating func initialize(in context: borrowing Context<Never>) throws -> InitResult { throw Failure(text: "no disk") }
            mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
        }
        try await withRuntime { try await inProcess { me in
            me.trapExits()
            let error = errorOf { _ = try Supervisor.start { Child(Failing(), id: "db") } }
            #expect(error?.detail?.contains("db") == true)
            #expect(error?.detail?.contains("no disk") == true)
            while me.receiveInfo(timeout: .zero) != nil {}
            let tree = try Supervisor.start(intensity: 0) { Child(Puppet(), name: "puppet") }
            try Puppet.at("puppet").send(.fail)
            guard case .exit(let exit)? = me.receiveInfo(timeout: .seconds(20)) else { throw Failure(text: "no exit") }
            #expect(exit.from == tree.untyped)
            #expect(exit.reason == .shutdown)
        } }
    }

    @Test("R70: a bounded mailbox refuses what does not fit, and destroys it") func bounds() async throws {
        try await withRuntime { try await inProcess { me in
            var options = SpawnOptions()
            options.mailbox = .init(messages: 2, policy: .fail)
            let full = try spawnBlocking(of: Owned.self, options: options) { process in try process.sleep(for: .seconds(3600)) }
            let alive = Owned.alive.load(ordering: .relaxed)
            let sent = [full.send(Owned()), full.send(Owned()), full.send(Owned())]
            #expect(sent == [true, true, false])
            #expect(Owned.alive.load(ordering: .relaxed) == alive + 2)
            let monitor = try me.monitor(full)
            full.exit(.kill)
            _ = end(of: monitor, in: me)
            while Owned.alive.load(ordering: .relaxed) != alive { me.yield() }
        } }
    }

    @Test("move-only messages are moved, and destroyed once") func moveOnly() async throws {
        try await withRuntime { try await inProcess { me in
            let alive = Owned.alive.load(ordering: .relaxed)
            let (taker, monitor) = try me.spawnMonitorBlocking(of: Owned.self) { process in
                guard let owned = process.receive() else { return }
                #expect(owned.value == 7)
            }
            taker.send(Owned(value: 7))
            _ = end(of: monitor, in: me)
            #expect(Owned.alive.load(ordering: .relaxed) == alive)
        } }
    }
} }

/// Counts how many there are.
struct Owned: ~Copyable {
    static let alive = Atomic(0)
    let value: Int

    init(value: Int = 0) {
        self.value = value
        Owned.alive.add(1, ordering: .relaxed)
    }

    deinit { Owned.alive.subtract(1, ordering: .relaxed) }
}

extension AnyPid {
    func typed<Message: ~Copyable>(_ type: Message.Type) -> Pid<Message> { Pid(self) }
}
