// Tests/C/faults/contain_test.c - a fault of any kind, in any callback, at any moment, ends its process and nothing else.
//
// Method: a process has a fault on purpose, while others watch it by every relation there is; afterwards its scheduler must still work,
// nothing may be left in use, and the report must be of the right process.
#define _GNU_SOURCE 1 // pipe2
#include "fault.h"

#include "os/fault.h"
#include "scheduler/slot.h"

#include <fcntl.h>

enum callback { IN_INIT, IN_HANDLE, IN_TERMINATE, IN_BODY, CALLBACKS };

struct order {
    int fault;
    int callback;
};

static void have(const struct order *order, int callback)
{
    if (order->callback == callback)
        faults[order->fault].have();
}

static int victim_init(apus_process *self, void *state, const void *argument)
{
    memcpy(state, argument, sizeof(struct order));
    CHECK(apus_alloc(self, 3000) != NULL);
    have(argument, IN_INIT);
    return APUS_OK;
}

static int victim_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)message;
    have(state, IN_HANDLE);
    return APUS_DONE;
}

static void victim_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    (void)self, (void)reason;
    have(state, IN_TERMINATE);
}

static const apus_behaviour victim = {
    .name = "victim", .state_size = 200, .init = victim_init, .handle = victim_handle, .terminate = victim_terminate};

static void victim_body(apus_process *self, void *argument)
{
    CHECK(apus_alloc(self, 3000) != NULL);
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    have(argument, IN_BODY);
    apus_message_release(message);
}

static void expect_reason(const apus_reason *reason, const struct fault *fault)
{
    CHECK_EQ(reason->kind, APUS_REASON_FAULT);
    CHECK_EQ(reason->code, fault->signal);
    CHECK(fault->text ? reason->text && strstr(reason->text, fault->text) : true);
}

static int echo(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    if (apus_message_is_request(message))
        CHECK_EQ(apus_reply(message, NULL, NULL, 0), 0);
    return APUS_OK;
}

static const apus_behaviour server = {.name = "server", .handle = echo};

static void scheduler_works(void)
{
    apus_pid pid;
    int number = 1;
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &pid), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(apus_call(pid, &type_number, &number, sizeof number, APUS_INFINITY, NULL), 0);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
}

// Takes the outcome of the link, the monitor and the request: all of them tell of the fault.
static void watch(apus_process *self, void *argument)
{
    const struct order *order = argument;
    const struct fault *fault = &faults[order->fault];
    apus_pid pid, found;
    apus_ref ref, request;
    unsigned seen = 0;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_LINK | APUS_SPAWN_MONITOR, .monitor = &ref,
                                  .name = "victim", .label = "to fall"};
    apus_trap_exits(self, true);
    if (order->callback == IN_BODY)
        CHECK_EQ(apus_spawn_blocking(victim_body, order, sizeof *order, &options, &pid), 0);
    else
        CHECK_EQ(apus_spawn(&victim, order, sizeof *order, &options, &pid), 0);
    CHECK_EQ(apus_request(self, pid, &type_number, NULL, 0, APUS_INFINITY, &request), 0);
    while (seen != 7) {
        apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
        if (apus_message_type(message) == &apus_type_exit) {
            const apus_exit_message *exit = apus_message_payload(message);
            CHECK(apus_pid_equal(exit->from, pid));
            expect_reason(&exit->reason, fault);
            seen |= 1;
        } else {
            const apus_down_message *down = apus_message_payload(message);
            CHECK(apus_message_type(message) == &apus_type_down);
            expect_reason(&down->reason, fault);
            seen |= apus_ref_equal(down->ref, ref) ? 2 : 4;
        }
        // R8: its name is free before anyone hears of its end.
        CHECK_EQ(apus_whereis("victim", &found), -ESRCH);
        apus_message_release(message);
    }
    CHECK(!apus_is_alive(pid));
    scheduler_works();
}

