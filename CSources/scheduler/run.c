// scheduler/run.c - a process's turn: its callbacks, one message after the other, and its end.
#include "process/system.h"
#include "scheduler/rescue.h"
#include "scheduler/slot.h"

static const apus_reason run_normal = {.kind = APUS_REASON_NORMAL};

// How often a wait may return because the process must end, before it loses its stack all the same.
enum { UNWOUND_MAX = 100 };

// --- Ending ---------------------------------------------------------------------------------------------------------------------

// The program's code is called between these two. It may stay away so long that the slot is taken from this thread meanwhile; then the
// process has come back to it by the second one, on another thread.
apus_inline void run_go_out(void)
{
    apus__depart();
}

apus_inline void run_come_back(struct apus__slot *slot)
{
    if (apus_unlikely(apus__arrive() != &slot->owner))
        apus__return();
}

// Lets the state go, unless it is not made yet, or the process was in the middle of changing it. `why` holds the reason, or is NULL; a
// fault frees it.
static void run_clean_up(struct apus__slot *slot, struct apus_process *process, apus_message *why)
{
    struct apus__owner *here = &slot->owner;
    if (!process->behaviour->cleanup || process->flags & APUS__STARTING)
        return;
    process->flags |= APUS__CLEANING;
    here->current = process;
    here->handling = why; // before, it may be that of another process, which waits
    run_go_out();
    process->behaviour->cleanup(process, process->state);
    run_come_back(slot);
    here->handling = NULL;
    here->current = NULL;
}

// Ends a process that a signal has told to: its first message says why.
static void run_end_by_signal(struct apus__slot *slot, struct apus_process *process)
{
    struct apus__owner *here = &slot->owner;
    apus_message *why = apus__mailbox_pop(process);
    if (process->flags & APUS__WAITING)
        apus__slot_drop_stack(slot, process);
    else
        run_clean_up(slot, process, why);
    apus__process_end(here, process, apus__reason_in(why));
    apus__message_free(here, why);
}

// What the callback was given is no longer needed, unless the process has kept it. A request that was not answered stays open.
static void run_finish_handling(struct apus__owner *here, struct apus_process *process)
{
    apus_message *message = here->handling;
    here->handling = NULL;
    if (message->flags & APUS__HELD)
        return;
    if (message->kind == APUS__REQUEST && !(message->flags & APUS__ANSWERED))
        apus__relation_add(here, process, APUS__ASKED_BY, message->ref.id, message->from.id, true);
    apus__message_drop(here, message);
}

apus_inline void run_finish_message(struct apus__owner *here, struct apus_process *process)
{
    if (here->handling)
        run_finish_handling(here, process);
}

// Ends a process of its own accord: terminate is called, and may wait. `why` holds the reason, or is NULL for `plain`.
static void run_end(struct apus__slot *slot, struct apus_process *process, apus_message *why, const apus_reason *plain)
{
    struct apus__owner *here = &slot->owner;
    run_finish_message(here, process);
    const apus_reason *reason = why ? apus__reason_in(why) : plain;
    here->handling = why;
    process->flags |= APUS__ENDING;
    if (process->flags & APUS__STARTED && process->behaviour->terminate) {
        run_go_out();
        process->behaviour->terminate(process, process->state, reason);
        run_come_back(slot);
    }
    here->handling = NULL;
    here->current = NULL;
    if (process->flags & APUS__EXITING) { // killed meanwhile
        if (why)
            apus__message_free(here, why);
        run_end_by_signal(slot, process);
        return;
    }
    run_clean_up(slot, process, why);
    apus__process_end(here, process, reason);
    if (why)
        apus__message_free(here, why);
}

// The reason given to apus_exit, now the caller's; NULL if there is none.
static apus_message *run_exit_reason(struct apus_process *process)
{
    apus_message *why = process->extra ? process->extra->exit_reason : NULL;
    if (why)
        process->extra->exit_reason = NULL;
    return why;
}

