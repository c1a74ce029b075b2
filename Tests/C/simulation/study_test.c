// Tests/C/simulation/study_test.c - apus_simulate and its kin: bugs that are there are found, made short, and found again.
//
// Goal:    what <apus/simulate.h> says of studies.
// Method:  small cases, each with a bug that shows in some interleavings, or under one kind of disturbance, only.
#include "runtime_test.h"

enum { SEEDS = 2000, BELL = 5, ROUNDS = 3 };

static const apus_type type_note = {.name = "note"};

static int last_seen, seen[2], ended, full, late, rung;
static char lines[64][320];
static int line_count;

static void forget(void)
{
    last_seen = seen[0] = seen[1] = ended = full = late = rung = 0;
}

static void trace(void *context, const char *line)
{
    (void)context;
    if (line_count < 64)
        snprintf(lines[line_count++], sizeof lines[0], "%s", line);
}

static bool trace_has(const char *text)
{
    for (int i = 0; i < line_count; i++)
        if (strstr(lines[i], text))
            return true;
    return false;
}

static apus_simulation_result study(const apus_simulation *simulation, uint64_t seeds, int want)
{
    apus_simulation_result result = {.struct_size = sizeof result};
    line_count = 0;
    CHECK_EQ(apus_simulate(simulation, 1, seeds, &result), want);
    return result;
}

// Two processes send to a third; the bug is to think that the first one's message comes first.

static int order_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    last_seen = *(int *)apus_message_payload(message);
    seen[last_seen]++;
    return APUS_OK;
}

static const apus_behaviour order = {.name = "order", .handle = order_handle};

struct sender {
    apus_pid to;
    int number;
};

static void sender_body(apus_process *self, void *argument)
{
    const struct sender *sender = argument;
    for (int i = 0; i < ROUNDS; i++) {
        apus_send(sender->to, &type_note, &sender->number, sizeof sender->number);
        apus_yield(self);
    }
}

static int spawn_senders(const apus_behaviour *receiver)
{
    struct sender sender;
    CHECK_EQ(apus_spawn(receiver, NULL, 0, NULL, &sender.to), 0);
    for (sender.number = 0; sender.number < 2; sender.number++)
        CHECK_EQ(apus_spawn_blocking(sender_body, &sender, sizeof sender, NULL, NULL), 0);
    return 0;
}

static int begin_order(void *context)
{
    (void)context;
    forget();
    return spawn_senders(&order);
}

static const char *check_order(void *context, apus_simulation_moment moment)
{
    (void)context;
    return moment == APUS_SIMULATION_QUIET && last_seen != 1 ? "the first sender was the last" : NULL;
}

static const char *check_reverse(void *context, apus_simulation_moment moment)
{
    (void)context;
    return moment == APUS_SIMULATION_QUIET && last_seen != 0 ? "the second sender was the last" : NULL;
}

static const char *check_count(void *context, apus_simulation_moment moment)
{
    (void)context;
    return moment == APUS_SIMULATION_QUIET && seen[0] + seen[1] != 2 * ROUNDS ? "a message is missing" : NULL;
}

static apus_simulation simulation_of(int (*begin)(void *), const char *(*check)(void *, apus_simulation_moment))
{
    return (apus_simulation){.struct_size = sizeof(apus_simulation), .begin = begin, .check = check, .trace = trace};
}

TEST(found, "a bug of order is found, made short, and found again by its choices and by its seed")
{
    const apus_simulation simulation = simulation_of(begin_order, check_order);
    apus_simulation_result found = study(&simulation, SEEDS, 1), again = {.struct_size = sizeof again};
    CHECK_STR(found.failure, "the first sender was the last");
    CHECK(found.seed >= 1 && found.runs > found.seed);
    CHECK(found.deviations >= 1 && found.deviations <= 6);
    CHECK(trace_has("failed: the first sender was the last"));
    CHECK_EQ(apus_simulate_replay(&simulation, found.choices, 0, &again), 1);
    CHECK_STR(again.failure, found.failure);
    CHECK_STR(again.choices, found.choices);
    CHECK_EQ(again.steps, found.steps);
    CHECK_EQ(apus_simulate_replay(&simulation, NULL, found.seed, &again), 1);
    CHECK_STR(again.failure, found.failure);
    CHECK_EQ(apus_simulate_replay(&simulation, "-", 0, &again), 0); // the plain run is all right
}

