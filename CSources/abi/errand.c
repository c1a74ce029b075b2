// abi/errand.c - what a plain thread cannot do itself, a process does for it: waiting for a reply, a monitor, space in a mailbox.
//
// The thread lends the process a struct on its own stack and sleeps on its futex word; the process stores the result. When it ends,
// having done so or because the runtime is being stopped, the core calls `apus__errand_ended` (process/exit.c), which wakes the
// thread: so by then nobody finds the process any more.
#include "abi/enter.h"
#include "os/futex.h"

enum { ERRAND_OPEN = 0, ERRAND_DONE = 1, ERRAND_SPINS = 2000 };

static void errand_done(struct apus__errand *errand)
{
    // release: the result, for the thread that waits in apus__run_errand(). After this store the struct is the thread's again; the
    // wake-up uses its address only, and waking an address where nobody sleeps any more is harmless.
    apus_store_release(&errand->done, ERRAND_DONE);
    apus__futex_wake(&errand->done, 1);
}

static struct apus__errand **errand_place(apus_process *process)
{
    return (struct apus__errand **)(void *)(process->small + sizeof(void *));
}

static void errand_body(apus_process *self, void *argument)
{
    struct apus__errand *errand = *(struct apus__errand **)argument;
    *errand_place(self) = errand;
    errand->body(self, errand);
}

void apus__errand_ended(struct apus_process *process)
{
    // A process that was ended before its body began has its errand in its first message still.
    struct apus__errand *errand = *errand_place(process);
    if (!errand && process->first && process->first->kind == APUS__SPAWN)
        errand = *(struct apus__errand **)apus__spawn_argument(process->first);
    if (errand)
        errand_done(errand);
}

// Until the errand is done: a short spin, since most are, then asleep.
static void errand_wait(struct apus__errand *errand)
{
    for (int i = 0; i < ERRAND_SPINS; i++) {
        // acquire: the result. Pairs with errand_done().
        if (apus_load_acquire(&errand->done) == ERRAND_DONE)
            return;
        apus__cpu_relax();
    }
    while (apus_load_acquire(&errand->done) != ERRAND_DONE)
        apus__futex_wait(&errand->done, ERRAND_OPEN, UINT64_MAX);
}

int apus__run_errand(struct apus__errand *errand)
{
    int result;
    apus_pid pid;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    errand->result = -ESHUTDOWN; // unless the body says otherwise
    struct apus__birth birth = {.behaviour = &apus__errand_behaviour, .body = errand_body};
    if (apus_load_relaxed(&apus__world.state) != APUS__WORLD_RUNNING)
        result = -ESHUTDOWN;
    else
        result = apus__spawn_there(here, apus__spawn_anywhere(here), &birth, &errand, sizeof errand, &pid);
    apus__leave(here);
    if (result)
        return result;
    errand_wait(errand);
    return errand->result;
}
