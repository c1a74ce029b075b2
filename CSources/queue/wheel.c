#include "queue/wheel.h"

enum { WHEEL_LOOKS = 8 };
#define WHEEL_PLACES (APUS__WHEEL_LEVELS * APUS__WHEEL_SLOTS)

void apus__wheel_init(struct apus__wheel *wheel, uint64_t now)
{
    wheel->now = now;
    wheel->count = 0;
    for (unsigned level = 0; level < APUS__WHEEL_LEVELS; level++)
        wheel->occupied[level] = 0;
    for (unsigned place = 0; place < WHEEL_PLACES; place++)
        apus__list_init(&wheel->slot[place]);
}

static unsigned wheel_shift(unsigned level)
{
    return level * APUS__WHEEL_BITS;
}

// The lowest level that holds something: by I4 it holds what is due first. The wheel is not empty.
static unsigned wheel_first_level(const struct apus__wheel *wheel)
{
    unsigned level = 0;
    while (wheel->occupied[level] == 0)
        level++;
    return level;
}

// How many slots ahead of `now` the first slot in use on `level` is. By I3 nothing lies behind `now`, so on every level but the top
// one this finds the lowest bit; the top level is a ring, and the rotation puts the slot of `now` first.
static unsigned wheel_slots_ahead(const struct apus__wheel *wheel, unsigned level)
{
    unsigned digit = (unsigned)(wheel->now >> wheel_shift(level)) % APUS__WHEEL_SLOTS;
    uint64_t bits = wheel->occupied[level];
    bits = bits >> digit | bits << (-digit % APUS__WHEEL_SLOTS);
    return (unsigned)__builtin_ctzll(bits);
}

// The first tick of the first slot in use on `level`: on level 0 a tick at which entries are due, above it one at which to cascade.
static uint64_t wheel_first_tick(const struct apus__wheel *wheel, unsigned level)
{
    uint64_t slots = (wheel->now >> wheel_shift(level)) + wheel_slots_ahead(wheel, level);
    return slots << wheel_shift(level);
}

uint64_t apus__wheel_next(const struct apus__wheel *wheel)
{
    if (wheel->count == 0)
        return UINT64_MAX;
    unsigned level = wheel_first_level(wheel);
    uint64_t tick = wheel_first_tick(wheel, level), due = UINT64_MAX;
    if (level == 0 || level == APUS__WHEEL_LEVELS - 1)
        return tick;
    // What is due first lies in this slot (I4; on the top level there may be entries from beyond the span before it). A few are looked at.
    const struct apus__list *head = &wheel->slot[level * APUS__WHEEL_SLOTS + (tick >> wheel_shift(level)) % APUS__WHEEL_SLOTS];
    unsigned looked = 0;
    for (const struct apus__list *link = head->next; link != head; link = link->next) {
        uint64_t this_due = apus_container_of(link, struct apus__wheel_entry, link)->due;
        due = this_due < due ? this_due : due;
        if (++looked > WHEEL_LOOKS)
            return tick;
    }
    return due;
}

// Takes everything out of the slot on `level` that starts at `wheel->now` and puts it where it belongs now that the wheel stands
// there: on a lower level, or further round on the top one. The list is walked in order, which keeps the order among entries of one tick.
static void wheel_cascade(struct apus__wheel *wheel, unsigned level)
{
    unsigned digit = (unsigned)(wheel->now >> wheel_shift(level)) % APUS__WHEEL_SLOTS;
    struct apus__list *head = &wheel->slot[level * APUS__WHEEL_SLOTS + digit];
    struct apus__list *link = head->next;
    wheel->occupied[level] &= ~(UINT64_C(1) << digit);
    while (link != head) {
        struct apus__list *next = link->next;
        wheel->count--;
        apus__wheel_insert(wheel, apus_container_of(link, struct apus__wheel_entry, link));
        link = next;
    }
    apus__list_init(head);
}

// Each turn goes either to a tick at which something is due or through one cascade; a cascade moves its entries down, so there are
// at most six between two entries that are returned, and one for each span that an entry lies ahead.
struct apus__wheel_entry *apus__wheel_pop(struct apus__wheel *wheel, uint64_t now)
{
    apus_debug(now >= wheel->now);
    while (wheel->count != 0) {
        unsigned level = wheel_first_level(wheel);
        uint64_t tick = wheel_first_tick(wheel, level);
        if (tick > now)
            break;
        wheel->now = tick;
        if (level == 0) {
            struct apus__list *link = wheel->slot[tick % APUS__WHEEL_SLOTS].next;
            struct apus__wheel_entry *entry = apus_container_of(link, struct apus__wheel_entry, link);
            apus__wheel_remove(wheel, entry);
            return entry;
        }
        wheel_cascade(wheel, level);
    }
    wheel->now = now;
    return NULL;
}

// Whether an entry may lie in a slot: where I1 puts it, or, if it was beyond the span when it came, on the top level before that.
static bool wheel_may_lie(const struct apus__wheel *wheel, unsigned place, uint64_t due)
{
    due = due > wheel->now ? due : wheel->now;
    if (apus__wheel_place(wheel->now, due) == place)
        return true;
    unsigned top = APUS__WHEEL_LEVELS - 1;
    unsigned slots_ahead = (place - (unsigned)(wheel->now >> wheel_shift(top))) % APUS__WHEEL_SLOTS;
    return place / APUS__WHEEL_SLOTS == top && due >> wheel_shift(top) >= (wheel->now >> wheel_shift(top)) + slots_ahead;
}

// Whether every entry of one slot belongs there; adds their number to *count.
static bool wheel_slot_is_valid(const struct apus__wheel *wheel, unsigned place, size_t *count)
{
    const struct apus__list *head = &wheel->slot[place];
    bool occupied = wheel->occupied[place / APUS__WHEEL_SLOTS] >> (place % APUS__WHEEL_SLOTS) & 1;
    if (occupied == apus__list_is_empty(head))
        return false;
    for (const struct apus__list *link = head->next; link != head; link = link->next) {
        uint64_t due = apus_container_of(link, struct apus__wheel_entry, link)->due;
        if (!wheel_may_lie(wheel, place, due) || link->next->previous != link)
            return false;
        ++*count;
    }
    return true;
}

bool apus__wheel_is_valid(const struct apus__wheel *wheel)
{
    size_t count = 0;
    for (unsigned place = 0; place < WHEEL_PLACES; place++)
        if (!wheel_slot_is_valid(wheel, place, &count))
            return false;
    return count == wheel->count;
}
