// scheduler/runtime.c - starting and stopping: the order in which the layers come up, and go down again.
//
// Up:    topology, pools and tables, names, slots, carriers; then the state RUNNING lets calls in.
// Down:  STOPPING turns away what would make something new, asks the roots to end, then everybody, then (KILLING, in which nothing may
//        be spawned at all) kills. When the last process has ended the state is STOPPED, a grace period waits for the calls that are
//        inside, the threads are joined, and everything is given back in the opposite order.
#include "scheduler/runtime.h"

#include "os/clock.h"
#include "os/futex.h"
#include "os/membarrier.h"
#include "os/node.h"
#include "os/pages.h"
#include "os/thread.h"
#include "process/system.h"
#include "rcu/rcu.h"
#include "scheduler/carrier.h"
#include "scheduler/foreign.h"
#include "scheduler/monitor.h"
#include "scheduler/poller.h"
#include "scheduler/quarantine.h"
#include "scheduler/report.h"
#include "scheduler/timers.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    DEFAULT_CELLS = 1 << 22,
    CELLS_ASIDE = 5 * APUS__TABLE_BATCH, // a nursery and what is carved at once; timers: a cache before it gives back, and likewise
    DEFAULT_REDUCTIONS = 1 << 16, // in effect, as many as fit into the time of a turn
    DEFAULT_STACK = 256 << 10,
    DEFAULT_RESCUE_MS = 10,
    DEFAULT_DETACHED = 256,
    SPARES_MORE = 8, // carriers beyond those that may be detached: ready, or just made
    KILL_GRACE_MS = 5000, // how long after the kill, or the last end of a process, a callback may take to return
    RESEND_MS = 20,       // a stop signal is sent again when nothing has ended for so long: more may have been spawned ...
    RESEND_MS_MAX = 640,  // ... and at least as often as that
    FOREVER_MS = 1 << 30
};

static struct {
    struct apus__topology topology;
    bool has_topology;
    _Atomic uint32_t ended;   // futex: changes when a process has ended while the world is being stopped
    _Atomic uint32_t waiting; // the one who stops sleeps on `ended`: the number of that wait; else 0
    uint32_t waits;           // that one's: the last number, odd, so that it is never 0
    pthread_mutex_t last_lock; // guards the two below
    apus_runtime_info_t last;  // the final counters of the last run
    bool has_last;
} runtime = {.waits = 1, .last_lock = PTHREAD_MUTEX_INITIALIZER};

// --- Counters -------------------------------------------------------------------------------------------------------------------

// What ends is summed over all before what begins, so that whatever is counted as ended is counted as begun too, however it moved in
// between: a difference may be too high for a moment, but never hides something that lives.
struct runtime_sum {
    apus_runtime_info_t *info;
    uint64_t ended, errands_ended, timers_gone, waits_ended, buried;
    uint64_t errands, timers_made, waits_begun, reserved, departed;
};

static void runtime_add_ends(const struct apus__counters *counters, void *context)
{
    struct runtime_sum *sum = context;
    // acquire: the beginnings of what has ended. Pairs with the release in exit_count() (process/exit.c).
    sum->ended += apus_load_acquire(&counters->ended);
    sum->errands_ended += apus_load_acquire(&counters->errands_ended);
    sum->timers_gone += apus_load_acquire(&counters->timers_gone);
    sum->waits_ended += apus_load_acquire(&counters->waits_ended);
    sum->buried += apus_load_acquire(&counters->buried);
}

static void runtime_add(const struct apus__counters *counters, void *context)
{
    struct runtime_sum *sum = context;
    apus_runtime_info_t *info = sum->info;
    info->spawned += apus_load_relaxed(&counters->spawned);
    sum->errands += apus_load_relaxed(&counters->errands);
    sum->reserved += apus_load_relaxed(&counters->reserved);
    info->sent_local += apus_load_relaxed(&counters->sent_local);
    info->sent_remote += apus_load_relaxed(&counters->sent_remote);
    info->handled += apus_load_relaxed(&counters->handled);
    info->slices += apus_load_relaxed(&counters->slices);
    info->shared += apus_load_relaxed(&counters->shared);
    info->shared_far += apus_load_relaxed(&counters->shared_far);
    info->parks += apus_load_relaxed(&counters->parks);
    info->wakes += apus_load_relaxed(&counters->wakes);
    info->handoffs += apus_load_relaxed(&counters->handoffs);
    sum->timers_made += apus_load_relaxed(&counters->timers_made);
    sum->waits_begun += apus_load_relaxed(&counters->waits_begun);
    sum->departed += apus_load_relaxed(&counters->departed);
}

