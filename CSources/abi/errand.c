// abi/errand.c - what a plain thread cannot do itself, a process does for it: waiting for a reply, a monitor, space in a mailbox.
//
// Idea:       the thread allocates the errand with all it needs (nothing points back to the thread), hands it to a new process, and
//             sleeps on its futex word. When the process ends, having done the errand or because the runtime is being stopped, the core
//             calls `apus__errand_ended` (process/exit.c), which wakes the thread: so by then nobody finds the process any more.
// Ownership:  the word is OPEN. Whoever moves it first says who frees the errand: DONE (by the process's end): the thread, which reads
//             the result first. ABANDONED (by the thread, when its own time is up because the process's scheduler is stuck in a
//             callback): the process's end.
// Waiting:    while the errand and the thread have a core each, the thread spins for a moment before it sleeps. Where they share one, each
//             makes room at once: the thread sees where the errand's scheduler is bound, and the scheduler by `bed` where the thread
//             fell asleep.
// Ordering:   acq_rel on the word: DONE publishes the result to errand_wait(), ABANDONED gives the whole errand to the other side.
#include "abi/enter.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/thread.h"

#include <stdlib.h>

enum { ERRAND_OPEN = 0, ERRAND_DONE = 1, ERRAND_ABANDONED = 2, ERRAND_SPINS = 200 };

// How much longer than asked a thread waits for the process, whose own time limit comes first unless its scheduler is stuck.
enum { ERRAND_SLACK_MS = 20 };

static bool errand_move(struct apus__errand *errand, uint32_t to)
{
    uint32_t open = ERRAND_OPEN;
    return apus_cas_strong_acq_rel(&errand->word, &open, to);
}

static struct apus__errand **errand_place(apus_process *process)
{
    return (struct apus__errand **)(void *)(process->small + sizeof(void *));
}

static void errand_body(apus_process *self, void *argument)
{
    struct apus__errand *errand = *(struct apus__errand **)argument;
    int error;
    struct apus__owner *here = apus__enter_self(self, &error);
    *errand_place(self) = errand;
    errand->body(here, errand);
    apus__depart();
}

void apus__errand_ended(struct apus__owner *here, struct apus_process *process)
{
    // A process that was ended before its body began has its errand in its first message still.
    struct apus__errand *errand = *errand_place(process);
    if (!errand && process->first && process->first->kind == APUS__SPAWN)
        errand = *(struct apus__errand **)apus__spawn_argument(process->first);
    if (!errand)
        return;
    uint32_t bed = apus_load_relaxed(&errand->bed); // relaxed: a hint
    // After DONE the errand is the thread's; the wake-up uses its address only, and waking one where nobody sleeps is harmless.
    if (!errand_move(errand, ERRAND_DONE)) {
        errand->dispose(errand);
        return;
    }
    apus__futex_wake(&errand->word, 1);
    if (bed && (int)bed - 1 == apus__thread_cpu())
        apus__slot_of(here)->is_in_the_way = true;
}

// Until the errand is done: a short spin, since most are by then, unless their scheduler needs this very core for it; then asleep. False
// if time is up and the errand has been abandoned.
static bool errand_wait(struct apus__errand *errand, uint64_t timeout_ms, bool spins)
{
    for (int i = 0; spins && i < ERRAND_SPINS; i++) {
        // acquire: the result. Pairs with errand_move() by the process's end.
        if (apus_load_acquire(&errand->word) == ERRAND_DONE)
            return true;
        apus__cpu_relax();
    }
    uint64_t now = apus__clock_ns(), deadline = UINT64_MAX;
    if (timeout_ms < (UINT64_MAX - now) / 1000000 - ERRAND_SLACK_MS)
        deadline = now + (timeout_ms + ERRAND_SLACK_MS) * 1000000;
    apus_store_relaxed(&errand->bed, (uint32_t)(apus__thread_cpu() + 1)); // relaxed: a hint
    while (apus_load_acquire(&errand->word) != ERRAND_DONE) {
        now = deadline == UINT64_MAX ? 0 : apus__clock_ns();
        if (now >= deadline)
            return !errand_move(errand, ERRAND_ABANDONED);
        apus__futex_wait(&errand->word, ERRAND_OPEN, deadline == UINT64_MAX ? UINT64_MAX : deadline - now);
    }
    return true;
}

void *apus__errand_new(size_t size, void (*body)(struct apus__owner *here, struct apus__errand *errand))
{
    struct apus__errand *errand = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : calloc(1, size);
    if (errand) {
        errand->body = body;
        errand->dispose = apus__errand_dispose;
    }
    return errand;
}

void apus__errand_dispose(struct apus__errand *errand)
{
    free(errand);
}

// *spins: the thread and the errand's scheduler do not want the same core.
static int errand_send(struct apus__owner *here, struct apus__errand *errand, bool *spins)
{
    apus_pid pid;
    int core = apus__thread_cpu();
    struct apus__birth birth = {.behaviour = &apus__errand_behaviour, .body = errand_body};
    struct apus__owner *there = apus__spawn_anywhere(here);
    *spins = core < 0 || apus__slot_core(apus__slot_of(there)) != core;
    return apus__spawn_from_thread(here, there, &birth, &errand, sizeof errand, &pid);
}

int apus__run_errand(struct apus__errand *errand, uint64_t timeout_ms, bool *is_mine)
{
    int result;
    *is_mine = true;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    errand->result = -ESHUTDOWN; // unless the body says otherwise
    apus_store_relaxed(&errand->word, ERRAND_OPEN);
    bool spins = false;
    if (apus_load_relaxed(&apus__world.state) != APUS__WORLD_RUNNING)
        result = -ESHUTDOWN;
    else if (apus__world.owners[0]->is_simulated)
        result = -EDEADLK; // the driver would wait for turns that it alone can give
    else
        result = errand_send(here, errand, &spins);
    apus__leave(here);
    if (result)
        return result;
    *is_mine = errand_wait(errand, timeout_ms, spins);
    return *is_mine ? errand->result : -ETIMEDOUT;
}
