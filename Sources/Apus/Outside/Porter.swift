import CApus
import CApusSwift
import Synchronization

// Calls from tasks outside of any process, which must not block their thread.
//
// Idea:       a request needs a process that asks, to which the reply, or the news of the server's end, can come. A *porter* is such a
//             process: it is sent the request as a parcel, asks in its own name, and hands the outcome to whoever waits. There is one
//             for each scheduler, made when first needed; a caller picks the one that its thread's number falls to.
// Reference:  made by the caller for the porter before anything is sent (`apus_caller_make`), so that the message may carry the way back.
// Ownership:  a parcel holds one reference to the waiter and the message's value until the porter has asked. A parcel that is not read
//             (the runtime is being stopped) destroys the value and tells the waiter. The porter's book holds the waiters of open
//             requests; when it ends, it tells them.
// Once:       each waiter is told exactly once: by the parcel's end, or by whoever takes it out of the book.
enum Porter {
    /// What a parcel begins with; the value follows at `headSize`.
    struct Parcel {
        var caller: apus_caller
        var server: apus_pid
        var type: UnsafePointer<apus_type>
        var size: Int
        var timeout: UInt64
        var waiter: Unmanaged<CallWaiter>
    }

    static let headSize = (MemoryLayout<Parcel>.size + 15) & ~15

    /// Asks, on behalf of `waiter`, which is told in the end whatever comes of it.
    static func ask<Asked: ~Copyable, Reply: ~Copyable>(
        _ server: apus_pid, timeout: Duration?, waiter: CallWaiter, _ message: (From<Reply>) -> Asked
    ) {
        var caller = apus_caller()
        let result = pick().map { apus_caller_make($0, &caller) } ?? -ESHUTDOWN
        guard result == 0 else { return waiter.tell(ApusError(result: result)) }
        var box: Asked? = message(From(caller))
        let type = messageType(of: Asked.self)
        let size = MemoryLayout<Asked>.size
        let isSent = withUnsafeTemporaryAllocation(byteCount: headSize + size, alignment: 16) { place in
            let parcel = place.baseAddress.unsafelyUnwrapped
            let value = (parcel + headSize).bindMemory(to: Asked.self, capacity: 1)
            value.initialize(to: box.take()!)
            parcel.initializeMemory(
                as: Parcel.self,
                to: Parcel(
                    caller: caller, server: server, type: type, size: size, timeout: milliseconds(timeout),
                    waiter: .passRetained(waiter)))
            let isSent = apus_send(caller.pid, parcelType.pointer, parcel, headSize + size) == 0
            if !isSent { value.deinitialize(count: 1) }
            return isSent
        }
        if isSent {
            waiter.isSent(caller)
        } else {
            Unmanaged.passUnretained(waiter).release()
            waiter.tell(ApusError(.notRunning))
        }
    }

    /// Gives up a request, whose waiter is told ``ApusError/Code/ending``.
    static func abandon(_ caller: apus_caller) {
        _ = sendMoving(Abandon(reference: caller.ref), to: caller.pid)
    }

    struct Abandon {
        let reference: apus_ref
    }

    // --- The pool ---------------------------------------------------------------------------------------------------------------

    private static let pool = Mutex<[apus_pid]>([])

    /// A porter that lives; nil if the runtime does not run.
    private static func pick() -> apus_pid? {
        pool.withLock { pool in
            let index = Int(apus_swift_thread_number())
            if !pool.isEmpty, apus_is_alive(pool[index % pool.count]) { return pool[index % pool.count] }
            guard let count = try? Runtime.info().schedulers, Runtime.isRunning else { return nil }
            if pool.count != count { pool = Array(repeating: apus_pid(id: 0), count: count) }
            let pid = start()
            pool[index % count] = pid ?? apus_pid(id: 0)
            return pid
        }
    }

    private static func start() -> apus_pid? {
        let book = Unmanaged.passRetained(PorterBook())
        let pid = try? spawnProgram(program.pointer, named: nil, value: book) { argument, size in
            spawnRaw(program.pointer, argument, size, nil, 0, nil)
        }
        if pid == nil { book.release() }
        return pid
    }

    // --- The process ------------------------------------------------------------------------------------------------------------

