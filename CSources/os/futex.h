// os/futex.h - sleep until a word changes; the base of parking. Futexes are private to this OS process.
//
// Who:      any thread. Wake is async-signal-safe.
// Ordering: none is promised beyond the kernel's: the sleeper is queued before the kernel compares the word, so a waker that
//           changes the word and then wakes is never missed. What the word publishes is up to the order of the caller's accesses.
// Progress: wait blocks, and may return early for no reason: callers loop over their own condition.
#ifndef APUS_OS_FUTEX_H
#define APUS_OS_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

// Sleeps while *word is `expected`, until woken or `timeout_ns` from now have passed; UINT64_MAX means no limit.
void apus__futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns);

// Wakes up to `count` threads that sleep on `word`.
void apus__futex_wake(_Atomic uint32_t *word, unsigned count);

#endif
