import Apus
import CApus
import Glibc
import Testing

/// Laid out as a C struct of an int and a double.
private struct Reading: BitwiseCopyable, Sendable, Equatable {
    var sensor: Int32
    var value: Double
}

/// The constant that C code would declare: `const apus_type reading = {"reading"}`.
private nonisolated(unsafe) let readingType: UnsafePointer<apus_type> = {
    let type = UnsafeMutablePointer<apus_type>.allocate(capacity: 1)
    type.initialize(to: apus_type())
    type.pointee.name = UnsafePointer(strdup("reading"))
    return UnsafePointer(type)
}()

/// A process as C code would write it: answers each reading, known by the address of its type, with one more.
private let gauge: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Void = { process, _ in
    while let message = apus_receive(process, nil, nil, 20_000) {
        if apus_message_type(message) == readingType, apus_message_size(message) == MemoryLayout<Reading>.size {
            var reading = (UnsafeRawPointer(message) + MemoryLayout<apus_message>.size).load(as: Reading.self)
            reading.value += 1
            apus_send(apus_message_from(message), readingType, &reading, MemoryLayout<Reading>.size)
        }
        apus_message_release(message)
    }
}

extension AllTests { @Suite struct DeclaredMessageTests {
    @Test("a C process and a Swift process exchange messages of one declared type") func exchange() async throws {
        declareMessage(Reading.self, as: readingType)
        try await withRuntime { try await inProcess { me in
            var pid = apus_pid()
            #expect(apus_spawn_blocking(gauge, nil, 0, nil, &pid) == 0)
            let gauge = Pid<Reading>(AnyPid(pid))
            for n in 0..<10 {
                gauge.send(Reading(sensor: 7, value: Double(n)))
                let answer = me.receive(Reading.self, timeout: .seconds(20))
                #expect(answer == Reading(sensor: 7, value: Double(n) + 1))
            }
            gauge.exit(.kill)
        } }
    }
} }
