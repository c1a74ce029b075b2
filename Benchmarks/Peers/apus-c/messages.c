// messages.c - workloads of messages between processes that are there already.
#include "bench.h"

static const apus_type go_type = {.name = "go"};     // payload: the pid to begin with
static const apus_type ping_type = {.name = "ping"}; // payload: who asks
static const apus_type pong_type = {.name = "pong"}; // payload: who answers
static const apus_type stop_type = {.name = "stop"};

// pingpong, pairs: the token starts at 0 and each receiver adds one, so the last message of N round trips is 2N-1.

struct player {
    apus_pid boss;
    apus_pid peer; // NOBODY in the one that begins, until `go` tells it
    int64_t left;  // tokens still to come
};

static int player_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    *(struct player *)state = *(const struct player *)argument;
    return APUS_OK;
}

static int ping_handle(apus_process *self, void *state, apus_message *message)
{
    struct player *me = state;
    (void)self;
    if (apus_message_type(message) == &go_type) {
        me->peer = pid_of(message);
        send_number(me->peer, &number_type, 0);
    } else if (--me->left > 0) {
        send_number(me->peer, &number_type, number_of(message) + 1);
    } else {
        send_number(me->boss, &number_type, number_of(message));
        return APUS_DONE;
    }
    return APUS_OK;
}

static int pong_handle(apus_process *self, void *state, apus_message *message)
{
    struct player *me = state;
    (void)self;
    send_number(me->peer, &number_type, number_of(message) + 1);
    return --me->left > 0 ? APUS_OK : APUS_DONE;
}

static const apus_behaviour ping = {.name = "ping", .state_size = sizeof(struct player), .init = player_init,
                                    .handle = ping_handle};
static const apus_behaviour pong = {.name = "pong", .state_size = sizeof(struct player), .init = player_init,
                                    .handle = pong_handle};

enum { PAIRS = 64 };

// Returns the nanoseconds that `pairs` pairs need for `rounds` round trips each.
static int64_t run_pairs(apus_process *boss, int pairs, int64_t rounds)
{
    apus_pid first[PAIRS], second[PAIRS];
    for (int i = 0; i < pairs; i++) {
        struct player player = {apus_pid_of(boss), APUS_NOBODY, rounds};
        first[i] = spawn(&ping, &player, sizeof player);
        player.peer = first[i];
        second[i] = spawn(&pong, &player, sizeof player);
    }
    int64_t start = now_ns();
    for (int i = 0; i < pairs; i++) {
        check(apus_send(first[i], &go_type, &second[i], sizeof second[i]) == 0, "go");
    }
    for (int i = 0; i < pairs; i++) {
        check(receive_number(boss) == 2 * rounds - 1, "token");
    }
    return now_ns() - start;
}

static double pingpong_run(apus_process *boss)
{
    int64_t rounds = scaled(1000000);
    return (double)run_pairs(boss, 1, rounds) / (double)(2 * rounds);
}

static double pairs_run(apus_process *boss)
{
    int64_t rounds = scaled(50000);
    return (double)(2 * PAIRS * rounds) / seconds(run_pairs(boss, PAIRS, rounds));
}

// ring: the token is the number of hops it has made.

struct ring {
    apus_pid boss;
    apus_pid next; // NOBODY in the one that closes the ring, until `go` tells it
    int64_t hops;
};

static int ring_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    *(struct ring *)state = *(const struct ring *)argument;
    return APUS_OK;
}

static int ring_handle(apus_process *self, void *state, apus_message *message)
{
    struct ring *me = state;
    (void)self;
    if (apus_message_type(message) == &go_type) {
        me->next = pid_of(message);
        return APUS_OK;
    }
    int64_t hop = number_of(message);
    if (hop == me->hops) {
        send_number(me->boss, &number_type, hop);
    } else {
        send_number(me->next, &number_type, hop + 1);
    }
    return APUS_OK;
}

static const apus_behaviour ring = {.name = "ring", .state_size = sizeof(struct ring), .init = ring_init, .handle = ring_handle};

static double ring_run(apus_process *boss)
{
    int64_t hops = scaled(2000000);
    struct ring link = {apus_pid_of(boss), APUS_NOBODY, hops};
    apus_pid first = spawn(&ring, &link, sizeof link);
    link.next = first;
    for (int i = 1; i < 1000; i++) {
        link.next = spawn(&ring, &link, sizeof link);
    }
    check(apus_send(first, &go_type, &link.next, sizeof link.next) == 0, "go");
    int64_t start = now_ns();
    send_number(first, &number_type, 1);
    int64_t made = receive_number(boss);
    int64_t end = now_ns();
    check(made == hops, "hops");
    return (double)(end - start) / (double)hops;
}

// bang: each sender sends all it has in one callback; the mailbox is unbounded, nobody is held back.

struct bang {
    apus_pid to;   // the receiver, or for the receiver the boss
    int64_t count; // messages to send, or to come
    int64_t sum;
};

static int bang_receiver_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    *(struct bang *)state = *(const struct bang *)argument;
    return APUS_OK;
}

static int bang_receiver_handle(apus_process *self, void *state, apus_message *message)
{
    struct bang *me = state;
    (void)self;
    me->sum += number_of(message);
    if (--me->count > 0) {
        return APUS_OK;
    }
    send_number(me->to, &number_type, me->sum);
    return APUS_DONE;
}

