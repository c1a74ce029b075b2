// context.h - the thread-local words of Swift's runtime that belong to the code that runs (context.c), also for those who run a task
// themselves (task.c).
#ifndef APUS_SWIFT_CONTEXT_H
#define APUS_SWIFT_CONTEXT_H

#include "CApusSwift.h"

// Takes the accesses under way off the thread into `state`, two words that are zero, and puts them back.
extern __attribute__((swiftcall)) void swift_task_exitThreadLocalContext(char *state);
extern __attribute__((swiftcall)) void swift_task_enterThreadLocalContext(char *state);

// Where the calling thread's head of the accesses, its current task, the record of the executor it is on and the task-local values that
// are bound outside of a task lie. Asked for anew after whatever may go on upon another thread, and out of line, so that the compiler keeps
// no address over it.
struct apus_swift_words {
    void **accesses, **task, **executor, **locals;
};
__attribute__((noinline)) struct apus_swift_words *apus_swift_words(void);

// As the runtime's two functions, but without a call where there is nothing to take along.
static inline void apus_swift_accesses_leave(const struct apus_swift_words *here, void **state)
{
    state[0] = state[1] = NULL;
    if (*here->accesses)
        swift_task_exitThreadLocalContext((char *)state);
}

static inline void apus_swift_accesses_enter(const struct apus_swift_words *here, void **state)
{
    if (*here->accesses || state[0])
        swift_task_enterThreadLocalContext((char *)state);
}

#endif
