#include "scheduler/rescue.h"

#include "os/clock.h"
#include "os/futex.h"
#include "os/membarrier.h"
#include "os/thread.h"
#include "process/system.h"
#include "scheduler/hooks.h"
#include "scheduler/report.h"

// --- Coming back ----------------------------------------------------------------------------------------------------------------

// Out of line, and apart from what runs before the switch: what follows it may run on another thread.
__attribute__((noinline)) static void rescue_set_inside(void)
{
    apus_store_relaxed(&apus__local.inside, 1);
}

// Leaves the stack of a carrier that has lost its slot; goes on when its process does.
static struct apus__owner *rescue_leave(struct apus__carrier *carrier)
{
    struct apus__fiber *fiber = carrier->detached;
    struct apus__hook_state hooks;
    apus__carrier_promote(carrier);
    apus__hooks_leave_anew(&hooks);
    apus__slot_return_detached(fiber, &carrier->native);
    rescue_set_inside();
    apus__hooks_enter_anew(&hooks);
    return &fiber->slot->owner;
}

// Whether the slot has been taken from the carrier.
static bool rescue_is_detached(struct apus__carrier *carrier)
{
    apus__carrier_await_decision(carrier);
    // acquire: the fiber, or that `here` is ours again. Pairs with rescue_decide().
    return apus_load_acquire(&carrier->hold) == APUS__HOLD_DETACHED;
}

// A process that unwinds and has departed is to return before its stack goes: until then its calls are refused, but not for ever.
static bool rescue_refuses(struct apus__fiber *fiber)
{
    enum { REFUSALS_MAX = 1000 };
    // relaxed: asked for by value only. One that departs at this very moment loses its stack.
    return fiber->unwinds && apus_load_relaxed(&fiber->detached.process->pid) == 0 && fiber->refusals++ < REFUSALS_MAX;
}

apus_cold struct apus__owner *apus__rejoin(void)
{
    struct apus__carrier *carrier = apus__local.carrier;
    if (!carrier || !rescue_is_detached(carrier))
        return apus_load_relaxed(&apus__local.here); // also of a plain thread, or the simulator's
    return rescue_refuses(carrier->detached) ? NULL : rescue_leave(carrier);
}

apus_cold void apus__return(void)
{
    apus_check(!apus__process_is_fork()); // of a callback that has called fork(), and returns in the child as well
    struct apus__carrier *carrier = apus__local.carrier;
    if (!carrier || !rescue_is_detached(carrier))
        return;
    carrier->detached->has_returned = true;
    rescue_leave(carrier);
}

struct apus_process *apus__carrier_process(struct apus__carrier *carrier)
{
    if (apus_load_acquire(&carrier->hold) == APUS__HOLD_DETACHED)
        return carrier->detached->detached.process;
    return carrier->slot ? carrier->slot->owner.current : NULL;
}

// --- Claiming -------------------------------------------------------------------------------------------------------------------

// What the claim comes to.
static void rescue_decide(struct apus__carrier *carrier, enum apus__carrier_hold hold)
{
    // release: all that was done under the claim. Pairs with apus__rejoin() and apus__carrier_hold().
    apus_store_release(&carrier->hold, hold);
    apus__futex_wake(&carrier->hold, UINT32_MAX >> 1);
}

static void rescue_unclaim(struct apus__carrier *carrier, struct apus__slot *slot)
{
    // release: what was looked at under the claim. Pairs with apus__arrive().
    apus_store_release(&carrier->local->here, &slot->owner);
    rescue_decide(carrier, APUS__HOLD_RUNS);
}

static bool rescue_claim(struct apus__carrier *carrier, struct apus__slot *slot)
{
    uint32_t runs = APUS__HOLD_RUNS;
    // acq_rel: that the carrier has set `here`, and its slot. Pairs with apus__carrier_hold().
    if (!apus_cas_strong_acq_rel(&carrier->hold, &runs, APUS__HOLD_CLAIMED))
        return false;
    if (carrier->slot == slot) {
        apus_store_relaxed(&carrier->local->here, NULL);
        apus__membarrier_all();
        // acquire, both: what the carrier did inside. Pairs with apus__unpin() and apus__depart(). In this order: unpinning stores
        // `inside` first, so who finds no pin any more finds that, and who comes in now waits for what this comes to.
        if (!apus_load_acquire(&carrier->local->pinned) && !apus_load_acquire(&carrier->local->inside))
            return true;
    }
    rescue_unclaim(carrier, carrier->slot);
    return false;
}

bool apus__slot_keeps_waiting(struct apus__slot *slot)
{
    struct apus__owner *here = &slot->owner;
    if (apus__owner_has_waiting(here) || !apus__inbox_is_empty(&here->inbox) || apus_load_relaxed(&slot->events))
        return true;
    return slot->wheel.count && apus__wheel_next(&slot->wheel) <= apus__now_ns() / 1000000;
}

