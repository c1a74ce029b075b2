// Tests/C/unit/fiber_test.c - which free stacks a scheduler keeps, by a clock that is made up, and what new ones mean to it.
#include "../runtime_test.h"

#include "scheduler/slot.h"

enum { MS = 1000000, KEPT = 64, FREE_MAX = 1024, UNUSED_MS = 50, AT_ONCE = 32, MANY = 1200 };

static struct apus__slot slot;
static struct apus__fibers *const fibers = &slot.fibers;
static struct apus__fiber *taken[MANY];

static void begin(size_t stack_size)
{
    memset(&slot, 0, sizeof slot);
    apus__world.stack_size = stack_size;
    apus_store_relaxed(&apus__machine.stack_bytes, 0);
}

// Takes `count` stacks, and gives them back.
static void use(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        CHECK(taken[i] = apus__fiber_take(fibers));
    apus__fibers_trim(fibers, 100 * MS);
    while (count > 0)
        apus__fiber_give(fibers, taken[--count]);
}

static uint32_t left_after(uint64_t ms)
{
    apus__fibers_trim(fibers, ms * MS);
    return fibers->free_count;
}

TEST(unused, "stacks that have not been needed for a while go, some at a time, but for those that are always kept")
{
    begin(64 << 10);
    use(200);
    CHECK_EQ(apus__fibers_due(fibers), UINT64_MAX);
    CHECK_EQ(left_after(100), 200);
    CHECK_EQ(apus__fibers_due(fibers), (100 + UNUSED_MS) * MS);
    CHECK_EQ(left_after(100 + UNUSED_MS - 1), 200);
    use(50); // so that only 150 were not needed
    CHECK_EQ(left_after(100 + UNUSED_MS), 200 - AT_ONCE);
    CHECK_EQ(apus__fibers_due(fibers), 0);
    for (unsigned i = 0; i < 10; i++)
        apus__fibers_trim(fibers, (100 + UNUSED_MS) * MS);
    CHECK_EQ(fibers->free_count, 200 - (150 - KEPT));
    CHECK_EQ(apus__fibers_due(fibers), (100 + 2 * UNUSED_MS) * MS);
    for (unsigned i = 0; i < 10; i++)
        apus__fibers_trim(fibers, (100 + 2 * UNUSED_MS) * MS);
    CHECK_EQ(fibers->free_count, KEPT);
    CHECK_EQ(left_after(1000), KEPT);
    CHECK_EQ(apus__fibers_due(fibers), UINT64_MAX);
    apus__fibers_release(fibers);
}

TEST(needed, "all that are needed again and again stay")
{
    begin(64 << 10);
    use(KEPT + 1);
    for (uint64_t ms = 100; ms < 1000; ms += 10) {
        CHECK_EQ(left_after(ms), KEPT + 1);
        use(KEPT + 1);
    }
    apus__fibers_release(fibers);
}

TEST(most, "there is a bound to what is kept, by number and by bytes, beyond which stacks go at once")
{
    begin(64 << 10);
    use(MANY);
    CHECK_EQ(left_after(100), FREE_MAX);
    apus__fibers_release(fibers);
    begin(1 << 20);
    use(MANY);
    CHECK_EQ(left_after(100), 256);
    apus__fibers_release(fibers);
    begin(16 << 20);
    use(100);
    CHECK_EQ(left_after(100), KEPT);
    apus__fibers_release(fibers);
}

TEST(rows, "what is mapped is counted until it is unmapped, and few stacks are mapped for few")
{
    begin(64 << 10);
    size_t each = (64 << 10) + (1 << 20);
    use(1);
    CHECK_EQ(apus_load_relaxed(&apus__machine.stack_bytes), each);
    use(4);
    CHECK_EQ(apus_load_relaxed(&apus__machine.stack_bytes), 7 * each);
    CHECK_EQ(fibers->row.left, 3);
    use(100);
    CHECK_EQ(apus_load_relaxed(&apus__machine.stack_bytes), (15 + 6 * 16) * each);
    apus__fibers_release(fibers);
    CHECK_EQ(apus_load_relaxed(&apus__machine.stack_bytes), 0);
}

TEST(time, "what a new stack takes is no part of a turn, one that is used again is")
{
    begin(64 << 10);
    uint64_t since_ns = apus__now_ns();
    use(1);
    uint64_t new_ns = slot.looked_ns;
    CHECK(new_ns > 0 && new_ns <= apus__now_ns() - since_ns);
    CHECK_EQ(slot.woke_ns, new_ns);
    CHECK_EQ(slot.share_paused_ns, new_ns);
    CHECK_EQ(slot.pace.window_ns, new_ns);
    use(1);
    CHECK_EQ(slot.looked_ns, new_ns);
    apus__fibers_release(fibers);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
