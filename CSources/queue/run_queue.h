// queue/run_queue.h - the processes that wait for their turn on one scheduler: a FIFO list for each priority, private to its owner.
//
// Idea:       the queue is touched by its scheduler only, so it needs no atomics at all; work reaches other schedulers by being given
//             to their inboxes (scheduler/share.c), not by being taken from here.
// Invariants: bit p of `mask` is set exactly if list p is not empty; `count` is the number of links in all lists.
// Order:      max, then high, then normal and low mixed: a waiting low link gets every eighth turn, so low never starves. Within a
//             priority first in, first out.
// Who:        the owner only.
#ifndef APUS_QUEUE_RUN_QUEUE_H
#define APUS_QUEUE_RUN_QUEUE_H

#include "base/assert.h"
#include "base/types.h"

struct apus__run_link {
    struct apus__run_link *next;
};

enum { APUS__PRIORITIES = 4, APUS__LOW_TURN = 8 };

// The numbers of apus_priority: normal 0, low 1, high 2, max 3.
enum { APUS__RUN_NORMAL = 0, APUS__RUN_LOW = 1, APUS__RUN_HIGH = 2, APUS__RUN_MAX = 3 };

struct apus__run_list {
    struct apus__run_link *first;
    struct apus__run_link *last;
};

struct apus__run_queue {
    struct apus__run_list lists[APUS__PRIORITIES];
    uint32_t mask;
    uint32_t count;
    uint32_t turns_since_low;
};

apus_inline void apus__run_queue_push(struct apus__run_queue *queue, struct apus__run_link *link, unsigned priority)
{
    struct apus__run_list *list = &queue->lists[priority];
    link->next = NULL;
    if (queue->mask & (1u << priority))
        list->last->next = link;
    else
        list->first = link;
    list->last = link;
    queue->mask |= 1u << priority;
    queue->count++;
}

apus_inline struct apus__run_link *apus__run_queue_pop_list(struct apus__run_queue *queue, unsigned priority)
{
    struct apus__run_list *list = &queue->lists[priority];
    struct apus__run_link *link = list->first;
    list->first = link->next;
    if (!list->first)
        queue->mask &= ~(1u << priority);
    queue->count--;
    return link;
}

// Which list has the next turn; `mask` is not 0 and has more than the normal bit.
static inline unsigned apus__run_queue_turn(struct apus__run_queue *queue)
{
    if (queue->mask & (1u << APUS__RUN_MAX))
        return APUS__RUN_MAX;
    if (queue->mask & (1u << APUS__RUN_HIGH))
        return APUS__RUN_HIGH;
    if (!(queue->mask & (1u << APUS__RUN_NORMAL)) || ++queue->turns_since_low >= APUS__LOW_TURN) {
        queue->turns_since_low = 0;
        return APUS__RUN_LOW;
    }
    return APUS__RUN_NORMAL;
}

// Where others wait than normal ones, or nobody. Out of line, so that who pops need not save registers for it.
static __attribute__((noinline, unused)) struct apus__run_link *apus__run_queue_pop_mixed(struct apus__run_queue *queue)
{
    return queue->mask ? apus__run_queue_pop_list(queue, apus__run_queue_turn(queue)) : NULL;
}

// The link whose turn it is, or NULL.
apus_inline struct apus__run_link *apus__run_queue_pop(struct apus__run_queue *queue)
{
    if (apus_likely(queue->mask == 1u << APUS__RUN_NORMAL))
        return apus__run_queue_pop_list(queue, APUS__RUN_NORMAL);
    return apus__run_queue_pop_mixed(queue);
}

#endif