bool apus__rescue_is_likely(struct apus__slot *slot)
{
    // acquire: the carrier's fields. Pairs with apus__carrier_assign() and apus__carrier_hold().
    struct apus__carrier *carrier = apus_load_acquire(&slot->carrier);
    return apus__machine.has_membarrier && apus_load_acquire(&carrier->hold) == APUS__HOLD_RUNS && !apus_load_relaxed(&carrier->local->inside);
}

bool apus__rescue_look(struct apus__slot *slot, struct apus__owner *teller, apus_pid *culprit)
{
    struct apus__carrier *carrier = apus_load_acquire(&slot->carrier);
    if (!rescue_claim(carrier, slot))
        return false;
    struct apus_process *process = slot->owner.current;
    if (process) {
        *culprit = apus__pid(process);
        if (apus__system_limit(APUS_SYSTEM_LONG_MAILBOX))
            apus__system_look_at_mailbox(teller, process);
    }
    rescue_unclaim(carrier, slot);
    return process != NULL;
}

void apus__rescue_share(struct apus__slot *slot, bool some_stay)
{
    struct apus__carrier *carrier = apus_load_acquire(&slot->carrier);
    if (!rescue_claim(carrier, slot))
        return;
    if (slot->owner.current)
        apus__share_behind(slot, some_stay);
    rescue_unclaim(carrier, slot);
}

bool apus__rescue_has_room(void)
{
    // relaxed: a hint.
    return apus_load_relaxed(&apus__machine.detached) < apus__machine.detached_max;
}

// A thread to go on with, and room for one more that has lost its slot.
static struct apus__carrier *rescue_claim_spare(void)
{
    // relaxed, both: it is a count, and hands nothing over.
    uint32_t detached = apus_load_relaxed(&apus__machine.detached);
    do {
        if (detached >= apus__machine.detached_max)
            return NULL;
    } while (!apus_cas_weak_relaxed(&apus__machine.detached, &detached, detached + 1));
    struct apus__carrier *spare = apus__carrier_claim_spare();
    if (!spare)
        apus_sub_relaxed(&apus__machine.detached, 1);
    return spare;
}

// With the slot to itself: its process keeps the stack and the thread, the spare gets the slot.
static bool rescue_hand_over(struct apus__slot *slot, struct apus__carrier *carrier, struct apus__carrier *spare)
{
    struct apus__fiber *fiber = slot->fiber;
    if (apus__slot_detach(slot)) {
        apus__carrier_unclaim_spare(spare);
        apus_sub_relaxed(&apus__machine.detached, 1);
        return false;
    }
    carrier->detached = fiber;
    fiber->keeper = fiber->detached.process->flags & APUS__KEEPS_THREAD ? carrier : NULL;
    return true;
}

enum apus__rescue apus__rescue(struct apus__slot *slot, bool for_others, bool is_noted, apus_pid *culprit)
{
    // acquire: the carrier's fields. Pairs with apus__carrier_assign().
    struct apus__carrier *carrier = apus_load_acquire(&slot->carrier);
    if (!rescue_claim(carrier, slot))
        return APUS__RESCUE_NOT_NOW;
    enum apus__rescue result = APUS__RESCUE_NOT_NOW;
    struct apus_process *process = slot->owner.current;
    if (process && (for_others || apus__slot_keeps_waiting(slot))) {
        struct apus__carrier *spare = rescue_claim_spare();
        *culprit = apus__pid(process);
        result = spare ? APUS__RESCUE_NO_MEMORY : APUS__RESCUE_NO_SPARE;
        if (spare && is_noted)
            apus__report_note(slot, process);
        if (spare && rescue_hand_over(slot, carrier, spare)) {
            apus__carrier_demote(carrier);
            apus_bump_relaxed(&apus__machine.rescues, 1);
            rescue_decide(carrier, APUS__HOLD_DETACHED);
            apus__carrier_assign(spare, slot);
            return APUS__RESCUE_DONE;
        }
    }
    rescue_unclaim(carrier, slot);
    return result;
}

bool apus__rescue_oneself(struct apus__slot *slot)
{
    struct apus__carrier *carrier = apus__local.carrier, *spare = carrier ? rescue_claim_spare() : NULL;
    if (!spare)
        return false;
    // As if claimed, so that the monitor keeps away; it may be looking at this moment, and gives up since we are inside.
    apus__carrier_hold(carrier, APUS__HOLD_RUNS, APUS__HOLD_BUSY);
    bool is_done = rescue_hand_over(slot, carrier, spare);
    if (is_done)
        apus_store_relaxed(&apus__local.here, NULL);
    rescue_decide(carrier, is_done ? APUS__HOLD_DETACHED : APUS__HOLD_RUNS);
    if (is_done)
        apus__carrier_assign(spare, slot);
    return is_done;
}
