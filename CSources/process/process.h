// process/process.h - a process: one cell of 192 bytes in the process table, plus what it asks for.
//
//     line 0   written by other owners and plain threads    remote  inbox  pid  doomed  owner  generation  bound  name  link
//     line 1   the owner's, touched for each message        first  last  run  behaviour  state  flags  priority  relations  extra
//     line 2   the owner's, touched seldom, and state       parent  tally  small[48]
//
// A cell is type-stable: it is never unmapped while the runtime runs, and when its process ends it is used again by the same owner at
// once, with the next generation in its pid. What makes this safe without waiting for a grace period (docs/decisions/0001): a signal
// pushed from elsewhere carries the pid it is meant for, and the owner answers for the dead one if the occupant is another by then.
//
// Who:        `remote`, `inbox`: signal.c.  `pid`, `owner`: read by all, written by the owner.  `doomed`: any thread, by
//             compare-and-swap.  `bound`: set by the owner, stays with the cell for ever; its counters belong to the senders.
//             `name`: by exchange (name.c).  `link`: the table's while the cell is free, the nursery's while it is in there, and the
//             owner's while it is FRESH: the cell in front of it.
#ifndef APUS_PROCESS_PROCESS_H
#define APUS_PROCESS_PROCESS_H

#include "process/message.h"
#include "process/owner.h"

enum apus__flags {
    APUS__SCHEDULED = 1u << 0,     // in a run queue, or running, or on its way to another owner
    APUS__STARTING = 1u << 1,      // init has not been called yet
    APUS__WAITING = 1u << 2,       // its stack is set aside: extra->wait says for what
    APUS__EXITING = 1u << 3,       // must end at its next turn; the first message says why
    APUS__TRAPS = 1u << 4,
    APUS__PARENT_LINKED = 1u << 5, // spawned with a link: an exit from the parent ends it even if it traps
    APUS__ACK = 1u << 6,           // owes its parent a started message
    APUS__STARTED = 1u << 7,       // init has succeeded: terminate may be called
    APUS__READY = 1u << 8,         // what it waits for has come
    APUS__BLOCKING = 1u << 9,      // one straight-line body
    APUS__ENDING = 1u << 10,       // of its own accord: terminate is running, or has run
    APUS__UNBORN = 1u << 11,       // in a nursery, or its spawn signal is under way
    APUS__ROOT = 1u << 12,         // spawned by a plain thread, not as an errand: counted in the world's roots
    APUS__NODE_BOUND = 1u << 13,   // spawned for one NUMA node: stays there
    APUS__FOLLOWS = 1u << 14,      // at its next turn, moves to the owner its messages come from
    APUS__FRESH = 1u << 15,        // has not begun, and waits for that in its owner's list of fresh processes
    APUS__OPEN = 1u << 16,         // the segment of its last message has room (segment.h)
    APUS__UNWINDS = 1u << 17,      // a wait in which it must end returns
    APUS__CLEANING = 1u << 18,     // cleanup runs: no more waits
    APUS__DEPARTED = 1u << 19,     // has ended for everybody else; its thread is still in a callback
    APUS__LONG = 1u << 20,         // the subscriber of system events has been told of its long mailbox
    APUS__KEEPS_THREAD = 1u << 21, // a callback ends on the thread it began on (scheduler/rescue.h)
    APUS__PILES_UP = 1u << 22,     // has sent to a mailbox that is full of messages: gives way to others
    APUS__ERRAND = 1u << 23,       // does something for a plain thread, which waits for its end
    APUS__OPEN_WIDE = 3u << 24,    // as OPEN, of a wide segment: how many lines each of its messages takes, less one
    // Any of these takes a turn out of the fast path.
    APUS__SLOW = APUS__STARTING | APUS__WAITING | APUS__EXITING | APUS__FOLLOWS
};

