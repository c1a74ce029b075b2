#include "scheduler/quarantine.h"

#include "os/clock.h"
#include "os/futex.h"
#include "os/interpose.h"
#include "os/pages.h"
#include "scheduler/monitor.h"
#include "scheduler/report.h"
#include "scheduler/rescue.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MINUTE_DEFAULT = 100, ALL_DEFAULT = 1000, BELOW_KEPT = 512, OWN_STACK_USED = 64 << 10 };
static const uint64_t minute_ns = UINT64_C(60000000000);

static struct {
    apus_fault_mode mode;
    bool is_armed;
    bool is_lax; // with mutexes held as well
    uint32_t per_minute, in_all;
    _Atomic uint64_t *times; // when the last `per_minute` faults were contained, in a ring
    _Atomic uint32_t next;
    _Atomic uint64_t contained;
} quarantine;

static __thread uint32_t quarantine_depth; // of handlers of this thread

uint64_t apus__quarantine_count(void)
{
    return apus_load_relaxed(&quarantine.contained);
}

// --- Judging --------------------------------------------------------------------------------------------------------------------

// Whether the thread was in a process's own code. If so it is from here on as if it had entered the runtime: its slot is not claimed any
// more, and a claim under way is decided.
static bool quarantine_come_in(struct apus__carrier *carrier)
{
    struct apus__local *local = &apus__local;
    if (!carrier || apus_load_relaxed(&local->inside) || apus_load_relaxed(&local->pinned))
        return false;
    apus__arrive();
    apus__carrier_await_decision(carrier);
    return true;
}

// Rule 1: the process whose code it was, or NULL. A match function may run on behalf of a process that waits.
static struct apus_process *quarantine_process(struct apus__carrier *carrier, bool was_outside)
{
    struct apus_process *matching = apus_load_relaxed(&apus__local.matching);
    if (matching && apus_load_relaxed(&apus__local.pinned) == 1)
        return matching;
    return was_outside ? apus__carrier_process(carrier) : NULL;
}

// Rule 6. Takes a place in the budget.
static const char *quarantine_spend(uint64_t now)
{
    if (!quarantine.per_minute || !quarantine.in_all)
        return "the budget for faults is 0";
    // relaxed, all: counts.
    uint32_t number = apus_add_relaxed(&quarantine.next, 1);
    if (number >= quarantine.in_all) {
        apus_sub_relaxed(&quarantine.next, 1);
        return "the budget for faults in all is used up";
    }
    uint64_t then = atomic_exchange_explicit(&quarantine.times[number % quarantine.per_minute], now, memory_order_relaxed);
    return then && now - then < minute_ns ? "the budget for faults in a minute is used up" : NULL;
}

// Why the fault cannot be contained, or NULL.
static const char *quarantine_judge(const struct apus__fault *fault, const siginfo_t *info, const struct apus_process *process)
{
    if (quarantine.mode != APUS_FAULTS_CONTAIN)
        return "faults are only reported";
    if (!process)
        return apus__local.carrier ? "it happened inside the runtime" : "it happened on a thread that runs no process";
    if (!fault->is_abort && !apus__fault_is_synchronous(fault->signal, info))
        return "the signal was sent";
    if (fault->is_in_libc)
        return "it happened inside the C library";
    if (fault->forbidden)
        return fault->forbidden;
    if (!fault->is_complete)
        return "its stack cannot be followed to the end";
    if (apus__held.guards > 0)
        return "a static variable was being initialised";
    if (apus__held.mutexes > 0 && !quarantine.is_lax)
        return "the thread holds a mutex";
    return quarantine_spend(apus__clock_ns());
}

// --- Putting aside --------------------------------------------------------------------------------------------------------------

// What lies below the lowest frame of a stack nobody will look at again, its red zone, and the frames of the wait it sleeps in.
static struct apus__spent quarantine_spent(uintptr_t low, uintptr_t sp, size_t size)
{
    uintptr_t high = (sp - BELOW_KEPT) & -(uintptr_t)apus__page_size();
    bool is_on_it = high > low && high - low <= size; // else the stack pointer was no longer on its stack
    return is_on_it ? (struct apus__spent){low, high} : (struct apus__spent){0, 0};
}

