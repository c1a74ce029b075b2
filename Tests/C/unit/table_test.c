// table_test.c - goal: every cell is owned by one at a time, keeps its address and its content, and no index is lost.
//
// Method: each cell carries an owner mark and a generation that only its owner raises; a cell handed out twice shows as a mark that
// is not free. Tables small enough to be exhausted show that all cells come back. Several nodes are pretended on any machine.
#include <pthread.h>

#include "../test.h"
#include "memory/table.h"

struct cell {
    _Atomic uint64_t generation;
    _Atomic uint64_t owner;
    apus__table_link link;
    uint64_t payload[21];
};

enum { LINK = offsetof(struct cell, link) };

static struct apus__table table;

static struct cell *cell_of(uint32_t index)
{
    return apus__table_at(&table, index);
}

TEST(cells_are_zero_and_apart, "fresh cells are zero but for the link word, have stable addresses, and index 0 is never given")
{
    struct apus__table_cache cache = {0};
    CHECK_EQ(apus__table_init(&table, 1 << 20, sizeof(struct cell), LINK, 1, NULL), 0);
    CHECK_EQ(apus__table_limit(&table), 0);
    for (uint32_t i = 1; i <= 20000; i++) {
        uint32_t index = apus__table_alloc(&table, &cache, 0);
        struct cell *cell = cell_of(index);
        CHECK(index != 0 && index < apus__table_limit(&table));
        CHECK_EQ((char *)cell - table.base, (long)index * (long)sizeof *cell);
        CHECK_EQ(apus_load_relaxed(&cell->generation), 0);
        for (int at = 0; at < 21; at++)
            CHECK_EQ(cell->payload[at], 0);
        apus_store_relaxed(&cell->generation, index);
    }
    // The limit is the high-water mark: no more than one extent beyond what was handed out.
    CHECK(apus__table_limit(&table) < 20000 + 32768 + 32);
    apus__table_destroy(&table);
}

TEST(walk, "a walk comes to each cell that was handed out, in order, in each extent, and to no more than one batch that was not")
{
    enum { EXTENTS = 3, EXTENT = 32768, LAST = (EXTENTS - 1) * EXTENT + 100 };
    struct apus__table_cache cache = {0};
    CHECK_EQ(apus__table_init(&table, 1 << 20, sizeof(struct cell), LINK, 1, NULL), 0);
    CHECK_EQ(apus__table_next(&table, 0), 0);
    for (uint32_t i = 1; i <= LAST; i++)
        CHECK_EQ(apus__table_alloc(&table, &cache, 0), i);
    uint32_t seen = 0;
    for (uint32_t i = apus__table_next(&table, 0); i; i = apus__table_next(&table, i))
        CHECK_EQ(i, ++seen);
    CHECK(seen >= LAST && seen < LAST + 64);
    apus__table_destroy(&table);
}

TEST(walk_gaps, "a walk leaves out what has not been carved of an extent that others follow")
{
    enum { NODES = 2, EXTENT = 32768, MOST = 64 };
    struct apus__table_cache caches[NODES] = {{0}, {0}};
    uint32_t first = 0, second = 0;
    CHECK_EQ(apus__table_init(&table, 1 << 20, sizeof(struct cell), LINK, NODES, NULL), 0);
    CHECK_EQ(apus__table_alloc(&table, &caches[0], 0), 1);
    CHECK_EQ(apus__table_alloc(&table, &caches[1], 1), EXTENT);
    for (uint32_t i = apus__table_next(&table, 0); i; i = apus__table_next(&table, i)) {
        CHECK(i % EXTENT < MOST);
        first += i < EXTENT;
        second += i >= EXTENT;
    }
    CHECK(first >= 1 && second >= 1);
    apus__table_destroy(&table);
}

