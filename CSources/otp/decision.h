// otp/decision.h - what a supervisor decides: an event in, one action out. Pure: no threads, no clock, no call of Apus.
//
// Idea:       the shell (supervisor.c) gives an event, performs the action that comes back, and gives the action's outcome as the
//             next event, until the action is WAIT; then the supervisor has nothing to do before something happens outside. So a
//             restart of one_for_one is DOWN -> START, STARTED -> WAIT, and stopping a child is SHUTDOWN, DONE -> AWAIT, DOWN ->
//             ...
// Plan:       between WAITs the supervisor carries out one plan: stop the children of a range in reverse (unless there are none to
//             stop), then do what the stop was for (the goal): start a range in order, arm a timer, answer, or end. While it does,
//             the ends of other children are only noted; they are dealt with one after the other when the plan is done.
//
//             phase      waits for                 actions that lead here
//             IDLE       an event from outside     WAIT
//             SIGNALLING DONE                      SHUTDOWN, KILL
//             AWAITING   DOWN or DEADLINE          AWAIT
//             STARTING   STARTED, IGNORED, FAILED  START
//             ARMING     DONE                      ARM
//             REPLYING   DONE                      REPLY
//             ENDED      nothing                   END
//
// Restarts:   each failure counts, of a running child as of a try to start it again (R47), at the moment it happens; one too many
//             and all children are stopped and the supervisor ends (R43). A try that failed is repeated through a timer of at least
//             0 ms, so that requests get in between; with a backoff every restart waits for its timer, and the siblings that share
//             the child's fate are stopped before the wait.
// Who:        the supervisor's process, or a test.
#ifndef APUS_OTP_DECISION_H
#define APUS_OTP_DECISION_H

#include <apus/supervisor.h>

#include "otp/children.h"
#include "otp/intensity.h"
#include "otp/strategy.h"

enum apus__event_kind {
    // From outside; only when the last action was WAIT.
    APUS__EVENT_INIT,          // the children that were appended are to be started
    APUS__EVENT_DOWN,          // the process `pid` has ended (also in phase AWAITING)
    APUS__EVENT_EXIT,          // an exit signal came from `pid`
    APUS__EVENT_STOP,          // the supervisor is to end with `reason` (also in phase ENDED)
    APUS__EVENT_TIMER,         // a timer that carries `ticket` has fired
    APUS__EVENT_ADD,           // requests: `child` is the new one, or the one that was meant (NULL: there is none)
    APUS__EVENT_TERMINATE,
    APUS__EVENT_RESTART,
    APUS__EVENT_DELETE,
    // Outcomes of actions.
    APUS__EVENT_DONE,          // of SHUTDOWN, KILL, ARM, REPLY
    APUS__EVENT_STARTED,       // of START: as `pid`
    APUS__EVENT_IGNORED,       // of START: init answered "ignore"
    APUS__EVENT_FAILED,        // of START: with the error `status`
    APUS__EVENT_DEADLINE       // of AWAIT: its time has passed
};

struct apus__event {
    enum apus__event_kind kind;
    int status;
    apus_pid pid;
    apus_reason reason;        // of DOWN, EXIT, STOP; its text must live until the next WAIT or END has been performed
    struct apus__child *child;
    uint64_t ticket;
    uint64_t now_ms;           // with DONE that of the event before will do: nothing was waited for
};

enum apus__action_kind {
    APUS__ACTION_WAIT,         // for an event from outside
    APUS__ACTION_START,        // start `child`
    APUS__ACTION_SHUTDOWN,     // send `child` the exit signal shutdown ...
    APUS__ACTION_KILL,         // ... or kill
    APUS__ACTION_AWAIT,        // wait until some process has ended, or the clock shows `at_ms` (APUS_INFINITY: never)
    APUS__ACTION_ARM,          // give the event TIMER with `ticket` in `delay_ms`
    APUS__ACTION_REPLY,        // answer the request: `status`, `pid`
    APUS__ACTION_END           // end with the supervisor's `reason`
};

struct apus__action {
    enum apus__action_kind kind;
    int status;
    struct apus__child *child;
    union {
        apus_pid pid;
        uint64_t at_ms;
        uint64_t ticket;
    };
    uint64_t delay_ms;
};

enum apus__phase {
    APUS__PHASE_IDLE = 0,
    APUS__PHASE_SIGNALLING,
    APUS__PHASE_AWAITING,
    APUS__PHASE_STARTING,
    APUS__PHASE_ARMING,
    APUS__PHASE_REPLYING,
    APUS__PHASE_ENDED
};

// What a plan is for.
enum apus__goal {
    APUS__GOAL_INIT,           // start all, answer
    APUS__GOAL_RESTART,        // start the range of a failed child again
    APUS__GOAL_ARM,            // the same, but later
    APUS__GOAL_ADD,            // start a new child, answer
    APUS__GOAL_START_AGAIN,    // start a stopped child, answer
    APUS__GOAL_TERMINATE,      // stop a child, answer
    APUS__GOAL_END             // stop all, end
};

struct apus__plan {
    enum apus__goal goal;
    struct apus__child *subject; // RESTART, ARM: the failed child, which is not stopped
    struct apus__child *first;   // where stopping ends
    struct apus__child *last;    // where starting ends
    struct apus__child *cursor;  // the next to stop; the one being started
    struct apus__child *due;     // while killing those whose time is up: the next to look at
    uint64_t stopping;           // children told and not yet gone
    uint64_t budget_ms;          // when the whole stop must be over
    uint64_t wake_ms;            // no deadline is earlier than this
    uint64_t delay_ms;           // ARM
};

struct apus__decision {
    const struct apus__strategy *strategy;
    struct apus__children children;
    struct apus__intensity intensity;
    apus_auto_shutdown auto_shutdown;
    uint32_t max_children;       // 0: no limit
    uint64_t stop_budget_ms;     // 0: none
    apus_pid parent;             // whose exit is obeyed
    uint64_t random;             // state of the generator for jitter
    apus_reason reason;          // why it ends, once it does
    enum apus__phase phase;
    struct apus__plan plan;
};

// Sets up the decisions for a supervisor of this spec, without children. The decision must stay where it is.
void apus__decision_init(struct apus__decision *decision, const apus_supervisor_spec *spec, apus_pid parent, uint64_t seed,
                         struct apus__store *store);

// Takes an event and returns what to do.
struct apus__action apus__decision_step(struct apus__decision *decision, const struct apus__event *event);

// While a START is being performed: notes the end of a process.
static inline void apus__decision_note_end(struct apus__decision *decision, apus_pid pid, const apus_reason *reason)
{
    apus__children_note_end(&decision->children, pid, apus_reason_is_orderly(reason));
}

// Whether an exit signal from `from` ends this supervisor (R53): its parent's does, whatever the reason. APUS_NOBODY stands for the
// program outside all processes (a plain thread, or the runtime that is being stopped); a `normal` from there means nothing (R1).
static inline bool apus__decision_obeys(const struct apus__decision *decision, apus_pid from, const apus_reason *reason)
{
    if (from.id == 0)
        return reason->kind != APUS_REASON_NORMAL;
    return from.id == decision->parent.id;
}

void apus__decision_count(const struct apus__decision *decision, apus_child_counts *counts);

// Checks the invariants of the whole; for tests.
bool apus__decision_is_valid(const struct apus__decision *decision);

#endif
