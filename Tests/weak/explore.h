// Tests/weak/explore.h - runs small cases of the real lock-free code under every order and every value that C11's memory model allows.
//
// Idea:       this header redefines the macros of base/atomic.h; whatever is included after it, real sources among them, then asks the
//             explorer at each atomic access. The explorer keeps each location's stores in their order, and for each thread how much
//             of that it has seen. It chooses which thread goes on before each access, and which store a load gives: any that the
//             thread has not seen overwritten. It goes through all choices, one run after the other.
// Model:      a release store carries what its thread has seen; an acquire load takes that over, also by way of
//             read-modify-writes in between (release sequences). seq_cst accesses are release and acquire, and a seq_cst load gives the
//             last seq_cst store to that location in the order of the run, or a later one. Read-modify-writes act on the last store. Plain
//             data (weak_write, weak_read) must have been seen when it is read: else it is a race, and the run fails.
//             Not modelled: a store that goes before others already made to its location, and a load that sees a store made later in
//             its own thread's future (load buffering). Without values out of thin air neither helps a case here.
// Planted:    `weak_planted` makes one kind of access relaxed, to see that a case finds it.
// Bounds:     threads, locations, stores: the enum. A case too large for them, or with more runs than RUNS_MAX, fails.
#ifndef APUS_TESTS_WEAK_EXPLORE_H
#define APUS_TESTS_WEAK_EXPLORE_H

#include "base/assert.h"
#include "base/atomic.h"
#include "os/context.h"
#include "os/stack.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 4, LOCATIONS_MAX = 16, STORES_MAX = 16, CHOICES_MAX = 400, STACK_SIZE = 256 << 10 };
#define RUNS_MAX 20000000L

enum weak_order { WEAK_RELAXED, WEAK_ACQUIRE, WEAK_RELEASE, WEAK_ACQ_REL, WEAK_SEQ_CST };

// The kinds of access that can be planted wrong.
enum weak_kind {
    WEAK_NONE,
    WEAK_LOAD_ACQUIRE,
    WEAK_LOAD_SEQCST,
    WEAK_STORE_RELEASE,
    WEAK_STORE_SEQCST,
    WEAK_EXCHANGE,
    WEAK_CAS
};

typedef uint8_t weak_view[LOCATIONS_MAX]; // how many stores of each location have been seen

struct weak_store {
    uint64_t value;
    weak_view view; // what it carries
};

struct weak_location {
    void *address;
    size_t size;
    uint8_t last, last_seqcst;
    struct weak_store stores[STORES_MAX];
};

struct weak_thread {
    struct apus__context context;
    void (*body)(void);
    weak_view view;
    bool is_done;
    void *waits_on; // a futex word
};

static struct {
    struct weak_location locations[LOCATIONS_MAX];
    int location_count;
    struct weak_thread threads[THREADS_MAX];
    int thread_count, current;
    struct apus__context main;
    struct { uint8_t value, bound; } choices[CHOICES_MAX];
    int choice, choice_count;
    bool is_on;
    const char *first_quiet, *last_quiet;
    const char *failure;
    long runs;
} weak;

static enum weak_kind weak_planted;
static char weak_stacks[THREADS_MAX][STACK_SIZE] __attribute__((aligned(4096)));

static int weak_choose(int bound)
{
    if (bound < 2)
        return 0;
    if (weak.choice == weak.choice_count) {
        apus_check(weak.choice_count < CHOICES_MAX);
        weak.choices[weak.choice_count].value = 0;
        weak.choices[weak.choice_count++].bound = (uint8_t)bound;
    }
    return weak.choices[weak.choice++].value;
}

static void weak_fail(const char *failure)
{
    if (!weak.failure)
        weak.failure = failure;
}

static struct weak_thread *weak_self(void)
{
    return &weak.threads[weak.current];
}