TEST(content_survives_free, "a freed cell keeps its content, however it travels before it is handed out again")
{
    enum { CELLS = 1000 };
    static uint32_t indices[CELLS];
    struct apus__table_cache cache = {0}, other = {0};
    CHECK_EQ(apus__table_init(&table, 1 << 16, sizeof(struct cell), LINK, 1, NULL), 0);
    for (int i = 0; i < CELLS; i++) {
        indices[i] = apus__table_alloc(&table, &cache, 0);
        apus_store_relaxed(&cell_of(indices[i])->generation, indices[i] * 7u);
        cell_of(indices[i])->payload[20] = indices[i];
    }
    for (int i = 0; i < CELLS; i++)
        apus__table_free(&table, &cache, indices[i]);
    CHECK(cache.count >= CELLS);
    CHECK(apus__table_cache_excess(&cache) > 0);
    apus__table_give_back(&table, &cache, apus__table_cache_excess(&cache));
    CHECK_EQ(apus__table_cache_excess(&cache), 0);
    CHECK_EQ(cache.count, 2 * APUS__TABLE_BATCH);
    int seen = 0;
    for (int i = 0; i < CELLS; i++) {
        struct cell *cell = cell_of(apus__table_alloc(&table, i % 2 ? &cache : &other, 0));
        uint64_t index = (uint64_t)(cell - (struct cell *)table.base);
        CHECK(cell->payload[20] == 0 || cell->payload[20] == index);
        CHECK_EQ(apus_load_relaxed(&cell->generation), cell->payload[20] * 7);
        seen += cell->payload[20] != 0;
    }
    CHECK(seen > CELLS / 2);
    apus__table_destroy(&table);
}

TEST(exhaustion_reports_and_recovers, "a table hands out all cells but index 0, then none, then one after a free; 1 and 3 nodes")
{
    for (unsigned nodes = 1; nodes <= 3; nodes += 2) {
        for (uint32_t capacity = 64; capacity <= 65536; capacity *= 4) {
            struct apus__table_cache caches[3] = {{0}};
            unsigned char *given = calloc(capacity, 1);
            CHECK_EQ(apus__table_init(&table, capacity, sizeof(struct cell), LINK, nodes, NULL), 0);
            for (uint32_t i = 1; i < capacity; i++) {
                uint32_t index = apus__table_alloc(&table, &caches[i % nodes], i % nodes);
                // A cache holds on to what it has; the others can be out while one is not.
                for (unsigned from = 0; index == 0 && from < nodes; from++)
                    index = apus__table_alloc(&table, &caches[from], from);
                CHECK(index > 0 && index < capacity && !given[index]);
                given[index] = 1;
            }
            CHECK_EQ(apus__table_limit(&table), capacity);
            for (unsigned node = 0; node < nodes; node++) {
                CHECK_EQ(apus__table_alloc(&table, &caches[node], node), 0);
                CHECK_EQ(apus__table_alloc_shared(&table, node), 0);
            }
            apus__table_free_shared(&table, 17);
            CHECK_EQ(apus__table_alloc(&table, &caches[0], 0), 17);
            apus__table_destroy(&table);
            free(given);
        }
    }
}

TEST(cells_go_to_their_node, "a cell given back goes to the shelf of the node its memory lies on")
{
    struct apus__table_cache cache = {0}, near = {0}, far = {0};
    uint32_t indices[200];
    CHECK_EQ(apus__table_init(&table, 1 << 16, sizeof(struct cell), LINK, 2, NULL), 0);
    for (int i = 0; i < 200; i++) {
        indices[i] = apus__table_alloc(&table, &cache, i % 2);
        if (cache.count == 0 || i % 2)
            apus__table_give_back(&table, &cache, cache.count);
    }
    for (int i = 0; i < 200; i++)
        apus__table_free(&table, &cache, indices[i]);
    apus__table_give_back(&table, &cache, cache.count + 1);
    CHECK_EQ(cache.count, 0);
    CHECK_EQ(cache.first, 0);
    for (int i = 0; i < 2000; i++) {
        uint32_t one = apus__table_alloc(&table, &near, 0), two = apus__table_alloc(&table, &far, 1);
        CHECK_EQ(apus__table_node_of(&table, one), 0);
        CHECK_EQ(apus__table_node_of(&table, two), 1);
    }
    apus__table_destroy(&table);
}

static long resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

TEST(a_million_cells_cost_their_size, "a million cells of 192 bytes cost at most 194 bytes of resident memory each")
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    return; // the shadow memory of the sanitizer counts too
#endif
    struct apus__table_cache cache = {0};
    CHECK_EQ(apus__table_init(&table, 1 << 27, sizeof(struct cell), LINK, 1, NULL), 0);
    long before = resident_bytes();
    for (int i = 0; i < 1000000; i++) {
        struct cell *cell = cell_of(apus__table_alloc(&table, &cache, 0));
        memset(cell->payload, 1, sizeof cell->payload);
        apus_store_relaxed(&cell->generation, 1);
    }
    long each_in_thousandths = (resident_bytes() - before) / 1000;
    printf("     %ld.%03ld bytes a cell\n", each_in_thousandths / 1000, each_in_thousandths % 1000);
    CHECK(each_in_thousandths <= 194000);
    apus__table_destroy(&table);
}

