// process/nursery.h - cells that are taken by others than their owner: for a process at once, or for one that is to have its pid already.
//
// Nursery:    head = tag << 32 | index. A pop reads the link of a cell that another thread may have popped meanwhile: cells are
//             type-stable and the link is atomic; the tag makes the compare-and-swap fail. A cell is counted after it was pushed, and
//             taken out of the count before it is popped: so for each one counted there is one, and those that are kept for errands stay,
//             however many threads come at the same time. push: the owner, and who could not use what it has; pop: any thread.
// Reserved:   a cell whose next process has its pid, but does not live: the generation is counted up, `pid` is 0, so that nobody finds
//             it, and `link` holds the pid that will be. Whoever exchanges that for 0 has claimed the cell, so a pid is claimed once,
//             however many threads try: its owner, to begin the process, or anybody, to put the cell into the nursery. At all other
//             times `link` is an index, and the upper half of it 0, as that of a pid never is. A reserved cell stays with its owner.
#ifndef APUS_PROCESS_NURSERY_H
#define APUS_PROCESS_NURSERY_H

#include "process/process.h"

enum {
    APUS__NURSERY = 64,
    APUS__NURSERY_FOR_ERRANDS = 8,  // cells that are left there for errands of plain threads,
    APUS__NURSERY_FOR_CALLS_NOW = 4 // and of these, for such as are begun as soon as they have the cell
};

// A free cell of the owner's, by that; NULL if there is none.
apus_inline struct apus_process *apus__cell_alloc(struct apus__owner *here)
{
    uint32_t index = apus__table_alloc(&apus__world.cell_table, &here->cells, here->node);
    if (apus_unlikely(!index))
        return NULL;
    struct apus_process *process = apus__cell_at(index);
    if (apus_unlikely(process->home == 0)) {
        process->home = (uint16_t)(here->id + 1);
        process->generation = apus__world.generation;
        apus_store_relaxed(&process->owner, here->id);
    }
    return process;
}

// A new pid for the cell: the next generation. 0 is skipped, so that no pid is ever nobody's.
apus_inline apus_pid apus__cell_new_pid(struct apus_process *process)
{
    if (++process->generation == 0)
        process->generation = 1;
    return apus__pid_of_cell(process);
}

// Refills the owner's nursery; by the owner, which looks now and then whether it has become too small, so that few have to ask. False
// if there are no cells left to fill it with.
bool apus__nursery_fill(struct apus__owner *here);
static inline bool apus__nursery_is_small(const struct apus__owner *owner)
{
    return apus_load_relaxed(&owner->nursery_count) < APUS__NURSERY / 2; // relaxed: a hint
}

// A cell of the nursery, of which the last `kept` are left there; NULL if there is none. `take` waits for one, unless `here` is a
// scheduler, which must not wait.
struct apus_process *apus__nursery_try(struct apus__owner *owner, int32_t kept);
struct apus_process *apus__nursery_take(struct apus__owner *here, struct apus__owner *owner, int32_t kept);

// Puts a cell of the owner's, which was taken or claimed, there.
void apus__nursery_push(struct apus__owner *owner, struct apus_process *process);

// Reserves a cell, and says the pid that it will have: by its owner, which has cells enough, or else nobody; and by a plain thread, from
// the nursery of `owner`, as `take` does.
apus_pid apus__reserve_here(struct apus__owner *here);
apus_pid apus__reserve_there(struct apus__owner *here, struct apus__owner *owner);

// The scheduler that owns the cell which is reserved for `pid`; APUS__FOREIGN if none is.
uint32_t apus__reserved_at(apus_pid pid);

// Takes the cell that is reserved for `pid`, NULL if none is; and the same, to put it into the nursery.
struct apus_process *apus__reserved_claim(apus_pid pid);
void apus__reserved_drop(apus_pid pid);

#endif
