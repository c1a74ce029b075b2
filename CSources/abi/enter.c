#include "abi/enter.h"

#include "os/thread.h"

apus_cold struct apus__owner *apus__enter_otherwise(int *error)
{
    struct apus__owner *here = apus__rejoin();
    if (!here && apus__is_refused())
        *error = -ECANCELED;
    else if (!here)
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
    *error = !self ? -EINVAL : apus__process_is_fork() ? -ECHILD : !here && apus__is_refused() ? -ECANCELED : -EPERM;
    apus__depart();
    return NULL;
}
