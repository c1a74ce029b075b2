// scheduler/simulate.c - see simulate.h.
//
// A step enters a slot with the event LEAVE set, so that its loop leaves after one turn, or when the process of this turn waits. What
// the slots' own loop does between turns is done here instead: going to sleep, and waking.
//
// Sleep:      a slot that has nothing to do may be put to sleep as slot_sleep() would: its inbox is parked, and it counts in
//             `machine.parked`, so that another slot with work to spare claims it and gives. It wakes when it is chosen.
// Arrival:    a slot looks into its inbox at the beginning of a turn. What others push while it runs falls behind that look; here
//             nothing else happens during a turn, so now and then what has arrived is kept from it instead.
// Clock:      each step takes up to STEP_NS_MAX of virtual time, so that time-outs fall among what they race with; it starts at
//             START_NS, since 0 means the system's clock.
#include "scheduler/simulate.h"

#include "os/random.h"
#include "os/thread.h"
#include "scheduler/foreign.h"
#include "scheduler/poller.h"
#include "scheduler/runtime.h"

#include <stdlib.h>

enum {
    SLOTS_CHOSEN_MAX = 4,
    BUDGET_MAX = 8,       // messages a process may handle in a turn, unless the options say otherwise
    START_NS = 1000000000,
    STEP_NS_MAX = 100000,
    STOP_STEPS = 1000,    // between two rounds of stop signals
    STOP_ROUNDS = 16
};

// What is known of a slot.
struct simulated {
    bool was_busy; // its last turn went to a process: there may be more
    bool is_asleep;
};

static struct {
    struct apus__random random;
    struct apus__context native; // the driver's own stack
    struct apus__owner *driver;
    struct simulated *slots;
    uint32_t last;               // the slot that had the last turn
    uint32_t stay;               // of 16 choices, how many stay with it
    uint32_t keep;               // of 16 turns, in how many nothing arrives
    uint32_t budget_max;
    uint32_t generation; // of the runs before
} simulation;

static uint64_t simulation_now_ms(void)
{
    return apus_load_relaxed(&apus__virtual_ns) / 1000000;
}

static void simulation_pass_time(uint64_t ns)
{
    // relaxed: this thread alone reads it.
    apus_store_relaxed(&apus__virtual_ns, apus_load_relaxed(&apus__virtual_ns) + ns);
}

// --- Choosing -------------------------------------------------------------------------------------------------------------------

static struct simulated *simulated(const struct apus__slot *slot)
{
    return &simulation.slots[slot->owner.id];
}

static bool slot_can_run(struct apus__slot *slot)
{
    return simulated(slot)->was_busy || !apus__inbox_is_empty(&slot->owner.inbox) ||
           apus__wheel_next(&slot->wheel) <= simulation_now_ms();
}

// The slot for the next turn, or NULL if none has anything to do now.
static struct apus__slot *simulation_choose(void)
{
    uint32_t able = 0, count = apus__machine.slot_count;
    if (apus__random_below(&simulation.random, 16) < simulation.stay && slot_can_run(apus__machine.slots[simulation.last]))
        return apus__machine.slots[simulation.last];
    for (uint32_t i = 0; i < count; i++)
        able += slot_can_run(apus__machine.slots[i]);
    if (!able)
        return NULL;
    uint32_t chosen = apus__random_below(&simulation.random, able);
    for (simulation.last = 0;; simulation.last++)
        if (slot_can_run(apus__machine.slots[simulation.last]) && chosen-- == 0)
            return apus__machine.slots[simulation.last];
}

// Lets the time pass until something is due. False if nothing ever will be.
static bool simulation_jump(void)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < apus__machine.slot_count; i++) {
        uint64_t due = apus__wheel_next(&apus__machine.slots[i]->wheel);
        next = due < next ? due : next;
    }
    if (next == UINT64_MAX)
        return false;
    simulation_pass_time(next * 1000000 - apus_load_relaxed(&apus__virtual_ns));
    return true;
}

// --- Turns ----------------------------------------------------------------------------------------------------------------------

