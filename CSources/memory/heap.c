// memory/heap.c - the slow paths of memory/heap.h: shelves, carving, blocks of other nodes, large blocks.
//
// The shelf.  A place holds NULL or a chain of batches linked through `next` in the first block of each. Two operations:
//     put   prepends: compare-and-swap from the chain seen (or NULL) to the new batch. Release: publishes the batch, the tree of
//           pointers below it, and every last use of its blocks. Pairs with the exchange in shelf_take().
//     take  takes the whole chain: exchange with NULL. Acquire: observes all batches of the chain, because each later put is a
//           read-modify-write of the same word and so continues the release sequence of the earlier ones.
//   The taker owns the chain before it reads a single word of it, so no block is ever read while another thread may use it: there
//   is no ABA and no tag. It keeps the first batch and puts the others back into an empty place; if none is empty, it keeps them in
//   its stash for the next refill, so that nobody ever walks a chain. While it holds the chain the others see fewer batches than
//   there are; at worst they carve fresh memory. With eight places and batches of up to 64 blocks, a place has mostly one batch or
//   none.
//
// Regions.  A chunk is pushed onto its node's open list once, when new, and removed once, when a bump ran past its end; so a
//   compare-and-swap on the head of that list cannot be fooled by a chunk that came back. Bumping is a fetch-and-add on the chunk.
//   Two threads that find no room both map a chunk: one more chunk than needed, no waiting.
#include "memory/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/pages.h"

enum {
    CHUNK_BYTES = 2 << 20,
    HUGE_FROM_BYTES = 2 << 20, // mapped: from here on chunks are asked to be huge pages
    SPAN_BYTES = 64 << 10,
    CARVE_BYTES = 4096,
    OUTGOING_MAX = 32,
    BATCH_MAX = 64
};

// How many free blocks a heap keeps, and how many it hands over at once. 55 blocks of 64 bytes are what a tree of two levels holds:
// the first block, six blocks it points to, and eight for each of those.
static const uint16_t heap_limits[APUS__HEAP_CLASSES] = {256, 256, 256, 256, 256, 256, 128, 128, 64, 64, 16, 16, 16};
static const uint8_t heap_batches[APUS__HEAP_CLASSES] = {55, 64, 64, 64, 64, 64, 32, 32, 16, 16, 4, 4, 4};

// The first block of a batch, while the batch is on a shelf. With `branches` == 0 the entries are the other blocks; else the
// entries are `branches` blocks, filled with pointers to the rest in order.
struct apus__batch {
    struct apus__batch *next;
    uint32_t count; // blocks, this one and the branches included
    uint32_t branches;
    void *entries[];
};

// At the start of each chunk, which is aligned to its size, so that a block finds it.
struct apus__chunk {
    struct apus__chunk *next;      // of all chunks; written before the chunk is published
    struct apus__chunk *next_open; // of the node's open list; likewise
    uint32_t node;
    _Atomic uint32_t taken; // bytes; may run past the end
};

// Freed blocks of another node: the pointer with the class in its low bits, which the alignment leaves free.
struct apus__heap_outgoing {
    uint32_t count;
    uintptr_t blocks[OUTGOING_MAX];
};

// Before each large block, and as long as its alignment.
struct heap_large {
    size_t bytes; // asked for
    size_t whole; // there are, this header included
};

_Static_assert(sizeof(struct apus__batch) == 16, "a batch of the smallest class has six entries");
_Static_assert(sizeof(struct apus__chunk) <= APUS_CACHE_LINE, "the first span begins one line into the chunk");
_Static_assert(sizeof(struct heap_large) <= APUS_CACHE_LINE, "a large block begins one line after its header");
_Static_assert(APUS__HEAP_CLASSES <= APUS_CACHE_LINE, "a class fits the low bits of a block's address");

// --- Batches ---------------------------------------------------------------------------------------------------------------------

static unsigned batch_fill(void **into, unsigned room, void *const *blocks, unsigned count)
{
    unsigned filled = count < room ? count : room;
    memcpy(into, blocks, filled * sizeof *into);
    return filled;
}

