// rcu/rcu.c - grace periods, and memory that is freed after them without a helper thread.
//
// Idea:       whoever defers pushes onto a stack. The one who finds that LIMIT objects have come together, and is outside a read
//             section, takes the whole stack, waits for one grace period and frees it all: one wait for 64 objects.
// Layout:     SHARDS stacks, each with a lock of its own; a thread keeps to the shard it was given when it registered, so that
//             carriers do not fight over one cache line and mostly free what they deferred themselves, while it is in their cache.
// Invariants: I1 objects are in one shard, or in the hands of the one thread that holds this shard's lock.  I2 the lock is held from
//             the taking of a stack to the end of freeing it, so whoever has held the lock of a shard after a push knows that what
//             was pushed has been freed, or is still on the stack.
// Locks:      defer only tries the lock: if another thread is freeing this shard, the object waits for a later batch. Barrier waits
//             for it. Nobody takes it inside a read section, so that a waiting thread never holds up a grace period.
// Bound:      SHARDS * LIMIT objects wait when nobody defers, until the next one or a barrier. Objects that are deferred inside read
//             sections alone wait for one that is deferred outside, or for a barrier.
// Fork:       the child has no thread to miss, and uses nothing of this (Apus refuses to run there).
// Dropped:    call_rcu: its thread is one more competitor for pinned cores, stays for ever if it is the default one, is missing in
//             the child of a fork, and would free on one core what all cores defer.  A wait for each object: a grace period costs
//             microseconds and an interrupt on every core.
// Ordering:   see rcu.h; ThreadSanitizer is told of it by two addresses: `before` is released by those who are about to wait and
//             acquired by sections that start, `after` is released by sections that end and acquired by those who have waited.
#include "rcu/rcu.h"

#include "base/assert.h"
#include "base/atomic.h"

#include <pthread.h>
#include <stddef.h>

#define RCU_SHARDS 16u
#define RCU_LIMIT 64u

struct rcu_shard {
    apus_cache_aligned _Atomic(struct apus__rcu_head *) top;
    _Atomic unsigned count; // about how many are on the stack; a lost update delays a batch by one object
    pthread_mutex_t lock;
};

static struct rcu_shard rcu_shards[RCU_SHARDS] = {[0 ... RCU_SHARDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};
static _Atomic unsigned rcu_threads;      // threads registered so far; deals out the shards
static _Thread_local unsigned rcu_shard_index;

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

// Takes the whole stack of a shard whose lock is held.
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

// One grace period, then frees what is on the stack of a shard whose lock is held.
static void rcu_flush(struct rcu_shard *shard)
{
    struct apus__rcu_head *batch = rcu_take(shard);
    if (!batch)
        return;
    apus__rcu_synchronize();
    rcu_free_all(batch);
}

// Frees what the shard holds if that has become much, unless another thread is at it or we are in a read section.
static void rcu_tidy(struct rcu_shard *shard)
{
    if (apus_likely(apus_load_relaxed(&shard->count) < RCU_LIMIT) || urcu_memb_read_ongoing())
        return;
    if (pthread_mutex_trylock(&shard->lock) != 0)
        return;
    rcu_flush(shard);
    pthread_mutex_unlock(&shard->lock);
}

void apus__rcu_defer(struct apus__rcu_head *head, void (*free)(struct apus__rcu_head *head))
{
    struct rcu_shard *shard = &rcu_shards[rcu_shard_index];
    head->free = free;
    rcu_push(shard, head);
    // relaxed: a hint. Threads that share a shard may lose a count, which a locked instruction would cost more to keep.
    apus_bump_relaxed(&shard->count, 1);
    rcu_tidy(shard);
}

void apus__rcu_tidy(void)
{
    rcu_tidy(&rcu_shards[rcu_shard_index]);
}

// A `free` function may defer again, but what it defers was not deferred before the call, so one round is enough. Each shard costs a
// grace period only if it holds something.
void apus__rcu_barrier(void)
{
    apus_debug(!urcu_memb_read_ongoing());
    for (unsigned i = 0; i < RCU_SHARDS; i++) {
        pthread_mutex_lock(&rcu_shards[i].lock);
        rcu_flush(&rcu_shards[i]);
        pthread_mutex_unlock(&rcu_shards[i].lock);
    }
}
