// Actors.swift - the processes that play: servers and blocking bodies, which must not differ, servers that are started, and children.
import Apus

/// What an order does to whoever obeys it.
enum Reaction {
    case goOn
    case hibernate
    case stop(ExitReason)
}

/// A message of its own.
func meet(_ told: consuming Told, _ me: Role, _ context: borrowing Context<Told>) throws -> Reaction {
    switch told {
    case .order(let words):
        return try obey(words, me, context)
    case .number(let number, let sender):
        me.counts[sender, default: 0] += 1
        world.journal.tell(me.name, .number, source: sender, "got \(number) from \(sender)")
    case .tick(let number):
        world.journal.learnt(me.name, "tick \(number)")
    case .ask("reply", let from):
        from.reply()
    case .ask("keep", let from):
        me.kept.append(from)
    case .ask(let how, _) where how.hasPrefix("exit:"):
        return .stop(ExitReason(named: String(how.dropFirst(5))))
    case .ask:
        break
    }
    return .goOn
}

/// Something else: an end it hears of.
func meet(_ info: consuming Info, _ me: Role) {
    switch consume info {
    case .exit(let exit):
        let name = world.name(of: exit.from)
        world.journal.learnt(me.name, "exit from \(name) \(exit.reason.name)\(me.after(name))")
    case .down(let down):
        let (name, isOfName) = world.name(of: down.reference)
        // OTP tells the name, not the pid, of what was monitored by name.
        let after = isOfName ? "" : me.after(world.name(of: down.pid))
        world.journal.learnt(me.name, "down \(name) \(down.reason.name)\(after)")
    default:
        return
    }
    if let name = me.onDown { world.journal.done(me.name, whereIs(name)) }
}

// --- The four sorts -------------------------------------------------------------------------------------------------------------

protocol Playing: GenServer where Message == Told {
    var name: String { get }
}

extension Playing {
    /// While it is held it takes orders only.
    mutating func handle(_ message: consuming Told, in context: borrowing Context<Told>) throws -> Next {
        let me = world.role(name)
        var reaction = try meet(message, me, context)
        while me.isHeld {
            if case .stop = reaction { break }
            guard let order = context.receive(where: { $0.isOrder }) else { return .stop }
            reaction = try meet(order, me, context)
        }
        switch reaction {
        case .goOn: return .continue
        case .hibernate: return .hibernate
        case .stop(let reason): return .stop(reason)
        }
    }

    mutating func handle(info: consuming Info, in context: borrowing Context<Told>) throws -> Next {
        meet(info, world.role(name))
        return .continue
    }
}

struct CallbackActor: Playing {
    let name: String

    mutating func initialize(in context: borrowing Context<Told>) -> InitResult {
        world.enter(name, AnyPid(context.pid))
        return .ok
    }
}

func playBlocking(_ name: String, _ context: borrowing Context<Told>) throws {
    let me = world.enter(name, AnyPid(context.pid))
    while true {
        var reaction = Reaction.goOn
        if me.isHeld {
            guard let order = context.receive(where: { $0.isOrder }) else { return }
            reaction = try meet(order, me, context)
        } else {
            guard let next = context.receiveNext() else { return }
            switch consume next {
            case .message(let message): reaction = try meet(message, me, context)
            case .info(let info): meet(info, me)
            }
        }
        if case .stop(let reason) = reaction {
            context.exitWhenDone(reason)
            return
        }
    }
}

struct Server: Playing {
    let name: String
    let how: String

    mutating func initialize(in context: borrowing Context<Told>) throws -> InitResult {
        world.enter(name, AnyPid(context.pid))
        if how.hasPrefix("stop:") { return .stop(ExitReason(named: String(how.dropFirst(5)))) }
        return how == "ignore" ? .ignore : .ok
    }

    mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Told>) {
        world.journal.learnt(name, "terminate \(reason.name)")
    }
}

struct ChildServer: Playing {
    let name: String

    mutating func initialize(in context: borrowing Context<Told>) throws -> InitResult {
        let me = world.role(name)
        let fails = me.fails > 0, ignores = me.ignores > 0
        me.fails -= fails ? 1 : 0
        me.ignores -= ignores ? 1 : 0
        if fails { throw ExitReason.error("told to", number: -5) }
        if ignores { return .ignore }
        world.enter(name, AnyPid(context.pid))
        tell("+", me)
        return .ok
    }

    mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Told>) {
        let me = world.role(name)
        if me.isStubborn {
            try? context.sleep(for: time("long") * 100)
            return
        }
        if reason.code == .shutdown, reason.number == 0 { tell("-", me) }
    }

    /// The children of a dynamic supervisor are stopped at the same time.
    private func tell(_ what: String, _ me: Role) {
        let text = what + name
        world.journal.tell("tree", me.isDynamic ? .learnt : .done, source: me.isDynamic ? text : "", text)
    }
}

/// Tells why each actor ended.
struct Observer: GenServer {
    enum Message: Sendable { case watch(AnyPid) }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .watch(let pid): _ = try context.monitor(pid)
        }
        return .continue
    }

    mutating func handle(info: consuming Info, in context: borrowing Context<Message>) -> Next {
        if case .down(let down) = info { world.journal.learnt(world.name(of: down.pid), "ended \(down.reason.name)") }
        return .continue
    }
}