// Makes a batch of `count` (1 ..= heap_batches[class]) free blocks, all of `class`.
static struct apus__batch *batch_pack(void *const *blocks, unsigned count, unsigned class)
{
    uint32_t size = apus__heap_sizes[class];
    unsigned room = (size - (uint32_t)sizeof(struct apus__batch)) / sizeof(void *), fan = size / sizeof(void *);
    struct apus__batch *batch = blocks[0];
    void *const *rest = blocks + 1, *const *end = blocks + count;
    apus__unpoison(batch, size);
    batch->count = count;
    batch->branches = count - 1 <= room ? 0 : (count - 1 + fan) / (fan + 1);
    apus_check(batch->branches <= room);
    rest += batch_fill(batch->entries, batch->branches ? batch->branches : room, rest, (unsigned)(end - rest));
    for (unsigned i = 0; i < batch->branches; i++) {
        apus__unpoison(batch->entries[i], size);
        rest += batch_fill(batch->entries[i], fan, rest, (unsigned)(end - rest));
    }
    apus_check(rest == end);
    return batch;
}

// Stores the blocks of `batch` from `slots` on and returns their count. The blocks that were read, and so are in this core's cache,
// come last, where alloc takes them first.
static unsigned batch_unpack(struct apus__batch *batch, void **slots, unsigned class)
{
    uint32_t size = apus__heap_sizes[class];
    unsigned fan = size / sizeof(void *), count = batch->count, branches = batch->branches, leaf = 0;
    unsigned leaves = count - 1 - branches;
    apus_check(count >= 1 && count <= heap_batches[class]);
    if (branches == 0)
        memcpy(slots, batch->entries, leaves * sizeof *slots);
    for (unsigned i = 0; i < branches; i++) {
        leaf += batch_fill(slots + leaf, leaves - leaf, batch->entries[i], fan);
        slots[leaves + i] = batch->entries[i];
        apus__poison(batch->entries[i], size);
    }
    slots[count - 1] = batch;
    apus__poison(batch, size);
    return count;
}

// --- The shelf -------------------------------------------------------------------------------------------------------------------

// Puts the chain into an empty place. False if there was none.
static bool shelf_put_chain(struct apus__shelf *shelf, unsigned from, struct apus__batch *chain)
{
    for (unsigned i = 0; i < APUS__SHELF_PLACES; i++) {
        _Atomic(struct apus__batch *) *place = &shelf->places[(from + i) % APUS__SHELF_PLACES];
        struct apus__batch *empty = NULL;
        // relaxed: only saves the compare-and-swap. release: publishes the chain; pairs with shelf_take().
        if (apus_load_relaxed(place) == NULL && apus_cas_strong_acq_rel(place, &empty, chain))
            return true;
    }
    return false;
}

static void shelf_put(struct apus__shelf *shelf, unsigned from, struct apus__batch *batch)
{
    batch->next = NULL;
    if (shelf_put_chain(shelf, from, batch))
        return;
    _Atomic(struct apus__batch *) *place = &shelf->places[from % APUS__SHELF_PLACES];
    struct apus__batch *chain = apus_load_relaxed(place);
    do
        batch->next = chain;
    // release: publishes the batch and its link; pairs with shelf_take(). The chain below is not read here.
    while (!apus_cas_weak_release(place, &chain, batch));
}

// Takes one batch. The rest of its chain goes back, or into *stash.
static struct apus__batch *shelf_take(struct apus__shelf *shelf, uint32_t *from, struct apus__batch **stash)
{
    struct apus__batch *chain = *stash;
    *stash = NULL;
    for (unsigned i = 0; chain == NULL && i < APUS__SHELF_PLACES; i++) {
        unsigned at = (*from + i) % APUS__SHELF_PLACES;
        // relaxed: only saves the exchange. acquire: observes the batches and the last uses of their blocks; pairs with
        // shelf_put().
        if (apus_load_relaxed(&shelf->places[at]) != NULL && (chain = apus_exchange_acquire(&shelf->places[at], NULL)) != NULL)
            *from = at;
    }
    if (chain != NULL && chain->next != NULL && !shelf_put_chain(shelf, *from, chain->next))
        *stash = chain->next;
    return chain;
}

// --- Fresh memory ----------------------------------------------------------------------------------------------------------------

