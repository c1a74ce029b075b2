// Tests/C/abi/give_way_test.c - who sends to a mailbox that is full of messages gives way to those that empty it.
//
// Method:  many carriers take a message each round a circle: counter -> carrier -> porter -> counter, as fast as they can, on one
//          scheduler. Wherever they are at the moment, a message of somebody else's to the counter must not find them all there before it
//          each time. That is counted in messages, not in time:
//          7 for each bell, and 220 while nobody gave way.
#include "scene.h"

enum { CARRIERS = 2000, BELLS = 50, BEFORE_A_BELL = 50 };

static const apus_type type_round = {.name = "round"}, type_bell = {.name = "bell"};
static apus_pid counter_pid, porter_pid;
static atomic_uint bells, rounds;

static void pass(apus_pid to, apus_pid carrier)
{
    int result = apus_send(to, &type_round, &carrier, sizeof carrier);
    CHECK(result == 0 || result == -ESRCH); // when all are being stopped
}

static apus_pid carrier_in(apus_message *message)
{
    return *(apus_pid *)apus_message_payload(message);
}

static int counter_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    if (apus_message_type(message) == &type_round) {
        atomic_fetch_add(&rounds, 1);
        pass(carrier_in(message), carrier_in(message));
    } else {
        atomic_fetch_add(&bells, 1);
        apus_send(apus_message_from(message), &type_bell, NULL, 0);
    }
    return APUS_OK;
}

static int carrier_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    pass(porter_pid, carrier_in(message));
    return APUS_OK;
}

static int porter_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    pass(counter_pid, carrier_in(message));
    return APUS_OK;
}

// Rings again as soon as it was heard.
static int ringer_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    apus_send(counter_pid, &type_bell, NULL, 0);
    return APUS_OK;
}

static const apus_behaviour counter = {.name = "counter", .handle = counter_handle},
                            carrier = {.name = "carrier", .handle = carrier_handle},
                            porter = {.name = "porter", .handle = porter_handle},
                            ringer = {.name = "ringer", .handle = ringer_handle};

// All start at one of the three places.
static void check_circle(int place)
{
    static apus_pid carriers[CARRIERS];
    apus_pid ringer_pid;
    start_runtime(1);
    CHECK_EQ(apus_spawn(&counter, NULL, 0, NULL, &counter_pid), 0);
    CHECK_EQ(apus_spawn(&porter, NULL, 0, NULL, &porter_pid), 0);
    CHECK_EQ(apus_spawn(&ringer, NULL, 0, NULL, &ringer_pid), 0);
    for (int i = 0; i < CARRIERS; i++)
        CHECK_EQ(apus_spawn(&carrier, NULL, 0, NULL, &carriers[i]), 0);
    for (int i = 0; i < CARRIERS; i++)
        pass(place == 0 ? counter_pid : place == 1 ? carriers[i] : porter_pid, carriers[i]);
    atomic_store(&bells, 0);
    CHECK_EQ(apus_send(ringer_pid, &type_bell, NULL, 0), 0);
    while (atomic_load(&bells) < BELLS) // it takes a while until they are where they do no harm
        usleep(1000);
    atomic_store(&bells, 0);
    atomic_store(&rounds, 0);
    while (atomic_load(&bells) < BELLS)
        usleep(1000);
    CHECK(atomic_load(&rounds) < atomic_load(&bells) * BEFORE_A_BELL);
    CHECK_EQ(apus_stop(PATIENCE_MS), 0);
}

TEST(give_way, "a message does not wait behind a crowd that goes in circles")
{
    for (int place = 0; place < 3; place++)
        check_circle(place);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
