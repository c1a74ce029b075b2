// process/owner.h - owners: the single-threaded homes of processes, and the world they share.
//
// Idea:       every process cell has exactly one owner, a scheduler, and everything private to the process (mailbox, links, flags) is
//             touched by its owner only, with plain loads and stores. Whoever runs on the same owner delivers by appending to a list;
//             everybody else pushes on the cell's `remote` stack and, if it was empty, hands the cell to the owner's inbox.
//             A plain thread of the program has an owner object too (`is_foreign`), which owns no processes: it brings a heap and a
//             source of references, so that the code below needs no second form.
// Invariants: I1 `apus_process.owner` always names a scheduler, and only that scheduler changes it (signal.c, "moving").
//             I2 one thread at a time acts for an owner; a scheduler that changes its carrier thread does so with a release and an
//             acquire (scheduler/carrier.c).
// Who:        inbox: any thread (queue/inbox.h).  Everything else: the thread that acts for the owner.  Counters: one writer, any
//             reader.
#ifndef APUS_PROCESS_OWNER_H
#define APUS_PROCESS_OWNER_H

#include "base/atomic.h"
#include "base/types.h"
#include "memory/heap.h"
#include "memory/table.h"
#include "os/context.h"
#include "queue/inbox.h"
#include "queue/run_queue.h"
#include "queue/wheel.h"
#include "rcu/names.h"

#include <apus/apus.h>

struct apus__owner;

// What an inbox link is part of.
enum apus__inbox_kind {
    APUS__INBOX_NOTIFY = 0, // a cell whose `remote` stack has become non-empty
    APUS__INBOX_GIFT = 1,   // a cell that changes owner, to this one
    APUS__INBOX_TIMER = 2,  // a timer to be inserted, or cancelled by another thread
    APUS__INBOX_HOME = 3,   // a free cell that comes back to the owner that carved it
    APUS__INBOX_COMMAND = 4 // a struct apus__command
};

// Something to be done by the thread that acts for the owner, in its turn.
struct apus__command {
    struct apus__inbox_link link;
    void (*run)(struct apus__owner *here, struct apus__command *command);
};

// One writer each, so that counting costs no locked instruction.
struct apus__counters {
    _Atomic uint64_t spawned, ended;
    _Atomic uint64_t errands, errands_ended; // sent by plain threads; the processes that run them are not counted above
    _Atomic uint64_t sent_local, sent_remote;
    _Atomic uint64_t handled, slices;
    _Atomic uint64_t shared, shared_far;
    _Atomic uint64_t parks, wakes, handoffs;
    _Atomic uint64_t timers_made, timers_gone;
    _Atomic uint64_t waits_begun, waits_ended;
    _Atomic uint64_t crashed;          // by faults of their own
    _Atomic uint64_t departed, buried; // processes that have ended while their thread was still in a callback, and those it has left
    _Atomic uint64_t reserved; // blocks in the owner's reserve now
};

// One of the last signals that were handled on a scheduler.
struct apus__record {
    uint64_t from, to; // pids
    const void *what;  // the type of a message, or the kind of another signal
    uint64_t unused;
};

enum { APUS__RECORDS = 32 };

enum {
    APUS__FRESH_IN_A_ROW = 8,  // turns of processes that have not begun, while others wait
    APUS__ROUND_AT_LEAST = 64  // turns of others, if there are as many, where those give way to all
};

enum { APUS__RESERVE = 64, APUS__RESERVE_FOREIGN = 4, APUS__RESERVE_CLASS = 5 /* 512 bytes */ };

