// orbit.c - bencherl's orbit_int: 100 workers hold the numbers that two functions can reach from 0, each those of its own
// remainder.
//
// The functions are its g13, doubly recursive Fibonacci numbers among them. That all is done is found by counting at the master,
// where bencherl hands out credit.
#include "bench.h"
#include "kernels.h"

#include <stdlib.h>

enum { WORKERS = 100, GENERATORS = 2 };

static const apus_type vertex_type = {.name = "vertex"};
static const apus_type more_type = {.name = "more"}; // payload: vertices sent less the one handled
static const apus_type count_type = {.name = "count"};

static apus_pid workers[WORKERS];
static int64_t space;

struct worker {
    bool *seen; // of the numbers that are its own: index n / WORKERS
    int64_t count;
};

static int worker_init(apus_process *self, void *state, const void *argument)
{
    struct worker *me = state;
    size_t size = (size_t)space / WORKERS + 1;
    (void)argument;
    me->seen = apus_alloc(self, size);
    check(me->seen != NULL, "memory");
    memset(me->seen, 0, size);
    return APUS_OK;
}

static int worker_handle(apus_process *self, void *state, apus_message *message)
{
    struct worker *me = state;
    if (apus_message_type(message) == &count_type) {
        send_number(apus_parent_of(self), &number_type, me->count);
        return APUS_DONE;
    }
    int64_t vertex = number_of(message), more = -1;
    bool *seen = &me->seen[vertex / WORKERS];
    if (!*seen) {
        *seen = true;
        me->count++;
        for (int generator = 0; generator < GENERATORS; generator++) {
            int64_t image = kernel_orbit_image(generator, space, vertex);
            send_number(workers[image % WORKERS], &vertex_type, image);
            more++;
        }
    }
    send_number(apus_parent_of(self), &more_type, more);
    return APUS_OK;
}

static const apus_behaviour worker = {.name = "worker", .state_size = sizeof(struct worker), .init = worker_init,
                                      .handle = worker_handle};

static double run(apus_process *boss)
{
    space = scaled(700);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = spawn(&worker, NULL, 0);
    }
    int64_t outstanding = 1;
    int64_t start = now_ns();
    send_number(workers[0], &vertex_type, 0);
    while (outstanding > 0) {
        apus_message *message = apus_receive(boss, NULL, NULL, APUS_INFINITY);
        outstanding += number_of(message);
        apus_message_release(message);
    }
    int64_t end = now_ns();
    for (int i = 0; i < WORKERS; i++) {
        check(apus_send(workers[i], &count_type, NULL, 0) == 0, "count");
    }
    int64_t reached = receive_sum(boss, WORKERS);
    check(reached == kernel_orbit(space), "size of the orbit");
    return (double)(GENERATORS * reached + 1) / seconds(end - start);
}

const struct workload orbit_workload = {"orbit", "vertices/s", run};
