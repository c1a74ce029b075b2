#include "process/message.h"

#include <stdio.h>
#include <stdlib.h>

apus_cold static apus_message *reserve_take(struct apus__owner *here, size_t size)
{
    apus_check(sizeof(apus_message) + size <= 512);
    if (here->reserved == 0) {
        fputs("apus: out of memory: a signal that was promised cannot be delivered\n", stderr);
        abort();
    }
    void *block = here->reserve[--here->reserved];
    apus_store_relaxed(&here->counters.reserved, here->reserved);
    return block;
}

void *apus__reserve_block(struct apus__owner *here)
{
    return reserve_take(here, 0);
}

apus_message *apus__message_alloc_certain(struct apus__owner *here, size_t size, enum apus__kind kind)
{
    apus_message *message = apus__message_alloc(here, size, kind);
    if (apus_unlikely(!message)) {
        message = reserve_take(here, size);
        apus__message_set_head(message, (uint32_t)size, kind, APUS__RESERVE_CLASS);
    }
    message->type = NULL;
    message->from = APUS_NOBODY;
    message->ref = APUS_NO_REF;
    return message;
}

void apus__reserve_fill(struct apus__owner *here)
{
    void *block;
    while (here->reserved < here->reserve_wanted && (block = apus__heap_alloc(&here->heap, APUS__RESERVE_CLASS)))
        here->reserve[here->reserved++] = block;
    apus_store_relaxed(&here->counters.reserved, here->reserved);
}

void apus__reserve_release(struct apus__owner *here)
{
    while (here->reserved > 0)
        apus__heap_free(&here->heap, here->reserve[--here->reserved], APUS__RESERVE_CLASS);
    apus_store_relaxed(&here->counters.reserved, 0);
}
