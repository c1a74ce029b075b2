// count.c - Savina's count: one process sends increments to a counter, then asks what it has counted.
#include "bench.h"

static const apus_type get_type = {.name = "get"};

static int counter_handle(apus_process *self, void *state, apus_message *message)
{
    int64_t *count = state;
    (void)self;
    if (apus_message_type(message) == &get_type) {
        send_number(pid_of(message), &number_type, *count);
        return APUS_DONE;
    }
    *count += number_of(message);
    return APUS_OK;
}

struct producer {
    apus_pid counter;
    apus_pid boss;
    int64_t messages;
};

static int producer_init(apus_process *self, void *state, const void *argument)
{
    const struct producer *work = argument;
    (void)self;
    (void)state;
    for (int64_t i = 0; i < work->messages; i++) {
        send_number(work->counter, &number_type, 1);
    }
    check(apus_send(work->counter, &get_type, &work->boss, sizeof work->boss) == 0, "get");
    return APUS_DONE;
}

static const apus_behaviour counter = {.name = "counter", .state_size = sizeof(int64_t), .handle = counter_handle};
static const apus_behaviour producer = {.name = "producer", .init = producer_init};

static double run(apus_process *boss)
{
    struct producer work = {spawn(&counter, NULL, 0), apus_pid_of(boss), scaled(1000000)};
    int64_t start = now_ns();
    spawn(&producer, &work, sizeof work);
    int64_t counted = receive_number(boss);
    int64_t end = now_ns();
    check(counted == work.messages, "count");
    return (double)counted / seconds(end - start);
}

const struct workload count_workload = {"count", "msg/s", run};