static int bang_sender_init(apus_process *self, void *state, const void *argument)
{
    const struct bang *work = argument;
    (void)self;
    (void)state;
    for (int64_t i = work->count; i > 0; i--) {
        send_number(work->to, &number_type, i);
    }
    return APUS_DONE;
}

static const apus_behaviour bang_receiver = {.name = "bang receiver", .state_size = sizeof(struct bang),
                                             .init = bang_receiver_init, .handle = bang_receiver_handle};
static const apus_behaviour bang_sender = {.name = "bang sender", .init = bang_sender_init};

static double bang_run(apus_process *boss)
{
    int64_t senders = 512, each = scaled(4000);
    struct bang work = {apus_pid_of(boss), senders * each, 0};
    work.to = spawn(&bang_receiver, &work, sizeof work);
    work.count = each;
    int64_t start = now_ns();
    for (int64_t i = 0; i < senders; i++) {
        spawn(&bang_sender, &work, sizeof work);
    }
    int64_t sum = receive_number(boss);
    int64_t end = now_ns();
    check(sum == senders * (each * (each + 1) / 2), "sum");
    return (double)(senders * each) / seconds(end - start);
}

// big: everyone pings all others, and answers whoever pings.

enum { BIG = 512 };
static apus_pid big_pids[BIG];

struct big {
    apus_pid boss;
    int64_t rounds; // still to do
    int64_t pongs;  // still to come in this round
    int64_t pings;  // answered so far
};

static int big_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    *(struct big *)state = *(const struct big *)argument;
    return APUS_OK;
}

static void big_ping_others(struct big *me, apus_pid self)
{
    me->pongs = BIG - 1;
    for (int i = 0; i < BIG; i++) {
        if (!apus_pid_equal(big_pids[i], self)) {
            check(apus_send(big_pids[i], &ping_type, &self, sizeof self) == 0, "ping");
        }
    }
}

static int big_handle(apus_process *process, void *state, apus_message *message)
{
    struct big *me = state;
    apus_pid self = apus_pid_of(process);
    const apus_type *type = apus_message_type(message);
    if (type == &ping_type) {
        me->pings++;
        check(apus_send(pid_of(message), &pong_type, &self, sizeof self) == 0, "pong");
    } else if (type == &pong_type) {
        if (--me->pongs > 0) {
            return APUS_OK;
        }
        if (--me->rounds > 0) {
            big_ping_others(me, self);
        } else {
            send_number(me->boss, &number_type, 0);
        }
    } else if (type == &go_type) {
        big_ping_others(me, self);
    } else {
        send_number(me->boss, &number_type, me->pings);
        return APUS_DONE;
    }
    return APUS_OK;
}

static const apus_behaviour big = {.name = "big", .state_size = sizeof(struct big), .init = big_init, .handle = big_handle};

static double big_run(apus_process *boss)
{
    int64_t rounds = scaled(1);
    struct big work = {apus_pid_of(boss), rounds, 0, 0};
    for (int i = 0; i < BIG; i++) {
        big_pids[i] = spawn(&big, &work, sizeof work);
    }
    int64_t start = now_ns();
    for (int i = 0; i < BIG; i++) {
        check(apus_send(big_pids[i], &go_type, NULL, 0) == 0, "go");
    }
    for (int i = 0; i < BIG; i++) {
        receive_number(boss);
    }
    int64_t end = now_ns(), pings = 0;
    for (int i = 0; i < BIG; i++) {
        check(apus_send(big_pids[i], &stop_type, NULL, 0) == 0, "stop");
    }
    for (int i = 0; i < BIG; i++) {
        pings += receive_number(boss);
    }
    check(pings == BIG * (BIG - 1) * rounds, "pings");
    return (double)(2 * pings) / seconds(end - start);
}

// call: the boss asks a counter server again and again; its stack is parked during each call.

static int counter_handle(apus_process *self, void *state, apus_message *message)
{
    int64_t *count = state;
    (void)self;
    *count += number_of(message);
    check(apus_reply(message, &number_type, count, sizeof *count) == 0, "reply");
    return APUS_OK;
}

const apus_behaviour counter_server = {.name = "counter", .state_size = sizeof(int64_t), .handle = counter_handle};

int64_t counter_call(apus_pid server, int64_t add)
{
    apus_message *reply;
    check(apus_call(server, &number_type, &add, sizeof add, APUS_INFINITY, &reply) == 0, "call");
    int64_t count = number_of(reply);
    apus_message_release(reply);
    return count;
}

static double call_run(apus_process *boss)
{
    (void)boss;
    int64_t calls = scaled(500000), last = 0;
    apus_pid server = spawn(&counter_server, NULL, 0);
    int64_t start = now_ns();
    for (int64_t i = 0; i < calls; i++) {
        last = counter_call(server, 1);
    }
    int64_t end = now_ns();
    check(last == calls, "last reply");
    check(counter_call(server, 0) == calls, "counter");
    return (double)(end - start) / (double)calls;
}

const struct workload message_workloads[] = {
    {"pingpong", "ns/msg", pingpong_run},
    {"pairs", "msg/s", pairs_run},
    {"ring", "ns/hop", ring_run},
    {"bang", "msg/s", bang_run},
    {"big", "msg/s", big_run},
    {"call", "ns/call", call_run},
    {NULL, NULL, NULL},
};
