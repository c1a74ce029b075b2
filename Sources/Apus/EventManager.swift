/// A process that hands each event to all of its handlers, which come and go.
///
/// ```swift
/// let events = try EventManager<Sale>.start()
/// try events.add(Totals(), id: "totals")
/// events.notify(Sale("tea", 3))
/// let sum = try events.call("totals", as: Totals.self) { $0.sum }
/// ```
///
/// A handler that throws is removed, and the others and the manager go on. Handlers run one after the other in the manager's process, in
/// the order in which they were added.
///
/// The waiting functions set a process's stack aside, and block a plain thread; in a Task use those that `await`.
///
/// **OTP**: `gen_event`.
public struct EventManager<Event: Sendable>: Sendable {
    /// What a manager is sent.
    public struct Message: Sendable {
        enum Kind {
            case notify(Event)
            case perform(@Sendable (inout EventManagerServer<Event>, borrowing Context<Message>) -> Void)
        }
        let kind: Kind
    }

    /// The manager's process.
    public let pid: Pid<Message>

    /// The manager that is known by its pid.
    public init(_ pid: Pid<Message>) { self.pid = pid }

    /// Starts a manager without handlers. - Throws: as ``spawn(_:options:)->Pid<Server.Message>``. **OTP**: `gen_event:start/1`.
    public static func start(options: SpawnOptions? = nil) throws(ApusError) -> EventManager {
        EventManager(try spawn(EventManagerServer<Event>(), options: options))
    }

    /// Starts a manager linked with the calling process. **OTP**: `gen_event:start_link/1`.
    public static func startLink<Own: ~Copyable>(
        options: SpawnOptions? = nil, in context: borrowing Context<Own>
    ) throws(ApusError) -> EventManager {
        EventManager(try context.spawnLink(EventManagerServer<Event>(), options: options))
    }

    /// Sends an event to all handlers, and does not wait. **OTP**: `gen_event:notify/2`.
    @discardableResult
    public func notify(_ event: Event) -> Bool {
        pid.send(Message(kind: .notify(event)))
    }

    /// Sends an event and waits until all handlers have had it. **OTP**: `gen_event:sync_notify/2`.
    public func syncNotify(_ event: Event, timeout: Duration? = .seconds(5)) throws(ApusError) {
        try perform(timeout: timeout) { manager, context in manager.notify(event, in: context) }
    }

    /// Adds a handler.
    ///
    /// - Parameters:
    ///   - handler: moved into the manager's process, where ``EventHandler/initialize()`` is called.
    ///   - id: what it is called here.
    ///   - owner: if this process ends, the handler is removed; and if the handler is removed, this process gets a
    ///     ``HandlerRemoved`` (an ``Info/message(_:)``). nil: nobody.
    ///   - timeout: how long the manager may take to answer; nil: for ever.
    /// - Throws: ``ApusError/Code/taken`` there is one with this id; ``ApusError/Code/exited`` its `initialize` threw, with the reason.
    /// - **OTP**: `gen_event:add_handler/3`, with an owner `add_sup_handler/3`.
    public func add(
        _ handler: some EventHandler<Event> & Sendable, id: String, owner: AnyPid? = nil, timeout: Duration? = .seconds(5)
    ) throws(ApusError) {
        try perform(timeout: timeout) { manager, context throws(ApusError) in
            try manager.add(handler, id: id, owner: owner, in: context)
        }
    }

    /// Removes a handler, whose ``EventHandler/terminate(_:)`` is called with ``HandlerEnd/deleted``.
    /// - Throws: ``ApusError/Code/notFound``. **OTP**: `gen_event:delete_handler/3`.
    public func delete(_ id: String, timeout: Duration? = .seconds(5)) throws(ApusError) {
        try perform(timeout: timeout) { manager, context throws(ApusError) in
            try manager.delete(id, in: context)
        }
    }

