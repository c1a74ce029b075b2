// abi/simulate.c - many simulated runs: by seeds, by given choices, and all within a bound; and a failing one made shorter.
//
// Idea:       a run is its choices (scheduler/choice.h). Seeds make them up; a script gives them. Whatever a script holds is a run, since a
//             number too large is taken modulo its bound, so choices can be tried freely:
//             shorter     put 0 in place of a piece of the script, half of it first, then quarters, down to single ones, and keep what
//                         still fails in the same way.
//             explore     from each run, each place after its last deviation where another choice was possible gives a new run.
//                         A place with one choice only is none (choice.c). Idle slots sleep in the plain run, as on real cores, and
//                         so are given work: one deviation shows what took four where they stayed awake. No partial orders: what a
//                         turn reads of other slots' processes (alive? named? full?) is not recorded, and would have to be.
// Who:        one thread, the driver.
// Freed:      what a study holds goes with it.
#include "abi/enter.h"
#include "abi/study.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS_MAX = 20000,
    TIME_MAX_MS = 3600000,
    DISTURBANCES_MAX = 3,
    SHORTER_RUNS_MAX = 2000,
    EXPLORE_DEVIATIONS_MAX = 8
};

struct script {
    uint32_t *values;
    size_t count;
};

// --- Choices --------------------------------------------------------------------------------------------------------------------

static int study_run_seed(struct study *study, uint64_t seed)
{
    study->choices.is_random = true;
    apus__random_init(&study->choices.random, seed);
    return apus__study_run(study);
}

static int study_run_script(struct study *study, const struct script *script)
{
    study->choices.is_random = false;
    study->choices.script = script->values;
    study->choices.script_count = script->count;
    return apus__study_run(study);
}

// --- Scripts --------------------------------------------------------------------------------------------------------------------

// What is 0 at the end goes without saying.
static void script_trim(struct script *script)
{
    while (script->count && script->values[script->count - 1] == 0)
        script->count--;
}

static bool script_of_record(const struct study *study, struct script *script)
{
    script->count = study->choices.count;
    script->values = calloc(script->count + 1, sizeof *script->values);
    for (size_t i = 0; script->values && i < script->count; i++)
        script->values[i] = study->choices.record[i].value;
    if (script->values)
        script_trim(script);
    return script->values != NULL;
}

static uint64_t script_deviations(const struct script *script)
{
    uint64_t deviations = 0;
    for (size_t i = 0; i < script->count; i++)
        deviations += script->values[i] != 0;
    return deviations;
}

// "place:value place:value ..."; nothing if it is too long. A plain run is "-".
static void script_write(const struct script *script, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "-");
    for (size_t i = 0; i < script->count; i++) {
        if (!script->values[i])
            continue;
        int wrote = snprintf(text + used, size - used, "%s%zu:%" PRIu32, used ? " " : "", i, script->values[i]);
        if (wrote < 0 || (size_t)wrote >= size - used) {
            text[0] = '\0';
            return;
        }
        used += (size_t)wrote;
    }
}

enum { PLACE_MAX = 10000000 };

// Makes room for, and sets, one number more; places only grow. Errors: -EINVAL, -ENOMEM.
static int script_put(struct script *script, unsigned long long place, unsigned long long value)
{
    if (place < script->count || place > PLACE_MAX || value > UINT32_MAX)
        return -EINVAL;
    uint32_t *values = realloc(script->values, (place + 1) * sizeof *values);
    if (!values)
        return -ENOMEM;
    memset(values + script->count, 0, (place - script->count) * sizeof *values);
    values[place] = (uint32_t)value;
    script->values = values;
    script->count = place + 1;
    return 0;
}

// Errors: -EINVAL, -ENOMEM.
static int script_read(const char *text, struct script *script)
{
    *script = (struct script){NULL, 0};
    if (strcmp(text, "-") == 0)
        return 0;
    int result = *text ? 0 : -EINVAL;
    while (!result && *text) {
        char *colon, *end = NULL;
        unsigned long long place = strtoull(text, &colon, 10);
        bool is_pair = colon > text && *colon == ':' && colon[1] >= '0' && colon[1] <= '9' && *text >= '0' && *text <= '9';
        unsigned long long value = is_pair ? strtoull(colon + 1, &end, 10) : 0;
        is_pair = is_pair && (*end == ' ' || *end == '\0');
        result = is_pair ? script_put(script, place, value) : -EINVAL;
        text = is_pair && *end ? end + 1 : end;
    }
    if (result)
        free(script->values);
    return result;
}