static void runtime_sum_up(struct runtime_sum *sum)
{
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        runtime_add_ends(&apus__machine.slots[i]->owner.counters, sum);
    apus__foreign_each(runtime_add_ends, sum);
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        runtime_add(&apus__machine.slots[i]->owner.counters, sum);
    apus__foreign_each(runtime_add, sum);
}

static uint64_t runtime_minus(uint64_t more, uint64_t less)
{
    return more > less ? more - less : 0;
}

static void runtime_fill(apus_runtime_info_t *info)
{
    struct apus__heap_counts counts;
    struct runtime_sum sum = {.info = info};
    info->schedulers = apus__machine.slot_count;
    info->nodes = runtime.topology.node_count;
    runtime_sum_up(&sum);
    info->processes = runtime_minus(runtime_minus(info->spawned, sum.ended), runtime_minus(sum.departed, sum.buried));
    info->detached = apus_load_relaxed(&apus__machine.detached);
    info->faults = apus__quarantine_count();
    info->rescues = apus_load_relaxed(&apus__machine.rescues);
    info->rescues_refused = apus_load_relaxed(&apus__machine.rescues_refused);
    info->timers = runtime_minus(sum.timers_made, sum.timers_gone);
    info->stacks_parked = runtime_minus(sum.waits_begun, sum.waits_ended);
    info->stacks_unguarded = apus_load_relaxed(&apus__machine.stacks_unguarded);
    apus__pool_counts(&apus__world.pool, &counts);
    info->frees_far = counts.freed_far;
    // Blocks that the runtime itself holds in reserve are not in use.
    info->blocks_in_use = runtime_minus(apus__pool_in_use(&apus__world.pool), sum.reserved);
    info->memory = apus__pool_bytes_mapped(&apus__world.pool) + apus_load_relaxed(&apus__machine.stack_bytes) +
                   (size_t)apus__table_limit(&apus__world.cell_table) * sizeof(struct apus_process);
}

void apus__runtime_info(apus_runtime_info_t *info)
{
    size_t size = info->struct_size;
    memset(info, 0, sizeof *info);
    runtime_fill(info);
    info->struct_size = size;
}

int apus__runtime_info_last(int error, apus_runtime_info_t *info)
{
    size_t size = info->struct_size;
    pthread_mutex_lock(&runtime.last_lock);
    bool has_last = runtime.has_last && error == -ESHUTDOWN;
    if (has_last)
        *info = runtime.last;
    pthread_mutex_unlock(&runtime.last_lock);
    info->struct_size = size;
    return has_last ? 0 : error;
}

uint64_t apus__live_processes(void)
{
    apus_runtime_info_t info = {0};
    struct runtime_sum sum = {.info = &info};
    runtime_sum_up(&sum);
    return runtime_minus(info.spawned, sum.ended) + runtime_minus(sum.errands, sum.errands_ended);
}

int64_t apus__each_live(bool (*visit)(apus_pid pid, void *context), void *context)
{
    int64_t visits = 0;
    const struct apus__table *table = &apus__world.cell_table;
    for (uint32_t i = apus__table_next(table, 0); i; i = apus__table_next(table, i)) {
        apus_pid pid = apus__pid(apus__cell_at(i));
        if (!pid.id)
            continue;
        visits++;
        if (!visit(pid, context))
            break;
    }
    return visits;
}

const struct apus__topology *apus__runtime_topology(void)
{
    return runtime.has_topology ? &runtime.topology : NULL;
}

// --- Making the world -----------------------------------------------------------------------------------------------------------

// How many cells a table needs of which `wanted` can be in use at once, wherever: each scheduler has some that are free.
static uint32_t table_capacity(uint32_t wanted, uint32_t schedulers)
{
    uint32_t power = 64;
    if (!wanted)
        return DEFAULT_CELLS;
    while (power <= wanted + schedulers * CELLS_ASIDE) // 0 is none
        power *= 2;
    return power;
}

