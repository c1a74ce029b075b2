// memory/heap.h - blocks for messages and other small things: per-slot heaps over node-local pools.
//
// Problem:    a message is allocated on one slot and freed on another, a hundred million times a second. A lock, or one atomic
//             read-modify-write for each message, is too dear; so is a list through the free blocks, because the next block of a
//             list is known only when the line of the one before has crossed over from the core that freed it.
// Idea:       each heap keeps the free blocks of a size class in a small array, used as a stack: alloc takes the last pointer, free
//             adds one; neither touches the block. A full array hands a batch to the shelf of its node with one compare-and-swap,
//             an empty one takes a batch with one exchange. A batch is a tree of pointers stored in the free blocks themselves, at
//             most two levels deep, so that the taker misses the cache twice for a batch and not once for each block.
// Layout:
//     heap (one slot or one plain thread)        node of the pool (shared)                memory
//     bins[class] -> slots: [b1 b2 b3 ..]  --->  shelves[class]: 8 places of chains  --->  chunks of 2 MB, aligned, one node each,
//     spans[class]: fresh memory, uncarved <---  spans[class]: left by retired heaps       bumped in spans of 64 KB
//     outgoing[node]: blocks that go home  --->  shelves of the other node
// Invariants: I1 a heap is used by one thread at a time; a slot that changes carriers does so with a happens-before edge.
//             I2 a block is in exactly one place: in use, in one array, in one batch, or in one outgoing list.
//             I3 on a machine of several nodes the arrays of a heap hold blocks of its own node only.
//             I4 memory of a chunk is not returned to the system before the pool is destroyed.
//             I5 blocks in use = the sum over all heaps, retired ones included, of allocated - freed; exact when nobody is at work.
// Who:        alloc, free, flush, retire: the thread that uses the heap. Counts, in_use: any thread, approximate while others work.
// Ordering:   see the shelf in memory/heap.c. Fields read by other threads are relaxed atomics with one writer.
// Large:      a block above 32 KB comes from the system, which clears each page of it; so a heap keeps a few that it has freed, and the
//             pool a few more, for a heap whose blocks are freed by another.
// Progress:   alloc and free are lock-free, and wait-free until they need the shelf. Creating, retiring and summing up heaps takes
//             a mutex: these happen when a thread comes or goes, not when a message does.
// Dropped:    lists through free blocks; a tagged stack of batches (its pop reads a block that may be in use by then). Numbers in
//             docs/decisions/0002-own-block-pools.md.
#ifndef APUS_MEMORY_HEAP_H
#define APUS_MEMORY_HEAP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/atomic.h"
#include "base/list.h"
#include "base/types.h"
#include "memory/inject.h"
#include "memory/poison.h"

// --- Size classes ---------------------------------------------------------------------------------------------------------------

enum {
    APUS__HEAP_CLASSES = 13,
    APUS__HEAP_LARGE = 255, // not a class of the pools: a block of its own, with its size remembered
    APUS__HEAP_BYTES_MAX = 32768,
    APUS__HEAP_BYTES_MANY = 8192, // a block of so many takes whole pages, which the system clears when it is first written to
    APUS__HEAP_SLOTS = 6 * 256 + 2 * 128 + 2 * 64 + 3 * 16 + APUS__HEAP_CLASSES, // see heap_limits in memory/heap.c
    APUS__HEAP_NODES_MAX = 64,
    APUS__LARGE_KEPT = 8,                // large blocks a heap keeps, and the pool: the system clears the pages of each new one
    APUS__LARGE_KEPT_BYTES = 8 * 1024 * 1024 // in all of them
};

// The size of a block of each class.
static const uint32_t apus__heap_sizes[APUS__HEAP_CLASSES] = {64,   128,  192,  256,  384,   512,  768,
                                                              1024, 2048, 4096, 8192, 16384, 32768};

// The smallest class that holds `bytes`, or APUS__HEAP_LARGE. Folds to a constant for a constant size.
apus_inline unsigned apus__heap_class(size_t bytes)
{
    size_t last = bytes - (bytes != 0);
    // Up to 1 KB the class is a function of the 64-byte unit of the last byte: sixteen units, a hexadecimal digit each.
    if (apus_likely(last < 1024))
        return (unsigned)(UINT64_C(0x7777666655443210) >> (last >> 6 << 2)) & 15u;
    if (apus_likely(last < APUS__HEAP_BYTES_MAX))
        return 39u - (unsigned)__builtin_clz((unsigned)last >> 10);
    return APUS__HEAP_LARGE;
}

// --- The shared part -------------------------------------------------------------------------------------------------------------

struct apus__batch;
struct apus__chunk;

enum { APUS__SHELF_PLACES = 8 };

// Batches of free blocks of one class and node. Each place is empty or holds a chain of batches.
struct apus__shelf {
    apus_cache_aligned _Atomic(struct apus__batch *) places[APUS__SHELF_PLACES];
};