// Maps a chunk on `node`; its first span is the caller's.
static struct apus__chunk *pool_add_chunk(struct apus__pool *pool, unsigned node)
{
    struct apus__chunk *chunk = apus__inject_fail(APUS__INJECT_CHUNK) ? NULL : apus__pages_reserve(CHUNK_BYTES, CHUNK_BYTES);
    if (chunk == NULL)
        return NULL;
    if (apus__pages_commit(chunk, CHUNK_BYTES, pool->nodes[node].system_node) != 0) {
        apus__pages_release(chunk, CHUNK_BYTES);
        return NULL;
    }
    // A small program stays small; one that has filled some chunks is spared 512 faults for each further one. Before the first touch,
    // which decides.
    if (apus_load_relaxed(&pool->bytes_mapped) >= HUGE_FROM_BYTES)
        apus__pages_prefer_huge(chunk, CHUNK_BYTES);
    chunk->node = node;
    apus_store_relaxed(&chunk->taken, SPAN_BYTES);
    chunk->next = apus_load_relaxed(&pool->chunks);
    // release: publishes the link for the walk in apus__pool_destroy(), which follows the end of all other use anyway.
    while (!apus_cas_weak_release(&pool->chunks, &chunk->next, chunk))
        ;
    // relaxed: statistics.
    apus_add_relaxed(&pool->bytes_mapped, CHUNK_BYTES);
    _Atomic(struct apus__chunk *) *open = &pool->nodes[node].open;
    chunk->next_open = apus_load_relaxed(open);
    // release: publishes the header; pairs with the acquire in pool_take_span().
    while (!apus_cas_weak_release(open, &chunk->next_open, chunk))
        ;
    return chunk;
}

// A span of fresh memory on `node`; false when out of memory.
static bool pool_take_span(struct apus__pool *pool, unsigned node, struct apus__heap_span *span)
{
    _Atomic(struct apus__chunk *) *open = &pool->nodes[node].open;
    // acquire: observes the chunk's header; pairs with pool_add_chunk().
    struct apus__chunk *chunk = apus_load_acquire(open);
    size_t at = APUS_CACHE_LINE;
    while (chunk != NULL) {
        // relaxed: the sum alone decides who owns which bytes; fresh memory has no content to observe.
        at = apus_load_relaxed(&chunk->taken) < CHUNK_BYTES ? apus_add_relaxed(&chunk->taken, SPAN_BYTES) : CHUNK_BYTES;
        if (at < CHUNK_BYTES)
            break;
        // acq_rel: passes on the header of the next chunk, and observes that of a chunk added meanwhile.
        if (apus_cas_strong_acq_rel(open, &chunk, chunk->next_open))
            chunk = apus_load_acquire(open);
        at = APUS_CACHE_LINE;
    }
    if (chunk == NULL && (chunk = pool_add_chunk(pool, node)) == NULL)
        return false;
    span->next = (char *)chunk + at;
    span->end = (char *)chunk + (at & ~(size_t)(SPAN_BYTES - 1)) + SPAN_BYTES;
    return true;
}

// A span that a retired heap has left, or a fresh one. The rest of a span lies on the shelf as a batch with its end as only entry.
static bool heap_take_span(struct apus__heap *heap, unsigned class)
{
    struct apus__heap_span *span = &heap->spans[class];
    struct apus__batch *rest = NULL;
    struct apus__shelf *shelf = &heap->pool->nodes[heap->node].spans[class];
    struct apus__batch *left = shelf_take(shelf, &heap->place, &rest);
    while (rest != NULL) {
        // The places filled up meanwhile, which takes eight heaps that retire at the same moment. Put the spans back one by one.
        struct apus__batch *next = rest->next;
        shelf_put(shelf, heap->place, rest);
        rest = next;
    }
    if (left == NULL) {
        if (!pool_take_span(heap->pool, heap->node, span))
            return false;
        // The first span of a chunk begins a line late. Blocks of a power of two lie at multiples of their size all the same.
        uint32_t size = apus__heap_sizes[class];
        if ((size & (size - 1)) == 0)
            span->next = (char *)(((uintptr_t)span->next + size - 1) & ~(uintptr_t)(size - 1));
        return true;
    }
    span->next = (char *)left;
    span->end = left->entries[0];
    return true;
}

// Cuts blocks from the heap's span into the empty array, without touching them. Returns how many.
static unsigned heap_carve(struct apus__heap *heap, unsigned class)
{
    struct apus__heap_span *span = &heap->spans[class];
    uint32_t size = apus__heap_sizes[class];
    if ((size_t)(span->end - span->next) < size && !heap_take_span(heap, class))
        return 0;
    unsigned count = CARVE_BYTES / size < 2 ? 2 : CARVE_BYTES / size, fits = (unsigned)((size_t)(span->end - span->next) / size);
    if (count > fits)
        count = fits;
    // The lowest address last, so that alloc hands them out in ascending order.
    for (unsigned i = count; i > 0; i--) {
        heap->bins[class].slots[i] = span->next;
        apus__poison(span->next, size);
        span->next += size;
    }
    heap->carved += count * size;
    if (size >= APUS__HEAP_BYTES_MANY)
        apus_bump_relaxed(&heap->carved_pages, count * size);
    return count;
}

