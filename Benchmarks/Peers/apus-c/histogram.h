// histogram.h - how often which time was seen, from nanoseconds to minutes, to within 1.6 per cent.
//
// Idea:   HdrHistogram's: each power of two is cut into 64 equal parts, so that the error is a share of the value and recording
//         is a shift and an increment. One thread at a time; one histogram for a run, which main() prints for the report.
#ifndef APUS_BENCH_HISTOGRAM_H
#define APUS_BENCH_HISTOGRAM_H

#include <stdint.h>

void histogram_record(int64_t ns);

int64_t histogram_count(void);

// The time in microseconds below or at which that share (0 to 1) of the recorded ones lie.
double histogram_us(double share);

// Says also() for the percentiles 50, 99, 99.9 and the maximum, in microseconds, each named PREFIX and p50, p99, p999, max.
void histogram_metrics(const char *const names[4]);

// Prints `histogram,UPPER_NS:COUNT ...` on stdout if anything was recorded.
void histogram_print(void);

void histogram_clear(void);

#endif
