// memory/inject.h - makes a chosen allocation fail, so that tests can walk every out-of-memory path.
//
// Idea:     each place that can run out of memory asks `apus__inject_fail(site)` first. A test says "the n-th allocation from now,
//           at any of these sites, fails"; after that one failure the injector is quiet again. A test that loops n = 1, 2, 3 ...
//           until a whole operation succeeds without a hit has seen each of its failure paths once.
// Scope:    process wide: the count runs over all threads, so that it also reaches allocations made by carriers.
// Cost:     none unless compiled with APUS_INJECT: the question is the constant `false`.
// Ordering: all relaxed. The injector carries no data; a test arms it before it starts the work that is to fail.
#ifndef APUS_MEMORY_INJECT_H
#define APUS_MEMORY_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/types.h"

// The places that ask. A mask for `apus__inject_arm` is the sum of `1u << site`.
enum apus__inject_site {
    APUS__INJECT_HEAP,   // a block of a size class, fast path and slow path alike
    APUS__INJECT_LARGE,  // a block above the largest class
    APUS__INJECT_CHUNK,  // a chunk for the blocks of a node: the system is out of memory, caches still serve
    APUS__INJECT_TABLE,  // a cell of a table
    APUS__INJECT_EXTENT, // memory for the cells of a table
    APUS__INJECT_MALLOC, // memory of the C library, in any layer
    APUS__INJECT_STACK,  // a stack for a process that waits
    APUS__INJECT_THREAD, // a thread for a slot
    APUS__INJECT_SITES
};

#define APUS__INJECT_ANYWHERE ((1u << APUS__INJECT_SITES) - 1)

#ifdef APUS_INJECT

// How many more allocations at the chosen sites end with the failure; 0 when quiet.
extern _Atomic int64_t apus__inject_left;

bool apus__inject_count_down(enum apus__inject_site site);

// Lets the `nth` allocation from now (1 is the next one) at a site in `mask` fail, once. `nth` 0 quiets the injector.
void apus__inject_arm(unsigned mask, uint32_t nth);

// How many failures have been injected since the process began.
uint64_t apus__inject_hits(void);

// True if this allocation is to fail.
apus_inline bool apus__inject_fail(enum apus__inject_site site)
{
    // relaxed: a count that guards no other memory.
    return __builtin_expect(apus_load_relaxed(&apus__inject_left) > 0, 0) && apus__inject_count_down(site);
}

// Whether some allocation is still to fail: shortcuts that do not ask are not taken then.
apus_inline bool apus__inject_is_armed(void)
{
    return __builtin_expect(apus_load_relaxed(&apus__inject_left) > 0, 0);
}

#else

#define apus__inject_fail(site) false
#define apus__inject_is_armed() false

#endif
#endif
