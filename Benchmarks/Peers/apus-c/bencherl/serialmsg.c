// serialmsg.c - bencherl's serialmsg: 100 generators send 2,000 integers at a time to 100 receivers, all through one dispatcher.
//
// Each message is filled anew by its generator; the dispatcher passes it on as it is.
#include "bench.h"

enum { PAIRS = 100, LENGTH = 2000 };

static const apus_type data_type = {.name = "data"};

struct data {
    apus_pid to;
    int64_t values[LENGTH];
};

static int dispatcher_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    check(apus_message_keep(message) == 0 && apus_send_message(pid_of(message), message) == 0, "pass on");
    return APUS_OK;
}

struct receiver {
    apus_pid boss;
    int64_t left;
    int64_t sum;
};

INIT_FROM_ARGUMENT(receiver_init, struct receiver)

static int receiver_handle(apus_process *self, void *state, apus_message *message)
{
    struct receiver *me = state;
    const struct data *data = apus_message_payload(message);
    (void)self;
    me->sum += data->values[0] + data->values[LENGTH - 1];
    if (--me->left > 0) {
        return APUS_OK;
    }
    send_number(me->boss, &number_type, me->sum);
    return APUS_DONE;
}

struct generator {
    apus_pid dispatcher;
    apus_pid to;
    int64_t messages;
};

static int generator_init(apus_process *self, void *state, const void *argument)
{
    const struct generator *work = argument;
    (void)self;
    (void)state;
    for (int64_t i = 0; i < work->messages; i++) {
        apus_message *message = apus_message_new(&data_type, sizeof(struct data));
        check(message != NULL, "memory");
        struct data *data = apus_message_payload(message);
        data->to = work->to;
        for (int k = 0; k < LENGTH; k++) {
            data->values[k] = k + 1;
        }
        check(apus_send_message(work->dispatcher, message) == 0, "send");
    }
    return APUS_DONE;
}

static const apus_behaviour dispatcher = {.name = "dispatcher", .handle = dispatcher_handle};
static const apus_behaviour receiver = {.name = "receiver", .state_size = sizeof(struct receiver), .init = receiver_init,
                                        .handle = receiver_handle};
static const apus_behaviour generator = {.name = "generator", .init = generator_init};

static double run(apus_process *boss)
{
    int64_t each = scaled(1000);
    apus_pid middle = spawn(&dispatcher, NULL, 0);
    int64_t start = now_ns();
    for (int i = 0; i < PAIRS; i++) {
        struct receiver taker = {apus_pid_of(boss), each, 0};
        struct generator maker = {middle, spawn(&receiver, &taker, sizeof taker), each};
        spawn(&generator, &maker, sizeof maker);
    }
    int64_t sum = receive_sum(boss, PAIRS);
    int64_t end = now_ns();
    check(sum == PAIRS * each * (LENGTH + 1), "sum of the ends");
    return (double)(PAIRS * each) / seconds(end - start);
}

const struct workload serialmsg_workload = {"serialmsg", "msg/s", run};
