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
// Parts:      supervised.c: the children; supervisor_wait.c: what comes while a child is waited for; supervisor_perform.c: the
//             actions; supervisor_request.c: the requests; here the callbacks.
// Order:      as the requests come, one at a time; ends of children are dealt with before requests that were put aside.
#include "otp/supervisor_internal.h"

#include <stdio.h>

static int supervisor_exit(struct apus__supervisor *supervisor, const apus_exit_message *exit)
{
    apus__supervisor_hear_exit(supervisor, exit);
    return apus__supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_EXIT, .pid = exit->from,
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

static int supervisor_message(struct apus__supervisor *supervisor, const apus_message *message)
{
    const apus_down_message *down = apus__supervisor_told_down(message);
    const apus_exit_message *exit = apus__supervisor_told_exit(message);
    if (down) {
        struct apus__event event = {.kind = APUS__EVENT_DOWN, .pid = down->pid, .now_ms = apus_now_ms()};
        event.reason = apus__supervisor_down_reason(supervisor, down);
        return apus__supervisor_perform(supervisor, event);
    }
    if (exit)
        return supervisor_exit(supervisor, exit);
    if (apus_message_type(message) == &apus__supervisor_retry)
        return apus__supervisor_perform(supervisor,
                                        (struct apus__event){.kind = APUS__EVENT_TIMER, .now_ms = apus_now_ms(),
                                                             .ticket = *(const uint64_t *)apus_message_payload(message)});
    if (supervisor_is_request(message))
        return apus__supervisor_request(supervisor, message, apus_now_ms());
    return APUS_OK; // not for a supervisor: dropped
}

// Held back: the request to begin starts the children; everything before it waits.
static int supervisor_held_back(struct apus__supervisor *supervisor, apus_message *message)
{
    if (apus_message_type(message) != &apus__supervisor_begin) {
        apus__supervisor_keep_aside(supervisor, message);
        return APUS_OK;
    }
    supervisor->request = message;
    if (supervisor->status != 0) {
        supervisor->has_reason = true;
        supervisor->reason = apus_reason_error(supervisor->status, supervisor->failure);
        apus__supervisor_answer(supervisor, supervisor->status, APUS_NOBODY);
        return apus_exit(supervisor->self, supervisor->reason);
    }
    supervisor->stage = APUS__SUPERVISOR_AT_WORK;
    return apus__supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_INIT, .now_ms = apus_now_ms()});
}

// Waits for the start of a child: everything but the outcome is put aside.
static int supervisor_pending(struct apus__supervisor *supervisor, apus_message *message)
{
    if (!apus__supervisor_is_started(supervisor, message)) {
        apus__supervisor_keep_aside(supervisor, message);
        return APUS_OK;
    }
    const struct apus__child *child = supervisor->pending;
    supervisor->pending = NULL;
    const apus_started *started = apus_message_payload(message);
    return apus__supervisor_perform(supervisor, apus__supervisor_start_outcome(supervisor, child, apus_now_ms(), started));
}

static int supervisor_handle(apus_process *self, void *state, apus_message *message)
{
    struct apus__supervisor *supervisor = state;
    (void)self;
    int result;
    if (supervisor->stage != APUS__SUPERVISOR_AT_WORK)
        result = supervisor_held_back(supervisor, message);
    else if (supervisor->pending != NULL)
        result = supervisor_pending(supervisor, message);
    else
        result = supervisor_message(supervisor, message);
    while (result == APUS_OK && supervisor->stage == APUS__SUPERVISOR_AT_WORK && supervisor->pending == NULL) {
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

static int supervisor_take_children(struct apus__supervisor *supervisor, const apus_supervisor_spec *spec)
{
    for (size_t i = 0; i < spec->child_count; i++) {
        const apus_child_spec *given = &spec->children[i];
        int status;
        struct apus__supervised *supervised = apus__supervisor_take_child(supervisor, given, spec, &status);
        if (supervised == NULL)
            return status;
        if (apus__children_find_id(&supervisor->decision.children, given->id) != NULL) {
            snprintf(supervisor->failure, sizeof supervisor->failure, "child \"%.63s\": there are two of this id", given->id);
            apus__supervised_free(supervisor, supervised);
            return -EEXIST;
        }
        apus__children_append(&supervisor->decision.children, &supervised->child);
    }
    return 0;
}

static int supervisor_take_spec(struct apus__supervisor *supervisor, const apus_supervisor_spec *spec)
{
    int status = apus__supervisor_spec_check(spec, supervisor->failure);
    if (status != 0)
        return status;
    apus_pid me = apus_pid_of(supervisor->self);
    uint64_t seed = me.id ^ (apus_now_ms() << 20);
    apus__decision_init(&supervisor->decision, spec, apus_parent_of(supervisor->self), seed, &supervisor->store);
    return spec->strategy == APUS_DYNAMIC ? apus__supervisor_take_template(supervisor, spec)
                                          : supervisor_take_children(supervisor, spec);
}

static int supervisor_init(apus_process *self, void *state, const void *argument)
{
    struct apus__supervisor *supervisor = state;
    const struct apus__supervisor_argument *how = argument;
    const apus_supervisor_spec *spec = how->by_address;
    supervisor->self = self;
    apus__store_init(&supervisor->store, supervisor_source, self);
    apus__stash_init(&supervisor->stash, &supervisor->store);
    if (spec == NULL) {
        // The argument is the process's own copy, made by spawn; it is put right in place.
        struct apus__supervisor_block *block = apus__supervisor_packed(argument);
        apus__supervisor_spec_rebase(block);
        spec = &block->spec;
    }
    supervisor->status = supervisor_take_spec(supervisor, spec);
    if (how->begins_on_request) {
        supervisor->stage = APUS__SUPERVISOR_HELD_BACK;
        return APUS_OK;
    }
    if (supervisor->status != 0)
        return apus_exit(self, apus_reason_error(supervisor->status, supervisor->failure));
    int result = apus__supervisor_perform(supervisor, (struct apus__event){.kind = APUS__EVENT_INIT, .now_ms = apus_now_ms()});
    supervisor->stage = APUS__SUPERVISOR_AT_WORK;
    return result;
}

// The parent ended, or told the supervisor to end; or handle ended it, and there is nothing left to do.
static void supervisor_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    struct apus__supervisor *supervisor = state;
    (void)self;
    if (supervisor->stage == APUS__SUPERVISOR_HELD_BACK || supervisor->decision.phase == APUS__PHASE_ENDED)
        return;
    supervisor->stage = APUS__SUPERVISOR_IN_TERMINATE;
    supervisor->request = NULL;
    if (supervisor->pending != NULL)
        apus__supervisor_perform(supervisor, apus__supervisor_finish_start(supervisor, supervisor->pending, APUS_INFINITY));
    if (supervisor->decision.phase == APUS__PHASE_ENDED)
        return;
    apus__supervisor_perform(supervisor,
                             (struct apus__event){.kind = APUS__EVENT_STOP, .reason = *reason, .now_ms = apus_now_ms()});
}

static void supervisor_cleanup(apus_process *self, void *state)
{
    (void)self;
    apus__supervisor_forget_children(state);
}

const apus_behaviour apus__supervisor_behaviour = {
    .name = "supervisor",
    .state_size = sizeof(struct apus__supervisor),
    .init = supervisor_init,
    .handle = supervisor_handle,
    .terminate = supervisor_terminate,
    .cleanup = supervisor_cleanup,
};
