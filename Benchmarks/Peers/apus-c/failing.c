// failing.c - workloads of processes that crash and are restarted.
//
// The clock runs from the message that crashes a supervisor's only child until the new child's hello. The child has a registered
// name and is crashed through it, as in the Erlang peer, so releasing and taking the name is part of the cycle.
#include "bench.h"

#define CHILD_NAME "bench child"

static const apus_type hello_type = {.name = "hello"}; // payload: the new child
static const apus_type crash_type = {.name = "crash"};

static int child_init(apus_process *self, void *state, const void *argument)
{
    apus_pid me = apus_pid_of(self);
    (void)state;
    check(apus_send(*(const apus_pid *)argument, &hello_type, &me, sizeof me) == 0, "hello");
    return APUS_OK;
}

static int child_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    if (apus_message_type(message) == &crash_type) {
        return -EIO;
    }
    check(apus_reply(message, NULL, NULL, 0) == 0, "reply");
    return APUS_OK;
}

static const apus_behaviour child = {.name = "bench child", .init = child_init, .handle = child_handle};

// Takes the next message, which must be of that type and begin with a pid: a hello, or the exit of a supervisor.
static apus_pid receive_pid(apus_process *boss, const apus_type *type)
{
    apus_message *message = apus_receive(boss, NULL, NULL, APUS_INFINITY);
    check(message != NULL && apus_message_type(message) == type, type->name);
    apus_pid pid = pid_of(message);
    apus_message_release(message);
    return pid;
}

static apus_pid start_supervisor(apus_process *boss)
{
    apus_pid me = apus_pid_of(boss), supervisor;
    apus_spawn_options options = {.struct_size = sizeof options, .name = CHILD_NAME};
    apus_child_spec spec = {.struct_size = sizeof spec, .id = "child", .behaviour = &child, .argument = &me,
                            .argument_size = sizeof me, .options = &options};
    // An intensity that is never reached.
    apus_supervisor_spec tree = {.struct_size = sizeof tree, .intensity_is_set = true, .intensity = 1000000000,
                                 .period_ms = 1000, .children = &spec, .child_count = 1};
    check(apus_supervisor_start(boss, &tree, &supervisor) == 0, apus_supervisor_last_error());
    return supervisor;
}

// Crashes the child of one supervisor `crashes` times. Returns the nanoseconds of those.
static int64_t run_supervisor(apus_process *boss, int64_t crashes)
{
    apus_pid supervisor = start_supervisor(boss), last = receive_pid(boss, &hello_type), named;
    int64_t start = now_ns();
    for (int64_t i = 0; i < crashes; i++) {
        check(apus_send_name(CHILD_NAME, &crash_type, NULL, 0) == 0, "crash");
        apus_pid next = receive_pid(boss, &hello_type);
        check(!apus_pid_equal(next, last), "a new child");
        last = next;
    }
    int64_t end = now_ns();
    check(apus_whereis(CHILD_NAME, &named) == 0 && apus_pid_equal(named, last), "the name is the last child's");
    check(apus_call(last, &number_type, NULL, 0, APUS_INFINITY, NULL) == 0, "the last child answers");
    check(apus_exit_signal(supervisor, apus_reason_of(APUS_REASON_SHUTDOWN)) == 0, "shutdown of the supervisor");
    check(apus_pid_equal(receive_pid(boss, &apus_type_exit), supervisor), "the supervisor's exit");
    check(apus_whereis(CHILD_NAME, &named) == -ESRCH, "the child is gone");
    check(apus_receive(boss, NULL, NULL, 0) == NULL, "no restart too many");
    return end - start;
}

static double run_restarts(apus_process *boss, int64_t per_supervisor)
{
    int64_t total = scaled(50000), ns = 0;
    apus_trap_exits(boss, true);
    for (int64_t left = total; left > 0; left -= per_supervisor) {
        ns += run_supervisor(boss, left < per_supervisor ? left : per_supervisor);
    }
    return (double)ns / (double)total;
}

static double restart_run(apus_process *boss)
{
    return run_restarts(boss, scaled(50000));
}

static double restart_fresh_run(apus_process *boss)
{
    return run_restarts(boss, 100);
}

const struct workload failure_workloads[] = {
    {"restart", "ns/restart", restart_run},
    {"restart_fresh", "ns/restart", restart_fresh_run},
    {NULL, NULL, NULL},
};
