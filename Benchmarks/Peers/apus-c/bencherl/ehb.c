// ehb.c - bencherl's ehb (hackbench): 50 groups in which 20 senders each send to 20 receivers, and ask now and then whether they
// keep up.
#include "bench.h"

enum { GROUPS = 50, SIZE = 20, ASK_EVERY = 100 };

static const apus_type data_type = {.name = "data"};
static const apus_type keeping_up_type = {.name = "keeping up"}; // the question and the answer
static const apus_type end_type = {.name = "end"};

// What bencherl's tuple of twelve atoms takes on the BEAM.
struct data {
    int64_t words[13];
};

struct receiver {
    int64_t senders;
    int64_t received;
};

static int receiver_handle(apus_process *self, void *state, apus_message *message)
{
    struct receiver *me = state;
    if (apus_message_type(message) == &data_type) {
        me->received += ((const struct data *)apus_message_payload(message))->words[12];
    } else if (apus_message_type(message) == &keeping_up_type) {
        check(apus_send(apus_message_from(message), &keeping_up_type, NULL, 0) == 0, "answer");
    } else if (++me->senders == SIZE) {
        send_number(apus_parent_of(self), &number_type, me->received);
        return APUS_DONE;
    }
    return APUS_OK;
}

static const apus_behaviour receiver = {.name = "receiver", .state_size = sizeof(struct receiver), .handle = receiver_handle};

struct sender {
    int64_t loops;
    apus_pid receivers[SIZE];
};

static bool is_from(const apus_message *message, void *context)
{
    return apus_pid_equal(apus_message_from(message), *(const apus_pid *)context);
}

static void send_data(apus_pid to)
{
    struct data data = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1}};
    check(apus_send(to, &data_type, &data, sizeof data) == 0, "data");
}

static void send_to_all(const struct sender *work)
{
    for (int i = 0; i < SIZE; i++) {
        send_data(work->receivers[i]);
    }
}

static int sender_init(apus_process *self, void *state, const void *argument)
{
    const struct sender *work = argument;
    int64_t left = work->loops;
    (void)state;
    for (; left > ASK_EVERY; left -= ASK_EVERY) {
        for (int i = 0; i < ASK_EVERY - 1; i++) {
            send_to_all(work);
        }
        for (int i = 0; i < SIZE; i++) {
            check(apus_send(work->receivers[i], &keeping_up_type, NULL, 0) == 0, "question");
        }
        for (int i = 0; i < SIZE; i++) {
            apus_pid who = work->receivers[i];
            apus_message_release(apus_receive(self, is_from, &who, APUS_INFINITY));
            send_data(who);
        }
    }
    for (; left > 0; left--) {
        send_to_all(work);
    }
    for (int i = 0; i < SIZE; i++) {
        check(apus_send(work->receivers[i], &end_type, NULL, 0) == 0, "end");
    }
    return APUS_DONE;
}

static const apus_behaviour sender = {.name = "sender", .init = sender_init};

static void group_body(apus_process *self, void *argument)
{
    struct sender work = {.loops = *(const int64_t *)argument};
    for (int i = 0; i < SIZE; i++) {
        work.receivers[i] = spawn(&receiver, NULL, 0);
    }
    for (int i = 0; i < SIZE; i++) {
        spawn(&sender, &work, sizeof work);
    }
    send_number(apus_parent_of(self), &number_type, receive_sum(self, SIZE));
}

static double run(apus_process *boss)
{
    int64_t loops = scaled(250), messages = loops * GROUPS * SIZE * SIZE;
    int64_t start = now_ns();
    for (int i = 0; i < GROUPS; i++) {
        check(apus_spawn_blocking(group_body, &loops, sizeof loops, NULL, NULL) == 0, "spawn");
    }
    int64_t received = receive_sum(boss, GROUPS);
    int64_t end = now_ns();
    check(received == messages, "messages");
    return (double)messages / seconds(end - start);
}

const struct workload ehb_workload = {"ehb", "msg/s", run};