static void slot_fall_asleep(struct apus__slot *slot)
{
    simulated(slot)->is_asleep = true;
    apus__cells_send_home(&slot->owner);
    apus__heap_flush(&slot->owner.heap);
    apus_add_seqcst(&apus__machine.parked, 1);
    apus_check(apus__inbox_park(&slot->owner.inbox));
}

static void slot_wake_up(struct apus__slot *slot)
{
    simulated(slot)->is_asleep = false;
    apus__inbox_unpark(&slot->owner.inbox);
    apus_sub_relaxed(&apus__machine.parked, 1);
}

// Enters the slot until it has had a turn, which shows in its look at the clock: a free stack may be one that was left at the end of
// a turn, and then only leaves.
static void slot_enter_for_turn(struct apus__slot *slot)
{
    uint64_t now = apus__now_ns();
    apus_or_seqcst(&slot->events, APUS__EVENT_LEAVE);
    apus_store_relaxed(&apus__local.here, &slot->owner);
    while (slot->looked_ns != now)
        apus__slot_enter(slot, &simulation.native);
    apus_store_relaxed(&apus__local.here, NULL);
}

// Puts links that were kept from a turn back behind those that have arrived in it.
static void inbox_put_back(struct apus__inbox *inbox, uintptr_t kept)
{
    _Atomic uintptr_t *oldest = &inbox->head;
    while (apus_load_relaxed(oldest))
        oldest = &apus__inbox_untag(apus_load_relaxed(oldest))->next;
    apus_store_relaxed(oldest, kept);
}

static void slot_take_turn(struct apus__slot *slot)
{
    uint64_t slices = apus_load_relaxed(&slot->owner.counters.slices);
    if (simulated(slot)->is_asleep)
        slot_wake_up(slot);
    apus__slot_set_reductions(slot, (uint32_t)(1 + apus__random_below(&simulation.random, simulation.budget_max)));
    simulation_pass_time(1 + apus__random_below(&simulation.random, STEP_NS_MAX));
    // What has arrived may be kept from the turn: on real cores it would have come just after the slot had looked.
    bool keeps = apus__random_below(&simulation.random, 16) < simulation.keep;
    uintptr_t kept = keeps ? apus_exchange_acquire(&slot->owner.inbox.head, 0) : 0;
    slot_enter_for_turn(slot);
    inbox_put_back(&slot->owner.inbox, kept);
    simulated(slot)->was_busy = apus_load_relaxed(&slot->owner.counters.slices) != slices;
    if (!slot_can_run(slot) && apus__random_below(&simulation.random, 2))
        slot_fall_asleep(slot);
    // Where the driver's next children go, unless somebody sleeps.
    simulation.driver->last_used = apus__random_below(&simulation.random, apus__machine.slot_count);
}

bool apus__simulation_step(void)
{
    struct apus__slot *slot;
    while (!(slot = simulation_choose()))
        if (!simulation_jump())
            return false;
    slot_take_turn(slot);
    return true;
}

bool apus__simulation_settle(uint64_t max_steps)
{
    struct apus__slot *slot;
    for (; max_steps > 0; max_steps--) {
        if (!(slot = simulation_choose()))
            return true;
        slot_take_turn(slot);
    }
    return false;
}

void apus__simulation_pass(uint64_t milliseconds)
{
    simulation_pass_time(milliseconds * 1000000);
}

bool apus__simulation_run(uint64_t max_steps)
{
    while (max_steps-- > 0)
        if (!apus__simulation_step())
            return true;
    return false;
}

// --- Beginning ------------------------------------------------------------------------------------------------------------------

static int simulation_make(const apus_options *options)
{
    apus_options chosen = options ? *options : (apus_options){.struct_size = sizeof chosen};
    uint32_t slots = 1 + apus__random_below(&simulation.random, SLOTS_CHOSEN_MAX);
    if (chosen.schedulers == 0)
        chosen.schedulers = slots;
    simulation.budget_max = chosen.reductions ? chosen.reductions : BUDGET_MAX;
    simulation.stay = apus__random_below(&simulation.random, 16);
    simulation.keep = apus__random_below(&simulation.random, 15);
    simulation.last = 0;
    // What a run leaves behind for the next one would tell one replay from another.
    simulation.generation = apus__world.generation;
    apus__world.generation = 0;
    apus_store_relaxed(&apus__world.foreign_refs, 0);
    int result = apus__fork_guard_arm();
    if (result)
        return result;
    simulation.slots = calloc(chosen.schedulers, sizeof *simulation.slots);
    return simulation.slots ? apus__world_make(&chosen) : -ENOMEM;
}

