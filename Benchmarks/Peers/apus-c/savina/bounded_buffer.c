// bounded_buffer.c - Savina's producer-consumer with a bounded buffer: a manager holds producers back when 50 items wait.
#include "bench.h"

#include <math.h>

enum { BUFFER = 50, PRODUCERS = 40, CONSUMERS = 40, COST = 25, LIMIT = BUFFER - PRODUCERS };

static const apus_type produce_type = {.name = "produce"};
static const apus_type item_type = {.name = "item"};
static const apus_type ready_type = {.name = "ready"}; // a consumer is
static const apus_type end_type = {.name = "end"};     // a producer has no more

// What making or using an item costs: 2,500 logarithms of random numbers.
static double work(double start)
{
    uint64_t seed = COST;
    for (int i = 0; i < COST * 100; i++) {
        start += log((double)(random_next(&seed) >> 11) / 9007199254740992.0 + 0.01);
    }
    return start;
}

struct item {
    int64_t number;
    double data;
};

struct queue {
    apus_pid pids[64];
    unsigned first, count;
};

static void queue_push(struct queue *queue, apus_pid pid)
{
    queue->pids[(queue->first + queue->count++) % 64] = pid;
}

static apus_pid queue_pop(struct queue *queue)
{
    queue->count--;
    return queue->pids[queue->first++ % 64];
}

struct manager {
    apus_pid boss;
    int64_t due; // items to hand out
    struct queue producers, consumers;
    struct item items[BUFFER + PRODUCERS];
    unsigned first, count;
};

static int manager_init(apus_process *self, void *state, const void *argument)
{
    struct manager *me = state;
    (void)self;
    me->due = *(const int64_t *)argument;
    me->boss = apus_parent_of(self);
    return APUS_OK;
}

static void manager_hand_out(struct manager *me, apus_pid consumer, const struct item *item)
{
    check(apus_send(consumer, &item_type, item, sizeof *item) == 0, "item");
    me->due--;
}

static int manager_handle(apus_process *self, void *state, apus_message *message)
{
    struct manager *me = state;
    apus_pid from = apus_message_from(message);
    (void)self;
    if (apus_message_type(message) == &item_type) {
        const struct item *item = apus_message_payload(message);
        if (me->consumers.count > 0) {
            manager_hand_out(me, queue_pop(&me->consumers), item);
        } else {
            check(me->count < BUFFER + PRODUCERS, "the buffer is bounded");
            me->items[(me->first + me->count++) % (BUFFER + PRODUCERS)] = *item;
        }
        if (me->count >= LIMIT) {
            queue_push(&me->producers, from);
        } else {
            check(apus_send(from, &produce_type, NULL, 0) == 0, "produce");
        }
    } else if (apus_message_type(message) == &ready_type) {
        if (me->count == 0) {
            queue_push(&me->consumers, from);
        } else {
            manager_hand_out(me, from, &me->items[me->first]);
            me->first = (me->first + 1) % (BUFFER + PRODUCERS);
            me->count--;
            if (me->producers.count > 0) {
                check(apus_send(queue_pop(&me->producers), &produce_type, NULL, 0) == 0, "produce");
            }
        }
    }
    if (me->due > 0 || me->consumers.count < CONSUMERS) {
        return APUS_OK;
    }
    // Everything has been handed out, and all consumers are done with it.
    while (me->consumers.count > 0) {
        check(apus_send(queue_pop(&me->consumers), &end_type, NULL, 0) == 0, "end");
    }
    return APUS_DONE;
}

struct producer {
    apus_pid manager;
    int64_t first; // number of its first item
    int64_t left;
};

INIT_FROM_ARGUMENT(producer_init, struct producer)

static int producer_handle(apus_process *self, void *state, apus_message *message)
{
    struct producer *me = state;
    (void)self;
    (void)message;
    if (me->left == 0) {
        return APUS_DONE;
    }
    struct item item = {me->first++, work(0)};
    me->left--;
    check(apus_send(me->manager, &item_type, &item, sizeof item) == 0, "item");
    return APUS_OK;
}

struct consumer {
    apus_pid manager;
    apus_pid boss;
    int64_t sum;
    double data;
};

static int consumer_init(apus_process *self, void *state, const void *argument)
{
    struct consumer *me = state;
    (void)self;
    *me = *(const struct consumer *)argument;
    check(apus_send(me->manager, &ready_type, NULL, 0) == 0, "ready");
    return APUS_OK;
}

static int consumer_handle(apus_process *self, void *state, apus_message *message)
{
    struct consumer *me = state;
    (void)self;
    if (apus_message_type(message) == &end_type) {
        check(isfinite(me->data), "data");
        send_number(me->boss, &number_type, me->sum);
        return APUS_DONE;
    }
    const struct item *item = apus_message_payload(message);
    me->data = work(item->data);
    me->sum += item->number;
    check(apus_send(me->manager, &ready_type, NULL, 0) == 0, "ready");
    return APUS_OK;
}

static const apus_behaviour manager = {.name = "manager", .state_size = sizeof(struct manager), .init = manager_init,
                                       .handle = manager_handle};
static const apus_behaviour producer = {.name = "producer", .state_size = sizeof(struct producer), .init = producer_init,
                                        .handle = producer_handle};
static const apus_behaviour consumer = {.name = "consumer", .state_size = sizeof(struct consumer), .init = consumer_init,
                                        .handle = consumer_handle};

static double run(apus_process *boss)
{
    int64_t each = scaled(1000), total = PRODUCERS * each;
    apus_pid middle = spawn(&manager, &total, sizeof total);
    int64_t start = now_ns();
    for (int i = 0; i < CONSUMERS; i++) {
        struct consumer eater = {middle, apus_pid_of(boss), 0, 0};
        spawn(&consumer, &eater, sizeof eater);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        struct producer maker = {middle, i * each, each};
        check(apus_send(spawn(&producer, &maker, sizeof maker), &produce_type, NULL, 0) == 0, "produce");
    }
    int64_t sum = receive_sum(boss, CONSUMERS);
    int64_t end = now_ns();
    check(sum == total * (total - 1) / 2, "each item once");
    return (double)total / seconds(end - start);
}

const struct workload bounded_buffer_workload = {"bounded_buffer", "items/s", run};
