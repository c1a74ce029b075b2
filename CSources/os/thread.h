// os/thread.h - what a thread may ask of Linux about itself: where it runs, what it is called, and whether fork() has happened.
//
// The functions act on the calling thread, unless they take the kernel's number of one, and may be called by any thread.
#ifndef APUS_OS_THREAD_H
#define APUS_OS_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "os/topology.h"

// Restricts a thread to one CPU (the kernel's number); id 0: the calling one. Async-signal-safe. 0 or a negative errno.
int apus__thread_pin_cpu(uint32_t id, unsigned cpu);

// Restricts the calling thread to the CPUs that `topology` lists on a node. -EINVAL if it lists none there.
int apus__thread_pin_node(const struct apus__topology *topology, unsigned node);

// CPUs that a thread may use.
struct apus__cpus {
    _Alignas(8) unsigned char sets[1024]; // a bit for each CPU: 8,192, as many as Linux can be built for
};

// Those of the calling thread. 0 or a negative errno.
int apus__thread_cpus(struct apus__cpus *cpus);

// Lets the calling thread use those. Async-signal-safe. 0 or a negative errno.
int apus__thread_use(const struct apus__cpus *cpus);

// Names the calling thread for debuggers and top; the kernel keeps 15 bytes, the rest is cut off.
void apus__thread_name(const char *name);

// Gives a thread of this OS process a smaller share of its core, and its old one (*nice) back. 0 or a negative errno.
int apus__thread_lower(uint32_t id, int *nice);
int apus__thread_raise(uint32_t id, int nice);

// Whether what has been lowered may be raised again: by RLIMIT_NICE, or CAP_SYS_NICE.
bool apus__thread_may_set_nice(void);

// The CPU that the calling thread is on at this moment, the kernel's number; -1 if the kernel does not say. No system call.
int apus__thread_cpu(void);

// The kernel's number of the calling thread (gettid), unique in the machine while the thread lives; never 0.
uint32_t apus__thread_id(void);

// Arms the detection of fork(): after this, apus__process_is_fork() is true in every child forked without exec, and in their
// children. Arming again in such a child makes that child the original. `in_child` is called in each child, by the one thread that it
// has; NULL: nothing is. 0 or a negative errno (-ENOMEM).
int apus__fork_guard_arm(void (*in_child)(void));

// Is this OS process a fork child of the one that armed the guard? One load of a plain flag; safe in signal handlers.
bool apus__process_is_fork(void);

#endif
