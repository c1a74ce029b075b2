// scheduler/poller.h - readiness of descriptors: one thread in epoll_wait that turns events into messages.
//
// Idea:       the poller is a plain thread that sleeps in epoll_wait without a time limit, so it costs nothing while nothing is
//             ready; it is made at the first watch. Who watches a descriptor stands in an array indexed by the descriptor: its pid, or 0.
//             One shot: the poller takes the pid out by an exchange and sends.
// Who:        watch, unwatch: any thread.  start, stop: the thread that starts and stops the runtime.
// Ordering:   the array's words are only compared and exchanged by value; epoll_ctl and epoll_wait order everything else.
// Cost:       a system call for each watch, and a wake-up of the poller for each batch of events.
#ifndef APUS_SCHEDULER_POLLER_H
#define APUS_SCHEDULER_POLLER_H

#include "process/life.h"

// Lets the world watch descriptors by this file.
void apus__poller_init(void);

// Sends the io message. By a plain thread.
void apus__poller_tell(apus_pid pid, int fd, unsigned events);

// Ends the thread and frees everything; no process is left.
void apus__poller_stop(void);

#endif
