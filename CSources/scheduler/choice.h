// scheduler/choice.h - what the simulator leaves to chance, as one sequence of numbers: drawn from a seed, or given.
//
// Idea:       wherever a run could go on in more than one way, the simulator asks for a number below the number of ways; 0 is always the
//             plain one (stay with the slot, let everything arrive, sleep when there is nothing to do, disturb nobody). The answers, in
//             order, are the run: the same answers give the same run. So a seed is only one way to make them up. A script gives the
//             first ones and 0 for the rest; a failing run is made shorter by putting 0 where it still fails; and all runs that leave
//             the plain one in few places can be gone through (abi/simulate.c).
// Who:        one thread.
#ifndef APUS_SCHEDULER_CHOICE_H
#define APUS_SCHEDULER_CHOICE_H

#include "os/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What is chosen. Those up to APUS__CHOICE_EXPLORED make the interleaving and the disturbances; the others only vary a run.
enum apus__choice_kind {
    APUS__CHOICE_SLOT,
    APUS__CHOICE_ARRIVAL,
    APUS__CHOICE_DISTURBANCE,
    APUS__CHOICE_VICTIM,
    APUS__CHOICE_SLEEP,
    APUS__CHOICE_PLACE,
    APUS__CHOICE_EXPLORED = APUS__CHOICE_PLACE,
    APUS__CHOICE_BUDGET,
    APUS__CHOICE_TIME,
    APUS__CHOICE_SHAPE
};

struct apus__choice {
    uint32_t value;
    uint32_t bound;
    enum apus__choice_kind kind;
};

struct apus__choices {
    bool is_random;
    struct apus__random random;     // if it is
    const uint32_t *script;         // if not: the first answers
    size_t script_count;
    size_t count;                   // answers so far
    struct apus__choice *record;    // they, if is_recorded
    size_t capacity;
    bool is_recorded;
};

enum { APUS__ODDS_EVEN = 256 };

// A number below `bound`. `odds` of 256 is how often a seed gives another one than 0; APUS__ODDS_EVEN: all alike.
uint32_t apus__choose(struct apus__choices *choices, enum apus__choice_kind kind, uint32_t bound, uint32_t odds);

// Frees the record.
void apus__choices_destroy(struct apus__choices *choices);

#endif