// Which node a slot is on: the slots are dealt out over the CPUs in order.
static uint32_t slot_node(uint32_t id)
{
    return runtime.topology.node_count > 1 ? (uint32_t)runtime.topology.cpus[id % runtime.topology.cpu_count].node : 0;
}

static int slot_cache(uint32_t id)
{
    return runtime.topology.cpus[id % runtime.topology.cpu_count].cache;
}

static int slot_distance(uint32_t from, uint32_t to)
{
    int distance = 2 * apus__topology_distance(&runtime.topology, slot_node(from), slot_node(to));
    return distance + (slot_cache(from) != slot_cache(to));
}

// The other slots, nearest first; by insertion, starting behind `slot` so that equals do not all turn to the same one.
static int slot_find_neighbours(struct apus__slot *slot)
{
    uint32_t count = apus__machine.slot_count, id = slot->owner.id, found = 0;
    slot->neighbours = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : calloc(count, sizeof *slot->neighbours);
    if (!slot->neighbours)
        return -ENOMEM;
    for (uint32_t i = 1; i < count; i++) {
        uint32_t other = (id + i) % count, place = found++;
        while (place > 0 && slot_distance(id, slot->neighbours[place - 1]) > slot_distance(id, other)) {
            slot->neighbours[place] = slot->neighbours[place - 1];
            place--;
        }
        slot->neighbours[place] = (uint16_t)other;
        slot->near_count += slot_node(other) == slot_node(id);
    }
    return 0;
}

// Whether memory is bound to nodes: not if there is but one, nor if the topology is pretended.
static bool world_is_bound(const apus_options *options)
{
    return !options->sysfs_root && runtime.topology.node_count > 1;
}

static size_t slot_bytes(void)
{
    size_t page = apus__page_size();
    return (sizeof(struct apus__slot) + page - 1) / page * page;
}

// A slot's memory, zeroed, on its own node; -1 leaves the place to the system. NULL if there is none.
static struct apus__slot *slot_memory(int node)
{
    void *memory = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : apus__pages_reserve(slot_bytes(), apus__page_size());
    if (memory && apus__pages_commit(memory, slot_bytes(), node)) {
        apus__pages_release(memory, slot_bytes());
        return NULL;
    }
    return memory;
}

static int world_make_slots(uint32_t count, bool is_bound)
{
    apus__machine.slots = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : calloc(count, sizeof *apus__machine.slots);
    apus__world.owners = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : calloc(count, sizeof *apus__world.owners);
    if (!apus__machine.slots || !apus__world.owners)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct apus__slot *slot = slot_memory(is_bound ? (int)slot_node(i) : -1);
        if (!slot)
            return -ENOMEM;
        int result = apus__slot_init(slot, i, slot_node(i));
        if (result) {
            apus__pages_release(slot, slot_bytes());
            return result;
        }
        apus__machine.slots[i] = slot;
        apus__world.owners[i] = &slot->owner;
        apus__machine.slot_count = apus__world.owner_count = i + 1;
    }
    for (uint32_t i = 0; i < count; i++)
        if (slot_find_neighbours(apus__machine.slots[i]))
            return -ENOMEM;
    return 0;
}

static void runtime_process_ended(void);

static int world_make_tables(const apus_options *options, uint32_t schedulers)
{
    unsigned nodes = runtime.topology.node_count;
    int real[APUS__HEAP_NODES_MAX];
    for (unsigned i = 0; i < APUS__HEAP_NODES_MAX; i++)
        real[i] = (int)i;
    const int *bind = world_is_bound(options) ? real : NULL;
    int result = apus__pool_init(&apus__world.pool, nodes, bind);
    if (!result)
        result = apus__table_init(&apus__world.cell_table, table_capacity(options->max_processes, schedulers),
                                  sizeof(struct apus_process), offsetof(struct apus_process, link), nodes, bind);
    if (!result)
        result = apus__table_init(&apus__world.timer_table, table_capacity(options->max_timers, schedulers),
                                  sizeof(struct apus__timer), offsetof(struct apus__timer, link), nodes, bind);
    if (!result)
        result = apus__names_init(&apus__world.names);
    return result;
}

