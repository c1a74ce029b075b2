// otp/supervisor_wait.c - the messages that come while a supervisor waits for one of its children.
#include "otp/supervisor_internal.h"

// What a program sends may bear one of the runtime's types and be too small for it.
static const void *supervisor_told(const apus_message *message, const apus_type *type, size_t size)
{
    return apus_message_type(message) == type && apus_message_size(message) >= size ? apus_message_payload(message) : NULL;
}

const apus_down_message *apus__supervisor_told_down(const apus_message *message)
{
    return supervisor_told(message, &apus_type_down, sizeof(apus_down_message));
}

const apus_exit_message *apus__supervisor_told_exit(const apus_message *message)
{
    return supervisor_told(message, &apus_type_exit, sizeof(apus_exit_message));
}

void apus__supervisor_hear_exit(struct apus__supervisor *supervisor, const apus_exit_message *exit)
{
    if (!supervisor->has_custom_starts)
        return;
    struct apus__supervised *supervised =
        (struct apus__supervised *)apus__children_find_pid(&supervisor->decision.children, exit->from);
    if (supervised != NULL) {
        supervised->exit_heard = true;
        supervised->exit_orderly = apus_reason_is_orderly(&exit->reason);
    }
}

static bool supervisor_match_exit(const apus_message *message, void *context)
{
    const apus_pid *pid = context;
    return apus__supervisor_told_exit(message) && apus_pid_equal(apus_message_from(message), *pid);
}

apus_reason apus__supervisor_down_reason(struct apus__supervisor *supervisor, const apus_down_message *down)
{
    apus_reason reason = down->reason;
    reason.text = NULL;
    if (reason.kind != APUS_REASON_NOPROC || !supervisor->has_custom_starts)
        return reason;
    apus_pid pid = down->pid;
    apus_message *exit = apus_receive(supervisor->self, supervisor_match_exit, &pid, 0);
    if (exit != NULL)
        apus__supervisor_hear_exit(supervisor, apus_message_payload(exit));
    apus_message_release(exit);
    const struct apus__supervised *supervised =
        (const struct apus__supervised *)apus__children_find_pid(&supervisor->decision.children, pid);
    if (supervised != NULL && supervised->exit_heard)
        reason = apus_reason_of(supervised->exit_orderly ? APUS_REASON_NORMAL : APUS_REASON_ERROR);
    return reason;
}

// Deals with a message that came while something else is waited for. False: it is to be put aside.
static bool supervisor_absorb(struct apus__supervisor *supervisor, const apus_message *message)
{
    const apus_down_message *down = apus__supervisor_told_down(message);
    const apus_exit_message *exit = apus__supervisor_told_exit(message);
    if (down) {
        apus_reason reason = apus__supervisor_down_reason(supervisor, down);
        apus__decision_note_end(&supervisor->decision, down->pid, &reason);
        return true;
    }
    if (exit) {
        apus__supervisor_hear_exit(supervisor, exit);
        return !apus__decision_obeys(&supervisor->decision, exit->from, &exit->reason);
    }
    return apus_message_type(message) == &apus_type_started;
}

// If there is no memory, a request is answered so; what else is put aside must not be lost: it waits until there is some.
static void supervisor_stash(struct apus__supervisor *supervisor, apus_message *message)
{
    while (!apus__stash_push(&supervisor->stash, message)) {
        if (apus_message_is_request(message)) {
            apus_reply_error(message, apus_reason_error(-ENOMEM, NULL));
            apus_message_release(message);
            return;
        }
        apus_yield(supervisor->self);
    }
}

void apus__supervisor_put_aside(struct apus__supervisor *supervisor, apus_message *message)
{
    if (supervisor_absorb(supervisor, message))
        apus_message_release(message);
    else
        supervisor_stash(supervisor, message);
}

void apus__supervisor_keep_aside(struct apus__supervisor *supervisor, apus_message *message)
{
    if (!supervisor_absorb(supervisor, message) && apus_message_keep(message) == 0)
        supervisor_stash(supervisor, message);
}

bool apus__supervisor_is_started(const struct apus__supervisor *supervisor, const apus_message *message)
{
    const apus_started *started = supervisor_told(message, &apus_type_started, sizeof *started);
    return started && apus_pid_equal(started->pid, supervisor->starting);
}

// In init: only what is waited for.
static bool supervisor_match_awaited(const apus_message *message, void *context)
{
    const struct apus__supervisor *supervisor = context;
    const apus_down_message *down = apus__supervisor_told_down(message);
    if (!down)
        return apus__supervisor_is_started(supervisor, message);
    const struct apus__child *child = apus__children_find_pid(&supervisor->decision.children, down->pid);
    return child != NULL && child->state == APUS__CHILD_STOPPING;
}

apus_message *apus__supervisor_next(struct apus__supervisor *supervisor, uint64_t until_ms)
{
    uint64_t timeout_ms = APUS_INFINITY;
    if (until_ms != APUS_INFINITY) {
        uint64_t now_ms = apus_now_ms();
        timeout_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    }
    bool in_init = supervisor->stage == APUS__SUPERVISOR_IN_INIT;
    return apus_receive(supervisor->self, in_init ? supervisor_match_awaited : NULL, supervisor, timeout_ms);
}
