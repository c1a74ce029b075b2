// abi/study.c - see study.h.
//
// Disturbing: before a step, now and then, as the choices say; what is disturbed is chosen too. Killing and slowing act on what is there;
//             a mailbox seems full, and an allocation fails, at the next occasion.
// Trace:      what a turn has done is found by comparing who is there, and how much each has handled, before and after it.
#include "abi/study.h"

#include "abi/enter.h"
#include "memory/inject.h"
#include "scheduler/runtime.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DISTURB_ODDS = 6,     // of 256 steps, those with one
    VICTIMS_MAX = 256,
    ALLOCATIONS_MAX = 64, // the one that fails is among the next ones
    SIGHTS_MAX = 256
};

struct study_sight {
    uint64_t pid;
    uint64_t reductions;
    const char *name;
};

// --- Telling --------------------------------------------------------------------------------------------------------------------

static void study_show(struct study *study, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void study_show(struct study *study, const char *format, ...)
{
    char line[320];
    if (!study->is_shown || !study->simulation->trace)
        return;
    int size = snprintf(line, sizeof line, "%" PRIu64 " ms: ", apus_now_ms() - study->begun_ms);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + size, sizeof line - (size_t)size, format, arguments);
    va_end(arguments);
    study->simulation->trace(study->simulation->context, line);
}

static void study_fail(struct study *study, const char *failure)
{
    if (study->result->failure[0] == '\0') {
        study_show(study, "failed: %s", failure);
        snprintf(study->result->failure, sizeof study->result->failure, "%s", failure);
    }
}

static const char *name_of_behaviour(apus_pid pid)
{
    struct apus_process *process = apus__find(pid);
    if (!process || process->flags & APUS__UNBORN)
        return "unborn";
    return process->flags & APUS__BLOCKING ? "blocking" : process->behaviour->name;
}

static bool sight_add(apus_pid pid, void *context)
{
    struct study_sight *sights = context;
    uint32_t i = 0;
    while (i < SIGHTS_MAX - 1 && sights[i].pid)
        i++;
    sights[i] = (struct study_sight){pid.id, apus__find(pid) ? apus__reductions(apus__find(pid)) : 0, name_of_behaviour(pid)};
    return i < SIGHTS_MAX - 2;
}

static const struct study_sight *sight_find(const struct study_sight *sights, uint64_t pid)
{
    for (; sights->pid; sights++)
        if (sights->pid == pid)
            return sights;
    return NULL;
}

// Shows what the last turn has done, and looks at everybody for the next one.
static void study_show_turn(struct study *study)
{
    struct study_sight now[SIGHTS_MAX] = {{0}}, *before = study->sights;
    if (!study->is_shown)
        return;
    apus__each_live(sight_add, now);
    char text[200] = "";
    size_t used = 0;
    for (const struct study_sight *sight = now; sight->pid && used < sizeof text; sight++) {
        const struct study_sight *old = sight_find(before, sight->pid);
        if (!old)
            used += (size_t)snprintf(text + used, sizeof text - used, ", %s %" PRIu64 " is new", sight->name,
                                     sight->pid & UINT32_MAX);
        else if (old->reductions != sight->reductions)
            used += (size_t)snprintf(text + used, sizeof text - used, ", %s %" PRIu64 " handled %" PRIu64, sight->name,
                                     sight->pid & UINT32_MAX, sight->reductions - old->reductions);
    }
    for (const struct study_sight *old = before; old->pid && used < sizeof text; old++)
        if (!sight_find(now, old->pid))
            used += (size_t)snprintf(text + used, sizeof text - used, ", %s %" PRIu64 " ended", old->name, old->pid & UINT32_MAX);
    memcpy(before, now, sizeof now);
    study_show(study, "scheduler %" PRIu32 "%s", apus__simulation_last_slot(), text);
}

// --- Disturbing -----------------------------------------------------------------------------------------------------------------

struct victims {
    struct study *study;
    apus_pid pids[VICTIMS_MAX];
    uint32_t count;
};

static bool victims_add(apus_pid pid, void *context)
{
    struct victims *victims = context;
    const apus_simulation *simulation = victims->study->simulation;
    struct apus_process *process = apus__find(pid);
    if (process && !(process->flags & (APUS__UNBORN | APUS__EXITING)) &&
        (!simulation->may_disturb || simulation->may_disturb(simulation->context, pid, name_of_behaviour(pid))))
        victims->pids[victims->count++] = pid;
    return victims->count < VICTIMS_MAX;
}

