#include "abi/enter.h"
#include "abi/make.h"
#include "process/reason.h"
#include "scheduler/wait.h"

#include <stdlib.h>

// --- Asking and waiting ---------------------------------------------------------------------------------------------------------

// Time is up, or the process must end. Nothing can arrive any more: the wait is over, and the reference is in no set; the other side is
// told to forget it.
apus_cold static int ask_take_back(struct apus__owner *here, const struct apus__wait *wait)
{
    apus__signal_send(here, wait->asked,
                      &(struct apus__signal){(enum apus__kind)wait->take_back, apus__pid(wait->process), wait->ref, 0, NULL});
    return apus__wait_outcome(wait->process) ? -ECANCELED : -ETIMEDOUT;
}

apus_inline void ask_init(struct apus__wait *wait, uint64_t ref, apus_pid to, enum apus__kind take_back)
{
    apus__wait_init(wait);
    wait->ref = ref;
    wait->asked = to;
    wait->take_back = (uint8_t)take_back;
}

// Waits for the outcome of what has been asked.
apus_inline int ask_wait(struct apus__owner *here, struct apus__wait *wait, uint64_t timeout_ms, apus_message **outcome)
{
    apus__slot_wait(apus__slot_of(here), wait, timeout_ms);
    *outcome = wait->result;
    return apus_likely(wait->result != NULL) ? 0 : ask_take_back(here, wait);
}

int apus__ask(struct apus__owner *here, apus_pid to, enum apus__kind kind, uint64_t value, uint64_t timeout_ms,
              apus_message **outcome)
{
    struct apus__wait wait;
    ask_init(&wait, apus__new_ref(here), to, kind == APUS__MONITOR ? APUS__DEMONITOR : APUS__ABANDON);
    int result = apus__wait_prepare(apus__slot_of(here), &wait);
    if (result)
        return result;
    apus__signal_send(here, to, &(struct apus__signal){kind, apus__pid(here->current), wait.ref, value, NULL});
    return ask_wait(here, &wait, timeout_ms, outcome);
}

// Sends `request`, whose reference is `ref`, and waits for its outcome.
apus_inline int ask_message(struct apus__owner *here, apus_pid to, apus_message *request, uint64_t ref, uint64_t timeout_ms,
                            apus_message **outcome)
{
    struct apus__wait wait;
    ask_init(&wait, ref, to, APUS__ABANDON);
    int result = apus__wait_prepare(apus__slot_of(here), &wait);
    if (result)
        return result;
    result = apus__deliver(here, to, request);
    if (apus_unlikely(result)) {
        apus__wait_cancel(apus__slot_of(here), &wait);
        return result;
    }
    return ask_wait(here, &wait, timeout_ms, outcome);
}

// --- Calls ----------------------------------------------------------------------------------------------------------------------

// The outcome is not needed if there is no `reply`.
apus_inline void call_give(struct apus__owner *here, apus_message *outcome, apus_message **reply)
{
    if (apus_likely(reply != NULL))
        *reply = outcome;
    else
        apus__message_drop(here, outcome);
}

// The callee has ended, or it cannot reply, since it waits for its caller in a circle of calls (process/circle.h).
apus_cold static int call_failed(struct apus__owner *here, struct apus_process *self, apus_message *outcome, apus_message **reply)
{
    const apus_down_message *down = apus_message_payload(outcome);
    int result = -ECONNABORTED;
    if (apus_pid_equal(down->pid, apus__pid(self)))
        result = -ELOOP;
    else if (down->reason.kind == APUS_REASON_NOPROC)
        result = -ESRCH;
    else if (down->reason.kind == APUS_REASON_ERROR && down->reason.code == -ENOBUFS)
        result = -ENOBUFS;
    call_give(here, outcome, result == -ECONNABORTED || result == -ELOOP ? reply : NULL);
    return result;
}

// Turns the outcome of a call into its result. Takes `outcome`; what stays goes to *reply.
apus_inline int call_result(struct apus__owner *here, struct apus_process *self, apus_message *outcome, apus_message **reply)
{
    if (apus_unlikely(outcome->type == &apus_type_down && outcome->kind == APUS__SYSTEM))
        return call_failed(here, self, outcome, reply);
    call_give(here, outcome, reply);
    return 0;
}

// Whether a call that failed so has left the payload with its caller: it was refused before anything happened.
bool apus__call_has_changed_nothing(int result)
{
    return result == -EINVAL || result == -EMSGSIZE || result == -EDEADLK || result == -ENOMEM || result == -EAGAIN;
}