// Something with a time limit, in the owner's wheel.
enum apus__deadline_kind { APUS__DEADLINE_WAIT, APUS__DEADLINE_REQUEST, APUS__DEADLINE_TIMER, APUS__DEADLINE_LOOK };
struct apus__deadline {
    struct apus__wheel_entry entry;
    uint32_t kind;
    uint32_t cell; // REQUEST: index of the process. TIMER: index of the timer. LOOK, which is that of a WAIT (circle.h): none
};

// A mailbox bound. The counters are exact: each user message counted is discounted by whoever takes it out of the cell.
struct apus__bound {
    _Atomic uint64_t messages, bytes;
    _Atomic uint64_t messages_limit, bytes_limit; // UINT64_MAX: none
    _Atomic uint64_t dropped;
    _Atomic uint32_t policy;
    _Atomic uint32_t waiters; // senders that wait for space
    _Atomic uint64_t dead_letters;
};

// Why a stack is set aside. Lives on that stack, or without one in another block of the process's. Up to `process` it is the caller's to
// set, after apus__wait_init(); the rest is set by the steps of waiting (scheduler/wait.h).
struct apus__wait {
    apus_match *match; // NULL with `takes_messages`: every message
    void *context;
    apus_message *seen;   // the last message looked at in vain
    uint64_t ref;         // the reply awaited; 0: none
    apus_pid asked;       // by whom; and the signal that tells it that the reply is awaited no more
    apus_message *result;
    uint64_t due;         // of the deadline, 0: none, while it is a LOOK
    uint8_t take_back;
    bool takes_messages;  // false: only the reply to `ref`, or time
    bool yields;          // it is over at once, but others come first
    bool lacks_memory;    // for what would hold the message, which stays in the mailbox
    bool is_detached; // it does not wait: its thread has lost the scheduler and still runs its callback (scheduler/rescue.h)
    struct apus_process *process;
    apus_message *handling; // what the callback that waits was given
    struct apus__deadline deadline;
    void *fiber; // the stack, to the scheduler layer; before the wait, the one to go on with; NULL: there is none, but
    void (*then)(struct apus__owner *here, struct apus__wait *wait); // what ends the wait (scheduler/wait.h)
};

// One cache line: clearing all of it is done by a string instruction, which takes as long as a switch of stacks.
apus_inline void apus__wait_init(struct apus__wait *wait)
{
    memset(wait, 0, offsetof(struct apus__wait, process));
}

// What most processes do without.
struct apus__extra {
    apus_message *held;        // received, kept or made by the process, not released yet: linked both ways
    apus_message *exit_reason; // given to apus_exit
    struct apus__wait *wait;
    struct apus__arena_chunk *arena;
    size_t arena_used;
    size_t arena_limit;
    uint32_t pins;             // reasons not to move to another owner: requests with a time limit; that it has only to end
    uint32_t unwound;          // waits that returned because the process must end
    uint64_t serving;          // the request that a blocking body took last, if it has neither answered nor kept it
    char label[64];
};

enum { APUS__STATE_INLINE = 48 };

struct apus_process {
    apus_cache_aligned _Atomic(apus_message *) remote; // signals from elsewhere, newest first; whoever finds it NULL notifies
    struct apus__inbox_link inbox;                     // linked exactly while a notification is under way
    _Atomic uint64_t pid;                              // of the occupant; 0: none
    _Atomic uint64_t doomed;                           // pid of an occupant that `kill` was sent to
    _Atomic uint32_t owner;
    uint32_t generation;
    _Atomic(struct apus__bound *) bound;
    _Atomic(struct apus__name *) name;
    apus__table_link link;

