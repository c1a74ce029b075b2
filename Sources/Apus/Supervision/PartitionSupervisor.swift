/// Several servers of one kind, among which keys are divided, so that one is not the bottleneck.
///
/// ```swift
/// let counters = PartitionSupervisor(name: "counters") { _ in Counter() }
/// let tree = try await Supervisor.start { counters }
/// try counters.at("apples").send(.add(1))         // the same key always goes to the same one
/// ```
///
/// **OTP**: Elixir's `PartitionSupervisor`.
public struct PartitionSupervisor<Server: GenServer & Sendable>: Sendable {
    /// The registered name of the supervisor; partition 3 is registered as `name/3`.
    public let name: String
    /// How many servers there are.
    public let partitions: Int
    /// Restarts allowed within ``period``.
    public var intensity: UInt32 = 1
    /// What ``intensity`` is counted over.
    public var period: Duration = .seconds(5)

    private let server: @Sendable (Int) -> Server

    /// - Parameters:
    ///   - name: to register under.
    ///   - partitions: how many servers; nil: one for each CPU the program may use, as ``Topology/cpus`` counts them.
    ///   - server: makes the server of a partition, from 0.
    public init(name: String, partitions: Int? = nil, _ server: @escaping @Sendable (Int) -> Server) {
        self.name = name
        self.partitions = partitions ?? max(1, Topology.current.cpus.count)
        self.server = server
        precondition(self.partitions > 0, "there must be a partition")
    }

    /// It as a child of another supervisor.
    public var child: Child {
        Child(supervisor: name, name: name, intensity: intensity, within: period) {
            for index in 0..<partitions {
                Child(server(index), id: String(index), name: "\(name)/\(index)")
            }
        }
    }

    /// The server that is in charge of a key: an integer goes to the partition of its remainder, anything else to that of its hash,
    /// which is the same in this OS process only.
    public func at(_ key: some Hashable) -> Name<Server.Message> {
        let number = (key as? Int).map(UInt.init(bitPattern:)) ?? UInt(bitPattern: key.hashValue)
        return partition(Int(number % UInt(partitions)))
    }

    /// The server of one partition, from 0.
    public func partition(_ index: Int) -> Name<Server.Message> {
        precondition(index >= 0 && index < partitions, "there is no partition \(index) of \(partitions)")
        return Name("\(name)/\(index)")
    }
}

extension ChildBuilder {
    /// A partition supervisor.
    public static func buildExpression<Server>(_ supervisor: PartitionSupervisor<Server>) -> [Child] { [supervisor.child] }
}
