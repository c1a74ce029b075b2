// otp/supervisor.c - the supervisor's process: performs what decision.c decides. Built on the public functions of Apus only.
//
// Idea:       every message becomes an event for the decision, whose actions are performed until it has nothing more to do
//             (decision.h). Starting and stopping children is waited for inside the callback, so that meanwhile no request is
//             served, as in OTP.
// Children:   are spawned with LINK, MONITOR and ACK. Their ends are learnt from the monitor, which no child can undo (R54); the
//             link makes them end with the supervisor, and the exit messages that it brings are thrown away.
// Waiting:    takes whatever comes. The end of a child is noted at once, exit messages of strangers are dropped, and everything
//             else is put aside and handled, in order, before the next message from the mailbox (stash.h). In init nothing may be
//             put aside, since nobody would look there before the next message comes; so there it takes only what it waits for.
// Restarts:   the most frequent wait, for the start of a child that comes back, needs no stack to be set aside: handle returns, and
//             goes on when the started message comes; until then it puts aside what the waits above would.
// Memory:     all of it is in the process's arena, so that nothing is left behind if the supervisor is killed; blocks are used
//             again through the store. A restart allocates nothing here.
// Order:      as the requests come, one at a time; ends of children are dealt with before requests that were put aside.
#include "otp/supervisor.h"

#include "otp/decision.h"
#include "otp/stash.h"

#include <apus/apus.h>

#include <stdio.h>
#include <string.h>

const apus_type apus__supervisor_begin = {.name = "supervisor.begin"};
const apus_type apus__supervisor_start_child = {.name = "supervisor.start_child"};
const apus_type apus__supervisor_restart = {.name = "supervisor.restart_child"};
const apus_type apus__supervisor_terminate = {.name = "supervisor.terminate_child"};
const apus_type apus__supervisor_delete = {.name = "supervisor.delete_child"};
const apus_type apus__supervisor_terminate_pid = {.name = "supervisor.terminate_pid"};
const apus_type apus__supervisor_which = {.name = "supervisor.which_children"};
const apus_type apus__supervisor_count = {.name = "supervisor.count_children"};
const apus_type apus__supervisor_stop = {.name = "supervisor.stop"};

// Carries the ticket of a pending restart.
static const apus_type supervisor_retry = {.name = "supervisor.retry"};

// A child, and how to start it.
struct supervised {
    struct apus__child child;    // first, so that a child is its supervised
    const apus_child_spec *spec; // in the block below, or the template's
    const void *argument;
    size_t argument_size;
    apus_ref timer;              // of the pending restart, if its delay is not zero
    size_t size;                 // of this piece of memory, with all that lies behind
    bool exit_heard;             // a child by `start` that was gone before it was monitored: the exit message told ...
    bool exit_orderly;           // ... that its end was an orderly one
};

enum supervisor_stage {
    SUPERVISOR_IN_INIT = 0,
    SUPERVISOR_HELD_BACK, // waits for the request to begin
    SUPERVISOR_AT_WORK,
    SUPERVISOR_IN_TERMINATE
};

struct supervisor {
    apus_process *self;
    enum supervisor_stage stage;
    int status;                      // held back with a spec that is wrong: what to answer
    const apus_message *request;     // to be answered; NULL: none
    struct apus__child_block *template;
    apus_pid starting;               // the process whose start is waited for
    struct apus__child *pending;     // the child it will be, if handle has returned meanwhile; else NULL
    apus_ref monitor;                // where spawn puts references that nobody needs
    bool has_custom_starts;          // some child is started by a function of the user's
    struct apus__decision decision;
    struct apus__store store;
    struct apus__stash stash;
    char failure[APUS_REASON_TEXT_MAX + 1]; // what the last failure had to say, or ""
};

// Failures ------------------------------------------------------------------------------------------------------------------------

static void supervisor_note_failure(struct supervisor *supervisor, const struct apus__child *child, const apus_reason *reason)
{
    int size = snprintf(supervisor->failure, sizeof supervisor->failure, "child \"%.63s\": ", child->id != NULL ? child->id : "");
    apus_reason_text(reason, supervisor->failure + size, sizeof supervisor->failure - (size_t)size);
}

// A reply that finds no memory becomes a failure that says so, which needs none: who asked does not wait for ever.
static void supervisor_reply(const apus_message *request, const void *payload, size_t size)
{
    if (apus_reply(request, NULL, payload, size) == -ENOMEM)
        apus_reply_error(request, apus_reason_error(-ENOMEM, NULL));
}

static void supervisor_answer(struct supervisor *supervisor, int status, apus_pid pid)
{
    if (supervisor->request == NULL)
        return;
    struct apus__supervisor_answer answer = {.status = status, .pid = pid};
    size_t size = offsetof(struct apus__supervisor_answer, text) + 1;
    if (status < 0) {
        size_t length = strnlen(supervisor->failure, sizeof answer.text - 1);
        memcpy(answer.text, supervisor->failure, length);
        size += length;
    }
    supervisor_reply(supervisor->request, &answer, size);
    supervisor->request = NULL;
}

