import CApus
import CApusSwift

/// A process whose only work is to run an actor: the actor's jobs run on the core's schedulers, one at a time, and the actor can be linked,
/// monitored and named like any process.
///
/// ```swift
/// actor Account {
///     let process = try! ActorProcess()
///     nonisolated var unownedExecutor: UnownedSerialExecutor { process.asUnownedSerialExecutor() }
///     var balance = 0
///     func deposit(_ amount: Int) { balance += amount }
/// }
/// ```
///
/// When the process ends, by an exit signal or a fault, the actor is no longer what it was: those linked with the process are told. Jobs that
/// reach it afterwards still run, on Swift's global pool, so that no task is left hanging.
///
/// Several actors may share one process; they then never run at the same time.
public final class ActorProcess: SerialExecutor {
    /// The process, to be linked, monitored, named.
    public let pid: AnyPid

    /// Starts the process. - Throws: as ``spawn(_:options:)->Pid<Server.Message>``. **Threads**: any.
    public init(options: SpawnOptions? = nil) throws(ApusError) {
        pid = AnyPid(
            try spawnProgram(actorProgram.pointer, named: options?.name, value: 0) { argument, size in
                spawnRaw(actorProgram.pointer, argument, size, (options ?? SpawnOptions()).keepingThread, 0, nil)
            })
    }

    /// Ends the process with the last reference to it.
    deinit { pid.exit(.shutdown) }

    /// For Swift's runtime: makes the job a message to the process. If that has ended the job runs on the global pool.
    /// **Threads**: any.
    public func enqueue(_ job: consuming ExecutorJob) {
        enqueueJob(UnownedJob(job), in: pid.c, executor: self)
    }

    public func isIsolatingCurrentContext() -> Bool? {
        apus_pid_of(apus_self()).id == pid.id
    }

    public func checkIsolated() {
        precondition(apus_pid_of(apus_self()).id == pid.id, "not in the process of this actor")
    }
}

private let actorProgram: ImmortalProgram = {
    let program = UnsafeMutablePointer<apus_swift_program>.allocate(capacity: 1)
    apus_swift_program_make(
        program, immortalName("actor"), MemoryLayout<UnsafeRawPointer>.size, MemoryLayout<UnsafeRawPointer>.size,
        immortalClosure(StartClosure { _, _, _ in 0 }),
        immortalClosure(
            HandleClosure { _, _, message in
                if apus_message_type(message) == ProcessJob.type {
                    takePayload(of: message, as: ProcessJob.self).run()
                }
                return 0
            }),
        immortalClosure(TerminateClosure { _, _, _ in }), immortalClosure(CleanupClosure { _, _ in }),
        immortalClosure(ValueClosure { _ in }))
    return ImmortalProgram(pointer: UnsafePointer(program))
}()
