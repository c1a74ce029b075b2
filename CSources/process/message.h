// process/message.h - envelopes: how a message or signal looks in memory, and how blocks for it are had.
//
//     struct apus_message (48 bytes, in include/apus/message.h), then the payload
//       reserved0  next in whatever list it is in; meaningless in the last one of a mailbox
//       flags, marks  bits below   kind  enum apus__kind      block  size class of its memory, or APUS__SEGMENT, APUS__WIDE
//       reserved1  on the way: the pid it is meant for.  Held by a process: the previous one in the list of held messages
//
// Short:      a plain message that is delivered at once is on no way, belongs to nothing, and is seldom held. If 16 bytes less make it
//             fit a line, it has none for that: its payload begins at `reserved1`. Where it is held all the same, a HOLDER is in the list in
//             its place.
//
// Out of memory, the policy of the whole core: a call of the user's fails with -ENOMEM and changes nothing; a signal that the
// semantics promise (exit, down, replies to the dead ...) is taken from a reserve that each owner keeps, and if that is used up as
// well the program ends with a clear word, since a lost signal would break every promise that supervision makes.
#ifndef APUS_PROCESS_MESSAGE_H
#define APUS_PROCESS_MESSAGE_H

#include "process/segment.h"

#include <string.h>

enum apus__kind {
    // What users see, in their mailbox.
    APUS__MESSAGE = 0,
    APUS__REQUEST = 1, // `ref` is to be answered
    APUS__REPLY = 2,   // `ref` says to what
    APUS__SYSTEM = 3,  // exit, down, timeout, io, started: made by the owner itself
    APUS__LAST_VISIBLE = APUS__SYSTEM,
    // What only the core sees. The payload is a struct apus__signal_payload.
    APUS__EXIT = 8,        // exit/2
    APUS__LINK_EXIT = 9,   // a linked process has ended
    APUS__LINK = 10,
    APUS__UNLINK = 11,     // `ref` is the unlink id
    APUS__UNLINK_ACK = 12,
    APUS__MONITOR = 13,
    APUS__DEMONITOR = 14,
    APUS__DOWN = 15,       // of a monitor or a request
    APUS__ABANDON = 16,    // the caller waits no longer for the reply to `ref`
    APUS__INFO = 17,       // a question for apus_process_info
    APUS__SPACE = 18,      // a sender waits for space in a bounded mailbox
    APUS__STOP = 19,       // the runtime is being stopped; `value` is the phase
    APUS__SPAWN = 20,      // the first message of a process: its argument
    APUS__REASON = 21,     // the first message of a process that must end: why
    APUS__CIRCLE = 22,     // goes from each process that waits in a call to the one it waits for (circle.h)
    APUS__HOLDER = 23      // in the list of held messages, for a short one, whose link points back here; its payload is a pointer to that
};

enum apus__message_flags {
    APUS__TAKEN = 1,    // apus_message_take: no drop (the number is in the public header)
    APUS__HELD = 2,     // in the process's list of held messages
    APUS__ANSWERED = 4, // a request that has had its reply
    APUS__COUNTED = 8,  // counts in the mailbox's bound
    APUS__SHORT = APUS_MESSAGE_SHORT,
    APUS__DEAD_LETTER = 32, // dropped by a mailbox policy before: not to be sent on again
    APUS__UNSENT = 64,      // made, not yet sent
    APUS__EXEMPT = 128      // a timer's: no bound of a mailbox is for it
};

// What is asked about where there is time for it.
enum apus__message_marks {
    APUS__FROM_STOP = 1 // an exit message from the stop of the runtime
};

_Static_assert(offsetof(apus_message, reserved1) + APUS__SHORT == sizeof(apus_message), "what a short one is short of");

// In `block`: the memory is the C library's, not a pool's. Replies that are handed to plain threads are made so, since a thread may
// keep one longer than the runtime lives. A ROOM is large enough for any reply by a line, and a thread keeps one for the next.
enum { APUS__BLOCK_ROOM = 253, APUS__BLOCK_MALLOC = 254 };

static inline bool apus__message_is_threads(const apus_message *message)
{
    return message->block == APUS__BLOCK_MALLOC || message->block == APUS__BLOCK_ROOM;
}

static inline apus_message *apus__message_next(const apus_message *message)
{
    return message->reserved0;
}

static inline void apus__message_set_next(apus_message *message, apus_message *next)
{
    message->reserved0 = next;
}

// Where the payload of a message with these flags lies. For who knows them: compilers do not foresee what they have just stored.
apus_inline char *apus__payload_at(apus_message *message, unsigned flags)
{
    return (char *)message + sizeof *message - (flags & APUS__SHORT);
}

