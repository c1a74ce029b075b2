// context.h - the thread-local words of Swift's runtime of tasks, for those who run a task themselves (task.c).
#ifndef APUS_SWIFT_CONTEXT_H
#define APUS_SWIFT_CONTEXT_H

#include "CApusSwift.h"

// Takes the accesses under way off the thread into `state`, two words that are zero, and puts them back.
extern __attribute__((swiftcall)) void swift_task_exitThreadLocalContext(char *state);
extern __attribute__((swiftcall)) void swift_task_enterThreadLocalContext(char *state);

// Where the calling thread's current task and the record of the executor it is on lie, once that is known (apus_swift_learn_task). Asked
// for anew after whatever may go on upon another thread, and out of line, so that the compiler keeps no address over it.
struct apus_swift_words {
    void **task, **executor;
};
__attribute__((noinline)) struct apus_swift_words apus_swift_words(void);

#endif
