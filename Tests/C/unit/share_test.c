// Tests/C/unit/share_test.c - to whom work is given, and who moves to where its messages come from: schedulers that are made up.
#include "../runtime_test.h"

#include "scheduler/slot.h"

enum { PROCESSES = 8, GIFT = 256 };

static struct apus__slot giver, taker;
static struct apus_process processes[PROCESSES];

// Two schedulers, one of which has PROCESSES that wait; their turns are long.
static void begin(void)
{
    static struct apus__slot *slots[] = {&giver, &taker};
    static uint16_t neighbours[] = {1};
    memset(&giver, 0, sizeof giver);
    memset(&taker, 0, sizeof taker);
    memset(processes, 0, sizeof processes);
    apus__machine.slots = slots;
    apus__machine.slot_count = 2;
    giver.neighbours = neighbours;
    giver.near_count = 1;
    taker.owner.id = 1;
    for (int i = 0; i < PROCESSES; i++)
        apus__run_queue_push(&giver.owner.run, &processes[i].run, APUS__RUN_NORMAL);
}

// How many the taker finds in its inbox.
static unsigned taken(void)
{
    unsigned count = 0;
    for (uintptr_t tagged = apus__inbox_take(&taker.owner.inbox); tagged; tagged = apus__inbox_next(tagged), count++)
        CHECK_EQ(apus__inbox_tag(tagged), APUS__INBOX_GIFT);
    return count;
}

static void fall_asleep(void)
{
    uint32_t parked;
    CHECK(apus__inbox_park(&taker.owner.inbox, 0, &parked));
    apus_store_relaxed(&taker.is_hungry, 1);
}

TEST(sleeper, "one that sleeps is given half and woken; once")
{
    begin();
    fall_asleep();
    apus__share(&giver);
    CHECK_EQ(taken(), PROCESSES / 2);
    CHECK_EQ(apus__inbox_state(&taker.owner.inbox), APUS__AWAKE);
    CHECK_EQ(giver.owner.counters.wakes, 1);
    apus__share(&giver);
    CHECK_EQ(taken(), 0);
}

TEST(waking, "one that somebody else is waking is given half, without being woken again; once")
{
    begin();
    fall_asleep();
    CHECK(apus__inbox_claim_wake(&taker.owner.inbox));
    apus__inbox_wake(&taker.owner.inbox);
    apus__share(&giver);
    CHECK_EQ(taken(), PROCESSES / 2);
    CHECK_EQ(giver.owner.counters.wakes, 0);
    giver.share_pause = 0;
    apus__share(&giver);
    CHECK_EQ(taken(), 0);
}

TEST(waking_late, "one whose wake-up is claimed but has not been done is given half and woken: its waker may be stopped")
{
    begin();
    fall_asleep();
    CHECK(apus__inbox_claim_wake(&taker.owner.inbox));
    apus__share(&giver);
    CHECK_EQ(taken(), PROCESSES / 2);
    CHECK_EQ(giver.owner.counters.wakes, 1);
}

TEST(waking_short, "while turns are short, only one that sleeps is given something")
{
    begin();
    fall_asleep();
    giver.owner.turns_are_short = true;
    apus__inbox_say(&taker.owner.inbox, APUS__AWAKE);
    apus__share(&giver);
    CHECK_EQ(taken(), 0);
}

TEST(awake, "one that is awake is given nothing")
{
    begin();
    apus__share(&giver);
    CHECK_EQ(taken(), 0);
}

TEST(many_unbegun, "of very many that have not begun, those behind the newest few are given: the oldest are not looked for")
{
    enum { UNBEGUN = 2000 };
    static struct apus_process cells[1 + UNBEGUN]; // the first is nobody's
    struct apus_process *newest = &cells[UNBEGUN];
    begin();
    giver.owner.run = (struct apus__run_queue){0};
    apus__world.cell_table.base = (char *)cells;
    for (int i = 1; i <= UNBEGUN; i++)
        apus__fresh_push(&giver.owner, &cells[i]);
    fall_asleep();
    apus__share(&giver);
    CHECK_EQ(apus_load_relaxed(&newest[1 - GIFT].owner), 0);
    CHECK_EQ(apus_load_relaxed(&newest[-GIFT].owner), 1);
    CHECK_EQ(apus_load_relaxed(&newest[1 - 2 * GIFT].owner), 1);
    CHECK_EQ(taken(), GIFT);
}

static void check_not_hungry(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    CHECK_EQ(apus_load_relaxed(&apus__slot_of(apus_load_relaxed(&apus__local.here))->is_hungry), 0);
}

TEST(hungry, "schedulers are hungry while they sleep, and not while they have work")
{
    start_runtime(2);
    while (apus_load_seqcst(&apus__machine.parked) != 2)
        usleep(1000);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(apus_load_relaxed(&apus__machine.slots[i]->is_hungry), 1);
    run_process(check_not_hungry, NULL, 0);
    stop_runtime();
}

// A process has handled so many messages, and is then found idle by `count` from another scheduler, which is where it would go.
static unsigned woken_after(struct apus_process *process, uint64_t handled, unsigned count)
{
    process->tally += handled << APUS__TALLY_REDUCTIONS;
    return apus__tally_woken(process, count, true);
}

TEST(conversation, "who hears from another scheduler alone is drawn there, however many messages come at once")
{
    struct apus_process process = {0};
    CHECK_EQ(woken_after(&process, 0, 1), 1);
    CHECK_EQ(woken_after(&process, 1, 1), 2);
    CHECK_EQ(woken_after(&process, 1, 5), 3);
    apus__tally_foresee(&process, 3); // came while it was at those
    CHECK_EQ(woken_after(&process, 8, 1), 4);
    CHECK_EQ(woken_after(&process, 0, 1), 5); // has not handled the last one yet
}

TEST(hub, "what it has handled from its own scheduler counts against it, and so do others that work side by side")
{
    struct apus_process process = {0};
    CHECK_EQ(woken_after(&process, 0, 1), 1);
    CHECK_EQ(woken_after(&process, 1, 1), 2);
    CHECK_EQ(woken_after(&process, 1, 1), 3);
    CHECK_EQ(woken_after(&process, 2, 1), 3); // one of the two from here
    CHECK_EQ(woken_after(&process, 3, 1), 2);
    process.tally += UINT64_C(1) << APUS__TALLY_REDUCTIONS;
    CHECK_EQ(apus__tally_woken(&process, 1, false), 1);
    CHECK_EQ(woken_after(&process, 20000, 1), 1);
    CHECK_EQ(apus__reductions(&process), 20008);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
