// Tests/C/unit/share_test.c - to whom work is given, and who moves to where its messages come from: schedulers that are made up.
#include "../runtime_test.h"

#include "os/membarrier.h"
#include "scheduler/carrier.h"
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
    giver.share_paused = 0;
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

// Instead of those that wait, `count` that have not begun, each `siblings` of them born of one.
enum { UNBEGUN_MAX = 2000 };
static struct apus_process unbegun[1 + UNBEGUN_MAX]; // the first is nobody's
static void begin_unbegun(int count, int siblings)
{
    begin();
    giver.owner.run = (struct apus__run_queue){0};
    memset(unbegun, 0, sizeof unbegun);
    apus__world.cell_table.base = (char *)unbegun;
    for (int i = 1; i <= count; i++) {
        unbegun[i].flags = APUS__STARTING;
        unbegun[i].parent.id = 1 + (uint64_t)(i - 1) / (uint64_t)siblings;
        apus__fresh_push(&giver.owner, &unbegun[i]);
    }
    fall_asleep();
}

// Instead of one taker, three that sleep. Counts what each is given.
static void share_with_three(void (*share)(struct apus__slot *), bool are_short, unsigned want[3])
{
    static struct apus__slot takers[3];
    static struct apus__slot *slots[] = {&giver, &takers[0], &takers[1], &takers[2]};
    static uint16_t neighbours[] = {1, 2, 3};
    memset(takers, 0, sizeof takers);
    apus__machine.slots = slots;
    apus__machine.slot_count = 4;
    giver.neighbours = neighbours;
    giver.near_count = 3;
    giver.owner.turns_are_short = are_short;
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t parked;
        takers[i].owner.id = i + 1;
        CHECK(apus__inbox_park(&takers[i].owner.inbox, 0, &parked));
    }
    share(&giver);
    for (int i = 0; i < 3; i++) {
        unsigned count = 0;
        for (uintptr_t tagged = apus__inbox_take(&takers[i].owner.inbox); tagged; tagged = apus__inbox_next(tagged))
            count++;
        CHECK_EQ(count, want[i]);
        CHECK_EQ(apus__inbox_state(&takers[i].owner.inbox), count ? APUS__AWAKE : APUS__PARKED);
    }
}

TEST(all_sleepers, "while turns are long all that sleep are given equal parts, of which the giver keeps one; while they are short, one half")
{
    begin();
    share_with_three(apus__share, false, (unsigned[]){2, 2, 2});
    CHECK_EQ(giver.owner.run.count, 2);
    begin();
    share_with_three(apus__share, true, (unsigned[]){4, 0, 0});
    begin_unbegun(9, 9);
    share_with_three(apus__share, false, (unsigned[]){2, 2, 2});
    CHECK_EQ(giver.owner.fresh_count, 3);
    begin_unbegun(2, 2);
    share_with_three(apus__share, false, (unsigned[]){1, 0, 0});
}

TEST(last_ones, "one stays that can have its turn at once, and nobody is woken for nothing")
{
    begin_unbegun(1, 1);
    apus__run_queue_push(&giver.owner.run, &processes[0].run, APUS__RUN_NORMAL);
    share_with_three(apus__share, false, (unsigned[]){1, 0, 0});
    CHECK_EQ(giver.owner.fresh_count, 1);
    begin_unbegun(1, 1);
    giver.owner.next = &processes[0];
    share_with_three(apus__share, false, (unsigned[]){1, 0, 0});
    CHECK_EQ(giver.owner.fresh_count, 0);
    begin_unbegun(0, 1);
    giver.owner.next = &processes[0];
    apus__run_queue_push(&giver.owner.run, &processes[1].run, APUS__RUN_NORMAL);
    apus__run_queue_push(&giver.owner.run, &processes[2].run, APUS__RUN_NORMAL);
    share_with_three(apus__share, false, (unsigned[]){1, 1, 0});
    begin_unbegun(1, 1);
    for (int i = 0; i < 3; i++)
        apus__run_queue_push(&giver.owner.run, &processes[i].run, APUS__RUN_NORMAL);
    share_with_three(apus__share, false, (unsigned[]){1, 1, 1});
    CHECK_EQ(giver.owner.run.count + giver.owner.fresh_count, 1);
}

