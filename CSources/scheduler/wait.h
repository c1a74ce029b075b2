// scheduler/wait.h - setting a stack aside: the way into a wait and out of it.
//
// Idea:       a wait that is over goes on where it was called, on another stack than the one that called the switch. Processors foresee
//             each return from there on wrongly, so all of it is inlined into the function that waits: one wrong guess in place of one
//             for each call on the way.
// Steps:      prepare says what is waited for; then the question is sent; then wait sets the stack aside until it is over: a message it
//             takes, its reply, its deadline. So an outcome that arrives while it is being asked for is not lost. If the question cannot
//             be sent, cancel.
// No stack:   a process that has not begun can wait as well: a function, `then`, ends its wait, and the process begins after that. It is
//             called when the outcome comes, whoever runs, since that is soonest, and without an outcome in the process's turn.
// Who:        the current process, on its slot.
#ifndef APUS_SCHEDULER_WAIT_H
#define APUS_SCHEDULER_WAIT_H

#include "process/system.h"
#include "scheduler/hooks.h"
#include "scheduler/slot.h"
#include "scheduler/timers.h"

apus_inline void wait_begin(struct apus__owner *here, struct apus__wait *wait)
{
    struct apus_process *process = here->current;
    wait->process = process;
    wait->handling = here->handling;
    apus__wheel_entry_init(&wait->deadline.entry);
    wait->deadline.kind = APUS__DEADLINE_WAIT;
    process->extra->wait = wait;
    process->flags |= APUS__WAITING;
}

// Ends one without a stack.
apus_inline void apus__wait_end_then(struct apus__slot *slot, struct apus__wait *wait)
{
    struct apus_process *process = wait->process;
    apus__wheel_remove(&slot->wheel, &wait->deadline.entry);
    process->extra->wait = NULL;
    process->flags &= ~(uint32_t)(APUS__WAITING | APUS__READY);
}

// Errors: -ENOMEM, also if there is no stack to go on with; -EPERM.
apus_inline int apus__wait_prepare(struct apus__slot *slot, struct apus__wait *wait)
{
    struct apus__owner *here = &slot->owner;
    struct apus_process *process = here->current;
    if (apus_unlikely(process->flags & APUS__CLEANING))
        return -EPERM;
    if (apus_unlikely(!process->extra && !apus__extra(here, process)) || apus_unlikely(!(wait->fiber = apus__fiber_take(&slot->fibers))))
        return -ENOMEM;
    wait_begin(here, wait);
    apus_bump_relaxed(&here->counters.waits_begun, 1);
    return 0;
}

// The same without a stack. Errors: -ENOMEM.
apus_inline int apus__wait_prepare_then(struct apus__owner *here, struct apus__wait *wait)
{
    if (apus_unlikely(!here->current->extra && !apus__extra(here, here->current)))
        return -ENOMEM;
    wait->fiber = NULL;
    wait_begin(here, wait);
    return 0;
}

// From then on time ends the wait.
apus_inline void apus__wait_limit(struct apus__slot *slot, struct apus__wait *wait, uint64_t timeout_ms)
{
    if (timeout_ms == APUS_INFINITY)
        return;
    wait->deadline.entry.due = apus__due(timeout_ms);
    apus__wheel_insert(&slot->wheel, &wait->deadline.entry);
}

apus_inline void apus__wait_end(struct apus__slot *slot, struct apus__wait *wait)
{
    apus__wait_end_then(slot, wait);
    apus_bump_relaxed(&slot->owner.counters.waits_ended, 1);
}

apus_inline void apus__wait_cancel(struct apus__slot *slot, struct apus__wait *wait)
{
    apus__fiber_give(&slot->fibers, wait->fiber);
    apus__wait_end(slot, wait);
}

// Whether a process whose stack is being set aside has something to do already.
apus_inline bool apus__wait_is_due(const struct apus_process *process, const struct apus__wait *wait)
{
    return process->flags & (APUS__EXITING | APUS__READY) ||
           (wait->takes_messages && process->first && process->last != wait->seen);
}

// Goes on with another stack; returns when the process goes on with this one.
apus_inline void apus__wait_park(struct apus__slot *slot, struct apus__wait *wait, struct apus__fiber *next)
{
    struct apus__owner *here = &slot->owner;
    struct apus_process *process = wait->process;
    struct apus__fiber *mine = slot->fiber;
    struct apus__hook_state hooks;
    wait->fiber = mine;
    process->flags &= ~(uint32_t)APUS__SCHEDULED;
    if (apus__wait_is_due(process, wait))
        apus__schedule(here, process);
    apus__hooks_leave(&hooks);
    if (apus_unlikely(apus__system_limit(APUS_SYSTEM_LONG_MAILBOX)))
        apus__system_look_at_mailbox(here, process);
    here->current = NULL;
    slot->fiber = next;
    // acquire: see slot_idle(). A wait ends a turn, so an event is looked at here as well, and the loop left from this stack.
    if (apus_unlikely(apus_load_acquire(&slot->events))) {
        apus__fiber_give(&slot->fibers, next);
        slot->fiber = NULL;
        apus__context_switch(&mine->context, slot->native);
    } else {
        apus__context_start(&mine->context, &next->context);
    }
    // A turn of the process has begun (apus__run).
    here->current = process;
    here->handling = wait->handling;
    apus__hooks_enter(&hooks);
}

apus_inline void apus__slot_wait(struct apus__slot *slot, struct apus__wait *wait, uint64_t timeout_ms)
{
    if (apus_unlikely(wait->process->flags & APUS__READY && !wait->yields)) {
        apus__wait_cancel(slot, wait); // the outcome has come while it was being asked for
        return;
    }
    apus__wait_limit(slot, wait, timeout_ms);
    apus__wait_park(slot, wait, wait->fiber);
    apus__wait_end(slot, wait);
}

#endif
