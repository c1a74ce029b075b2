// The runtime starts and stops again and again while plain threads, which know nothing of it, go on calling. Whatever the moment,
// a call gives one of its documented results, and each stop leaves nothing.
#include "../scene.h"

#include <pthread.h>

enum { THREADS = 4 };

static _Atomic uint64_t last_pid = (UINT64_C(1) << 32) + 1, last_timer;
static atomic_bool is_over;
static atomic_long calls_done;

static void check_result(const char *call, int result)
{
    static const int allowed[] = {0, -ESRCH, -ESHUTDOWN, -EAGAIN, -ENOENT, -EEXIST, -EALREADY, -ETIMEDOUT, -ECONNABORTED};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (result == allowed[i])
            return;
    fprintf(stderr, "%s returned %d (%s)\n", call, result, apus_strerror(result));
    _exit(1);
}

#define TRY(call) check_result(#call, call)

static void *disturb(void *argument)
{
    uint64_t random = *(const unsigned *)argument + 1;
    struct order order = {.run = do_nothing};
    while (!atomic_load(&is_over)) {
        apus_pid pid = {atomic_load(&last_pid)}, found;
        apus_ref ref = {0};
        apus_process_info_t info = {.struct_size = sizeof info};
        apus_runtime_info_t counters = {.struct_size = sizeof counters};
        random = random * 6364136223846793005u + 1442695040888963407u;
        switch (random >> 60) {
        case 0: TRY(apus_spawn(&puppet, NULL, 0, NULL, &found)); break;
        case 1: TRY(apus_spawn_blocking(puppet_body, NULL, 0, NULL, &found)); break;
        case 2: TRY(apus_call(pid, &type_order, &order, sizeof order, 5, NULL)); break;
        case 3: TRY(apus_send_after(1, pid, &type_number, NULL, 0, &ref)); atomic_store(&last_timer, ref.id); break;
        case 4: TRY(apus_cancel((apus_ref){atomic_load(&last_timer)}, NULL)); break;
        case 5: TRY(apus_register("torture", pid)); break;
        case 6: TRY(apus_whereis("torture", &found)); break;
        case 7: TRY(apus_unregister("torture")); break;
        case 8: TRY(apus_join(pid, 1, NULL)); break;
        case 9: TRY(apus_process_info(pid, 1, &info)); break;
        case 10: TRY(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL))); break;
        case 11: apus_is_alive(pid); apus_is_running(); TRY(apus_runtime_info(&counters)); break;
        default: TRY(apus_send(pid, &type_number, "torture", 7));
        }
        atomic_fetch_add(&calls_done, 1);
    }
    return NULL;
}

TEST(start_stop, "the runtime starts and stops 300 times under the calls of foreign threads, and each stop leaves nothing")
{
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    long rounds = test_scaled(300);
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i;
        CHECK_EQ(pthread_create(&threads[i], NULL, disturb, &seeds[i]), 0);
    }
    for (long round = 0; round < rounds; round++) {
        static const uint64_t timeouts[] = {0, 5, APUS_INFINITY};
        long before = atomic_load(&calls_done);
        start_runtime(1 + (unsigned)(round % 4));
        for (int i = 0; i < 20; i++)
            atomic_store(&last_pid, spawn_puppet_with(i % 2, NULL).id);
        while (atomic_load(&calls_done) - before < 500)
            sched_yield();
        CHECK_EQ(apus_stop(timeouts[round % 3]), 0);
        apus_runtime_info_t info = runtime_info();
        CHECK_EQ(info.processes, 0);
        CHECK_EQ(info.timers, 0);
        CHECK_EQ(info.stacks_parked, 0);
        CHECK_EQ(info.blocks_in_use, 0);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
