#include "process/signal.h"

#include "process/circle.h"
#include "process/life.h"
#include "process/reason.h"

static const apus_reason noproc = {.kind = APUS_REASON_NOPROC};

void apus__owner_wake(struct apus__owner *owner, struct apus__owner *here)
{
    apus_bump_relaxed(&here->counters.wakes, 1);
    apus__inbox_wake(&owner->inbox);
}

// --- Sending --------------------------------------------------------------------------------------------------------------------

static void signal_notify(struct apus__owner *here, struct apus_process *process)
{
    // relaxed: if another owner's id is read, that owner either is still the one, or has given the cell away and passes this on.
    struct apus__owner *owner = apus__world.owners[apus_load_relaxed(&process->owner)];
    apus__owner_tell(owner, here, &process->inbox, APUS__INBOX_NOTIFY);
}

static void signal_push(struct apus__owner *here, struct apus_process *process, apus_pid to, apus_message *message)
{
    message->reserved1 = to.id;
    apus_bump_relaxed(&here->counters.sent_remote, 1);
    apus_message *newest = apus_load_relaxed(&process->remote);
    do {
        apus__message_set_next(message, newest);
        // release: publishes the envelope to the exchange in signal_take(). acquire: if the stack was made NULL by that exchange, what
        // the owner wrote before it, `owner` above all, is seen in signal_notify().
    } while (!apus_cas_weak_acq_rel(&process->remote, &newest, message));
    if (!newest)
        signal_notify(here, process);
}

static void signal_accept(struct apus__owner *here, struct apus_process *process, apus_message *message);

int apus__deliver_otherwise(struct apus__owner *here, apus_pid to, apus_message *message)
{
    struct apus_process *process = apus__find(to);
    if (apus_unlikely(!process))
        return -ESRCH;
    // relaxed: set by the owner before the pid was given to anyone, and never taken away again.
    struct apus__bound *bound = apus_load_relaxed(&process->bound);
    if (apus_unlikely(bound) && message->kind <= APUS__REQUEST && !(message->flags & APUS__EXEMPT) && !message->type->is_exempt) {
        int result = apus__bound_admit(here, process, bound, message);
        if (result)
            return result < 0 ? result : 0;
    }
    // To oneself always directly: a push of somebody else's that waits in `remote` is not to come first.
    if (apus_likely(apus__is_local(here, process, to) || process == here->current)) {
        apus_bump_relaxed(&here->counters.sent_local, 1);
        signal_accept(here, process, message);
    } else {
        signal_push(here, process, to, message);
    }
    return 0;
}

static void signal_apply(struct apus__owner *here, struct apus_process *process, const struct apus__signal *signal);
static void signal_to_dead(struct apus__owner *here, apus_pid to, const struct apus__signal *signal);

static apus_message *signal_envelope(struct apus__owner *here, const struct apus__signal *signal)
{
    size_t text = signal->reason ? apus__reason_text_size(signal->reason) : 0;
    apus_message *message = apus__message_alloc_certain(here, sizeof(struct apus__signal_payload) + text, signal->kind);
    message->from = signal->from;
    message->ref.id = signal->ref;
    struct apus__signal_payload *payload = apus_message_payload(message);
    payload->value = signal->value;
    if (signal->reason)
        payload->reason = apus__reason_store(payload + 1, signal->reason);
    else
        payload->reason = apus_reason_of(APUS_REASON_NORMAL);
    return message;
}

void apus__signal_send(struct apus__owner *here, apus_pid to, const struct apus__signal *signal)
{
    struct apus_process *process = apus__find(to);
    if (!process) {
        signal_to_dead(here, to, signal);
    } else if (apus__is_local(here, process, to)) {
        apus_bump_relaxed(&here->counters.sent_local, 1);
        signal_apply(here, process, signal);
    } else {
        signal_push(here, process, to, signal_envelope(here, signal));
    }
}

void apus__signal_pass(struct apus__owner *here, apus_pid to, apus_message *round)
{
    struct apus_process *process = apus__find(to);
    if (!process)
        apus__message_free(here, round);
    else if (apus__is_local(here, process, to))
        apus__circle_arrive(here, process, round);
    else
        signal_push(here, process, to, round);
}

