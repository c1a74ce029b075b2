#include "abi/enter.h"
#include "scheduler/timers.h"

// --- Asking and waiting ---------------------------------------------------------------------------------------------------------

// Waits for the outcome of what has been asked. When time is up nothing can arrive any more: the wait is over, and the reference is in
// no set; the other side is told to forget it.
static int ask_wait(struct apus__owner *here, struct apus__wait *wait, apus_pid to, enum apus__kind take_back, uint64_t timeout_ms,
                    apus_message **outcome)
{
    int result = apus__slot_wait(apus__slot_of(here), wait, timeout_ms);
    *outcome = wait->result;
    if (wait->result)
        return 0;
    apus__signal_send(here, to, &(struct apus__signal){take_back, apus__pid(here->current), wait->ref, 0, NULL});
    return result ? result : -ETIMEDOUT;
}

int apus__ask(struct apus__owner *here, apus_pid to, enum apus__kind kind, uint64_t timeout_ms, apus_message **outcome)
{
    struct apus__wait wait = {.ref = apus__new_ref(here)};
    int result = apus__wait_prepare(apus__slot_of(here), &wait);
    if (result)
        return result;
    apus__signal_send(here, to, &(struct apus__signal){kind, apus__pid(here->current), wait.ref, 0, NULL});
    return ask_wait(here, &wait, to, kind == APUS__MONITOR ? APUS__DEMONITOR : APUS__ABANDON, timeout_ms, outcome);
}

int apus__ask_message(struct apus__owner *here, apus_pid to, apus_message *request, uint64_t timeout_ms, apus_message **outcome)
{
    struct apus__wait wait = {.ref = apus__new_ref(here)};
    request->ref.id = wait.ref;
    int result = apus__wait_prepare(apus__slot_of(here), &wait);
    if (result)
        return result;
    result = apus__deliver(here, to, request);
    if (apus_unlikely(result)) {
        apus__wait_cancel(apus__slot_of(here), &wait);
        return result;
    }
    return ask_wait(here, &wait, to, APUS__ABANDON, timeout_ms, outcome);
}

// --- Calls ----------------------------------------------------------------------------------------------------------------------

// Turns the outcome of a call into its result. Takes `outcome`; what stays goes to *reply.
static int call_result(struct apus__owner *here, apus_message *outcome, apus_message **reply)
{
    int result = 0;
    if (outcome->type == &apus_type_down && outcome->kind == APUS__SYSTEM) {
        const apus_down_message *down = apus_message_payload(outcome);
        result = down->reason.kind == APUS_REASON_NOPROC ? -ESRCH : -ECONNABORTED;
        if (down->reason.kind == APUS_REASON_ERROR && down->reason.code == -ENOBUFS)
            result = -ENOBUFS;
    }
    bool keeps = reply && (result == 0 || result == -ECONNABORTED);
    if (keeps)
        *reply = outcome;
    else
        apus__message_drop(here, outcome);
    return result;
}

// By the current process. The reply is not held by it yet.
static int call_from_process(struct apus__owner *here, apus_pid to, apus_message *request, uint64_t timeout_ms, apus_message **reply)
{
    apus_message *outcome;
    int result = apus__ask_message(here, to, request, timeout_ms, &outcome);
    while (result == -EAGAIN) {
        result = apus__wait_for_space(here, to, request, timeout_ms);
        if (result) {
            apus__message_free(here, request);
            return result;
        }
        result = apus__ask_message(here, to, request, timeout_ms, &outcome);
    }
    if (result == 0)
        return call_result(here, outcome, reply);
    if (result != -ETIMEDOUT)
        apus__message_free(here, request);
    return result;
}

struct call_errand {
    struct apus__errand errand;
    apus_pid to;
    apus_message *request;
    uint64_t timeout_ms;
    apus_message *reply;
};

static void call_errand_run(apus_process *self, struct apus__errand *errand)
{
    struct call_errand *call = apus_container_of(errand, struct call_errand, errand);
    apus_message *request = call->request;
    call->request = NULL; // the process's from here on
    request->from = apus__pid(self);
    errand->result = call_from_process(apus__here, call->to, request, call->timeout_ms, &call->reply);
}

static int call_from_thread(struct apus__owner *here, apus_pid to, apus_message *request, uint64_t timeout_ms, apus_message **reply)
{
    struct call_errand call = {{.body = call_errand_run}, to, request, timeout_ms, NULL};
    apus__leave(here);
    int error, result = apus__run_errand(&call.errand);
    if (call.request && (here = apus__foreign_enter(&error))) {
        apus__message_free(here, call.request);
        apus__foreign_leave();
    }
    if (reply)
        *reply = call.reply;
    else if (call.reply)
        apus_message_release(call.reply);
    return result;
}

