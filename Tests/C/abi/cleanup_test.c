// Tests/C/abi/cleanup_test.c - what a process owns is released, however it ends: its argument, its state, and what its stack holds.
//
// Method:  counters say how often each release ran. The ways to end are played one after the other on one and on two schedulers.
#include "runtime_test.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

static atomic_uint argument_drops, cleanups, unwound, refused;
static apus_pid watcher;

static void argument_drop(void *payload, size_t size, const apus_type *type)
{
    CHECK_EQ(size, 8);
    CHECK_EQ(*(const uint64_t *)payload, 42);
    CHECK_STR(type->name, "argument");
    CHECK(type->context == &argument_drops);
    atomic_fetch_add(&argument_drops, 1);
}

static const apus_type type_argument = {.name = "argument", .drop = argument_drop, .context = &argument_drops};
static const apus_type type_order = {.name = "order"};

// How the process is to end, or to wait.
enum order { END_DONE, END_ERROR, WAIT_RECEIVE, WAIT_CALL, WAIT_SLEEP, WAIT_STUBBORN };

struct owner {
    uint64_t value;
    bool is_taken;
};

static int owner_init(apus_process *self, void *state, const void *argument)
{
    struct owner *owner = state;
    memcpy(&owner->value, argument, sizeof owner->value);
    apus_argument_take(self);
    owner->is_taken = true;
    return APUS_OK;
}

// Waits in the way it was told, until it must end.
static void owner_wait(apus_process *self, enum order order)
{
    switch (order) {
    case WAIT_RECEIVE:
        CHECK(apus_receive(self, NULL, NULL, APUS_INFINITY) == NULL);
        break;
    case WAIT_CALL:
        CHECK_EQ(apus_call(watcher, &type_order, NULL, 0, APUS_INFINITY, NULL), -ECANCELED);
        break;
    case WAIT_SLEEP:
        CHECK_EQ(apus_sleep(self, APUS_INFINITY), -ECANCELED);
        break;
    default:
        for (;;) {
            apus_receive(self, NULL, NULL, APUS_INFINITY);
            atomic_fetch_add(&refused, 1);
        }
    }
    // Each later wait fails as well, at once.
    CHECK(apus_receive(self, NULL, NULL, 0) == NULL);
    CHECK_EQ(apus_sleep(self, 1000000), -ECANCELED);
    CHECK(!apus_is_alive(apus_pid_of(self)));
    atomic_fetch_add(&unwound, 1);
}

static int owner_handle(apus_process *self, void *state, apus_message *message)
{
    enum order order;
    CHECK_EQ(((struct owner *)state)->value, 42);
    memcpy(&order, apus_message_payload(message), sizeof order);
    if (order == END_DONE || order == END_ERROR)
        return order == END_DONE ? APUS_DONE : -EIO;
    owner_wait(self, order);
    return APUS_OK;
}

static void owner_cleanup(apus_process *self, void *state)
{
    struct owner *owner = state;
    CHECK(owner->is_taken);
    CHECK_EQ(owner->value, 42);
    CHECK(apus_self() == self);
    CHECK_EQ(apus_sleep(self, 1), -EPERM);
    CHECK_EQ(apus_call(watcher, &type_order, NULL, 0, 1000, NULL), -EPERM);
    CHECK(apus_receive(self, NULL, NULL, 1000) == NULL);
    CHECK_EQ(apus_send(watcher, &type_order, NULL, 0), 0);
    atomic_fetch_add(&cleanups, 1);
}

static const apus_behaviour owner_behaviour = {
    .name = "owner", .state_size = sizeof(struct owner), .init = owner_init, .handle = owner_handle, .cleanup = owner_cleanup};

static apus_pid spawn_owner(apus_ref *monitor)
{
    const uint64_t argument = 42;
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options,
                                  .flags = APUS_SPAWN_UNWIND | APUS_SPAWN_MONITOR,
                                  .monitor = monitor,
                                  .argument_type = &type_argument};
    CHECK_EQ(apus_spawn(&owner_behaviour, &argument, sizeof argument, &options, &pid), 0);
    return pid;
}

static bool is_down(const apus_message *message, void *context)
{
    return apus_message_type(message) == &apus_type_down && apus_ref_equal(apus_message_ref(message), *(apus_ref *)context);
}

static bool is_request(const apus_message *message, void *context)
{
    (void)context;
    return apus_message_is_request(message);
}

static void expect_end(apus_process *self, apus_ref monitor, apus_reason_kind kind)
{
    apus_message *message = apus_receive(self, is_down, &monitor, APUS_INFINITY);
    CHECK_EQ(((const apus_down_message *)apus_message_payload(message))->reason.kind, kind);
    apus_message_release(message);
}

static void await_waiting(apus_process *self, apus_pid pid)
{
    apus_process_info_t info = {.struct_size = sizeof info};
    do {
        CHECK_EQ(apus_process_info(pid, APUS_INFINITY, &info), 0);
        apus_yield(self);
    } while (info.state != APUS_STATE_WAITING);
}

