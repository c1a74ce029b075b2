// otp/strategy.h - what sets the four strategies apart: who shares the fate of a failed child, and what becomes of stopped ones.
//
// A strategy is constant data and two pure functions; everything else in a supervisor's decisions is common. When a child has
// failed, the children from `first` to `last` (in start order) are stopped in reverse, and then started in order (R42).
#ifndef APUS_OTP_STRATEGY_H
#define APUS_OTP_STRATEGY_H

#include "otp/children.h"

struct apus__strategy {
    struct apus__child *(*first)(const struct apus__children *children, struct apus__child *failed);
    struct apus__child *(*last)(const struct apus__children *children, struct apus__child *failed);
    bool keeps_stopped;     // a child that has ended for good stays as a spec without a process
    bool stops_concurrently; // at the supervisor's end all children are told at once, instead of one after the other
};

extern const struct apus__strategy apus__strategy_one_for_one;
extern const struct apus__strategy apus__strategy_one_for_all;
extern const struct apus__strategy apus__strategy_rest_for_one;
extern const struct apus__strategy apus__strategy_dynamic;

#endif
