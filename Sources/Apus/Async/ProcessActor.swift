import CApus
import CApusSwift

// An asynchronous process: a task whose jobs run in a process of the core, on the core's schedulers only.
//
// Idea:       the task is isolated to an actor that is its own serial executor. A job that is enqueued becomes a message to the process,
//             whose handler runs it. To wait for a message the task leaves word where it goes on and returns (CApusSwift/task.c), and the
//             handler that is given the message runs the task on, at once: a message costs no job, no allocation, no locked instruction
//             and no look at another executor.
// Calls:      set the stack aside, as everybody's do, so that the core sees whom the process waits for. That is for a task that was run
//             on by the handler; one that is in a job of the runtime first waits, for nothing, and is then run on (`comeDirect`).
// Invariants: I1 everything here but `pid` and `enqueue` is touched in the process only: by its handler, and by the task when it is on
//             the process, which `comeHome` makes sure of.  I2 a message in `aside` is kept, and is released or moved out once.
// Order:      what was put aside is older than what the handler is given, so a receive looks there first (R26).
// Ending:     when the process ends while the task lives, the task is cancelled and every wait returns at once with nothing. What it
//             awaits elsewhere then comes back to a process that is no more: such jobs run on the global pool, and look at nothing
//             here (I1).
// State:      behind a pointer, since what several functions of a class touch is looked at for exclusivity at every touch. It lies behind the
//             task in one block of memory, which is there until the process and the task have both ended.
// Dropped:    the runtime's suspension, continuations, a task executor: docs/decisions/0016.
@usableFromInline
actor ProcessActor: SerialExecutor {
    nonisolated let pid: apus_pid
    @usableFromInline nonisolated(unsafe) let process: OpaquePointer
    @usableFromInline nonisolated(unsafe) let state: UnsafeMutablePointer<AsyncState>

    init(_ process: OpaquePointer, _ body: AsyncBody) {
        self.process = process
        pid = apus_pid_of(process)
        state = apus_swift_task_allocate(MemoryLayout<AsyncState>.size).bindMemory(to: AsyncState.self, capacity: 1)
        state.initialize(to: AsyncState(body))
        state.pointee.task.executor = unsafeBitCast(unownedExecutor, to: (UnsafeRawPointer?, UnsafeRawPointer?).self)
    }

    // --- The executor -----------------------------------------------------------------------------------------------------------

    @usableFromInline nonisolated var unownedExecutor: UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    @usableFromInline nonisolated func enqueue(_ job: consuming ExecutorJob) {
        enqueueJob(UnownedJob(job), in: pid, executor: self)
    }

    @usableFromInline nonisolated func checkIsolated() {
        precondition(apus_self() == process, "not in the process of this executor")
    }

    @usableFromInline nonisolated func isIsolatingCurrentContext() -> Bool? { apus_self() == process }

    // --- The task's beginning and its end ---------------------------------------------------------------------------------------

    /// Makes the task. In the process's init, which is over before the body begins; that is when the first message comes, at the latest
    /// the one that is sent here.
    nonisolated func launch() -> Int32 {
        guard apus_swift_task_make(&state.pointee.task) else { return exitThrowing(unknownRuntime, process) }
        return apus_send(pid, ProcessTurn.type, nil, 0)
    }

    /// What the task runs: CApusSwift/task.c makes it of this symbol.
    @usableFromInline @_silgen_name("apus_swift_task_body")
    func run() async {
        var failure: (any Error)?
        do {
            guard apus_swift_task_begin(&state.pointee.task) else { throw unknownRuntime }
            // One that was ended before it began is only taken down.
            if let body = state.pointee.body.take(), !state.pointee.isEnding { try await body.run(AsyncContext(self)) }
        } catch {
            failure = error
        }
        await comeHome()
        guard apus_self() == process else { return }  // the process is no more
        state.pointee.failure = failure
        state.pointee.hasEnded = true
    }

    /// The process ends. In its cleanup.
    nonisolated func end() {
        if state.pointee.task.task != nil, !state.pointee.hasEnded {
            state.pointee.isEnding = true
            apus_swift_task_cancel(&state.pointee.task)
            state.pointee.stopTimer()
            AsyncState.begin(state)
            while state.pointee.task.resume != nil { apus_swift_task_resume(&state.pointee.task) }
        }
        state.pointee.aside.releaseAll()
        state.deinitialize(count: 1)
        UnsafeMutableRawPointer(state).withMemoryRebound(to: apus_swift_task.self, capacity: 1) { apus_swift_task_let_go($0) }
    }

    // --- The task's side --------------------------------------------------------------------------------------------------------

    /// Goes back to the process, if whatever the task awaited has left it elsewhere. It stays there if the process is no more.
    nonisolated(nonsending) func comeHome() async {
        if apus_self() != process { await touch() }
    }

    /// Whether the task is on its process, and that need not end.
    @usableFromInline nonisolated var isAtHome: Bool { apus_self() == process && !state.pointee.isEnding }

    @inline(never)
    private func touch() {}

    /// As ``comeHome()``, and to where a stack may be set aside.
    @usableFromInline
    nonisolated(nonsending) func comeDirect() async {
        await comeHome()
        guard isAtHome, !state.pointee.task.is_direct else { return }
        state.pointee.isTurning = true
        await apus_swift_task_wait(&state.pointee.task)
    }

    /// Waits until something that is wanted has come, and gives it: borrowed, if it has just been handed to the handler, else the task's
    /// to release. nil: the time is up, or the process must end.
    @usableFromInline
    nonisolated(nonsending) func wait(for wanted: Wanted, timeout: Duration?) async -> Arrival? {
        await comeHome()
        guard isAtHome else { return nil }
        if !state.pointee.aside.isEmpty, let message = state.pointee.aside.take(wanted) { return Arrival(message, isOwned: true) }
        if let timeout {
            guard startTimer(timeout) else {
                await comeDirect()
                return lookThrough(wanted, timeout)
            }
        }
        state.pointee.wanted = wanted
        await apus_swift_task_wait(&state.pointee.task)
        return state.pointee.takeArrived()
    }

    /// Begins a time limit; false if it is zero, or there is no timer for it: then the core waits, which needs none.
    private nonisolated func startTimer(_ timeout: Duration) -> Bool {
        let milliseconds = milliseconds(timeout)
        guard milliseconds != 0 else { return false }
        guard milliseconds != apus_swift_infinity() else { return true }
        var ref = apus_ref()
        guard apus_send_after(milliseconds, pid, WaitTimeout.type, nil, 0, &ref) == 0 else { return false }
        state.pointee.timer = ref.id
        return true
    }

    /// What is wanted of what is there already, or comes in time.
    private nonisolated func lookThrough(_ wanted: Wanted, _ timeout: Duration) -> Arrival? {
        guard !state.pointee.isEnding else { return nil }
        let time = milliseconds(timeout)
        let message = withUnsafeMutablePointer(to: &state.pointee.wanted) { place in
            place.pointee = wanted
            return apus_receive(process, { asyncWanted(in: $1!).pointee.takes(UnsafeMutablePointer(mutating: $0!)) }, place, time)
        }
        return message.map { Arrival($0, isOwned: true) }
    }
}