// A request that was not sent goes the way its caller is told by the error.
static void call_unsent(struct apus__owner *here, apus_message *request, int error)
{
    if (apus__call_has_changed_nothing(error))
        apus__message_free(here, request);
    else
        apus__message_drop(here, request);
}

// A call to a mailbox that was full, or that could not be sent at all: `result` says which.
apus_cold static int call_not_sent(struct apus__owner *here, apus_pid to, apus_message *request, uint64_t timeout_ms,
                                   apus_message **reply, int result)
{
    apus_message *outcome = NULL;
    while (result == -EAGAIN) {
        result = apus__wait_for_space(here, to, request, timeout_ms);
        if (result) {
            call_unsent(here, request, result);
            return result;
        }
        result = ask_message(here, to, request, request->ref.id, timeout_ms, &outcome);
    }
    if (result == 0)
        return call_result(here, here->current, outcome, reply);
    if (result != -ETIMEDOUT && result != -ECANCELED)
        call_unsent(here, request, result);
    return result;
}

// By the current process. The reply is not held by it yet.
apus_inline int call_from_process(struct apus__owner *here, apus_pid to, apus_message *request, uint64_t ref, uint64_t timeout_ms,
                                  apus_message **reply)
{
    apus_message *outcome;
    int result = ask_message(here, to, request, ref, timeout_ms, &outcome);
    return apus_likely(result == 0) ? call_result(here, here->current, outcome, reply)
                                    : call_not_sent(here, to, request, timeout_ms, reply, result);
}

enum {
    CALL_ROOM = 64,   // bytes of a reply that comes in the errand itself
    CALL_KEPT = 1024, // bytes of a request whose memory may stay as long as such a reply
};

// A call of a plain thread, with its own copy of the payload. A small reply comes in the same block, which is the thread's in the end.
struct call_errand {
    apus_message room; // first: to be freed as a message is
    char room_payload[CALL_ROOM];
    struct apus__errand errand;
    apus_message *reply;
    apus_pid caller; // nobody: a new one
    apus_pid to;
    const apus_type *type;
    size_t size;
    uint64_t timeout_ms;
    bool is_begun; // the payload has gone into a request
    _Alignas(16) char payload[];
};

// Gives the reply away, to nobody if `reply` is NULL, and the rest back.
static void call_errand_end(struct call_errand *call, apus_message **reply)
{
    apus_message *outcome = call->reply;
    bool is_in_room = outcome == &call->room;
    if (!call->is_begun && call->type->drop && !apus__call_has_changed_nothing(call->errand.result))
        call->type->drop(call->payload, call->size, call->type);
    if (reply) {
        *reply = outcome;
    } else if (outcome) {
        apus__payload_drop(outcome);
        free(outcome);
    }
    if (!is_in_room)
        free(call);
}

// The thread has been told that its time is up. On a scheduler, in the core, which what is dropped here may call.
static void call_errand_dispose(struct apus__errand *errand)
{
    uint32_t inside = apus__pin();
    errand->result = -ETIMEDOUT;
    call_errand_end(apus_container_of(errand, struct call_errand, errand), NULL);
    apus__unpin(inside);
}

apus_message *apus__message_copy_out(struct apus__owner *here, apus_message *message, apus_message *room, size_t room_size)
{
    // A down message's text lies behind its payload.
    size_t text = 0;
    const apus_down_message *down = NULL;
    if (message->kind == APUS__SYSTEM) {
        down = apus_message_payload(message);
        text = apus__reason_text_size(&down->reason);
    }
    apus_message *copy = room;
    if (!room || message->size + text > room_size)
        copy = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : malloc(sizeof *copy + message->size + text);
    if (copy) {
        memcpy(copy, message, sizeof *copy + message->size);
        copy->block = APUS__BLOCK_MALLOC;
        if (down) {
            apus_down_message *copied = apus_message_payload(copy);
            copied->reason = apus__reason_store(copied + 1, &down->reason);
        }
        apus_message_take(message);
    }
    apus__message_drop(here, message);
    return copy;
}

// The request of an errand's process.
apus_inline int call_make(struct apus__owner *here, apus_pid caller, apus_pid to, const apus_type *type, const void *payload, size_t size,
                          apus_message **request)
{
    apus_pid self = apus__pid(here->current);
    apus_ref ref = caller.id ? apus__caller_ref(caller) : (apus_ref){apus__new_ref(here)};
    apus__errand_makes_way(here, to);
    if (apus_unlikely(apus_pid_equal(to, self)))
        return -EDEADLK;
    return apus__message_make(here, self, type, payload, size, APUS__REQUEST, ref, request);
}