// On three stacks: the one that had the fault, the thread's own, on which it will never be again, and the handler's. The monitor
// gives back what they have spent: the next carrier may be waiting for this thread to leave the core.
static _Noreturn void quarantine_sleep(struct apus__carrier *carrier, const struct apus__stack *stack, const struct apus__fault *fault)
{
    static _Atomic uint32_t never;
    uintptr_t own = (uintptr_t)carrier->native.sp, here = (uintptr_t)__builtin_frame_address(0);
    const struct apus__stack *handlers = &carrier->altstack;
    carrier->spent[0] = quarantine_spent((uintptr_t)stack->low, fault->sp, stack->size);
    carrier->spent[1] = quarantine_spent((own & -(uintptr_t)apus__page_size()) - OWN_STACK_USED, own, OWN_STACK_USED);
    carrier->spent[2] = quarantine_spent((uintptr_t)handlers->low, here, handlers->size);
    // release: what is spent, and the last that is done with the runtime's memory, which the stop gives back. Pairs with
    // apus__carriers_tidy() and carrier_forget().
    apus_store_release(&carrier->word, APUS__CARRIER_AT_REST);
    for (;;)
        apus__futex_wait(&never, 0, UINT64_MAX);
}

// What the code has said about its fault: the last that its thread has written to standard error, if that was in this turn. How long ago
// does not matter: the thread may have been stopped since, or kept waiting for a core.
static const char *quarantine_text(void)
{
    if (!apus__held.text || apus__held.turn() != apus__held.said_turn)
        return "";
    while (apus__held.text_length > 0 && apus__held.text[apus__held.text_length - 1] == '\n')
        apus__held.text[--apus__held.text_length] = 0;
    return apus__held.text;
}

// Gives the carrier's slot to a spare, or leaves it to the monitor.
static void quarantine_hand_over(struct apus__carrier *carrier, struct apus__fault *fault)
{
    struct apus__slot *slot = carrier->slot;
    slot->fault = fault;
    slot->fault_text = quarantine_text();
    slot->fault_room = carrier->room;
    carrier->room = NULL;
    slot->fault_matching = apus_load_relaxed(&apus__local.matching);
    struct apus__carrier *spare = apus__carrier_claim_spare();
    if (spare) {
        apus__carrier_assign(spare, slot); // which rings for another one
        return;
    }
    // release: the slot with its fault, for the monitor. Pairs with monitor_staff().
    apus_store_release(&slot->is_orphan, 1);
    apus__monitor_ring();
}

static _Noreturn void quarantine_contain(struct apus__carrier *carrier, struct apus__fault *fault)
{
    const struct apus__stack *stack = apus__carrier_stack(carrier);
    apus_add_relaxed(&quarantine.contained, 1);
    if (apus__carrier_die(carrier)) {
        quarantine_hand_over(carrier, fault);
    } else {
        struct apus__fiber *fiber = carrier->detached;
        fiber->fault_text = quarantine_text();
        fiber->fault_room = carrier->room;
        carrier->room = NULL;
        fiber->fault = fault;
        apus_sub_relaxed(&apus__machine.detached, 1);
        // The push releases the fiber with its fault.
        struct apus__owner *owner = &fiber->slot->owner;
        if (apus__inbox_push(&owner->inbox, &fiber->back.link, APUS__INBOX_COMMAND))
            apus__inbox_wake(&owner->inbox);
    }
    quarantine_sleep(carrier, stack, fault);
}

// --- The handler ----------------------------------------------------------------------------------------------------------------

// The fault happens again, or the signal is sent again, this time to whom it concerned before.
static void quarantine_pass_on(int signal, const siginfo_t *info)
{
    apus__fault_restore(signal);
    if (info->si_code <= 0 && !apus__held.aborting)
        syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signal); // blocked until the handler returns
}

static void quarantine_handle(int signal, siginfo_t *info, void *context)
{
    int error = errno;
    struct apus__fault fault;
    if (quarantine_depth++ > 0) { // in this handler
        quarantine_pass_on(signal, info);
        errno = error;
        return;
    }
    struct apus__carrier *carrier = apus__local.carrier;
    apus__fault_read(&fault, signal, info, context, apus__context_begin);
    bool was_outside = quarantine_come_in(carrier);
    struct apus_process *process = quarantine_process(carrier, was_outside);
    const char *why_not = quarantine_judge(&fault, info, process);
    if (!why_not)
        quarantine_contain(carrier, &fault);
    bool is_lent = process && (fault.is_in_libc || fault.forbidden) && apus__carrier_stack(carrier) &&
                   apus__yellow_open(apus__carrier_stack(carrier), &fault);
    if (!is_lent) {
        apus__report_fatal(process, &fault, why_not);
        quarantine_pass_on(signal, info);
    }
    if (was_outside)
        apus__depart();
    quarantine_depth--;
    errno = error;
}