// A kill that was sent during the callback is the reason (R11), though it lies in the inbox still: whoever has sent it has been told since
// that the process is dead. relaxed: if the callback knows of it, or the sender acts on its end, that orders it.
static void run_hear_kill(struct apus__slot *slot, const struct apus_process *process)
{
    if (apus_load_relaxed(&process->doomed) == apus__pid_of_cell(process).id)
        apus__slot_receive(slot);
}

// Acts on what a callback returned, if it was not APUS_OK, or on a signal that came during it. The process has ended afterwards.
apus_cold static void run_end_by_result(struct apus__slot *slot, struct apus_process *process, int result)
{
    run_hear_kill(slot, process);
    if (process->flags & APUS__EXITING) {
        run_finish_message(&slot->owner, process);
        slot->owner.current = NULL;
        run_end_by_signal(slot, process);
        return;
    }
    if (result == APUS_EXITED) {
        run_end(slot, process, run_exit_reason(process), &run_normal);
    } else if (result == APUS_DONE) {
        run_end(slot, process, NULL, &run_normal);
    } else {
        apus_reason reason = apus_reason_error(result < 0 ? result : -EPROTO, result < 0 ? NULL : "a callback returned an unknown value");
        run_end(slot, process, NULL, &reason);
    }
}

// --- Beginning ------------------------------------------------------------------------------------------------------------------

static void run_body(struct apus__slot *slot, struct apus_process *process, void *argument)
{
    apus__process_ack(&slot->owner, process, APUS_OK, NULL);
    run_go_out();
    (*apus__body(process))(process, argument);
    run_come_back(slot);
    run_end_by_result(slot, process, process->extra && process->extra->exit_reason ? APUS_EXITED : APUS_DONE);
}

// Calls init. True if the process lives on.
static bool run_start(struct apus__slot *slot, struct apus_process *process)
{
    struct apus__owner *here = &slot->owner;
    apus_message *spawn = process->first && process->first->kind == APUS__SPAWN ? process->first : NULL;
    if (spawn)
        apus__mailbox_pop(process);
    process->flags &= ~(uint32_t)APUS__STARTING;
    here->current = process;
    here->handling = spawn;
    void *argument = spawn ? apus__spawn_argument(spawn) : NULL;
    if (process->flags & APUS__BLOCKING) {
        run_body(slot, process, argument);
        return false;
    }
    int result = APUS_OK;
    if (process->behaviour->init) {
        run_go_out();
        result = process->behaviour->init(process, process->state, argument);
        run_come_back(slot);
    }
    run_finish_message(here, process);
    if (apus_likely(result == APUS_OK && !(process->flags & APUS__EXITING))) {
        process->flags |= APUS__STARTED;
        apus__process_ack(here, process, APUS_OK, NULL);
        return true;
    }
    if (result == APUS_IGNORE) {
        apus__process_ack(here, process, APUS_IGNORE, NULL);
        result = APUS_DONE;
    } else if (result == APUS_DONE && !(process->flags & APUS__EXITING)) {
        apus__process_ack(here, process, APUS_OK, NULL);
    }
    run_end_by_result(slot, process, result);
    return false;
}

// --- Waiting --------------------------------------------------------------------------------------------------------------------

// The first message from this one on that the wait's match function wants, or NULL; *before becomes the one in front of it, or the last.
static apus_message *run_match(struct apus_process *process, const struct apus__wait *wait, apus_message *message, apus_message **before)
{
    uint32_t inside = apus__pin();
    apus_store_relaxed(&apus__local.matching, process);
    while (message && !wait->match(message, wait->context)) {
        *before = message;
        message = apus__mailbox_next(process, message);
    }
    apus_store_relaxed(&apus__local.matching, NULL);
    apus__unpin(inside);
    return message;
}

