// Tests/C/faults/system_test.c - what goes wrong slowly is told to a subscriber; and blocking that is announced.
#include "runtime_test.h"

#include <stdatomic.h>

static const apus_type type_number = {.name = "number"};
static atomic_int stage;

static void subscribe(apus_process *self, apus_system_limits limits)
{
    limits.struct_size = sizeof limits;
    CHECK_EQ(apus_system_monitor(apus_pid_of(self), &limits), 0);
}

static apus_system_message expect_event(apus_process *self, apus_system_event event)
{
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    CHECK(apus_message_type(message) == &apus_type_system);
    apus_system_message told = *(const apus_system_message *)apus_message_payload(message);
    CHECK_EQ(told.event, event);
    apus_message_release(message);
    return told;
}

static void expect_silence(apus_process *self)
{
    CHECK(apus_receive(self, NULL, NULL, 0) == NULL);
}

// --- Long callbacks -------------------------------------------------------------------------------------------------------------

static int stay(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    atomic_store(&stage, 1);
    while (atomic_load(&stage) == 1)
        usleep(500);
    return APUS_DONE;
}

static const apus_behaviour stayer = {.name = "stayer", .handle = stay};

static void watch_callbacks(apus_process *self, void *argument)
{
    apus_pid pid;
    apus_ref ref;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref};
    subscribe(self, (apus_system_limits){.long_callback_ms = *(uint32_t *)argument});
    CHECK_EQ(apus_spawn(&stayer, NULL, 0, &options, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    apus_system_message told = expect_event(self, APUS_SYSTEM_LONG_CALLBACK);
    CHECK(apus_pid_equal(told.pid, pid));
    CHECK(told.value >= 5);
    atomic_store(&stage, 2);
    apus_message *down = apus_receive(self, NULL, NULL, APUS_INFINITY);
    CHECK(apus_message_type(down) == &apus_type_down); // and nothing more about it
    apus_message_release(down);
}

TEST(long_callback, "a callback that lasts for long_callback_ms is told of once, or when it loses its scheduler if that is earlier")
{
    start_runtime(2);
    for (uint32_t limit = 5; limit < 2000; limit *= 10) {
        atomic_store(&stage, 0);
        run_process(watch_callbacks, &limit, sizeof limit);
    }
    stop_runtime();
}

TEST(long_callback_unrescued, "also where no scheduler is taken from anybody")
{
    uint32_t limit = 20;
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_NONE, .rescue_ms = APUS_RESCUE_OFF};
    CHECK_EQ(apus_start(&options), 0);
    atomic_store(&stage, 0);
    apus_pid pid;
    CHECK_EQ(apus_spawn_blocking(watch_callbacks, &limit, sizeof limit, NULL, &pid), 0);
    // If the watcher waits behind the stayer it has been told by the time that is let go.
    while (apus_join(pid, 2000, NULL) == -ETIMEDOUT)
        atomic_store(&stage, 2);
    stop_runtime();
}

// --- Long mailboxes -------------------------------------------------------------------------------------------------------------

static void pile_up(apus_process *self, void *argument)
{
    uint64_t count = *(uint64_t *)argument;
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < count; i++)
            CHECK_EQ(apus_send(apus_pid_of(self), &type_number, &i, sizeof i), 0);
        for (int i = 0; i < 3; i++)
            CHECK(apus_receive(self, match_none, NULL, 1) == NULL); // told once, however often it waits
        for (apus_message *message; (message = apus_receive(self, NULL, NULL, 0));)
            apus_message_release(message);
        CHECK_EQ(apus_sleep(self, 1), 0); // fewer now
    }
}

static void watch_mailboxes(apus_process *self, void *argument)
{
    apus_pid pid;
    apus_ref ref;
    uint64_t count = 99;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref};
    (void)argument;
    subscribe(self, (apus_system_limits){.long_mailbox = 100});
    for (int i = 0; i < 2; i++, count++) {
        CHECK_EQ(apus_spawn_blocking(pile_up, &count, sizeof count, &options, &pid), 0);
        for (int round = 0; round < 2 * i; round++) {
            apus_system_message told = expect_event(self, APUS_SYSTEM_LONG_MAILBOX);
            CHECK(apus_pid_equal(told.pid, pid));
            CHECK_EQ(told.value, 100);
        }
        apus_message *down = apus_receive(self, NULL, NULL, APUS_INFINITY);
        CHECK(apus_message_type(down) == &apus_type_down);
        apus_message_release(down);
    }
}

