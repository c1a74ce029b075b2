// Goal:   the timing wheel returns every entry at its tick, never early, never late, by tick and then by insertion, over any pattern
//         of inserting, removing and jumping ahead.
// Method: a sorted list that does the same the slow way (the oracle), random operations with seeds that are printed, and the cases at
//         the edges of levels by hand. WHEEL_SEED=n runs the one seed n.
#include "queue/wheel.h"

#include "test.h"

#define ENTRIES 512

// One timer, in the wheel and in the oracle. The oracle orders by `tick`, then by `order`.
struct timer {
    struct apus__wheel_entry entry;
    uint64_t tick;
    uint64_t order;
    bool active;
};

static struct apus__wheel wheel;
static struct timer timers[ENTRIES];
static uint64_t order_next;
static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = random_state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

// A number with a random count of bits up to `bits`, so that every level is as likely as every other.
static uint64_t random_distance(unsigned bits)
{
    return random_next() >> (63 - random_next() % bits);
}

static void start(uint64_t now)
{
    apus__wheel_init(&wheel, now);
    memset(timers, 0, sizeof timers);
    for (int i = 0; i < ENTRIES; i++)
        apus__wheel_entry_init(&timers[i].entry);
    order_next = 0;
}

static void insert(struct timer *timer, uint64_t due)
{
    CHECK(!timer->active);
    timer->entry.due = due;
    timer->tick = due > wheel.now ? due : wheel.now;
    timer->order = order_next++;
    timer->active = true;
    apus__wheel_insert(&wheel, &timer->entry);
}

static struct timer *oracle_first(void)
{
    struct timer *first = NULL;
    for (int i = 0; i < ENTRIES; i++) {
        struct timer *timer = &timers[i];
        if (timer->active && (!first || timer->tick < first->tick || (timer->tick == first->tick && timer->order < first->order)))
            first = timer;
    }
    return first;
}

static size_t oracle_count(void)
{
    size_t count = 0;
    for (int i = 0; i < ENTRIES; i++)
        count += timers[i].active;
    return count;
}

// The bound of apus__wheel_next() against the truth.
static void check_next(void)
{
    const struct timer *first = oracle_first();
    uint64_t next = apus__wheel_next(&wheel);
    if (!first) {
        CHECK_EQ(next, UINT64_MAX);
        return;
    }
    CHECK(next >= wheel.now);
    CHECK(next <= first->tick);
    if ((first->tick ^ wheel.now) < APUS__WHEEL_SLOTS)
        CHECK_EQ(next, first->tick);
}

// Pops one and compares; false when nothing is due at `now`.
static bool pop(uint64_t now)
{
    struct timer *want = oracle_first();
    if (want && want->tick > now)
        want = NULL;
    struct apus__wheel_entry *entry = apus__wheel_pop(&wheel, now);
    CHECK(entry == (want ? &want->entry : NULL));
    if (!want) {
        CHECK_EQ(wheel.now, now);
        return false;
    }
    CHECK(!apus__wheel_entry_is_linked(entry));
    want->active = false;
    return true;
}

static void random_run(uint64_t seed, long operations)
{
    random_state = seed;
    uint64_t now = seed % 3 == 0 ? 0 : seed % 3 == 1 ? (UINT64_C(1) << 42) - 1000 : random_distance(60);
    start(now);
    for (long i = 0; i < operations; i++) {
        struct timer *timer = &timers[random_next() % ENTRIES];
        unsigned what = random_next() % 16;
        if (what < 7) {
            if (!timer->active)
                insert(timer, random_next() % 8 == 0 ? now - random_distance(8) % (now + 1) : wheel.now + random_distance(41));
        } else if (what < 11) {
            CHECK_EQ(apus__wheel_remove(&wheel, &timer->entry), timer->active);
            timer->active = false;
        } else {
            if (what == 11)
                now += random_distance(41);
            else if (what == 12 && wheel.count && apus__wheel_next(&wheel) > now)
                now = apus__wheel_next(&wheel);
            else
                now += random_next() % 4;
            for (unsigned left = what == 15 ? 2 : UINT32_MAX; left && pop(now); left--) {
            }
        }
        check_next();
        CHECK(apus__wheel_is_valid(&wheel));
        CHECK_EQ(wheel.count, oracle_count());
    }
}

TEST(oracle, "random operations and jumps of the clock agree with a sorted list")
{
    const char *chosen = getenv("WHEEL_SEED");
    if (chosen) {
        random_run(strtoull(chosen, NULL, 0), 20000);
        return;
    }
    long seeds = test_scaled(40);
    for (long seed = 0; seed < seeds; seed++) {
        fprintf(stderr, "seed %ld (WHEEL_SEED=%ld runs it alone)\n", seed, seed);
        random_run((uint64_t)seed, 2000);
    }
}

