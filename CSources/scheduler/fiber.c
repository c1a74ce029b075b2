// scheduler/fiber.c - see fiber.h.
#include "scheduler/fiber.h"

#include "scheduler/slot.h"

enum {
    FIBERS_KEPT = 64,
    FREE_MAX = 1024,                // ... and not more than so many bytes of stack, all pages counted as touched:
    FREE_BYTES_MAX = 256 << 20,
    UNUSED_NS = 50 * 1000000,
    TRIM_MAX = 32,                  // stacks unmapped at one look
    ROW_MAX = 16,                   // with more, each costs hardly less
    ROW_BYTES_MAX = 64 << 20,       // of addresses
    STACK_GUARD = 1 << 20           // faults.md: a 400 KB frame jumped a 68 KB guard
};

// A new row if there is room for one, else a single stack.
static bool fibers_map(struct apus__fibers *fibers, int node)
{
    struct apus__stack_row *row = &fibers->row;
    size_t size = apus__world.stack_size, most = ROW_BYTES_MAX / (size + STACK_GUARD);
    uint32_t count = fibers->row_count * 2;
    count = count < ROW_MAX ? count : ROW_MAX;
    count = count < most ? count : (uint32_t)most;
    count = count > 0 ? count : 1;
    if (apus__stack_row_map(row, count, size, STACK_GUARD, node) && (count == 1 || apus__stack_row_map(row, 1, size, STACK_GUARD, node)))
        return false;
    fibers->row_count = row->left;
    apus_add_relaxed(&apus__machine.stack_bytes, row->left * (row->next.size + row->next.guard));
    return true;
}

static struct apus__fiber *fiber_make(struct apus__slot *slot)
{
    struct apus__fibers *fibers = &slot->fibers;
    if (apus__inject_fail(APUS__INJECT_STACK) || (fibers->row.left == 0 && !fibers_map(fibers, (int)slot->owner.node)))
        return NULL;
    struct apus__stack stack = apus__stack_row_take(&fibers->row);
    size_t head = (sizeof(struct apus__fiber) + 63) & ~(size_t)63;
    struct apus__fiber *fiber = (struct apus__fiber *)(void *)((char *)stack.low + stack.size - head);
    fiber->stack = stack;
    fiber->usable = stack;
    fiber->usable.size = stack.size - head;
    fiber->next = NULL;
    if (!stack.guarded)
        apus_add_relaxed(&apus__machine.stacks_unguarded, 1);
    apus__context_make(&fiber->context, &fiber->usable, apus__slot_loop, slot);
    return fiber;
}

// Whoever begins may come to wait as well. Where many do already, those that have begun have some turns first: one that ends its wait
// leaves a stack to the next, and what is sent to many at once needs few stacks if one after the other is done with it.
static void fiber_put_off_fresh(struct apus__owner *here)
{
    uint64_t waiting = apus_load_relaxed(&here->counters.waits_begun) - apus_load_relaxed(&here->counters.waits_ended);
    if (waiting > FIBERS_KEPT) {
        here->fresh_turns = APUS__FRESH_IN_A_ROW;
        here->round = APUS__ROUND_AT_LEAST;
    }
}

struct apus__fiber *apus__fiber_new(struct apus__fibers *fibers)
{
    struct apus__slot *slot = apus_container_of(fibers, struct apus__slot, fibers);
    uint64_t since_ns = apus__now_ns();
    struct apus__fiber *fiber = fiber_make(slot);
    apus__slot_skip(slot, apus__now_ns() - since_ns); // turns are not long because of that
    fiber_put_off_fresh(&slot->owner);
    return fiber;
}

static void fiber_free(struct apus__fiber *fiber)
{
    struct apus__stack stack = fiber->stack;
    apus__context_destroy(&fiber->context);
    apus_sub_relaxed(&apus__machine.stack_bytes, stack.size + stack.guard);
    if (!stack.guarded)
        apus_sub_relaxed(&apus__machine.stacks_unguarded, 1);
    apus__stack_unmap(&stack);
}

static uint32_t fibers_most(void)
{
    size_t most = FREE_BYTES_MAX / apus__world.stack_size;
    return most > FREE_MAX ? FREE_MAX : most < FIBERS_KEPT ? FIBERS_KEPT : (uint32_t)most;
}

void apus__fibers_trim(struct apus__fibers *fibers, uint64_t now_ns)
{
    if (apus_likely(fibers->free_count <= FIBERS_KEPT)) {
        fibers->until_ns = 0;
        fibers->unused = 0;
        return;
    }
    if (fibers->until_ns == 0 || fibers->free_count < fibers->least)
        fibers->least = fibers->free_count;
    if (now_ns >= fibers->until_ns) {
        fibers->unused = fibers->until_ns ? fibers->least - FIBERS_KEPT : 0;
        fibers->until_ns = now_ns + UNUSED_NS;
        fibers->least = fibers->free_count;
    }
    uint32_t beyond = fibers->free_count - FIBERS_KEPT;
    fibers->unused = fibers->unused < beyond ? fibers->unused : beyond;
    uint32_t count = fibers->unused < TRIM_MAX ? fibers->unused : TRIM_MAX, most = fibers_most();
    fibers->unused -= count;
    if (fibers->free_count > most && count < fibers->free_count - most)
        count = fibers->free_count - most;
    for (; count > 0; count--)
        fiber_free(apus__fiber_take(fibers));
}

void apus__fibers_release(struct apus__fibers *fibers)
{
    const struct apus__stack *next = &fibers->row.next;
    while (fibers->free)
        fiber_free(apus__fiber_take(fibers));
    apus_sub_relaxed(&apus__machine.stack_bytes, fibers->row.left * (next->size + next->guard));
    apus__stack_row_unmap(&fibers->row);
}
