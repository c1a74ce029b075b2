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
// Memory:    a task of the runtime's is 320 bytes, and a slab of 1,024 for the contexts of what it calls. The runtime takes both from the
//            memory that the option "run inline" of swift_task_create() names (TaskOptions.h), and gives what is left of it out as the first
//            slab; larger ones follow when it is used up. A task that has lost its last reference is freed by free(3): so a block of malloc's
//            that begins with the task goes with it. Its process holds a reference too, for what lies behind the task in the block. Such a
//            task ends without giving its own reference and its closure's back; that is done here, after it has ended. That the
//            runtime has taken the block is looked at for each task; one that does not is not known.
// Exclusivity: accesses that the task has begun and not ended, an `inout` across a wait, go along, as with a stack that is set aside.
#include "context.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

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

// --- The task's beginning and its end -------------------------------------------------------------------------------------------

struct async_function {
    int32_t function; // relative
    uint32_t context_size;
};

// `ProcessActor.run()` in Swift, of which `self` comes where a closure's context does.
extern const struct async_function apus_swift_task_bodyTu;

struct run_inline {
    size_t kind;
    void *next;
    void *block;
    size_t bytes;
};

struct task_and_context {
    void *task;
    struct swift_async_context *context;
};

extern __attribute__((swiftcall)) struct task_and_context swift_task_create(size_t flags, struct run_inline *options, const void *result_type,
                                                                            const struct async_function *function, const void *context);
extern __attribute__((swiftcall)) void swift_job_run(void *job, const void *executor, const void *executor_witness);
extern __attribute__((swiftcall)) void swift_task_cancel(void *task);
extern void *swift_retain(const void *object);
extern void swift_release(const void *object);

// Bytes of a block before what is the process's: the task in 6.3, with what lies before its first context; that context; and the slab, which
// is enough for a body that receives (270 to 450).
static size_t task_bytes(void)
{
    enum { HEAD = 240, SLAB = 512, ALIGNMENT = 16 };
    return (HEAD + apus_swift_task_bodyTu.context_size + SLAB + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void *apus_swift_task_allocate(size_t bytes)
{
    char *block = malloc(task_bytes() + bytes);
    if (!block) {
        fputs("Apus: no memory for an asynchronous process\n", stderr);
        abort();
    }
    return block + task_bytes();
}

static void *block_of(apus_swift_task *place)
{
    return (char *)place - task_bytes();
}

typedef __attribute__((swiftasynccall)) void (*complete_function)(__attribute__((swift_async_context)) struct swift_async_context *);

// What the runtime does at the end of such a task; the same for all. relaxed, where it is stored and loaded: whoever runs a task has had it
// from who made it, by way of the process.
static complete_function runtime_complete;

static __attribute__((swiftasynccall)) void task_complete(__attribute__((swift_async_context)) struct swift_async_context *context)
{
    void *task = *apus_swift_words()->task;
    const apus_swift_task *place = (const void *)((char *)task + task_bytes());
    const void *actor = place->executor[0];
    __atomic_load_n(&runtime_complete, __ATOMIC_RELAXED)(context);
    swift_release(actor);
    swift_release(task);
}

bool apus_swift_task_make(apus_swift_task *place)
{
    enum { RUN_INLINE = 255 }; // TaskOptionRecordKind in MetadataValues.h
    char *block = block_of(place);
    struct run_inline options = {RUN_INLINE, NULL, block, task_bytes()};
    struct task_and_context made = swift_task_create(0, &options, NULL, &apus_swift_task_bodyTu, place->executor[0]);
    if (made.task != block) {
        swift_release(made.task);
        return false;
    }
    __atomic_store_n(&runtime_complete, (complete_function)made.context->resume_parent, __ATOMIC_RELAXED);
    made.context->resume_parent = task_complete;
    swift_retain(place->executor[0]);
    place->task = swift_retain(made.task);
    return true;
}

void apus_swift_task_let_go(apus_swift_task *place)
{
    if (place->task)
        swift_release(place->task);
    else
        free(block_of(place));
}

void apus_swift_task_start(apus_swift_task *place)
{
    swift_job_run(place->task, place->executor[0], place->executor[1]);
}

void apus_swift_task_cancel(apus_swift_task *place)
{
    swift_task_cancel(place->task);
}

// --- Waiting --------------------------------------------------------------------------------------------------------------------

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
