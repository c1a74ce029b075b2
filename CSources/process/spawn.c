#include "process/life.h"

#include "os/clock.h"
#include "os/futex.h"

const apus_behaviour apus__blocking_behaviour = {.name = "blocking"};
const apus_behaviour apus__errand_behaviour = {.name = "errand"};

enum { BOUND_CLASS = 1 };
enum { REFILL_IDLE, REFILL_ASKED, REFILL_DRY /* as idle; the last one found no cells to fill the nursery with */ };
#define REFILL_LOOK_NS UINT64_C(10000000)
#define REFILL_PATIENCE_NS UINT64_C(5000000000)
_Static_assert(sizeof(struct apus__bound) <= 128, "a bound fits its block");

void *apus__spawn_argument(const apus_message *spawn)
{
    // `ref` says where in the payload the argument begins; a payload that ends there has none.
    return spawn->ref.id < spawn->size ? (char *)apus_message_payload(spawn) + spawn->ref.id : NULL;
}

void apus__argument_drop(apus_message *spawn)
{
    void *argument = apus__spawn_argument(spawn);
    if (argument && spawn->type && spawn->type->drop && !(spawn->flags & APUS__TAKEN)) {
        uint32_t inside = apus__pin();
        spawn->type->drop(argument, spawn->size - spawn->ref.id, spawn->type);
        apus__unpin(inside);
    }
}

// A new pid for the cell: the next generation. 0 is skipped, so that no pid is ever nobody's.
static apus_pid cell_new_pid(struct apus_process *process)
{
    if (++process->generation == 0)
        process->generation = 1;
    return apus__pid_of_cell(process);
}

apus_inline struct apus_process *cell_alloc(struct apus__owner *here)
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

// --- What a process asks for ----------------------------------------------------------------------------------------------------

static int cell_set_bound(struct apus__owner *here, struct apus_process *process, const struct apus__wishes *wishes)
{
    struct apus__bound *bound = apus_load_relaxed(&process->bound);
    if (!bound) {
        bound = apus__heap_alloc(&here->heap, BOUND_CLASS);
        if (!bound)
            return -ENOMEM;
        memset(bound, 0, sizeof *bound);
    }
    apus_store_relaxed(&bound->messages_limit, wishes->mailbox_messages ? wishes->mailbox_messages : UINT64_MAX);
    apus_store_relaxed(&bound->bytes_limit, wishes->mailbox_bytes ? wishes->mailbox_bytes : UINT64_MAX);
    apus_store_relaxed(&bound->policy, wishes->mailbox_policy);
    apus_store_relaxed(&bound->dead_letters, wishes->dead_letters.id);
    apus_store_relaxed(&bound->dropped, 0);
    // release: the limits. Pairs with nothing but the address dependency of the senders, who read them relaxed and by value.
    apus_store_release(&process->bound, bound);
    return 0;
}

// Note that `small` of a blocking process holds its body, and of an errand what it is for.
apus_inline int cell_set_state(struct apus__owner *here, struct apus_process *process)
{
    size_t size = process->behaviour->state_size;
    if (apus_likely(size <= APUS__STATE_INLINE)) {
        process->state = process->small;
        memset(process->small, 0, sizeof process->small);
        return 0;
    }
    unsigned block;
    process->state = apus__heap_alloc_bytes(&here->heap, size, &block);
    if (!process->state)
        return -ENOMEM;
    process->state_block = (uint8_t)block;
    memset(process->state, 0, size);
    return 0;
}

static int cell_set_extra(struct apus__owner *here, struct apus_process *process, const struct apus__wishes *wishes)
{
    if (!wishes->label[0] && !wishes->arena_limit)
        return 0;
    struct apus__extra *extra = apus__extra(here, process);
    if (!extra)
        return -ENOMEM;
    memcpy(extra->label, wishes->label, sizeof extra->label);
    if (wishes->arena_limit)
        extra->arena_limit = wishes->arena_limit;
    return 0;
}

// `certain`: never fails, as the parent has its half already.
static int cell_set_relations(struct apus__owner *here, struct apus_process *process, apus_pid parent, const struct apus__wishes *wishes,
                              bool certain)
{
    if (wishes->flags & APUS_SPAWN_LINK && !apus__relation_add(here, process, APUS__LINKED, parent.id, parent.id, certain))
        return -ENOMEM;
    if (wishes->flags & APUS_SPAWN_MONITOR &&
        !apus__relation_add(here, process, APUS__MONITORED_BY, wishes->monitor.id, parent.id, certain))
        return -ENOMEM;
    return 0;
}

