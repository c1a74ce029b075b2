// base/list.h - intrusive doubly linked list with a sentinel; one thread at a time.
//
// An unlinked node points at itself, so that `apus__list_remove` may be called twice. All operations are O(1).
#ifndef APUS_BASE_LIST_H
#define APUS_BASE_LIST_H

#include <stdbool.h>

struct apus__list {
    struct apus__list *next;
    struct apus__list *previous;
};

static inline void apus__list_init(struct apus__list *node)
{
    node->next = node;
    node->previous = node;
}

static inline bool apus__list_is_empty(const struct apus__list *list)
{
    return list->next == list;
}

// Puts `node`, which is in no list, at the end of `list`.
static inline void apus__list_append(struct apus__list *list, struct apus__list *node)
{
    node->next = list;
    node->previous = list->previous;
    list->previous->next = node;
    list->previous = node;
}

// Takes `node` out of the list it is in, if any.
static inline void apus__list_remove(struct apus__list *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    apus__list_init(node);
}

#endif
