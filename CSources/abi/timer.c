#include "scheduler/timers.h"

#include "abi/enter.h"
#include "abi/make.h"

static int timer_make(uint64_t delay_ms, apus_pid to, const char *name, const apus_type *type, const void *payload, size_t size,
                      apus_ref *ref)
{
    int result;
    apus_message *message;
    if (delay_ms > APUS__TIMER_DELAY_MAX)
        return -ERANGE;
    struct apus__owner *here = apus__enter(&result);
    if (apus_unlikely(!here))
        return result;
    if (apus_unlikely(here->is_foreign && apus_load_relaxed(&apus__world.state) != APUS__WORLD_RUNNING)) {
        apus__leave(here);
        return -ESHUTDOWN;
    }
    // A name is kept behind the payload, so that the timer itself stays one cache line.
    size_t name_size = name ? strlen(name) + 1 : 0;
    result = apus__message_check(type ? type : &apus_type_timeout, payload, size);
    if (apus_unlikely(result)) {
        apus__leave(here);
        return result;
    }
    message = apus__message_alloc(here, size + name_size, type ? APUS__MESSAGE : APUS__SYSTEM);
    result = message ? 0 : -ENOMEM;
    if (apus_likely(message != NULL)) {
        message->type = type ? type : &apus_type_timeout;
        message->from = APUS_NOBODY;
        message->size = (uint32_t)size;
        message->flags = APUS__EXEMPT;
        if (size)
            memcpy(apus_message_payload(message), payload, size);
        if (name)
            memcpy((char *)apus_message_payload(message) + size, name, name_size);
        result = apus__timer_start(here, delay_ms, to, name, message, ref);
        if (apus_unlikely(result))
            apus__message_free(here, message);
    }
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