static uint32_t cell_flags(const struct apus__wishes *wishes)
{
    uint32_t flags = 0;
    if (wishes->flags & APUS_SPAWN_TRAP_EXITS)
        flags |= APUS__TRAPS;
    if (wishes->flags & APUS_SPAWN_LINK)
        flags |= APUS__PARENT_LINKED;
    if (wishes->flags & APUS_SPAWN_ACK)
        flags |= APUS__ACK;
    if (wishes->flags & APUS_SPAWN_UNWIND)
        flags |= APUS__UNWINDS;
    if (wishes->flags & APUS_SPAWN_KEEP_THREAD)
        flags |= APUS__KEEPS_THREAD;
    if (wishes->is_node_bound)
        flags |= APUS__NODE_BOUND;
    return flags;
}

// What its owner does of the wishes. `certain`: its relations and flags are there also on error.
static int cell_fulfil(struct apus__owner *here, struct apus_process *process, apus_pid parent, const struct apus__wishes *wishes,
                       bool certain)
{
    process->priority = wishes->priority;
    process->flags |= cell_flags(wishes);
    int result = cell_set_relations(here, process, parent, wishes, certain);
    return result ? result : cell_set_extra(here, process, wishes);
}

// Makes the cell a process, but for its pid and its place in the run queue. On error what there is of it is to be taken away by
// cell_empty(); with `certain` it is a process all the same, and can be told to end, of which its parent hears.
apus_inline int cell_fill(struct apus__owner *here, struct apus_process *process, const struct apus__birth *birth, bool certain)
{
    process->behaviour = birth->behaviour;
    process->priority = APUS_PRIORITY_NORMAL;
    process->parent = birth->parent;
    process->tally = 0;
    process->flags = (process->flags & (APUS__EXITING | APUS__OPEN | APUS__OPEN_WIDE)) | APUS__STARTING;
    int result = 0;
    if (apus_unlikely(birth->wishes != NULL))
        result = cell_fulfil(here, process, birth->parent, birth->wishes, certain);
    if (!result)
        result = cell_set_state(here, process);
    if (birth->body && !result) {
        process->flags |= APUS__BLOCKING;
        *apus__body(process) = birth->body;
    }
    return result;
}

static void cell_empty(struct apus__owner *here, struct apus_process *process)
{
    struct apus__relation *relation;
    while ((relation = apus__relation_pop(here, process)))
        apus__relation_free(here, relation);
    if (process->extra) {
        apus__heap_free(&here->heap, process->extra, apus__heap_class(sizeof *process->extra));
        process->extra = NULL;
    }
    if (process->state && process->state != process->small)
        apus__heap_free(&here->heap, process->state, process->state_block);
    process->state = NULL;
}

// --- Spawning here --------------------------------------------------------------------------------------------------------------

// The parent's half of a link and monitor.
static int parent_relate(struct apus__owner *here, const struct apus__wishes *wishes, apus_pid child)
{
    struct apus_process *parent = here->current;
    struct apus__relation *link = NULL;
    if (wishes->flags & APUS_SPAWN_LINK) {
        link = apus__relation_add(here, parent, APUS__LINKED, child.id, child.id, false);
        if (!link)
            return -ENOMEM;
    }
    if (wishes->flags & APUS_SPAWN_MONITOR &&
        !apus__relation_add(here, parent, APUS__MONITORING, wishes->monitor.id, child.id, false)) {
        if (link)
            apus__relation_remove(here, parent, link);
        return -ENOMEM;
    }
    return 0;
}

// What the spawner does of the wishes, before it makes the pid known: so no message is let in uncounted. A cell that had a bound keeps
// it; for an unbounded process it is opened wide. On error nothing is left of it but the bound.
static int cell_announce(struct apus__owner *here, struct apus_process *process, const struct apus__wishes *wishes, apus_pid child,
                         struct apus__name **name)
{
    static const struct apus__wishes none;
    int result = 0;
    if (!wishes)
        return apus_load_relaxed(&process->bound) ? cell_set_bound(here, process, &none) : 0;
    if (wishes->mailbox_messages || wishes->mailbox_bytes || apus_load_relaxed(&process->bound))
        result = cell_set_bound(here, process, wishes);
    if (!result && wishes->name)
        result = apus__name_claim(wishes->name, child, name);
    if (!result && here->current && wishes->flags & (APUS_SPAWN_LINK | APUS_SPAWN_MONITOR))
        result = parent_relate(here, wishes, child);
    if (result && *name)
        apus__name_disclaim(*name);
    return result;
}