// What waits does so behind a turn: all of it is shared, or all but a part.
static void share_all(struct apus__slot *slot)
{
    slot->owner.current = &unbegun[0];
    apus__share_behind(slot, false);
}

static void share_some(struct apus__slot *slot)
{
    slot->owner.current = &unbegun[0];
    apus__share_behind(slot, true);
}

TEST(all_sleepers_all, "what waits behind a process that stays in its callback is shared out among all that sleep, and none is left")
{
    begin();
    share_with_three(share_all, false, (unsigned[]){3, 3, 2});
    CHECK_EQ(giver.owner.run.count, 0);
    begin_unbegun(2, 2);
    share_with_three(share_all, false, (unsigned[]){1, 1, 0});
    CHECK_EQ(giver.owner.fresh_count, 0);
}

TEST(some_behind, "or but one part of it is, and of one that waits behind a turn nothing stays")
{
    begin();
    share_with_three(share_some, true, (unsigned[]){2, 2, 2});
    CHECK_EQ(giver.owner.run.count, 2);
    begin_unbegun(0, 1);
    giver.owner.next = &processes[0];
    share_with_three(share_some, true, (unsigned[]){1, 0, 0});
    CHECK_EQ(giver.owner.run.count, 0);
}

TEST(many_unbegun, "of very many that have not begun, those behind the newest few are given: the oldest are not looked for")
{
    struct apus_process *newest = &unbegun[UNBEGUN_MAX];
    begin_unbegun(UNBEGUN_MAX, UNBEGUN_MAX);
    apus__share(&giver);
    CHECK_EQ(apus_load_relaxed(&newest[1 - GIFT].owner), 0);
    CHECK_EQ(apus_load_relaxed(&newest[-GIFT].owner), 1);
    CHECK_EQ(apus_load_relaxed(&newest[1 - 2 * GIFT].owner), 1);
    CHECK_EQ(taken(), GIFT);
}

TEST(siblings, "while turns are short, many that have not begun stay with the one that spawns them")
{
    begin_unbegun(40, 40);
    giver.owner.turns_are_short = true;
    apus__share(&giver);
    CHECK_EQ(taken(), 0);
    CHECK_EQ(apus__inbox_state(&taker.owner.inbox), APUS__PARKED);
}

TEST(shown, "after a first short turn one that sleeps is woken to watch the next ones; once")
{
    apus_store_relaxed(&apus__virtual_ns, 1); // turns take no time
    begin_unbegun(40, 40);
    giver.owner.turns_are_short = true;
    apus__share(&giver);
    apus__share(&giver);
    CHECK_EQ(taken(), 0);
    CHECK_EQ(apus__inbox_state(&taker.owner.inbox), APUS__AWAKE);
    fall_asleep();
    apus__share(&giver);
    CHECK_EQ(apus__inbox_state(&taker.owner.inbox), APUS__PARKED);
    apus_store_relaxed(&apus__virtual_ns, 0);
}

TEST(fresh_memory, "the first long turn ends the pause before it is over, but not if what it did was to fill fresh memory")
{
    apus_store_relaxed(&apus__virtual_ns, 1);
    begin_unbegun(40, 40);
    giver.owner.turns_are_short = true;
    apus__share(&giver);
    apus_store_relaxed(&apus__virtual_ns, 16384);
    apus_bump_relaxed(&giver.owner.heap.carved_pages, 16384);
    apus__share(&giver);
    CHECK_EQ(taken(), 0);
    fall_asleep();
    apus_store_relaxed(&apus__virtual_ns, 3 * 16384); // the second turn fills what has been used before
    apus__share(&giver);
    CHECK_EQ(taken(), 20);
    apus_store_relaxed(&apus__virtual_ns, 0);
}

// The giver is in a turn behind which PROCESSES wait, in its callback; the taker is awake and has nothing to do.
static struct apus__behind begin_turn(void)
{
    static struct apus__local local;
    static struct apus__carrier carrier;
    static uint16_t neighbours[] = {0};
    begin();
    taker.neighbours = neighbours;
    taker.near_count = 1;
    giver.owner.current = &unbegun[0];
    carrier = (struct apus__carrier){.slot = &giver, .local = &local, .hold = APUS__HOLD_RUNS};
    apus_store_relaxed(&giver.carrier, &carrier);
    apus__machine.has_membarrier = apus__membarrier_register() == 0;
    return apus__share_watch(&taker);
}

