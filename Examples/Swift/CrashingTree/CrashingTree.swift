// A supervised tree, drawn in the terminal while its processes crash: one_for_one on top, rest_for_one below.
import Apus

struct Worker: GenServer {
    enum Message { case crash }
    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        throw ExitReason.error("crash")
    }
}

/// The tree as text: each child with how often it has been restarted.
func draw(_ supervisor: Supervisor, indent: String = "") throws {
    for child in try supervisor.whichChildren() {
        let state = child.pid == nil ? "down" : "up"
        print("\(indent)\(child.id): \(state), \(child.restarts) restarts")
        if child.isSupervisor, let pid = child.pid { try draw(Supervisor(pid), indent: indent + "  ") }
    }
}

/// Crashes a worker, waits until it is back, and draws the tree.
func crash(_ name: String, in tree: Supervisor) async throws {
    let pid = Worker.at(name).pid!
    print("--- \(name) crashes")
    pid.send(.crash)
    while Worker.at(name).pid == nil || Worker.at(name).pid == pid { await Task.yield() }
    try draw(tree)
}

@main enum CrashingTree {
    static func main() async throws {
        let tree = try await Supervisor.start(intensity: 5) {
            Child(Worker(), name: "web")
            Child(supervisor: "storage", strategy: .restForOne, intensity: 5) {
                Child(Worker(), name: "disk")
                Child(Worker(), name: "cache")
            }
        }
        try draw(tree)
        try await crash("web", in: tree)
        try await crash("cache", in: tree)
        try await crash("disk", in: tree)
        try tree.stop()
        try Runtime.stop()
    }
}