TEST(sound, "where there is no bug no seed finds one")
{
    const apus_simulation simulation = simulation_of(begin_order, check_count);
    apus_simulation_result result = study(&simulation, SEEDS, 0);
    CHECK_EQ(result.runs, SEEDS);
    CHECK_STR(result.failure, "");
}

TEST(explored, "all runs within a bound: the bug is found with the fewest deviations, and none is found where there is none")
{
    apus_simulation simulation = simulation_of(begin_order, check_reverse);
    apus_simulation_result result = {.struct_size = sizeof result};
    simulation.schedulers = 2;
    CHECK_EQ(apus_simulate_explore(&simulation, 4, 100000, &result), 1);
    CHECK(!result.is_complete);
    CHECK(result.deviations >= 1 && result.deviations <= 4);
    uint64_t fewest = result.deviations;
    CHECK_EQ(apus_simulate_explore(&simulation, (uint32_t)fewest - 1, 100000, &result), 0);
    CHECK(result.is_complete);
    simulation.check = check_count;
    CHECK_EQ(apus_simulate_explore(&simulation, 2, 100000, &result), 0);
    CHECK(result.is_complete && result.runs > 10);
    CHECK_EQ(apus_simulate_explore(&simulation, 3, 10, &result), 0);
    CHECK(!result.is_complete);
}

// The orders in which the receiver has got its messages, as numbers with a digit for each.
static long orders[100], order_now;
static int order_count;

static int journal_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    order_now = order_now * 10 + 1 + *(int *)apus_message_payload(message);
    return APUS_OK;
}

static int begin_journal(void *context)
{
    static const apus_behaviour journal = {.name = "journal", .handle = journal_handle};
    (void)context;
    order_now = 0;
    return spawn_senders(&journal);
}

static const char *check_journal(void *context, apus_simulation_moment moment)
{
    (void)context;
    if (moment != APUS_SIMULATION_QUIET)
        return NULL;
    for (int i = 0; i < order_count; i++)
        if (orders[i] == order_now)
            return NULL;
    CHECK(order_count < 100);
    orders[order_count++] = order_now;
    return NULL;
}

TEST(explored_orders, "one deviation from the plain run, where idle schedulers have their share of the work, shows several orders")
{
    apus_simulation simulation = simulation_of(begin_journal, check_journal);
    apus_simulation_result result = {.struct_size = sizeof result};
    simulation.schedulers = 2;
    CHECK_EQ(apus_simulate_explore(&simulation, 1, 1000, &result), 0);
    CHECK(result.is_complete && result.runs < 100);
    CHECK(order_count >= 3);
}

// What is disturbed.

static void stubborn_body(apus_process *self, void *argument)
{
    (void)argument;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    for (;;)
        apus_message_release(apus_receive(self, NULL, NULL, 1000));
}

static void observer_body(apus_process *self, void *argument)
{
    apus_ref ref;
    CHECK_EQ(apus_monitor(self, *(apus_pid *)argument, &ref), 0);
    apus_message *down = apus_receive(self, NULL, NULL, APUS_INFINITY);
    ended = 1 + (int)((apus_down_message *)apus_message_payload(down))->reason.kind;
    apus_message_release(down);
}

static int begin_stubborn(void *context)
{
    apus_pid *pid = context;
    forget();
    CHECK_EQ(apus_spawn_blocking(stubborn_body, NULL, 0, NULL, pid), 0);
    return apus_spawn_blocking(observer_body, pid, sizeof *pid, NULL, NULL);
}

static bool may_stubborn(void *context, apus_pid pid, const char *behaviour)
{
    CHECK_STR(behaviour, "blocking");
    return apus_pid_equal(pid, *(apus_pid *)context);
}

static const char *check_ended(void *context, apus_simulation_moment moment)
{
    static char text[32];
    (void)context, (void)moment;
    snprintf(text, sizeof text, "ended %d", ended - 1);
    return ended ? text : NULL;
}

