// sizes.c - messages of 64 bytes to 1 MiB: one process sends fresh copies of a buffer to another, at most eight at once.
#include "bench.h"


enum { WINDOW = 8, LARGEST = 1 << 20 };

static const apus_type data_type = {.name = "data"};
static const apus_type taken_type = {.name = "taken"};

static int64_t buffer[LARGEST / sizeof(int64_t)];

// Adds up the words of each message.
static int receiver_handle(apus_process *self, void *state, apus_message *message)
{
    const int64_t *words = apus_message_payload(message);
    int64_t sum = 0;
    (void)self;
    (void)state;
    for (size_t i = 0; i < apus_message_size(message) / sizeof *words; i++) {
        sum += words[i];
    }
    send_number(apus_message_from(message), &taken_type, sum);
    return APUS_OK;
}

static const apus_behaviour receiver = {.name = "receiver", .handle = receiver_handle};

struct sender {
    apus_pid receiver;
    apus_pid boss;
    int64_t size;
    int64_t left; // to send
    int64_t due;  // to be taken
    int64_t sum;
};

static void sender_send(struct sender *me)
{
    if (me->left > 0) {
        me->left--;
        check(apus_send(me->receiver, &data_type, buffer, (size_t)me->size) == 0, "send");
    }
}

static int sender_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    *(struct sender *)state = *(const struct sender *)argument;
    for (int i = 0; i < WINDOW; i++) {
        sender_send(state);
    }
    return APUS_OK;
}

static int sender_handle(apus_process *self, void *state, apus_message *message)
{
    struct sender *me = state;
    (void)self;
    me->sum += number_of(message);
    sender_send(me);
    if (--me->due > 0) {
        return APUS_OK;
    }
    send_number(me->boss, &number_type, me->sum);
    return APUS_DONE;
}

static const apus_behaviour sender = {.name = "sender", .state_size = sizeof(struct sender), .init = sender_init,
                                      .handle = sender_handle};

static double run_size(apus_process *boss, int64_t size, int64_t messages)
{
    struct sender work = {spawn(&receiver, NULL, 0), apus_pid_of(boss), size, scaled(messages), scaled(messages), 0};
    int64_t words = size / (int64_t)sizeof *buffer;
    for (int64_t i = 0; i < words; i++) {
        buffer[i] = i + 1;
    }
    int64_t start = now_ns();
    spawn(&sender, &work, sizeof work);
    int64_t sum = receive_number(boss);
    int64_t end = now_ns();
    check(sum == work.due * (words * (words + 1) / 2), "sum of all words");
    return (double)(work.due * size) / seconds(end - start);
}

static double run_64(apus_process *boss)
{
    return run_size(boss, 64, 1000000);
}

static double run_1k(apus_process *boss)
{
    return run_size(boss, 1024, 500000);
}

static double run_16k(apus_process *boss)
{
    return run_size(boss, 16384, 100000);
}

static double run_256k(apus_process *boss)
{
    return run_size(boss, 262144, 10000);
}

static double run_1m(apus_process *boss)
{
    return run_size(boss, LARGEST, 2500);
}

const struct workload size_64_workload = {"size_64", "bytes/s", run_64};
const struct workload size_1k_workload = {"size_1k", "bytes/s", run_1k};
const struct workload size_16k_workload = {"size_16k", "bytes/s", run_16k};
const struct workload size_256k_workload = {"size_256k", "bytes/s", run_256k};
const struct workload size_1m_workload = {"size_1m", "bytes/s", run_1m};
