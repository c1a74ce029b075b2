// bench.h - what the workloads of this peer share: the table, checks, the clock, a few short forms of the public ABI.
//
// A workload is a function that runs in a blocking process, the *boss*: it starts the processes to be measured (callback
// processes, the runtime's default form), waits for what they report, stops the clock, checks counts and sums, and returns the
// value. One workload runs in one program start, so what its processes must all know may lie in static variables.
#ifndef APUS_BENCH_H
#define APUS_BENCH_H

#include <apus/apus.h>

#include <stdint.h>
#include <time.h>

struct workload {
    const char *name;
    const char *unit;
    double (*run)(apus_process *boss);
};

extern const struct workload message_workloads[]; // messages.c: pingpong pairs ring bang big call; the name NULL ends each table
extern const struct workload spawn_workloads[];   // spawning.c: spawn idle_mem skynet fib
extern const struct workload failure_workloads[]; // failing.c: restart restart_fresh
extern const struct workload time_workloads[];    // timing.c: timers fairness fairness_max
extern const struct workload *const suite[];      // suite.c: one file each, in savina/, bencherl/ and own/; NULL ends it

extern unsigned bench_cores;

// `count` times the scale given on the command line, rounded, at least one.
int64_t scaled(int64_t count);
double scale(void);

// Ends the program with status 1 unless `ok`.
void check(bool ok, const char *what);

// Nanoseconds of the monotonic clock.
static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

// The message most workloads need: one integer.
extern const apus_type number_type;

static inline void send_number(apus_pid to, const apus_type *type, int64_t number)
{
    check(apus_send(to, type, &number, sizeof number) == 0, "send");
}

static inline int64_t number_of(const apus_message *message)
{
    return *(const int64_t *)apus_message_payload(message);
}

static inline apus_pid pid_of(const apus_message *message)
{
    return *(const apus_pid *)apus_message_payload(message);
}

static inline apus_pid spawn(const apus_behaviour *behaviour, const void *argument, size_t size)
{
    apus_pid pid;
    check(apus_spawn(behaviour, argument, size, NULL, &pid) == 0, "spawn");
    return pid;
}

// The boss waits for a number from any of its processes; for `count` of them, and adds them up.
int64_t receive_number(apus_process *boss);
int64_t receive_sum(apus_process *boss, int64_t count);

// A server that adds up what it is asked to (messages.c), and a call that adds to it and returns the sum.
extern const apus_behaviour counter_server;
int64_t counter_call(apus_pid server, int64_t add);

// One more value that the run has found: printed after its own as WORKLOAD.METRIC. At most 16.
void also(const char *metric, double value, const char *unit);

// An init that takes the argument of the spawn as the state.
#define INIT_FROM_ARGUMENT(name, type)                                                                                             \
    static int name(apus_process *self, void *state, const void *argument)                                                         \
    {                                                                                                                              \
        (void)self;                                                                                                                \
        *(type *)state = *(const type *)argument;                                                                                  \
        return APUS_OK;                                                                                                            \
    }

// The generator that all peers use: xorshift, 64 bits (Marsaglia, 2003). The seed must not be 0.
static inline uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static inline uint64_t random_below(uint64_t *seed, uint64_t limit)
{
    return random_next(seed) % limit;
}

// Work that cannot be left out: draws `steps` random numbers, and ends the program if the last is 0, which it never is.
static inline void spin(uint64_t *seed, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        random_next(seed);
    }
    check(*seed != 0, "spin");
}

#endif
