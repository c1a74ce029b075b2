// scheduler/share.c - sharing work: a slot that has more than one process waiting gives half of them to one that sleeps, or parts to all.
//
// Idea:       run queues are private, so nobody steals: a slot that has nothing to do sleeps, which shows in `machine.parked`, and a
//             slot with work to spare sees that between two turns, picks the nearest sleeper, wakes it and gives. The giver pays one
//             compare-and-swap for the whole gift; the message path pays one relaxed load of a line that seldom changes.
// What:       half of all that wait, the more urgent and the older first, up to GIFT_MAX, without processes that are tied to their
//             slot (a stack set aside, a request with a time limit), and to another node only those that were not spawned for theirs.
//             Many short-lived ones that one process spawns stay with it; the branches of a tree are given, the largest first. While
//             turns are long, of those that have not begun only the older ones of those that have been sent something: there the work is.
//             One that waits for an answer goes with who is to give it. While turns are long, not half to one but equal parts to all
//             that sleep: a taker could pass on half of its gift only when its first turn is over.
// To whom:    slots are asked in order of distance: same last-level cache, same node, then by the distance the firmware tells. To one
//             that sleeps, or, if turns are long, that somebody else has just woken.
// Long turns: a process that stays in its callback for long holds up all that waits behind it. A slot that is about to sleep takes half of
//             it if it has seen the turn go on for as long as it was idle, and the monitor, after a millisecond or two, gives all of it to
//             those that sleep: both for the slot, while it is out of the runtime (scheduler/rescue.h), unless it is busy sending cheap
//             messages. One that keeps many that have not begun wakes another for that, since the first of them may be the long one.
// Bulk:       processes that exchange many cheap messages are not shared out (scheduler/pace.h), and gather where those are that send
//             to them (signal_follow_bulk).
// Dropped:    stealing from a shared deque: an atomic pop for each turn, paid by those that never share.
#include "scheduler/rescue.h"
#include "scheduler/slot.h"

enum {
    GIFT_MAX = 256,
    TAKERS_MAX = 16,               // at one look
    FEW = 16,
    SEVERAL = 4,
    LOOKS = 64,                    // at waiting processes, for some that may be given
    PAUSE = 64,                    // turns, after there were none, unless they are long
    WORTH_NS = 12000,              // a gift was worth it that keeps its taker busy for so long, without talking with others most of the time
    REFUSAL_FIRST_NS = 100 * 1000, // after one that was not; twice as long after each further one
    REFUSAL_MOST_NS = 20 * 1000000
};

void apus__give(struct apus__slot *slot, struct apus_process *process, struct apus__slot *to)
{
    // release: see share_take(). The push is the last thing we do with the process.
    apus_store_release(&process->owner, to->owner.id);
    apus__owner_tell(&to->owner, &slot->owner, &process->gift, APUS__INBOX_GIFT);
    apus_bump_relaxed(to->owner.node == slot->owner.node ? &slot->owner.counters.shared : &slot->owner.counters.shared_far, 1);
}

static bool share_was_worth(const struct apus__slot *slot)
{
    uint64_t busy_ns = slot->looked_ns - slot->woke_ns;
    uint64_t local = apus_load_relaxed(&slot->owner.counters.sent_local) - slot->woke_local;
    uint64_t remote = apus_load_relaxed(&slot->owner.counters.sent_remote) - slot->woke_remote;
    return busy_ns >= WORTH_NS && (remote <= local || remote * APUS__APART_NS <= busy_ns);
}

void apus__share_judge(struct apus__slot *slot)
{
    slot->was_given = false;
    if (share_was_worth(slot))
        slot->refusal_ns = 0;
    else if (slot->refusal_ns == 0)
        slot->refusal_ns = REFUSAL_FIRST_NS;
    else if (slot->refusal_ns < REFUSAL_MOST_NS)
        slot->refusal_ns *= 2;
    // relaxed: a hint.
    apus_store_relaxed(&slot->refuses_until_ns, slot->looked_ns + slot->refusal_ns);
}

// Whether a slot that sleeps is to be spared what `slot` has to give.
static bool share_is_refused(const struct apus__slot *slot, const struct apus__slot *sleeper)
{
    // relaxed: a hint.
    uint64_t until_ns = apus_load_relaxed(&sleeper->refuses_until_ns);
    return until_ns != 0 && slot->owner.turns_are_short && apus__now_ns() < until_ns;
}

