// Journal.swift - what happened in a step, and the order in which it is printed.

/// What an event is, and with it where it stands among the others of its subject.
enum Kind: Int {
    /// Numbers got, by their sender, in order.
    case number
    /// What was learnt of ends, sorted: OTP promises no order.
    case learnt
    /// What it was asked for, as it came.
    case done
}

struct Event {
    let subject: String
    let kind: Kind
    let source: String
    let text: String
    let place: Int
}

final class Journal {
    private var events: [Event] = []

    func tell(_ subject: String, _ kind: Kind, source: String = "", _ text: String) {
        events.append(Event(subject: subject, kind: kind, source: source, text: text, place: events.count))
    }

    func learnt(_ subject: String, _ text: String) { tell(subject, .learnt, source: text, text) }
    func done(_ subject: String, _ text: String) { tell(subject, .done, text) }

    func clear() { events.removeAll() }

    /// Prints and forgets. Of one that is gone after the step it is not promised whether it heard of other ends before.
    func printAll(isAlive: (String) -> Bool) {
        let ordered = events.sorted {
            ($0.subject, $0.kind.rawValue, $0.source, $0.place) < ($1.subject, $1.kind.rawValue, $1.source, $1.place)
        }
        for event in ordered where !event.source.hasPrefix("down ") || isAlive(event.subject) {
            print("  \(event.subject): \(event.text)")
        }
        clear()
    }
}
