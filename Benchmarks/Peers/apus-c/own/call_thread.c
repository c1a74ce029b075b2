// call_thread.c - a plain thread of the program starts a counter server and calls it.
#include "bench.h"

#include <pthread.h>

struct caller {
    apus_pid boss;
    int64_t calls;
};

static void *caller_body(void *argument)
{
    const struct caller *me = argument;
    apus_pid server = spawn(&counter_server, NULL, 0);
    int64_t last = 0;
    int64_t start = now_ns();
    for (int64_t i = 0; i < me->calls; i++) {
        last = counter_call(server, 1);
    }
    int64_t end = now_ns();
    check(last == me->calls, "last reply");
    send_number(me->boss, &number_type, end - start);
    return NULL;
}

static double run(apus_process *boss)
{
    pthread_t thread;
    struct caller caller = {apus_pid_of(boss), scaled(200000)};
    check(pthread_create(&thread, NULL, caller_body, &caller) == 0, "thread");
    double value = (double)receive_number(boss) / (double)caller.calls;
    pthread_join(thread, NULL);
    return value;
}

const struct workload call_thread_workload = {"call_thread", "ns/call", run};
