// heap_test.c - goal: no block is lost, handed out twice, or counted wrongly, on one node and on several, however threads come and
// go.
//
// Method: blocks carry a mark that names their present owner, so that a block handed out twice shows at once; at the end of each
// test the counts of the pool must balance and the pool must agree to be destroyed. Several nodes are pretended on any machine: the
// pool takes them for real, only the memory is not bound.
#include <pthread.h>

#include "../test.h"
#include "memory/heap.h"

static struct apus__pool pool;

static struct apus__heap *heap_new(unsigned node)
{
    void *memory = aligned_alloc(APUS_CACHE_LINE, sizeof(struct apus__heap));
    CHECK(memory != NULL);
    CHECK_EQ(apus__heap_init(memory, &pool, node), 0);
    return memory;
}

static void heap_end(struct apus__heap *heap)
{
    apus__heap_retire(heap);
    free(heap);
}

// --- Size classes ---------------------------------------------------------------------------------------------------------------

TEST(class_is_smallest_that_fits, "the class of a size is the smallest whose blocks hold it")
{
    for (size_t bytes = 0; bytes <= APUS__HEAP_BYTES_MAX; bytes++) {
        unsigned class = apus__heap_class(bytes);
        CHECK(class < APUS__HEAP_CLASSES);
        CHECK(apus__heap_sizes[class] >= bytes);
        CHECK(class == 0 || apus__heap_sizes[class - 1] < bytes);
    }
    CHECK_EQ(apus__heap_class(APUS__HEAP_BYTES_MAX + 1), APUS__HEAP_LARGE);
    CHECK_EQ(apus__heap_class(SIZE_MAX), APUS__HEAP_LARGE);
}

// --- One heap -------------------------------------------------------------------------------------------------------------------

