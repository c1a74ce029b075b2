#include "abi/enter.h"
#include "abi/make.h"

#include <stdlib.h>

bool apus_message_is_request(const apus_message *message)
{
    return message && message->kind == APUS__REQUEST;
}

bool apus_message_is_reply(const apus_message *message)
{
    return message && message->kind == APUS__REPLY;
}

static int message_await_space(struct apus__owner *here, apus_pid to, size_t size, uint64_t timeout_ms)
{
    apus_message *outcome;
    int result = apus__ask(here, to, APUS__SPACE, size, timeout_ms, &outcome);
    if (!result)
        apus__message_drop(here, outcome);
    return result;
}

int apus__wait_for_space(struct apus__owner *here, apus_pid to, apus_message *message, uint64_t timeout_ms)
{
    if (!apus__extra(here, here->current))
        return -ENOMEM;
    // Held meanwhile, so that it goes with the process, and its payload is dropped, if that is ended in its wait.
    apus__hold(here->current, message);
    int result = message_await_space(here, to, message->size, timeout_ms);
    apus__unhold(here, here->current, message);
    return result;
}

// `is_ours`: the message is the process's while it waits; else that of the plain thread it waits for.
static int message_deliver_or_wait(struct apus__owner *here, apus_pid to, apus_message *message, bool is_ours)
{
    for (;;) {
        int result = apus__deliver(here, to, message);
        if (apus_likely(result != -EAGAIN))
            return result;
        if (!here->current || apus_pid_equal(to, apus__pid(here->current)) ||
            (is_ours ? apus__wait_for_space(here, to, message, APUS_INFINITY) : message_await_space(here, to, message->size, APUS_INFINITY)))
            return -ENOBUFS;
    }
}

int apus__deliver_or_wait(struct apus__owner *here, apus_pid to, apus_message *message)
{
    return message_deliver_or_wait(here, to, message, true);
}

// A plain thread that must wait for space sends by way of a process, which can.
struct send_errand {
    struct apus__errand errand;
    apus_pid to;
    apus_message *message; // the thread's until it is delivered, also if the process is ended in its wait
};

static void send_errand_run(struct apus__owner *here, struct apus__errand *errand)
{
    struct send_errand *send = apus_container_of(errand, struct send_errand, errand);
    errand->result = message_deliver_or_wait(here, send->to, send->message, false);
}

// Delivers for any caller to a mailbox that was full. Takes the message when it returns 0. *here becomes NULL, and is not to be left, if
// the runtime has been stopped meanwhile.
apus_cold static int message_deliver_waiting(struct apus__owner **here, apus_pid to, apus_message *message)
{
    int result;
    if (!(*here)->is_foreign)
        return apus__deliver_or_wait(*here, to, message);
    struct send_errand *send = apus__errand_new(sizeof *send, send_errand_run);
    if (!send)
        return -ENOMEM;
    send->to = to;
    send->message = message;
    apus__foreign_leave();
    bool is_mine; // always: the wait has no limit
    result = apus__run_errand(&send->errand, APUS_NOBODY, APUS_NOBODY, APUS_INFINITY, &is_mine);
    apus__errand_dispose(&send->errand);
    int error;
    *here = apus__foreign_enter(&error);
    return result;
}

// Frees a plain thread's message after the runtime has been stopped: the pool is there as long as a block of it is in use.
apus_cold static void message_free_late(apus_message *message)
{
    struct apus__heap heap;
    if (apus__heap_init(&heap, &apus__world.pool, 0))
        return; // lost
    apus__heap_free(&heap, message, message->block);
    apus__heap_retire(&heap);
}

// As apus__leave(), after message_deliver_waiting().
apus_inline void message_leave(struct apus__owner *here)
{
    if (apus_likely(here != NULL))
        apus__leave(here);
    else
        apus__depart();
}

// One of two to four lines that comes behind others in an unbounded mailbox of this scheduler. False if it is anything else.
static bool message_send_wide(apus_pid to, const apus_type *type, const void *payload, size_t size)
{
    struct apus__owner *here = apus__arrive();
    struct apus_process *process;
    if (!type || !payload || !here || !here->current || !apus__find_near(here, to, &process))
        return false;
    apus_message *message = apus__mailbox_extend_wide(here, process, size);
    if (!message)
        return false;
    apus__message_fill_envelope(here, message, APUS__MESSAGE, APUS__WIDE, APUS_NO_REF, type, size);
    memcpy(apus_message_payload(message), payload, size);
    apus__wake(here, process);
    apus__depart();
    return true;
}

// Any send, by any thread. `flags`: APUS__TAKEN or 0.
static __attribute__((noinline)) int message_send(apus_pid to, const apus_type *type, const void *payload, size_t size, uint8_t flags)
{
    if (size > APUS__LINE_PAYLOAD && size <= APUS__WIDE_PAYLOAD && message_send_wide(to, type, payload, size))
        return 0;
    int result;
    struct apus__owner *here = apus__enter(&result);
    if (apus_unlikely(!here))
        return result;
    apus_message *message;
    result = apus__message_make(here, apus__sender(here), type, payload, size, APUS__MESSAGE, APUS_NO_REF, &message);
    if (apus_likely(!result)) {
        message->flags |= flags;
        result = apus__deliver(here, to, message);
        if (apus_unlikely(result == -EAGAIN))
            result = message_deliver_waiting(&here, to, message);
        if (apus_unlikely(result && here))
            apus__message_free(here, message);
        else if (apus_unlikely(result))
            message_free_late(message);
    }
    message_leave(here);
    return result;
}

