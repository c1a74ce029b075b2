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

void apus__poller_init(void);

// Asks for one io message to `pid`. Errors: see apus_watch.
int apus__poller_watch(int fd, unsigned events, apus_pid pid);

// Ends the watch if it is `pid`'s.
void apus__poller_unwatch(int fd, apus_pid pid);

// Ends the thread and frees everything; no process is left.
void apus__poller_stop(void);

#endif
