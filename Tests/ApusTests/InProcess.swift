import Apus
import Testing

/// Runs `body` as a process and waits until it has ended. An error it throws fails the test.
func inProcess(trapsExits: Bool = false, _ body: @escaping @Sendable (borrowing Context<Never>) throws -> Void) throws {
    var options = SpawnOptions()
    options.trapsExits = trapsExits
    let process = try spawnBlocking(of: Never.self, options: options) { me in
        do {
            try body(me)
        } catch {
            Issue.record(error)
        }
    }
    // noproc: it had ended before it was joined.
    let reason = try process.join()
    #expect(reason == .normal || reason == .noproc)
}

/// Waits until `isTrue`, which others are about to make so.
func eventually(_ me: borrowing Context<Never>, _ isTrue: () -> Bool) {
    while !isTrue() { me.yield() }
}

/// Expects that nothing waits in the mailbox.
func expectEmptyMailbox(_ me: borrowing Context<Never>, sourceLocation: SourceLocation = #_sourceLocation) {
    let isEmpty = me.receiveInfo(timeout: .zero) == nil
    #expect(isEmpty, "something is left in the mailbox", sourceLocation: sourceLocation)
}
