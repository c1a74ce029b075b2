#include "process/life.h"
#include "process/reason.h"

// --- What it holds (R8) ---------------------------------------------------------------------------------------------------------

struct exit_unwatch {
    apus_pid pid;
};

static void exit_unwatch(struct apus__relation *relation, void *context)
{
    struct exit_unwatch *unwatch = context;
    if (relation->kind == APUS__WATCHING)
        apus__world.unwatch((int)relation->key, unwatch->pid);
}

static void exit_drop_message(struct apus__owner *here, struct apus_process *process, apus_pid pid, apus_message *message,
                              const apus_reason *reason)
{
    apus__bound_discount(here, process, message);
    if (message->kind == APUS__REQUEST && !(message->flags & APUS__ANSWERED))
        apus__fail_request(here, message->from, message->ref.id, pid, reason);
    if (message->flags & APUS__UNSENT)
        apus__message_free(here, message);
    else
        apus__message_drop(here, message);
}

static void exit_release_extra(struct apus__owner *here, struct apus_process *process, apus_pid pid, const apus_reason *reason)
{
    struct apus__extra *extra = process->extra;
    apus__arena_free(here, process);
    while (extra->held) {
        apus_message *message = apus__held_message(extra->held);
        apus__unhold(here, process, message);
        exit_drop_message(here, process, pid, message, reason);
    }
    if (extra->exit_reason)
        apus__message_free(here, extra->exit_reason);
}

// --- Who hears of it ------------------------------------------------------------------------------------------------------------

static void exit_tell(struct apus__owner *here, apus_pid pid, const struct apus__relation *relation, const apus_reason *reason)
{
    apus_pid peer = {relation->peer};
    switch (relation->kind) {
    case APUS__LINKED:
        if (!relation->unlink_id)
            apus__signal_send(here, peer, &(struct apus__signal){APUS__LINK_EXIT, pid, 0, 0, reason});
        break;
    case APUS__MONITORED_BY:
    case APUS__ASKED_BY:
    case APUS__WAITS_FOR_SPACE:
        apus__signal_send(here, peer, &(struct apus__signal){APUS__DOWN, pid, relation->key, 0, reason});
        break;
    case APUS__MONITORING:
        apus__signal_send(here, peer, &(struct apus__signal){APUS__DEMONITOR, pid, relation->key, 0, NULL});
        break;
    case APUS__ASKED:
        if (relation->timed)
            apus__wheel_remove(here->wheel, (struct apus__wheel_entry *)&relation->deadline.entry);
        apus__signal_send(here, peer, &(struct apus__signal){APUS__ABANDON, pid, relation->key, 0, NULL});
        break;
    default:
        break;
    }
}

static void process_ack(struct apus__owner *here, apus_pid pid, apus_pid parent, int status, const apus_reason *reason)
{
    size_t text = status < 0 ? apus__reason_text_size(reason) : 0;
    apus_message *message = apus__message_alloc_certain(here, sizeof(apus_started) + text, APUS__SYSTEM);
    message->type = &apus_type_started;
    message->from = pid;
    message->size = sizeof(apus_started);
    apus_started *started = apus_message_payload(message);
    started->pid = pid;
    started->status = status;
    started->reason = status < 0 ? apus__reason_store(started + 1, reason) : apus_reason_of(APUS_REASON_NORMAL);
    if (apus__deliver(here, parent, message) != 0)
        apus__message_free(here, message);
}

void apus__process_ack(struct apus__owner *here, struct apus_process *process, int status, const apus_reason *reason)
{
    if (process->flags & APUS__ACK) {
        process->flags &= ~(uint32_t)APUS__ACK;
        process_ack(here, apus__pid(process), process->parent, status, reason);
    }
}

// A process that ends before init did tells its parent with an error: the reason's code, or what kind of end it was.
static int exit_status(const apus_reason *reason)
{
    switch (reason->kind) {
    case APUS_REASON_ERROR:
        return reason->code < 0 ? reason->code : -EPROTO;
    case APUS_REASON_TIMEOUT:
        return -ETIMEDOUT;
    default:
        return -ECANCELED;
    }
}

// --- The cell -------------------------------------------------------------------------------------------------------------------

enum { HOMEWARD_BATCH = 64 };

