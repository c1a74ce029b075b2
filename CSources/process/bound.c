// process/bound.c - bounded mailboxes (R70, R71).
//
// Idea:       senders count a user message in before they push it; whoever takes the message out of the cell (the handler's loop, the
//             one who answers for the dead) counts it out. The bound stays with its cell for ever, so a sender that was late and met a
//             later occupant counts in and out on the same counters: they are exact, and no reference needs to be held.
// Invariants: `messages` is the number of user messages with COUNTED set that are on the way to or in the cell's mailbox.
// Ordering:   relaxed: the counters guard no memory. A bound can be passed by as many messages as there are senders at that moment
//             only under drop-oldest, where the owner drops until it holds; under the other policies never.
// Refused:    a message that is refused has not been counted meanwhile, so a sender that is held up while it is refused takes up no room:
//             another would be refused, or wait, for nothing. But where both messages and bytes are bounded, and another sender has
//             taken the last bytes since there was room for both, a message is counted for a moment and counted out again.
// Waiting:    a sender that must wait sends the signal SPACE with a reference, like a request; the owner keeps it as a relation and
//             answers the one that has waited longest when there is room for its message; the sender then tries again. A sender that
//             is ended or gives up says ABANDON, whether it has been answered or not, so that the room is offered to the next one:
//             each answer is followed by a message, another SPACE, or an ABANDON, and none of them leaves room without an offer.
//             If the process ends, the answer is DOWN.
#include "process/signal.h"

static bool bound_has_room(struct apus__bound *bound, uint64_t size)
{
    return apus_load_relaxed(&bound->messages) < apus_load_relaxed(&bound->messages_limit) &&
           apus_load_relaxed(&bound->bytes) + size <= apus_load_relaxed(&bound->bytes_limit);
}

// Adds to a counter if that stays within its limit; else does nothing.
static bool bound_add(_Atomic uint64_t *count, uint64_t more, uint64_t limit)
{
    uint64_t seen = apus_load_relaxed(count);
    while (seen + more <= limit)
        if (apus_cas_weak_relaxed(count, &seen, seen + more))
            return true;
    return false;
}

static bool bound_take_room(struct apus__bound *bound, uint64_t size)
{
    if (!bound_has_room(bound, size) || !bound_add(&bound->messages, 1, apus_load_relaxed(&bound->messages_limit)))
        return false;
    if (bound_add(&bound->bytes, size, apus_load_relaxed(&bound->bytes_limit)))
        return true;
    apus_sub_relaxed(&bound->messages, 1);
    return false;
}

static bool bound_count_in(struct apus__bound *bound, apus_message *message, bool always)
{
    bool seems_full = apus_unlikely(apus__world.is_full != NULL) && apus__world.is_full();
    if (always) {
        apus_add_relaxed(&bound->messages, 1);
        apus_add_relaxed(&bound->bytes, message->size);
    } else if (seems_full || !bound_take_room(bound, message->size)) {
        return false;
    }
    message->flags |= APUS__COUNTED;
    return true;
}

static void bound_lose(struct apus__owner *here, struct apus__bound *bound, apus_pid lost_by, apus_message *message)
{
    apus_add_relaxed(&bound->dropped, 1);
    apus_pid dead_letters = {apus_load_relaxed(&bound->dead_letters)}, caller = message->from;
    uint64_t request = message->kind == APUS__REQUEST ? message->ref.id : 0;
    bool again = message->flags & APUS__DEAD_LETTER;
    message->kind = APUS__MESSAGE;
    message->flags |= APUS__DEAD_LETTER;
    if (dead_letters.id == 0 || again || apus__deliver(here, dead_letters, message) != 0)
        apus__message_drop(here, message);
    if (request) { // after its payload has gone: a caller that is told so may rely on it
        static const apus_reason full = {APUS_REASON_ERROR, -ENOBUFS, "the mailbox is full", 0, 0};
        apus__fail_request(here, caller, request, lost_by, &full);
    }
}

