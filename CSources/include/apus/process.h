/* apus/process.h - processes: spawning, their callbacks, waiting, ending. */
#ifndef APUS_PROCESS_H
#define APUS_PROCESS_H

#include <apus/base.h>
#include <apus/message.h>
#include <apus/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a callback returns: one of these, or a negative number, which ends the process with an error reason of that code. */
enum {
    APUS_OK = 0,     /* go on */
    APUS_DONE = 1,   /* end, with reason normal */
    APUS_IGNORE = 2, /* from `init` only: do not start after all; ends normal, and a supervisor keeps the spec without a pid */
    APUS_EXITED = 3  /* what `apus_exit` returns, to be returned on: end with the reason given there */
};

/* How processes of one kind behave. Kept by address: make it `static const`.
 * The callbacks run one at a time, to completion, on the scheduler's thread; any of them may wait (`apus_receive`, `apus_call`,
 * `apus_sleep`), which sets its stack aside and takes no other message meanwhile. A child that one makes by fork() has no runtime:
 * every call gives -ECHILD there, and a callback that returns there aborts the child. */
typedef struct apus_behaviour {
    const char *name;     /* for tools and reports; must not be NULL */
    size_t state_size;    /* bytes of state, zeroed, 16-aligned, on the process's NUMA node; up to 48 cost no extra memory */
    /* First callback, in the new process. `argument` is its own copy of what was given to spawn, or NULL if that was 0 bytes; it
     * lives until init returns. NULL: nothing to do. */
    int (*init)(apus_process *self, void *state, const void *argument);
    /* Called for each message, in order. The message is borrowed until the callback returns; `apus_message_keep` keeps it.
     * NULL: messages are dropped unread. */
    int (*handle)(apus_process *self, void *state, apus_message *message);
    /* Called once before the process ends, if init succeeded, when it ends of its own accord (APUS_DONE, an error, `apus_exit`),
     * or when it traps exits and its parent told it to end. Not called when a signal ends it. NULL: nothing to do. */
    void (*terminate)(apus_process *self, void *state, const apus_reason *reason);
    /* Called once, last, for what the state owns, however the process ends, by a signal too, if init was called. It may send, but not
     * wait: a wait fails with -EPERM. Left out for a process that lost its stack in a wait (APUS_SPAWN_UNWIND avoids that) or had a
     * fault: nobody knows then what its state is. NULL: nothing to do. */
    void (*cleanup)(apus_process *self, void *state);
} apus_behaviour;

/* Priorities as in Erlang: `max` and `high` run before everything below them; of `normal` and `low`, a low process gets every
 * eighth turn, so it never starves. */
typedef enum apus_priority {
    APUS_PRIORITY_NORMAL = 0,
    APUS_PRIORITY_LOW = 1,
    APUS_PRIORITY_HIGH = 2,
    APUS_PRIORITY_MAX = 3
} apus_priority;

/* What a bounded mailbox does with a user message that does not fit. Signals (exit, down, replies, timers, I/O) always fit. */
typedef enum apus_mailbox_policy {
    APUS_MAILBOX_FAIL = 0,        /* the send fails with -ENOBUFS */
    APUS_MAILBOX_DROP_NEWEST = 1, /* the new message is dropped, and counted */
    APUS_MAILBOX_DROP_OLDEST = 2, /* the oldest waiting user message is dropped, and counted */
    APUS_MAILBOX_BLOCK = 3        /* a sending process or plain thread waits; a process that cannot wait gets -ENOBUFS, and
                                   * so does who sends a message larger than the whole bound */
} apus_mailbox_policy;

enum {
    APUS_SPAWN_LINK = 1,       /* link with the spawning process, atomically */
    APUS_SPAWN_MONITOR = 2,    /* monitor it from the spawning process, atomically; the reference goes to `*monitor` */
    APUS_SPAWN_TRAP_EXITS = 4, /* the new process traps exits from its first moment */
    APUS_SPAWN_ACK = 8,        /* send the spawning process one `apus_type_started` message when init has ended, however */
    /* When a signal ends the process in a wait, the wait returns instead of the stack being dropped, so that what the stack owns is
     * released by those who own it: `apus_receive` gives NULL, everything else -ECANCELED, and so does each later wait. For everybody
     * else the process is dead already. It ends when its callback returns; after 100 such waits it loses its stack all the same. One
     * that is ended while its callback has lost its scheduler has all its calls refused so, but `apus_self`; up to 1000 of them. */
    APUS_SPAWN_UNWIND = 16,
    /* A callback that has lost its scheduler (apus_options.rescue_ms, apus_blocking_begin) goes on with it on the thread it stayed on,
     * not on the scheduler's next one: for code that keeps the addresses of thread-local variables over calls of Apus, as the runtime
     * of Swift's tasks does. Costs a switch of threads when it is back. A wait in the middle of such a callback (apus_receive, ...) still
     * goes on on whichever thread the scheduler has then. */
    APUS_SPAWN_KEEP_THREAD = 32
};

