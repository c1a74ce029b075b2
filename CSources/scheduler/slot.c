#include "scheduler/slot.h"

#include "os/clock.h"
#include "os/futex.h"
#include "os/pages.h"
#include "process/nursery.h"
#include "scheduler/carrier.h"
#include "scheduler/line.h"
#include "scheduler/monitor.h"
#include "scheduler/poller.h"
#include "scheduler/timers.h"
#include "scheduler/wait.h"

#include <stdlib.h>
#include <unistd.h>

struct apus__machine apus__machine;

enum {
    TURNS_FAST = 32,           // turns between two looks at the clock while turns are short ...
    TURN_IS_SHORT_NS = 200000, // ... which is when that many of them took less than this
    TURN_LONG_NS = 1000000,    // what a turn may take while it goes on handling messages
    POLLER_LOOK_NS = 100000,   // between two looks at descriptors while there is other work
    SPINS = 400,               // pauses before a slot sleeps: 5 to 20 us, by the processor
    SPINS_COUNT = 8,           // fewer are not worth a look at the clock
    SPINS_WATCH = SPINS / 4    // and fewer than these not one at lines that the others write
};

// --- Waiting --------------------------------------------------------------------------------------------------------------------

// Makes a stack a free one, whatever is on it. A thread that waits to go on with it waits no more.
static void fiber_clear(struct apus__slot *slot, struct apus__fiber *fiber)
{
    if (fiber->keeper)
        apus__carrier_dismiss(fiber->keeper);
    fiber->keeper = NULL;
    apus__context_destroy(&fiber->context);
    apus__context_make(&fiber->context, &fiber->usable, apus__slot_loop, slot);
    apus__fiber_give(&slot->fibers, fiber);
}

void apus__slot_drop_stack(struct apus__slot *slot, struct apus_process *process)
{
    struct apus__wait *wait = process->extra->wait;
    struct apus__fiber *fiber = wait->fiber;
    apus_message *handling = wait->handling, *result = wait->result;
    if (wait->asked.id)
        apus__signal_send(&slot->owner, wait->asked,
                          &(struct apus__signal){(enum apus__kind)wait->take_back, apus__pid(process), wait->ref, 0, NULL});
    if (fiber)
        apus__wait_end(slot, wait);
    else
        apus__wait_end_then(slot, wait);
    // What the callback was given and what it waited for go the way of the mailbox.
    if (handling && handling->flags & APUS__HELD)
        handling = NULL;
    apus_message *orphans[] = {handling, result};
    for (unsigned i = 0; i < 2; i++) {
        if (orphans[i])
            apus__mailbox_prepend(process, orphans[i]);
    }
    if (fiber)
        fiber_clear(slot, fiber);
}

// --- Losing the slot in the middle of a callback --------------------------------------------------------------------------------

static void slot_back_run(struct apus__owner *here, struct apus__command *command)
{
    // The inbox is taken in the middle of a callback too, by apus_receive(); a burial calls the program, and is left to the loop.
    if (here->current) {
        apus__inbox_push(&here->inbox, &command->link, APUS__INBOX_COMMAND);
        return;
    }
    apus__slot_come_back(apus__slot_of(here), apus_container_of(command, struct apus__fiber, back));
}

int apus__slot_detach(struct apus__slot *slot)
{
    struct apus__owner *here = &slot->owner;
    struct apus_process *process = here->current;
    struct apus__fiber *mine = slot->fiber;
    struct apus__wait *wait = &mine->detached;
    apus__wait_init(wait);
    int result = apus__wait_prepare(slot, wait);
    if (result)
        return result;
    apus__fiber_give(&slot->fibers, wait->fiber); // for the next carrier to enter by
    wait->fiber = mine;
    wait->is_detached = true;
    mine->slot = slot;
    mine->turn = apus__slot_turn(slot);
    mine->back.run = slot_back_run;
    mine->unwinds = process->flags & APUS__UNWINDS;
    mine->has_returned = false;
    mine->has_crashed = false;
    mine->refusals = 0;
    process->flags &= ~(uint32_t)APUS__SCHEDULED;
    if (process->flags & APUS__EXITING)
        apus__schedule(here, process);
    here->current = NULL;
    here->handling = NULL;
    slot->fiber = NULL;
    return 0;
}