// Takes `message`, which comes after `before`, and holds it. NULL if there is no memory for that: then it stays where it is.
static apus_message *run_take(struct apus__owner *here, struct apus_process *process, struct apus__wait *wait, apus_message *before,
                              apus_message *message)
{
    apus_message *holder = apus__holder_for(here, message);
    wait->lacks_memory = !holder;
    if (apus_unlikely(!holder))
        return NULL;
    apus__mailbox_take(process, before, message);
    apus__hold_by(process, message, holder);
    return message;
}

apus_message *apus__wait_take(struct apus__owner *here, struct apus_process *process, struct apus__wait *wait)
{
    if (apus_unlikely(process->flags & APUS__EXITING))
        return NULL; // it ends here; its first message is the reason
    apus_message *before = wait->seen;
    apus_message *message = before ? apus__mailbox_next(process, before) : process->first;
    if (message && wait->match)
        message = run_match(process, wait, message, &before);
    if (message)
        return run_take(here, process, wait, before, message);
    wait->seen = before;
    return NULL;
}

static bool run_wait_is_over(struct apus__owner *here, struct apus_process *process)
{
    struct apus__wait *wait = process->extra->wait;
    if (process->flags & APUS__READY)
        return true;
    if (!wait->takes_messages)
        return false;
    wait->result = apus__wait_take(here, process, wait);
    return wait->result || wait->lacks_memory;
}

// Whether a process that must end goes on from its wait, to return from its callback by itself.
static bool run_may_unwind(struct apus_process *process)
{
    const uint32_t both = APUS__WAITING | APUS__UNWINDS;
    return (process->flags & both) == both && process->extra->unwound++ < UNWOUND_MAX;
}

// --- Ending while its thread is in a callback -----------------------------------------------------------------------------------

// The process is gone for everybody else, and is buried when its thread comes back.
static void run_depart(struct apus__slot *slot, struct apus_process *process)
{
    struct apus__owner *here = &slot->owner;
    apus_message *why = apus__mailbox_pop(process);
    struct apus__fiber *fiber = process->extra->wait->fiber;
    apus__process_depart(here, process, process->extra->wait->handling, apus__reason_in(why));
    apus__message_free(here, why);
    if (fiber->has_crashed) // and will not come back; if it is about to say so, it is buried when it has (apus__slot_come_back)
        apus__fiber_crashed(slot, fiber);
}

void apus__run_bury(struct apus__slot *slot, struct apus_process *process, apus_message *handling, bool has_returned)
{
    if (has_returned)
        run_clean_up(slot, process, NULL);
    apus__process_bury(&slot->owner, process, handling);
}

// --- The turn -------------------------------------------------------------------------------------------------------------------

// R36: a process that traps exits ends all the same when its parent, or the stop of the runtime, tells it to.
static bool run_is_parents_exit(const struct apus_process *process, const apus_message *message)
{
    if (message->type != &apus_type_exit)
        return false;
    return message->marks & APUS__FROM_STOP ||
           (process->flags & APUS__PARENT_LINKED && apus_pid_equal(message->from, process->parent));
}

// What handling a message may need beyond the plain one: bounds, and exits from the parent. False if the process has ended.
apus_cold static bool run_special(struct apus__slot *slot, struct apus_process *process, apus_message *message)
{
    apus__bound_discount(&slot->owner, process, message);
    if (message->kind != APUS__SYSTEM || !run_is_parents_exit(process, message))
        return true;
    apus_exit_message *exit = apus_message_payload(message);
    apus_message *why = apus__reason_message(&slot->owner, &exit->reason);
    slot->owner.handling = message;
    run_end(slot, process, why, NULL);
    return false;
}

// Asks ahead of time for the messages that come after `message`, which has just been taken.
apus_inline void run_look_ahead(const struct apus_process *process, const apus_message *message)
{
    if (message->block == APUS__SEGMENT) {
        if (apus__segment_line(message) == 1)
            apus__segment_prefetch(message);
    } else if (process->first) {
        // Two ahead: the next one was asked for a turn of this loop ago, and tells where the one after it lies.
        __builtin_prefetch(apus__message_next(process->first));
    }
}

