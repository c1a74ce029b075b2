// scheduler/rescue.h - taking a slot from a thread whose process stays in its callback, and how that thread comes back.
//
// Idea:       a carrier is either in the runtime or in the program's own code, and in the latter it touches nothing of its slot. So
//             whoever knows that it is there, and that it cannot come in unnoticed, acts for the slot in its stead: turns the callback
//             that runs into a process that waits (for its own thread), and gives the slot to a spare carrier. The culprit keeps its
//             thread and its stack, and runs on beside the others.
//
//                 carrier A: loop -> handle ......... (sleeps, computes) ......... enters or returns: leaves its stack, becomes a spare
//                 monitor:              claims, detaches, hands over                               |
//                 carrier B:                       loop: other processes ...     resumes the stack of A's process in its turn
//
// Keepers:    code that must end on the thread it began on (APUS_SPAWN_KEEP_THREAD) has the slot go to its thread, not its stack to the
//             slot's. A leaves the stack as above, and sleeps as its keeper. In the process's turn B leaves the loop, assigns the slot to
//             A, which goes on with that stack, and becomes a spare. If the stack is dropped before that, A is dismissed: a spare.
//
// Handshake:  the carrier, at each entry:   inside = 1; load here         at each exit: inside = 0     (plain stores, owner.h)
//             the monitor:                  here = NULL; membarrier; load inside
//             If the monitor reads inside == 0, then every later entry of the carrier reads here == NULL and asks apus__rejoin(); it
//             has the slot to itself. If it reads 1 it takes the claim back. `hold` says how far things are, so that an entry that
//             comes in between waits for the decision, and so that the two never write `here` at the same time:
//
//                 BUSY --carrier enters its slot--> RUNS --monitor--> CLAIMED --monitor gives up--> RUNS
//                  ^ carrier is about to leave it --+                    +--> DETACHED --carrier is back on its own stack--> BUSY
//
// Invariants: I1 `here` of a carrier is written by the carrier while BUSY and by the claimer while CLAIMED.  I2 a carrier that is
//             DETACHED touches its slot's inbox only.  I3 a process whose thread is detached waits (extra->wait, in the fiber), takes
//             no message and is tied to its slot; its mailbox, its links and its end are the slot's next carrier's.
// Killed:     such a process departs at once and is buried when its thread is back (process/life.h): its memory stays while its code
//             may be using it. A call of Apus by it loses the stack there; with APUS_SPAWN_UNWIND it is refused, so that the code returns
//             and what it owns is released.
// Who:        claim: the monitor (scheduler/monitor.c), and to share a carrier whose slot is idle (share.c). rejoin: a carrier that finds
//             `here` not to be its slot.
// Ordering:   inside = 0 releases what the carrier did, the claimer acquires it; `hold` and the assignment of the spare carry it on
//             (carrier.h). The store-load order of both sides comes from membarrier(2).
// Progress:   an entry waits for at most one decision, microseconds. A claim never waits.
// Checked:    docs/internals/models/rescue.pml; Tests/C/faults/rescue_test.c, keep_thread_test.c.
// Dropped:    a signal to the culprit: it interrupts sleep(3), poll(2) and others, which the program would see.
#ifndef APUS_SCHEDULER_RESCUE_H
#define APUS_SCHEDULER_RESCUE_H

#include "scheduler/carrier.h"

// What came of a try.
enum apus__rescue {
    APUS__RESCUE_DONE,     // the slot has a new carrier
    APUS__RESCUE_NOT_NOW,  // the carrier is inside the runtime, or nobody waits after all
    APUS__RESCUE_NO_SPARE, // there is no thread to go on with, or no room
    APUS__RESCUE_NO_MEMORY // there is no stack, or no block, to go on with
};

// Whether there is room for one more thread that has lost its slot (`detached_max`). A hint, so that nothing is tried in vain.
bool apus__rescue_has_room(void);

// Takes the slot from the carrier whose process has been in its callback for long, if others wait: behind it, or `for_others`, on a slot
// that could give this one some of its work if it had a carrier that sleeps. *culprit: its pid. `is_noted`: for a report as well, by a
// thread in a read section (report.h).
enum apus__rescue apus__rescue(struct apus__slot *slot, bool for_others, bool is_noted, apus_pid *culprit);

// Only finds out who is in a callback there, and looks at its mailbox for the subscriber of system events; `teller` sends. False if nobody
// is, or not now.
bool apus__rescue_look(struct apus__slot *slot, struct apus__owner *teller, apus_pid *culprit);

// Only gives what waits behind the process that runs, or some of it, to slots that sleep, if the carrier is in a callback now.
void apus__rescue_share(struct apus__slot *slot, bool some_stay);

// The same by the carrier itself, whose process is about to block: it is detached when this returns, and touches the slot no more. False
// if there is no spare, no room, or no memory.
bool apus__rescue_oneself(struct apus__slot *slot);

// Whether the slot's carrier seems to be in a callback now. A hint.
bool apus__rescue_is_likely(struct apus__slot *slot);

// Whether somebody is kept waiting by the process that runs. By whoever acts for the slot.
bool apus__slot_keeps_waiting(struct apus__slot *slot);

// By a thread whose `here` is not what it was or should be: waits for a claim to be decided, and if the slot was taken, sets the stack
// aside until the process has a turn again. Returns the thread's scheduler; NULL if it is no carrier, or is refused.
struct apus__owner *apus__rejoin(void);

// Whether a thread for which apus__rejoin() has given NULL is a carrier that is refused: its process has departed, and unwinds.
static inline bool apus__is_refused(void)
{
    return apus__local.carrier != NULL;
}

// The same after a callback has returned, so that nothing of its code is on the stack.
void apus__return(void);

// The process whose callback the calling carrier is in, also if it has lost its slot. NULL if it is in none.
struct apus_process *apus__carrier_process(struct apus__carrier *carrier);

#endif
