#include "scheduler/carrier.h"

#include "os/futex.h"
#include "os/interpose.h"
#include "os/pages.h"
#include "os/thread.h"
#include "rcu/rcu.h"
#include "scheduler/quarantine.h"
#include "scheduler/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOKS_BEFORE_PLACE = 2 }; // at the clock (slot.c)

static struct apus__carrier *carriers;
static uint32_t carrier_count;         // there is room for
static _Atomic uint32_t carrier_made;  // and of these the first so many have had a thread
static _Atomic uint32_t carrier_claim; // where the last spare was found: those before it are mostly put aside
static pthread_mutex_t carrier_lock = PTHREAD_MUTEX_INITIALIZER; // who makes spares
static bool may_demote;
static struct apus__placement carrier_placement;
static struct apus__cpus carrier_cpus; // the program's, before any thread was bound

static void carrier_set(struct apus__carrier *carrier, enum apus__carrier_word word)
{
    // release: the carrier's slot, and all that was done to it. Pairs with the acquire load in carrier_wait().
    apus_store_release(&carrier->word, word);
    apus__futex_wake(&carrier->word, 1);
}

// Sleeps until the carrier is assigned a slot or told to quit.
static enum apus__carrier_word carrier_wait(struct apus__carrier *carrier)
{
    uint32_t word;
    // acquire: pairs with carrier_set().
    while ((word = apus_load_acquire(&carrier->word)) == APUS__CARRIER_SPARE || word == APUS__CARRIER_CLAIMED ||
           word == APUS__CARRIER_KEEPS)
        apus__futex_wait(&carrier->word, word, UINT64_MAX);
    return (enum apus__carrier_word)word;
}

static unsigned carrier_core(uint32_t id)
{
    const struct apus__topology *topology = carrier_placement.topology;
    return topology->cpus[id % topology->cpu_count].id;
}

int apus__slot_core(uint32_t id)
{
    return carrier_placement.binding == APUS_BIND_CORES ? (int)carrier_core(id) : -1;
}

void apus__slot_place(struct apus__slot *slot)
{
    slot->unplaced = 0;
    if (carrier_placement.binding == APUS_BIND_CORES)
        apus__thread_pin_cpu(0, carrier_core(slot->owner.id));
    else if (carrier_placement.binding == APUS_BIND_NODES)
        apus__thread_pin_node(carrier_placement.topology, slot->owner.node);
}

struct apus__carrier *apus__carrier_claim_spare(void)
{
    // relaxed, both: hints. A thread that has been made a spare by now is found by its word, or the next time.
    uint32_t made = apus_load_relaxed(&carrier_made), first = apus_load_relaxed(&carrier_claim);
    for (uint32_t k = 0; k < made; k++) {
        uint32_t i = (first + k) % made, spare = APUS__CARRIER_SPARE;
        // acq_rel: takes over what the spare left behind when it became one; `slot` of the carrier is ours to write from here on.
        if (apus_load_relaxed(&carriers[i].word) == APUS__CARRIER_SPARE &&
            apus_cas_strong_acq_rel(&carriers[i].word, &spare, APUS__CARRIER_CLAIMED)) {
            apus_store_relaxed(&carrier_claim, i);
            return &carriers[i];
        }
    }
    return NULL;
}

void apus__carrier_unclaim_spare(struct apus__carrier *spare)
{
    uint32_t claimed = APUS__CARRIER_CLAIMED;
    // Fails only if it has been told to quit meanwhile.
    apus_cas_strong_acq_rel(&spare->word, &claimed, APUS__CARRIER_SPARE);
}

void apus__carrier_dismiss(struct apus__carrier *keeper)
{
    apus_sub_relaxed(&apus__machine.detached, 1);
    // release: that its stack is somebody else's now. Pairs with the claim in apus__carrier_claim_spare(). It sleeps on.
    apus_store_release(&keeper->word, APUS__CARRIER_SPARE);
}

void apus__carrier_assign(struct apus__carrier *spare, struct apus__slot *slot)
{
    // relaxed: a thread that has not begun moves to its core by itself.
    uint32_t id = apus_load_relaxed(&spare->thread_id);
    if (slot->fault && id && carrier_placement.binding == APUS_BIND_CORES)
        apus__thread_pin_cpu(id, carrier_core(slot->owner.id));
    spare->slot = slot;
    apus_bump_relaxed(&slot->owner.counters.handoffs, 1);
    // release: the carrier's fields. Pairs with apus__rescue().
    apus_store_release(&slot->carrier, spare);
    carrier_set(spare, APUS__CARRIER_ASSIGNED);
}