void apus__cells_send_home(struct apus__owner *here)
{
    struct apus_process *oldest = here->homeward_first;
    if (!oldest)
        return;
    struct apus__owner *home = apus__world.owners[here->homeward_owner];
    uintptr_t newest = 0;
    for (struct apus_process *process = oldest; process;) {
        struct apus_process *next = process->homeward;
        // The links of the chain are written before the owner changes; after that the cell is no longer ours (signal.h, "moving").
        apus_store_relaxed(&process->gift.next, newest);
        newest = (uintptr_t)&process->gift | APUS__INBOX_HOME;
        process = next;
    }
    for (uintptr_t cell = newest; cell;) {
        struct apus__inbox_link *link = apus__inbox_untag(cell);
        cell = apus__inbox_next(cell);
        // release: all we did to the cell. Pairs with the exchange in apus__inbox_take() by its new owner, or with a pusher's load.
        apus_store_release(&apus_container_of(link, struct apus_process, gift)->owner, home->id);
    }
    here->homeward_first = NULL;
    here->homeward_count = 0;
    if (apus__inbox_push_chain(&home->inbox, newest, &oldest->gift))
        apus__owner_wake(home, here);
}

void apus__cell_home(struct apus__owner *here, struct apus_process *process)
{
    apus__table_free(&apus__world.cell_table, &here->cells, apus__index_of(process));
}

static void cell_free(struct apus__owner *here, struct apus_process *process)
{
    uint32_t home = process->home - 1u;
    if (apus_likely(home == here->id)) {
        apus__table_free(&apus__world.cell_table, &here->cells, apus__index_of(process));
        return;
    }
    if (here->homeward_first && here->homeward_owner != home)
        apus__cells_send_home(here);
    process->homeward = here->homeward_first;
    here->homeward_first = process;
    here->homeward_owner = home;
    if (++here->homeward_count >= HOMEWARD_BATCH)
        apus__cells_send_home(here);
}

// --- The end --------------------------------------------------------------------------------------------------------------------

// Nobody finds the process from here on. Its watches and its name go first: whoever finds it gone (and has that as news of its end) may
// use the descriptors and the name again at once.
apus_inline void exit_hide(struct apus_process *process, apus_pid pid)
{
    if (apus_unlikely(process->relations != NULL))
        apus__relation_each(process, exit_unwatch, &(struct exit_unwatch){pid});
    if (apus_unlikely(apus_load_relaxed(&process->name) != NULL))
        apus__name_release(process);
    // seq_cst: releases all that for apus__find(). Then a name is looked for once more, which somebody may just have given it. Pairs
    // with name_attach() in name.c.
    apus_store_seqcst(&process->pid, 0);
    if (apus_unlikely(apus_load_seqcst(&process->name) != NULL))
        apus__name_release(process);
}

apus_inline void exit_free_state(struct apus__owner *here, struct apus_process *process)
{
    if (process->state != process->small && process->state)
        apus__heap_free(&here->heap, process->state, process->state_block);
    process->state = NULL;
}

static void exit_tell_all(struct apus__owner *here, struct apus_process *process, apus_pid pid, const apus_reason *reason)
{
    if (process->flags & APUS__ACK)
        process_ack(here, pid, process->parent, exit_status(reason), reason);
    struct apus__relation *relation;
    while ((relation = apus__relation_pop(here, process))) {
        exit_tell(here, pid, relation, reason);
        apus__relation_free(here, relation);
    }
}

// What plain threads know of the process.
static void exit_tell_threads(struct apus__owner *here, struct apus_process *process)
{
    if (process->flags & APUS__ROOT)
        apus_sub_relaxed(&apus__world.roots, 1);
    if (process->flags & APUS__ERRAND)
        apus__world.on_errand_end(here, process);
}

// The seldom parts: what most processes do not have.
apus_cold static void exit_slow(struct apus__owner *here, struct apus_process *process, apus_pid pid, const apus_reason *reason)
{
    exit_tell_threads(here, process);
    if (process->extra)
        exit_release_extra(here, process, pid, reason);
    exit_tell_all(here, process, pid, reason);
    if (process->extra) {
        apus__heap_free(&here->heap, process->extra, apus__heap_class(sizeof *process->extra));
        process->extra = NULL;
    }
}

