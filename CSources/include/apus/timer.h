/* apus/timer.h - messages that arrive later. */
#ifndef APUS_TIMER_H
#define APUS_TIMER_H

#include <apus/base.h>
#include <apus/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sends a message when at least delay_ms have passed. It never arrives early.
 * delay_ms:  up to 2^40 (34 years).
 * type:      NULL makes it an `apus_type_timeout` message, whose payload is yours all the same.
 * ref:       receives the reference, which the message carries too; may be NULL.
 * Order:     none against messages sent directly in the meantime.
 * Errors:    -ERANGE delay_ms is too large; -EAGAIN the limit of timers is reached; -EMSGSIZE; -ESHUTDOWN. A receiver that has
 *            ended is not an error: the message is dropped, at expiry or before.
 * Cost:      O(1): a 64-byte cell and a block for the message; a look at the clock.
 * OTP:       erlang:send_after/3. Source: Varghese & Lauck, Hashed and hierarchical timing wheels, 1987. */
APUS_API int apus_send_after(uint64_t delay_ms, apus_pid to, const apus_type *type, const void *payload, size_t size,
                             apus_ref *ref);

/* As `apus_send_after`, to whoever has the name when the time has come. */
APUS_API int apus_send_name_after(uint64_t delay_ms, const char *name, const apus_type *type, const void *payload, size_t size,
                                  apus_ref *ref);

/* Cancels a timer. Exactly one of expiry and cancel wins.
 * left_ms:  receives what was left of its time; may be NULL.
 * Errors:   -ENOENT the timer is not active: it has expired, been cancelled, or its receiver has ended.
 * Cost:     O(1), one locked instruction; from another thread the block goes home to the timer's scheduler, and counts as one of
 *           `max_timers` until that has taken it, which is as soon as its callback returns.
 * OTP:      erlang:cancel_timer/1. */
APUS_API int apus_cancel(apus_ref timer, uint64_t *left_ms);

/* Begins the time of a timer anew: as if it were cancelled and made again, with the same message and the same reference. For time limits
 * that begin anew with each message.
 * delay_ms: as in `apus_send_after`.
 * Errors:   -ERANGE, which changes nothing; -ENOENT the timer is not active, as for `apus_cancel`; -EPERM it was made by a plain thread, or
 *           on another scheduler than the caller is on now, and has been cancelled: make a new one.
 * Cost:     O(1), no locked instruction, a look at the clock; nothing is allocated.
 * OTP:      none; erlang:cancel_timer/1 and erlang:send_after/3. */
APUS_API int apus_rearm(apus_ref timer, uint64_t delay_ms);

/* A time has come: the message of a timer without a type, or the outcome of a request that was not answered in time. */
APUS_API extern const apus_type apus_type_timeout;

#ifdef __cplusplus
}
#endif

#endif