void apus__doom(struct apus_process *process, apus_pid pid)
{
    // A slow killer of an earlier occupant does not wipe out the mark of a later one. acquire, and release: who reads the mark of a later
    // occupant finds that one's pid in the cell as well. Both ends are here. R9 needs no more than that the asker sees its own store.
    uint64_t doomed = apus_load_acquire(&process->doomed);
    while (doomed != pid.id && apus__pid(process).id == pid.id && !apus_cas_weak_acq_rel(&process->doomed, &doomed, pid.id)) {
    }
}

// --- The dead -------------------------------------------------------------------------------------------------------------------

void apus__fail_request(struct apus__owner *here, apus_pid caller, uint64_t ref, apus_pid server, const apus_reason *reason)
{
    apus__signal_send(here, caller, &(struct apus__signal){APUS__DOWN, server, ref, 0, reason});
}

static void signal_to_dead(struct apus__owner *here, apus_pid to, const struct apus__signal *signal)
{
    switch (signal->kind) {
    case APUS__LINK:
        apus__signal_send(here, signal->from, &(struct apus__signal){APUS__LINK_EXIT, to, 0, 0, &noproc});
        break;
    case APUS__UNLINK:
        apus__signal_send(here, signal->from, &(struct apus__signal){APUS__UNLINK_ACK, to, signal->ref, 0, NULL});
        break;
    case APUS__MONITOR:
    case APUS__INFO:
    case APUS__SPACE:
        apus__fail_request(here, signal->from, signal->ref, to, &noproc);
        break;
    default:
        break; // nobody waits for the others
    }
}

static struct apus__signal signal_of(const apus_message *message)
{
    const struct apus__signal_payload *payload = apus_message_payload(message);
    return (struct apus__signal){message->kind, message->from, message->ref.id, payload->value, &payload->reason};
}

void apus__message_to_dead(struct apus__owner *here, apus_pid to, apus_message *message)
{
    if (message->kind == APUS__REQUEST && !(message->flags & APUS__ANSWERED)) {
        apus__fail_request(here, message->from, message->ref.id, to, &noproc);
    } else if (message->kind > APUS__LAST_VISIBLE && message->kind < APUS__SPAWN) {
        struct apus__signal signal = signal_of(message);
        signal_to_dead(here, to, &signal);
    }
    apus__message_drop(here, message);
}

// --- Arriving -------------------------------------------------------------------------------------------------------------------

void apus__wait_act(struct apus__owner *here, struct apus__wait *wait)
{
    if (!(wait->process->flags & APUS__EXITING))
        wait->then(here, wait);
}

void apus__wake_otherwise(struct apus__owner *here, struct apus_process *process)
{
    if (!(process->flags & (APUS__SCHEDULED | APUS__WAITING))) {
        process->flags &= ~(uint32_t)APUS__PILES_UP;
        apus__schedule(here, process);
    } else if (process->flags & APUS__FRESH) {
        if (here->current && !here->next && apus__fresh_may_begin(here)) {
            here->fresh_turns++;
            apus__fresh_remove(here, process);
            here->next = process;
        }
    } else if (process->flags & APUS__WAITING) {
        if (process->extra->wait->takes_messages)
            apus__schedule(here, process);
        else
            apus__circle_suspect(here, process);
    }
}

static void signal_append(struct apus__owner *here, struct apus_process *process, apus_message *message)
{
    apus__mailbox_append(process, message);
    apus__wake(here, process);
}

// Takes away the open request `ref`. False if it has had its outcome.
static bool signal_close_request(struct apus__owner *here, struct apus_process *process, uint64_t ref)
{
    struct apus__relation *asked = apus__relation_find(process, APUS__ASKED, ref);
    if (!asked)
        return false;
    if (asked->timed) {
        apus__wheel_remove(here->wheel, &asked->deadline.entry);
        process->extra->pins--;
    }
    apus__relation_remove(here, process, asked);
    return true;
}

static void signal_accept(struct apus__owner *here, struct apus_process *process, apus_message *message)
{
    if (message->kind == APUS__REPLY) {
        if (apus__signal_result(here, process, message->ref.id, message))
            return;
        if (!signal_close_request(here, process, message->ref.id)) {
            apus__message_drop(here, message);
            return;
        }
    }
    signal_append(here, process, message);
    struct apus__bound *bound = apus_load_relaxed(&process->bound);
    if (apus_unlikely(bound) && message->flags & APUS__COUNTED)
        apus__bound_drop_oldest(here, process, bound);
}

