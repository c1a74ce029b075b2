// World.swift - who plays which actor, and what the references are called. All runs on the driver's thread, so that all may look.
import Apus

/// What an actor is told.
enum Told: Sendable {
    case order(Words)
    case number(String, from: String)
    case tick(String)
    /// A call, and how it is to be answered.
    case ask(String, From<Void>)

    var isOrder: Bool { if case .order = self { true } else { false } }
}

/// One actor of a scenario, whichever process plays it now.
final class Role {
    let name: String
    var pid: AnyPid
    var isHeld = false
    /// Whether it does not end when told to.
    var isStubborn = false
    /// Of its next starts, how many fail, or answer ignore.
    var fails = 0, ignores = 0
    /// Numbers got, by sender.
    var counts: [String: Int] = [:]
    /// The name it looks up at each end it hears of.
    var onDown: String?
    var kept: [From<Void>] = []
    /// Of a dynamic supervisor: how its children are restarted and stopped. Of its child: true.
    var template: Words?
    var isDynamic = false

    init(name: String, pid: AnyPid) {
        self.name = name
        self.pid = pid
    }

    /// Where the actor takes messages of scenarios.
    var mailbox: Pid<Told> { Pid(pid) }

    func after(_ sender: String) -> String { counts[sender].map { " after \($0)" } ?? "" }
}

final class World {
    let journal = Journal()
    var seed: UInt64 = 1
    private var roles: [String: Role] = [:]
    private var names: [AnyPid: String] = [:]
    private var references: [(name: String, reference: Reference, isOfName: Bool)] = []
    private var dead: AnyPid?

    /// Forgets all; who was never born is `dead`.
    func begin(dead: AnyPid) {
        roles = [:]
        names = [:]
        references = []
        journal.clear()
        self.dead = dead
    }

    func role(_ name: String) -> Role {
        if let role = roles[name] { return role }
        let role = Role(name: name, pid: dead!)
        roles[name] = role
        return role
    }

    /// A process begins to play the actor, perhaps not the first one.
    @discardableResult
    func enter(_ name: String, _ pid: AnyPid) -> Role {
        let role = role(name)
        role.pid = pid
        role.isHeld = false
        role.kept = []
        role.onDown = nil
        role.counts = [:]
        names[pid] = name
        return role
    }

    func name(of pid: AnyPid) -> String { names[pid] ?? "someone" }

    func isPlayed(_ role: Role) -> Bool { role.pid != dead }

    func remember(_ reference: Reference, as name: String, isOfName: Bool = false) {
        references.append((name, reference, isOfName))
    }

    /// nil: it was never made.
    func reference(_ name: String) -> Reference? { references.last { $0.name == name }?.reference }

    func name(of reference: Reference) -> (name: String, isOfName: Bool) {
        let found = references.last { $0.reference == reference }!
        return (found.name, found.isOfName)
    }
}

nonisolated(unsafe) let world = World()
