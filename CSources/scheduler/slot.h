// scheduler/slot.h - a slot: one core's scheduler, whichever thread carries it at the moment.
//
// Idea:       all scheduler state lives in the slot; a carrier is only the OS thread that runs it. The loop runs on a fiber (a stack
//             from the slot's pool), never on the thread's own stack, so that (a) a process that waits in the middle of a callback
//             keeps the fiber it is on, and the loop goes on with another; (b) the slot can change threads between two turns: the
//             loop leaves for its carrier's own stack, and the next carrier enters by any free fiber.
//
//                 thread's own stack --enter--> fiber: loop -> turn -> handle -> apus_receive
//                                                                                   | parks this fiber, takes a free one
//                                                fiber: loop <---------------------+
//                                                   | a parked process is ready: this fiber becomes free, that one goes on
//
// Invariants: I1 `fiber` is the stack the slot's carrier is on; while the slot is between two carriers, the one that the next goes on
//             with, or NULL: a free one.  I2 the loop on a free fiber has returned, or has never run: it is started.
//             I3 a process whose stack is set aside stays on its slot: it is not given away (apus__may_move).
// Who:        everything here belongs to the thread that carries the slot, but for `events` and the owner's inbox.
// Threads:    a stack may go on on another thread only after its slot has changed carriers; the thread-local variables that compiled
//             code may have cached are the old thread's then, which is why carriers are not ended while their slot lives
//             (docs/decisions/0003).
#ifndef APUS_SCHEDULER_SLOT_H
#define APUS_SCHEDULER_SLOT_H

#include "os/random.h"
#include "process/life.h"
#include "scheduler/clock.h"
#include "scheduler/fiber.h"
#include "scheduler/pace.h"

enum apus__slot_events {
    APUS__EVENT_HANDOFF = 1, // give the slot to a spare carrier
    APUS__EVENT_LEAVE = 2    // leave the loop: the runtime has stopped, or the simulator wants one step
};

// A line that the slot attends to (line.h), and whether it has asked since somebody else wanted its place.
struct apus__attended {
    struct apus__line *line;
    bool has_asked;
};

enum { APUS__ATTENDED = 4 };

struct apus__slot {
    struct apus__owner owner; // first: apus__local.here points at it
    struct apus__wheel wheel;
    _Atomic uint32_t events; // set by others, after which they push or wake
    struct apus__fiber *fiber;
    struct apus__fibers fibers;
    _Atomic(struct apus__carrier *) carrier;
    struct apus__context *native; // where leaving leads
    struct apus__fault *fault;    // what put its last carrier aside, until the next one has seen to it (quarantine.h)
    const char *fault_text;       // what was said about it
    struct apus_process *fault_matching; // it was in a match function of this one
    void *fault_room;             // memory for the report
    _Atomic uint32_t is_orphan;   // there was no next one
    uint32_t unplaced;            // looks at the clock until its carrier moves to the slot's core; 0: it is there
    uint32_t turns_to_clock;      // turns until the clock is looked at again
    uint64_t looked_ns;           // when it was last
    uint64_t polled_ns;           // when descriptors were looked at last by this slot, between two turns
    uint32_t turn_chunks;         // what the present turn may still have of its reductions, in chunks of `budget`
    uint64_t turn_ns;             // when its first chunk ended
    uint32_t first_budget;        // of a turn: constants, from the reductions of the options
    uint32_t all_chunks;
    struct apus__pace pace;       // how long turns take, and what is exchanged in them
    uint32_t share_wait;          // turns until the next look for work to be offered, or at the clock
    uint32_t share_paused;        // turns by then, since the last time nothing could be given; 0: there is no pause
    uint64_t share_paused_ns;     // which was then,
    uint64_t share_paused_cheap_ns; // and apus__pace_cheap_ns() then
    bool share_is_late;           // that pause was for a few that might have been gone after it
    bool is_in_the_way;           // has just woken a thread that waits for this very core: sleeps without spinning
    uint32_t in_the_way;          // of so many plain threads in a row it was
    bool has_shown;               // that many wait who have not begun, since it slept last
    bool was_given;               // work by another slot, since it slept last
    uint64_t woke_ns;             // when that ended, and the time idle since,
    uint64_t woke_local;          // and what had been sent by then to its own processes,
    uint64_t woke_remote;         // and to others
    uint64_t refusal_ns;          // for how long it takes no more small work once it sleeps
    _Atomic uint64_t refuses_until_ns; // no gifts until then but of long turns; read by those who look for a sleeper
    _Atomic uint32_t is_hungry;   // it sleeps, or has been woken and is not awake yet, and nobody has given it work since (share.c)
    bool spins;                   // when it is idle, or did last time
    uint32_t attended_count;
    struct apus__attended attended[APUS__ATTENDED];
    uint16_t *neighbours;         // the other slots, nearest first
    uint32_t near_count;          // of them on this node
};