static void play_end(apus_process *self, enum order order, apus_reason_kind kind)
{
    apus_ref monitor;
    apus_pid pid = spawn_owner(&monitor);
    CHECK_EQ(apus_send(pid, &type_order, &order, sizeof order), 0);
    expect_end(self, monitor, kind);
}

static void play_kill_in_wait(apus_process *self, enum order order)
{
    apus_ref monitor;
    apus_pid pid = spawn_owner(&monitor);
    CHECK_EQ(apus_send(pid, &type_order, &order, sizeof order), 0);
    await_waiting(self, pid);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    expect_end(self, monitor, APUS_REASON_KILLED);
    if (order == WAIT_CALL)
        apus_message_release(apus_receive(self, is_request, NULL, APUS_INFINITY));
}

static void play_idle_kill(apus_process *self)
{
    apus_ref monitor;
    apus_pid pid = spawn_owner(&monitor);
    apus_process_info_t info = {.struct_size = sizeof info};
    do {
        apus_yield(self);
        CHECK_EQ(apus_process_info(pid, APUS_INFINITY, &info), 0);
    } while (info.state == APUS_STATE_STARTING);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_error(-EIO, NULL)), 0);
    expect_end(self, monitor, APUS_REASON_ERROR);
}

static void check_counts(unsigned expected_cleanups, unsigned expected_unwound)
{
    CHECK_EQ(atomic_exchange(&cleanups, 0), expected_cleanups);
    CHECK_EQ(atomic_exchange(&unwound, 0), expected_unwound);
    CHECK_EQ(atomic_load(&argument_drops), 0);
}

static void play_all(apus_process *self, void *argument)
{
    (void)argument;
    watcher = apus_pid_of(self);
    play_end(self, END_DONE, APUS_REASON_NORMAL);
    check_counts(1, 0);
    play_end(self, END_ERROR, APUS_REASON_ERROR);
    check_counts(1, 0);
    play_idle_kill(self);
    check_counts(1, 0);
    play_kill_in_wait(self, WAIT_RECEIVE);
    check_counts(1, 1);
    play_kill_in_wait(self, WAIT_CALL);
    check_counts(1, 1);
    play_kill_in_wait(self, WAIT_SLEEP);
    check_counts(1, 1);
    // One that goes on and on loses its stack, and nobody knows what its state is.
    play_kill_in_wait(self, WAIT_STUBBORN);
    check_counts(0, 0);
    CHECK_EQ(atomic_exchange(&refused, 0), 100);
}

TEST(ends, "cleanup runs once, last, however the process ends; a wait in which it must end returns")
{
    for (unsigned schedulers = 1; schedulers <= 2; schedulers++) {
        start_runtime(schedulers);
        run_process(play_all, NULL, 0);
        stop_runtime();
    }
}

static int failing_init(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state;
    CHECK_EQ(*(const uint64_t *)argument, 42);
    return -EIO;
}

static const apus_behaviour failing = {.name = "failing", .init = failing_init};

static void owning_body(apus_process *self, void *argument)
{
    CHECK_EQ(*(const uint64_t *)argument, 42);
    apus_receive(self, NULL, NULL, APUS_INFINITY);
    CHECK_EQ(atomic_load(&argument_drops), 0);
}

static void play_arguments(apus_process *self, void *argument)
{
    const uint64_t value = 42;
    apus_ref monitor;
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options,
                                  .flags = APUS_SPAWN_MONITOR | APUS_SPAWN_UNWIND,
                                  .monitor = &monitor,
                                  .argument_type = &type_argument};
    (void)argument;
    // Ended before init: the kill comes before its first turn.
    CHECK_EQ(apus_spawn(&owner_behaviour, &value, sizeof value, &options, &pid), 0);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    expect_end(self, monitor, APUS_REASON_KILLED);
    CHECK_EQ(atomic_exchange(&argument_drops, 0), 1);
    // Not taken by init.
    CHECK_EQ(apus_spawn(&failing, &value, sizeof value, &options, &pid), 0);
    expect_end(self, monitor, APUS_REASON_ERROR);
    CHECK_EQ(atomic_exchange(&argument_drops, 0), 1);
    // A body's lives as long as the body.
    CHECK_EQ(apus_spawn_blocking(owning_body, &value, sizeof value, &options, &pid), 0);
    await_waiting(self, pid);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    expect_end(self, monitor, APUS_REASON_KILLED);
    CHECK_EQ(atomic_exchange(&argument_drops, 0), 1);
    // A spawn that fails leaves it with the spawner.
    options.name = "";
    CHECK_EQ(apus_spawn(&failing, &value, sizeof value, &options, &pid), -EINVAL);
    CHECK_EQ(atomic_load(&argument_drops), 0);
}

TEST(arguments, "an argument with a type is dropped once, unless its process takes it")
{
    start_runtime(1);
    run_process(play_arguments, NULL, 0);
    // From a plain thread the argument travels behind what is to be made.
    const uint64_t value = 42;
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options, .argument_type = &type_argument};
    CHECK_EQ(apus_spawn(&failing, &value, sizeof value, &options, &pid), 0);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
    CHECK_EQ(atomic_exchange(&argument_drops, 0), 1);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
