// abi/caller.c - callers: who asks and in which request, known before the request is sent.
//
// Idea:       a process that asks is there already: its caller is its pid and a new reference, and holds nothing. A plain thread asks by a
//             process that is begun for the call (errand.c). So that its pid is known before, a cell is reserved for it
//             (process/nursery.h): its scheduler begins the process there when the request comes, and nobody finds it until then.
// Whose:      the cell is the caller's, that is the program's, until it is called as or dropped, by whatever thread: both claim the
//             cell by its pid, which only one of them can. The request goes to the scheduler of the cell; if that is not the callee's
//             too, the next caller is made there.
// Spare:      a thread's first cell comes from a nursery, for two exchanges on words that others write. With the answer to a caller the
//             scheduler reserves the next cell, and says its pid in the answer (line.c), which the thread reads anyway. It keeps that
//             for its next caller, and gives it back when it ends. What is reserved as the runtime stops goes down with the table.
// Few cells:  a scheduler reserves none while its nursery is small, and callers leave there what is kept for calls without one.
#include "abi/enter.h"
#include "process/nursery.h"

// A cell with the scheduler that the thread used last or, if there is none, with another. Waits for it.
static int caller_reserve(struct apus__owner *here, struct apus__place *place)
{
    uint32_t count = apus__world.owner_count;
    for (uint32_t i = 0; i < count; i++) {
        place->id = (here->last_used + i) % count;
        place->pid = apus__reserve_there(here, apus__world.owners[place->id]);
        if (apus_likely(place->pid.id != 0))
            return 0;
    }
    return -EAGAIN;
}

static void caller_give(struct apus__keeps *keeps, struct apus__place place, apus_caller *caller)
{
    keeps->made = place;
    *caller = (apus_caller){place.pid, apus__caller_ref(place.pid)};
}

static int caller_of_thread(struct apus__owner *here, apus_caller *caller)
{
    struct apus__place place;
    if (apus_load_relaxed(&apus__world.state) != APUS__WORLD_RUNNING)
        return -ESHUTDOWN;
    if (apus__world.is_simulated)
        return -EDEADLK; // as the call would be refused
    int result = caller_reserve(here, &place);
    if (!result)
        caller_give(apus__foreign_keeps(here), place, caller);
    return result;
}

// Of the calling thread, with the cell it has for that. False if it is not plain, or has none.
static bool caller_spare(apus_caller *caller)
{
    struct apus__keeps *keeps = apus__local.carrier ? NULL : apus__foreign_keeps_now();
    if (!keeps || !keeps->spare.pid.id)
        return false;
    caller_give(keeps, keeps->spare, caller);
    keeps->spare.pid = APUS_NOBODY;
    return true;
}

uint32_t apus__caller_at(struct apus__owner *here, apus_pid pid)
{
    const struct apus__place *made = &apus__foreign_keeps(here)->made;
    // Mostly the cell, which its scheduler has written, need not be looked at.
    return apus_likely(apus_pid_equal(pid, made->pid)) ? made->id : apus__reserved_at(pid);
}

static __attribute__((noinline)) int caller_make_otherwise(apus_pid asker, apus_caller *caller)
{
    int error;
    if (!caller)
        return -EINVAL;
    if (apus_likely(!asker.id && caller_spare(caller))) {
        apus__depart();
        return 0;
    }
    struct apus__owner *here = apus__enter(&error);
    if (!here)
        return error;
    if (!asker.id)
        asker = apus__sender(here);
    if (asker.id)
        *caller = (apus_caller){asker, {apus__new_ref(here)}};
    else
        error = here->is_foreign ? caller_of_thread(here, caller) : -EPERM;
    apus__leave(here);
    return asker.id ? 0 : error;
}

apus_hot int apus_caller_make(apus_pid asker, apus_caller *caller)
{
    struct apus__owner *here = apus__arrive();
    if (apus_unlikely(!here || !here->current || asker.id || !caller))
        return caller_make_otherwise(asker, caller);
    *caller = (apus_caller){apus__pid(here->current), {apus__new_ref(here)}};
    apus__depart();
    return 0;
}

void apus_caller_drop(apus_caller caller)
{
    int error;
    struct apus__owner *here = apus__enter(&error);
    if (!here)
        return;
    apus__reserved_drop(caller.pid);
    apus__leave(here);
}