TEST(blocks_are_aligned_and_apart, "blocks of every class are aligned to a cache line, do not overlap, and keep what is written")
{
    enum { BLOCKS = 700 };
    static unsigned char *blocks[BLOCKS];
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0);
    for (unsigned class = 0; class < APUS__HEAP_CLASSES; class++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = apus__heap_alloc(heap, class);
            CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % APUS_CACHE_LINE == 0);
            memset(blocks[i], i % 251, apus__heap_sizes[class]);
        }
        for (int i = 0; i < BLOCKS; i++) {
            for (uint32_t at = 0; at < apus__heap_sizes[class]; at++)
                CHECK(blocks[i][at] == i % 251);
            apus__heap_free(heap, blocks[i], class);
        }
    }
    CHECK_EQ(apus__pool_in_use(&pool), 0);
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(last_freed_comes_first, "the block freed last is the next one handed out")
{
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0);
    void *first = apus__heap_alloc(heap, 2), *second = apus__heap_alloc(heap, 2);
    apus__heap_free(heap, first, 2);
    apus__heap_free(heap, second, 2);
    CHECK(apus__heap_alloc(heap, 2) == second);
    CHECK(apus__heap_alloc(heap, 2) == first);
    apus__heap_free(heap, first, 2);
    apus__heap_free(heap, second, 2);
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(fresh_is_counted, "fresh memory is counted that goes to large blocks, and not what is used again")
{
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0);
    unsigned small = apus__heap_class(APUS__HEAP_BYTES_MANY) - 1, large = small + 1;
    apus__heap_free(heap, apus__heap_alloc(heap, small), small);
    CHECK_EQ(apus_load_relaxed(&heap->carved_pages), 0);
    for (int i = 0; i < 100; i++)
        apus__heap_free(heap, apus__heap_alloc(heap, large), large);
    uint64_t carved = apus_load_relaxed(&heap->carved_pages);
    CHECK(carved >= APUS__HEAP_BYTES_MANY && carved < 100 * APUS__HEAP_BYTES_MANY);
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(counts_are_exact, "allocations and frees are counted one by one, large blocks and retired heaps included")
{
    struct apus__heap_counts counts;
    static void *blocks[1000];
    void *large[3];
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0), *other = heap_new(0);
    for (int i = 0; i < 1000; i++)
        blocks[i] = apus__heap_alloc(heap, (unsigned)i % APUS__HEAP_CLASSES);
    for (int i = 0; i < 3; i++)
        CHECK((large[i] = apus__heap_alloc_large(heap, 100000)) != NULL);
    CHECK_EQ(apus__pool_in_use(&pool), 1003);
    for (int i = 0; i < 600; i++)
        apus__heap_free(other, blocks[i], (unsigned)i % APUS__HEAP_CLASSES);
    apus__heap_free(other, large[0], APUS__HEAP_LARGE);
    apus__heap_counts(heap, &counts);
    CHECK_EQ(counts.allocated, 1003);
    CHECK_EQ(counts.freed, 0);
    apus__heap_counts(other, &counts);
    CHECK_EQ(counts.allocated, 0);
    CHECK_EQ(counts.freed, 601);
    heap_end(other);
    CHECK_EQ(apus__pool_in_use(&pool), 402);
    for (int i = 600; i < 1000; i++)
        apus__heap_free(heap, blocks[i], (unsigned)i % APUS__HEAP_CLASSES);
    apus__heap_free(heap, large[1], APUS__HEAP_LARGE);
    apus__heap_free(heap, large[2], APUS__HEAP_LARGE);
    CHECK_EQ(apus__pool_in_use(&pool), 0);
    heap_end(heap);
    apus__pool_counts(&pool, &counts);
    CHECK_EQ(counts.allocated, 1003);
    CHECK_EQ(counts.freed, 1003);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(large_again, "a large block that was freed is used again for one of about its size, and only a few are kept")
{
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0);
    void *blocks[3 * APUS__LARGE_KEPT];
    void *first = apus__heap_alloc_large(heap, 100000);
    CHECK(first != NULL);
    apus__heap_free(heap, first, APUS__HEAP_LARGE);
    CHECK_EQ(heap->kept_count, 1);
    void *small = apus__heap_alloc_large(heap, 40000); // less than half: it would waste the rest
    CHECK(small != first);
    void *again = apus__heap_alloc_large(heap, 99000);
    CHECK(again == first);
    CHECK_EQ(apus__heap_large_size(again), 99000);
    memset(again, 1, 99000);
    void *more = apus__heap_alloc_large(heap, 100001); // does not fit into what is kept
    CHECK(more != NULL);
    apus__heap_free(heap, small, APUS__HEAP_LARGE);
    apus__heap_free(heap, again, APUS__HEAP_LARGE);
    apus__heap_free(heap, more, APUS__HEAP_LARGE);
    for (unsigned i = 0; i < sizeof blocks / sizeof *blocks; i++)
        CHECK((blocks[i] = apus__heap_alloc_large(heap, 300000)) != NULL);
    for (unsigned i = 0; i < sizeof blocks / sizeof *blocks; i++)
        apus__heap_free(heap, blocks[i], APUS__HEAP_LARGE);
    CHECK(heap->kept_count <= APUS__LARGE_KEPT && heap->kept_bytes <= APUS__LARGE_KEPT_BYTES);
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

static unsigned kept_by_pool(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < APUS__LARGE_KEPT; i++)
        count += apus_load_relaxed(&pool.kept[i]) != NULL;
    return count;
}

