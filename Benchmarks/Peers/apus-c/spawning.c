// spawning.c - workloads of processes that come and go.
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

// spawn: one in, one out, never more than 10,000 outstanding. The short process sends from its first callback and ends there.

enum { OUTSTANDING = 10000 };

struct spawner {
    apus_pid boss;
    int64_t left; // to be spawned
    int64_t due;  // messages to come
    int64_t sum;
};

static int brief_init(apus_process *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    send_number(apus_parent_of(self), &number_type, 1);
    return APUS_DONE;
}

static const apus_behaviour brief = {.name = "brief", .init = brief_init};

static int spawner_init(apus_process *self, void *state, const void *argument)
{
    struct spawner *me = state;
    (void)self;
    *me = *(const struct spawner *)argument;
    for (int i = 0; i < OUTSTANDING && me->left > 0; i++) {
        me->left--;
        spawn(&brief, NULL, 0);
    }
    return APUS_OK;
}

static int spawner_handle(apus_process *self, void *state, apus_message *message)
{
    struct spawner *me = state;
    (void)self;
    me->sum += number_of(message);
    if (me->left > 0) {
        me->left--;
        spawn(&brief, NULL, 0);
    }
    if (--me->due > 0) {
        return APUS_OK;
    }
    send_number(me->boss, &number_type, me->sum);
    return APUS_DONE;
}

static const apus_behaviour spawner = {.name = "spawner", .state_size = sizeof(struct spawner), .init = spawner_init,
                                       .handle = spawner_handle};

static double spawn_run(apus_process *boss)
{
    int64_t total = scaled(500000);
    struct spawner work = {apus_pid_of(boss), total, total, 0};
    int64_t start = now_ns();
    spawn(&spawner, &work, sizeof work);
    int64_t sum = receive_number(boss);
    int64_t end = now_ns();
    check(sum == total, "count");
    return (double)total / seconds(end - start);
}

// idle_mem: every process adds the number it is sent to its state and acknowledges. Afterwards all states are read back. What is
// measured includes the pid kept for each, whose pages are first touched between the readings.

static const apus_type get_type = {.name = "get"};

static int idle_handle(apus_process *self, void *state, apus_message *message)
{
    int64_t *sum = state;
    if (apus_message_type(message) == &get_type) {
        send_number(apus_parent_of(self), &number_type, *sum);
    } else {
        *sum += number_of(message);
        send_number(apus_parent_of(self), &number_type, 0);
    }
    return APUS_OK;
}

static const apus_behaviour idle = {.name = "idle", .state_size = sizeof(int64_t), .handle = idle_handle};

static int64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    check(file != NULL, "open /proc/self/status");
    char line[256];
    long kilobytes = -1;
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "VmRSS: %ld", &kilobytes) != 1) {
    }
    fclose(file);
    check(kilobytes > 0, "VmRSS");
    return (int64_t)kilobytes * 1024;
}

static double idle_run(apus_process *boss)
{
    const int64_t total = scaled(1000000), batch = 10000;
    apus_pid *pids = malloc((size_t)total * sizeof *pids);
    check(pids != NULL, "memory");
    int64_t before = resident_bytes();
    for (int64_t begin = 0; begin < total; begin += batch) {
        int64_t end = begin + batch < total ? begin + batch : total;
        for (int64_t i = begin; i < end; i++) {
            pids[i] = spawn(&idle, NULL, 0);
            send_number(pids[i], &number_type, i + 1);
        }
        for (int64_t i = begin; i < end; i++) {
            check(receive_number(boss) == 0, "acknowledgement");
        }
    }
    int64_t after = resident_bytes(), sum = 0;
    for (int64_t i = 0; i < total; i++) {
        check(apus_send(pids[i], &get_type, NULL, 0) == 0, "get");
        sum += receive_number(boss);
    }
    check(sum == total * (total + 1) / 2, "sum of states");
    free(pids);
    return (double)(after - before) / (double)total;
}

// skynet, fib: trees of processes that sum what their children send, and send the sum to their parent.

struct node {
    int64_t sum;
    int64_t due; // sums to come from children
};

static int node_handle(apus_process *self, void *state, apus_message *message)
{
    struct node *me = state;
    me->sum += number_of(message);
    if (--me->due > 0) {
        return APUS_OK;
    }
    send_number(apus_parent_of(self), &number_type, me->sum);
    return APUS_DONE;
}

struct range {
    int64_t first;
    int64_t size;
};

static int skynet_init(apus_process *self, void *state, const void *argument);
static const apus_behaviour skynet = {.name = "skynet", .state_size = sizeof(struct node), .init = skynet_init,
                                      .handle = node_handle};

static int skynet_init(apus_process *self, void *state, const void *argument)
{
    struct node *me = state;
    const struct range *range = argument;
    if (range->size == 1) {
        send_number(apus_parent_of(self), &number_type, range->first);
        return APUS_DONE;
    }
    struct range child = {range->first, range->size / 10};
    for (int i = 0; i < 10; i++) {
        spawn(&skynet, &child, sizeof child);
        child.first += child.size;
    }
    me->due = 10;
    return APUS_OK;
}

static double skynet_run(apus_process *boss)
{
    int64_t repetitions = scaled(1);
    struct range all = {0, 1000000};
    int64_t start = now_ns();
    for (int64_t i = 0; i < repetitions; i++) {
        spawn(&skynet, &all, sizeof all);
        check(receive_number(boss) == 499999500000, "sum");
    }
    return seconds(now_ns() - start) / (double)repetitions;
}

// The left branch of every call is a process, the right one goes on here: fib(n) = fib(n-1) + fib(n-3) + ... + fib(0 or 1).

static int fib_init(apus_process *self, void *state, const void *argument);
static const apus_behaviour fib = {.name = "fib", .state_size = sizeof(struct node), .init = fib_init, .handle = node_handle};

static int fib_init(apus_process *self, void *state, const void *argument)
{
    struct node *me = state;
    int64_t n = *(const int64_t *)argument;
    for (; n >= 2; n -= 2) {
        int64_t left = n - 1;
        spawn(&fib, &left, sizeof left);
        me->due++;
    }
    me->sum = n;
    if (me->due > 0) {
        return APUS_OK;
    }
    send_number(apus_parent_of(self), &number_type, n);
    return APUS_DONE;
}

static double fib_run(apus_process *boss)
{
    int64_t repetitions = scaled(1), n = 27;
    int64_t start = now_ns();
    for (int64_t i = 0; i < repetitions; i++) {
        spawn(&fib, &n, sizeof n);
        check(receive_number(boss) == 196418, "fib");
    }
    return seconds(now_ns() - start) / (double)repetitions;
}

const struct workload spawn_workloads[] = {
    {"spawn", "spawn/s", spawn_run},
    {"idle_mem", "bytes/proc", idle_run},
    {"skynet", "s", skynet_run},
    {"fib", "s", fib_run},
    {NULL, NULL, NULL},
};