uint32_t apus__carriers_spare_now(void)
{
    uint32_t spares = 0;
    // relaxed: a hint.
    for (uint32_t i = 0; i < apus_load_relaxed(&carrier_made); i++)
        spares += apus_load_relaxed(&carriers[i].word) == APUS__CARRIER_SPARE;
    return spares;
}

void apus__carrier_demote(struct apus__carrier *carrier)
{
    carrier->is_demoted = may_demote && apus__thread_lower(apus_load_relaxed(&carrier->thread_id), &carrier->nice) == 0;
}

void apus__carrier_promote(struct apus__carrier *carrier)
{
    if (carrier->is_demoted)
        apus__thread_raise(apus_load_relaxed(&carrier->thread_id), carrier->nice);
    carrier->is_demoted = false;
}

void apus__carrier_hold(struct apus__carrier *carrier, enum apus__carrier_hold from, enum apus__carrier_hold to)
{
    uint32_t hold = from;
    // acq_rel: the carrier's `here`, for and from the claimer. Pairs with rescue_claim() and rescue_decide().
    while (!apus_cas_strong_acq_rel(&carrier->hold, &hold, to)) {
        apus_check(hold == APUS__HOLD_CLAIMED);
        apus__futex_wait(&carrier->hold, APUS__HOLD_CLAIMED, UINT64_MAX);
        hold = from;
    }
}

bool apus__carrier_die(struct apus__carrier *carrier)
{
    uint32_t hold;
    apus_store_relaxed(&carrier->word, APUS__CARRIER_DEAD);
    for (;;) {
        hold = APUS__HOLD_RUNS;
        // acq_rel: as apus__carrier_hold().
        if (apus_cas_strong_acq_rel(&carrier->hold, &hold, APUS__HOLD_BUSY))
            return true;
        if (hold == APUS__HOLD_DETACHED)
            return false;
        apus__futex_wait(&carrier->hold, APUS__HOLD_CLAIMED, UINT64_MAX);
    }
}

void apus__carrier_await_decision(struct apus__carrier *carrier)
{
    // acquire: what was decided. Pairs with rescue_decide().
    while (apus_load_acquire(&carrier->hold) == APUS__HOLD_CLAIMED)
        apus__futex_wait(&carrier->hold, APUS__HOLD_CLAIMED, UINT64_MAX);
}

const struct apus__stack *apus__carrier_stack(const struct apus__carrier *carrier)
{
    const struct apus__fiber *fiber = apus_load_acquire(&carrier->hold) == APUS__HOLD_DETACHED ? carrier->detached : carrier->slot->fiber;
    return fiber ? &fiber->stack : NULL;
}

// The carrier's slot is another's now. False if it has been told to quit.
static bool carrier_become_spare(struct apus__carrier *carrier)
{
    uint32_t assigned = APUS__CARRIER_ASSIGNED;
    // release: we are done with the slot. Pairs with the claim in apus__carrier_claim_spare().
    return apus_cas_strong_acq_rel(&carrier->word, &assigned, APUS__CARRIER_SPARE);
}

// The thread has lost its slot, and is back on its own stack: tells the slot so, and is a spare, or a keeper. The latter it is before it
// tells, since it may be given the slot, or dismissed, at once. False if it has been told to quit.
static bool carrier_come_back(struct apus__carrier *carrier)
{
    struct apus__fiber *fiber = carrier->detached;
    struct apus__owner *owner = &fiber->slot->owner;
    bool keeps = fiber->keeper != NULL;
    carrier->detached = NULL;
    apus_store_relaxed(&carrier->hold, APUS__HOLD_BUSY);
    if (keeps)
        apus_store_relaxed(&carrier->word, APUS__CARRIER_KEEPS);
    else
        apus_sub_relaxed(&apus__machine.detached, 1);
    // The push releases the stack with all that is on it; the fiber is the slot's from here on.
    if (apus__inbox_push(&owner->inbox, &fiber->back.link, APUS__INBOX_COMMAND))
        apus__inbox_wake(&owner->inbox);
    return keeps || carrier_become_spare(carrier);
}

