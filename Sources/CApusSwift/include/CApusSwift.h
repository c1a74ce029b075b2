/* CApusSwift.h - the seam between the C core and Swift: trampolines from C callbacks to Swift closures, and tables of types.
 *
 * Idea:      a C callback cannot capture the generic parameters that a Swift handler is specialised for, but a Swift closure can. So
 *            each kind of process has a *program*: a behaviour whose callbacks are the trampolines below, followed by Swift closures
 *            as pairs of function and context. A trampoline loads its pair and jumps, with Swift's calling convention: no object, no
 *            reference count, one indirect call. A `handle` without a context needs no trampoline: without one, Swift's convention for
 *            words is C's, on the processors that Apus knows, and the core calls it itself.
 * State:     the first word of a process's state is its program; the Swift value follows.
 * Tables:    a message type's `apus_type`, and a server type's program, are found by the address of the type's metadata in an open
 *            hash table that only grows: two loads in the common case.
 * Ordering:  an entry's value is stored before its key, with release; a reader loads the key with acquire. Writers hold a lock.
 * Freed:     nothing here is ever freed: types and programs live as long as the OS process, as metadata does. */
#ifndef CAPUSSWIFT_H
#define CAPUSSWIFT_H

#include <apus/apus.h>

#pragma clang assume_nonnull begin

/* A Swift closure, as it lies in memory. */
typedef struct apus_swift_closure {
    const void *function;
    const void *_Nullable context;
} apus_swift_closure;

/* A kind of process. Made by Swift, once for each type, and never freed. */
typedef struct apus_swift_program {
    apus_behaviour behaviour;
    apus_type argument_type;        /* `context` is the program */
    const apus_type *message_type;  /* of a server's own messages; set by whoever makes the program of a server */
    size_t argument_offset;         /* of the value in the argument, whose first word is the program */
    apus_swift_closure start;       /* (self, state, value) -> result: moves the value into the state */
    apus_swift_closure handle;      /* (self, state, message) -> result */
    apus_swift_closure terminate;   /* (self, state, reason) */
    apus_swift_closure cleanup;     /* (self, state): destroys the value */
    apus_swift_closure discard;     /* (value): destroys a value that never became a state */
} apus_swift_program;

/* Whether the message is of the own type of the server with that state. */
static inline bool apus_swift_is_own(const void *state, const apus_message *message)
{
    return (*(const apus_swift_program *const *)state)->message_type == apus_message_type(message);
}

/* Fills in a program. `name` must live for ever. */
void apus_swift_program_make(apus_swift_program *program, const char *name, size_t state_size, size_t argument_offset,
                             apus_swift_closure start, apus_swift_closure handle, apus_swift_closure terminate,
                             apus_swift_closure cleanup, apus_swift_closure discard);

/* A message type whose drop is a Swift closure (payload). `destroy.function` NULL: it owns nothing. Both must live for ever. */
typedef struct apus_swift_type {
    apus_type type;
    apus_swift_closure destroy;
} apus_swift_type;
void apus_swift_type_make(apus_swift_type *type, const char *name, const apus_swift_closure *_Nullable destroy);

/* Whether values of the type of this metadata may be moved as bytes, and whether they own nothing. */
bool apus_swift_is_bitwise_takable(const void *metadata);
bool apus_swift_is_trivial(const void *metadata);

/* For `apus_receive`. Context: an apus_type. */
bool apus_swift_match_type(const apus_message *_Nullable message, void *_Nullable type);
/* Context: an apus_swift_closure (message) -> bool. */
bool apus_swift_match_closure(const apus_message *_Nullable message, void *_Nullable closure);
/* Everything the runtime itself makes: exits, downs, timeouts, started. */
bool apus_swift_match_system(const apus_message *_Nullable message, void *_Nullable unused);

/* The types of what the runtime makes: the address of a C global does not reach Swift as a constant. */
enum {
    APUS_SWIFT_EXIT,
    APUS_SWIFT_DOWN,
    APUS_SWIFT_TIMEOUT,
    APUS_SWIFT_IO,
    APUS_SWIFT_STARTED,
    APUS_SWIFT_SYSTEM
};
const apus_type *apus_swift_system_type(long which);

/* For a child's argument, [program][object]: retains the object. */
void apus_swift_keep(const void *_Nullable argument, size_t size);

/* Takes along what belongs to the code that runs when a stack is set aside (context.c). Called once, before there is a Swift process. */
void apus_swift_install_hooks(void);

/* The two hooks, for a thread that is in a task and runs processes all the same: what belongs to the task is off the thread between them.
 * APUS_HOOK_CONTEXT bytes, aligned to 16. */
void apus_swift_leave(void *context);
void apus_swift_enter(void *context);

/* Learns where the runtime keeps the current task; called inside one. Cheap once it is known. False: this runtime is not known. */
bool apus_swift_learn_task(void);