// Children ------------------------------------------------------------------------------------------------------------------------

// What the supervisor needs beyond what the options of a child say.
static void supervisor_complete_options(struct supervisor *supervisor, struct apus__child_block *block)
{
    apus_spawn_options *options = &block->options;
    options->flags |= APUS_SPAWN_LINK | APUS_SPAWN_ACK | APUS_SPAWN_MONITOR;
    options->monitor = &supervisor->monitor;
    if (block->spec.supervisor != NULL) {
        options->flags |= APUS_SPAWN_TRAP_EXITS;
        if (options->name == NULL)
            options->name = block->spec.supervisor->name;
    }
}

static void supervised_set_policy(struct supervised *supervised)
{
    const apus_child_spec *spec = supervised->spec;
    supervised->child.shutdown_ms = apus__child_spec_shutdown_ms(spec);
    supervised->child.restart = (uint8_t)spec->restart;
    supervised->child.kind = (uint8_t)apus__child_spec_kind(spec);
    supervised->child.significant = spec->significant;
    supervised->child.backoff = spec->backoff.initial_ms > 0 ? &spec->backoff : NULL;
}

static size_t supervised_head_size(void)
{
    return (sizeof(struct supervised) + 15) & ~(size_t)15;
}

// What the argument owns has one more holder, or one less.
static void spec_keep(const apus_child_spec *spec, const void *argument, size_t size)
{
    if (spec->keep != NULL && size > 0)
        spec->keep(argument, size);
}

static void spec_forget(const apus_child_spec *spec, const void *argument, size_t size)
{
    const apus_type *type = spec->keep != NULL && size > 0 ? spec->options->argument_type : NULL;
    if (type != NULL && type->drop != NULL)
        type->drop((void *)(uintptr_t)argument, size, type);
}

static void supervised_free(struct supervisor *supervisor, struct supervised *supervised)
{
    spec_forget(supervised->spec, supervised->argument, supervised->argument_size);
    apus__store_give(&supervisor->store, supervised, supervised->size);
}

// A child with a spec of its own.
static struct supervised *supervised_new(struct supervisor *supervisor, const apus_child_spec *spec)
{
    size_t size = supervised_head_size() + apus__child_spec_size(spec);
    struct supervised *supervised = apus__store_take(&supervisor->store, size);
    if (supervised == NULL)
        return NULL;
    struct apus__child_block *block = apus__child_spec_pack(spec, (char *)supervised + supervised_head_size());
    supervisor_complete_options(supervisor, block);
    *supervised = (struct supervised){
        .child = {.id = block->spec.id},
        .spec = &block->spec,
        .argument = block->spec.argument,
        .argument_size = block->spec.argument_size,
        .size = size,
    };
    supervised_set_policy(supervised);
    spec_keep(supervised->spec, supervised->argument, supervised->argument_size);
    supervisor->has_custom_starts |= spec->start != NULL;
    return supervised;
}

// A child of the template, which has nothing of its own but its argument and id.
static struct supervised *supervised_new_extra(struct supervisor *supervisor, const apus_child_spec *merged)
{
    bool own = merged->argument != supervisor->template->spec.argument;
    size_t argument_size = own ? (merged->argument_size + 15) & ~(size_t)15 : 0;
    size_t id_size = merged->id != NULL ? strlen(merged->id) + 1 : 0;
    size_t size = supervised_head_size() + argument_size + id_size;
    struct supervised *supervised = apus__store_take(&supervisor->store, size);
    if (supervised == NULL)
        return NULL;
    char *place = (char *)supervised + supervised_head_size();
    *supervised = (struct supervised){
        .child = {.id = id_size > 0 ? memcpy(place + argument_size, merged->id, id_size) : NULL},
        .spec = &supervisor->template->spec,
        .argument = own ? memcpy(place, merged->argument, merged->argument_size) : merged->argument,
        .argument_size = merged->argument_size,
        .size = size,
    };
    supervised_set_policy(supervised);
    spec_keep(supervised->spec, supervised->argument, supervised->argument_size);
    return supervised;
}

// Gives back the memory of children that were dropped.
static void supervisor_free_dropped(struct supervisor *supervisor)
{
    struct apus__child *child;
    while ((child = apus__children_take_dropped(&supervisor->decision.children)) != NULL) {
        struct supervised *supervised = (struct supervised *)child;
        if (supervised->timer.id != 0)
            apus_cancel(supervised->timer, NULL);
        supervised_free(supervisor, supervised);
    }
}

// Messages while waiting ----------------------------------------------------------------------------------------------------------

