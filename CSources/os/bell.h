// os/bell.h - what wakes the thread that waits for descriptors (scheduler/poller.h): an eventfd in its epoll set.
//
// Who:      open, close: one thread, while nobody rings. ring: any thread, also in a signal handler.
// Ordering: none is promised beyond the kernel's. A ring before the wait ends that wait at once: nothing is missed.
// Progress: ring never waits. Rings that nobody has heard yet count as one.
#ifndef APUS_OS_BELL_H
#define APUS_OS_BELL_H

// Returns the descriptor, to be waited for as EPOLLIN | EPOLLET: it is never read. Errors: -errno.
int apus__bell_open(void);
void apus__bell_close(void);
void apus__bell_ring(void);

#endif
