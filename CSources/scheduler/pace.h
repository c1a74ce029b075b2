// scheduler/pace.h - what kind of work a slot has, guessed from its counters at every look at the clock: how long turns take, and
// whether its processes are better off together on one slot than side by side on two.
//
// Why:        a message to another slot costs ten times one that stays: a compare-and-swap on a line that both write, a line that
//             crosses over, a block that goes home. Work that is mostly messages is done sooner by one slot than by all, unless it
//             falls into groups that keep to themselves, or its messages cost so much that all at once are quicker all the same.
// Together:   either the last turns of the slot were full of cheap messages (bulk), or, over some windows, many of its messages
//             went to others although processes had the time to move to those they talk to. Then the slot shares nothing out, and a
//             process that hears from another slot goes there: down at once, by the slots' numbers, up to one that many talk to
//             (signal_follow_bulk). The first ends by itself, when turns are no longer like that. The second ends after a while, since those who
//             are together show nothing: longer each time it is found again. With the processes it goes on to the slots that they
//             go to, or one would share out what the other sends back; all others share as before.
// Who:        the slot's carrier, but for the two hints that others pass on: relaxed, and a lost update delays.
#ifndef APUS_SCHEDULER_PACE_H
#define APUS_SCHEDULER_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "process/owner.h"

// A turn that takes longer is worth to be done by another slot, if there are not so many signals in it that they are cheap.
enum { APUS__TURN_IS_LONG_NS = 5000 };

// How long it may have taken the slot to do what it has done, and was cheap: up to 200 ns for each signal that was sent or handled, and one
// for each byte of fresh memory in large blocks. What takes no longer is better left to one slot.
uint64_t apus__pace_cheap_ns(const struct apus__owner *here);

// The same with what it has spawned, for who looks at a turn that goes on.
uint64_t apus__pace_busy_ns(const struct apus__owner *here);

// A slot that sends to others more often talks with them most of the time.
enum { APUS__APART_NS = 3000 };

struct apus__pace {
    bool turns_were_short;     // at the last look
    uint64_t looked_slices;    // turns given by then,
    uint64_t looked_remote;    // signals sent to others,
    uint64_t looked_spawned;   // and processes spawned
    uint64_t window_began_ns;  // when the present window began,
    uint64_t window_ns;        // the same and the time asleep or idle since,
    uint64_t window_slices;    // and of then: turns given,
    uint64_t window_sent;      // signals sent,
    uint64_t window_remote;    // of them to others,
    uint64_t window_signals;   // signals sent and messages handled,
    uint64_t window_cheap_ns;  // and apus__pace_cheap_ns()
    uint32_t apart;            // windows in a row in which many went to others
    _Atomic uint64_t together_until_ns; // when the slot's processes may be shared out again,
    _Atomic uint64_t together_ns;       // after having stayed together for so long
};

// Looks at what was done since the last look, `took_ns` ago without the time asleep or idle. Sets the owner's in_bulk and turns_are_short.
void apus__pace_look(struct apus__pace *pace, struct apus__owner *here, uint64_t now_ns, uint64_t took_ns);

// The slot has slept, or had nothing to do: that does not count.
static inline void apus__pace_slept(struct apus__pace *pace, uint64_t slept_ns)
{
    pace->window_ns += slept_ns;
}

// A process goes from one slot to another because it is better off there: what is together here stays together there as well.
void apus__pace_pass_on(const struct apus__pace *pace, struct apus__pace *other);

#endif
