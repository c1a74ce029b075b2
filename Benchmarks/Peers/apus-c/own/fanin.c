// fanin.c - fan-in from foreign threads: four plain threads of the program send to one process.
#include "bench.h"

#include <pthread.h>

enum { THREADS = 4 };

struct sink {
    apus_pid boss;
    int64_t left;
    int64_t sum;
};

INIT_FROM_ARGUMENT(sink_init, struct sink)

static int sink_handle(apus_process *self, void *state, apus_message *message)
{
    struct sink *me = state;
    (void)self;
    me->sum += number_of(message);
    if (--me->left > 0) {
        return APUS_OK;
    }
    send_number(me->boss, &number_type, me->sum);
    return APUS_DONE;
}

static const apus_behaviour sink = {.name = "sink", .state_size = sizeof(struct sink), .init = sink_init, .handle = sink_handle};

static apus_pid target;
static int64_t each;

static void *thread_body(void *unused)
{
    for (int64_t i = 1; i <= each; i++) {
        send_number(target, &number_type, i);
    }
    return unused;
}

static double run(apus_process *boss)
{
    pthread_t threads[THREADS];
    each = scaled(500000);
    target = spawn(&sink, &(struct sink){apus_pid_of(boss), THREADS * each, 0}, sizeof(struct sink));
    int64_t start = now_ns();
    for (int i = 0; i < THREADS; i++) {
        check(pthread_create(&threads[i], NULL, thread_body, NULL) == 0, "thread");
    }
    int64_t sum = receive_number(boss);
    int64_t end = now_ns();
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    check(sum == THREADS * (each * (each + 1) / 2), "sum");
    return (double)(THREADS * each) / seconds(end - start);
}

const struct workload fanin_workload = {"fanin", "msg/s", run};
