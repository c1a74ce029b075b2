// A token bucket as a server: it refills by its own timer, and answers a request at once or when its turn has come.
import Apus

struct RateLimiter: GenServer {
    enum Message { case take(From<Void>), refill }
    let capacity: Int
    let interval: Duration
    var tokens: Int
    var waiting: [From<Void>] = []

    init(capacity: Int, every interval: Duration) {
        self.capacity = capacity
        self.interval = interval
        tokens = capacity
    }

    mutating func initialize(in context: borrowing Context<Message>) throws -> InitResult {
        try context.pid.send(.refill, after: interval)
        return .ok
    }

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) throws -> Next {
        switch message {
        case .take(let from):
            // The reply comes later if there is no token: the caller waits, the server does not.
            waiting.append(from)
        case .refill:
            tokens = min(capacity, tokens + 1)
            try context.pid.send(.refill, after: interval)
        }
        while tokens > 0, !waiting.isEmpty {
            tokens -= 1
            waiting.removeFirst().reply()
        }
        return .continue
    }
}

let limiter = try spawn(RateLimiter(capacity: 3, every: .milliseconds(20)))
let clock = ContinuousClock()
let start = clock.now
try await withThrowingTaskGroup(of: Void.self) { group in
    for _ in 0..<8 { group.addTask { try await limiter.call { .take($0) } } }
    try await group.waitForAll()
}
// Three at once, then one for each refill; a timer is never early.
print("8 requests passed", clock.now - start >= .milliseconds(100) ? "in no less than 5 refills" : "too early")
try Runtime.stop()
