// memory/inject.c - the counter behind memory/inject.h; empty unless compiled with APUS_INJECT.
#include "memory/inject.h"

#ifdef APUS_INJECT

_Atomic int64_t apus__inject_left;
static _Atomic unsigned inject_mask;
static _Atomic uint64_t inject_hits;

bool apus__inject_count_down(enum apus__inject_site site)
{
    if ((apus_load_relaxed(&inject_mask) >> site & 1) == 0)
        return false;
    // relaxed: exactly one caller sees the step from 1 to 0, whatever the order; late ones see 0 or less and go on.
    if (apus_sub_relaxed(&apus__inject_left, 1) != 1)
        return false;
    apus_add_relaxed(&inject_hits, 1);
    return true;
}

void apus__inject_arm(unsigned mask, uint32_t nth)
{
    apus_store_relaxed(&inject_mask, mask);
    apus_store_relaxed(&apus__inject_left, (int64_t)nth);
}

uint64_t apus__inject_hits(void)
{
    return apus_load_relaxed(&inject_hits);
}

#endif