// --- Allocation ------------------------------------------------------------------------------------------------------------------

// Takes batches until the array is worth the visit: those of a far heap or of a retired one may be small.
static unsigned heap_refill(struct apus__heap *heap, unsigned class)
{
    struct apus__shelf *shelf = &heap->pool->nodes[heap->node].shelves[class];
    unsigned count = 0;
    while (count < heap_batches[class] / 2u) {
        struct apus__batch *batch = shelf_take(shelf, &heap->place, &heap->stash[class]);
        if (batch == NULL)
            break;
        count += batch_unpack(batch, &heap->bins[class].slots[1 + count], class);
    }
    return count;
}

apus_cold void *apus__heap_alloc_slow(struct apus__heap *heap, unsigned class)
{
    struct apus__heap_bin *bin = &heap->bins[class];
    unsigned count = heap_refill(heap, class);
    if (count == 0)
        count = heap_carve(heap, class);
    if (count == 0)
        return NULL;
    apus_bump_relaxed(&heap->received, count);
    apus_bump_relaxed(&bin->tally, APUS__HEAP_ALLOCATED + count - 1);
    void *block = bin->slots[count];
    apus__unpoison(block, apus__heap_sizes[class]);
    return block;
}

// Moves the last `count` (1 ..= heap_batches[class]) blocks of the array to the shelf.
static void heap_deliver(struct apus__heap *heap, unsigned class, unsigned count)
{
    struct apus__heap_bin *bin = &heap->bins[class];
    uint64_t tally = apus_load_relaxed(&bin->tally);
    unsigned kept = (unsigned)(tally & 0xffff) - count;
    apus_store_relaxed(&bin->tally, tally - count);
    apus_bump_relaxed(&heap->delivered, count);
    shelf_put(&heap->pool->nodes[heap->node].shelves[class], heap->place, batch_pack(&bin->slots[kept + 1], count, class));
}

static void heap_free_near(struct apus__heap *heap, void *block, unsigned class)
{
    struct apus__heap_bin *bin = &heap->bins[class];
    if ((apus_load_relaxed(&bin->tally) & 0xffff) == bin->limit)
        heap_deliver(heap, class, heap_batches[class]);
    uint64_t tally = apus_load_relaxed(&bin->tally);
    apus__poison(block, apus__heap_sizes[class]);
    bin->slots[(tally & 0xffff) + 1] = block;
    apus_store_relaxed(&bin->tally, tally + 1);
}

// Sends the outgoing blocks of one node to its shelves, a batch for each class among them.
static void heap_send_home(struct apus__heap *heap, unsigned node)
{
    struct apus__heap_outgoing *outgoing = &heap->outgoing[node];
    while (outgoing->count > 0) {
        unsigned class = outgoing->blocks[0] % APUS_CACHE_LINE, count = 0, kept = 0;
        void *blocks[OUTGOING_MAX];
        for (unsigned i = 0; i < outgoing->count; i++) {
            uintptr_t block = outgoing->blocks[i];
            if (block % APUS_CACHE_LINE == class && count < heap_batches[class])
                blocks[count++] = (void *)(block - class);
            else
                outgoing->blocks[kept++] = block;
        }
        outgoing->count = kept;
        shelf_put(&heap->pool->nodes[node].shelves[class], heap->place, batch_pack(blocks, count, class));
    }
}

static void heap_free_far(struct apus__heap *heap, void *block, unsigned class, unsigned node)
{
    struct apus__heap_outgoing *outgoing = &heap->outgoing[node];
    apus__poison(block, apus__heap_sizes[class]);
    apus_bump_relaxed(&heap->freed_far, 1);
    outgoing->blocks[outgoing->count++] = (uintptr_t)block | class;
    if (outgoing->count == OUTGOING_MAX)
        heap_send_home(heap, node);
}

