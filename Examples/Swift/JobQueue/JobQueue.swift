// A queue whose jobs are processes of a dynamic supervisor: one that fails is tried again, later and later, until it succeeds.
import Apus
import Synchronization

let attempts = Mutex<[String: Int]>([:])

/// Does its job when it starts, and tells the queue. It is transient: a normal end is final, an error is not.
struct Job: GenServer {
    let name: String
    let failures: Int
    let queue: Pid<JobQueue.Message>

    mutating func initialize(in context: borrowing Context<Never>) -> InitResult { .ok(then: "work") }

    mutating func handle(step: Step, in context: borrowing Context<Never>) throws -> Next {
        let attempt = attempts.withLock { attempts in
            attempts[name, default: 0] += 1
            return attempts[name]!
        }
        if attempt <= failures { throw ExitReason.error("\(name) failed, attempt \(attempt)") }
        queue.send(.done(name, attempt))
        return .stop
    }

    mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
}

struct JobQueue: GenServer {
    enum Message { case submit(String, failures: Int), done(String, Int), drain(From<[String]>) }
    let workers: DynamicSupervisor
    var open = 0
    var results: [String] = []
    var drainers: [From<[String]>] = []

    init(workers: DynamicSupervisor) { self.workers = workers }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .submit(let name, let failures):
            open += 1
            var job = Child(Job(name: name, failures: failures, queue: context.pid), restart: .transient)
            job.backoff = Child.Backoff(initial: .milliseconds(5), factor: 2, maximum: .milliseconds(50), jitter: 0.2)
            try workers.startChild(job)
        case .done(let name, let attempt):
            open -= 1
            results.append("\(name): done at attempt \(attempt)")
        case .drain(let from):
            drainers.append(from)
        }
        if open == 0 {
            for from in drainers { from.reply(results.sorted()) }
            drainers = []
        }
        return .continue
    }
}

@main enum JobQueueDemo {
    static func main() async throws {
        let workers = DynamicSupervisor(name: "workers", intensity: 100)
        let tree = try await Supervisor.start(strategy: .restForOne) {
            workers
            Child(JobQueue(workers: workers), name: "queue")
        }
        let queue = JobQueue.at("queue").pid!
        for (name, failures) in [("resize", 0), ("upload", 3), ("mail", 1)] { queue.send(.submit(name, failures: failures)) }
        for line in try await queue.call(timeout: .seconds(20), { .drain($0) }) { print(line) }
        try tree.stop()
        try Runtime.stop()
    }
}
