// otp/supervisor_api.c - the public functions of apus/supervisor.h: requests to the supervisor's process.
//
// Starting:   from a process, spawn with LINK and ACK, and wait for the started message. A plain thread cannot be acknowledged, and
//             a supervisor that fails at once might be gone before a request of the thread's reaches it, and its reason with it; so
//             for a thread the supervisor starts nothing before the request `begin`, whose answer says how it went.
// Last error: one sentence for each thread. A process that waits may go on on another thread, so the sentence is written after the
//             wait, by functions that are not inlined (the address of a thread-local must not be kept across the wait), and carries
//             the pid of the process it is for: another process on the same thread does not see it.
#include "otp/supervisor.h"

#include <apus/apus.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct api_last_error {
    apus_pid pid; // of the process it is for; NOBODY: the thread itself
    char text[APUS_REASON_TEXT_MAX + 1];
    bool has_reason;
    apus_reason reason; // its text is in `text`
};

static _Thread_local struct api_last_error api_last_error;

static apus_pid api_caller(void)
{
    const apus_process *self = apus_self();
    return self != NULL ? apus_pid_of(self) : APUS_NOBODY;
}

__attribute__((noinline)) static void api_note(int error, const char *text)
{
    api_last_error.pid = api_caller();
    if (text == NULL || text[0] == '\0')
        text = error < 0 ? apus_strerror(error) : "";
    snprintf(api_last_error.text, sizeof api_last_error.text, "%s", text);
    api_last_error.has_reason = false;
}

// Notes the reason too, whose text is part of the sentence just noted: from `text_at` on, or, if that is its end, nothing.
__attribute__((noinline)) static void api_note_reason(const apus_reason *reason, size_t text_at)
{
    api_last_error.has_reason = true;
    api_last_error.reason = *reason;
    api_last_error.reason.text = text_at < sizeof api_last_error.text ? api_last_error.text + text_at : NULL;
}

// Notes an error that has to say no more than its code; returns it.
static int api_error(int error)
{
    if (error < 0)
        api_note(error, NULL);
    return error;
}

__attribute__((noinline)) const char *apus_supervisor_last_error(void)
{
    return apus_pid_equal(api_last_error.pid, api_caller()) ? api_last_error.text : "";
}

__attribute__((noinline)) bool apus_supervisor_last_reason(apus_reason *reason)
{
    if (!api_last_error.has_reason || !apus_pid_equal(api_last_error.pid, api_caller()))
        return false;
    if (reason != NULL)
        *reason = api_last_error.reason;
    return true;
}

void apus__supervisor_forget(void)
{
    api_note(0, NULL);
}

// Asking --------------------------------------------------------------------------------------------------------------------------

// Whether the supervisor had no memory for its answer.
static bool api_had_no_memory(const apus_message *down)
{
    const apus_reason *reason = &((const apus_down_message *)apus_message_payload(down))->reason;
    return reason->kind == APUS_REASON_ERROR && reason->code == -ENOMEM;
}

// Sends a request and gets its answer, at least `minimum` bytes long; *answer is to be released if the result is 0.
static int api_ask(apus_pid supervisor, const apus_type *type, const void *payload, size_t size, size_t minimum,
                   apus_message **answer)
{
    int result = apus_call(supervisor, type, payload, size, APUS_INFINITY, answer);
    if (result == -ECONNABORTED && *answer && api_had_no_memory(*answer))
        result = -ENOMEM;
    else if (result == 0 && apus_message_size(*answer) < minimum)
        result = -EPROTO;
    if (result != 0) {
        apus_message_release(*answer);
        *answer = NULL;
    }
    return api_error(result);
}

// Reads an answer that is a status and a pid, and releases it.
static int api_take_answer(apus_message *message, apus_pid *pid)
{
    // The text has no final zero; it ends where the payload ends.
    struct apus__supervisor_answer answer = {.status = 0};
    size_t length = apus_message_size(message);
    memcpy(&answer, apus_message_payload(message), length < sizeof answer ? length : sizeof answer - 1);
    apus_message_release(message);
    if (pid != NULL)
        *pid = answer.pid;
    if (answer.status < 0) {
        api_note(answer.status, answer.text);
        if (answer.has_reason != 0)
            api_note_reason(&answer.reason, answer.reason_text);
    }
    return answer.status;
}

// The same as api_ask, for requests that are answered by a status, and a pid if `pid` is not NULL.
static int api_request(apus_pid supervisor, const apus_type *type, const void *payload, size_t size, apus_pid *pid)
{
    apus_message *message;
    if (pid != NULL)
        *pid = APUS_NOBODY;
    int result = api_ask(supervisor, type, payload, size, offsetof(struct apus__supervisor_answer, has_reason), &message);
    return result != 0 ? result : api_take_answer(message, pid);
}