static apus_message *signal_system_message(struct apus__owner *here, const apus_type *type, size_t size, const apus_reason *reason)
{
    apus_message *message = apus__message_alloc_certain(here, size + (reason ? apus__reason_text_size(reason) : 0), APUS__SYSTEM);
    message->type = type;
    message->size = (uint32_t)size;
    return message;
}

apus_message *apus__down_message(struct apus__owner *here, uint64_t ref, apus_pid process, const apus_reason *reason)
{
    apus_message *message = signal_system_message(here, &apus_type_down, sizeof(apus_down_message), reason);
    apus_down_message *down = apus_message_payload(message);
    *down = (apus_down_message){{ref}, process, apus__reason_store(down + 1, reason)};
    message->from = process;
    message->ref.id = ref;
    return message;
}

static apus_message *signal_exit_message(struct apus__owner *here, apus_pid from, const apus_reason *reason)
{
    apus_message *message = signal_system_message(here, &apus_type_exit, sizeof(apus_exit_message), reason);
    apus_exit_message *payload = apus_message_payload(message);
    *payload = (apus_exit_message){from, apus__reason_store(payload + 1, reason)};
    message->from = from;
    return message;
}

apus_message *apus__reason_message(struct apus__owner *here, const apus_reason *reason)
{
    return signal_envelope(here, &(struct apus__signal){APUS__REASON, APUS_NOBODY, 0, 0, reason});
}

void apus__must_end(struct apus__owner *here, struct apus_process *process, const apus_reason *reason)
{
    if (process->flags & APUS__EXITING)
        return;
    apus_message *why = apus__reason_message(here, reason);
    apus__mailbox_prepend(process, why);
    process->flags |= APUS__EXITING;
    apus__doom(process, apus__pid(process));
    apus__schedule(here, process);
}

// R1-R5: what an exit signal does.
static void signal_exit(struct apus__owner *here, struct apus_process *process, const struct apus__signal *signal)
{
    const apus_reason *reason = signal->reason;
    bool is_kill = signal->kind == APUS__EXIT && reason->kind == APUS_REASON_KILL;
    if (is_kill) {
        static const apus_reason killed = {.kind = APUS_REASON_KILLED};
        apus__must_end(here, process, &killed);
        return;
    }
    if (process->flags & APUS__ENDING)
        return; // it is ending of its own accord already
    if (process->flags & APUS__TRAPS) {
        apus_message *message = signal_exit_message(here, signal->from, reason);
        if (signal->kind == APUS__STOP)
            message->marks |= APUS__FROM_STOP;
        signal_append(here, process, message);
        return;
    }
    bool from_self = apus_pid_equal(signal->from, apus__pid(process));
    if (reason->kind == APUS_REASON_NORMAL && !from_self)
        return;
    apus__must_end(here, process, reason);
}

// R17: an exit over a link counts only while the link is there and is not being taken away.
static void signal_link_exit(struct apus__owner *here, struct apus_process *process, const struct apus__signal *signal)
{
    struct apus__relation *link = apus__relation_find(process, APUS__LINKED, signal->from.id);
    if (!link || link->unlink_id)
        return;
    apus__relation_remove(here, process, link);
    signal_exit(here, process, signal);
}

static void signal_down(struct apus__owner *here, struct apus_process *process, const struct apus__signal *signal)
{
    apus_message *message = NULL;
    struct apus__relation *monitor = apus__relation_find(process, APUS__MONITORING, signal->ref);
    if (monitor) {
        apus__relation_remove(here, process, monitor);
    } else {
        message = apus__down_message(here, signal->ref, signal->from, signal->reason);
        if (apus__signal_result(here, process, signal->ref, message))
            return;
        if (!signal_close_request(here, process, signal->ref)) {
            apus__message_free(here, message);
            return;
        }
    }
    signal_append(here, process, message ? message : apus__down_message(here, signal->ref, signal->from, signal->reason));
}

