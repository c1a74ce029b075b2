// os/context.c - see context.h. What is the same for all processors; the switch itself is in context_<processor>.h.
//
// A new stack is laid out as if it had stopped in apus__context_begin, so that the first switch to it needs no case of its own:
//
//     low ... [ saved registers ][ zeros ][ entry, argument ] top
//
// apus__context_begin is the root of each stack and calls entry(argument). Its unwind table says that there is no caller (the return
// address is undefined), and its frame pointer is zero, so that both kinds of stack walkers stop.
//
// To start it again takes no registers: what lies from the root on is never written again, and that is where the stack pointer goes.
//
// Without a sanitizer the assembly itself is apus__context_switch() and apus__context_start(). With one it is apus__context_swap(), and C
// functions around it tell the sanitizer; context_sanitizer.h has what is told.
#define _GNU_SOURCE 1
#include "os/context.h"

#include <stdint.h>
#include <string.h>

#include "base/assert.h"

struct context_start {
    struct apus__context *(*entry)(void *argument);
    void *argument;
};

// The uppermost bytes of a stack. Walkers that look for a return address beyond the root find zero.
struct context_root {
    uintptr_t no_caller[2];
    struct context_start start;
#if defined(APUS_CONTEXT_TSAN) || defined(APUS_CONTEXT_ASAN)
    struct context_start program; // what `start` is to run
    _Alignas(16) struct apus__context *context;
#endif
};

_Static_assert(offsetof(struct apus__context, sp) == 0 && offsetof(struct apus__context, root) == 8, "for the assembly");
_Static_assert(offsetof(struct context_root, start.entry) == 16 && offsetof(struct context_root, start.argument) == 24,
               "for the assembly");

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
#endif

#include "os/context_sanitizer.h"

enum { CONTEXT_ALIGNMENT = 16 }; // of the stack pointer at a call, for both processors

_Static_assert(sizeof(struct context_root) % CONTEXT_ALIGNMENT == 0, "keeps the stack pointer aligned");

#if defined(APUS_CONTEXT_TSAN) || defined(APUS_CONTEXT_ASAN)
struct apus__context *apus__context_run(void *argument) __attribute__((visibility("hidden")));

// The entry of a context. Sanitizers know stacks that are left, not those that begin anew: for them the switch at the end is made here, and
// what starts the context again goes on behind it.
struct apus__context *apus__context_run(void *argument)
{
    const struct context_root *root = argument;
    context_entered();
    for (;;)
        apus__context_switch(root->context, root->program.entry(root->program.argument));
}
#endif

// Lays the stack out as described above.
void apus__context_make(struct apus__context *context, const struct apus__stack *stack,
                        struct apus__context *(*entry)(void *argument), void *argument)
{
    // Once the frame is popped, the stack pointer is at the root, which is aligned as a call wants it.
    uintptr_t top = ((uintptr_t)stack->low + stack->size) & -(uintptr_t)CONTEXT_ALIGNMENT;
    struct context_root *root = (struct context_root *)top - 1;
    struct context_frame *frame = (struct context_frame *)root - 1;
    *root = (struct context_root){.start = {.entry = entry, .argument = argument}};
#if defined(APUS_CONTEXT_TSAN) || defined(APUS_CONTEXT_ASAN)
    root->program = root->start;
    root->context = context;
    root->start = (struct context_start){apus__context_run, root};
#endif
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

void apus__context_destroy(struct apus__context *context)
{
    context_destroyed(context);
    memset(context, 0, sizeof *context);
}