    apus_cache_aligned apus_message *first; // mailbox
    apus_message *last;                     // meaningless if `first` is NULL
    union {
        struct apus__run_link run;     // in the owner's run queue
        struct apus__inbox_link gift;  // on its way to another owner
        struct apus_process *homeward; // dead, and gathered to be sent home
    };
    const apus_behaviour *behaviour;
    void *state;
    uint32_t flags;
    uint8_t priority;
    uint8_t state_block; // size class of the state's block, if it is not `small`
    uint16_t home;       // 1 + the owner that carved the cell
    struct apus__relation *relations; // a list, or a table (relation.c)
    struct apus__extra *extra;

    apus_cache_aligned apus_pid parent;
    _Atomic uint64_t tally; // reductions << APUS__TALLY_REDUCTIONS | middle << 8 | whose << 5 | ahead, see below
    char small[APUS__STATE_INLINE];
};

_Static_assert(sizeof(struct apus_process) == 192, "a process is three cache lines");

// Four numbers in the tally: how many messages were handled, which is counted at the end of each turn, by one addition; in the middle,
// with FOLLOWS, the owner to move to, and else how many will have been handled if none comes but from other owners (the low 16 bits);
// then a vote (Boyer and Moore, 1981): by how much the messages of one other owner that found the process idle are ahead of all others,
// its own owner's among them; and which that is, as far as three bits tell.
// Who: the owner's; relaxed, since others read how many messages were handled, as a hint.
enum { APUS__TALLY_AHEAD = 0x1f, APUS__TALLY_WHOSE = 5, APUS__TALLY_VOTE = 0xff, APUS__TALLY_MIDDLE = 8, APUS__TALLY_REDUCTIONS = 24 };

static inline uint64_t apus__reductions(const struct apus_process *process)
{
    return apus_load_relaxed(&process->tally) >> APUS__TALLY_REDUCTIONS;
}

// Whether one of two that talk has handled so much more than the other that it must do so with many.
static inline bool apus__is_hub(const struct apus_process *process, const struct apus_process *other)
{
    enum { MARGIN = 2 };
    return apus__reductions(process) > 2 * apus__reductions(other) + MARGIN;
}

static inline uint16_t apus__tally_middle(const struct apus_process *process)
{
    return (uint16_t)(apus_load_relaxed(&process->tally) >> APUS__TALLY_MIDDLE);
}

// Sets everything but the reductions.
static inline void apus__tally_set(struct apus_process *process, unsigned middle, unsigned vote)
{
    uint64_t reductions = apus__reductions(process) << APUS__TALLY_REDUCTIONS;
    apus_store_relaxed(&process->tally, reductions | (uint64_t)(uint16_t)middle << APUS__TALLY_MIDDLE | vote);
}

// `count` signals have come from other owners. Without FOLLOWS.
static inline void apus__tally_foresee(struct apus_process *process, unsigned count)
{
    apus__tally_set(process, apus__tally_middle(process) + count, apus_load_relaxed(&process->tally) & APUS__TALLY_VOTE);
}

// The same, and they have found the process idle, which speaks for a move to `owner`, who sent the last of them, or against any move.
// What was handled beyond all that was foreseen came from its own owner. Returns by how much that owner is ahead now; 0 if it is not.
static inline unsigned apus__tally_woken(struct apus_process *process, unsigned count, uint32_t owner, bool speaks_for)
{
    uint16_t handled = (uint16_t)apus__reductions(process), more = (uint16_t)(handled - apus__tally_middle(process));
    unsigned against = more <= INT16_MAX ? more : 0, vote = apus_load_relaxed(&process->tally) & APUS__TALLY_VOTE;
    unsigned ahead = vote & APUS__TALLY_AHEAD, whose = vote >> APUS__TALLY_WHOSE, asks = owner & APUS__TALLY_VOTE >> APUS__TALLY_WHOSE;
    ahead -= against < ahead ? against : ahead;
    if (ahead == 0)
        whose = asks;
    if (speaks_for && whose == asks)
        ahead++;
    else if (ahead > 0)
        ahead--;
    apus__tally_set(process, handled + count, whose << APUS__TALLY_WHOSE | ahead);
    return whose == asks ? ahead : 0;
}

