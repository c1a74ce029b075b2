// orbit.c - bencherl's orbit_int: 100 workers hold the numbers that two functions can reach from 0, each those of its own
// remainder.
//
// The functions are its g13, doubly recursive Fibonacci numbers among them. That all is done is found by credit, as in bencherl: the
// first vertex has one, each image half of that of the vertex it comes from, and a worker that has nothing to do for a vertex gives its
// credit back. What has come back is one when nothing is on its way, in whatever order it arrives; a count of those on their way, told by
// several workers, might be zero too early.
#include "bench.h"
#include "kernels.h"

#include <stdlib.h>

enum { WORKERS = 100, GENERATORS = 2 };

static const apus_type vertex_type = {.name = "vertex"};
static const apus_type count_type = {.name = "count"};

static apus_pid workers[WORKERS];
static int64_t space;

struct vertex {
    int64_t number;
    int64_t halvings; // of the credit it has
};

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

static void send_vertex(int64_t number, int64_t halvings)
{
    struct vertex vertex = {number, halvings};
    check(apus_send(workers[number % WORKERS], &vertex_type, &vertex, sizeof vertex) == 0, "vertex");
}

static int worker_handle(apus_process *self, void *state, apus_message *message)
{
    struct worker *me = state;
    if (apus_message_type(message) == &count_type) {
        send_number(apus_parent_of(self), &number_type, me->count);
        return APUS_DONE;
    }
    const struct vertex *vertex = apus_message_payload(message);
    bool *seen = &me->seen[vertex->number / WORKERS];
    if (*seen) {
        send_number(apus_parent_of(self), &number_type, vertex->halvings); // for a credit of 1 / 2^halvings
        return APUS_OK;
    }
    *seen = true;
    me->count++;
    for (int generator = 0; generator < GENERATORS; generator++)
        send_vertex(kernel_orbit_image(generator, space, vertex->number), vertex->halvings + 1);
    return APUS_OK;
}

static const apus_behaviour worker = {.name = "worker", .state_size = sizeof(struct worker), .init = worker_init,
                                      .handle = worker_handle};

// Adds 1 / 2^halvings to a number in binary, whose digit i is worth 1 / 2^i. A vertex is halved at most once for each number reached.
static void add_credit(bool *digits, int64_t halvings)
{
    for (; digits[halvings]; halvings--)
        digits[halvings] = false;
    digits[halvings] = true;
}

static double run(apus_process *boss)
{
    space = scaled(700);
    bool *credit = calloc((size_t)space + 2, sizeof *credit);
    check(credit != NULL, "memory");
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = spawn(&worker, NULL, 0);
    }
    int64_t start = now_ns();
    send_vertex(0, 0);
    while (!credit[0])
        add_credit(credit, receive_number(boss));
    int64_t end = now_ns();
    for (int i = 0; i < WORKERS; i++) {
        check(apus_send(workers[i], &count_type, NULL, 0) == 0, "count");
    }
    free(credit);
    int64_t reached = receive_sum(boss, WORKERS);
    check(reached == kernel_orbit(space), "size of the orbit");
    return (double)(GENERATORS * reached + 1) / seconds(end - start);
}

const struct workload orbit_workload = {"orbit", "vertices/s", run};
