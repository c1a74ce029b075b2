// Words.swift - a line of a scenario, and what its words mean.
import Apus

struct Words: Sendable {
    let list: [String]

    init(_ line: some StringProtocol, separator: Character = " ") {
        list = line.split(separator: separator).map { String($0) }
    }

    /// "" beyond the last one.
    subscript(_ index: Int) -> String { index < list.count ? list[index] : "" }

    func has(_ word: String) -> Bool { list.dropFirst().contains(word) }

    /// What follows `key` in the word that begins with it.
    func value(_ key: String) -> String? {
        list.dropFirst().first { $0.hasPrefix(key) }.map { String($0.dropFirst(key.count)) }
    }
}

extension ExitReason {
    init(named text: String) {
        if text.hasPrefix("error:") {
            self = .error("told to", number: Int32(text.dropFirst(6))!)
        } else if text.hasPrefix("shutdown:") {
            self = .shutdown(Int32(text.dropFirst(9))!)
        } else {
            let plain: [ExitReason] = [.normal, .shutdown, .kill, .killed, .noproc, .timeout]
            self = plain.first { $0.code.description == text }!
        }
    }

    var name: String {
        switch code {
        case .error: "error:\(number)"
        case .shutdown where number != 0: "shutdown:\(number)"
        default: code.description
        }
    }
}

/// A time that never comes, or one that comes before the next `wait` is over.
func time(_ word: String) -> Duration { word == "long" ? .seconds(3600) : .seconds(1) }
