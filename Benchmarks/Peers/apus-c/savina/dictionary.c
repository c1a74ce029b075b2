// dictionary.c - Savina's concurrent dictionary: 20 workers read and write, one request at a time each; a tenth are writes.
//
// The value of a key is always the key itself plus a multiple of KEYS, which every read checks.
#include "bench.h"

#include <stdlib.h>

enum { WORKERS = 20, WRITE_PERCENT = 10, KEYS = 524287, SLOTS = 1 << 20 };

static const apus_type read_type = {.name = "read"};
static const apus_type write_type = {.name = "write"};
static const apus_type result_type = {.name = "result"};

struct entry {
    int64_t key; // plus one, so that 0 is an empty slot
    int64_t value;
};

static struct entry *table;

static struct entry *table_find(int64_t key)
{
    uint64_t slot = ((uint64_t)key * 0x9E3779B97F4A7C15u) >> 44;
    while (table[slot].key != 0 && table[slot].key != key + 1) {
        slot = (slot + 1) % SLOTS;
    }
    table[slot].key = key + 1;
    return &table[slot];
}

static int dictionary_handle(apus_process *self, void *state, apus_message *message)
{
    const struct entry *asked = apus_message_payload(message);
    struct entry *found = table_find(asked->key), answer;
    (void)self;
    (void)state;
    if (apus_message_type(message) == &write_type) {
        found->value = asked->value;
    }
    answer = (struct entry){asked->key, found->value};
    check(apus_send(apus_message_from(message), &result_type, &answer, sizeof answer) == 0, "result");
    return APUS_OK;
}

struct worker {
    apus_pid dictionary;
    apus_pid boss;
    uint64_t seed;
    int64_t left;
    int64_t number; // 1 to WORKERS
};

static void worker_ask(struct worker *me)
{
    bool writes = random_below(&me->seed, 100) < WRITE_PERCENT;
    struct entry asked = {(int64_t)random_below(&me->seed, KEYS), 0};
    asked.value = asked.key + me->number * KEYS;
    check(apus_send(me->dictionary, writes ? &write_type : &read_type, &asked, sizeof asked) == 0, "ask");
}

static int worker_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    *(struct worker *)state = *(const struct worker *)argument;
    worker_ask(state);
    return APUS_OK;
}

static int worker_handle(apus_process *self, void *state, apus_message *message)
{
    struct worker *me = state;
    const struct entry *answer = apus_message_payload(message);
    (void)self;
    check(answer->value % KEYS == answer->key, "value of the key");
    if (--me->left > 0) {
        worker_ask(me);
        return APUS_OK;
    }
    send_number(me->boss, &number_type, me->number);
    return APUS_DONE;
}

static const apus_behaviour dictionary = {.name = "dictionary", .handle = dictionary_handle};
static const apus_behaviour worker = {.name = "worker", .state_size = sizeof(struct worker), .init = worker_init,
                                      .handle = worker_handle};

static double run(apus_process *boss)
{
    table = calloc(SLOTS, sizeof *table);
    check(table != NULL, "memory");
    for (int64_t key = 0; key < KEYS; key++) {
        table_find(key)->value = key;
    }
    int64_t each = scaled(10000);
    apus_pid server = spawn(&dictionary, NULL, 0);
    int64_t start = now_ns();
    for (int i = 1; i <= WORKERS; i++) {
        struct worker work = {server, apus_pid_of(boss), (uint64_t)i * 7919, each, i};
        spawn(&worker, &work, sizeof work);
    }
    check(receive_sum(boss, WORKERS) == WORKERS * (WORKERS + 1) / 2, "workers");
    int64_t end = now_ns();
    free(table);
    return (double)(WORKERS * each) / seconds(end - start);
}

const struct workload dictionary_workload = {"dictionary", "requests/s", run};
