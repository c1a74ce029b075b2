#include "scheduler/timers.h"

#include "abi/enter.h"
#include "abi/make.h"

// Makes a timer for `to` or, if that is nobody, for the name.
static int timer_make(uint64_t delay_ms, apus_pid to, const char *name, const apus_type *type, const void *payload, size_t size,
                      apus_ref *ref)
{
    int result;
    if (delay_ms > APUS__TIMER_DELAY_MAX)
        return -ERANGE;
    struct apus__owner *here = apus__enter(&result);
    if (apus_unlikely(!here))
        return result;
    if (apus_unlikely(here->is_foreign && apus_load_relaxed(&apus__world.state) != APUS__WORLD_RUNNING)) {
        apus__leave(here);
        return -ESHUTDOWN;
    }
    struct apus__timer_goal goal = {to, type, NULL};
    result = apus__message_check(type ? type : &apus_type_timeout, payload, size);
    if (apus_likely(!result) && (size || name || (type && type->drop))) {
        // The name is kept behind the payload, so that the timer itself stays one cache line.
        size_t name_size = name ? strlen(name) + 1 : 0;
        goal.message = apus__timer_message(here, type, size, name_size);
        result = goal.message ? 0 : -ENOMEM;
        if (goal.message && size)
            memcpy(apus_message_payload(goal.message), payload, size);
        if (goal.message && name)
            memcpy((char *)apus_message_payload(goal.message) + size, name, name_size);
    }
    if (apus_likely(!result))
        result = apus__timer_start(here, delay_ms, &goal, ref);
    if (apus_unlikely(result && goal.message))
        apus__message_free(here, goal.message);
    apus__leave(here);
    return result;
}

int apus_send_after(uint64_t delay_ms, apus_pid to, const apus_type *type, const void *payload, size_t size, apus_ref *ref)
{
    return to.id == 0 ? -EINVAL : timer_make(delay_ms, to, NULL, type, payload, size, ref);
}

int apus_send_name_after(uint64_t delay_ms, const char *name, const apus_type *type, const void *payload, size_t size, apus_ref *ref)
{
    size_t length;
    return apus__name_check(name, &length) ? -EINVAL : timer_make(delay_ms, APUS_NOBODY, name, type, payload, size, ref);
}

int apus_rearm(apus_ref timer, uint64_t delay_ms)
{
    int result;
    if (delay_ms > APUS__TIMER_DELAY_MAX)
        return -ERANGE;
    struct apus__owner *here = apus__enter(&result);
    if (apus_unlikely(!here))
        return result;
    result = apus__timer_rearm(here, timer, delay_ms);
    apus__leave(here);
    return result;
}

int apus_cancel(apus_ref timer, uint64_t *left_ms)
{
    int result;
    struct apus__owner *here = apus__enter(&result);
    if (apus_unlikely(!here))
        return result;
    result = apus__timer_cancel(here, timer, left_ms);
    apus__leave(here);
    return result;
}
