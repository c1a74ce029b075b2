// process/segment.h - segments: where the messages of a mailbox that grows lie side by side.
//
// Problem:    a mailbox is a list. If each message lies in a block of its own, a receiver that has fallen behind misses the cache for
//             each, one after the other, since only a message tells where the next one lies.
// Idea:       a small message from the receiver's own scheduler that finds two others waiting is built in place behind the last
//             one, in a segment: a block of eight lines, seven of them messages. The receiver reads forward through memory, and
//             the first message of a segment lets it ask for the whole next one ahead of time. The sender touches the cell and the
//             new line, nothing else. Taking a line is an addition, giving it back a count: less work than a block. Two messages
//             take less in blocks, and many processes have two and no more: the argument of the spawn and a first message.
//
//                 first -> [block] -> [block]      last -----------------------------v
//                                         \-> [left next | m1 | .. | m7] -> [left next | m1 | m2 | free ..]
//
// Line:       a segment is aligned to its size, so the address of a message tells its line and the segment. `block` of a message with
//             at most APUS__LINE_PAYLOAD bytes of payload, or APUS__SHORT_PAYLOAD if it is short (message.h), is APUS__SEGMENT there.
// Wide:       messages of two to four lines, up to APUS__WIDE_PAYLOAD bytes of payload, lie in segments of their own, twice as large:
//             all that one holds are of as many lines. `block` is APUS__WIDE. The third that waits opens one of these too.
// Invariants: I1 OPEN is set in a process's flags exactly while its last message lies in a segment whose later lines are free, and
//             OPEN_WIDE is not 0 exactly while it lies in such a wide one; never both, and the mailbox is not empty then.
//             I2 `left` is the number of messages not freed yet, less the number given out while the segment is open: opening and
//             appending do not touch it. So it is 0 only when a segment was closed and its last message is freed.  I3 all messages of
//             a segment are with one process: one that is sent on is copied (apus_send_message).
// Who:        whoever may touch the process's mailbox: its owner.
// Freed:      with its last message. A message that is kept keeps its segment.
// Dropped:    a pointer in each message to the one some places on: to write it, the sender misses the cache.
#ifndef APUS_PROCESS_SEGMENT_H
#define APUS_PROCESS_SEGMENT_H

#include "process/owner.h"

enum {
    APUS__SEGMENT = 0x80,    // in `block` of a message
    APUS__SEGMENT_BYTES = 512,
    APUS__SEGMENT_CLASS = 5,
    APUS__SEGMENT_LINES = APUS__SEGMENT_BYTES / APUS_CACHE_LINE,
    APUS__LINE_PAYLOAD = 16,  // bytes of payload that fit a line,
    APUS__SHORT_PAYLOAD = 32, // and of a short message's
    APUS__WIDE = 0x81,       // in `block`, as above
    APUS__WIDE_BYTES = 1024,
    APUS__WIDE_CLASS = 7,
    APUS__WIDE_LINES = APUS__WIDE_BYTES / APUS_CACHE_LINE,
    APUS__WIDE_MESSAGE_LINES = 4, // at most
    APUS__WIDE_PAYLOAD = APUS__WIDE_MESSAGE_LINES * APUS_CACHE_LINE - (int)sizeof(apus_message)
};

struct apus__segment {
    int32_t left;
    struct apus__segment *next; // opened when this one was full; only asked for ahead of time
};

_Static_assert(sizeof(apus_message) + APUS__LINE_PAYLOAD == APUS_CACHE_LINE, "a small message is a line");
_Static_assert(APUS__LINE_PAYLOAD + APUS_MESSAGE_SHORT == APUS__SHORT_PAYLOAD, "so is a short one");

static inline bool apus__in_segment(const apus_message *message)
{
    return message->block == APUS__SEGMENT || message->block == APUS__WIDE;
}

static inline struct apus__segment *apus__segment_of(const apus_message *message)
{
    return (struct apus__segment *)((uintptr_t)message & ~(uintptr_t)(APUS__SEGMENT_BYTES - 1));
}

static inline struct apus__segment *apus__wide_segment_of(const apus_message *message)
{
    return (struct apus__segment *)((uintptr_t)message & ~(uintptr_t)(APUS__WIDE_BYTES - 1));
}

// 1 ..= 7: which line of its segment the message is.
static inline unsigned apus__segment_line(const apus_message *message)
{
    return (unsigned)((uintptr_t)message / APUS_CACHE_LINE % APUS__SEGMENT_LINES);
}

// The same in a wide one, 1 ..= 15: its first.
static inline unsigned apus__wide_line(const apus_message *message)
{
    return (unsigned)((uintptr_t)message / APUS_CACHE_LINE % APUS__WIDE_LINES);
}

// How many lines a message takes that has so many bytes of payload.
static inline unsigned apus__lines(size_t size)
{
    return (unsigned)((sizeof(apus_message) + size + APUS_CACHE_LINE - 1) / APUS_CACHE_LINE);
}

// Gives back the line of a message.
apus_inline void apus__segment_free(struct apus__owner *here, apus_message *message)
{
    struct apus__segment *segment = apus__segment_of(message);
    apus__poison(message, APUS_CACHE_LINE);
    if (--segment->left == 0)
        apus__heap_free(&here->heap, segment, APUS__SEGMENT_CLASS);
}

// The first message of a segment is being handled: asks for the next segment, all lines at once.
apus_inline void apus__segment_prefetch(const apus_message *message)
{
    const char *next = (const char *)apus__segment_of(message)->next;
    for (unsigned line = 0; next && line < APUS__SEGMENT_LINES; line++)
        __builtin_prefetch(next + line * APUS_CACHE_LINE);
}

// Gives back the lines of a message in a wide segment, and asks for the message that lies in its place in the next segment.
void apus__wide_free(struct apus__owner *here, apus_message *message);

#endif