// The payload of a message that the runtime has sent, or NULL: what a program sends may bear one of its types and be too small for it.
static const void *supervisor_told(const apus_message *message, const apus_type *type, size_t size)
{
    return apus_message_type(message) == type && apus_message_size(message) >= size ? apus_message_payload(message) : NULL;
}

static const apus_down_message *supervisor_told_down(const apus_message *message)
{
    return supervisor_told(message, &apus_type_down, sizeof(apus_down_message));
}

static const apus_exit_message *supervisor_told_exit(const apus_message *message)
{
    return supervisor_told(message, &apus_type_exit, sizeof(apus_exit_message));
}

// The exit message of a child that a `start` function of the user's made may be all that tells how it ended.
static void supervisor_hear_exit(struct supervisor *supervisor, const apus_exit_message *exit)
{
    if (!supervisor->has_custom_starts)
        return;
    struct supervised *supervised =
        (struct supervised *)apus__children_find_pid(&supervisor->decision.children, exit->from);
    if (supervised != NULL) {
        supervised->exit_heard = true;
        supervised->exit_orderly = apus_reason_is_orderly(&exit->reason);
    }
}

static bool supervisor_match_exit(const apus_message *message, void *context)
{
    const apus_pid *pid = context;
    return supervisor_told_exit(message) && apus_pid_equal(apus_message_from(message), *pid);
}

// Why a child ended. Where the monitor came too late to know, which only happens to children started by a function of the user's,
// the exit message knows, if it has come.
static apus_reason supervisor_down_reason(struct supervisor *supervisor, const apus_down_message *down)
{
    apus_reason reason = down->reason;
    reason.text = NULL;
    if (reason.kind != APUS_REASON_NOPROC || !supervisor->has_custom_starts)
        return reason;
    apus_pid pid = down->pid;
    apus_message *exit = apus_receive(supervisor->self, supervisor_match_exit, &pid, 0);
    if (exit != NULL)
        supervisor_hear_exit(supervisor, apus_message_payload(exit));
    apus_message_release(exit);
    const struct supervised *supervised =
        (const struct supervised *)apus__children_find_pid(&supervisor->decision.children, pid);
    if (supervised != NULL && supervised->exit_heard)
        reason = apus_reason_of(supervised->exit_orderly ? APUS_REASON_NORMAL : APUS_REASON_ERROR);
    return reason;
}

// Deals with a message that came while something else is waited for. False: it is to be put aside.
static bool supervisor_absorb(struct supervisor *supervisor, const apus_message *message)
{
    const apus_down_message *down = supervisor_told_down(message);
    const apus_exit_message *exit = supervisor_told_exit(message);
    if (down) {
        apus_reason reason = supervisor_down_reason(supervisor, down);
        apus__decision_note_end(&supervisor->decision, down->pid, &reason);
        return true;
    }
    if (exit) {
        supervisor_hear_exit(supervisor, exit);
        return !apus__decision_obeys(&supervisor->decision, exit->from, &exit->reason);
    }
    return apus_message_type(message) == &apus_type_started;
}

// The same for a message that the supervisor owns, which it puts aside or releases.
static void supervisor_put_aside(struct supervisor *supervisor, apus_message *message)
{
    if (supervisor_absorb(supervisor, message) || !apus__stash_push(&supervisor->stash, message))
        apus_message_release(message);
}

// The same for the message that handle was given.
static void supervisor_keep_aside(struct supervisor *supervisor, apus_message *message)
{
    if (!supervisor_absorb(supervisor, message) && apus_message_keep(message) == 0 &&
        !apus__stash_push(&supervisor->stash, message))
        apus_message_release(message);
}

static bool supervisor_is_started(const struct supervisor *supervisor, const apus_message *message)
{
    const apus_started *started = supervisor_told(message, &apus_type_started, sizeof *started);
    return started && apus_pid_equal(started->pid, supervisor->starting);
}

// In init: only what is waited for.
static bool supervisor_match_awaited(const apus_message *message, void *context)
{
    const struct supervisor *supervisor = context;
    const apus_down_message *down = supervisor_told_down(message);
    if (!down)
        return supervisor_is_started(supervisor, message);
    const struct apus__child *child = apus__children_find_pid(&supervisor->decision.children, down->pid);
    return child != NULL && child->state == APUS__CHILD_STOPPING;
}

// The next message, or NULL if there is none before the clock shows `until_ms`.
static apus_message *supervisor_next(struct supervisor *supervisor, uint64_t until_ms)
{
    uint64_t timeout_ms = APUS_INFINITY;
    if (until_ms != APUS_INFINITY) {
        uint64_t now_ms = apus_now_ms();
        timeout_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    }
    bool in_init = supervisor->stage == SUPERVISOR_IN_INIT;
    return apus_receive(supervisor->self, in_init ? supervisor_match_awaited : NULL, supervisor, timeout_ms);
}

