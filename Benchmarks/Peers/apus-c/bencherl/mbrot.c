// mbrot.c - bencherl's mbrot: 200 processes each compute a Mandelbrot picture of 100 times 100 points.
#include "bench.h"
#include "kernels.h"

enum { SIDE = 100 };

static int worker_init(apus_process *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    send_number(apus_parent_of(self), &number_type, kernel_mandelbrot(SIDE));
    return APUS_DONE;
}

static const apus_behaviour worker = {.name = "worker", .init = worker_init};

static double run(apus_process *boss)
{
    int64_t workers = scaled(200);
    int64_t start = now_ns();
    for (int64_t i = 0; i < workers; i++) {
        spawn(&worker, NULL, 0);
    }
    int64_t sum = receive_sum(boss, workers);
    int64_t end = now_ns();
    check(sum == workers * kernel_mandelbrot(SIDE), "iterations");
    return (double)(workers * SIDE * SIDE) / seconds(end - start);
}

const struct workload mbrot_workload = {"mbrot", "points/s", run};