// To a mailbox that wants a new segment or block.
static __attribute__((noinline)) int message_send_near(struct apus__owner *here, struct apus_process *process, const apus_type *type,
                                                       const void *payload, size_t size)
{
    uint8_t block;
    apus_message *message = apus__mailbox_extend_slow(here, process, &block);
    if (apus_likely(message != NULL)) {
        if (size <= APUS__LINE_PAYLOAD)
            apus__message_fill(here, message, APUS__MESSAGE, block, APUS_NO_REF, type, payload, size);
        else
            apus__message_fill_short(here, message, block, type, payload, size);
        apus__wake(here, process);
    }
    apus__depart();
    return message ? 0 : -ENOMEM;
}

static __attribute__((noinline)) int message_wake_otherwise(struct apus__owner *here, struct apus_process *process)
{
    apus__wake_otherwise(here, process);
    apus__depart();
    return 0;
}

// One that 16 bytes less make fit a line, to an unbounded mailbox of this scheduler. A process that only receives would hold it: to that it
// goes the other way, as does all else. Every call here is in the last place, as below.
static apus_hot __attribute__((noinline)) int message_send_short(apus_pid to, const apus_type *type, const void *payload, size_t size)
{
    struct apus__owner *here = apus__arrive();
    struct apus_process *process;
    if (apus_unlikely(!here) || apus_unlikely(!type || !payload || !here->current) || apus_unlikely(!apus__find_near(here, to, &process)) ||
        apus_unlikely(process->flags & APUS__BLOCKING))
        return message_send(to, type, payload, size, 0);
    uint8_t block;
    apus_message *message = apus__mailbox_extend(here, process, &block);
    if (apus_unlikely(!message))
        return message_send_near(here, process, type, payload, size);
    apus__message_fill_short(here, message, block, type, payload, size);
    if (apus_unlikely(!apus__wake_quick(here, process)))
        return message_wake_otherwise(here, process);
    apus__depart();
    return 0;
}

// A small message to an unbounded mailbox of this scheduler is built where it is going to be read. Every call here is in the last
// place, so that no register has to be saved.
apus_hot int apus_send(apus_pid to, const apus_type *type, const void *payload, size_t size)
{
    struct apus__owner *here = apus__arrive();
    if (apus_unlikely(!here) || apus_unlikely(size > APUS__LINE_PAYLOAD))
        return size <= APUS__SHORT_PAYLOAD ? message_send_short(to, type, payload, size) : message_send(to, type, payload, size, 0);
    struct apus_process *process;
    if (apus_unlikely(!type || (!payload && size) || !here->current) || apus_unlikely(!apus__find_near(here, to, &process)))
        return message_send(to, type, payload, size, 0);
    uint8_t block;
    apus_message *message = apus__mailbox_extend(here, process, &block);
    if (apus_unlikely(!message))
        return message_send_near(here, process, type, payload, size);
    apus__message_fill(here, message, APUS__MESSAGE, block, APUS_NO_REF, type, payload, size);
    if (apus_unlikely(!apus__wake_quick(here, process)))
        return message_wake_otherwise(here, process);
    apus__depart();
    return 0;
}

int apus_send_name(const char *name, const apus_type *type, const void *payload, size_t size)
{
    apus_pid to;
    int result = apus__message_check(type, payload, size);
    if (!result)
        result = apus_whereis(name, &to);
    return result ? result : apus_send(to, type, payload, size);
}

apus_message *apus_message_new(const apus_type *type, size_t size)
{
    int error;
    if (!type || size > APUS_MESSAGE_SIZE_MAX)
        return NULL;
    struct apus__owner *here = apus__enter(&error);
    if (!here)
        return NULL;
    apus_message *message = apus__message_alloc(here, size, APUS__MESSAGE);
    if (message && here->current && !apus__extra(here, here->current)) {
        apus__message_free(here, message);
        message = NULL;
    }
    if (message) {
        message->type = type;
        message->ref = APUS_NO_REF;
        message->flags = APUS__UNSENT;
        message->from = apus__sender(here);
        if (here->current)
            apus__hold(here->current, message);
    }
    apus__leave(here);
    return message;
}

// Takes the message out of the caller's hands, to send it on or to drop it. False if it is not the caller's.
static bool message_disown(struct apus__owner *here, apus_message *message)
{
    if (here->current && message == here->handling)
        here->handling = NULL;
    if (message->flags & APUS__HELD) {
        if (!here->current)
            return false;
        apus__unhold(here, here->current, message);
    }
    return true;
}

