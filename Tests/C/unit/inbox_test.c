// Tests/C/unit/inbox_test.c - who wakes a taker that has parked.
#include "../test.h"

#include "queue/inbox.h"

static struct apus__inbox inbox;
static struct apus__inbox_link links[3];

TEST(order, "a take gives what was pushed, oldest first, with the tags")
{
    for (unsigned i = 0; i < 3; i++)
        apus__inbox_push(&inbox, &links[i], i + 1);
    uintptr_t tagged = apus__inbox_take(&inbox);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(apus__inbox_untag(tagged) == &links[i]);
        CHECK_EQ(apus__inbox_tag(tagged), i + 1);
        tagged = apus__inbox_next(tagged);
    }
    CHECK_EQ(tagged, 0);
    CHECK(apus__inbox_is_empty(&inbox));
}

TEST(awake, "a taker that is awake is not to be woken, and one that has something to take does not park")
{
    uint32_t parked;
    CHECK(!apus__inbox_push(&inbox, &links[0], 0));
    CHECK(!apus__inbox_park(&inbox, 0, &parked));
    CHECK_EQ(apus__inbox_state(&inbox), APUS__AWAKE);
    apus__inbox_say(&inbox, APUS__SPINNING);
    CHECK(!apus__inbox_push(&inbox, &links[1], 0));
}

TEST(claim, "until a parked taker has been woken everybody who pushes is to wake it, afterwards nobody")
{
    uint32_t parked;
    CHECK(apus__inbox_park(&inbox, 0, &parked));
    CHECK(apus__inbox_push(&inbox, &links[0], 0)); // and is stopped before it wakes the taker
    CHECK(apus__inbox_push(&inbox, &links[1], 0));
    CHECK(apus__inbox_claim_wake(&inbox));
    CHECK(apus_load_relaxed(&inbox.park) != parked); // so a taker that is about to sleep does not
    apus__inbox_wake(&inbox);
    CHECK(!apus__inbox_push(&inbox, &links[2], 0));
}

TEST(next_sleep, "each sleep waits on a word of its own")
{
    uint32_t first, second;
    CHECK(apus__inbox_park(&inbox, 0, &first));
    CHECK(apus__inbox_claim_wake(&inbox));
    apus__inbox_say(&inbox, APUS__AWAKE); // the taker has woken before the other thread went on
    CHECK(apus__inbox_park(&inbox, 0, &second));
    CHECK(first != second);
    apus__inbox_wake(&inbox); // of the first sleep: the second one is not over for that
    CHECK_EQ(apus__inbox_state(&inbox), APUS__PARKED);
    CHECK(apus__inbox_claim_wake(&inbox));
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
