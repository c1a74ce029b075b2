// process/life.h - how processes begin and end.
//
// Beginning:  a process that spawns takes a cell of its own owner and fills it in; no locked instruction. A plain thread, or a process
//             that wants the child on another node, takes a cell from the nursery of the owner chosen: a lock-free stack of free cells
//             that the owner keeps filled (nursery.h). The cell's first signal is then SPAWN, with everything the owner needs to make the process
//             out of it, so that all that is sent after it finds the process made.
// Ending:     1 its watches and its name go, then the pid is taken back, so that nobody finds the process any more; 2 what else it
//             holds is released: arena, state, held messages (R8); 3 its links and monitors hear of it, open requests fail; 4 the mailbox is emptied; 5 the cell
//             is free, and used again at once if it was carved here, else sent home with others in one batch.
#ifndef APUS_PROCESS_LIFE_H
#define APUS_PROCESS_LIFE_H

#include "process/name.h"
#include "process/signal.h"

// What most processes do without, asked for by the spawner.
struct apus__wishes {
    apus_ref monitor;
    unsigned flags; // APUS_SPAWN_...
    bool is_node_bound;
    uint8_t priority;
    const char *name; // NULL, or to be registered under; the spawner's
    uint64_t mailbox_messages, mailbox_bytes;
    uint32_t mailbox_policy;
    apus_pid dead_letters;
    size_t arena_limit;
    char label[64];
};

// What is to be made. The argument is copied.
struct apus__birth {
    const apus_behaviour *behaviour;
    void (*body)(apus_process *self, void *argument); // not NULL: a blocking process
    apus_pid parent;
    const apus_type *argument_type;
    uint32_t flags; // of the cell: APUS__UNWINDS or none
    const struct apus__wishes *wishes; // all else; NULL: none
};

// Makes a process on `here`. Errors: -EAGAIN, -EEXIST, -ENOMEM.
int apus__spawn_here(struct apus__owner *here, const struct apus__birth *birth, const void *argument, size_t size, apus_pid *pid);

// Makes a process on another owner, from any thread that has a heap. Errors: -EAGAIN, -EEXIST, -ENOMEM.
int apus__spawn_there(struct apus__owner *here, struct apus__owner *there, const struct apus__birth *birth, const void *argument,
                      size_t size, apus_pid *pid);

// The SPAWN signal has arrived at a cell of ours.
void apus__born(struct apus__owner *here, struct apus_process *process, apus_message *spawn);

// The argument of a SPAWN message, or NULL.
void *apus__spawn_argument(const apus_message *spawn);

// Where the body of a blocking process is kept.
static inline void (**apus__body(struct apus_process *process))(apus_process *self, void *argument)
{
    return (void (**)(apus_process *, void *))(void *)process->small;
}

extern const apus_behaviour apus__blocking_behaviour;

// A process that does something for a plain thread; the layer above hears of its end by `apus__world.on_errand_end` (abi/errand.c), and
// has counted it in `errands` when it was sent. Made on `here`, with what it is for, in the cell that is reserved there for `pid`, or in
// any if that is nobody; the caller gives it its first turn. Errors: -EAGAIN there is no cell; -EINVAL none is reserved for the pid (any more).
extern const apus_behaviour apus__errand_behaviour;
int apus__spawn_errand(struct apus__owner *here, apus_pid pid, void (*body)(apus_process *self, void *argument), void *errand,
                       struct apus_process **process);

// Counts an errand that no process was made for as ended.
void apus__errand_refused(struct apus__owner *here);

// What it is for.
static inline void **apus__errand_of(struct apus_process *process)
{
    return (void **)(void *)(process->small + sizeof(void *));
}

// By itself, before it tells whom it is for and then ends: nobody finds it any more, and the layer above does not hear of its end.
void apus__errand_hide(struct apus_process *process);

// Ends the process, whose stack is no longer in use, for `reason`, which the process itself does not own.
void apus__process_end(struct apus__owner *here, struct apus_process *process, const apus_reason *reason);

// The same in two steps, for a process that is ended while its thread is in a callback and may use its memory: it departs, which is the
// end as everybody else sees it, and is buried when its thread has come back. `handling` is what the callback was given.
void apus__process_depart(struct apus__owner *here, struct apus_process *process, const apus_message *handling,
                          const apus_reason *reason);
void apus__process_bury(struct apus__owner *here, struct apus_process *process, apus_message *handling);

// Sends the parent the started message it asked for, if it has not been sent.
void apus__process_ack(struct apus__owner *here, struct apus_process *process, int status, const apus_reason *reason);

// Cells that came home, and those that must go.
void apus__cell_home(struct apus__owner *here, struct apus_process *process);
void apus__cells_send_home(struct apus__owner *here);

// Gives back what an idle process can do without.
void apus__extra_trim(struct apus__owner *here, struct apus_process *process);

// Memory of a process's own (arena.c).
void *apus__arena_alloc(struct apus__owner *here, struct apus_process *process, size_t size);
void apus__arena_free(struct apus__owner *here, struct apus_process *process);

#endif
