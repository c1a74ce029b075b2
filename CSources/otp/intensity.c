#include "otp/intensity.h"

#include <string.h>

void apus__intensity_init(struct apus__intensity *window, uint32_t limit, uint64_t period_ms, struct apus__store *store)
{
    memset(window, 0, sizeof *window);
    window->limit = limit;
    window->period_ms = period_ms;
    window->store = store;
    window->entries = window->small;
    window->capacity = APUS__INTENSITY_SMALL;
}

static struct apus__intensity_entry *intensity_at(struct apus__intensity *window, size_t index)
{
    return &window->entries[(window->first + index) & (window->capacity - 1)];
}

static bool intensity_grow(struct apus__intensity *window)
{
    size_t bytes = window->capacity * sizeof *window->entries;
    struct apus__intensity_entry *entries = apus__store_take(window->store, 2 * bytes);
    if (entries == NULL)
        return false;
    for (size_t i = 0; i < window->used; i++)
        entries[i] = *intensity_at(window, i);
    if (window->entries != window->small)
        apus__store_give(window->store, window->entries, bytes);
    window->entries = entries;
    window->capacity *= 2;
    window->first = 0;
    return true;
}

static void intensity_expire(struct apus__intensity *window, uint64_t now_ms)
{
    while (window->used > 0 && now_ms - intensity_at(window, 0)->at_ms > window->period_ms) {
        window->sum -= intensity_at(window, 0)->count;
        window->first = (window->first + 1) & (window->capacity - 1);
        window->used--;
    }
}

bool apus__intensity_add(struct apus__intensity *window, uint64_t now_ms)
{
    intensity_expire(window, now_ms);
    window->sum++;
    if (window->sum > window->limit)
        return false; // the supervisor ends now; nothing will be asked of the window again
    struct apus__intensity_entry *newest = window->used > 0 ? intensity_at(window, window->used - 1) : NULL;
    if (newest != NULL && newest->at_ms == now_ms) {
        newest->count++;
    } else if (window->used < window->capacity || intensity_grow(window)) {
        *intensity_at(window, window->used++) = (struct apus__intensity_entry){now_ms, 1};
    } else {
        newest->at_ms = now_ms;
        newest->count++;
    }
    return true;
}
