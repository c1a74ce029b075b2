// os/context.c - see context.h. What is the same for all processors; the switch itself is in context_<processor>.h.
//
// A new stack is laid out as if it had stopped in apus__context_begin, so that the first switch to it needs no case of its own:
//
//     low ... [ saved registers ][ zeros ][ entry, argument ] top
//
// apus__context_begin is the root of each stack and calls apus__context_run(). Its unwind table says that there is no caller (the return
// address is undefined), and its frame pointer is zero, so that both kinds of stack walkers stop.
//
// To start it again takes no registers: what lies from the root on is never written again, and that is where the stack pointer goes.
//
// Without a sanitizer the assembly itself is apus__context_switch(), _start() and _abandon(). With one it is apus__context_swap(), and C
// functions around it tell the sanitizer; context_sanitizer.h has what is told.
#define _GNU_SOURCE 1
#include "os/context.h"

#include <stdint.h>
#include <string.h>

#include "base/assert.h"

// What apus__context_run() is given.
struct context_start {
    void (*entry)(void *argument);
    void *argument;
};

// The uppermost bytes of a stack. Walkers that look for a return address beyond the root find zero.
struct context_root {
    uintptr_t no_caller[2];
    struct context_start start;
};

_Static_assert(offsetof(struct apus__context, sp) == 0 && offsetof(struct apus__context, root) == 8, "for the assembly");
_Static_assert(offsetof(struct context_root, start) == 16, "for the assembly");

void apus__context_run(struct context_start *start) __attribute__((visibility("hidden")));

#if defined(__x86_64__)
#include "os/context_x86_64.h"
#elif defined(__aarch64__)
#include "os/context_aarch64.h"
#else
#error "there is no stack switch for this processor"
#endif

#if defined(APUS_CONTEXT_TSAN) || defined(APUS_CONTEXT_ASAN)
__asm__(CONTEXT_SWITCH("apus__context_swap", CONTEXT_TO_CONTINUE));
void apus__context_swap(struct apus__context *from, struct apus__context *to) __attribute__((visibility("hidden")));
#else
__asm__(CONTEXT_SWITCH("apus__context_switch", CONTEXT_TO_CONTINUE));
__asm__(CONTEXT_SWITCH("apus__context_start", CONTEXT_TO_START));
__asm__(CONTEXT_ABANDON("apus__context_abandon"));
#endif

#include "os/context_sanitizer.h"

enum { CONTEXT_ALIGNMENT = 16 }; // of the stack pointer at a call, for both processors

_Static_assert(sizeof(struct context_root) % CONTEXT_ALIGNMENT == 0, "keeps the stack pointer aligned");

void apus__context_run(struct context_start *start)
{
    context_entered();
    start->entry(start->argument);
    apus_check(!"the entry function of a context has returned");
}

// Lays the stack out as described above.
void apus__context_make(struct apus__context *context, const struct apus__stack *stack, void (*entry)(void *argument),
                        void *argument)
{
    // Once the frame is popped, the stack pointer is at the root, which is aligned as a call wants it.
    uintptr_t top = ((uintptr_t)stack->low + stack->size) & -(uintptr_t)CONTEXT_ALIGNMENT;
    struct context_root *root = (struct context_root *)top - 1;
    struct context_frame *frame = (struct context_frame *)root - 1;
    *root = (struct context_root){.start = {.entry = entry, .argument = argument}};
    context_lay_out(frame);
    memset(context, 0, sizeof *context);
    context->sp = frame;
    context->root = root;
    context_made(context, stack);
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
