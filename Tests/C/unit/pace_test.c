// Tests/C/unit/pace_test.c - what a scheduler thinks of its work, from counters and times that are made up.
#include "../runtime_test.h"

#include "scheduler/simulate.h"
#include "scheduler/slot.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

enum { MS = 1000000 };

static struct apus__slot slot;
static uint64_t now_ns;

// A new scheduler, one of `count`.
static void begin(uint32_t count)
{
    memset(&slot, 0, sizeof slot);
    slot.owner.turns_are_short = true;
    apus__machine.slot_count = count;
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

TEST(excused, "turns are short too if each sends to another scheduler, or spawns many")
{
    begin(2);
    for (int i = 0; i < 2; i++)
        work(32, 1900, 1, 0, 1);
    CHECK(slot.owner.turns_are_short);
    for (int i = 0; i < 2; i++)
        work(32, 2100, 1, 0, 1);
    CHECK(!slot.owner.turns_are_short);
    apus_bump_relaxed(&slot.owner.counters.spawned, 1000);
    work(1, 200000, 1, 0, 0);
    CHECK(slot.owner.turns_are_short);
    work(1, 200000, 1, 0, 0);
    work(1, 200000, 1, 0, 0);
    CHECK(!slot.owner.turns_are_short);
}

TEST(bulk, "many cheap messages in each turn are bulk, as long as it lasts; the more schedulers there are, the cheaper they must be")
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
    begin(16);
    work(64, 1000, 20, 20, 0);
    CHECK(slot.owner.in_bulk);
    begin(64);
    work(64, 1000, 20, 20, 0);
    CHECK(!slot.owner.in_bulk);
}

TEST(fresh, "messages are cheap for a nanosecond more with each byte of fresh memory that they take in large blocks")
{
    begin(2);
    apus_bump_relaxed(&slot.owner.heap.carved_pages, 64 * 20 * 16384);
    work(64, 20 * 16000, 0, 20, 0);
    CHECK(slot.owner.in_bulk);
    work(64, 20 * 16000, 0, 20, 0); // the memory is used again
    CHECK(!slot.owner.in_bulk);
}

// Time goes by, and a window begins.
static void pass(uint64_t ns)
{
    slot.pace.window_began_ns = slot.pace.window_ns = now_ns += ns;
}

static void be_apart(int windows)
{
    for (int i = 0; i < windows; i++)
        work(64, 300, 1, 1, 1);
}

TEST(apart, "who sends many messages to others for four windows stays together for 10 ms, and for 20 the next time")
{
    begin(16);
    be_apart(3);
    CHECK(!slot.owner.in_bulk);
    work(64, 300, 1, 2, 0); // once is enough to begin anew
    be_apart(3);
    CHECK(!slot.owner.in_bulk);
    be_apart(1);
    CHECK(slot.owner.in_bulk);
    pass(9 * MS);
    work(64, 300, 1, 1, 0);
    CHECK(slot.owner.in_bulk);
    pass(1 * MS);
    work(64, 300, 1, 1, 0);
    CHECK(!slot.owner.in_bulk);
    be_apart(4);
    CHECK(slot.owner.in_bulk);
    CHECK_EQ(apus_load_relaxed(&slot.pace.together_ns), 20 * MS);
    pass(1000 * MS);
    be_apart(4);
    CHECK_EQ(apus_load_relaxed(&slot.pace.together_ns), 10 * MS);
}

