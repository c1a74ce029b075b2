// Tests/C/conformance/supervisor_argument_test.c - arguments of children that own something are kept as long as they are needed.
//
// Method:  `holders` counts those who keep the argument; the spec's `keep` adds one, the `drop` of its type takes one away. When a
//          supervisor is gone, and its children with it, nobody must hold anything. It answers before it lets go.
#include "../runtime_test.h"

#include <sched.h>
#include <stdatomic.h>

static atomic_int holders, starts;

static void argument_keep(const void *argument, size_t size)
{
    CHECK_EQ(size, 8);
    CHECK_EQ(*(const uint64_t *)argument, 42);
    atomic_fetch_add(&holders, 1);
}

static void argument_drop(void *payload, size_t size, const apus_type *type)
{
    (void)type;
    CHECK_EQ(size, 8);
    CHECK_EQ(*(const uint64_t *)payload, 42);
    CHECK(atomic_fetch_sub(&holders, 1) > 0);
}

static const apus_type type_argument = {.name = "argument", .drop = argument_drop}, type_crash = {.name = "crash"};
static const apus_spawn_options owning = {.struct_size = sizeof owning, .argument_type = &type_argument};
static const uint64_t value = 42;

static int child_init(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state;
    CHECK_EQ(*(const uint64_t *)argument, 42);
    CHECK(atomic_load(&holders) > 1);
    atomic_fetch_add(&starts, 1);
    return APUS_OK;
}

static int child_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    return -EIO;
}

static const apus_behaviour child_behaviour = {.name = "child", .init = child_init, .handle = child_handle};

static apus_child_spec child(const char *id)
{
    return (apus_child_spec){.struct_size = sizeof(apus_child_spec),
                             .id = id,
                             .behaviour = &child_behaviour,
                             .argument = &value,
                             .argument_size = sizeof value,
                             .options = &owning,
                             .keep = argument_keep};
}

static apus_pid start(apus_strategy strategy, const apus_child_spec *children, size_t count)
{
    apus_supervisor_spec spec = {.struct_size = sizeof spec,
                                 .strategy = strategy,
                                 .intensity_is_set = true,
                                 .intensity = 10,
                                 .children = children,
                                 .child_count = count};
    apus_pid pid;
    CHECK_EQ(apus_supervisor_start(NULL, &spec, &pid), 0);
    return pid;
}

static void await(const atomic_int *count, int wanted)
{
    while (atomic_load(count) != wanted)
        sched_yield();
}

TEST(restarts, "R44: what an argument owns is kept for every restart, and let go with the child")
{
    start_runtime(2);
    apus_child_spec children[] = {child("a"), child("b")}, third = child("c"), again = child("a");
    apus_pid supervisor = start(APUS_ONE_FOR_ALL, children, 2), pid;
    await(&holders, 2);
    CHECK_EQ(atomic_exchange(&starts, 0), 2);
    CHECK_EQ(apus_supervisor_start_child(supervisor, &third, &pid), 0);
    await(&holders, 3);
    CHECK_EQ(apus_supervisor_start_child(supervisor, &again, &pid), -EALREADY);
    await(&holders, 3);
    CHECK_EQ(apus_send(pid, &type_crash, NULL, 0), 0);
    await(&starts, 4);
    await(&holders, 3);
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, "b"), 0);
    CHECK_EQ(atomic_load(&holders), 3);
    CHECK_EQ(apus_supervisor_delete_child(supervisor, "b"), 0);
    await(&holders, 2);
    CHECK_EQ(apus_supervisor_stop(supervisor, APUS_INFINITY), 0);
    CHECK_EQ(atomic_load(&holders), 0);
    stop_runtime();
}

TEST(templates, "R52: a template's argument is kept by each child of it, until the last is gone")
{
    start_runtime(2);
    apus_child_spec template = child(NULL);
    template.restart = APUS_TEMPORARY;
    apus_pid supervisor = start(APUS_DYNAMIC, &template, 1), pid;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(apus_supervisor_start_child(supervisor, NULL, &pid), 0);
    await(&holders, 11);
    CHECK_EQ(apus_supervisor_terminate_pid(supervisor, pid), 0);
    await(&holders, 10);
    CHECK_EQ(apus_exit_signal(supervisor, apus_reason_of(APUS_REASON_KILL)), 0);
    CHECK_EQ(apus_join(supervisor, APUS_INFINITY, NULL), 0);
    stop_runtime();
    CHECK_EQ(atomic_load(&holders), 0);
}

static void starter(apus_process *self, void *argument)
{
    apus_child_spec children[] = {child("a"), child("b")};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = children, .child_count = 2};
    apus_pid pid, own = apus_pid_of(self);
    argument_keep(&value, sizeof value);
    CHECK_EQ(apus_send(*(apus_pid *)argument, &type_crash, &own, sizeof own), 0);
    CHECK_EQ(apus_supervisor_start(self, &spec, &pid), -ECANCELED);
    CHECK(atomic_fetch_sub(&holders, 1) > 1); // others hold it still
}

static void killer(apus_process *self, void *argument)
{
    (void)argument;
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    CHECK_EQ(apus_exit_signal(*(apus_pid *)apus_message_payload(message), apus_reason_of(APUS_REASON_KILL)), 0);
    apus_message_release(message);
}

TEST(ended, "what arguments own is held for a supervisor that has not begun when the one who starts it must end")
{
    start_runtime(1);
    apus_pid killing, starting;
    apus_spawn_options soon = {.struct_size = sizeof soon, .priority = APUS_PRIORITY_HIGH};
    apus_spawn_options first = {.struct_size = sizeof first, .priority = APUS_PRIORITY_MAX, .flags = APUS_SPAWN_UNWIND};
    atomic_store(&starts, 0);
    CHECK_EQ(apus_spawn_blocking(killer, NULL, 0, &soon, &killing), 0);
    CHECK_EQ(apus_spawn_blocking(starter, &killing, sizeof killing, &first, &starting), 0);
    CHECK_EQ(apus_join(starting, APUS_INFINITY, NULL), 0);
    stop_runtime();
    CHECK_EQ(atomic_load(&starts), 2);
    CHECK_EQ(atomic_load(&holders), 0);
}

TEST(refused, "an argument that owns something needs keep, and keep an argument that does")
{
    start_runtime(1);
    apus_child_spec without = child("a"), alone = child("b");
    without.keep = NULL;
    alone.options = NULL;
    apus_pid supervisor = start(APUS_ONE_FOR_ONE, NULL, 0), pid;
    CHECK_EQ(apus_supervisor_start_child(supervisor, &without, &pid), -EINVAL);
    CHECK_EQ(apus_supervisor_start_child(supervisor, &alone, &pid), -EINVAL);
    CHECK_STR(apus_supervisor_last_error(), "child \"b\": keep needs an argument_type in the options");
    CHECK_EQ(atomic_load(&holders), 0);
    apus_supervisor_spec twice = {.struct_size = sizeof twice, .children = (apus_child_spec[]){child("a"), child("a")}, .child_count = 2};
    CHECK_EQ(apus_supervisor_start(NULL, &twice, &pid), -EEXIST);
    stop_runtime();
    CHECK_EQ(atomic_load(&holders), 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
