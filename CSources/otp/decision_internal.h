// otp/decision_internal.h - what decision.c and decision_stop.c tell each other.
#ifndef APUS_OTP_DECISION_INTERNAL_H
#define APUS_OTP_DECISION_INTERNAL_H

#include "otp/decision.h"

// decision.c ----------------------------------------------------------------------------------------------------------------------
struct apus__action apus__decision_reply(struct apus__decision *decision, int status, apus_pid pid);
void apus__decision_child_gone(struct apus__decision *decision, struct apus__child *child);

// Stops all children and ends with `reason`.
struct apus__action apus__decision_end(struct apus__decision *decision, apus_reason reason, uint64_t now_ms);

// The plan's range is stopped: does what the stop was for.
struct apus__action apus__decision_stop_finished(struct apus__decision *decision);

// decision_stop.c -----------------------------------------------------------------------------------------------------------------

// Begins a plan that stops the children from `last` back to `first` (NULL: none), except `subject`.
struct apus__action apus__decision_stop_range(struct apus__decision *decision, enum apus__goal goal, struct apus__child *subject,
                                              struct apus__child *first, struct apus__child *last, uint64_t now_ms);

// Events of a stop: a signal has been sent; a process has ended; the time of some child is up.
struct apus__action apus__decision_stop_signalled(struct apus__decision *decision, uint64_t now_ms);
struct apus__action apus__decision_stop_down(struct apus__decision *decision, const struct apus__event *event);
struct apus__action apus__decision_stop_deadline(struct apus__decision *decision, uint64_t now_ms);

#endif
