// Tests/C/unit/pace_test.c - what a scheduler thinks of its work, from counters and times that are made up.
#include "../runtime_test.h"

#include "scheduler/slot.h"

enum { MS = 1000000 };

static struct apus__slot slot;
static uint64_t now_ns;

// A new scheduler, one of `count`.
static void begin(uint32_t count)
{
    memset(&slot, 0, sizeof slot);
    slot.owner.turns_are_short = true;
    apus__machine.slot_count = count;
    apus_store_relaxed(&apus__machine.together_until_ns, 0);
    apus_store_relaxed(&apus__machine.together_ns, 0);
    now_ns = 1000 * MS;
    slot.pace.window_began_ns = slot.pace.window_ns = now_ns;
}

// `turns` turns, each of so many nanoseconds, messages handled, and messages sent to its own and to others.
static void work(uint64_t turns, uint64_t turn_ns, uint64_t handled, uint64_t local, uint64_t remote)
{
    struct apus__counters *counters = &slot.owner.counters;
    apus_bump_relaxed(&counters->slices, turns);
    apus_bump_relaxed(&counters->handled, turns * handled);
    apus_bump_relaxed(&counters->sent_local, turns * local);
    apus_bump_relaxed(&counters->sent_remote, turns * remote);
    now_ns += turns * turn_ns;
    apus__pace_look(&slot.pace, &slot.owner, now_ns, turns * turn_ns);
}

TEST(lengths, "turns are short while one of the last two looks found less than a microsecond for each")
{
    begin(2);
    work(32, 100, 1, 1, 0);
    CHECK(slot.owner.turns_are_short);
    work(1, 5000, 1, 1, 0);
    CHECK(slot.owner.turns_are_short);
    work(1, 5000, 1, 1, 0);
    CHECK(!slot.owner.turns_are_short);
    work(32, 100, 1, 1, 0);
    CHECK(slot.owner.turns_are_short);
}

TEST(bulk, "many cheap messages in each turn are bulk, on few schedulers, as long as it lasts")
{
    begin(3);
    work(64, 1000, 20, 20, 0);
    CHECK(slot.owner.in_bulk);
    work(64, 100000, 20, 20, 0); // not cheap
    CHECK(!slot.owner.in_bulk);
    work(64, 100, 1, 1, 0); // not many
    CHECK(!slot.owner.in_bulk);
    work(1, 100000, 2048, 2048, 0); // a window by the number of its signals
    CHECK(slot.owner.in_bulk);
    begin(4);
    work(64, 1000, 20, 20, 0);
    CHECK(!slot.owner.in_bulk);
}

static void be_apart(int windows)
{
    for (int i = 0; i < windows; i++)
        work(64, 300, 1, 1, 1);
}

TEST(apart, "many messages to others for twelve windows bring all together for 10 ms, and for 20 the next time")
{
    begin(2);
    be_apart(11);
    CHECK(!slot.owner.in_bulk);
    work(64, 300, 1, 2, 0); // once is enough to begin anew
    be_apart(11);
    CHECK(!slot.owner.in_bulk);
    be_apart(1);
    CHECK(slot.owner.in_bulk);
    now_ns += 9 * MS;
    work(64, 300, 1, 1, 0);
    CHECK(slot.owner.in_bulk);
    now_ns += 1 * MS;
    work(64, 300, 1, 1, 0);
    CHECK(!slot.owner.in_bulk);
    slot.pace.window_began_ns = slot.pace.window_ns = now_ns;
    be_apart(12);
    CHECK(slot.owner.in_bulk);
    CHECK_EQ(apus_load_relaxed(&apus__machine.together_ns), 20 * MS);
    now_ns += 1000 * MS;
    slot.pace.window_began_ns = slot.pace.window_ns = now_ns;
    be_apart(12);
    CHECK_EQ(apus_load_relaxed(&apus__machine.together_ns), 10 * MS);
}

TEST(side_by_side, "messages to others are nothing to come together for where there is much work between them")
{
    begin(2);
    for (int i = 0; i < 100; i++)
        work(64, 4000, 1, 0, 1);
    CHECK(!slot.owner.in_bulk);
}

TEST(manager, "a scheduler that sends much to others and sleeps in between hands out work: they stay side by side")
{
    begin(2);
    for (int i = 0; i < 100; i++) {
        now_ns += 64 * 8000;
        apus__pace_slept(&slot.pace, 64 * 8000);
        work(64, 300, 1, 0, 1);
    }
    CHECK(!slot.owner.in_bulk);
}

TEST(everybody, "what one scheduler finds holds for all")
{
    begin(2);
    be_apart(12);
    struct apus__slot other = {.pace = {.window_began_ns = now_ns, .window_ns = now_ns}};
    apus_bump_relaxed(&other.owner.counters.slices, 64);
    apus__pace_look(&other.pace, &other.owner, now_ns + 1000, 1000);
    CHECK(other.owner.in_bulk);
}

// The scheduler sleeps again so long after it was given work.
static uint64_t refusal_after(uint64_t busy_ns)
{
    slot.woke_ns = now_ns;
    slot.looked_ns = now_ns += busy_ns;
    slot.was_given = true;
    apus__share_judge(&slot);
    CHECK(!slot.was_given);
    return apus_load_relaxed(&slot.refuses_until_ns) - now_ns;
}

TEST(judge, "a gift that lasts less than 30 us is followed by a refusal, each time twice as long; one that lasts ends this")
{
    begin(2);
    for (uint64_t want = 100000; want < 20 * MS; want *= 2)
        CHECK_EQ(refusal_after(29999), want);
    CHECK(refusal_after(1) <= 40 * MS);
    CHECK_EQ(refusal_after(30000), 0);
    CHECK_EQ(refusal_after(0), 100000);
}

static int spin_init(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state;
    for (uint64_t end = apus__now_ns() + *(const uint64_t *)argument; apus__now_ns() < end;)
        ;
    return APUS_DONE;
}

// Processes with one turn each of so many nanoseconds, all there before the first begins.
static void spawn_and_wait(apus_process *self, int count, uint64_t turn_ns)
{
    static const apus_behaviour behaviour = {.name = "spin", .init = spin_init};
    apus_ref ref;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref};
    for (int i = 0; i < count; i++)
        CHECK_EQ(apus_spawn(&behaviour, &turn_ns, sizeof turn_ns, &options, NULL), 0);
    for (int i = 0; i < count; i++)
        apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
}

static void short_then_long(apus_process *self, void *argument)
{
    (void)argument;
    spawn_and_wait(self, 640, 0);
    uint64_t before = runtime_info().shared;
    spawn_and_wait(self, 60, 2 * MS);
    // Half of what is left after some turns; at the end of the pause it would be few, or none.
    CHECK(runtime_info().shared - before >= 16);
}

TEST(long_turns, "processes with long turns are shared out before the pause of 64 turns is over")
{
    start_runtime(2);
    run_process(short_then_long, NULL, 0);
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
