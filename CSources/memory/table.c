// memory/table.c - the slow paths of memory/table.h: shelves of free cells, carving, growth.
//
// The shelf.  One word for each node: the first cell of the first batch, and a tag that each take increments. A take reads the link
//   word of the first cell to learn the next batch; another thread may have taken that cell by then and be using it. The cell's
//   memory is still there and its link word atomic, so the read is harmless, and the tag makes the compare-and-swap fail. The tag
//   has 36 bits: it would have to wrap around within one take to be fooled. Each cell of a batch says what it would be as its first, so
//   one cell can be taken and the batch stays.
//
// Growth.  Extents join the table in order of their index, so that `limit` alone tells what may be read. To add extent e = limit:
//     1. claim: owner[e] goes from 0 to 1 + node, once. Whoever loses helps the claimer with the next steps.
//     2. commit the memory for the owner's node. Any number of threads may do this; they all ask for the same.
//     3. limit goes from e to e + 1. The one thread that does this pushes the extent onto its owner's open list.
//   No thread waits for another, and memory that cannot be committed stays claimed for the next who tries. Whoever did step 3 may be held
//   up before the extent is on the list: others add one more meanwhile, and where there is no room for one, look at each that there is.
//
// Regions.  An extent is pushed onto its node's open list once, when new, and removed once, when a bump ran past its end; so a
//   compare-and-swap on the head of that list cannot be fooled by an extent that came back.
#include "memory/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/pages.h"

enum {
    EXTENT_CELLS = 32768, // a multiple of 2 MB, a huge page, for cells of 64 bytes and any multiple
    HUGE_PAGE = 2 << 20,
    CARVE_CELLS = 32
};

#define INDEX_MASK ((UINT64_C(1) << APUS__TABLE_CAPACITY_BITS) - 1)
#define TAG_ONE (UINT64_C(1) << APUS__TABLE_CAPACITY_BITS)

_Static_assert((int)APUS__TABLE_BATCH < 256, "the size of a batch has eight bits");

static uint32_t link_next(uint64_t link)
{
    return (uint32_t)(link & INDEX_MASK);
}

static uint32_t link_batch(uint64_t link)
{
    return (uint32_t)(link >> APUS__TABLE_CAPACITY_BITS & INDEX_MASK);
}

static uint32_t link_count(uint64_t link)
{
    return (uint32_t)(link >> (2 * APUS__TABLE_CAPACITY_BITS));
}

static uint64_t link_make(uint32_t next, uint32_t batch, uint32_t count)
{
    return next | (uint64_t)batch << APUS__TABLE_CAPACITY_BITS | (uint64_t)count << (2 * APUS__TABLE_CAPACITY_BITS);
}

// --- The shelf -------------------------------------------------------------------------------------------------------------------

// Makes a batch of the list of `count` cells that begins with `first`, in front of the batch `batch`.
static void batch_link(struct apus__table *table, uint32_t first, uint32_t count, uint32_t batch)
{
    for (; count > 0; count--) {
        apus__table_link *link = apus__table_link_of(table, first);
        first = link_next(apus_load_relaxed(link));
        apus_store_relaxed(link, link_make(first, batch, count));
    }
}

// Puts the list of `count` cells that begins with `first` on the shelf of `node`.
static void shelf_put(struct apus__table *table, unsigned node, uint32_t first, uint32_t count)
{
    _Atomic uint64_t *shelf = &table->nodes[node].shelf;
    uint64_t seen = apus_load_relaxed(shelf);
    do
        batch_link(table, first, count, (uint32_t)(seen & INDEX_MASK));
    // release: publishes the links and all that was written to the cells while in use. Pairs with shelf_take().
    while (!apus_cas_weak_release(shelf, &seen, (seen & ~INDEX_MASK) | first));
}

// Takes a batch, or with `most` 1 its first cell: returns that and stores how many it is, or returns 0. Only the low bits of the first
// link word are of use then.
static uint32_t shelf_take(struct apus__table *table, unsigned node, uint32_t most, uint32_t *count)
{
    _Atomic uint64_t *shelf = &table->nodes[node].shelf;
    // acquire: observes the links of the batch. Pairs with shelf_put(), on failure below as well.
    uint64_t seen = apus_load_acquire(shelf), link;
    uint32_t rest;
    do {
        if ((seen & INDEX_MASK) == 0)
            return 0;
        // relaxed: ordered by the acquire above if the cell is still on the shelf, and discarded if not.
        link = apus_load_relaxed(apus__table_link_of(table, (uint32_t)(seen & INDEX_MASK)));
        rest = most == 1 && link_next(link) != 0 ? link_next(link) : link_batch(link);
    } while (!apus_cas_weak_acq_rel(shelf, &seen, ((seen & ~INDEX_MASK) + TAG_ONE) | rest));
    *count = most == 1 ? 1 : link_count(link);
    return (uint32_t)(seen & INDEX_MASK);
}

