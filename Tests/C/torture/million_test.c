// Very many at once: a million processes, a million timers, a million links and monitors of one process.
#include "../scene.h"

#include <pthread.h>

enum { THREADS = 4 };

static atomic_long answered, ended;

struct cell {
    int64_t sum;
};

static int cell_handle(apus_process *self, void *state, apus_message *message)
{
    struct cell *cell = state;
    int64_t number = number_of(message);
    (void)self;
    if (number < 0) {
        CHECK_EQ(cell->sum, 3);
        atomic_fetch_add(&ended, 1);
        return APUS_DONE;
    }
    cell->sum += number;
    atomic_fetch_add(&answered, 1);
    return APUS_OK;
}

static const apus_behaviour cell = {.name = "cell", .state_size = sizeof(struct cell), .handle = cell_handle};

TEST(million_processes, "a million processes at once: each keeps its state, gets its messages, and ends")
{
    long count = test_scaled(1000000);
    apus_pid *pids = malloc((size_t)count * sizeof *pids);
    CHECK(pids != NULL);
    start_runtime(2);
    for (long i = 0; i < count; i++)
        CHECK_EQ(apus_spawn(&cell, NULL, 0, NULL, &pids[i]), 0);
    for (int64_t number = 1; number <= 2; number++)
        for (long i = 0; i < count; i++)
            send_number(pids[i], number);
    while (atomic_load(&answered) < 2 * count)
        usleep(1000);
    CHECK_EQ(runtime_info().processes, count);
    printf("     %zu bytes taken from the system for each\n", runtime_info().memory / (size_t)count);
    for (long i = 0; i < count; i++)
        send_number(pids[i], -1);
    for (long i = 0; i < count; i += 1000)
        CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
    while (atomic_load(&ended) < count)
        usleep(1000);
    CHECK_EQ(atomic_load(&ended), count);
    free(pids);
    stop_runtime();
}

TEST(million_left, "a million idle processes are ended by the stop")
{
    long count = test_scaled(1000000);
    start_runtime(2);
    for (long i = 0; i < count; i++)
        CHECK_EQ(apus_spawn(&cell, NULL, 0, NULL, NULL), 0);
    CHECK_EQ(apus_stop(APUS_INFINITY), 0);
    CHECK_EQ(runtime_info().processes, 0);
    CHECK_EQ(runtime_info().blocks_in_use, 0);
}

static atomic_long expired, cancelled;

static int count_alarm(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    CHECK(apus_message_type(message) == &apus_type_timeout);
    atomic_fetch_add(&expired, 1);
    return APUS_OK;
}

static const apus_behaviour alarm_counter = {.name = "alarm counter", .handle = count_alarm};

struct share {
    const apus_ref *refs;
    long count;
};

static void *cancel_share(void *argument)
{
    const struct share *share = argument;
    for (long i = 0; i < share->count; i++) {
        int result = apus_cancel(share->refs[i], NULL);
        CHECK(result == 0 || result == -ENOENT);
        if (result == 0)
            atomic_fetch_add(&cancelled, 1);
    }
    return NULL;
}

// Sets timers of 0 to `delay_ms` and cancels them, each twice, from four threads.
static void set_and_cancel(long count, uint64_t delay_ms, uint64_t spread_ms)
{
    apus_ref *refs = malloc((size_t)count * sizeof *refs);
    pthread_t threads[THREADS];
    struct share shares[THREADS];
    apus_pid pid;
    CHECK(refs != NULL);
    start_runtime(2);
    CHECK_EQ(apus_spawn(&alarm_counter, NULL, 0, NULL, &pid), 0);
    for (long i = 0; i < count; i++)
        CHECK_EQ(apus_send_after(delay_ms + (uint64_t)i * 7919 % spread_ms, pid, NULL, NULL, 0, &refs[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        long half = count / 2;
        shares[i] = (struct share){refs + i / 2 * half, i / 2 ? count - half : half};
        CHECK_EQ(pthread_create(&threads[i], NULL, cancel_share, &shares[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    while (atomic_load(&expired) + atomic_load(&cancelled) < count)
        usleep(1000);
    while (runtime_info().timers > 0) // cancelled ones go home to their scheduler
        usleep(1000);
    CHECK_EQ(atomic_load(&expired) + atomic_load(&cancelled), count);
    free(refs);
    stop_runtime();
    CHECK_EQ(atomic_load(&expired) + atomic_load(&cancelled), count);
}

TEST(million_timers, "a million timers at once, each cancelled once from other threads")
{
    long count = test_scaled(1000000);
    set_and_cancel(count, 3600000, 3600000);
    CHECK_EQ(atomic_load(&cancelled), count);
}

TEST(million_timers_race, "a million timers that expire while other threads cancel them: each does one of both")
{
    set_and_cancel(test_scaled(1000000), 0, 2000);
    printf("     %ld expired, %ld cancelled\n", atomic_load(&expired), atomic_load(&cancelled));
}

static void watch_many(apus_process *self, void *argument)
{
    long count = *(const long *)argument;
    apus_ref ref;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    for (long i = 0; i < count; i++) {
        apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_LINK | APUS_SPAWN_MONITOR,
                                      .monitor = &ref};
        CHECK_EQ(apus_spawn(&cell, NULL, 0, &options, NULL), 0);
    }
    apus_process_info_t info = info_of(apus_pid_of(self));
    CHECK_EQ(info.links, count);
    CHECK_EQ(info.monitors, count);
}

TEST(many_links, "a process with 200,000 links and monitors ends, and takes their other ends with it")
{
    long count = test_scaled(200000);
    start_runtime(2);
    run_process(watch_many, &count, sizeof count);
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