struct apus__owner {
    // Written by other threads.
    apus_cache_aligned struct apus__inbox inbox;
    _Atomic uint64_t nursery; // cells made ready for plain threads that spawn: tag << 32 | index of the first (process/spawn.c)
    _Atomic int32_t nursery_count;
    _Atomic uint32_t nursery_asked; // whether a refill is under way (process/spawn.c)
    struct apus__command nursery_refill;
    // Written by the acting thread only.
    apus_cache_aligned uint32_t id; // of the scheduler; APUS__FOREIGN for a plain thread
    uint32_t node;
    bool is_foreign;
    struct apus_process *current; // the process whose callback runs, or NULL
    apus_message *handling;       // what that callback was given; no meaning without `current`
    uint32_t budget;              // messages it may still take before the scheduler looks whether its turn is over
    struct apus_process *next;    // woken by the one that runs, and to run after it: its message is still in the cache
    uint32_t next_turns;          // how many turns in a row went that way
    struct apus__run_link *fresh; // spawned here and not begun, the last one first, so that a tree of processes is walked by depth
    uint32_t fresh_count;
    bool in_bulk;                 // its processes exchange so many messages that they are best off together (scheduler/pace.c)
    bool turns_are_short;         // at one of the last two looks at the clock
    uint32_t alone_in_a_row;      // how often what came from an idle owner was all there was to do (signal_takes_turns)
    uint32_t fresh_turns;         // how many turns in a row went to them
    uint32_t fresh_least;         // how many had not begun when, after such a row, all that waited had a turn
    uint32_t round;               // turns that others have yet to have before the next row,
    uint32_t round_more;          // and after these, unless more have not begun by then
    bool piles_up;                // a mailbox has grown by a further segment since the last round began
    struct apus__run_queue run;
    struct apus__heap heap;
    struct apus__table_cache cells;
    struct apus__table_cache timer_cells;
    uint64_t next_ref;
    uint32_t last_used; // by a plain thread: the scheduler it gave a process to last
    uint64_t now_ms; // as of the last look at the clock
    uint64_t looks_ms; // when looks for circles of calls were set last,
    uint32_t looks;    // how many, and at how many messages was looked since then (process/circle.h)
    uint32_t looked_at;
    struct apus__wheel *wheel;
    void *reserve[APUS__RESERVE]; // blocks for signals that must not be lost when memory runs out
    uint32_t reserved, reserve_wanted;
    // The dead cells of another owner, gathered to be sent home together.
    struct apus_process *homeward_first;
    uint32_t homeward_owner, homeward_count;
    struct apus__counters counters;
    uint32_t record_next; // the flight recorder: always on, a few stores for each signal
    struct apus__record records[APUS__RECORDS];
};

#define APUS__FOREIGN UINT32_MAX

// Whether a process of the owner's waits for its turn.
static inline bool apus__owner_has_waiting(const struct apus__owner *here)
{
    return here->run.count || here->next || here->fresh;
}

enum apus__world_state {
    APUS__WORLD_STOPPED = 0,
    APUS__WORLD_STARTING = 1,
    APUS__WORLD_RUNNING = 2,
    APUS__WORLD_STOPPING = 3,
    APUS__WORLD_KILLING = 4, // nothing new may start
    APUS__WORLD_STUCK = 5    // a stop has given up on a callback that does not return
};

// What all processes of a runtime share. Written at start and stop only, but for the state and the counters at its end.
struct apus__world {
    struct apus__table cell_table; // read on every send
    uint32_t owner_count;
    struct apus__owner **owners;
    struct apus__table timer_table;
    struct apus__pool pool;
    struct apus__names *names;
    uint32_t reductions;
    uint32_t generation; // of cells that are new in this run: higher than any of the runs before
    size_t stack_size; // of a process that waits
    bool is_simulated; // one thread acts for everybody (scheduler/simulate.h): it must not wait for another
    // Installed by the layers above. A process has ended while the world is being stopped; a descriptor's watch must go; a process
    // that ran an errand for a plain thread has ended.
    void (*on_end)(void);
    void (*unwatch)(int fd, apus_pid pid);
    int (*watch)(int fd, unsigned events, apus_pid pid); // asks for one io message; errors as apus_watch
    bool (*is_full)(void); // the simulator: whether the next bounded mailbox is to seem full; else NULL
    void (*on_errand_end)(struct apus__owner *here, struct apus_process *process);
    apus_cache_aligned _Atomic uint32_t state;
    _Atomic uint32_t roots;           // processes spawned by plain threads
    _Atomic uint64_t foreign_refs;    // a source of reference ranges for plain threads
    _Atomic uint32_t timer_hand;      // the cell of the timer table that is looked at next for a receiver that has ended
};

extern struct apus__world apus__world __attribute__((visibility("hidden")));

