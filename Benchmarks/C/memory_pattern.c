// memory_pattern.c - question: what does a message's block cost, in the three patterns in which actors allocate?
//
//     pair    alloc and free of one 64-byte block on one thread      (a process that talks to itself or to its slot)
//     burst   100 allocs, then 100 frees, on one thread              (a slice that answers a hundred messages)
//     stream  alloc on thread A, free on thread B                    (messages between two cores), handed over 64 at a time
//
// Candidates: `apus` is memory/heap.h; `links` is what it would be with free lists through the blocks and a tagged stack of such
// lists, the usual design; mimalloc and the C library as one finds them; `reuse` allocates nothing and shows what the pattern
// itself costs. Each round runs every candidate once, so that the machine's moods meet all; printed are medians of ns per message.
//
//     memory_pattern [rounds [messages]]       (defaults: 61 rounds of 300000 messages for each pattern and candidate)
//
// Short rounds and many: on a busy machine the median of rounds that mostly fit between two preemptions still says something.
// Expected before measuring: pair about 2 ns for apus, 5 for the others. Stream: reuse costs one line moved over and moved back for
// each message; links add a wait for each line of the list; apus adds about one eighth of a line. Seen: docs/decisions/0002.
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory/heap.h"

enum { BLOCK = 64, BATCH = 64, BATCHES = 16, BURST = 100, ROUNDS_MAX = 101 };

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

// --- The queue between two threads: a ring of batches, the same for all candidates -----------------------------------------------

struct queue {
    apus_cache_aligned _Atomic uint64_t pushed;
    apus_cache_aligned _Atomic uint64_t popped;
    apus_cache_aligned uint64_t *blocks[BATCHES][BATCH];
};

static struct queue queue;

static void queue_wait(_Atomic uint64_t *count, uint64_t below)
{
    // acquire: observes the batch, or that it has been read; pairs with queue_advance().
    for (int spins = 0; apus_load_acquire(count) <= below; spins++) {
        if (spins < 2000)
            apus__cpu_relax();
        else
            sched_yield();
    }
}

static void queue_advance(_Atomic uint64_t *count)
{
    apus_store_release(count, apus_load_relaxed(count) + 1);
}

// What a message costs beyond its block: the sender writes it, the receiver reads it.
apus_inline void message_write(uint64_t *block, uint64_t number)
{
    for (int i = 0; i < 6; i++)
        block[i] = number + (uint64_t)i;
}

apus_inline uint64_t message_read(const uint64_t *block)
{
    uint64_t sum = 0;
    for (int i = 0; i < 6; i++)
        sum += block[i];
    return sum;
}

// --- apus ------------------------------------------------------------------------------------------------------------------------

static struct apus__pool pool;

static void *apus_enter(void)
{
    struct apus__heap *heap = aligned_alloc(APUS_CACHE_LINE, sizeof *heap);
    apus_check(heap != NULL && apus__heap_init(heap, &pool, 0) == 0);
    return heap;
}

static void apus_leave(void *heap)
{
    apus__heap_retire(heap);
    free(heap);
}

apus_inline void *apus_alloc(void *heap)
{
    return apus__heap_alloc(heap, apus__heap_class(BLOCK));
}

apus_inline void apus_free(void *heap, void *block)
{
    apus__heap_free(heap, block, apus__heap_class(BLOCK));
}

// --- links: lists through the free blocks ----------------------------------------------------------------------------------------

enum { LINKS_BATCH = 64, LINKS_LIMIT = 256 };

struct links_block {
    struct links_block *next;
    struct links_block *next_batch;
};

struct links_heap {
    struct links_block *first;
    struct links_block *second; // a second list of LINKS_BATCH blocks or more, so that a full list is handed over without a walk
    unsigned count;
};

// The address in the low 48 bits, a tag above.
static apus_cache_aligned _Atomic uint64_t links_shelf;
#define LINKS_MASK ((UINT64_C(1) << 48) - 1)

static void *links_enter(void)
{
    return calloc(1, sizeof(struct links_heap));
}

// The blocks of a heap that ends are of no use to this benchmark; a process-wide handful.
static void links_leave(void *heap)
{
    free(heap);
}

static void links_put(struct links_block *batch)
{
    uint64_t seen = apus_load_relaxed(&links_shelf);
    do
        batch->next_batch = (struct links_block *)(seen & LINKS_MASK);
    // release: publishes the list; pairs with links_take().
    while (!apus_cas_weak_release(&links_shelf, &seen, (seen & ~LINKS_MASK) | (uint64_t)(uintptr_t)batch));
}

static struct links_block *links_take(void)
{
    // acquire: observes the list; pairs with links_put().
    uint64_t seen = apus_load_acquire(&links_shelf);
    struct links_block *batch;
    do {
        batch = (struct links_block *)(seen & LINKS_MASK);
        if (batch == NULL)
            return NULL;
    } while (!apus_cas_weak_acq_rel(&links_shelf, &seen,
                                    ((seen & ~LINKS_MASK) + LINKS_MASK + 1) | (uint64_t)(uintptr_t)batch->next_batch));
    return batch;
}