// Memory that nobody looks at but after an access that is not quiet, which orders it: another thread between the two makes no
// difference, and so is not tried. What a load may give is.
static void weak_quiet(const void *first, size_t size)
{
    weak.first_quiet = first;
    weak.last_quiet = weak.first_quiet + size;
}

// Lets another thread go on, or the same one.
static void weak_yield(void)
{
    apus__context_switch(&weak_self()->context, &weak.main);
}

static uint64_t weak_memory(const void *address, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, address, size);
    return value;
}

static void weak_yield_at(const void *address)
{
    if ((const char *)address < weak.first_quiet || (const char *)address >= weak.last_quiet)
        weak_yield();
}

static struct weak_location *weak_at(void *address, size_t size)
{
    for (int i = 0; i < weak.location_count; i++)
        if (weak.locations[i].address == address)
            return &weak.locations[i];
    apus_check(weak.location_count < LOCATIONS_MAX);
    struct weak_location *location = &weak.locations[weak.location_count++];
    *location = (struct weak_location){.address = address, .size = size};
    location->stores[0].value = weak_memory(address, size);
    return location;
}

static int weak_index(const struct weak_location *location)
{
    return (int)(location - weak.locations);
}

static void weak_join(uint8_t *view, const uint8_t *other)
{
    for (int i = 0; i < LOCATIONS_MAX; i++)
        view[i] = view[i] > other[i] ? view[i] : other[i];
}

static uint64_t weak_read_store(struct weak_location *location, int at, enum weak_order order)
{
    struct weak_thread *self = weak_self();
    if (order == WEAK_ACQUIRE || order >= WEAK_ACQ_REL)
        weak_join(self->view, location->stores[at].view);
    if (self->view[weak_index(location)] < at)
        self->view[weak_index(location)] = (uint8_t)at;
    return location->stores[at].value;
}

static void weak_add_store(struct weak_location *location, uint64_t value, enum weak_order order, bool is_update)
{
    struct weak_thread *self = weak_self();
    apus_check(location->last + 1 < STORES_MAX);
    struct weak_store *before = &location->stores[location->last], *store = &location->stores[++location->last];
    memset(store, 0, sizeof *store);
    store->value = value;
    self->view[weak_index(location)] = location->last;
    if (order >= WEAK_RELEASE)
        weak_join(store->view, self->view);
    if (is_update)
        weak_join(store->view, before->view);
    if (order == WEAK_SEQ_CST)
        location->last_seqcst = location->last;
    memcpy(location->address, &value, location->size); // what plain code sees, and the next run's reset undoes
}

static uint64_t weak_load(void *address, size_t size, enum weak_order order, enum weak_kind kind)
{
    if (!weak.is_on)
        return weak_memory(address, size);
    weak_yield_at(address);
    order = kind == weak_planted && kind ? WEAK_RELAXED : order;
    struct weak_location *location = weak_at(address, size);
    int first = weak_self()->view[weak_index(location)];
    if (order == WEAK_SEQ_CST && first < location->last_seqcst)
        first = location->last_seqcst;
    return weak_read_store(location, location->last - weak_choose(location->last - first + 1), order);
}

static void weak_store(void *address, size_t size, uint64_t value, enum weak_order order, enum weak_kind kind)
{
    if (!weak.is_on) {
        memcpy(address, &value, size);
        return;
    }
    weak_yield_at(address);
    weak_add_store(weak_at(address, size), value, kind == weak_planted && kind ? WEAK_RELAXED : order, false);
}

static uint64_t weak_exchange(void *address, size_t size, uint64_t value, enum weak_order order, enum weak_kind kind)
{
    uint64_t old = weak_memory(address, size);
    if (!weak.is_on) {
        memcpy(address, &value, size);
        return old;
    }
    weak_yield_at(address);
    order = kind == weak_planted && kind ? WEAK_RELAXED : order;
    struct weak_location *location = weak_at(address, size);
    old = weak_read_store(location, location->last, order);
    weak_add_store(location, value, order, true);
    return old;
}

