// counts.c - question: on a machine of several NUMA nodes, how often does something cross a border, with and without knowing of
// them?
//
// The kernel's books, not the runtime's: a handler asks on which node it runs (getcpu) and, now and then, on which node a page
// lies (get_mempolicy). Counted for each message: whether it came from another node; for each turn of a process: whether it has
// moved to another CPU, near or far; for samples of the pages it needs: whether they are remote. Counts do not depend on time, so
// an emulated machine will do.
//
//     aware     the runtime reads the machine's topology
//     unaware   it is shown a machine of as many CPUs and a single node, so that memory and neighbours are as they come
//
// Prints `numa-count PLACEMENT WORKLOAD NAME VALUE` lines, then the closing line that Tests/numa/run.sh waits for.
#define _GNU_SOURCE
#include <apus/apus.h>

#include <numaif.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NODES_MAX = 16, CPUS_MAX = 256, SAMPLE = 16, GROUP = 8 };

static const apus_type hop_type = {.name = "hop"};
static const apus_type end_type = {.name = "end"};

static int node_of_cpu[CPUS_MAX];
static int distance[NODES_MAX][NODES_MAX];
static int cpu_count, node_count, failed;

// relaxed everywhere: counters, read when the runtime has stopped.
static atomic_long messages, remote_messages, remote_far, moves, moves_near, moves_remote, moves_far;
static atomic_long blocks, blocks_remote, states, states_remote;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("FAIL %s\n", what);
        failed = 1;
        printf("0 passed, 1 failed\n");
        exit(1);
    }
}

static void add(atomic_long *counter, long n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static int node_of_page(const void *address)
{
    int node = -1;
    check(get_mempolicy(&node, NULL, 0, (void *)(uintptr_t)address, MPOL_F_NODE | MPOL_F_ADDR) == 0, "get_mempolicy");
    return node;
}

struct hop {
    int32_t node; // of the sender
    int32_t left;
};

// A member of a group sends each token it gets to another member, drawn at random.
struct member {
    apus_pid boss;
    apus_pid others[GROUP];
    uint64_t seed;
    int cpu; // in its last turn; -1 before the first
    unsigned turns;
};

static apus_pid groups[64][GROUP];

struct place {
    apus_pid boss;
    int group, index;
};

static int member_init(apus_process *self, void *state, const void *argument)
{
    const struct place *place = argument;
    struct member *me = state;
    (void)self;
    me->boss = place->boss;
    me->seed = (uint64_t)(place->group * GROUP + place->index) * 7919 + 1;
    me->cpu = -1;
    return APUS_OK;
}

static void member_look(struct member *me, const apus_message *message, int from)
{
    unsigned cpu, node;
    check(getcpu(&cpu, &node) == 0 && cpu < CPUS_MAX, "getcpu");
    add(&messages, 1);
    if (from >= 0 && from != (int)node) {
        add(&remote_messages, 1);
        add(&remote_far, distance[from][node] > 20);
    }
    if (me->cpu >= 0 && me->cpu != (int)cpu) {
        int before = node_of_cpu[me->cpu];
        add(&moves, 1);
        add(&moves_near, before == (int)node);
        add(&moves_remote, before != (int)node);
        add(&moves_far, distance[before][node] > 20);
    }
    me->cpu = (int)cpu;
    if (me->turns++ % SAMPLE == 0) {
        add(&blocks, 1);
        add(&blocks_remote, node_of_page(message) != (int)node);
        add(&states, 1);
        add(&states_remote, node_of_page(me) != (int)node);
    }
}

static void member_pass_on(struct member *me, int left)
{
    me->seed ^= me->seed << 13;
    me->seed ^= me->seed >> 7;
    me->seed ^= me->seed << 17;
    struct hop hop = {node_of_cpu[me->cpu], left};
    check(apus_send(me->others[me->seed % GROUP], &hop_type, &hop, sizeof hop) == 0, "send");
}

static int member_handle(apus_process *self, void *state, apus_message *message)
{
    struct member *me = state;
    (void)self;
    if (apus_message_type(message) == &end_type) {
        memcpy(me->others, apus_message_payload(message), sizeof me->others);
        return APUS_OK;
    }
    const struct hop *hop = apus_message_payload(message);
    member_look(me, message, hop->node);
    if (hop->left > 0) {
        member_pass_on(me, hop->left - 1);
        return APUS_OK;
    }
    int32_t done = 1;
    check(apus_send(me->boss, &end_type, &done, sizeof done) == 0, "done");
    return APUS_OK;
}

static const apus_behaviour member = {.name = "member", .state_size = sizeof(struct member), .init = member_init,
                                      .handle = member_handle};

struct run {
    const char *placement, *workload;
    int group_count;
    bool grouped; // members of a group are spawned near the first, which is put on a node of its own; else the default decides
    int tokens;   // of each group, at once
    int hops;     // of each token
};

static void spawn_group(apus_pid boss, const struct run *run, int group, int nodes)
{
    for (int i = 0; i < GROUP; i++) {
        struct place place = {boss, group, i};
        apus_spawn_options options = {.struct_size = sizeof options};
        if (run->grouped && i == 0) {
            options.node = group % nodes + 1;
        } else if (run->grouped) {
            options.near = groups[group][0];
        }
        check(apus_spawn(&member, &place, sizeof place, &options, &groups[group][i]) == 0, "spawn");
    }
    for (int i = 0; i < GROUP; i++) {
        check(apus_send(groups[group][i], &end_type, groups[group], sizeof groups[group]) == 0, "others");
    }
}

static void boss_body(apus_process *self, void *argument)
{
    const struct run *run = *(const struct run *const *)argument;
    apus_runtime_info_t info = {.struct_size = sizeof info};
    check(apus_runtime_info(&info) == 0, "runtime info");
    for (int group = 0; group < run->group_count; group++) {
        spawn_group(apus_pid_of(self), run, group, (int)info.nodes);
    }
    for (int group = 0; group < run->group_count; group++) {
        for (int token = 0; token < run->tokens; token++) {
            struct hop hop = {-1, run->hops};
            check(apus_send(groups[group][token % GROUP], &hop_type, &hop, sizeof hop) == 0, "token");
        }
    }
    for (int done = 0; done < run->group_count * run->tokens; done++) {
        apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
    }
}

static void print(const struct run *run, const char *name, long value)
{
    printf("numa-count %s %s %s %ld\n", run->placement, run->workload, name, value);
}

static void measure(const struct run *run, const char *sysfs_root)
{
    atomic_long *counters[] = {&messages, &remote_messages, &remote_far, &moves, &moves_near, &moves_remote, &moves_far, &blocks,
                               &blocks_remote, &states, &states_remote};
    apus_options options = {.struct_size = sizeof options, .binding = APUS_BIND_CORES, .sysfs_root = sysfs_root};
    apus_runtime_info_t info = {.struct_size = sizeof info};
    apus_pid boss;
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        atomic_store_explicit(counters[i], 0, memory_order_relaxed);
    }
    check(apus_start(&options) == 0 && apus_runtime_info(&info) == 0, "start");
    int nodes = sysfs_root ? 1 : node_count;
    check((int)info.schedulers == cpu_count && (int)info.nodes == nodes, "the runtime sees what it is shown");
    check(apus_spawn_blocking(boss_body, &run, sizeof run, NULL, &boss) == 0 && apus_join(boss, APUS_INFINITY, NULL) == 0, "boss");
    check(apus_stop(1000) == 0 && apus_runtime_info(&info) == 0 && info.blocks_in_use == 0, "stop, and nothing is left");
    check(messages == (long)run->group_count * run->tokens * (run->hops + 1), "every message was counted");
    print(run, "messages", messages);
    print(run, "remote_messages", remote_messages);
    print(run, "remote_messages_far", remote_far);
    print(run, "moves_near", moves_near);
    print(run, "moves_remote", moves_remote);
    print(run, "moves_far", moves_far);
    print(run, "blocks_sampled", blocks);
    print(run, "blocks_remote", blocks_remote);
    print(run, "states_sampled", states);
    print(run, "states_remote", states_remote);
    print(run, "sent_remote", (long)info.sent_remote);
    print(run, "shared", (long)info.shared);
    print(run, "shared_far", (long)info.shared_far);
    print(run, "frees_far", (long)info.frees_far);
}