void apus__slot_come_back(struct apus__slot *slot, struct apus__fiber *fiber)
{
    struct apus__owner *here = &slot->owner;
    struct apus_process *process = fiber->detached.process;
    if (apus_unlikely(fiber->fault)) {
        // One that must end already is on its way to that, and waits in the run queue.
        fiber->has_crashed = true;
        if (!(process->flags & APUS__SCHEDULED))
            apus__fiber_crashed(slot, fiber);
        return;
    }
    fiber->detached.is_detached = false;
    if (!(process->flags & APUS__DEPARTED)) {
        process->flags |= APUS__READY;
        apus__schedule(here, process);
        return;
    }
    apus_message *handling = fiber->detached.handling;
    bool has_returned = fiber->has_returned;
    apus_bump_relaxed(&here->counters.waits_ended, 1);
    fiber_clear(slot, fiber);
    apus__run_bury(slot, process, handling, has_returned);
}

void apus__slot_need_fiber(struct apus__slot *slot)
{
    while (!slot->fibers.free) {
        struct apus__fiber *fiber = apus__fiber_new(&slot->fibers);
        if (fiber)
            apus__fiber_give(&slot->fibers, fiber);
        else
            usleep(1000);
    }
}

void apus__slot_return_detached(struct apus__fiber *fiber, struct apus__context *native)
{
    struct apus__slot *slot = fiber->slot;
    struct apus__wait *wait = &fiber->detached;
    apus__context_switch(&fiber->context, native);
    fiber->keeper = NULL;
    slot->owner.current = wait->process;
    slot->owner.handling = wait->handling;
    apus__turn_begin(slot);
    apus__wait_end(slot, wait);
}

// --- The loop -------------------------------------------------------------------------------------------------------------------

static void slot_take_link(struct apus__slot *slot, uintptr_t tagged)
{
    struct apus__inbox_link *link = apus__inbox_untag(tagged);
    struct apus__owner *here = &slot->owner;
    switch (apus__inbox_tag(tagged)) {
    case APUS__INBOX_NOTIFY:
        apus__signal_notified(here, apus_container_of(link, struct apus_process, inbox));
        break;
    case APUS__INBOX_GIFT:
        slot->was_given = true;
        apus__signal_given(here, apus_container_of(link, struct apus_process, gift));
        break;
    case APUS__INBOX_TIMER:
        apus__timer_arrived(slot, link);
        break;
    case APUS__INBOX_HOME:
        apus__cell_home(here, apus_container_of(link, struct apus_process, gift));
        break;
    default: {
        struct apus__command *command = apus_container_of(link, struct apus__command, link);
        command->run(here, command);
        break;
    }
    }
}

// Asks for the signals of the cell that comes next: they were written on another core. The cell itself was touched when the inbox was
// turned round. relaxed: only a guess at an address.
static void slot_look_ahead(uintptr_t tagged)
{
    if (tagged && apus__inbox_tag(tagged) == APUS__INBOX_NOTIFY)
        __builtin_prefetch(apus_load_relaxed(&apus_container_of(apus__inbox_untag(tagged), struct apus_process, inbox)->remote), 1);
}

void apus__slot_receive(struct apus__slot *slot)
{
    uintptr_t tagged = apus__inbox_take(&slot->owner.inbox);
    while (tagged) {
        uintptr_t next = apus__inbox_next(tagged);
        slot_look_ahead(next);
        slot_take_link(slot, tagged);
        tagged = next;
    }
}

// Timers are looked at every turn while turns are long, every TURNS_FAST turns while they are short, so that neither a clock read for
// each message nor a late timer behind a row of long callbacks is the price.
apus_cold static void slot_look_at_clock(struct apus__slot *slot)
{
    uint64_t now = apus__now_ns();
    uint64_t took = now - slot->looked_ns;
    slot->turns_to_clock = took < TURN_IS_SHORT_NS ? TURNS_FAST : 1;
    apus__pace_look(&slot->pace, &slot->owner, now, took);
    slot->looked_ns = now;
    slot->owner.now_ms = now / 1000000;
    if (slot->wheel.count)
        apus__timers_run(slot, slot->owner.now_ms);
    apus__fibers_trim(&slot->fibers, now);
    if (apus_unlikely(slot->unplaced > 0) && --slot->unplaced == 0) {
        apus__slot_place(slot);
        if (!slot->fibers.free) // for after the next fault: mapping a stack takes longer than all else then
            apus__slot_need_fiber(slot);
    }
    if (apus__poller_is_used() && now - slot->polled_ns > POLLER_LOOK_NS) {
        slot->polled_ns = now;
        apus__poller_look(&slot->owner);
    }
    if (slot->owner.id == 0)
        apus__names_tidy(apus__world.names);
    if (apus_unlikely(slot->owner.reserved < slot->owner.reserve_wanted))
        apus__reserve_fill(&slot->owner);
    if (apus_unlikely(apus__nursery_is_small(&slot->owner)))
        apus__nursery_fill(&slot->owner);
}

