// otp/strategy_one_for_all.c - the children live and die together: all are stopped, in reverse, and all are started (R42).
//
// As in OTP, "all" includes a child that had been stopped before, or had ended normally: it is started with the others. Temporary
// ones are dropped when they are stopped, and so do not come back (R45).
#include "otp/strategy.h"

static struct apus__child *one_for_all_first(const struct apus__children *children, struct apus__child *failed)
{
    (void)failed;
    return children->first;
}

static struct apus__child *one_for_all_last(const struct apus__children *children, struct apus__child *failed)
{
    (void)failed;
    return children->last;
}

const struct apus__strategy apus__strategy_one_for_all = {
    .first = one_for_all_first,
    .last = one_for_all_last,
    .keeps_stopped = true,
    .stops_concurrently = false,
};
