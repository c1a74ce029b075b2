// histogram.c - see histogram.h.
#include "histogram.h"

#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PARTS_LOG2 = 6, PARTS = 1 << PARTS_LOG2, BUCKETS = (64 - PARTS_LOG2) * PARTS };

static int64_t counts[BUCKETS];
static int64_t total;
static int64_t most;

// Values below 64 have a bucket each; above, the six bits after the leading one choose the part of its power of two.
static int bucket_of(int64_t ns)
{
    if (ns < PARTS) {
        return ns < 0 ? 0 : (int)ns;
    }
    int shift = 63 - __builtin_clzll((unsigned long long)ns) - PARTS_LOG2;
    return (shift + 1) * PARTS + (int)((ns >> shift) - PARTS);
}

// The largest value that falls into the bucket.
static int64_t upper_of(int bucket)
{
    if (bucket < PARTS) {
        return bucket;
    }
    int shift = bucket / PARTS - 1;
    return ((int64_t)(bucket % PARTS + PARTS + 1) << shift) - 1;
}

void histogram_record(int64_t ns)
{
    counts[bucket_of(ns)]++;
    total++;
    most = ns > most ? ns : most;
}

int64_t histogram_count(void)
{
    return total;
}

double histogram_us(double share)
{
    int64_t rank = (int64_t)ceil((double)total * share), seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += counts[i];
        if (seen >= rank && seen > 0) {
            return (double)(upper_of(i) < most ? upper_of(i) : most) / 1000;
        }
    }
    return (double)most / 1000;
}

void histogram_metrics(const char *const names[4])
{
    also(names[0], histogram_us(0.5), "us");
    also(names[1], histogram_us(0.99), "us");
    also(names[2], histogram_us(0.999), "us");
    also(names[3], (double)most / 1000, "us");
}

void histogram_print(void)
{
    if (total == 0) {
        return;
    }
    printf("histogram");
    char separator = ',';
    for (int i = 0; i < BUCKETS; i++) {
        if (counts[i] > 0) {
            printf("%c%lld:%lld", separator, (long long)upper_of(i), (long long)counts[i]);
            separator = ' ';
        }
    }
    printf("\n");
}

void histogram_clear(void)
{
    memset(counts, 0, sizeof counts);
    total = most = 0;
}