// Actions -------------------------------------------------------------------------------------------------------------------------

static int supervised_spawn(const struct supervised *supervised, apus_pid *pid)
{
    const apus_child_spec *spec = supervised->spec;
    if (spec->supervisor == NULL) {
        spec_keep(spec, supervised->argument, supervised->argument_size);
        int result = spec->behaviour != NULL
                         ? apus_spawn(spec->behaviour, supervised->argument, supervised->argument_size, spec->options, pid)
                         : apus_spawn_blocking(spec->body, supervised->argument, supervised->argument_size, spec->options, pid);
        if (result != 0)
            spec_forget(spec, supervised->argument, supervised->argument_size);
        return result;
    }
    struct apus__supervisor_argument argument = {.by_address = spec->supervisor};
    return apus_spawn(&apus__supervisor_behaviour, &argument, sizeof argument, spec->options, pid);
}

static struct apus__event supervisor_failed(struct supervisor *supervisor, const struct apus__child *child, int status,
                                            const apus_reason *reason)
{
    supervisor_note_failure(supervisor, child, reason);
    return (struct apus__event){.kind = APUS__EVENT_FAILED, .status = status, .now_ms = apus_now_ms()};
}

// A child that is started by a function of the user's: it has started when the function returns.
static struct apus__event supervisor_start_custom(struct supervisor *supervisor, struct supervised *supervised)
{
    apus_pid pid = APUS_NOBODY;
    int status = supervised->spec->start(supervisor->self, supervised->argument, &pid);
    if (status == APUS_IGNORE)
        return (struct apus__event){.kind = APUS__EVENT_IGNORED, .now_ms = apus_now_ms()};
    if (status == APUS_OK && pid.id == 0)
        status = -EPROTO;
    if (status == APUS_OK)
        status = apus_monitor(supervisor->self, pid, &supervisor->monitor);
    if (status != APUS_OK) {
        apus_reason reason = apus_reason_error(status < 0 ? status : -EPROTO, NULL);
        return supervisor_failed(supervisor, &supervised->child, reason.code, &reason);
    }
    supervised->exit_heard = false;
    return (struct apus__event){.kind = APUS__EVENT_STARTED, .pid = pid, .now_ms = apus_now_ms()};
}

// Waits until the child's init has ended. One that takes too long is killed, and waited for all the same, so that its name is free
// when the answer is given.
static apus_message *supervisor_await_started(struct supervisor *supervisor, uint64_t timeout_ms, bool *timed_out)
{
    uint64_t until_ms = timeout_ms == APUS_INFINITY ? APUS_INFINITY : apus_now_ms() + timeout_ms;
    *timed_out = false;
    for (;;) {
        apus_message *message = supervisor_next(supervisor, until_ms);
        if (message == NULL) {
            if (until_ms == APUS_INFINITY)
                return NULL; // no memory to wait
            apus_exit_signal(supervisor->starting, apus_reason_of(APUS_REASON_KILL));
            *timed_out = true;
            until_ms = APUS_INFINITY;
            continue;
        }
        if (supervisor_is_started(supervisor, message))
            return message;
        supervisor_put_aside(supervisor, message);
    }
}

static struct apus__event supervisor_start_outcome(struct supervisor *supervisor, const struct apus__child *child, uint64_t now_ms,
                                                   const apus_started *started)
{
    if (started->status == APUS_OK)
        return (struct apus__event){.kind = APUS__EVENT_STARTED, .pid = started->pid, .now_ms = now_ms};
    if (started->status == APUS_IGNORE)
        return (struct apus__event){.kind = APUS__EVENT_IGNORED, .now_ms = now_ms};
    return supervisor_failed(supervisor, child, started->status, &started->reason);
}

// Waits here for the start of a child that has been spawned.
static struct apus__event supervisor_finish_start(struct supervisor *supervisor, const struct apus__child *child,
                                                  uint64_t timeout_ms)
{
    bool timed_out;
    apus_message *message = supervisor_await_started(supervisor, timeout_ms, &timed_out);
    struct apus__event event;
    if (message == NULL || timed_out) {
        apus_reason reason = timed_out ? apus_reason_of(APUS_REASON_TIMEOUT) : apus_reason_error(-ENOMEM, NULL);
        event = supervisor_failed(supervisor, child, timed_out ? -ETIMEDOUT : -ENOMEM, &reason);
    } else {
        event = supervisor_start_outcome(supervisor, child, apus_now_ms(), apus_message_payload(message));
    }
    apus_message_release(message);
    return event;
}

