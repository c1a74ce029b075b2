#include "process/system.h"

#include "abi/enter.h"
#include "scheduler/monitor.h"

int apus_system_monitor(apus_pid subscriber, const apus_system_limits *limits)
{
    int result;
    if (limits && limits->struct_size != sizeof *limits)
        return -EINVAL;
    struct apus__owner *here = apus__enter(&result);
    if (!here)
        return result;
    result = subscriber.id && !apus__find(subscriber) ? -ESRCH : 0;
    if (!result)
        apus__system_set(subscriber, limits);
    apus__leave(here);
    if (!result)
        apus__monitor_ring(); // its pace depends on it
    return result;
}

int apus_system_report(apus_system_event event, apus_pid pid, uint64_t value)
{
    int error;
    if (event < APUS_SYSTEM_LONG_CALLBACK || event > APUS_SYSTEM_MANY_RESTARTS)
        return -EINVAL;
    uint32_t limit = apus__system_limit(event);
    if (!limit || value < limit)
        return 0;
    struct apus__owner *here = apus__enter(&error);
    if (!here)
        return error;
    apus__system_tell(here, event, pid, value);
    apus__leave(here);
    return 0;
}