bool apus__turn_goes_on(struct apus__slot *slot)
{
    struct apus__owner *here = &slot->owner;
    bool gives_way = here->current->flags & APUS__PILES_UP && apus__owner_has_waiting(here);
    if (gives_way || slot->turn_chunks <= 1)
        return false;
    uint64_t now = apus__now_ns();
    if (slot->turn_chunks-- == slot->all_chunks)
        slot->turn_ns = now;
    else if (now - slot->turn_ns > TURN_LONG_NS)
        return false;
    here->budget = APUS__CHUNK;
    return true;
}

apus_inline struct apus_process *slot_take_next(struct apus__owner *here)
{
    struct apus_process *next = here->next;
    here->next = NULL;
    here->next_turns++;
    return next;
}

// The process that was woken last has had its turns in a row, or something more urgent waits: it waits with the others. Out of line: each
// wait begins the loop anew, and with this in it that would save more registers.
static __attribute__((noinline)) void slot_put_off(struct apus__owner *here, struct apus_process *next)
{
    here->next = NULL;
    apus__run_queue_push(&here->run, &next->run, next->priority);
}

// A turn of the round that comes after a row of those that have not begun. A round is one turn, but if messages are piled up, one for each
// that waits, who may have to handle them, and where these are few as many more as make a round of some length: they may be those through whom
// all messages go. Not unless those that have not begun become fewer: else more might be born than begin.
static __attribute__((noinline)) void slot_go_round(struct apus__owner *here)
{
    if (here->round == 0) {
        bool gives_way = here->piles_up && here->fresh && here->fresh_count < here->fresh_least;
        if (gives_way || !here->fresh)
            here->fresh_least = here->fresh ? here->fresh_count : UINT32_MAX;
        here->piles_up = false;
        here->round = gives_way ? here->run.count : 1;
        here->round_more = gives_way && here->round < APUS__ROUND_AT_LEAST ? APUS__ROUND_AT_LEAST - here->round : 0;
    }
    if (--here->round > 0)
        return;
    if (here->round_more > 0 && here->fresh_count <= here->fresh_least) {
        here->round_more--;
        here->round = 1;
    } else {
        here->fresh_turns = 0;
    }
}

// The process that was woken last, then the one that was spawned last, for some turns in a row each; then those that wait. What is
// more urgent comes first.
apus_inline struct apus_process *slot_choose(struct apus__owner *here)
{
    enum { URGENT = 1u << APUS__RUN_HIGH | 1u << APUS__RUN_MAX, NEXT_IN_A_ROW = 16 };
    if (here->next) {
        if ((here->run.mask == 0 && !here->fresh) || (here->next_turns < NEXT_IN_A_ROW && !(here->run.mask & URGENT)))
            return slot_take_next(here);
        slot_put_off(here, here->next);
    }
    here->next_turns = 0;
    struct apus__run_link *link = here->fresh;
    if (link && apus__fresh_may_begin(here) && !(here->run.mask & URGENT)) {
        apus__fresh_remove(here, apus_container_of(link, struct apus_process, run));
        here->fresh_turns++;
    } else {
        if (apus_unlikely(here->fresh_turns > 0))
            slot_go_round(here);
        link = apus__run_queue_pop(&here->run);
    }
    return link ? apus_container_of(link, struct apus_process, run) : NULL;
}

// The beginning of a turn: everything that has arrived, timers that are due. Returns whose turn it is; NULL if there is nothing to do.
apus_inline struct apus_process *slot_next(struct apus__slot *slot)
{
    struct apus__owner *here = &slot->owner;
    if (apus_unlikely(!apus__inbox_is_empty(&here->inbox)))
        apus__slot_receive(slot);
    if (apus_unlikely(--slot->turns_to_clock == 0))
        slot_look_at_clock(slot);
    // Of two, the one just woken goes on in a moment with what is in the cache, so that only a long turn is worth to be done elsewhere.
    // relaxed: a hint that somebody sleeps; share() looks again with what it needs.
    uint32_t waiting = here->run.count + here->fresh_count;
    if (apus_likely(waiting == 0 && here->next))
        return slot_take_next(here);
    if (apus_unlikely(waiting > 0 && (waiting > 1 || (here->next && !here->turns_are_short)) &&
                      apus_load_relaxed(&apus__machine.parked) != 0) &&
        (slot->share_wait == 0 || --slot->share_wait == 0))
        apus__share(slot);
    return slot_choose(here);
}

