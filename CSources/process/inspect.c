// process/inspect.c - a process's answer to apus_process_info, given by its owner on its behalf.
#include "process/name.h"
#include "process/signal.h"

static void inspect_relation(struct apus__relation *relation, void *context)
{
    apus_process_info_t *info = context;
    info->links += relation->kind == APUS__LINKED && !relation->unlink_id;
    info->monitors += relation->kind == APUS__MONITORING;
    info->monitored_by += relation->kind == APUS__MONITORED_BY;
    info->memory += sizeof *relation;
}

static apus_process_state inspect_state(const struct apus__owner *here, const struct apus_process *process)
{
    if (process == here->current)
        return APUS_STATE_RUNNING;
    if (process->flags & APUS__WAITING)
        return process->extra->wait->is_detached ? APUS_STATE_RUNNING : APUS_STATE_WAITING;
    if (process->flags & (APUS__STARTING | APUS__UNBORN))
        return APUS_STATE_STARTING;
    return process->flags & APUS__SCHEDULED ? APUS_STATE_READY : APUS_STATE_IDLE;
}

static uint64_t inspect_messages(const struct apus_process *process)
{
    uint64_t count = 0;
    for (const apus_message *message = process->first; message; message = apus__mailbox_next(process, message))
        count += message->kind <= APUS__LAST_VISIBLE;
    return count;
}

// What the process is, once its scheduler has made it: in a cell of the nursery that is what the last occupant was, or nothing.
static void inspect_born(const struct apus_process *process, apus_process_info_t *info)
{
    info->parent = process->parent;
    info->priority = (apus_priority)process->priority;
    info->traps_exits = process->flags & APUS__TRAPS;
    info->reductions = apus__reductions(process);
    info->behaviour = process->behaviour->name;
    if (process->state != process->small)
        info->memory += process->behaviour->state_size;
}

static void inspect_fill(struct apus__owner *here, struct apus_process *process, apus_process_info_t *info)
{
    info->struct_size = sizeof *info;
    info->pid = apus__pid(process);
    info->state = inspect_state(here, process);
    info->scheduler = here->id;
    info->node = (int)apus__table_node_of(&apus__world.cell_table, apus__index_of(process));
    info->messages = inspect_messages(process);
    info->behaviour = "";
    info->memory = sizeof *process;
    if (!(process->flags & APUS__UNBORN))
        inspect_born(process, info);
    if (process->flags & APUS__WAITING && process->extra->wait->fiber)
        info->memory += apus__world.stack_size;
    if (process->extra) {
        info->memory += sizeof *process->extra + process->extra->arena_used;
        memcpy(info->label, process->extra->label, sizeof info->label);
    }
    struct apus__bound *bound = apus_load_relaxed(&process->bound);
    info->dropped = bound ? apus_load_relaxed(&bound->dropped) : 0;
    apus__relation_each(process, inspect_relation, info);
    apus__name_copy(process, info->name, sizeof info->name);
}

void apus__answer_info(struct apus__owner *here, struct apus_process *process, apus_pid asker, uint64_t ref)
{
    apus_message *reply = apus__message_alloc(here, sizeof(apus_process_info_t), APUS__REPLY);
    if (!reply) {
        static const apus_reason no_memory = {APUS_REASON_ERROR, -ENOMEM, "out of memory", 0, 0};
        apus__fail_request(here, asker, ref, apus__pid(process), &no_memory);
        return;
    }
    reply->type = &apus_type_reply;
    reply->from = apus__pid(process);
    reply->ref.id = ref;
    memset(apus_message_payload(reply), 0, sizeof(apus_process_info_t));
    inspect_fill(here, process, apus_message_payload(reply));
    if (apus__deliver(here, asker, reply) != 0)
        apus__message_drop(here, reply);
}
