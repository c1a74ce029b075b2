// Bench.swift - what the workloads of this peer share. The workloads are those of Benchmarks/WORKLOADS.md, with the checks of apus-c.
//
// A workload is a function that runs in a blocking process, the *boss*: it starts the processes to be measured, waits for what they
// report, stops the clock, checks counts and sums, and returns the value.
import Apus
import Glibc

/// The process that coordinates a run.
typealias Boss = Context<Int>

/// The workloads that have both forms in one; the others of the synchronous form are in Messages.swift, of the asynchronous one in Async.swift.
let commonWorkloads =
    failureWorkloads + timerWorkloads + [Workload(name: "big", unit: "msg/s", run: runBig)] + savinaWorkloads + savinaWorkWorkloads
    + bencherlWorkloads + ownWorkloads + socketWorkloads

struct Workload: Sendable {
    let name: String
    let unit: String
    let run: @Sendable (borrowing Boss) throws -> Double
}

nonisolated(unsafe) var cores = 1
nonisolated(unsafe) var scale = 1.0

func scaled(_ count: Int) -> Int { max(1, Int(Double(count) * scale + 0.5)) }

@inline(__always)
func check(_ isTrue: Bool, _ what: StaticString) {
    if !isTrue { fail(what) }
}

func complain(_ text: String) { _ = text.withCString { write(2, $0, strlen($0)) } }

@inline(never)
func fail(_ what: StaticString) -> Never {
    complain("apus-swift: check failed: \(what)\n")
    _exit(1)
}

func nanoseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

nonisolated(unsafe) var metrics: [(name: String, value: Double, unit: String)] = []

/// One more value that the run has found: printed after its own as WORKLOAD.NAME.
func also(_ name: String, _ value: Double, _ unit: String) { metrics.append((name, value, unit)) }

func seconds(_ nanoseconds: Int) -> Double { Double(nanoseconds) / 1e9 }

func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { fail("open /proc/self/statm") }
    defer { fclose(file) }
    var pages: (total: CLong, resident: CLong) = (0, 0)
    withUnsafeMutablePointer(to: &pages.total) { total in
        withUnsafeMutablePointer(to: &pages.resident) { resident in
            withVaList([total, resident]) { _ = vfscanf(file, "%ld %ld", $0) }
        }
    }
    check(pages.resident > 0, "resident pages")
    return pages.resident * sysconf(Int32(_SC_PAGESIZE))
}

extension Context where Message == Int {
    /// A number from any of the boss's processes.
    @inline(__always)
    func number() -> Int {
        guard let number = receive() else { fail("receive") }
        return number
    }
}

@main
struct Bench {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let count = Int(arguments[3]), let factor = Double(arguments[4]) else {
            complain("usage: bench PEER WORKLOAD CORES SCALE\n")
            exit(2)
        }
        let peer = arguments[1]
        isAsynchronous = peer == "apus-swift-async"
        let suite = isAsynchronous ? asyncWorkloads : workloads
        guard let workload = suite.first(where: { $0.name == arguments[2] }) else {
            complain("\(peer): no workload \(arguments[2])\n")
            exit(3)
        }
        (cores, scale) = (count, factor)
        var options = Runtime.Options()
        options.schedulers = cores
        try Runtime.start(options)
        check(try Runtime.info().schedulers == cores, "the runtime has CORES schedulers")
        nonisolated(unsafe) var value = 0.0
        let run = workload.run
        let boss = try spawnBlocking(of: Int.self) { boss in value = try run(boss) }
        let reason = try boss.join()
        check(reason == .normal || reason == .noproc, "the boss ended normally")
        try Runtime.stop(timeout: .zero)
        let info = try Runtime.info()
        check(info.processes == 0 && info.timers == 0, "nothing is left")
        print("\(peer),\(workload.name),\(cores),\(value),\(workload.unit)")
        for more in metrics { print("\(peer),\(workload.name).\(more.name),\(cores),\(more.value),\(more.unit)") }
    }
}