unsigned apus__heap_node_of(const void *block)
{
    const struct apus__chunk *chunk = (const struct apus__chunk *)((uintptr_t)block & ~(uintptr_t)(CHUNK_BYTES - 1));
    return chunk->node;
}

static struct heap_large *heap_large_of(const void *block)
{
    return (struct heap_large *)((char *)(uintptr_t)block - APUS_CACHE_LINE);
}

// The block is in use again, from its header to its end.
static void heap_large_unpoison(struct heap_large *large)
{
    apus__unpoison(large, sizeof *large);
    apus__unpoison(large, large->whole);
}

// Whether a kept block is large enough, and not more than twice as large as need be.
static bool heap_large_fits(const struct heap_large *large, size_t whole)
{
    return large->whole >= whole && large->whole / 2 <= whole;
}

// Puts a block into an empty place of the pool's; false if there is none, or no room for its bytes.
static bool pool_keep(struct apus__pool *pool, struct heap_large *large)
{
    size_t whole = large->whole;
    // relaxed, here and below: a limit, and the blocks are handed over by their places.
    bool has_room = apus_add_relaxed(&pool->kept_bytes, whole) + whole <= APUS__LARGE_KEPT_BYTES;
    apus__poison(large, whole);
    for (unsigned i = 0; has_room && i < APUS__LARGE_KEPT; i++) {
        void *empty = NULL;
        // release: all uses of the block. Pairs with the exchange in pool_empty_place().
        if (!apus_load_relaxed(&pool->kept[i]) && apus_cas_strong_acq_rel(&pool->kept[i], &empty, large))
            return true;
    }
    apus__unpoison(large, whole);
    apus_add_relaxed(&pool->kept_bytes, -whole);
    return false;
}

// Takes a block from a place, which is empty then; NULL if it was.
static struct heap_large *pool_empty_place(struct apus__pool *pool, unsigned place)
{
    if (!apus_load_relaxed(&pool->kept[place]))
        return NULL;
    // acquire: all uses of the block. Pairs with pool_keep().
    struct heap_large *large = apus_exchange_acquire(&pool->kept[place], NULL);
    if (large) {
        heap_large_unpoison(large);
        apus_add_relaxed(&pool->kept_bytes, -large->whole);
    }
    return large;
}

// A block of the pool's that fits, or NULL. It is looked at when it has been taken, by nobody else, and put back if it does not.
static struct heap_large *pool_take_kept(struct apus__pool *pool, size_t whole)
{
    for (unsigned i = 0; i < APUS__LARGE_KEPT; i++) {
        struct heap_large *large = pool_empty_place(pool, i);
        if (large && heap_large_fits(large, whole))
            return large;
        if (large && !pool_keep(pool, large))
            free(large);
    }
    return NULL;
}

// A block that the heap keeps and that fits, or NULL.
static struct heap_large *heap_take_kept(struct apus__heap *heap, size_t whole)
{
    for (unsigned i = 0; i < heap->kept_count; i++) {
        struct heap_large *large = heap->kept[i];
        apus__unpoison(large, sizeof *large);
        if (heap_large_fits(large, whole)) {
            heap->kept[i] = heap->kept[--heap->kept_count];
            heap->kept_bytes -= large->whole;
            apus__unpoison(large, large->whole);
            return large;
        }
        apus__poison(large, sizeof *large);
    }
    return NULL;
}

// Keeps a large block to be used again, or gives it back to the system.
static void heap_keep(struct apus__heap *heap, struct heap_large *large)
{
    // With several nodes nobody knows here on which one its pages lie.
    if (heap->outgoing != NULL) {
        free(large);
    } else if (heap->kept_count < APUS__LARGE_KEPT && heap->kept_bytes + large->whole <= APUS__LARGE_KEPT_BYTES) {
        heap->kept[heap->kept_count++] = large;
        heap->kept_bytes += large->whole;
        apus__poison(large, large->whole);
    } else if (!pool_keep(heap->pool, large)) {
        free(large);
    }
}

static void heap_empty_kept(struct apus__heap *heap)
{
    while (heap->kept_count > 0) {
        struct heap_large *large = heap->kept[--heap->kept_count];
        heap_large_unpoison(large);
        free(large);
    }
    heap->kept_bytes = 0;
}

