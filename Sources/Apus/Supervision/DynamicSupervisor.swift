import CApus

/// A supervisor whose children come and go: one_for_one, stopped concurrently.
///
/// A value describes it, to be put among the children of another supervisor or started, and reaches it by its name afterwards:
///
/// ```swift
/// let rooms = DynamicSupervisor(name: "rooms")
/// let tree = try await Supervisor.start { rooms }
/// let room = try rooms.startChild(Child(Room(), restart: .temporary))
/// ```
///
/// **OTP**: `DynamicSupervisor`, `supervisor` with `simple_one_for_one`.
public struct DynamicSupervisor: Sendable {
    /// Its registered name, and its id below another supervisor.
    public let name: String
    /// Restarts allowed within ``period``.
    public var intensity: UInt32
    /// What ``intensity`` is counted over.
    public var period: Duration
    /// Children it may have at once, those being restarted included; 0: no limit.
    public var maxChildren: UInt32

    /// A description; nothing is started yet.
    public init(name: String, intensity: UInt32 = 1, within period: Duration = .seconds(5), maxChildren: UInt32 = 0) {
        self.name = name
        self.intensity = intensity
        self.period = period
        self.maxChildren = maxChildren
    }

    var description: SupervisorDescription {
        var description = SupervisorDescription(name: name, strategy: .dynamic)
        description.intensity = intensity
        description.period = period
        description.maxChildren = maxChildren
        return description
    }

    /// It as a child of another supervisor.
    public var child: Child { Child(supervising: description, id: name) }

    /// The supervisor that has the name now. - Throws: ``ApusError/Code/noproc``.
    public var supervisor: Supervisor {
        get throws(ApusError) { try Supervisor.at(name) }
    }

    /// Starts a child; as ``Supervisor/startChild(_:)``.
    @discardableResult
    public func startChild(_ child: Child) throws(ApusError) -> AnyPid? {
        try supervisor.startChild(child, needsId: false)
    }

    /// Starts a server as a child, and says which messages it takes.
    ///
    /// - Throws: as ``Supervisor/startChild(_:)``; ``ApusError/Code/notFound`` its `initialize` answered `ignore`.
    @inlinable @discardableResult
    public func startChild<Server: GenServer & Sendable>(
        _ server: Server, name: String? = nil, restart: Child.Restart = .temporary
    ) throws(ApusError) -> Pid<Server.Message> {
        guard let pid = try startChild(Child(server, name: name, restart: restart)) else { throw ApusError(result: -ENOENT) }
        return Pid(pid)
    }

    /// Stops a child and drops it.
    public func terminateChild(_ pid: some ProcessIdentifier) throws(ApusError) {
        try supervisor.terminateChild(pid)
    }
}