static void signal_unlink(struct apus__owner *here, struct apus_process *process, const struct apus__signal *signal)
{
    struct apus__relation *link = apus__relation_find(process, APUS__LINKED, signal->from.id);
    if (link && !link->unlink_id)
        apus__relation_remove(here, process, link);
    apus__signal_send(here, signal->from, &(struct apus__signal){APUS__UNLINK_ACK, apus__pid(process), signal->ref, 0, NULL});
}

static void signal_remove(struct apus__owner *here, struct apus_process *process, enum apus__relation_kind kind, uint64_t key)
{
    struct apus__relation *relation = apus__relation_find(process, kind, key);
    if (relation)
        apus__relation_remove(here, process, relation);
}

static void signal_unlink_ack(struct apus__owner *here, struct apus_process *process, const struct apus__signal *signal)
{
    struct apus__relation *link = apus__relation_find(process, APUS__LINKED, signal->from.id);
    if (link && link->unlink_id == signal->ref)
        apus__relation_remove(here, process, link);
}

// Phase 1 of a stop reaches the roots only, phase 2 everybody; `value` is the phase.
static void signal_stop(struct apus__owner *here, struct apus_process *process, const struct apus__signal *signal)
{
    if (process->flags & APUS__UNBORN || (signal->value == 1 && process->parent.id != 0))
        return;
    signal_exit(here, process, signal);
}

static void signal_apply(struct apus__owner *here, struct apus_process *process, const struct apus__signal *signal)
{
    apus__record(here, signal->from.id, apus__pid(process).id, (const void *)(uintptr_t)signal->kind);
    switch (signal->kind) {
    case APUS__EXIT:
        signal_exit(here, process, signal);
        break;
    case APUS__LINK_EXIT:
        signal_link_exit(here, process, signal);
        break;
    case APUS__LINK:
        if (!apus__relation_find(process, APUS__LINKED, signal->from.id))
            apus__relation_add(here, process, APUS__LINKED, signal->from.id, signal->from.id, true);
        break;
    case APUS__UNLINK:
        signal_unlink(here, process, signal);
        break;
    case APUS__UNLINK_ACK:
        signal_unlink_ack(here, process, signal);
        break;
    case APUS__MONITOR:
        apus__relation_add(here, process, APUS__MONITORED_BY, signal->ref, signal->from.id, true);
        break;
    case APUS__DEMONITOR:
        signal_remove(here, process, APUS__MONITORED_BY, signal->ref);
        break;
    case APUS__DOWN:
        signal_down(here, process, signal);
        break;
    case APUS__ABANDON:
        signal_remove(here, process, APUS__ASKED_BY, signal->ref);
        apus__bound_abandoned(here, process, signal->ref);
        break;
    case APUS__INFO:
        apus__answer_info(here, process, signal->from, signal->ref);
        break;
    case APUS__SPACE:
        apus__bound_wait(here, process, signal);
        break;
    case APUS__STOP:
        signal_stop(here, process, signal);
        break;
    default:
        apus_check(!"a signal of unknown kind");
    }
}

bool apus__abandon(struct apus__owner *here, struct apus_process *process, uint64_t ref)
{
    struct apus__relation *asked = apus__relation_find(process, APUS__ASKED, ref);
    if (!asked)
        return false;
    apus_pid server = {asked->peer};
    signal_close_request(here, process, ref);
    apus__signal_send(here, server, &(struct apus__signal){APUS__ABANDON, apus__pid(process), ref, 0, NULL});
    return true;
}

void apus__signal_deadline(struct apus__owner *here, struct apus__deadline *deadline)
{
    if (deadline->kind == APUS__DEADLINE_LOOK) {
        apus__circle_look(here, apus_container_of(deadline, struct apus__wait, deadline));
        return;
    }
    if (deadline->kind == APUS__DEADLINE_WAIT) {
        struct apus__wait *wait = apus_container_of(deadline, struct apus__wait, deadline);
        if (!(wait->process->flags & APUS__READY)) {
            wait->process->flags |= APUS__READY;
            apus__schedule(here, wait->process);
        }
        return;
    }
    struct apus__relation *asked = apus_container_of(deadline, struct apus__relation, deadline);
    struct apus_process *process = apus__cell_at(asked->deadline.cell);
    uint64_t ref = asked->key;
    apus__abandon(here, process, ref);
    apus_message *message = signal_system_message(here, &apus_type_timeout, 0, NULL);
    message->ref.id = ref;
    signal_append(here, process, message);
}

