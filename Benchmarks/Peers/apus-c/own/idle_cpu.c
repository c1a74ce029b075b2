// idle_cpu.c - what a runtime with 10,000 processes that wait costs while nothing happens: its CPU time, from the kernel's books.
#include "bench.h"

#include <time.h>

enum { PROCESSES = 10000 };

static int idler_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    send_number(apus_parent_of(self), &number_type, number_of(message));
    return APUS_OK;
}

static const apus_behaviour idler = {.name = "idler", .handle = idler_handle};

// Nanoseconds that all threads of this program have run, from the kernel's books: one system call, however many they are.
static int64_t cpu_ns(void)
{
    struct timespec used;
    check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0, "CPU time");
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static double run(apus_process *boss)
{
    uint64_t quiet_ms = (uint64_t)scaled(2000);
    for (int i = 0; i < PROCESSES; i++) {
        send_number(spawn(&idler, NULL, 0), &number_type, 1);
    }
    check(receive_sum(boss, PROCESSES) == PROCESSES, "processes");
    check(apus_sleep(boss, quiet_ms > 50 ? 50 : quiet_ms) == 0, "settle");
    int64_t start = now_ns(), before = cpu_ns();
    check(apus_sleep(boss, quiet_ms) == 0, "sleep");
    int64_t used = cpu_ns() - before, end = now_ns();
    return (double)used / 1000 / seconds(end - start);
}

const struct workload idle_cpu_workload = {"idle_cpu", "us of CPU in a second", run};