// `birth`, with its wishes, goes with the argument if the process is made elsewhere; else it is NULL.
static apus_message *spawn_message(struct apus__owner *here, const struct apus__birth *birth, const void *argument, size_t size,
                                   const struct apus__wishes *wishes)
{
    size_t start = birth ? sizeof *birth + (wishes ? sizeof *wishes : 0) : 0;
    start = (start + 15) & ~(size_t)15; // where the argument begins
    apus_message *message = apus__message_alloc(here, start + size, APUS__SPAWN);
    if (!message)
        return NULL;
    message->type = wishes ? wishes->argument_type : NULL;
    message->from = APUS_NOBODY;
    message->ref.id = start;
    if (birth)
        memcpy(apus_message_payload(message), birth, sizeof *birth);
    if (birth && wishes)
        memcpy((char *)apus_message_payload(message) + sizeof *birth, wishes, sizeof *wishes);
    if (size)
        memcpy((char *)apus_message_payload(message) + start, argument, size);
    return message;
}

// A new process runs before those spawned earlier: the children of a tree then end before more of their parents' generation begin, and
// few of them live at once.
static void cell_schedule_fresh(struct apus__owner *here, struct apus_process *process)
{
    if (apus_unlikely(process->priority != APUS_PRIORITY_NORMAL)) {
        apus__schedule(here, process);
        return;
    }
    apus__fresh_push(here, process);
}

static struct apus_process *nursery_try(struct apus__owner *owner, int32_t kept);

// A cell for a process that begins here. The last resort is our own nursery, in which all the cells of a small table may be; the last `kept`
// of them stay there.
apus_inline struct apus_process *cell_get(struct apus__owner *here, int32_t kept)
{
    struct apus_process *process = cell_alloc(here);
    if (apus_unlikely(!process) && !(process = nursery_try(here, kept)))
        return NULL;
    process->flags = 0;
    return process;
}

int apus__spawn_here(struct apus__owner *here, const struct apus__birth *birth, const void *argument, size_t size, apus_pid *pid)
{
    apus_message *message = NULL;
    if (size && !(message = spawn_message(here, NULL, argument, size, birth->wishes)))
        return -ENOMEM;
    struct apus_process *process = cell_get(here, APUS__NURSERY_FOR_ERRANDS);
    if (apus_unlikely(!process)) {
        if (message)
            apus__message_free(here, message);
        return -EAGAIN;
    }
    apus_pid child = cell_new_pid(process);
    struct apus__name *name = NULL;
    int result = cell_fill(here, process, birth, false);
    if (apus_unlikely(birth->wishes || apus_load_relaxed(&process->bound)) && !result)
        result = cell_announce(here, process, birth->wishes, child, &name);
    if (apus_unlikely(result)) {
        cell_empty(here, process);
        apus__table_free(&apus__world.cell_table, &here->cells, apus__index_of(process));
        if (message)
            apus__message_free(here, message);
        return result;
    }
    if (message)
        apus__mailbox_append(process, message);
    if (apus_unlikely(name != NULL))
        apus__name_install(process, name);
    // release: the end of the cell's last occupant, for who looks for that one: see apus__find(). Whoever learns of the new pid does so
    // through a signal or a store of the program's that orders it.
    apus_store_release(&process->pid, child.id);
    apus_bump_relaxed(&here->counters.spawned, 1);
    cell_schedule_fresh(here, process);
    *pid = child;
    return 0;
}

// --- Spawning elsewhere ---------------------------------------------------------------------------------------------------------

static void nursery_push(struct apus__owner *owner, struct apus_process *process)
{
    uint64_t head = apus_load_relaxed(&owner->nursery), next;
    do {
        apus_store_relaxed(&process->link, (uint32_t)head);
        next = ((head >> 32) + 1) << 32 | apus__index_of(process);
        // release: the cell as it was left, for the pop in nursery_pop().
    } while (!apus_cas_weak_release(&owner->nursery, &head, next));
    // seq_cst, as nothing weaker is offered: releases the push. Pairs with nursery_try().
    apus_add_seqcst(&owner->nursery_count, 1);
}

// By one that has taken the cell out of the count.
static struct apus_process *nursery_pop(struct apus__owner *owner)
{
    // acquire: the link of the first cell. Pairs with nursery_push().
    uint64_t head = apus_load_acquire(&owner->nursery), next;
    struct apus_process *process;
    do {
        apus_check((uint32_t)head != 0);
        process = apus__cell_at((uint32_t)head);
        next = ((head >> 32) + 1) << 32 | (uint32_t)apus_load_relaxed(&process->link);
        // acquire: the whole cell. Pairs with nursery_push().
    } while (!apus_cas_weak_acq_rel(&owner->nursery, &head, next));
    return process;
}