// Starts a child, with the outcome in *event. False: the outcome is pending, and handle is to return.
static bool supervisor_start(struct supervisor *supervisor, struct apus__child *child, struct apus__event *event)
{
    struct supervised *supervised = (struct supervised *)child;
    if (supervised->timer.id != 0) {
        apus_cancel(supervised->timer, NULL);
        supervised->timer = APUS_NO_REF;
    }
    if (supervised->spec->start != NULL) {
        *event = supervisor_start_custom(supervisor, supervised);
        return true;
    }
    int status = supervised_spawn(supervised, &supervisor->starting);
    if (status != 0) {
        apus_reason reason = apus_reason_error(status, NULL);
        *event = supervisor_failed(supervisor, child, status, &reason);
        return true;
    }
    uint64_t timeout_ms = supervised->spec->start_timeout_ms > 0 ? supervised->spec->start_timeout_ms : APUS_INFINITY;
    if (timeout_ms == APUS_INFINITY && supervisor->stage == SUPERVISOR_AT_WORK && supervisor->request == NULL) {
        supervisor->pending = child;
        return false;
    }
    *event = supervisor_finish_start(supervisor, child, timeout_ms);
    return true;
}

static struct apus__event supervisor_await(struct supervisor *supervisor, uint64_t at_ms)
{
    supervisor->starting = APUS_NOBODY;
    for (;;) {
        apus_message *message = supervisor_next(supervisor, at_ms);
        if (message == NULL && at_ms != APUS_INFINITY)
            return (struct apus__event){.kind = APUS__EVENT_DEADLINE, .now_ms = apus_now_ms()};
        if (message == NULL) {
            apus_yield(supervisor->self); // no memory to wait; there may be some later
            continue;
        }
        const apus_down_message *down = supervisor_told_down(message);
        if (down) {
            struct apus__event event = {.kind = APUS__EVENT_DOWN, .pid = down->pid, .now_ms = apus_now_ms()};
            event.reason = supervisor_down_reason(supervisor, down);
            apus_message_release(message);
            return event;
        }
        supervisor_put_aside(supervisor, message);
    }
}

static void supervisor_arm(struct supervisor *supervisor, const struct apus__action *action)
{
    struct supervised *supervised = (struct supervised *)action->child;
    apus_pid me = apus_pid_of(supervisor->self);
    uint64_t ticket = action->ticket;
    if (action->delay_ms == 0 ||
        apus_send_after(action->delay_ms, me, &supervisor_retry, &ticket, sizeof ticket, &supervised->timer) != 0)
        apus_send(me, &supervisor_retry, &ticket, sizeof ticket); // also if there are too many timers
}

static int supervisor_end(struct supervisor *supervisor)
{
    apus_reason reason = supervisor->decision.reason;
    if (reason.kind == APUS_REASON_ERROR && reason.text == NULL && supervisor->failure[0] != '\0')
        reason.text = supervisor->failure;
    supervisor_answer(supervisor, reason.kind == APUS_REASON_ERROR ? reason.code : -ECANCELED, APUS_NOBODY);
    if (supervisor->stage == SUPERVISOR_IN_TERMINATE)
        return APUS_OK;
    return apus_exit(supervisor->self, reason);
}

// Gives the decision an event and performs what follows. Returns what the callback returns.
static int supervisor_perform(struct supervisor *supervisor, struct apus__event event)
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
            supervisor_free_dropped(supervisor);
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
            supervisor_answer(supervisor, action.status, action.pid);
            break;
        case APUS__ACTION_END:
            return supervisor_end(supervisor);
        }
        event.kind = APUS__EVENT_DONE;
    }
}

// Requests ------------------------------------------------------------------------------------------------------------------------

static int supervisor_refuse(struct supervisor *supervisor, int status)
{
    supervisor_answer(supervisor, status, APUS_NOBODY);
    return APUS_OK;
}

// The new child that a request describes; NULL, with *status, if there cannot be one.
static struct supervised *supervisor_take_child(struct supervisor *supervisor, const apus_child_spec *given,
                                                const apus_supervisor_spec *rules, int *status)
{
    struct apus__child_block *template = supervisor->template;
    if (given == NULL && template == NULL) {
        snprintf(supervisor->failure, sizeof supervisor->failure, "there is no template, and no spec was given");
        *status = -EINVAL;
        return NULL;
    }
    apus_child_spec spec = template != NULL ? apus__child_spec_merge(&template->spec, given) : *given;
    apus_child_spec checked = spec;
    if (template != NULL && spec.options == template->spec.options) {
        checked.options = NULL; // they have been checked, and completed with flags that a user may not set
        checked.keep = NULL;
    }
    *status = apus__child_spec_check(&checked, rules, supervisor->failure);
    if (*status != 0)
        return NULL;
    bool extra_only = template != NULL && (given == NULL || apus__child_spec_is_extra_only(given));
    struct supervised *supervised = extra_only ? supervised_new_extra(supervisor, &spec) : supervised_new(supervisor, &spec);
    if (supervised == NULL)
        *status = -ENOMEM;
    return supervised;
}