// --- Fresh cells -----------------------------------------------------------------------------------------------------------------

static size_t table_whole_pages(size_t bytes)
{
    size_t page = apus__page_size();
    return (bytes + page - 1) / page * page;
}

static void table_open(struct apus__table *table, uint32_t extent)
{
    // relaxed: the owner was read by this thread before, in table_grow().
    _Atomic uint32_t *open = &table->nodes[apus_load_relaxed(&table->extents[extent].owner) - 1].open;
    uint32_t seen = apus_load_relaxed(open);
    do
        apus_store_relaxed(&table->extents[extent].next, seen);
    // release: publishes `next`. Pairs with the acquire in table_carve().
    while (!apus_cas_weak_release(open, &seen, extent + 1));
}

// Adds one extent to the table, for `node` or for a thread of another node that is about to. False when there is no room or no
// memory.
static bool table_grow(struct apus__table *table, unsigned node)
{
    uint32_t limit = apus__table_limit(table);
    if (limit >= table->capacity || apus__inject_fail(APUS__INJECT_EXTENT))
        return false;
    struct apus__table_extent *extent = &table->extents[limit / table->extent_cells];
    uint32_t owner = 0;
    // acq_rel only because no weaker one is offered: the word is all that is passed on.
    if (apus_cas_strong_acq_rel(&extent->owner, &owner, node + 1))
        owner = node + 1;
    size_t bytes = table_whole_pages((size_t)table->extent_cells * table->cell_size);
    if (apus__pages_commit(apus__table_at(table, limit), bytes, table->nodes[owner - 1].system_node) != 0)
        return false;
    // From the second extent on: a small program stays small.
    if (limit > 0)
        apus__pages_prefer_huge(apus__table_at(table, limit), bytes);
    // release: publishes the committed memory. Pairs with the acquire in apus__table_limit().
    if (apus_cas_strong_acq_rel(&table->limit, &limit, limit + table->extent_cells))
        table_open(table, limit / table->extent_cells);
    return true;
}

// Makes a list of `count` fresh cells that follow each other.
static uint32_t table_chain(struct apus__table *table, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        apus_store_relaxed(apus__table_link_of(table, first + i), i + 1 < count ? first + i + 1 : 0);
    return first;
}

// A list of up to `most` fresh cells of this extent, or 0.
static uint32_t extent_carve(struct apus__table *table, uint32_t number, uint32_t most, uint32_t *count)
{
    struct apus__table_extent *extent = &table->extents[number];
    for (;;) {
        // relaxed: the sum alone decides who owns which cells; fresh cells have no content to observe.
        uint32_t at = apus_load_relaxed(&extent->carved);
        if (at < table->extent_cells)
            at = apus_add_relaxed(&extent->carved, most);
        if (at >= table->extent_cells)
            return 0;
        uint32_t first = number * table->extent_cells + at, left = table->extent_cells - at;
        // Index 0 means "none", so it is left out.
        *count = (most < left ? most : left) - (first == 0);
        if (*count > 0)
            return table_chain(table, first + (first == 0), *count);
    }
}

// The same from the open extents of `node`.
static uint32_t table_carve(struct apus__table *table, unsigned node, uint32_t most, uint32_t *count)
{
    _Atomic uint32_t *open = &table->nodes[node].open;
    // acquire: observes `next` of the extent. Pairs with table_open().
    uint32_t seen = apus_load_acquire(open);
    while (seen != 0) {
        uint32_t first = extent_carve(table, seen - 1, most, count);
        if (first != 0)
            return first;
        // acq_rel: passes on `next` of the following extent, and observes that of an extent added meanwhile.
        if (apus_cas_strong_acq_rel(open, &seen, apus_load_relaxed(&table->extents[seen - 1].next)))
            seen = apus_load_acquire(open);
    }
    return 0;
}

// The same from any extent, whether it is on a list yet or not.
static uint32_t table_carve_any(struct apus__table *table, uint32_t most, uint32_t *count)
{
    uint32_t extents = apus__table_limit(table) / table->extent_cells, first = 0;
    for (uint32_t i = 0; first == 0 && i < extents; i++)
        first = extent_carve(table, i, most, count);
    return first;
}

// A list of free cells, one if `most` is 1: of `node` if it has any or can get some, else of the other nodes in turn. 0 when there is
// none.
static uint32_t table_take(struct apus__table *table, unsigned node, uint32_t most, uint32_t *count)
{
    uint32_t first = shelf_take(table, node, most, count);
    if (first == 0)
        first = table_carve(table, node, most, count);
    // Each turn brings `limit` closer to the capacity, even if other threads take the cells.
    while (first == 0 && table_grow(table, node))
        first = table_carve(table, node, most, count);
    for (uint32_t i = 1; first == 0 && i < table->node_count; i++) {
        unsigned other = (node + i) % table->node_count;
        first = shelf_take(table, other, most, count);
        if (first == 0)
            first = table_carve(table, other, most, count);
    }
    return first != 0 ? first : table_carve_any(table, most, count);
}