int apus__world_make(const apus_options *options, bool is_simulated)
{
    int result = is_simulated && !options->sysfs_root
                     ? apus__topology_plain(&runtime.topology)
                     : apus__topology_read(&runtime.topology, options->sysfs_root, options->cgroup_root);
    if (result)
        return result;
    runtime.has_topology = true;
    apus__world.is_simulated = is_simulated;
    apus__world.reductions = options->reductions ? options->reductions : DEFAULT_REDUCTIONS;
    apus__world.stack_size = options->stack_size ? options->stack_size : DEFAULT_STACK;
    apus__world.on_end = runtime_process_ended;
    apus__system_set(APUS_NOBODY, NULL);
    apus__poller_init();
    uint32_t schedulers = options->schedulers ? options->schedulers : apus__topology_schedulers(&runtime.topology);
    result = world_make_tables(options, schedulers);
    if (!result)
        result = world_make_slots(schedulers, world_is_bound(options));
    if (result)
        apus__world_unmake();
    return result;
}

// Frees what stays with cells after their processes: bounds; and keeps their highest generation for the next run, so that a pid of
// this one names nobody then.
static void world_empty_cells(void)
{
    const struct apus__table *table = &apus__world.cell_table;
    struct apus__owner *first = apus__world.owner_count ? apus__world.owners[0] : NULL;
    for (uint32_t i = first ? apus__table_next(table, 0) : 0; i; i = apus__table_next(table, i)) {
        if (apus__cell_at(i)->generation > apus__world.generation)
            apus__world.generation = apus__cell_at(i)->generation;
        struct apus__bound *bound = apus_load_relaxed(&apus__cell_at(i)->bound);
        if (bound)
            apus__heap_free(&first->heap, bound, apus__heap_class(sizeof *bound));
    }
}

// What arrived after the last process had ended, and was not looked at any more: signals to the dead, cells on their way home.
static void world_empty_inboxes(void)
{
    bool is_empty;
    do {
        is_empty = true;
        for (uint32_t i = 0; i < apus__machine.slot_count; i++) {
            struct apus__slot *slot = apus__machine.slots[i];
            is_empty = is_empty && apus__inbox_is_empty(&slot->owner.inbox);
            apus__slot_receive(slot);
        }
    } while (!is_empty);
}

void apus__world_unmake(void)
{
    world_empty_inboxes();
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        apus__timers_drop(apus__machine.slots[i]);
    if (apus__world.cell_table.base)
        world_empty_cells();
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        apus__slot_destroy(apus__machine.slots[i]);
    if (apus__world.pool.nodes) {
        apus__foreign_retire_all();
        pthread_mutex_lock(&runtime.last_lock);
        memset(&runtime.last, 0, sizeof runtime.last);
        runtime_fill(&runtime.last);
        runtime.has_last = true;
        pthread_mutex_unlock(&runtime.last_lock);
        apus__foreign_next_run();
    }
    for (uint32_t i = 0; i < apus__machine.slot_count; i++) {
        free(apus__machine.slots[i]->neighbours);
        apus__pages_release(apus__machine.slots[i], slot_bytes());
    }
    free(apus__machine.slots);
    free(apus__world.owners);
    apus__machine.slots = NULL;
    apus__world.owners = NULL;
    apus__machine.slot_count = apus__world.owner_count = 0;
    if (apus__world.names)
        apus__names_destroy(apus__world.names);
    apus__world.names = NULL;
    if (apus__world.timer_table.base)
        apus__table_destroy(&apus__world.timer_table);
    if (apus__world.cell_table.base)
        apus__table_destroy(&apus__world.cell_table);
    if (apus__world.pool.nodes)
        apus__pool_destroy(&apus__world.pool);
    memset(&apus__world.timer_table, 0, sizeof apus__world.timer_table);
    apus_store_relaxed(&apus__world.timer_hand, 0); // relaxed: one thread is left
    memset(&apus__world.cell_table, 0, sizeof apus__world.cell_table);
    if (runtime.has_topology)
        apus__topology_free(&runtime.topology);
    runtime.has_topology = false;
}

// --- Start and stop -------------------------------------------------------------------------------------------------------------

