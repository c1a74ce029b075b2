// Tests/C/numa/placement_test.c - where processes run and where their memory lies, on the machine of four nodes.
//
// Goal:   the promises about nodes in apus/process.h and apus/inspect.h, seen from the kernel's side.
// Method: callbacks ask the kernel on which CPU they run (getcpu) and on which node a page of theirs lies (get_mempolicy), and
//         compare with what was asked for. Nothing is measured: emulated nodes are equally fast.
#define _GNU_SOURCE // getcpu, sched_getaffinity
#include "runtime_test.h"

#include <numaif.h>
#include <sched.h>
#include <stdatomic.h>

enum { NODES = 4, CPUS = 8, PATIENCE_MS = 60000 };

static const apus_type type_token = {.name = "token"};

static void start_pinned(void)
{
    apus_options options = {.struct_size = sizeof options, .binding = APUS_BIND_CORES};
    CHECK_EQ(apus_start(&options), 0);
    CHECK_EQ(runtime_info().schedulers, CPUS);
    CHECK_EQ(runtime_info().nodes, NODES);
}

static int node_here(void)
{
    unsigned cpu, node;
    CHECK_EQ(getcpu(&cpu, &node), 0);
    return (int)node;
}

static int node_of_memory(void *address)
{
    int node = -1;
    CHECK_EQ(get_mempolicy(&node, NULL, 0, address, MPOL_F_NODE | MPOL_F_ADDR), 0);
    return node;
}

TEST(topology, "apus_topology and apus_node_distance tell what the machine is")
{
    apus_cpu_info cpus[CPUS];
    double quota = -1;
    CHECK_EQ(apus_topology(cpus, CPUS, &quota), CPUS);
    CHECK(quota == 0);
    for (int i = 0; i < CPUS; i++) {
        CHECK_EQ(cpus[i].cpu, i);
        CHECK_EQ(cpus[i].node, i / 2);
        CHECK_EQ(cpus[i].package, i / 2);
    }
    for (int a = 0; a < NODES; a++)
        for (int b = 0; b < NODES; b++)
            CHECK_EQ(apus_node_distance(a, b), a == b ? 10 : a / 2 == b / 2 ? 20 : 30);
    CHECK_EQ(apus_node_distance(0, NODES), -EINVAL);
    CHECK_EQ(apus_node_distance(-1, 0), -EINVAL);
}

// A process that knows where it should be: `*argument` is a node.
struct resident {
    int node;
    int turns;
    char ballast[8000]; // more than a page, so that the state is not a corner of somebody's
};

static int resident_check(apus_process *self, struct resident *state)
{
    CHECK_EQ(node_here(), state->node);
    CHECK_EQ(node_of_memory(state), state->node);
    CHECK_EQ(node_of_memory(&state->ballast[sizeof state->ballast - 1]), state->node);
    char *block = apus_alloc(self, 10000);
    CHECK(block != NULL);
    memset(block, 1, 10000);
    CHECK_EQ(node_of_memory(block), state->node);
    return APUS_OK;
}

static int resident_init(apus_process *self, void *state, const void *argument)
{
    struct resident *resident = state;
    resident->node = *(const int *)argument;
    return resident_check(self, resident);
}

// Passes its own messages round until `turns` is used up, with a check at each turn.
static int resident_handle(apus_process *self, void *state, apus_message *message)
{
    struct resident *resident = state;
    (void)message;
    resident_check(self, resident);
    if (++resident->turns == 20)
        return APUS_DONE;
    CHECK_EQ(apus_send(apus_pid_of(self), &type_token, NULL, 0), 0);
    return APUS_OK;
}

static const apus_behaviour resident = {
    .name = "resident", .state_size = sizeof(struct resident), .init = resident_init, .handle = resident_handle};

