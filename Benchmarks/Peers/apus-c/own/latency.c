// latency.c - round trips of two processes while 64 pairs of others keep all cores busy with messages.
#include "bench.h"
#include "histogram.h"

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

static int echo_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    send_number(apus_message_from(message), &number_type, number_of(message) + 1);
    return APUS_OK;
}

struct prober {
    apus_pid echo;
    int64_t number;
    int64_t sent;
    int64_t end;
};

static void prober_probe(struct prober *me)
{
    me->sent = now_ns();
    send_number(me->echo, &number_type, me->number);
}

static int prober_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    *(struct prober *)state = *(const struct prober *)argument;
    prober_probe(state);
    return APUS_OK;
}

static int prober_handle(apus_process *self, void *state, apus_message *message)
{
    struct prober *me = state;
    int64_t now = now_ns();
    check(number_of(message) == ++me->number, "reply");
    histogram_record(now - me->sent);
    if (now < me->end) {
        prober_probe(me);
        return APUS_OK;
    }
    send_number(apus_parent_of(self), &number_type, me->number);
    return APUS_DONE;
}

static const apus_behaviour loader = {.name = "loader", .handle = loader_handle};
static const apus_behaviour first = {.name = "first loader", .init = first_init, .handle = loader_handle};
static const apus_behaviour echo = {.name = "echo", .handle = echo_handle};
static const apus_behaviour prober = {.name = "prober", .state_size = sizeof(struct prober), .init = prober_init,
                                      .handle = prober_handle};

static double run(apus_process *boss)
{
    for (int i = 0; i < PAIRS; i++) {
        apus_pid other = spawn(&loader, NULL, 0);
        spawn(&first, &other, sizeof other);
    }
    check(apus_sleep(boss, 20) == 0, "the load begins");
    struct prober probe = {spawn(&echo, NULL, 0), 0, 0, now_ns() + scaled(1000000000)};
    spawn(&prober, &probe, sizeof probe);
    int64_t round_trips = receive_number(boss);
    atomic_store_explicit(&load_ends, true, memory_order_relaxed);
    check(round_trips == histogram_count(), "round trips");
    histogram_metrics((const char *const[]){"p50", "p99", "p999", "max"});
    return histogram_us(0.99);
}

const struct workload latency_workload = {"latency", "us", run};
