// os/stack.h - stacks for code that may wait in the middle of a call.
//
// Layout: low addresses on the left; a stack grows to the left, into the guard, and faults there.
//             [ guard: no access ][ low ... usable, size bytes ... ]
// Limits: a guard splits a mapping in two, and the kernel counts mappings (vm.max_map_count). Guarded stacks are therefore counted
//         over the whole OS process, and once they have used up half of that number, further stacks come without a guard
//         (guarded == false), so that the rest of the program can still map memory.
// Memory: the pages appear at first touch, on `node` if it has any left. Huge pages are refused: a stack that uses one page of
//         2 MiB would hold them all.
// Rows:   stacks that are mapped side by side cost little more than half of what single ones do. Each is unmapped by itself.
// Who:    any thread; a stack may be unmapped by another thread than the one that mapped it. A row is its user's.
#ifndef APUS_OS_STACK_H
#define APUS_OS_STACK_H

#include <stdbool.h>
#include <stddef.h>

struct apus__stack {
    void *low;   // lowest usable byte, page-aligned
    size_t size; // usable bytes, a multiple of the page size
    bool guarded;
    size_t guard; // bytes below `low` that belong to the mapping; 0 if not guarded
};

// Stacks that have been mapped together and not been taken yet. A zeroed one is empty.
struct apus__stack_row {
    struct apus__stack next;
    unsigned left;
};

// Maps a stack of at least `size` usable bytes with at least `guard` bytes of guard; both are rounded up to pages, and guard 0 asks
// for none. node -1 leaves the place to the kernel. 0 or -ENOMEM (then `out` is zeroed).
int apus__stack_map(struct apus__stack *out, size_t size, size_t guard, int node);

// The same for `count` (> 0) stacks, all with guards or all without. Errors: -ENOMEM (then `row` is empty).
int apus__stack_row_map(struct apus__stack_row *row, unsigned count, size_t size, size_t guard, int node);

// The next stack of a row that is not empty.
struct apus__stack apus__stack_row_take(struct apus__stack_row *row);

// Unmaps what is left of the row, and empties it.
void apus__stack_row_unmap(struct apus__stack_row *row);

// Unmaps and zeroes `stack`; a zeroed one is left alone.
void apus__stack_unmap(struct apus__stack *stack);

#endif
