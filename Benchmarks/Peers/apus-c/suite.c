// suite.c - the workloads that have a file of their own.
#include "bench.h"

#define SUITE(X)                                                                                                                   \
    X(count) X(fork_join) X(fork_create) X(thread_ring) X(chameneos) X(dictionary) X(bounded_buffer) X(philosophers) X(barber)        \
    X(smokers) X(bank) X(nqueens) X(quicksort) X(matmul) X(sieve)                                                                  \
    X(ehb) X(serialmsg) X(timer_wheel) X(estone) X(mbrot) X(orbit)                                                                 \
    X(storm) X(selective) X(selective_call) X(fanin) X(call_thread) X(echo) X(size_64) X(size_1k) X(size_16k) X(size_256k)         \
    X(size_1m) X(idle_cpu) X(latency) X(million)

#define DECLARE(name) extern const struct workload name##_workload;
#define ENTRY(name) &name##_workload,

SUITE(DECLARE)

const struct workload *const suite[] = {SUITE(ENTRY) NULL};