TEST(spawn_on_node, "a process spawned on a node runs there, with its state and arena, and under load is not carried off")
{
    enum { EACH = 16 };
    apus_pid pids[NODES * EACH];
    start_pinned();
    // Far more work on one node than on the others, so that an idle scheduler elsewhere has a reason to take some.
    for (int i = 0; i < NODES * EACH; i++) {
        int node = i < 3 * EACH ? 1 : i % NODES;
        apus_spawn_options options = {.struct_size = sizeof options, .node = node + 1};
        CHECK_EQ(apus_spawn(&resident, &node, sizeof node, &options, &pids[i]), 0);
        CHECK_EQ(apus_send(pids[i], &type_token, NULL, 0), 0);
    }
    for (int i = 0; i < NODES * EACH; i++) {
        apus_reason reason;
        CHECK_EQ(apus_join(pids[i], PATIENCE_MS, &reason), 0);
        CHECK(reason.kind == APUS_REASON_NORMAL || reason.kind == APUS_REASON_NOPROC);
    }
    stop_runtime();
}

TEST(spawn_on_no_node, "a node that the machine does not have is refused")
{
    start_pinned();
    apus_pid pid;
    int node = 0;
    apus_spawn_options options = {.struct_size = sizeof options, .node = NODES + 1};
    CHECK_EQ(apus_spawn(&resident, &node, sizeof node, &options, &pid), -EINVAL);
    options.node = -1;
    CHECK_EQ(apus_spawn(&resident, &node, sizeof node, &options, &pid), -EINVAL);
    stop_runtime();
}

// A blocking process: its stack too lies on its node, also after it has waited.
static void stay(apus_process *self, void *argument)
{
    int node = *(int *)argument;
    for (int i = 0; i < 3; i++) {
        char local[64];
        memset(local, i, sizeof local);
        __asm__ volatile("" : : "r"(local) : "memory"); // the array is really on the stack
        CHECK_EQ(node_here(), node);
        CHECK_EQ(node_of_memory(local), node);
        CHECK_EQ(apus_sleep(self, 5), 0);
    }
}

TEST(stacks, "the stack of a process that waits lies on its node")
{
    apus_pid pids[NODES];
    start_pinned();
    for (int node = 0; node < NODES; node++) {
        apus_spawn_options options = {.struct_size = sizeof options, .node = node + 1};
        CHECK_EQ(apus_spawn_blocking(stay, &node, sizeof node, &options, &pids[node]), 0);
    }
    for (int node = 0; node < NODES; node++)
        CHECK_EQ(apus_join(pids[node], PATIENCE_MS, NULL), 0);
    stop_runtime();
}

// A process that stays until it is told to go, to be near to.
static int anchor_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    return APUS_DONE;
}

static const apus_behaviour anchor = {.name = "anchor", .handle = anchor_handle};

TEST(near_a_process, "`near` spawns on the node of the process named, and the info tells the node")
{
    start_pinned();
    for (int node = 0; node < NODES; node++) {
        apus_pid there, here;
        apus_spawn_options on_node = {.struct_size = sizeof on_node, .node = node + 1};
        CHECK_EQ(apus_spawn(&anchor, NULL, 0, &on_node, &there), 0);
        apus_process_info_t info = {.struct_size = sizeof info};
        CHECK_EQ(apus_process_info(there, PATIENCE_MS, &info), 0);
        CHECK_EQ(info.node, node);
        apus_spawn_options close = {.struct_size = sizeof close, .near = there};
        CHECK_EQ(apus_spawn(&anchor, NULL, 0, &close, &here), 0);
        CHECK_EQ(apus_process_info(here, PATIENCE_MS, &info), 0);
        CHECK_EQ(info.node, node);
        CHECK_EQ(apus_send(there, &type_token, NULL, 0), 0);
        CHECK_EQ(apus_send(here, &type_token, NULL, 0), 0);
        CHECK_EQ(apus_join(there, PATIENCE_MS, NULL), 0);
        CHECK_EQ(apus_join(here, PATIENCE_MS, NULL), 0);
    }
    stop_runtime();
}

// Sends `count` messages to `to`, then ends; the receiver drops them, so that each block is freed on another node than its own.
struct stream {
    apus_pid to;
    int count;
};

static void stream_body(apus_process *self, void *argument)
{
    const struct stream *stream = argument;
    char payload[200] = {0};
    (void)self;
    for (int i = 0; i < stream->count; i++)
        CHECK_EQ(apus_send(stream->to, &type_token, payload, sizeof payload), 0);
}