// --- Shorter --------------------------------------------------------------------------------------------------------------------

// Whether the run still fails in the same way with `length` choices from `at` on plain. If so the script stays so.
static bool shorter_try(struct study *study, struct script *script, size_t at, size_t length, const char *failure)
{
    uint32_t *saved = malloc(length * sizeof *saved);
    if (!saved)
        return false;
    memcpy(saved, script->values + at, length * sizeof *saved);
    memset(script->values + at, 0, length * sizeof *saved);
    bool fails = study_run_script(study, script) == 0 && strcmp(study->result->failure, failure) == 0;
    if (!fails)
        memcpy(script->values + at, saved, length * sizeof *saved);
    free(saved);
    return fails;
}

static bool script_is_plain(const struct script *script, size_t at, size_t length)
{
    for (size_t i = at; i < at + length; i++)
        if (script->values[i])
            return false;
    return true;
}

static void script_shorten(struct study *study, struct script *script, const char *failure)
{
    uint64_t last = study->result->runs + SHORTER_RUNS_MAX;
    for (size_t piece = script->count; piece >= 1; piece = piece == 1 ? 0 : (piece + 1) / 2) {
        bool helps = true;
        while (helps) {
            helps = false;
            for (size_t at = 0; at < script->count && study->result->runs < last; at += piece) {
                size_t length = script->count - at < piece ? script->count - at : piece;
                if (!script_is_plain(script, at, length))
                    helps |= shorter_try(study, script, at, length, failure);
            }
            script_trim(script);
        }
    }
}

// The study's last run failed: makes it shorter, and shows it.
static int study_conclude(struct study *study, bool is_short)
{
    struct script script;
    char failure[sizeof study->result->failure];
    memcpy(failure, study->result->failure, sizeof failure);
    if (!script_of_record(study, &script))
        return -ENOMEM;
    study->choices.is_recorded = false;
    if (!is_short)
        script_shorten(study, &script, failure);
    study->is_shown = true;
    study->choices.is_recorded = true;
    int result = study_run_script(study, &script);
    free(script.values);
    // Once more from the record: each number as it was taken, modulo its bound.
    if (!script_of_record(study, &script))
        return -ENOMEM;
    study->result->deviations = script_deviations(&script);
    script_write(&script, study->result->choices, sizeof study->result->choices);
    free(script.values);
    return result < 0 && result != -ETIMEDOUT ? result : 1;
}

// --- The public functions --------------------------------------------------------------------------------------------------------

static int study_begin(struct study *study, apus_simulation *copy, const apus_simulation *simulation, apus_simulation_result *result)
{
    if (!simulation || simulation->struct_size != sizeof *simulation || !simulation->begin || !result ||
        result->struct_size != sizeof *result || simulation->disturb >> STUDY_DISTURB_KINDS)
        return -EINVAL;
    if (apus_self())
        return -EDEADLK;
#ifndef APUS_INJECT
    if (simulation->disturb & APUS_DISTURB_NO_MEMORY)
        return -ENOSYS;
#endif
    *copy = *simulation;
    copy->disturbances_max = copy->disturbances_max ? copy->disturbances_max : DISTURBANCES_MAX;
    copy->time_max_ms = copy->time_max_ms ? copy->time_max_ms : TIME_MAX_MS;
    copy->steps_max = copy->steps_max ? copy->steps_max : STEPS_MAX;
    copy->max_processes = copy->max_processes ? copy->max_processes : 1024;
    copy->max_timers = copy->max_timers ? copy->max_timers : 1024;
    copy->stack_size = copy->stack_size ? copy->stack_size : 64 << 10;
    memset(result, 0, sizeof *result);
    result->struct_size = sizeof *result;
    *study = (struct study){.simulation = copy, .result = result, .choices.is_recorded = true};
    return 0;
}

int apus_simulate(const apus_simulation *simulation, uint64_t first, uint64_t count, apus_simulation_result *result)
{
    struct study study;
    apus_simulation copy;
    int status = study_begin(&study, &copy, simulation, result);
    if (status)
        return status;
    for (uint64_t i = 0; i < count && !status; i++) {
        result->seed = first + i;
        status = study_run_seed(&study, first + i);
        if (result->failure[0])
            status = study_conclude(&study, false);
    }
    if (!status)
        result->seed = 0;
    apus__choices_destroy(&study.choices);
    return status;
}

