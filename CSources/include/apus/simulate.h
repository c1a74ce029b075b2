/* apus/simulate.h - the simulator: the whole runtime on one thread, under a clock and an order of events that a seed chooses.
 *
 * For tests of what runs on Apus: supervision trees, protocols, time-outs. Thousands of runs take seconds, hours of virtual time pass at
 * once, each run can be disturbed, and one that fails is made short and can be had again exactly. The guide is
 * docs/guides/simulator.md, with an example; Examples/C/simulated_tree.c finds a real bug.
 *
 * The thread that calls is the driver. To the processes it is a plain thread: it may spawn, send, register, look things up and set
 * timers, but cannot wait (`apus_call`, `apus_join`, `apus_process_info`, `apus_supervisor_...`, a send into a full mailbox that blocks
 * its senders: -EDEADLK), since nobody else would run. What the processes do must depend on nothing but what Apus tells them: not on
 * the time of day, addresses, or threads of their own, else a run cannot be had again.
 *
 * Not simulated: races within one callback; threads; descriptors, which are ready when the driver says so. A crash in a process ends the
 * program, as it runs on the driver's thread. Not together with a runtime started by `apus_start`: -EALREADY. */
#ifndef APUS_SIMULATE_H
#define APUS_SIMULATE_H

#include <apus/base.h>
#include <apus/reason.h>
#include <apus/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Many runs -------------------------------------------------------------------------------------------------------------- */

/* What may go wrong in a run, beside the order of things. */
enum {
    APUS_DISTURB_KILL = 1,      /* a process gets the exit signal `kill` */
    APUS_DISTURB_FAULT = 2,     /* a process ends abnormally, as by a fault of its own, whether it traps exits or not */
    APUS_DISTURB_SLOW = 4,      /* a callback takes up to 4 s, and holds up its scheduler */
    APUS_DISTURB_FULL = 8,      /* a message to a mailbox with a bound finds it full */
    APUS_DISTURB_NO_MEMORY = 16 /* an allocation fails. Only with a library built with APUS_INJECT (make VARIANT=debug): else -ENOSYS */
};

/* When `check` is called. */
typedef enum apus_simulation_moment {
    APUS_SIMULATION_STEP = 0,  /* after each step: for what must always hold */
    APUS_SIMULATION_QUIET = 1, /* nothing can ever run again without the driver: for what must hold in the end */
    APUS_SIMULATION_OVER = 2   /* the time or the steps are used up, and nothing was disturbed in the second half: the same */
} apus_simulation_moment;

/* What is simulated. Zero every field you do not set. */
typedef struct apus_simulation {
    size_t struct_size;      /* sizeof(apus_simulation) */
    /* At the beginning of each run, by the driver: spawns what is to be tested, and resets what the program keeps of it outside. 0, or a
     * negative error, which ends the study. */
    int (*begin)(void *context);
    /* By the driver. NULL if all is well, else what is wrong, which fails the run; a static text, or one in `context`. May be NULL. */
    const char *(*check)(void *context, apus_simulation_moment moment);
    /* Whether a process may be killed or fail. `behaviour` is its name, "blocking" for a blocking process. NULL: any. */
    bool (*may_disturb)(void *context, apus_pid pid, const char *behaviour);
    /* A line of the trace, when a failing run is shown. NULL: none. */
    void (*trace)(void *context, const char *line);
    void *context;
    unsigned schedulers;       /* 0: from 1 to 4, as the seed says */
    unsigned disturb;          /* APUS_DISTURB_... */
    uint32_t disturbances_max; /* in one run; 0: 3 */
    uint64_t time_max_ms;      /* virtual, for one run; 0: one hour */
    uint64_t steps_max;        /* turns of processes, for one run; 0: 20,000 */
    uint32_t max_processes;    /* as in apus_options; 0: 1,024 */
    uint32_t max_timers;       /* 0: 1,024 */
    size_t stack_size;         /* 0: 64 KiB */
} apus_simulation;

enum { APUS_SIMULATION_TEXT_MAX = 2048 };

