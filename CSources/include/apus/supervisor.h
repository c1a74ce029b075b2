/* apus/supervisor.h - supervisors: processes that start, watch and restart others. Built on the rest of this ABI only. */
#ifndef APUS_SUPERVISOR_H
#define APUS_SUPERVISOR_H

#include <apus/base.h>
#include <apus/process.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What to do with the siblings when a child has failed. */
typedef enum apus_strategy {
    APUS_ONE_FOR_ONE = 0,  /* nothing: restart the failed one */
    APUS_ONE_FOR_ALL = 1,  /* stop all others, then start all */
    APUS_REST_FOR_ONE = 2, /* stop the later ones, then start it and them */
    APUS_DYNAMIC = 3       /* children by template, added and removed at any time; one_for_one, stopped concurrently */
} apus_strategy;

typedef enum apus_restart {
    APUS_PERMANENT = 0, /* always restarted */
    APUS_TRANSIENT = 1, /* restarted after an abnormal end: anything but normal, shutdown and shutdown(x) */
    APUS_TEMPORARY = 2  /* never restarted; its spec goes when it ends */
} apus_restart;

typedef enum apus_child_kind {
    APUS_WORKER = 0,
    APUS_SUPERVISOR = 1
} apus_child_kind;

typedef enum apus_auto_shutdown {
    APUS_AUTO_SHUTDOWN_NEVER = 0,
    APUS_AUTO_SHUTDOWN_ANY_SIGNIFICANT = 1,
    APUS_AUTO_SHUTDOWN_ALL_SIGNIFICANT = 2
} apus_auto_shutdown;

/* How a child is stopped: a time in milliseconds, or one of these. */
#define APUS_SHUTDOWN_DEFAULT 0                 /* 5000 ms for a worker, APUS_INFINITY for a supervisor */
#define APUS_SHUTDOWN_BRUTAL_KILL (UINT64_MAX - 1) /* kill at once */

/* A delay before each restart, beyond OTP. All zero: none. */
typedef struct apus_backoff {
    uint64_t initial_ms; /* before the first restart */
    double factor;       /* times this for each further one; 0 means 2 */
    uint64_t maximum_ms; /* never more; 0 means 60,000 */
    double jitter;       /* 0..1: that share of each delay is random */
    uint64_t reset_ms;   /* a child that has run this long starts again at initial_ms; 0 means 60,000 */
} apus_backoff;

/* A child. Give one of `behaviour`, `body`, `supervisor` or `start`. Everything is copied when the spec is taken, and the copy of
 * `argument` used for every restart; behaviours and functions are kept by address. */
typedef struct apus_child_spec {
    size_t struct_size;                  /* sizeof(apus_child_spec) */
    const char *id;                      /* unique in its supervisor; copied; may be NULL in a dynamic supervisor */
    const apus_behaviour *behaviour;     /* a callback process ... */
    void (*body)(apus_process *self, void *argument); /* ... or a blocking one ... */
    const struct apus_supervisor_spec *supervisor;    /* ... or a supervisor, whose spec must stay valid ... */
    int (*start)(apus_process *supervisor, const void *argument, apus_pid *pid);
                                         /* ... or your own: spawn, linked, in the supervisor's process; 0, APUS_IGNORE or an error */
    const void *argument;                /* copied */
    size_t argument_size;
    /* For an argument that owns something: called with the copy when a supervisor is started with the spec, when the supervisor takes it,
     * and once for each start. Each call is paid back by the `drop` of options->argument_type, or by init that takes the argument
     * (`apus_argument_take`). On a scheduler's thread, or that of who starts the supervisor; must not wait or call
     * Apus. A supervisor that is killed while it waits does not come to its own drops. */
    void (*keep)(const void *argument, size_t size);
    const apus_spawn_options *options;   /* copied; LINK and ACK are added; no MONITOR */
    apus_restart restart;
    apus_child_kind kind;                /* APUS_SUPERVISOR is implied by `supervisor` */
    bool significant;
    uint64_t shutdown_ms;                /* or APUS_SHUTDOWN_... */
    uint64_t start_timeout_ms;           /* how long init may take before it is killed; 0: APUS_INFINITY */
    apus_backoff backoff;
} apus_child_spec;

/* A supervisor. */
typedef struct apus_supervisor_spec {
    size_t struct_size;                  /* sizeof(apus_supervisor_spec) */
    const char *name;                    /* registered name, or NULL */
    apus_strategy strategy;
    bool intensity_is_set;               /* false: the default intensity, 1 */
    uint32_t intensity;                  /* restarts allowed within `period_ms`; 0: the first failure ends the supervisor */
    uint64_t period_ms;                  /* 0: the default, 5000 */
    apus_auto_shutdown auto_shutdown;
    uint64_t stop_budget_ms;             /* beyond OTP: total time for stopping all children, then kill; 0: none. Holds for the
                                          * stops of one_for_all and rest_for_one too, not for terminate_child */
    uint32_t max_children;               /* dynamic only; 0: no limit; counts those being restarted */
    const apus_child_spec *children;     /* started in order; for a dynamic supervisor the one template, or none */
    size_t child_count;
} apus_supervisor_spec;