static apus_binding runtime_binding(const apus_options *options)
{
    if (options->binding != APUS_BIND_AUTO)
        return options->binding;
    bool is_throttled = runtime.topology.quota > 0 && runtime.topology.quota < runtime.topology.cpu_count;
    return is_throttled || apus__machine.slot_count > runtime.topology.cpu_count ? APUS_BIND_NONE : APUS_BIND_CORES;
}

static uint32_t runtime_rescue_ms(const apus_options *options)
{
    return options->rescue_ms ? options->rescue_ms : DEFAULT_RESCUE_MS;
}

static uint32_t runtime_detached_max(const apus_options *options)
{
    return options->detached_max ? options->detached_max : DEFAULT_DETACHED;
}

static int runtime_start_threads(const apus_options *options)
{
    struct apus__placement placement = {&runtime.topology, runtime_binding(options)};
    uint32_t more = runtime_detached_max(options) + apus__quarantine_most(options) + SPARES_MORE;
    apus__report_start(options);
    int result = apus__inject_fail(APUS__INJECT_THREAD) ? -EAGAIN : apus__reclaimer_start();
    if (!result)
        result = apus__carriers_start(apus__machine.slot_count, more, &placement);
    if (!result)
        result = apus__quarantine_start(options);
    if (!result)
        result = apus__monitor_start(runtime_rescue_ms(options), runtime_detached_max(options));
    return result;
}

// Those that have been started. The reclaimer goes last: it is there for whoever may still defer.
static void runtime_stop_threads(void)
{
    apus__monitor_stop();
    apus__quarantine_stop();
    apus__carriers_stop();
    apus__poller_stop();
    apus__reclaimer_stop();
}

int apus__runtime_start(const apus_options *options, void (*on_errand_end)(struct apus__owner *here, struct apus_process *process))
{
    uint32_t stopped = APUS__WORLD_STOPPED;
    if (apus__process_is_fork())
        return -ECHILD;
    // acq_rel: one starter wins, and sees all that the last stop took down.
    if (!apus_cas_strong_acq_rel(&apus__world.state, &stopped, APUS__WORLD_STARTING))
        return -EALREADY;
    apus__world.on_errand_end = on_errand_end;
    int result = apus__fork_guard_arm(apus__carrier_in_fork);
    // Where the system has none (old kernels, sandboxes), no slot is taken from outside.
    apus__machine.has_membarrier = apus__membarrier_register() == 0;
    if (!result)
        result = apus__world_make(options, false);
    if (!result && (result = runtime_start_threads(options))) {
        runtime_stop_threads();
        apus__world_unmake();
    }
    // release: the world. Pairs with the acquire in apus__foreign_enter().
    apus_store_release(&apus__world.state, result ? APUS__WORLD_STOPPED : APUS__WORLD_RUNNING);
    return result;
}

static void runtime_process_ended(void)
{
    apus_add_seqcst(&runtime.ended, 1);
    // seq_cst: after the count. Pairs with runtime_wait_for_end(): either it sees the count, or we see that it waits. One wake-up for
    // each wait, not one for each process: who is late, and finds that another has ended this wait, leaves the next one alone.
    uint32_t waiting = apus_load_seqcst(&runtime.waiting);
    if (waiting && apus_cas_strong_seqcst(&runtime.waiting, &waiting, 0))
        apus__futex_wake(&runtime.ended, 1);
}

struct runtime_stop {
    struct apus__owner *here;
    struct apus__signal signal;
};

static bool runtime_signal(apus_pid pid, void *context)
{
    struct runtime_stop *stop = context;
    apus__signal_send(stop->here, pid, &stop->signal);
    return true;
}

void apus__signal_all(const struct apus__signal *signal)
{
    int error;
    struct runtime_stop stop = {apus__foreign_enter(&error), *signal};
    if (!stop.here)
        return; // out of memory: it is tried again at the next pace
    apus__each_live(runtime_signal, &stop);
    apus__foreign_leave();
}

bool apus__no_roots(void)
{
    return apus_load_relaxed(&apus__world.roots) == 0;
}

bool apus__no_processes(void)
{
    return apus__live_processes() == 0;
}

