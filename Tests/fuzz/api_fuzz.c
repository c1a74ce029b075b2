// Tests/fuzz/api_fuzz.c - the public functions with whatever arguments, from the driver of a simulation and from processes. libFuzzer.
//
// Method:  the input says, call by call, what is called and with what: pids, references and names that are, were, or never were;
//          sizes and times at their limits; NULL wherever a pointer may be wrong. Nothing may crash, and at the end of each input all
//          processes must end and no block may be in use. What is not called here, and why, stands in run.sh.
#include "input.h"

#include <apus/apus.h>

enum { KNOWN = 16, CALLS_MAX = 400, STEPS_MAX = 20000 };

static const apus_type types[2] = {{.name = "one"}, {.name = "two"}};
static apus_pid pids[KNOWN];
static apus_ref refs[KNOWN];
static apus_caller callers[KNOWN];
static unsigned known_pids, known_refs, known_callers;
static int calls;

static void know_pid(apus_pid pid)
{
    if (pid.id)
        pids[known_pids++ % KNOWN] = pid;
}

static void know_ref(apus_ref ref)
{
    refs[known_refs++ % KNOWN] = ref;
}

static void know_caller(apus_caller caller)
{
    callers[known_callers++ % KNOWN] = caller;
}

static apus_pid any_pid(void)
{
    unsigned at = input_below(KNOWN + 2);
    return at < KNOWN ? pids[at] : at == KNOWN ? APUS_NOBODY : (apus_pid){input_word()};
}

static apus_ref any_ref(void)
{
    unsigned at = input_below(KNOWN + 2);
    return at < KNOWN ? refs[at] : at == KNOWN ? APUS_NO_REF : (apus_ref){input_word()};
}

// One that was made, for whoever asks, and perhaps used already; or that was not.
static apus_caller any_caller(void)
{
    unsigned at = input_below(KNOWN + 2);
    return at < KNOWN ? callers[at] : (apus_caller){any_pid(), any_ref()};
}

static const apus_type *any_type(void)
{
    unsigned at = input_below(5);
    return at < 2 ? &types[at] : at == 2 ? NULL : at == 3 ? &apus_type_exit : &types[0];
}

static const char *any_name(void)
{
    static char text[300];
    static const char *const names[] = {"a", "b", "", "c"};
    unsigned at = input_below(8);
    return at < 4 ? names[at] : at == 4 ? NULL : input_text(text, sizeof text);
}

static size_t any_size(void)
{
    static const size_t sizes[] = {0, 1, 8, 16, 63, 64, 200, 4000, APUS_MESSAGE_SIZE_MAX + (size_t)1, SIZE_MAX};
    return sizes[input_below(10)];
}

// A payload of that many bytes, or none at all; for sizes that are refused, one that must not be read.
static const void *any_payload(void)
{
    static const char payload[4096];
    return input_below(4) ? payload : NULL;
}

static uint64_t any_time(void)
{
    // Not the longest delay there is, 34 years: the simulation would jump that far again and again, beyond what a clock can count.
    static const uint64_t times[] = {0, 1, 10, 1000, 1 << 30, (UINT64_C(1) << 40) + 1, APUS_INFINITY - 1};
    return times[input_below(7)];
}

static apus_reason any_reason(void)
{
    static char text[300];
    apus_reason reason = {.kind = (apus_reason_kind)input_below(12), .code = (int32_t)(int8_t)input_byte()};
    reason.text = input_below(2) ? input_text(text, sizeof text) : NULL;
    return reason;
}

struct large_state {
    apus_message *kept; // a message that may be answered, or released, later
    char rest[292];
};

static int fuzz_init(apus_process *self, void *state, const void *argument);
static int small_handle(apus_process *self, void *state, apus_message *message);
static int large_handle(apus_process *self, void *state, apus_message *message);
static void fuzz_body(apus_process *self, void *argument);
static void fuzz_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    (void)self, (void)state, (void)reason;
}

static const apus_behaviour behaviours[2] = {
    {.name = "small", .handle = small_handle},
    {.name = "large", .state_size = sizeof(struct large_state), .init = fuzz_init, .handle = large_handle, .terminate = fuzz_terminate},
};