// A tree that shows all CPUs and no node.
static const char *pretend_one_node(void)
{
    static char root[] = "/tmp/one-node-XXXXXX";
    char path[128];
    check(mkdtemp(root) != NULL, "mkdtemp");
    snprintf(path, sizeof path, "%s/devices", root);
    check(mkdir(path, 0755) == 0, "mkdir");
    snprintf(path, sizeof path, "%s/devices/system", root);
    check(mkdir(path, 0755) == 0, "mkdir");
    snprintf(path, sizeof path, "%s/devices/system/cpu", root);
    check(mkdir(path, 0755) == 0, "mkdir");
    snprintf(path, sizeof path, "%s/devices/system/cpu/online", root);
    FILE *file = fopen(path, "w");
    check(file != NULL && fprintf(file, "0-%d\n", cpu_count - 1) > 0 && fclose(file) == 0, "online");
    return root;
}

static void read_machine(void)
{
    apus_cpu_info cpus[CPUS_MAX];
    cpu_count = apus_topology(cpus, CPUS_MAX, NULL);
    check(cpu_count > 0 && cpu_count <= CPUS_MAX, "topology");
    for (int i = 0; i < cpu_count; i++) {
        check(cpus[i].cpu < CPUS_MAX && cpus[i].node < NODES_MAX, "a machine that fits");
        node_of_cpu[cpus[i].cpu] = cpus[i].node;
        node_count = cpus[i].node >= node_count ? cpus[i].node + 1 : node_count;
    }
    for (int a = 0; a < node_count; a++) {
        for (int b = 0; b < node_count; b++) {
            distance[a][b] = apus_node_distance(a, b);
        }
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_machine();
    const char *one_node = pretend_one_node();
    // Groups of 8 talk among themselves. grouped: each near its first member; ungrouped: left where the default puts them; single:
    // many groups with one token each, so that whoever has it is alone.
    static const struct run runs[] = {
        {"aware", "grouped", 16, true, 8, 400},    {"unaware", "grouped", 16, true, 8, 400},
        {"aware", "ungrouped", 16, false, 8, 400}, {"unaware", "ungrouped", 16, false, 8, 400},
        {"aware", "single", 64, false, 1, 400},    {"unaware", "single", 64, false, 1, 400},
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        measure(&runs[i], runs[i].placement[0] == 'u' ? one_node : NULL);
    }
    printf("%d passed, 0 failed\n", (int)(sizeof runs / sizeof *runs));
    return failed;
}
