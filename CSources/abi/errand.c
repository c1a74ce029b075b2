// abi/errand.c - what a plain thread cannot do itself, a process does for it: waiting for a reply, a monitor, space in a mailbox.
//
// Idea:       the thread allocates the errand with all it needs (nothing points back to the thread), pushes it on the inbox of a
//             scheduler, which makes a process for it, and waits on the errand's word. When the process ends, having done the errand or
//             because the runtime is being stopped, the core calls `apus__errand_ended` (process/exit.c), which wakes the thread: so by
//             then nobody finds the process any more. That of a line tells by itself (line.c).
// Where:      a call is done on the scheduler of the process it is for, so that nothing crosses cores but the errand, there and back: the
//             cell, the request, and the reply stay with that scheduler, as long as it has a cell. A call of a caller that was made
//             before is done where the cell is that was reserved for it (caller.c), and only there.
// Ownership:  the word is open, or ASLEEP with the thread's core. Whoever moves it on says who frees the errand: DONE (by the process's
//             end): the thread, which reads the result first. ABANDONED (by the thread, when its own time is up, because the process's
//             scheduler is stuck in a callback, or has much to do): the process's end. Each DONE is another number than the word was, and
//             is what an errand that is used again begins with as open (line.c); one that is not begins with 0.
// Waiting:    while the errand and the thread have a core each, the thread spins for a moment before it sleeps; only one that sleeps is
//             woken. Where they share one, each makes room at once: the thread sees where the errand's scheduler is bound, and the
//             scheduler where the thread fell asleep. If that happens again and again, the process that is called goes to another
//             scheduler that sleeps, so that they have a core each.
// Ordering:   the inbox publishes the errand to errand_arrived(). acq_rel on the word: DONE publishes the result to who awaits it,
//             ABANDONED gives the whole errand to the other side; ASLEEP publishes nothing.
#include "abi/enter.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/thread.h"

#include <stdlib.h>

enum {
    ERRAND_OPEN = 0,
    ERRAND_DONE = 1, // above these two bits: a number
    ERRAND_ABANDONED = 2,
    ERRAND_ASLEEP = 3, // above: 1 + the CPU on which the thread has gone to sleep, 0: unknown
    ERRAND_STATE = 3,
    ERRAND_CPU = 2, // shift
    ERRAND_SPINS = 200
};

// After so many threads in a row that waited for this core, what they call goes elsewhere.
enum { ERRANDS_IN_THE_WAY = 8 };

// How much longer than asked a thread waits for the process, whose own time limit comes first unless its scheduler is stuck.
enum { ERRAND_SLACK_MS = 20 };

// --- The scheduler's side -------------------------------------------------------------------------------------------------------

void apus__errand_done(struct apus__owner *here, struct apus__errand *errand)
{
    // relaxed: whatever the thread makes of the word meanwhile, it waits for another one than this was.
    uint32_t done = (((apus_load_relaxed(&errand->word) >> ERRAND_CPU) + 1) << ERRAND_CPU) | ERRAND_DONE;
    uint32_t word = apus_exchange_acq_rel(&errand->word, done);
    struct apus__slot *slot = apus__slot_of(here);
    bool is_in_the_way = (word & ERRAND_STATE) == ERRAND_ASLEEP && (int)(word >> ERRAND_CPU) - 1 == apus__thread_cpu();
    if (apus_unlikely(is_in_the_way)) {
        slot->is_in_the_way = true;
        apus__lines_forget(slot); // before the thread is back, and spins for what cannot be seen to while it does
    }
    if ((word & ERRAND_STATE) == ERRAND_ABANDONED)
        errand->dispose(errand);
    else if ((word & ERRAND_STATE) == ERRAND_ASLEEP)
        // The errand is the thread's now; the wake-up uses its address only, and waking one where nobody sleeps is harmless.
        apus__futex_wake(&errand->word, 1);
    slot->in_the_way = is_in_the_way ? slot->in_the_way + 1 : 0;
}

bool apus__errand_is_abandoned(const struct apus__errand *errand)
{
    // acquire: what the thread has left. Pairs with apus__errand_await().
    return (apus_load_acquire(&errand->word) & ERRAND_STATE) == ERRAND_ABANDONED;
}

void apus__errand_makes_way(struct apus__owner *here, apus_pid to)
{
    struct apus__slot *slot = apus__slot_of(here);
    if (apus_unlikely(slot->in_the_way >= ERRANDS_IN_THE_WAY))
        apus__share_aside(slot, to);
}

void apus__errand_ended(struct apus__owner *here, struct apus_process *process)
{
    struct apus__errand *errand = *apus__errand_of(process);
    if (errand)
        apus__errand_done(here, errand);
}

static void errand_body(apus_process *self, void *argument)
{
    struct apus__errand *errand = *apus__errand_of(self);
    int error;
    struct apus__owner *here = apus__enter_self(self, &error);
    (void)argument;
    errand->body(here, errand);
    apus__depart();
}

int apus__errand_make(struct apus__owner *here, struct apus__errand *errand, apus_pid caller, struct apus_process **process)
{
    return apus__spawn_errand(here, caller, errand_body, errand, process);
}