// --- Cells -----------------------------------------------------------------------------------------------------------------------

apus_cold uint32_t apus__table_alloc_slow(struct apus__table *table, struct apus__table_cache *cache, unsigned node)
{
    uint32_t count = 0, first = table_take(table, node, CARVE_CELLS, &count);
    if (first == 0)
        return 0;
    cache->first = link_next(apus_load_relaxed(apus__table_link_of(table, first)));
    cache->count = count - 1;
    return first;
}

uint32_t apus__table_next(const struct apus__table *table, uint32_t index)
{
    uint32_t limit = apus__table_limit(table), next = index + 1;
    while (next < limit) {
        uint32_t extent = next / table->extent_cells;
        // relaxed: whoever looks for a cell has heard of it from a thread that saw it carved.
        uint32_t carved = apus_load_relaxed(&table->extents[extent].carved);
        if (next % table->extent_cells < carved)
            return next;
        next = (extent + 1) * table->extent_cells;
    }
    return 0;
}

unsigned apus__table_node_of(const struct apus__table *table, uint32_t index)
{
    // relaxed: whoever has the index of a cell has it from a thread that read the owner.
    return apus_load_relaxed(&table->extents[index / table->extent_cells].owner) - 1;
}

void apus__table_give_back(struct apus__table *table, struct apus__table_cache *cache, uint32_t count)
{
    if (count > cache->count)
        count = cache->count;
    cache->count -= count;
    // Runs of cells of one node become batches. Cells of another node are rare, so the runs are long.
    while (count > 0) {
        uint32_t first = cache->first, last = first, size = 1;
        unsigned node = apus__table_node_of(table, first);
        uint32_t next = link_next(apus_load_relaxed(apus__table_link_of(table, last)));
        while (size < count && size < APUS__TABLE_BATCH && apus__table_node_of(table, next) == node) {
            last = next;
            next = link_next(apus_load_relaxed(apus__table_link_of(table, last)));
            size++;
        }
        apus_store_relaxed(apus__table_link_of(table, last), 0);
        cache->first = next;
        count -= size;
        shelf_put(table, node, first, size);
    }
}

uint32_t apus__table_alloc_shared(struct apus__table *table, unsigned node)
{
    uint32_t count;
    return apus__inject_fail(APUS__INJECT_TABLE) ? 0 : table_take(table, node, 1, &count);
}

void apus__table_free_shared(struct apus__table *table, uint32_t index)
{
    struct apus__table_cache one = {0};
    apus__table_free(table, &one, index);
    apus__table_give_back(table, &one, 1);
}

// --- The table -------------------------------------------------------------------------------------------------------------------

int apus__table_init(struct apus__table *table, uint32_t capacity, uint32_t cell_size, uint32_t link_offset, unsigned node_count,
                     const int *system_nodes)
{
    apus_check(capacity >= APUS__TABLE_BATCH && capacity <= UINT32_C(1) << APUS__TABLE_CAPACITY_BITS);
    apus_check((capacity & (capacity - 1)) == 0 && cell_size % APUS_CACHE_LINE == 0 && node_count >= 1);
    apus_check(link_offset % sizeof(apus__table_link) == 0 && link_offset + sizeof(apus__table_link) <= cell_size);
    memset(table, 0, sizeof *table);
    table->cell_size = cell_size;
    table->link_offset = link_offset;
    table->capacity = capacity;
    table->extent_cells = capacity < EXTENT_CELLS ? capacity : EXTENT_CELLS;
    table->node_count = node_count;
    table->reserved = table_whole_pages((size_t)capacity * cell_size);
    size_t nodes_bytes = node_count * sizeof *table->nodes;
    if (!apus__inject_fail(APUS__INJECT_MALLOC)) {
        table->extents = calloc(capacity / table->extent_cells, sizeof *table->extents);
        table->nodes = aligned_alloc(APUS_CACHE_LINE, nodes_bytes);
        table->base = apus__pages_reserve(table->reserved, HUGE_PAGE);
    }
    if (table->extents == NULL || table->nodes == NULL || table->base == NULL) {
        apus__table_destroy(table);
        return -ENOMEM;
    }
    memset(table->nodes, 0, nodes_bytes);
    for (unsigned i = 0; i < node_count; i++)
        table->nodes[i].system_node = system_nodes != NULL ? system_nodes[i] : -1;
    return 0;
}

void apus__table_destroy(struct apus__table *table)
{
    if (table->base != NULL)
        apus__pages_release(table->base, table->reserved);
    free(table->nodes);
    free(table->extents);
    memset(table, 0, sizeof *table);
}
