// otp/supervisor_perform.c - performs the actions that the decision asks for.
#include "otp/supervisor_internal.h"

#include <stdio.h>
#include <string.h>

const apus_type apus__supervisor_retry = {.name = "supervisor.retry", .is_exempt = true};

// The sentence ends with the reason's text.
static void supervisor_note_failure(struct apus__supervisor *supervisor, const struct apus__child *child, const apus_reason *reason)
{
    char *failure = supervisor->failure;
    size_t room = sizeof supervisor->failure;
    size_t size = (size_t)snprintf(failure, room, child->id != NULL ? "child \"%.63s\": " : "a child: ", child->id);
    size += apus_reason_text(reason, failure + size, room - size);
    size_t text_at = size - (reason->text != NULL ? strlen(reason->text) : 0);
    supervisor->has_reason = true;
    supervisor->reason = *reason;
    supervisor->reason.text = reason->text != NULL && text_at < room ? failure + text_at : NULL;
}

void apus__supervisor_reply(const apus_message *request, const void *payload, size_t size)
{
    if (apus_reply(request, NULL, payload, size) == -ENOMEM)
        apus_reply_error(request, apus_reason_error(-ENOMEM, NULL));
}

void apus__supervisor_answer(struct apus__supervisor *supervisor, int status, apus_pid pid)
{
    if (supervisor->request == NULL)
        return;
    struct apus__supervisor_answer answer = {.status = status, .pid = pid};
    size_t size = offsetof(struct apus__supervisor_answer, has_reason);
    if (status < 0) {
        size_t length = strnlen(supervisor->failure, sizeof answer.text - 1);
        memcpy(answer.text, supervisor->failure, length);
        size = offsetof(struct apus__supervisor_answer, text) + length + 1;
        answer.has_reason = supervisor->has_reason;
        answer.reason = supervisor->reason;
        answer.reason_text = answer.reason.text != NULL ? (size_t)(answer.reason.text - supervisor->failure) : sizeof answer.text;
    }
    apus__supervisor_reply(supervisor->request, &answer, size);
    supervisor->request = NULL;
}

static struct apus__event supervisor_failed(struct apus__supervisor *supervisor, const struct apus__child *child, int status,
                                            const apus_reason *reason)
{
    supervisor_note_failure(supervisor, child, reason);
    return (struct apus__event){.kind = APUS__EVENT_FAILED, .status = status, .now_ms = apus_now_ms()};
}

// A child that is started by a function of the user's: it has started when the function returns.
static struct apus__event supervisor_start_custom(struct apus__supervisor *supervisor, struct apus__supervised *supervised)
{
    apus_pid pid = APUS_NOBODY;
    apus__supervisor_forget();
    int status = supervised->spec->start(supervisor->self, supervised->argument, &pid);
    if (status == APUS_IGNORE)
        return (struct apus__event){.kind = APUS__EVENT_IGNORED, .now_ms = apus_now_ms()};
    if (status == APUS_OK && pid.id == 0)
        status = -EPROTO;
    if (status == APUS_OK)
        status = apus_monitor(supervisor->self, pid, &supervisor->monitor);
    if (status != APUS_OK) {
        apus_reason reason;
        status = status < 0 ? status : -EPROTO;
        if (!apus_supervisor_last_reason(&reason)) // it did not start a supervisor, or that is not what failed
            reason = apus_reason_error(status, NULL);
        return supervisor_failed(supervisor, &supervised->child, status, &reason);
    }
    supervised->exit_heard = false;
    return (struct apus__event){.kind = APUS__EVENT_STARTED, .pid = pid, .now_ms = apus_now_ms()};
}

// Waits until the child's init has ended. One that takes too long is killed, and waited for all the same, so that its name is free
// when the answer is given. NULL if there is no memory to wait: then it is killed too.
static apus_message *supervisor_await_started(struct apus__supervisor *supervisor, uint64_t timeout_ms, bool *timed_out)
{
    uint64_t until_ms = timeout_ms == APUS_INFINITY ? APUS_INFINITY : apus_now_ms() + timeout_ms;
    *timed_out = false;
    for (;;) {
        apus_message *message = apus__supervisor_next(supervisor, until_ms);
        if (message == NULL) {
            apus_exit_signal(supervisor->starting, apus_reason_of(APUS_REASON_KILL));
            if (until_ms == APUS_INFINITY)
                return NULL; // no memory to wait: nobody would know of it
            *timed_out = true;
            until_ms = APUS_INFINITY;
            continue;
        }
        if (apus__supervisor_is_started(supervisor, message))
            return message;
        apus__supervisor_put_aside(supervisor, message);
    }
}

struct apus__event apus__supervisor_start_outcome(struct apus__supervisor *supervisor, const struct apus__child *child,
                                                  uint64_t now_ms, const apus_started *started)
{
    if (started->status == APUS_OK)
        return (struct apus__event){.kind = APUS__EVENT_STARTED, .pid = started->pid, .now_ms = now_ms};
    if (started->status == APUS_IGNORE)
        return (struct apus__event){.kind = APUS__EVENT_IGNORED, .now_ms = now_ms};
    return supervisor_failed(supervisor, child, started->status, &started->reason);
}

struct apus__event apus__supervisor_finish_start(struct apus__supervisor *supervisor, const struct apus__child *child,
                                                  uint64_t timeout_ms)
{
    bool timed_out;
    apus_message *message = supervisor_await_started(supervisor, timeout_ms, &timed_out);
    struct apus__event event;
    if (message == NULL || timed_out) {
        apus_reason reason = timed_out ? apus_reason_of(APUS_REASON_TIMEOUT) : apus_reason_error(-ENOMEM, NULL);
        event = supervisor_failed(supervisor, child, timed_out ? -ETIMEDOUT : -ENOMEM, &reason);
    } else {
        event = apus__supervisor_start_outcome(supervisor, child, apus_now_ms(), apus_message_payload(message));
    }
    apus_message_release(message);
    return event;
}