TEST(large_elsewhere, "what another heap frees beyond what it keeps is used again by the heap it came from")
{
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0), *other = heap_new(0);
    void *blocks[3 * APUS__LARGE_KEPT];
    unsigned count = sizeof blocks / sizeof *blocks;
    for (unsigned i = 0; i < count; i++)
        CHECK((blocks[i] = apus__heap_alloc_large(heap, 300000)) != NULL);
    for (unsigned i = 0; i < count; i++)
        apus__heap_free(other, blocks[i], APUS__HEAP_LARGE);
    CHECK_EQ(other->kept_count, APUS__LARGE_KEPT);
    CHECK_EQ(kept_by_pool(), APUS__LARGE_KEPT);
    void *small = apus__heap_alloc_large(heap, 100000); // less than half of those
    CHECK_EQ(kept_by_pool(), APUS__LARGE_KEPT);
    for (unsigned i = APUS__LARGE_KEPT; i < 2 * APUS__LARGE_KEPT; i++) {
        bool is_one_of_them = false;
        void *again = apus__heap_alloc_large(heap, 290000);
        for (unsigned j = APUS__LARGE_KEPT; j < 2 * APUS__LARGE_KEPT; j++)
            is_one_of_them = is_one_of_them || again == blocks[j];
        CHECK(is_one_of_them);
        memset(again, 1, 290000);
        apus__heap_free(heap, again, APUS__HEAP_LARGE);
        CHECK_EQ(heap->kept_count, 1);
        CHECK_EQ(kept_by_pool(), APUS__LARGE_KEPT - 1);
    }
    apus__heap_free(heap, small, APUS__HEAP_LARGE);
    heap_end(other);
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(large_limit, "the pool keeps no more bytes of large blocks than a heap does")
{
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0);
    void *blocks[8];
    for (unsigned i = 0; i < 8; i++)
        CHECK((blocks[i] = apus__heap_alloc_large(heap, APUS__LARGE_KEPT_BYTES / 3)) != NULL);
    for (unsigned i = 0; i < 8; i++)
        apus__heap_free(heap, blocks[i], APUS__HEAP_LARGE);
    CHECK_EQ(heap->kept_count, 2);
    CHECK_EQ(kept_by_pool(), 2);
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(large_remembers_size, "a large block remembers its size, is aligned and wholly usable")
{
    static const size_t sizes[] = {0, 1, 64, 32769, 100000, 5000000};
    unsigned class;
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *block = apus__heap_alloc_large(heap, sizes[i]);
        CHECK(block != NULL && (uintptr_t)block % APUS_CACHE_LINE == 0);
        CHECK_EQ(apus__heap_large_size(block), sizes[i]);
        memset(block, 7, sizes[i]);
        apus__heap_free(heap, block, APUS__HEAP_LARGE);
    }
    CHECK(apus__heap_alloc_bytes(heap, SIZE_MAX, &class) == NULL);
    CHECK(apus__heap_alloc_bytes(heap, SIZE_MAX - 100, &class) == NULL);
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

#ifdef APUS__POISON
TEST(free_blocks_are_poisoned, "AddressSanitizer knows each free block, also after it has been on a shelf, and no block in use")
{
    enum { BLOCKS = 400 };
    static void *blocks[BLOCKS];
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0), *other = heap_new(0);
    for (unsigned class = 0; class < APUS__HEAP_CLASSES; class++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = apus__heap_alloc(heap, class);
            CHECK(__asan_region_is_poisoned(blocks[i], apus__heap_sizes[class]) == NULL);
        }
        for (int i = 0; i < BLOCKS; i++)
            apus__heap_free(other, blocks[i], class);
        // The last one lies in the array; on the shelf, the blocks that hold a tree are open, and the leaves are not.
        CHECK(__asan_address_is_poisoned(blocks[BLOCKS - 1]));
        int poisoned = 0;
        for (int i = 0; i < BLOCKS; i++)
            poisoned += __asan_address_is_poisoned(blocks[i]) != 0;
        CHECK(poisoned >= BLOCKS / 2);
        void *again = apus__heap_alloc(heap, class);
        for (int i = 0; i < BLOCKS; i++)
            CHECK(blocks[i] != again || __asan_region_is_poisoned(again, apus__heap_sizes[class]) == NULL);
        apus__heap_free(heap, again, class);
    }
    heap_end(heap);
    heap_end(other);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}
#endif

// --- The life of a pool ----------------------------------------------------------------------------------------------------------

TEST(destroy_waits_for_blocks, "a pool with blocks in use stays mapped, takes late releases, and is taken up by the next start")
{
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0);
    char *kept = apus__heap_alloc(heap, 1);
    void *large = apus__heap_alloc_large(heap, 50000);
    strcpy(kept, "still here");
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 2);
    CHECK_STR(kept, "still here");

    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    heap = heap_new(0);
    CHECK_EQ(apus__pool_in_use(&pool), 2);
    apus__heap_free(heap, kept, 1);
    apus__heap_free(heap, large, APUS__HEAP_LARGE);
    CHECK_EQ(apus__pool_in_use(&pool), 0);
    CHECK_EQ(apus__pool_destroy(&pool), 1); // the heap itself
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
    CHECK_EQ(apus__pool_bytes_mapped(&pool), 0);
}

