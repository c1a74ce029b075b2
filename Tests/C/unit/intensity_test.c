// Tests/C/unit/intensity_test.c - the memory of the window of restarts; what it counts is in supervisor_core_test.c (R43).
//
// Goal:    the ring gives back what it has outgrown, and without memory to grow restarts count for longer, never shorter.
// Method:  a store over a piece of memory that is counted, or that is used up at once.
#include "../test.h"

#include "otp/intensity.h"

enum { LIMIT = 1000, PERIOD = 1000 };

static _Alignas(16) char memory[1 << 16];
static size_t taken;

static void *source(void *context, size_t size)
{
    size_t *limit = context;
    if (taken + size > *limit)
        return NULL;
    taken += size;
    return memory + taken - size;
}

TEST(R43_outgrown, "R43: what the window has outgrown can be taken again, and is not the window's own")
{
    struct apus__store store;
    struct apus__intensity window;
    size_t limit = sizeof memory;
    apus__store_init(&store, source, &limit);
    apus__intensity_init(&window, LIMIT, PERIOD, &store);
    for (uint64_t now = 1; now <= 40; now++)
        CHECK(apus__intensity_add(&window, now));
    CHECK_EQ(window.capacity, 64);
    CHECK_EQ(window.sum, 40);
    size_t before = taken;
    for (size_t entries = 8; entries <= 32; entries *= 2) {
        char *block = apus__store_take(&store, entries * sizeof *window.entries);
        CHECK(block >= memory && block < memory + before);
        CHECK_EQ(taken, before);
    }
    CHECK(apus__store_take(&store, APUS__INTENSITY_SMALL * sizeof *window.entries) == memory + before);
}

TEST(R43_no_memory, "R43: without memory restarts count for longer, never shorter")
{
    struct apus__store store;
    struct apus__intensity window;
    size_t limit = 0;
    apus__store_init(&store, source, &limit);
    apus__intensity_init(&window, 8, PERIOD, &store);
    for (uint64_t now = 1; now <= 8; now++)
        CHECK(apus__intensity_add(&window, now));
    CHECK_EQ(window.used, APUS__INTENSITY_SMALL);
    CHECK_EQ(window.sum, 8);
    // Those of 1, 2 and 3 have left the period; that of 4 counts with those after it, the last of which was at 8.
    CHECK(apus__intensity_add(&window, PERIOD + 8));
    CHECK_EQ(window.sum, 6);
    CHECK(apus__intensity_add(&window, PERIOD + 9));
    CHECK_EQ(window.sum, 2);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