TEST(asked, "one with nothing to do takes half of what waits behind a turn that goes on")
{
    struct apus__behind behind = begin_turn();
    CHECK(behind.slot == &giver);
    if (!apus__machine.has_membarrier)
        return;
    CHECK(apus__share_ask(&taker, &behind));
    CHECK_EQ(taken(), PROCESSES / 2);
    CHECK_EQ(giver.owner.counters.wakes, 0);
    CHECK_EQ(apus_load_relaxed(&taker.is_hungry), 0);
}

TEST(not_asked, "but nothing behind one that is over, or that sends and spawns, or that is in the runtime")
{
    struct apus__behind behind = begin_turn();
    apus_bump_relaxed(&giver.owner.counters.slices, 1);
    CHECK(!apus__share_ask(&taker, &behind));
    behind = begin_turn();
    apus_bump_relaxed(&giver.owner.counters.sent_local, UINT32_MAX);
    CHECK(!apus__share_ask(&taker, &behind));
    behind = begin_turn();
    apus_bump_relaxed(&giver.owner.counters.spawned, UINT32_MAX);
    CHECK(!apus__share_ask(&taker, &behind));
    behind = begin_turn();
    apus_store_relaxed(&apus_load_relaxed(&giver.carrier)->local->inside, 1);
    CHECK(!apus__share_ask(&taker, &behind));
    CHECK_EQ(taken(), 0);
}

TEST(nobody_to_ask, "nor is one watched that has no turn, behind which nobody waits, or whose work is better off together")
{
    begin_turn();
    giver.owner.current = NULL;
    CHECK(apus__share_watch(&taker).slot == NULL);
    begin_turn();
    giver.owner.run = (struct apus__run_queue){0};
    CHECK(apus__share_watch(&taker).slot == NULL);
    begin_turn();
    giver.owner.in_bulk = true;
    CHECK(apus__share_watch(&taker).slot == NULL);
}

TEST(branches, "if they are the branches of a tree, the older half is given")
{
    begin_unbegun(40, 10);
    giver.owner.turns_are_short = true;
    apus__share(&giver);
    CHECK_EQ(apus_load_relaxed(&unbegun[20].owner), 1);
    CHECK_EQ(apus_load_relaxed(&unbegun[21].owner), 0);
    CHECK_EQ(taken(), 20);
}

// Of twenty that have not begun, those from 3 to `last` have been sent something; 3 and 4 are given, and nobody else.
static void share_of_sent(int last, void (*share)(struct apus__slot *))
{
    static apus_message message;
    begin_unbegun(20, 20);
    for (int i = 3; i <= last; i++)
        unbegun[i].first = &message;
    share(&giver);
    for (int i = 1; i <= 20; i++)
        CHECK_EQ(apus_load_relaxed(&unbegun[i].owner), i == 3 || i == 4);
    CHECK_EQ(taken(), 2);
}

TEST(sent, "while turns are long, the older half of those that have been sent something before they began is given, and nobody else")
{
    share_of_sent(6, apus__share);
}

TEST(sent_some, "of three that have been sent something and wait behind a turn, two are given")
{
    share_of_sent(5, share_some);
}

TEST(sent_all, "what waits behind a process that stays in its callback is given all, whatever it has been sent")
{
    static apus_message message;
    begin_unbegun(20, 20);
    unbegun[3].first = &message;
    share_all(&giver);
    CHECK_EQ(taken(), 20);
}

// Instead of those that wait, PROCESSES pairs: of each, one waits to handle what the other, who does nothing and has handled so many,
// has sent. Their turns are short.
static void begin_pairs(uint64_t handled)
{
    static apus_message messages[PROCESSES];
    begin_unbegun(0, 1);
    giver.owner.turns_are_short = true;
    apus_store_relaxed(&apus__world.cell_table.limit, 1 + UNBEGUN_MAX);
    for (uint32_t i = 0; i < PROCESSES; i++) {
        struct apus_process *waits = &unbegun[2 * i + 1], *idles = &unbegun[2 * i + 2];
        apus_store_relaxed(&waits->pid, 2 * i + 1);
        apus_store_relaxed(&idles->pid, 2 * i + 2);
        idles->tally += handled << APUS__TALLY_REDUCTIONS;
        messages[i].from = apus__pid(idles);
        waits->first = &messages[i];
        waits->flags = APUS__SCHEDULED;
        apus__run_queue_push(&giver.owner.run, &waits->run, APUS__RUN_NORMAL);
    }
}