// Sets size, flags, kind and block, and no marks. They are neighbours: one store for all.
apus_inline void apus__message_set_head_as(apus_message *message, uint32_t size, uint8_t flags, enum apus__kind kind, uint8_t block)
{
    _Static_assert(offsetof(apus_message, flags) == offsetof(apus_message, size) + 4, "neighbours");
    struct {
        uint32_t size;
        uint8_t flags, marks, kind, block;
    } head = {size, flags, 0, (uint8_t)kind, block};
    memcpy(&message->size, &head, sizeof head);
}

// The same with no flags.
apus_inline void apus__message_set_head(apus_message *message, uint32_t size, enum apus__kind kind, uint8_t block)
{
    apus__message_set_head_as(message, size, 0, kind, block);
}

// A block for `size` bytes of payload, with size, kind and flags set and the rest not; NULL if there is no memory.
apus_inline apus_message *apus__message_alloc(struct apus__owner *here, size_t size, enum apus__kind kind)
{
    unsigned class;
    apus_message *message = apus__heap_alloc_bytes(&here->heap, sizeof(apus_message) + size, &class);
    if (apus_unlikely(!message))
        return NULL;
    apus__message_set_head(message, (uint32_t)size, kind, (uint8_t)class);
    return message;
}

// As above for a signal that must not be lost; never fails.
apus_message *apus__message_alloc_certain(struct apus__owner *here, size_t size, enum apus__kind kind);

apus_inline void apus__message_free(struct apus__owner *here, apus_message *message)
{
    if (message->block == APUS__SEGMENT)
        apus__segment_free(here, message);
    else if (apus_likely(apus__heap_is_near(&here->heap, message->block)))
        apus__heap_put(&here->heap, message, message->block);
    else if (message->block == APUS__WIDE)
        apus__wide_free(here, message);
    else
        apus__heap_free_slow(&here->heap, message, message->block);
}

// The flags and the kind. Flags are one byte, and read as one: compilers set a flag in its byte alone, and a read of more than that would have
// to wait until the write has reached the cache.
apus_inline uint32_t apus__message_flags_and_kind(const apus_message *message)
{
    return message->flags | (uint32_t)message->kind << 16;
}

// Whether the message is an ordinary one, or a request that has been answered, with no other flag that asks for care.
apus_inline bool apus__message_is_done(const apus_message *message)
{
    uint32_t both = apus__message_flags_and_kind(message) & ~(uint32_t)APUS__SHORT;
    return both == 0 || both == (APUS__ANSWERED | (uint32_t)APUS__REQUEST << 16);
}

// The same for one whose payload has been moved out, so that it needs no drop.
apus_inline bool apus__message_is_moved(const apus_message *message)
{
    uint32_t both = apus__message_flags_and_kind(message) & ~(uint32_t)APUS__SHORT;
    return both == APUS__TAKEN || both == (APUS__TAKEN | APUS__ANSWERED | (uint32_t)APUS__REQUEST << 16);
}

// Whether the message is an ordinary one or a reply that a process holds by itself, with no flag that asks for care; taken or not.
apus_inline bool apus__message_is_received(const apus_message *message)
{
    uint32_t both = apus__message_flags_and_kind(message);
    _Static_assert(APUS__MESSAGE == 0 && APUS__REPLY == 2, "they differ in one bit");
    return (both & ~(uint32_t)(APUS__TAKEN | APUS__REPLY << 16)) == APUS__HELD;
}

// The same for the argument in a SPAWN message (spawn.c).
void apus__argument_drop(apus_message *spawn);

// Calls the type's drop, if the payload still owns something.
static inline void apus__payload_drop(apus_message *message)
{
    if (message->kind <= APUS__REPLY && message->type->drop && !(message->flags & APUS__TAKEN)) {
        uint32_t inside = apus__pin();
        message->type->drop(apus_message_payload(message), message->size, message->type);
        apus__unpin(inside);
    } else if (apus_unlikely(message->kind == APUS__SPAWN)) {
        apus__argument_drop(message);
    }
}

// Drops the payload and frees the message.
static inline void apus__message_drop(struct apus__owner *here, apus_message *message)
{
    apus__payload_drop(message);
    apus__message_free(here, message);
}

// A block of at least 64 bytes from the reserve, to be freed as one of 64: the rest of it is lost. Never fails.
void *apus__reserve_block(struct apus__owner *here);

// Fills the owner's reserve, as far as memory allows; called where there is time for it.
void apus__reserve_fill(struct apus__owner *here);
void apus__reserve_release(struct apus__owner *here);

#endif
