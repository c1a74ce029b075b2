#include "process/system.h"

struct apus__system apus__system;

void apus__system_set(apus_pid subscriber, const apus_system_limits *limits)
{
    static const apus_system_limits none;
    const apus_system_limits *wanted = subscriber.id && limits ? limits : &none;
    apus_store_relaxed(&apus__system.subscriber, subscriber.id);
    apus_store_relaxed(&apus__system.limits[APUS_SYSTEM_LONG_CALLBACK], wanted->long_callback_ms);
    apus_store_relaxed(&apus__system.limits[APUS_SYSTEM_LONG_MAILBOX], wanted->long_mailbox);
    apus_store_relaxed(&apus__system.limits[APUS_SYSTEM_MANY_RESTARTS], wanted->many_restarts);
}

void apus__system_tell(struct apus__owner *here, apus_system_event event, apus_pid pid, uint64_t value)
{
    apus_message *message = apus__message_alloc(here, sizeof(apus_system_message), APUS__SYSTEM);
    if (!message)
        return; // it will be noticed again, or was not so important
    message->type = &apus_type_system;
    message->from = APUS_NOBODY;
    message->ref = APUS_NO_REF;
    *(apus_system_message *)apus_message_payload(message) = (apus_system_message){event, pid, value};
    if (apus__deliver(here, (apus_pid){apus_load_relaxed(&apus__system.subscriber)}, message) != 0)
        apus__message_free(here, message);
}

apus_cold void apus__system_look_at_mailbox(struct apus__owner *here, struct apus_process *process)
{
    uint32_t limit = apus__system_limit(APUS_SYSTEM_LONG_MAILBOX), count = 0;
    for (const apus_message *message = process->first; message && count < limit; message = apus__mailbox_next(process, message))
        count += message->kind <= APUS__LAST_VISIBLE;
    if (limit == 0 || count < limit) {
        process->flags &= ~(uint32_t)APUS__LONG;
    } else if (!(process->flags & APUS__LONG)) {
        process->flags |= APUS__LONG;
        apus__system_tell(here, APUS_SYSTEM_LONG_MAILBOX, apus__pid(process), count);
    }
}
