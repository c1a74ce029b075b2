// Benchmarks/C/faults.c - what faults and long callbacks cost. `make bench-faults` builds and runs it.
//
//   clock_us               what it takes to read the clock
//   trap_to_next_us        from the trap of one process to the handler of the next on the same scheduler, on the spare: p10, p50, p99, max
//   fault_memory_kb        resident memory for each contained fault
//   restart_fault_us       from the trap of a supervised child to the init of its successor: p50, p99
//   restart_exit_us        the same for a child that returns an error
//   beside_sleepers_share  messages of eight processes that keep 2 schedulers busy, a microsecond or so for each, in a second of processor
//                          time, while 100 others block in nanosleep(1 s), against the same without those
//
// The scheduler sleeps between the rounds, so that what is measured is cold; one reading of the clock is in each of them, and is printed.
// Time on a busy machine says little: compare in one run, or count instructions. Usage: faults [FAULTS]
#include <apus/apus.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "faults: %s failed\n", what);
    _exit(1);
}

static const apus_type go_type = {.name = "go"}, stop_type = {.name = "stop"};
static int64_t *taken; // nanoseconds of each round
static _Atomic int64_t trapped_at;
static atomic_long rounds;

// The start of a round. Relaxed: who reads it has the scheduler after us; a fence would be part of what is measured.
static void begin_round(void)
{
    atomic_store_explicit(&trapped_at, now_ns(), memory_order_relaxed);
}

// The end of it.
static void end_round(void)
{
    int64_t now = now_ns();
    taken[atomic_load(&rounds)] = now - atomic_load_explicit(&trapped_at, memory_order_relaxed);
    atomic_fetch_add(&rounds, 1);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, long count)
{
    qsort(taken, (size_t)count, sizeof *taken, compare);
    printf("%-22s p10 %.2f  p50 %.2f  p99 %.2f  max %.2f  (%ld rounds)\n", name, (double)taken[count / 10] / 1000,
           (double)taken[count / 2] / 1000, (double)taken[count * 99 / 100] / 1000, (double)taken[count - 1] / 1000, count);
}

static void be_quiet(const apus_log *entry, void *context)
{
    (void)entry, (void)context;
}

static void start(unsigned schedulers)
{
    apus_options options = {.struct_size = sizeof options, .schedulers = schedulers, .faults_per_minute = 100000,
                            .faults_in_all = 100000, .log = be_quiet};
    check(apus_start(&options) == 0, "start");
}

static long resident_kb(void)
{
    long pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");
    check(file && fscanf(file, "%ld %ld", &ignored, &pages) == 2, "statm");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE) / 1024;
}

// --- From the trap to the next handler ------------------------------------------------------------------------------------------

static int next_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    end_round();
    return APUS_OK;
}

static const apus_behaviour next_one = {.name = "next", .handle = next_handle};

static int trap_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    // The next one waits behind us on this scheduler.
    check(apus_send(*(const apus_pid *)apus_message_payload(message), &go_type, NULL, 0) == 0, "send");
    begin_round();
    __builtin_trap();
}

static const apus_behaviour trapper = {.name = "trapper", .handle = trap_handle};

static void measure_traps(long count)
{
    apus_pid next, pid;
    start(1);
    check(apus_spawn(&next_one, NULL, 0, NULL, &next) == 0, "spawn");
    long before = 0, warm = count / 10 + 1;
    for (long i = 0; i < count + warm; i++) {
        if (i == warm) {
            before = resident_kb();
            atomic_store(&rounds, 0);
        }
        long round = atomic_load(&rounds);
        check(apus_spawn(&trapper, NULL, 0, NULL, &pid) == 0, "spawn");
        check(apus_send(pid, &go_type, &next, sizeof next) == 0, "send");
        while (atomic_load(&rounds) == round)
            usleep(50);
        usleep(300); // until there is a spare again
    }
    long more = resident_kb() - before;
    report("trap_to_next_us", count);
    printf("%-22s %.1f  (%ld faults)\n", "fault_memory_kb", (double)more / (double)count, count);
    check(apus_stop(1000) == 0, "stop");
}

// --- Restarts -------------------------------------------------------------------------------------------------------------------

static int child_init(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state, (void)argument;
    if (atomic_load_explicit(&trapped_at, memory_order_relaxed))
        end_round();
    return APUS_OK;
}

static int child_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    bool faults = *(const bool *)apus_message_payload(message);
    begin_round();
    if (faults)
        __builtin_trap();
    return -EIO;
}

static const apus_behaviour child = {.name = "child", .init = child_init, .handle = child_handle};

