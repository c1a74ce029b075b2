// estone.c - a mix like bencherl's estone: small, medium and large messages, calls, processes that come and go, timers.
//
// One round of one runner is 100 messages of 8 bytes, 50 of 256 and 10 of 4,096 to an echo and back, 10 calls to a server, 10
// linked processes that end, 10 timers made and cancelled. Sixteen runners work at once.
#include "bench.h"

enum { RUNNERS = 16, SMALL = 100, MEDIUM = 50, LARGE = 10, CALLS = 10, CHILDREN = 10, TIMERS = 10 };

static const apus_type bytes_type = {.name = "bytes"};
static const apus_type add_type = {.name = "add"};

static int echo_handle(apus_process *self, void *state, apus_message *message)
{
    int64_t *count = state;
    (void)self;
    if (apus_message_is_request(message)) {
        *count += number_of(message);
        check(apus_reply(message, &number_type, count, sizeof *count) == 0, "reply");
    } else {
        size_t size = apus_message_size(message);
        check(apus_send(apus_message_from(message), &bytes_type, apus_message_payload(message), size) == 0, "echo");
    }
    return APUS_OK;
}

static int child_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    (void)state;
    (void)argument;
    return APUS_DONE;
}

static const apus_behaviour echo = {.name = "echo", .state_size = sizeof(int64_t), .handle = echo_handle};
static const apus_behaviour child = {.name = "child", .init = child_init};

static bool is_of_type(const apus_message *message, void *context)
{
    return apus_message_type(message) == context;
}

static apus_message *receive_type(apus_process *self, const apus_type *type)
{
    apus_message *message = apus_receive(self, is_of_type, (void *)type, APUS_INFINITY);
    check(message != NULL, type->name);
    return message;
}

static void exchange(apus_process *self, apus_pid with, int times, size_t size)
{
    char bytes[4096] = {0};
    for (int i = 0; i < times; i++) {
        bytes[size - 1] = (char)i;
        check(apus_send(with, &bytes_type, bytes, size) == 0, "send");
        apus_message *back = receive_type(self, &bytes_type);
        const char *payload = apus_message_payload(back);
        check(apus_message_size(back) == size && payload[size - 1] == (char)i, "the same comes back");
        apus_message_release(back);
    }
}

static void use_children(apus_process *self)
{
    apus_spawn_options linked = {.struct_size = sizeof linked, .flags = APUS_SPAWN_LINK};
    for (int i = 0; i < CHILDREN; i++) {
        check(apus_spawn(&child, NULL, 0, &linked, NULL) == 0, "spawn");
    }
    for (int i = 0; i < CHILDREN; i++) {
        apus_message_release(receive_type(self, &apus_type_exit));
    }
}

static void use_timers(apus_process *self)
{
    apus_ref refs[TIMERS];
    for (int i = 0; i < TIMERS; i++) {
        check(apus_send_after(60000, apus_pid_of(self), &add_type, NULL, 0, &refs[i]) == 0, "timer");
    }
    for (int i = 0; i < TIMERS; i++) {
        check(apus_cancel(refs[i], NULL) == 0, "cancel");
    }
}

static void runner_body(apus_process *self, void *argument)
{
    int64_t rounds = *(const int64_t *)argument, one = 1, counted = 0;
    apus_pid server = spawn(&echo, NULL, 0);
    apus_trap_exits(self, true);
    for (int64_t round = 0; round < rounds; round++) {
        exchange(self, server, SMALL, 8);
        exchange(self, server, MEDIUM, 256);
        exchange(self, server, LARGE, 4096);
        for (int i = 0; i < CALLS; i++) {
            apus_message *reply;
            check(apus_call(server, &add_type, &one, sizeof one, APUS_INFINITY, &reply) == 0, "call");
            counted = number_of(reply);
            apus_message_release(reply);
        }
        use_children(self);
        use_timers(self);
    }
    check(counted == rounds * CALLS, "calls");
    send_number(apus_parent_of(self), &number_type, rounds);
}

static double run(apus_process *boss)
{
    int64_t rounds = scaled(1000);
    int64_t start = now_ns();
    for (int i = 0; i < RUNNERS; i++) {
        check(apus_spawn_blocking(runner_body, &rounds, sizeof rounds, NULL, NULL) == 0, "spawn");
    }
    check(receive_sum(boss, RUNNERS) == RUNNERS * rounds, "rounds");
    return (double)(RUNNERS * rounds) / seconds(now_ns() - start);
}

const struct workload estone_workload = {"estone", "rounds/s", run};
