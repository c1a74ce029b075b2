import CApus

/// Calls from wherever this is: a process sets its stack aside, a plain thread blocks.
///
/// What is built of calls (agents, event managers, registries) is asked through this, so that it need not be told who asks.
func callHere<Asked: ~Copyable, Reply: ~Copyable>(
    _ server: Pid<Asked>, timeout: Duration?, _ message: (From<Reply>) -> Asked
) throws(ApusError) -> Reply {
    guard let process = apus_self() else { return try server.callSync(timeout: timeout, message) }
    return try Context<Never>(process).call(server, timeout: timeout, message)
}

/// Ends a server and waits until it has ended, from wherever this is.
func stopHere<Message: ~Copyable>(_ server: Pid<Message>, _ reason: ExitReason, timeout: Duration?) throws(ApusError) {
    guard let process = apus_self() else { return try server.stopSync(reason, timeout: timeout) }
    try Context<Never>(process).stop(server, reason, timeout: timeout)
}
