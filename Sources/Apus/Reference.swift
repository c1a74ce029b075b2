import CApus

/// A reference: names one monitor, timer or request, unique within a run of the runtime. A plain value.
///
/// **OTP**: `reference()`.
@frozen
public struct Reference: Sendable, Hashable {
    @usableFromInline let id: UInt64

    @inlinable init(_ ref: apus_ref) { id = ref.id }
    @inlinable var c: apus_ref { apus_ref(id: id) }
}
