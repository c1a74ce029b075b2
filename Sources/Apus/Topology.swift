import CApus

/// The machine as the runtime sees it: the CPUs this program may use, their cores, caches and NUMA nodes.
///
/// **OTP**: `erlang:system_info(cpu_topology)`.
public struct Topology: Sendable {
    /// A CPU.
    public struct CPU: Sendable, Hashable {
        /// The system's number.
        public var number: Int
        /// Its NUMA node.
        public var node: Int
        /// Its socket.
        public var package: Int
        /// Its physical core within the package.
        public var core: Int
        /// The number of the last-level cache it shares with others.
        public var cache: Int

        /// A CPU, for tests of what reads topologies.
        public init(number: Int, node: Int, package: Int, core: Int, cache: Int) {
            self.number = number
            self.node = node
            self.package = package
            self.core = core
            self.cache = cache
        }
    }

    /// The CPUs that this program is allowed, by number.
    public var cpus: [CPU]
    /// The cgroup's quota in CPUs; nil: none.
    public var quota: Double?

    /// A topology that is made up, for tests.
    public init(cpus: [CPU], quota: Double? = nil) {
        self.cpus = cpus
        self.quota = quota
    }

    /// As it was when the runtime was started; read now if that does not run.
    public static var current: Topology {
        var quota = 0.0
        var infos = [apus_cpu_info](repeating: apus_cpu_info(), count: 64)
        var count = Int(apus_topology(&infos, infos.count, &quota))
        if count > infos.count {
            infos = [apus_cpu_info](repeating: apus_cpu_info(), count: count)
            count = min(count, Int(apus_topology(&infos, infos.count, &quota)))
        }
        let cpus = infos.prefix(max(0, count)).map { info in
            CPU(
                number: Int(info.cpu), node: Int(info.node), package: Int(info.package), core: Int(info.core), cache: Int(info.cache))
        }
        return Topology(cpus: cpus.sorted { $0.number < $1.number }, quota: quota > 0 ? quota : nil)
    }

    /// The NUMA nodes that have allowed CPUs, in order.
    public var nodes: [Int] { Set(cpus.map(\.node)).sorted() }

    /// How far two NUMA nodes are from each other, as the firmware tells: 10 to itself; nil if there is no such node.
    public static func distance(from: Int, to: Int) -> Int? {
        let distance = apus_node_distance(Int32(clamping: from), Int32(clamping: to))
        return distance < 0 ? nil : Int(distance)
    }
}
