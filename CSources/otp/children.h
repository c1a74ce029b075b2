// otp/children.h - a supervisor's children as its decisions see them: order, state, who is who. Pure: no process is touched.
//
// Layout:     every child is in the list of start order. A table finds it by pid, by id, and by the ticket of its pending restart;
//             a second list holds, in the order of their ends, those that have ended and have not been dealt with.
// States:     who changes them, and in what order (all through the functions below):
//
//                 STOPPED -> STARTING -> RUNNING -> STOPPING -> STOPPED        a child in its life
//                 RUNNING -> RESTARTING -> STARTING                            it ended and is to come back
//                 STARTING -> RESTARTING | STOPPED                             its start failed, or answered "ignore"
//                 RUNNING -> STOPPED, RESTARTING -> STOPPED                    it ended for good, or was stopped while waiting
//
// Invariants: the pid table holds exactly the RUNNING and STOPPING children, and those RESTARTING ones that had a pid, under the
//             old one (so that the old pid still leads to the child that is coming back). The ticket table holds exactly the
//             RESTARTING children whose timer has been armed. `ended` implies RUNNING. `live_significant` counts the significant
//             children that are not STOPPED.
// Freed:      a child that is dropped moves to the list `dropped`; whoever owns its memory takes it from there.
#ifndef APUS_OTP_CHILDREN_H
#define APUS_OTP_CHILDREN_H

#include <apus/supervisor.h>

#include "otp/keymap.h"

enum apus__child_state {
    APUS__CHILD_STOPPED = 0,
    APUS__CHILD_STARTING = 1,   // its start has been asked for and not been answered
    APUS__CHILD_RUNNING = 2,    // or ended, if `ended`
    APUS__CHILD_STOPPING = 3,   // it has been told to end
    APUS__CHILD_RESTARTING = 4  // it waits for its restart
};

struct apus__child {
    // Set when the spec is taken.
    const char *id;             // NULL only in a dynamic supervisor
    const apus_backoff *backoff;
    uint64_t shutdown_ms;       // a time, APUS_INFINITY or APUS_SHUTDOWN_BRUTAL_KILL
    uint8_t restart;            // an apus_restart
    uint8_t kind;               // an apus_child_kind
    bool significant;

    // Changed as it lives.
    bool ended;                 // RUNNING no more, but not dealt with yet
    bool ended_orderly;         // ... with normal or a shutdown
    uint8_t state;              // an apus__child_state
    uint64_t restarts;
    uint64_t started_ms;        // when it was last started
    uint64_t delay_ms;          // the backoff's last delay, 0: none yet
    uint64_t deadline_ms;       // while STOPPING: when it is killed

    struct apus__child *previous, *next;             // start order; `next` also chains the dropped
    struct apus__child *ended_previous, *ended_next; // ended and not dealt with
    struct apus__keymap_node by_pid;                  // key: the pid's id; 0: not in the table
    struct apus__keymap_node by_id;                   // key: a hash of the id
    struct apus__keymap_node by_ticket;               // key: the ticket; 0: not in the table
};

struct apus__children {
    struct apus__child *first, *last;
    struct apus__child *ended_first, *ended_last;
    struct apus__child *dropped;
    uint64_t count;
    uint64_t running;          // RUNNING and not ended, or STOPPING
    uint64_t supervisors;      // of kind APUS_SUPERVISOR
    uint64_t live_significant;
    uint64_t last_ticket;
    struct apus__keymap by_pid, by_id, by_ticket;
};

void apus__children_init(struct apus__children *children, struct apus__store *store);

// Puts a STOPPED child at the end.
void apus__children_append(struct apus__children *children, struct apus__child *child);

// Takes a STOPPED child out and chains it to `dropped`.
void apus__children_drop(struct apus__children *children, struct apus__child *child);

// Chains a child that was never appended to `dropped`.
void apus__children_reject(struct apus__children *children, struct apus__child *child);

// Takes one of the dropped children out of their chain; NULL if there is none.
struct apus__child *apus__children_take_dropped(struct apus__children *children);

struct apus__child *apus__children_find_id(const struct apus__children *children, const char *id);
struct apus__child *apus__children_find_pid(const struct apus__children *children, apus_pid pid);
struct apus__child *apus__children_find_ticket(const struct apus__children *children, uint64_t ticket);

// The pid of a child that runs; APUS_NOBODY in every other state.
apus_pid apus__child_pid(const struct apus__child *child);

// Whether the child runs as far as is known: it can be told to stop.
static inline bool apus__child_is_up(const struct apus__child *child)
{
    return child->state == APUS__CHILD_RUNNING && !child->ended;
}

// State changes; see "States" above for what is legal.
void apus__child_set_starting(struct apus__children *children, struct apus__child *child);
void apus__child_set_running(struct apus__children *children, struct apus__child *child, apus_pid pid, uint64_t now_ms);
void apus__child_set_stopping(struct apus__children *children, struct apus__child *child, uint64_t deadline_ms);
void apus__child_set_restarting(struct apus__children *children, struct apus__child *child);
void apus__child_set_stopped(struct apus__children *children, struct apus__child *child);

// Gives a RESTARTING child a new ticket, which its timer will carry.
uint64_t apus__child_issue_ticket(struct apus__children *children, struct apus__child *child);

// Notes that a process has ended. Does nothing if it is no child that runs.
void apus__children_note_end(struct apus__children *children, apus_pid pid, bool orderly);

// The child that ended longest ago and has not been dealt with, taken from the list of ended ones; still RUNNING. NULL: none.
struct apus__child *apus__children_take_ended(struct apus__children *children);

// Walks everything and checks the invariants; for tests.
bool apus__children_is_valid(const struct apus__children *children);

#endif