/* Options for spawning. Zero every field you do not set; zero is the default. */
typedef struct apus_spawn_options {
    size_t struct_size;       /* sizeof(apus_spawn_options) */
    unsigned flags;           /* APUS_SPAWN_... */
    apus_priority priority;
    apus_ref *monitor;        /* where APUS_SPAWN_MONITOR puts the reference */
    const char *name;         /* register under this name, atomically */
    const char *label;        /* for tools and reports; copied, at most 63 bytes */
    apus_pid near;            /* run on the NUMA node of this process and stay there; APUS_NOBODY: near the spawner */
    int node;                 /* run on NUMA node number `node` - 1 and stay there; 0: anywhere */
    uint32_t mailbox_messages; /* bound of the mailbox in user messages; 0: none */
    size_t mailbox_bytes;     /* bound of the mailbox in bytes of user payload; 0: none */
    apus_mailbox_policy mailbox_policy;
    apus_pid dead_letters;    /* the process that gets the messages dropped by the policy; APUS_NOBODY: they are only counted */
    size_t arena_limit;       /* bytes `apus_alloc` may take in all; 0: no limit. Over it the process ends with `killed` */
    /* The type of the argument if it owns something, else NULL. Once the spawn has succeeded its `drop` is called when init (or the
     * body of a blocking process) has returned, or if the process is ended before; not after `apus_argument_take`. */
    const apus_type *argument_type;
} apus_spawn_options;

/* Starts a process. Returns at once; `init` runs later, in the new process.
 * argument:  `size` bytes are copied for init; NULL if size is 0.
 * options:   NULL for the defaults.
 * pid:       receives the pid; may be NULL.
 * Order:     the pid can be sent to, linked and monitored at once; what is sent waits until init has run.
 * Errors:    -EAGAIN the limit of processes is reached, or there is no memory for more cells; to a plain thread also if every
 *            scheduler is inside a callback that does not return; -EEXIST `name` is taken; -EPERM a link, monitor or ack was asked
 *            for by a plain thread; -ESHUTDOWN also while the runtime is being stopped.
 * Cost:      one 192-byte block. Inside a process no locked instruction, and one when it ends; from a plain thread, or for another
 *            node, some for the hand-over.
 * OTP:       erlang:spawn_opt/4, proc_lib:start_link with APUS_SPAWN_ACK. */
APUS_API int apus_spawn(const apus_behaviour *behaviour, const void *argument, size_t size, const apus_spawn_options *options,
                        apus_pid *pid);

/* Starts a process that is one straight-line body with a stack of its own; it takes messages with `apus_receive`. When `body`
 * returns the process ends normal; `apus_exit` inside it sets another reason for when it returns.
 * argument:  the process's own copy, alive until body returns; NULL if size is 0.
 * Errors:    as `apus_spawn`.
 * Cost:      as `apus_spawn`; while it waits, its stack: one or two touched pages.
 * OTP:       erlang:spawn/1. */
APUS_API int apus_spawn_blocking(void (*body)(apus_process *self, void *argument), const void *argument, size_t size,
                                 const apus_spawn_options *options, apus_pid *pid);

/* Says, in init or in the body of a blocking process, that the argument's content has been moved out: `drop` will not be called for
 * it. Does nothing elsewhere. */
APUS_API void apus_argument_take(apus_process *self);

/* The process that is calling, or NULL on a plain thread. */
APUS_API apus_process *apus_self(void);

/* The pid of a process seen from inside. */
APUS_API apus_pid apus_pid_of(const apus_process *self);

/* The process (or NOBODY) that spawned `self`. */
APUS_API apus_pid apus_parent_of(const apus_process *self);

/* Whether the process exists and has not begun to end. After this caller's `kill` to it, the answer is no.
 * OTP: erlang:is_process_alive/1. */
APUS_API bool apus_is_alive(apus_pid pid);

/* Ends the calling process after this callback (or, in a blocking process, after its body) returns: `return apus_exit(self, reason);`
 * Returns: APUS_EXITED. A second call replaces the reason. Without memory it ends as if a signal had told it to: with the reason,
 *          but `terminate` is not called.
 * OTP:     erlang:exit/1. */