static void exit_empty_mailbox(struct apus__owner *here, struct apus_process *process, apus_pid pid, const apus_reason *reason)
{
    while (process->first) {
        apus_message *message = apus__mailbox_pop(process);
        exit_drop_message(here, process, pid, message, reason);
    }
}

apus_inline void exit_count(_Atomic uint64_t *ended)
{
    // release: that it was spawned. Pairs with runtime_add_ends().
    apus_store_release(ended, apus_load_relaxed(ended) + 1);
}

apus_inline void exit_tell_world(void)
{
    if (apus_unlikely(apus_load_relaxed(&apus__world.state) != APUS__WORLD_RUNNING))
        apus__world.on_end();
}

void apus__errand_refused(struct apus__owner *here)
{
    exit_count(&here->counters.errands_ended);
    exit_tell_world();
}

apus_inline void exit_give_cell(struct apus__owner *here, struct apus_process *process)
{
    process->flags = 0;
    exit_count(process->behaviour == &apus__errand_behaviour ? &here->counters.errands_ended : &here->counters.ended);
    cell_free(here, process);
    exit_tell_world();
}

void apus__errand_hide(struct apus_process *process)
{
    *apus__errand_of(process) = NULL;
    // release: as in exit_hide(), which comes at the end, and sees to a name that somebody may have given it.
    apus_store_release(&process->pid, 0);
}

void apus__process_end(struct apus__owner *here, struct apus_process *process, const apus_reason *reason)
{
    apus_pid pid = apus__pid_of_cell(process);
    exit_hide(process, pid);
    exit_free_state(here, process);
    if (apus_unlikely(process->flags & (APUS__ACK | APUS__ROOT | APUS__ERRAND) || process->relations || process->extra))
        exit_slow(here, process, pid, reason);
    if (process->first)
        exit_empty_mailbox(here, process, pid, reason);
    exit_give_cell(here, process);
}

// --- The end of a process whose thread is still in a callback -------------------------------------------------------------------

// Whoever asked for the answer to `message` gets none any more. The message itself stays: the callback may be reading it.
static void exit_fail_open_request(struct apus__owner *here, apus_pid pid, const apus_message *message, const apus_reason *reason)
{
    if (message && message->kind == APUS__REQUEST && !(message->flags & APUS__ANSWERED))
        apus__fail_request(here, message->from, message->ref.id, pid, reason);
}

static void exit_drop_silently(struct apus__owner *here, apus_message *message)
{
    if (message->flags & APUS__UNSENT)
        apus__message_free(here, message);
    else
        apus__message_drop(here, message);
}

void apus__process_depart(struct apus__owner *here, struct apus_process *process, const apus_message *handling,
                          const apus_reason *reason)
{
    apus_pid pid = apus__pid(process);
    exit_hide(process, pid);
    exit_tell_threads(here, process);
    exit_fail_open_request(here, pid, handling, reason);
    for (const apus_message *held = process->extra->held; held; held = apus__message_next(held))
        if (held != handling)
            exit_fail_open_request(here, pid, held, reason);
    exit_tell_all(here, process, pid, reason);
    exit_empty_mailbox(here, process, pid, reason);
    process->flags = APUS__DEPARTED;
    apus_bump_relaxed(&here->counters.departed, 1);
}

void apus__process_bury(struct apus__owner *here, struct apus_process *process, apus_message *handling)
{
    static const apus_reason gone = {.kind = APUS_REASON_NOPROC};
    struct apus__extra *extra = process->extra;
    exit_tell_all(here, process, apus__pid_of_cell(process), &gone); // what cleanup may have added
    exit_free_state(here, process);
    apus__arena_free(here, process);
    if (handling && !(handling->flags & APUS__HELD))
        exit_drop_silently(here, handling);
    while (extra->held) {
        apus_message *message = apus__held_message(extra->held);
        apus__unhold(here, process, message);
        exit_drop_silently(here, message);
    }
    if (extra->exit_reason)
        apus__message_free(here, extra->exit_reason);
    apus__heap_free(&here->heap, extra, apus__heap_class(sizeof *extra));
    process->extra = NULL;
    apus_bump_relaxed(&here->counters.buried, 1);
    exit_give_cell(here, process);
}
