// scheduler/runtime.h - the life of the runtime: start, stop, counters.
#ifndef APUS_SCHEDULER_RUNTIME_H
#define APUS_SCHEDULER_RUNTIME_H

#include "os/topology.h"
#include "scheduler/slot.h"

// As apus_start and apus_stop; the options have been checked. `on_errand_end` is for the world.
int apus__runtime_start(const apus_options *options, void (*on_errand_end)(struct apus__owner *here, struct apus_process *process));
int apus__runtime_stop(uint64_t timeout_ms);

// Makes the world without carriers, for the simulator and tests that step slots themselves; and takes it down when no process is left.
// A simulated one knows nothing of this machine, so that it is the same on all.
int apus__world_make(const apus_options *options, bool is_simulated);
void apus__world_unmake(void);

// Fills in the counters, in a call that has entered; or, where that failed with `error`, those of the run that was stopped last.
void apus__runtime_info(apus_runtime_info_t *info);
int apus__runtime_info_last(int error, apus_runtime_info_t *info);

// The topology of the running world, or NULL.
const struct apus__topology *apus__runtime_topology(void);

// Processes alive: exact when nothing runs.
uint64_t apus__live_processes(void);

// For those who stop the world: sends a signal to each process alive (nothing is sent if there is no memory; it is tried again), and
// says whether all that plain threads have spawned, or all processes, have ended.
void apus__signal_all(const struct apus__signal *signal);
bool apus__no_roots(void);
bool apus__no_processes(void);

// Calls `visit` for each process alive. Returns how many visits were made.
int64_t apus__each_live(bool (*visit)(apus_pid pid, void *context), void *context);

#endif