static bool weak_cas(void *address, size_t size, void *expected, uint64_t value, enum weak_order order)
{
    uint64_t want = weak_memory(expected, size), now = weak_memory(address, size);
    if (weak.is_on) {
        weak_yield_at(address);
        order = weak_planted == WEAK_CAS ? WEAK_RELAXED : order;
        struct weak_location *location = weak_at(address, size);
        now = location->stores[location->last].value;
        // One that fails is a load, which acquires only where the macro says so: relaxed is the weaker.
        weak_read_store(location, location->last, now == want ? order : WEAK_RELAXED);
        if (now == want)
            weak_add_store(location, value, order, true);
    } else if (now == want) {
        memcpy(address, &value, size);
    }
    if (now != want)
        memcpy(expected, &now, size);
    return now == want;
}

// Plain data: written by one, to be read by those who have seen that.
static void weak_write(uint64_t *data, uint64_t value)
{
    struct weak_location *location = weak_at(data, sizeof *data);
    if (weak_self()->view[weak_index(location)] != location->last)
        weak_fail("plain data is written that another may be using");
    weak_add_store(location, value, WEAK_RELAXED, false);
}

static uint64_t weak_read(uint64_t *data)
{
    struct weak_location *location = weak_at(data, sizeof *data);
    if (weak_self()->view[weak_index(location)] != location->last)
        weak_fail("plain data is read that has not been seen written");
    return location->stores[location->last].value;
}

// The futex: it compares with the last store, and a wake reaches those who wait already.
static void weak_futex_wait(void *address, size_t size, uint64_t value)
{
    weak_yield();
    struct weak_location *location = weak_at(address, size);
    if (location->stores[location->last].value != value)
        return;
    weak_self()->waits_on = address;
    weak_yield();
}

static void weak_futex_wake(void *address)
{
    weak_yield();
    for (int i = 0; i < weak.thread_count; i++)
        if (weak.threads[i].waits_on == address)
            weak.threads[i].waits_on = NULL;
}

// --- Runs -----------------------------------------------------------------------------------------------------------------------

static struct apus__context *weak_start(void *argument)
{
    int index = (int)(intptr_t)argument;
    weak.threads[index].body();
    weak.threads[index].is_done = true;
    return &weak.main;
}

static void weak_run(void (*const *bodies)(void), int count)
{
    weak.location_count = weak.choice = 0;
    weak.thread_count = count;
    for (int i = 0; i < count; i++) {
        struct weak_thread *thread = &weak.threads[i];
        memset(thread->view, 0, sizeof thread->view);
        thread->body = bodies[i];
        thread->is_done = false;
        thread->waits_on = NULL;
        const struct apus__stack stack = {.low = weak_stacks[i], .size = STACK_SIZE};
        apus__context_make(&thread->context, &stack, weak_start, (void *)(intptr_t)i);
    }
    weak.is_on = true;
    for (;;) {
        int able[THREADS_MAX], able_count = 0;
        // The one that ran last comes first, so that the plain choice is to go on.
        for (int i = 0; i < count; i++) {
            int index = (weak.current + i) % count;
            if (!weak.threads[index].is_done && !weak.threads[index].waits_on)
                able[able_count++] = index;
        }
        if (!able_count)
            break;
        weak.current = able[weak_choose(able_count)];
        apus__context_switch(&weak.main, &weak_self()->context);
    }
    weak.is_on = false;
    weak.current = 0;
}

// The next choices in depth-first order. False if there are none.
static bool weak_next(void)
{
    while (weak.choice_count && weak.choices[weak.choice_count - 1].value + 1 == weak.choices[weak.choice_count - 1].bound)
        weak.choice_count--;
    if (!weak.choice_count)
        return false;
    weak.choices[weak.choice_count - 1].value++;
    return true;
}