static inline struct apus__slot *apus__slot_of(struct apus__owner *owner)
{
    return (struct apus__slot *)owner;
}

// What has taken so long was no part of a turn, nor of what a gift was good for.
static inline void apus__slot_skip(struct apus__slot *slot, uint64_t ns)
{
    slot->looked_ns += ns;
    slot->woke_ns += ns;
    slot->share_paused_ns += ns;
    apus__pace_slept(&slot->pace, ns);
}

// What all slots of the runtime share.
struct apus__machine {
    struct apus__slot **slots;
    uint32_t slot_count;
    apus_cache_aligned _Atomic uint32_t parked; // slots that sleep: those with work to spare look here
    _Atomic uint64_t stacks_unguarded;
    _Atomic uint64_t stack_bytes;
    _Atomic uint32_t detached;       // threads that have lost their slot and are in a callback still, or wait to have it again
    uint32_t detached_max;
    _Atomic uint64_t rescues;         // scheduler by scheduler, counted before the next carrier has it: who sees the one sees the other
    _Atomic uint64_t rescues_refused; // both by the monitor
    bool has_membarrier;             // without it nobody can claim a slot (rescue.h)
    _Atomic uint32_t monitor_sleeps; // it wants to be rung when a slot wakes (scheduler/monitor.h)
};

extern struct apus__machine apus__machine __attribute__((visibility("hidden")));

// Prepares a slot for its first carrier. Errors: -ENOMEM.
int apus__slot_init(struct apus__slot *slot, uint32_t id, uint32_t node);
void apus__slot_destroy(struct apus__slot *slot);

// Runs the slot's loop on the calling thread until an event makes it leave. `native` receives the thread's own context.
void apus__slot_enter(struct apus__slot *slot, struct apus__context *native);

// Gives an idle process that plain threads call, and whose core they wait for (abi/errand.c), to a slot that sleeps, if there is one:
// then neither has to make room for the other. By who acts for the slot.
void apus__share_aside(struct apus__slot *slot, apus_pid pid);

// Moves the calling carrier to where the slot belongs; the CPU to which that binds the slot of number `id`, the kernel's number, or -1
// (carrier.c).
void apus__slot_place(struct apus__slot *slot);
int apus__slot_core(uint32_t id);

// What each fiber runs: turn after turn, until another stack is to go on, a process's, or the thread's own. `argument` is the slot.
struct apus__context *apus__slot_loop(void *argument);

// Takes what has arrived in the inbox.
void apus__slot_receive(struct apus__slot *slot);

// Sets an event and wakes the slot to it. Any thread.
void apus__slot_tell(struct apus__slot *slot, uint32_t events);

// The turn of a process that handles messages; that of any other, which returns as apus__run() (both run.c).
void apus__run_messages(struct apus__slot *slot, struct apus_process *process);
struct apus__context *apus__run_slow(struct apus__slot *slot, struct apus_process *process);

// The same of one whose wait has had no outcome and that has no stack (run.c).
struct apus__context *apus__run_then(struct apus__slot *slot, struct apus_process *process);

// Goes on with a process whose wait is over: the calling fiber is free, and the loop on it returns this for the one to be continued.
apus_inline struct apus__context *apus__slot_resume(struct apus__slot *slot, struct apus_process *process)
{
    struct apus__fiber *other = process->extra->wait->fiber;
    if (apus_unlikely(!other))
        return apus__run_then(slot, process);
    apus__fiber_give(&slot->fibers, slot->fiber);
    slot->fiber = other;
    // One that keeps its thread goes on when that has the slot; this thread leaves to give it away (carrier_run).
    return apus_unlikely(other->keeper != NULL) ? slot->native : &other->context;
}

// Forgets the stack of a waiting process that must end.
void apus__slot_drop_stack(struct apus__slot *slot, struct apus_process *process);

// Turns the callback that runs into a process that waits, for its own thread to come back, so that another thread can go on with the
// slot. By whoever has the claim on the slot (rescue.h). Errors: -ENOMEM: nothing has changed.
int apus__slot_detach(struct apus__slot *slot);