static int api_request_by_id(apus_pid supervisor, const apus_type *type, const char *id, apus_pid *pid)
{
    if (id == NULL)
        return api_error(-EINVAL);
    return api_request(supervisor, type, id, strlen(id) + 1, pid);
}

// Starting ------------------------------------------------------------------------------------------------------------------------

// The argument of a supervisor, with the packed spec behind it; to be freed. NULL: no memory.
static void *api_pack(const apus_supervisor_spec *spec, bool begins_on_request, size_t *size)
{
    *size = APUS__SUPERVISOR_ARGUMENT_SIZE + apus__supervisor_spec_size(spec);
    struct apus__supervisor_argument *argument = calloc(1, *size);
    if (argument == NULL)
        return NULL;
    argument->begins_on_request = begins_on_request;
    apus__supervisor_spec_pack(spec, apus__supervisor_packed(argument));
    return argument;
}

// What the children's arguments own is held until the supervisor has taken the spec, or has ended before: whoever starts it may have to end
// meanwhile.
static void api_keep(void *argument)
{
    const apus_supervisor_spec *spec = &apus__supervisor_packed(argument)->spec;
    for (size_t i = 0; i < spec->child_count; i++)
        apus__child_spec_keep(&spec->children[i], spec->children[i].argument, spec->children[i].argument_size);
}

static void api_argument_drop(void *argument, size_t size, const apus_type *type)
{
    (void)size, (void)type;
    apus__supervisor_spec_rebase(apus__supervisor_packed(argument));
    const apus_supervisor_spec *spec = &apus__supervisor_packed(argument)->spec;
    for (size_t i = 0; i < spec->child_count; i++)
        apus__child_spec_forget(&spec->children[i], spec->children[i].argument, spec->children[i].argument_size);
}

static const apus_type api_argument_type = {.name = "supervisor.argument", .drop = api_argument_drop};

static int api_spawn(const apus_supervisor_spec *spec, unsigned flags, bool begins_on_request, apus_pid *pid)
{
    size_t size;
    void *argument = api_pack(spec, begins_on_request, &size);
    if (argument == NULL)
        return -ENOMEM;
    apus_spawn_options options = {
        .struct_size = sizeof options,
        .flags = flags | APUS_SPAWN_TRAP_EXITS,
        .name = spec->name,
        .argument_type = &api_argument_type,
    };
    api_keep(argument);
    int result = apus_spawn(&apus__supervisor_behaviour, argument, size, &options, pid);
    if (result != 0)
        api_argument_drop(argument, size, &api_argument_type);
    free(argument);
    return result;
}

static bool api_match_started(const apus_message *message, void *context)
{
    const apus_pid *pid = context;
    return apus_message_type(message) == &apus_type_started && apus_message_size(message) >= sizeof(apus_started) &&
           apus_pid_equal(((const apus_started *)apus_message_payload(message))->pid, *pid);
}

// A wait that has succeeded leaves behind what the next one needs, so after it `apus_receive` cannot fail before anything has been
// started that nobody would wait for: NULL says that the process must end.
static int api_make_sure_of_waiting(apus_process *self)
{
    return apus_yield(self);
}

static int api_start_from_process(apus_process *parent, const apus_supervisor_spec *spec, apus_pid *pid)
{
    int result = api_make_sure_of_waiting(parent);
    if (result == 0)
        result = api_spawn(spec, APUS_SPAWN_LINK | APUS_SPAWN_ACK, false, pid);
    if (result != 0)
        return api_error(result);
    apus_pid started_pid = *pid;
    apus_message *message = apus_receive(parent, api_match_started, &started_pid, APUS_INFINITY);
    if (message == NULL)
        return api_error(-ECANCELED);
    const apus_started *started = apus_message_payload(message);
    result = started->status;
    if (result < 0) {
        api_note(result, started->reason.text);
        api_note_reason(&started->reason, started->reason.text != NULL ? 0 : sizeof api_last_error.text);
    }
    apus_message_release(message);
    return result;
}

static int api_start_alone(const apus_supervisor_spec *spec, apus_pid *pid)
{
    int result = api_spawn(spec, 0, true, pid);
    return result != 0 ? api_error(result) : api_request(*pid, &apus__supervisor_begin, NULL, 0, NULL);
}

int apus_supervisor_start(apus_process *parent, const apus_supervisor_spec *spec, apus_pid *pid)
{
    if (pid == NULL || !apus__supervisor_spec_is_readable(spec))
        return api_error(-EINVAL);
    if (parent != NULL && parent != apus_self())
        return api_error(-EPERM);
    apus_pid started = APUS_NOBODY;
    int result = parent != NULL ? api_start_from_process(parent, spec, &started) : api_start_alone(spec, &started);
    *pid = result == 0 ? started : APUS_NOBODY;
    return result;
}

