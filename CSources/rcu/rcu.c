// rcu/rcu.c - grace periods, and memory that is freed after them.
//
// Idea:       whoever defers pushes onto a stack. The one who finds that LIMIT objects have come together asks the reclaimer, a thread
//             that takes all stacks and waits for one grace period. A batch of the usual size goes back to its shard then, where the
//             next one who finds LIMIT objects frees it, in whose caches it is; all else the reclaimer frees. So no thread that defers
//             ever waits for readers: one of them may be a thread of the program that a debugger has stopped in the middle of a call,
//             or that a signal handler keeps there, and a scheduler must not stand still for it. Where there is no reclaimer (the
//             simulator, which has one thread) whoever finds LIMIT objects outside a read section does its work, at once.
// Layout:     SHARDS stacks; a thread keeps to the shard it was given when it registered, so that carriers do not fight over one cache
//             line.
// Invariants: I1 objects are in one shard, on its stack or ready to be freed, or in the hands of the thread that holds the lock or of
//             one that frees what was ready.  I2 the lock is held from the taking of the stacks to the end of freeing them, or of giving
//             them back, so whoever has held the lock after a push knows that what was pushed has been freed, or is in its shard, or
//             is being freed by one that defers.
// Locks:      the lock is the reclaimer's, and the barrier's, which waits for it; without a reclaimer defer only tries it. Nobody takes
//             it inside a read section, so that a waiting thread never holds up a grace period.
// Bound:      SHARDS * (LIMIT + READY_MAX) objects wait when nobody defers, until somebody does or a barrier. While a read section
//             lasts, all that is deferred meanwhile waits as well: a thread that is stopped inside one costs memory, up to 0.4 KB for
//             each name that is given up, until it goes on; and the stop of the runtime waits for it.
// Fork:       the child has no reclaimer, and uses nothing of this (Apus refuses to run there).
// Dropped:    call_rcu: its thread stays for ever if it is the default one, and polls or wakes for each object.  The monitor as
//             reclaimer: while it waits for a reader no scheduler is taken from a long callback.  Waiting where it is deferred: see
//             above.  Freeing all by the reclaimer: who gives up names and takes new ones finds none of their memory in its caches;
//             and batches of 64: waking a thread costs microseconds. With both a child with a name was restarted in 1,345 ns on 2
//             cores, and is now in 837, as without a reclaimer.
// Ordering:   see rcu.h; ThreadSanitizer is told of it by two addresses: `before` is released by those who are about to wait and
//             acquired by sections that start, `after` is released by sections that end and acquired by those who have waited.
#include "rcu/rcu.h"

#include "base/assert.h"
#include "base/atomic.h"
#include "os/futex.h"
#include "os/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#define RCU_SHARDS 16u
#define RCU_LIMIT 256u
#define RCU_READY_MAX (2 * RCU_LIMIT) // in a batch that is given back: freeing it is to be no long stop

struct rcu_shard {
    apus_cache_aligned _Atomic(struct apus__rcu_head *) top;
    _Atomic unsigned count; // about how many are on the stack: a lost update makes a batch smaller or larger
    _Atomic(struct apus__rcu_head *) ready; // a batch whose grace period is over
};

static struct rcu_shard rcu_shards[RCU_SHARDS];
static pthread_mutex_t rcu_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned rcu_threads; // threads registered so far; deals out the shards
static _Thread_local unsigned rcu_shard_index;

static struct {
    pthread_t thread;
    _Atomic bool is_up;
    _Atomic bool quits;
    _Atomic uint32_t is_asked; // futex
} reclaimer;

char apus__rcu_before, apus__rcu_after;

void apus__rcu_register(void)
{
    // relaxed: a number to spread threads by.
    rcu_shard_index = apus_add_relaxed(&rcu_threads, 1) % RCU_SHARDS;
    urcu_memb_register_thread();
}

void apus__rcu_unregister(void)
{
    apus_debug(!urcu_memb_read_ongoing());
    urcu_memb_unregister_thread();
}

void apus__rcu_synchronize(void)
{
    apus_debug(!urcu_memb_read_ongoing());
    apus__rcu_tsan_release(&apus__rcu_before);
    urcu_memb_synchronize_rcu();
    apus__rcu_tsan_acquire(&apus__rcu_after);
}

// Takes the whole stack of a shard. The lock is held.
static struct apus__rcu_head *rcu_take(struct rcu_shard *shard)
{
    apus_store_relaxed(&shard->count, 0);
    // acquire: the `next` and `free` of what was pushed. Pairs with the compare-and-swap in rcu_push().
    return apus_exchange_acquire(&shard->top, NULL);
}

static void rcu_push(struct rcu_shard *shard, struct apus__rcu_head *head)
{
    struct apus__rcu_head *top = apus_load_relaxed(&shard->top);
    do {
        head->next = top;
        // release: `head` and the object around it. Pairs with the exchange in rcu_take().
    } while (!apus_cas_weak_release(&shard->top, &top, head));
}

static void rcu_free_all(struct apus__rcu_head *head)
{
    while (head) {
        struct apus__rcu_head *next = head->next;
        head->free(head);
        head = next;
    }
}

