// Tests/C/simulation/space_test.c - senders that wait for space in a full mailbox, some of whom are ended or lose patience.
//
// Goal:    room in a mailbox that blocks its senders (R70) is used by someone, whoever else was told of it and is gone: nobody
//          waits for ever at an empty mailbox.
// Method:  many short simulated runs under different seeds. A slow taker with room for one message, senders that send, senders that
//          call with little patience, and a driver that kills at random. When all is quiet, the living have got rid of all they
//          had.
#include "runtime_test.h"

#include "os/random.h"
#include "process/relation.h"
#include "scheduler/simulate.h"

enum { SEEDS = 1500, SENDERS = 6, EACH = 3, STEPS_MAX = 100000 };

static const apus_type type_load = {.name = "load"};

static apus_pid taker, senders[SENDERS];
static bool is_done[SENDERS];
static unsigned taken;

static int taker_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    taken++;
    CHECK_EQ(apus_sleep(self, 1), 0);
    if (apus_message_is_request(message))
        apus_reply(message, NULL, NULL, 0);
    return APUS_OK;
}

static const apus_behaviour taker_behaviour = {.name = "taker", .handle = taker_handle};

// The even ones send, the odd ones call and may give up.
static void sender_body(apus_process *self, void *argument)
{
    static const char load[8];
    unsigned number = *(unsigned *)argument;
    (void)self;
    for (unsigned i = 0; i < EACH; i++) {
        int result = number % 2 ? apus_call(taker, &type_load, load, sizeof load, 1 + number, NULL)
                                : apus_send(taker, &type_load, load, sizeof load);
        CHECK(result == 0 || (number % 2 && result == -ETIMEDOUT));
    }
    is_done[number] = true;
}

static void check_taker(struct apus__relation *relation, void *context)
{
    (void)context;
    CHECK(relation->kind != APUS__WAITS_FOR_SPACE);
}

static void run_seed(uint64_t seed, bool in_bytes)
{
    struct apus__random random;
    apus_options options = {.struct_size = sizeof options, .max_processes = 1024, .max_timers = 1024};
    apus_spawn_options bounded = {.struct_size = sizeof bounded, .mailbox_policy = APUS_MAILBOX_BLOCK};
    apus__random_init(&random, seed);
    if (in_bytes)
        bounded.mailbox_bytes = 12;
    else
        bounded.mailbox_messages = 1;
    CHECK_EQ(apus__simulation_begin(&options, seed), 0);
    CHECK_EQ(apus_spawn(&taker_behaviour, NULL, 0, &bounded, &taker), 0);
    bool is_killed[SENDERS] = {false};
    for (unsigned i = 0; i < SENDERS; i++) {
        is_done[i] = false;
        CHECK_EQ(apus_spawn_blocking(sender_body, &i, sizeof i, NULL, &senders[i]), 0);
    }
    for (unsigned i = 0; i < SENDERS / 2; i++) {
        apus__simulation_run(apus__random_below(&random, 30));
        uint32_t victim = apus__random_below(&random, SENDERS);
        is_killed[victim] = true;
        apus_exit_signal(senders[victim], apus_reason_of(APUS_REASON_KILL));
    }
    CHECK(apus__simulation_run(STEPS_MAX));
    for (unsigned i = 0; i < SENDERS; i++)
        CHECK(is_done[i] || is_killed[i]);
    CHECK(apus_is_alive(taker));
    apus__relation_each(apus__find(taker), check_taker, NULL);
    CHECK_EQ(apus__simulation_end(), 0);
    CHECK_EQ(runtime_info().blocks_in_use, 0);
}

TEST(R70_by_messages, "R70: room for a message is not lost on a sender that is gone")
{
    for (long seed = 0; seed < test_scaled(SEEDS); seed++)
        run_seed((uint64_t)seed, false);
    CHECK(taken > 0);
}

TEST(R70_by_bytes, "R70: room for bytes is not lost on a sender that is gone")
{
    for (long seed = 0; seed < test_scaled(SEEDS); seed++)
        run_seed((uint64_t)seed, true);
    CHECK(taken > 0);
}

static void sender_of_one(apus_process *self, void *argument)
{
    static const char load[8];
    unsigned number = *(unsigned *)argument;
    if (number == 2)
        CHECK_EQ(apus_sleep(self, 1), 0); // about as long as the taker takes
    CHECK_EQ(apus_send(taker, &type_load, load, sizeof load), 0);
    is_done[number] = true;
}

TEST(R70_emptied_meanwhile, "R70: a sender that found no room goes on, though the mailbox is empty before it has asked for some")
{
    enum { FEW = 3 }; // one in the taker's hands, one in its mailbox, one that finds no room, and nobody after it
    const apus_spawn_options bounded = {.struct_size = sizeof bounded, .mailbox_policy = APUS_MAILBOX_BLOCK, .mailbox_messages = 1};
    const apus_options options = {.struct_size = sizeof options, .schedulers = 2, .max_processes = 1024, .max_timers = 1024};
    for (long seed = 0; seed < test_scaled(SEEDS); seed++) {
        taken = 0;
        CHECK_EQ(apus__simulation_begin(&options, (uint64_t)seed), 0);
        CHECK_EQ(apus_spawn(&taker_behaviour, NULL, 0, &bounded, &taker), 0);
        for (unsigned i = 0; i < FEW; i++) {
            is_done[i] = false;
            CHECK_EQ(apus_spawn_blocking(sender_of_one, &i, sizeof i, NULL, &senders[i]), 0);
        }
        CHECK(apus__simulation_run(STEPS_MAX));
        for (unsigned i = 0; i < FEW; i++)
            CHECK(is_done[i]);
        CHECK_EQ(taken, FEW);
        CHECK_EQ(apus__simulation_end(), 0);
    }
}

static void sender_of_too_much(apus_process *self, void *argument)
{
    static const char load[13];
    (void)self, (void)argument;
    CHECK_EQ(apus_send(taker, &type_load, load, sizeof load), -ENOBUFS);
    is_done[0] = true;
}

TEST(R70_too_large, "R70: what is larger than the mailbox may ever be is refused at once")
{
    apus_spawn_options bounded = {.struct_size = sizeof bounded, .mailbox_bytes = 12, .mailbox_policy = APUS_MAILBOX_BLOCK};
    CHECK_EQ(apus__simulation_begin(NULL, 1), 0);
    CHECK_EQ(apus_spawn(&taker_behaviour, NULL, 0, &bounded, &taker), 0);
    CHECK_EQ(apus_spawn_blocking(sender_of_too_much, NULL, 0, NULL, NULL), 0);
    CHECK(apus__simulation_run(STEPS_MAX));
    CHECK(is_done[0] && taken == 0);
    CHECK_EQ(apus__simulation_end(), 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
