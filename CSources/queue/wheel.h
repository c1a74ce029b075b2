// queue/wheel.h - hierarchical timing wheel: one per scheduler, one tick a millisecond.
//
// Idea:       a tick is read as a number in base 64. An entry lies on the level of the highest digit in which its due tick differs
//             from the tick the wheel stands at (`now`), in the slot of that digit:
//                 now = 2.17.40    due 2.17.52 -> level 0 slot 52    due 2.30.00 -> level 1 slot 30    due 9.00.00 -> level 2 slot 9
//             Level 0 holds exact ticks. When the wheel comes to the first tick of a slot on a higher level, the slot is emptied
//             onto the levels below (a cascade): at most six times in the life of an entry. A word for each level has a bit for
//             each slot in use, so that the next thing to do is found by looking at seven words, however far away it is.
// Invariants: I1 the slot of an entry is a function of its tick and `now` alone, so the entries of one tick always share a list.
//             I2 a bit is set exactly if its list is not empty.
//             I3 no list lies before `now`; on level 0 the slot of `now` itself may be in use, on the higher levels never.
//             I4 everything on a level is due before everything on the levels above it.
//             From I1 and from lists that are only ever appended to follows the order: by tick, then by insertion.
// The top:    seven digits are 42 bits. The top level is a ring that is read from `now` on, so that crossing a multiple of 2^42
//             needs no care; it holds half a turn, APUS__WHEEL_SPAN ticks (69 years). An entry further ahead, which takes a wheel that
//             lags behind a virtual clock, lies at the end of the span and goes on from there when the wheel comes to it. For such
//             entries alone I1 does not hold, nor the order among those of one tick.
// Lateness:   an entry that is inserted with `due` at or before `now` is due at `now`: after those that are there already.
//             `now` moves only in apus__wheel_pop, to the tick of the entry it returns, so it may lag behind the clock.
// Who:        the owner of the scheduler slot; nothing here is atomic.
// Freed:      this file allocates and frees nothing; entries belong to the caller.
// Progress:   insert, remove and next are O(1) (next looks at eight entries at most); pop is O(1) and O(entries) for each slot it cascades.
// Dropped:    a heap (its insert and remove are O(log n) with a cache miss for each step, and timers are mostly cancelled);
//             levels by distance instead of by digit (two entries of one tick may then lie in two lists, which loses the order).
// Source:     Varghese & Lauck, Hashed and Hierarchical Timing Wheels, 1987.
#ifndef APUS_QUEUE_WHEEL_H
#define APUS_QUEUE_WHEEL_H

#include "base/assert.h"
#include "base/list.h"
#include "base/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APUS__WHEEL_LEVELS 7
#define APUS__WHEEL_BITS 6
#define APUS__WHEEL_SLOTS (1u << APUS__WHEEL_BITS)
#define APUS__WHEEL_SPAN (UINT64_C(1) << 41)

// Put this into the thing that is to happen. `due` is read-only while the entry is in a wheel.
struct apus__wheel_entry {
    struct apus__list link;
    uint64_t due;
};

struct apus__wheel {
    uint64_t now;                           // the tick the wheel stands at
    size_t count;                           // entries in it
    uint64_t occupied[APUS__WHEEL_LEVELS];  // a bit for each slot that is not empty
    struct apus__list slot[APUS__WHEEL_LEVELS * APUS__WHEEL_SLOTS];
};

_Static_assert(sizeof(struct apus__wheel) < 8192, "a wheel fits in two pages with room for its owner");

// Makes an empty wheel that stands at tick `now`.
void apus__wheel_init(struct apus__wheel *wheel, uint64_t now);

// Makes an entry that is in no wheel, for owners that may remove it before it has ever been inserted.
apus_inline void apus__wheel_entry_init(struct apus__wheel_entry *entry)
{
    apus__list_init(&entry->link);
    entry->due = 0;
}

// Whether the entry is in a wheel. It must have been initialised or inserted once.
apus_inline bool apus__wheel_entry_is_linked(const struct apus__wheel_entry *entry)
{
    return !apus__list_is_empty(&entry->link);
}

// The place of tick `due`, which is not before `now`, in a wheel that stands at `now`: level * 64 + digit (I1).
apus_inline unsigned apus__wheel_place(uint64_t now, uint64_t due)
{
    unsigned level = (63u - (unsigned)__builtin_clzll((now ^ due) | 1u)) / APUS__WHEEL_BITS;
    if (apus_unlikely(level >= APUS__WHEEL_LEVELS - 1)) {
        level = APUS__WHEEL_LEVELS - 1;
        due = due - now > APUS__WHEEL_SPAN ? now + APUS__WHEEL_SPAN : due;
    }
    unsigned digit = (unsigned)(due >> (level * APUS__WHEEL_BITS)) % APUS__WHEEL_SLOTS;
    return level * APUS__WHEEL_SLOTS + digit;
}

// Puts an entry that is in no wheel, with `entry->due` set, where it belongs.
apus_inline void apus__wheel_insert(struct apus__wheel *wheel, struct apus__wheel_entry *entry)
{
    uint64_t due = entry->due > wheel->now ? entry->due : wheel->now;
    unsigned place = apus__wheel_place(wheel->now, due);
    apus__list_append(&wheel->slot[place], &entry->link);
    wheel->occupied[place / APUS__WHEEL_SLOTS] |= UINT64_C(1) << (place % APUS__WHEEL_SLOTS);
    wheel->count++;
}

// Takes an entry out. False, and nothing happens, if it is in no wheel. An entry whose two neighbours are one and the same node was
// alone with the head of its list, which tells the slot, so that the entry need not remember it.
apus_inline bool apus__wheel_remove(struct apus__wheel *wheel, struct apus__wheel_entry *entry)
{
    struct apus__list *next = entry->link.next, *previous = entry->link.previous;
    if (next == &entry->link)
        return false;
    apus__list_remove(&entry->link);
    wheel->count--;
    if (next == previous) {
        size_t place = (size_t)(next - wheel->slot);
        apus_debug(place < APUS__WHEEL_LEVELS * APUS__WHEEL_SLOTS);
        wheel->occupied[place / APUS__WHEEL_SLOTS] &= ~(UINT64_C(1) << (place % APUS__WHEEL_SLOTS));
    }
    return true;
}

// A tick, not before `now`, before which nothing is due: the caller may sleep until then. It is the due tick itself if that is in the
// same 64 ticks as `now`, or if few entries lie in the first slot in use; else the next cascade. UINT64_MAX if the wheel is empty.
uint64_t apus__wheel_next(const struct apus__wheel *wheel);

// Takes out and returns the first entry due at or before `now`; NULL if there is none (more), and then the wheel stands at `now`.
// `now` never goes back from one call to the next.
struct apus__wheel_entry *apus__wheel_pop(struct apus__wheel *wheel, uint64_t now);

// Walks the whole wheel: whether I1 to I3 hold and `count` is right.
bool apus__wheel_is_valid(const struct apus__wheel *wheel);

#endif
