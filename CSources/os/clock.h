// os/clock.h - the monotonic clock.
#ifndef APUS_OS_CLOCK_H
#define APUS_OS_CLOCK_H

#include <stdint.h>

// Nanoseconds of CLOCK_MONOTONIC: never goes back, is not moved by changes of the date, stands still while the machine is
// suspended. About 20 ns; any thread; async-signal-safe.
uint64_t apus__clock_ns(void);

#endif
