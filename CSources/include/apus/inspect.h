/* apus/inspect.h - looking at what runs. */
#ifndef APUS_INSPECT_H
#define APUS_INSPECT_H

#include <apus/base.h>
#include <apus/process.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum apus_process_state {
    APUS_STATE_STARTING = 0, /* init has not returned */
    APUS_STATE_IDLE = 1,     /* waits for a message outside a callback */
    APUS_STATE_READY = 2,    /* has messages and waits for its turn */
    APUS_STATE_RUNNING = 3,  /* is in a callback */
    APUS_STATE_WAITING = 4   /* waits inside a callback */
} apus_process_state;

/* What is known of one process, as of the moment it answered. */
typedef struct apus_process_info_t {
    size_t struct_size;        /* set it to sizeof(apus_process_info_t) before the call */
    apus_pid pid;
    apus_pid parent;
    apus_process_state state;  /* at the moment the question reached it */
    apus_priority priority;
    bool traps_exits;
    unsigned scheduler;        /* that runs it, from 0 */
    int node;                  /* its NUMA node, from 0 */
    uint64_t messages;         /* waiting in its mailbox, those from the runtime (exit, down, timeout ...) included */
    uint64_t reductions;       /* messages handled so far */
    uint64_t dropped;          /* user messages dropped by the mailbox policy */
    uint64_t links;
    uint64_t monitors;         /* of others by it */
    uint64_t monitored_by;
    size_t memory;             /* bytes: block, state, arena, stack if it has one set aside; without waiting messages */
    const char *behaviour;     /* its name; static; "" if a thread is just spawning it */
    char name[128];            /* registered name, or "" */
    char label[64];            /* or "" */
} apus_process_info_t;

/* Asks a process about itself. The question is a signal like any other, so the answer is of one moment, and comes after all the
 * caller sent it before; a process in a long callback answers when it returns.
 * Errors: -ESRCH it has ended; -ETIMEDOUT; -EDEADLK never: a process may ask about itself.
 * OTP:    process_info/1. */
APUS_API int apus_process_info(apus_pid pid, uint64_t timeout_ms, apus_process_info_t *info);

/* Counters of the whole runtime since it was started. Read without stopping anything: each is exact for its own scheduler, the sum
 * is of no single moment. */
typedef struct apus_runtime_info_t {
    size_t struct_size;        /* set it to sizeof(apus_runtime_info_t) before the call */
    unsigned schedulers;
    unsigned nodes;
    uint64_t processes;        /* alive now */
    uint64_t spawned;          /* in all */
    uint64_t sent_local;       /* signals to a process of the same scheduler */
    uint64_t sent_remote;      /* signals to another scheduler */
    uint64_t handled;          /* messages handled */
    uint64_t slices;           /* turns given to processes */
    uint64_t shared;           /* processes given to another scheduler of the same node */
    uint64_t shared_far;       /* ... on another node */
    uint64_t parks;            /* times a scheduler went to sleep */
    uint64_t wakes;            /* times one was woken */
    uint64_t handoffs;         /* times a scheduler changed its carrier thread */
    uint64_t faults;           /* contained: processes ended by a fault of their own, each of which costs a thread */
    uint64_t rescues;          /* times a scheduler was taken from a process that stayed in its callback (`rescue_ms`) */
    uint64_t rescues_refused;  /* times that was due but not possible: `detached_max`, no memory, no thread */
    uint64_t detached;         /* threads now that have lost their scheduler and are in a callback still, or wait to have it again */
    uint64_t timers;           /* active now, and cancelled by others than their scheduler, which has not freed them yet */
    uint64_t frees_far;        /* blocks sent home to another node */
    uint64_t blocks_in_use;    /* blocks of messages, relations and states held now; 0 when nothing runs */
    uint64_t stacks_parked;    /* processes waiting inside a callback now */
    uint64_t stacks_unguarded; /* stacks made without a guard page, since vm.max_map_count leaves no more */
    size_t memory;             /* bytes taken from the system for pools, tables and stacks, touched or not */
} apus_runtime_info_t;

/* Fills `info`. After `apus_stop` it gives the final counters of that run, so that a test can see that nothing was left.
 * Errors: -ESHUTDOWN never started. Cost: O(schedulers). */
APUS_API int apus_runtime_info(apus_runtime_info_t *info);

/* Calls `visit` with the pid of each process that is alive, in no order; processes that start or end meanwhile may or may not be
 * seen. Stops when it returns false. Returns the number of visits, or a negative error. Cost: O(highest number of processes so far). */
APUS_API int64_t apus_each_process(bool (*visit)(apus_pid pid, void *context), void *context);

/* A CPU of the machine, as the runtime sees it. */
typedef struct apus_cpu_info {
    unsigned cpu;       /* the system's number */
    int node;           /* NUMA node */
    int package;        /* socket */
    int core;           /* physical core within the package */
    int cache;          /* number of the last-level cache it shares with others */
} apus_cpu_info;

/* The machine's topology as read at start (or now, if the runtime is not running).
 * cpus:    receives up to `capacity` allowed CPUs; may be NULL if capacity is 0.
 * quota:   receives the cgroup's CPU quota in CPUs, 0 if there is none; may be NULL.
 * Returns: how many CPUs are allowed, or a negative error. */
APUS_API int apus_topology(apus_cpu_info *cpus, size_t capacity, double *quota);

/* The distance between two NUMA nodes as the firmware tells it (10 to itself), or -EINVAL. */
APUS_API int apus_node_distance(int from, int to);

#ifdef __cplusplus
}
#endif

#endif
