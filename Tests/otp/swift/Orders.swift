// Orders.swift - what an actor can be told to do, but for supervisors.
import Apus

func obey(_ words: Words, _ me: Role, _ context: borrowing Context<Told>) throws -> Reaction {
    let peer = words[2]
    switch words[0] {
    case "exit": return .stop(ExitReason(named: peer))
    case "done": return .stop(.normal)
    case "fail": throw ExitReason.error("told to", number: -Int32(peer)!)
    case "hibernate": return .hibernate
    case "send_exit":
        world.role(peer).mailbox.send(.number(words[3], from: me.name))
        return .stop(ExitReason(named: words[4]))
    case "send":
        for number in words.list.dropFirst(3) { world.role(peer).mailbox.send(.number(number, from: me.name)) }
    case "hold": me.isHeld = true
    case "release": me.isHeld = false
    case "take": take(peer, me, context)
    case "call": try call(words, me, context)
    case "answer":
        for from in me.kept { from.reply() }
        me.kept = []
    case "server": return try startServer(words, me, context)
    case "sup": try startSupervisor(words, me)
    default:
        if try !obeyLinks(words, me, context), try !obeyNames(words, me) { try askSupervisor(words, me) }
    }
    return .goOn
}

private func take(_ number: String, _ me: Role, _ context: borrowing Context<Told>) {
    let told = context.receive(timeout: .zero) { if case .number(number, _) = $0 { true } else { false } }
    if case .number(_, let sender)? = told {
        world.journal.done(me.name, "took \(number) from \(sender)")
    } else {
        world.journal.done(me.name, "took nothing")
    }
}

private func call(_ words: Words, _ me: Role, _ context: borrowing Context<Told>) throws(ApusError) {
    let outcome: String
    do {
        let how = words[4]
        let _: Void = try context.call(world.role(words[2]).mailbox, timeout: time(words[3])) { .ask(how, $0) }
        outcome = "ok"
    } catch {
        switch error.code {
        case .ending: throw error
        case .exited: outcome = error.reason!.name
        case .timeout: outcome = "timeout"
        case .noproc: outcome = "noproc"
        default: outcome = "refused"
        }
    }
    world.journal.done(me.name, "call \(words[2]) \(outcome)")
}

// --- Links and monitors ---------------------------------------------------------------------------------------------------------

/// False if the order is none of these.
private func obeyLinks(_ words: Words, _ me: Role, _ context: borrowing Context<Told>) throws -> Bool {
    let other = world.role(words[2])
    switch words[0] {
    case "spawn_by": try spawnBy(words, context)
    case "trap": context.trapExits(words[2] == "on")
    case "link":
        do { try context.link(other.pid) } catch { world.journal.done(me.name, "link noproc") }
    case "unlink": context.unlink(other.pid)
    case "monitor": world.remember(try context.monitor(other.pid), as: words[3])
    case "monitor_name": world.remember(try context.monitor(name: words[2]), as: words[3], isOfName: true)
    case "demonitor":
        let wasActive = world.reference(words[2]).map { context.demonitor($0, flush: words.has("flush")) } ?? false
        world.journal.done(me.name, "demonitor \(words[2]) \(wasActive ? "active" : "inactive")")
    case "signal": other.pid.exit(ExitReason(named: words[3]))
    case "kill_alive":
        other.pid.exit(.kill)
        fallthrough
    case "alive": world.journal.done(me.name, "\(other.name) is \(other.pid.isAlive ? "" : "not ")alive")
    default: return false
    }
    return true
}

// --- Processes ------------------------------------------------------------------------------------------------------------------

/// Whether an actor is a blocking body rather than a server, which must not show.
private func isBlocking(_ name: String) -> Bool { (world.seed &* 31 &+ UInt64(name.utf8.first!)) % 2 == 1 }

private func spawnOptions(_ words: Words) -> SpawnOptions {
    var options = SpawnOptions()
    options.trapsExits = words.has("trap")
    return options
}