static void simulation_forget(void)
{
    free(simulation.slots);
    simulation.slots = NULL;
    if (apus__world.generation < simulation.generation)
        apus__world.generation = simulation.generation;
    apus_store_relaxed(&apus__virtual_ns, 0);
}

int apus__simulation_begin(const apus_options *options, uint64_t seed)
{
    uint32_t stopped = APUS__WORLD_STOPPED;
    int error;
    if (apus__process_is_fork())
        return -ECHILD;
    if (!apus_cas_strong_acq_rel(&apus__world.state, &stopped, APUS__WORLD_STARTING))
        return -EALREADY;
    apus__random_init(&simulation.random, seed);
    apus_store_relaxed(&apus__virtual_ns, START_NS);
    int result = simulation_make(options);
    if (result) {
        simulation_forget();
        apus_store_release(&apus__world.state, APUS__WORLD_STOPPED);
        return result;
    }
    apus__context_adopt(&simulation.native);
    for (uint32_t i = 0; i < apus__machine.slot_count; i++) {
        apus__machine.slots[i]->owner.is_simulated = true;
        if (apus__random_below(&simulation.random, 2))
            slot_fall_asleep(apus__machine.slots[i]);
    }
    // release: the world. Pairs with the acquire in apus__foreign_enter().
    apus_store_release(&apus__world.state, APUS__WORLD_RUNNING);
    // The driver becomes a plain thread of the program, and so a reader of RCU, as the slots' carriers are elsewhere.
    simulation.driver = apus__foreign_enter(&error);
    if (!simulation.driver) {
        apus__simulation_end();
        return error;
    }
    apus__foreign_leave();
    return 0;
}

// --- Stopping -------------------------------------------------------------------------------------------------------------------

// Sends the signal to all, again and again, until `is_done`, or false if that does not help.
static bool simulation_press(enum apus__kind kind, uint64_t value, apus_reason_kind reason_kind, bool (*is_done)(void))
{
    const apus_reason reason = {.kind = reason_kind};
    const struct apus__signal signal = {kind, APUS_NOBODY, 0, value, &reason};
    for (unsigned round = 0; round < STOP_ROUNDS && !is_done(); round++) {
        apus__signal_all(&signal);
        for (unsigned step = 0; step < STOP_STEPS && !is_done() && apus__simulation_step(); step++) {
        }
    }
    return is_done();
}

int apus__simulation_end(void)
{
    uint32_t running = APUS__WORLD_RUNNING;
    if (!simulation.slots || !apus_cas_strong_seqcst(&apus__world.state, &running, APUS__WORLD_STOPPING))
        return -ESHUTDOWN;
    if (!simulation_press(APUS__STOP, 1, APUS_REASON_SHUTDOWN, apus__no_roots) ||
        !simulation_press(APUS__STOP, 2, APUS_REASON_SHUTDOWN, apus__no_processes)) {
        apus_store_seqcst(&apus__world.state, APUS__WORLD_KILLING);
        if (!simulation_press(APUS__EXIT, 0, APUS_REASON_KILL, apus__no_processes)) {
            apus_store_release(&apus__world.state, APUS__WORLD_RUNNING);
            return -ETIMEDOUT;
        }
    }
    apus_store_release(&apus__world.state, APUS__WORLD_STARTING);
    apus__poller_stop();
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        if (simulation.slots[i].is_asleep)
            slot_wake_up(apus__machine.slots[i]);
    apus__world_unmake();
    apus__context_destroy(&simulation.native);
    simulation_forget();
    apus_store_release(&apus__world.state, APUS__WORLD_STOPPED);
    return 0;
}
