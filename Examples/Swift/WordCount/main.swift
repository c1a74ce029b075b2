// Words are counted over all cores: a process for each part of the text, and one that adds their counts up.
import Apus

struct Adder: GenServer {
    enum Message { case part([String: Int]), result(From<[String: Int]>) }
    var due: Int
    var total: [String: Int] = [:]
    var asked: From<[String: Int]>?

    mutating func handle(_ message: consuming Message, in context: borrowing Context<Message>) -> Next {
        switch message {
        case .part(let counts):
            // The dictionary was moved here: nobody else has it.
            total.merge(counts, uniquingKeysWith: +)
            due -= 1
        case .result(let from): asked = from
        }
        if due == 0, let asked {
            asked.reply(total)
            return .stop
        }
        return .continue
    }
}

struct Counter: GenServer {
    let text: Substring
    let adder: Pid<Adder.Message>

    mutating func initialize(in context: borrowing Context<Never>) -> InitResult {
        var counts: [String: Int] = [:]
        for word in text.split(whereSeparator: { !$0.isLetter }) { counts[word.lowercased(), default: 0] += 1 }
        adder.send(.part(counts))
        return .stop(.normal)
    }

    mutating func handle(_ message: consuming Never, in context: borrowing Context<Never>) -> Next {}
}

let verse = "The more that you read, the more things you will know. The more that you learn, the more places you'll go.\n"
let text = String(repeating: verse, count: 2000)
let lines = text.split(separator: "\n")
let parts = stride(from: 0, to: lines.count, by: 100).map { begin in
    text[lines[begin].startIndex..<lines[min(begin + 100, lines.count) - 1].endIndex]
}
let adder = try spawn(Adder(due: parts.count))
for part in parts { try spawn(Counter(text: part, adder: adder)) }
let counts: [String: Int] = try await adder.call(timeout: .seconds(30)) { .result($0) }
for (word, count) in counts.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }).prefix(4) { print(count, word) }
try Runtime.stop()
