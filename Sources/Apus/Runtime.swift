import CApus
import Synchronization

/// The runtime: one for each OS process. It can be started again after it was stopped.
///
/// ``spawn(_:options:)->Pid<Server.Message>`` and the start of a ``Supervisor`` start it with its defaults if it was never started, so that
/// most programs only stop it.
public enum Runtime {
    /// How the runtime is set up; the defaults use every CPU the program may.
    public struct Options: Sendable {
        /// Where the threads that carry the schedulers may run.
        ///
        /// A thread made in a handler may use all CPUs of the program all the same. A program that a handler starts by Foundation's
        /// `Process`, or `posix_spawn`, has those of its scheduler, as Linux has it: start it from a task or a thread made for that.
        public enum Binding: UInt32, Sendable {
            /// One scheduler for one CPU, unless the cgroup's CPU quota is smaller than the set of allowed CPUs.
            case automatic = 0
            /// One scheduler, one CPU.
            case cores = 1
            /// Each scheduler on the CPUs of one NUMA node.
            case nodes = 2
            /// Wherever the system puts them.
            case none = 3
        }

        /// nil: one for each CPU allowed, fewer under a CPU quota.
        public var schedulers: Int?
        /// Where schedulers run.
        public var binding: Binding = .automatic
        /// So many at once at least; nil: 4,194,304 with what schedulers set aside.
        public var maxProcesses: Int?
        /// Likewise.
        public var maxTimers: Int?
        /// Messages a process may handle before others of its priority get a turn, or fewer if they take over 1 ms in all; nil: 65,536.
        public var reductions: Int?
        /// Bytes of a stack for a process that waits inside a handler; nil: 256 KiB.
        public var stackSize: Int?

        /// A process that stays in a handler for longer loses its scheduler to the others that wait there, and goes on beside them on its
        /// own thread. In whole milliseconds, rounded up; nil: never. An asynchronous one has it again on that same thread.
        public var rescueAfter: Duration? = .milliseconds(10)
        /// Threads that have lost their scheduler, at once, beyond which a process keeps its own; nil: 256; at most 4,096.
        public var maxDetached: Int?

        /// What becomes of a trap, or another fault, in the code of a process.
        public enum FaultMode: UInt32, Sendable {
            /// It ends the process where that is safe, else the program, after a report.
            case contain = 0
            /// It ends the program, after a report.
            case report = 1
            /// The runtime installs no handlers.
            case ignore = 2
        }

        /// What becomes of a fault.
        public var faults: FaultMode = .contain
        /// Contain a fault also if its thread holds a pthread mutex, which then stays locked for good.
        public var containsFaultsWithLocks = false
        /// Faults contained in any minute, each of which costs a thread; the next one ends the program. nil: 100; 0: none.
        public var maxFaultsPerMinute: Int?
        /// The same in this run; nil: 1,000; 0: none; at most 100,000.
        public var maxFaults: Int?

        /// Told of crashes, lost schedulers and warnings, on a thread of the runtime's own, one after the other. It must not wait for
        /// the runtime to stop. nil: they are written to standard error.
        public var log: (@Sendable (LogEntry) -> Void)?

        /// The defaults.
        public init() {}
    }

    private struct Starts {
        var wasStarted = false
        /// Of the run that was started last, kept until the next one has started: the core holds its address as long as it runs.
        var log: LogTarget?
    }

    /// Held while the runtime starts, so that whoever finds it not running at that moment waits until it does. By plain threads only: a
    /// process may go on upon another thread after any call of the core.
    private static let starts = Mutex(Starts())

    /// Starts the runtime.
    ///
    /// - Throws: ``ApusError/Code/already``, ``ApusError/Code/invalid``, ``ApusError/Code/outOfMemory``,
    ///   ``ApusError/Code/notPermitted`` inside a process.
    /// - Complexity: milliseconds; one thread for each scheduler. **OTP**: starting the emulator.
    public static func start(_ options: Options = Options()) throws(ApusError) {
        var c = apus_options()
        c.struct_size = MemoryLayout<apus_options>.size
        c.schedulers = UInt32(clamping: options.schedulers ?? 0)
        c.binding = apus_binding(rawValue: options.binding.rawValue)
        c.max_processes = UInt32(clamping: options.maxProcesses ?? 0)
        c.max_timers = UInt32(clamping: options.maxTimers ?? 0)
        c.reductions = UInt32(clamping: options.reductions ?? 0)
        c.stack_size = options.stackSize ?? 0
        c.setFaults(options)
        let log = options.log.map(LogTarget.init)
        log?.install(in: &c)
        guard apus_self() == nil else { return try check(-EDEADLK) }
        try check(
            starts.withLock { starts in
                starts.wasStarted = true
                let result = apus_start(&c)
                if result == 0 { starts.log = log }
                return result
            })
    }