// A gift in the making: chained for the receiver's inbox.
struct share_gift {
    struct apus__slot *to;
    bool is_claimed; // the wake-up of the receiver, which is the giver's to do
    bool is_near;
    bool takes_new; // that have not begun
    uintptr_t newest;
    struct apus__inbox_link *oldest;
    uint32_t count;
    uint32_t partners; // of them, that do not wait for a turn
};

// Claims the slot's wake-up if it sleeps. If somebody else is waking it, there is nothing to claim, and it may be given long turns all
// the same: what it is woken for may be little, and those who send to it at the end of each turn would never find it asleep.
static bool share_claim(const struct apus__slot *slot, struct apus__slot *other, struct share_gift *gift)
{
    // A first look without touching the line for writing.
    bool is_parked = apus__inbox_state(&other->owner.inbox) == APUS__PARKED;
    gift->is_claimed = is_parked && !share_is_refused(slot, other) && apus__inbox_claim_wake(&other->owner.inbox);
    // relaxed, both: hints.
    bool is_taker = gift->is_claimed || (!is_parked && !slot->owner.turns_are_short && apus_load_relaxed(&other->is_hungry));
    if (is_taker)
        apus_store_relaxed(&other->is_hungry, 0);
    return is_taker;
}

// Finds who is to have the gift. False if there is nobody. Should two find the same one, it gets two gifts.
static bool share_find_taker(struct apus__slot *slot, struct share_gift *gift)
{
    for (uint32_t i = 0; i + 1 < apus__machine.slot_count; i++) {
        gift->to = apus__machine.slots[slot->neighbours[i]];
        gift->is_near = i < slot->near_count;
        if (share_claim(slot, gift->to, gift))
            return true;
    }
    return false;
}

// Whether those that have not begun are branches of a tree, as the parents tell: those of one who spawns are all siblings.
static bool share_is_tree(const struct apus__owner *here)
{
    const struct apus__run_link *link = here->fresh;
    for (int i = 0; link && i < FEW; i++)
        link = link->next;
    return link && !apus_pid_equal(apus_container_of(link, struct apus_process, run)->parent,
                                   apus_container_of(here->fresh, struct apus_process, run)->parent);
}

// While turns are short and many processes wait, one that has never run is likely to be done sooner here than moved, unless it is the
// root of a tree.
static bool share_takes_new(const struct apus__owner *here)
{
    return !here->turns_are_short || here->run.count + here->fresh_count <= FEW || share_is_tree(here);
}

static bool share_may_move(const struct share_gift *gift, const struct apus_process *process)
{
    if (process->flags & APUS__STARTING && !gift->takes_new)
        return false;
    return apus__may_move(process) && (gift->is_near || !(process->flags & APUS__NODE_BOUND));
}

static void share_add(struct share_gift *gift, struct apus_process *process)
{
    apus_store_relaxed(&process->gift.next, gift->newest);
    if (!gift->oldest)
        gift->oldest = &process->gift;
    gift->newest = (uintptr_t)&process->gift | APUS__INBOX_GIFT;
    gift->count++;
    // release: all we did to the process, of which this is the last, but for the links of the chain. Pairs with the exchange in
    // apus__inbox_take() by the receiver, and with its acquire loads in apus__is_local() and apus__signal_notified().
    apus_store_release(&process->owner, gift->to->owner.id);
}

// Whether one that has not begun has more to do than to begin, and may be given.
static bool share_is_sent(const struct share_gift *gift, const struct apus_process *process)
{
    return process->first && share_may_move(gift, process);
}

// Takes one part of so many, the older ones, of those, among the newest that have not begun, that have been sent something. False if there
// is none.
apus_cold static bool share_take_sent(struct apus__slot *slot, struct share_gift *gift, uint32_t parts)
{
    uint32_t sent = 0, seen = 0;
    struct apus__run_link *link = slot->owner.fresh;
    for (int looked = 0; link && looked < LOOKS; looked++, link = link->next)
        sent += share_is_sent(gift, apus_container_of(link, struct apus_process, run));
    link = slot->owner.fresh;
    uint32_t keep = sent - (sent + parts - 1) / parts;
    while (seen < sent) {
        struct apus_process *process = apus_container_of(link, struct apus_process, run);
        link = link->next;
        if (share_is_sent(gift, process) && ++seen > keep) {
            apus__fresh_remove(&slot->owner, process);
            share_add(gift, process);
        }
    }
    return sent != 0;
}