static const apus_spawn_options *any_options(apus_ref *monitor)
{
    static apus_spawn_options options;
    unsigned how = input_below(8);
    if (how < 3)
        return NULL;
    options = (apus_spawn_options){.struct_size = how == 3 ? 3 : sizeof options, .flags = input_byte() % 32, .monitor = monitor};
    options.priority = (apus_priority)input_below(5);
    options.name = input_below(2) ? any_name() : NULL;
    options.label = input_below(4) ? NULL : any_name();
    options.near = input_below(4) ? APUS_NOBODY : any_pid();
    options.node = (int)input_below(4) - 1;
    options.mailbox_messages = input_below(3) ? 0 : input_byte();
    options.mailbox_bytes = input_below(3) ? 0 : input_byte();
    options.mailbox_policy = (apus_mailbox_policy)input_below(5);
    options.dead_letters = input_below(3) ? APUS_NOBODY : any_pid();
    options.arena_limit = input_below(3) ? 0 : input_byte();
    return &options;
}

static void call_spawn(void)
{
    apus_pid pid = APUS_NOBODY;
    apus_ref monitor = APUS_NO_REF;
    const apus_spawn_options *options = any_options(input_below(4) ? &monitor : NULL);
    size_t size = any_size();
    if (input_below(2))
        apus_spawn(input_below(8) ? &behaviours[input_below(2)] : NULL, any_payload(), size, options, &pid);
    else
        apus_spawn_blocking(input_below(8) ? fuzz_body : NULL, any_payload(), size, options, input_below(4) ? &pid : NULL);
    know_pid(pid);
    know_ref(monitor);
}

// What a process and the driver may call.
static void call_anywhere(void)
{
    apus_pid pid = APUS_NOBODY;
    apus_ref ref = APUS_NO_REF;
    uint64_t left;
    char text[8];
    switch (input_below(18)) {
    case 0:
    case 1:
        call_spawn();
        break;
    case 2:
    case 3:
        apus_send(any_pid(), any_type(), any_payload(), any_size());
        break;
    case 4: {
        apus_message *message = apus_message_new(any_type(), any_size());
        if (message && apus_send_message(any_pid(), message) != 0)
            apus_message_release(message);
        apus_send_message(any_pid(), NULL);
        apus_message_release(NULL);
        break;
    }
    case 5:
        apus_exit_signal(any_pid(), any_reason());
        break;
    case 6:
        apus_register(any_name(), any_pid());
        break;
    case 7:
        if (apus_whereis(any_name(), input_below(4) ? &pid : NULL) == 0)
            know_pid(pid);
        break;
    case 8:
        apus_unregister(any_name());
        break;
    case 9:
        apus_send_name(any_name(), any_type(), any_payload(), any_size());
        break;
    case 10:
        apus_send_after(any_time(), any_pid(), any_type(), any_payload(), any_size(), input_below(4) ? &ref : NULL);
        know_ref(ref);
        break;
    case 11:
        apus_send_name_after(any_time(), any_name(), any_type(), any_payload(), any_size(), input_below(4) ? &ref : NULL);
        know_ref(ref);
        break;
    case 12:
        apus_cancel(any_ref(), input_below(2) ? &left : NULL);
        break;
    case 13:
        apus_reply_to(any_pid(), any_ref(), any_type(), any_payload(), any_size());
        break;
    case 14: {
        apus_runtime_info_t info = {.struct_size = input_below(2) ? sizeof info : input_byte()};
        apus_cpu_info cpu;
        apus_is_alive(any_pid());
        apus_runtime_info(input_below(8) ? &info : NULL);
        apus_topology(input_below(2) ? &cpu : NULL, input_below(2), NULL);
        apus_node_distance((int8_t)input_byte(), (int8_t)input_byte());
        break;
    }
    case 15: {
        apus_caller caller;
        if (apus_caller_make(any_pid(), input_below(8) ? &caller : NULL) == 0)
            know_caller(caller);
        if (input_below(4) == 0)
            apus_caller_drop(any_caller());
        break;
    }
    case 16: {
        const apus_system_limits limits = {.struct_size = input_below(8) ? sizeof limits : input_byte(),
                                           .long_callback_ms = input_byte(),
                                           .long_mailbox = input_below(8),
                                           .many_restarts = input_below(8)};
        apus_system_monitor(any_pid(), input_below(8) ? &limits : NULL);
        apus_system_report((apus_system_event)input_below(5), any_pid(), any_time());
        break;
    }
    default: {
        apus_reason reason = any_reason();
        size_t room = input_below(sizeof text + 1);
        apus_reason_text(&reason, room ? text : NULL, room);
        apus_strerror((int)input_word());
        apus_each_process(NULL, NULL);
        apus_simulation_ready((int)input_byte(), input_byte());
        apus_simulation_begin(NULL, 1);
    }
    }
}

