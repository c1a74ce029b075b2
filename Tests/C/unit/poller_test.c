// Tests/C/unit/poller_test.c - who is about to wait for descriptors: when it lets others have its core first.
#include "../runtime_test.h"

#include "scheduler/poller.h"
#include "scheduler/slot.h"

// With so many schedulers, of which so many sleep.
static bool gives_way(uint32_t slots, uint32_t parked)
{
    apus__machine.slot_count = slots;
    apus_store_relaxed(&apus__machine.parked, parked);
    return apus__poller_give_way();
}

TEST(give_way, "a core is given up only while another scheduler is awake, again and again")
{
    CHECK(!gives_way(1, 0));
    CHECK(!gives_way(2, 1));
    CHECK(!gives_way(8, 7));
    CHECK(gives_way(2, 0));
    CHECK(gives_way(2, 0));
    CHECK(gives_way(8, 6));
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