// --- The owner's side -----------------------------------------------------------------------------------------------------------

// A small message that comes behind several in an unbounded mailbox moves to where they lie: its line is in the cache now, and may not
// be any more when its turn comes. False if it is any other.
static bool signal_gather(struct apus__owner *here, struct apus_process *process, apus_message *message)
{
    bool is_short = message->size > APUS__LINE_PAYLOAD;
    if (!apus__mailbox_has_several(process) || message->reserved1 != apus__pid(process).id || message->flags ||
        message->kind > APUS__REQUEST)
        return false;
    if (is_short && (message->size > APUS__SHORT_PAYLOAD || message->kind != APUS__MESSAGE || process->flags & APUS__BLOCKING))
        return false;
    uint8_t block;
    apus_message *line = apus__mailbox_extend(here, process, &block);
    if (!line && !(line = apus__mailbox_extend_slow(here, process, &block)))
        return false;
    line->type = message->type;
    line->from = message->from;
    apus__message_set_head_as(line, message->size, is_short ? APUS__SHORT : 0, (enum apus__kind)message->kind, block);
    if (!is_short)
        line->ref = message->ref;
    memcpy(apus_message_payload(line), apus_message_payload(message), is_short ? APUS__SHORT_PAYLOAD : APUS__LINE_PAYLOAD);
    apus__message_free(here, message);
    apus__wake(here, process);
    return true;
}

static void signal_arrive(struct apus__owner *here, struct apus_process *process, apus_message *message)
{
    if (message->reserved1 != apus__pid(process).id) {
        apus__bound_discount(here, process, message);
        apus__message_to_dead(here, (apus_pid){message->reserved1}, message);
    } else if (message->kind <= APUS__LAST_VISIBLE) {
        signal_accept(here, process, message);
    } else if (message->kind == APUS__SPAWN) {
        apus__born(here, process, message);
    } else if (message->kind == APUS__CIRCLE) {
        apus__circle_arrive(here, process, message);
    } else {
        struct apus__signal signal = signal_of(message);
        signal_apply(here, process, &signal);
        apus__message_free(here, message);
    }
}

// Signals taken from a process's stack: how many, and who sent the latest.
struct signal_taken {
    apus_pid from;
    uint32_t count;
};

static struct signal_taken signal_take(struct apus__owner *here, struct apus_process *process)
{
    // acquire: the envelopes, pushed with release in signal_push(). release: `owner` and all we did to the cell, for the pusher that
    // finds NULL there.
    apus_message *newest = apus_exchange_acq_rel(&process->remote, NULL);
    apus_message *oldest = NULL;
    struct signal_taken taken = {newest ? newest->from : APUS_NOBODY, 0};
    for (; newest; taken.count++) {
        apus_message *next = apus__message_next(newest);
        apus__message_set_next(newest, oldest);
        oldest = newest;
        newest = next;
    }
    // Of more, the first have left the cache again by now, and the lines for all of them would mostly be fresh memory.
    enum { GATHERED_MOST = 64 };
    while (oldest) {
        apus_message *next = apus__message_next(oldest);
        if (taken.count > GATHERED_MOST || !signal_gather(here, process, oldest))
            signal_arrive(here, process, oldest);
        oldest = next;
    }
    return taken;
}

enum { AT_ONCE = 0, QUICK = 4, SLOW = 16 };

// Whether schedulers take turns: several times in a row all that there was to do here was what came from one that has nothing to do meanwhile.
// So they would be as soon done if all were on one of them, and sooner by what it takes to wake the other each time.
static bool signal_takes_turns(struct apus__owner *here, bool sender_is_busy)
{
    bool is_all = !sender_is_busy && here->turns_are_short && here->run.count == 1 && !here->next && !here->fresh;
    here->alone_in_a_row = is_all ? here->alone_in_a_row + 1 : 0;
    return here->alone_in_a_row > QUICK;
}

// Of two schedulers that are as good as each other processes gather on the one with the lower number, but one that many talk to stays.
static bool signal_goes_down(const struct apus__owner *here, const struct apus_process *process, const struct apus_process *sender,
                             uint32_t owner)
{
    return owner < here->id && !apus__is_hub(process, sender);
}

