// barber.c - Savina's sleeping barber: customers, a waiting room of 1,000, one barber; who finds it full comes again.
#include "bench.h"

#include <stdlib.h>

enum { ROOM = 1000, PRODUCTION = 1000, HAIRCUT = 1000 };

static const apus_type enter_type = {.name = "enter"};       // a customer enters the room, or the barber's chair
static const apus_type full_type = {.name = "full"};         // room to customer
static const apus_type wait_type = {.name = "wait"};         // room to customer, room to barber
static const apus_type next_type = {.name = "next"};         // barber to room
static const apus_type start_type = {.name = "start"};       // barber to customer
static const apus_type done_type = {.name = "done"};         // barber to customer, customer to factory
static const apus_type returned_type = {.name = "returned"}; // customer to factory

static void tell(apus_pid to, const apus_type *type, apus_pid about)
{
    check(apus_send(to, type, &about, sizeof about) == 0, type->name);
}

struct room {
    apus_pid barber;
    apus_pid waiting[ROOM];
    unsigned first, count;
    bool barber_sleeps;
};

static int room_init(apus_process *self, void *state, const void *argument)
{
    struct room *me = state;
    (void)self;
    me->barber = *(const apus_pid *)argument;
    me->barber_sleeps = true;
    return APUS_OK;
}

static void room_next(struct room *me)
{
    if (me->count > 0) {
        tell(me->barber, &enter_type, me->waiting[me->first]);
        me->first = (me->first + 1) % ROOM;
        me->count--;
    } else {
        tell(me->barber, &wait_type, APUS_NOBODY);
        me->barber_sleeps = true;
    }
}

static int room_handle(apus_process *self, void *state, apus_message *message)
{
    struct room *me = state;
    apus_pid customer = pid_of(message);
    (void)self;
    if (apus_message_type(message) == &next_type) {
        room_next(me);
    } else if (me->count == ROOM) {
        tell(customer, &full_type, APUS_NOBODY);
    } else {
        me->waiting[(me->first + me->count++) % ROOM] = customer;
        if (me->barber_sleeps) {
            me->barber_sleeps = false;
            room_next(me);
        } else {
            tell(customer, &wait_type, APUS_NOBODY);
        }
    }
    return APUS_OK;
}

static int barber_handle(apus_process *self, void *state, apus_message *message)
{
    uint64_t *seed = state;
    (void)self;
    if (apus_message_type(message) == &enter_type) {
        apus_pid customer = pid_of(message);
        *seed = *seed == 0 ? 4711 : *seed;
        tell(customer, &start_type, APUS_NOBODY);
        spin(seed, random_below(seed, HAIRCUT) + 10);
        tell(customer, &done_type, APUS_NOBODY);
        tell(apus_message_from(message), &next_type, APUS_NOBODY);
    }
    return APUS_OK;
}

static int customer_handle(apus_process *self, void *state, apus_message *message)
{
    apus_pid factory = apus_parent_of(self);
    (void)state;
    if (apus_message_type(message) == &full_type) {
        tell(factory, &returned_type, apus_pid_of(self));
    } else if (apus_message_type(message) == &done_type) {
        tell(factory, &done_type, apus_pid_of(self));
        return APUS_DONE;
    }
    return APUS_OK;
}

static const apus_behaviour barber = {.name = "barber", .state_size = sizeof(uint64_t), .handle = barber_handle};
static const apus_behaviour room = {.name = "waiting room", .state_size = sizeof(struct room), .init = room_init,
                                    .handle = room_handle};
static const apus_behaviour customer = {.name = "customer", .handle = customer_handle};

struct factory {
    apus_pid boss;
    apus_pid room;
    int64_t haircuts;
    int64_t done;
    uint64_t seed;
};

static int factory_init(apus_process *self, void *state, const void *argument)
{
    struct factory *me = state;
    (void)self;
    *me = *(const struct factory *)argument;
    for (int64_t i = 0; i < me->haircuts; i++) {
        tell(me->room, &enter_type, spawn(&customer, NULL, 0));
        spin(&me->seed, random_below(&me->seed, PRODUCTION) + 10);
    }
    return APUS_OK;
}

static int factory_handle(apus_process *self, void *state, apus_message *message)
{
    struct factory *me = state;
    (void)self;
    if (apus_message_type(message) == &returned_type) {
        tell(me->room, &enter_type, pid_of(message));
    } else if (++me->done == me->haircuts) {
        send_number(me->boss, &number_type, me->done);
        return APUS_DONE;
    }
    return APUS_OK;
}

static const apus_behaviour factory = {.name = "factory", .state_size = sizeof(struct factory), .init = factory_init,
                                       .handle = factory_handle};

static double run(apus_process *boss)
{
    apus_pid cutter = spawn(&barber, NULL, 0);
    struct factory maker = {apus_pid_of(boss), spawn(&room, &cutter, sizeof cutter), scaled(5000), 0, 88172645463325252u};
    int64_t start = now_ns();
    spawn(&factory, &maker, sizeof maker);
    int64_t done = receive_number(boss);
    int64_t end = now_ns();
    check(done == maker.haircuts, "haircuts");
    return (double)done / seconds(end - start);
}

const struct workload barber_workload = {"barber", "haircuts/s", run};
