// scheduler/hooks.h - what goes along with a stack that is set aside in the middle of a callback, and comes back when it goes on.
//
// Some of what thread-local variables hold belongs to the code on the stack, not to the thread: the mutexes it holds (os/interpose.h),
// and what the runtime of a language keeps there (Swift: the accesses under way, for the law of exclusivity), which installs two functions
// for it (apus_set_hooks).
#ifndef APUS_SCHEDULER_HOOKS_H
#define APUS_SCHEDULER_HOOKS_H

#include "base/atomic.h"

#include <apus/apus.h>

// What was taken off the thread. Lies on the stack that is set aside.
struct apus__hook_state {
    _Alignas(16) char context[APUS_HOOK_CONTEXT];
    const apus_hooks *hooks;
    int32_t mutexes, guards;
};

extern _Atomic(const apus_hooks *) apus__hooks __attribute__((visibility("hidden")));

// Before the switch away, and after the one that comes back, perhaps on another thread: out of line, so that the compiler does not keep
// the address of a thread-local variable from one to the other.
void apus__hooks_leave(struct apus__hook_state *state);
void apus__hooks_enter(struct apus__hook_state *state);

#endif
