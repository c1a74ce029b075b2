// storm.c - a supervised restart storm: all 1,000 children of one supervisor crash at once, again and again.
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHILDREN = 1000 };

static const apus_type hello_type = {.name = "hello"};
static const apus_type crash_type = {.name = "crash"};

static apus_pid children[CHILDREN];

struct place {
    apus_pid boss;
    int64_t index;
};

struct hello {
    int64_t index;
    apus_pid pid;
};

static int child_init(apus_process *self, void *state, const void *argument)
{
    const struct place *place = argument;
    struct hello hello = {place->index, apus_pid_of(self)};
    (void)state;
    check(apus_send(place->boss, &hello_type, &hello, sizeof hello) == 0, "hello");
    return APUS_OK;
}

static int child_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    return apus_message_type(message) == &crash_type ? -EIO : APUS_OK;
}

static const apus_behaviour child = {.name = "child", .init = child_init, .handle = child_handle};

static void receive_hellos(apus_process *boss)
{
    for (int i = 0; i < CHILDREN; i++) {
        apus_message *message = apus_receive(boss, NULL, NULL, APUS_INFINITY);
        check(apus_message_type(message) == &hello_type, "hello");
        const struct hello *hello = apus_message_payload(message);
        check(!apus_pid_equal(children[hello->index], hello->pid), "a new child");
        children[hello->index] = hello->pid;
        apus_message_release(message);
    }
}

static double run(apus_process *boss)
{
    int64_t rounds = scaled(20);
    static struct place places[CHILDREN];
    static char ids[CHILDREN][16];
    static apus_child_spec specs[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        places[i] = (struct place){apus_pid_of(boss), i};
        snprintf(ids[i], sizeof ids[i], "child %d", i);
        specs[i] = (apus_child_spec){.struct_size = sizeof specs[i], .id = ids[i], .behaviour = &child, .argument = &places[i],
                                     .argument_size = sizeof places[i]};
    }
    // An intensity that is never reached.
    apus_supervisor_spec tree = {.struct_size = sizeof tree, .intensity_is_set = true, .intensity = 1000000000, .period_ms = 1000,
                                 .children = specs, .child_count = CHILDREN};
    apus_pid supervisor;
    apus_trap_exits(boss, true);
    check(apus_supervisor_start(boss, &tree, &supervisor) == 0, apus_supervisor_last_error());
    receive_hellos(boss);
    int64_t start = now_ns();
    for (int64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < CHILDREN; i++) {
            check(apus_send(children[i], &crash_type, NULL, 0) == 0, "crash");
        }
        receive_hellos(boss);
    }
    int64_t end = now_ns();
    apus_child_counts counts;
    check(apus_supervisor_count_children(supervisor, &counts) == 0 && counts.active == CHILDREN, "all children are back");
    check(apus_receive(boss, NULL, NULL, 0) == NULL, "no restart too many");
    return (double)(rounds * CHILDREN) / seconds(end - start);
}

const struct workload storm_workload = {"storm", "restarts/s", run};