// Goes through all runs: `reset` before each, `check` after it (NULL, or what is wrong). Returns the first failure, or NULL.
static const char *weak_explore(void (*reset)(void), void (*const *bodies)(void), int count, const char *(*check)(void))
{
    memset(&weak, 0, sizeof weak);
    apus__context_adopt(&weak.main);
    do {
        reset();
        weak_run(bodies, count);
        weak.runs++;
        if (!weak.failure)
            weak.failure = check();
        if (weak.runs == RUNS_MAX)
            weak_fail("too many runs");
    } while (!weak.failure && weak_next());
    return weak.failure;
}

// --- The atomics ----------------------------------------------------------------------------------------------------------------

#define WEAK_TYPE(p) __typeof__((void)0, *(p))
#define WEAK_LOAD(p, order, kind) ((WEAK_TYPE(p))weak_load((void *)(p), sizeof *(p), order, kind))
#define WEAK_STORE(p, v, order, kind) weak_store((void *)(p), sizeof *(p), (uint64_t)(v), order, kind)
#define WEAK_SWAP(p, v, order) ((WEAK_TYPE(p))weak_exchange((void *)(p), sizeof *(p), (uint64_t)(v), order, WEAK_EXCHANGE))
#define WEAK_COMPARE(p, e, v, order) weak_cas((void *)(p), sizeof *(p), (e), (uint64_t)(v), order)

#undef apus_load_relaxed
#undef apus_load_acquire
#undef apus_load_seqcst
#undef apus_store_relaxed
#undef apus_store_release
#undef apus_store_seqcst
#undef apus_exchange_acquire
#undef apus_exchange_acq_rel
#undef apus_exchange_seqcst
#undef apus_cas_weak_relaxed
#undef apus_cas_weak_release
#undef apus_cas_weak_acq_rel
#undef apus_cas_weak_seqcst
#undef apus_cas_strong_acq_rel
#undef apus_cas_strong_seqcst

#define apus_load_relaxed(p) WEAK_LOAD(p, WEAK_RELAXED, WEAK_NONE)
#define apus_load_acquire(p) WEAK_LOAD(p, WEAK_ACQUIRE, WEAK_LOAD_ACQUIRE)
#define apus_load_seqcst(p) WEAK_LOAD(p, WEAK_SEQ_CST, WEAK_LOAD_SEQCST)
#define apus_store_relaxed(p, v) WEAK_STORE(p, v, WEAK_RELAXED, WEAK_NONE)
#define apus_store_release(p, v) WEAK_STORE(p, v, WEAK_RELEASE, WEAK_STORE_RELEASE)
#define apus_store_seqcst(p, v) WEAK_STORE(p, v, WEAK_SEQ_CST, WEAK_STORE_SEQCST)
#define apus_exchange_acquire(p, v) WEAK_SWAP(p, v, WEAK_ACQUIRE)
#define apus_exchange_acq_rel(p, v) WEAK_SWAP(p, v, WEAK_ACQ_REL)
#define apus_exchange_seqcst(p, v) WEAK_SWAP(p, v, WEAK_SEQ_CST)
#define apus_cas_weak_relaxed(p, e, v) WEAK_COMPARE(p, e, v, WEAK_RELAXED)
#define apus_cas_weak_release(p, e, v) WEAK_COMPARE(p, e, v, WEAK_RELEASE)
#define apus_cas_weak_acq_rel(p, e, v) WEAK_COMPARE(p, e, v, WEAK_ACQ_REL)
#define apus_cas_weak_seqcst(p, e, v) WEAK_COMPARE(p, e, v, WEAK_SEQ_CST)
#define apus_cas_strong_acq_rel(p, e, v) WEAK_COMPARE(p, e, v, WEAK_ACQ_REL)
#define apus_cas_strong_seqcst(p, e, v) WEAK_COMPARE(p, e, v, WEAK_SEQ_CST)

#endif
