#include "otp/store.h"

#include <stdint.h>
#include <string.h>

// The class of a size, and in *rounded the bytes of its blocks: class 2n holds 64 << n, class 2n + 1 half as much again.
static unsigned store_class(size_t size, size_t *rounded)
{
    if (size <= 64) {
        *rounded = 64;
        return 0;
    }
    unsigned log = 63 - (unsigned)__builtin_clzll((unsigned long long)(size - 1)); // 2^log <= size - 1 < 2^(log + 1)
    size_t three_halves = ((size_t)1 << log) + ((size_t)1 << (log - 1));
    if (size <= three_halves) {
        *rounded = three_halves;
        return 2 * (log - 6) + 1;
    }
    *rounded = (size_t)1 << (log + 1);
    return 2 * (log - 5);
}

void apus__store_init(struct apus__store *store, void *(*source)(void *context, size_t size), void *context)
{
    memset(store, 0, sizeof *store);
    store->source = source;
    store->context = context;
}

void *apus__store_take(struct apus__store *store, size_t size)
{
    size_t rounded;
    unsigned class = store_class(size, &rounded);
    if (class >= APUS__STORE_CLASSES)
        return NULL;
    void *block = store->free[class];
    if (block == NULL)
        return store->source(store->context, rounded);
    memcpy(&store->free[class], block, sizeof(void *));
    return block;
}

void apus__store_give(struct apus__store *store, void *block, size_t size)
{
    if (block == NULL)
        return;
    size_t rounded;
    unsigned class = store_class(size, &rounded);
    memcpy(block, &store->free[class], sizeof(void *));
    store->free[class] = block;
}
