#include "scheduler/carrier.h"

#include "os/futex.h"
#include "os/thread.h"
#include "rcu/rcu.h"

#include <stdio.h>
#include <stdlib.h>

static struct apus__carrier *carriers; // slots + APUS__SPARES_MAX of them
static uint32_t carrier_count;
static struct apus__placement carrier_placement;

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
    while ((word = apus_load_acquire(&carrier->word)) == APUS__CARRIER_SPARE || word == APUS__CARRIER_CLAIMED)
        apus__futex_wait(&carrier->word, word, UINT64_MAX);
    return (enum apus__carrier_word)word;
}

static void carrier_place(const struct apus__slot *slot)
{
    const struct apus__topology *topology = carrier_placement.topology;
    if (carrier_placement.binding == APUS_BIND_CORES)
        apus__thread_pin_cpu(topology->cpus[slot->owner.id % topology->cpu_count].id);
    else if (carrier_placement.binding == APUS_BIND_NODES)
        apus__thread_pin_node(topology, slot->owner.node);
}

// Claims a spare and gives it the slot. False if there is none.
static bool carrier_hand_over(struct apus__slot *slot)
{
    for (uint32_t i = 0; i < carrier_count; i++) {
        uint32_t spare = APUS__CARRIER_SPARE;
        // acq_rel: takes over what the spare left behind when it became one; `slot` of the carrier is ours to write from here on.
        if (apus_load_relaxed(&carriers[i].word) == APUS__CARRIER_SPARE &&
            apus_cas_strong_acq_rel(&carriers[i].word, &spare, APUS__CARRIER_CLAIMED)) {
            carriers[i].slot = slot;
            slot->carrier = &carriers[i];
            apus_bump_relaxed(&slot->owner.counters.handoffs, 1);
            carrier_set(&carriers[i], APUS__CARRIER_ASSIGNED);
            return true;
        }
    }
    return false;
}

// Runs the carrier's slot until it is handed over (true) or has left for good (false).
static bool carrier_run(struct apus__carrier *carrier)
{
    struct apus__slot *slot = carrier->slot;
    carrier_place(slot);
    for (;;) {
        apus__here = &slot->owner;
        apus__slot_enter(slot, &carrier->native);
        apus__here = NULL;
        // acquire: pairs with the event set in apus__slot_tell().
        if (apus_load_acquire(&slot->events) & APUS__EVENT_LEAVE)
            return false;
        apus_and_seqcst(&slot->events, ~(uint32_t)APUS__EVENT_HANDOFF);
        if (carrier_hand_over(slot))
            return true;
    }
}

static void *carrier_main(void *argument)
{
    struct apus__carrier *carrier = argument;
    apus__thread_name("apus");
    apus__rcu_register();
    apus__context_adopt(&carrier->native);
    while (carrier_wait(carrier) == APUS__CARRIER_ASSIGNED) {
        if (!carrier_run(carrier))
            break;
        // release: we are done with the slot. Pairs with the claim in carrier_hand_over().
        uint32_t assigned = APUS__CARRIER_ASSIGNED;
        if (!apus_cas_strong_acq_rel(&carrier->word, &assigned, APUS__CARRIER_SPARE))
            break; // told to quit
    }
    apus__context_destroy(&carrier->native);
    apus__rcu_unregister();
    return NULL;
}

static int carrier_create(struct apus__carrier *carrier, struct apus__slot *slot)
{
    carrier->slot = slot;
    apus_store_relaxed(&carrier->word, slot ? APUS__CARRIER_ASSIGNED : APUS__CARRIER_SPARE);
    if (apus__inject_fail(APUS__INJECT_THREAD) || pthread_create(&carrier->thread, NULL, carrier_main, carrier)) {
        apus_store_relaxed(&carrier->word, APUS__CARRIER_NONE);
        return -EAGAIN;
    }
    return 0;
}

int apus__carriers_start(uint32_t slots, const struct apus__placement *placement)
{
    carriers = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : calloc(slots + APUS__SPARES_MAX, sizeof *carriers);
    if (!carriers)
        return -ENOMEM;
    carrier_count = slots + APUS__SPARES_MAX;
    carrier_placement = *placement;
    for (uint32_t i = 0; i < slots; i++) {
        struct apus__slot *slot = apus__machine.slots[i];
        slot->carrier = &carriers[i];
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
    uint32_t spares = 0;
    for (uint32_t i = apus__machine.slot_count; i < carrier_count && spares < count; i++) {
        if (apus_load_relaxed(&carriers[i].word) == APUS__CARRIER_NONE) {
            int result = carrier_create(&carriers[i], NULL);
            if (result)
                return result;
        }
        spares++;
    }
    return 0;
}

void apus__carriers_stop(void)
{
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        apus__slot_tell(apus__machine.slots[i], APUS__EVENT_LEAVE);
    for (uint32_t i = 0; i < carrier_count; i++)
        if (apus_load_relaxed(&carriers[i].word) != APUS__CARRIER_NONE)
            carrier_set(&carriers[i], APUS__CARRIER_QUIT);
    for (uint32_t i = 0; i < carrier_count; i++)
        if (apus_load_relaxed(&carriers[i].word) != APUS__CARRIER_NONE)
            pthread_join(carriers[i].thread, NULL);
    free(carriers);
    carriers = NULL;
    carrier_count = 0;
}

void apus__slot_request_handoff(struct apus__slot *slot)
{
    apus__slot_tell(slot, APUS__EVENT_HANDOFF);
}
