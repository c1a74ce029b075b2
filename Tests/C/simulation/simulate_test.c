// Tests/C/simulation/simulate_test.c - the simulator itself: what the driver may rely on.
#include "runtime_test.h"

#include "scheduler/simulate.h"

enum { MANY = 500, STEPS_MAX = 1000000, RACERS = 6 };

static const apus_type type_note = {.name = "note"};

static uint64_t handled, order; // what the processes did, folded

static int count_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    handled++;
    order = (order ^ apus_pid_of(self).id ^ apus_message_from(message).id) * UINT64_C(0x100000001b3);
    return APUS_OK;
}

static const apus_behaviour counter = {.name = "counter", .handle = count_handle};

static void begin(unsigned schedulers, uint64_t seed)
{
    apus_options options = {.struct_size = sizeof options, .schedulers = schedulers, .max_processes = 4096};
    CHECK_EQ(apus__simulation_begin(&options, seed), 0);
    handled = order = 0;
}

static void end(void)
{
    CHECK_EQ(apus__simulation_end(), 0);
    CHECK_EQ(runtime_info().processes, 0);
    CHECK_EQ(runtime_info().blocks_in_use, 0);
}

TEST(life, "a simulation begins once, ends once, and leaves room for the real runtime")
{
    CHECK_EQ(apus__simulation_end(), -ESHUTDOWN);
    for (uint64_t seed = 0; seed < 8; seed++) {
        begin(0, seed);
        CHECK(runtime_info().schedulers >= 1 && runtime_info().schedulers <= 4);
        CHECK_EQ(apus__simulation_begin(NULL, seed), -EALREADY);
        CHECK_EQ(apus_start(NULL), -EALREADY);
        CHECK(apus_is_running());
        end();
    }
    start_runtime(2);
    CHECK_EQ(apus__simulation_begin(NULL, 1), -EALREADY);
    CHECK_EQ(apus__simulation_end(), -ESHUTDOWN);
    stop_runtime();
}

TEST(rest, "nothing happens before a step, and a step is refused when nothing can happen")
{
    apus_pid pid;
    begin(2, 1);
    CHECK(!apus__simulation_step());
    CHECK_EQ(apus_spawn(&counter, NULL, 0, NULL, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_note, NULL, 0), 0);
    CHECK_EQ(handled, 0);
    CHECK(apus__simulation_run(STEPS_MAX));
    CHECK_EQ(handled, 1);
    CHECK(!apus__simulation_step());
    end();
}

TEST(many, "the driver may spawn any number of processes between two steps")
{
    begin(3, 1);
    for (int i = 0; i < MANY; i++) {
        apus_pid pid;
        CHECK_EQ(apus_spawn(&counter, NULL, 0, NULL, &pid), 0);
        CHECK_EQ(apus_send(pid, &type_note, NULL, 0), 0);
    }
    CHECK(apus__simulation_run(STEPS_MAX));
    CHECK_EQ(handled, MANY);
    CHECK_EQ(runtime_info().processes, MANY);
    end();
}

static void sleeper_body(apus_process *self, void *argument)
{
    uint64_t hours = *(uint64_t *)argument, before = apus_now_ms();
    CHECK_EQ(apus_sleep(self, hours * 3600000), 0);
    CHECK(apus_now_ms() >= before + hours * 3600000 && apus_now_ms() <= before + hours * 3600000 + 1000);
    handled++;
}

TEST(clock, "hours pass at once when nothing else happens, and in order")
{
    begin(2, 1);
    for (uint64_t hours = 1; hours <= 24; hours++)
        CHECK_EQ(apus_spawn_blocking(sleeper_body, &hours, sizeof hours, NULL, NULL), 0);
    uint64_t before = apus_now_ms();
    CHECK(apus__simulation_run(STEPS_MAX));
    CHECK_EQ(handled, 24);
    CHECK(apus_now_ms() >= before + 24 * 3600000 && apus_now_ms() < before + 25 * 3600000);
    end();
}

static void racer_body(apus_process *self, void *argument)
{
    apus_pid pid = *(apus_pid *)argument;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(apus_send(pid, &type_note, NULL, 0), 0);
        CHECK_EQ(apus_yield(self), 0);
    }
}

// Some processes send to one; the order in which their messages arrive is the seed's.
static uint64_t race(uint64_t seed)
{
    apus_pid pid;
    begin(3, seed);
    CHECK_EQ(apus_spawn(&counter, NULL, 0, NULL, &pid), 0);
    for (int i = 0; i < RACERS; i++) {
        CHECK_EQ(apus_spawn_blocking(racer_body, &pid, sizeof pid, NULL, NULL), 0);
        apus__simulation_step();
    }
    CHECK(apus__simulation_run(STEPS_MAX));
    CHECK_EQ(handled, 10 * RACERS);
    uint64_t seen = order;
    end();
    return seen;
}

TEST(seeds, "the same seed gives the same order, another seed another")
{
    unsigned differ = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        uint64_t first = race(seed);
        CHECK_EQ(race(seed), first);
        differ += race(seed + 1) != first;
    }
    CHECK(differ > 45);
}

static int stubborn_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    return APUS_OK;
}

static int stubborn_init(apus_process *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    return apus_trap_exits(self, true);
}

static void stubborn_body(apus_process *self, void *argument)
{
    (void)argument;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    for (;;)
        apus_sleep(self, 1000);
}

TEST(stop, "the end is a stop like any other: who does not listen is killed")
{
    static const apus_behaviour stubborn = {.name = "stubborn", .init = stubborn_init, .handle = stubborn_handle};
    begin(2, 1);
    CHECK_EQ(apus_spawn(&stubborn, NULL, 0, NULL, NULL), 0);
    CHECK_EQ(apus_spawn_blocking(stubborn_body, NULL, 0, NULL, NULL), 0);
    CHECK(!apus__simulation_run(100));
    end();
}

static void waits_for_ever(apus_process *self, void *argument)
{
    (void)argument;
    apus_sleep(self, APUS_INFINITY);
}

TEST(driver_waits, "the driver cannot wait for a process: it would wait for turns that it alone can give")
{
    static const apus_type note = {.name = "note"};
    const apus_spawn_options bounded = {.struct_size = sizeof bounded, .mailbox_messages = 1, .mailbox_policy = APUS_MAILBOX_BLOCK};
    apus_process_info_t info = {.struct_size = sizeof info};
    apus_message *reply;
    apus_pid pid;
    CHECK_EQ(apus_simulation_begin(NULL, 1), 0);
    CHECK_EQ(apus_spawn_blocking(waits_for_ever, NULL, 0, &bounded, &pid), 0);
    CHECK_EQ(apus_send(pid, &note, NULL, 0), 0);
    CHECK_EQ(apus_send(pid, &note, NULL, 0), -EDEADLK);
    CHECK_EQ(apus_call(pid, &note, NULL, 0, APUS_INFINITY, &reply), -EDEADLK);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), -EDEADLK);
    CHECK_EQ(apus_process_info(pid, APUS_INFINITY, &info), -EDEADLK);
    CHECK_EQ(apus_simulation_end(), 0);
    CHECK_EQ(runtime_info().blocks_in_use, 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