static inline uint32_t apus__index_of(const struct apus_process *process)
{
    return (uint32_t)(process - (const struct apus_process *)(const void *)apus__world.cell_table.base);
}

static inline struct apus_process *apus__cell_at(uint32_t index)
{
    return (struct apus_process *)(void *)apus__world.cell_table.base + index;
}

static inline apus_pid apus__pid(struct apus_process *process)
{
    // relaxed: for the owner's own use, or compared by value; nothing is read on the strength of it.
    return (apus_pid){apus_load_relaxed(&process->pid)};
}

// The pid of a process, by its owner, or the one that it had, when nobody else finds it any more and there is something left to be done.
static inline apus_pid apus__pid_of_cell(const struct apus_process *process)
{
    return (apus_pid){(uint64_t)process->generation << 32 | apus__index_of(process)};
}

// Whom a signal from `here` is from: the process that runs, or nobody.
static inline apus_pid apus__sender(const struct apus__owner *here)
{
    return here->current ? apus__pid(here->current) : APUS_NOBODY;
}

// The cell a pid names if its process has not ended, else NULL. The process may end at any moment if it is another owner's.
apus_inline struct apus_process *apus__find(apus_pid pid)
{
    uint32_t index = (uint32_t)pid.id;
    if (apus_unlikely(index >= apus__table_limit(&apus__world.cell_table)))
        return NULL;
    struct apus_process *process = apus__cell_at(index);
    // acquire: that a process is gone is news of its end, and its watches and name were released before. Pairs with the store of 0 in
    // apus__process_end().
    if (apus_unlikely(apus__pid(process).id != pid.id || pid.id == 0))
        return apus_load_acquire(&process->pid) == pid.id && pid.id ? process : NULL;
    return process;
}

// Whether a signal from `here` to the process found by `pid` can be delivered at once: the cell is ours, and nothing that was sent
// before waits in `remote`. A sender that has moved here finds its own earlier pushes, since moving orders them (signal.h).
apus_inline bool apus__is_local(struct apus__owner *here, struct apus_process *process, apus_pid pid)
{
    // acquire: if the cell has just been given to us, all the giver did to it; the gift itself may still lie in our inbox. Pairs with
    // the stores of `owner` in share_take() (scheduler/share.c) and apus__cells_send_home(). By the latter the process may have ended
    // since it was found, hence the second look at its pid, which from here on only we can change.
    // relaxed: only this thread makes `remote` NULL, and a push of the sender's own was ordered before this by whatever brought the
    // sender here.
    return apus_load_acquire(&process->owner) == here->id && apus_likely(apus__pid(process).id == pid.id) &&
           apus_load_relaxed(&process->remote) == NULL;
}

apus_inline void apus__schedule(struct apus__owner *here, struct apus_process *process)
{
    if (!(process->flags & APUS__SCHEDULED)) {
        process->flags |= APUS__SCHEDULED;
        apus__run_queue_push(&here->run, &process->run, process->priority);
    }
}

// The list of fresh processes: spawned here and not begun, the last one first. Linked both ways, since one that is sent a message may
// be taken out of its middle: by `run`, and back by `link`, which holds the index of the cell in front, 0 in the first.
apus_inline void apus__fresh_push(struct apus__owner *here, struct apus_process *process)
{
    struct apus__run_link *behind = here->fresh;
    process->flags |= APUS__SCHEDULED | APUS__FRESH;
    process->run.next = behind;
    // relaxed, here and below: the word is the owner's; atomic only because of late readers of the nursery and the table.
    apus_store_relaxed(&process->link, 0);
    if (behind)
        apus_store_relaxed(&apus_container_of(behind, struct apus_process, run)->link, apus__index_of(process));
    here->fresh = &process->run;
    here->fresh_count++;
}

