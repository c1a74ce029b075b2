#include "scheduler/hooks.h"

#include "base/assert.h"
#include "os/interpose.h"

_Atomic(const apus_hooks *) apus__hooks;

__attribute__((noinline)) void apus__hooks_leave(struct apus__hook_state *state)
{
    state->mutexes = apus__held.mutexes;
    state->guards = apus__held.guards;
    apus__held.mutexes = apus__held.guards = 0;
    // acquire: the functions. Pairs with apus_set_hooks().
    state->hooks = apus_load_acquire(&apus__hooks);
    if (apus_unlikely(state->hooks != NULL))
        state->hooks->leave(state->context);
}

__attribute__((noinline)) void apus__hooks_enter(struct apus__hook_state *state)
{
    apus__held.mutexes = state->mutexes;
    apus__held.guards = state->guards;
    if (apus_unlikely(state->hooks != NULL))
        state->hooks->enter(state->context);
}