/* What came of it. */
typedef struct apus_simulation_result {
    size_t struct_size;  /* set it to sizeof(apus_simulation_result) before the call */
    uint64_t runs;       /* in all, those that made the failing one shorter included */
    uint64_t seed;       /* of the run that failed first; 0 if runs were not chosen by seeds */
    uint64_t steps;      /* of the last run: if one failed, of its shortest form */
    uint64_t deviations; /* choices of that run that are not the plain ones: turns of another scheduler, late arrivals, disturbances ... */
    bool is_complete;    /* apus_simulate_explore: no run within the bound is left out */
    char failure[256];   /* what was wrong; "" if nothing was */
    char choices[APUS_SIMULATION_TEXT_MAX]; /* the shortest form, for apus_simulate_replay; "" if it is too long: then by its seed */
} apus_simulation_result;

/* Runs the simulation with the seeds first, first + 1, ... until one fails or `count` have not. A run fails if `check` says so, if a
 * process does not end at the stop, or if a block of memory is left in use after it. A run that fails is then run again and again
 * with fewer deviations, as long as it fails in the same way, and last in its shortest form, with the trace.
 * Returns: 0 no run failed; 1 one has, and *result tells which; or an error.
 * Errors:  -EINVAL; -EALREADY a runtime is running; -ENOSYS; -EDEADLK from inside a process; what `begin` gave.
 * Cost:    about 50 us for each run, and 1 us for each step. */
APUS_API int apus_simulate(const apus_simulation *simulation, uint64_t first, uint64_t count, apus_simulation_result *result);

/* Runs it once, with the trace: by the choices of a result, or if `choices` is NULL, by the seed, not made shorter.
 * Returns: as apus_simulate. Errors: -EINVAL also if the choices are none. */
APUS_API int apus_simulate_replay(const apus_simulation *simulation, const char *choices, uint64_t seed,
                                  apus_simulation_result *result);

/* Goes through all runs that differ from the plain one in at most deviations_max places (which scheduler has the next turn, whether what
 * has been sent arrives before it, what is disturbed and when), fewest first, until one fails or runs_max have not. For small cases: the
 * number of runs grows with the power of the bound. `schedulers` must be given.
 * Source: Musuvathi and Qadeer, Iterative context bounding, 2007; Emmi, Qadeer and Rakamaric, Delay-bounded scheduling, 2011. */
APUS_API int apus_simulate_explore(const apus_simulation *simulation, uint32_t deviations_max, uint64_t runs_max,
                                   apus_simulation_result *result);

/* --- One run, step by step ----------------------------------------------------------------------------------------------------- */

/* Starts the runtime as a simulation. With `schedulers` 0, or without options, the seed chooses from 1 to 4; binding has no meaning. The
 * same seed and the same calls give the same run, pid by pid. Errors: as apus_start. */
APUS_API int apus_simulation_begin(const apus_options *options, uint64_t seed);

/* One turn of one scheduler. False if nothing can ever run again without a call of the driver: nothing is under way, no timer pends. */
APUS_API bool apus_simulation_step(void);

/* Up to steps_max steps. True if it came to the point where a step answers false. */
APUS_API bool apus_simulation_run(uint64_t steps_max);

/* As apus_simulation_run, but time does not jump to the next timer: true if nothing can run now. */
APUS_API bool apus_simulation_settle(uint64_t steps_max);

/* Lets time pass. What is due by then comes with the next steps. */
APUS_API void apus_simulation_pass(uint64_t milliseconds);

/* Says that a descriptor is ready (APUS_IO_...). Any number may be watched in a simulation. Returns 1 if a process waited for that and is
 * told, 0 if none did. */
APUS_API int apus_simulation_ready(int fd, unsigned events);

/* Stops the simulation as `apus_stop` stops a runtime: exit `shutdown` to the roots, then to all, then `kill`. Afterwards
 * `apus_runtime_info` gives the final counters. Errors: -ETIMEDOUT a process is still there: its callback neither waits nor returns;
 * -ESHUTDOWN there is no simulation. */
APUS_API int apus_simulation_end(void);

#ifdef __cplusplus
}
#endif

#endif
