// otp/strategy_one_for_one.c - the failed child alone is started again; its siblings do not notice (R42).
#include "otp/strategy.h"

static struct apus__child *one_for_one_failed(const struct apus__children *children, struct apus__child *failed)
{
    (void)children;
    return failed;
}

const struct apus__strategy apus__strategy_one_for_one = {
    .first = one_for_one_failed,
    .last = one_for_one_failed,
    .keeps_stopped = true,
    .stops_concurrently = false,
};
