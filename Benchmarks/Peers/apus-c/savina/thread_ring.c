// thread_ring.c - Savina's thread ring: 100 processes in a circle pass on a counter, each taking one off.
#include "bench.h"

enum { LINKS = 100 };

static apus_pid links[LINKS];

struct link {
    apus_pid boss;
    int64_t index;
};

INIT_FROM_ARGUMENT(link_init, struct link)

static int link_handle(apus_process *self, void *state, apus_message *message)
{
    struct link *me = state;
    int64_t left = number_of(message);
    (void)self;
    if (left > 0) {
        send_number(links[(me->index + 1) % LINKS], &number_type, left - 1);
    } else {
        send_number(me->boss, &number_type, me->index);
    }
    return APUS_OK;
}

static const apus_behaviour link_behaviour = {.name = "link", .state_size = sizeof(struct link), .init = link_init,
                                              .handle = link_handle};

static double run(apus_process *boss)
{
    int64_t hops = scaled(100000);
    for (int i = 0; i < LINKS; i++) {
        struct link link = {apus_pid_of(boss), i};
        links[i] = spawn(&link_behaviour, &link, sizeof link);
    }
    int64_t start = now_ns();
    send_number(links[0], &number_type, hops);
    int64_t last = receive_number(boss);
    int64_t end = now_ns();
    check(last == hops % LINKS, "where it ends");
    return (double)(end - start) / (double)hops;
}

const struct workload thread_ring_workload = {"thread_ring", "ns/hop", run};