static bool match_any(const apus_message *message, void *context)
{
    return apus_message_type(message) == context;
}

static void call_supervisor(apus_process *self)
{
    apus_child_spec children[2];
    apus_ref monitor;
    for (int i = 0; i < 2; i++)
        children[i] = (apus_child_spec){.struct_size = input_below(16) ? sizeof children[i] : 1,
                                        .id = any_name(),
                                        .behaviour = input_below(8) ? &behaviours[input_below(2)] : NULL,
                                        .body = input_below(8) ? NULL : fuzz_body,
                                        .options = any_options(&monitor),
                                        .restart = (apus_restart)input_below(4),
                                        .significant = input_below(4) == 0,
                                        .shutdown_ms = input_below(2) ? 0 : any_time(),
                                        .start_timeout_ms = input_below(2) ? 0 : any_time(),
                                        .backoff = {.initial_ms = input_byte(), .factor = input_byte() / 16.0, .jitter = input_byte() / 128.0}};
    const apus_supervisor_spec spec = {.struct_size = sizeof spec,
                                       .name = input_below(2) ? NULL : any_name(),
                                       .strategy = (apus_strategy)input_below(5),
                                       .intensity_is_set = input_below(2),
                                       .intensity = input_byte(),
                                       .period_ms = any_time(),
                                       .auto_shutdown = (apus_auto_shutdown)input_below(4),
                                       .max_children = input_below(4),
                                       .children = input_below(4) ? children : NULL,
                                       .child_count = input_below(3)};
    apus_pid pid = APUS_NOBODY;
    apus_child_info infos[2];
    apus_child_counts counts;
    switch (input_below(9)) {
    case 0:
    case 1:
    case 2:
        apus_supervisor_start(self, input_below(8) ? &spec : NULL, input_below(8) ? &pid : NULL);
        break;
    case 3:
        apus_supervisor_start_child(any_pid(), input_below(4) ? &children[0] : NULL, input_below(8) ? &pid : NULL);
        break;
    case 4:
        apus_supervisor_terminate_child(any_pid(), any_name());
        break;
    case 5:
        apus_supervisor_restart_child(any_pid(), any_name(), input_below(4) ? &pid : NULL);
        break;
    case 6:
        apus_supervisor_delete_child(any_pid(), any_name());
        break;
    case 7:
        apus_supervisor_which_children(any_pid(), input_below(4) ? infos : NULL, input_below(3));
        apus_supervisor_count_children(any_pid(), input_below(4) ? &counts : NULL);
        break;
    default:
        apus_supervisor_terminate_pid(any_pid(), any_pid());
        apus_supervisor_stop(any_pid(), any_time());
    }
    apus_supervisor_last_error();
    know_pid(pid);
}