static bool supervisor_is_dynamic(const struct supervisor *supervisor)
{
    return supervisor->decision.strategy == &apus__strategy_dynamic;
}

static int supervisor_start_child(struct supervisor *supervisor, const apus_message *message, uint64_t now_ms)
{
    struct apus__child_block *block = apus_message_size(message) > 0 ? apus_message_payload(message) : NULL;
    apus_supervisor_spec rules = {
        .strategy = supervisor_is_dynamic(supervisor) ? APUS_DYNAMIC : APUS_ONE_FOR_ONE,
        .auto_shutdown = supervisor->decision.auto_shutdown,
    };
    if (block != NULL) {
        apus__child_spec_rebase(block);
        if (!block->has_options)
            block->spec.options = NULL;
    }
    int status;
    struct supervised *supervised = supervisor_take_child(supervisor, block != NULL ? &block->spec : NULL, &rules, &status);
    if (supervised == NULL)
        return supervisor_refuse(supervisor, status);
    return supervisor_perform(supervisor,
                              (struct apus__event){.kind = APUS__EVENT_ADD, .child = &supervised->child, .now_ms = now_ms});
}

static int supervisor_request_by_id(struct supervisor *supervisor, enum apus__event_kind kind, const apus_message *message,
                                    uint64_t now_ms)
{
    struct apus__child *child = apus__children_find_id(&supervisor->decision.children, apus_message_payload(message));
    return supervisor_perform(supervisor, (struct apus__event){.kind = kind, .child = child, .now_ms = now_ms});
}

static int supervisor_terminate_pid(struct supervisor *supervisor, const apus_message *message, uint64_t now_ms)
{
    apus_pid pid = *(const apus_pid *)apus_message_payload(message);
    if (!supervisor_is_dynamic(supervisor))
        return supervisor_refuse(supervisor, -EINVAL);
    struct apus__child *child = apus__children_find_pid(&supervisor->decision.children, pid);
    if (child == NULL && !apus_is_alive(pid))
        return supervisor_refuse(supervisor, 0); // as OTP: there is nothing left to stop
    return supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_TERMINATE, .child = child, .now_ms = now_ms});
}

static void supervisor_describe(const struct apus__child *child, apus_child_info *info)
{
    *info = (apus_child_info){
        .pid = apus__child_pid(child),
        .kind = (apus_child_kind)child->kind,
        .restart = (apus_restart)child->restart,
        .restarting = child->state == APUS__CHILD_RESTARTING,
        .restarts = child->restarts,
    };
    if (child->id != NULL)
        memcpy(info->id, child->id, strnlen(child->id, sizeof info->id - 1));
}

static int supervisor_which_children(struct supervisor *supervisor, const apus_message *message)
{
    const struct apus__children *children = &supervisor->decision.children;
    size_t wanted = *(const size_t *)apus_message_payload(message);
    size_t count = wanted < children->count ? wanted : children->count;
    size_t size = sizeof(struct apus__supervisor_list) + count * sizeof(apus_child_info);
    struct apus__supervisor_list *list = apus__store_take(&supervisor->store, size);
    if (list == NULL)
        return supervisor_refuse(supervisor, -ENOMEM);
    list->total = children->count;
    const struct apus__child *child = children->first;
    for (size_t i = 0; i < count; i++, child = child->next)
        supervisor_describe(child, &list->children[i]);
    supervisor->request = NULL;
    supervisor_reply(message, list, size);
    apus__store_give(&supervisor->store, list, size);
    return APUS_OK;
}

static int supervisor_count_children(struct supervisor *supervisor, const apus_message *message)
{
    apus_child_counts counts;
    apus__decision_count(&supervisor->decision, &counts);
    supervisor->request = NULL;
    supervisor_reply(message, &counts, sizeof counts);
    return APUS_OK;
}

// The caller is answered by the supervisor's end. If that is its own parent, the link must not end it in turn.
static int supervisor_stop(struct supervisor *supervisor, const apus_message *message, uint64_t now_ms)
{
    supervisor->request = NULL;
    apus_pid parent = apus_parent_of(supervisor->self);
    if (parent.id != 0 && apus_pid_equal(apus_message_from(message), parent))
        apus_unlink(supervisor->self, parent);
    return supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_STOP,
                                                               .reason = apus_reason_of(APUS_REASON_SHUTDOWN),
                                                               .now_ms = now_ms});
}

