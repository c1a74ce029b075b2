// selective.c - selective receive with 100,000 other messages waiting: by what the message is, and for the reply of a call (R27).
#include "bench.h"

enum { WAITING = 100000 };

static const apus_type noise_type = {.name = "noise"};
static const apus_type ping_type = {.name = "ping"};
static const apus_type pong_type = {.name = "pong"};

static int echo_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    int64_t number = number_of(message);
    if (apus_message_is_request(message)) {
        check(apus_reply(message, &pong_type, &number, sizeof number) == 0, "reply");
    } else {
        send_number(apus_message_from(message), &pong_type, number);
    }
    return APUS_OK;
}

static const apus_behaviour echo = {.name = "echo", .handle = echo_handle};

static bool is_pong(const apus_message *message, void *context)
{
    (void)context;
    return apus_message_type(message) == &pong_type;
}

static apus_message *receive_pong(apus_process *boss, apus_pid server, int64_t number)
{
    send_number(server, &ping_type, number);
    return apus_receive(boss, is_pong, NULL, APUS_INFINITY);
}

static apus_message *call_pong(apus_process *boss, apus_pid server, int64_t number)
{
    apus_message *reply;
    (void)boss;
    check(apus_call(server, &ping_type, &number, sizeof number, APUS_INFINITY, &reply) == 0, "call");
    return reply;
}

// Nanoseconds for each of `times` exchanges behind the messages that wait.
static double exchange(apus_process *boss, int64_t times, apus_message *(*ask)(apus_process *, apus_pid, int64_t))
{
    apus_pid server = spawn(&echo, NULL, 0);
    for (int64_t i = 0; i < WAITING; i++) {
        send_number(apus_pid_of(boss), &noise_type, i);
    }
    int64_t start = now_ns();
    for (int64_t i = 0; i < times; i++) {
        apus_message *pong = ask(boss, server, i);
        check(pong != NULL && number_of(pong) == i, "pong");
        apus_message_release(pong);
    }
    int64_t end = now_ns();
    for (int64_t i = 0; i < WAITING; i++) {
        apus_message *noise = apus_receive(boss, NULL, NULL, 0);
        check(noise != NULL && number_of(noise) == i, "the others keep their order");
        apus_message_release(noise);
    }
    return (double)(end - start) / (double)times;
}

static double run_selective(apus_process *boss)
{
    return exchange(boss, scaled(200), receive_pong) / 1000;
}

static double run_call(apus_process *boss)
{
    return exchange(boss, scaled(200000), call_pong);
}

const struct workload selective_workload = {"selective", "us", run_selective};
const struct workload selective_call_workload = {"selective_call", "ns/call", run_call};
