#if Command
import Apus
import ArgumentParser

/// `apus topology`: the machine as the schedulers see it.
struct TopologyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topology",
        abstract: "Draws the NUMA nodes, caches, cores and CPUs that Apus may use here, and the CPU quota.")

    func run() {
        print(drawing(of: .current, distance: Topology.distance))
    }
}

/// A tree of nodes, sockets, caches and cores, the distances between the nodes, and the quota.
func drawing(of topology: Topology, distance: (Int, Int) -> Int?) -> String {
    let nodes = topology.nodes
    var lines = [
        "\(count(topology.cpus.count, "CPU")) allowed, \(count(nodes.count, "NUMA node"))"
            + (topology.quota.map { ", quota of \($0) CPUs" } ?? ", no quota")
    ]
    for node in nodes {
        lines.append("node \(node)")
        let cpus = topology.cpus.filter { $0.node == node }
        lines += tree(cpus, [("socket", \.package), ("cache", \.cache), ("core", \.core)])
    }
    if nodes.count > 1 {
        lines.append("distances")
        lines.append("     " + nodes.map { pad("\($0)") }.joined())
        for from in nodes {
            lines.append(pad("\(from)") + " " + nodes.map { pad(distance(from, $0).map { "\($0)" } ?? "?") }.joined())
        }
    }
    return lines.joined(separator: "\n")
}

/// Lines for CPUs that belong together, grouped by the first level, then the next.
private func tree(_ cpus: [Topology.CPU], _ levels: [(name: String, key: KeyPath<Topology.CPU, Int>)]) -> [String] {
    guard let level = levels.first else { return [] }
    let groups = Dictionary(grouping: cpus) { $0[keyPath: level.key] }.sorted { $0.key < $1.key }
    return groups.enumerated().flatMap { index, group -> [String] in
        let isLast = index == groups.count - 1
        var line = (isLast ? "└─ " : "├─ ") + "\(level.name) \(group.key)"
        if levels.count == 1 { line += ": CPU " + group.value.map { "\($0.number)" }.joined(separator: ", ") }
        return [line] + tree(group.value, Array(levels.dropFirst())).map { (isLast ? "   " : "│  ") + $0 }
    }
}

private func count(_ number: Int, _ what: String) -> String { "\(number) \(what)\(number == 1 ? "" : "s")" }

/// To four columns, the text at the right.
private func pad(_ text: String) -> String { String(repeating: " ", count: max(0, 4 - text.count)) + text }
#endif