TEST(retired_heaps_leave_no_hole, "threads that come and go reuse the memory of those before them")
{
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    for (int round = 0; round < 2000; round++) {
        struct apus__heap *heap = heap_new(0);
        void *blocks[APUS__HEAP_CLASSES];
        for (unsigned class = 0; class < APUS__HEAP_CLASSES; class++)
            CHECK((blocks[class] = apus__heap_alloc(heap, class)) != NULL);
        for (unsigned class = 0; class < APUS__HEAP_CLASSES; class++)
            apus__heap_free(heap, blocks[class], class);
        heap_end(heap);
    }
    CHECK_EQ(apus__pool_bytes_mapped(&pool), 2 << 20);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(freed_is_reused, "a stream of messages from one heap to another uses no more memory than what is in flight")
{
    enum { BURST = 5000 };
    static void *blocks[BURST];
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *from = heap_new(0), *to = heap_new(0);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < BURST; i++)
            CHECK((blocks[i] = apus__heap_alloc(from, 0)) != NULL);
        for (int i = 0; i < BURST; i++)
            apus__heap_free(to, blocks[i], 0);
    }
    CHECK_EQ(apus__pool_bytes_mapped(&pool), 2 << 20);
    heap_end(from);
    heap_end(to);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

// --- Nodes ----------------------------------------------------------------------------------------------------------------------

TEST(far_blocks_go_home, "a block freed on another node goes home in a batch and is never handed out where it was freed")
{
    enum { BLOCKS = 320 };
    static void *blocks[BLOCKS];
    struct apus__heap_counts counts;
    CHECK_EQ(apus__pool_init(&pool, 2, NULL), 0);
    struct apus__heap *home = heap_new(0), *away = heap_new(1);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = apus__heap_alloc(home, (unsigned)i % 3);
        CHECK_EQ(apus__heap_node_of(blocks[i]), 0);
    }
    for (int i = 0; i < BLOCKS; i++)
        apus__heap_free(away, blocks[i], (unsigned)i % 3);
    apus__heap_counts(away, &counts);
    CHECK_EQ(counts.freed_far, BLOCKS);
    CHECK_EQ(counts.freed, BLOCKS);
    CHECK_EQ(apus__pool_in_use(&pool), 0);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = apus__heap_alloc(away, (unsigned)i % 3);
        CHECK_EQ(apus__heap_node_of(blocks[i]), 1);
    }
    for (int i = 0; i < BLOCKS; i++)
        apus__heap_free(away, blocks[i], (unsigned)i % 3);
    heap_end(home);
    heap_end(away);
    CHECK_EQ(apus__pool_in_use(&pool), 0);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(flush_sends_few_blocks_home, "an idle slot can send home a batch that is not full, and its home hands it out again")
{
    enum { BLOCKS = 5 };
    void *blocks[BLOCKS];
    CHECK_EQ(apus__pool_init(&pool, 3, NULL), 0);
    struct apus__heap *home = heap_new(2), *away = heap_new(0);
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = apus__heap_alloc(home, 12);
    for (int i = 0; i < BLOCKS; i++)
        apus__heap_free(away, blocks[i], 12);
    apus__heap_flush(away);
    uint64_t received = apus_load_relaxed(&home->received);
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = apus__heap_alloc(home, 12);
    CHECK(apus_load_relaxed(&home->received) > received);
    CHECK_EQ(apus__pool_bytes_mapped(&pool), 2 << 20);
    for (int i = 0; i < BLOCKS; i++)
        apus__heap_free(home, blocks[i], 12);
    heap_end(home);
    heap_end(away);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

// --- Threads ---------------------------------------------------------------------------------------------------------------------

enum { RING = 1024 };

// A queue from one thread to one other; the test's own, so that it adds no edge that would hide a missing one in the pool.
struct ring {
    apus_cache_aligned _Atomic uint64_t pushed;
    apus_cache_aligned _Atomic uint64_t popped;
    uint64_t *blocks[RING];
};

static bool ring_push(struct ring *ring, uint64_t *block)
{
    uint64_t at = apus_load_relaxed(&ring->pushed);
    if (at - apus_load_acquire(&ring->popped) == RING)
        return false;
    ring->blocks[at % RING] = block;
    apus_store_release(&ring->pushed, at + 1);
    return true;
}

static uint64_t *ring_pop(struct ring *ring)
{
    uint64_t at = apus_load_relaxed(&ring->popped);
    if (at == apus_load_acquire(&ring->pushed))
        return NULL;
    uint64_t *block = ring->blocks[at % RING];
    apus_store_release(&ring->popped, at + 1);
    return block;
}

enum { WORKERS = 4 };

struct worker {
    pthread_t thread;
    unsigned number;
    unsigned node;
    long messages;
    uint64_t random;
};

static struct ring rings[WORKERS][WORKERS];
static struct worker workers[WORKERS];
static _Atomic int senders_left;

static uint64_t worker_random(struct worker *worker)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random;
}