    /// Puts a handler in the place of another, between two events; `new` is made of the old one, after the old one's
    /// ``EventHandler/terminate(_:)`` with ``HandlerEnd/swapped``. The owner stays.
    ///
    /// - Throws: ``ApusError/Code/notFound`` there is none with that id and type; ``ApusError/Code/exited`` the new one's `initialize`
    ///   threw, and both are gone. **OTP**: `gen_event:swap_handler/3`.
    public func swap<Old: EventHandler<Event>, New: EventHandler<Event>>(
        _ id: String, as type: Old.Type, timeout: Duration? = .seconds(5), for new: @escaping @Sendable (Old) -> New
    ) throws(ApusError) {
        try perform(timeout: timeout) { manager, context throws(ApusError) in
            try manager.swap(id, new, in: context)
        }
    }

    /// Asks one handler: `body` runs on it, in the manager's process.
    ///
    /// - Throws: ``ApusError/Code/notFound`` there is none with that id and type; ``ApusError/Code/exited`` `body` threw, and the handler
    ///   has been removed. **OTP**: `gen_event:call/4`.
    public func call<Handler: EventHandler<Event>, Reply: Sendable>(
        _ id: String, as type: Handler.Type, timeout: Duration? = .seconds(5), _ body: @escaping @Sendable (inout Handler) throws -> Reply
    ) throws(ApusError) -> Reply {
        try perform(timeout: timeout) { manager, context throws(ApusError) in
            try manager.call(id, body, in: context)
        }
    }

    /// The ids of the handlers, in the order in which they get events. **OTP**: `gen_event:which_handlers/1`.
    public func handlers(timeout: Duration? = .seconds(5)) throws(ApusError) -> [String] {
        try perform(timeout: timeout) { manager, _ in manager.handlers.map(\.id) }
    }

    /// Ends the manager, and waits until it has ended; its handlers' ``EventHandler/terminate(_:)`` are called with ``HandlerEnd/stopped(_:)``.
    /// - Throws: as ``Context/stop(_:_:timeout:)-(Pid<Other>,_,_)``. **OTP**: `gen_event:stop/3`.
    public func stop(_ reason: ExitReason = .normal, timeout: Duration? = nil) throws(ApusError) {
        try stopHere(pid, reason, timeout: timeout)
    }

    private func perform<Reply: Sendable>(
        timeout: Duration?, _ body: @escaping Errand<Reply>
    ) throws(ApusError) -> Reply {
        let result: Result<Reply, ApusError> = try callHere(pid, timeout: timeout) { Message($0, body) }
        return try result.get()
    }

    typealias Errand<Reply> = @Sendable (inout EventManagerServer<Event>, borrowing Context<Message>) throws(ApusError) -> Reply
}

extension EventManager.Message {
    /// Runs `body` in the manager and answers with what it returns or throws.
    init<Reply: Sendable>(_ from: From<Result<Reply, ApusError>>, _ body: @escaping EventManager<Event>.Errand<Reply>) {
        kind = .perform { manager, context in
            do throws(ApusError) {
                from.reply(.success(try body(&manager, context)))
            } catch {
                from.reply(.failure(error))
            }
        }
    }
}

// For a Task, which is suspended meanwhile.
extension EventManager {
    /// As the function of this name that waits, for a Task.
    public func syncNotify(_ event: Event, timeout: Duration? = .seconds(5)) async throws(ApusError) {
        try await perform(timeout: timeout) { manager, context in manager.notify(event, in: context) }
    }

    /// As the function of this name that waits, for a Task.
    public func add(
        _ handler: some EventHandler<Event> & Sendable, id: String, owner: AnyPid? = nil, timeout: Duration? = .seconds(5)
    ) async throws(ApusError) {
        try await perform(timeout: timeout) { manager, context throws(ApusError) in
            try manager.add(handler, id: id, owner: owner, in: context)
        }
    }

    /// As the function of this name that waits, for a Task.
    public func delete(_ id: String, timeout: Duration? = .seconds(5)) async throws(ApusError) {
        try await perform(timeout: timeout) { manager, context throws(ApusError) in try manager.delete(id, in: context) }
    }