apus_inline void apus__fresh_remove(struct apus__owner *here, struct apus_process *process)
{
    uint32_t before = (uint32_t)apus_load_relaxed(&process->link);
    struct apus__run_link *behind = process->run.next;
    if (before)
        apus__cell_at(before)->run.next = behind;
    else
        here->fresh = behind;
    if (behind)
        apus_store_relaxed(&apus_container_of(behind, struct apus_process, run)->link, before);
    process->flags &= ~(uint32_t)APUS__FRESH;
    here->fresh_count--;
}

// Whether one of them may have the next turn: not after a row of theirs, while others wait.
apus_inline bool apus__fresh_may_begin(const struct apus__owner *here)
{
    return here->run.mask == 0 || here->fresh_turns < APUS__FRESH_IN_A_ROW;
}

// Whether the process may be given to another owner; not if a stack or deadlines tie it to this one.
static inline bool apus__may_move(const struct apus_process *process)
{
    return !(process->flags & APUS__WAITING) && !(process->extra && process->extra->pins);
}

// --- The mailbox: a list from `first` to `last`, which ends there whatever the last message's link says ---------------------------

static inline apus_message *apus__mailbox_next(const struct apus_process *process, const apus_message *message)
{
    return message == process->last ? NULL : apus__message_next(message);
}

// Whether more than one message waits: then what comes behind them lies in segments.
static inline bool apus__mailbox_has_several(const struct apus_process *process)
{
    return process->first && process->first != process->last;
}

// The lines that each message takes in the wide segment that is open, or 1.
static inline unsigned apus__mailbox_lines(const struct apus_process *process)
{
    return (process->flags & APUS__OPEN_WIDE) / (APUS__OPEN_WIDE / 3) + 1;
}

static inline void apus__mailbox_close_segment(struct apus_process *process)
{
    const apus_message *last = process->last;
    if (process->flags & APUS__OPEN)
        apus__segment_of(last)->left += (int32_t)apus__segment_line(last);
    else
        apus__wide_segment_of(last)->left += (int32_t)((apus__wide_line(last) - 1) / apus__mailbox_lines(process) + 1);
    process->flags &= ~(uint32_t)(APUS__OPEN | APUS__OPEN_WIDE);
}

// The last message is about to be the last no more, but by one in the next line: its segment gives out no more lines.
apus_inline void apus__mailbox_close(struct apus_process *process)
{
    if (apus_unlikely(process->flags & (APUS__OPEN | APUS__OPEN_WIDE)))
        apus__mailbox_close_segment(process);
}

// Appends to the mailbox; does not schedule.
apus_inline void apus__mailbox_append(struct apus_process *process, apus_message *message)
{
    if (process->first) {
        apus__mailbox_close(process);
        apus__message_set_next(process->last, message);
    } else {
        process->first = message;
    }
    process->last = message;
}

static inline void apus__mailbox_prepend(struct apus_process *process, apus_message *message)
{
    if (process->first)
        apus__message_set_next(message, process->first);
    else
        process->last = message;
    process->first = message;
}

// Takes out the first message; there is one.
apus_inline apus_message *apus__mailbox_pop(struct apus_process *process)
{
    apus_message *message = process->first;
    if (message != process->last) {
        process->first = apus__message_next(message);
    } else {
        apus__mailbox_close(process);
        process->first = NULL;
    }
    return message;
}

// Appends lines for a message with more than APUS__LINE_PAYLOAD and at most APUS__WIDE_PAYLOAD bytes of payload; as the next, but NULL
// also if fewer than two messages wait.
apus_message *apus__mailbox_extend_wide(struct apus__owner *here, struct apus_process *process, size_t size);

