import CApus
import CApusSwift

// An asynchronous process: a task whose jobs run in a process of the core, on the core's schedulers only.
//
// Idea:       the task is isolated to an actor that is its own serial executor. A job that is enqueued becomes a message to the process,
//             whose handler runs it. To wait for a message the task suspends itself below the level of continuations
//             (CApusSwift.c, "Suspending a task"), and the handler that is given the message runs the task on, at once, so that a
//             message costs no job, no allocation and no look at another executor.
// Invariants: I1 everything here but `pid` and `enqueue` is touched in the process only: by its handler, and by the task when it is on
//             the process, which `comeHome` makes sure of.  I2 `parked` is set exactly while the task waits in `wait`.
//             I3 a message in `aside` is kept, and is released or moved out once.
// Order:      what was put aside is older than what the handler is given, so a receive looks there first (R26).
// Ending:     when the process ends while the task lives, the task is cancelled and every wait returns at once with nothing. What it
//             awaits elsewhere then comes back to a process that is no more: such jobs run on the global pool.
// Dropped:    continuations (266 to 370 ns for a message, and a hop), a task executor (142 ns): docs/decisions.
@usableFromInline
actor ProcessActor: SerialExecutor {
    nonisolated let pid: apus_pid
    nonisolated(unsafe) let process: OpaquePointer
    /// The suspended task.
    nonisolated(unsafe) var parked: UnsafeMutableRawPointer?
    nonisolated(unsafe) var wanted = Wanted.nothing
    /// What it waited for; borrowed from the handler, or nil.
    nonisolated(unsafe) var arrived: UnsafeMutablePointer<apus_message>?
    nonisolated(unsafe) var aside: [UnsafeMutablePointer<apus_message>] = []
    /// The time limit of the wait; 0: none.
    nonisolated(unsafe) var timer: UInt64 = 0
    nonisolated(unsafe) var task: Task<Void, Never>?
    nonisolated(unsafe) var isEnding = false
    /// Set when the body has ended.
    nonisolated(unsafe) var outcome: ExitReason?

    /// What a task waits for.
    enum Wanted {
        case nothing
        case type(UnsafePointer<apus_type>)
        case reference(UInt64)
        case system
        case match((UnsafeMutablePointer<apus_message>) -> Bool)

        @inline(__always)
        func takes(_ message: UnsafeMutablePointer<apus_message>) -> Bool {
            switch self {
            case .type(let type): apus_message_type(message) == type
            case .reference(let id): apus_message_ref(message).id == id
            case .system: apus_swift_match_system(message, nil)
            case .match(let match): match(message)
            case .nothing: false
            }
        }
    }

    init(_ process: OpaquePointer) {
        self.process = process
        pid = apus_pid_of(process)
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

    // --- The handler's side -----------------------------------------------------------------------------------------------------

    /// Begins the task. In the process's init.
    nonisolated func launch(_ body: nonisolated(nonsending) @escaping @Sendable (ProcessActor) async throws -> Void) {
        assumeIsolated { actor in
            actor.task = Task {
                await actor.run(body)
            }
        }
    }

    private func run(_ body: nonisolated(nonsending) (ProcessActor) async throws -> Void) async {
        apus_swift_learn_task()
        do {
            try await body(self)
            outcome = .normal
        } catch {
            outcome = ExitReason(throwing: error)
        }
    }

    @inline(__always)
    nonisolated func handle(_ message: UnsafeMutablePointer<apus_message>) -> Int32 {
        if parked != nil, wanted.takes(message) {
            if timer != 0 { stopTimer() }
            arrived = message
            resume()
        } else {
            handleOther(message)
        }
        return outcome == nil ? 0 : exitWithOutcome()
    }

    private nonisolated func handleOther(_ message: UnsafeMutablePointer<apus_message>) {
        let type = apus_message_type(message)
        if type == ProcessJob.type {
            takePayload(of: message, as: ProcessJob.self).run()
        } else if type == WaitTimeout.type {
            // One of an earlier wait is not for this one.
            guard parked != nil, timer != 0, apus_message_ref(message).id == timer || timer == WaitTimeout.isMarker else { return }
            timer = 0
            resume()
        } else if apus_message_keep(message) == 0 {
            aside.append(message)
        }
    }

    @inline(__always)
    private nonisolated func resume() {
        guard let task = parked else { return }
        parked = nil
        unsafeBitCast(task, to: UnownedJob.self).runSynchronously(on: unownedExecutor)
    }

    private nonisolated func stopTimer() {
        if timer != WaitTimeout.isMarker { apus_cancel(apus_ref(id: timer), nil) }
        timer = 0
    }

    private nonisolated func exitWithOutcome() -> Int32 {
        guard let outcome, outcome.code != .normal else { return Int32(APUS_DONE) }
        return exit(process, outcome)
    }

    /// Nothing comes any more: the process has been told to end.
    private nonisolated func beginEnding() {
        isEnding = true
        task?.cancel()
    }

    /// The process ends. In its cleanup.
    nonisolated func end() {
        if outcome == nil {
            beginEnding()
            if timer != 0 { stopTimer() }
            while parked != nil { resume() }
        }
        for message in aside { apus_message_release(message) }
        aside = []
        task = nil
    }

    // --- The task's side --------------------------------------------------------------------------------------------------------

    /// Goes back to the process, if whatever the task awaited has left it elsewhere.
    @inline(__always)
    nonisolated(nonsending) func comeHome() async {
        if apus_self() != process, !isEnding { await touch() }
    }

    @inline(never)
    private func touch() {}

    /// Waits until something that is wanted has come, and gives it: borrowed, if it has just been handed to the handler, else the task's
    /// to release. nil: the time is up, or the process must end.
    @inline(__always)
    nonisolated(nonsending) func wait(
        for wanted: Wanted, timeout: Duration?
    ) async -> (message: UnsafeMutablePointer<apus_message>, isOwned: Bool)? {
        await comeHome()
        if !aside.isEmpty, let message = takeAside(wanted) { return (message, true) }
        guard !isEnding, apus_is_alive(pid) else {
            beginEnding()
            return nil
        }
        if let timeout { startTimer(timeout) }
        self.wanted = wanted
        await apus_swift_park(&parked)
        self.wanted = .nothing
        guard let message = arrived else { return nil }
        arrived = nil
        return (message, false)
    }

    private nonisolated func takeAside(_ wanted: Wanted) -> UnsafeMutablePointer<apus_message>? {
        guard let index = aside.firstIndex(where: { wanted.takes($0) }) else { return nil }
        return aside.remove(at: index)
    }

    private nonisolated func startTimer(_ timeout: Duration) {
        let milliseconds = milliseconds(timeout)
        if milliseconds == apus_swift_infinity() { return }
        if milliseconds == 0 {
            // R26: a message to itself comes after everything that is there.
            timer = WaitTimeout.isMarker
            apus_send(pid, WaitTimeout.type, nil, 0)
        } else {
            var ref = apus_ref()
            if apus_send_after(milliseconds, pid, WaitTimeout.type, nil, 0, &ref) == 0 { timer = ref.id }
        }
    }
}

/// Suspends the current task and leaves it at `place`; run as a job, it goes on.
@_silgen_name("apus_swift_park")
nonisolated(nonsending) func apus_swift_park(_ place: UnsafeMutablePointer<UnsafeMutableRawPointer?>) async

/// The message that the time limit of a wait is.
enum WaitTimeout {
    struct Message {}
    static var type: UnsafePointer<apus_type> { messageType(of: Message.self) }
    /// In `timer`: a message that the process has sent itself, not a timer.
    static let isMarker = UInt64.max
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

/// Makes a job a message to the process that is its executor.
func enqueueJob(_ job: UnownedJob, in pid: apus_pid, executor: some SerialExecutor) {
    var message = (job, executor.asUnownedSerialExecutor())
    let size = MemoryLayout<ProcessJob>.size
    var result = apus_send(pid, ProcessJob.type, &message, size)
    // A job is no user message: a bound of the mailbox is not for it, and a timer's message always fits (R70).
    if result == -ENOBUFS { result = apus_send_after(0, pid, ProcessJob.type, &message, size, nil) }
    if result != 0 { runElsewhere(job, message.1) }
}

/// Runs a job whose process is no more, on the global pool.
private func runElsewhere(_ job: UnownedJob, _ executor: UnownedSerialExecutor) {
    let job = job, executor = executor
    Task.detached { job.runSynchronously(on: executor) }
}
