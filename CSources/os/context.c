// os/context.c - see context.h. What is the same for all processors; the switch itself is in context_<processor>.h.
//
// A new stack is laid out as if it had stopped in apus__context_begin, so that the first switch to it needs no case of its own:
//
//     low ... [ saved registers ][ zeros ][ entry, argument ] top
//
// apus__context_begin is the root of each stack and calls context_run(). Its unwind table says that there is no caller (the return
// address is undefined), and its frame pointer is zero, so that both kinds of stack walkers stop.
//
// Without a sanitizer the assembly itself is apus__context_switch() and apus__context_resume(). With one it is
// apus__context_swap(), and C functions around it tell the sanitizer; context_sanitizer.h has what is told.
#define _GNU_SOURCE 1
#include "os/context.h"

#include <stdint.h>
#include <string.h>

#include "base/assert.h"

// What context_run() is given.
struct context_start {
    void (*entry)(void *argument);
    void *argument;
};

// The uppermost bytes of a stack. Walkers that look for a return address beyond the root find zero.
struct context_root {
    uintptr_t no_caller[2];
    struct context_start start;
};

_Static_assert(offsetof(struct apus__context, sp) == 0, "the assembly keeps the stack pointer at the context's address");

#if defined(__x86_64__)
#include "os/context_x86_64.h"
#elif defined(__aarch64__)
#include "os/context_aarch64.h"
#else
#error "there is no stack switch for this processor"
#endif

#if defined(APUS_CONTEXT_TSAN) || defined(APUS_CONTEXT_ASAN)
__asm__(CONTEXT_SWITCH("apus__context_swap"));
void apus__context_swap(struct apus__context *from, struct apus__context *to) __attribute__((visibility("hidden")));
#else
__asm__(CONTEXT_SWITCH("apus__context_switch"));
__asm__(CONTEXT_SWITCH("apus__context_resume"));
__asm__(CONTEXT_ENTER("apus__context_enter"));
_Noreturn void apus__context_enter(struct apus__context *to) __attribute__((visibility("hidden")));
#endif

#include "os/context_sanitizer.h"

enum { CONTEXT_ALIGNMENT = 16 }; // of the stack pointer at a call, for both processors

_Static_assert(sizeof(struct context_root) % CONTEXT_ALIGNMENT == 0, "keeps the stack pointer aligned");

static void context_run(struct context_start *start)
{
    context_entered();
    start->entry(start->argument);
    apus_check(!"the entry function of a context has returned");
}

// Lays the stack out as described above. Returns its stack pointer.
static void *context_prepare(const struct apus__stack *stack, void (*entry)(void *argument), void *argument)
{
    // Once the frame is popped, the stack pointer is at the root, which is aligned as a call wants it.
    uintptr_t top = ((uintptr_t)stack->low + stack->size) & -(uintptr_t)CONTEXT_ALIGNMENT;
    struct context_root *root = (struct context_root *)top - 1;
    struct context_frame *frame = (struct context_frame *)root - 1;
    *root = (struct context_root){.start = {.entry = entry, .argument = argument}};
    context_lay_out(frame, context_run, &root->start);
    return frame;
}

void apus__context_make(struct apus__context *context, const struct apus__stack *stack, void (*entry)(void *argument),
                        void *argument)
{
    memset(context, 0, sizeof *context);
    context->sp = context_prepare(stack, entry, argument);
    context_made(context, stack);
}

void apus__context_restart(struct apus__context *from, const struct apus__stack *stack, void (*entry)(void *argument), void *argument,
                           struct apus__context *to)
{
#if defined(APUS_CONTEXT_TSAN) || defined(APUS_CONTEXT_ASAN)
    (void)stack, (void)entry, (void)argument;
    apus__context_resume(from, to);
#else
    // This overwrites the frames at the root of the stack that we are on. Nothing returns to them: `entry` never does.
    from->sp = context_prepare(stack, entry, argument);
    apus__context_enter(to);
#endif
}

void apus__context_adopt(struct apus__context *native)
{
    memset(native, 0, sizeof *native);
    context_adopted(native);
}

_Noreturn void apus__context_leave(struct apus__context *from, struct apus__context *to)
{
    context_switch_last(from, to);
    apus_check(!"a context was continued after it had left");
    __builtin_unreachable();
}

void apus__context_destroy(struct apus__context *context)
{
    context_destroyed(context);
    memset(context, 0, sizeof *context);
}
