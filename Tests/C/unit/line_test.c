// Tests/C/unit/line_test.c - to which lines a scheduler attends, and what it begins: schedulers that are made up, and nobody who waits.
#include "../runtime_test.h"

#include "scheduler/line.h"

enum { LINES = APUS__ATTENDED + 1, SLOT = 3, OTHER = 4, OWNERS = 5 };

static struct apus__slot slot, other;
static struct apus__line *lines[LINES];
static int begun[LINES]; // requests of each line; of the last of them:
static struct apus__owner *begun_by;
static bool had_rung;

static void note(struct apus__owner *here, struct apus__line *line, bool has_rung)
{
    for (int i = 0; i < LINES; i++)
        begun[i] += lines[i] == line;
    begun_by = here;
    had_rung = has_rung;
}

// A scheduler that spins when it is idle, another one, and lines that have asked nothing.
static void begin(void)
{
    static struct apus__owner *owners[OWNERS];
    memset(&slot, 0, sizeof slot);
    memset(&other, 0, sizeof other);
    slot.owner.id = SLOT;
    slot.spins = true;
    other.owner.id = OTHER;
    owners[SLOT] = &slot.owner;
    owners[OTHER] = &other.owner;
    apus__world.owners = owners;
    for (int i = 0; i < LINES; i++)
        CHECK((lines[i] = apus__line_new(note, NULL, NULL)) != NULL);
    memset(begun, 0, sizeof begun);
}

// The bell comes out of the inbox of whoever was asked.
static void take_bell(struct apus__slot *of)
{
    uintptr_t tagged = apus__inbox_take(&of->owner.inbox);
    CHECK(tagged != 0 && apus__inbox_next(tagged) == 0);
    struct apus__command *command = apus_container_of(apus__inbox_untag(tagged), struct apus__command, link);
    command->run(&of->owner, command);
}

static void ask_and_ring(int line)
{
    apus__line_ask(lines[line], SLOT);
    apus__line_ring(&slot.owner, lines[line]);
    take_bell(&slot);
}

static bool is_attended(int line)
{
    return apus_load_relaxed(&lines[line]->attends) == SLOT + 1;
}

// How many the slot attends to: each is said so, and has one hold more than its thread's.
static int attended(void)
{
    int count = 0;
    for (int i = 0; i < LINES; i++) {
        CHECK_EQ(apus_load_relaxed(&lines[i]->holders), 1 + is_attended(i));
        count += is_attended(i);
    }
    CHECK_EQ(slot.attended_count, count);
    return count;
}

static void end(void)
{
    apus__lines_forget(&slot);
    CHECK_EQ(attended(), 0);
    for (int i = 0; i < LINES; i++)
        apus__line_let_go(lines[i]);
}

TEST(bell, "a bell begins what was asked, once, and the line is attended to from then on, once")
{
    begin();
    for (int i = 1; i <= 3; i++) {
        ask_and_ring(0);
        CHECK(begun[0] == i && begun_by == &slot.owner && had_rung);
        CHECK_EQ(attended(), 1);
    }
    CHECK(!apus__lines_look(&slot));
    apus__line_ring(&slot.owner, lines[0]); // in vain: it has been seen to
    take_bell(&slot);
    CHECK_EQ(begun[0], 3);
    end();
}

TEST(look, "a look begins what was asked of a line that is attended to, of the first, and says whether it had rung as well")
{
    begin();
    for (int i = 0; i < 3; i++)
        ask_and_ring(i);
    CHECK(!apus__lines_look(&slot));
    apus__line_ask(lines[2], SLOT);
    apus__line_ask(lines[1], SLOT);
    CHECK(apus__lines_look(&slot));
    CHECK(begun[1] == 2 && begun[2] == 1 && !had_rung);
    apus__line_ring(&slot.owner, lines[2]);
    CHECK(apus__lines_look(&slot));
    CHECK(begun[1] == 2 && begun[2] == 2 && had_rung);
    take_bell(&slot);
    CHECK(!apus__lines_look(&slot));
    CHECK_EQ(begun[2], 2);
    CHECK_EQ(attended(), 3);
    end();
}

TEST(places, "with all places taken, one has that of a line that has asked nothing since the last who wanted one")
{
    begin();
    for (int i = 0; i < APUS__ATTENDED; i++)
        ask_and_ring(i);
    ask_and_ring(APUS__ATTENDED); // they have all asked, when they rang: it is the last who wanted one
    CHECK_EQ(begun[APUS__ATTENDED], 1);
    CHECK_EQ(attended(), APUS__ATTENDED);
    CHECK(!is_attended(APUS__ATTENDED));
    int busy[] = {0, APUS__ATTENDED - 1};
    for (unsigned i = 0; i < 2; i++) {
        apus__line_ask(lines[busy[i]], SLOT);
        CHECK(apus__lines_look(&slot));
    }
    ask_and_ring(APUS__ATTENDED);
    CHECK_EQ(begun[APUS__ATTENDED], 2);
    CHECK_EQ(attended(), APUS__ATTENDED);
    CHECK(is_attended(APUS__ATTENDED) && is_attended(busy[0]) && is_attended(busy[1]));
    end();
}

TEST(no_spins, "a scheduler that does not spin when it is idle begins what was asked, and attends to nobody")
{
    begin();
    slot.spins = false;
    ask_and_ring(0);
    CHECK_EQ(begun[0], 1);
    CHECK_EQ(attended(), 0);
    end();
}

TEST(elsewhere, "a line that asks another scheduler is attended to no more, and a bell that is late begins nothing")
{
    begin();
    ask_and_ring(0);
    ask_and_ring(1);
    apus__line_ask(lines[0], OTHER);
    CHECK(!apus__lines_look(&slot));
    CHECK(attended() == 1 && is_attended(1));
    apus__line_ask(lines[2], SLOT);
    apus__line_ring(&slot.owner, lines[2]);
    apus__line_ask(lines[2], OTHER);
    take_bell(&slot);
    CHECK(begun[0] == 1 && begun[2] == 0);
    CHECK_EQ(attended(), 1);
    end();
}

TEST(ring, "a line rings at the scheduler it has asked, once until that has heard it")
{
    begin();
    apus__line_ask(lines[0], OTHER);
    apus__line_ring(&slot.owner, lines[0]);
    apus__line_ring(&slot.owner, lines[0]);
    CHECK_EQ(apus_load_relaxed(&lines[0]->holders), 2);
    take_bell(&other);
    CHECK(begun[0] == 1 && begun_by == &other.owner);
    apus__line_ring(&slot.owner, lines[0]);
    take_bell(&other);
    CHECK_EQ(begun[0], 1);
    CHECK_EQ(attended(), 0);
    end();
}

TEST(forget, "a line that is forgotten is attended to no more, the others are; what another scheduler says of it stays")
{
    begin();
    for (int i = 0; i < 3; i++)
        ask_and_ring(i);
    apus__line_forget(&slot, lines[1]);
    CHECK(attended() == 2 && !is_attended(1));
    apus__line_forget(&slot, lines[2]);
    CHECK(attended() == 1 && !is_attended(2));
    apus__line_forget(&slot, lines[2]);
    CHECK_EQ(attended(), 1);
    ask_and_ring(2);
    CHECK(attended() == 2 && is_attended(2));
    apus_store_relaxed(&lines[0]->attends, OTHER + 1);
    apus__line_forget(&slot, lines[0]);
    CHECK_EQ(apus_load_relaxed(&lines[0]->attends), OTHER + 1);
    CHECK_EQ(attended(), 1);
    end();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
