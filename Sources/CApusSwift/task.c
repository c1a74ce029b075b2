// task.c - a task that waits without the runtime of tasks, and is run on by whoever has what it waits for.
//
// Problem:   the runtime suspends a task by marking it so, with locked instructions and a record for whom it depends on, and runs it on
//            as a job, with as many: 430 instructions for each wait. All of that is for a task that anybody may resume from anywhere; that
//            of an asynchronous process is resumed by its process only, which knows that it waits.
// Idea:      to wait is to leave, at a place, where the task goes on, and to return. What called the task sees that it has returned, as
//            after any suspension. To run it on is to put on the thread what belongs to the task (context.c) and to call the continuation.
//            For the runtime the task runs all the while; what it awaits elsewhere, and its end, the runtime sees to as ever, since it
//            finds the current task and its executor where it looks for them.
// Two ways:  what the task awaits elsewhere comes back as a job of the runtime's, which runs *in a job*: frames of the runtime lie below
//            it, and these keep addresses of thread-local variables, so that the stack must go on upon the same thread. A task that is run
//            on by apus_swift_task_resume() is *direct*: below it lies this file, which keeps none. It may set its stack aside.
// Layouts:   the task's record of its executor (ExecutorTrackingInfo in Actor.cpp), of which the executor comes first, and zero is right
//            for the rest: no task executor, no switching of executors on this thread, no record saved. That an executor comes first is
//            looked at for each process, in its first job (apus_swift_task_begin). And an asynchronous context (Task.h): the caller's
//            context and where it goes on.
// Exclusivity: accesses that the task has begun and not ended, an `inout` across a wait, go along, as with a stack that is set aside.
#include "context.h"

#include <assert.h>

struct swift_async_context {
    struct swift_async_context *parent;
    __attribute__((swiftasynccall)) void (*resume_parent)(__attribute__((swift_async_context)) struct swift_async_context *);
};

// More than the runtime's record, 64 bytes in 6.3.
struct executor_record {
    const void *executor[2];
    void *rest[14];
};

typedef __attribute__((swiftasynccall)) void (*resume_function)(__attribute__((swift_async_context)) void *);

bool apus_swift_task_begin(apus_swift_task *place)
{
    if (!apus_swift_learn_task())
        return false;
    const struct executor_record *record = *apus_swift_words()->executor;
    return record && record->executor[0] == place->executor[0] && record->executor[1] == place->executor[1];
}

// `nonisolated(nonsending) func (place) async` to Swift: the first two words are the actor that the caller is isolated to.
__attribute__((swiftasynccall)) void apus_swift_task_wait(void *actor, void *witness, apus_swift_task *place,
                                                          __attribute__((swift_async_context)) struct swift_async_context *context);
__attribute__((swiftasynccall)) void apus_swift_task_wait(void *actor, void *witness, apus_swift_task *place,
                                                          __attribute__((swift_async_context)) struct swift_async_context *context)
{
    (void)actor, (void)witness;
    struct apus_swift_words *here = apus_swift_words();
    place->task = *here->task;
    *here->task = NULL;
    place->resume = (const void *)(uintptr_t)context->resume_parent;
    place->context = context;
    apus_swift_accesses_leave(here, place->accesses);
}

// The async function pointer of it: the function, relative, and the size of the context that a caller allocates.
__asm__(".section .rodata\n"
        ".p2align 3\n"
        ".globl apus_swift_task_waitTu\n"
        "apus_swift_task_waitTu:\n"
        ".long apus_swift_task_wait - apus_swift_task_waitTu\n"
        ".long 16\n"
        ".text\n");

void apus_swift_task_resume(apus_swift_task *place)
{
    struct executor_record record = {.executor = {place->executor[0], place->executor[1]}};
    resume_function resume = (resume_function)(uintptr_t)place->resume;
    place->resume = NULL;
    place->is_direct = true;
    struct apus_swift_words *here = apus_swift_words();
    assert(!*here->executor && "a carrier is in no task outside of a process");
    *here->executor = &record;
    *here->task = place->task;
    apus_swift_accesses_enter(here, place->accesses);
    resume(place->context);
    // Wherever that has returned, the current task has been cleared: by a wait of its own, or by the runtime.
    *apus_swift_words()->executor = NULL;
    place->is_direct = false;
}
