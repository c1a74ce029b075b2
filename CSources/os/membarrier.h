// os/membarrier.h - a full fence on every running thread of this OS process, paid for by the one that asks.
//
// Idea:     two sides of a store-then-load protocol each need a fence. If one side is hot and the other rare, the hot one uses a
//           compiler barrier only, and the rare one calls apus__membarrier_all(), which interrupts the CPUs that run our threads.
// Ordering: everything a thread did before the call's start on it is ordered before what it does after, as by a seq_cst fence; the
//           caller's own accesses are ordered in the same way. ThreadSanitizer does not see it: such protocols keep an ordered
//           variant for that build.
// Cost:     microseconds, growing with the number of CPUs that run our threads.
#ifndef APUS_OS_MEMBARRIER_H
#define APUS_OS_MEMBARRIER_H

// Announces to the kernel that this OS process will use the barrier. Once, before the first apus__membarrier_all(); again in a fork
// child. 0 or a negative errno: -ENOSYS where the kernel or a sandbox has no membarrier, and the caller must use fences instead.
int apus__membarrier_register(void);

// The barrier (PRIVATE_EXPEDITED). Aborts if it was not registered: a barrier that does not happen is silent corruption.
void apus__membarrier_all(void);

#endif