static void worker_write(uint64_t *block, unsigned class, uint64_t mark)
{
    block[0] = class;
    block[1] = mark;
    block[apus__heap_sizes[class] / sizeof *block - 1] = mark;
}

static void worker_receive(struct worker *worker, struct apus__heap *heap)
{
    for (unsigned from = 0; from < WORKERS; from++) {
        uint64_t *block;
        while ((block = ring_pop(&rings[from][worker->number])) != NULL) {
            unsigned class = (unsigned)block[0];
            CHECK(block[1] >> 56 == from + 1);
            CHECK(block[1] == block[apus__heap_sizes[class] / sizeof *block - 1]);
            // Whoever gets this block while we still have it would see or cause a wrong mark.
            worker_write(block, class, (uint64_t)(worker->number + 1) << 48);
            apus__heap_free(heap, block, class);
        }
    }
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    struct apus__heap *heap = heap_new(worker->node);
    for (long i = 0; i < worker->messages; i++) {
        unsigned to = (unsigned)(worker_random(worker) % WORKERS), class = (unsigned)(worker_random(worker) % 16);
        class = class < APUS__HEAP_CLASSES ? class : 0;
        uint64_t *block = apus__heap_alloc(heap, class);
        CHECK(block != NULL);
        worker_write(block, class, (uint64_t)(worker->number + 1) << 56 | (uint64_t)i);
        while (!ring_push(&rings[worker->number][to], block))
            worker_receive(worker, heap);
        if (i % 64 == 0)
            worker_receive(worker, heap);
        if (i % 5000 == 4999) {
            // As a thread that ends and another that begins.
            heap_end(heap);
            heap = heap_new(worker->node);
        }
    }
    apus_sub_acq_rel(&senders_left, 1);
    while (apus_load_acquire(&senders_left) > 0)
        worker_receive(worker, heap);
    worker_receive(worker, heap);
    heap_end(heap);
    return NULL;
}

