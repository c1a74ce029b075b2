import Synchronization

/// Processes by key: each process registers itself under any number of keys, with a value for each, and its entries go when it ends.
///
/// ```swift
/// let rooms = try Registry<String, Int>.start(keys: .unique)
/// try rooms.register("lobby", value: 0, in: context)       // in the room's process
/// if let lobby = rooms.pid(of: "lobby", as: Room.Message.self) { lobby.send(.enter("ann")) }
/// ```
///
/// Lookups read a table, without asking a process; an entry of a process that has ended is never returned, even before it has been
/// removed. The table is split in shards with a lock each; keys are hashed and compared under it, so `==` and `hash(into:)` must neither
/// wait nor trap. The registry's process watches those that are registered. If it ends, entries stay as they are until it runs again,
/// under its supervisor: `Child(registry.server)`.
///
/// For one process by a constant name use ``Name``, which is faster; for groups that others put processes into, ``ProcessGroups``.
///
/// **OTP**: Elixir's `Registry` (R62).
public final class Registry<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// How many processes may have a key.
    public enum Keys: Sendable {
        /// One.
        case unique
        /// Any number, a process also more than once.
        case duplicate
    }

    /// A process that is registered under a key.
    public struct Entry: Sendable {
        /// The process.
        public var pid: AnyPid
        /// What it was registered with.
        public var value: Value
    }

    /// What listeners are told.
    public enum Event: Sendable {
        /// A process has registered.
        case registered(Key, AnyPid, Value)
        /// An entry is gone: the process took it back, or has ended.
        case unregistered(Key, AnyPid)
    }

    let keys: Keys
    private let shards: [Shard]
    private let listeners = Mutex<[Listener]>([])
    private let serverPid = Mutex<Pid<RegistryServer<Key, Value>.Message>?>(nil)

    private struct Listener: Sendable {
        let pid: AnyPid
        let tell: @Sendable (Event) -> Void
    }

    /// Entries of some keys, and the keys of some processes.
    private final class Shard: Sendable {
        struct Tables {
            var entries: [Key: [Entry]] = [:]
            var keys: [AnyPid: [Key]] = [:]
        }
        let tables = Mutex(Tables())
    }

    /// Makes a registry that does not run yet: start ``server`` under a supervisor, or use ``start(keys:shards:options:)``.
    /// - Parameters:
    ///   - keys: how many processes may have one.
    ///   - shards: how many parts the table has; more let more threads register at once.
    public init(keys: Keys, shards: Int = 16) {
        precondition(shards > 0, "a registry needs at least one shard")
        self.keys = keys
        self.shards = (0..<shards).map { _ in Shard() }
    }

    /// Makes a registry and starts its process. - Throws: as ``spawn(_:options:)->Pid<Server.Message>``. **OTP**: `Registry.start_link/1`.
    public static func start(keys: Keys, shards: Int = 16, options: SpawnOptions? = nil) throws(ApusError) -> Registry {
        let registry = Registry(keys: keys, shards: shards)
        registry.isRun(by: try spawn(registry.server, options: options))
        return registry
    }

    /// The registry's process, as a server to be supervised. One at a time.
    public var server: RegistryServer<Key, Value> { RegistryServer(registry: self) }

    /// The registry's process; nil if it was never started.
    public var pid: AnyPid? { serverPid.withLock { $0?.untyped } }

    // --- Registering ------------------------------------------------------------------------------------------------------------

    /// Registers the calling process under a key.
    ///
    /// - Throws: ``ApusError/Code/taken`` another process, or this one, has the key and keys are unique; ``ApusError/Code/noproc`` the
    ///   registry does not run.
    /// - Complexity: O(1) expected, and a message to the registry's process. **OTP**: `Registry.register/3`.
    public func register<Own: ~Copyable>(_ key: Key, value: Value, in context: borrowing Context<Own>) throws(ApusError) {
        try add(key, AnyPid(context.pid), value)
    }

    /// Takes back all entries of the calling process under a key. **OTP**: `Registry.unregister/2`.
    public func unregister<Own: ~Copyable>(_ key: Key, in context: borrowing Context<Own>) {
        let own = AnyPid(context.pid)
        while remove(key, own) {}
    }

    /// Changes the value that the calling process has under a unique key.
    /// - Returns: the new value; nil if this process does not have the key. **OTP**: `Registry.update_value/3`.
    @discardableResult
    public func updateValue<Own: ~Copyable>(
        _ key: Key, in context: borrowing Context<Own>, _ change: (Value) throws -> Value
    ) rethrows -> Value? {
        precondition(keys == .unique, "only a registry of unique keys has one value to update")
        let own = AnyPid(context.pid)
        guard let old = shard(of: key).tables.withLock({ $0.entries[key]?.first { $0.pid == own }?.value }) else { return nil }
        // Only this process changes the entry, so that it is as it was.
        let new = try change(old)
        shard(of: key).tables.withLock { tables in
            if let index = tables.entries[key]?.firstIndex(where: { $0.pid == own }) { tables.entries[key]![index].value = new }
        }
        return new
    }

    func add(_ key: Key, _ pid: AnyPid, _ value: Value) throws(ApusError) {
        guard let server = serverPid.withLock({ $0 }), server.isAlive else {
            throw ApusError(.noproc, detail: "the registry does not run")
        }
        while let holder = holderUnlessAdded(key, Entry(pid: pid, value: value)) {
            if holder.isAlive { throw ApusError(.taken, detail: "\(holder) is registered under \"\(key)\"") }
            remove(key, holder)
        }
        shard(of: pid).tables.withLock { $0.keys[pid, default: []].append(key) }
        tell(.registered(key, pid, value))
        // Last, so that what the process left is removed even if it has ended meanwhile.
        server.send(.watch(pid))
    }

    /// Adds an entry, unless the key is unique and somebody has it. Whether that one lives is not asked under the lock, for which the
    /// same holds as for every other here: after a call of the core a process may go on upon another thread, which cannot give it back.
    private func holderUnlessAdded(_ key: Key, _ entry: Entry) -> AnyPid? {
        shard(of: key).tables.withLock { tables in
            if keys == .unique, let holder = tables.entries[key]?.first { return holder.pid }
            tables.entries[key, default: []].append(entry)
            return nil
        }
    }

    @discardableResult
    func remove(_ key: Key, _ pid: AnyPid) -> Bool {
        let removed: Entry? = shard(of: key).tables.withLock { tables in
            guard let index = tables.entries[key]?.lastIndex(where: { $0.pid == pid }) else { return nil }
            let entry = tables.entries[key]!.remove(at: index)
            if tables.entries[key]!.isEmpty { tables.entries[key] = nil }
            return entry
        }
        guard removed != nil else { return false }
        shard(of: pid).tables.withLock { tables in
            guard let index = tables.keys[pid]?.lastIndex(of: key) else { return }
            tables.keys[pid]!.remove(at: index)
            if tables.keys[pid]!.isEmpty { tables.keys[pid] = nil }
        }
        tell(.unregistered(key, pid))
        return true
    }

    // --- Looking up -------------------------------------------------------------------------------------------------------------

    /// The processes that have a key, in the order in which they registered. **OTP**: `Registry.lookup/2`.
    public func lookup(_ key: Key) -> [Entry] {
        let entries = shard(of: key).tables.withLock { $0.entries[key] } ?? []
        return entries.allSatisfy(\.pid.isAlive) ? entries : entries.filter(\.pid.isAlive)
    }

    /// The first process that has a key, taken to be one of messages of this type; nil if there is none.
    public func pid<Message: ~Copyable>(of key: Key, as type: Message.Type) -> Pid<Message>? {
        lookup(key).first.map { Pid($0.pid) }
    }

    /// The keys of a process; a key that it has more than once is there as often. **OTP**: `Registry.keys/2`.
    public func keys(of pid: some ProcessIdentifier) -> [Key] {
        guard pid.isAlive else { return [] }
        return shard(of: pid.untyped).tables.withLock { $0.keys[pid.untyped] } ?? []
    }

    /// All keys that some process has. **OTP**: `Registry.select/2`.
    public var allKeys: [Key] {
        shards.flatMap { shard in
            shard.tables.withLock { $0.entries }.compactMap { $0.value.contains(where: \.pid.isAlive) ? $0.key : nil }
        }
    }

    /// How many entries there are. **OTP**: `Registry.count/1`.
    public var count: Int {
        shards.reduce(0) { sum, shard in
            sum + shard.tables.withLock { $0.entries }.values.reduce(0) { $0 + $1.count(where: \.pid.isAlive) }
        }
    }

    /// Calls `body` with the processes that have a key, if there are any. It runs in the caller. **OTP**: `Registry.dispatch/3`.
    public func dispatch(_ key: Key, _ body: ([Entry]) throws -> Void) rethrows {
        let entries = lookup(key)
        if !entries.isEmpty { try body(entries) }
    }

    // --- Listening --------------------------------------------------------------------------------------------------------------

    /// Tells a process of what is registered and unregistered from now on, until it has ended.
    ///
    /// Whoever registers sends the event, and the registry's process those of processes that have ended; events of one process come in
    /// order.
    ///
    /// - Parameters:
    ///   - pid: whom to tell.
    ///   - message: makes one of its messages of an event. **OTP**: `listeners` of `Registry.start_link/1`.
    public func addListener<Message>(_ pid: Pid<Message>, _ message: @escaping @Sendable (Event) -> sending Message) {
        listeners.withLock { $0.append(Listener(pid: AnyPid(pid)) { event in pid.send(message(event)) }) }
    }

    private func tell(_ event: Event) {
        let all = listeners.withLock { $0 }
        for listener in all { listener.tell(event) }
        let ended = all.map(\.pid).filter { !$0.isAlive }
        if !ended.isEmpty { listeners.withLock { $0.removeAll { ended.contains($0.pid) } } }
    }

    // --- Its process ------------------------------------------------------------------------------------------------------------

    func isRun(by pid: Pid<RegistryServer<Key, Value>.Message>) {
        serverPid.withLock { $0 = pid }
    }

    /// All processes that have entries.
    var registered: [AnyPid] {
        shards.flatMap { shard in shard.tables.withLock { Array($0.keys.keys) } }
    }

    func removeAll(of pid: AnyPid) {
        while let key = shard(of: pid).tables.withLock({ $0.keys[pid]?.last }) {
            // The entry of one that ended while it registered may be gone already, its key is not.
            if !remove(key, pid) { shard(of: pid).tables.withLock { _ = $0.keys[pid]?.popLast() } }
        }
        shard(of: pid).tables.withLock { $0.keys[pid] = nil }
    }

    private func shard(of value: some Hashable) -> Shard {
        shards[Int(UInt(bitPattern: value.hashValue) % UInt(shards.count))]
    }
}