static apus_cold void links_refill(struct links_heap *heap)
{
    heap->first = heap->second;
    heap->second = NULL;
    if (heap->first == NULL)
        heap->first = links_take();
    heap->count = LINKS_BATCH;
    if (heap->first != NULL)
        return;
    struct links_block *fresh = aligned_alloc(BLOCK, LINKS_BATCH * BLOCK);
    apus_check(fresh != NULL);
    for (int i = 0; i < LINKS_BATCH; i++) {
        struct links_block *block = (struct links_block *)((char *)fresh + i * BLOCK);
        block->next = heap->first;
        heap->first = block;
    }
}

apus_inline void *links_alloc(void *argument)
{
    struct links_heap *heap = argument;
    if (apus_unlikely(heap->first == NULL))
        links_refill(heap);
    struct links_block *block = heap->first;
    heap->first = block->next;
    heap->count--;
    return block;
}

static apus_cold void links_overflow(struct links_heap *heap)
{
    if (heap->second != NULL)
        links_put(heap->second);
    heap->second = heap->first;
    heap->first = NULL;
    heap->count = 0;
}

apus_inline void links_free(void *argument, void *freed)
{
    struct links_heap *heap = argument;
    struct links_block *block = freed;
    if (apus_unlikely(heap->count == LINKS_BATCH))
        links_overflow(heap);
    block->next = heap->first;
    heap->first = block;
    heap->count++;
}

// --- mimalloc, the C library, and none -------------------------------------------------------------------------------------------

static void *(*mi_malloc)(size_t);
static void (*mi_free)(void *);

