#include "abi/enter.h"

apus_cold struct apus__owner *apus__enter_otherwise(int *error)
{
    struct apus__owner *here = apus__rejoin();
    if (!here)
        here = apus__foreign_enter(error);
    if (!here)
        apus__depart();
    return here;
}

apus_cold struct apus__owner *apus__enter_self_otherwise(const apus_process *self, int *error)
{
    struct apus__owner *here = apus__rejoin();
    if (here && self && here->current == self)
        return here;
    *error = self ? -EPERM : -EINVAL;
    apus__depart();
    return NULL;
}