// Takes the oldest of those that have not begun, up to `wanted`: the roots of the largest trees. If there are very many, not the oldest
// of all: to walk there would take longer than a gift lasts.
static void share_take_fresh(struct apus__slot *slot, struct share_gift *gift, uint32_t wanted)
{
    struct apus__owner *here = &slot->owner;
    struct apus__run_link *link = here->fresh;
    uint32_t keep = here->fresh_count - wanted, most = gift->count + wanted;
    for (keep = keep < GIFT_MAX ? keep : GIFT_MAX; keep > 0; keep--)
        link = link->next;
    while (link && gift->count < most && gift->count < GIFT_MAX) {
        struct apus_process *process = apus_container_of(link, struct apus_process, run);
        link = link->next;
        if (share_may_move(gift, process)) {
            apus__fresh_remove(here, process);
            share_add(gift, process);
        }
    }
}

// Who has sent what `process` is to handle next, if that one does nothing, to go along: while turns are short it most likely waits for the
// answer, and the two would talk from one scheduler to the other until one follows (signal_follow). It has an empty turn there. Or NULL.
static struct apus_process *share_partner(struct apus__slot *slot, const struct share_gift *gift, const struct apus_process *process)
{
    apus_pid from = process->first ? process->first->from : APUS_NOBODY;
    struct apus_process *partner = apus__find(from);
    bool goes_along = partner && slot->owner.turns_are_short && apus__is_local(&slot->owner, partner, from) &&
                      !(partner->flags & (APUS__SCHEDULED | APUS__SLOW)) && share_may_move(gift, partner) &&
                      !apus__is_hub(partner, process); // they may be in a conversation
    return goes_along ? partner : NULL;
}

// Takes from a list of the run queue until the gift has what is wanted.
static void share_take(struct apus__slot *slot, unsigned priority, struct share_gift *gift, uint32_t wanted)
{
    struct apus__run_queue *run = &slot->owner.run;
    uint32_t looked = 0;
    while (gift->count - gift->partners < wanted && looked++ < wanted + LOOKS && run->mask & (1u << priority)) {
        struct apus_process *process =
            apus_container_of(apus__run_queue_pop_list(run, priority), struct apus_process, run);
        if (!share_may_move(gift, process)) {
            apus__run_queue_push(run, &process->run, priority);
            continue;
        }
        struct apus_process *partner = share_partner(slot, gift, process); // while the process is ours
        share_add(gift, process);
        if (partner) {
            partner->flags |= APUS__SCHEDULED;
            share_add(gift, partner);
            gift->partners++;
        }
    }
}

// Whether one of the first that wait may be given to somebody near.
static bool share_has_any(const struct apus__slot *slot, const struct share_gift *gift)
{
    const struct apus__run_queue *run = &slot->owner.run;
    for (unsigned priority = 0; priority < APUS__PRIORITIES; priority++) {
        const struct apus__run_link *link = run->mask & (1u << priority) ? run->lists[priority].first : NULL;
        for (int looked = 0; link && looked < LOOKS; looked++, link = link->next)
            if (share_may_move(gift, apus_container_of(link, struct apus_process, run)))
                return true;
    }
    return slot->owner.fresh && share_may_move(gift, apus_container_of(slot->owner.fresh, struct apus_process, run));
}

// The taker must be woken if it was claimed, even if nothing could be given: then false.
static bool share_hand_over(struct apus__slot *slot, const struct share_gift *gift)
{
    bool must_wake = gift->is_claimed;
    if (gift->count) {
        // It may have woken since, found nothing and parked again: this push claims it once more, and the wake-up below serves for both.
        must_wake |= apus__inbox_push_chain(&gift->to->owner.inbox, gift->newest, gift->oldest);
        apus_bump_relaxed(gift->is_near ? &slot->owner.counters.shared : &slot->owner.counters.shared_far, gift->count);
    }
    if (must_wake)
        apus__owner_wake(&gift->to->owner, &slot->owner);
    return gift->count != 0;
}