int apus_simulate_replay(const apus_simulation *simulation, const char *choices, uint64_t seed, apus_simulation_result *result)
{
    struct study study;
    apus_simulation copy;
    struct script script = {NULL, 0};
    int status = study_begin(&study, &copy, simulation, result);
    if (!status && choices)
        status = script_read(choices, &script);
    if (status)
        return status;
    study.is_shown = true;
    study.choices.is_recorded = false;
    result->seed = choices ? 0 : seed;
    status = choices ? study_run_script(&study, &script) : study_run_seed(&study, seed);
    if (choices) {
        result->deviations = script_deviations(&script);
        script_write(&script, result->choices, sizeof result->choices);
    }
    free(script.values);
    return status < 0 && status != -ETIMEDOUT ? status : result->failure[0] != '\0';
}

struct exploration {
    struct study *study;
    uint64_t runs_max;
    bool is_cut;
};

// Runs the script, which has its last deviation before `from`, and then all that deviate `left` more times after it. 1: one failed.
static int explore(struct exploration *exploration, const struct script *script, size_t from, uint32_t left)
{
    struct study *study = exploration->study;
    if (study->result->runs >= exploration->runs_max) {
        exploration->is_cut = true;
        return 0;
    }
    int status = study_run_script(study, script);
    if (status || study->result->failure[0] || left == 0)
        return study->result->failure[0] ? 1 : status;
    size_t count = study->choices.count;
    struct apus__choice *record = malloc((count + 1) * sizeof *record);
    struct script next = {calloc(count + 1, sizeof *next.values), 0};
    if (!record || !next.values) {
        free(record);
        free(next.values);
        return -ENOMEM;
    }
    memcpy(record, study->choices.record, count * sizeof *record);
    memcpy(next.values, script->values, script->count * sizeof *next.values);
    for (size_t i = from; i < count && !status && !exploration->is_cut; i++) {
        for (uint32_t value = 1; record[i].kind <= APUS__CHOICE_EXPLORED && value < record[i].bound && !status; value++) {
            next.values[i] = value;
            next.count = i + 1;
            status = explore(exploration, &next, i + 1, left - 1);
        }
        next.values[i] = 0;
    }
    free(record);
    free(next.values);
    return status;
}

int apus_simulate_explore(const apus_simulation *simulation, uint32_t deviations_max, uint64_t runs_max,
                          apus_simulation_result *result)
{
    struct study study;
    apus_simulation copy;
    int status = study_begin(&study, &copy, simulation, result);
    if (!status && (simulation->schedulers == 0 || deviations_max > EXPLORE_DEVIATIONS_MAX))
        status = -EINVAL;
    if (status)
        return status;
    const struct script plain = {(uint32_t[1]){0}, 0};
    struct exploration exploration = {&study, runs_max, false};
    // Fewest deviations first, which runs the shallow ones again: a fraction of the deepest level.
    for (uint32_t bound = 0; bound <= deviations_max && !status && !exploration.is_cut; bound++)
        status = explore(&exploration, &plain, 0, bound);
    result->is_complete = !status && !exploration.is_cut;
    if (status == 1)
        status = study_conclude(&study, true);
    apus__choices_destroy(&study.choices);
    return status;
}

// One run, step by step ---------------------------------------------------------------------------------------------------------------

int apus_simulation_begin(const apus_options *options, uint64_t seed)
{
    if (apus_self())
        return -EDEADLK;
    if (options && apus__options_check(options))
        return -EINVAL;
    return apus__simulation_begin(options, seed);
}

bool apus_simulation_step(void)
{
    return apus__simulation_step();
}

bool apus_simulation_run(uint64_t steps_max)
{
    return apus__simulation_run(steps_max);
}

bool apus_simulation_settle(uint64_t steps_max)
{
    return apus__simulation_settle(steps_max);
}

void apus_simulation_pass(uint64_t milliseconds)
{
    apus__simulation_pass(milliseconds);
}

int apus_simulation_ready(int fd, unsigned events)
{
    return apus__simulation_ready(fd, events);
}

int apus_simulation_end(void)
{
    return apus__simulation_end();
}