// Several descriptors are ready: somebody else who sleeps is to wait for the next, lest they wait until these have been seen to.
static void slot_hand_on(struct apus__slot *slot)
{
    for (uint32_t i = 0; i + 1 < apus__machine.slot_count; i++) {
        struct apus__slot *other = apus__machine.slots[slot->neighbours[i]];
        if (apus__inbox_state(&other->owner.inbox) == APUS__PARKED) {
            apus__slot_tell(other, 0);
            return;
        }
    }
}

// Sleeps until something arrives or a timer is due.
static void slot_sleep(struct apus__slot *slot)
{
    struct apus__owner *here = &slot->owner;
    slot_look_at_clock(slot);
    slot->turns_to_clock = 1;
    if (apus__owner_has_waiting(here))
        return;
    apus__lines_forget(slot);
    apus__cells_send_home(here);
    apus__heap_flush(&here->heap);
    uint64_t next = apus__wheel_next(&slot->wheel), trim_ns = apus__fibers_due(&slot->fibers), timeout = UINT64_MAX;
    uint32_t parked;
    struct apus__poll poll = {0};
    if (next != UINT64_MAX) {
        if (next <= here->now_ms)
            return;
        timeout = next * 1000000 - slot->looked_ns;
    }
    if (trim_ns <= slot->looked_ns)
        return;
    if (trim_ns - slot->looked_ns < timeout)
        timeout = trim_ns - slot->looked_ns;
    if (slot->was_given)
        apus__share_judge(slot);
    bool has_io = apus__poller_is_used(), others_wait = false, polls = has_io && apus__poller_begin_wait(&others_wait);
    if (has_io && !polls && !others_wait)
        return; // somebody looks at the descriptors at this moment: again in the next
    apus_store_relaxed(&slot->is_hungry, 1); // relaxed, here and below: a hint
    apus_add_seqcst(&apus__machine.parked, 1);
    // seq_cst: after the store of PARKED; pairs with the events set in apus__slot_tell(), and with poller_ensure().
    if (apus__inbox_park(&here->inbox, polls ? APUS__POLLS : 0, &parked) && !apus_load_seqcst(&slot->events) &&
        has_io == apus__poller_is_used()) {
        apus_bump_relaxed(&here->counters.parks, 1);
        if (polls)
            apus__poller_wait(&poll, timeout);
        else
            apus__futex_wait(&here->inbox.park, parked, timeout);
        slot->woke_ns = apus__now_ns();
        slot->has_shown = false;
        slot->woke_local = apus_load_relaxed(&here->counters.sent_local);
        slot->woke_remote = apus_load_relaxed(&here->counters.sent_remote);
        apus__pace_slept(&slot->pace, slot->woke_ns - slot->looked_ns);
        slot->looked_ns = slot->woke_ns;
    } else if (polls) {
        apus__poller_end();
    }
    apus__inbox_say(&here->inbox, APUS__AWAKE);
    apus_store_relaxed(&slot->is_hungry, 0);
    // seq_cst, both: Dekker's pattern against the monitor that is about to sleep. Pairs with monitor_sleep().
    atomic_fetch_sub_explicit(&apus__machine.parked, 1, memory_order_seq_cst);
    if (apus_unlikely(apus_load_seqcst(&apus__machine.monitor_sleeps)))
        apus__monitor_ring();
    if (poll.count > 1)
        slot_hand_on(slot);
    apus__poller_deliver(here, &poll);
}

// There was nothing to do since then. But a timer may be due.
static void slot_idled(struct apus__slot *slot, uint64_t since_ns)
{
    apus__slot_skip(slot, apus__now_ns() - since_ns);
    if (slot->wheel.count)
        slot->turns_to_clock = 1;
}