// Wakes one that sleeps, with nothing, to see whether one of those that have not begun keeps the others waiting. Once in a while awake.
static void share_show(struct apus__slot *slot)
{
    struct share_gift gift = {0};
    if (slot->has_shown || share_takes_new(&slot->owner) || slot->owner.fresh_count <= FEW)
        return;
    slot->has_shown = true;
    if (share_find_taker(slot, &gift))
        share_hand_over(slot, &gift);
}

static void share_begin_pause(struct apus__slot *slot, uint32_t turns_to_clock)
{
    slot->share_wait = slot->share_paused = turns_to_clock;
    slot->share_paused_ns = apus__now_ns();
    slot->share_paused_cheap_ns = apus__pace_cheap_ns(&slot->owner);
}

// Whether this is no time to look for something to give. The clock is looked at after 1, 2, 4, 8 ... turns of a pause, up to PAUSE.
static bool share_pauses(struct apus__slot *slot)
{
    uint64_t turns = slot->share_paused;
    if (turns == 0)
        return false;
    uint64_t took_ns = apus__now_ns() - slot->share_paused_ns;
    uint64_t cheap_ns = apus__pace_cheap_ns(&slot->owner) - slot->share_paused_cheap_ns;
    bool are_long = took_ns >= turns * APUS__TURN_IS_LONG_NS && took_ns >= cheap_ns;
    if (!are_long && turns < PAUSE) {
        slot->share_wait = slot->share_paused;
        slot->share_paused *= 2;
        share_show(slot);
        return true;
    }
    if (are_long)
        slot->owner.turns_are_short = false;
    slot->share_paused = 0;
    return false;
}

// Two or three whose turns are short may be at the beginning of a conversation: they are given away only if they are still there after
// a pause. Not in a simulation, whose turns take no time and in which they are to be had in other orders.
static bool share_is_early(struct apus__slot *slot)
{
    uint32_t waiting = slot->owner.run.count + slot->owner.fresh_count;
    bool may_be_early = slot->owner.turns_are_short && waiting < SEVERAL && !apus__world.is_simulated;
    slot->share_is_late = may_be_early && !slot->share_is_late;
    return slot->share_is_late;
}

// Whether all that wait do so behind a turn; else one of them has its own next.
static bool share_is_in_turn(const struct apus__owner *here)
{
    return here->current != NULL;
}

// The size of a part: of two or more at least one, and of those that wait behind a turn, at least one of one.
static uint32_t share_part(uint32_t count, uint32_t parts, bool are_behind)
{
    if (are_behind)
        return (count + parts - 1) / parts;
    return count > 1 && count < parts ? 1 : count / parts;
}

// Gives the taker one of `parts` equal parts of those in the run queue, and of those that have not begun, or, if turns are long and some
// are to stay, of those of them that have been sent something. False if there was nothing.
static bool share_give(struct apus__slot *slot, struct share_gift *gift, uint32_t parts, bool some_stay)
{
    const struct apus__owner *here = &slot->owner;
    bool are_behind = share_is_in_turn(here);
    uint32_t wanted = share_part(here->run.count + (here->next != NULL), parts, are_behind);
    uint32_t fresh = share_part(here->fresh_count, parts, are_behind);
    bool are_two = wanted + fresh == 0; // one of each kind, or one and `next`
    if (are_two)
        wanted = here->run.count;
    wanted = wanted < GIFT_MAX ? wanted : GIFT_MAX;
    for (unsigned i = 0; i < APUS__PRIORITIES && gift->count - gift->partners < wanted; i++) {
        static const unsigned order[APUS__PRIORITIES] = {APUS__RUN_MAX, APUS__RUN_HIGH, APUS__RUN_NORMAL, APUS__RUN_LOW};
        share_take(slot, order[i], gift, wanted);
    }
    if (are_two && gift->count == 0)
        fresh = here->fresh_count;
    bool may_pick = some_stay && !here->turns_are_short && fresh > 0;
    if (!may_pick || !share_take_sent(slot, gift, parts))
        share_take_fresh(slot, gift, fresh);
    return share_hand_over(slot, gift);
}

// How many there are to give to: one while turns are short.
static uint32_t share_count_takers(const struct apus__slot *slot)
{
    if (slot->owner.turns_are_short)
        return 1;
    uint32_t count = 0;
    for (uint32_t i = 0; i + 1 < apus__machine.slot_count && count < TAKERS_MAX; i++) {
        const struct apus__slot *other = apus__machine.slots[slot->neighbours[i]];
        // relaxed: a hint; share_claim() looks again.
        count += apus__inbox_state(&other->owner.inbox) == APUS__PARKED || apus_load_relaxed(&other->is_hungry);
    }
    return count;
}

