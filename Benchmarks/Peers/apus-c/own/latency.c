// latency.c - round trips of two processes while 64 pairs of others keep all cores busy with messages.
#include "bench.h"
#include "histogram.h"
#include "probe.h"

#include <stdatomic.h>

enum { PAIRS = 64 };

static atomic_bool load_ends;

static int loader_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    // relaxed: nothing is read on the strength of it; that it is seen soon is enough.
    if (atomic_load_explicit(&load_ends, memory_order_relaxed)) {
        return APUS_DONE;
    }
    int64_t number = number_of(message) + 1;
    apus_send(apus_message_from(message), &number_type, &number, sizeof number); // the other may have ended already
    return APUS_OK;
}

static int first_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    (void)state;
    send_number(*(const apus_pid *)argument, &number_type, 0);
    return APUS_OK;
}

static const apus_behaviour loader = {.name = "loader", .handle = loader_handle};
static const apus_behaviour first = {.name = "first loader", .init = first_init, .handle = loader_handle};

static double run(apus_process *boss)
{
    for (int i = 0; i < PAIRS; i++) {
        apus_pid other = spawn(&loader, NULL, 0);
        spawn(&first, &other, sizeof other);
    }
    check(apus_sleep(boss, 20) == 0, "the load begins");
    probe_start(now_ns() + scaled(1000000000), histogram_record);
    int64_t round_trips = receive_number(boss);
    atomic_store_explicit(&load_ends, true, memory_order_relaxed);
    check(round_trips == histogram_count(), "round trips");
    histogram_metrics((const char *const[]){"p50", "p99", "p999", "max"});
    return histogram_us(0.99);
}

const struct workload latency_workload = {"latency", "us", run};