static void contain(int callback)
{
    static const char *const names[] = {"init", "handle", "terminate", "body"};
    char part[64];
    NEEDS_CONTAINMENT();
    start_with_faults(1);
    for (int i = 0; i < FAULTS; i++) {
        struct order order = {i, callback};
        run_process(watch, &order, sizeof order);
        await_logged((unsigned)i + 1);
        CHECK_EQ(logged.kind, APUS_LOG_CRASH);
        snprintf(part, sizeof part, "in %s", names[callback]);
        CHECK(strstr(logged.text, part) != NULL);
        CHECK(strstr(logged.text, "named victim, to fall") != NULL || strstr(logged.text, "to fall") != NULL);
        CHECK(strstr(logged.text, "number") != NULL || callback == IN_INIT);
        CHECK(strstr(logged.json, "\"event\":\"crash\"") != NULL);
    }
    CHECK_EQ(runtime_info().faults, FAULTS);
    stop_runtime();
}

TEST(init, "a fault of every kind in init ends the process, which its links, monitors and callers hear of")
{
    contain(IN_INIT);
}

TEST(handle, "a fault of every kind in handle does")
{
    contain(IN_HANDLE);
}

TEST(terminate, "a fault of every kind in terminate does")
{
    contain(IN_TERMINATE);
}

TEST(body, "a fault of every kind in a blocking process does")
{
    contain(IN_BODY);
}

// --- Reports --------------------------------------------------------------------------------------------------------------------

__attribute__((noinline)) static void function_with_a_name(void)
{
    fault_null_pointer();
    __asm__ volatile("");
}

static int named_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    function_with_a_name();
    return APUS_OK;
}

static const apus_behaviour named = {.name = "named behaviour", .handle = named_handle};

TEST(report, "a report names process, behaviour, message, functions on the stack, waiting messages and the last signals")
{
    apus_pid pid;
    char part[128];
    apus_spawn_options options = {.struct_size = sizeof options, .name = "its name", .label = "its label"};
    NEEDS_CONTAINMENT();
    start_with_faults(1);
    CHECK_EQ(apus_spawn(&named, NULL, 0, &options, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    await_logged(1);
    CHECK(apus_pid_equal(logged.pid, pid));
    snprintf(part, sizeof part, "<%u.%u> (named behaviour, named its name, its label) fault: SIGSEGV", (unsigned)(uint32_t)pid.id,
             (unsigned)(pid.id >> 32));
    const char *const parts[] = {part, "type \"number\"", "function_with_a_name+0x", "named_handle+0x", "messages waiting",
                                 "last signals"};
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(logged.text, parts[i])) {
            fprintf(stderr, "no \"%s\" in: %s", parts[i], logged.text);
            _exit(1);
        }
    CHECK(strstr(logged.json, "\"behaviour\":\"named behaviour\"") != NULL);
    CHECK(strstr(logged.json, "\"signal\":11") != NULL);
    stop_runtime();
}

// --- Hostile moments ------------------------------------------------------------------------------------------------------------

static bool faulty_match(const apus_message *message, void *context)
{
    (void)message;
    if (--*(int *)context == 0)
        fault_null_pointer();
    return false;
}

static void match_body(apus_process *self, void *argument)
{
    apus_receive(self, faulty_match, argument, APUS_INFINITY);
}

TEST(match, "a fault in a match function is its process's, at once and in the middle of its wait")
{
    apus_pid pid, other;
    apus_reason reason;
    NEEDS_CONTAINMENT();
    start_with_faults(1);
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &other), 0);
    for (int looks = 1; looks <= 3; looks++) {
        CHECK_EQ(apus_spawn_blocking(match_body, &looks, sizeof looks, NULL, &pid), 0);
        for (int i = 0; i < looks; i++) {
            CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
            CHECK_EQ(apus_call(other, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
        }
        CHECK_EQ(apus_join(pid, APUS_INFINITY, &reason), 0);
    }
    await_logged(3);
    CHECK_EQ(runtime_info().faults, 3);
    stop_runtime();
}

static atomic_int at_barrier;

static int fall_together(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    atomic_fetch_add(&at_barrier, 1);
    while (atomic_load(&at_barrier) % 2)
        sched_yield();
    fault_illegal();
    return APUS_OK;
}

static const apus_behaviour together = {.name = "together", .handle = fall_together};

TEST(two_at_once, "two faults at the same time, on two schedulers, again and again")
{
    apus_pid pids[2];
    NEEDS_CONTAINMENT();
    start_with_faults(2);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 2; i++)
            CHECK_EQ(apus_spawn(&together, NULL, 0, NULL, &pids[i]), 0);
        for (int i = 0; i < 2; i++)
            CHECK_EQ(apus_send(pids[i], &type_number, NULL, 0), 0);
        for (int i = 0; i < 2; i++)
            CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
    }
    await_logged(100);
    CHECK_EQ(runtime_info().faults, 100);
    stop_runtime();
}