bool apus__nursery_fill(struct apus__owner *here)
{
    while (apus_load_relaxed(&here->nursery_count) < APUS__NURSERY) {
        struct apus_process *process = cell_alloc(here);
        if (!process)
            return false;
        process->flags = APUS__UNBORN | APUS__SCHEDULED;
        nursery_push(here, process);
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

// A cell of the nursery, of which the last `kept` are left there. NULL if there is none.
static struct apus_process *nursery_try(struct apus__owner *owner, int32_t kept)
{
    int32_t count = apus_load_relaxed(&owner->nursery_count);
    while (count > kept)
        // acquire: the cells counted are in the list. Pairs with nursery_push().
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
        struct apus_process *process = nursery_try(owner, kept);
        if (process || (is_ours && is_dry))
            return process;
    } while (apus__clock_ns() < end);
    return NULL;
}

// A cell of the other owner. Waits if there is none, unless we are a scheduler, which must not wait.
static struct apus_process *nursery_take(struct apus__owner *here, struct apus__owner *owner)
{
    const int32_t kept = APUS__NURSERY_FOR_ERRANDS;
    struct apus_process *process = nursery_try(owner, kept);
    if (!process && here->is_foreign && apus__world.is_simulated) {
        apus__nursery_fill(owner);
        return nursery_try(owner, kept);
    }
    if (!process && here->is_foreign)
        return nursery_wait(here, owner, kept);
    if (apus__nursery_is_small(owner))
        nursery_ask(here, owner);
    return process;
}

int apus__spawn_there(struct apus__owner *here, struct apus__owner *there, const struct apus__birth *birth, const void *argument,
                      size_t size, apus_pid *pid)
{
    struct apus_process *process = nursery_take(here, there);
    if (!process)
        return -EAGAIN;
    apus_pid child = cell_new_pid(process);
    apus_message *message = spawn_message(here, birth, argument, size, birth->wishes);
    struct apus__name *name = NULL;
    int result = message ? cell_announce(here, process, birth->wishes, child, &name) : -ENOMEM;
    if (result) {
        if (message)
            apus__message_free(here, message);
        nursery_push(there, process);
        return result;
    }
    if (name)
        apus__name_install(process, name);
    apus_bump_relaxed(&here->counters.spawned, 1);
    if (birth->parent.id == 0)
        apus_add_relaxed(&apus__world.roots, 1);
    // release: see apus__spawn_here(). The cell is ours alone until now; nobody knows the pid before the signal is pushed.
    apus_store_release(&process->pid, child.id);
    *pid = child;
    result = apus__deliver(here, child, message);
    apus_check(result == 0);
    return 0;
}

int apus__spawn_errand(struct apus__owner *here, void (*body)(apus_process *self, void *argument), void *errand)
{
    // The last cells of the nursery are kept for errands, so that a full table does not keep a plain thread from waiting for a process
    // to end.
    struct apus_process *process = cell_get(here, 0);
    if (apus_unlikely(!process))
        return -EAGAIN;
    apus_pid child = cell_new_pid(process);
    struct apus__birth birth = {.behaviour = &apus__errand_behaviour, .body = body};
    cell_fill(here, process, &birth, false); // neither this nor the next can fail: no wishes, and the state has its place
    if (apus_unlikely(apus_load_relaxed(&process->bound) != NULL))
        cell_announce(here, process, NULL, child, NULL);
    process->flags |= APUS__ERRAND;
    *apus__errand_of(process) = errand;
    // release: see apus__spawn_here().
    apus_store_release(&process->pid, child.id);
    apus__schedule(here, process);
    return 0;
}

void apus__born(struct apus__owner *here, struct apus_process *process, apus_message *spawn)
{
    struct apus__birth birth;
    memcpy(&birth, apus_message_payload(spawn), sizeof birth);
    if (birth.wishes)
        birth.wishes = (const struct apus__wishes *)(const void *)((const char *)apus_message_payload(spawn) + sizeof birth);
    if (process->flags & APUS__EXITING)
        apus__mailbox_append(process, spawn); // it has been killed already; the first message says why
    else
        apus__mailbox_prepend(process, spawn);
    // In the nursery SCHEDULED was set so that nothing would give the cell a turn; cell_fill() clears it.
    int result = cell_fill(here, process, &birth, true);
    if (birth.parent.id == 0)
        process->flags |= APUS__ROOT; // counted by the spawner
    if (result) {
        apus_reason reason = apus_reason_error(result, "out of memory while being spawned");
        apus__must_end(here, process, &reason);
    }
    apus__schedule(here, process);
}
