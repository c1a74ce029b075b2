import CApus
import CApusSwift

extension Context where Message: ~Copyable {
    // --- Starting processes -----------------------------------------------------------------------------------------------------

    /// Starts a server linked with this process, atomically: one that ends at once still signals. **OTP**: `spawn_link/1`.
    @inlinable @discardableResult
    public func spawnLink<Server: GenServer & ~Copyable>(
        _ server: consuming sending Server, options: SpawnOptions? = nil
    ) throws(ApusError) -> Pid<Server.Message> {
        try Pid(spawnServer(server, options: options, flags: UInt32(APUS_SPAWN_LINK), monitor: nil))
    }

    /// Starts a server monitored by this process, atomically. **OTP**: `spawn_monitor/1`.
    @inlinable
    public func spawnMonitor<Server: GenServer & ~Copyable>(
        _ server: consuming sending Server, options: SpawnOptions? = nil
    ) throws(ApusError) -> (pid: Pid<Server.Message>, monitor: Reference) {
        var ref = apus_ref()
        let pid = try spawnServer(server, options: options, flags: UInt32(APUS_SPAWN_MONITOR), monitor: &ref)
        return (Pid(pid), Reference(ref))
    }

    /// Starts a blocking process linked with this one, atomically.
    @discardableResult
    public func spawnLinkBlocking<Other: ~Copyable>(
        of type: Other.Type, options: SpawnOptions? = nil, body: sending @escaping (borrowing Context<Other>) throws -> Void
    ) throws(ApusError) -> Pid<Other> {
        try Pid(spawnBody(of: type, options: options, flags: UInt32(APUS_SPAWN_LINK), monitor: nil, body: body))
    }

    /// Starts a blocking process monitored by this one, atomically.
    public func spawnMonitorBlocking<Other: ~Copyable>(
        of type: Other.Type, options: SpawnOptions? = nil, body: sending @escaping (borrowing Context<Other>) throws -> Void
    ) throws(ApusError) -> (pid: Pid<Other>, monitor: Reference) {
        var ref = apus_ref()
        let pid = try spawnBody(of: type, options: options, flags: UInt32(APUS_SPAWN_MONITOR), monitor: &ref, body: body)
        return (Pid(pid), Reference(ref))
    }

    // --- Links and monitors -----------------------------------------------------------------------------------------------------

    /// Links this process with another: when one ends, the other gets an exit signal with the reason. At most one link for each pair.
    ///
    /// - Throws: ``ApusError/Code/noproc`` it has ended, and this process does not trap exits; one that traps gets ``Info/exit(_:)``.
    /// - **OTP**: `link/1`.
    public func link(_ other: some ProcessIdentifier) throws(ApusError) {
        try check(apus_link(process, other.untyped.c))
    }

    /// Takes the link away. After it returns no exit signal of that link arrives. **OTP**: `unlink/1`.
    public func unlink(_ other: some ProcessIdentifier) {
        apus_unlink(process, other.untyped.c)
    }

    /// Watches another process: when it ends, or if it is gone already, this process gets one ``Info/down(_:)`` with the reference.
    ///
    /// - Throws: ``ApusError/Code/outOfMemory``. **OTP**: `monitor/2`.
    public func monitor(_ other: some ProcessIdentifier) throws(ApusError) -> Reference {
        var ref = apus_ref()
        try check(apus_monitor(process, other.untyped.c, &ref))
        return Reference(ref)
    }

    /// As ``monitor(_:)``, of whoever has the name; if nobody has, `noproc`.
    public func monitor(name: String) throws(ApusError) -> Reference {
        var ref = apus_ref()
        try check(apus_monitor_name(process, name, &ref))
        return Reference(ref)
    }

    /// Ends a monitor.
    ///
    /// - Parameters:
    ///   - monitor: what was returned when it was set up.
    ///   - flush: whether a down message that has come already is taken out of the mailbox.
    /// - Returns: whether the monitor was still active. **OTP**: `demonitor/2`.
    @discardableResult
    public func demonitor(_ monitor: Reference, flush: Bool = false) -> Bool {
        apus_demonitor(process, monitor.c, flush ? UInt32(APUS_DEMONITOR_FLUSH) : 0) == 1
    }

    // --- Timers and descriptors -------------------------------------------------------------------------------------------------

    /// Starts a timer for this process, which gets ``Info/timeout(_:)`` with the reference.
    ///
    /// - Throws: ``ApusError/Code/limit``. **OTP**: `start_timer/3`.
    public func startTimer(after delay: Duration) throws(ApusError) -> Reference {
        var ref = apus_ref()
        try check(apus_send_after(milliseconds(delay), apus_pid_of(process), nil, nil, 0, &ref))
        return Reference(ref)
    }

    /// Asks for one ``Info/io(_:)`` when the descriptor is ready. One shot: ask again after each.
    ///
    /// - Parameters:
    ///   - descriptor: non-blocking, and open until the message has come or ``unwatch(_:)``.
    ///   - events: to read, to write, or both.
    /// - Throws: ``ApusError`` with EBADF; ``ApusError/Code/notPermitted`` a plain file; ``ApusError/Code/busy`` another process's.
    public func watch(_ descriptor: Int32, for events: IOEvents) throws(ApusError) {
        try check(apus_watch(process, descriptor, events.rawValue))
    }

    /// Ends a watch; call it before the descriptor is closed.
    public func unwatch(_ descriptor: Int32) {
        apus_unwatch(process, descriptor)
    }
}
