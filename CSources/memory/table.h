// memory/table.h - a table of cells of one size with stable addresses: process blocks, timers.
//
// Idea:       address space for `capacity` cells is reserved once; cell i lies at base + i * cell_size for ever. Memory comes in
//             extents of 32,768 cells, committed and bound to a node when first needed, so that only what was used is resident. Freed
//             cells go to per-slot caches (a list through a link word in the cell) and, when the caller says so, in batches to the
//             shelf of the node the cell lies on.
// Invariants: I1 a cell below `limit` can always be read, in use or free: a stale index meets old content, never a fault.
//             I2 the table writes nothing in a cell but its link word, and that only while the cell is free; cells are zero when
//                carved and never zeroed again, so that a generation kept in the cell survives.
//             I3 index 0 is never handed out.  I4 memory stays until destroy.  I5 `limit` only grows.
// Who:        a cache is used by one thread at a time (its slot's). The `_shared` pair, at, limit, node_of: any thread.
// Ordering:   see table.c; a cell that changes hands over a shelf carries everything written before its free with it.
// Progress:   lock-free; wait-free while the cache has cells.
#ifndef APUS_MEMORY_TABLE_H
#define APUS_MEMORY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/atomic.h"
#include "base/types.h"
#include "memory/inject.h"

enum {
    APUS__TABLE_CAPACITY_BITS = 28, // the width of an index in a link word
    APUS__TABLE_BATCH = 64
};

// The word the table owns in a cell:
//     bits 0-27    next cell of the same list, 0 at its end
//     bits 28-55   first cell of the next batch              (only in the cells of a batch)
//     bits 56-63   cells in this batch, from this one on     (likewise)
// While the cell is in use the caller may store what it likes there, with relaxed atomic stores: a thread that loses a race for the
// cell may still read the word, and then discards what it read.
typedef _Atomic uint64_t apus__table_link;

struct apus__table_extent {
    _Atomic uint32_t owner;  // 1 + node, or 0 while unclaimed
    _Atomic uint32_t carved; // cells cut from it so far; may run past the end
    _Atomic uint32_t next;   // 1 + the next extent of the node's open list
};

struct apus__table_node {
    apus_cache_aligned _Atomic uint64_t shelf; // bits 0-27: first cell of the first batch, 0 if none; above: a tag, see table.c
    _Atomic uint32_t open;                     // 1 + the first extent that may have fresh cells, 0 if none
    int system_node;                           // for os/pages: -1 leaves the place to the system
};

struct apus__table {
    // Written at init, and `limit` when an extent is added.
    char *base;
    _Atomic uint32_t limit; // every index below lies in memory
    uint32_t cell_size;
    uint32_t link_offset;
    uint32_t capacity;
    uint32_t extent_cells;
    uint32_t node_count;
    struct apus__table_extent *extents;
    struct apus__table_node *nodes;
    size_t reserved;
};

// The free cells of one slot.
struct apus__table_cache {
    uint32_t first;
    uint32_t count;
};

// Reserves a table for `capacity` cells (a power of two, 64 ..= 2^28) of `cell_size` bytes (a multiple of 64), whose link word lies
// at `link_offset`, on `node_count` nodes; `system_nodes` as for apus__pool_init. Errors: -ENOMEM.
int apus__table_init(struct apus__table *table, uint32_t capacity, uint32_t cell_size, uint32_t link_offset, unsigned node_count,
                     const int *system_nodes);

// Unmaps everything. No thread may use a cell or a cache of the table any more.
void apus__table_destroy(struct apus__table *table);

// The cell of `index`, which the caller has checked against `apus__table_limit`. With a type at hand, `((T *)table->base)[index]`
// is the same and lets the compiler fold the size.
apus_inline void *apus__table_at(const struct apus__table *table, uint32_t index)
{
    return table->base + (size_t)index * table->cell_size;
}

// The high-water mark: each cell ever handed out has a lower index, and each lower index may be read (a cell that was never handed
// out reads as zeros). For checking indices that come from outside.
apus_inline uint32_t apus__table_limit(const struct apus__table *table)
{
    // acquire: observes that the memory below the limit was committed. Pairs with the release in table_grow().
    return apus_load_acquire(&table->limit);
}

// The index behind `index` of a cell that was carved; 0 if there is none. From 0 on, for walking over all cells that were ever handed out
// before, and not over the memory behind them, which would be mapped by being looked at.
uint32_t apus__table_next(const struct apus__table *table, uint32_t index);

// The node of the memory of a cell that was handed out.
unsigned apus__table_node_of(const struct apus__table *table, uint32_t index);

apus_inline apus__table_link *apus__table_link_of(const struct apus__table *table, uint32_t index)
{
    return (apus__table_link *)((char *)apus__table_at(table, index) + table->link_offset);
}

uint32_t apus__table_alloc_slow(struct apus__table *table, struct apus__table_cache *cache, unsigned node);

// A cell from the cache, else one of `node`, else of any node. Its content is what it was when freed, zeros the first time, but for
// the link word. 0 when the capacity is exhausted or the system is out of memory.
apus_inline uint32_t apus__table_alloc(struct apus__table *table, struct apus__table_cache *cache, unsigned node)
{
    if (apus__inject_fail(APUS__INJECT_TABLE))
        return 0;
    uint32_t index = cache->first;
    if (apus_unlikely(index == 0))
        return apus__table_alloc_slow(table, cache, node);
    // relaxed: a free cell in a cache belongs to the cache's thread; atomic only because the caller may use the word otherwise.
    uint64_t link = apus_load_relaxed(apus__table_link_of(table, index));
    cache->first = (uint32_t)link & ((1u << APUS__TABLE_CAPACITY_BITS) - 1);
    cache->count--;
    return index;
}

// Puts a cell into the cache; nothing leaves it before apus__table_give_back.
apus_inline void apus__table_free(struct apus__table *table, struct apus__table_cache *cache, uint32_t index)
{
    apus_debug(index != 0);
    apus_store_relaxed(apus__table_link_of(table, index), cache->first);
    cache->first = index;
    cache->count++;
}

// How many cells the cache has beyond what it should keep: 0, or at least a batch, so that give_back is worth its exchange.
apus_inline uint32_t apus__table_cache_excess(const struct apus__table_cache *cache)
{
    return cache->count > 4 * APUS__TABLE_BATCH ? cache->count - 2 * APUS__TABLE_BATCH : 0;
}

// Moves `count` cells of the cache (all if it has fewer) to the shelves of the nodes they lie on.
void apus__table_give_back(struct apus__table *table, struct apus__table_cache *cache, uint32_t count);

// For threads without a cache: straight to and from the shelves, one cell at a time, so that nobody holds cells that another one finds
// missing meanwhile. As alloc and free otherwise.
uint32_t apus__table_alloc_shared(struct apus__table *table, unsigned node);
void apus__table_free_shared(struct apus__table *table, uint32_t index);

#endif
