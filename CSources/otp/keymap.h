// otp/keymap.h - an intrusive hash table of 64-bit keys; one process at a time.
//
// Idea:       buckets of singly linked nodes that lie inside the objects they find, so that inserting and removing allocate
//             nothing; the bucket array doubles when there are as many nodes as buckets, and stays as it is if there is no memory
//             (chains get longer, nothing fails). The first eight buckets are part of the table.
// Invariants: a node is in at most one table, and its key does not change while it is in.
// Cost:       O(1) expected for insert, remove and find.
#ifndef APUS_OTP_KEYMAP_H
#define APUS_OTP_KEYMAP_H

#include "otp/store.h"

#include <stdint.h>

enum { APUS__KEYMAP_SMALL_BITS = 3 };

struct apus__keymap_node {
    struct apus__keymap_node *next;
    uint64_t key;
};

struct apus__keymap {
    struct apus__keymap_node **buckets;
    struct apus__store *store;
    size_t count;
    unsigned bits; // there are 1 << bits buckets
    struct apus__keymap_node *small[1 << APUS__KEYMAP_SMALL_BITS];
};

// The table must stay where it is: it points into itself.
void apus__keymap_init(struct apus__keymap *table, struct apus__store *store);

// Puts in a node whose key is set. Several nodes may have the same key.
void apus__keymap_insert(struct apus__keymap *table, struct apus__keymap_node *node);

// Takes out a node that is in the table.
void apus__keymap_remove(struct apus__keymap *table, struct apus__keymap_node *node);

// Some node with the key, or NULL; and the next one with the same key.
struct apus__keymap_node *apus__keymap_find(const struct apus__keymap *table, uint64_t key);
struct apus__keymap_node *apus__keymap_find_next(const struct apus__keymap_node *node);

#endif