TEST(held_up, "an extent that is not on its list yet, because whoever adds it is held up, is found before a table counts as full")
{
    enum { CAPACITY = 64 };
    struct apus__table_cache cache = {0};
    CHECK_EQ(apus__table_init(&table, CAPACITY, sizeof(struct cell), LINK, 2, NULL), 0);
    CHECK(apus__table_alloc_shared(&table, 0) != 0);
    apus_store_relaxed(&table.nodes[0].open, 0);
    uint32_t out = 1;
    while (apus__table_alloc(&table, &cache, 1) != 0)
        out++;
    CHECK_EQ(out, CAPACITY - 1);
    apus__table_destroy(&table);
}

// --- Threads ---------------------------------------------------------------------------------------------------------------------

enum { WORKERS = 4, HELD = 600 };

struct worker {
    pthread_t thread;
    unsigned number, node;
    long rounds;
    uint64_t random;
    uint64_t taken;
};

// Passes cells on, so that they are freed by a thread other than the one that took them.
static _Atomic uint32_t exchange[64];

static void worker_own(struct worker *worker, uint32_t index)
{
    struct cell *cell = cell_of(index);
    CHECK_EQ(apus_load_relaxed(&cell->owner), 0);
    apus_store_relaxed(&cell->owner, worker->number + 1);
    apus_bump_relaxed(&cell->generation, 1);
    cell->payload[0]++;
    worker->taken++;
    // The word is the caller's now; a thread that lost a race for this cell may still read it.
    apus_store_relaxed(&cell->link, UINT64_C(0xffffffffffffffff));
}

static void worker_drop(struct worker *worker, struct apus__table_cache *cache, uint32_t index)
{
    struct cell *cell = cell_of(index);
    apus_store_relaxed(&cell->owner, 0);
    CHECK_EQ(cell->payload[0], apus_load_relaxed(&cell->generation));
    if (worker->number == 0) {
        apus__table_free_shared(&table, index);
        return;
    }
    apus__table_free(&table, cache, index);
    if (apus__table_cache_excess(cache) > 0)
        apus__table_give_back(&table, cache, apus__table_cache_excess(cache));
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    struct apus__table_cache cache = {0};
    static _Thread_local uint32_t held[HELD];
    for (long i = 0; i < worker->rounds; i++) {
        worker->random ^= worker->random << 13;
        worker->random ^= worker->random >> 7;
        worker->random ^= worker->random << 17;
        uint32_t *at = &held[worker->random % HELD];
        if (*at == 0) {
            *at = worker->number == 0 ? apus__table_alloc_shared(&table, worker->node)
                                      : apus__table_alloc(&table, &cache, worker->node);
            CHECK(*at != 0);
            worker_own(worker, *at);
            continue;
        }
        uint32_t index = *at;
        *at = 0;
        if (worker->random >> 32 & 1)
            index = apus_exchange_acq_rel(&exchange[worker->random >> 40 & 63], index);
        if (index != 0)
            worker_drop(worker, &cache, index);
    }
    for (int i = 0; i < HELD; i++)
        if (held[i] != 0)
            worker_drop(worker, &cache, held[i]);
    apus__table_give_back(&table, &cache, cache.count);
    return NULL;
}

static void workers_run(unsigned nodes)
{
    struct worker workers[WORKERS];
    enum { CAPACITY = 1 << 15 };
    CHECK_EQ(apus__table_init(&table, CAPACITY, sizeof(struct cell), LINK, nodes, NULL), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.number = i, .node = i % nodes, .rounds = test_scaled(500000), .random = 362436069u + i};
        CHECK_EQ(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
    }
    uint64_t taken = 0, generations = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
        taken += workers[i].taken;
    }
    struct apus__table_cache cache = {0};
    for (unsigned i = 0; i < 64; i++) {
        uint32_t index = apus_load_relaxed(&exchange[i]);
        if (index != 0)
            worker_drop(&workers[1], &cache, index);
    }
    apus__table_give_back(&table, &cache, cache.count);
    for (uint32_t i = 1; i < apus__table_limit(&table); i++)
        generations += apus_load_relaxed(&cell_of(i)->generation);
    CHECK_EQ(generations, taken);
    // Every cell comes out again, once.
    uint32_t out = 0;
    for (uint32_t index; (index = apus__table_alloc(&table, &cache, 0)) != 0; out++) {
        CHECK_EQ(apus_load_relaxed(&cell_of(index)->owner), 0);
        apus_store_relaxed(&cell_of(index)->owner, 9);
    }
    CHECK_EQ(out, CAPACITY - 1);
    apus__table_destroy(&table);
}

