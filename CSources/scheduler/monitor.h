// scheduler/monitor.h - the one thread that looks after the slots: it takes them from processes that stay in their callbacks (rescue.h)
// keeps spare carriers ready, and hands out reports (report.h).
//
// Idea:       while anything runs it looks at each slot now and then: a slot whose count of turns has not changed for the limit is in
//             one callback since then, and if others wait, that callback loses it. Nothing on the fast path reads a clock for this.
//             While all slots sleep it sleeps as well, and the first slot that wakes rings.
// Pace:       a tenth of the limit while somebody waits behind somebody, else half of the limit: so a slot is taken between one and
//             1.1 limits after the callback has begun, or half a limit after the first one waits.
// Who:        start and stop: the runtime. ring: any thread, signal handlers too.
#ifndef APUS_SCHEDULER_MONITOR_H
#define APUS_SCHEDULER_MONITOR_H

#include "scheduler/slot.h"

// `rescue_ms` is the limit, UINT32_MAX for none. Errors: -EAGAIN, -ENOMEM.
int apus__monitor_start(uint32_t rescue_ms, uint32_t detached_max);
void apus__monitor_stop(void);

// Wakes it.
void apus__monitor_ring(void);

// Has it make spare carriers.
void apus__monitor_want_spares(void);

// Whether it is there and is not the calling thread. Async-signal-safe.
bool apus__monitor_is_other(void);

#endif
