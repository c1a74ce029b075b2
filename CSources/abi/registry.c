#include "abi/enter.h"

int apus_register(const char *name, apus_pid pid)
{
    int result;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    result = apus__name_register(name, pid);
    apus__leave(here);
    return result;
}

int apus_whereis(const char *name, apus_pid *pid)
{
    int result;
    if (!pid)
        return -EINVAL;
    *pid = APUS_NOBODY;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    result = apus__name_whereis(name, pid);
    apus__leave(here);
    return result;
}

int apus_unregister(const char *name)
{
    int result;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    result = apus__name_unregister(name);
    apus__leave(here);
    return result;
}
