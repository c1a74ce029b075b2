// process/system.h - the subscriber of system events, and telling it.
//
// Who:  set: any thread. tell: any thread that has an owner; it sends a message and nothing else. Reading a limit: anybody.
#ifndef APUS_PROCESS_SYSTEM_H
#define APUS_PROCESS_SYSTEM_H

#include "process/signal.h"

// Set as a whole by one caller at a time; relaxed throughout: an event about the time of a change may go by the old or the new ones.
struct apus__system {
    _Atomic uint64_t subscriber;
    _Atomic uint32_t limits[APUS_SYSTEM_MANY_RESTARTS + 1]; // by event; 0: not wanted
};

extern struct apus__system apus__system;

static inline uint32_t apus__system_limit(apus_system_event event)
{
    return apus_load_relaxed(&apus__system.limits[event]);
}

void apus__system_set(apus_pid subscriber, const apus_system_limits *limits);
// Tells the subscriber, if there is one.
void apus__system_tell(struct apus__owner *here, apus_system_event event, apus_pid pid, uint64_t value);

// Looks whether the process's mailbox is a long one, and tells once. By its owner.
void apus__system_look_at_mailbox(struct apus__owner *here, struct apus_process *process);

#endif
