// otp/supervisor.h - what the supervisor's process and the public functions tell each other.
#ifndef APUS_OTP_SUPERVISOR_H
#define APUS_OTP_SUPERVISOR_H

#include <apus/process.h>
#include <apus/supervisor.h>

#include "otp/child_spec.h"

// Traps exits; has an apus__supervisor_argument.
extern const apus_behaviour apus__supervisor_behaviour;

// The argument. The spec is either kept by address (a child supervisor), or packed right behind this.
struct apus__supervisor_argument {
    const apus_supervisor_spec *by_address;
    bool begins_on_request; // init does not start the children: the request `begin` does, and its answer tells how it went
};

#define APUS__SUPERVISOR_ARGUMENT_SIZE ((sizeof(struct apus__supervisor_argument) + 15) & ~(size_t)15)

// The packed spec behind it.
static inline struct apus__supervisor_block *apus__supervisor_packed(const void *argument)
{
    return (struct apus__supervisor_block *)((uintptr_t)argument + APUS__SUPERVISOR_ARGUMENT_SIZE);
}

// Requests, with their payloads. Each is answered by an apus__supervisor_answer, but for `which` and `count`; `stop` is answered by
// the supervisor's end.
extern const apus_type apus__supervisor_begin;        // nothing
extern const apus_type apus__supervisor_start_child;  // an apus__child_block, or nothing
extern const apus_type apus__supervisor_restart;      // the id, with its final zero
extern const apus_type apus__supervisor_terminate;    // the id
extern const apus_type apus__supervisor_delete;       // the id
extern const apus_type apus__supervisor_terminate_pid; // the apus_pid
extern const apus_type apus__supervisor_which;        // a size_t, how many children are wanted; answer: an apus__supervisor_list
extern const apus_type apus__supervisor_count;        // nothing; answer: an apus_child_counts
extern const apus_type apus__supervisor_stop;         // nothing

struct apus__supervisor_answer {
    int status;
    apus_pid pid;
    // If status < 0:
    uint32_t has_reason;                 // 0 or 1; from one who is no supervisor, anything
    apus_reason reason;                  // its text is that at `reason_text`
    size_t reason_text;                  // an index of `text`; its size if there is none
    char text[APUS_REASON_TEXT_MAX + 1]; // what there is to say
};

// Forgets what the last call of this process had to say, so that what is found later is of a later call.
void apus__supervisor_forget(void);

struct apus__supervisor_list {
    uint64_t total;
    apus_child_info children[];
};

#endif