private let unknownRuntime = ExitReason.error("asynchronous processes do not know this version of the Swift runtime")

private func asyncWanted(in context: UnsafeMutableRawPointer) -> UnsafePointer<Wanted> {
    UnsafePointer(context.assumingMemoryBound(to: Wanted.self))
}

/// What an asynchronous process and its task know of each other.
@usableFromInline
struct AsyncState {
    @usableFromInline var task = apus_swift_task()
    @usableFromInline var wanted = Wanted()
    /// What it waited for; borrowed from the handler, or nil.
    @usableFromInline var arrived: UnsafeMutablePointer<apus_message>?
    @usableFromInline var isEnding = false
    /// It waits for nothing but to be run on by the handler.
    var isTurning = false
    var hasBegun = false
    var hasEnded = false
    /// What the body has thrown.
    var failure: (any Error)?
    /// The time limit of the wait; 0: none.
    var timer: UInt64 = 0
    @usableFromInline var aside = Aside()
    /// Until the task has begun.
    var body: AsyncBody?

    init(_ body: AsyncBody) { self.body = body }

    // --- The task's side --------------------------------------------------------------------------------------------------------

    /// Whether a wait without a time limit has nothing to look at first.
    @inlinable var canWaitAtOnce: Bool { aside.isEmpty && !isEnding }

