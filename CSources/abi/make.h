// abi/make.h - messages made from what a caller gives.
#ifndef APUS_ABI_MAKE_H
#define APUS_ABI_MAKE_H

#include "process/signal.h"

// Whether a caller's type and payload make a message: 0, -EINVAL or -EMSGSIZE.
apus_inline int apus__message_check(const apus_type *type, const void *payload, size_t size)
{
    if (apus_unlikely(size > APUS_MESSAGE_SIZE_MAX))
        return type ? -EMSGSIZE : -EINVAL;
    return apus_likely(type && (apus_likely(payload != NULL) || !size)) ? 0 : -EINVAL;
}

// Copies at most APUS__LINE_PAYLOAD bytes without a call.
apus_inline void apus__payload_copy_small(char *to, const char *from, size_t size)
{
    if (size == 8) {
        memcpy(to, from, 8);
    } else if (size > 8) {
        // Two that overlap.
        uint64_t head, tail;
        memcpy(&head, from, 8);
        memcpy(&tail, from + size - 8, 8);
        memcpy(to, &head, 8);
        memcpy(to + size - 8, &tail, 8);
    } else if (size >= 4) {
        uint32_t head, tail;
        memcpy(&head, from, 4);
        memcpy(&tail, from + size - 4, 4);
        memcpy(to, &head, 4);
        memcpy(to + size - 4, &tail, 4);
    } else if (size) {
        to[0] = from[0];
        to[size / 2] = from[size / 2];
        to[size - 1] = from[size - 1];
    }
}

// Fills in all but the payload of a message of the current process to one on this scheduler.
apus_inline void apus__message_fill_envelope(struct apus__owner *here, apus_message *message, enum apus__kind kind, uint8_t block,
                                             apus_ref ref, const apus_type *type, size_t size)
{
    message->type = type;
    message->from = apus__pid(here->current);
    message->ref = ref;
    apus__message_set_head(message, (uint32_t)size, kind, block);
    apus_bump_relaxed(&here->counters.sent_local, 1);
}

// The same for a small message, with its payload.
apus_inline void apus__message_fill(struct apus__owner *here, apus_message *message, enum apus__kind kind, uint8_t block, apus_ref ref,
                                    const apus_type *type, const void *payload, size_t size)
{
    apus__message_fill_envelope(here, message, kind, block, ref, type, size);
    apus__payload_copy_small(apus_message_payload(message), payload, size);
}

// A new message with a copy of the payload, or NULL. Those for which the size of the block is known, by themselves: the small ones, and up
// to twice as much, which is a request that carries the way back in its payload.
apus_inline apus_message *apus__message_copy(struct apus__owner *here, const void *payload, size_t size, enum apus__kind kind)
{
    apus_message *message;
    if (apus_likely(size <= APUS__LINE_PAYLOAD)) {
        message = apus__heap_alloc(&here->heap, 0);
        if (apus_likely(message != NULL)) {
            apus__message_set_head(message, (uint32_t)size, kind, 0);
            apus__payload_copy_small(apus_message_payload(message), payload, size);
        }
    } else if (apus_likely(size <= 2 * APUS__LINE_PAYLOAD)) {
        message = apus__heap_alloc(&here->heap, 1);
        if (apus_likely(message != NULL)) {
            apus__message_set_head(message, (uint32_t)size, kind, 1);
            memcpy(apus_message_payload(message), payload, APUS__LINE_PAYLOAD);
            memcpy((char *)apus_message_payload(message) + size - APUS__LINE_PAYLOAD,
                   (const char *)payload + size - APUS__LINE_PAYLOAD, APUS__LINE_PAYLOAD);
        }
    } else {
        message = apus__message_alloc(here, size, kind);
        if (apus_likely(message != NULL))
            memcpy(apus_message_payload(message), payload, size);
    }
    return message;
}

// Fills in a new message of `from`, with a type and a payload that are the caller's. Errors: -EINVAL, -EMSGSIZE, -ENOMEM.
apus_inline int apus__message_make(struct apus__owner *here, apus_pid from, const apus_type *type, const void *payload, size_t size,
                                   enum apus__kind kind, apus_ref ref, apus_message **made)
{
    int error = apus__message_check(type, payload, size);
    if (apus_unlikely(error))
        return error;
    apus_message *message = apus__message_copy(here, payload, size, kind);
    if (apus_unlikely(!message))
        return -ENOMEM;
    message->type = type;
    message->from = from;
    message->ref = ref;
    *made = message;
    return 0;
}

#endif