    /// Stops the runtime: shutdown to every process that a plain thread has started, then to all others, and kill to what remains
    /// when the time is up. Returns when the last process has ended.
    ///
    /// - Parameter timeout: how long processes may take to end by themselves; nil waits for the slowest.
    /// - Throws: ``ApusError/Code/deadlock`` inside a process, ``ApusError/Code/notRunning``, ``ApusError/Code/timeout`` a handler does not
    ///   return: stop again later.
    /// - Threads: any plain thread; it waits. **OTP**: `init:stop/0`.
    public static func stop(timeout: Duration? = .seconds(5)) throws(ApusError) {
        try check(apus_stop(milliseconds(timeout)))
    }

    /// Whether it is running. A snapshot.
    public static var isRunning: Bool { apus_is_running() }

    /// The version of the C core, as "0.1.0".
    public static var version: String { String(cString: apus_version()) }

    /// Time on the runtime's clock: monotonic, with an arbitrary start; virtual under the simulator.
    public static var now: Duration { .milliseconds(Int64(clamping: apus_now_ms())) }

    /// True if it runs now: because it has just been started, since nobody ever did, or somebody else has done so meanwhile.
    static func startIfNeverStarted() -> Bool {
        guard apus_self() == nil else { return false }
        return starts.withLock { starts in
            if !starts.wasStarted {
                starts.wasStarted = true
                apus_start(nil)
            }
            return isRunning
        }
    }

    /// Counters since the start; after a stop those of the last run.
    public struct Info: Sendable {
        /// How many there are.
        public var schedulers: Int
        /// NUMA nodes that they are on.
        public var nodes: Int
        /// Alive now.
        public var processes: Int
        /// In all.
        public var spawned: Int
        /// Messages handled.
        public var handled: Int
        /// Timers active now.
        public var timers: Int
        /// Blocks of messages, relations and states held now; 0 when nothing runs.
        public var blocksInUse: Int
        /// Processes that wait inside a handler now.
        public var stacksParked: Int
        /// Bytes taken from the system for pools, tables and stacks.
        public var memory: Int
        /// Faults contained.
        public var faults: Int
        /// Times a scheduler was taken from a process that stayed in its handler.
        public var rescues: Int
        /// Times that was due but not possible: ``Options/maxDetached``, no memory, no thread.
        public var rescuesRefused: Int
        /// Threads that have lost their scheduler and are in a handler still, now.
        public var detached: Int
    }

    /// Reads the counters. - Throws: ``ApusError/Code/notRunning`` if it was never started.
    public static func info() throws(ApusError) -> Info {
        var c = apus_runtime_info_t()
        c.struct_size = MemoryLayout<apus_runtime_info_t>.size
        try check(apus_runtime_info(&c))
        return Info(
            schedulers: Int(c.schedulers), nodes: Int(c.nodes), processes: Int(c.processes), spawned: Int(c.spawned),
            handled: Int(c.handled), timers: Int(c.timers), blocksInUse: Int(c.blocks_in_use), stacksParked: Int(c.stacks_parked),
            memory: c.memory, faults: Int(c.faults), rescues: Int(c.rescues), rescuesRefused: Int(c.rescues_refused),
            detached: Int(c.detached))
    }
}

extension apus_options {
    /// What becomes of faults and of processes that stay in a handler. In C zero is the default, and none has a value of its own.
    fileprivate mutating func setFaults(_ options: Runtime.Options) {
        rescue_ms = options.rescueAfter.map { UInt32(clamping: max(1, milliseconds($0))) } ?? UInt32.max
        detached_max = UInt32(clamping: options.maxDetached ?? 0)
        faults = apus_fault_mode(rawValue: options.faults.rawValue)
        faults_with_locks = options.containsFaultsWithLocks
        faults_per_minute = options.maxFaultsPerMinute.map { $0 == 0 ? UInt32.max : UInt32(clamping: $0) } ?? 0
        faults_in_all = options.maxFaults.map { $0 == 0 ? UInt32.max : UInt32(clamping: $0) } ?? 0
    }
}
