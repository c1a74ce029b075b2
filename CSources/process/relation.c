#include "process/relation.h"

enum { RELATION_CLASS = 0 /* 64 bytes */, LIST_MAX = 8, TABLE_MIN = 32 };

// The set: while `buckets` is NULL all nodes hang on `list`.
struct apus__relations {
    struct apus__relation *list;
    struct apus__relation **buckets;
    uint32_t mask;
    uint32_t count;
    unsigned block; // size class of the buckets
};

static uint64_t relation_hash(enum apus__relation_kind kind, uint64_t key)
{
    uint64_t mixed = (key + kind) * UINT64_C(0x9e3779b97f4a7c15);
    return mixed ^ mixed >> 32;
}

static struct apus__relation **relation_place(struct apus__relations *set, enum apus__relation_kind kind, uint64_t key)
{
    return set->buckets ? &set->buckets[relation_hash(kind, key) & set->mask] : &set->list;
}

struct apus__relation *apus__relation_find(struct apus_process *process, enum apus__relation_kind kind, uint64_t key)
{
    if (!process->relations)
        return NULL;
    struct apus__relation *relation = *relation_place(process->relations, kind, key);
    while (relation && !(relation->key == key && relation->kind == kind))
        relation = relation->next;
    return relation;
}

static void relation_free_buckets(struct apus__owner *here, struct apus__relations *set)
{
    if (set->buckets)
        apus__heap_free(&here->heap, set->buckets, set->block);
}

// Makes room for more; when there is no memory the chains grow longer instead.
static void relation_grow(struct apus__owner *here, struct apus__relations *set)
{
    uint32_t size = set->buckets ? 2 * (set->mask + 1) : TABLE_MIN;
    unsigned block;
    struct apus__relation **buckets = apus__heap_alloc_bytes(&here->heap, size * sizeof *buckets, &block);
    if (!buckets)
        return;
    memset(buckets, 0, size * sizeof *buckets);
    struct apus__relations old = *set;
    set->buckets = buckets;
    set->mask = size - 1;
    set->block = block;
    set->list = NULL;
    for (uint32_t i = 0; i <= (old.buckets ? old.mask : 0); i++) {
        struct apus__relation *relation = old.buckets ? old.buckets[i] : old.list;
        while (relation) {
            struct apus__relation *next = relation->next;
            struct apus__relation **place = relation_place(set, relation->kind, relation->key);
            relation->next = *place;
            *place = relation;
            relation = next;
        }
    }
    relation_free_buckets(here, &old);
}

static void *relation_block(struct apus__owner *here, bool certain)
{
    void *block = apus__heap_alloc(&here->heap, RELATION_CLASS);
    return apus_unlikely(!block && certain) ? apus__reserve_block(here) : block;
}

struct apus__relation *apus__relation_add(struct apus__owner *here, struct apus_process *process, enum apus__relation_kind kind,
                                          uint64_t key, uint64_t peer, bool certain)
{
    struct apus__relations *set = process->relations;
    if (!set) {
        set = relation_block(here, certain);
        if (!set)
            return NULL;
        *set = (struct apus__relations){0};
        process->relations = set;
    }
    if (set->count >= LIST_MAX && (!set->buckets || set->count > set->mask))
        relation_grow(here, set);
    struct apus__relation *relation = relation_block(here, certain);
    if (!relation) {
        if (set->count == 0) {
            process->relations = NULL;
            apus__heap_free(&here->heap, set, RELATION_CLASS);
        }
        return NULL;
    }
    struct apus__relation **place = relation_place(set, kind, key);
    *relation = (struct apus__relation){.next = *place, .key = key, .peer = peer, .kind = kind};
    *place = relation;
    set->count++;
    return relation;
}

static void relation_unlink(struct apus__owner *here, struct apus_process *process, struct apus__relation *relation)
{
    struct apus__relations *set = process->relations;
    struct apus__relation **place = relation_place(set, relation->kind, relation->key);
    while (*place != relation)
        place = &(*place)->next;
    *place = relation->next;
    if (--set->count == 0) {
        relation_free_buckets(here, set);
        apus__heap_free(&here->heap, set, RELATION_CLASS);
        process->relations = NULL;
    }
}

void apus__relation_free(struct apus__owner *here, struct apus__relation *relation)
{
    apus__heap_free(&here->heap, relation, RELATION_CLASS);
}

void apus__relation_remove(struct apus__owner *here, struct apus_process *process, struct apus__relation *relation)
{
    relation_unlink(here, process, relation);
    apus__relation_free(here, relation);
}

struct apus__relation *apus__relation_pop(struct apus__owner *here, struct apus_process *process)
{
    struct apus__relations *set = process->relations;
    if (!set)
        return NULL;
    struct apus__relation *relation = set->list;
    while (!relation) {
        // `mask` shrinks to the last bucket in use, so that emptying the whole set is linear.
        relation = set->buckets[set->mask];
        if (!relation)
            set->mask--;
    }
    struct apus__relation **place = set->buckets ? &set->buckets[set->mask] : &set->list;
    *place = relation->next;
    if (--set->count == 0) {
        relation_free_buckets(here, set);
        apus__heap_free(&here->heap, set, RELATION_CLASS);
        process->relations = NULL;
    }
    return relation;
}

void apus__relation_each(struct apus_process *process, void (*visit)(struct apus__relation *relation, void *context), void *context)
{
    struct apus__relations *set = process->relations;
    for (uint32_t i = 0; set && i <= (set->buckets ? set->mask : 0); i++)
        for (struct apus__relation *relation = set->buckets ? set->buckets[i] : set->list; relation; relation = relation->next)
            visit(relation, context);
}