// Gives the slot to the thread that is to go on with the stack that comes next.
static bool carrier_give_back(struct apus__carrier *carrier, struct apus__slot *slot)
{
    apus_sub_relaxed(&apus__machine.detached, 1);
    apus__carrier_assign(slot->fiber->keeper, slot);
    return carrier_become_spare(carrier);
}

void apus__carrier_in_fork(void)
{
    struct apus__local *local = &apus__local;
    if (!local->carrier)
        return; // also the driver of a simulation, which needs no other thread and goes on in the child
    local->carrier = NULL;
    apus__held.text = NULL;
    // relaxed, all: the child has one thread.
    apus_store_relaxed(&local->here, NULL);
    apus_store_relaxed(&local->matching, NULL);
}

// The turn the calling thread is in. One that has lost its slot is still in the turn in which that was.
static uint64_t carrier_turn(void)
{
    const struct apus__carrier *carrier = apus__local.carrier;
    // acquire: the fiber. Pairs with rescue_decide().
    if (apus_load_acquire(&carrier->hold) == APUS__HOLD_DETACHED)
        return carrier->detached->turn;
    return apus__slot_turn(carrier->slot);
}

// Runs the carrier's slot until another carrier has it. False if the thread is to end.
static bool carrier_run(struct apus__carrier *carrier)
{
    struct apus__slot *slot = carrier->slot;
    apus__held.text = carrier->said;
    // After a fault the next process comes first: moving to the right core takes longer than giving it its turn.
    if (slot->fault)
        slot->unplaced = LOOKS_BEFORE_PLACE;
    else
        apus__slot_place(slot);
    for (;;) {
        apus_store_relaxed(&apus__local.here, &slot->owner);
        apus_store_relaxed(&apus__local.inside, 1);
        if (apus_unlikely(slot->fault))
            apus__slot_crashed(slot);
        apus__carrier_hold(carrier, APUS__HOLD_BUSY, APUS__HOLD_RUNS);
        apus__slot_enter(slot, &carrier->native);
        // acquire: the fiber. Pairs with rescue_decide().
        if (apus_load_acquire(&carrier->hold) == APUS__HOLD_DETACHED)
            return carrier_come_back(carrier);
        apus__carrier_hold(carrier, APUS__HOLD_RUNS, APUS__HOLD_BUSY);
        apus_store_relaxed(&apus__local.here, NULL);
        if (slot->fiber)
            return carrier_give_back(carrier, slot);
        // acquire: pairs with the event set in apus__slot_tell().
        if (apus_load_acquire(&slot->events) & APUS__EVENT_LEAVE)
            return false;
        apus_and_seqcst(&slot->events, ~(uint32_t)APUS__EVENT_HANDOFF);
        struct apus__carrier *spare = apus__carrier_claim_spare();
        if (spare) {
            apus__carrier_assign(spare, slot);
            return carrier_become_spare(carrier);
        }
    }
}

static void *carrier_main(void *argument)
{
    struct apus__carrier *carrier = argument;
    apus__local.carrier = carrier;
    carrier->local = &apus__local;
    apus_store_relaxed(&carrier->thread_id, apus__thread_id());
    apus__thread_name("apus");
    apus__altstack_install(&carrier->altstack); // without it a stack overflow ends the program
    apus__held.text_size = carrier->said ? APUS__SAID : 0;
    apus__held.turn = carrier_turn;
    apus__held.cpus = carrier_placement.binding == APUS_BIND_NONE ? NULL : &carrier_cpus;
    apus__rcu_register();
    apus__context_adopt(&carrier->native);
    bool goes_on = true;
    while (goes_on && carrier_wait(carrier) == APUS__CARRIER_ASSIGNED)
        goes_on = carrier_run(carrier);
    apus__context_destroy(&carrier->native);
    apus__rcu_unregister();
    apus__altstack_remove(&carrier->altstack);
    apus__held.text = NULL;
    apus__held.cpus = NULL;
    return NULL;
}