// By the slot's carrier, of a fiber that another thread has left: its process goes on in its turn, or is buried.
void apus__slot_come_back(struct apus__slot *slot, struct apus__fiber *fiber);

// By the thread that has lost the slot of `fiber`, on that fiber: leaves for the thread's own stack; returns when the process goes on.
void apus__slot_return_detached(struct apus__fiber *fiber, struct apus__context *native);

// Ends the process of a fiber whose thread has had a fault after it had lost the slot (quarantine.c).
void apus__fiber_crashed(struct apus__slot *slot, struct apus__fiber *fiber);

// Makes sure that there is a stack to enter by; waits for memory if there is none.
void apus__slot_need_fiber(struct apus__slot *slot);

// Buries a process that has departed (run.c). `has_returned`: from the callback it was in, so that its state is as it left it.
void apus__run_bury(struct apus__slot *slot, struct apus_process *process, apus_message *handling, bool has_returned);

// Takes the first message the wait wants out of the mailbox, looking only at those it has not seen, and holds it; NULL if there is none, or
// no memory to hold it (run.c).
apus_message *apus__wait_take(struct apus__owner *here, struct apus_process *process, struct apus__wait *wait);

// Gives half of what waits here to a slot that sleeps, or parts to all that sleep, if there is one; parts of what waits behind the process
// that stays in its callback, one of which stays, or none; judges by how soon a slot sleeps again whether what it was given was worth it;
// gives one process to another slot (share.c).
void apus__share(struct apus__slot *slot);
void apus__share_behind(struct apus__slot *slot, bool some_stay);
void apus__share_judge(struct apus__slot *slot);
void apus__give(struct apus__slot *slot, struct apus_process *process, struct apus__slot *to);

// By a slot that has nothing to do: another one near it, behind whose turn others wait. Later, if that turn still goes on, and not by many
// cheap messages, it takes some of them. False if it has none (share.c).
struct apus__behind {
    struct apus__slot *slot; // or NULL
    uint64_t turn;
    uint64_t busy_ns;        // apus__pace_busy_ns() when it was seen,
    uint64_t since_ns;       // which was then
};

struct apus__behind apus__share_watch(const struct apus__slot *slot);
bool apus__share_ask(struct apus__slot *slot, const struct apus__behind *behind);

// A turn is over after `reductions` messages, or when it has taken long; the clock is read once in a chunk of messages only.
enum { APUS__CHUNK = 64 };
apus_inline void apus__turn_begin(struct apus__slot *slot)
{
    slot->owner.budget = slot->first_budget;
    slot->turn_chunks = slot->all_chunks;
}

// Names the turn: no other one, of any slot, has this number. By who acts for the slot.
static inline uint64_t apus__slot_turn(const struct apus__slot *slot)
{
    return apus_load_relaxed(&slot->owner.counters.slices) * apus__machine.slot_count + slot->owner.id;
}

static inline void apus__slot_set_reductions(struct apus__slot *slot, uint32_t reductions)
{
    slot->first_budget = reductions < APUS__CHUNK ? reductions : APUS__CHUNK;
    slot->all_chunks = (reductions + APUS__CHUNK - 1) / APUS__CHUNK;
}

// Gives a process its turn. NULL: it has had it; else it is had on another stack, which is to be continued.
apus_inline struct apus__context *apus__run(struct apus__slot *slot, struct apus_process *process)
{
    enum { HAS_OUTCOME = APUS__WAITING | APUS__READY };
    apus_bump_relaxed(&slot->owner.counters.slices, 1);
    apus__turn_begin(slot);
    if (apus_likely(!(process->flags & APUS__SLOW))) {
        apus__run_messages(slot, process);
        return NULL;
    }
    if (apus_unlikely((process->flags & (HAS_OUTCOME | APUS__EXITING)) != HAS_OUTCOME))
        return apus__run_slow(slot, process);
    return apus__slot_resume(slot, process);
}

// The budget is used up: begins the next chunk, or says that the turn is over.
bool apus__turn_goes_on(struct apus__slot *slot);

// Timers (timers.c): what is due by now; a timer that arrived in the inbox; the time until the next one.
void apus__timers_run(struct apus__slot *slot, uint64_t now_ms);
void apus__timer_arrived(struct apus__slot *slot, struct apus__inbox_link *link);

void apus__timers_drop(struct apus__slot *slot); // all that are left, after the last process has ended

#endif