TEST(long_mailbox, "a mailbox of long_mailbox messages is told of once, and again after it was shorter")
{
    start_runtime(1);
    run_process(watch_mailboxes, NULL, 0);
    stop_runtime();
}

// --- Many restarts --------------------------------------------------------------------------------------------------------------

static int fail(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    return -EIO;
}

static const apus_behaviour failer = {.name = "failer", .handle = fail};

static void watch_restarts(apus_process *self, void *argument)
{
    apus_pid top, child, next;
    (void)argument;
    apus_spawn_options options = {.struct_size = sizeof options, .name = "failer"};
    apus_child_spec spec = {.struct_size = sizeof spec, .id = "failer", .behaviour = &failer, .options = &options};
    apus_supervisor_spec tree = {.struct_size = sizeof tree, .intensity_is_set = true, .intensity = 10, .period_ms = 100000,
                                 .children = &spec, .child_count = 1};
    subscribe(self, (apus_system_limits){.many_restarts = 3});
    CHECK_EQ(apus_supervisor_start(self, &tree, &top), 0);
    for (int i = 1; i <= 4; i++) {
        CHECK_EQ(apus_whereis("failer", &child), 0);
        CHECK_EQ(apus_send(child, &type_number, NULL, 0), 0);
        while (apus_whereis("failer", &next) || apus_pid_equal(child, next))
            apus_sleep(self, 1);
        if (i < 3) {
            expect_silence(self);
            continue;
        }
        apus_system_message told = expect_event(self, APUS_SYSTEM_MANY_RESTARTS);
        CHECK(apus_pid_equal(told.pid, top));
        CHECK_EQ(told.value, i);
    }
}

TEST(many_restarts, "a supervisor that has restarted many_restarts children within its period is told of")
{
    start_runtime(1);
    run_process(watch_restarts, NULL, 0);
    stop_runtime();
}

TEST(arguments, "the subscriber must be there, limits be limits; NOBODY ends it")
{
    apus_system_limits limits = {.struct_size = sizeof limits, .many_restarts = 1};
    start_runtime(1);
    CHECK_EQ(apus_system_monitor((apus_pid){12345}, &limits), -ESRCH);
    limits.struct_size = 1;
    CHECK_EQ(apus_system_monitor(APUS_NOBODY, &limits), -EINVAL);
    CHECK_EQ(apus_system_monitor(APUS_NOBODY, NULL), 0);
    CHECK_EQ(apus_system_report(0, APUS_NOBODY, 1), -EINVAL);
    CHECK_EQ(apus_system_report(APUS_SYSTEM_MANY_RESTARTS, APUS_NOBODY, 1), 0);
    stop_runtime();
}

// --- Announced ------------------------------------------------------------------------------------------------------------------

static int echo(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    CHECK_EQ(apus_reply(message, NULL, NULL, 0), 0);
    return APUS_OK;
}

static const apus_behaviour server = {.name = "server", .handle = echo};

static atomic_int blocked;

static void block(apus_process *self, void *argument)
{
    apus_pid to = *(apus_pid *)argument;
    CHECK_EQ(apus_blocking_begin(self), APUS_OK);
    atomic_store(&blocked, 1);
    while (atomic_load(&blocked) == 1) // others run by the announcement alone, unless there was no thread to spare
        usleep(500);
    CHECK_EQ(apus_blocking_end(self), APUS_OK);
    CHECK_EQ(apus_blocking_begin(self), APUS_OK);
    CHECK_EQ(apus_call(to, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
    CHECK(apus_self() == self);
    CHECK_EQ(apus_blocking_end(self), APUS_OK);
}

static void warm_up(apus_process *self, void *argument)
{
    (void)argument;
    CHECK_EQ(apus_blocking_begin(self), APUS_OK);
    CHECK_EQ(apus_blocking_end(self), APUS_OK);
}

TEST(announced, "a process that announces that it blocks gives its scheduler away at once, and goes on after")
{
    apus_pid pid, to;
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .rescue_ms = 1000};
    CHECK_EQ(apus_start(&options), 0);
    while (runtime_info().handoffs == 0) // the first ones find no thread to spare yet
        run_process(warm_up, NULL, 0);
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &to), 0);
    for (int i = 0; i < 20; i++) {
        atomic_store(&blocked, 0);
        CHECK_EQ(apus_spawn_blocking(block, &to, sizeof to, NULL, &pid), 0);
        while (atomic_load(&blocked) == 0)
            usleep(500);
        CHECK_EQ(apus_call(to, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
        atomic_store(&blocked, 2);
        CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    }
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