// Starts a child, with the outcome in *event. False: the outcome is pending, and handle is to return.
static bool supervisor_start(struct apus__supervisor *supervisor, struct apus__child *child, struct apus__event *event)
{
    struct apus__supervised *supervised = (struct apus__supervised *)child;
    if (supervised->timer.id != 0) {
        apus_cancel(supervised->timer, NULL);
        supervised->timer = APUS_NO_REF;
    }
    if (supervised->spec->start != NULL) {
        *event = supervisor_start_custom(supervisor, supervised);
        return true;
    }
    int status = apus__supervised_spawn(supervised, &supervisor->starting);
    if (status != 0) {
        apus_reason reason = apus_reason_error(status, NULL);
        *event = supervisor_failed(supervisor, child, status, &reason);
        return true;
    }
    uint64_t timeout_ms = supervised->spec->start_timeout_ms > 0 ? supervised->spec->start_timeout_ms : APUS_INFINITY;
    if (timeout_ms == APUS_INFINITY && supervisor->stage == APUS__SUPERVISOR_AT_WORK && supervisor->request == NULL) {
        supervisor->pending = child;
        return false;
    }
    *event = apus__supervisor_finish_start(supervisor, child, timeout_ms);
    return true;
}

static struct apus__event supervisor_await(struct apus__supervisor *supervisor, uint64_t at_ms)
{
    supervisor->starting = APUS_NOBODY;
    for (;;) {
        apus_message *message = apus__supervisor_next(supervisor, at_ms);
        if (message == NULL && at_ms != APUS_INFINITY)
            return (struct apus__event){.kind = APUS__EVENT_DEADLINE, .now_ms = apus_now_ms()};
        if (message == NULL) {
            apus_yield(supervisor->self); // no memory to wait; there may be some later
            continue;
        }
        const apus_down_message *down = apus__supervisor_told_down(message);
        if (down) {
            struct apus__event event = {.kind = APUS__EVENT_DOWN, .pid = down->pid, .now_ms = apus_now_ms()};
            event.reason = apus__supervisor_down_reason(supervisor, down);
            apus_message_release(message);
            return event;
        }
        apus__supervisor_put_aside(supervisor, message);
    }
}

// The child comes back by this message only: it passes a bound of the mailbox, and waits for memory.
static void supervisor_arm(struct apus__supervisor *supervisor, const struct apus__action *action)
{
    struct apus__supervised *supervised = (struct apus__supervised *)action->child;
    apus_pid me = apus_pid_of(supervisor->self);
    uint64_t ticket = action->ticket;
    if (action->delay_ms > 0 &&
        apus_send_after(action->delay_ms, me, &apus__supervisor_retry, &ticket, sizeof ticket, &supervised->timer) == 0)
        return;
    // Also if there are too many timers.
    while (apus_send(me, &apus__supervisor_retry, &ticket, sizeof ticket) == -ENOMEM)
        apus_yield(supervisor->self);
}

static int supervisor_end(struct apus__supervisor *supervisor)
{
    apus_reason reason = supervisor->decision.reason;
    if (reason.kind == APUS_REASON_ERROR && reason.text == NULL && supervisor->failure[0] != '\0') {
        reason.text = supervisor->failure;
        reason.address = supervisor->reason.address; // what it means is for the layer that the child's error is of
    }
    supervisor->reason = reason;
    if (reason.text != supervisor->failure)
        supervisor->reason.text = NULL;
    apus__supervisor_answer(supervisor, reason.kind == APUS_REASON_ERROR ? reason.code : -ECANCELED, APUS_NOBODY);
    if (supervisor->stage == APUS__SUPERVISOR_IN_TERMINATE)
        return APUS_OK;
    return apus_exit(supervisor->self, reason);
}

int apus__supervisor_perform(struct apus__supervisor *supervisor, struct apus__event event)
{
    for (;;) {
        uint64_t restarts = supervisor->decision.intensity.sum;
        struct apus__action action = apus__decision_step(&supervisor->decision, &event);
        if (supervisor->decision.intensity.sum > restarts)
            apus_system_report(APUS_SYSTEM_MANY_RESTARTS, apus_pid_of(supervisor->self), supervisor->decision.intensity.sum);
        switch (action.kind) {
        case APUS__ACTION_START:
            if (!supervisor_start(supervisor, action.child, &event))
                return APUS_OK;
            continue;
        case APUS__ACTION_WAIT:
            apus__supervisor_free_dropped(supervisor);
            return APUS_OK;
        case APUS__ACTION_SHUTDOWN:
            apus_exit_signal(apus__child_pid(action.child), apus_reason_of(APUS_REASON_SHUTDOWN));
            break;
        case APUS__ACTION_KILL:
            apus_exit_signal(apus__child_pid(action.child), apus_reason_of(APUS_REASON_KILL));
            break;
        case APUS__ACTION_AWAIT:
            event = supervisor_await(supervisor, action.at_ms);
            continue;
        case APUS__ACTION_ARM:
            supervisor_arm(supervisor, &action);
            break;
        case APUS__ACTION_REPLY:
            apus__supervisor_answer(supervisor, action.status, action.pid);
            break;
        case APUS__ACTION_END:
            return supervisor_end(supervisor);
        }
        event.kind = APUS__EVENT_DONE;
    }
}