int apus_call(apus_pid to, const apus_type *type, const void *payload, size_t size, uint64_t timeout_ms, apus_message **reply)
{
    int result;
    apus_message *request;
    if (reply)
        *reply = NULL;
    struct apus__owner *here = apus__enter(&result);
    if (apus_unlikely(!here))
        return result;
    if (apus_unlikely(here->current && apus_pid_equal(to, apus__pid(here->current))))
        return -EDEADLK;
    result = apus__message_make(here, type, payload, size, APUS__REQUEST, &request);
    if (apus_unlikely(result)) {
        apus__leave(here);
        return result;
    }
    if (apus_unlikely(!here->current))
        return call_from_thread(here, to, request, timeout_ms, reply);
    if (apus_unlikely(!apus__extra(here, here->current))) {
        apus__message_free(here, request);
        return -ENOMEM;
    }
    result = call_from_process(here, to, request, timeout_ms, reply);
    if (reply && *reply)
        apus__hold(here->current, *reply);
    return result;
}

// --- Requests -------------------------------------------------------------------------------------------------------------------

static int request_add(struct apus__owner *here, apus_process *self, uint64_t ref, apus_pid to, uint64_t timeout_ms)
{
    bool is_timed = timeout_ms != APUS_INFINITY;
    if (is_timed && !apus__extra(here, self))
        return -ENOMEM;
    struct apus__relation *asked = apus__relation_add(here, self, APUS__ASKED, ref, to.id, false);
    if (!asked)
        return -ENOMEM;
    if (is_timed) {
        asked->timed = 1;
        asked->deadline.kind = APUS__DEADLINE_REQUEST;
        asked->deadline.cell = apus__index_of(self);
        asked->deadline.entry.due = apus__due(timeout_ms);
        apus__wheel_insert(here->wheel, &asked->deadline.entry);
        self->extra->pins++;
    }
    return 0;
}

int apus_request(apus_process *self, apus_pid to, const apus_type *type, const void *payload, size_t size, uint64_t timeout_ms,
                 apus_ref *ref)
{
    int result;
    apus_message *request;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (!here)
        return result;
    if (!ref)
        return -EINVAL;
    if (apus_pid_equal(to, apus__pid(self)))
        return -EDEADLK;
    result = apus__message_make(here, type, payload, size, APUS__REQUEST, &request);
    if (result)
        return result;
    request->ref.id = apus__new_ref(here);
    *ref = request->ref;
    result = request_add(here, self, ref->id, to, timeout_ms);
    if (!result) {
        result = apus__deliver_or_wait(here, to, request);
        if (result && result != -ESRCH)
            apus__abandon(here, self, ref->id);
    }
    if (result == -ESRCH) {
        apus__message_to_dead(here, to, request);
        result = 0;
    } else if (result) {
        apus__message_free(here, request);
    }
    return result;
}

// Takes the outcome of `ref` out of the mailbox.
static void request_flush(struct apus__owner *here, apus_process *self, apus_ref ref)
{
    apus_message *before = NULL, *message = self->first;
    while (message && !(apus_ref_equal(message->ref, ref) &&
                        (message->kind == APUS__REPLY || (message->kind == APUS__SYSTEM && message->type != &apus_type_io)))) {
        before = message;
        message = apus__message_next(message);
    }
    if (message) {
        apus__mailbox_take(self, before, message);
        apus__message_drop(here, message);
    }
}

int apus_request_abandon(apus_process *self, apus_ref ref)
{
    int error;
    struct apus__owner *here = apus__enter_self(self, &error);
    if (!here)
        return error;
    if (apus__abandon(here, self, ref.id))
        return 1;
    if (ref.id)
        request_flush(here, self, ref);
    return 0;
}

// --- Replies --------------------------------------------------------------------------------------------------------------------

static int reply_send(struct apus__owner *here, apus_pid caller, apus_ref ref, const apus_type *type, const void *payload, size_t size)
{
    apus_message *reply;
    int result = apus__message_make(here, type ? type : &apus_type_reply, payload, size, APUS__REPLY, &reply);
    if (apus_unlikely(result))
        return result;
    reply->ref = ref;
    result = apus__deliver(here, caller, reply);
    if (apus_unlikely(result))
        apus__message_free(here, reply);
    return result;
}

int apus_reply(const apus_message *request, const apus_type *type, const void *payload, size_t size)
{
    int result;
    if (apus_unlikely(!request || request->kind != APUS__REQUEST))
        return -EINVAL;
    if (apus_unlikely(request->flags & APUS__ANSWERED))
        return -EALREADY;
    struct apus__owner *here = apus__enter(&result);
    if (apus_unlikely(!here))
        return result;
    result = reply_send(here, request->from, request->ref, type, payload, size);
    if (apus_likely(!result || result == -ESRCH))
        ((apus_message *)(uintptr_t)request)->flags |= APUS__ANSWERED;
    apus__leave(here);
    return result;
}

int apus_reply_to(apus_pid caller, apus_ref ref, const apus_type *type, const void *payload, size_t size)
{
    int result;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    if (here->current) {
        struct apus__relation *asked_by = apus__relation_find(here->current, APUS__ASKED_BY, ref.id);
        if (asked_by)
            apus__relation_remove(here, here->current, asked_by);
        else if (here->handling && here->handling->kind == APUS__REQUEST && apus_ref_equal(here->handling->ref, ref))
            here->handling->flags |= APUS__ANSWERED;
    }
    result = reply_send(here, caller, ref, type, payload, size);
    apus__leave(here);
    return result;
}