APUS_API int apus_exit(apus_process *self, apus_reason reason);

/* Sends an exit signal: `normal` does nothing to another process that does not trap exits; `kill` cannot be trapped and becomes
 * `killed`; anything else ends a process that does not trap, with that reason; one that traps gets an `apus_type_exit` message.
 * Errors: -ESRCH, as advice.
 * OTP:    erlang:exit/2. */
APUS_API int apus_exit_signal(apus_pid to, apus_reason reason);

/* Turns trapping of exit signals on or off for the calling process. Messages already queued stay. OTP: process_flag(trap_exit, _). */
APUS_API int apus_trap_exits(apus_process *self, bool on);

/* Changes the calling process's priority from its next turn on. OTP: process_flag(priority, _). */
APUS_API int apus_set_priority(apus_process *self, apus_priority priority);

/* Changes the calling process's label (copied, at most 63 bytes; NULL takes it away). OTP: proc_lib:set_label/1. */
APUS_API int apus_set_label(apus_process *self, const char *label);

/* Picks messages: called for each waiting message in order until it returns true. Must not call Apus. */
typedef bool(apus_match)(const apus_message *message, void *context);

/* Waits for a message that matches and takes it out of the mailbox; the others stay, in order.
 * match:      NULL takes the first one.
 * timeout_ms: 0 looks through what is there and does not wait.
 * Returns:    the message, now the caller's (`apus_message_release` it); NULL after the time-out, if self is not the caller, or if there
 *             is no memory for a stack to go on with while it waits, or for what holds the message, which then stays in the mailbox.
 * Order:      oldest match first. While it waits the process takes no other message, but signals still act on it: a signal that
 *             ends the process ends it here, its stack is dropped and nothing after the wait runs, unless APUS_SPAWN_UNWIND was asked
 *             for: then it returns NULL.
 * Cost:       if it must wait, its stack is set aside until a message comes. Skipped messages are looked at once for each call.
 * OTP:        receive ... after. */
APUS_API apus_message *apus_receive(apus_process *self, apus_match *match, void *context, uint64_t timeout_ms);

/* Waits, taking no message. OTP: timer:sleep/1. */
APUS_API int apus_sleep(apus_process *self, uint64_t milliseconds);

/* Lets others of its priority run, then goes on. OTP: erlang:yield/0. */
APUS_API int apus_yield(apus_process *self);

/* Around code that is known to block in the system (a read from a disk, a library that waits): the others of its scheduler go on at once,
 * instead of after `rescue_ms`, and the process on its own thread. Calls of Apus in between work, and give the process back to its
 * scheduler as `apus_blocking_end` does. If there is no thread to spare, or `detached_max` are blocked already, nothing happens.
 * Returns: APUS_OK.
 * Cost:   begin and end: a few microseconds together; the end waits for the process's turn.
 * OTP:    a dirty NIF. */
APUS_API int apus_blocking_begin(apus_process *self);
APUS_API int apus_blocking_end(apus_process *self);

/* Memory that lives as long as the process, freed whole when it ends, however it ends; 16-aligned, not zeroed, on its node.
 * Returns NULL if size is 0, or there is no memory; over the arena limit the process is killed and NULL returned. */
APUS_API void *apus_alloc(apus_process *self, size_t size);

/* Gives the memory that an idle process does not need back to the pools; the mailbox stays. Returns APUS_OK, so that a handler may
 * `return apus_hibernate(self);`. OTP: erlang:hibernate/3. */
APUS_API int apus_hibernate(apus_process *self);

/* Waits in a plain thread until a process has ended.
 * reason:    receives why it ended, without text; may be NULL. `noproc` if it was gone before the call.
 * Errors:    -ETIMEDOUT it is still there; -EPERM called by a process, which monitors instead; -ESHUTDOWN the runtime was stopped.
 * OTP:       a monitor and a receive. */
APUS_API int apus_join(apus_pid pid, uint64_t timeout_ms, apus_reason *reason);

/* A process has started (or not), as asked for with APUS_SPAWN_ACK. The payload is an `apus_started`. */
APUS_API extern const apus_type apus_type_started;
typedef struct apus_started {
    apus_pid pid;
    int status;         /* APUS_OK, APUS_IGNORE, or a negative error: init failed, or the process was ended before init did */
    apus_reason reason; /* if status < 0, why it ended */
} apus_started;

#ifdef __cplusplus
}
#endif

#endif
