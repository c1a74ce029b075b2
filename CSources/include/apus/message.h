/* apus/message.h - messages: typed payloads in envelopes that the runtime owns. */
#ifndef APUS_MESSAGE_H
#define APUS_MESSAGE_H

#include <apus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A message type. Its identity is its address, so declare one constant for each type and share it in a header; the name is what
 * tools show. */
typedef struct apus_type {
    const char *name;
    /* Releases what the payload owns, when a message is dropped unread or released; NULL if it owns nothing. Called once for each
     * message, on any thread, and must not wait or call Apus. A payload whose content the handler has moved elsewhere is told so
     * with `apus_message_take`. */
    void (*drop)(void *payload, size_t size, const struct apus_type *type);
    const void *context; /* yours: what one drop function needs to know that serves several types; NULL */
    /* No bound of a mailbox is for messages and requests of the type (R70): none is counted, refused, dropped, or waited for. For layers
     * over Apus whose own work reaches a process so: the jobs of an executor, or being told to end. */
    bool is_exempt;
} apus_type;

/* A message. Opaque: read it through the functions below. */
typedef struct apus_message apus_message;

/* The head of an envelope, so that the accessors can be inlined. Not to be touched directly: only the accessors are API. */
struct apus_message {
    void *reserved0;
    const apus_type *type;
    apus_pid from;
    uint32_t size;
    uint8_t flags;
    uint8_t marks;
    uint8_t kind;
    uint8_t block;
    /* Not there if flags has APUS_MESSAGE_SHORT, which is as many as their bytes: the payload begins here. */
    uint64_t reserved1;
    apus_ref ref;
};

enum { APUS_MESSAGE_SHORT = 16 };

/* The message's type: one of yours, or a built-in one (`apus_type_exit`, `apus_type_down` ...). */
static inline const apus_type *apus_message_type(const apus_message *message)
{
    return message->type;
}

/* The payload, 16-aligned, `apus_message_size` bytes long. It lives as long as the message. */
static inline void *apus_message_payload(const apus_message *message)
{
    return (void *)((uintptr_t)message + sizeof(struct apus_message) - (message->flags & APUS_MESSAGE_SHORT));
}

/* The payload's size in bytes, as given when it was sent. */
static inline size_t apus_message_size(const apus_message *message)
{
    return message->size;
}

/* The process that sent it; APUS_NOBODY if that was a plain thread, a timer or the runtime. */
static inline apus_pid apus_message_from(const apus_message *message)
{
    return message->from;
}

/* The reference it belongs to: of the request it makes or answers, of the monitor or timer that caused it; else {0}. */
static inline apus_ref apus_message_ref(const apus_message *message)
{
    apus_ref none = {0};
    return message->flags & APUS_MESSAGE_SHORT ? none : message->ref;
}

/* Whether the message is a request that `apus_reply` can answer. */
APUS_API bool apus_message_is_request(const apus_message *message);

/* Whether the message is the reply to a request made with `apus_request`; its ref says to which. */
APUS_API bool apus_message_is_reply(const apus_message *message);

/* The largest payload in bytes. */
#define APUS_MESSAGE_SIZE_MAX ((size_t)1 << 30)

/* Sends a message: copies `size` bytes of payload and returns. Never waits.
 * type:      must not be NULL. payload may be NULL if size is 0.
 * Order:     after everything this process (or thread) sent to `to` before; nothing is promised across senders.
 * Errors:    -ESRCH `to` has ended or never was: advice only, since it may end before the message is read as well; the payload's
 *            `drop` is not called, the caller still owns what it points to. -ENOBUFS the mailbox is bounded, full, and its policy
 *            is to fail. -EMSGSIZE size is over APUS_MESSAGE_SIZE_MAX.
 * Cost:      to a process of the same scheduler: no locked instruction. Else one; if the receiver had nothing waiting, a second to
 *            tell its scheduler, and a third with a system call if that sleeps. One block from the sender's pool.
 * OTP:       erlang:send/2. */
APUS_API int apus_send(apus_pid to, const apus_type *type, const void *payload, size_t size);

/* Makes a message to be filled in place. The payload is not zeroed.
 * Ownership: yours until `apus_send_message` takes it; `apus_message_release` drops it unsent, also after the runtime has been
 *            stopped. One made by a process that ends goes with the process; its `drop` is called only once it has been sent.
 * Errors:    returns NULL if type is NULL, size is over APUS_MESSAGE_SIZE_MAX, there is no memory, or the runtime is stopped. */
APUS_API apus_message *apus_message_new(const apus_type *type, size_t size);

/* Sends a message made with `apus_message_new`, or received and kept, as a plain message from the caller.
 * Ownership: takes the message when it returns 0; on error the caller keeps it.
 * Errors:    as `apus_send`. */
APUS_API int apus_send_message(apus_pid to, apus_message *message);

/* Keeps the message that the current `handle` was given beyond its return. The process then owns it, as if received with
 * `apus_receive`, and releases it with `apus_message_release`, sends it on, or leaves it to the end of the process.
 * Threads:   the process that is handling it.
 * Errors:    -EINVAL the message is not the one being handled; -EALREADY it is kept already; -ENOMEM. */
APUS_API int apus_message_keep(apus_message *message);

/* Gives back a message that the caller owns: one received, kept, made, or returned as a reply. Calls the type's `drop`. NULL is
 * allowed and does nothing. A request released without a reply stays open: it can be answered with `apus_reply_to`, and fails
 * when the process ends.
 * Threads:   the process that owns it; a plain thread for a message returned to a plain thread or made by it. */
APUS_API void apus_message_release(apus_message *message);

/* Says that the payload's content has been moved out: `drop` will not be called for it. */
static inline void apus_message_take(apus_message *message)
{
    message->flags = (uint8_t)(message->flags | 1u);
}

#ifdef __cplusplus
}
#endif

#endif
