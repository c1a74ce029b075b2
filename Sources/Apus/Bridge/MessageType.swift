import CApus
import Glibc
import CApusSwift

// The C type of a Swift message type: its identity in envelopes, its name for tools, and how unread values are destroyed.
//
// Found by the address of the type's metadata (CApusSwift.h, "Tables"): one multiplication and two loads for a type that has been seen.

/// The address of a type's metadata: what identifies the type in this OS process.
@inlinable @inline(__always)
func metadataAddress<T: ~Copyable>(of type: T.Type) -> UnsafeRawPointer {
    unsafeBitCast(ObjectIdentifier(type), to: UnsafeRawPointer.self)
}

@inlinable @inline(__always)
func messageType<Message: ~Copyable>(of type: Message.Type) -> UnsafePointer<apus_type> {
    apus_swift_find_type(metadataAddress(of: type)) ?? addMessageType(type)
}

@usableFromInline @inline(never)
func addMessageType<Message: ~Copyable>(_ type: Message.Type) -> UnsafePointer<apus_type> {
    let metadata = metadataAddress(of: type)
    // Laid out as the core's own (Runtime+System.swift).
    if metadata == metadataAddress(of: Runtime.SystemEvent.self) { return apus_swift_add_type(metadata, SystemTypes.system) }
    precondition(
        apus_swift_is_bitwise_takable(metadata),
        "a message cannot be a value with a weak reference in it (\(typeName(type))): put it into a class")
    precondition(
        MemoryLayout<Message>.alignment <= 16,
        "a message cannot be aligned to more than 16 bytes (\(typeName(type))): put it into a class")
    let made = UnsafeMutablePointer<apus_swift_type>.allocate(capacity: 1)
    let name = immortalName(typeName(type))
    if apus_swift_is_trivial(metadata) {
        apus_swift_type_make(made, name, nil)
    } else {
        var destroy = immortalClosure(ValueClosure { payload in
            payload.assumingMemoryBound(to: Message.self).deinitialize(count: 1)
        })
        apus_swift_type_make(made, name, &destroy)
    }
    made.pointee.type.is_exempt = isOwn(metadata)
    return apus_swift_add_type(metadata, UnsafeRawPointer(made).assumingMemoryBound(to: apus_type.self))
}

/// Whether a type of messages is this layer's own: what runs a process, begins it and ends it reaches it through a mailbox that is full (R70).
private func isOwn(_ metadata: UnsafeRawPointer) -> Bool {
    switch metadata {
    case metadataAddress(of: ServerMarker.Message.self), metadataAddress(of: ProcessTurn.Message.self),
        metadataAddress(of: ProcessJob.self), metadataAddress(of: StopRequest.self), metadataAddress(of: BeginRequest.self):
        true
    default: false
    }
}

/// Declares that values of `type` travel as messages of a type that C code declares, so that C and Swift exchange them.
///
/// The two sides must agree on the layout: `type` is a struct that C declares, or one of the same layout that owns nothing.
/// Call it before the first message of the type is sent or received; a later call for a type that is in use is a programmer error.
///
/// - Parameters:
///   - type: the Swift type; trivial, that is without references.
///   - cType: the address of the C constant; it must live for ever.
/// - Threads: any.
public func declareMessage<Message: BitwiseCopyable>(_ type: Message.Type, as cType: UnsafePointer<apus_type>) {
    let known = apus_swift_add_type(metadataAddress(of: type), cType)
    precondition(known == cType, "\(type) has been sent or received as a Swift type already")
}

func typeName<T: ~Copyable>(_ type: T.Type) -> String {
    String(describing: type as any ~Copyable.Type)
}

/// A C string that is never freed, for names that the core keeps by address.
func immortalName(_ name: String) -> UnsafePointer<CChar> {
    UnsafePointer(strdup(name))
}