// What takes `self`: the process's own, or nobody's.
static int call_inside(apus_process *self)
{
    apus_process *me = input_below(16) ? self : NULL;
    apus_ref ref = APUS_NO_REF;
    apus_message *reply = NULL;
    switch (input_below(23)) {
    case 0:
        apus_link(me, any_pid());
        break;
    case 1:
        apus_unlink(me, any_pid());
        break;
    case 2:
        apus_monitor(me, any_pid(), input_below(8) ? &ref : NULL);
        know_ref(ref);
        break;
    case 3:
        apus_monitor_name(me, any_name(), input_below(8) ? &ref : NULL);
        know_ref(ref);
        break;
    case 4:
        apus_demonitor(me, any_ref(), input_byte());
        break;
    case 5:
        apus_trap_exits(me, input_below(2));
        break;
    case 6:
        return me ? apus_exit(me, any_reason()) : APUS_OK;
    case 7:
        apus_request(me, any_pid(), any_type(), any_payload(), any_size(), any_time(), input_below(8) ? &ref : NULL);
        know_ref(ref);
        break;
    case 8:
        ref = any_ref();
        apus_request_is_open(me, ref);
        apus_request_abandon(me, ref);
        break;
    case 9:
    case 10:
        if (apus_call(any_pid(), any_type(), any_payload(), any_size(), any_time(), input_below(2) ? &reply : NULL) == 0)
            apus_message_release(reply);
        break;
    case 11:
        apus_message_release(apus_receive(me, input_below(2) ? match_any : NULL, (void *)&types[0], any_time()));
        break;
    case 12:
        apus_sleep(me, any_time());
        break;
    case 13:
        apus_yield(me);
        break;
    case 14: {
        char *memory = apus_alloc(me, any_size());
        if (memory)
            *memory = 1;
        break;
    }
    case 15:
        apus_hibernate(me);
        break;
    case 16:
        if (apus_watch(me, (int8_t)input_byte(), input_byte()) == 0)
            apus_unwatch(me, (int8_t)input_byte());
        break;
    case 17:
        apus_set_priority(me, (apus_priority)input_below(6));
        apus_set_label(me, any_name());
        break;
    case 18: {
        apus_process_info_t info = {.struct_size = input_below(8) ? sizeof info : 7};
        apus_process_info(any_pid(), any_time(), input_below(8) ? &info : NULL);
        break;
    }
    case 19: {
        apus_caller caller = any_caller();
        if (apus_request_as(me, caller, any_pid(), any_type(), any_payload(), any_size(), any_time()) == 0)
            know_ref(caller.ref);
        break;
    }
    case 20:
        if (apus_call_as(any_caller(), any_pid(), any_type(), any_payload(), any_size(), any_time(), input_below(2) ? &reply : NULL) == 0)
            apus_message_release(reply);
        break;
    case 21:
        if (me)
            apus_argument_take(me);
        break;
    default:
        call_supervisor(input_below(4) ? self : NULL);
    }
    return APUS_OK;
}

static int act(apus_process *self)
{
    int result = APUS_OK;
    for (int i = (int)input_below(6); i > 0 && input_left && calls < CALLS_MAX && result == APUS_OK; i--, calls++) {
        if (input_below(2))
            call_anywhere();
        else
            result = call_inside(self);
    }
    return result == APUS_OK && input_left ? (int)input_below(8) == 7 ? -(int)input_byte() : result : result;
}

static int fuzz_init(apus_process *self, void *state, const void *argument)
{
    struct large_state *large = state;
    (void)argument;
    memset(large->rest, 1, sizeof large->rest);
    return act(self);
}

static void answer(const apus_message *request)
{
    unsigned how = input_below(8);
    if (how < 2)
        apus_reply(request, any_type(), any_payload(), any_size());
    if (how > 1 && how < 4)
        apus_reply_error(request, any_reason());
}

static int small_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    answer(message);
    if (input_below(8) == 0)
        apus_message_keep(message);
    return act(self);
}

static int large_handle(apus_process *self, void *state, apus_message *message)
{
    struct large_state *large = state;
    answer(message);
    if (large->kept) {
        answer(large->kept);
        apus_message_release(large->kept);
    }
    large->kept = input_below(4) == 0 && apus_message_keep(message) == 0 ? message : NULL;
    return act(self);
}

static void fuzz_body(apus_process *self, void *argument)
{
    (void)argument;
    while (act(self) == APUS_OK && input_left)
        apus_message_release(apus_receive(self, NULL, NULL, 1000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input_data = data;
    input_left = size;
    known_pids = known_refs = known_callers = 0;
    calls = 0;
    memset(pids, 0, sizeof pids);
    memset(refs, 0, sizeof refs);
    memset(callers, 0, sizeof callers);
    const apus_options options = {.struct_size = sizeof options, .max_processes = 256, .max_timers = 256, .stack_size = 64 << 10};
    FUZZ_CHECK(apus_simulation_begin(&options, input_byte()) == 0);
    for (int i = 0; i < 3; i++)
        call_spawn();
    while (input_left && calls++ < CALLS_MAX) {
        call_anywhere();
        apus_simulation_run(input_below(8));
    }
    apus_simulation_run(STEPS_MAX);
    input_left = 0;
    FUZZ_CHECK(apus_simulation_end() == 0);
    apus_runtime_info_t info = {.struct_size = sizeof info};
    FUZZ_CHECK(apus_runtime_info(&info) == 0);
    FUZZ_CHECK(info.processes == 0 && info.timers == 0 && info.stacks_parked == 0 && info.blocks_in_use == 0);
    return 0;
}