    /// As the function of this name that waits, for a Task.
    public func swap<Old: EventHandler<Event>, New: EventHandler<Event>>(
        _ id: String, as type: Old.Type, timeout: Duration? = .seconds(5), for new: @escaping @Sendable (Old) -> New
    ) async throws(ApusError) {
        try await perform(timeout: timeout) { manager, context throws(ApusError) in try manager.swap(id, new, in: context) }
    }

    /// As the function of this name that waits, for a Task.
    public func call<Handler: EventHandler<Event>, Reply: Sendable>(
        _ id: String, as type: Handler.Type, timeout: Duration? = .seconds(5), _ body: @escaping @Sendable (inout Handler) throws -> Reply
    ) async throws(ApusError) -> Reply {
        try await perform(timeout: timeout) { manager, context throws(ApusError) in try manager.call(id, body, in: context) }
    }

    /// As the function of this name that waits, for a Task.
    public func handlers(timeout: Duration? = .seconds(5)) async throws(ApusError) -> [String] {
        try await perform(timeout: timeout) { manager, _ in manager.handlers.map(\.id) }
    }

    /// As the function of this name that waits, for a Task.
    public func stop(_ reason: ExitReason = .normal, timeout: Duration? = nil) async throws(ApusError) {
        try await pid.stop(reason, timeout: timeout)
    }

    private func perform<Reply: Sendable>(timeout: Duration?, _ body: @escaping Errand<Reply>) async throws(ApusError) -> Reply {
        let result: Result<Reply, ApusError> = try await pid.call(timeout: timeout) { Message($0, body) }
        return try result.get()
    }
}

/// A handler of the events of an ``EventManager``: a value that lives in the manager's process.
///
/// **OTP**: a `gen_event` callback module.
public protocol EventHandler<Event>: SendableMetatype {
    /// What the manager's events are.
    associatedtype Event

    /// Called when it is added. If it throws, it is not. The default does nothing.
    mutating func initialize() throws
    /// Handles an event. If it throws, the handler is removed.
    mutating func handle(_ event: Event) throws -> HandlerNext
    /// It has been removed. The default does nothing.
    mutating func terminate(_ end: HandlerEnd)
}

extension EventHandler {
    public mutating func initialize() throws {}
    public mutating func terminate(_ end: HandlerEnd) {}
}

/// What an event handler wants to happen next.
public enum HandlerNext: Sendable {
    /// Go on.
    case keep
    /// Remove this handler; its work is done.
    case remove
}

/// Why a handler was removed.
public enum HandlerEnd: Sendable, Hashable {
    /// It was deleted.
    case deleted
    /// Another takes its place.
    case swapped
    /// It returned ``HandlerNext/remove``.
    case removed
    /// It threw; the reason carries the error.
    case failed(ExitReason)
    /// Its owner has ended.
    case ownerEnded(ExitReason)
    /// The manager ends.
    case stopped(ExitReason)
}

/// What the owner of a handler is sent when the handler has been removed. **OTP**: `{gen_event_EXIT, Handler, Reason}`.
public struct HandlerRemoved: Sendable, Hashable {
    /// The manager.
    public var manager: AnyPid
    /// What the handler was called.
    public var id: String
    /// Why it is gone.
    public var end: HandlerEnd
}

/// The process of an ``EventManager``: `Child(EventManagerServer<Sale>(), name: "sales")` supervises one.
public struct EventManagerServer<Event: Sendable>: GenServer {
    public typealias Message = EventManager<Event>.Message

    struct Entry {
        let id: String
        var handler: any EventHandler<Event>
        var owner: AnyPid?
        var monitor: Reference?
    }

    var handlers: [Entry] = []

    /// A manager without handlers, to be spawned or put below a supervisor.
    public init() {}

    /// The manager traps exits, so that its handlers learn of its end.
    public mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult {
        context.trapExits()
        return .ok
    }