TEST(partners, "while turns are short, half of those that wait are given with who waits for their answers")
{
    begin_pairs(1);
    apus__share(&giver);
    for (int i = 1; i <= 2 * PROCESSES; i++)
        CHECK_EQ(apus_load_relaxed(&unbegun[i].owner), i <= PROCESSES);
    CHECK(unbegun[2].flags & APUS__SCHEDULED);
    CHECK_EQ(taken(), PROCESSES);
}

TEST(partners_stay, "one that talks with many, one that has a turn to come, and in long turns everyone, stays where it is")
{
    begin_pairs(100);
    apus__share(&giver);
    CHECK_EQ(taken(), PROCESSES / 2);
    begin_pairs(1);
    unbegun[2].flags = APUS__SCHEDULED;
    apus__share(&giver);
    CHECK_EQ(apus_load_relaxed(&unbegun[2].owner), 0);
    CHECK_EQ(taken(), PROCESSES - 1);
    begin_pairs(1);
    giver.owner.turns_are_short = false;
    apus__share(&giver);
    CHECK_EQ(taken(), PROCESSES / 2);
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
    return apus__tally_woken(process, count, 1, true);
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
    CHECK_EQ(apus__tally_woken(&process, 1, 1, false), 1);
    CHECK_EQ(woken_after(&process, 20000, 1), 1);
    CHECK_EQ(apus__reductions(&process), 20008);
}

// A process is found idle by a message from that scheduler, and handles it.
static unsigned woken_from(struct apus_process *process, uint32_t owner)
{
    unsigned ahead = apus__tally_woken(process, 1, owner, true);
    process->tally += UINT64_C(1) << APUS__TALLY_REDUCTIONS;
    return ahead;
}

TEST(majority, "who hears from many schedulers is drawn to the one that most messages come from, if there is one")
{
    struct apus_process process = {0};
    for (uint32_t i = 0; i < 1000; i++)
        CHECK(woken_from(&process, i % 5) <= 2);
    unsigned ahead = 0;
    for (uint32_t i = 0; i < 16; i++) {
        woken_from(&process, 6);
        ahead = woken_from(&process, 6);
        CHECK_EQ(woken_from(&process, i % 5), 0);
    }
    CHECK(ahead >= 16);
}

// Two schedulers where all are together. On one of them is a process, unbegun[1], on the other its sender, unbegun[2]; they have handled so many.
static struct apus__owner *begin_together(uint64_t mine, uint64_t senders, bool is_lower)
{
    begin_unbegun(0, 1);
    struct apus__owner *here = is_lower ? &taker.owner : &giver.owner;
    apus_store_relaxed(&apus__world.cell_table.limit, 1 + UNBEGUN_MAX);
    for (uint32_t i = 1; i <= 2; i++) {
        apus_store_relaxed(&unbegun[i].pid, i);
        apus_store_relaxed(&unbegun[i].owner, i == 1 ? here->id : 1 - here->id);
        unbegun[i].tally += (i == 1 ? mine : senders) << APUS__TALLY_REDUCTIONS;
    }
    here->in_bulk = true;
    apus__tally_set(&unbegun[1], (unsigned)mine, 0);
    return here;
}

// The process is found by a message of the sender's, from that owner, and handles it. Whether it follows.
static bool hears_from(struct apus__owner *here, uint32_t owner)
{
    static apus_message message;
    struct apus_process *process = &unbegun[1];
    apus_store_relaxed(&unbegun[2].owner, owner);
    memset(&message, 0, sizeof message);
    message.from = apus__pid(&unbegun[2]);
    message.reserved1 = 1;
    apus_store_relaxed(&process->remote, &message);
    apus__signal_notified(here, process);
    CHECK(apus__mailbox_pop(process) == &message);
    bool follows = process->flags & APUS__FOLLOWS;
    CHECK(!follows || apus__tally_middle(process) == owner);
    process->tally += UINT64_C(1) << APUS__TALLY_REDUCTIONS;
    return follows;
}