static __attribute__((noinline)) void slot_idle(struct apus__slot *slot)
{
    // Who can wait for descriptors does so at once: these come when they come.
    int spins = SPINS;
    uint64_t since_ns = apus__now_ns();
    if (apus__poller_is_used() && apus__poller_is_free()) {
        if (apus__poller_look(&slot->owner) || (apus__poller_give_way() && apus__poller_look(&slot->owner))) {
            slot_idled(slot, since_ns);
            return;
        }
        spins = 0;
    }
    if (slot->is_in_the_way)
        spins = 0;
    slot->is_in_the_way = false;
    slot->spins = spins > 0;
    struct apus__behind behind = {0};
    apus__inbox_say(&slot->owner.inbox, APUS__SPINNING); // for plain threads that look for an idle slot
    for (int i = 0; i < spins; i++) {
        if (i == SPINS_WATCH)
            behind = apus__share_watch(slot);
        // acquire: an event's cause, stored before it. Pairs with the release of whoever set it.
        if (!apus__inbox_is_empty(&slot->owner.inbox) || apus_load_acquire(&slot->events) ||
            (slot->attended_count && apus__lines_look(slot))) {
            apus__inbox_say(&slot->owner.inbox, APUS__AWAKE);
            if (i >= SPINS_COUNT)
                slot_idled(slot, since_ns);
            return;
        }
        apus__cpu_relax();
    }
    apus__inbox_say(&slot->owner.inbox, APUS__AWAKE);
    slot_idled(slot, since_ns);
    if (!apus__share_ask(slot, &behind))
        slot_sleep(slot);
}

static struct apus__context *slot_leave(struct apus__slot *slot)
{
    apus__fiber_give(&slot->fibers, slot->fiber);
    slot->fiber = NULL;
    return slot->native;
}

apus_hot struct apus__context *apus__slot_loop(void *argument)
{
    struct apus__slot *slot = argument;
    for (;;) {
        struct apus_process *process = slot_next(slot);
        struct apus__context *other = apus_likely(process != NULL) ? apus__run(slot, process) : NULL;
        if (apus_unlikely(other != NULL))
            return other;
        // acquire: see slot_idle().
        if (apus_unlikely(apus_load_acquire(&slot->events)))
            return slot_leave(slot);
        if (apus_unlikely(!process))
            slot_idle(slot);
    }
}

void apus__slot_tell(struct apus__slot *slot, uint32_t events)
{
    // seq_cst: what the event is about, and Dekker's pattern against a slot that is about to sleep: it looks at `events` again after
    // it has said so (slot_sleep).
    apus_or_seqcst(&slot->events, events);
    if (apus__inbox_claim_wake(&slot->owner.inbox))
        apus__inbox_wake(&slot->owner.inbox);
}

void apus__slot_enter(struct apus__slot *slot, struct apus__context *native)
{
    struct apus__fiber *fiber = slot->fiber;
    slot->native = native;
    slot->turns_to_clock = 1;
    if (fiber) {
        apus__context_switch(native, &fiber->context);
        return;
    }
    // There is a free one: made with the slot, or left behind by slot_leave().
    slot->fiber = apus__fiber_take(&slot->fibers);
    apus__context_start(native, &slot->fiber->context);
}

int apus__slot_init(struct apus__slot *slot, uint32_t id, uint32_t node)
{
    struct apus__owner *owner = &slot->owner;
    int result = apus__heap_init(&owner->heap, &apus__world.pool, node);
    if (result)
        return result;
    owner->id = id;
    owner->node = node;
    owner->next_ref = (uint64_t)(id + 1) << 44;
    owner->turns_are_short = true;
    owner->fresh_least = UINT32_MAX;
    owner->wheel = &slot->wheel;
    owner->now_ms = apus__now_ns() / 1000000;
    apus__wheel_init(&slot->wheel, owner->now_ms);
    slot->turns_to_clock = 1;
    apus__slot_set_reductions(slot, apus__world.reductions);
    owner->reserve_wanted = APUS__RESERVE;
    apus__reserve_fill(owner);
    apus__nursery_fill(owner);
    // One stack from the beginning: the loop's own. Entering the slot cannot fail then, whoever carries it.
    struct apus__fiber *fiber = apus__fiber_new(&slot->fibers);
    if (!fiber) {
        apus__slot_destroy(slot);
        return -ENOMEM;
    }
    apus__fiber_give(&slot->fibers, fiber);
    return 0;
}

void apus__slot_destroy(struct apus__slot *slot)
{
    apus__lines_forget(slot);
    apus__fibers_release(&slot->fibers);
    apus__reserve_release(&slot->owner);
    apus__heap_retire(&slot->owner.heap);
}