static void rcu_free_ready(struct rcu_shard *shard)
{
    // acquire: what the reclaimer has waited for. Pairs with rcu_give_back().
    if (apus_load_relaxed(&shard->ready))
        rcu_free_all(apus_exchange_acquire(&shard->ready, NULL));
}

// Leaves the batch to those who defer in the shard. False if the last one is still there.
static bool rcu_give_back(struct rcu_shard *shard, struct apus__rcu_head *batch)
{
    struct apus__rcu_head *none = NULL;
    // release: the end of the grace period. Pairs with rcu_free_ready().
    return apus_cas_strong_acq_rel(&shard->ready, &none, batch);
}

// One grace period, then frees what was on the stacks, or gives it back if that is wanted. The lock is held.
static void rcu_flush(bool gives_back)
{
    struct apus__rcu_head *batches[RCU_SHARDS];
    bool are_short[RCU_SHARDS], is_empty = true;
    for (unsigned i = 0; i < RCU_SHARDS; i++) {
        are_short[i] = apus_load_relaxed(&rcu_shards[i].count) <= RCU_READY_MAX;
        batches[i] = rcu_take(&rcu_shards[i]);
        is_empty = is_empty && !batches[i];
    }
    if (is_empty)
        return;
    apus__rcu_synchronize();
    for (unsigned i = 0; i < RCU_SHARDS; i++)
        if (batches[i] && !(gives_back && are_short[i] && rcu_give_back(&rcu_shards[i], batches[i])))
            rcu_free_all(batches[i]);
}

// --- The reclaimer --------------------------------------------------------------------------------------------------------------

static void reclaimer_ask(void)
{
    // release: `quits`. Pairs with reclaimer_main(), which is awake, or has been woken, if it was asked before.
    if (!apus_exchange_acq_rel(&reclaimer.is_asked, 1))
        apus__futex_wake(&reclaimer.is_asked, 1);
}

static void *reclaimer_main(void *argument)
{
    apus__thread_name("apus-reclaimer");
    for (;;) {
        // acquire: `quits`. Pairs with reclaimer_ask(). Whoever asks from here on, for what is not taken below, is heard in the next round.
        while (!apus_exchange_acquire(&reclaimer.is_asked, 0))
            apus__futex_wait(&reclaimer.is_asked, 0, UINT64_MAX);
        if (apus_load_relaxed(&reclaimer.quits))
            return argument;
        pthread_mutex_lock(&rcu_lock);
        rcu_flush(true);
        pthread_mutex_unlock(&rcu_lock);
    }
}

int apus__reclaimer_start(void)
{
    apus_store_relaxed(&reclaimer.quits, false);
    apus_store_relaxed(&reclaimer.is_asked, 0);
    if (pthread_create(&reclaimer.thread, NULL, reclaimer_main, NULL))
        return -EAGAIN;
    apus_store_relaxed(&reclaimer.is_up, true);
    return 0;
}

void apus__reclaimer_stop(void)
{
    if (!apus_load_relaxed(&reclaimer.is_up))
        return;
    apus_store_relaxed(&reclaimer.is_up, false);
    apus_store_relaxed(&reclaimer.quits, true);
    reclaimer_ask();
    pthread_join(reclaimer.thread, NULL);
}

// --- Deferring ------------------------------------------------------------------------------------------------------------------

apus_cold static void rcu_reclaim(struct rcu_shard *shard)
{
    bool is_reading = urcu_memb_read_ongoing();
    if (!is_reading)
        rcu_free_ready(shard);
    // relaxed, both: whoever defers while the reclaimer comes or goes may do either; and an answer that is out of date only leaves the
    // asking to the next object.
    if (apus_load_relaxed(&reclaimer.is_up)) {
        if (!apus_load_relaxed(&reclaimer.is_asked))
            reclaimer_ask();
    } else if (!is_reading && pthread_mutex_trylock(&rcu_lock) == 0) {
        rcu_flush(false);
        pthread_mutex_unlock(&rcu_lock);
    }
}

void apus__rcu_tidy(void)
{
    struct rcu_shard *shard = &rcu_shards[rcu_shard_index];
    if (apus_unlikely(apus_load_relaxed(&shard->count) >= RCU_LIMIT))
        rcu_reclaim(shard);
}

void apus__rcu_defer(struct apus__rcu_head *head, void (*free)(struct apus__rcu_head *head))
{
    struct rcu_shard *shard = &rcu_shards[rcu_shard_index];
    head->free = free;
    rcu_push(shard, head);
    // relaxed: a hint. Threads that share a shard may lose a count, which a locked instruction would cost more to keep.
    apus_bump_relaxed(&shard->count, 1);
    apus__rcu_tidy();
}

// A `free` function may defer again, but what it defers was not deferred before the call, so one round is enough.
void apus__rcu_barrier(void)
{
    apus_debug(!urcu_memb_read_ongoing());
    pthread_mutex_lock(&rcu_lock);
    rcu_flush(false);
    for (unsigned i = 0; i < RCU_SHARDS; i++)
        rcu_free_ready(&rcu_shards[i]);
    pthread_mutex_unlock(&rcu_lock);
}
