// process/circle.h - calls that wait for each other in a circle: A calls B, and B, before it has answered, calls A.
//
// Problem:    nobody in a circle can go on before a time limit ends it, if there is one. Whom a process waits for is known to its owner
//             only, so that the circle is to be seen nowhere as a whole.
// Idea:       the wait that closes a circle is that of a request which arrives at a process that waits in a call itself. There, and so
//             at no cost for a call that finds its server free, the owner sets itself a look, due when the clock has moved on: if the
//             process waits still, a *round* is sent to the one it waits for, and goes on from each to whom that one waits for. It ends
//             where somebody waits for nobody. If it comes back to where it began, it goes round once more, and compares.
//
//                 A --calls--> B --calls--> C --calls--> A        the round A, B, C comes to A again: a circle
//
// Which waits: those in `apus_call`, for a process that has the request and cannot have answered it: it lies in its mailbox, or it is
//             what the callback was given that now waits, or is kept, or was the last one a blocking body took. A request that was put
//             by for later, by a callback that has returned, is not known to be that process's to answer: the round ends there.
// Told:       one of the circle, always the same one whoever finds it: of those whose request lies unread, which called last, the one
//             with the highest pid. Its call returns -ELOOP, and so the others get their answers.
// Never:      a round that finds each wait twice, the same one by its reference, has found that all of them waited at one moment: when
//             it came back for the first time. So no circle is told of that never was. What Apus cannot know is that a process handed
//             the way to reply to another one, and waits in the same callback: to it that is a wait like any other.
// Cost:       the first look is due in the next tick, others up to APUS__CIRCLE_LATE ticks later, by when most such waits are over. A round
//             searches mailboxes for requests: no new one begins while an owner has searched more than APUS__CIRCLE_LOOKS messages for
//             each tick, and a thousand besides.
// Missed:     circles of more than APUS__CIRCLE_MAX, and requests behind APUS__CIRCLE_DEPTH others in a mailbox.
// Who:        the owner of the process a round has come to. Rounds are signals, in order with all others (signal.h).
// Source:     Chandy, Misra, Haas, Distributed Deadlock Detection, 1983: the probes of the single-resource model.
#ifndef APUS_PROCESS_CIRCLE_H
#define APUS_PROCESS_CIRCLE_H

#include "process/signal.h"

enum { APUS__CIRCLE_MAX = 16, APUS__CIRCLE_DEPTH = 1000, APUS__CIRCLE_LATE = 64, APUS__CIRCLE_LOOKS = 128 };

// A request has arrived at a process of ours that waits in a call: sees to it that somebody looks.
void apus__circle_suspect(struct apus__owner *here, struct apus_process *process);

// The look is due; it is out of the wheel.
void apus__circle_look(struct apus__owner *here, struct apus__wait *wait);

// A round has come to a process of ours. Takes the message.
void apus__circle_arrive(struct apus__owner *here, struct apus_process *process, apus_message *round);

#endif