    @inlinable @inline(__always)
    mutating func takeArrived() -> Arrival? {
        guard let message = arrived else { return nil }
        arrived = nil
        return Arrival(message, isOwned: false)
    }

    // --- The handler's side -----------------------------------------------------------------------------------------------------

    @inline(__always)
    static func handle(_ state: UnsafeMutablePointer<AsyncState>, _ message: UnsafeMutablePointer<apus_message>) -> Int32 {
        give(state, message)
        return state.pointee.hasEnded ? exitWithOutcome(state.pointee.failure) : 0
    }

    @inline(__always)
    private static func give(_ state: UnsafeMutablePointer<AsyncState>, _ message: UnsafeMutablePointer<apus_message>) {
        if state.pointee.task.resume != nil, state.pointee.wanted.takes(message) {
            if state.pointee.timer != 0 { state.pointee.stopTimer() }
            state.pointee.arrived = message
            apus_swift_task_resume(&state.pointee.task)
        } else {
            giveOther(state, message)
        }
    }

    @inline(never)
    private static func giveOther(_ state: UnsafeMutablePointer<AsyncState>, _ message: UnsafeMutablePointer<apus_message>) {
        let type = apus_message_type(message)
        if !state.pointee.hasBegun {
            begin(state)
            turnDirect(state)
            if !state.pointee.hasEnded { give(state, message) }
        } else if type == ProcessJob.type {
            takePayload(of: message, as: ProcessJob.self).run()
            turnDirect(state)
        } else if type == ProcessTurn.type {
            return
        } else if type == WaitTimeout.type {
            // One of an earlier wait is not for this one.
            guard state.pointee.timer != 0, apus_message_ref(message).id == state.pointee.timer else { return }
            state.pointee.timer = 0
            apus_swift_task_resume(&state.pointee.task)
        } else if apus_message_keep(message) == 0 {
            state.pointee.aside.append(message)
        }
    }

    /// Runs the task on, if it was in a job of the runtime's and wants to be run on by the handler.
    private static func turnDirect(_ state: UnsafeMutablePointer<AsyncState>) {
        guard state.pointee.isTurning else { return }
        state.pointee.isTurning = false
        apus_swift_task_resume(&state.pointee.task)
    }

    static func begin(_ state: UnsafeMutablePointer<AsyncState>) {
        guard !state.pointee.hasBegun else { return }
        state.pointee.hasBegun = true
        apus_swift_task_start(&state.pointee.task)
    }

    mutating func stopTimer() {
        if timer != 0 { apus_cancel(apus_ref(id: timer), nil) }
        timer = 0
    }

    @inline(never)
    private static func exitWithOutcome(_ failure: (any Error)?) -> Int32 {
        failure.map { exitThrowing($0, apus_self()!) } ?? Int32(APUS_DONE)
    }
}

/// Messages that have come and are not wanted yet, in order. The first can be taken at the cost of one, also if there are many.
@usableFromInline
struct Aside {
    private var messages: [UnsafeMutablePointer<apus_message>] = []
    private var taken = 0

    @usableFromInline var isEmpty: Bool { taken == messages.count }

    mutating func append(_ message: UnsafeMutablePointer<apus_message>) { messages.append(message) }

    mutating func take(_ wanted: Wanted) -> UnsafeMutablePointer<apus_message>? {
        guard let index = messages[taken...].firstIndex(where: { wanted.takes($0) }) else { return nil }
        guard index == taken else { return messages.remove(at: index) }
        let message = messages[index]
        taken += 1
        if taken * 2 > messages.count {
            messages.removeFirst(taken)
            taken = 0
        }
        return message
    }