/// The process of a ``Registry``: it watches the processes that are registered, and removes what those that end leave.
public struct RegistryServer<Key: Hashable & Sendable, Value: Sendable>: GenServer, Sendable {
    /// What it is sent.
    public struct Message: Sendable {
        enum Kind { case watch(AnyPid) }
        let kind: Kind
        static func watch(_ pid: AnyPid) -> Message { Message(kind: .watch(pid)) }
    }

    let registry: Registry<Key, Value>
    private var watched: Set<AnyPid> = []

    init(registry: Registry<Key, Value>) { self.registry = registry }

    /// Watches all that are registered already: those of an earlier run.
    public mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult {
        registry.isRun(by: context.pid)
        for pid in registry.registered { try watch(pid, in: context) }
        return .ok
    }

    public mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message.kind {
        case .watch(let pid): try watch(pid, in: context)
        }
        return .continue
    }

    public mutating func handle(info: consuming Info, in context: borrowing Context<Message>) throws -> Next {
        if case .down(let down) = consume info {
            watched.remove(down.pid)
            registry.removeAll(of: down.pid)
        }
        return .continue
    }

    private mutating func watch(_ pid: AnyPid, in context: borrowing Context<Message>) throws {
        if watched.insert(pid).inserted { _ = try context.monitor(pid) }
    }
}
