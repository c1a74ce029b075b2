/* simulated_tree.c - finds a bug in a supervision tree by simulating it: thousands of runs, in each of which something is killed.
 *
 * The tree: a store, which holds the data and is registered, and a cache in front of it, which looks the store up when it starts.
 * The bug: with one_for_one the cache lives on when the store is restarted, and asks a process that is no more for ever. The cure:
 * rest_for_one, which restarts what was started after the one that failed. */
#include <apus/apus.h>

#include <stdio.h>
#include <string.h>

static const apus_type type_get = {.name = "get"};

static apus_strategy strategy;
static int answers, failures; /* the last of which, in a row */

/* The store answers. */
static int store_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    if (apus_message_is_request(message))
        apus_reply(message, NULL, NULL, 0);
    return APUS_OK;
}

/* The cache asks the store it has found in the beginning. */
static int cache_init(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)argument;
    return apus_whereis("store", state);
}

static int cache_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    const apus_pid *store = state;
    if (apus_message_type(message) == &type_get && apus_call(*store, &type_get, NULL, 0, 1000, NULL) == 0)
        apus_reply(message, NULL, NULL, 0);
    return APUS_OK;
}

static const apus_behaviour store = {.name = "store", .handle = store_handle};
static const apus_behaviour cache = {.name = "cache", .state_size = sizeof(apus_pid), .init = cache_init, .handle = cache_handle};

/* Starts the tree, and again if it does not start, and stays to be its parent. */
static void root(apus_process *self, void *argument)
{
    static const apus_spawn_options store_options = {.struct_size = sizeof store_options, .name = "store"};
    static const apus_spawn_options cache_options = {.struct_size = sizeof cache_options, .name = "cache"};
    const apus_child_spec children[] = {
        {.struct_size = sizeof children[0], .id = "store", .behaviour = &store, .options = &store_options},
        {.struct_size = sizeof children[0], .id = "cache", .behaviour = &cache, .options = &cache_options},
    };
    const apus_supervisor_spec spec = {.struct_size = sizeof spec, .strategy = strategy, .intensity_is_set = true,
                                       .intensity = 10, .children = children, .child_count = 2};
    apus_pid supervisor;
    (void)argument;
    apus_trap_exits(self, true);
    while (apus_supervisor_start(self, &spec, &supervisor) != 0)
        apus_sleep(self, 10);
    for (;;)
        apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
}

static void client(apus_process *self, void *argument)
{
    (void)argument;
    for (int i = 0; i < 50; i++) {
        apus_pid pid;
        if (apus_whereis("cache", &pid) == 0 && apus_call(pid, &type_get, NULL, 0, 2000, NULL) == 0)
            answers++, failures = 0;
        else
            failures++;
        apus_sleep(self, 100);
    }
}

/* The simulation: how a run begins, what must hold in the end, and who may be killed. */
static int begin(void *context)
{
    (void)context;
    answers = failures = 0;
    int result = apus_spawn_blocking(root, NULL, 0, NULL, NULL);
    return result ? result : apus_spawn_blocking(client, NULL, 0, NULL, NULL);
}

static const char *check(void *context, apus_simulation_moment moment)
{
    (void)context;
    return moment == APUS_SIMULATION_STEP || failures < 20 ? NULL : "the cache does not answer any more";
}

static bool may_disturb(void *context, apus_pid pid, const char *behaviour)
{
    (void)context, (void)pid;
    return strcmp(behaviour, "store") == 0 || strcmp(behaviour, "cache") == 0;
}

static void trace(void *context, const char *line)
{
    (void)context;
    if (strstr(line, "kill") || strstr(line, "fault") || strstr(line, "failed") || strstr(line, "is new"))
        printf("    %s\n", line);
}

int main(void)
{
    const apus_simulation simulation = {.struct_size = sizeof simulation, .begin = begin, .check = check, .trace = trace,
                                        .may_disturb = may_disturb, .disturb = APUS_DISTURB_KILL | APUS_DISTURB_FAULT};
    apus_simulation_result result = {.struct_size = sizeof result};

    strategy = APUS_ONE_FOR_ONE;
    printf("one_for_one:\n");
    if (apus_simulate(&simulation, 1, 1000, &result) != 1)
        return 1;
    printf("  seed %d fails: %s\n  in its shortest form, with %d deviations from the plain run: %s\n", (int)result.seed,
           result.failure, (int)result.deviations, result.choices);

    strategy = APUS_REST_FOR_ONE;
    printf("rest_for_one:\n");
    if (apus_simulate(&simulation, 1, 1000, &result) != 0)
        return 1;
    printf("  %d seeds, and nothing is wrong\n", (int)result.runs);
    return 0;
}
