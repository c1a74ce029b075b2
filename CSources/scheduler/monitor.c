#include "scheduler/monitor.h"

#include "os/clock.h"
#include "os/futex.h"
#include "os/thread.h"
#include "process/system.h"
#include "scheduler/foreign.h"
#include "scheduler/poller.h"
#include "scheduler/quarantine.h"
#include "scheduler/report.h"
#include "scheduler/rescue.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPARES_AHEAD = 2, MILLION = 1000000 };

// What is known of a slot.
struct watch {
    uint64_t slices;
    uint64_t since_ns; // when that count of turns was first seen,
    uint64_t cheap_ns;  // and apus__pace_cheap_ns() then
    uint64_t tried_ns; // when taking it was tried last
    uint64_t told;     // the count of turns for which its process was told of
};

static struct {
    pthread_t thread;
    bool is_running;
    uint64_t limit_ns; // UINT64_MAX: nothing is taken away
    struct watch *watches;
    _Atomic uint32_t bell; // futex: changes when it is rung
    _Atomic uint32_t quits;
    bool has_warned;
    uint64_t faults_seen; // that spares were made for
    uint64_t faults_tidied; // whose threads have given back what they spent
    _Atomic uint32_t wants_spares;
    _Atomic uint32_t is_up;
} monitor;

void apus__monitor_ring(void)
{
    // seq_cst: after what it is rung for. Pairs with the load in monitor_main().
    apus_add_seqcst(&monitor.bell, 1);
    apus__futex_wake(&monitor.bell, 1);
}

void apus__monitor_want_spares(void)
{
    apus_store_relaxed(&monitor.wants_spares, 1);
    apus__monitor_ring();
}

// --- Staffing -------------------------------------------------------------------------------------------------------------------

// Gives carriers to slots that faults have left without one, and makes new spares.
static void monitor_staff(void)
{
    for (uint32_t i = 0; i < apus__machine.slot_count; i++) {
        struct apus__slot *slot = apus__machine.slots[i];
        // acquire: the slot. Pairs with quarantine_hand_over().
        if (!apus_load_acquire(&slot->is_orphan))
            continue;
        struct apus__carrier *spare;
        while (!(spare = apus__carrier_claim_spare()) && apus__carriers_spare(1) != 0)
            usleep(1000); // there is no thread to be had: others may end
        if (!spare && !(spare = apus__carrier_claim_spare()))
            continue; // taken by a hand-off meanwhile; it is rung for again below
        apus_store_relaxed(&slot->is_orphan, 0);
        apus__carrier_assign(spare, slot);
    }
    // acquire: nothing but the wish. Pairs with apus__monitor_want_spares().
    if (apus__quarantine_count() != monitor.faults_seen || apus_exchange_acquire(&monitor.wants_spares, 0)) {
        monitor.faults_seen = apus__quarantine_count();
        apus__carriers_spare(SPARES_AHEAD);
    }
}

// Gives back what threads that were put aside have spent. False if there is more to come.
static bool monitor_tidy(void)
{
    uint64_t faults = apus__quarantine_count();
    if (faults != monitor.faults_tidied)
        monitor.faults_tidied = apus__carriers_tidy();
    return faults == monitor.faults_tidied;
}

static bool monitor_has_orphans(void)
{
    bool has = false;
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        has |= apus_load_relaxed(&apus__machine.slots[i]->is_orphan) != 0;
    return has;
}

bool apus__monitor_is_other(void)
{
    return apus_load_acquire(&monitor.is_up) && !pthread_equal(monitor.thread, pthread_self());
}

// --- Looking --------------------------------------------------------------------------------------------------------------------

// A hint, read from fields that belong to the slot's carrier: what counts is looked at again under the claim.
__attribute__((no_sanitize("thread"))) static bool monitor_may_wait(struct apus__slot *slot)
{
    const volatile struct apus__owner *here = &slot->owner;
    const volatile struct apus__wheel *wheel = &slot->wheel;
    return here->run.count || here->fresh || here->next || wheel->count || !apus__inbox_is_empty(&slot->owner.inbox);
}

// Whether another slot has work that it would share. A hint likewise.
__attribute__((no_sanitize("thread"))) static bool monitor_others_wait(const struct apus__slot *slot)
{
    for (uint32_t i = 0; i < apus__machine.slot_count; i++) {
        const volatile struct apus__owner *other = &apus__machine.slots[i]->owner;
        if (apus__machine.slots[i] != slot && !other->in_bulk && other->run.count + other->fresh_count > 1)
            return true;
    }
    return false;
}

