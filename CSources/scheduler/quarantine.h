// scheduler/quarantine.h - a fault in a process ends that process: its thread is put aside for good, and its slot goes on.
//
// Idea:       the handler of the fault's signal looks whether the fault may be contained (the six rules of docs/guides/faults.md). If so
//             it gives the slot to a spare carrier and never returns: the thread, with its stack and all that languages keep for it, stays
//             as it is and runs no code of the program again. The next carrier, before anything else, ends the process with the reason
//             of the fault. If not, the report is printed, the handlers that were there before are put back, and the fault happens again.
//
//                 process: fault -> handler: judge, note, hand over, sleep for ever
//                                            next carrier: end the process, report, loop
//
// Invariants: I1 a slot whose carrier has had a fault names the fault in `slot->fault` until its next carrier has ended the process.
//             I2 the fault itself lies on the handler's stack, which stays for good.  I3 a fault inside the runtime ends the program:
//             nobody knows then what state the slot is in.
// Detached:   a process that has lost its slot to rescue has no slot to hand over; its fiber goes back with the fault, as it would
//             after a return (rescue.h).
// Out of spares: the slot waits in `slot->fault` without a carrier, and the monitor, which is rung, makes one.
// Who:        the handler: any thread of the program. start, stop: the runtime. slot_crashed: the next carrier.
// Ordering:   `slot->fault` and all before it are released by the assignment of the spare (carrier.h), or by the push of the fiber.
// Progress:   the handler waits for at most one decision of the monitor.
// Dropped:    siglongjmp out of the handler: the thread's accesses and executor tracking of Swift stayed the dead process's. Unwinding:
//             Swift frames have no landing pads.
#ifndef APUS_SCHEDULER_QUARANTINE_H
#define APUS_SCHEDULER_QUARANTINE_H

#include "os/fault.h"
#include "scheduler/slot.h"

// Installs the handlers as the options say; puts back those that were there. Errors: as sigaction(2).
int apus__quarantine_start(const apus_options *options);
void apus__quarantine_stop(void);

// How many threads may be put aside in this run, for those who need room for them.
uint32_t apus__quarantine_most(const apus_options *options);

// By a carrier that has been given a slot whose `fault` is set: ends the process that had it.
void apus__slot_crashed(struct apus__slot *slot);

// Faults contained since the start.
uint64_t apus__quarantine_count(void);

#endif
