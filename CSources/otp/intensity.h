// otp/intensity.h - how many restarts there were lately, and whether that is too many (R43).
//
// Idea:       a ring of (millisecond, number of restarts in it), oldest first, with the sum kept beside it. A new restart drops
//             what has fallen out of the period from the old end and is added at the new one, so each entry is written once and
//             dropped once: O(1) amortised, whatever the intensity. OTP walks the list of all restarts in the period at each
//             restart.
// Bounds:     at most min(intensity, period in ms) + 1 entries, since restarts in the same millisecond share one; the ring starts
//             with four entries in place and doubles as needed. Without memory to double, the two newest entries become one with
//             the later time: restarts then count for longer than they should, never shorter.
// Period:     a restart counts while now - then <= period, as in OTP.
#ifndef APUS_OTP_INTENSITY_H
#define APUS_OTP_INTENSITY_H

#include "otp/store.h"

#include <stdbool.h>
#include <stdint.h>

enum { APUS__INTENSITY_SMALL = 4 };

struct apus__intensity_entry {
    uint64_t at_ms;
    uint64_t count;
};

struct apus__intensity {
    uint64_t limit; // restarts allowed within the period
    uint64_t period_ms;
    uint64_t sum; // of all entries
    struct apus__store *store;
    struct apus__intensity_entry *entries;
    size_t capacity; // a power of two
    size_t first;    // index of the oldest entry
    size_t used;
    struct apus__intensity_entry small[APUS__INTENSITY_SMALL];
};

// The window must stay where it is: it points into itself.
void apus__intensity_init(struct apus__intensity *window, uint32_t limit, uint64_t period_ms, struct apus__store *store);

// Counts a restart at `now_ms`, which never goes back. False: that was one too many.
bool apus__intensity_add(struct apus__intensity *window, uint64_t now_ms);

#endif
