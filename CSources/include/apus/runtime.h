/* apus/runtime.h - starting and stopping the runtime, one per OS process. */
#ifndef APUS_RUNTIME_H
#define APUS_RUNTIME_H

#include <apus/base.h>
#include <apus/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the threads that carry the schedulers may run. A thread made by pthread_create() in a callback, or a child made by fork(),
 * may all the same use the CPUs that the program could when the runtime was started; what posix_spawn(), system() or popen() start
 * there has those of its scheduler, as Linux has it: start it from a thread made for that. */
typedef enum apus_binding {
    APUS_BIND_AUTO = 0,  /* cores, unless the cgroup's CPU quota is smaller than the set of allowed CPUs: then none */
    APUS_BIND_CORES = 1, /* one scheduler, one CPU */
    APUS_BIND_NODES = 2, /* each scheduler on the CPUs of one NUMA node */
    APUS_BIND_NONE = 3   /* wherever the system puts them */
} apus_binding;

/* In `rescue_ms`: no process loses its scheduler. */
#define APUS_RESCUE_OFF UINT32_MAX

/* What becomes of a fault (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, abort) in the code of a process. docs/guides/faults.md. */
typedef enum apus_fault_mode {
    APUS_FAULTS_CONTAIN = 0, /* it ends the process where that is safe, else the program, after a report */
    APUS_FAULTS_REPORT = 1,  /* it ends the program, after a report */
    APUS_FAULTS_IGNORE = 2   /* Apus installs no handlers */
} apus_fault_mode;

/* In `faults_per_minute` and `faults_in_all`: none is contained. */
#define APUS_FAULTS_NONE UINT32_MAX

/* What the log is told. */
typedef enum apus_log_kind {
    APUS_LOG_CRASH = 1,  /* a process had a fault, which has ended it */
    APUS_LOG_FATAL = 2,  /* a fault ends the program when the call returns */
    APUS_LOG_RESCUE = 3, /* a process stayed in its callback and has lost its scheduler to others */
    APUS_LOG_WARNING = 4 /* something the program should be told, once */
} apus_log_kind;

/* An entry for the log; everything it points to lives until the call returns. */
typedef struct apus_log {
    size_t struct_size;
    apus_log_kind kind;
    apus_pid pid;        /* or nobody */
    apus_reason reason;  /* of a crash */
    const char *text;    /* for people: a line, or for crashes many, with a line feed at the end */
    const char *json;    /* the same for machines: one object on one line */
} apus_log;

/* Options for `apus_start`. Zero every field you do not set (`apus_options o = {.struct_size = sizeof o};`): zero is the default. */
typedef struct apus_options {
    size_t struct_size;           /* sizeof(apus_options) */
    unsigned schedulers;          /* 0: one for each CPU allowed, fewer under a cgroup v2 CPU quota; at most 1024 */
    apus_binding binding;         /* where they run */
    uint32_t max_processes;       /* there is room for so many at once and for what each scheduler sets aside, rounded up to a power
                                   * of two; 0: 4,194,304 in all; at most 2^27. Costs address space only. A scheduler keeps the places
                                   * that it has had: there is less room if most are spawned on one first and on another later */
    uint32_t max_timers;          /* likewise, but that no scheduler keeps more than a few places */
    uint32_t reductions;          /* messages a process may handle before others of its priority get a turn, or fewer if
                                   * they take over 1 ms in all; 0: 65,536 */
    size_t stack_size;            /* bytes of a stack for a process that waits inside a callback; 0: 256 KiB; at least 16 KiB */
    uint32_t rescue_ms;           /* a process that stays in a callback for longer loses its scheduler to the others that wait there,
                                   * and goes on beside them on its own thread; 0: 10; APUS_RESCUE_OFF: never,
                                   * which it is also where the system has no membarrier(2) */
    uint32_t detached_max;        /* such threads at once, beyond which a process keeps its scheduler; 0: 256; at most 4096 */
    apus_fault_mode faults;
    bool faults_with_locks;       /* contain a fault also if its thread holds a pthread mutex, which then stays locked for good */
    uint32_t faults_per_minute;   /* faults contained in any minute, each of which costs a thread; 0: 100; APUS_FAULTS_NONE */
    uint32_t faults_in_all;       /* in this run; 0: 1000; APUS_FAULTS_NONE; at most 100,000 */
    /* Called on a thread of the runtime's own, one entry at a time; it may call Apus as any plain thread may, but must not wait for the
     * runtime to stop. NULL: crashes, fatal faults and warnings are written to standard error. */
    void (*log)(const apus_log *entry, void *context);
    void *log_context;
    const char *sysfs_root;       /* where to read the machine's topology; NULL: "/sys" (tests point it elsewhere) */
    const char *cgroup_root;      /* where to read the CPU quota; NULL: "/sys/fs/cgroup" */
} apus_options;

/* Starts the runtime.
 * options:   NULL for the defaults.
 * Threads:   one caller at a time wins; a second gets -EALREADY. Not from inside a process (-EDEADLK).
 * Errors:    -EALREADY it is running, or being stopped; -EINVAL an option is out of range; -ENOMEM; -EAGAIN a thread could not be
 *            made; -ECHILD. On error nothing runs and nothing is held.
 * Cost:      milliseconds: it reads the topology and makes one thread for each scheduler.
 * OTP:       starting the emulator; `schedulers` is +S, `binding` is +sbt. */
APUS_API int apus_start(const apus_options *options);

/* Stops the runtime and gives back what it holds: exit `shutdown` to every process that was spawned by a plain thread and has no
 * parent, then, as they end, to all others that are left, and `kill` to what remains at the time-out. Returns when the last
 * process has ended and every thread of the runtime is gone. Then `apus_start` may be called again.
 * timeout_ms: how long processes may take to end by themselves; 0 kills at once; APUS_INFINITY waits for the slowest.
 * Threads:   any plain thread; from inside a process it is refused. While it runs, calls from other plain threads that would make
 *            something new fail with -ESHUTDOWN; calls that are waiting return -ESHUTDOWN. It waits for threads that are in the
 *            middle of a call, whatever the time-out.
 * Errors:    -EDEADLK called from inside a process; -ESHUTDOWN not running, or being stopped by another thread; -ETIMEDOUT a
 *            process is inside a callback that has not returned 5 s after the kill: the runtime stays half stopped, call again.
 * OTP:       init:stop/0. */
APUS_API int apus_stop(uint64_t timeout_ms);

/* Whether `apus_start` has returned and `apus_stop` has not been called since. A snapshot. */
APUS_API bool apus_is_running(void);

/* Milliseconds on the runtime's clock: monotonic, with an arbitrary start; virtual under the simulator.
 * OTP: erlang:monotonic_time(millisecond). */
APUS_API uint64_t apus_now_ms(void);

#ifdef __cplusplus
}
#endif

#endif
