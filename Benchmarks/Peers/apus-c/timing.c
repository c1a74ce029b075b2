// timing.c - workloads of timers and of the scheduler's fairness.
#include "bench.h"
#include "probe.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// timers: all created, then all cancelled in the same order; delays of 1 to 60 s, drawn before the clock starts.

static const apus_type tick_type = {.name = "tick"};

static double timers_run(apus_process *boss)
{
    int64_t total = scaled(500000);
    uint64_t *delays_ms = malloc((size_t)total * sizeof *delays_ms), seed = 88172645463325252u;
    apus_ref *refs = calloc((size_t)total, sizeof *refs);
    check(delays_ms != NULL && refs != NULL, "memory");
    for (int64_t i = 0; i < total; i++) {
        delays_ms[i] = 1000 + random_next(&seed) % 59001;
    }
    apus_pid me = apus_pid_of(boss);
    int64_t late = 0, start = now_ns();
    for (int64_t i = 0; i < total; i++) {
        check(apus_send_after(delays_ms[i], me, &tick_type, NULL, 0, &refs[i]) == 0, "send_after");
    }
    int64_t middle = now_ns();
    for (int64_t i = 0; i < total; i++) {
        late += apus_cancel(refs[i], NULL) != 0;
    }
    int64_t end = now_ns();
    apus_message *tick;
    int64_t fired = 0;
    while ((tick = apus_receive(boss, NULL, NULL, 50)) != NULL) {
        apus_message_release(tick);
        fired++;
    }
    check(fired == late, "every timer has either fired or been cancelled");
    check(late * 20 <= total, "few late timers");
    fprintf(stderr, "timers: create %.1f ns, cancel %.1f ns, %lld fired before cancel\n", (double)(middle - start) / (double)total,
            (double)(end - middle) / (double)total, (long long)late);
    free(delays_ms);
    free(refs);
    return (double)(end - start) / (double)total;
}

// fairness: endless loops on all schedulers, four each, and two processes that play ping-pong among them. It asks the runtime to
// take a scheduler away from a process that does not return.

enum { ROUND_TRIPS_MAX = 1 << 27 }; // memory is taken as they come

static atomic_bool burn_ends; // set after the measurement, so that the runtime can be stopped in good order
static int64_t *round_trips;  // nanoseconds each
static int64_t round_trip_count;

static int burner_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    (void)state;
    (void)argument;
    while (!atomic_load_explicit(&burn_ends, memory_order_relaxed)) {
    }
    return APUS_DONE;
}

static const apus_behaviour burner = {.name = "burner", .init = burner_init};

static void round_trip_record(int64_t ns)
{
    check(round_trip_count < ROUND_TRIPS_MAX, "room for round trips");
    round_trips[round_trip_count++] = ns;
}

static int compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double round_trip_us(double share)
{
    int64_t rank = (int64_t)ceil((double)round_trip_count * share);
    return (double)round_trips[rank < 1 ? 0 : rank - 1] / 1000;
}

static double run_fairness(apus_process *boss, double share)
{
    round_trips = malloc(ROUND_TRIPS_MAX * sizeof *round_trips);
    check(round_trips != NULL, "memory");
    for (unsigned i = 0; i < 4 * bench_cores; i++) {
        spawn(&burner, NULL, 0);
    }
    check(apus_sleep(boss, 100) == 0, "sleep");
    probe_start(now_ns() + (int64_t)(2e9 * scale()), round_trip_record);
    check(receive_number(boss) == round_trip_count, "round trips");
    atomic_store_explicit(&burn_ends, true, memory_order_relaxed);
    qsort(round_trips, (size_t)round_trip_count, sizeof *round_trips, compare_ns);
    fprintf(stderr, "fairness: %lld round trips, p50 %.2f us, p99 %.2f us, p99.9 %.2f us, max %.2f us\n",
            (long long)round_trip_count, round_trip_us(0.5), round_trip_us(0.99), round_trip_us(0.999), round_trip_us(1));
    double value = round_trip_us(share);
    free(round_trips);
    return value;
}

static double fairness_run(apus_process *boss)
{
    return run_fairness(boss, 0.99);
}

static double fairness_max_run(apus_process *boss)
{
    return run_fairness(boss, 1);
}

const struct workload time_workloads[] = {
    {"timers", "ns/timer", timers_run},
    {"fairness", "us", fairness_run},
    {"fairness_max", "us", fairness_max_run},
    {NULL, NULL, NULL},
};
