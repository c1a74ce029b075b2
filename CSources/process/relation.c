#include "process/relation.h"

enum { RELATION_CLASS = 0 /* 64 bytes */, LIST_MAX = 8, TABLE_MIN = 32, TABLE_TAG = 1 };

// Where a process has many: `process->relations` is then the address of this, tagged.
struct relation_table {
    struct apus__relation **buckets;
    uint32_t mask;
    uint32_t count;
    unsigned block; // size class of the buckets
};

// --- The table ------------------------------------------------------------------------------------------------------------------

// NULL: it is a list.
static struct relation_table *relation_table(const struct apus_process *process)
{
    uintptr_t word = (uintptr_t)process->relations;
    return word & TABLE_TAG ? (struct relation_table *)(word - TABLE_TAG) : NULL;
}

static uint64_t relation_hash(enum apus__relation_kind kind, uint64_t key)
{
    uint64_t mixed = (key + kind) * UINT64_C(0x9e3779b97f4a7c15);
    return mixed ^ mixed >> 32;
}

static struct apus__relation **relation_bucket(const struct relation_table *table, enum apus__relation_kind kind, uint64_t key)
{
    return &table->buckets[relation_hash(kind, key) & table->mask];
}

static void relation_move(struct relation_table *table, struct apus__relation *list)
{
    while (list) {
        struct apus__relation *next = list->next, **place = relation_bucket(table, list->kind, list->key);
        list->next = *place;
        *place = list;
        list = next;
    }
}

// Gives the table more buckets. False, and nothing has changed, if there is no memory.
static bool relation_widen(struct apus__owner *here, struct relation_table *table)
{
    uint32_t size = table->buckets ? 2 * (table->mask + 1) : TABLE_MIN;
    struct relation_table old = *table;
    unsigned block;
    struct apus__relation **buckets = apus__heap_alloc_bytes(&here->heap, size * sizeof *buckets, &block);
    if (!buckets)
        return false;
    memset(buckets, 0, size * sizeof *buckets);
    table->buckets = buckets;
    table->mask = size - 1;
    table->block = block;
    if (old.buckets) {
        for (uint32_t i = 0; i <= old.mask; i++)
            relation_move(table, old.buckets[i]);
        apus__heap_free(&here->heap, old.buckets, old.block);
    }
    return true;
}

static void relation_free_table(struct apus__owner *here, struct apus_process *process, struct relation_table *table)
{
    apus__heap_free(&here->heap, table->buckets, table->block);
    apus__heap_free(&here->heap, table, RELATION_CLASS);
    process->relations = NULL;
}

// Makes a table of the list.
static void relation_make_table(struct apus__owner *here, struct apus_process *process, uint32_t count)
{
    struct relation_table *table = apus__heap_alloc(&here->heap, RELATION_CLASS);
    if (!table)
        return;
    *table = (struct relation_table){.count = count};
    if (!relation_widen(here, table)) {
        apus__heap_free(&here->heap, table, RELATION_CLASS);
        return;
    }
    relation_move(table, process->relations);
    process->relations = (struct apus__relation *)((uintptr_t)table | TABLE_TAG);
}

// Makes room for one more; when there is no memory the list or the chains grow longer instead.
static void relation_make_room(struct apus__owner *here, struct apus_process *process)
{
    struct relation_table *table = relation_table(process);
    if (table) {
        if (table->count > table->mask)
            relation_widen(here, table);
        return;
    }
    uint32_t count = 0;
    for (const struct apus__relation *relation = process->relations; relation; relation = relation->next)
        count++;
    if (count >= LIST_MAX)
        relation_make_table(here, process, count);
}

// --- The set --------------------------------------------------------------------------------------------------------------------

static struct apus__relation **relation_place(struct apus_process *process, enum apus__relation_kind kind, uint64_t key)
{
    struct relation_table *table = relation_table(process);
    return table ? relation_bucket(table, kind, key) : &process->relations;
}

struct apus__relation *apus__relation_find(struct apus_process *process, enum apus__relation_kind kind, uint64_t key)
{
    struct apus__relation *relation = *relation_place(process, kind, key);
    while (relation && !(relation->key == key && relation->kind == kind))
        relation = relation->next;
    return relation;
}

struct apus__relation *apus__relation_add(struct apus__owner *here, struct apus_process *process, enum apus__relation_kind kind,
                                          uint64_t key, uint64_t peer, bool certain)
{
    struct apus__relation *relation = apus__heap_alloc(&here->heap, RELATION_CLASS);
    if (apus_unlikely(!relation) && !(certain && (relation = apus__reserve_block(here))))
        return NULL;
    relation_make_room(here, process);
    struct apus__relation **place = relation_place(process, kind, key);
    *relation = (struct apus__relation){.next = *place, .key = key, .peer = peer, .kind = kind};
    *place = relation;
    struct relation_table *table = relation_table(process);
    if (table)
        table->count++;
    return relation;
}

// One has been taken out.
static void relation_count_down(struct apus__owner *here, struct apus_process *process)
{
    struct relation_table *table = relation_table(process);
    if (table && --table->count == 0)
        relation_free_table(here, process, table);
}

void apus__relation_free(struct apus__owner *here, struct apus__relation *relation)
{
    apus__heap_free(&here->heap, relation, RELATION_CLASS);
}

void apus__relation_remove(struct apus__owner *here, struct apus_process *process, struct apus__relation *relation)
{
    struct apus__relation **place = relation_place(process, relation->kind, relation->key);
    while (*place != relation)
        place = &(*place)->next;
    *place = relation->next;
    relation_count_down(here, process);
    apus__relation_free(here, relation);
}

struct apus__relation *apus__relation_pop(struct apus__owner *here, struct apus_process *process)
{
    struct relation_table *table = relation_table(process);
    struct apus__relation **place = &process->relations;
    if (table) {
        // `mask` shrinks to the last bucket in use, so that emptying the whole set is linear.
        while (!table->buckets[table->mask])
            table->mask--;
        place = &table->buckets[table->mask];
    }
    struct apus__relation *relation = *place;
    if (!relation)
        return NULL;
    *place = relation->next;
    relation_count_down(here, process);
    return relation;
}

void apus__relation_each(struct apus_process *process, void (*visit)(struct apus__relation *relation, void *context), void *context)
{
    const struct relation_table *table = relation_table(process);
    for (uint32_t i = 0; i <= (table ? table->mask : 0); i++)
        for (struct apus__relation *relation = table ? table->buckets[i] : process->relations; relation; relation = relation->next)
            visit(relation, context);
}