// Sleeps until a process has ended or `until`. False if none has.
static bool runtime_wait_for_end(uint32_t ended, uint64_t until_ns)
{
    uint64_t now = apus__clock_ns();
    runtime.waits += 2;
    // seq_cst: see runtime_process_ended(). An exchange, as in apus__inbox_park().
    apus_exchange_seqcst(&runtime.waiting, runtime.waits);
    if (apus_load_seqcst(&runtime.ended) == ended && now < until_ns)
        apus__futex_wait(&runtime.ended, ended, until_ns - now);
    apus_store_seqcst(&runtime.waiting, 0);
    return apus_load_seqcst(&runtime.ended) != ended;
}

// Sends the signal to all, and again when nothing has ended for a while, until `is_done`, or nothing has ended for `patience_ms`, or
// the deadline. The while doubles each time: among many processes the first may end only long after the last has been told, and what
// is sent again meanwhile only gives the schedulers more to take in.
static bool runtime_press(const struct apus__signal *signal, bool (*is_done)(void), uint64_t patience_ms, uint64_t deadline_ns)
{
    uint64_t progress = apus__clock_ns();
    for (uint64_t pace_ms = RESEND_MS;; pace_ms = pace_ms < RESEND_MS_MAX ? pace_ms * 2 : pace_ms) {
        uint32_t ended = apus_load_seqcst(&runtime.ended);
        if (is_done())
            return true;
        apus__signal_all(signal);
        bool moved = true;
        while (moved) {
            uint64_t now = apus__clock_ns(), until = now + pace_ms * 1000000;
            moved = runtime_wait_for_end(ended, until < deadline_ns ? until : deadline_ns);
            now = apus__clock_ns();
            if (is_done())
                return true;
            if (moved)
                progress = now;
            if (now >= deadline_ns || now - progress >= patience_ms * 1000000)
                return false;
            ended = apus_load_seqcst(&runtime.ended);
        }
    }
}

static uint64_t runtime_deadline(uint64_t timeout_ms)
{
    uint64_t now = apus__clock_ns();
    return timeout_ms > (UINT64_MAX - now) / 1000000 ? UINT64_MAX : now + timeout_ms * 1000000;
}

// Ends all processes. False if one is stuck in a callback.
static bool runtime_end_processes(uint64_t timeout_ms)
{
    static const apus_reason shutdown = {.kind = APUS_REASON_SHUTDOWN}, kill = {.kind = APUS_REASON_KILL};
    uint64_t deadline = runtime_deadline(timeout_ms);
    struct apus__signal signal = {APUS__STOP, APUS_NOBODY, 0, 1, &shutdown};
    if (timeout_ms > 0) {
        if (runtime_press(&signal, apus__no_roots, FOREVER_MS, deadline)) {
            signal.value = 2;
            if (runtime_press(&signal, apus__no_processes, FOREVER_MS, deadline))
                return true;
        }
    }
    apus_store_seqcst(&apus__world.state, APUS__WORLD_KILLING);
    signal = (struct apus__signal){APUS__EXIT, APUS_NOBODY, 0, 0, &kill};
    return runtime_press(&signal, apus__no_processes, KILL_GRACE_MS, UINT64_MAX);
}

int apus__runtime_stop(uint64_t timeout_ms)
{
    uint32_t running = APUS__WORLD_RUNNING;
    if (apus__process_is_fork())
        return -ECHILD;
    uint32_t stuck = APUS__WORLD_STUCK;
    if (!apus_cas_strong_seqcst(&apus__world.state, &running, APUS__WORLD_STOPPING) &&
        !apus_cas_strong_seqcst(&apus__world.state, &stuck, APUS__WORLD_STOPPING))
        return -ESHUTDOWN;
    // Calls that were let in before may still be spawning.
    apus__rcu_synchronize();
    if (!runtime_end_processes(timeout_ms)) {
        apus_store_release(&apus__world.state, APUS__WORLD_STUCK);
        return -ETIMEDOUT;
    }
    // release: pairs with the acquire in apus__foreign_enter(); then nobody is inside any more.
    apus_store_release(&apus__world.state, APUS__WORLD_STARTING);
    apus__rcu_synchronize();
    runtime_stop_threads();
    apus__world_unmake();
    apus_store_release(&apus__world.state, APUS__WORLD_STOPPED);
    return 0;
}
