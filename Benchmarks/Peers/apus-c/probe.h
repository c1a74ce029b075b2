// probe.h - two processes that play ping-pong among others and measure each round trip.
#ifndef APUS_BENCH_PROBE_H
#define APUS_BENCH_PROBE_H

#include <stdint.h>

// Started by the boss: `record` gets the nanoseconds of each round trip, one at a time; the first that ends at `end` (of now_ns) or
// later is the last, and the boss then receives their number.
void probe_start(int64_t end, void (*record)(int64_t ns));

#endif
