// os/pages.h - address space and pages.
//
// Idea:   reserve much address space once (it costs nothing), commit parts of it when needed, on the node that will use them, and
//         give pages back without giving up the addresses.
// States: reserved (any access faults) -> committed (reads and writes; a page exists from its first touch) -> discarded (committed,
//         but empty: reads give zeros) -> released (the addresses are anyone's again).
// Args:   addresses and sizes are multiples of apus__page_size(). Breaking that is a defect and is asserted.
// Who:    any thread; two threads do not work on the same pages at once.
#ifndef APUS_OS_PAGES_H
#define APUS_OS_PAGES_H

#include <stddef.h>

// Address space at a multiple of `alignment` (a power of two, at least the page size), without memory behind it. NULL if there is
// none left.
void *apus__pages_reserve(size_t size, size_t alignment);

// Makes reserved pages readable and writable. If node >= 0 and the machine has several nodes, the pages come
// from that node while it has any, else from the nearest; a failure to bind is ignored, since the memory works from anywhere.
// 0 or -ENOMEM.
int apus__pages_commit(void *at, size_t size, int node);

// Asks the kernel to use huge pages for a committed range that is aligned to them: fewer faults and misses, and memory is taken 2 MB at
// a time. A wish: nothing is reported.
void apus__pages_prefer_huge(void *at, size_t size);

// Gives the memory of committed pages back to the kernel; the addresses stay usable and read as zeros.
void apus__pages_discard(void *at, size_t size);

// Gives the address space back. `at` and `size` may be any part of what was reserved.
void apus__pages_release(void *at, size_t size);

size_t apus__page_size(void);

// How many mappings the kernel grants one OS process (vm.max_map_count; 65530 if it cannot be read).
size_t apus__map_limit(void);

// The node that holds the page at `at`, which is faulted in by the question; -1 if unknown.
int apus__page_node(const void *at);

#endif
