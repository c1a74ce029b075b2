// scheduler/hooks.h - what goes along with a stack that is set aside in the middle of a callback, and comes back when it goes on.
//
// Some of what thread-local variables hold belongs to the code on the stack, not to the thread: the mutexes it holds (os/interpose.h),
// and what the runtime of a language keeps there (Swift: the accesses under way, for the law of exclusivity), which installs two functions
// for it (apus_set_hooks).
#ifndef APUS_SCHEDULER_HOOKS_H
#define APUS_SCHEDULER_HOOKS_H

#include "os/interpose.h"
#include "process/owner.h"

// What was taken off the thread. Lies on the stack that is set aside.
struct apus__hook_state {
    _Alignas(16) char context[APUS_HOOK_CONTEXT];
    const apus_hooks *hooks;
    int32_t mutexes, guards;
};

extern _Atomic(const apus_hooks *) apus__hooks __attribute__((visibility("hidden")));

// Before the switch away, and after the one that comes back, perhaps on another thread.
apus_inline void apus__hooks_leave_here(struct apus__hook_state *state)
{
    state->mutexes = apus__held.mutexes;
    state->guards = apus__held.guards;
    apus__held.mutexes = apus__held.guards = 0;
    // acquire: the functions. Pairs with apus_set_hooks().
    state->hooks = apus_load_acquire(&apus__hooks);
    if (state->hooks)
        state->hooks->leave(state->context);
}

apus_inline void apus__hooks_enter_here(struct apus__hook_state *state)
{
    apus__held.mutexes = state->mutexes;
    apus__held.guards = state->guards;
    if (state->hooks)
        state->hooks->enter(state->context);
}

// The two out of line, where compiled code might keep the address of a thread-local variable from one to the other (process/owner.h).
void apus__hooks_leave_anew(struct apus__hook_state *state);
void apus__hooks_enter_anew(struct apus__hook_state *state);

#if APUS__LOCAL_IS_DIRECT
#define apus__hooks_leave apus__hooks_leave_here
#define apus__hooks_enter apus__hooks_enter_here
#else
#define apus__hooks_leave apus__hooks_leave_anew
#define apus__hooks_enter apus__hooks_enter_anew
#endif

#endif
