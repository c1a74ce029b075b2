// rcu/rcu.h - read-copy-update: readers pay next to nothing, memory is freed when no reader can still see it.
//
// This folder is the only user of liburcu, in its memb flavour: a read section costs two plain stores, because the one who waits
// for readers makes them all pass a barrier (membarrier(2)).
//
// Who:        register: once for each thread, before anything else here; unregister: before the thread ends, outside a section.
//             read_lock, read_unlock: registered threads; sections nest; never wait, park a stack or leave by longjmp inside one.
//             defer: registered threads, inside or outside a section; `free` functions too.
//             synchronize, barrier: registered or not, never inside a section and never in a `free` function (they would wait for
//             themselves).
// Ordering:   what was done before synchronize (or defer) is seen by every section that starts after it returned (or after `free`
//             was called); what a section read or wrote happens before a synchronize that had to wait for it returns.
// Freed:      see rcu.c: deferred objects are freed in batches, by threads that defer, or by one that does nothing else but wait for
//             readers, the reclaimer, if it is started.
// Progress:   sections are wait-free; with a reclaimer defer is lock-free, without one each 256th waits for readers; synchronize blocks.
#ifndef APUS_RCU_RCU_H
#define APUS_RCU_RCU_H

#include "base/types.h"
#include "os/context.h" // APUS_CONTEXT_TSAN

// With this, a liburcu that allows it lets programs of any licence inline its small functions; the LGPL-only switch is not used.
#ifndef URCU_INLINE_SMALL_FUNCTIONS
#define URCU_INLINE_SMALL_FUNCTIONS
#endif
#include <urcu/urcu-memb.h>

// ThreadSanitizer sees nothing of what happens inside a liburcu that was built without it; it is told at the edges.
#ifdef APUS_CONTEXT_TSAN
#include <sanitizer/tsan_interface.h>
#define apus__rcu_tsan_acquire(p) __tsan_acquire((void *)(p))
#define apus__rcu_tsan_release(p) __tsan_release((void *)(p))
#else
#define apus__rcu_tsan_acquire(p) ((void)(p))
#define apus__rcu_tsan_release(p) ((void)(p))
#endif

// Put this into an object that is to be freed after a grace period.
struct apus__rcu_head {
    struct apus__rcu_head *next;
    void (*free)(struct apus__rcu_head *head);
};

// What a grace period publishes to later sections, and what sections publish to the end of a grace period. Addresses only, for
// ThreadSanitizer.
extern char apus__rcu_before, apus__rcu_after;

// Makes the calling thread a reader; once for each thread, and paired.
void apus__rcu_register(void);
void apus__rcu_unregister(void);

apus_inline void apus__rcu_read_lock(void)
{
    urcu_memb_read_lock();
    apus__rcu_tsan_acquire(&apus__rcu_before);
}

apus_inline void apus__rcu_read_unlock(void)
{
    apus__rcu_tsan_release(&apus__rcu_after);
    urcu_memb_read_unlock();
}

// Waits until every read section that is under way has ended.
void apus__rcu_synchronize(void);

// Calls `free(head)` after a grace period, on the reclaimer, or on this or another thread that defers, outside every read section of that
// thread. `free` may defer again. The object must be out of the reach of sections that start from now on.
void apus__rcu_defer(struct apus__rcu_head *head, void (*free)(struct apus__rcu_head *head));

// Where there is no reclaimer: frees what has been deferred and waits for a grace period, if that is much. Deferring does so by itself,
// but inside read sections; somebody outside one calls this now and then. Cost: a comparison, unless there is something to do.
void apus__rcu_tidy(void);

// Returns when everything deferred before the call has been freed, or is being freed at this moment by another thread that defers.
void apus__rcu_barrier(void);

// Starts the reclaimer, after which nobody who defers waits for readers; stops it, leaving what is deferred by then to those who defer and
// to barriers. By one thread, while nobody else defers; stop without a start is allowed. Errors: -EAGAIN.
int apus__reclaimer_start(void);
void apus__reclaimer_stop(void);

#endif
