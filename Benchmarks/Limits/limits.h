// limits.h - what the programs of this folder share: the clock, the best of several repetitions, the line they print.
//
// Each program takes CORES and SCALE, which multiplies how often a thing is done, and prints `limit,NAME,CORES,VALUE,UNIT` lines. A
// limit is the best of several repetitions, what the machine can do when it is left alone, unless it says otherwise.
#ifndef APUS_BENCH_LIMITS_H
#define APUS_BENCH_LIMITS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { REPETITIONS = 5 };

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void check(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

struct limits_arguments {
    int cores;
    double scale;
};

static inline struct limits_arguments limits_arguments(int argc, char **argv)
{
    if (argc != 3 || atoi(argv[1]) < 1 || atof(argv[2]) <= 0) {
        fprintf(stderr, "usage: %s CORES SCALE\n", argv[0]);
        exit(2);
    }
    return (struct limits_arguments){atoi(argv[1]), atof(argv[2])};
}

static inline int64_t limits_scaled(struct limits_arguments arguments, int64_t count)
{
    int64_t n = (int64_t)((double)count * arguments.scale + 0.5);
    return n < 1 ? 1 : n;
}

static inline void limits_print(const char *name, int cores, double value, const char *unit)
{
    printf("limit,%s,%d,%.4f,%s\n", name, cores, value, unit);
}

// Binds the calling thread to the index-th CPU of those the program was given.
static inline void limits_bind(const cpu_set_t *allowed, int index)
{
    for (int cpu = 0, seen = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, allowed) && seen++ == index) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            check(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
            return;
        }
    }
}

#endif