void *apus__heap_alloc_large(struct apus__heap *heap, size_t bytes)
{
    if (bytes > SIZE_MAX / 2 || apus__inject_fail(APUS__INJECT_LARGE))
        return NULL;
    size_t whole = (bytes + 2 * APUS_CACHE_LINE - 1) & ~(size_t)(APUS_CACHE_LINE - 1);
    struct heap_large *large = heap_take_kept(heap, whole);
    if (large == NULL && heap->outgoing == NULL)
        large = pool_take_kept(heap->pool, whole);
    if (large == NULL) {
        large = aligned_alloc(APUS_CACHE_LINE, whole);
        if (large == NULL)
            return NULL;
        large->whole = whole;
    }
    large->bytes = bytes;
    apus_bump_relaxed(&heap->allocated_large, 1);
    return (char *)large + APUS_CACHE_LINE;
}

size_t apus__heap_large_size(const void *block)
{
    return heap_large_of(block)->bytes;
}

void apus__heap_free_slow(struct apus__heap *heap, void *block, unsigned class)
{
    if (class == APUS__HEAP_LARGE) {
        apus_bump_relaxed(&heap->freed_large, 1);
        heap_keep(heap, heap_large_of(block));
        return;
    }
    apus_check(class < APUS__HEAP_CLASSES);
    unsigned node = heap->outgoing != NULL ? apus__heap_node_of(block) : heap->node;
    if (node != heap->node)
        heap_free_far(heap, block, class, node);
    else
        heap_free_near(heap, block, class);
}

// --- Heaps -----------------------------------------------------------------------------------------------------------------------

// Sets all but the slots, whose pages are to stay untouched.
static void heap_reset(struct apus__heap *heap, struct apus__pool *pool, unsigned node)
{
    memset(heap, 0, offsetof(struct apus__heap, slots));
    void **slots = heap->slots;
    for (unsigned class = 0; class < APUS__HEAP_CLASSES; class++) {
        heap->bins[class].slots = slots;
        heap->bins[class].limit = heap_limits[class];
        slots += 1 + heap_limits[class];
    }
    apus_check(slots == heap->slots + APUS__HEAP_SLOTS);
    heap->pool = pool;
    heap->node = node;
}