int apus__call_here(struct apus__owner *here, apus_pid caller, apus_pid to, const apus_type *type, const void *payload, size_t size,
                    uint64_t timeout_ms, bool *is_begun, apus_message **reply)
{
    apus_message *request;
    int result = call_make(here, caller, to, type, payload, size, &request);
    *is_begun = result == 0;
    return result ? result : call_from_process(here, to, request, request->ref.id, timeout_ms, reply);
}

int apus__call_begin(struct apus__owner *here, struct apus__wait *wait, apus_pid caller, apus_pid to, const apus_type *type,
                     const void *payload, size_t size, uint64_t timeout_ms, bool *is_begun)
{
    apus_message *request;
    int result = call_make(here, caller, to, type, payload, size, &request);
    *is_begun = result == 0;
    if (apus_unlikely(result))
        return result;
    ask_init(wait, request->ref.id, to, APUS__ABANDON);
    result = apus__wait_prepare_then(here, wait);
    if (apus_likely(!result)) {
        apus__wait_limit(apus__slot_of(here), wait, timeout_ms);
        result = apus__deliver(here, to, request);
        if (apus_likely(!result))
            return 0;
        apus__wait_end_then(apus__slot_of(here), wait);
    }
    apus__message_free(here, request);
    *is_begun = false;
    return result;
}

int apus__call_end(struct apus__owner *here, struct apus__wait *wait, apus_message **reply)
{
    apus_message *outcome = wait->result;
    apus__wait_end_then(apus__slot_of(here), wait);
    return apus_likely(outcome != NULL) ? call_result(here, wait->process, outcome, reply) : ask_take_back(here, wait);
}

static void call_errand_run(struct apus__owner *here, struct apus__errand *errand)
{
    struct call_errand *call = apus_container_of(errand, struct call_errand, errand);
    apus_message *reply = NULL;
    int result = apus__call_here(here, call->caller, call->to, call->type, call->payload, call->size, call->timeout_ms, &call->is_begun, &reply);
    if (reply) {
        call->reply = apus__message_copy_out(here, reply, call->size > CALL_KEPT ? NULL : &call->room, CALL_ROOM);
        result = call->reply ? result : -ENOBUFS;
    }
    errand->result = result;
}

// As `caller`; nobody: a new one.
static int call_from_thread(apus_pid caller, apus_pid to, const apus_type *type, const void *payload, size_t size, uint64_t timeout_ms,
                            apus_message **reply)
{
    int result = apus__message_check(type, payload, size);
    if (result || apus__line_call(caller, to, type, payload, size, timeout_ms, reply, &result))
        return result;
    struct call_errand *call = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : malloc(sizeof *call + size);
    if (!call)
        return -ENOMEM;
    call->errand = (struct apus__errand){.body = call_errand_run, .dispose = call_errand_dispose};
    call->reply = NULL;
    call->is_begun = false;
    call->caller = caller;
    call->to = to;
    call->type = type;
    call->size = size;
    call->timeout_ms = timeout_ms;
    if (size)
        memcpy(call->payload, payload, size);
    bool is_mine;
    result = apus__run_errand(&call->errand, caller, to, timeout_ms, &is_mine);
    if (is_mine) {
        call->errand.result = result;
        call_errand_end(call, reply);
    }
    return result;
}

// A call of the current process, whose request gets the reference `ref`.
apus_inline int call_of_process(struct apus__owner *here, uint64_t ref, apus_pid to, const apus_type *type, const void *payload,
                                size_t size, uint64_t timeout_ms, apus_message **reply)
{
    apus_message *request;
    apus_pid self = apus__pid(here->current);
    if (apus_unlikely(apus_pid_equal(to, self)))
        return -EDEADLK;
    int result = apus__message_make(here, self, type, payload, size, APUS__REQUEST, (apus_ref){ref}, &request);
    if (apus_unlikely(result))
        return result;
    result = call_from_process(here, to, request, ref, timeout_ms, reply);
    if (reply && *reply)
        apus__hold(here->current, *reply);
    return result;
}

// The owner of the process that calls, or NULL on a plain thread. To be left by apus__depart() in either case.
apus_inline struct apus__owner *call_enter(void)
{
    struct apus__owner *here = apus__arrive();
    return apus_likely(here || !apus__local.carrier) ? here : apus__rejoin();
}