/* Starts a supervisor and its children, in order, and returns when all have started.
 * parent:    the calling process, which is linked with it and whose end ends it; NULL from a plain thread.
 * Errors:    what the first child that failed gave (-ETIMEDOUT for an init that took too long, -EPROTO for an error that is no errno,
 *            -ECANCELED for another end); the siblings started before it are stopped in reverse. -EEXIST the name, or an id, is taken; -EINVAL a spec is wrong: `significant` with permanent, or
 *            without auto_shutdown; no or several ways to start; duplicate or missing ids. The text of the failure goes to
 *            `apus_supervisor_last_error`.
 * OTP:       supervisor:start_link/3. */
APUS_API int apus_supervisor_start(apus_process *parent, const apus_supervisor_spec *spec, apus_pid *pid);

/* What the last `apus_supervisor_...` call of this thread or process that failed had to say, as "child \"db\": error -5 (Input/output
 * error): no disk".
 * Valid until the thread's next call. "" if there is nothing. */
APUS_API const char *apus_supervisor_last_error(void);

/* Why a start failed, if that is what that call failed with: of `apus_supervisor_start` why the supervisor ended, which is the error of
 * the child that failed with a text that names it; else why the child ended.
 * reason:  its text is valid until the thread's next call; may be NULL.
 * Returns: whether there is one; if not, `*reason` is unchanged.
 * OTP:     the Reason of {error, Reason}. */
APUS_API bool apus_supervisor_last_reason(apus_reason *reason);

/* Stops a supervisor: exit `shutdown` from its parent's hand, and waits until it has ended. A parent that calls this is unlinked from
 * it first, and so gets no exit signal.
 * Errors: -ETIMEDOUT; -ESRCH. */
APUS_API int apus_supervisor_stop(apus_pid supervisor, uint64_t timeout_ms);

/* The functions below ask the supervisor and wait for its answer, from a process or a plain thread.
 * Common errors: -ESRCH there is no such supervisor; -ENOENT no child has that id; -ECONNABORTED it ended meanwhile. */

/* Adds a child and starts it. In a dynamic supervisor with a template, spec may be NULL; else its argument takes the place of the
 * template's for this child, and the rest is taken from the template where zero.
 * Errors: -EALREADY the id is there and runs: *child is its pid; -EEXIST the id is there and stopped; -ENOSPC max_children; what
 *         init gave. If init answered APUS_IGNORE: 0, and *child is APUS_NOBODY.
 * OTP:    supervisor:start_child/2. */
APUS_API int apus_supervisor_start_child(apus_pid supervisor, const apus_child_spec *spec, apus_pid *child);

/* Stops a child, and keeps its spec (of a temporary one, drops it). Does not count as a restart. OTP: terminate_child/2. */
APUS_API int apus_supervisor_terminate_child(apus_pid supervisor, const char *id);

/* Stops a child of a dynamic supervisor by pid, and drops it. Returns 0 also if the process has ended already; -ENOENT if it runs and
 * is no child. */
APUS_API int apus_supervisor_terminate_pid(apus_pid supervisor, apus_pid child);

/* Starts a stopped child again. Errors: -EALREADY it runs; -EINPROGRESS it is waiting for its restart. OTP: restart_child/2. */
APUS_API int apus_supervisor_restart_child(apus_pid supervisor, const char *id, apus_pid *child);

/* Forgets a stopped child. Errors: -EBUSY it runs, or is being restarted. OTP: delete_child/2. */
APUS_API int apus_supervisor_delete_child(apus_pid supervisor, const char *id);

typedef struct apus_child_info {
    char id[64];            /* cut off if longer */
    apus_pid pid;           /* APUS_NOBODY if it does not run */
    apus_child_kind kind;
    apus_restart restart;
    bool restarting;        /* waits for its restart */
    uint64_t restarts;      /* so far */
} apus_child_info;

/* Lists the children, in start order. `children` receives up to `capacity`; returns how many there are, or an error. */
APUS_API int64_t apus_supervisor_which_children(apus_pid supervisor, apus_child_info *children, size_t capacity);

typedef struct apus_child_counts {
    uint64_t specs;
    uint64_t active;
    uint64_t supervisors;
    uint64_t workers;
} apus_child_counts;

/* Counts the children. OTP: count_children/1. */
APUS_API int apus_supervisor_count_children(apus_pid supervisor, apus_child_counts *counts);

#ifdef __cplusplus
}
#endif

#endif
