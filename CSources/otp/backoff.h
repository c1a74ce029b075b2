// otp/backoff.h - how long to wait before a restart (R55, beyond OTP). Pure: chance comes in as an argument.
#ifndef APUS_OTP_BACKOFF_H
#define APUS_OTP_BACKOFF_H

#include <apus/supervisor.h>

#define APUS__BACKOFF_MAXIMUM_MS UINT64_C(60000) // the defaults named in apus/supervisor.h
#define APUS__BACKOFF_RESET_MS UINT64_C(60000)
#define APUS__BACKOFF_FACTOR 2.0

// Whether the spec asks for any delay at all.
static inline bool apus__backoff_is_set(const apus_backoff *spec)
{
    return spec->initial_ms > 0;
}

// The delay before the next restart of a child that ran for `ran_ms`.
// current_ms: the child's undisturbed delay of last time, 0 for none; receives that of this time.
// random:     any 64 bits, of which the jitter is made.
uint64_t apus__backoff_next(const apus_backoff *spec, uint64_t *current_ms, uint64_t ran_ms, uint64_t random);

#endif