int apus_call(apus_pid to, const apus_type *type, const void *payload, size_t size, uint64_t timeout_ms, apus_message **reply)
{
    if (reply)
        *reply = NULL;
    struct apus__owner *here = call_enter();
    int result;
    if (apus_likely(here && here->current)) {
        result = call_of_process(here, apus__new_ref(here), to, type, payload, size, timeout_ms, reply);
        apus__depart();
    } else {
        apus__depart();
        result = call_from_thread(APUS_NOBODY, to, type, payload, size, timeout_ms, reply);
    }
    return result;
}

// Whatever comes of it, the caller is used up. One whose process has begun is that already.
static int call_as_thread(apus_caller caller, apus_pid to, const apus_type *type, const void *payload, size_t size, uint64_t timeout_ms,
                          apus_message **reply)
{
    int result = -EINVAL;
    if (apus_likely(caller.pid.id && apus_ref_equal(caller.ref, apus__caller_ref(caller.pid))))
        result = call_from_thread(caller.pid, to, type, payload, size, timeout_ms, reply);
    if (apus_unlikely(result))
        apus_caller_drop(caller);
    return result;
}

int apus_call_as(apus_caller caller, apus_pid to, const apus_type *type, const void *payload, size_t size, uint64_t timeout_ms,
                 apus_message **reply)
{
    if (reply)
        *reply = NULL;
    struct apus__owner *here = call_enter();
    bool is_thread = !here && !apus__is_refused();
    int result = !here && !is_thread ? -ECANCELED : -EINVAL;
    if (apus_likely(caller.ref.id && here && here->current && apus_pid_equal(caller.pid, apus__pid(here->current))))
        result = call_of_process(here, caller.ref.id, to, type, payload, size, timeout_ms, reply);
    apus__depart();
    return is_thread ? call_as_thread(caller, to, type, payload, size, timeout_ms, reply) : result;
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

static int request_send(struct apus__owner *here, apus_process *self, apus_pid to, apus_message *request, uint64_t timeout_ms)
{
    int result = request_add(here, self, request->ref.id, to, timeout_ms);
    if (!result) {
        uint64_t ref = request->ref.id;
        result = apus__deliver_or_wait(here, to, request);
        if (result && result != -ESRCH)
            apus__abandon(here, self, ref);
    }
    if (result == -ESRCH) {
        apus__message_to_dead(here, to, request);
        result = 0;
    } else if (result) {
        apus__message_free(here, request);
    }
    return result;
}

static int request_make_and_send(struct apus__owner *here, apus_process *self, uint64_t ref, apus_pid to, const apus_type *type,
                                 const void *payload, size_t size, uint64_t timeout_ms)
{
    apus_message *request = NULL;
    if (apus_pid_equal(to, apus__pid(self)))
        return -EDEADLK;
    int result = apus__message_make(here, apus__pid(self), type, payload, size, APUS__REQUEST, (apus_ref){ref}, &request);
    if (result)
        return result;
    return request_send(here, self, to, request, timeout_ms);
}

int apus_request(apus_process *self, apus_pid to, const apus_type *type, const void *payload, size_t size, uint64_t timeout_ms,
                 apus_ref *ref)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (!here)
        return result;
    result = -EINVAL;
    if (ref) {
        ref->id = apus__new_ref(here);
        result = request_make_and_send(here, self, ref->id, to, type, payload, size, timeout_ms);
    }
    apus__depart();
    return result;
}

int apus_request_as(apus_process *self, apus_caller caller, apus_pid to, const apus_type *type, const void *payload, size_t size,
                    uint64_t timeout_ms)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (!here)
        return result;
    result = -EINVAL;
    if (caller.ref.id && apus_pid_equal(caller.pid, apus__pid(self)))
        result = request_make_and_send(here, self, caller.ref.id, to, type, payload, size, timeout_ms);
    apus__depart();
    return result;
}