TEST(spares_run_out, "more faults in a row than there are spares")
{
    enum { ALL = 200 };
    apus_pid pids[ALL];
    NEEDS_CONTAINMENT();
    start_with_faults(2);
    for (int i = 0; i < ALL; i++) {
        struct order order = {i % 5, IN_INIT};
        CHECK_EQ(apus_spawn(&victim, &order, sizeof order, NULL, &pids[i]), 0);
    }
    for (int i = 0; i < ALL; i++)
        CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
    scheduler_works();
    await_logged(ALL);
    CHECK_EQ(runtime_info().faults, ALL);
    stop_runtime();
}

static atomic_int stage;

static void stay_a_while(void)
{
    atomic_fetch_add(&stage, 1);
    while (atomic_load(&stage) < 2)
        usleep(500);
}

static int stay_then_fall(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    stay_a_while();
    fault_null_pointer();
    return APUS_OK;
}

static const apus_behaviour stayer = {.name = "stayer", .handle = stay_then_fall};

enum { IS_NOT_KILLED, IS_KILLED_BEFORE, IS_KILLED_WHILE_IT_FALLS, WAYS_TO_FALL };

static void fall_detached(int how, bool keeps_thread)
{
    static struct apus__fault fault;
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = keeps_thread ? APUS_SPAWN_KEEP_THREAD : 0};
    atomic_store(&stage, 0);
    CHECK_EQ(apus_spawn(&stayer, NULL, 0, &options, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    while (atomic_load(&stage) == 0)
        usleep(500);
    scheduler_works(); // so it has lost its scheduler
    struct apus__fiber *fiber = apus__find(pid)->extra->wait->fiber;
    if (how == IS_KILLED_WHILE_IT_FALLS) // it has noted its fault, and has not told its scheduler yet
        fiber->fault = &fault;
    if (how != IS_NOT_KILLED) {
        CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
        CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    }
    atomic_store(&stage, 2);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    scheduler_works();
}

TEST(detached, "a fault of a process that has lost its scheduler, or has been killed since, is its own as well")
{
    NEEDS_CONTAINMENT();
    start_with_faults(1);
    enum { FALLS = 4 * WAYS_TO_FALL };
    for (unsigned i = 0; i < FALLS; i++) {
        fall_detached((int)(i % WAYS_TO_FALL), i / WAYS_TO_FALL % 2);
        await_logged(i + 1);
        CHECK_EQ(logged.kind, APUS_LOG_CRASH);
    }
    CHECK_EQ(runtime_info().faults, FALLS);
    CHECK_EQ(runtime_info().detached, 0);
    stop_runtime();
}

static void fall_when_told_to_end(apus_process *self, void *state, const apus_reason *reason)
{
    (void)self, (void)state, (void)reason;
    fault_abort();
}

static const apus_behaviour bad_loser = {.name = "bad loser", .handle = echo, .terminate = fall_when_told_to_end};

TEST(stop, "faults while the runtime is being stopped do not keep it from that")
{
    NEEDS_CONTAINMENT();
    for (int round = 0; round < 5; round++) {
        apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_TRAP_EXITS};
        start_with_faults(2);
        for (int i = 0; i < 20; i++) {
            apus_pid pid;
            CHECK_EQ(apus_spawn(&bad_loser, NULL, 0, &options, &pid), 0);
            CHECK_EQ(apus_call(pid, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
        }
        CHECK_EQ(apus_stop(5000), 0);
        CHECK_EQ(runtime_info().faults, 20);
        CHECK_EQ(runtime_info().blocks_in_use, 0);
    }
}

// --- What was said --------------------------------------------------------------------------------------------------------------

enum { LONG_US = 300000 }; // longer than anybody would take "just now" for

static void say(const char *text)
{
    static int (*volatile put)(const char *restrict, FILE *restrict) = fputs; // which the compiler would replace
    put(text, stderr);
}

static int say_and_go_on(apus_process *self, void *state, apus_message *message)
{
    say("all is well\n");
    return echo(self, state, message);
}

static int say_and_fall_late(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    say("the sky ");
    stay_a_while();
    say("falls\n");
    usleep(LONG_US);
    fault_illegal();
    return APUS_OK;
}

static int fall_and_say_nothing(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    fault_illegal();
    return APUS_OK;
}

static const apus_behaviour optimist = {.name = "optimist", .handle = say_and_go_on};
static const apus_behaviour prophet = {.name = "prophet", .handle = say_and_fall_late};
static const apus_behaviour silent = {.name = "silent", .handle = fall_and_say_nothing};

struct last_words {
    const apus_behaviour *behaviour;
    const char *text;
    bool loses_scheduler;
};

// Whoever falls, falls after the optimist's turn on the same scheduler.
static void hear_last_words(apus_process *self, void *argument)
{
    const struct last_words *words = argument;
    apus_pid other, pid;
    apus_ref ref;
    atomic_store(&stage, 0);
    CHECK_EQ(apus_spawn(&optimist, NULL, 0, NULL, &other), 0);
    CHECK_EQ(apus_call(other, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
    CHECK_EQ(apus_spawn(words->behaviour, NULL, 0, NULL, &pid), 0);
    CHECK_EQ(apus_monitor(self, pid, &ref), 0);
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    if (words->loses_scheduler)
        while (atomic_load(&stage) == 0)
            apus_sleep(self, 1);
    atomic_store(&stage, 2);
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    const apus_down_message *down = apus_message_payload(message);
    CHECK(apus_message_type(message) == &apus_type_down);
    CHECK_EQ(down->reason.code, SIGILL);
    CHECK(words->text ? down->reason.text && strcmp(down->reason.text, words->text) == 0 : down->reason.text == NULL);
    apus_message_release(message);
}

static void expect_last_words(const apus_behaviour *behaviour, const char *text, uint32_t rescue_ms)
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .rescue_ms = rescue_ms};
    struct last_words words = {behaviour, text, rescue_ms != APUS_RESCUE_OFF};
    CHECK_EQ(apus_start(&options), 0);
    run_process(hear_last_words, &words, sizeof words);
    stop_runtime();
}

TEST(said, "a reason has what its process has said in the same turn, however long ago, and nothing that others have")
{
    NEEDS_CONTAINMENT();
    expect_last_words(&silent, NULL, APUS_RESCUE_OFF);
    expect_last_words(&prophet, "the sky falls", APUS_RESCUE_OFF);
    expect_last_words(&prophet, "the sky falls", test_rescue_ms());
}

// --- Descriptors ----------------------------------------------------------------------------------------------------------------

static int pipe_ends[2];

static void watch_and_fall(apus_process *self, void *argument)
{
    (void)argument;
    CHECK_EQ(apus_watch(self, pipe_ends[0], APUS_IO_READ), 0);
    apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
    fault_null_pointer();
}

static void watch_after_fall(apus_process *self, void *argument)
{
    apus_pid pid;
    apus_ref ref;
    (void)argument;
    CHECK_EQ(apus_spawn_blocking(watch_and_fall, NULL, 0, NULL, &pid), 0);
    CHECK_EQ(apus_monitor(self, pid, &ref), 0);
    while (apus_watch(self, pipe_ends[0], APUS_IO_READ) == 0) { // until the other one has it
        CHECK_EQ(apus_unwatch(self, pipe_ends[0]), 0);
        apus_sleep(self, 1);
    }
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    CHECK(apus_message_type(message) == &apus_type_down);
    apus_message_release(message);
    CHECK_EQ(apus_watch(self, pipe_ends[0], APUS_IO_READ), 0);
    CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
    message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    CHECK(apus_message_type(message) == &apus_type_io);
    apus_message_release(message);
}

TEST(descriptors, "a descriptor that a process with a fault has watched stays open, and is free for others to watch")
{
    NEEDS_CONTAINMENT();
    CHECK_EQ(pipe2(pipe_ends, O_NONBLOCK), 0);
    start_with_faults(1);
    run_process(watch_after_fall, NULL, 0);
    stop_runtime();
}

// --- Memory ---------------------------------------------------------------------------------------------------------------------

static long resident_kb(void)
{
    long pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%ld %ld", &ignored, &pages) == 2);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void fall_at_once(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    fault_null_pointer();
}

static void fall_often(unsigned count)
{
    apus_pid pid;
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(apus_spawn_blocking(fall_at_once, NULL, 0, NULL, &pid), 0);
        CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    }
}

TEST(memory, "a contained fault keeps no more than 20 KB, once the monitor has tidied up")
{
    enum { WARM = 50, COUNTED = 200 };
    NEEDS_CONTAINMENT();
    start_with_faults(1);
    fall_often(WARM);
    await_logged(WARM);
    long before = resident_kb();
    fall_often(COUNTED);
    await_logged(WARM + COUNTED);
    while (resident_kb() - before > 20 * COUNTED)
        usleep(1000);
    stop_runtime();
}

// --- Supervised -----------------------------------------------------------------------------------------------------------------

static int fall_or_answer(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    if (apus_message_is_request(message))
        return echo(self, NULL, message);
    faults[*(const int *)apus_message_payload(message)].have();
    return APUS_OK;
}

static const apus_behaviour child = {.name = "child", .handle = fall_or_answer};

static void supervise(apus_process *self, void *argument)
{
    (void)argument;
    apus_pid top, before, after;
    apus_spawn_options options = {.struct_size = sizeof options, .name = "child"};
    apus_child_spec spec = {.struct_size = sizeof spec, .id = "child", .behaviour = &child, .options = &options};
    apus_supervisor_spec tree = {.struct_size = sizeof tree, .intensity_is_set = true, .intensity = 1000, .period_ms = 1000,
                                 .children = &spec, .child_count = 1};
    CHECK_EQ(apus_supervisor_start(self, &tree, &top), 0);
    for (int i = 0; i < FAULTS; i++) {
        CHECK_EQ(apus_whereis("child", &before), 0);
        CHECK_EQ(apus_send(before, &type_number, &i, sizeof i), 0);
        while (apus_whereis("child", &after) || apus_pid_equal(before, after))
            apus_sleep(self, 1);
        CHECK_EQ(apus_call(after, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
    }
    CHECK(apus_is_alive(top));
}

TEST(supervised, "a supervisor restarts its child after a fault of every kind")
{
    NEEDS_CONTAINMENT();
    start_with_faults(1);
    run_process(supervise, NULL, 0);
    stop_runtime();
}

// --- Over its memory ------------------------------------------------------------------------------------------------------------

static int eat_or_answer(apus_process *self, void *state, apus_message *message)
{
    if (apus_message_is_request(message))
        return echo(self, state, message);
    while (apus_alloc(self, 1000)) {
    }
    return APUS_OK;
}

static const apus_behaviour eater = {.name = "eater", .handle = eat_or_answer};

static void supervise_eater(apus_process *self, void *argument)
{
    (void)argument;
    apus_pid top, before, after;
    apus_ref ref;
    apus_spawn_options options = {.struct_size = sizeof options, .name = "eater", .arena_limit = 50000};
    apus_child_spec spec = {.struct_size = sizeof spec, .id = "eater", .behaviour = &eater, .options = &options};
    apus_supervisor_spec tree = {.struct_size = sizeof tree, .children = &spec, .child_count = 1};
    CHECK_EQ(apus_supervisor_start(self, &tree, &top), 0);
    CHECK_EQ(apus_whereis("eater", &before), 0);
    CHECK_EQ(apus_monitor(self, before, &ref), 0);
    CHECK_EQ(apus_send(before, &type_number, NULL, 0), 0);
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    const apus_down_message *down = apus_message_payload(message);
    CHECK(apus_message_type(message) == &apus_type_down);
    CHECK_EQ(down->reason.kind, APUS_REASON_KILLED);
    apus_message_release(message);
    while (apus_whereis("eater", &after))
        apus_sleep(self, 1);
    CHECK(!apus_pid_equal(before, after));
    CHECK_EQ(apus_call(after, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
}

TEST(arena, "a process over its arena's limit ends with killed, and its supervisor restarts it")
{
    start_runtime(1);
    run_process(supervise_eater, NULL, 0);
    stop_runtime();
}

static void fall(apus_process *self, void *state)
{
    (void)self, (void)state;
    fault_null_pointer();
}

static const apus_behaviour falls_last = {.name = "falls last", .state_size = 8, .handle = echo, .cleanup = fall};

static bool is_none(const apus_message *message, void *context)
{
    (void)message, (void)context;
    return false;
}

static int kill_and_wait(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    apus_pid pid = *(const apus_pid *)apus_message_payload(message);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    CHECK(apus_receive(self, is_none, NULL, 20) == NULL);
    CHECK(!apus_is_alive(pid));
    CHECK(apus_pid_equal(pid, *(const apus_pid *)apus_message_payload(message)));
    CHECK_EQ(apus_reply(message, NULL, NULL, 0), 0);
    return APUS_OK;
}

static const apus_behaviour killer = {.name = "killer", .handle = kill_and_wait};

static void kill_one_that_falls(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    apus_pid victim_pid, killer_pid;
    CHECK_EQ(apus_spawn(&falls_last, NULL, 0, NULL, &victim_pid), 0);
    CHECK_EQ(apus_call(victim_pid, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
    CHECK_EQ(apus_spawn(&killer, NULL, 0, NULL, &killer_pid), 0);
    CHECK_EQ(apus_call(killer_pid, &type_number, &victim_pid, sizeof victim_pid, APUS_INFINITY, NULL), 0);
}

TEST(cleanup, "a fault in cleanup takes nothing from a process that waits in the middle of a message")
{
    NEEDS_CONTAINMENT();
    start_with_faults(1);
    run_process(kill_one_that_falls, NULL, 0);
    await_logged(1);
    CHECK_EQ(logged.kind, APUS_LOG_CRASH);
    stop_runtime();
}

static int leave(apus_process *self, void *state, apus_message *message)
{
    (void)state, (void)message;
    return apus_exit(self, apus_reason_error(-EPROTO, "told to"));
}

static void kill_oneself(apus_process *self, void *state, const apus_reason *reason)
{
    (void)state;
    CHECK_EQ(reason->code, -EPROTO);
    CHECK_EQ(apus_exit_signal(apus_pid_of(self), apus_reason_of(APUS_REASON_KILL)), 0);
}

static const apus_behaviour kills_itself = {
    .name = "kills itself", .state_size = 8, .handle = leave, .terminate = kill_oneself, .cleanup = fall};

static void call_one_that_kills_itself(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    apus_pid pid;
    CHECK_EQ(apus_spawn(&kills_itself, NULL, 0, NULL, &pid), 0);
    CHECK_EQ(apus_call(pid, &type_number, NULL, 0, APUS_INFINITY, NULL), -ECONNABORTED);
}

TEST(killed_in_terminate, "a fault in cleanup, after a kill in the middle of terminate, leaves neither reason behind")
{
    NEEDS_CONTAINMENT();
    start_with_faults(1);
    run_process(call_one_that_kills_itself, NULL, 0);
    await_logged(1);
    stop_runtime();
}

// --- Stacks ---------------------------------------------------------------------------------------------------------------------

enum { SPENT_PAGES = 20, SPENT_BYTES = 100 << 10 };
static _Atomic uintptr_t spent; // the first of some pages of a stack that were used once

__attribute__((noinline)) static void spend_stack(void)
{
    volatile char frame[SPENT_BYTES];
    for (size_t i = 0; i < sizeof frame; i += 1024)
        frame[i] = 1;
    atomic_store(&spent, ((uintptr_t)frame | 4095) + 1);
}

static void spend_and_fall(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    spend_stack();
    fault_null_pointer();
}

static int spent_resident(void)
{
    unsigned char pages[SPENT_PAGES];
    int resident = 0;
    CHECK_EQ(mincore((void *)atomic_load(&spent), sizeof pages * 4096, pages), 0);
    for (int i = 0; i < SPENT_PAGES; i++)
        resident += pages[i] & 1;
    return resident;
}

TEST(spent, "what a process that had a fault has used of its stack before is given back")
{
    NEEDS_CONTAINMENT();
    start_with_faults(1);
    CHECK_EQ(apus_spawn_blocking(spend_and_fall, NULL, 0, NULL, NULL), 0);
    await_logged(1);
    while (spent_resident() > 0)
        usleep(1000);
    stop_runtime();
}

// --- Again and again ------------------------------------------------------------------------------------------------------------

TEST(start_again, "after faults the runtime stops cleanly, starts again, and contains again")
{
    NEEDS_CONTAINMENT();
    for (int round = 0; round < 10; round++) {
        struct order order = {round % FAULTS, IN_HANDLE};
        start_with_faults(1);
        run_process(watch, &order, sizeof order);
        stop_runtime();
    }
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