    private static let parcelType: ImmortalType = {
        let type = UnsafeMutablePointer<apus_swift_type>.allocate(capacity: 1)
        var destroy = immortalClosure(ValueClosure { discard($0, ApusError(.notRunning)) })
        apus_swift_type_make(type, "call", &destroy)
        return ImmortalType(pointer: UnsafeRawPointer(type).assumingMemoryBound(to: apus_type.self))
    }()

    /// Destroys a parcel that is not on its way any more, and tells its waiter.
    private static func discard(_ parcel: UnsafeMutableRawPointer, _ error: ApusError) {
        let head = parcel.assumingMemoryBound(to: Parcel.self).pointee
        head.type.pointee.drop?(parcel + headSize, head.size, head.type)
        head.waiter.takeRetainedValue().tell(error)
    }

    private static let program: ImmortalProgram = {
        let place = MemoryLayout<UnsafeRawPointer>.size
        let program = UnsafeMutablePointer<apus_swift_program>.allocate(capacity: 1)
        apus_swift_program_make(
            program, immortalName("porter"), 2 * place, place,
            immortalClosure(
                StartClosure { _, state, value in
                    (state + place).storeBytes(of: value.load(as: Unmanaged<PorterBook>.self), as: Unmanaged<PorterBook>.self)
                    return 0
                }),
            immortalClosure(
                HandleClosure { process, state, message in
                    (state + place).load(as: Unmanaged<PorterBook>.self)._withUnsafeGuaranteedRef { handle(process, $0, message) }
                    return 0
                }),
            immortalClosure(TerminateClosure { _, _, _ in }),
            immortalClosure(
                CleanupClosure { _, state in (state + place).load(as: Unmanaged<PorterBook>.self).takeRetainedValue().close() }),
            immortalClosure(ValueClosure { $0.load(as: Unmanaged<PorterBook>.self).release() }))
        return ImmortalProgram(pointer: UnsafePointer(program))
    }()

    private static func handle(_ process: OpaquePointer, _ book: PorterBook, _ message: UnsafeMutablePointer<apus_message>) {
        let type = apus_message_type(message)
        if type == parcelType.pointer {
            apus_message_take(message)
            deliver(process, book, apus_swift_payload(message))
        } else if type == messageType(of: Abandon.self) {
            let reference = takePayload(of: message, as: Abandon.self).reference
            guard let waiter = book.waiting.removeValue(forKey: reference.id) else { return }
            apus_request_abandon(process, reference)
            waiter.tell(ApusError(.ending, detail: "the task that called was cancelled"))
        } else if let waiter = book.waiting.removeValue(forKey: apus_message_ref(message).id) {
            if apus_message_is_reply(message) {
                waiter.tell(message)
            } else {
                waiter.tell(outcomeError(message, false))
            }
        }
    }

    private static func deliver(_ process: OpaquePointer, _ book: PorterBook, _ parcel: UnsafeMutableRawPointer) {
        let head = parcel.assumingMemoryBound(to: Parcel.self).pointee
        let result = apus_request_as(process, head.caller, head.server, head.type, parcel + headSize, head.size, head.timeout)
        guard result == 0 else { return discard(parcel, ApusError(result: result)) }
        book.waiting[head.caller.ref.id] = head.waiter.takeRetainedValue()
    }
}

/// Why a request was not answered: its server ended, or the time is up.
private func outcomeError(_ outcome: UnsafeMutablePointer<apus_message>, _ isOwned: Bool) -> ApusError {
    defer { if isOwned { apus_message_release(outcome) } }
    guard apus_message_type(outcome) == SystemTypes.down else { return ApusError(.timeout) }
    let reason = ExitReason(&apus_swift_payload(outcome).assumingMemoryBound(to: apus_down_message.self).pointee.reason)
    return reason.code == .noproc ? ApusError(.noproc) : ApusError(.exited, reason: reason)
}

/// The waiters of a porter's open requests.
final class PorterBook {
    var waiting: [UInt64: CallWaiter] = [:]

    func close() {
        for waiter in waiting.values { waiter.tell(ApusError(.notRunning)) }
        waiting = [:]
    }
}

/// The address of a message type, which never changes once made.
struct ImmortalType: @unchecked Sendable {
    let pointer: UnsafePointer<apus_type>
}
