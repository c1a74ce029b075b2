// scheduler/carrier.h - carriers: the OS threads that run slots, and the hand-off of a slot from one to another.
//
// Idea:       a carrier is a thread with a word: SPARE (it sleeps and may be claimed), ASSIGNED (it has a slot), QUIT. Handing a slot
//             over is: claim a spare, write the slot into it, set its word, wake it. All of that is atomics and a futex, so that it
//             may happen in a signal handler.
// Invariants: I1 a slot has one carrier.  I2 the old carrier touches nothing of the slot after it has assigned it to the new one.
// Ordering:   the store of ASSIGNED releases the slot with all its state; the carrier that wakes loads it with acquire.
// Who:        hand over: the slot's carrier, between two turns; or, with the slot claimed, the monitor (rescue.h). Request: any thread.
// Stacks:     a parked stack goes on on the new carrier. See slot.h, "Threads".
#ifndef APUS_SCHEDULER_CARRIER_H
#define APUS_SCHEDULER_CARRIER_H

#include "os/topology.h"
#include "scheduler/slot.h"

#include <pthread.h>

enum apus__carrier_word {
    APUS__CARRIER_NONE = 0, // no such thread
    APUS__CARRIER_SPARE = 1,
    APUS__CARRIER_ASSIGNED = 2,
    APUS__CARRIER_CLAIMED = 3, // by the one that is about to assign it
    APUS__CARRIER_QUIT = 4,
    APUS__CARRIER_DEAD = 5,   // being put aside by a fault (quarantine.h)
    APUS__CARRIER_AT_REST = 6, // and asleep: it touches nothing of the runtime any more
    APUS__CARRIER_KEEPS = 7    // it has a stack to go on with, and sleeps until it is assigned that one's slot (rescue.h)
};

// How a carrier stands to its slot, for those who would take it away (rescue.h).
enum apus__carrier_hold {
    APUS__HOLD_BUSY = 0,     // not in its slot's loop
    APUS__HOLD_RUNS = 1,     // in the loop, or in a callback
    APUS__HOLD_CLAIMED = 2,  // in question
    APUS__HOLD_DETACHED = 3  // lost; in a callback still
};

// Memory of a thread that was put aside, whole pages of its stacks, in which there is nothing that anybody will look at again.
struct apus__spent {
    uintptr_t low, high;
};
enum { APUS__SPENTS = 3 };

struct apus__carrier {
    _Atomic uint32_t word; // futex
    struct apus__slot *slot;
    struct apus__context native;
    pthread_t thread;
    _Atomic uint32_t thread_id;    // the kernel's; 0 until the thread has begun
    bool is_demoted;
    int nice;                      // before that
    struct apus__local *local;     // the thread's
    _Atomic uint32_t hold;         // futex; enum apus__carrier_hold
    struct apus__fiber *detached;  // the stack the thread is on, if `hold` is DETACHED
    struct apus__stack altstack;   // of signal handlers
    void *room;                    // for the report of a fault (report.h)
    char *said;                    // what the thread has said last on standard error: APUS__SAID bytes
    struct apus__spent spent[APUS__SPENTS];
    bool is_tidy;                  // the monitor's: `spent` has been given back
};

enum { APUS__SAID = 256 };

// Where slots run.
struct apus__placement {
    const struct apus__topology *topology;
    apus_binding binding;
};

// Makes one carrier for each slot and starts it; there may be `spares_max` more later. On error all are gone again. Errors: -EAGAIN,
// -ENOMEM.
int apus__carriers_start(uint32_t slots, uint32_t spares_max, const struct apus__placement *placement);

// Makes every slot leave its loop, and joins all threads.
void apus__carriers_stop(void);

// By the thread itself, in a signal handler: it will never run anything again. True if it still has its slot, which nobody else claims
// from here on.
bool apus__carrier_die(struct apus__carrier *carrier);

// By the thread itself, which enters the loop or is about to leave it: from here on its slot may, or may no longer, be claimed.
void apus__carrier_hold(struct apus__carrier *carrier, enum apus__carrier_hold from, enum apus__carrier_hold to);

// By the thread itself, inside the runtime: returns when nobody claims its slot; whoever does so later, gives up.
void apus__carrier_await_decision(struct apus__carrier *carrier);

// In the child of a fork(), by the thread that has made it: nobody carries a slot there, so a carrier is a plain thread from here on.
void apus__carrier_in_fork(void);

// The stack the carrier's code runs on, for its own signal handlers.
const struct apus__stack *apus__carrier_stack(const struct apus__carrier *carrier);

// Makes sure that there are `count` spares. Errors: -EAGAIN. Any thread but a carrier.
int apus__carriers_spare(uint32_t count);

// Claims a spare, NULL if there is none; gives it the slot, which the caller acts for and from here on no longer does; or lets it be.
// After a fault the spare wakes up on the slot's own core, if it has one: another one may sleep, and wakes up more slowly.
// Atomics and a futex only. Any thread.
struct apus__carrier *apus__carrier_claim_spare(void);
void apus__carrier_assign(struct apus__carrier *spare, struct apus__slot *slot);
void apus__carrier_unclaim_spare(struct apus__carrier *spare);

// The stack that the carrier waits to go on with is no more: makes it a spare. By whoever acts for the slot of that stack.
void apus__carrier_dismiss(struct apus__carrier *keeper);

// A thread that has lost its slot competes with the slot's next carrier for the core: lets the system prefer the latter, if it may be
// undone again without privileges.
void apus__carrier_demote(struct apus__carrier *carrier);
void apus__carrier_promote(struct apus__carrier *carrier);

// Gives back what threads that were put aside have spent. Returns of how many it has, since the start. The monitor.
uint32_t apus__carriers_tidy(void);

// How many carriers are spares now. A snapshot.
uint32_t apus__carriers_spare_now(void);

// Asks the slot's carrier to hand the slot to a spare between two turns; nothing happens if there is none. Any thread.
void apus__slot_request_handoff(struct apus__slot *slot);

#endif