TEST(long_work, "who is together shares out work all the same while its turns are long")
{
    begin(16);
    be_apart(4);
    CHECK(slot.owner.in_bulk);
    work(64, 6000, 1, 1, 0);
    CHECK(!slot.owner.in_bulk);
    work(64, 300, 1, 1, 0);
    CHECK(slot.owner.in_bulk);
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

TEST(passed_on, "what a scheduler finds holds for the one its processes go to, as long as for itself, and for nobody else")
{
    begin(16);
    be_apart(4);
    struct apus__slot others[2] = {{.pace = {.window_began_ns = now_ns, .window_ns = now_ns}}};
    others[1] = others[0];
    apus__pace_pass_on(&slot.pace, &others[1].pace);
    apus__pace_pass_on(&others[0].pace, &others[1].pace); // who has found nothing takes nothing back
    for (int i = 0; i < 2; i++) {
        apus_bump_relaxed(&others[i].owner.counters.slices, 64);
        apus__pace_look(&others[i].pace, &others[i].owner, now_ns + 1000, 1000);
        CHECK_EQ(others[i].owner.in_bulk, i == 1);
    }
    CHECK_EQ(apus_load_relaxed(&others[1].pace.together_ns), 10 * MS);
}

// The scheduler sleeps again so long after it was given work, and has sent so much.
static uint64_t refusal_after_talk(uint64_t busy_ns, uint64_t local, uint64_t remote)
{
    slot.woke_ns = now_ns;
    slot.woke_local = apus_load_relaxed(&slot.owner.counters.sent_local);
    slot.woke_remote = apus_load_relaxed(&slot.owner.counters.sent_remote);
    apus_bump_relaxed(&slot.owner.counters.sent_local, local);
    apus_bump_relaxed(&slot.owner.counters.sent_remote, remote);
    slot.looked_ns = now_ns += busy_ns;
    slot.was_given = true;
    apus__share_judge(&slot);
    CHECK(!slot.was_given);
    return apus_load_relaxed(&slot.refuses_until_ns) - now_ns;
}

static uint64_t refusal_after(uint64_t busy_ns)
{
    return refusal_after_talk(busy_ns, 0, 0);
}

TEST(judge, "a gift that lasts less than 12 us is followed by a refusal, each time twice as long; one that lasts ends this")
{
    begin(2);
    for (uint64_t want = 100000; want < 20 * MS; want *= 2)
        CHECK_EQ(refusal_after(11999), want);
    CHECK(refusal_after(1) <= 40 * MS);
    CHECK_EQ(refusal_after(12000), 0);
    CHECK_EQ(refusal_after(0), 100000);
}

TEST(judge_talk, "so is one that lasts because it talks with other schedulers all the time")
{
    begin(16);
    CHECK_EQ(refusal_after_talk(30000, 10, 11), 100000);
    CHECK_EQ(refusal_after_talk(30000, 11, 11), 0);
    CHECK_EQ(refusal_after_talk(30000, 0, 10), 0);
    CHECK_EQ(refusal_after_talk(30000, 0, 11), 100000);
}

// When the scheduler has nothing to do it looks for descriptors, and finds one that is ready only after this.
enum { LOOKS = 100, IDLE_NS = 2 * MS };
static int pipe_ends[2];
static uint64_t ages_ns[LOOKS], polled_ns;
static _Atomic int looks = LOOKS; // of those in which that happened

// In front of the C library's, for the scheduler as well. It looks between turns too, but notes that beforehand.
int epoll_wait(int set, struct epoll_event *events, int most, int timeout_ms)
{
    uint64_t between_ns = apus__machine.slots[0]->polled_ns;
    if (looks < LOOKS && between_ns == polled_ns) {
        for (uint64_t end = apus__now_ns() + IDLE_NS; apus__now_ns() < end;)
            ;
        CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
    }
    polled_ns = between_ns;
    return epoll_pwait(set, events, most, timeout_ms, NULL);
}

static int watch_init(apus_process *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    looks = 0;
    return apus_watch(self, pipe_ends[0], APUS_IO_READ);
}

// Notes how long ago the clock was looked at, as the scheduler counts.
static int watch_handle(apus_process *self, void *state, apus_message *message)
{
    char byte;
    (void)state, (void)message;
    ages_ns[looks] = apus__now_ns() - apus__slot_of(apus_load_relaxed(&apus__local.here))->looked_ns;
    CHECK_EQ(read(pipe_ends[0], &byte, 1), 1);
    return ++looks == LOOKS ? APUS_DONE : apus_watch(self, pipe_ends[0], APUS_IO_READ);
}

static int compare_ages(const void *one, const void *other)
{
    const uint64_t *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

TEST(idle, "the time in which a scheduler has nothing to do is no part of its turns")
{
    static const apus_behaviour behaviour = {.name = "watch", .init = watch_init, .handle = watch_handle};
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .rescue_ms = APUS_RESCUE_OFF};
    CHECK_EQ(pipe(pipe_ends), 0);
    CHECK_EQ(apus_start(&options), 0);
    CHECK_EQ(apus_join(spawn_one(&behaviour), APUS_INFINITY, NULL), 0);
    stop_runtime();
    // Each would be IDLE_NS or more, but for the one in sixteen at which the clock is looked at. A few may be, of a thread that was stopped.
    qsort(ages_ns, LOOKS, sizeof *ages_ns, compare_ages);
    CHECK(ages_ns[LOOKS / 2] < IDLE_NS);
}

// The scheduler whose time is made up: it goes on, by IDLE_NS, only while that one spins in vain. Then it is told to leave, before it sleeps.
static struct apus__slot *idler;
static uint64_t idler_ns;

// In front of the C library's.
int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (!idler)
        return (int)syscall(SYS_clock_gettime, clock, time);
    if (idler->spins) {
        idler->spins = false;
        idler_ns += IDLE_NS;
        apus_store_relaxed(&idler->events, APUS__EVENT_LEAVE);
    }
    *time = (struct timespec){(time_t)(idler_ns / (1000 * MS)), (long)(idler_ns % (1000 * MS))};
    return 0;
}

static int handled;

static int count_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    handled++;
    return APUS_OK;
}

TEST(idle_spinning, "nor is the time in which it spins, and then sleeps")
{
    enum { TURNS = 3 };
    static const apus_behaviour behaviour = {.name = "count", .handle = count_handle};
    static const apus_type type = {.name = "number"};
    static struct apus__context native;
    apus_options options = {.struct_size = sizeof options, .schedulers = 1};
    CHECK_EQ(apus__simulation_begin(&options, 1), 0);
    apus_pid pid = spawn_one(&behaviour);
    uint64_t virtual_ns = apus_load_relaxed(&apus__virtual_ns);
    apus__context_adopt(&native);
    idler_ns = virtual_ns;
    idler = apus__machine.slots[0];
    apus_store_relaxed(&apus__virtual_ns, 0);
    for (int i = 0; i < TURNS; i++) {
        CHECK_EQ(apus_send(pid, &type, NULL, 0), 0);
        apus_store_relaxed(&idler->events, 0);
        apus_store_relaxed(&apus__local.here, &idler->owner);
        apus__slot_enter(idler, &native);
        apus_store_relaxed(&apus__local.here, NULL);
        CHECK_EQ(handled, i + 1);
        CHECK(idler->owner.turns_are_short);
    }
    CHECK_EQ(idler_ns, virtual_ns + TURNS * IDLE_NS);
    apus_store_relaxed(&apus__virtual_ns, idler_ns);
    idler = NULL;
    apus__context_destroy(&native);
    CHECK_EQ(apus__simulation_end(), 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