struct apus__carrier;

// What a thread is to Apus, and where it is at the moment: in the runtime or in the program's own code. A scheduler can be taken from a
// thread that stays in the program's code too long (scheduler/rescue.h has the protocol); so every way into the core goes through
// apus__arrive() and every way out through apus__depart(), which cost a plain store each.
struct apus__local {
    _Atomic(struct apus__owner *) here; // the scheduler the thread acts for; NULL: none, or it has been, or is being, taken away
    _Atomic uint32_t inside;            // in the runtime
    _Atomic uint32_t pinned;            // in code of the program that the runtime has called in the middle of something
    _Atomic(struct apus_process *) matching; // and which is a match function of this process: it only looks
    struct apus__carrier *carrier;      // the thread as a carrier (scheduler/carrier.h), or NULL
};

extern __thread struct apus__local apus__local __attribute__((tls_model("initial-exec"), visibility("hidden")));

// The two accesses out of line, for builds and processors in which compiled code might keep the address of a thread-local variable over
// a wait, after which the code may go on on another thread (docs/decisions/0003).
struct apus__owner *apus__arrive_anew(void);
void apus__depart_anew(void);

#if defined(__x86_64__) && !defined(APUS_CONTEXT_TSAN) && !defined(APUS_CONTEXT_ASAN)
#define APUS__LOCAL_IS_DIRECT 1 // addressed by the segment register, which is always the present thread's
#else
#define APUS__LOCAL_IS_DIRECT 0
#endif

// Comes in from the program's code. Returns the scheduler this thread acts for and may act for until it departs; NULL if there is none,
// or if it is in question: ask apus__rejoin().
apus_inline struct apus__owner *apus__arrive(void)
{
#if APUS__LOCAL_IS_DIRECT
    // The store comes before the load: on this side the compiler is held to it here, and the processor by the membarrier that
    // rescue_claim() makes between its store of `here` and its load of `inside`.
    apus_store_relaxed(&apus__local.inside, 1);
    atomic_signal_fence(memory_order_seq_cst);
    // acquire: what was done for the scheduler under a claim that was given up. Pairs with rescue_unclaim().
    return apus_load_acquire(&apus__local.here);
#else
    return apus__arrive_anew();
#endif
}

// Goes out to the program's code.
apus_inline void apus__depart(void)
{
#if APUS__LOCAL_IS_DIRECT
    // release: all that was done inside. Pairs with rescue_claim().
    apus_store_release(&apus__local.inside, 0);
#else
    apus__depart_anew();
#endif
}

// Around a call of the program's code in the middle of something: the scheduler is not taken away meanwhile, and is still this thread's
// afterwards, even if that code has called Apus. That code does not wait. Pinning returns what unpinning is to be given.
apus_inline uint32_t apus__pin(void)
{
    uint32_t inside = apus_load_relaxed(&apus__local.inside);
    apus_bump_relaxed(&apus__local.pinned, 1);
    atomic_signal_fence(memory_order_seq_cst);
    return inside;
}

apus_inline void apus__unpin(uint32_t inside)
{
    apus_store_relaxed(&apus__local.inside, inside);
    atomic_signal_fence(memory_order_seq_cst);
    // release: as apus__depart(), if that was undone above.
    apus_store_release(&apus__local.pinned, apus_load_relaxed(&apus__local.pinned) - 1);
}

// A reference that was never used in this run. Range 0 is nobody's; bit 63 marks timers, bit 62 callers of plain threads.
static inline uint64_t apus__new_ref(struct apus__owner *here)
{
    return ++here->next_ref;
}

// Wakes the thread that acts for the owner. Call it exactly if a push on its inbox said so.
void apus__owner_wake(struct apus__owner *owner, struct apus__owner *here);

// Pushes what `link` and `tag` say (queue/inbox.h) on the owner's inbox, and wakes it if it sleeps.
apus_inline void apus__owner_tell(struct apus__owner *owner, struct apus__owner *here, struct apus__inbox_link *link, unsigned tag)
{
    if (apus__inbox_push(&owner->inbox, link, tag))
        apus__owner_wake(owner, here);
}

#endif
