// smokers.c - Savina's cigarette smokers: an arbiter lets one of 200 smokers smoke, and the next as soon as that one has begun.
#include "bench.h"

enum { SMOKERS = 200, PERIOD = 1000 };

static const apus_type smoke_type = {.name = "smoke"};
static const apus_type started_type = {.name = "started"};

static int smoker_handle(apus_process *self, void *state, apus_message *message)
{
    uint64_t seed = 1;
    (void)self;
    (void)state;
    check(apus_send(apus_message_from(message), &started_type, NULL, 0) == 0, "started");
    spin(&seed, (uint64_t)number_of(message));
    return APUS_OK;
}

static const apus_behaviour smoker = {.name = "smoker", .handle = smoker_handle};

struct arbiter {
    int64_t rounds;
    int64_t started;
    uint64_t seed;
    apus_pid smokers[SMOKERS];
};

static void arbiter_next(struct arbiter *me)
{
    apus_pid chosen = me->smokers[random_below(&me->seed, SMOKERS)];
    send_number(chosen, &smoke_type, (int64_t)random_below(&me->seed, PERIOD) + 10);
}

static int arbiter_init(apus_process *self, void *state, const void *argument)
{
    struct arbiter *me = state;
    (void)self;
    me->rounds = *(const int64_t *)argument;
    me->seed = 88172645463325252u;
    for (int i = 0; i < SMOKERS; i++) {
        me->smokers[i] = spawn(&smoker, NULL, 0);
    }
    arbiter_next(me);
    return APUS_OK;
}

static int arbiter_handle(apus_process *self, void *state, apus_message *message)
{
    struct arbiter *me = state;
    (void)message;
    if (++me->started < me->rounds) {
        arbiter_next(me);
        return APUS_OK;
    }
    send_number(apus_parent_of(self), &number_type, me->started);
    return APUS_DONE;
}

static const apus_behaviour arbiter = {.name = "arbiter", .state_size = sizeof(struct arbiter), .init = arbiter_init,
                                       .handle = arbiter_handle};

static double run(apus_process *boss)
{
    int64_t rounds = scaled(1000);
    int64_t start = now_ns();
    spawn(&arbiter, &rounds, sizeof rounds);
    int64_t started = receive_number(boss);
    int64_t end = now_ns();
    check(started == rounds, "rounds");
    return (double)rounds / seconds(end - start);
}

const struct workload smokers_workload = {"smokers", "rounds/s", run};
