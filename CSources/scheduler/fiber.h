// scheduler/fiber.h - fibers: the stacks that a slot's loop and its processes run on, and those kept for later.
//
// Idea:       a stack costs system calls to map, a page fault to touch and more system calls to unmap, so free ones are kept, and those
//             that are new are mapped several at a time. How many will be needed again nobody knows; those that have not been for a
//             while (UNUSED_NS, fiber.c) go, but for a few.
// Kept:       FIBERS_KEPT always. Of the others the loop notes at each look at the clock how few were free: so many were not needed
//             since. A slot that sleeps with more than it keeps wakes for that (apus__fibers_due). There is a bound to all that are
//             free, by number and by bytes, beyond which they go at once.
// Rows:       1, 2, 4 ... up to 16 stacks are mapped side by side. Those not yet handed out have been touched by nobody.
// New ones:   where more than FIBERS_KEPT wait, those that have not begun give way for some turns. The time it takes is no part of a turn.
// Who:        the thread that carries the slot.
#ifndef APUS_SCHEDULER_FIBER_H
#define APUS_SCHEDULER_FIBER_H

#include "os/context.h"
#include "os/stack.h"
#include "process/life.h"

struct apus__carrier;
struct apus__fault;
struct apus__slot;

// A stack with the context it is suspended in; lies at the high end of its own stack.
struct apus__fiber {
    struct apus__context context;
    struct apus__stack stack;  // the whole mapping
    struct apus__stack usable; // without this structure
    struct apus__fiber *next;
    struct apus__carrier *keeper; // the one thread that may go on with it, and waits for that; or NULL (rescue.h)
    // Of a fiber whose thread has lost the slot (rescue.h): what its process waits for, and how it says that it is back.
    struct apus__wait detached;
    struct apus__command back;
    struct apus__slot *slot;
    uint64_t turn;     // in which that was (apus__slot_turn)
    bool unwinds;      // its process does (APUS_SPAWN_UNWIND)
    bool has_returned; // from its callback
    uint32_t refusals; // of its calls, since its process has departed
    struct apus__fault *fault; // it will not come back, because of this: written before the fiber is pushed, read after it has been received
    bool has_crashed;          // which has been heard: the slot's own
    const char *fault_text;
    void *fault_room;
};

struct apus__fibers {
    struct apus__fiber *free;
    uint32_t free_count;
    uint32_t row_count; // stacks that were mapped together last
    struct apus__stack_row row;
    uint64_t until_ns;  // when is looked which have not been needed; 0: no more are free than are kept
    uint32_t least;     // how few were free since the last such look
    uint32_t unused;    // still to be unmapped since then
};

// Makes a fiber on a new stack. NULL if there is no memory.
struct apus__fiber *apus__fiber_new(struct apus__fibers *fibers);

// A stack to go on with: from those that are free, else a new one. NULL if there is none.
apus_inline struct apus__fiber *apus__fiber_take(struct apus__fibers *fibers)
{
    struct apus__fiber *fiber = fibers->free;
    if (apus_unlikely(!fiber))
        return apus__fiber_new(fibers);
    fibers->free = fiber->next;
    fibers->free_count--;
    return fiber;
}

apus_inline void apus__fiber_give(struct apus__fibers *fibers, struct apus__fiber *fiber)
{
    fiber->next = fibers->free;
    fibers->free = fiber;
    fibers->free_count++;
}

// At each look at the clock: unmaps stacks that are not needed, so many at a time that it takes a fraction of a millisecond.
void apus__fibers_trim(struct apus__fibers *fibers, uint64_t now_ns);

// When the next such look is due by a slot that has nothing else to do: 0 at once, UINT64_MAX never.
static inline uint64_t apus__fibers_due(const struct apus__fibers *fibers)
{
    if (fibers->unused > 0)
        return 0;
    return fibers->until_ns ? fibers->until_ns : UINT64_MAX;
}

// Unmaps all that are free.
void apus__fibers_release(struct apus__fibers *fibers);

#endif
