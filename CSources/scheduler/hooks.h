// scheduler/hooks.h - what a language's runtime has to do when a stack is set aside in the middle of a callback, and when it goes on.
//
// Such runtimes keep things in thread-local variables that belong to the code on the stack, not to the thread (Swift: the accesses under
// way, for the law of exclusivity). They install two functions (apus_set_hooks) that take them along.
#ifndef APUS_SCHEDULER_HOOKS_H
#define APUS_SCHEDULER_HOOKS_H

#include "base/atomic.h"
#include "base/assert.h"
#include "base/types.h"

#include <apus/apus.h>

// What was taken off the thread. Lies on the stack that is set aside.
struct apus__hook_state {
    _Alignas(16) char context[APUS_HOOK_CONTEXT];
    const apus_hooks *hooks;
};

extern _Atomic(const apus_hooks *) apus__hooks;

apus_inline void apus__hooks_leave(struct apus__hook_state *state)
{
    // acquire: the functions. Pairs with apus_set_hooks().
    state->hooks = apus_load_acquire(&apus__hooks);
    if (apus_unlikely(state->hooks != NULL))
        state->hooks->leave(state->context);
}

apus_inline void apus__hooks_enter(struct apus__hook_state *state)
{
    if (apus_unlikely(state->hooks != NULL))
        state->hooks->enter(state->context);
}

#endif
