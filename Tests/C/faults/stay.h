// Tests/C/faults/stay.h - culprits that stay in their callbacks, in one of two ways, until the test lets them go.
#ifndef APUS_TESTS_STAY_H
#define APUS_TESTS_STAY_H

#include "runtime_test.h"

#include <stdatomic.h>
#include <unistd.h>

static atomic_int stage; // where a culprit has come to, or how many have
static atomic_bool may_go;
static void (*stay)(void);

static void await_stage(int value)
{
    while (atomic_load(&stage) < value)
        usleep(200);
}

// Two ways to stay: asleep in the system, and computing.
static void stay_asleep(void)
{
    while (!atomic_load(&may_go))
        usleep(1000);
}

static void stay_computing(void)
{
    while (!atomic_load(&may_go)) {
    }
}

static void start_on(unsigned schedulers)
{
    atomic_store(&stage, 0);
    atomic_store(&may_go, false);
    start_runtime(schedulers);
}

// With limits of its own, and one scheduler if they do not say how many.
static void start_with(apus_options options)
{
    options.struct_size = sizeof options;
    options.schedulers = options.schedulers ? options.schedulers : 1;
    options.binding = APUS_BIND_NONE;
    atomic_store(&stage, 0);
    atomic_store(&may_go, false);
    CHECK_EQ(apus_start(&options), 0);
}

#endif
