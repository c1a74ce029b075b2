// abi/study.h - simulated runs, one after the other: what a study keeps between them, and one run.
//
// Who:        one thread, the driver. A study lives on its stack.
#ifndef APUS_ABI_STUDY_H
#define APUS_ABI_STUDY_H

#include "scheduler/simulate.h"

struct study {
    const apus_simulation *simulation; // with its defaults filled in
    apus_simulation_result *result;
    struct apus__choices choices;      // of the present run
    bool is_shown;
    uint64_t begun_ms; // of the present run
    uint32_t disturbances;
    struct study_sight *sights; // what was seen before the present step, if it is shown
};

enum { STUDY_DISTURB_KINDS = 5 };

// Runs the study's choices. An error, or 0: then the result says whether it failed.
int apus__study_run(struct study *study);

#endif
