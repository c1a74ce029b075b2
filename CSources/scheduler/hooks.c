#include "scheduler/hooks.h"

_Atomic(const apus_hooks *) apus__hooks;

__attribute__((noinline)) void apus__hooks_leave_anew(struct apus__hook_state *state)
{
    apus__hooks_leave_here(state);
}

__attribute__((noinline)) void apus__hooks_enter_anew(struct apus__hook_state *state)
{
    apus__hooks_enter_here(state);
}