TEST(edges, "a tick at every edge of every level is neither early nor late")
{
    for (unsigned level = 0; level < APUS__WHEEL_LEVELS; level++)
        for (int start_off = -1; start_off <= 1; start_off++)
            for (int due_off = -1; due_off <= 1; due_off++) {
                uint64_t slot = UINT64_C(1) << (level * APUS__WHEEL_BITS);
                uint64_t now = (UINT64_C(7) << 42) + slot * 5 + (uint64_t)(int64_t)start_off;
                start(now);
                uint64_t due = now + slot * 31 + (uint64_t)(int64_t)due_off;
                insert(&timers[0], due);
                CHECK(apus__wheel_pop(&wheel, due - 1) == NULL);
                CHECK(apus__wheel_pop(&wheel, due) == &timers[0].entry);
                CHECK_EQ(wheel.count, 0);
            }
}

TEST(span, "an entry a whole span ahead comes out at its tick, across the turn of the top level")
{
    for (uint64_t now = (UINT64_C(1) << 42) - 3; now < (UINT64_C(1) << 42) + 3; now++) {
        start(now);
        insert(&timers[0], now + APUS__WHEEL_SPAN);
        insert(&timers[1], now + APUS__WHEEL_SPAN - 1);
        CHECK(!pop(now + APUS__WHEEL_SPAN - 2));
        CHECK(pop(now + APUS__WHEEL_SPAN));
        CHECK(pop(now + APUS__WHEEL_SPAN));
    }
}

TEST(beyond, "an entry further ahead than the span goes on from its end, as often as it takes, beside those within it")
{
    for (uint64_t spans = 1; spans < 5; spans++)
        for (uint64_t now = (UINT64_C(1) << 42) - 2; now < (UINT64_C(1) << 42) + 2; now++) {
            uint64_t due = now + spans * APUS__WHEEL_SPAN + 1;
            start(now);
            insert(&timers[0], due);
            CHECK(!pop(now + APUS__WHEEL_SPAN / 2));
            insert(&timers[1], now + APUS__WHEEL_SPAN);
            CHECK(apus__wheel_is_valid(&wheel));
            CHECK(pop(now + APUS__WHEEL_SPAN));
            CHECK(apus__wheel_next(&wheel) <= due);
            CHECK(!pop(due - 1));
            CHECK(apus__wheel_is_valid(&wheel));
            CHECK(pop(due));
            insert(&timers[2], due + spans * APUS__WHEEL_SPAN + 1);
            CHECK(apus__wheel_remove(&wheel, &timers[2].entry));
            CHECK_EQ(wheel.count, 0);
        }
}

TEST(late, "an entry that is late already is due at once, after those that are due already")
{
    start(1000);
    insert(&timers[0], 1000);
    insert(&timers[1], 3);
    CHECK_EQ(apus__wheel_next(&wheel), 1000);
    CHECK(apus__wheel_pop(&wheel, 1000) == &timers[0].entry);
    CHECK(apus__wheel_pop(&wheel, 1000) == &timers[1].entry);
    CHECK(apus__wheel_pop(&wheel, 1000) == NULL);
}

TEST(order, "entries of one tick come out in the order of insertion, whichever level they were inserted on")
{
    start(0);
    for (int i = 0; i < 100; i++) {
        CHECK(!pop((uint64_t)i * 5000));
        insert(&timers[i], 500000);
    }
    for (int i = 0; i < 100; i++)
        CHECK(apus__wheel_pop(&wheel, 600000) == &timers[i].entry);
}

TEST(remove_twice, "removing an entry that is in no wheel does nothing")
{
    start(10);
    CHECK(!apus__wheel_remove(&wheel, &timers[0].entry));
    insert(&timers[0], 20);
    CHECK(apus__wheel_remove(&wheel, &timers[0].entry));
    CHECK(!apus__wheel_remove(&wheel, &timers[0].entry));
    CHECK_EQ(wheel.count, 0);
    CHECK_EQ(apus__wheel_next(&wheel), UINT64_MAX);
}

TEST(idle, "a jump over a year takes one step with one timer at its end, a few with many, not one for each tick")
{
    const uint64_t year = UINT64_C(365) * 24 * 3600 * 1000;
    start(5);
    insert(&timers[0], 5 + year);
    CHECK_EQ(apus__wheel_next(&wheel), 5 + year);
    for (int i = 1; i < 100; i++)
        insert(&timers[i], 5 + year);
    unsigned wakes = 0;
    while (!apus__wheel_pop(&wheel, apus__wheel_next(&wheel)))
        wakes++;
    CHECK(wakes <= APUS__WHEEL_LEVELS);
    CHECK_EQ(wheel.now, 5 + year);
}

// The hot pair, measured on a wheel that is in use: printed, not judged.
TEST(speed, "inserting and removing is measured")
{
    start(123456789);
    for (int i = 0; i < ENTRIES / 2; i++)
        insert(&timers[i], wheel.now + random_distance(24));
    const long rounds = test_scaled(20000000);
    struct apus__wheel_entry *entry = &timers[ENTRIES - 1].entry;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < rounds; i++) {
        entry->due = wheel.now + ((uint64_t)i * 7919 & 0xffff);
        apus__wheel_insert(&wheel, entry);
        __asm__ volatile("" ::: "memory");
        apus__wheel_remove(&wheel, entry);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ns = (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
    fprintf(stderr, "wheel_insert_remove_ns %.2f\n", ns / (double)rounds);
    CHECK(apus__wheel_is_valid(&wheel));
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