// Handles what lies in the mailbox, as far as the turn reaches.
apus_hot void apus__run_messages(struct apus__slot *slot, struct apus_process *process)
{
    struct apus__owner *here = &slot->owner;
    here->current = process;
    uint64_t handled = 0;
    while (process->first) {
        apus_message *message = apus__mailbox_pop(process);
        run_look_ahead(process, message);
        if (apus_unlikely(message->kind == APUS__SYSTEM || message->flags & APUS__COUNTED) && !run_special(slot, process, message))
            return;
        here->handling = message;
        apus__record(here, message->from.id, apus__pid(process).id, message->type);
        int result = APUS_OK;
        if (apus_likely(process->behaviour->handle != NULL)) {
            run_go_out();
            result = process->behaviour->handle(process, process->state, message);
            run_come_back(slot);
        }
        handled++;
        if (apus_likely(here->handling == message &&
                        (apus__message_is_done(message) ? !message->type->drop : apus__message_is_moved(message)))) {
            here->handling = NULL;
            apus__message_free(here, message);
        } else {
            run_finish_message(here, process);
        }
        if (apus_unlikely(result != APUS_OK || process->flags & (APUS__EXITING | APUS__FOLLOWS))) {
            if (result == APUS_OK && !(process->flags & APUS__EXITING))
                break; // to move first
            run_end_by_result(slot, process, result);
            apus_bump_relaxed(&here->counters.handled, handled);
            return;
        }
        if (apus_unlikely(--here->budget == 0) && !apus__turn_goes_on(slot))
            break;
    }
    apus_bump_relaxed(&process->tally, handled << APUS__TALLY_REDUCTIONS);
    apus_bump_relaxed(&here->counters.handled, handled);
    here->current = NULL;
    if (apus_unlikely(process->first || process->flags & APUS__LONG) && apus__system_limit(APUS_SYSTEM_LONG_MAILBOX))
        apus__system_look_at_mailbox(here, process);
    if (process->first)
        apus__run_queue_push(&here->run, &process->run, process->priority);
    else
        process->flags &= ~(uint32_t)APUS__SCHEDULED;
}

// The turn of a process that is not simply handling messages.
apus_cold struct apus__context *apus__run_slow(struct apus__slot *slot, struct apus_process *process)
{
    if (process->flags & APUS__FOLLOWS && !(process->flags & APUS__WAITING)) {
        process->flags &= ~(uint32_t)APUS__FOLLOWS;
        if (apus__may_move(process) && !(process->flags & APUS__EXITING)) {
            struct apus__slot *to = apus__machine.slots[apus__tally_middle(process)];
            if (slot->owner.in_bulk)
                apus__pace_pass_on(&slot->pace, &to->pace);
            apus__give(slot, process, to);
            return NULL;
        }
        if (!(process->flags & APUS__SLOW)) {
            apus__run_messages(slot, process);
            return NULL;
        }
    }
    if (process->flags & APUS__EXITING) {
        if (process->flags & APUS__WAITING && process->extra->wait->is_detached)
            run_depart(slot, process);
        else if (run_may_unwind(process))
            return apus__slot_resume(slot, process);
        else
            run_end_by_signal(slot, process);
        return NULL;
    }
    if (process->flags & APUS__WAITING) {
        if (run_wait_is_over(&slot->owner, process))
            return apus__slot_resume(slot, process);
        process->flags &= ~(uint32_t)APUS__SCHEDULED;
        return NULL;
    }
    if (run_start(slot, process))
        apus__run_messages(slot, process);
    return NULL;
}

struct apus__context *apus__run_then(struct apus__slot *slot, struct apus_process *process)
{
    struct apus__wait *wait = process->extra->wait;
    wait->then(&slot->owner, wait);
    return apus__run_slow(slot, process);
}
