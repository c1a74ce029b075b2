// philosophers.c - Savina's dining philosophers: 20 of them ask an arbiter for both forks, and ask again when refused.
#include "bench.h"

enum { PHILOSOPHERS = 20 };

static const apus_type hungry_type = {.name = "hungry"};
static const apus_type eat_type = {.name = "eat"};
static const apus_type denied_type = {.name = "denied"};
static const apus_type done_type = {.name = "done"};

struct arbiter {
    bool taken[PHILOSOPHERS];
    int64_t meals;
    int64_t due;
    apus_pid boss;
};

static int arbiter_init(apus_process *self, void *state, const void *argument)
{
    struct arbiter *me = state;
    me->due = *(const int64_t *)argument;
    me->boss = apus_parent_of(self);
    return APUS_OK;
}

static int arbiter_handle(apus_process *self, void *state, apus_message *message)
{
    struct arbiter *me = state;
    int64_t left = number_of(message), right = (left + 1) % PHILOSOPHERS;
    (void)self;
    if (apus_message_type(message) == &done_type) {
        check(me->taken[left] && me->taken[right], "forks are put back that were taken");
        me->taken[left] = me->taken[right] = false;
        if (++me->meals == me->due) {
            send_number(me->boss, &number_type, me->meals);
            return APUS_DONE;
        }
        return APUS_OK;
    }
    bool free = !me->taken[left] && !me->taken[right];
    if (free) {
        me->taken[left] = me->taken[right] = true;
    }
    check(apus_send(apus_message_from(message), free ? &eat_type : &denied_type, NULL, 0) == 0, "answer");
    return APUS_OK;
}

struct philosopher {
    apus_pid arbiter;
    int64_t number;
    int64_t left;
};

static int philosopher_init(apus_process *self, void *state, const void *argument)
{
    struct philosopher *me = state;
    (void)self;
    *me = *(const struct philosopher *)argument;
    send_number(me->arbiter, &hungry_type, me->number);
    return APUS_OK;
}

static int philosopher_handle(apus_process *self, void *state, apus_message *message)
{
    struct philosopher *me = state;
    (void)self;
    if (apus_message_type(message) == &eat_type) {
        send_number(me->arbiter, &done_type, me->number);
        if (--me->left == 0) {
            return APUS_DONE;
        }
    }
    send_number(me->arbiter, &hungry_type, me->number);
    return APUS_OK;
}

static const apus_behaviour arbiter = {.name = "arbiter", .state_size = sizeof(struct arbiter), .init = arbiter_init,
                                       .handle = arbiter_handle};
static const apus_behaviour philosopher = {.name = "philosopher", .state_size = sizeof(struct philosopher),
                                           .init = philosopher_init, .handle = philosopher_handle};

static double run(apus_process *boss)
{
    int64_t rounds = scaled(10000), meals = PHILOSOPHERS * rounds;
    struct philosopher guest = {spawn(&arbiter, &meals, sizeof meals), 0, rounds};
    int64_t start = now_ns();
    for (; guest.number < PHILOSOPHERS; guest.number++) {
        spawn(&philosopher, &guest, sizeof guest);
    }
    int64_t eaten = receive_number(boss);
    int64_t end = now_ns();
    check(eaten == meals, "meals");
    return (double)meals / seconds(end - start);
}

const struct workload philosophers_workload = {"philosophers", "meals/s", run};
