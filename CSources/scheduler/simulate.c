// scheduler/simulate.c - see simulate.h.
//
// A step enters a slot with the event LEAVE set, so that its loop leaves after one turn, or when the process of this turn waits. What
// the slots' own loop does between turns is done here instead: going to sleep, and waking.
//
// Sleep:      a slot that has nothing to do is put to sleep as slot_sleep() would: its inbox is parked, and it counts in `machine.parked`,
//             so that another slot with work to spare claims it and gives. It wakes when it is chosen. Now and then it stays awake.
// Arrival:    a slot looks into its inbox at the beginning of a turn. What others push while it runs falls behind that look; here
//             nothing else happens during a turn, so now and then what has arrived is kept from it instead.
// Clock:      each step takes up to STEP_NS_MAX of virtual time, so that time-outs fall among what they race with; it starts at
//             START_NS, since 0 means the system's clock.
#include "scheduler/simulate.h"

#include "os/thread.h"
#include "rcu/rcu.h"
#include "scheduler/foreign.h"
#include "scheduler/poller.h"
#include "scheduler/runtime.h"

#include <stdlib.h>

enum {
    SLOTS_CHOSEN_MAX = 4,
    BUDGET_MAX = 8,       // messages a process may handle in a turn, unless the options say otherwise
    START_NS = 1000000000,
    STEP_NS_MAX = 100000,
    STEP_TIMES = 64,      // so many different times
    STOP_STEPS = 1000,    // between two rounds of stop signals
    STOP_ROUNDS = 16,
    SLOW_DOUBLINGS = 13,  // a slow callback takes up to 2^12 ms
    WATCHES_MAX = 256
};

// What is known of a slot.
struct simulated {
    bool was_busy; // its last turn went to a process: there may be more
    bool is_asleep;
    uint64_t held_until_ns; // by a callback that takes long
};

// A descriptor that is watched.
struct simulated_watch {
    int fd;
    unsigned events;
    apus_pid pid;
};

static struct {
    struct apus__choices *choices;
    struct apus__choices of_seed; // if the caller gave a seed only
    struct apus__context native;  // the driver's own stack
    struct apus__owner *driver;
    struct simulated *slots;
    uint32_t last;                // the slot that had the last turn
    uint32_t leave;               // of 256 choices, how many leave it
    uint32_t keep;                // of 256 turns, in how many nothing arrives
    uint32_t budget_max;
    uint32_t generation; // of the runs before
    struct simulated_watch watches[WATCHES_MAX];
    uint32_t watch_count;
    uint64_t placed; // how many children of the driver have had their place chosen
    bool is_filling; // the next message to a bounded mailbox finds it full
} simulation;

static uint32_t choose(enum apus__choice_kind kind, uint32_t bound, uint32_t odds)
{
    return apus__choose(simulation.choices, kind, bound, odds);
}

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

static bool slot_is_held(struct apus__slot *slot)
{
    return simulated(slot)->held_until_ns > apus_load_relaxed(&apus__virtual_ns);
}

static bool slot_has_work(struct apus__slot *slot)
{
    return simulated(slot)->was_busy || !apus__inbox_is_empty(&slot->owner.inbox) ||
           apus__wheel_next(&slot->wheel) <= simulation_now_ms();
}

static bool slot_can_run(struct apus__slot *slot)
{
    return slot_has_work(slot) && !slot_is_held(slot);
}

// The slot for the next turn, or NULL if none has anything to do now. The plain choice is the one that had the last turn, or the next
// one after it that can run.
static struct apus__slot *simulation_choose(void)
{
    uint32_t able = 0, count = apus__machine.slot_count;
    for (uint32_t i = 0; i < count; i++)
        able += slot_can_run(apus__machine.slots[i]);
    if (!able)
        return NULL;
    uint32_t chosen = choose(APUS__CHOICE_SLOT, able, simulation.leave);
    while (!slot_can_run(apus__machine.slots[simulation.last]) || chosen-- > 0)
        simulation.last = (simulation.last + 1) % count;
    return apus__machine.slots[simulation.last];
}

// Lets the time pass until something is due. False if nothing ever will be.
static bool simulation_jump(void)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < apus__machine.slot_count; i++) {
        struct apus__slot *slot = apus__machine.slots[i];
        uint64_t due_ms = apus__wheel_next(&slot->wheel), due_ns = due_ms == UINT64_MAX ? UINT64_MAX : due_ms * 1000000;
        if (slot_is_held(slot))
            due_ns = slot_has_work(slot) || due_ns < simulated(slot)->held_until_ns ? simulated(slot)->held_until_ns : due_ns;
        next_ns = due_ns < next_ns ? due_ns : next_ns;
    }
    if (next_ns == UINT64_MAX)
        return false;
    simulation_pass_time(next_ns - apus_load_relaxed(&apus__virtual_ns));
    return true;
}

// --- Turns ----------------------------------------------------------------------------------------------------------------------