static void disturb_somebody(struct study *study, unsigned kind)
{
    static const apus_reason fault = {.kind = APUS_REASON_FAULT, .code = SIGSEGV, .text = "simulated"};
    struct victims victims = {.study = study};
    apus__each_live(victims_add, &victims);
    if (!victims.count)
        return;
    apus_pid pid = victims.pids[apus__choose(&study->choices, APUS__CHOICE_VICTIM, victims.count, APUS__ODDS_EVEN)];
    study_show(study, "%s: process %" PRIu64 " (%s)", kind == APUS_DISTURB_KILL ? "kill" : "fault", pid.id & UINT32_MAX,
               name_of_behaviour(pid));
    if (kind == APUS_DISTURB_KILL)
        apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL));
    else
        apus__simulation_end_process(pid, &fault);
}

static void disturb_memory(struct study *study)
{
#ifdef APUS_INJECT
    uint32_t nth = 1 + apus__choose(&study->choices, APUS__CHOICE_TIME, ALLOCATIONS_MAX, APUS__ODDS_EVEN);
    study_show(study, "no memory: the allocation number %" PRIu32 " from now", nth);
    apus__inject_arm(APUS__INJECT_ANYWHERE, nth);
#else
    (void)study;
#endif
}

// Before a step, perhaps. The second half of a run is left alone, so that what recovers can.
static void study_disturb(struct study *study, uint64_t step)
{
    const apus_simulation *simulation = study->simulation;
    unsigned kinds[STUDY_DISTURB_KINDS], count = 0;
    if (study->disturbances == 0 || step > simulation->steps_max / 2 ||
        apus_now_ms() - study->begun_ms > simulation->time_max_ms / 2)
        return;
    for (unsigned i = 0; i < STUDY_DISTURB_KINDS; i++)
        if (simulation->disturb & 1u << i)
            kinds[count++] = 1u << i;
    uint32_t chosen = apus__choose(&study->choices, APUS__CHOICE_DISTURBANCE, 1 + count, DISTURB_ODDS);
    if (chosen == 0)
        return;
    study->disturbances--;
    switch (kinds[chosen - 1]) {
    case APUS_DISTURB_SLOW:
        study_show(study, "slow: scheduler %" PRIu32 " is held for %" PRIu64 " ms", apus__simulation_last_slot(),
                   apus__simulation_hold());
        break;
    case APUS_DISTURB_FULL:
        study_show(study, "full: the next message to a bounded mailbox");
        apus__simulation_fill();
        break;
    case APUS_DISTURB_NO_MEMORY:
        disturb_memory(study);
        break;
    default:
        disturb_somebody(study, kinds[chosen - 1]);
    }
}

// --- One run --------------------------------------------------------------------------------------------------------------------

static void study_check(struct study *study, apus_simulation_moment moment)
{
    const apus_simulation *simulation = study->simulation;
    const char *failure = simulation->check ? simulation->check(simulation->context, moment) : NULL;
    if (failure)
        study_fail(study, failure);
}

static void run_steps(struct study *study)
{
    const apus_simulation *simulation = study->simulation;
    uint64_t *step = &study->result->steps;
    for (*step = 0; *step < simulation->steps_max && !study->result->failure[0]; ++*step) {
        study_disturb(study, *step);
        if (apus_now_ms() - study->begun_ms > simulation->time_max_ms)
            break;
        if (!apus__simulation_step()) {
            study_check(study, APUS_SIMULATION_QUIET);
            return;
        }
        study_show_turn(study);
        study_check(study, APUS_SIMULATION_STEP);
    }
    study_check(study, APUS_SIMULATION_OVER);
}

static int run_end(struct study *study)
{
#ifdef APUS_INJECT
    apus__inject_arm(APUS__INJECT_ANYWHERE, 0);
#endif
    apus_runtime_info_t info = {.struct_size = sizeof info};
    if (apus__simulation_end() != 0) {
        study_fail(study, "a process did not end at the stop");
        return -ETIMEDOUT;
    }
    apus_runtime_info(&info);
    if (info.blocks_in_use || info.timers)
        study_fail(study, "memory was left in use after the stop");
    return 0;
}

int apus__study_run(struct study *study)
{
    const apus_simulation *simulation = study->simulation;
    apus_options options = {.struct_size = sizeof options,
                            .schedulers = simulation->schedulers,
                            .max_processes = simulation->max_processes,
                            .max_timers = simulation->max_timers,
                            .stack_size = simulation->stack_size};
    study->result->failure[0] = '\0';
    study->result->runs++;
    study->disturbances = simulation->disturb ? simulation->disturbances_max : 0;
    study->choices.count = 0;
    int result = apus__simulation_begin_with(&options, &study->choices);
    if (result)
        return result;
    study->begun_ms = apus_now_ms();
    result = simulation->begin(simulation->context);
    struct study_sight sights[SIGHTS_MAX] = {{0}};
    study->sights = sights;
    if (result >= 0)
        run_steps(study);
    study->sights = NULL;
    int ended = run_end(study);
    return result < 0 ? result : ended;
}