/// Spawns by nobody.
func spawnActor(_ words: Words) throws {
    let name = words[1]
    if isBlocking(name) {
        world.role(name).pid = try spawnBlocking(of: Told.self, options: spawnOptions(words)) { try playBlocking(name, $0) }.untyped
    } else {
        world.role(name).pid = try spawn(CallbackActor(name: name), options: spawnOptions(words)).untyped
    }
}

private func spawnBy(_ words: Words, _ context: borrowing Context<Told>) throws {
    let name = words[2], options = spawnOptions(words), monitor = words.value("monitor=")
    let dies = words.value("dies=").map { ExitReason(named: $0) }
    let body: @Sendable (borrowing Context<Told>) throws -> Void = { me in
        if let dies { throw dies }
        try playBlocking(name, me)
    }
    let pid: Pid<Told>
    if words.has("link") {
        // A server that traps exits ends with its parent (R36); a plain process does not, so this must be a blocking one.
        pid = try context.spawnLinkBlocking(of: Told.self, options: options, body: body)
        // Nothing runs in between: it is not over yet.
        if let monitor { world.remember(try context.monitor(pid), as: monitor) }
    } else if let monitor {
        let (child, reference) =
            dies != nil || isBlocking(name)
            ? try context.spawnMonitorBlocking(of: Told.self, options: options, body: body)
            : try context.spawnMonitor(CallbackActor(name: name), options: options)
        pid = child
        world.remember(reference, as: monitor)
    } else if dies != nil || isBlocking(name) {
        pid = try spawnBlocking(of: Told.self, options: options, body: body)
    } else {
        pid = try spawn(CallbackActor(name: name), options: options)
    }
    world.enter(name, pid.untyped)
}

private func startServer(_ words: Words, _ me: Role, _ context: borrowing Context<Told>) throws -> Reaction {
    var options = spawnOptions(words)
    options.name = words.value("name=")
    options.acknowledges = true
    let pid: AnyPid
    do {
        pid = try context.spawnLink(Server(name: words[2], how: words[3]), options: options).untyped
    } catch {
        world.journal.done(me.name, "server \(words[2]) \(error.code == .taken ? "taken" : "\(error)")")
        return .goOn
    }
    let info = context.receiveInfo {
        switch $0 {
        case .started(let started): started.pid == pid
        default: false
        }
    }
    guard case .started(let started)? = info else { return .stop(.normal) }
    let outcome = started.isStarted ? "ok" : started.reason == .normal ? "ignore" : started.reason.name
    world.journal.done(me.name, "server \(words[2]) \(outcome)")
    return .goOn
}

// --- Names and timers -----------------------------------------------------------------------------------------------------------

func whereIs(_ name: String) -> String {
    Name<Told>(name).pid.map { "\(name) is \(world.name(of: $0.untyped))" } ?? "\(name) is nobody"
}

/// False if the order is none of these.
private func obeyNames(_ words: Words, _ me: Role) throws -> Bool {
    let journal = world.journal, name = words[2]
    switch words[0] {
    case "send_name":
        do { try Name<Told>(name).send(.number(words[3], from: me.name)) } catch { journal.done(me.name, "nobody there") }
    case "on_down": me.onDown = name
    case "register":
        do {
            try world.role(words[3]).pid.register(as: name)
            journal.done(me.name, "registered")
        } catch { journal.done(me.name, "not registered") }
    case "unregister":
        do {
            try unregister(name)
            journal.done(me.name, "unregistered")
        } catch { journal.done(me.name, "not unregistered") }
    case "whereis": journal.done(me.name, whereIs(name))
    case "timer":
        world.remember(try world.role(name).mailbox.send(.tick(words[4]), after: time(words[3])), as: words[5])
    case "timer_name":
        world.remember(try Name<Told>(name).send(.tick(words[4]), after: time(words[3])), as: words[5])
    case "cancel":
        let left = world.reference(name).flatMap { cancelTimer($0) }
        precondition(left.map { $0 > time("long") / 2 && $0 <= time("long") } ?? true)
        journal.done(me.name, left == nil ? "cancel inactive" : "cancel active")
    default: return false
    }
    return true
}
