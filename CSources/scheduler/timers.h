// scheduler/timers.h - timers: messages that a slot's wheel delivers when their time has come.
//
// Idea:       a timer is a 64-byte cell of a table, so that a reference (bit 63, 31 bits of generation, 32 of index) can be checked by
//             anybody at any time; its message is made when the timer is, or at expiry if that takes no more than its type.
//             Exactly one of expiry and cancel wins, by a compare-and-swap on the cell's state word.
// States:     the word is the number of the slot, the generation, and one of
//                 FREE -> MADE (by its maker) -> ACTIVE (in the wheel of `slot`, by that slot) -> FREE, generation + 1
//                 MADE -> CANCELLING -> CANCELLED: by another thread, before the slot has taken it from its inbox: the slot frees it
//                 CANCELLING -> ARRIVED: by the slot, which came to it in between: then the canceller frees it
//                 ACTIVE -> CANCELLED: by another thread, or by the sweep, which then pushes the cell on the slot's inbox; the slot frees it
//                 ACTIVE -> FIRED: by the slot, at expiry
//             A canceller on the slot itself frees it at once. The slot puts an ACTIVE cell elsewhere in its wheel without a move.
// Sweep:      the timers of a pid that has ended are cancelled, but nobody knows which they are. So once half of the table is in use,
//             whoever takes cells that his cache did not have looks at twice as many others (timers_sweep). A hand goes round the table,
//             faster than the other half fills, and once it has been round, all are gone that had lost their receiver before. Whoever
//             makes few timers at a time pays nothing. The state is read before `to`, and a compare-and-swap that still finds it proves
//             that the cell has been the same timer's in between.
// Invariants: the cell's link is in an inbox only from MADE until the slot has taken it, and from CANCELLED (was ACTIVE) until then.
// Ordering:   acq_rel on the state word: whoever moves it owns what the cell holds until the next move.
// Dropped:    a flag in the timer read at expiry (a cancelled timer would keep its memory until its time came). CANCELLED by the slot itself
//             while it puts the cell elsewhere: another thread that cancelled at that moment was told that the timer is not active.
#ifndef APUS_SCHEDULER_TIMERS_H
#define APUS_SCHEDULER_TIMERS_H

#include "process/life.h"

enum apus__timer_state {
    APUS__TIMER_FREE = 0,
    APUS__TIMER_MADE = 1,
    APUS__TIMER_ACTIVE = 2,
    APUS__TIMER_CANCELLED = 3,
    APUS__TIMER_FIRED = 4,
    APUS__TIMER_CANCELLING = 5,
    APUS__TIMER_ARRIVED = 6
};

struct apus__timer {
    struct apus__deadline deadline;
    _Atomic uint64_t state;
    union {
        struct apus__inbox_link inbox;
        apus__table_link link; // the table's while the cell is free
    };
    _Atomic uint64_t to; // a pid, or 0: then a name lies behind the message's payload
    union {
        apus_message *message;
        const apus_type *type; // of a message without a payload, not made yet; NULL: a timeout
    };
};

_Static_assert(sizeof(struct apus__timer) == 64, "a timer is one cache line");

#define APUS__TIMER_REF (UINT64_C(1) << 63)
#define APUS__TIMER_DELAY_MAX (UINT64_C(1) << 40)

// The tick at which something due in `delay_ms` from now is due: never early.
uint64_t apus__due(uint64_t delay_ms);

// What a timer delivers, and to whom.
struct apus__timer_goal {
    apus_pid to;           // or nobody: to the name behind the payload of the message
    const apus_type *type; // NULL: a timeout
    apus_message *message; // NULL: one without a payload, whose type owns nothing
};

// A message of a timer with room for `size` bytes of payload and `behind` bytes after it, to be filled in but for that. NULL if there is
// no memory.
apus_message *apus__timer_message(struct apus__owner *here, const apus_type *type, size_t size, size_t behind);

// Makes a timer, and takes the message. Errors: -EAGAIN.
int apus__timer_start(struct apus__owner *here, uint64_t delay_ms, const struct apus__timer_goal *goal, apus_ref *ref);

// Begins the time anew of a timer of the owner's. -ENOENT if it is not active; -EPERM if it is another's, and has been cancelled.
int apus__timer_rearm(struct apus__owner *here, apus_ref ref, uint64_t delay_ms);

// 0, or -ENOENT if the timer is not active.
int apus__timer_cancel(struct apus__owner *here, apus_ref ref, uint64_t *left_ms);

#endif