static void supervise(apus_process *self, void *argument)
{
    apus_pid top;
    (void)argument;
    apus_spawn_options options = {.struct_size = sizeof options, .name = "child"};
    apus_child_spec spec = {.struct_size = sizeof spec, .id = "child", .behaviour = &child, .options = &options};
    apus_supervisor_spec tree = {.struct_size = sizeof tree, .intensity_is_set = true, .intensity = 1000000000, .period_ms = 1000,
                                 .children = &spec, .child_count = 1};
    check(apus_supervisor_start(self, &tree, &top) == 0, "supervisor");
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    apus_message_release(message);
}

static void measure_restarts(bool by_fault, long count)
{
    apus_pid boss;
    start(1);
    atomic_store(&trapped_at, 0);
    atomic_store(&rounds, 0);
    check(apus_spawn_blocking(supervise, NULL, 0, NULL, &boss) == 0, "spawn");
    for (long i = 0; i < count; i++) {
        while (apus_send_name("child", &go_type, &by_fault, sizeof by_fault) != 0)
            usleep(50);
        while (atomic_load(&rounds) == i)
            usleep(20);
        usleep(by_fault ? 300 : 1);
    }
    report(by_fault ? "restart_fault_us" : "restart_exit_us", count);
    check(apus_send(boss, &stop_type, NULL, 0) == 0, "send");
    check(apus_stop(5000) == 0, "stop");
}

// --- Beside sleepers ------------------------------------------------------------------------------------------------------------

static atomic_bool is_over;
static atomic_long messages;

// Enough work for each message that the processes are shared out over both schedulers, with sleepers beside them and without: processes
// that only exchange messages stay together on one, and two threads of a core are then compared with one.
static int work(apus_process *self, void *state, apus_message *message)
{
    enum { STEPS = 1000, NOTED = 64 };
    uint64_t *seed = state, *count = seed + 1;
    (void)message;
    for (int i = 0; i < STEPS; i++)
        *seed = (*seed ^ *seed >> 7) * UINT64_C(6364136223846793005) + 1;
    if (++*count % NOTED == 0)
        atomic_fetch_add(&messages, NOTED);
    return atomic_load_explicit(&is_over, memory_order_relaxed) ? APUS_DONE : apus_send(apus_pid_of(self), &go_type, NULL, 0);
}

static const apus_behaviour worker = {.name = "worker", .state_size = 16, .handle = work};

static void start_worker(void)
{
    apus_pid pid;
    check(apus_spawn(&worker, NULL, 0, NULL, &pid) == 0, "spawn");
    check(apus_send(pid, &go_type, NULL, 0) == 0, "send");
}

static void sleep_on(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    while (!atomic_load(&is_over))
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}

// Processor time of all threads: on a machine that does other things as well, messages for each second of it tell more than for each
// second of the clock.
static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double rate(long sleepers)
{
    start(2);
    atomic_store(&is_over, false);
    for (long i = 0; i < sleepers; i++)
        check(apus_spawn_blocking(sleep_on, NULL, 0, NULL, NULL) == 0, "spawn");
    for (int i = 0; i < 8; i++)
        start_worker();
    for (apus_runtime_info_t info = {.struct_size = sizeof info}; (long)info.detached < sleepers; usleep(1000))
        check(apus_runtime_info(&info) == 0, "info");
    usleep(100000);
    long before = atomic_load(&messages);
    int64_t began = cpu_ns();
    usleep(500000);
    double result = (double)(atomic_load(&messages) - before) * 1e9 / (double)(cpu_ns() - began);
    atomic_store(&is_over, true);
    check(apus_stop(3000) == 0, "stop");
    return result;
}

// The best of some interleaved rounds of each, since whatever else the machine does only takes away.
static void measure_sleepers(void)
{
    double best[2] = {0, 0};
    for (int round = 0; round < 6; round++) {
        double one = rate(round % 2 ? 100 : 0);
        best[round % 2] = one > best[round % 2] ? one : best[round % 2];
    }
    printf("%-22s %.3f  (%.0f of %.0f thousand in a second of processor time)\n", "beside_sleepers_share", best[1] / best[0],
           best[1] / 1e3, best[0] / 1e3);
}

static void measure_clock(void)
{
    enum { READINGS = 1000000 };
    int64_t begin = now_ns();
    for (int i = 0; i < READINGS; i++)
        now_ns();
    printf("%-22s %.3f\n", "clock_us", (double)(now_ns() - begin) / 1000 / READINGS);
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 1000;
    setvbuf(stdout, NULL, _IOLBF, 0);
    taken = calloc((size_t)(count * 2 + 100), sizeof *taken);
    check(taken != NULL && count > 0, "arguments");
    measure_clock();
    measure_traps(count);
    measure_restarts(true, count);
    measure_restarts(false, count);
    measure_sleepers();
    return 0;
}
