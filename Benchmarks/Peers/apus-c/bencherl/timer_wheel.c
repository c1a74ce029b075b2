// timer_wheel.c - bencherl's timer_wheel: each of 1,000 processes pings all others, with a time limit on every answer.
//
// A ping is a request with a time limit: a timer is made with it, and cancelled by the reply.
#include "bench.h"

#include <math.h>
#include <stdlib.h>

enum { LIMIT_MS = 1073741824 };

static const apus_type go_type = {.name = "go"};
static const apus_type ping_type = {.name = "ping"};
static const apus_type pong_type = {.name = "pong"};

static apus_pid *all;
static int64_t total;

struct player {
    apus_pid boss;
    int64_t index;
    int64_t pinged;
    int64_t answered;
};

INIT_FROM_ARGUMENT(player_init, struct player)

static void player_ping(apus_process *self, struct player *me)
{
    apus_ref ref;
    if (me->pinged < total - 1) {
        int64_t other = (me->index + ++me->pinged) % total;
        check(apus_request(self, all[other], &ping_type, NULL, 0, LIMIT_MS, &ref) == 0, "ping");
    } else {
        me->pinged++;
    }
}

static int player_handle(apus_process *self, void *state, apus_message *message)
{
    struct player *me = state;
    if (apus_message_type(message) == &ping_type) {
        check(apus_reply(message, &pong_type, NULL, 0) == 0, "pong");
        me->answered++;
    } else {
        check(apus_message_type(message) == &go_type || apus_message_type(message) == &pong_type, "go or pong");
        player_ping(self, me);
    }
    if (me->pinged < total || me->answered < total - 1) {
        return APUS_OK;
    }
    send_number(me->boss, &number_type, me->answered);
    return APUS_DONE;
}

static const apus_behaviour player = {.name = "player", .state_size = sizeof(struct player), .init = player_init,
                                      .handle = player_handle};

static double run(apus_process *boss)
{
    total = (int64_t)(1000 * sqrt(scale()) + 0.5);
    total = total < 2 ? 2 : total;
    all = malloc((size_t)total * sizeof *all);
    check(all != NULL, "memory");
    for (int64_t i = 0; i < total; i++) {
        all[i] = spawn(&player, &(struct player){apus_pid_of(boss), i, 0, 0}, sizeof(struct player));
    }
    int64_t start = now_ns();
    for (int64_t i = 0; i < total; i++) {
        check(apus_send(all[i], &go_type, NULL, 0) == 0, "go");
    }
    int64_t answered = receive_sum(boss, total);
    int64_t end = now_ns();
    check(answered == total * (total - 1), "answers");
    free(all);
    return (double)(2 * answered) / seconds(end - start);
}

const struct workload timer_wheel_workload = {"timer_wheel", "msg/s", run};
