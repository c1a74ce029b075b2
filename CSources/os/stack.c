// os/stack.c - see stack.h.
//
// Counting: a guarded stack costs up to two mappings, so "half of the limit is used up" is limit / 4 guarded stacks. The kernel may
// merge neighbours and then has more room than we think, never less. The count is taken before the stack is mapped and given back
// if that fails, so that it is never below the truth.
#define _GNU_SOURCE 1
#include "os/stack.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/atomic.h"
#include "os/pages.h"

enum { MAPPINGS_PER_GUARDED = 2 };

static _Atomic size_t stack_guarded_count; // relaxed throughout: a count, nothing is read on the strength of it

static bool stack_take_guard(void)
{
    size_t most = apus__map_limit() / 2 / MAPPINGS_PER_GUARDED;
    if (apus_add_relaxed(&stack_guarded_count, 1) < most)
        return true;
    apus_sub_relaxed(&stack_guarded_count, 1);
    return false;
}

static void stack_give_guard(void)
{
    size_t before = apus_sub_relaxed(&stack_guarded_count, 1);
    apus_check(before > 0);
}

// Maps guard + size bytes, of which the upper `size` can be used. NULL if there is no room.
static char *stack_map(size_t size, size_t guard, int node)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    char *mapped = mmap(NULL, guard + size, PROT_NONE, flags, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    if (apus__pages_commit(mapped + guard, size, node) != 0) {
        apus__pages_release(mapped, guard + size);
        return NULL;
    }
    // Fails only where the kernel has no huge pages to refuse.
    madvise(mapped, guard + size, MADV_NOHUGEPAGE);
    return mapped;
}

int apus__stack_map(struct apus__stack *out, size_t size, size_t guard, int node)
{
    size_t page = apus__page_size();
    memset(out, 0, sizeof *out);
    apus_check(size > 0);
    if (size > SIZE_MAX / 4 || guard > SIZE_MAX / 4)
        return -ENOMEM;
    size = (size + page - 1) & -page;
    guard = (guard + page - 1) & -page;
    bool guarded = guard > 0 && stack_take_guard();
    if (!guarded)
        guard = 0;
    char *mapped = stack_map(size, guard, node);
    if (!mapped) {
        if (guarded)
            stack_give_guard();
        return -ENOMEM;
    }
    *out = (struct apus__stack){.low = mapped + guard, .size = size, .guarded = guarded, .guard = guard};
    return 0;
}

void apus__stack_unmap(struct apus__stack *stack)
{
    if (!stack->low)
        return;
    apus__pages_release((char *)stack->low - stack->guard, stack->guard + stack->size);
    if (stack->guarded)
        stack_give_guard();
    memset(stack, 0, sizeof *stack);
}
