// scheduler/clock.h - the seam of time: the system's monotonic clock, or the simulator's.
#ifndef APUS_SCHEDULER_CLOCK_H
#define APUS_SCHEDULER_CLOCK_H

#include "base/atomic.h"

#include <stdint.h>

// The simulator's clock in nanoseconds; 0: the system's is used. One thread sets and reads it then.
extern _Atomic uint64_t apus__virtual_ns;

uint64_t apus__now_ns(void);

#endif
