// process/signal.h - everything that reaches a process: how it is sent, how it arrives, and how a process moves to another owner.
//
// Idea:       a process is private to its owner, so a sender on the same owner acts on it directly: a message is appended to the
//             mailbox, a link is added to the set, with plain stores and no envelope. Any other sender builds an envelope and pushes it
//             on the cell's `remote` stack. The pusher that finds the stack empty, and it alone, hands the cell to the owner's inbox;
//             the owner, when it comes to it, takes the whole stack with one exchange and lets each signal arrive in order.
//
//                 cell.remote:  NULL --push, notify--> chain --push--> chain --owner takes--> NULL
//                                ^ only this push links cell.inbox      ^ these do not
//
// Order:      all signals from A to B arrive in the order sent (R12). A on B's owner appends directly, unless `remote` holds something
//             (which may be A's own, from before A moved here): then it pushes behind it. What A appended directly before it moved
//             away lies in B's mailbox already, and moves with B.
// Moving:     an owner gives a process away by storing the new owner in `cell.owner` (release), as its last access, and pushing
//             the cell on the new owner's inbox. A notification that arrives at an owner the cell has left is passed on to the owner
//             the cell names. So no push ever has to wait for, or even know of, a move.
// Invariants: I1 from the push that finds `remote` NULL until the owner's exchange there is exactly one notification for the cell, so
//             `cell.inbox` is linked at most once.  I2 only the handler of that notification makes `remote` NULL again.
//             I3 a cell is in one run queue, or on its way as a gift, exactly while SCHEDULED is set and it does not run.
// The dead:   a cell is used again at once. A signal that was pushed for an earlier occupant is known by the pid it carries and is
//             answered as for a dead process (noproc), whether the cell is free or has a new occupant.
// Ordering:   push: release (the envelope), pairs with the exchange in signal_take(). The exchange also releases `owner` and all the
//             owner did, for the next pusher that finds NULL (acquire) and then reads `owner`.
// Progress:   sending is lock-free; arriving is wait-free but for the work it causes. Nothing here runs user code except `drop`.
// Checked:    docs/internals/models/mailbox.pml; Tests/C/torture.
#ifndef APUS_PROCESS_SIGNAL_H
#define APUS_PROCESS_SIGNAL_H

#include "process/process.h"
#include "process/relation.h"

// A signal that is not a message.
struct apus__signal {
    enum apus__kind kind;
    apus_pid from;
    uint64_t ref;   // of the monitor, request or unlink
    uint64_t value; // STOP: the phase. SPACE: the size of the message
    const apus_reason *reason;
};

// How a signal lies in an envelope: then the text of the reason.
struct apus__signal_payload {
    uint64_t value;
    apus_reason reason;
};

// Delivers a message: `type`, `from`, `ref`, `kind` and payload are set. Takes it when it returns 0.
// Errors: -ESRCH, -ENOBUFS (the mailbox is full), -EAGAIN (full, and the policy is to block): the caller keeps the message.
apus_inline int apus__deliver(struct apus__owner *here, apus_pid to, apus_message *message);

// Sends a signal; if the receiver is dead, what that means is done instead. Never fails.
void apus__signal_send(struct apus__owner *here, apus_pid to, const struct apus__signal *signal);

// What it means that `message` was meant for a process that is dead: a request fails, everything else is dropped. Frees it.
void apus__message_to_dead(struct apus__owner *here, apus_pid to, apus_message *message);

// Gives the envelope of a round to a process; frees it if that is dead (circle.h).
void apus__signal_pass(struct apus__owner *here, apus_pid to, apus_message *round);

// The owner has taken the link of a cell's notification from its inbox.
void apus__signal_notified(struct apus__owner *here, struct apus_process *process);

// The owner has taken a cell that another owner gave it.
void apus__signal_given(struct apus__owner *here, struct apus_process *process);

// A deadline of the process has come; it is out of the wheel.
void apus__signal_deadline(struct apus__owner *here, struct apus__deadline *deadline);

// A reason by itself, in a message of kind REASON, never failing; and the reason in it.
apus_message *apus__reason_message(struct apus__owner *here, const apus_reason *reason);
static inline const apus_reason *apus__reason_in(const apus_message *why)
{
    return &((const struct apus__signal_payload *)apus_message_payload(why))->reason;
}

// Marks the process as one that must end with `reason`, at its next turn. The first one wins, but for kill.
void apus__must_end(struct apus__owner *here, struct apus_process *process, const apus_reason *reason);

// Says that the process of this pid is as good as dead, to whoever asks from now on (R9). Any thread.
void apus__doom(struct apus_process *process, apus_pid pid);

// Gives up the process's open request or, if that had its outcome already, reports false.
bool apus__abandon(struct apus__owner *here, struct apus_process *process, uint64_t ref);

// Sends the outcome `down` of a request to its caller.
void apus__fail_request(struct apus__owner *here, apus_pid caller, uint64_t ref, apus_pid server, const apus_reason *reason);

// Builds the down message users see. `process` names who ended.
apus_message *apus__down_message(struct apus__owner *here, uint64_t ref, apus_pid process, const apus_reason *reason);

