// otp/strategy_rest_for_one.c - children depend on those before them: the failed one and all later ones are stopped, in reverse,
// and started again, in order (R42). As with one_for_all, temporary ones among them do not come back (R45).
#include "otp/strategy.h"

static struct apus__child *rest_for_one_first(const struct apus__children *children, struct apus__child *failed)
{
    (void)children;
    return failed;
}

static struct apus__child *rest_for_one_last(const struct apus__children *children, struct apus__child *failed)
{
    (void)failed;
    return children->last;
}

const struct apus__strategy apus__strategy_rest_for_one = {
    .first = rest_for_one_first,
    .last = rest_for_one_last,
    .keeps_stopped = true,
    .stops_concurrently = false,
};