static void sink_body(apus_process *self, void *argument)
{
    for (int left = *(int *)argument; left > 0; left--) {
        apus_message *message = apus_receive(self, NULL, NULL, PATIENCE_MS);
        CHECK(message != NULL);
        apus_message_release(message);
    }
}

TEST(blocks_go_home, "blocks freed on another node go home and are counted; none is lost")
{
    int count = (int)test_scaled(100000);
    start_pinned();
    apus_pid sink, source;
    apus_spawn_options far = {.struct_size = sizeof far, .node = 4};
    apus_spawn_options near = {.struct_size = sizeof near, .node = 1};
    CHECK_EQ(apus_spawn_blocking(sink_body, &count, sizeof count, &far, &sink), 0);
    struct stream stream = {sink, count};
    CHECK_EQ(apus_spawn_blocking(stream_body, &stream, sizeof stream, &near, &source), 0);
    CHECK_EQ(apus_join(source, PATIENCE_MS, NULL), 0);
    CHECK_EQ(apus_join(sink, PATIENCE_MS, NULL), 0);
    CHECK(runtime_info().sent_remote >= (uint64_t)count);
    stop_runtime();
    CHECK(runtime_info().frees_far >= (uint64_t)count);
}

// Work without a wish for a node: each process spins a little per message and notes the CPUs it has run on.
static atomic_uint cpus_seen;

static int busy_handle(apus_process *self, void *state, apus_message *message)
{
    int *turns = state;
    (void)message;
    atomic_fetch_or(&cpus_seen, 1u << sched_getcpu());
    uint64_t until = apus_now_ms() + 5;
    while (apus_now_ms() < until) {
    }
    if (++*turns == 40)
        return APUS_DONE;
    CHECK_EQ(apus_send(apus_pid_of(self), &type_token, NULL, 0), 0);
    return APUS_OK;
}

static const apus_behaviour busy = {.name = "busy", .state_size = sizeof(int), .handle = busy_handle};

static void breed_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_ref refs[64];
    for (int i = 0; i < 64; i++) {
        apus_pid pid;
        apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &refs[i]};
        CHECK_EQ(apus_spawn(&busy, NULL, 0, &options, &pid), 0);
        CHECK_EQ(apus_send(pid, &type_token, NULL, 0), 0);
    }
    for (int i = 0; i < 64; i++) {
        apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
        CHECK(apus_message_type(message) == &apus_type_down);
        apus_message_release(message);
    }
}

TEST(work_spreads, "the children of one process come to use every CPU of every node")
{
    start_pinned();
    run_process(breed_body, NULL, 0);
    CHECK_EQ(atomic_load(&cpus_seen), (1u << CPUS) - 1);
    apus_runtime_info_t info = runtime_info();
    CHECK(info.shared_far > 0);
    stop_runtime();
}

static atomic_int pinned_cpus[CPUS];

static int pinned_init(apus_process *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    cpu_set_t set;
    CHECK_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    CHECK_EQ(CPU_COUNT(&set), 1);
    CHECK(CPU_ISSET(sched_getcpu(), &set));
    atomic_fetch_add(&pinned_cpus[sched_getcpu()], 1);
    (void)self;
    return APUS_DONE;
}

static const apus_behaviour pinned = {.name = "pinned", .init = pinned_init, .handle = anchor_handle};

TEST(pinned_to_cores, "APUS_BIND_CORES gives each scheduler one CPU of its own")
{
    start_pinned();
    for (int node = 0; node < NODES; node++) {
        apus_pid pid;
        apus_spawn_options options = {.struct_size = sizeof options, .node = node + 1};
        for (int i = 0; i < 8; i++) {
            CHECK_EQ(apus_spawn(&pinned, NULL, 0, &options, &pid), 0);
            CHECK_EQ(apus_join(pid, PATIENCE_MS, NULL), 0);
        }
    }
    for (int node = 0; node < NODES; node++)
        CHECK(atomic_load(&pinned_cpus[2 * node]) + atomic_load(&pinned_cpus[2 * node + 1]) == 8);
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
