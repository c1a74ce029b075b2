// Tests/gates/growth.c - usage: growth OPERATION PROCESSES COUNT - does an operation COUNT times while PROCESSES others sit idle.
//
// Run under callgrind with --instr-atstart=no: counted is from the first operation until the last has had its whole effect, the
// receiver's part with it, but neither the making of the idle processes nor start and stop. One scheduler, so that no instruction is
// spent on waiting. The operations: send, a message to some idle process, which handles it; spawn, a process that ends in its init;
// link, with some idle process, and unlink. Exit status 0 if all that was done had its effect.
#include <apus/apus.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

enum { BATCH = 64 }; // operations between two turns of the others

static const apus_type ping = {.name = "ping"};

static apus_pid *pids;
static size_t pid_count, operation_count, handled, born;

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "growth: %s failed\n", what);
    exit(1);
}

static int idler_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    handled++;
    return APUS_OK;
}

static int mayfly_init(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state, (void)argument;
    born++;
    return APUS_DONE;
}

static const apus_behaviour idler = {.name = "idler", .state_size = 16, .handle = idler_handle};
static const apus_behaviour mayfly = {.name = "mayfly", .init = mayfly_init};

// Far from the one chosen before, all over the table.
static apus_pid some_pid(size_t operation)
{
    return pids[operation * 7919 % pid_count];
}

static void do_send(apus_process *self, size_t operation)
{
    (void)self;
    check(apus_send(some_pid(operation), &ping, &operation, sizeof operation) == 0, "send");
}

static void do_spawn(apus_process *self, size_t operation)
{
    (void)self, (void)operation;
    check(apus_spawn(&mayfly, NULL, 0, NULL, NULL) == 0, "spawn");
}

static void do_link(apus_process *self, size_t operation)
{
    check(apus_link(self, some_pid(operation)) == 0, "link");
    check(apus_unlink(self, some_pid(operation)) == 0, "unlink");
}

static const struct operation {
    const char *name;
    void (*run)(apus_process *self, size_t operation);
    const size_t *effects;
} operations[] = {{"send", do_send, &handled}, {"spawn", do_spawn, &born}, {"link", do_link, NULL}};

// Returns when the last operation has had its effect: `effects` counts them, and is NULL if each is complete on its return.
static void run_operations(apus_process *self, const struct operation *operation)
{
    const size_t *effects = operation->effects;
    size_t wanted = effects ? *effects + operation_count : 0;
    for (size_t i = 0; i < operation_count; i++) {
        operation->run(self, i);
        if (i % BATCH == BATCH - 1)
            check(apus_yield(self) == 0, "yield");
    }
    while (effects && *effects < wanted)
        check(apus_yield(self) == 0, "yield");
    check(!effects || *effects == wanted, "doing each once");
}

static void measure(apus_process *self, void *argument)
{
    const struct operation *operation = *(const struct operation *const *)argument;
    for (size_t i = 0; i < pid_count; i++) {
        check(apus_spawn(&idler, NULL, 0, NULL, &pids[i]) == 0, "spawn of the idle");
        if (i % BATCH == BATCH - 1)
            check(apus_yield(self) == 0, "yield");
    }
    run_operations(self, operation); // fills the pools
    CALLGRIND_START_INSTRUMENTATION;
    run_operations(self, operation);
    CALLGRIND_STOP_INSTRUMENTATION;
}

int main(int argc, char **argv)
{
    const struct operation *operation = operations;
    apus_pid pid;
    check(argc == 4, "the reading of the arguments");
    while (operation < operations + 2 && strcmp(operation->name, argv[1]) != 0)
        operation++;
    pid_count = strtoul(argv[2], NULL, 10);
    operation_count = strtoul(argv[3], NULL, 10);
    pids = calloc(pid_count, sizeof *pids);
    check(pids && operation_count > 0, "making room");
    check(apus_start(&(apus_options){.struct_size = sizeof(apus_options), .schedulers = 1}) == 0, "start");
    check(apus_spawn_blocking(measure, &operation, sizeof operation, NULL, &pid) == 0, "spawn");
    check(apus_join(pid, APUS_INFINITY, NULL) == 0, "join");
    check(apus_stop(0) == 0, "stop");
    free(pids);
    return 0;
}