    public mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message.kind {
        case .notify(let event): notify(event, in: context)
        case .perform(let body): body(&self, context)
        }
        return .continue
    }

    public mutating func handle(info: consuming Info, in context: borrowing Context<Message>) throws -> Next {
        if case .down(let down) = consume info, let index = handlers.firstIndex(where: { $0.monitor == down.reference }) {
            handlers[index].monitor = nil
            remove(at: index, .ownerEnded(down.reason), in: context)
        }
        return .continue
    }

    public mutating func terminate(_ reason: ExitReason, in context: borrowing Context<Message>) {
        while !handlers.isEmpty { remove(at: 0, .stopped(reason), in: context) }
    }

    // --- What it is asked to do -------------------------------------------------------------------------------------------------

    mutating func notify(_ event: Event, in context: borrowing Context<Message>) {
        var index = 0
        while index < handlers.count {
            do {
                switch try handlers[index].handler.handle(event) {
                case .keep: index += 1
                case .remove: remove(at: index, .removed, in: context)
                }
            } catch {
                remove(at: index, .failed(ExitReason(throwing: error)), in: context)
            }
        }
    }

    mutating func add(
        _ handler: consuming some EventHandler<Event>, id: String, owner: AnyPid?, in context: borrowing Context<Message>
    ) throws(ApusError) {
        guard !handlers.contains(where: { $0.id == id }) else { throw ApusError(.taken, detail: "there is a handler \"\(id)\"") }
        var entry = Entry(id: id, handler: handler, owner: owner)
        try start(&entry)
        if let owner { entry.monitor = try context.monitor(owner) }
        handlers.append(entry)
    }

    mutating func delete(_ id: String, in context: borrowing Context<Message>) throws(ApusError) {
        guard let index = handlers.firstIndex(where: { $0.id == id }) else { throw noHandler(id) }
        remove(at: index, .deleted, in: context)
    }

    mutating func swap<Old: EventHandler<Event>, New: EventHandler<Event>>(
        _ id: String, _ new: (Old) -> New, in context: borrowing Context<Message>
    ) throws(ApusError) {
        let index = try find(id, as: Old.self)
        var old = handlers[index].handler as! Old
        old.terminate(.swapped)
        handlers[index].handler = new(old)
        do {
            try start(&handlers[index])
        } catch {
            remove(at: index, .failed(error.reason ?? .normal), isTerminated: true, in: context)
            throw error
        }
    }

    mutating func call<Handler: EventHandler<Event>, Reply>(
        _ id: String, _ body: (inout Handler) throws -> Reply, in context: borrowing Context<Message>
    ) throws(ApusError) -> Reply {
        let index = try find(id, as: Handler.self)
        var handler = handlers[index].handler as! Handler
        do {
            let reply = try body(&handler)
            handlers[index].handler = handler
            return reply
        } catch {
            handlers[index].handler = handler
            let reason = ExitReason(throwing: error)
            remove(at: index, .failed(reason), in: context)
            throw ApusError(.exited, reason: reason, detail: "the handler \"\(id)\" has been removed")
        }
    }

    private func find<Handler>(_ id: String, as type: Handler.Type) throws(ApusError) -> Int {
        guard let index = handlers.firstIndex(where: { $0.id == id && $0.handler is Handler }) else { throw noHandler(id) }
        return index
    }

    private func noHandler(_ id: String) -> ApusError {
        ApusError(.notFound, detail: "there is no handler \"\(id)\" of that type")
    }

    private func start(_ entry: inout Entry) throws(ApusError) {
        do {
            try entry.handler.initialize()
        } catch {
            throw ApusError(.exited, reason: ExitReason(throwing: error), detail: "the handler \"\(entry.id)\" did not start")
        }
    }

    private mutating func remove(
        at index: Int, _ end: HandlerEnd, isTerminated: Bool = false, in context: borrowing Context<Message>
    ) {
        var entry = handlers.remove(at: index)
        if let monitor = entry.monitor { context.demonitor(monitor, flush: true) }
        if !isTerminated { entry.handler.terminate(end) }
        if let owner = entry.owner { owner.send(HandlerRemoved(manager: AnyPid(context.pid), id: entry.id, end: end)) }
    }
}

// What is copied to other threads, a child's template, has no handlers yet: they are added in the process.
extension EventManagerServer: @unchecked Sendable {}
