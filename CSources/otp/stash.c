#include "otp/stash.h"

#include <string.h>

void apus__stash_init(struct apus__stash *stash, struct apus__store *store)
{
    memset(stash, 0, sizeof *stash);
    stash->store = store;
}

static bool stash_grow(struct apus__stash *stash)
{
    size_t capacity = stash->capacity > 0 ? 2 * stash->capacity : 16;
    apus_message **ring = apus__store_take(stash->store, capacity * sizeof(apus_message *));
    if (ring == NULL)
        return false;
    for (size_t i = 0; i < stash->count; i++)
        ring[i] = stash->ring[(stash->first + i) & (stash->capacity - 1)];
    apus__store_give(stash->store, stash->ring, stash->capacity * sizeof(apus_message *));
    stash->ring = ring;
    stash->capacity = capacity;
    stash->first = 0;
    return true;
}

bool apus__stash_push(struct apus__stash *stash, apus_message *message)
{
    if (stash->count == stash->capacity && !stash_grow(stash))
        return false;
    stash->ring[(stash->first + stash->count++) & (stash->capacity - 1)] = message;
    return true;
}

apus_message *apus__stash_pop(struct apus__stash *stash)
{
    if (stash->count == 0)
        return NULL;
    apus_message *message = stash->ring[stash->first];
    stash->first = (stash->first + 1) & (stash->capacity - 1);
    stash->count--;
    return message;
}