static void slot_fall_asleep(struct apus__slot *slot)
{
    simulated(slot)->is_asleep = true;
    apus__cells_send_home(&slot->owner);
    apus__heap_flush(&slot->owner.heap);
    apus_add_seqcst(&apus__machine.parked, 1);
    uint32_t parked;
    apus_check(apus__inbox_park(&slot->owner.inbox, 0, &parked));
}

// A slot that has nothing to do falls asleep, which is when others give it work, or stays awake for now.
static void slot_rest(struct apus__slot *slot)
{
    if (!slot_can_run(slot) && choose(APUS__CHOICE_SLEEP, 2, APUS__ODDS_EVEN) == 0)
        slot_fall_asleep(slot);
}

static void slot_wake_up(struct apus__slot *slot)
{
    simulated(slot)->is_asleep = false;
    apus__inbox_say(&slot->owner.inbox, APUS__AWAKE);
    apus_sub_relaxed(&apus__machine.parked, 1);
}

// Enters the slot for one turn, which shows in its look at the clock.
static void slot_enter_for_turn(struct apus__slot *slot)
{
    uint64_t now = apus__now_ns();
    apus_or_seqcst(&slot->events, APUS__EVENT_LEAVE);
    apus_store_relaxed(&apus__local.here, &slot->owner);
    apus__slot_enter(slot, &simulation.native);
    apus_check(slot->looked_ns == now);
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

// Where the driver's next children go, unless somebody sleeps. If it has had none since, that is chosen already.
static void simulation_place(void)
{
    uint64_t spawned = apus_load_relaxed(&simulation.driver->counters.spawned);
    if (spawned != simulation.placed)
        simulation.driver->last_used = choose(APUS__CHOICE_PLACE, apus__machine.slot_count, APUS__ODDS_EVEN);
    simulation.placed = spawned;
}

static void slot_take_turn(struct apus__slot *slot)
{
    uint64_t slices = apus_load_relaxed(&slot->owner.counters.slices);
    if (simulated(slot)->is_asleep)
        slot_wake_up(slot);
    apus__slot_set_reductions(slot, 1 + choose(APUS__CHOICE_BUDGET, simulation.budget_max, APUS__ODDS_EVEN));
    simulation_pass_time(1 + (uint64_t)choose(APUS__CHOICE_TIME, STEP_TIMES, APUS__ODDS_EVEN) * (STEP_NS_MAX / STEP_TIMES));
    // What has arrived may be kept from the turn: on real cores it would have come just after the slot had looked.
    bool keeps = !apus__inbox_is_empty(&slot->owner.inbox) && choose(APUS__CHOICE_ARRIVAL, 2, simulation.keep);
    uintptr_t kept = keeps ? apus_exchange_acquire(&slot->owner.inbox.head, 0) : 0;
    slot_enter_for_turn(slot);
    inbox_put_back(&slot->owner.inbox, kept);
    simulated(slot)->was_busy = apus_load_relaxed(&slot->owner.counters.slices) != slices;
    slot_rest(slot);
    simulation_place();
    apus__rcu_tidy();
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
    if (simulation.slots)
        simulation_pass_time(milliseconds * 1000000);
}

bool apus__simulation_run(uint64_t max_steps)
{
    while (max_steps-- > 0)
        if (!apus__simulation_step())
            return true;
    return false;
}

// --- Descriptors ----------------------------------------------------------------------------------------------------------------

static struct simulated_watch *simulation_watch_find(int fd)
{
    for (uint32_t i = 0; i < simulation.watch_count; i++)
        if (simulation.watches[i].fd == fd)
            return &simulation.watches[i];
    return NULL;
}

static int simulation_watch(int fd, unsigned events, apus_pid pid)
{
    struct simulated_watch *watch = simulation_watch_find(fd);
    if (watch && !apus_pid_equal(watch->pid, pid))
        return -EBUSY;
    if (!watch && simulation.watch_count == WATCHES_MAX)
        return -ENOMEM;
    if (!watch)
        watch = &simulation.watches[simulation.watch_count++];
    *watch = (struct simulated_watch){fd, events, pid};
    return 0;
}

static void simulation_unwatch(int fd, apus_pid pid)
{
    struct simulated_watch *watch = simulation_watch_find(fd);
    if (watch && apus_pid_equal(watch->pid, pid))
        *watch = simulation.watches[--simulation.watch_count];
}

int apus__simulation_ready(int fd, unsigned events)
{
    struct simulated_watch *watch = simulation_watch_find(fd);
    unsigned happened = watch ? events & (watch->events | APUS_IO_ERROR) : 0;
    if (!happened)
        return 0;
    apus_pid pid = watch->pid;
    simulation_unwatch(fd, pid);
    int error;
    struct apus__owner *here = apus__foreign_enter(&error);
    apus_check(here != NULL);
    apus__poller_tell(here, pid, fd, happened);
    apus__foreign_leave();
    return 1;
}

// --- Disturbing -----------------------------------------------------------------------------------------------------------------

void apus__simulation_end_process(apus_pid pid, const apus_reason *reason)
{
    struct apus_process *process = apus__find(pid);
    if (!process)
        return;
    // The driver acts for whoever has the process, since nobody else does now.
    struct apus__owner *owner = apus__world.owners[apus_load_relaxed(&process->owner)];
    apus_store_relaxed(&apus__local.here, owner);
    apus__must_end(owner, process, reason);
    apus_store_relaxed(&apus__local.here, NULL);
    simulation.slots[owner->id].was_busy = true;
}

uint64_t apus__simulation_hold(void)
{
    struct apus__slot *slot = apus__machine.slots[simulation.last];
    uint64_t ms = UINT64_C(1) << choose(APUS__CHOICE_TIME, SLOW_DOUBLINGS, APUS__ODDS_EVEN);
    simulated(slot)->held_until_ns = apus_load_relaxed(&apus__virtual_ns) + ms * 1000000;
    return ms;
}

static bool simulation_is_full(void)
{
    bool is_full = simulation.is_filling;
    simulation.is_filling = false;
    return is_full;
}

void apus__simulation_fill(void)
{
    simulation.is_filling = true;
}

uint32_t apus__simulation_last_slot(void)
{
    return simulation.last;
}

// --- Beginning ------------------------------------------------------------------------------------------------------------------

static int simulation_make(const apus_options *options)
{
    apus_options chosen = options ? *options : (apus_options){.struct_size = sizeof chosen};
    if (chosen.schedulers == 0)
        chosen.schedulers = 1 + choose(APUS__CHOICE_SHAPE, SLOTS_CHOSEN_MAX, APUS__ODDS_EVEN);
    simulation.budget_max = chosen.reductions ? chosen.reductions : BUDGET_MAX;
    // How wild a seed is, is the seed's too.
    struct apus__random *random = &simulation.choices->random;
    simulation.leave = simulation.choices->is_random ? 16 + apus__random_below(random, APUS__ODDS_EVEN - 16) : 0;
    simulation.keep = simulation.choices->is_random ? apus__random_below(random, APUS__ODDS_EVEN - 16) : 0;
    simulation.last = 0;
    simulation.watch_count = 0;
    simulation.is_filling = false;
    // What a run leaves behind for the next one would tell one replay from another.
    simulation.generation = apus__world.generation;
    apus__world.generation = 0;
    apus_store_relaxed(&apus__world.foreign_refs, 0);
    int result = apus__fork_guard_arm(NULL);
    if (result)
        return result;
    simulation.slots = calloc(chosen.schedulers, sizeof *simulation.slots);
    return simulation.slots ? apus__world_make(&chosen, true) : -ENOMEM;
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
    simulation.of_seed = (struct apus__choices){.is_random = true};
    apus__random_init(&simulation.of_seed.random, seed);
    return apus__simulation_begin_with(options, &simulation.of_seed);
}

int apus__simulation_begin_with(const apus_options *options, struct apus__choices *choices)
{
    uint32_t stopped = APUS__WORLD_STOPPED;
    int error;
    if (apus__process_is_fork())
        return -ECHILD;
    if (!apus_cas_strong_acq_rel(&apus__world.state, &stopped, APUS__WORLD_STARTING))
        return -EALREADY;
    simulation.choices = choices;
    apus_store_relaxed(&apus__virtual_ns, START_NS);
    int result = simulation_make(options);
    if (result) {
        simulation_forget();
        apus_store_release(&apus__world.state, APUS__WORLD_STOPPED);
        return result;
    }
    apus__context_adopt(&simulation.native);
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        slot_rest(apus__machine.slots[i]);
    apus__world.watch = simulation_watch;
    apus__world.unwatch = simulation_unwatch;
    apus__world.is_full = simulation_is_full;
    // release: the world. Pairs with the acquire in apus__foreign_enter().
    apus_store_release(&apus__world.state, APUS__WORLD_RUNNING);
    // The driver becomes a plain thread of the program, and so a reader of RCU, as the slots' carriers are elsewhere.
    simulation.driver = apus__foreign_enter(&error);
    if (!simulation.driver) {
        apus__simulation_end();
        return error;
    }
    // What the thread did before must not show.
    simulation.placed = apus_load_relaxed(&simulation.driver->counters.spawned);
    simulation.driver->last_used = choose(APUS__CHOICE_PLACE, apus__machine.slot_count, APUS__ODDS_EVEN);
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
    apus__world.is_full = NULL;
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        if (simulation.slots[i].is_asleep)
            slot_wake_up(apus__machine.slots[i]);
    apus__world_unmake();
    apus__context_destroy(&simulation.native);
    simulation_forget();
    apus_store_release(&apus__world.state, APUS__WORLD_STOPPED);
    return 0;
}
