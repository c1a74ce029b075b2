#include "otp/keymap.h"

#include <string.h>

// Multiplying by 2^64 / phi and taking the top bits spreads the low-entropy keys that pids are (Knuth, TAOCP 3, 6.4).
static size_t table_index(uint64_t key, unsigned bits)
{
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - bits));
}

static size_t table_bytes(unsigned bits)
{
    return sizeof(struct apus__keymap_node *) << bits;
}

void apus__keymap_init(struct apus__keymap *table, struct apus__store *store)
{
    memset(table, 0, sizeof *table);
    table->store = store;
    table->buckets = table->small;
    table->bits = APUS__KEYMAP_SMALL_BITS;
}

static void table_grow(struct apus__keymap *table)
{
    unsigned bits = table->bits + 1;
    struct apus__keymap_node **buckets = apus__store_take(table->store, table_bytes(bits));
    if (buckets == NULL)
        return;
    memset(buckets, 0, table_bytes(bits));
    for (size_t i = 0; i < (size_t)1 << table->bits; i++) {
        struct apus__keymap_node *node = table->buckets[i], *next;
        for (; node != NULL; node = next) {
            next = node->next;
            struct apus__keymap_node **bucket = &buckets[table_index(node->key, bits)];
            node->next = *bucket;
            *bucket = node;
        }
    }
    if (table->buckets != table->small)
        apus__store_give(table->store, table->buckets, table_bytes(table->bits));
    table->buckets = buckets;
    table->bits = bits;
}

void apus__keymap_insert(struct apus__keymap *table, struct apus__keymap_node *node)
{
    if (table->count >= (size_t)1 << table->bits)
        table_grow(table);
    struct apus__keymap_node **bucket = &table->buckets[table_index(node->key, table->bits)];
    node->next = *bucket;
    *bucket = node;
    table->count++;
}

void apus__keymap_remove(struct apus__keymap *table, struct apus__keymap_node *node)
{
    struct apus__keymap_node **link = &table->buckets[table_index(node->key, table->bits)];
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    table->count--;
}

struct apus__keymap_node *apus__keymap_find(const struct apus__keymap *table, uint64_t key)
{
    struct apus__keymap_node *node = table->buckets[table_index(key, table->bits)];
    while (node != NULL && node->key != key)
        node = node->next;
    return node;
}

struct apus__keymap_node *apus__keymap_find_next(const struct apus__keymap_node *node)
{
    struct apus__keymap_node *next = node->next;
    while (next != NULL && next->key != node->key)
        next = next->next;
    return next;
}
