import Apus
import Testing

/// Waits until `isTrue`, which others are about to make so.
func eventually(_ me: borrowing Context<Never>, _ isTrue: () -> Bool) {
    while !isTrue() { me.yield() }
}

/// Waits until another process than `old` has the name.
func eventually<Message: ~Copyable>(_ me: borrowing Context<Never>, _ name: Name<Message>, isNot old: Pid<Message>) -> Pid<Message> {
    while true {
        if let pid = name.pid, pid != old { return pid }
        me.yield()
    }
}

/// Expects that nothing waits in the mailbox.
func expectEmptyMailbox(_ me: borrowing Context<Never>, sourceLocation: SourceLocation = #_sourceLocation) {
    let isEmpty = me.receiveInfo(timeout: .zero) == nil
    #expect(isEmpty, "something is left in the mailbox", sourceLocation: sourceLocation)
}

nonisolated(nonsending) func expectEmptyMailbox(
    _ me: borrowing AsyncContext<Never>, sourceLocation: SourceLocation = #_sourceLocation
) async {
    let isEmpty = await me.receiveInfo(timeout: .zero) == nil
    #expect(isEmpty, "something is left in the mailbox", sourceLocation: sourceLocation)
}