int apus__heap_init(struct apus__heap *heap, struct apus__pool *pool, unsigned node)
{
    apus_check(node < pool->node_count);
    heap_reset(heap, pool, node);
    if (pool->node_count == 1) {
        heap->classes_near = APUS__HEAP_CLASSES;
    } else {
        heap->outgoing = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : calloc(pool->node_count, sizeof *heap->outgoing);
        if (heap->outgoing == NULL)
            return -ENOMEM;
    }
    pthread_mutex_lock(&pool->lock);
    // Heaps begin to look at different places, so that they meet less often.
    heap->place = pool->heaps_made++ % APUS__SHELF_PLACES;
    apus__list_append(&pool->heaps, &heap->in_pool);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

void apus__heap_flush(struct apus__heap *heap)
{
    for (unsigned node = 0; heap->outgoing != NULL && node < heap->pool->node_count; node++)
        heap_send_home(heap, node);
}

// Gives what the heap holds of one class to the shelves.
static void heap_empty_bin(struct apus__heap *heap, unsigned class)
{
    struct apus__pool_node *node = &heap->pool->nodes[heap->node];
    unsigned count;
    while ((count = apus_load_relaxed(&heap->bins[class].tally) & 0xffff) > 0)
        heap_deliver(heap, class, count < heap_batches[class] ? count : heap_batches[class]);
    while (heap->stash[class] != NULL) {
        struct apus__batch *batch = heap->stash[class];
        heap->stash[class] = batch->next;
        shelf_put(&node->shelves[class], heap->place, batch);
    }
    struct apus__heap_span *span = &heap->spans[class];
    if ((size_t)(span->end - span->next) >= apus__heap_sizes[class]) {
        struct apus__batch *rest = (struct apus__batch *)span->next;
        rest->entries[0] = span->end;
        shelf_put(&node->spans[class], heap->place, rest);
    }
    *span = (struct apus__heap_span){0};
}

void apus__heap_retire(struct apus__heap *heap)
{
    struct apus__pool *pool = heap->pool;
    struct apus__heap_counts counts;
    apus__heap_flush(heap);
    for (unsigned class = 0; class < APUS__HEAP_CLASSES; class++)
        heap_empty_bin(heap, class);
    heap_empty_kept(heap);
    apus__heap_counts(heap, &counts);
    pthread_mutex_lock(&pool->lock);
    apus__list_remove(&heap->in_pool);
    pool->retired.allocated += counts.allocated;
    pool->retired.freed += counts.freed;
    pool->retired.freed_far += counts.freed_far;
    pthread_mutex_unlock(&pool->lock);
    free(heap->outgoing);
    heap->outgoing = NULL;
}

void apus__heap_counts(const struct apus__heap *heap, struct apus__heap_counts *counts)
{
    // relaxed throughout: statistics, exact once the heap's thread has been waited for.
    uint64_t allocated = 0, cached = 0;
    for (unsigned class = 0; class < APUS__HEAP_CLASSES; class++) {
        uint64_t tally = apus_load_relaxed(&heap->bins[class].tally);
        allocated += tally / APUS__HEAP_ALLOCATED;
        cached += tally & 0xffff;
    }
    // What came in is in use, in the array, or has left; what was allocated has been freed or is in use.
    counts->freed_far = apus_load_relaxed(&heap->freed_far);
    counts->freed = allocated + cached + apus_load_relaxed(&heap->delivered) - apus_load_relaxed(&heap->received) +
                    counts->freed_far + apus_load_relaxed(&heap->freed_large);
    counts->allocated = allocated + apus_load_relaxed(&heap->allocated_large);
}

// --- The pool --------------------------------------------------------------------------------------------------------------------

int apus__pool_init(struct apus__pool *pool, unsigned node_count, const int *system_nodes)
{
    apus_check(node_count >= 1 && node_count <= APUS__HEAP_NODES_MAX);
    if (pool->nodes != NULL) {
        apus_check(pool->node_count == node_count);
        return 0;
    }
    size_t size = node_count * sizeof *pool->nodes;
    struct apus__pool_node *nodes = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : aligned_alloc(APUS_CACHE_LINE, size);
    if (nodes == NULL)
        return -ENOMEM;
    memset(nodes, 0, size);
    memset(pool, 0, sizeof *pool);
    for (unsigned i = 0; i < node_count; i++)
        nodes[i].system_node = system_nodes != NULL ? system_nodes[i] : -1;
    pthread_mutex_init(&pool->lock, NULL);
    apus__list_init(&pool->heaps);
    pool->nodes = nodes;
    pool->node_count = node_count;
    return 0;
}

// The sums of the pool and how many heaps are alive.
static uint64_t pool_sum(struct apus__pool *pool, struct apus__heap_counts *sum)
{
    uint64_t heaps = 0;
    pthread_mutex_lock(&pool->lock);
    *sum = pool->retired;
    for (struct apus__list *at = pool->heaps.next; at != &pool->heaps; at = at->next) {
        struct apus__heap_counts counts;
        apus__heap_counts(apus_container_of(at, struct apus__heap, in_pool), &counts);
        sum->allocated += counts.allocated;
        sum->freed += counts.freed;
        sum->freed_far += counts.freed_far;
        heaps++;
    }
    pthread_mutex_unlock(&pool->lock);
    return heaps;
}

void apus__pool_counts(struct apus__pool *pool, struct apus__heap_counts *counts)
{
    pool_sum(pool, counts);
}

uint64_t apus__pool_in_use(struct apus__pool *pool)
{
    struct apus__heap_counts sum;
    pool_sum(pool, &sum);
    return sum.allocated - sum.freed;
}

uint64_t apus__pool_bytes_mapped(const struct apus__pool *pool)
{
    return apus_load_relaxed(&pool->bytes_mapped);
}

uint64_t apus__pool_destroy(struct apus__pool *pool)
{
    struct apus__heap_counts sum;
    uint64_t heaps = pool_sum(pool, &sum);
    if (heaps > 0 || sum.allocated != sum.freed)
        return heaps + (sum.allocated - sum.freed);
    // acquire: observes the links; pairs with pool_add_chunk().
    struct apus__chunk *chunk = apus_load_acquire(&pool->chunks);
    while (chunk != NULL) {
        struct apus__chunk *next = chunk->next;
        apus__unpoison(chunk, CHUNK_BYTES);
        apus__pages_release(chunk, CHUNK_BYTES);
        chunk = next;
    }
    for (unsigned i = 0; i < APUS__LARGE_KEPT; i++)
        free(pool_empty_place(pool, i));
    free(pool->nodes);
    pthread_mutex_destroy(&pool->lock);
    memset(pool, 0, sizeof *pool);
    return 0;
}
