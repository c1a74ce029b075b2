#include "process/life.h"
#include "process/nursery.h"

const apus_behaviour apus__blocking_behaviour = {.name = "blocking"};
const apus_behaviour apus__errand_behaviour = {.name = "errand"};

enum { BOUND_CLASS = 1 };
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
    apus_store_relaxed(&process->tally, 0);
    process->flags = (process->flags & (APUS__EXITING | APUS__OPEN | APUS__OPEN_WIDE)) | APUS__STARTING | birth->flags;
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

// The argument, behind the birth, with its wishes, if the process is made elsewhere.
static apus_message *spawn_message(struct apus__owner *here, const struct apus__birth *birth, bool is_elsewhere, const void *argument,
                                   size_t size)
{
    const struct apus__wishes *wishes = birth->wishes;
    size_t start = is_elsewhere ? sizeof *birth + (wishes ? sizeof *wishes : 0) : 0;
    start = (start + 15) & ~(size_t)15; // where the argument begins
    apus_message *message = apus__message_alloc(here, start + size, APUS__SPAWN);
    if (!message)
        return NULL;
    message->type = birth->argument_type;
    message->from = APUS_NOBODY;
    message->ref.id = start;
    if (is_elsewhere)
        memcpy(apus_message_payload(message), birth, sizeof *birth);
    if (is_elsewhere && wishes)
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

// A cell for a process that begins here. The last resort is our own nursery, in which all the cells of a small table may be; the last `kept`
// of them stay there.
apus_inline struct apus_process *cell_get(struct apus__owner *here, int32_t kept)
{
    struct apus_process *process = apus__cell_alloc(here);
    if (apus_unlikely(!process) && !(process = apus__nursery_try(here, kept)))
        return NULL;
    process->flags = 0;
    return process;
}

int apus__spawn_here(struct apus__owner *here, const struct apus__birth *birth, const void *argument, size_t size, apus_pid *pid)
{
    apus_message *message = NULL;
    if (size && !(message = spawn_message(here, birth, false, argument, size)))
        return -ENOMEM;
    struct apus_process *process = cell_get(here, APUS__NURSERY_FOR_ERRANDS);
    if (apus_unlikely(!process)) {
        if (message)
            apus__message_free(here, message);
        return -EAGAIN;
    }
    apus_pid child = apus__cell_new_pid(process);
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

int apus__spawn_there(struct apus__owner *here, struct apus__owner *there, const struct apus__birth *birth, const void *argument,
                      size_t size, apus_pid *pid)
{
    struct apus_process *process = apus__nursery_take(here, there, APUS__NURSERY_FOR_ERRANDS);
    if (!process)
        return -EAGAIN;
    apus_pid child = apus__cell_new_pid(process);
    apus_message *message = spawn_message(here, birth, true, argument, size);
    struct apus__name *name = NULL;
    int result = message ? cell_announce(here, process, birth->wishes, child, &name) : -ENOMEM;
    if (result) {
        if (message)
            apus__message_free(here, message);
        apus__nursery_push(there, process);
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

int apus__spawn_errand(struct apus__owner *here, apus_pid pid, void (*body)(apus_process *self, void *argument), void *errand,
                       struct apus_process **made)
{
    // The last cells of the nursery are kept for errands, so that a full table does not keep a plain thread from waiting for a process
    // to end.
    struct apus_process *process = pid.id ? apus__reserved_claim(pid) : cell_get(here, 0);
    if (apus_unlikely(!process))
        return pid.id ? -EINVAL : -EAGAIN;
    apus_debug(apus_load_relaxed(&process->owner) == here->id);
    apus_pid child = pid.id ? pid : apus__cell_new_pid(process);
    struct apus__birth birth = {.behaviour = &apus__errand_behaviour, .body = body};
    cell_fill(here, process, &birth, false); // neither this nor the next can fail: no wishes, and the state has its place
    if (apus_unlikely(apus_load_relaxed(&process->bound) != NULL))
        cell_announce(here, process, NULL, child, NULL);
    process->flags |= APUS__ERRAND;
    *apus__errand_of(process) = errand;
    // release: see apus__spawn_here().
    apus_store_release(&process->pid, child.id);
    *made = process;
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