    mutating func releaseAll() {
        for message in messages[taken...] { apus_message_release(message) }
        self = Aside()
    }
}

/// What a task waits for: messages of a type, or those that match. Nothing, if neither is set.
@usableFromInline
struct Wanted {
    @usableFromInline var type: UnsafePointer<apus_type>?
    var match: (@convention(c) (UnsafePointer<apus_message>?, UnsafeMutableRawPointer?) -> Bool)?
    var context: UnsafeMutableRawPointer?

    init() {}

    @inlinable init(_ type: UnsafePointer<apus_type>) { self.type = type }

    init(
        _ match: @escaping @convention(c) (UnsafePointer<apus_message>?, UnsafeMutableRawPointer?) -> Bool,
        _ context: UnsafeMutableRawPointer? = nil
    ) {
        self.match = match
        self.context = context
    }

    @inline(__always)
    func takes(_ message: UnsafeMutablePointer<apus_message>) -> Bool {
        type.map { $0 == apus_message_type(message) } ?? match?(message, context) ?? false
    }
}

/// A message that has come.
@usableFromInline
struct Arrival {
    @usableFromInline let message: UnsafeMutablePointer<apus_message>
    @usableFromInline let isOwned: Bool

    @inlinable init(_ message: UnsafeMutablePointer<apus_message>, isOwned: Bool) {
        self.message = message
        self.isOwned = isOwned
    }

    /// Moves the payload out and is done with the message.
    @inlinable @inline(__always)
    func take<Message: ~Copyable>(as type: Message.Type) -> Message {
        let payload = takePayload(of: message, as: type)
        if isOwned { apus_message_release(message) }
        return payload
    }

    var info: Info { isOwned ? Info(message, isOwned: true) : Info(handed: message) }
}

/// Leaves word at `place` where the current task goes on, and waits until it is run on.
@usableFromInline
@_silgen_name("apus_swift_task_wait")
nonisolated(nonsending) func apus_swift_task_wait(_ place: UnsafeMutablePointer<apus_swift_task>) async

/// Whether a message is for the body, and none of those that run it.
func isForBody(_ message: UnsafePointer<apus_message>?, _: UnsafeMutableRawPointer?) -> Bool {
    let type = apus_message_type(message)
    return type != ProcessJob.type && type != ProcessTurn.type && type != WaitTimeout.type
}

/// The message that the time limit of a wait is.
enum WaitTimeout {
    struct Message {}
    static var type: UnsafePointer<apus_type> { messageType(of: Message.self) }
}

/// A message that only gives an asynchronous process its first turn.
enum ProcessTurn {
    struct Message {}
    static var type: UnsafePointer<apus_type> { messageType(of: Message.self) }
}

/// A job on its way to the process that is its executor. One that is not read, because the process has ended, runs on the global pool.
struct ProcessJob: ~Copyable {
    let job: UnownedJob
    let executor: UnownedSerialExecutor

    static var type: UnsafePointer<apus_type> { messageType(of: ProcessJob.self) }

    consuming func run() {
        let job = job, executor = executor
        discard self
        job.runSynchronously(on: executor)
    }

    deinit {
        runElsewhere(job, executor)
    }
}

/// Makes a job a message to the process that is its executor; no user message, so that a bound of the mailbox is not for it (R70).
func enqueueJob(_ job: UnownedJob, in pid: apus_pid, executor: some SerialExecutor) {
    var message = (job, executor.asUnownedSerialExecutor())
    if apus_send(pid, ProcessJob.type, &message, MemoryLayout<ProcessJob>.size) != 0 { runElsewhere(job, message.1) }
}

/// Runs a job whose process is no more, on the global pool.
private func runElsewhere(_ job: UnownedJob, _ executor: UnownedSerialExecutor) {
    let job = job, executor = executor
    Task.detached { job.runSynchronously(on: executor) }
}
