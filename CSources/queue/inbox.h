// queue/inbox.h - what arrives at a scheduler from other threads: a stack of links with many producers and one taker, joined to the
// word on which the taker parks.
//
// Idea:       producers push links with compare-and-swap, newest first; the one taker takes everything with one exchange and turns
//             it round. A link's address is a multiple of 8; its low three bits carry a tag that says what structure it is part of.
//                 head -> [newest|tag] -> [..] -> [oldest|tag] -> 0
// Invariants: I1 a link is in at most one inbox at a time (the caller's proof).  I2 after a push has returned, the taker is awake,
//             or has been woken, or has yet to look at `head` before it parks: no push is slept through.
// Asleep:     on the futex, or, with POLLS, in a wait for descriptors that a bell ends (os/bell.h).
// Wake-up:    whoever turns PARKED into CLAIMED wakes the taker; the others that push meanwhile need not. But a debugger or a signal
//             handler may stop that thread before it does. So it says AWAKE only when it has woken the taker, and whoever finds CLAIMED
//             wakes it as well: no thread relies on another one to go on. `park` counts how often the taker has parked, so that a
//             wake-up that took long says nothing of the next sleep.
// Who:        push, push_chain, wake: any thread.  take, park: the taker only.
// Ordering:   push releases what the link's structure holds, take acquires it. Parking is Dekker's pattern: the taker stores PARKED,
//             then loads `head`; a producer changes `head`, then loads `park`; all four are sequentially consistent, so at least one
//             of the two sees the other. Modelled in docs/internals/models/mailbox.pml.
// Freed:      nothing; links live in structures of their own.
// Progress:   push is lock-free, take is wait-free. Take-all has no ABA problem: nobody pops single links.
// Source:     Treiber, Coping with parallelism, 1986.
#ifndef APUS_QUEUE_INBOX_H
#define APUS_QUEUE_INBOX_H

#include "base/assert.h"
#include "base/atomic.h"
#include "base/types.h"
#include "os/bell.h"
#include "os/futex.h"

#include <stdbool.h>

#define APUS__INBOX_TAGS 7u

// What the low bits of `park` say of the taker.
enum {
    APUS__AWAKE = 0,
    APUS__PARKED = 1,
    APUS__SPINNING = 2, // idle, but awake for a moment still
    APUS__CLAIMED = 3,  // somebody is about to wake it
    APUS__PARK_STATE = 3,
    APUS__POLLS = 4,   // while PARKED or CLAIMED: it sleeps where descriptors are waited for
    APUS__PARK_HOW = APUS__PARK_STATE | APUS__POLLS,
    APUS__PARK_ONE = 8 // above: how often it has parked
};

struct apus__inbox_link {
    _Atomic uintptr_t next; // tagged; relaxed, since the head's compare-and-swap and exchange order it
};

struct apus__inbox {
    _Atomic uintptr_t head; // tagged
    _Atomic uint32_t park; // futex
};

static inline struct apus__inbox_link *apus__inbox_untag(uintptr_t tagged)
{
    return (struct apus__inbox_link *)(tagged & ~(uintptr_t)APUS__INBOX_TAGS);
}

static inline unsigned apus__inbox_tag(uintptr_t tagged)
{
    return (unsigned)(tagged & APUS__INBOX_TAGS);
}

// relaxed: a hint to all but the taker.
static inline uint32_t apus__inbox_state(const struct apus__inbox *inbox)
{
    return apus_load_relaxed(&inbox->park) & APUS__PARK_STATE;
}

// Claims the wake-up of a parked taker. True if the caller must now wake it, by apus__inbox_wake().
static inline bool apus__inbox_claim_wake(struct apus__inbox *inbox)
{
    // seq_cst: the second half of Dekker's pattern, after a push. Pairs with the exchange in apus__inbox_park().
    uint32_t park = apus_load_seqcst(&inbox->park);
    while (apus_unlikely((park & APUS__PARK_STATE) == APUS__PARKED))
        if (apus_cas_strong_seqcst(&inbox->park, &park, park | APUS__CLAIMED))
            return true;
    return (park & APUS__PARK_STATE) == APUS__CLAIMED;
}

