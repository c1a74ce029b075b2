// otp/supervisor_internal.h - what the parts of the supervisor's process share. The essay stands in supervisor.c.
#ifndef APUS_OTP_SUPERVISOR_INTERNAL_H
#define APUS_OTP_SUPERVISOR_INTERNAL_H

#include "otp/decision.h"
#include "otp/stash.h"
#include "otp/supervisor.h"

#include <apus/apus.h>

// A child, and how to start it.
struct apus__supervised {
    struct apus__child child;    // first, so that a child is its supervised
    const apus_child_spec *spec; // in the block below, or the template's
    const void *argument;
    size_t argument_size;
    apus_ref timer;              // of the pending restart, if its delay is not zero
    size_t size;                 // of this piece of memory, with all that lies behind
    bool exit_heard;             // a child by `start` that was gone before it was monitored: the exit message told ...
    bool exit_orderly;           // ... that its end was an orderly one
};

enum apus__supervisor_stage {
    APUS__SUPERVISOR_IN_INIT = 0,
    APUS__SUPERVISOR_HELD_BACK, // waits for the request to begin
    APUS__SUPERVISOR_AT_WORK,
    APUS__SUPERVISOR_IN_TERMINATE
};

struct apus__supervisor {
    apus_process *self;
    enum apus__supervisor_stage stage;
    int status;                      // held back with a spec that is wrong: what to answer
    const apus_message *request;     // to be answered; NULL: none
    struct apus__child_block *template;
    apus_pid starting;               // the process whose start is waited for
    struct apus__child *pending;     // the child it will be, if handle has returned meanwhile; else NULL
    apus_ref monitor;                // where spawn puts references that nobody needs
    bool has_custom_starts;          // some child is started by a function of the user's
    struct apus__decision decision;
    struct apus__store store;
    struct apus__stash stash;
    char failure[APUS_REASON_TEXT_MAX + 1]; // what the last failure had to say, or ""
    bool has_reason;                        // whether it was a start that failed
    apus_reason reason;                     // why, then; its text is in `failure`
};

// Carries the ticket of a pending restart.
extern const apus_type apus__supervisor_retry;

// supervised.c --------------------------------------------------------------------------------------------------------------------

// A child with a spec of its own; NULL if there is no memory.
struct apus__supervised *apus__supervised_new(struct apus__supervisor *supervisor, const apus_child_spec *spec);

// A child of the template, which has nothing of its own but its argument and id; NULL if there is no memory.
struct apus__supervised *apus__supervised_new_extra(struct apus__supervisor *supervisor, const apus_child_spec *merged);

void apus__supervised_free(struct apus__supervisor *supervisor, struct apus__supervised *supervised);
int apus__supervised_spawn(const struct apus__supervised *supervised, apus_pid *pid);

// Checks and keeps what all children of a dynamic supervisor have in common.
int apus__supervisor_take_template(struct apus__supervisor *supervisor, const apus_supervisor_spec *spec);

// Gives back the memory of children that were dropped.
void apus__supervisor_free_dropped(struct apus__supervisor *supervisor);

// Lets go of what the children's arguments own; their memory goes with the arena.
void apus__supervisor_forget_children(struct apus__supervisor *supervisor);

// supervisor_wait.c ---------------------------------------------------------------------------------------------------------------

// The payload of a message that the runtime has sent; NULL: it is another one.
const apus_down_message *apus__supervisor_told_down(const apus_message *message);
const apus_exit_message *apus__supervisor_told_exit(const apus_message *message);

// The outcome of the start that is waited for.
bool apus__supervisor_is_started(const struct apus__supervisor *supervisor, const apus_message *message);

// The exit message of a child that a `start` function of the user's made may be all that tells how it ended.
void apus__supervisor_hear_exit(struct apus__supervisor *supervisor, const apus_exit_message *exit);

// Why a child ended. Where the monitor came too late to know, which only happens to children started by a function of the user's,
// the exit message knows, if it has come.
apus_reason apus__supervisor_down_reason(struct apus__supervisor *supervisor, const apus_down_message *down);

// Deals with a message that came while something else is waited for, or puts it aside. The first is for a message that the
// supervisor owns, the second for the one that handle was given.
void apus__supervisor_put_aside(struct apus__supervisor *supervisor, apus_message *message);
void apus__supervisor_keep_aside(struct apus__supervisor *supervisor, apus_message *message);

// The next message, or NULL if there is none before the clock shows `until_ms`.
apus_message *apus__supervisor_next(struct apus__supervisor *supervisor, uint64_t until_ms);

// supervisor_perform.c ------------------------------------------------------------------------------------------------------------

// Gives the decision an event and performs what follows. Returns what the callback returns.
int apus__supervisor_perform(struct apus__supervisor *supervisor, struct apus__event event);

// The event that the outcome of a start is; the second waits for it, in the callback.
struct apus__event apus__supervisor_start_outcome(struct apus__supervisor *supervisor, const struct apus__child *child,
                                                  uint64_t now_ms, const apus_started *started);
struct apus__event apus__supervisor_finish_start(struct apus__supervisor *supervisor, const struct apus__child *child,
                                                 uint64_t timeout_ms);

// Answers the request at hand, if there is one. A failure says what `failure` says.
void apus__supervisor_answer(struct apus__supervisor *supervisor, int status, apus_pid pid);

// A reply that finds no memory becomes a failure that says so, which needs none: who asked does not wait for ever.
void apus__supervisor_reply(const apus_message *request, const void *payload, size_t size);

// supervisor_request.c ------------------------------------------------------------------------------------------------------------

int apus__supervisor_request(struct apus__supervisor *supervisor, const apus_message *message, uint64_t now_ms);

// The new child that a spec describes; NULL, with *status, if there cannot be one.
struct apus__supervised *apus__supervisor_take_child(struct apus__supervisor *supervisor, const apus_child_spec *given,
                                                     const apus_supervisor_spec *rules, int *status);

#endif
