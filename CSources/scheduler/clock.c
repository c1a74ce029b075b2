#include "scheduler/clock.h"

#include "base/assert.h"
#include "os/clock.h"

_Atomic uint64_t apus__virtual_ns;

uint64_t apus__now_ns(void)
{
    // relaxed: set before the simulator runs anything, and read by its one thread.
    uint64_t simulated = apus_load_relaxed(&apus__virtual_ns);
    return apus_unlikely(simulated != 0) ? simulated : apus__clock_ns();
}
