// scheduler/line.h - lines: how a plain thread that calls again and again asks a scheduler that is idle, without its inbox.
//
// Idea:       between two cores each cache line that changes hands costs as much as all the rest of a call. A push on the inbox
//             takes a line that the scheduler has just written, and leads it to a second one. So a thread keeps one block, the
//             line, in which it writes its request, and the scheduler the answer over it; and a scheduler that spins idle looks at the
//             requests of a few lines, those it attends to:
//
//                 thread:     request --asked = n--> . . . . . . . . spins on the answer's word --> reply
//                 scheduler:              sees asked > taken, takes it, and makes the process that does it --> answer, word
//
// Crossing:   request and answer lie in the same cache line, which goes there and back: with one for each, a call between cores far from
//             each other took a third longer. What a request mostly says as the last one did lies in another, which nobody writes then,
//             so that both keep it; and what only the scheduler writes in a third.
// The bell:   attention is a shortcut and never a promise. Who is not attended to, or has spun in vain, rings: pushes the line's
//             link on the inbox, and sleeps only then. So whatever holds for what lies in an inbox holds for a request: it wakes
//             who sleeps, it waits for at most a turn, a slot is rescued for it. A scheduler attends to lines that have rung, as
//             far as it has places and spins when it is idle, until it sleeps. It need not look at them once more before that.
// Invariants: I1 of a line at most one request is open: the next is asked after the answer, and one that its thread gives up is the
//             last.  I2 `asked` names the one scheduler that may take the request; it takes it once: a bell and a look both
//             compare with `taken`.  I3 the link is in at most one inbox: `rung` is set by who pushes and cleared by who has
//             received. While it is set the thread asks nobody but the scheduler that was rung.  I4 a request that was given up
//             before it was taken is found by the bell, which rang before its thread slept. A look may come upon it first, but then it
//             sees `rung`, or the thread might as well have given it up a moment later.
// Who:        ask, ring, attended: the thread, in a read section.  look, forget, the bell: who acts for the slot.
// Ordering:   `asked` is stored with release, and acquired by look. A thread that finds `rung` set has exchanged it for 1 after it
//             has asked, and the bell exchanges it for 0 before it looks: the latter acquires the former. The answer is ordered by
//             the errand's word (abi/errand.c), the pid of a spare cell with it. What the thread has sent before to the process it
//             calls lies in that cell's `remote` by the time its request is seen, and comes first (process/signal.h). `attends` is a
//             hint.
// Freed:      by the last that holds it: the thread, or from the moment it gives a request up, whoever disposes of that; a bell on
//             its way; a slot that attends.
// Progress:   ask and look are wait-free; ring is a push.
// Checked:    docs/internals/models/line.pml; Tests/C/abi/line_test.c.
#ifndef APUS_SCHEDULER_LINE_H
#define APUS_SCHEDULER_LINE_H

#include "scheduler/slot.h"

// Something a process does for a plain thread: the head of a block that holds all it needs (abi/errand.c).
struct apus__errand {
    void (*body)(struct apus__owner *here, struct apus__errand *errand); // stores `result`
    void (*dispose)(struct apus__errand *errand);                        // frees it, with what it holds
    struct apus__command command; // in the inbox of the scheduler that is to do it
    union {
        uint64_t asked;  // schedulers that had no cell for it,
        apus_pid caller; // or whom the one is reserved for that it is begun in
    };
    int result;                   // -ESHUTDOWN if the process was ended before it was done
    _Atomic uint32_t word;        // futex
};

enum { APUS__LINE_REQUEST = 80, APUS__LINE_REPLY = 80 }; // bytes of payload that a line has room for

// What an answer says.
enum apus__line_says {
    APUS__LINE_SAYS_NOTHING, // the process was ended before, or could not be made
    APUS__LINE_SAYS_RESULT,
    APUS__LINE_SAYS_REPLY,
    APUS__LINE_SAYS_WHERE // the reply is
};

