// scheduler/simulate.h - the simulator: the whole runtime on one thread, under a clock and an order of events that a seed chooses.
//
// Idea:       everything a slot shares with others passes through its inbox and the cells' `remote` stacks, and is looked at between
//             two turns only. So a run of N slots on N cores is equal to some order of their turns on one thread, and a random order
//             of turns is a random interleaving: a signal that is pushed stays under way for as long as its slot is not chosen. The
//             seed chooses which slot has the next turn, how many messages it may handle in it, how long it takes, and whether an idle
//             slot falls asleep, so that others share their work with it. When nothing can run, the clock jumps to the next timer.
// Use:        apus__simulation_begin(&options, seed), spawn, apus__simulation_run(steps), look at things, apus__simulation_end(). The
//             same seed and the same calls give the same run, pid by pid, on any machine, whose place a plain one of one node takes;
//             give it a `sysfs_root` for another.
// Who:        one thread, the driver, from begin to end. To the processes it is a plain thread of the program: it may spawn, send,
//             register, look things up. It must not wait: apus_call, apus_join and apus_process_info from the driver would wait for
//             turns that nobody takes, and so would a send into a full mailbox that blocks its senders. Processes may do what they
//             always do.
// Choices:    everything the simulator leaves to chance is one sequence of numbers (choice.h), so a run can also be given, made shorter
//             and varied in one place.
// Descriptors are not looked at: the driver says when one is ready.
// Not seen:   races within a turn, which are ThreadSanitizer's.
// Progress:   a step ends when the process that has its turn returns from its callback or waits.
#ifndef APUS_SCHEDULER_SIMULATE_H
#define APUS_SCHEDULER_SIMULATE_H

#include "scheduler/choice.h"

#include <apus/apus.h>

// Starts the runtime as a simulation. With `schedulers` 0, or without options, the seed chooses from 1 to 4 slots; binding has no
// meaning. Errors: as apus_start.
int apus__simulation_begin(const apus_options *options, uint64_t seed);

// The same with choices of the caller's, which stay its own. Random ones must have been seeded.
int apus__simulation_begin_with(const apus_options *options, struct apus__choices *choices);

// One turn of one slot. False if no process can ever run again without a call from outside: nothing is under way, no timer pends.
bool apus__simulation_step(void);

// Up to max_steps steps. True if it came to the point where a step answers false.
bool apus__simulation_run(uint64_t max_steps);

// As apus__simulation_run, but time does not jump: true if nothing can run now. And lets time pass, before the next step.
bool apus__simulation_settle(uint64_t max_steps);
void apus__simulation_pass(uint64_t milliseconds);

// Says that a descriptor is ready. Returns 1 if somebody watches it for these events, and is told; else 0.
int apus__simulation_ready(int fd, unsigned events);

// What can go wrong besides. Ends a process as a failure of its own would, whether it traps exits or not. Lets the slot that had the
// last turn stay in it for a while, as a callback that takes long would; returns for how many milliseconds. Lets the next message to a
// bounded mailbox find it full.
void apus__simulation_end_process(apus_pid pid, const apus_reason *reason);
uint64_t apus__simulation_hold(void);
void apus__simulation_fill(void);

// The slot that had the last turn.
uint32_t apus__simulation_last_slot(void);

// Stops the simulation as apus_stop stops a runtime, in as many steps as it takes: exit `shutdown` to the roots, then to all, then
// `kill`. Afterwards apus_runtime_info gives the final counters. Errors: -ETIMEDOUT a process is still there after the kill, which
// means a callback that never waits nor returns; -ESHUTDOWN there is no simulation.
int apus__simulation_end(void);

#endif
