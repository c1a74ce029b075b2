// scheduler/carrier.h - carriers: the OS threads that run slots, and the hand-off of a slot from one to another.
//
// Idea:       a carrier is a thread with a word: SPARE (it sleeps and may be claimed), ASSIGNED (it has a slot), QUIT. Handing a slot
//             over is: claim a spare, write the slot into it, set its word, wake it. All of that is atomics and a futex, so that it
//             may happen in a signal handler.
// Invariants: I1 a slot has one carrier.  I2 the old carrier touches nothing of the slot after it has assigned it to the new one.
// Ordering:   the store of ASSIGNED releases the slot with all its state; the carrier that wakes loads it with acquire.
// Who:        hand over: the slot's carrier, between two turns. Request: any thread.
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
    APUS__CARRIER_QUIT = 4
};

struct apus__carrier {
    _Atomic uint32_t word; // futex
    struct apus__slot *slot;
    struct apus__context native;
    pthread_t thread;
};

enum { APUS__SPARES_MAX = 64 };

// Where slots run.
struct apus__placement {
    const struct apus__topology *topology;
    apus_binding binding;
};

// Makes one carrier for each slot and starts it. On error all are gone again. Errors: -EAGAIN, -ENOMEM.
int apus__carriers_start(uint32_t slots, const struct apus__placement *placement);

// Makes every slot leave its loop, and joins all threads.
void apus__carriers_stop(void);

// Makes sure that there are `count` spares. Errors: -EAGAIN. By one thread at a time, not a carrier.
int apus__carriers_spare(uint32_t count);

// Asks the slot's carrier to hand the slot to a spare between two turns; nothing happens if there is none. Any thread.
void apus__slot_request_handoff(struct apus__slot *slot);

#endif