struct apus__heap_counts {
    uint64_t allocated; // blocks handed out
    uint64_t freed;     // blocks taken back, wherever they came from
    uint64_t freed_far; // of these, blocks of another node
};

struct apus__pool_node {
    struct apus__shelf shelves[APUS__HEAP_CLASSES];
    struct apus__shelf spans[APUS__HEAP_CLASSES]; // uncarved rests of spans, left by retired heaps
    apus_cache_aligned _Atomic(struct apus__chunk *) open; // chunks that may still have room
    int system_node;                                       // for os/pages: -1 leaves the place to the system
};

struct apus__pool {
    // Rarely changed.
    struct apus__pool_node *nodes;
    unsigned node_count;
    // Changed when a chunk is mapped.
    apus_cache_aligned _Atomic(struct apus__chunk *) chunks;
    _Atomic uint64_t bytes_mapped;
    // Large blocks that were freed by heaps that keep enough: empty places, or blocks that whoever exchanges them has alone.
    apus_cache_aligned _Atomic(void *) kept[APUS__LARGE_KEPT];
    _Atomic uint64_t kept_bytes; // in them, and in those on their way there or from there
    // Guarded by `lock`: the heaps that live, and the sums of those that have retired.
    pthread_mutex_t lock;
    struct apus__list heaps;
    unsigned heaps_made;
    struct apus__heap_counts retired;
};

// Prepares `pool` for `node_count` nodes (1 ..= APUS__HEAP_NODES_MAX). `system_nodes[i]` is the number the system has for node i;
// NULL binds no memory, as on a machine of one node, or where a test pretends nodes.
//
// `pool` must be zeroed memory that outlives the program's last use of a block (a static object). If it was destroyed while blocks
// were in use and therefore kept, it is taken up again as it is; the node count must then be the same.
//
// Errors: -ENOMEM.
int apus__pool_init(struct apus__pool *pool, unsigned node_count, const int *system_nodes);

// Gives all memory back to the system, if no block is in use and no heap is alive. Otherwise keeps everything as it is, so that a
// late release by a heap of this pool stays valid, and returns how many blocks and heaps hold it; a later init takes it up again.
uint64_t apus__pool_destroy(struct apus__pool *pool);

// Sums over all heaps of the pool, the retired ones included.
void apus__pool_counts(struct apus__pool *pool, struct apus__heap_counts *counts);

// Blocks in use: exact when no thread is in alloc or free.
uint64_t apus__pool_in_use(struct apus__pool *pool);

// Bytes of address space taken for chunks. Resident is only what was handed out at least once.
uint64_t apus__pool_bytes_mapped(const struct apus__pool *pool);

// --- The private part ------------------------------------------------------------------------------------------------------------

// The free blocks of one class. `tally` holds two numbers that change together: the low 16 bits are the count of free blocks, the
// rest counts the allocations made here. One addition keeps both, and `freed` follows from what else is known.
struct apus__heap_bin {
    void **slots; // slots[1 ..= count] are free blocks; slots[0] is never read as one
    _Atomic uint64_t tally;
    uint32_t limit;
};

#define APUS__HEAP_ALLOCATED (UINT64_C(1) << 16)

struct apus__heap_span {
    char *next;
    char *end;
};

struct apus__heap_outgoing;

struct apus__heap {
    // Touched by each alloc and free.
    apus_cache_aligned struct apus__heap_bin bins[APUS__HEAP_CLASSES];
    uint32_t classes_near; // APUS__HEAP_CLASSES on a machine of one node; 0 sends each free through the check of the block's node
    uint32_t node;
    // Touched by the slow paths.
    struct apus__pool *pool;
    struct apus__heap_span spans[APUS__HEAP_CLASSES];
    struct apus__batch *stash[APUS__HEAP_CLASSES]; // a chain taken from the shelf that found no free place to return to
    struct apus__heap_outgoing *outgoing;          // one for each node, or NULL on a machine of one node
    uint64_t carved;                               // bytes of fresh memory that were cut into blocks here
    uint32_t place;                                // where this heap begins to look on a shelf
    uint32_t kept_count;                           // large blocks that were freed here, to be used again
    size_t kept_bytes;
    void *kept[APUS__LARGE_KEPT];
    // Written by the heap's thread, read by any.
    _Atomic uint64_t carved_pages;    // bytes of `carved` that went to blocks of APUS__HEAP_BYTES_MANY and more
    _Atomic uint64_t received;        // blocks that came in: carved, or from a shelf
    _Atomic uint64_t delivered;       // blocks that went to a shelf
    _Atomic uint64_t freed_far;       // blocks of another node, freed here
    _Atomic uint64_t allocated_large;
    _Atomic uint64_t freed_large;
    struct apus__list in_pool;
    void *slots[APUS__HEAP_SLOTS];
};