// Bounds (bound.c). Admit counts a user message in; 0 go on, 1 it was dropped (the caller no longer owns it), or an error.
int apus__bound_admit(struct apus__owner *here, struct apus_process *process, struct apus__bound *bound, apus_message *message);
void apus__bound_discount(struct apus__owner *here, struct apus_process *process, apus_message *message);
void apus__bound_wait(struct apus__owner *here, struct apus_process *process, const struct apus__signal *signal);
void apus__bound_abandoned(struct apus__owner *here, struct apus_process *process, uint64_t ref);
void apus__bound_drop_oldest(struct apus__owner *here, struct apus_process *process, struct apus__bound *bound);

// Answers apus_process_info on behalf of the process (inspect.c).
void apus__answer_info(struct apus__owner *here, struct apus_process *process, apus_pid asker, uint64_t ref);

// --- The fast path --------------------------------------------------------------------------------------------------------------

// One that waits for messages, or is idle, gets a turn; one that has not begun runs next, if nobody else does, so that what many send
// to it does not pile up behind them all.
void apus__wake_otherwise(struct apus__owner *here, struct apus_process *process);

// Gives a turn to a process of ours that has none: the next one, if that is free.
apus_inline void apus__schedule_next(struct apus__owner *here, struct apus_process *process)
{
    process->flags |= APUS__SCHEDULED;
    if (apus_likely(here->current && !here->next && process->priority == APUS_PRIORITY_NORMAL))
        here->next = process;
    else
        apus__run_queue_push(&here->run, &process->run, process->priority);
}

// What the process waits for, if that is the outcome of `ref` and has not come; else NULL.
apus_inline struct apus__wait *apus__awaiting(struct apus_process *process, uint64_t ref)
{
    if ((process->flags & (APUS__WAITING | APUS__READY)) != APUS__WAITING || ref == 0 || process->extra->wait->ref != ref)
        return NULL;
    return process->extra->wait;
}

// Has a process without a stack act on the outcome it waits for at once, unless it must end: it does nothing any more.
__attribute__((noinline)) void apus__wait_act(struct apus__owner *here, struct apus__wait *wait);

// The outcome it waits for has come.
apus_inline void apus__wait_decide(struct apus__owner *here, struct apus__wait *wait, apus_message *outcome)
{
    struct apus_process *process = wait->process;
    wait->result = outcome;
    process->flags |= APUS__READY;
    if (apus_likely(!(process->flags & APUS__SCHEDULED)))
        apus__schedule_next(here, process);
    if (apus_unlikely(!wait->fiber))
        apus__wait_act(here, wait);
}

// Hands over the outcome of `ref`, if the process waits for it.
apus_inline bool apus__signal_result(struct apus__owner *here, struct apus_process *process, uint64_t ref, apus_message *message)
{
    struct apus__wait *wait = apus__awaiting(process, ref);
    if (wait)
        apus__wait_decide(here, wait, message);
    return wait != NULL;
}

// The common cases of apus__wake(). False if it is none of them, and nothing has been done.
apus_inline bool apus__wake_quick(struct apus__owner *here, struct apus_process *process)
{
    uint32_t flags = process->flags & (APUS__SCHEDULED | APUS__WAITING | APUS__FRESH | APUS__PILES_UP);
    if (flags == 0 && here->current && !here->next && process->priority == APUS_PRIORITY_NORMAL) {
        process->flags |= APUS__SCHEDULED;
        here->next = process;
        return true;
    }
    return (flags & ~(uint32_t)APUS__PILES_UP) == APUS__SCHEDULED;
}

// The message is in the mailbox of a process of ours: does that give it a turn?
apus_inline void apus__wake(struct apus__owner *here, struct apus_process *process)
{
    if (apus_unlikely(!apus__wake_quick(here, process)))
        apus__wake_otherwise(here, process);
}

// Everything that is not a message or request to an unbounded mailbox of ours.
int apus__deliver_otherwise(struct apus__owner *here, apus_pid to, apus_message *message);

// Whether the process is one of ours to which a message can be delivered at once, with nothing to count.
apus_inline bool apus__find_near(struct apus__owner *here, apus_pid to, struct apus_process **process)
{
    uint32_t index = (uint32_t)to.id;
    *process = apus__cell_at(index);
    // The owner first, then one look at the pid: see apus__is_local(). relaxed: a bound is set before the pid is given to anyone, and
    // never taken away again.
    return index != 0 && index < apus__table_limit(&apus__world.cell_table) && apus__is_local(here, *process, to) &&
           apus_load_relaxed(&(*process)->bound) == NULL;
}

apus_inline int apus__deliver(struct apus__owner *here, apus_pid to, apus_message *message)
{
    struct apus_process *process;
    if (apus_unlikely(message->kind > APUS__REQUEST || !apus__find_near(here, to, &process)))
        return apus__deliver_otherwise(here, to, message);
    apus__mailbox_append(process, message);
    apus__wake(here, process);
    apus_bump_relaxed(&here->counters.sent_local, 1);
    return 0;
}

#endif