// Takes the outcome of `ref` out of the mailbox.
static void request_flush(struct apus__owner *here, apus_process *self, apus_ref ref)
{
    apus_message *before = NULL, *message = self->first;
    while (message && !((message->kind == APUS__REPLY || (message->kind == APUS__SYSTEM && message->type != &apus_type_io)) &&
                        apus_ref_equal(message->ref, ref))) {
        before = message;
        message = apus__mailbox_next(self, message);
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
    int was_open = apus__abandon(here, self, ref.id);
    if (!was_open && ref.id)
        request_flush(here, self, ref);
    apus__depart();
    return was_open;
}

bool apus_request_is_open(apus_process *self, apus_ref ref)
{
    int error;
    if (!apus__enter_self(self, &error))
        return false;
    bool is_open = apus__relation_find(self, APUS__ASKED, ref.id) != NULL;
    apus__depart();
    return is_open;
}

// --- Replies --------------------------------------------------------------------------------------------------------------------

apus_inline int reply_send(struct apus__owner *here, apus_pid caller, apus_ref ref, const apus_type *type, const void *payload, size_t size)
{
    apus_message *reply;
    const apus_type *given = type ? type : &apus_type_reply;
    int result = apus__message_make(here, apus__sender(here), given, payload, size, APUS__REPLY, ref, &reply);
    if (apus_unlikely(result))
        return result;
    result = apus__deliver(here, caller, reply);
    if (apus_unlikely(result))
        apus__message_free(here, reply);
    return result;
}

// A small reply to a process of this scheduler that waits for it. False if it is anything else, and nothing has been done.
apus_inline bool reply_quick(struct apus__owner *here, apus_pid to, apus_ref ref, const apus_type *type, const void *payload, size_t size)
{
    struct apus_process *caller;
    if (apus_unlikely(!type || (!payload && size) || size > APUS__LINE_PAYLOAD || !apus__find_near(here, to, &caller)))
        return false;
    struct apus__wait *wait = apus__awaiting(caller, ref.id);
    apus_message *reply = apus_likely(wait != NULL) ? apus__heap_try(&here->heap, 0) : NULL;
    if (apus_unlikely(!reply))
        return false;
    apus__message_fill(here, reply, APUS__REPLY, 0, ref, type, payload, size);
    apus__wait_decide(here, wait, reply);
    return true;
}

static __attribute__((noinline)) int reply_otherwise(apus_message *request, const apus_type *type, const void *payload, size_t size)
{
    int result;
    struct apus__owner *here = apus__enter(&result);
    if (apus_unlikely(!here))
        return result;
    result = reply_send(here, request->from, request->ref, type, payload, size);
    if (apus_likely(!result || result == -ESRCH))
        request->flags |= APUS__ANSWERED;
    apus__leave(here);
    return result;
}

apus_hot int apus_reply(const apus_message *asked, const apus_type *type, const void *payload, size_t size)
{
    apus_message *request = (apus_message *)(uintptr_t)asked;
    if (apus_unlikely(!request || request->kind != APUS__REQUEST))
        return -EINVAL;
    if (apus_unlikely(request->flags & APUS__ANSWERED))
        return -EALREADY;
    struct apus__owner *here = apus__arrive();
    if (apus_unlikely(!here || !here->current || !reply_quick(here, request->from, request->ref, type, payload, size)))
        return reply_otherwise(request, type, payload, size);
    request->flags |= APUS__ANSWERED;
    apus__depart();
    return 0;
}

int apus_reply_error(const apus_message *request, apus_reason reason)
{
    int result;
    if (!request || request->kind != APUS__REQUEST || (unsigned)reason.kind > APUS_REASON_FAULT)
        return -EINVAL;
    if (request->flags & APUS__ANSWERED)
        return -EALREADY;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    apus__fail_request(here, request->from, request->ref.id, apus__sender(here), &reason);
    ((apus_message *)(uintptr_t)request)->flags |= APUS__ANSWERED;
    apus__leave(here);
    return 0;
}

static __attribute__((noinline)) int reply_to_otherwise(apus_pid caller, apus_ref ref, const apus_type *type, const void *payload,
                                                        size_t size)
{
    int result;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    if (ref.id == 0) {
        apus__leave(here);
        return -EINVAL;
    }
    if (here->current) {
        struct apus__relation *asked_by = apus__relation_find(here->current, APUS__ASKED_BY, ref.id);
        if (here->current->extra && here->current->extra->serving == ref.id)
            here->current->extra->serving = 0;
        if (asked_by)
            apus__relation_remove(here, here->current, asked_by);
        else if (here->handling && here->handling->kind == APUS__REQUEST && apus_ref_equal(here->handling->ref, ref))
            here->handling->flags |= APUS__ANSWERED;
    }
    result = reply_send(here, caller, ref, type, payload, size);
    apus__leave(here);
    return result;
}

apus_hot int apus_reply_to(apus_pid caller, apus_ref ref, const apus_type *type, const void *payload, size_t size)
{
    struct apus__owner *here = apus__arrive();
    // What the callback that runs was given is not open yet.
    apus_message *request = apus_likely(here && here->current) ? here->handling : NULL;
    if (apus_unlikely(!request || request->kind != APUS__REQUEST || !apus_ref_equal(request->ref, ref) ||
                      !reply_quick(here, caller, ref, type, payload, size)))
        return reply_to_otherwise(caller, ref, type, payload, size);
    request->flags |= APUS__ANSWERED;
    apus__depart();
    return 0;
}
