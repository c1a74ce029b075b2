// chameneos.c - Savina's chameneos: 100 creatures meet in pairs at a mall and change colour; the mall is the bottleneck.
#include "bench.h"

enum { CREATURES = 100, COLOURS = 3 };

static const apus_type meet_type = {.name = "meet"};     // to the mall; from there to the one that waits
static const apus_type change_type = {.name = "change"}; // the new colour
static const apus_type stop_type = {.name = "stop"};     // no more meetings
static const apus_type total_type = {.name = "total"};   // how many meetings a creature has had

struct meet {
    apus_pid who;
    int64_t colour;
};

struct mall {
    apus_pid boss;
    int64_t left; // meetings
    int64_t creatures;
    int64_t sum;
    struct meet waiting; // {NOBODY} if nobody is
};

struct creature {
    apus_pid mall;
    int64_t colour;
    int64_t meetings;
};

INIT_FROM_ARGUMENT(mall_init, struct mall)

static void mall_meet(struct mall *me, const struct meet *meet)
{
    if (me->left == 0) {
        check(apus_send(meet->who, &stop_type, NULL, 0) == 0, "stop");
    } else if (apus_pid_equal(me->waiting.who, APUS_NOBODY)) {
        me->waiting = *meet;
    } else {
        check(apus_send(me->waiting.who, &meet_type, meet, sizeof *meet) == 0, "meet");
        me->waiting.who = APUS_NOBODY;
        me->left--;
    }
}

static int mall_handle(apus_process *self, void *state, apus_message *message)
{
    struct mall *me = state;
    (void)self;
    if (apus_message_type(message) == &meet_type) {
        mall_meet(me, apus_message_payload(message));
        return APUS_OK;
    }
    me->sum += number_of(message);
    if (--me->creatures > 0) {
        return APUS_OK;
    }
    send_number(me->boss, &number_type, me->sum);
    return APUS_DONE;
}

static void creature_go(apus_process *self, const struct creature *me)
{
    struct meet meet = {apus_pid_of(self), me->colour};
    check(apus_send(me->mall, &meet_type, &meet, sizeof meet) == 0, "meet");
}

static int creature_init(apus_process *self, void *state, const void *argument)
{
    *(struct creature *)state = *(const struct creature *)argument;
    creature_go(self, state);
    return APUS_OK;
}

static int creature_handle(apus_process *self, void *state, apus_message *message)
{
    struct creature *me = state;
    if (apus_message_type(message) == &stop_type) {
        send_number(me->mall, &total_type, me->meetings);
        return APUS_DONE;
    }
    if (apus_message_type(message) == &meet_type) {
        const struct meet *other = apus_message_payload(message);
        // Equal colours stay; of two that differ, both take the third.
        me->colour = me->colour == other->colour ? me->colour : COLOURS - me->colour - other->colour;
        send_number(other->who, &change_type, me->colour);
    } else {
        me->colour = number_of(message);
    }
    me->meetings++;
    creature_go(self, me);
    return APUS_OK;
}

static const apus_behaviour mall = {.name = "mall", .state_size = sizeof(struct mall), .init = mall_init, .handle = mall_handle};
static const apus_behaviour creature = {.name = "creature", .state_size = sizeof(struct creature), .init = creature_init,
                                        .handle = creature_handle};

static double run(apus_process *boss)
{
    struct mall place = {apus_pid_of(boss), scaled(200000), CREATURES, 0, {APUS_NOBODY, 0}};
    int64_t meetings = place.left;
    struct creature animal = {spawn(&mall, &place, sizeof place), 0, 0};
    int64_t start = now_ns();
    for (int i = 0; i < CREATURES; i++) {
        animal.colour = i % COLOURS;
        spawn(&creature, &animal, sizeof animal);
    }
    int64_t sum = receive_number(boss);
    int64_t end = now_ns();
    check(sum == 2 * meetings, "two at each meeting");
    return (double)meetings / seconds(end - start);
}

const struct workload chameneos_workload = {"chameneos", "meetings/s", run};
