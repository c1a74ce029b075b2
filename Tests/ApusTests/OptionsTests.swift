import Apus
import Synchronization
import Testing

#if canImport(Glibc)
import Glibc
#endif

/// Options for one scheduler, whose log is remembered.
private func optionsRemembering(_ log: Log) -> Runtime.Options {
    var options = Runtime.Options()
    options.schedulers = 1
    options.binding = .none
    options.log = { entry in log.entries.withLock { $0.append(entry) } }
    return options
}

private final class Log: Sendable {
    let entries = Mutex([Runtime.LogEntry]())
    func contains(_ kind: Runtime.LogEntry.Kind) -> Bool { entries.withLock { $0.contains { $0.kind == kind } } }
}

/// A process that stays in its body until it may go, beside one that waits.
private func stay(until mayGo: Flag) throws -> Pid<Never> {
    let stayer = try spawnBlocking(of: Never.self) { _ in
        while !mayGo.isUp { spin(for: .milliseconds(1)) }
    }
    try spawn(Counter()).send(.add(1))
    return stayer
}

private final class Flag: Sendable {
    private let value = Atomic(false)
    var isUp: Bool { value.load(ordering: .acquiring) }
    func raise() { value.store(true, ordering: .releasing) }
}

/// Processes that trap, one after the other, in a runtime with the options that `set` makes.
private func fall(times: Int = 1, withLock: Bool = false, set: (inout Runtime.Options) -> Void) async throws {
    var options = Runtime.Options()
    set(&options)
    try Runtime.start(options)
    for _ in 0..<times { try await fallOnce(withLock: withLock) }
    try Runtime.stop()
}

/// Has a process trap, and throws if another process is not told of that end.
private func fallOnce(withLock: Bool = false) async throws {
    try await inProcess { me in
        _ = try me.spawnMonitorBlocking(of: Never.self) { _ in
            if withLock {
                let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
                mutex.initialize(to: pthread_mutex_t())
                pthread_mutex_lock(mutex)
            }
            Trap.fatal.spring()
        }
        guard case .down(let down)? = me.receiveInfo(), Trap.fatal.explains(down.reason) else { throw Failure(text: "not told") }
    }
}

#if arch(x86_64)
private let trapped = ExitTest.Condition.signal(SIGILL)
#else
private let trapped = ExitTest.Condition.signal(SIGTRAP)
#endif

extension AllTests { @Suite struct OptionsTests {
    @Test("a start that is refused leaves the log of the run that is under way as it is") func refusedStart() throws {
        weak var kept: Log?
        do {
            let log = Log()
            kept = log
            try Runtime.start(optionsRemembering(log))
        }
        #expect(errorOf { try Runtime.start(optionsRemembering(Log())) }?.code == .already)
        #expect(kept != nil)
        try Runtime.stop()
    }

    @Test("a process loses its scheduler after rescueAfter, which the log and the counters tell") func rescued() async throws {
        let log = Log(), mayGo = Flag()
        var options = optionsRemembering(log)
        options.rescueAfter = .milliseconds(1)
        try await withRuntime(options) {
            let stayer = try stay(until: mayGo)
            while !log.contains(.rescue) { try await Task.sleep(for: .milliseconds(1)) }
            #expect(log.entries.withLock { $0.first { $0.kind == .rescue }?.pid } == stayer.untyped)
            #expect(try Runtime.info().rescues > 0)
            #expect(try Runtime.info().detached == 1)
            mayGo.raise()
            _ = try stayer.join()
            #expect(try Runtime.info().detached == 0)
        }
    }

    @Test("rescueAfter nil: no process loses its scheduler") func neverRescued() async throws {
        let mayGo = Flag()
        var options = optionsRemembering(Log())
        options.rescueAfter = nil
        try await withRuntime(options) {
            let stayer = try stay(until: mayGo)
            try await Task.sleep(for: .milliseconds(100))
            #expect(try Runtime.info().rescues == 0)
            mayGo.raise()
            _ = try stayer.join()
        }
    }

    @Test("beyond maxDetached a process keeps its scheduler, which is warned of and counted") func ceiling() async throws {
        let log = Log(), mayGo = Flag()
        var options = optionsRemembering(log)
        options.maxDetached = 1
        try await withRuntime(options) {
            let stayers = try [stay(until: mayGo), stay(until: mayGo), stay(until: mayGo)]
            while !log.contains(.warning) { try await Task.sleep(for: .milliseconds(1)) }
            #expect(try Runtime.info().rescuesRefused > 0)
            #expect(try Runtime.info().detached == 1)
            mayGo.raise()
            for stayer in stayers { _ = try stayer.join() }
        }
    }
} }

extension AllTests { @Suite(.enabled(if: faultsAreContained)) struct OptionsFaultTests {
    @Test("faults in one runtime are counted and told, with the reason") func contained() async throws {
        let log = Log()
        var options = optionsRemembering(log)
        options.maxFaults = 2
        options.maxFaultsPerMinute = 2
        try await withRuntime(options) {
            for _ in 0..<2 { try await fallOnce() }
            #expect(try Runtime.info().faults == 2)
        }
        #expect(log.entries.withLock { $0.count { $0.kind == .crash && Trap.fatal.explains($0.reason!) } } == 2)
    }

    @Test("with .report a fault ends the program") func reported() async {
        await #expect(processExitsWith: trapped) { try await fall { $0.faults = .report } }
    }

    @Test("with .ignore a fault ends the program") func ignored() async {
        await #expect(processExitsWith: trapped) { try await fall { $0.faults = .ignore } }
    }

    @Test("rule 6: with no faults allowed in all, one ends the program") func none() async {
        await #expect(processExitsWith: trapped) { try await fall { $0.maxFaults = 0 } }
    }

    @Test("rule 6: with no faults allowed in a minute, one ends the program") func noneInAMinute() async {
        await #expect(processExitsWith: trapped) { try await fall { $0.maxFaultsPerMinute = 0 } }
    }

    @Test("rule 6: the fault after the last one allowed ends the program") func more() async {
        await #expect(processExitsWith: .success) { try await fall { $0.maxFaults = 1 } }
        await #expect(processExitsWith: trapped) { try await fall(times: 2) { $0.maxFaults = 1 } }
        await #expect(processExitsWith: trapped) { try await fall(times: 2) { $0.maxFaultsPerMinute = 1 } }
    }

    @Test("rule 5: a fault with a pthread mutex held ends the program, or is contained if it is to be") func locks() async {
        await #expect(processExitsWith: trapped) { try await fall(withLock: true) { _ in } }
        await #expect(processExitsWith: .success) { try await fall(withLock: true) { $0.containsFaultsWithLocks = true } }
    }
}
}