static void monitor_warn(void)
{
    char line[160];
    if (monitor.has_warned)
        return;
    monitor.has_warned = true;
    snprintf(line, sizeof line, "%u threads are in callbacks that do not return; no more schedulers are taken (detached_max)",
             apus__machine.detached_max);
    apus__report_warning(line);
}

// Tells the subscriber of system events of a process in a callback for long. The monitor is a plain thread to the others.
static void monitor_tell_of_long(apus_pid culprit, uint64_t for_ns, struct apus__slot *looked_at)
{
    int error;
    struct apus__owner *here = apus__foreign_enter(&error);
    if (!here)
        return;
    if (culprit.id || apus__rescue_look(looked_at, here, &culprit))
        apus__system_tell(here, APUS_SYSTEM_LONG_CALLBACK, culprit, for_ns / MILLION);
    apus__foreign_leave();
}

static uint64_t monitor_long_ns(void)
{
    uint32_t limit_ms = apus__system_limit(APUS_SYSTEM_LONG_CALLBACK);
    return limit_ms ? (uint64_t)limit_ms * MILLION : UINT64_MAX;
}

static void monitor_take(struct apus__slot *slot, bool for_others, struct watch *watch, uint64_t now)
{
    apus_pid culprit = APUS_NOBODY;
    watch->tried_ns = now;
    if (!apus__rescue_has_room()) {
        apus_bump_relaxed(&apus__machine.rescues_refused, 1);
        monitor_warn();
        return;
    }
    apus__carriers_spare(1);
    int error;
    bool is_told = apus__report_tells_of_rescues() && apus__foreign_enter(&error); // to have a look at its name
    enum apus__rescue result = apus__rescue(slot, for_others, is_told, &culprit);
    if (is_told)
        apus__foreign_leave();
    switch (result) {
    case APUS__RESCUE_DONE:
        apus__carriers_spare(SPARES_AHEAD);
        if (is_told)
            apus__report_rescue((uint32_t)((now - watch->since_ns) / MILLION));
        if (watch->told != watch->slices && monitor_long_ns() != UINT64_MAX)
            monitor_tell_of_long(culprit, now - watch->since_ns, NULL);
        break;
    case APUS__RESCUE_NOT_NOW:
        break;
    case APUS__RESCUE_NO_SPARE:
    case APUS__RESCUE_NO_MEMORY:
        apus_bump_relaxed(&apus__machine.rescues_refused, 1);
        break;
    }
}

// The slot has been in one turn since the last look at least: what waits behind it may go to another that sleeps.
static void monitor_share(struct apus__slot *slot, const struct watch *watch, uint64_t for_ns)
{
    uint64_t cheap_ns = apus__pace_cheap_ns(&slot->owner) - watch->cheap_ns;
    // relaxed: a hint that somebody sleeps.
    if (cheap_ns < for_ns && apus_load_relaxed(&apus__machine.parked) != 0 && apus__rescue_is_likely(slot))
        apus__rescue_share(slot, false);
}

// Looks at a slot. False if it sleeps. *waits: somebody may be waiting behind somebody.
static bool monitor_look_at(struct apus__slot *slot, struct watch *watch, uint64_t now, bool *waits)
{
    if (apus__inbox_state(&slot->owner.inbox) == APUS__PARKED)
        return false;
    uint64_t slices = apus_load_relaxed(&slot->owner.counters.slices);
    if (slices != watch->slices) {
        watch->slices = slices;
        watch->since_ns = now;
        watch->cheap_ns = apus__pace_cheap_ns(&slot->owner);
    }
    bool may_wait = monitor_may_wait(slot);
    *waits = *waits || may_wait;
    uint64_t for_ns = now - watch->since_ns;
    if (may_wait && for_ns > 0)
        monitor_share(slot, watch, for_ns);
    if ((for_ns < monitor.limit_ns && for_ns < monitor_long_ns()) || !apus__rescue_is_likely(slot))
        return true;
    if (for_ns >= monitor_long_ns() && watch->told != slices) {
        watch->told = slices;
        monitor_tell_of_long(APUS_NOBODY, for_ns, slot);
    }
    if (for_ns < monitor.limit_ns || now - watch->tried_ns < monitor.limit_ns / 10)
        return true;
    bool others_wait = monitor_others_wait(slot);
    if (may_wait || others_wait)
        monitor_take(slot, others_wait, watch, now);
    return true;
}

