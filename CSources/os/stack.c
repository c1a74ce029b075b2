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

static bool stack_take_guards(size_t count)
{
    size_t most = apus__map_limit() / 2 / MAPPINGS_PER_GUARDED;
    if (apus_add_relaxed(&stack_guarded_count, count) + count <= most)
        return true;
    apus_sub_relaxed(&stack_guarded_count, count);
    return false;
}

static void stack_give_guards(size_t count)
{
    size_t before = apus_sub_relaxed(&stack_guarded_count, count);
    apus_check(before >= count);
}

// Maps `count` times guard + size bytes, of which the upper `size` can be used. NULL if there is no room.
static char *stack_map(unsigned count, size_t size, size_t guard, int node)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    size_t each = guard + size;
    char *mapped = mmap(NULL, count * each, PROT_NONE, flags, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    // Fails only where the kernel has no huge pages to refuse. Before the mapping is split, so that it is one call.
    madvise(mapped, count * each, MADV_NOHUGEPAGE);
    for (unsigned i = 0; i < count; i++) {
        if (apus__pages_commit(mapped + i * each + guard, size, node) != 0) {
            apus__pages_release(mapped, count * each);
            return NULL;
        }
    }
    return mapped;
}

int apus__stack_row_map(struct apus__stack_row *row, unsigned count, size_t size, size_t guard, int node)
{
    size_t page = apus__page_size();
    memset(row, 0, sizeof *row);
    apus_check(size > 0 && count > 0);
    if (size > SIZE_MAX / 4 / count || guard > SIZE_MAX / 4 / count)
        return -ENOMEM;
    size = (size + page - 1) & -page;
    guard = (guard + page - 1) & -page;
    bool guarded = guard > 0 && stack_take_guards(count);
    if (!guarded)
        guard = 0;
    char *mapped = stack_map(count, size, guard, node);
    if (!mapped) {
        if (guarded)
            stack_give_guards(count);
        return -ENOMEM;
    }
    *row = (struct apus__stack_row){{.low = mapped + guard, .size = size, .guarded = guarded, .guard = guard}, count};
    return 0;
}

struct apus__stack apus__stack_row_take(struct apus__stack_row *row)
{
    struct apus__stack stack = row->next;
    apus_check(row->left > 0);
    row->next.low = (char *)stack.low + stack.size + stack.guard;
    row->left--;
    return stack;
}

void apus__stack_row_unmap(struct apus__stack_row *row)
{
    const struct apus__stack *next = &row->next;
    if (row->left > 0) {
        apus__pages_release((char *)next->low - next->guard, row->left * (next->guard + next->size));
        if (next->guarded)
            stack_give_guards(row->left);
    }
    memset(row, 0, sizeof *row);
}

int apus__stack_map(struct apus__stack *out, size_t size, size_t guard, int node)
{
    struct apus__stack_row row;
    int result = apus__stack_row_map(&row, 1, size, guard, node);
    *out = row.next;
    return result;
}

void apus__stack_unmap(struct apus__stack *stack)
{
    if (!stack->low)
        return;
    apus__pages_release((char *)stack->low - stack->guard, stack->guard + stack->size);
    if (stack->guarded)
        stack_give_guards(1);
    memset(stack, 0, sizeof *stack);
}