static int carrier_create(struct apus__carrier *carrier, struct apus__slot *slot)
{
    carrier->slot = slot;
    if (!carrier->said)
        carrier->said = calloc(1, APUS__SAID);
    if (!carrier->room)
        carrier->room = apus__report_room();
    // A spare may be claimed by others only once its thread is there.
    apus_store_relaxed(&carrier->word, slot ? APUS__CARRIER_ASSIGNED : APUS__CARRIER_CLAIMED);
    if (apus__inject_fail(APUS__INJECT_THREAD) || pthread_create(&carrier->thread, NULL, carrier_main, carrier)) {
        apus_store_relaxed(&carrier->word, APUS__CARRIER_NONE);
        return -EAGAIN;
    }
    uint32_t made = (uint32_t)(carrier - carriers) + 1;
    if (apus_load_relaxed(&carrier_made) < made)
        apus_store_relaxed(&carrier_made, made);
    // release: the carrier's fields. Pairs with the claim in apus__carrier_claim_spare(). It sleeps on; who assigns it a slot wakes it.
    if (!slot)
        apus_store_release(&carrier->word, APUS__CARRIER_SPARE);
    return 0;
}

int apus__carriers_start(uint32_t slots, uint32_t spares_max, const struct apus__placement *placement)
{
    carriers = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : calloc(slots + spares_max, sizeof *carriers);
    if (!carriers)
        return -ENOMEM;
    carrier_count = slots + spares_max;
    apus_store_relaxed(&carrier_made, 0);
    apus_store_relaxed(&carrier_claim, 0);
    carrier_placement = *placement;
    if (apus__thread_cpus(&carrier_cpus))
        memset(&carrier_cpus, 0xff, sizeof carrier_cpus);
    may_demote = apus__thread_may_set_nice();
    for (uint32_t i = 0; i < slots; i++) {
        struct apus__slot *slot = apus__machine.slots[i];
        apus_store_relaxed(&slot->carrier, &carriers[i]);
        int result = carrier_create(&carriers[i], slot);
        if (result) {
            apus__carriers_stop();
            return result;
        }
    }
    return 0;
}

int apus__carriers_spare(uint32_t count)
{
    int result = 0;
    pthread_mutex_lock(&carrier_lock);
    uint32_t spares = apus__carriers_spare_now();
    for (uint32_t i = 0; i < carrier_count && spares < count && !result; i++) {
        if (apus_load_relaxed(&carriers[i].word) == APUS__CARRIER_NONE) {
            result = carrier_create(&carriers[i], NULL);
            spares++;
        }
    }
    pthread_mutex_unlock(&carrier_lock);
    return result ? result : spares < count ? -EAGAIN : 0;
}

uint32_t apus__carriers_tidy(void)
{
    uint32_t tidied = 0;
    for (uint32_t i = 0; i < apus_load_relaxed(&carrier_made); i++) {
        struct apus__carrier *carrier = &carriers[i];
        // acquire: what it has spent. Pairs with quarantine_sleep().
        if (apus_load_acquire(&carrier->word) != APUS__CARRIER_AT_REST)
            continue;
        for (int j = 0; j < APUS__SPENTS && !carrier->is_tidy; j++)
            if (carrier->spent[j].high > carrier->spent[j].low)
                apus__pages_discard((void *)carrier->spent[j].low, carrier->spent[j].high - carrier->spent[j].low);
        carrier->is_tidy = true;
        tidied++;
    }
    return tidied;
}

// A thread that was put aside stays, with all it has, until the program ends.
static void carrier_forget(struct apus__carrier *carrier)
{
    uint32_t word = apus_load_relaxed(&carrier->word);
    if (word == APUS__CARRIER_DEAD || word == APUS__CARRIER_AT_REST) {
        // acquire: that it has done with our memory. Pairs with quarantine_sleep().
        while (apus_load_acquire(&carrier->word) != APUS__CARRIER_AT_REST)
            usleep(100);
        pthread_detach(carrier->thread);
        return;
    }
    if (word != APUS__CARRIER_NONE)
        pthread_join(carrier->thread, NULL);
    free(carrier->said);
    free(carrier->room);
}

void apus__carriers_stop(void)
{
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        apus__slot_tell(apus__machine.slots[i], APUS__EVENT_LEAVE);
    for (uint32_t i = 0; i < carrier_count; i++) {
        uint32_t word = apus_load_relaxed(&carriers[i].word);
        if (word != APUS__CARRIER_NONE && word != APUS__CARRIER_DEAD && word != APUS__CARRIER_AT_REST)
            carrier_set(&carriers[i], APUS__CARRIER_QUIT);
    }
    for (uint32_t i = 0; i < carrier_count; i++)
        carrier_forget(&carriers[i]);
    free(carriers);
    carriers = NULL;
    carrier_count = 0;
}

void apus__slot_request_handoff(struct apus__slot *slot)
{
    apus__slot_tell(slot, APUS__EVENT_HANDOFF);
}