static int errand_begin(struct apus__owner *here, struct apus__errand *errand, apus_pid caller)
{
    struct apus_process *process;
    int error = apus__errand_make(here, errand, caller, &process);
    if (apus_likely(!error))
        apus__schedule(here, process);
    return error;
}

void apus__errand_refuse(struct apus__owner *here, struct apus__errand *errand, int error)
{
    errand->result = error;
    apus__errand_done(here, errand);
    apus__errand_refused(here);
}

// The errand has arrived. One for which there is no cell here goes on to the next scheduler, and ends when all have been asked.
static void errand_arrived(struct apus__owner *here, struct apus__command *command)
{
    struct apus__errand *errand = apus_container_of(command, struct apus__errand, command);
    if (apus_likely(errand_begin(here, errand, APUS_NOBODY) == 0))
        return;
    if (++errand->asked < apus__world.owner_count) {
        struct apus__owner *next = apus__world.owners[(here->id + 1) % apus__world.owner_count];
        apus__owner_tell(next, here, &command->link, APUS__INBOX_COMMAND);
        return;
    }
    apus__errand_refuse(here, errand, -EAGAIN);
}

// One that has its cell has arrived where that is.
static void errand_arrived_home(struct apus__owner *here, struct apus__command *command)
{
    struct apus__errand *errand = apus_container_of(command, struct apus__errand, command);
    int error = errand_begin(here, errand, errand->caller);
    if (apus_unlikely(error))
        apus__errand_refuse(here, errand, error);
}

// --- The thread's side ----------------------------------------------------------------------------------------------------------

bool apus__errand_spin(const struct apus__errand *errand, uint32_t open)
{
    for (int i = 0; i < ERRAND_SPINS; i++) {
        // acquire: the result. Pairs with the exchange in apus__errand_done().
        if (apus_load_acquire(&errand->word) != open)
            return true;
        apus__cpu_relax();
    }
    return false;
}

bool apus__errand_await(struct apus__errand *errand, uint32_t open, uint64_t timeout_ms)
{
    uint64_t now = apus__clock_ns(), deadline = UINT64_MAX;
    if (timeout_ms < (UINT64_MAX - now) / 1000000 - ERRAND_SLACK_MS)
        deadline = now + (timeout_ms + ERRAND_SLACK_MS) * 1000000;
    uint32_t word = open, asleep = (uint32_t)(apus__thread_cpu() + 1) << ERRAND_CPU | ERRAND_ASLEEP;
    if (!apus_cas_strong_acq_rel(&errand->word, &word, asleep))
        return true;
    // acquire: as apus__errand_spin().
    while (apus_load_acquire(&errand->word) == asleep) {
        now = deadline == UINT64_MAX ? 0 : apus__clock_ns();
        word = asleep;
        if (now >= deadline)
            return !apus_cas_strong_acq_rel(&errand->word, &word, ERRAND_ABANDONED);
        apus__futex_wait(&errand->word, asleep, deadline == UINT64_MAX ? UINT64_MAX : deadline - now);
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

uint32_t apus__errand_where(struct apus__owner *here, apus_pid to)
{
    struct apus_process *process = apus__find(to);
    // relaxed: if it is given away meanwhile, the request follows it.
    return process ? apus_load_relaxed(&process->owner) : apus__spawn_anywhere(here)->id;
}

bool apus__errand_may_spin(uint32_t id)
{
    int core = apus__thread_cpu();
    return core < 0 || apus__slot_core(id) != core;
}

static void errand_send(struct apus__owner *here, struct apus__errand *errand, apus_pid caller, uint32_t id)
{
    errand->command.run = caller.id ? errand_arrived_home : errand_arrived;
    if (caller.id)
        errand->caller = caller;
    apus_bump_relaxed(&here->counters.errands, 1);
    apus__owner_tell(apus__world.owners[id], here, &errand->command.link, APUS__INBOX_COMMAND);
}

int apus__run_errand(struct apus__errand *errand, apus_pid caller, apus_pid to, uint64_t timeout_ms, bool *is_mine)
{
    int result;
    *is_mine = true;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    result = 0;
    errand->result = -ESHUTDOWN; // unless the body says otherwise
    apus_store_relaxed(&errand->word, ERRAND_OPEN);
    bool spins = false;
    if (apus_load_relaxed(&apus__world.state) != APUS__WORLD_RUNNING) {
        result = -ESHUTDOWN;
    } else if (apus__world.is_simulated) {
        result = -EDEADLK; // the driver would wait for turns that it alone can give
    } else {
        uint32_t id = caller.id ? apus__caller_at(here, caller) : apus__errand_where(here, to);
        if (id == APUS__FOREIGN) {
            result = -EINVAL;
        } else {
            spins = apus__errand_may_spin(id);
            errand_send(here, errand, caller, id);
        }
    }
    apus__leave(here);
    if (result)
        return result;
    // A short spin, since most are done by then, unless their scheduler needs this very core for it.
    *is_mine = (spins && apus__errand_spin(errand, ERRAND_OPEN)) || apus__errand_await(errand, ERRAND_OPEN, timeout_ms);
    return *is_mine ? errand->result : -ETIMEDOUT;
}