static int supervisor_request(struct supervisor *supervisor, const apus_message *message, uint64_t now_ms)
{
    const apus_type *type = apus_message_type(message);
    supervisor->request = message;
    supervisor->failure[0] = '\0';
    if (type == &apus__supervisor_start_child)
        return supervisor_start_child(supervisor, message, now_ms);
    if (type == &apus__supervisor_restart)
        return supervisor_request_by_id(supervisor, APUS__EVENT_RESTART, message, now_ms);
    if (type == &apus__supervisor_terminate)
        return supervisor_request_by_id(supervisor, APUS__EVENT_TERMINATE, message, now_ms);
    if (type == &apus__supervisor_delete)
        return supervisor_request_by_id(supervisor, APUS__EVENT_DELETE, message, now_ms);
    if (type == &apus__supervisor_terminate_pid)
        return supervisor_terminate_pid(supervisor, message, now_ms);
    if (type == &apus__supervisor_which)
        return supervisor_which_children(supervisor, message);
    if (type == &apus__supervisor_count)
        return supervisor_count_children(supervisor, message);
    return supervisor_stop(supervisor, message, now_ms);
}

// Callbacks -----------------------------------------------------------------------------------------------------------------------

static int supervisor_exit(struct supervisor *supervisor, const apus_exit_message *exit)
{
    supervisor_hear_exit(supervisor, exit);
    return supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_EXIT, .pid = exit->from,
                                                               .reason = exit->reason, .now_ms = apus_now_ms()});
}

static bool supervisor_is_request(const apus_message *message)
{
    const apus_type *const requests[] = {
        &apus__supervisor_start_child, &apus__supervisor_restart, &apus__supervisor_terminate, &apus__supervisor_delete,
        &apus__supervisor_terminate_pid, &apus__supervisor_which, &apus__supervisor_count, &apus__supervisor_stop,
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        if (apus_message_type(message) == requests[i])
            return apus_message_is_request(message);
    return false;
}

static int supervisor_message(struct supervisor *supervisor, const apus_message *message)
{
    const apus_down_message *down = supervisor_told_down(message);
    const apus_exit_message *exit = supervisor_told_exit(message);
    if (down) {
        struct apus__event event = {.kind = APUS__EVENT_DOWN, .pid = down->pid, .now_ms = apus_now_ms()};
        event.reason = supervisor_down_reason(supervisor, down);
        return supervisor_perform(supervisor, event);
    }
    if (exit)
        return supervisor_exit(supervisor, exit);
    if (apus_message_type(message) == &supervisor_retry)
        return supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_TIMER, .now_ms = apus_now_ms(),
                                                                   .ticket = *(const uint64_t *)apus_message_payload(message)});
    if (supervisor_is_request(message))
        return supervisor_request(supervisor, message, apus_now_ms());
    return APUS_OK; // not for a supervisor: dropped
}

// Held back: the request to begin starts the children; everything before it waits.
static int supervisor_held_back(struct supervisor *supervisor, apus_message *message)
{
    if (apus_message_type(message) != &apus__supervisor_begin) {
        supervisor_keep_aside(supervisor, message);
        return APUS_OK;
    }
    supervisor->request = message;
    if (supervisor->status != 0) {
        supervisor_answer(supervisor, supervisor->status, APUS_NOBODY);
        return apus_exit(supervisor->self, apus_reason_error(supervisor->status, supervisor->failure));
    }
    supervisor->stage = SUPERVISOR_AT_WORK;
    return supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_INIT, .now_ms = apus_now_ms()});
}

// Waits for the start of a child: everything but the outcome is put aside.
static int supervisor_pending(struct supervisor *supervisor, apus_message *message)
{
    if (!supervisor_is_started(supervisor, message)) {
        supervisor_keep_aside(supervisor, message);
        return APUS_OK;
    }
    const struct apus__child *child = supervisor->pending;
    supervisor->pending = NULL;
    return supervisor_perform(supervisor,
                              supervisor_start_outcome(supervisor, child, apus_now_ms(), apus_message_payload(message)));
}

static int supervisor_handle(apus_process *self, void *state, apus_message *message)
{
    struct supervisor *supervisor = state;
    (void)self;
    int result;
    if (supervisor->stage != SUPERVISOR_AT_WORK)
        result = supervisor_held_back(supervisor, message);
    else if (supervisor->pending != NULL)
        result = supervisor_pending(supervisor, message);
    else
        result = supervisor_message(supervisor, message);
    while (result == APUS_OK && supervisor->stage == SUPERVISOR_AT_WORK && supervisor->pending == NULL) {
        apus_message *aside = apus__stash_pop(&supervisor->stash);
        if (aside == NULL)
            break;
        result = supervisor_message(supervisor, aside);
        apus_message_release(aside);
    }
    return result;
}

static void *supervisor_source(void *context, size_t size)
{
    return apus_alloc(context, size);
}

