// scheduler/foreign.h - plain threads of the program as senders.
//
// Idea:       a plain thread that calls Apus gets an owner object that owns nothing: a heap for its envelopes and a range of references.
//             It is made at the thread's first call and goes when the thread ends. Every call is inside an RCU read section, and the
//             runtime is taken down only after it has said so and a grace period has passed: so nothing a call touches goes away
//             under it.
// Who:        enter, leave: any thread that is not a carrier, in pairs, not across a wait. They nest.
// Ordering:   enter loads the world's state inside the read section; stop stores STOPPED, then synchronizes.
#ifndef APUS_SCHEDULER_FOREIGN_H
#define APUS_SCHEDULER_FOREIGN_H

#include "process/owner.h"

struct apus__line;

// The calling thread's owner, or NULL with *error set to -ESHUTDOWN, -ECHILD or -ENOMEM.
struct apus__owner *apus__foreign_enter(int *error);
void apus__foreign_leave(void);

// A reserved cell (process/nursery.h): its pid, nobody's if there is none, and its scheduler.
struct apus__place {
    apus_pid pid;
    uint32_t id;
};

// What a thread keeps for its calls.
struct apus__keeps {
    struct apus__line *line;  // line.h; NULL at first
    struct apus__place spare; // a cell for its next caller: the thread's, until it is used or the thread or the runtime ends
    struct apus__place made;  // that of the last caller it has made, which may have been used since
    apus_message *room;       // APUS__BLOCK_ROOM, for its next reply, poisoned; or NULL
};

// Those of a thread that has entered as `here`; they lie behind it. The line goes with the thread, the places with the runtime as well.
static inline struct apus__keeps *apus__foreign_keeps(struct apus__owner *here)
{
    return (struct apus__keeps *)(void *)(here + 1);
}

// The same without entering, if the calling thread is one of a runtime that was running a moment ago; else NULL. What it keeps of that may
// be of no use by now.
struct apus__keeps *apus__foreign_keeps_now(void);

// Frees a message of a plain thread's, by any thread; one that keeps none keeps a room for its next reply, which is taken by the other:
// NULL if there is no memory.
void apus__foreign_free(apus_message *message);
apus_message *apus__foreign_room(struct apus__keeps *keeps);

// After the last call has left, at stop: gives back what all foreign heaps hold.
void apus__foreign_retire_all(void);
void apus__foreign_next_run(void);

// Adds the foreign threads' counters of this run.
void apus__foreign_each(void (*visit)(const struct apus__counters *counters, void *context), void *context);

#endif