// Loaded late and privately: linked in, it would take the place of the C library's malloc.
static bool mimalloc_load(void)
{
    void *library = dlopen("libmimalloc.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        library = dlopen("libmimalloc.so", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return false;
    mi_malloc = (void *(*)(size_t))dlsym(library, "mi_malloc");
    mi_free = (void (*)(void *))dlsym(library, "mi_free");
    return mi_malloc != NULL && mi_free != NULL;
}

static void *nothing_enter(void)
{
    return NULL;
}

static void nothing_leave(void *context)
{
    (void)context;
}

#define mimalloc_enter nothing_enter
#define mimalloc_leave nothing_leave
#define glibc_enter nothing_enter
#define glibc_leave nothing_leave

apus_inline void *mimalloc_alloc(void *context)
{
    (void)context;
    return mi_malloc(BLOCK);
}

apus_inline void mimalloc_free(void *context, void *block)
{
    (void)context;
    mi_free(block);
}

apus_inline void *glibc_alloc(void *context)
{
    (void)context;
    return malloc(BLOCK);
}

apus_inline void glibc_free(void *context, void *block)
{
    (void)context;
    free(block);
}

// More blocks than can be under way, used in turn.
struct reuse {
    uint64_t next;
    apus_cache_aligned char blocks[4096][BLOCK];
};

static void *reuse_enter(void)
{
    void *reuse = aligned_alloc(APUS_CACHE_LINE, sizeof(struct reuse));
    apus_check(reuse != NULL);
    memset(reuse, 0, sizeof(struct reuse));
    return reuse;
}

// Kept until the end of the program: the other thread may still read the last blocks.
static void reuse_leave(void *context)
{
    (void)context;
}

apus_inline void *reuse_alloc(void *context)
{
    struct reuse *reuse = context;
    return reuse->blocks[reuse->next++ % 4096];
}

apus_inline void reuse_free(void *context, void *block)
{
    (void)context;
    (void)block;
}

// --- The patterns ----------------------------------------------------------------------------------------------------------------

static volatile uint64_t sink;

// Uses a block in a way the compiler cannot see through, so that no candidate's fields stay in registers from one call to the next;
// in a runtime there is a callback in between.
apus_inline void touch(uint64_t *block)
{
    block[0] = 1;
    __asm__ volatile("" : : "r"(block) : "memory");
}

#define PATTERNS(name)                                                                                     \
    static void name##_pair(long messages)                                                                 \
    {                                                                                                      \
        void *context = name##_enter();                                                                    \
        for (long i = 0; i < messages; i++) {                                                              \
            uint64_t *block = name##_alloc(context);                                                       \
            touch(block);                                                                                  \
            name##_free(context, block);                                                                   \
        }                                                                                                  \
        name##_leave(context);                                                                             \
    }                                                                                                      \
    static void name##_burst(long messages)                                                                \
    {                                                                                                      \
        void *context = name##_enter(), *blocks[BURST];                                                    \
        for (long i = 0; i < messages; i += BURST) {                                                       \
            for (int at = 0; at < BURST; at++)                                                             \
                touch(blocks[at] = name##_alloc(context));                                                 \
            for (int at = 0; at < BURST; at++)                                                             \
                name##_free(context, blocks[at]);                                                          \
        }                                                                                                  \
        name##_leave(context);                                                                             \
    }                                                                                                      \
    static void *name##_consume(void *argument)                                                            \
    {                                                                                                      \
        long batches = *(long *)argument;                                                                  \
        void *context = name##_enter();                                                                    \
        uint64_t sum = 0;                                                                                  \
        for (long i = 0; i < batches; i++) {                                                               \
            queue_wait(&queue.pushed, (uint64_t)i);                                                        \
            for (int at = 0; at < BATCH; at++) {                                                           \
                uint64_t *block = queue.blocks[i % BATCHES][at];                                           \
                sum += message_read(block);                                                                \
                name##_free(context, block);                                                               \
            }                                                                                              \
            queue_advance(&queue.popped);                                                                  \
        }                                                                                                  \
        sink = sum;                                                                                        \
        name##_leave(context);                                                                             \
        return NULL;                                                                                       \
    }                                                                                                      \
    static void name##_produce(long batches)                                                               \
    {                                                                                                      \
        void *context = name##_enter();                                                                    \
        for (long i = 0; i < batches; i++) {                                                               \
            if (i >= BATCHES)                                                                              \
                queue_wait(&queue.popped, (uint64_t)(i - BATCHES));                                        \
            for (int at = 0; at < BATCH; at++) {                                                           \
                uint64_t *block = name##_alloc(context);                                                   \
                message_write(block, (uint64_t)i);                                                         \
                queue.blocks[i % BATCHES][at] = block;                                                     \
            }                                                                                              \
            queue_advance(&queue.pushed);                                                                  \
        }                                                                                                  \
        name##_leave(context);                                                                             \
    }

PATTERNS(apus)
PATTERNS(links)
PATTERNS(mimalloc)
PATTERNS(glibc)
PATTERNS(reuse)

static const struct candidate {
    const char *name;
    void (*pair)(long messages);
    void (*burst)(long messages);
    void (*produce)(long batches);
    void *(*consume)(void *batches);
} candidates[] = {
#define CANDIDATE(name) {#name, name##_pair, name##_burst, name##_produce, name##_consume}
    CANDIDATE(apus), CANDIDATE(links), CANDIDATE(mimalloc), CANDIDATE(glibc), CANDIDATE(reuse),
};

enum { CANDIDATES = sizeof candidates / sizeof *candidates, PAIR = 0, BURSTS, STREAM, KINDS };

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

struct consumer {
    const struct candidate *candidate;
    long batches;
};

static void *consumer_run(void *argument)
{
    struct consumer *consumer = argument;
    pin(1);
    return consumer->candidate->consume(&consumer->batches);
}

static double run_ns(const struct candidate *candidate, int kind, long messages)
{
    struct consumer consumer = {candidate, messages / BATCH};
    pthread_t thread;
    double start = now_ns();
    switch (kind) {
    case PAIR:
        candidate->pair(messages);
        break;
    case BURSTS:
        candidate->burst(messages);
        break;
    default:
        apus_store_relaxed(&queue.pushed, 0);
        apus_store_relaxed(&queue.popped, 0);
        apus_check(pthread_create(&thread, NULL, consumer_run, &consumer) == 0);
        candidate->produce(consumer.batches);
        pthread_join(thread, NULL);
    }
    return (now_ns() - start) / (double)messages;
}

static int by_value(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv)
{
    static double ns[KINDS][CANDIDATES][ROUNDS_MAX];
    static const char *kinds[KINDS] = {"pair", "burst", "stream"};
    int rounds = argc > 1 ? atoi(argv[1]) : 61;
    long messages = argc > 2 ? atol(argv[2]) : 300000;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    bool has_mimalloc = mimalloc_load();
    apus_check(apus__pool_init(&pool, 1, NULL) == 0);
    pin(0);
    for (int round = 0; round < rounds; round++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int i = 0; i < CANDIDATES; i++)
                if (has_mimalloc || candidates[i].pair != mimalloc_pair)
                    ns[kind][i][round] = run_ns(&candidates[i], kind, messages);
    apus_check(apus__pool_destroy(&pool) == 0);
    printf("pattern,candidate,median_ns,min_ns,max_ns\n");
    for (int kind = 0; kind < KINDS; kind++) {
        for (int i = 0; i < CANDIDATES; i++) {
            double *sorted = ns[kind][i];
            qsort(sorted, (size_t)rounds, sizeof *sorted, by_value);
            if (sorted[0] > 0)
                printf("%s,%s,%.2f,%.2f,%.2f\n", kinds[kind], candidates[i].name, sorted[rounds / 2], sorted[0],
                       sorted[rounds - 1]);
        }
    }
    return 0;
}