// Makes `heap` (any memory; its array pages stay untouched until used) a heap of `pool` on `node`. Errors: -ENOMEM.
int apus__heap_init(struct apus__heap *heap, struct apus__pool *pool, unsigned node);

// Gives all cached blocks back to the pool; the counts stay in the pool's sums. The memory of `heap` is the caller's again.
void apus__heap_retire(struct apus__heap *heap);

// Sends home the blocks of other nodes that wait for a full batch: for a slot that goes idle.
void apus__heap_flush(struct apus__heap *heap);

// What this heap has done. Any thread; approximate while its thread works.
void apus__heap_counts(const struct apus__heap *heap, struct apus__heap_counts *counts);

// The node whose memory a pooled block (not a large one) lies in.
unsigned apus__heap_node_of(const void *block);

// Out of line: the parts of alloc and free below that need the pool.
void *apus__heap_alloc_slow(struct apus__heap *heap, unsigned class);
void apus__heap_free_slow(struct apus__heap *heap, void *block, unsigned class);

// A block above APUS__HEAP_BYTES_MAX, or of any size; 64-byte aligned; freed with class APUS__HEAP_LARGE. NULL when out of memory.
void *apus__heap_alloc_large(struct apus__heap *heap, size_t bytes);

// The size asked for when the large block was allocated.
size_t apus__heap_large_size(const void *block);

// A block of `class` (< APUS__HEAP_CLASSES), content undefined; NULL when out of memory. Aligned to 64 bytes, and to its size if that is
// a power of two.
apus_inline void *apus__heap_alloc(struct apus__heap *heap, unsigned class)
{
    apus_debug(class < APUS__HEAP_CLASSES);
    if (apus__inject_fail(APUS__INJECT_HEAP))
        return NULL;
    struct apus__heap_bin *bin = &heap->bins[class];
    // relaxed: this thread is the only writer; others read the number for statistics.
    uint64_t tally = apus_load_relaxed(&bin->tally);
    size_t count = tally & 0xffff;
    if (apus_unlikely(count == 0))
        return apus__heap_alloc_slow(heap, class);
    apus_store_relaxed(&bin->tally, tally + APUS__HEAP_ALLOCATED - 1);
    void *block = bin->slots[count];
    apus__unpoison(block, apus__heap_sizes[class]);
    return block;
}

// As above if that takes no more than a look into the array; else NULL, and the caller goes the long way, by apus__heap_alloc.
apus_inline void *apus__heap_try(struct apus__heap *heap, unsigned class)
{
    struct apus__heap_bin *bin = &heap->bins[class];
    uint64_t tally = apus_load_relaxed(&bin->tally); // relaxed: see apus__heap_alloc()
    size_t count = tally & 0xffff;
    if (apus_unlikely(count == 0) || apus__inject_is_armed())
        return NULL;
    apus_store_relaxed(&bin->tally, tally + APUS__HEAP_ALLOCATED - 1);
    void *block = bin->slots[count];
    apus__unpoison(block, apus__heap_sizes[class]);
    return block;
}

// A block for `bytes` of any size; *class receives what `apus__heap_free` wants to know. NULL when out of memory.
apus_inline void *apus__heap_alloc_bytes(struct apus__heap *heap, size_t bytes, unsigned *class)
{
    *class = apus__heap_class(bytes);
    if (apus_unlikely(*class == APUS__HEAP_LARGE))
        return apus__heap_alloc_large(heap, bytes);
    return apus__heap_alloc(heap, *class);
}

// Whether blocks of `class` go back into the array, whichever node they are of. One comparison finds the large block and the machine of
// many nodes. The second part is for a class the compiler knows: it cannot know that classes_near is at most APUS__HEAP_CLASSES.
apus_inline bool apus__heap_is_near(const struct apus__heap *heap, unsigned class)
{
    return class < heap->classes_near && !(__builtin_constant_p(class) && class >= APUS__HEAP_CLASSES);
}

// Takes back a block of a class that is near.
apus_inline void apus__heap_put(struct apus__heap *heap, void *block, unsigned class)
{
    struct apus__heap_bin *bin = &heap->bins[class];
    uint64_t tally = apus_load_relaxed(&bin->tally);
    size_t count = tally & 0xffff;
    if (apus_unlikely(count == bin->limit)) {
        apus__heap_free_slow(heap, block, class);
        return;
    }
    apus__poison(block, apus__heap_sizes[class]);
    bin->slots[count + 1] = block;
    apus_store_relaxed(&bin->tally, tally + 1);
}

// Takes back a block that any heap of the pool allocated with `class`.
apus_inline void apus__heap_free(struct apus__heap *heap, void *block, unsigned class)
{
    if (apus_likely(apus__heap_is_near(heap, class)))
        apus__heap_put(heap, block, class);
    else
        apus__heap_free_slow(heap, block, class);
}

#endif
