// os/context_sanitizer.h - what the sanitizers are told of stacks; a part of os/context.c, which includes it once.
//
// The four hooks; without a sanitizer all are empty, and there is no context_entered:
//
//     context_made          a new context on `stack`             context_adopted       a thread's own stack
//     context_entered       first thing on a new stack           context_destroyed     it will not run again
//
// ThreadSanitizer gives each context a fiber, with a clock of its own; a switch orders the fiber left before the one continued, as
// the thread that runs both does. AddressSanitizer must know the bounds of the stack in use, and marks frames in shadow memory.
// The wrappers around the switch are not instrumented: between the telling and the doing they are on two stacks at once.
#ifndef APUS_OS_CONTEXT_SANITIZER_H
#define APUS_OS_CONTEXT_SANITIZER_H

#if defined(APUS_CONTEXT_TSAN)

#include <sanitizer/tsan_interface.h>

static void context_made(struct apus__context *context, const struct apus__stack *stack)
{
    (void)stack;
    context->owned = __tsan_create_fiber(0);
    context->fiber = context->owned;
}

static void context_adopted(struct apus__context *native)
{
    native->fiber = __tsan_get_current_fiber();
}

static void context_entered(void)
{
}

static void context_destroyed(struct apus__context *context)
{
    if (context->owned)
        __tsan_destroy_fiber(context->owned);
}

__attribute__((noinline, no_sanitize("thread"))) void apus__context_switch(struct apus__context *from, struct apus__context *to)
{
    __tsan_switch_to_fiber(to->fiber, 0);
    apus__context_swap(from, to);
}

#elif defined(APUS_CONTEXT_ASAN)

#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

static void context_made(struct apus__context *context, const struct apus__stack *stack)
{
    context->low = stack->low;
    context->size = stack->size;
}

static void context_adopted(struct apus__context *native)
{
    pthread_attr_t attributes;
    void *low;
    int failed = pthread_getattr_np(pthread_self(), &attributes);
    apus_check(failed == 0);
    pthread_attr_getstack(&attributes, &low, &native->size);
    pthread_attr_destroy(&attributes);
    native->low = low;
    native->native = true;
}

static void context_entered(void)
{
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}

// Frames left behind on the stack have marked its shadow; the next user of the memory must not trip over that.
static void context_destroyed(struct apus__context *context)
{
    if (!context->native)
        __asan_unpoison_memory_region(context->low, context->size);
}

__attribute__((noinline, no_sanitize("address"))) void apus__context_switch(struct apus__context *from, struct apus__context *to)
{
    __sanitizer_start_switch_fiber(&from->fake, to->low, to->size);
    apus__context_swap(from, to);
    __sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
}

#else

static void context_made(struct apus__context *context, const struct apus__stack *stack)
{
    (void)context;
    (void)stack;
}

static void context_adopted(struct apus__context *native)
{
    (void)native;
}

static void context_destroyed(struct apus__context *context)
{
    (void)context;
}

#endif

#if defined(APUS_CONTEXT_TSAN) || defined(APUS_CONTEXT_ASAN)

void apus__context_start(struct apus__context *from, struct apus__context *to)
{
    apus__context_switch(from, to);
}

#endif

#endif