// Wakes the taker. Async-signal-safe.
static inline void apus__inbox_wake(struct apus__inbox *inbox)
{
    // It sees the sleep that was claimed, or a later one, before which the taker has looked at all that was pushed; the rest only spares
    // the others a system call, relaxed. The load comes first, so that this wake-up is one for the sleep that the word has counted.
    // acquire: the bell, which the taker of a later sleep may have seen opened. Pairs with apus__inbox_park().
    uint32_t park = apus_load_acquire(&inbox->park);
    if (apus_unlikely(park & APUS__POLLS))
        apus__bell_ring();
    else
        apus__futex_wake(&inbox->park, 1);
    if ((park & APUS__PARK_STATE) == APUS__CLAIMED)
        apus_cas_weak_relaxed(&inbox->park, &park, park & ~(uint32_t)APUS__PARK_HOW);
}

// Pushes links that are chained already: `newest` (tagged) leads by `next` to `oldest`. True if the caller must now wake the taker.
static inline bool apus__inbox_push_chain(struct apus__inbox *inbox, uintptr_t newest, struct apus__inbox_link *oldest)
{
    uintptr_t head = apus_load_relaxed(&inbox->head);
    do {
        apus_store_relaxed(&oldest->next, head);
        // seq_cst on success: releases the structures pushed, for the exchange in apus__inbox_take(), and comes before the load of
        // `park` below, for apus__inbox_park().
    } while (!apus_cas_weak_seqcst(&inbox->head, &head, newest));
    return apus__inbox_claim_wake(inbox);
}

static inline bool apus__inbox_push(struct apus__inbox *inbox, struct apus__inbox_link *link, unsigned tag)
{
    return apus__inbox_push_chain(inbox, (uintptr_t)link | tag, link);
}

static inline bool apus__inbox_is_empty(struct apus__inbox *inbox)
{
    // relaxed: a hint; whoever acts on "not empty" takes with acquire, and "empty" is checked again before parking.
    return apus_load_relaxed(&inbox->head) == 0;
}

// Takes everything, oldest first; 0 if there is nothing. Walk it by apus__inbox_next(), which must be called before the link is used
// for anything else.
static inline uintptr_t apus__inbox_take(struct apus__inbox *inbox)
{
    // acquire: the structures pushed. Pairs with the compare-and-swap in apus__inbox_push_chain().
    uintptr_t newest = apus_exchange_acquire(&inbox->head, 0);
    uintptr_t oldest = 0;
    while (newest) {
        struct apus__inbox_link *link = apus__inbox_untag(newest);
        uintptr_t next = apus_load_relaxed(&link->next);
        apus_store_relaxed(&link->next, oldest);
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static inline uintptr_t apus__inbox_next(uintptr_t tagged)
{
    return apus_load_relaxed(&apus__inbox_untag(tagged)->next);
}

// The taker says what it is: AWAKE or SPINNING.
static inline void apus__inbox_say(struct apus__inbox *inbox, uint32_t state)
{
    // relaxed: what made it wake is read from `head`, with acquire; that it spins is a hint.
    apus_store_relaxed(&inbox->park, (apus_load_relaxed(&inbox->park) & ~(uint32_t)APUS__PARK_HOW) | state);
}

// The taker says that it is about to sleep on `park` while that is *parked, or where descriptors are waited for: `how` is 0 or APUS__POLLS.
// False if something has arrived: then it must not.
static inline bool apus__inbox_park(struct apus__inbox *inbox, uint32_t how, uint32_t *parked)
{
    uint32_t awake = apus_load_relaxed(&inbox->park) & ~(uint32_t)APUS__PARK_HOW;
    *parked = (awake + APUS__PARK_ONE) | APUS__PARKED | how;
    // seq_cst, both: the first half of Dekker's pattern. Pairs with apus__inbox_push_chain() and apus__inbox_claim_wake(). An exchange,
    // which is what x86 makes of the store as well: qemu 7.2 lets the load pass a plain store of aarch64's.
    (void)apus_exchange_seqcst(&inbox->park, *parked);
    if (apus_load_seqcst(&inbox->head) == 0)
        return true;
    apus__inbox_say(inbox, APUS__AWAKE);
    return false;
}

#endif
