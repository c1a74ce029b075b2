// otp/strategy_dynamic.c - any number of independent children, added and removed at any time (R52).
//
// They restart one by one; one that has ended for good is dropped with its spec; and since their order means nothing, and there may
// be very many, at the supervisor's end all are told to stop at once and waited for together.
#include "otp/strategy.h"

static struct apus__child *dynamic_failed(const struct apus__children *children, struct apus__child *failed)
{
    (void)children;
    return failed;
}

const struct apus__strategy apus__strategy_dynamic = {
    .first = dynamic_failed,
    .last = dynamic_failed,
    .keeps_stopped = false,
    .stops_concurrently = true,
};