/* The task of an asynchronous process, which waits without the runtime of tasks (task.c). Zero but for `executor` at first. */
typedef struct apus_swift_task {
    const void *_Nullable resume;           /* where it goes on; NULL: it does not wait in apus_swift_task_wait() */
    void *_Nullable context;
    void *_Nullable task;                   /* NULL: there is none */
    const void *_Nullable executor[2];      /* of the process, as an unowned reference lies in memory */
    void *_Nullable accesses[2];
    bool is_direct;                         /* it has been run on by apus_swift_task_resume(), which has not returned */
} apus_swift_task;

/* Memory for a task, and behind it `bytes`, at least an apus_swift_task, aligned to 16, for what its process and it know of each other: these
 * are returned. Ends the program if there is no memory, as Swift does. */
void *apus_swift_task_allocate(size_t bytes);

/* Makes a task in that memory whose body is `run()` of the process's actor, which is its executor and is retained until the task ends. False:
 * this Swift runtime is not known, and nothing has been made. */
bool apus_swift_task_make(apus_swift_task *place);

/* The process is done with the memory. It is freed as soon as the task has ended, too. */
void apus_swift_task_let_go(apus_swift_task *place);

/* Runs the first job of the task, in its process. */
void apus_swift_task_start(apus_swift_task *place);

/* Cancels the task, as Swift's Task does. It must not have ended. */
void apus_swift_task_cancel(apus_swift_task *place);

/* In the first job: whether this Swift runtime is known, so that the task may wait at `place`. */
bool apus_swift_task_begin(apus_swift_task *place);

/* Runs the waiting task on, until it waits again, awaits something else, or ends. In its process only, outside of any task. */
void apus_swift_task_resume(apus_swift_task *place);

/* A small number for the calling thread, given in turn. */
unsigned apus_swift_thread_number(void);

/* The body of a blocking process. The argument is a program and a value, as in `start`, which runs as the body. */
void apus_swift_body(apus_process *_Nullable self, void *_Nullable argument);

/* A table of what is known by the metadata of a type. */
enum { APUS_SWIFT_TABLE_SIZE = 8192 };
typedef struct apus_swift_entry {
    const void *_Nullable key;
    void *_Nullable value;
} apus_swift_entry;
extern apus_swift_entry apus_swift_types[APUS_SWIFT_TABLE_SIZE];
extern apus_swift_entry apus_swift_programs[APUS_SWIFT_TABLE_SIZE];

/* Where the search for a key begins: its first place, whose offset in bytes is had without a multiplication of its own. */
static inline const apus_swift_entry *apus_swift_first_place(const apus_swift_entry *entries, const void *metadata)
{
    uint32_t mixed = (uint32_t)((uintptr_t)metadata >> 4) * 0x9e3779b1u;
    return (const apus_swift_entry *)((const char *)entries + (mixed >> 15 & (APUS_SWIFT_TABLE_SIZE - 1) * sizeof *entries));
}

/* The entry of a key that is not at its first place; NULL: there is none. */
void *_Nullable apus_swift_find_further(const apus_swift_entry *entries, const void *metadata);

static inline void *_Nullable apus_swift_find_in(const apus_swift_entry *entries, const void *metadata)
{
    const apus_swift_entry *first = apus_swift_first_place(entries, metadata);
    /* acquire: the value. Pairs with the release in table_add(). */
    if (__builtin_expect(__atomic_load_n(&first->key, __ATOMIC_ACQUIRE) != metadata, 0))
        return apus_swift_find_further(entries, metadata);
    if (!first->value)
        __builtin_unreachable();
    return first->value;
}

/* The apus_type of a Swift type; NULL until it has been added. */
static inline const apus_type *_Nullable apus_swift_find_type(const void *metadata)
{
    return (const apus_type *)apus_swift_find_in(apus_swift_types, metadata);
}

static inline const apus_swift_program *_Nullable apus_swift_find_program(const void *metadata)
{
    return (const apus_swift_program *)apus_swift_find_in(apus_swift_programs, metadata);
}

/* Adds an entry unless there is one; returns the value that is there afterwards. Ends the program with a clear word if the table is
 * full: 8,000 kinds of message or process. */
const apus_type *apus_swift_add_type(const void *metadata, const apus_type *type);
const apus_swift_program *apus_swift_add_program(const void *metadata, const apus_swift_program *program);

/* A function-like macro does not reach Swift. */
static inline uint64_t apus_swift_infinity(void)
{
    return APUS_INFINITY;
}

static inline void *apus_swift_payload(const apus_message *message)
{
    return apus_message_payload(message);
}

/* Says that the payload's content is moved out, and where it is. It has `size` bytes, or as many more as a struct of C is padded with: where
 * that is known when this is compiled, it is known of most sizes that the envelope is not a short one. */
static inline void *apus_swift_take(apus_message *message, size_t size)
{
    bool may_be_short = size > 16 && size <= 32;
    void *payload = may_be_short ? apus_message_payload(message) : (void *)(message + 1);
    apus_message_take(message);
    return payload;
}

#pragma clang assume_nonnull end

#endif
