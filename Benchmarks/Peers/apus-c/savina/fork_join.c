// fork_join.c - Savina's fork-join (throughput): the boss sends to 60 workers in turn; each message is a little arithmetic.
#include "bench.h"

#include <math.h>

enum { WORKERS = 60 };

static const apus_type angle_type = {.name = "angle"};

struct worker {
    apus_pid boss;
    int64_t left;
    double sum;
};

INIT_FROM_ARGUMENT(worker_init, struct worker)

static int worker_handle(apus_process *self, void *state, apus_message *message)
{
    struct worker *me = state;
    double sine = sin(*(const double *)apus_message_payload(message));
    (void)self;
    me->sum += sine * sine;
    if (--me->left > 0) {
        return APUS_OK;
    }
    check(me->sum > 0, "sum of squares");
    send_number(me->boss, &number_type, 1);
    return APUS_DONE;
}

static const apus_behaviour worker = {.name = "worker", .state_size = sizeof(struct worker), .init = worker_init,
                                      .handle = worker_handle};

static double run(apus_process *boss)
{
    struct worker work = {apus_pid_of(boss), scaled(10000), 0};
    apus_pid workers[WORKERS];
    double angle = 37.2;
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = spawn(&worker, &work, sizeof work);
    }
    int64_t start = now_ns();
    for (int64_t k = 0; k < work.left; k++) {
        for (int i = 0; i < WORKERS; i++) {
            check(apus_send(workers[i], &angle_type, &angle, sizeof angle) == 0, "send");
        }
    }
    check(receive_sum(boss, WORKERS) == WORKERS, "workers");
    return (double)(WORKERS * work.left) / seconds(now_ns() - start);
}

const struct workload fork_join_workload = {"fork_join", "msg/s", run};