static void check_disturbance(unsigned disturb, apus_reason_kind want)
{
    apus_pid pid;
    apus_simulation simulation = simulation_of(begin_stubborn, check_ended);
    char text[32];
    simulation.context = &pid;
    simulation.time_max_ms = 20000;
    CHECK_EQ(study(&simulation, 50, 0).runs, 50);
    simulation.disturb = disturb;
    simulation.may_disturb = may_stubborn;
    apus_simulation_result result = study(&simulation, SEEDS, 1);
    snprintf(text, sizeof text, "ended %d", want);
    CHECK_STR(result.failure, text);
    CHECK(result.deviations <= 2); // when, and whom
    CHECK(trace_has(disturb == APUS_DISTURB_KILL ? "kill: process" : "fault: process"));
}

TEST(kill, "a process may be killed")
{
    check_disturbance(APUS_DISTURB_KILL, APUS_REASON_KILLED);
}

TEST(fault, "a process may fail, also one that traps exits")
{
    check_disturbance(APUS_DISTURB_FAULT, APUS_REASON_FAULT);
}

static void ticker_body(apus_process *self, void *argument)
{
    (void)argument;
    for (int i = 0; i < 20; i++) {
        uint64_t due = apus_now_ms() + 10;
        CHECK_EQ(apus_sleep(self, 10), 0);
        late |= apus_now_ms() > due + 100;
    }
}

static int begin_ticker(void *context)
{
    (void)context;
    forget();
    return apus_spawn_blocking(ticker_body, NULL, 0, NULL, NULL);
}

static const char *check_late(void *context, apus_simulation_moment moment)
{
    (void)context, (void)moment;
    return late ? "late" : NULL;
}

TEST(slow, "a callback may take long, and holds up its scheduler")
{
    apus_simulation simulation = simulation_of(begin_ticker, check_late);
    study(&simulation, 200, 0);
    simulation.disturb = APUS_DISTURB_SLOW;
    study(&simulation, SEEDS, 1);
    CHECK(trace_has("slow: scheduler"));
}

static void filler_body(apus_process *self, void *argument)
{
    int number = 0;
    for (int i = 0; i < 20; i++) {
        int result = apus_send(*(apus_pid *)argument, &type_note, &number, sizeof number);
        CHECK(result == 0 || result == -ENOBUFS);
        full |= result == -ENOBUFS;
        apus_sleep(self, 10);
    }
}

static int begin_filler(void *context)
{
    (void)context;
    apus_pid pid;
    const apus_spawn_options options = {.struct_size = sizeof options, .mailbox_messages = 1000};
    forget();
    CHECK_EQ(apus_spawn(&order, NULL, 0, &options, &pid), 0);
    return apus_spawn_blocking(filler_body, &pid, sizeof pid, NULL, NULL);
}

static const char *check_full(void *context, apus_simulation_moment moment)
{
    (void)context, (void)moment;
    return full ? "full" : NULL;
}

TEST(full, "a bounded mailbox may seem full")
{
    apus_simulation simulation = simulation_of(begin_filler, check_full);
    study(&simulation, 200, 0);
    simulation.disturb = APUS_DISTURB_FULL;
    CHECK(study(&simulation, SEEDS, 1).deviations <= 1);
}

TEST(no_memory, "an allocation may fail, in a library that is built for it")
{
    apus_simulation simulation = simulation_of(begin_order, check_count);
    simulation.disturb = APUS_DISTURB_NO_MEMORY;
#ifdef APUS_INJECT
    apus_simulation_result result = study(&simulation, SEEDS, 1);
    CHECK_STR(result.failure, "a message is missing");
    CHECK(trace_has("no memory: "));
#else
    study(&simulation, 1, -ENOSYS);
#endif
}

// Descriptors.

static int bell_init(apus_process *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    return apus_watch(self, BELL, APUS_IO_READ);
}

static int bell_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    const apus_io_message *io = apus_message_payload(message);
    CHECK(apus_message_type(message) == &apus_type_io);
    CHECK(io->fd == BELL && io->events == APUS_IO_READ);
    rung++;
    return rung < 3 ? apus_watch(self, BELL, APUS_IO_READ) : APUS_OK;
}