// --- Start and stop -------------------------------------------------------------------------------------------------------------

static uint32_t budget(uint32_t wanted, uint32_t otherwise)
{
    return wanted == APUS_FAULTS_NONE ? 0 : wanted ? wanted : otherwise;
}

uint32_t apus__quarantine_most(const apus_options *options)
{
    return options->faults == APUS_FAULTS_CONTAIN ? budget(options->faults_in_all, ALL_DEFAULT) : 0;
}

int apus__quarantine_start(const apus_options *options)
{
    quarantine.mode = options->faults;
    quarantine.is_lax = options->faults_with_locks;
    quarantine.per_minute = budget(options->faults_per_minute, MINUTE_DEFAULT);
    quarantine.in_all = budget(options->faults_in_all, ALL_DEFAULT);
    apus_store_relaxed(&quarantine.next, 0);
    apus_store_relaxed(&quarantine.contained, 0);
#if defined(APUS_CONTEXT_ASAN) || defined(APUS_CONTEXT_TSAN)
    quarantine.mode = APUS_FAULTS_IGNORE; // the sanitizer reports faults itself
#endif
    if (quarantine.mode == APUS_FAULTS_IGNORE)
        return 0;
    if (quarantine.per_minute && !(quarantine.times = calloc(quarantine.per_minute, sizeof *quarantine.times)))
        return -ENOMEM;
    int result = apus__fault_arm(quarantine_handle);
    if (!apus__fault_can_judge() && quarantine.mode == APUS_FAULTS_CONTAIN)
        quarantine.mode = APUS_FAULTS_REPORT;
    quarantine.is_armed = true;
    return result;
}

void apus__quarantine_stop(void)
{
    if (quarantine.is_armed)
        apus__fault_disarm();
    quarantine.is_armed = false;
    free(quarantine.times);
    quarantine.times = NULL;
}

// --- The process ----------------------------------------------------------------------------------------------------------------

static apus_reason fault_reason(const struct apus__fault *fault, const char *text)
{
    return (apus_reason){APUS_REASON_FAULT, fault->signal, text[0] ? text : NULL, fault->address, fault->pc};
}

// Ends the process that had the fault; `handling` is what its callback was given. What its stack holds stays with the thread.
static void crash_end(struct apus__slot *slot, struct apus_process *process, apus_message *handling, const struct apus__fault *fault,
                      const char *text, void *room)
{
    struct apus__owner *here = &slot->owner;
    apus_reason reason = fault_reason(fault, text);
    apus__report_crash(slot, process, handling, fault, &reason, room);
    if (handling && !(handling->flags & APUS__HELD))
        apus__mailbox_prepend(process, handling); // what the callback was given goes the way of the mailbox
    apus__process_end(here, process, &reason);
}

void apus__slot_crashed(struct apus__slot *slot)
{
    struct apus__owner *here = &slot->owner;
    struct apus__fault *fault = slot->fault;
    struct apus_process *process = here->current;
    apus_message *handling = here->handling;
    const char *text = slot->fault_text;
    slot->fault = NULL;
    here->current = NULL;
    here->handling = NULL;
    slot->fiber = NULL;
    apus_bump_relaxed(&here->counters.crashed, 1);
    if (slot->fault_matching) { // what it was given, if it waited, is with its wait
        process = slot->fault_matching;
        if (process->flags & APUS__WAITING) {
            handling = NULL;
            apus__slot_drop_stack(slot, process);
        }
    }
    crash_end(slot, process, handling, fault, text, slot->fault_room);
    apus__slot_need_fiber(slot);
}

void apus__fiber_crashed(struct apus__slot *slot, struct apus__fiber *fiber)
{
    struct apus_process *process = fiber->detached.process;
    apus_message *handling = fiber->detached.handling;
    struct apus__fault *fault = fiber->fault;
    apus_bump_relaxed(&slot->owner.counters.crashed, 1);
    apus_bump_relaxed(&slot->owner.counters.waits_ended, 1);
    if (process->flags & APUS__DEPARTED) {
        apus_reason reason = fault_reason(fault, fiber->fault_text);
        apus__report_crash(slot, process, handling, fault, &reason, fiber->fault_room);
        apus__process_bury(&slot->owner, process, handling);
        return;
    }
    process->extra->wait = NULL;
    process->flags &= ~(uint32_t)(APUS__WAITING | APUS__READY);
    crash_end(slot, process, handling, fault, fiber->fault_text, fiber->fault_room);
}
