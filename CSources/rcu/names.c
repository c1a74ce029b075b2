// rcu/names.c - names over liburcu's lock-free hash table.
//
// Idea:       a node is the entry: it holds the name and its number, both fixed for its life, so a reader that has found a node has a
//             consistent answer. Inserting the same name twice is settled by the table (add_unique); the loser changes nothing. So is
//             removing the same node twice, which is done without looking for it.
// Invariants: I1 a name is in the table at most once.  I2 a node that was removed is freed after a grace period, so that readers in
//             a chain can go on from it.
// Growth:     the table is doubled by an insert that finds twice as many names as buckets, outside a read section, one at a time;
//             it never shrinks. Without memory to grow it goes on as it is. liburcu's own resizing is not used: it keeps a worker thread, which would be there while the runtime
//             is idle and missing after a fork.
// Ordering:   liburcu publishes and finds nodes with the order they need; ThreadSanitizer is told so at each node.
#include "rcu/names.h"

#include "base/assert.h"
#include "base/atomic.h"
#include "rcu/rcu.h"

#include <urcu/rculfhash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_BUCKETS 256u

struct apus__names {
    struct cds_lfht *table;
    _Atomic size_t count;   // names in the table, and those about to be inserted
    _Atomic size_t buckets; // written only by the one who holds `growing`
    _Atomic bool growing;
};

struct apus__name {
    struct cds_lfht_node node;
    struct apus__rcu_head rcu;
    uint64_t value;
    size_t length;
    char text[];
};

// What is looked for.
struct name_key {
    const char *text;
    size_t length;
};

// FNV-1a, then a mix, because the table uses the low bits and FNV leaves the most differences in the high ones.
static unsigned long name_hash(const char *text, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned long)(hash ^ hash >> 29);
}

// The table calls this only on nodes of the same hash.
static int name_matches(struct cds_lfht_node *node, const void *key)
{
    const struct name_key *wanted = key;
    const struct apus__name *name = apus_container_of(node, struct apus__name, node);
    apus__rcu_tsan_acquire(node);
    return name->length == wanted->length && memcmp(name->text, wanted->text, wanted->length) == 0;
}

static void name_free(struct apus__rcu_head *rcu)
{
    free(apus_container_of(rcu, struct apus__name, rcu));
}

static struct apus__name *name_new(const char *text, size_t length, uint64_t value)
{
    struct apus__name *name = malloc(sizeof *name + length + 1);
    if (!name)
        return NULL;
    cds_lfht_node_init(&name->node);
    name->value = value;
    name->length = length;
    memcpy(name->text, text, length);
    name->text[length] = 0;
    return name;
}

// Finds a node. The caller is in a read section, and may use what it gets until the section ends.
static struct apus__name *names_lookup(struct apus__names *names, const char *text, size_t length)
{
    const struct name_key key = {text, length};
    struct cds_lfht_iter iter;
    cds_lfht_lookup(names->table, name_hash(text, length), name_matches, &key, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    return node ? apus_container_of(node, struct apus__name, node) : NULL;
}

int apus__names_init(struct apus__names **names)
{
    struct apus__names *made = malloc(sizeof *made);
    if (!made)
        return -ENOMEM;
    made->table = cds_lfht_new_flavor(NAMES_BUCKETS, NAMES_BUCKETS, 0, 0, &urcu_memb_flavor, NULL);
    if (!made->table) {
        free(made);
        return -ENOMEM;
    }
    apus_store_relaxed(&made->count, 0);
    apus_store_relaxed(&made->buckets, NAMES_BUCKETS);
    apus_store_relaxed(&made->growing, false);
    *names = made;
    return 0;
}

void apus__names_destroy(struct apus__names *names)
{
    if (!names)
        return;
    struct cds_lfht_iter iter;
    struct apus__name *name;
    apus__rcu_read_lock();
    cds_lfht_for_each_entry(names->table, &iter, name, node) {
        if (cds_lfht_del(names->table, &name->node) == 0)
            apus__name_free(name);
    }
    apus__rcu_read_unlock();
    apus__rcu_barrier();
    int error = cds_lfht_destroy(names->table, NULL);
    apus_check(error == 0);
    free(names);
}

// Doubles the table if it is full and nobody else is at it. liburcu aborts if it gets no memory for the new buckets, hence the
// allocation that is tried first: only a shortage that begins between the two is not seen.
void apus__names_tidy(struct apus__names *names)
{
    // relaxed, all but the flag: sizes are hints, and only the holder of the flag acts on them.
    if (apus_likely(apus_load_relaxed(&names->count) <= 2 * apus_load_relaxed(&names->buckets)) || urcu_memb_read_ongoing())
        return;
    // acquire and release: `buckets`, from one holder of the flag to the next; both ends are here.
    if (apus_exchange_acquire(&names->growing, true))
        return;
    size_t buckets = 2 * apus_load_relaxed(&names->buckets);
    void *room = malloc(buckets * sizeof(struct cds_lfht_node));
    if (room) {
        free(room);
        cds_lfht_resize(names->table, buckets);
        apus_store_relaxed(&names->buckets, buckets);
    }
    apus_store_release(&names->growing, false);
}

int apus__names_insert(struct apus__names *names, const char *text, size_t length, uint64_t value, struct apus__name **made)
{
    struct apus__name *name = name_new(text, length, value);
    if (!name)
        return -ENOMEM;
    const struct name_key key = {text, length};
    // relaxed: a number for apus__names_tidy(). Counted before anyone can find and remove the name, so that it never goes below zero.
    apus_add_relaxed(&names->count, 1);
    apus__rcu_tsan_release(&name->node);
    apus__rcu_read_lock();
    struct cds_lfht_node *node = cds_lfht_add_unique(names->table, name_hash(text, length), name_matches, &key, &name->node);
    apus__rcu_read_unlock();
    if (node != &name->node) {
        apus_sub_relaxed(&names->count, 1);
        free(name); // never published
        return -EEXIST;
    }
    *made = name;
    apus__names_tidy(names);
    return 0;
}

bool apus__names_find(struct apus__names *names, const char *text, size_t length, uint64_t *value)
{
    apus__rcu_read_lock();
    const struct apus__name *found = names_lookup(names, text, length);
    if (found)
        *value = found->value;
    apus__rcu_read_unlock();
    return found != NULL;
}

bool apus__names_remove(struct apus__names *names, struct apus__name *name)
{
    apus__rcu_read_lock();
    bool is_ours = cds_lfht_del(names->table, &name->node) == 0;
    apus__rcu_read_unlock();
    if (is_ours)
        apus_sub_relaxed(&names->count, 1);
    return is_ours;
}

void apus__name_free(struct apus__name *name)
{
    apus__rcu_defer(&name->rcu, name_free);
}

bool apus__name_is_gone(struct apus__name *name)
{
    return cds_lfht_is_node_deleted(&name->node);
}

const char *apus__name_text(const struct apus__name *name)
{
    return name->text;
}

uint64_t apus__name_value(const struct apus__name *name)
{
    return name->value;
}
