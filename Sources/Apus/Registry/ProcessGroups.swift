/// Named groups of processes: a process is in any number of them, is put in by anyone, and leaves them all when it ends.
///
/// ```swift
/// let groups = try ProcessGroups<String>.start()
/// try groups.join("workers", worker)
/// for member in groups.members("workers") { Pid<Worker.Message>(member).send(.wake) }
/// ```
///
/// A process that joined a group twice is in it twice, and leaves it twice. A group without members does not exist.
///
/// **OTP**: `pg`.
public struct ProcessGroups<Group: Hashable & Sendable>: Sendable {
    /// What a listener is told. **OTP**: the messages of `pg:monitor/1`.
    public enum Event: Sendable, Hashable {
        /// The process has joined the group.
        case joined(Group, AnyPid)
        /// It has left it, or ended.
        case left(Group, AnyPid)
    }

    private let registry: Registry<Group, Void>

    /// Makes a scope of groups that does not run yet: start ``server`` under a supervisor, or use ``start(options:)``.
    public init() { registry = Registry(keys: .duplicate) }

    private init(_ registry: Registry<Group, Void>) { self.registry = registry }

    /// Makes a scope of groups and starts its process. **OTP**: `pg:start/1`.
    public static func start(options: SpawnOptions? = nil) throws(ApusError) -> ProcessGroups {
        ProcessGroups(try .start(keys: .duplicate, options: options))
    }

    /// The scope's process, as a server to be supervised.
    public var server: RegistryServer<Group, Void> { registry.server }

    /// The scope's process; nil if it was never started.
    public var pid: AnyPid? { registry.pid }

    /// Puts a process into a group, once more if it is there.
    /// - Throws: ``ApusError/Code/noproc`` the scope does not run. A process that has ended does not join. **OTP**: `pg:join/3`.
    public func join(_ group: Group, _ process: some ProcessIdentifier) throws(ApusError) {
        try registry.add(group, process.untyped, ())
    }

    /// Takes a process out of a group, once. - Returns: false if it was not in it. **OTP**: `pg:leave/3`.
    @discardableResult
    public func leave(_ group: Group, _ process: some ProcessIdentifier) -> Bool {
        registry.remove(group, process.untyped)
    }

    /// The processes of a group, in the order in which they joined. **OTP**: `pg:get_members/2`.
    public func members(_ group: Group) -> [AnyPid] {
        registry.lookup(group).map(\.pid)
    }

    /// The groups that have members. **OTP**: `pg:which_groups/1`.
    public var groups: [Group] { registry.allKeys }

    /// The groups of a process.
    public func groups(of process: some ProcessIdentifier) -> [Group] {
        registry.keys(of: process)
    }

    /// Tells a process of all that join and leave from now on, until it has ended. As ``Registry/addListener(_:_:)``.
    /// **OTP**: `pg:monitor_scope/1`.
    public func addListener<Message>(_ pid: Pid<Message>, _ message: @escaping @Sendable (Event) -> sending Message) {
        registry.addListener(pid) { event in
            switch event {
            case .registered(let group, let process, _): message(.joined(group, process))
            case .unregistered(let group, let process): message(.left(group, process))
            }
        }
    }
}