// Sends on a message that lies in a segment of the current process, to which the segment is bound, or has no room for the way: its content
// moves to a block.
static int message_send_moved(struct apus__owner *here, apus_pid to, apus_message *message)
{
    if (!here->current || (message->kind == APUS__REQUEST && !(message->flags & APUS__ANSWERED)))
        return -EINVAL;
    apus_message *moved = apus__message_alloc(here, message->size, APUS__MESSAGE);
    if (!moved)
        return -ENOMEM;
    moved->type = message->type;
    moved->from = apus__sender(here);
    moved->ref = apus_message_ref(message);
    moved->flags = message->flags & APUS__TAKEN;
    memcpy(apus_message_payload(moved), apus_message_payload(message), message->size);
    // The process, which has both, may be ended while it waits for space.
    uint8_t flags = message->flags;
    apus_message_take(message);
    int result = apus__deliver_or_wait(here, to, moved);
    if (result) {
        message->flags = flags;
        apus__message_free(here, moved);
        return result;
    }
    message_disown(here, message);
    apus__message_free(here, message);
    return 0;
}

int apus_send_message(apus_pid to, apus_message *message)
{
    int result;
    if (!message)
        return -EINVAL;
    if (apus__message_is_threads(message)) {
        if (message->kind > APUS__REPLY)
            return -EINVAL; // its text lies behind its payload
        result = message_send(to, message->type, apus_message_payload(message), message->size, message->flags & APUS__TAKEN);
        if (!result)
            apus__foreign_free(message);
        return result;
    }
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    if (apus__in_segment(message) || message->flags & APUS__SHORT) {
        result = message_send_moved(here, to, message);
        apus__leave(here);
        return result;
    }
    bool was_handled = here->current && message == here->handling;
    uint8_t flags = message->flags;
    uint8_t kind = message->kind;
    apus_pid from = message->from;
    if (kind > APUS__REPLY || (kind == APUS__REQUEST && !(flags & APUS__ANSWERED)) || !message_disown(here, message)) {
        apus__leave(here);
        return -EINVAL;
    }
    message->kind = APUS__MESSAGE;
    message->flags = flags & APUS__TAKEN;
    message->from = apus__sender(here);
    result = apus__deliver(here, to, message);
    if (result == -EAGAIN)
        result = message_deliver_waiting(&here, to, message);
    if (result) {
        message->kind = kind;
        message->from = from;
        message->flags = flags & ~APUS__HELD;
        if (was_handled)
            here->handling = message;
        else if (flags & APUS__HELD)
            apus__hold(here->current, message);
    }
    message_leave(here);
    return result;
}

static int message_keep(struct apus__owner *here, apus_message *message)
{
    if (message->flags & APUS__HELD && !(message->flags & APUS__UNSENT))
        return -EALREADY;
    if (!here->current || here->handling != message || message->kind > APUS__LAST_VISIBLE)
        return -EINVAL;
    if (!apus__extra(here, here->current))
        return -ENOMEM;
    apus_message *holder = apus__holder_for(here, message);
    if (!holder)
        return -ENOMEM;
    apus__hold_by(here->current, message, holder);
    return 0;
}

int apus_message_keep(apus_message *message)
{
    int error;
    struct apus__owner *here = message ? apus__enter(&error) : NULL;
    int result = -EINVAL;
    if (here) {
        if (here->current)
            result = message_keep(here, message);
        apus__leave(here);
    }
    return result;
}

// A request that is released before it has been answered stays open.
static void message_put_by(struct apus__owner *here, apus_process *self, const apus_message *request)
{
    apus__relation_add(here, self, APUS__ASKED_BY, request->ref.id, request->from.id, true);
    if (self->flags & APUS__BLOCKING)
        self->extra->serving = request->ref.id;
}

static __attribute__((noinline)) void message_release_otherwise(apus_message *message)
{
    int error;
    if (apus__message_is_threads(message)) {
        apus__depart();
        apus__payload_drop(message); // a reply that was handed to a plain thread: needs no runtime
        apus__foreign_free(message);
        return;
    }
    struct apus__owner *here = apus__enter(&error);
    if (!here) {
        if (error == -ESHUTDOWN) // one that a plain thread has made, and kept over the stop: no process has one then
            message_free_late(message);
        return;
    }
    if (message_disown(here, message)) {
        if (message->kind == APUS__REQUEST && !(message->flags & APUS__ANSWERED) && here->current)
            message_put_by(here, here->current, message);
        if (message->flags & APUS__UNSENT)
            apus__message_free(here, message);
        else
            apus__message_drop(here, message);
    }
    apus__leave(here);
}

// The common case is a message or reply that a process has waited for, and that owns nothing, or nothing any more.
apus_hot void apus_message_release(apus_message *message)
{
    if (!message)
        return;
    struct apus__owner *here = apus__arrive();
    if (apus_unlikely(!here || !here->current || message == here->handling || !apus__message_is_received(message)) ||
        (!(message->flags & APUS__TAKEN) && apus_unlikely(message->type->drop != NULL))) {
        message_release_otherwise(message);
        return;
    }
    apus__unlink_held(here->current, message);
    apus__message_free(here, message);
    apus__depart();
}
