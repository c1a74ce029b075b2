// million.c - 1,000,000 processes, all active: each holds a token and passes it on, four times in all.
#include "bench.h"

#include <stdlib.h>

enum { HOPS = 4, STRIDE = 7919 };

static apus_pid *all;
static int64_t total;

struct holder {
    int64_t index;
};

INIT_FROM_ARGUMENT(holder_init, struct holder)

static int holder_handle(apus_process *self, void *state, apus_message *message)
{
    const struct holder *me = state;
    int64_t left = number_of(message);
    if (left > 0) {
        send_number(all[(me->index + STRIDE) % total], &number_type, left - 1);
    } else {
        send_number(apus_parent_of(self), &number_type, me->index);
    }
    return APUS_OK;
}

static const apus_behaviour holder = {.name = "holder", .state_size = sizeof(struct holder), .init = holder_init,
                                      .handle = holder_handle};

static double run(apus_process *boss)
{
    total = scaled(1000000);
    all = malloc((size_t)total * sizeof *all);
    check(all != NULL, "memory");
    for (int64_t i = 0; i < total; i++) {
        all[i] = spawn(&holder, &(struct holder){i}, sizeof(struct holder));
    }
    int64_t start = now_ns();
    for (int64_t i = 0; i < total; i++) {
        send_number(all[i], &number_type, HOPS);
    }
    int64_t sum = receive_sum(boss, total);
    int64_t end = now_ns();
    check(sum == total * (total - 1) / 2, "each token once");
    free(all);
    return (double)(total * (HOPS + 2)) / seconds(end - start);
}

const struct workload million_workload = {"million", "msg/s", run};