// For the slots, should they all be in long turns.
static void monitor_poll(void)
{
    int error;
    struct apus__owner *here = apus__foreign_enter(&error);
    if (!here)
        return;
    apus__poller_look(here);
    apus__foreign_leave();
}

// How long to sleep before the next look; UINT64_MAX: until it is rung.
static uint64_t monitor_look(void)
{
    bool is_awake = false, waits = false;
    uint64_t now = apus__clock_ns(), limit = monitor.limit_ns < monitor_long_ns() ? monitor.limit_ns : monitor_long_ns();
    if (limit == UINT64_MAX)
        return UINT64_MAX;
    for (uint32_t i = 0; i < apus__machine.slot_count; i++)
        is_awake |= monitor_look_at(apus__machine.slots[i], &monitor.watches[i], now, &waits);
    if (!is_awake)
        return UINT64_MAX;
    bool has_io = apus__poller_is_used();
    if (has_io)
        monitor_poll();
    return limit / (waits || has_io ? 10 : 2);
}

// Sleeps until it is rung, and before that says to the slots that it wants to be. False if one has woken meanwhile.
static void monitor_sleep(uint32_t bell, uint64_t timeout_ns)
{
    if (timeout_ns != UINT64_MAX) {
        apus__futex_wait(&monitor.bell, bell, timeout_ns);
        return;
    }
    // seq_cst, both: Dekker's pattern against a slot that wakes. Pairs with slot_sleep(). An exchange, as in apus__inbox_park().
    bool has_limit = monitor.limit_ns != UINT64_MAX || monitor_long_ns() != UINT64_MAX;
    apus_exchange_seqcst(&apus__machine.monitor_sleeps, has_limit);
    if (!has_limit || apus_load_seqcst(&apus__machine.parked) == apus__machine.slot_count)
        apus__futex_wait(&monitor.bell, bell, UINT64_MAX);
    apus_store_seqcst(&apus__machine.monitor_sleeps, 0);
}

static void *monitor_main(void *argument)
{
    apus__thread_name("apus-monitor");
    apus_store_release(&monitor.is_up, 1);
    for (;;) {
        // seq_cst: before the look at all that it is rung for, the end above all. Pairs with apus__monitor_ring().
        uint32_t bell = apus_load_seqcst(&monitor.bell);
        if (apus_load_seqcst(&monitor.quits))
            break;
        monitor_staff();
        apus__report_flush();
        bool is_done = monitor_tidy() && !monitor_has_orphans();
        monitor_sleep(bell, is_done ? monitor_look() : MILLION);
    }
    apus__report_flush();
    return argument;
}

// --- Start and stop -------------------------------------------------------------------------------------------------------------

int apus__monitor_start(uint32_t rescue_ms, uint32_t detached_max)
{
    monitor.watches = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : calloc(apus__machine.slot_count, sizeof *monitor.watches);
    if (!monitor.watches)
        return -ENOMEM;
    monitor.limit_ns = rescue_ms == UINT32_MAX ? UINT64_MAX : (uint64_t)rescue_ms * MILLION;
    apus__machine.detached_max = detached_max;
    monitor.has_warned = false;
    monitor.faults_seen = 0;
    monitor.faults_tidied = 0;
    apus_store_relaxed(&monitor.quits, 0);
    apus_store_relaxed(&apus__machine.rescues, 0);
    apus_store_relaxed(&apus__machine.rescues_refused, 0);
    apus_store_relaxed(&apus__machine.detached, 0);
    monitor.is_running = !apus__inject_fail(APUS__INJECT_THREAD) && pthread_create(&monitor.thread, NULL, monitor_main, NULL) == 0;
    if (!monitor.is_running)
        apus__monitor_stop();
    return monitor.is_running ? 0 : -EAGAIN;
}

void apus__monitor_stop(void)
{
    if (monitor.is_running) {
        apus_store_seqcst(&monitor.quits, 1);
        apus__monitor_ring();
        pthread_join(monitor.thread, NULL);
        apus_store_release(&monitor.is_up, 0);
    }
    monitor.is_running = false;
    free(monitor.watches);
    monitor.watches = NULL;
}