// Appends a line for a message with at most APUS__LINE_PAYLOAD bytes of payload, or APUS__SHORT_PAYLOAD if it is to be a short one, to be
// filled in but for its link; does not schedule. *block is for apus__message_set_head(). NULL if that takes more than a look: then
// apus__mailbox_extend_slow does it, which returns NULL if there is no memory.
apus_message *apus__mailbox_extend_slow(struct apus__owner *here, struct apus_process *process, uint8_t *block);
apus_inline apus_message *apus__mailbox_extend(struct apus__owner *here, struct apus_process *process, uint8_t *block)
{
    apus_message *message;
    if (!process->first) {
        message = apus__heap_try(&here->heap, 0);
        if (apus_unlikely(!message))
            return NULL;
        *block = 0;
        process->first = message;
    } else {
        message = (apus_message *)((uintptr_t)process->last + APUS_CACHE_LINE);
        if (!(process->flags & APUS__OPEN) || apus__segment_line(message) == 0)
            return NULL;
        apus__unpoison(message, APUS_CACHE_LINE);
        *block = APUS__SEGMENT;
        // In advance, so that the one who takes the next line need not touch this one, and finds that in the cache.
        apus__message_set_next(message, (apus_message *)((uintptr_t)message + APUS_CACHE_LINE));
        __builtin_prefetch((char *)message + APUS_CACHE_LINE, 1);
    }
    process->last = message;
    return message;
}

// Notes a signal in the owner's flight recorder.
apus_inline void apus__record(struct apus__owner *here, uint64_t from, uint64_t to, const void *what)
{
    struct apus__record *record = &here->records[here->record_next++ % APUS__RECORDS];
    record->from = from;
    record->to = to;
    record->what = what;
}

// The process's extra block, made if need be; NULL if there is no memory.
struct apus__extra *apus__extra(struct apus__owner *here, struct apus_process *process);

// Takes `message` out of the mailbox; `before` is the one in front of it, NULL if it is the first.
static inline void apus__mailbox_take(struct apus_process *process, apus_message *before, apus_message *message)
{
    apus_message *next = apus__mailbox_next(process, message);
    if (!next)
        apus__mailbox_close(process);
    if (before && next)
        apus__message_set_next(before, next);
    else if (before)
        process->last = before;
    else
        process->first = next;
}

// Held messages: linked both ways through the envelope, headed by extra->held. Not for a short one.
apus_inline void apus__hold(struct apus_process *process, apus_message *message)
{
    struct apus__extra *extra = process->extra;
    message->flags |= APUS__HELD;
    message->reserved1 = 0;
    apus__message_set_next(message, extra->held);
    if (extra->held)
        extra->held->reserved1 = (uintptr_t)message;
    extra->held = message;
}

// What is to hold a message in the list: itself, or for a short one a HOLDER. NULL if there is no memory for that.
apus_message *apus__holder_new(struct apus__owner *here, apus_message *message);
apus_inline apus_message *apus__holder_for(struct apus__owner *here, apus_message *message)
{
    return apus_likely(!(message->flags & APUS__SHORT)) ? message : apus__holder_new(here, message);
}

// Holds a message that was received, by that.
apus_inline void apus__hold_by(struct apus_process *process, apus_message *message, apus_message *holder)
{
    apus__hold(process, holder);
    if (apus_likely(holder == message))
        return;
    apus__message_set_next(message, holder);
    message->flags |= APUS__HELD;
}

// The message that `held`, from the list, is or stands for.
static inline apus_message *apus__held_message(apus_message *held)
{
    return held->kind == APUS__HOLDER ? *(apus_message **)apus_message_payload(held) : held;
}

// Takes it out of the list, but leaves the mark.
apus_inline void apus__unlink_held(struct apus_process *process, apus_message *held)
{
    apus_message *next = apus__message_next(held), *previous = (apus_message *)(uintptr_t)held->reserved1;
    if (next)
        next->reserved1 = (uintptr_t)previous;
    if (previous)
        apus__message_set_next(previous, next);
    else
        process->extra->held = next;
}

void apus__unhold(struct apus__owner *here, struct apus_process *process, apus_message *message);

#endif