TEST(descriptors, "a descriptor is ready when the driver says so, once for each watch")
{
    static const apus_behaviour bell = {.name = "bell", .init = bell_init, .handle = bell_handle};
    forget();
    CHECK_EQ(apus_simulation_ready(BELL, APUS_IO_READ), 0);
    CHECK_EQ(apus_simulation_begin(NULL, 1), 0);
    CHECK_EQ(apus_spawn(&bell, NULL, 0, NULL, NULL), 0);
    CHECK_EQ(apus_simulation_ready(BELL, APUS_IO_READ), 0); // nobody has asked yet
    for (int i = 1; i <= 3; i++) {
        CHECK(apus_simulation_settle(1000));
        CHECK_EQ(apus_simulation_ready(BELL, APUS_IO_WRITE), 0);
        CHECK_EQ(apus_simulation_ready(BELL, APUS_IO_READ | APUS_IO_WRITE), 1);
        CHECK_EQ(apus_simulation_ready(BELL, APUS_IO_READ), 0);
        CHECK(apus_simulation_settle(1000));
        CHECK_EQ(rung, i);
    }
    CHECK_EQ(apus_simulation_end(), 0);
    CHECK_EQ(runtime_info().blocks_in_use, 0);
}

// Time.

TEST(time, "time passes when the driver says so, and jumps only in a run")
{
    forget();
    CHECK_EQ(apus_simulation_begin(NULL, 1), 0);
    CHECK_EQ(apus_spawn_blocking(ticker_body, NULL, 0, NULL, NULL), 0);
    uint64_t before = apus_now_ms();
    CHECK(apus_simulation_settle(1000));
    CHECK(apus_now_ms() < before + 5);
    apus_simulation_pass(1000);
    CHECK(apus_simulation_settle(1000));
    CHECK(late);
    CHECK(apus_simulation_run(1000));
    CHECK_EQ(runtime_info().processes, 0);
    CHECK_EQ(apus_simulation_end(), 0);
    apus_simulation_pass(1000); // there is none any more: the system's clock goes on
    CHECK(!apus_simulation_step());
    CHECK_EQ(apus_simulation_end(), -ESHUTDOWN);
}

// Misuse.

static int begin_badly(void *context)
{
    (void)context;
    return -EIO;
}

static void inside_body(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    const apus_simulation simulation = simulation_of(begin_order, NULL);
    apus_simulation_result result = {.struct_size = sizeof result};
    CHECK_EQ(apus_simulate(&simulation, 1, 1, &result), -EDEADLK);
    CHECK_EQ(apus_simulation_begin(NULL, 1), -EDEADLK);
}

TEST(misuse, "what is wrong with a study is an error, and leaves nothing running")
{
    apus_simulation simulation = simulation_of(begin_badly, NULL);
    apus_simulation_result result = {.struct_size = sizeof result};
    study(&simulation, 1, -EIO);
    simulation.begin = begin_order;
    study(&simulation, 5, 0);
    CHECK_EQ(apus_simulate(NULL, 1, 1, &result), -EINVAL);
    CHECK_EQ(apus_simulate(&simulation, 1, 1, NULL), -EINVAL);
    CHECK_EQ(apus_simulate_explore(&simulation, 1, 1, &result), -EINVAL); // schedulers
    simulation.schedulers = 1;
    CHECK_EQ(apus_simulate_explore(&simulation, 100, 1, &result), -EINVAL);
    const char *const wrong[] = {"", "x", "1", "1:", "1:x", "5:1 4:1", "1:1,2:1", "99999999999:1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_EQ(apus_simulate_replay(&simulation, wrong[i], 0, &result), -EINVAL);
    simulation.disturb = 1u << 20;
    study(&simulation, 1, -EINVAL);
    simulation.disturb = 0;
    simulation.struct_size = 1;
    study(&simulation, 1, -EINVAL);
    simulation.struct_size = sizeof simulation;
    start_runtime(1);
    study(&simulation, 1, -EALREADY);
    run_process(inside_body, NULL, 0);
    stop_runtime();
    study(&simulation, 1, 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
