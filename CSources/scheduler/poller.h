// scheduler/poller.h - readiness of descriptors: whoever has nothing else to do waits for it, and turns events into messages.
//
// Idea:       all watched descriptors are in one set of epoll. A slot that is about to sleep while nobody waits for that set sleeps there
//             instead of on its futex, and delivers what happens as the owner that it is: to its own processes without an atomic, and
//             without a thread between the network and them. The other slots look at the set now and then while they are busy.
//             Who watches a descriptor stands in an array indexed by the descriptor: a pid, and the number of the watch, which is the
//             event's too. One shot: who finds an event ends the watch of that number, and if it still stands, sends. An event of an
//             older one, of another descriptor of the same number perhaps, is passed over.
// Turns:      one thread at a time is at the set: FREE --begin--> LOOKS or WAITS --end--> FREE. An event that wakes the waiting slot, the
//             bell's above all, so reaches nobody else.
// Invariants: I1 once there is a watch, somebody WAITS or some slot is awake: a slot sleeps elsewhere only if it has seen one that WAITS,
//             and that one is awake from then on until it sleeps itself (slot_sleep).
//             I2 a slot that WAITS has said so in its inbox (APUS__POLLS), so that whoever wakes it rings the bell.
// The first:  a watch that makes the set wakes a slot, if all sleep: it may be made by a thread that has lost its slot. Dekker's pattern:
//             it sets is_used, then looks who sleeps; a slot says that it sleeps, then looks at is_used.
// All busy:   slots look between two turns, every POLLER_LOOK_NS at most. Should all be in long turns the monitor looks in their stead,
//             each time it looks at them; not with rescue off.
// Give way:   who has found nothing lets those run who wait for its core, and looks once more before it waits: those who send to us are
//             often among them. Woken for the first thing they send it would take the core from them, handle that and sleep again.
//             Meanwhile another slot sees to what they send, or it lies there together afterwards. So only while another slot is awake, and
//             one at a time: if others compute on all cores, somebody still takes its core from them for what comes.
// Who:        watch, unwatch: any thread.  look, wait: a slot's carrier; look: the monitor too, with a plain thread's owner.
// Ordering:   the array's words order themselves; epoll_ctl and epoll_wait order everything else. `turn` keeps two from being at the set at
//             once, and guards nothing else.
// Cost:       a system call for each watch, and one for each batch of events. None to unwatch: at worst one event is found for nothing.
// Checked:    docs/internals/models/polling.pml; Tests/C/unit/poller_test.c, torture/io_test.c.
// Dropped:    a thread of its own in epoll_wait: a context switch and a message between schedulers for each event; two thirds of the round
//             trips of an echo server with 100 connections on two cores.
#ifndef APUS_SCHEDULER_POLLER_H
#define APUS_SCHEDULER_POLLER_H

#include <sys/epoll.h>

#include "process/life.h"

enum { APUS__POLLER_BATCH = 64 };

// What was found.
struct apus__poll {
    int count;
    struct epoll_event events[APUS__POLLER_BATCH];
};

// Lets the world watch descriptors by this file.
void apus__poller_init(void);

// Whether there was a watch since the start; seq_cst.
bool apus__poller_is_used(void);

// Whether nobody is at the set. A hint.
bool apus__poller_is_free(void);

// Turns. False if it is somebody else's; then *waits says whether that one sleeps there.
bool apus__poller_begin_wait(bool *waits);
// Sleeps until something happens, the bell rings or `timeout_ns` are over, and ends the turn.
void apus__poller_wait(struct apus__poll *poll, uint64_t timeout_ns);
// Ends it without having slept.
void apus__poller_end(void);
// Sends the messages of what was found.
void apus__poller_deliver(struct apus__owner *here, const struct apus__poll *poll);

// Looks at what has happened, if nobody else is at it, and delivers. True if there was something.
bool apus__poller_look(struct apus__owner *here);

// Lets others have the calling slot's core. False if it is to be kept: all other slots sleep, or one of them gives way.
bool apus__poller_give_way(void);

// Sends the io message.
void apus__poller_tell(struct apus__owner *here, apus_pid pid, int fd, unsigned events);

// Frees everything; no process and no carrier is left.
void apus__poller_stop(void);

#endif
