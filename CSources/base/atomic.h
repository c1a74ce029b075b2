// base/atomic.h - C11 atomics with the order in the name, so that no order is ever a default.
//
// Use these on `_Atomic` objects only; a bare `=` or `++` on an `_Atomic` is not used anywhere in the core. Anything stronger than
// relaxed is commented at its use: what it publishes or observes, and the function on the other side. Stand-alone fences are not
// offered: ThreadSanitizer does not model them.
#ifndef APUS_BASE_ATOMIC_H
#define APUS_BASE_ATOMIC_H

#include <stdatomic.h>

#define apus_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define apus_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define apus_load_seqcst(p) atomic_load_explicit((p), memory_order_seq_cst)

#define apus_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define apus_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define apus_store_seqcst(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)

#define apus_exchange_acquire(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define apus_exchange_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define apus_exchange_seqcst(p, v) atomic_exchange_explicit((p), (v), memory_order_seq_cst)

// Compare and swap: the order named holds on success; on failure the load of the present value is relaxed (acquire for acq_rel).
#define apus_cas_weak_relaxed(p, e, v) \
    atomic_compare_exchange_weak_explicit((p), (e), (v), memory_order_relaxed, memory_order_relaxed)
#define apus_cas_weak_release(p, e, v) \
    atomic_compare_exchange_weak_explicit((p), (e), (v), memory_order_release, memory_order_relaxed)
#define apus_cas_weak_acq_rel(p, e, v) \
    atomic_compare_exchange_weak_explicit((p), (e), (v), memory_order_acq_rel, memory_order_acquire)
#define apus_cas_weak_seqcst(p, e, v) \
    atomic_compare_exchange_weak_explicit((p), (e), (v), memory_order_seq_cst, memory_order_relaxed)
#define apus_cas_strong_relaxed(p, e, v) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_relaxed, memory_order_relaxed)
#define apus_cas_strong_acq_rel(p, e, v) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_acq_rel, memory_order_acquire)
#define apus_cas_strong_seqcst(p, e, v) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_seq_cst, memory_order_seq_cst)

#define apus_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define apus_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define apus_sub_acq_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define apus_add_seqcst(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define apus_or_seqcst(p, v) atomic_fetch_or_explicit((p), (v), memory_order_seq_cst)
#define apus_and_seqcst(p, v) atomic_fetch_and_explicit((p), (v), memory_order_seq_cst)

// A counter that one thread writes and others only read: load, add, store, without a locked instruction.
#define apus_bump_relaxed(p, v) apus_store_relaxed((p), apus_load_relaxed(p) + (v))

// A pause for the bounded spins before a thread goes to sleep.
static inline void apus__cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

#endif