static int supervisor_take_children(struct supervisor *supervisor, const apus_supervisor_spec *spec)
{
    for (size_t i = 0; i < spec->child_count; i++) {
        const apus_child_spec *given = &spec->children[i];
        int status;
        struct supervised *supervised = supervisor_take_child(supervisor, given, spec, &status);
        if (supervised == NULL)
            return status;
        if (apus__children_find_id(&supervisor->decision.children, given->id) != NULL) {
            snprintf(supervisor->failure, sizeof supervisor->failure, "child \"%.63s\": there are two of this id", given->id);
            supervised_free(supervisor, supervised);
            return -EEXIST;
        }
        apus__children_append(&supervisor->decision.children, &supervised->child);
    }
    return 0;
}

static int supervisor_take_template(struct supervisor *supervisor, const apus_supervisor_spec *spec)
{
    if (spec->child_count == 0)
        return 0;
    int status = apus__child_spec_check(spec->children, spec, supervisor->failure);
    if (status != 0)
        return status;
    void *place = apus__store_take(&supervisor->store, apus__child_spec_size(spec->children));
    if (place == NULL)
        return -ENOMEM;
    supervisor->template = apus__child_spec_pack(spec->children, place);
    spec_keep(&supervisor->template->spec, supervisor->template->spec.argument, supervisor->template->spec.argument_size);
    supervisor_complete_options(supervisor, supervisor->template);
    supervisor->has_custom_starts = spec->children->start != NULL;
    return 0;
}

static int supervisor_take_spec(struct supervisor *supervisor, const apus_supervisor_spec *spec)
{
    int status = apus__supervisor_spec_check(spec, supervisor->failure);
    if (status != 0)
        return status;
    apus_pid me = apus_pid_of(supervisor->self);
    uint64_t seed = me.id ^ (apus_now_ms() << 20);
    apus__decision_init(&supervisor->decision, spec, apus_parent_of(supervisor->self), seed, &supervisor->store);
    return spec->strategy == APUS_DYNAMIC ? supervisor_take_template(supervisor, spec) : supervisor_take_children(supervisor, spec);
}

static int supervisor_init(apus_process *self, void *state, const void *argument)
{
    struct supervisor *supervisor = state;
    const struct apus__supervisor_argument *how = argument;
    const apus_supervisor_spec *spec = how->by_address;
    supervisor->self = self;
    apus__store_init(&supervisor->store, supervisor_source, self);
    apus__stash_init(&supervisor->stash, &supervisor->store);
    if (spec == NULL) {
        // The argument is the process's own copy, made by spawn; it is put right in place.
        struct apus__supervisor_block *block =
            (struct apus__supervisor_block *)((uintptr_t)argument + APUS__SUPERVISOR_ARGUMENT_SIZE);
        apus__supervisor_spec_rebase(block);
        spec = &block->spec;
    }
    supervisor->status = supervisor_take_spec(supervisor, spec);
    if (how->begins_on_request) {
        supervisor->stage = SUPERVISOR_HELD_BACK;
        return APUS_OK;
    }
    if (supervisor->status != 0)
        return apus_exit(self, apus_reason_error(supervisor->status, supervisor->failure));
    int result = supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_INIT, .now_ms = apus_now_ms()});
    supervisor->stage = SUPERVISOR_AT_WORK;
    return result;
}

// The parent ended, or told the supervisor to end; or handle ended it, and there is nothing left to do.
static void supervisor_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    struct supervisor *supervisor = state;
    (void)self;
    if (supervisor->stage == SUPERVISOR_HELD_BACK || supervisor->decision.phase == APUS__PHASE_ENDED)
        return;
    supervisor->stage = SUPERVISOR_IN_TERMINATE;
    supervisor->request = NULL;
    if (supervisor->pending != NULL)
        supervisor_perform(supervisor, supervisor_finish_start(supervisor, supervisor->pending, APUS_INFINITY));
    if (supervisor->decision.phase == APUS__PHASE_ENDED)
        return;
    supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_STOP, .reason = *reason, .now_ms = apus_now_ms()});
}

// Lets go of what the children's arguments own; their memory goes with the arena.
static void supervisor_cleanup(apus_process *self, void *state)
{
    struct supervisor *supervisor = state;
    (void)self;
    supervisor_free_dropped(supervisor);
    for (struct apus__child *child = supervisor->decision.children.first; child != NULL; child = child->next) {
        const struct supervised *supervised = (struct supervised *)child;
        spec_forget(supervised->spec, supervised->argument, supervised->argument_size);
    }
    if (supervisor->template != NULL) {
        const apus_child_spec *spec = &supervisor->template->spec;
        spec_forget(spec, spec->argument, spec->argument_size);
    }
}

const apus_behaviour apus__supervisor_behaviour = {
    .name = "supervisor",
    .state_size = sizeof(struct supervisor),
    .init = supervisor_init,
    .handle = supervisor_handle,
    .terminate = supervisor_terminate,
    .cleanup = supervisor_cleanup,
};
