// os/clock.c - see clock.h.
#define _GNU_SOURCE 1
#include "os/clock.h"

#include <time.h>

uint64_t apus__clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
