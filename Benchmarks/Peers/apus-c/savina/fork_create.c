// fork_create.c - Savina's fork-join (creation): a process for each piece of work, told to do it by one message.
#include "bench.h"

#include <math.h>

static const apus_type angle_type = {.name = "angle"};

static int worker_handle(apus_process *self, void *state, apus_message *message)
{
    double sine = sin(*(const double *)apus_message_payload(message));
    (void)state;
    check(sine * sine > 0, "square");
    send_number(apus_parent_of(self), &number_type, 1);
    return APUS_DONE;
}

static const apus_behaviour worker = {.name = "worker", .handle = worker_handle};

static double run(apus_process *boss)
{
    int64_t total = scaled(40000);
    double angle = 37.2;
    int64_t start = now_ns();
    for (int64_t i = 0; i < total; i++) {
        check(apus_send(spawn(&worker, NULL, 0), &angle_type, &angle, sizeof angle) == 0, "send");
    }
    check(receive_sum(boss, total) == total, "workers");
    return (double)total / seconds(now_ns() - start);
}

const struct workload fork_create_workload = {"fork_create", "spawn/s", run};