static void workers_run(unsigned node_count, long messages)
{
    CHECK_EQ(apus__pool_init(&pool, node_count, NULL), 0);
    apus_store_relaxed(&senders_left, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.number = i, .node = i % node_count, .messages = messages, .random = 88172645463325252u + i};
        CHECK_EQ(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
    struct apus__heap_counts counts;
    apus__pool_counts(&pool, &counts);
    CHECK_EQ(counts.allocated, WORKERS * messages);
    CHECK_EQ(counts.freed, WORKERS * messages);
    CHECK(node_count == 1 ? counts.freed_far == 0 : counts.freed_far > 0);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(torture_one_node, "four threads allocate, pass on and free each other's blocks of all classes; nothing is lost or given twice")
{
    workers_run(1, test_scaled(200000));
}

TEST(torture_three_nodes, "the same on three nodes, where blocks go home")
{
    workers_run(3, test_scaled(200000));
}

static void *producer_run(void *argument)
{
    long messages = *(long *)argument;
    struct apus__heap *heap = heap_new(0);
    for (long i = 0; i < messages; i++) {
        uint64_t *block = apus__heap_alloc(heap, 0);
        CHECK(block != NULL);
        block[0] = (uint64_t)i;
        while (!ring_push(&rings[0][1], block))
            apus__cpu_relax();
    }
    heap_end(heap);
    return NULL;
}

TEST(torture_one_way, "a producer and a consumer: all blocks come back through the shelf, in order and with their content")
{
    long messages = test_scaled(1000000);
    pthread_t producer;
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0);
    CHECK_EQ(pthread_create(&producer, NULL, producer_run, &messages), 0);
    for (long i = 0; i < messages;) {
        uint64_t *block = ring_pop(&rings[0][1]);
        if (block == NULL)
            continue;
        CHECK_EQ(block[0], i);
        block[0] = UINT64_MAX;
        apus__heap_free(heap, block, 0);
        i++;
    }
    CHECK_EQ(pthread_join(producer, NULL), 0);
    CHECK_EQ(apus__pool_in_use(&pool), 0);
    CHECK_EQ(apus__pool_bytes_mapped(&pool), 2 << 20);
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

// --- Out of memory ---------------------------------------------------------------------------------------------------------------

#ifdef APUS_INJECT
TEST(injected_failure_hits_the_nth, "an injected failure hits the n-th allocation from now, at the chosen site only, once")
{
    unsigned class;
    CHECK_EQ(apus__pool_init(&pool, 1, NULL), 0);
    struct apus__heap *heap = heap_new(0);
    apus__inject_arm(1u << APUS__INJECT_HEAP, 3);
    void *one = apus__heap_alloc(heap, 0);
    void *large = apus__heap_alloc_bytes(heap, 40000, &class);
    void *two = apus__heap_alloc(heap, 0);
    CHECK(one != NULL && two != NULL && large != NULL);
    CHECK_EQ(apus__inject_hits(), 0);
    CHECK(apus__heap_alloc(heap, 0) == NULL);
    CHECK_EQ(apus__inject_hits(), 1);
    CHECK_EQ(apus__pool_in_use(&pool), 3);
    void *three = apus__heap_alloc(heap, 0);
    CHECK(three != NULL);
    apus__inject_arm(1u << APUS__INJECT_LARGE, 1);
    CHECK(apus__heap_alloc_bytes(heap, 40000, &class) == NULL);
    apus__heap_free(heap, one, 0);
    apus__heap_free(heap, two, 0);
    apus__heap_free(heap, three, 0);
    apus__heap_free(heap, large, APUS__HEAP_LARGE);
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(no_chunk_no_block, "without memory from the system an empty heap says so, and goes on when there is some")
{
    CHECK_EQ(apus__pool_init(&pool, 2, NULL), 0);
    struct apus__heap *heap = heap_new(1);
    apus__inject_arm(1u << APUS__INJECT_CHUNK, 1);
    CHECK(apus__heap_alloc(heap, 4) == NULL);
    CHECK_EQ(apus__pool_in_use(&pool), 0);
    void *block = apus__heap_alloc(heap, 4);
    CHECK(block != NULL);
    apus__heap_free(heap, block, 4);
    heap_end(heap);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}

TEST(init_reports_no_memory, "a pool and a heap that get no memory report it and leave nothing behind")
{
    static struct apus__heap heap;
    apus__inject_arm(1u << APUS__INJECT_MALLOC, 1);
    CHECK_EQ(apus__pool_init(&pool, 2, NULL), -ENOMEM);
    CHECK_EQ(apus__pool_init(&pool, 2, NULL), 0);
    apus__inject_arm(1u << APUS__INJECT_MALLOC, 1);
    CHECK_EQ(apus__heap_init(&heap, &pool, 0), -ENOMEM);
    CHECK_EQ(apus__pool_destroy(&pool), 0);
}
#endif

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
