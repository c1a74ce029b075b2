// SupervisorOrders.swift - starting supervisors, and asking them.
import Apus
import Glibc

private let period = Duration.seconds(3600)

/// id:restart[:how it is stopped][:sig][:sup]
private func child(_ words: Words) -> Child {
    let id = words[0]
    let restart: Child.Restart = words.has("transient") ? .transient : words.has("temporary") ? .temporary : .permanent
    var child: Child
    if words.has("sup") {
        child = Child(supervisor: id, intensity: 1, within: period, restart: restart) { server(id + "1") }
    } else {
        child = server(id)
        child.restart = restart
    }
    if words.has("brutal") { child.shutdown = .brutalKill }
    if words.has("short") { child.shutdown = .after(time("short")) }
    child.isSignificant = words.has("sig")
    return child
}

private func server(_ id: String) -> Child {
    var options = SpawnOptions()
    options.trapsExits = true
    return Child(ChildServer(name: id), id: id, shutdown: .after(time("long")), options: options)
}

func startSupervisor(_ words: Words, _ me: Role) throws {
    let strategies: [String: Supervisor.Strategy] = [
        "one_for_one": .oneForOne, "one_for_all": .oneForAll, "rest_for_one": .restForOne, "dynamic": .dynamic,
    ]
    let automatic: [String: Supervisor.AutomaticShutdown] = ["any_significant": .anySignificant, "all_significant": .allSignificant]
    let strategy = strategies[words[3]]!, isDynamic = strategy == .dynamic
    let children = words.list.dropFirst(6).map { Words($0, separator: ":") }
    do {
        let supervisor = try Supervisor.start(
            name: isDynamic ? words[2] : nil, strategy: strategy, intensity: UInt32(words[4])!, within: period,
            automaticShutdown: automatic[words[5]] ?? .never
        ) {
            isDynamic ? [] : children.map(child)
        }
        let role = world.enter(words[2], supervisor.untyped)
        role.template = isDynamic ? children[0] : nil
        world.journal.done(me.name, "sup \(words[2]) ok")
    } catch {
        switch error.code {
        case .ending: throw error
        case .invalid: world.journal.done(me.name, "sup \(words[2]) refused")
        default:
            let id = error.detail?.split(separator: "\"").dropFirst().first ?? ""
            world.journal.done(me.name, "sup \(words[2]) failed \(id) error:\(-error.errno)")
        }
    }
}

func askSupervisor(_ words: Words, _ me: Role) throws {
    let role = world.role(words[2]), supervisor = Supervisor(role.pid), what = words[0], id = words[3]
    var outcome = "ok"
    do {
        switch what {
        case "start_child": outcome = try startChild(role, Words(id, separator: ":")) == nil ? "ignored" : "ok"
        case "terminate_child": try supervisor.terminateChild(id)
        case "terminate_pid": try supervisor.terminateChild(world.role(id).pid)
        case "restart_child": outcome = try supervisor.restartChild(id) == nil ? "ignored" : "ok"
        case "delete_child": try supervisor.deleteChild(id)
        case "which": outcome = try which(role, supervisor)
        case "count":
            let counts = try supervisor.countChildren()
            outcome = "\(counts.specifications) \(counts.active) \(counts.supervisors) \(counts.workers)"
        default: fatalError("no such order: \(what)")
        }
    } catch {
        if error.code == .ending { throw error }
        outcome = what == "start_child" ? startText(error) : text(error)
    }
    world.journal.done(me.name, "\(what) \(outcome)")
}

/// A dynamic supervisor's children have no ids, and are all alike but for their names.
private func startChild(_ role: Role, _ words: Words) throws(ApusError) -> AnyPid? {
    guard let template = role.template else { return try Supervisor(role.pid).startChild(child(words)) }
    world.role(words[0]).isDynamic = true
    var child = child(Words(([words[0]] + template.list.dropFirst()).joined(separator: ":"), separator: ":"))
    child.id = nil
    return try DynamicSupervisor(name: role.name).startChild(child)
}

private func which(_ role: Role, _ supervisor: Supervisor) throws(ApusError) -> String {
    let texts = try supervisor.whichChildren().map { info in
        let name = role.template == nil ? info.id : info.pid.map(world.name(of:)) ?? "someone"
        return "\(name):\(info.isRestarting ? "restarting" : info.pid == nil ? "down" : "up")"
    }
    return (role.template == nil ? texts : texts.sorted()).joined(separator: " ")
}

private func startText(_ error: ApusError) -> String {
    switch error.code {
    case .taken: "present"
    case .already: "running"
    case .invalid: "refused"
    default: text(error)
    }
}

private func text(_ error: ApusError) -> String {
    switch error.code {
    case .notFound: "not_found"
    case .already, .busy: "running"
    case .noproc, .exited: "noproc"
    default: error.errno == EINPROGRESS ? "restarting" : "error:\(-error.errno)"
    }
}