// So many signals have come, the last of them from a process of `owner`. The process goes there if that owner is `enough` ahead of all others.
static void signal_heard_from(struct apus__owner *here, struct apus_process *process, uint32_t count, uint32_t owner, unsigned enough,
                              bool speaks_for)
{
    if (owner == here->id) {
        apus__tally_set(process, (unsigned)apus__reductions(process) + count, 0);
    } else if (apus__tally_woken(process, count, owner, speaks_for) >= enough) {
        apus__tally_set(process, owner, 0);
        process->flags |= APUS__FOLLOWS;
    }
}

// A process that is woken again and again from one other owner moves there: two that talk to each other end up side by side. Of a
// pair the one with the higher index is quicker to go, so that they do not change places for ever. What it has handled from its own
// owner meanwhile, or from third ones, counts against that: one to whom many talk stays where most of them are, and the others come. So
// does a message that is taken, in turns that are long beside it, while the sender's owner is busy: the two work side by side. Where owners take
// turns one goes down at once, and handles the message there, which then comes for the next one: of a ring that crosses over each is asked
// once only, and it has gathered when it has gone round.
static void signal_follow(struct apus__owner *here, struct apus_process *process, struct signal_taken taken, bool was_idle)
{
    bool is_woken = was_idle && (process->flags & (APUS__SCHEDULED | APUS__SLOW | APUS__NODE_BOUND)) == APUS__SCHEDULED;
    const struct apus_process *sender = is_woken ? apus__find(taken.from) : NULL;
    if (!sender) {
        if (!(process->flags & APUS__FOLLOWS))
            apus__tally_foresee(process, taken.count);
        return;
    }
    uint32_t owner = apus_load_relaxed(&sender->owner);
    bool is_busy = apus__inbox_state(&apus__world.owners[owner]->inbox) == APUS__AWAKE;
    bool is_drawn = signal_takes_turns(here, is_busy) && signal_goes_down(here, process, sender, owner);
    unsigned enough = is_drawn ? AT_ONCE : apus__index_of(process) > apus__index_of(sender) ? QUICK : SLOW;
    signal_heard_from(here, process, taken.count, owner, enough, here->turns_are_short || !is_busy);
}

// Where processes are best off together, one goes to its senders at once, if their owner is the one of the two with the lower number; if
// it waits in a callback, then after that. Up it goes only to one that all talk to, and such a one goes anywhere only where most come from:
// else clients of two such would go to and fro with each answer.
static void signal_follow_bulk(struct apus__owner *here, struct apus_process *process, struct signal_taken taken)
{
    struct apus_process *sender = apus__find(taken.from);
    if (!sender || process->flags & ((APUS__SLOW & ~APUS__WAITING) | APUS__BLOCKING | APUS__NODE_BOUND))
        return;
    uint32_t owner = apus_load_relaxed(&sender->owner);
    unsigned enough = signal_goes_down(here, process, sender, owner) ? AT_ONCE : apus__is_hub(sender, process) ? QUICK : SLOW;
    signal_heard_from(here, process, taken.count, owner, enough, true);
}

void apus__signal_notified(struct apus__owner *here, struct apus_process *process)
{
    // acquire: the cell may have been given to us, and the notification have overtaken the gift. Pairs with the store of `owner` in
    // share_take() and apus__cells_send_home(). Any other owner's id means that the notification is to be passed on.
    if (apus_load_acquire(&process->owner) != here->id) {
        signal_notify(here, process);
        return;
    }
    bool was_idle = !(process->flags & APUS__SCHEDULED);
    struct signal_taken taken = signal_take(here, process);
    if (here->in_bulk)
        signal_follow_bulk(here, process, taken);
    else
        signal_follow(here, process, taken, was_idle);
}

void apus__signal_given(struct apus__owner *here, struct apus_process *process)
{
    apus_debug(apus_load_relaxed(&process->owner) == here->id);
    if (process->flags & APUS__STARTING)
        apus__fresh_push(here, process); // its tree is walked by depth here too
    else
        apus__run_queue_push(&here->run, &process->run, process->priority);
}
