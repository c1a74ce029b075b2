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

// Copies at most APUS__LINE_PAYLOAD bytes without a call. Of two parts that overlap, here and below, the first is written last: what is
// read of them soon, a word or the byte behind some words, is then read out of one store, which need not have reached the cache.
apus_inline void apus__payload_copy_small(char *to, const char *from, size_t size)
{
    if (size == 8) {
        memcpy(to, from, 8);
    } else if (size > 8) {
        uint64_t head, tail;
        memcpy(&head, from, 8);
        memcpy(&tail, from + size - 8, 8);
        memcpy(to + size - 8, &tail, 8);
        memcpy(to, &head, 8);
    } else if (size >= 4) {
        uint32_t head, tail;
        memcpy(&head, from, 4);
        memcpy(&tail, from + size - 4, 4);
        memcpy(to + size - 4, &tail, 4);
        memcpy(to, &head, 4);
    } else if (size) {
        to[0] = from[0];
        to[size / 2] = from[size / 2];
        to[size - 1] = from[size - 1];
    }
}

// The same for more than APUS__LINE_PAYLOAD bytes, and at most twice as many.
apus_inline void apus__payload_copy_more(char *to, const char *from, size_t size)
{
    memcpy(to + size - APUS__LINE_PAYLOAD, from + size - APUS__LINE_PAYLOAD, APUS__LINE_PAYLOAD);
    memcpy(to, from, APUS__LINE_PAYLOAD);
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
    apus__payload_copy_small(apus__payload_at(message, 0), payload, size);
}

// The same for a plain message that is short.
apus_inline void apus__message_fill_short(struct apus__owner *here, apus_message *message, uint8_t block, const apus_type *type,
                                          const void *payload, size_t size)
{
    message->type = type;
    message->from = apus__pid(here->current);
    apus__message_set_head_as(message, (uint32_t)size, APUS__SHORT, APUS__MESSAGE, block);
    apus_bump_relaxed(&here->counters.sent_local, 1);
    apus__payload_copy_more(apus__payload_at(message, APUS__SHORT), payload, size);
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
            apus__payload_copy_small(apus__payload_at(message, 0), payload, size);
        }
    } else if (apus_likely(size <= 2 * APUS__LINE_PAYLOAD)) {
        message = apus__heap_alloc(&here->heap, 1);
        if (apus_likely(message != NULL)) {
            apus__message_set_head(message, (uint32_t)size, kind, 1);
            apus__payload_copy_more(apus__payload_at(message, 0), payload, size);
        }
    } else {
        message = apus__message_alloc(here, size, kind);
        if (apus_likely(message != NULL))
            memcpy(apus__payload_at(message, 0), payload, size);
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