enum { APUS__LINE_SLOTS = 1 << 16 };

struct apus__line {
    // What mostly stays as it is. Written by the thread, but for the last two.
    apus_cache_aligned apus_pid to;
    const apus_type *type;
    _Atomic uint32_t attends; // 1 + the scheduler that attends to the line; 0: none
    _Atomic uint32_t holders;
    // What the scheduler keeps for itself, and
    apus_cache_aligned _Atomic uint64_t taken; // the last `asked` it has seen to
    bool is_begun;                             // the payload of that has gone into a request
    _Atomic uint32_t rung;                     // by the thread, too
    void (*begin)(struct apus__owner *here, struct apus__line *line, bool has_rung);
    struct apus__errand errand; // from its `result` on the request, which the thread has written, and then the answer
    _Atomic uint64_t asked;     // number of the request * LINE_SLOTS + the scheduler that is to take it
    uint32_t timeout_ms;        // UINT32_MAX: none
    uint8_t size;               // of the payload, or of the reply
    bool wants_spare;           // a cell for the next caller
    uint8_t says;               // enum apus__line_says
    union {
        apus_pid caller; // whom a cell is reserved for that the process is begun in; nobody: any cell
        apus_pid spare;  // the cell that was reserved for the thread, in the answer to a caller
        apus_ref ref;    // in another: what it is the reply to
    };
    union {
        char request[APUS__LINE_REQUEST];
        struct {
            const apus_type *type;
            apus_pid from;
            char payload[APUS__LINE_REPLY];
        } reply;
        apus_message *where;
    };
    apus_cache_aligned struct apus__wait wait; // the scheduler's, while it is answered
};

_Static_assert(offsetof(struct apus__line, errand.result) == 2 * APUS_CACHE_LINE, "what crosses begins a cache line");
_Static_assert(offsetof(struct apus__line, request) == 3 * APUS_CACHE_LINE - 32, "the way back, a number, and which of some messages it is");
_Static_assert(offsetof(struct apus__line, reply.payload) == 3 * APUS_CACHE_LINE - 16, "two numbers");
_Static_assert(offsetof(struct apus__line, wait) == 4 * APUS_CACHE_LINE, "it is two");

// A line whose requests are begun by `begin`, which is told whether its thread may have given it up, and, if they were given up, disposed
// of by `dispose`; NULL if there is no memory. And the end of the hold that its thread has on it.
struct apus__line *apus__line_new(void (*begin)(struct apus__owner *here, struct apus__line *line, bool has_rung),
                                  void (*body)(struct apus__owner *here, struct apus__errand *errand),
                                  void (*dispose)(struct apus__errand *errand));
void apus__line_let_go(struct apus__line *line);

// Whether the scheduler of number `id` seems to look at the line. relaxed, all: by the thread, which alone writes `asked`; a hint.
static inline bool apus__line_is_attended(const struct apus__line *line, uint32_t id)
{
    return apus_load_relaxed(&line->attends) == id + 1 && apus_load_relaxed(&line->asked) % APUS__LINE_SLOTS == id;
}

// Asks what is in the request of the scheduler of number `id`. Its number is the next.
static inline void apus__line_ask(struct apus__line *line, uint32_t id)
{
    // release: the request. Pairs with line_is_due().
    apus_store_release(&line->asked, (apus_load_relaxed(&line->asked) / APUS__LINE_SLOTS + 1) * APUS__LINE_SLOTS + id);
}

// Tells the scheduler that was asked, by its inbox.
void apus__line_ring(struct apus__owner *here, struct apus__line *line);

// By who acts for the slot: begins a request that it finds at one of the lines it attends to; false if there is none. Attends to
// one of them, or to all, no more.
bool apus__lines_look(struct apus__slot *slot);
void apus__line_forget(struct apus__slot *slot, struct apus__line *line);
void apus__lines_forget(struct apus__slot *slot);

#endif