int apus__bound_admit(struct apus__owner *here, struct apus_process *process, struct apus__bound *bound, apus_message *message)
{
    uint32_t policy = apus_load_relaxed(&bound->policy);
    if (bound_count_in(bound, message, policy == APUS_MAILBOX_DROP_OLDEST))
        return 0;
    switch (policy) {
    case APUS_MAILBOX_DROP_NEWEST:
        bound_lose(here, bound, apus__pid(process), message);
        return 1;
    case APUS_MAILBOX_BLOCK:
        // What is larger than the whole mailbox may be would wait for ever.
        return message->size > apus_load_relaxed(&bound->bytes_limit) ? -ENOBUFS : -EAGAIN;
    default:
        return -ENOBUFS;
    }
}

struct bound_search {
    struct apus__relation *found;
};

static void bound_find_waiter(struct apus__relation *relation, void *context)
{
    struct bound_search *search = context;
    // References grow, so that the smallest is the longest wait of its sender.
    if (relation->kind == APUS__WAITS_FOR_SPACE && (!search->found || relation->key < search->found->key))
        search->found = relation;
}

// Lets the sender that has waited longest try again, if there is room for it now.
static void bound_offer(struct apus__owner *here, struct apus_process *process, struct apus__bound *bound)
{
    struct bound_search search = {NULL};
    if (!apus_load_relaxed(&bound->waiters) || !bound_has_room(bound, 0))
        return;
    apus__relation_each(process, bound_find_waiter, &search);
    if (!search.found) {
        apus_store_relaxed(&bound->waiters, 0);
        return;
    }
    if (!bound_has_room(bound, search.found->size))
        return;
    apus_pid sender = {search.found->peer};
    uint64_t ref = search.found->key;
    apus__relation_remove(here, process, search.found);
    apus_message *reply = apus__message_alloc_certain(here, 0, APUS__REPLY);
    reply->type = &apus_type_reply;
    reply->ref.id = ref;
    if (apus__deliver(here, sender, reply) != 0)
        apus__message_drop(here, reply);
}

void apus__bound_discount(struct apus__owner *here, struct apus_process *process, apus_message *message)
{
    struct apus__bound *bound = apus_load_relaxed(&process->bound);
    if (!bound || !(message->flags & APUS__COUNTED))
        return;
    apus_sub_relaxed(&bound->messages, 1);
    apus_sub_relaxed(&bound->bytes, message->size);
    message->flags = (uint8_t)(message->flags & ~APUS__COUNTED);
    bound_offer(here, process, bound);
}

void apus__bound_wait(struct apus__owner *here, struct apus_process *process, const struct apus__signal *signal)
{
    struct apus__bound *bound = apus_load_relaxed(&process->bound);
    apus_check(bound);
    struct apus__relation *waiter =
        apus__relation_add(here, process, APUS__WAITS_FOR_SPACE, signal->ref, signal->from.id, true);
    waiter->size = signal->value;
    apus_store_relaxed(&bound->waiters, 1);
    bound_offer(here, process, bound);
}

void apus__bound_abandoned(struct apus__owner *here, struct apus_process *process, uint64_t ref)
{
    struct apus__bound *bound = apus_load_relaxed(&process->bound);
    if (!bound)
        return;
    struct apus__relation *waiter = apus__relation_find(process, APUS__WAITS_FOR_SPACE, ref);
    if (waiter)
        apus__relation_remove(here, process, waiter);
    bound_offer(here, process, bound);
}

void apus__bound_drop_oldest(struct apus__owner *here, struct apus_process *process, struct apus__bound *bound)
{
    if (apus_load_relaxed(&bound->policy) != APUS_MAILBOX_DROP_OLDEST)
        return;
    apus_message *before = NULL, *message = process->first;
    while (message && (apus_load_relaxed(&bound->messages) > apus_load_relaxed(&bound->messages_limit) ||
                       apus_load_relaxed(&bound->bytes) > apus_load_relaxed(&bound->bytes_limit))) {
        apus_message *next = apus__mailbox_next(process, message);
        if (message->flags & APUS__COUNTED) {
            if (process->flags & APUS__WAITING && process->extra->wait->seen == message)
                process->extra->wait->seen = before;
            apus__mailbox_take(process, before, message);
            apus__bound_discount(here, process, message);
            bound_lose(here, bound, apus__pid(process), message);
        } else {
            before = message;
        }
        message = next;
    }
}
