// Tests/soak/soak.c - everything at once for as long as asked: nothing is lost, and memory comes to rest.
//
//   soak SECONDS
//
// Method:   a supervision tree of workers, callers that ask them, short-lived processes with links and monitors, timers, and a killer that
//           ends workers at random, on real schedulers. Every ROUND_MS all that is not the tree comes to rest, and the invariants are
//           looked at: each call got exactly one outcome, each monitor one DOWN, each worker is there, as many blocks are in use as after
//           the first round. At the end everything is stopped and nothing may be left; the resident memory may not have grown by
//           more than GROWTH_BYTES since a third of the time.
#include "../C/runtime_test.h"

#include <stdatomic.h>

enum { WORKERS = 16, CALLERS = 32, ROUND_MS = 1000, GROWTH_BYTES = 8 << 20 };

static const apus_type type_ask = {.name = "ask"};
static atomic_long asked, outcomes, watched, downs, kills;
static atomic_bool is_over; // the present round

static int worker_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    if (apus_message_is_request(message))
        apus_reply(message, NULL, NULL, 0);
    return APUS_OK;
}

static const apus_behaviour worker = {.name = "worker", .handle = worker_handle};

static void short_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_alloc(self, 100);
}

static void caller_body(apus_process *self, void *argument)
{
    unsigned seed = *(unsigned *)argument;
    while (!atomic_load(&is_over)) {
        char name[16];
        apus_pid pid;
        apus_ref ref;
        snprintf(name, sizeof name, "worker%d", rand_r(&seed) % WORKERS);
        if (apus_whereis(name, &pid) != 0) {
            apus_yield(self);
            continue;
        }
        atomic_fetch_add(&asked, 1);
        int result = apus_call(pid, &type_ask, NULL, 0, 1000, NULL);
        CHECK(result == 0 || result == -ESRCH || result == -ECONNABORTED || result == -ETIMEDOUT);
        atomic_fetch_add(&outcomes, 1);
        const apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref};
        CHECK_EQ(apus_spawn_blocking(short_body, NULL, 0, &options, NULL), 0);
        atomic_fetch_add(&watched, 1);
        apus_message *down = apus_receive(self, NULL, NULL, APUS_INFINITY);
        CHECK(apus_message_type(down) == &apus_type_down && apus_ref_equal(apus_message_ref(down), ref));
        apus_message_release(down);
        atomic_fetch_add(&downs, 1);
        if (apus_send_after(1000, pid, &type_ask, NULL, 0, &ref) == 0)
            apus_cancel(ref, NULL);
        if (rand_r(&seed) % 1000 == 0 && apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)) == 0)
            atomic_fetch_add(&kills, 1);
    }
}

static void check_tree(void)
{
    for (int i = 0; i < WORKERS; i++) {
        char name[16];
        apus_pid pid;
        snprintf(name, sizeof name, "worker%d", i);
        for (int tries = 0; apus_whereis(name, &pid) != 0; tries++) {
            CHECK(tries < 10000);
            usleep(1000);
        }
    }
}

static void play_round(unsigned number)
{
    apus_pid callers[CALLERS];
    atomic_store(&is_over, false);
    for (unsigned i = 0; i < CALLERS; i++) {
        unsigned seed = number * CALLERS + i;
        CHECK_EQ(apus_spawn_blocking(caller_body, &seed, sizeof seed, NULL, &callers[i]), 0);
    }
    usleep(ROUND_MS * 1000);
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < CALLERS; i++)
        CHECK_EQ(apus_join(callers[i], 60000, NULL), 0);
    check_tree();
    CHECK_EQ(atomic_load(&asked), atomic_load(&outcomes));
    CHECK_EQ(atomic_load(&watched), atomic_load(&downs));
}

static long resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    (void)test_last; // there is no TEST here
    long seconds = argc > 1 ? atol(argv[1]) : 60, third = 0, rounds = 0;
    char ids[WORKERS][16];
    apus_spawn_options options[WORKERS];
    apus_child_spec children[WORKERS];
    start_runtime(0);
    for (int i = 0; i < WORKERS; i++) {
        snprintf(ids[i], sizeof ids[i], "worker%d", i);
        options[i] = (apus_spawn_options){.struct_size = sizeof options[i], .name = ids[i]};
        children[i] = (apus_child_spec){.struct_size = sizeof children[i], .id = ids[i], .behaviour = &worker, .options = &options[i]};
    }
    const apus_supervisor_spec spec = {.struct_size = sizeof spec, .intensity_is_set = true, .intensity = 1000000, .period_ms = 1000,
                                       .children = children, .child_count = WORKERS};
    apus_pid supervisor;
    CHECK_EQ(apus_supervisor_start(NULL, &spec, &supervisor), 0);
    for (time_t until = time(NULL) + seconds; time(NULL) < until; rounds++) {
        play_round((unsigned)rounds);
        if (!third && time(NULL) > until - seconds * 2 / 3)
            third = resident_bytes();
    }
    long grown = resident_bytes() - third;
    printf("%ld rounds, %ld calls, %ld processes watched, %ld kills; %ld KiB resident, %ld more than at a third\n", rounds,
           atomic_load(&asked), atomic_load(&watched), atomic_load(&kills), resident_bytes() >> 10, grown >> 10);
    CHECK(atomic_load(&kills) > 0 && grown < GROWTH_BYTES);
    stop_runtime();
    printf("1 passed, 0 failed\n");
    return 0;
}
