#include "process/nursery.h"

#include "os/clock.h"
#include "os/futex.h"

enum { REFILL_IDLE, REFILL_ASKED, REFILL_DRY /* as idle; the last one found no cells to fill the nursery with */ };
#define REFILL_LOOK_NS UINT64_C(10000000)
#define REFILL_PATIENCE_NS UINT64_C(5000000000)

// --- The nursery ----------------------------------------------------------------------------------------------------------------

void apus__nursery_push(struct apus__owner *owner, struct apus_process *process)
{
    uint64_t head = apus_load_relaxed(&owner->nursery), next;
    do {
        apus_store_relaxed(&process->link, (uint32_t)head);
        next = ((head >> 32) + 1) << 32 | apus__index_of(process);
        // release: the cell as it was left, for the pop in nursery_pop().
    } while (!apus_cas_weak_release(&owner->nursery, &head, next));
    // seq_cst, as nothing weaker is offered: releases the push. Pairs with apus__nursery_try().
    apus_add_seqcst(&owner->nursery_count, 1);
}

// By one that has taken the cell out of the count.
static struct apus_process *nursery_pop(struct apus__owner *owner)
{
    // acquire: the link of the first cell. Pairs with apus__nursery_push().
    uint64_t head = apus_load_acquire(&owner->nursery), next;
    struct apus_process *process;
    do {
        apus_check((uint32_t)head != 0);
        process = apus__cell_at((uint32_t)head);
        next = ((head >> 32) + 1) << 32 | (uint32_t)apus_load_relaxed(&process->link);
        // acquire: the whole cell. Pairs with apus__nursery_push().
    } while (!apus_cas_weak_acq_rel(&owner->nursery, &head, next));
    return process;
}

bool apus__nursery_fill(struct apus__owner *here)
{
    while (apus_load_relaxed(&here->nursery_count) < APUS__NURSERY) {
        struct apus_process *process = apus__cell_alloc(here);
        if (!process)
            return false;
        process->flags = APUS__UNBORN | APUS__SCHEDULED;
        apus__nursery_push(here, process);
    }
    return true;
}

static void nursery_refill_run(struct apus__owner *here, struct apus__command *command)
{
    (void)command;
    bool is_full = apus__nursery_fill(here);
    // release: the cells are there before the next refill can be asked for; wakes those that found none.
    apus_store_release(&here->nursery_asked, is_full ? REFILL_IDLE : REFILL_DRY);
    apus__futex_wake(&here->nursery_asked, UINT32_MAX >> 1);
}

// Whether the refill that is now under way was asked for by this call.
static bool nursery_ask(struct apus__owner *here, struct apus__owner *owner)
{
    // acq_rel: whoever makes it ASKED owns the command until the owner has run it and stored something else.
    if (apus_exchange_acq_rel(&owner->nursery_asked, REFILL_ASKED) == REFILL_ASKED)
        return false;
    owner->nursery_refill.run = nursery_refill_run;
    apus__owner_tell(owner, here, &owner->nursery_refill.link, APUS__INBOX_COMMAND);
    return true;
}

struct apus_process *apus__nursery_try(struct apus__owner *owner, int32_t kept)
{
    int32_t count = apus_load_relaxed(&owner->nursery_count);
    while (count > kept)
        // acquire: the cells counted are in the list. Pairs with apus__nursery_push().
        if (apus_cas_weak_acq_rel(&owner->nursery_count, &count, count - 1))
            return nursery_pop(owner);
    return NULL;
}

// Waits for a cell. That others took all that a refill brought is no reason to give up, and a refill asked for by somebody else may be
// over but for its last store, with its cells taken: only one that began after we came, and found none, says that there are none left,
// and that only if none of the few that it may have brought is there afterwards.
static struct apus_process *nursery_wait(struct apus__owner *here, struct apus__owner *owner, int32_t kept)
{
    uint64_t end = apus__clock_ns() + REFILL_PATIENCE_NS;
    bool is_ours = false;
    do {
        is_ours |= nursery_ask(here, owner);
        // The thread that has asked may have been stopped before it told the owner; then the cells come when that looks by itself.
        if (apus_load_relaxed(&owner->nursery_count) <= kept)
            apus__futex_wait(&owner->nursery_asked, REFILL_ASKED, REFILL_LOOK_NS);
        // acquire: the cells, before we look for them. Pairs with nursery_refill_run().
        bool is_dry = apus_load_acquire(&owner->nursery_asked) == REFILL_DRY;
        struct apus_process *process = apus__nursery_try(owner, kept);
        if (process || (is_ours && is_dry))
            return process;
    } while (apus__clock_ns() < end);
    return NULL;
}

struct apus_process *apus__nursery_take(struct apus__owner *here, struct apus__owner *owner, int32_t kept)
{
    struct apus_process *process = apus__nursery_try(owner, kept);
    if (!process && here->is_foreign && apus__world.is_simulated) {
        apus__nursery_fill(owner);
        return apus__nursery_try(owner, kept);
    }
    if (!process && here->is_foreign)
        return nursery_wait(here, owner, kept);
    if (apus__nursery_is_small(owner))
        nursery_ask(here, owner);
    return process;
}

// --- Reserved cells -------------------------------------------------------------------------------------------------------------

static apus_pid reserve(struct apus_process *process)
{
    apus_pid pid = apus__cell_new_pid(process);
    // release: the cell as it was left. Pairs with apus__reserved_claim().
    apus_store_release(&process->link, pid.id);
    return pid;
}

apus_pid apus__reserve_here(struct apus__owner *here)
{
    struct apus_process *process = apus__nursery_is_small(here) ? NULL : apus__cell_alloc(here);
    if (!process)
        return APUS_NOBODY;
    process->flags = APUS__UNBORN | APUS__SCHEDULED; // as in the nursery
    return reserve(process);
}

apus_pid apus__reserve_there(struct apus__owner *here, struct apus__owner *owner)
{
    struct apus_process *process = apus__nursery_take(here, owner, APUS__NURSERY_FOR_CALLS_NOW);
    return process ? reserve(process) : APUS_NOBODY;
}

// The cell of a pid that may be reserved.
static struct apus_process *reserved_find(apus_pid pid)
{
    uint32_t index = (uint32_t)pid.id;
    if (!(pid.id >> 32) || index >= apus__table_limit(&apus__world.cell_table))
        return NULL;
    struct apus_process *process = apus__cell_at(index);
    // relaxed: whoever has the pid has it from who reserved the cell; it is still there, or has been claimed.
    return apus_load_relaxed(&process->link) == pid.id ? process : NULL;
}

uint32_t apus__reserved_at(apus_pid pid)
{
    struct apus_process *process = reserved_find(pid);
    // relaxed: who reserved the cell has read it, and it stays.
    return process ? apus_load_relaxed(&process->owner) : APUS__FOREIGN;
}

struct apus_process *apus__reserved_claim(apus_pid pid)
{
    struct apus_process *process = reserved_find(pid);
    uint64_t link = pid.id;
    // acq_rel: the cell, from who has reserved it. Pairs with reserve().
    return process && apus_cas_strong_acq_rel(&process->link, &link, 0) ? process : NULL;
}

void apus__reserved_drop(apus_pid pid)
{
    struct apus_process *process = apus__reserved_claim(pid);
    if (process)
        apus__nursery_push(apus__world.owners[apus_load_relaxed(&process->owner)], process);
}