TEST(torture_one_node, "threads take, pass on and free cells, with and without a cache; no cell is lost or owned twice")
{
    workers_run(1);
}

TEST(torture_three_nodes, "the same on three nodes")
{
    workers_run(3);
}

struct taker {
    pthread_t thread;
    unsigned node;
    uint32_t count;
};

static void *taker_run(void *argument)
{
    struct taker *taker = argument;
    struct apus__table_cache cache = {0};
    for (uint32_t index; (index = apus__table_alloc(&table, &cache, taker->node)) != 0; taker->count++) {
        CHECK(index < apus__table_limit(&table));
        CHECK_EQ(apus_exchange_acq_rel(&cell_of(index)->owner, 1), 0);
    }
    return NULL;
}

TEST(growth_race, "threads that grow the table together leave no extent out")
{
    enum { CAPACITY = 1 << 17 };
    for (unsigned nodes = 1; nodes <= 4; nodes++) {
        struct taker takers[WORKERS];
        uint32_t count = 0;
        CHECK_EQ(apus__table_init(&table, CAPACITY, sizeof(struct cell), LINK, nodes, NULL), 0);
        for (unsigned i = 0; i < WORKERS; i++) {
            takers[i] = (struct taker){.node = i % nodes};
            CHECK_EQ(pthread_create(&takers[i].thread, NULL, taker_run, &takers[i]), 0);
        }
        for (unsigned i = 0; i < WORKERS; i++) {
            CHECK_EQ(pthread_join(takers[i].thread, NULL), 0);
            count += takers[i].count;
        }
        CHECK_EQ(count, CAPACITY - 1);
        apus__table_destroy(&table);
    }
}

enum { TOGETHER = 6, EACH = 10 };

static pthread_barrier_t together;

static void *take_each(void *argument)
{
    pthread_barrier_wait(&together);
    for (int i = 0; i < EACH; i++)
        CHECK(apus__table_alloc_shared(&table, 0) != 0);
    return argument;
}

TEST(shared_to_the_last, "threads without a cache that take from a small table together are refused none of its cells")
{
    pthread_t threads[TOGETHER];
    pthread_barrier_init(&together, NULL, TOGETHER);
    for (long round = 0; round < test_scaled(500); round++) {
        CHECK_EQ(apus__table_init(&table, 64, sizeof(struct cell), LINK, 1, NULL), 0);
        for (uint32_t index = round % 2 ? 1 : 64; index < 64; index++)
            CHECK_EQ(apus__table_alloc_shared(&table, 0), index);
        for (uint32_t index = round % 2 ? 1 : 64; index < 64; index++)
            apus__table_free_shared(&table, index); // so that they come from the shelf
        for (int i = 0; i < TOGETHER; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, take_each, NULL), 0);
        for (int i = 0; i < TOGETHER; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        for (int i = TOGETHER * EACH; i < 63; i++)
            CHECK(apus__table_alloc_shared(&table, 0) != 0);
        CHECK_EQ(apus__table_alloc_shared(&table, 0), 0);
        apus__table_destroy(&table);
    }
}

#ifdef APUS_INJECT
TEST(no_memory_is_reported, "a table that gets no memory says so at each of its three sites, and goes on when there is some")
{
    struct apus__table_cache cache = {0};
    apus__inject_arm(1u << APUS__INJECT_MALLOC, 1);
    CHECK_EQ(apus__table_init(&table, 1 << 16, sizeof(struct cell), LINK, 1, NULL), -ENOMEM);
    CHECK_EQ(apus__table_init(&table, 1 << 16, sizeof(struct cell), LINK, 1, NULL), 0);
    apus__inject_arm(1u << APUS__INJECT_EXTENT, 1);
    CHECK_EQ(apus__table_alloc(&table, &cache, 0), 0);
    CHECK(apus__table_alloc(&table, &cache, 0) != 0);
    apus__inject_arm(1u << APUS__INJECT_TABLE, 2);
    CHECK(apus__table_alloc(&table, &cache, 0) != 0);
    CHECK_EQ(apus__table_alloc_shared(&table, 0), 0);
    CHECK(apus__table_alloc_shared(&table, 0) != 0);
    CHECK_EQ(apus__inject_hits(), 3);
    apus__table_destroy(&table);
}
#endif

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