// Gives to one that sleeps, and while turns are long to all, equal parts of what waits, one of which stays, or none. False if nothing
// could be given.
static bool share_out(struct apus__slot *slot, bool takes_new, bool some_stay)
{
    const struct apus__owner *here = &slot->owner;
    uint32_t takers = share_count_takers(slot), given = 0;
    while (given < takers) {
        struct share_gift gift = {.is_near = true, .takes_new = takes_new};
        uint32_t waiting = here->run.count + here->fresh_count + (here->next != NULL);
        if (waiting <= !share_is_in_turn(here) || !share_has_any(slot, &gift) || !share_find_taker(slot, &gift) ||
            !share_give(slot, &gift, takers - given + some_stay, some_stay))
            break;
        given++;
    }
    return given > 0;
}

apus_cold void apus__share(struct apus__slot *slot)
{
    const struct apus__owner *here = &slot->owner;
    bool was_pausing = slot->share_paused != 0;
    if (share_pauses(slot))
        return;
    bool takes_new = share_takes_new(here);
    // Many that have not begun and stay: what could be given is who spawns them, and they are born here.
    bool spawns_many = !takes_new && here->fresh_count > FEW;
    // One who has done so for a whole pause will for most of the next: the clock costs more than such a turn.
    if (share_is_early(slot) || here->in_bulk || spawns_many || !share_out(slot, takes_new, true))
        share_begin_pause(slot, spawns_many && was_pausing ? PAUSE / 2 : 1);
}

apus_cold void apus__share_behind(struct apus__slot *slot, bool some_stay)
{
    struct apus__owner *here = &slot->owner;
    here->turns_are_short = false;
    if (here->next)
        apus__run_queue_push(&here->run, &here->next->run, here->next->priority);
    here->next = NULL;
    share_out(slot, true, some_stay);
}

// A hint, read from fields that belong to the slot's carrier: what counts is looked at again under the claim.
__attribute__((no_sanitize("thread"))) static bool share_has_behind(const struct apus__slot *slot)
{
    const volatile struct apus__owner *here = &slot->owner;
    return here->current && (here->run.count || here->fresh || here->next) && !here->in_bulk;
}

struct apus__behind apus__share_watch(const struct apus__slot *slot)
{
    for (uint32_t i = 0; i < slot->near_count; i++) {
        struct apus__slot *other = apus__machine.slots[slot->neighbours[i]];
        if (share_has_behind(other))
            return (struct apus__behind){other, apus__slot_turn(other), apus__pace_busy_ns(&other->owner), apus__now_ns()};
    }
    return (struct apus__behind){0};
}

apus_cold bool apus__share_ask(struct apus__slot *slot, const struct apus__behind *behind)
{
    struct apus__slot *other = behind->slot;
    if (!other || apus__slot_turn(other) != behind->turn || !share_has_behind(other))
        return false;
    uint64_t busy_ns = apus__pace_busy_ns(&other->owner) - behind->busy_ns;
    if (busy_ns >= apus__now_ns() - behind->since_ns || !apus__rescue_is_likely(other))
        return false;
    apus_store_relaxed(&slot->is_hungry, 1); // relaxed, here and below: read by share_claim(), on this thread
    apus__rescue_share(other, true);
    apus_store_relaxed(&slot->is_hungry, 0);
    return !apus__inbox_is_empty(&slot->owner.inbox);
}

apus_cold void apus__share_aside(struct apus__slot *slot, apus_pid pid)
{
    struct share_gift gift = {.is_near = true, .takes_new = true};
    struct apus_process *process = apus__find(pid);
    slot->in_the_way = 0;
    if (!process || !apus__is_local(&slot->owner, process, pid) || process->flags & (APUS__SCHEDULED | APUS__SLOW) ||
        !share_may_move(&gift, process) || !share_find_taker(slot, &gift))
        return;
    if (share_may_move(&gift, process)) {
        process->flags |= APUS__SCHEDULED; // for an empty turn there
        share_add(&gift, process);
    }
    share_hand_over(slot, &gift);
}