int apus_supervisor_stop(apus_pid supervisor, uint64_t timeout_ms)
{
    apus_message *end = NULL;
    int result = apus_call(supervisor, &apus__supervisor_stop, NULL, 0, timeout_ms, &end);
    apus_message_release(end);
    return api_error(result == -ECONNABORTED ? 0 : result);
}

// Children ------------------------------------------------------------------------------------------------------------------------

static bool api_match_ref(const apus_message *message, void *context)
{
    return apus_ref_equal(apus_message_ref(message), *(const apus_ref *)context);
}

// Waits for the outcome of a request that has been sent.
static int api_await_answer(apus_process *self, apus_ref ref, apus_pid *child)
{
    apus_message *outcome = apus_receive(self, api_match_ref, &ref, APUS_INFINITY);
    if (outcome == NULL)
        return api_error(-ECANCELED);
    if (apus_message_is_reply(outcome))
        return api_take_answer(outcome, child);
    const apus_down_message *down = apus_message_payload(outcome);
    int result = down->reason.kind == APUS_REASON_NOPROC ? -ESRCH : -ECONNABORTED;
    apus_message_release(outcome);
    return api_error(result);
}

enum { API_BLOCK_ON_STACK = 2048 };

// A spec that does not fit on the stack is packed into memory of its own. A process may be ended while it waits, and must not hold
// that memory then: it sends the request, frees, and waits afterwards.
static int api_start_large_child(apus_pid supervisor, const apus_child_spec *spec, apus_pid *child)
{
    apus_process *self = apus_self();
    if (self != NULL && api_make_sure_of_waiting(self) != 0)
        return api_error(-ENOMEM);
    size_t size = apus__child_spec_size(spec);
    void *block = malloc(size);
    if (block == NULL)
        return api_error(-ENOMEM);
    apus__child_spec_pack(spec, block);
    apus_ref ref;
    int result;
    if (self == NULL)
        result = api_request(supervisor, &apus__supervisor_start_child, block, size, child);
    else
        result = apus_request(self, supervisor, &apus__supervisor_start_child, block, size, APUS_INFINITY, &ref);
    free(block);
    if (self == NULL)
        return result;
    return result != 0 ? api_error(result) : api_await_answer(self, ref, child);
}

int apus_supervisor_start_child(apus_pid supervisor, const apus_child_spec *spec, apus_pid *child)
{
    if (child != NULL)
        *child = APUS_NOBODY;
    if (spec == NULL)
        return api_request(supervisor, &apus__supervisor_start_child, NULL, 0, child);
    if (!apus__child_spec_is_readable(spec))
        return api_error(-EINVAL);
    if (apus__child_spec_size(spec) > API_BLOCK_ON_STACK)
        return api_start_large_child(supervisor, spec, child);
    _Alignas(16) char block[API_BLOCK_ON_STACK];
    apus__child_spec_pack(spec, block);
    return api_request(supervisor, &apus__supervisor_start_child, block, apus__child_spec_size(spec), child);
}

int apus_supervisor_terminate_child(apus_pid supervisor, const char *id)
{
    return api_request_by_id(supervisor, &apus__supervisor_terminate, id, NULL);
}

int apus_supervisor_terminate_pid(apus_pid supervisor, apus_pid child)
{
    return api_request(supervisor, &apus__supervisor_terminate_pid, &child, sizeof child, NULL);
}

int apus_supervisor_restart_child(apus_pid supervisor, const char *id, apus_pid *child)
{
    return api_request_by_id(supervisor, &apus__supervisor_restart, id, child);
}

int apus_supervisor_delete_child(apus_pid supervisor, const char *id)
{
    return api_request_by_id(supervisor, &apus__supervisor_delete, id, NULL);
}

int64_t apus_supervisor_which_children(apus_pid supervisor, apus_child_info *children, size_t capacity)
{
    if (children == NULL && capacity > 0)
        return api_error(-EINVAL);
    apus_message *answer;
    int result = api_ask(supervisor, &apus__supervisor_which, &capacity, sizeof capacity, sizeof(struct apus__supervisor_list),
                         &answer);
    if (result != 0)
        return result;
    const struct apus__supervisor_list *list = apus_message_payload(answer);
    int64_t total = (int64_t)list->total;
    // Whoever was asked may be no supervisor, and answer what it likes.
    size_t count = (apus_message_size(answer) - sizeof *list) / sizeof *children;
    count = count < capacity ? count : capacity;
    if (count > 0)
        memcpy(children, list->children, count * sizeof *children);
    apus_message_release(answer);
    return total;
}

int apus_supervisor_count_children(apus_pid supervisor, apus_child_counts *counts)
{
    if (counts == NULL)
        return api_error(-EINVAL);
    apus_message *answer;
    int result = api_ask(supervisor, &apus__supervisor_count, NULL, 0, sizeof *counts, &answer);
    if (result != 0)
        return result;
    memcpy(counts, apus_message_payload(answer), sizeof *counts);
    apus_message_release(answer);
    return 0;
}