// After how many messages it follows; 0: not after 40.
static int follows_after(uint64_t mine, uint64_t senders, bool is_lower)
{
    struct apus__owner *here = begin_together(mine, senders, is_lower);
    for (int i = 1; i <= 40; i++)
        if (hears_from(here, 1 - here->id))
            return i;
    return 0;
}

TEST(together, "where all are together a process goes down at once, up to a hub soon, and up to an equal when that has become one")
{
    CHECK_EQ(follows_after(1000, 1000, true), 1);
    CHECK_EQ(follows_after(10, 1000, true), 1);
    CHECK_EQ(follows_after(10, 1000, false), 4);
    CHECK_EQ(follows_after(1000, 1000, false), 16);
    CHECK_EQ(follows_after(1000, 10, true), 16);
}

TEST(two_hubs, "a client of two hubs on higher schedulers, and a hub with clients on two, stay where they are")
{
    struct apus__owner *here = begin_together(10, 1000, false);
    for (uint32_t i = 0; i < 100; i++)
        CHECK(!hears_from(here, 1 + i % 2));
    here = begin_together(1000, 10, true);
    for (uint32_t i = 0; i < 100; i++)
        CHECK(!hears_from(here, i % 2 ? 0 : 2));
}

TEST(stay_together, "the scheduler that a process goes to, where all are together, keeps them together as long")
{
    for (int in_bulk = 0; in_bulk <= 1; in_bulk++) {
        CHECK_EQ(follows_after(10, 10, true), 1);
        apus_store_relaxed(&taker.pace.together_until_ns, 123);
        taker.owner.in_bulk = in_bulk;
        CHECK(!apus__run_slow(&taker, &unbegun[1]));
        CHECK_EQ(apus_load_relaxed(&unbegun[1].owner), 0);
        CHECK_EQ(apus_load_relaxed(&giver.pace.together_until_ns), in_bulk ? 123 : 0);
    }
}

enum other { NOBODY, WAITS, NEXT, UNBEGUN };

// After how many messages that are all there is to do on one of two schedulers, but for the `other` one, while the other scheduler is idle, the
// process follows. 0: not after 12.
static int drawn_after(bool is_lower, uint64_t mine, bool is_idle, bool are_short, enum other other)
{
    static struct apus__owner *owners[] = {&giver.owner, &taker.owner};
    struct apus__owner *here = begin_together(mine, 10, is_lower);
    apus__world.owners = owners;
    here->in_bulk = false;
    here->turns_are_short = are_short;
    apus__inbox_say(&owners[1 - here->id]->inbox, is_idle ? APUS__SPINNING : APUS__AWAKE);
    for (int i = 1; i <= 12; i++) {
        here->run = (struct apus__run_queue){0};
        unbegun[1].flags = 0;
        if (other == WAITS)
            apus__run_queue_push(&here->run, &processes[0].run, APUS__RUN_NORMAL);
        here->next = other == NEXT ? &processes[0] : NULL;
        here->fresh = other == UNBEGUN ? &processes[0].run : NULL;
        if (hears_from(here, 1 - here->id))
            return i;
    }
    return 0;
}

TEST(turns, "where two schedulers take turns a process goes down once that has been seen some times, and each one after it at once")
{
    CHECK_EQ(drawn_after(true, 10, true, true, NOBODY), 5);
    uint32_t seen = taker.owner.alone_in_a_row;
    CHECK_EQ(seen, 5);
    begin_together(10, 10, true)->alone_in_a_row = seen;
    taker.owner.in_bulk = false;
    taker.owner.turns_are_short = true;
    apus__inbox_say(&giver.owner.inbox, APUS__SPINNING);
    CHECK(hears_from(&taker.owner, 0));
}

TEST(no_turns, "not up, nor one that many talk to, nor if the other scheduler is busy, turns are long, or something else is to be done")
{
    CHECK_EQ(drawn_after(false, 10, true, true, NOBODY), 0);
    CHECK_EQ(drawn_after(true, 1000, true, true, NOBODY), 0);
    CHECK_EQ(drawn_after(true, 10, false, true, NOBODY), 0);
    CHECK_EQ(drawn_after(true, 10, true, false, NOBODY), 0);
    for (enum other other = WAITS; other <= UNBEGUN; other++)
        CHECK_EQ(drawn_after(true, 10, true, true, other), 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
