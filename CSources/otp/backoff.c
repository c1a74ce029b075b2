#include "otp/backoff.h"

uint64_t apus__backoff_next(const apus_backoff *spec, uint64_t *current_ms, uint64_t ran_ms, uint64_t random)
{
    if (!apus__backoff_is_set(spec))
        return 0;
    uint64_t maximum_ms = spec->maximum_ms > 0 ? spec->maximum_ms : APUS__BACKOFF_MAXIMUM_MS;
    uint64_t reset_ms = spec->reset_ms > 0 ? spec->reset_ms : APUS__BACKOFF_RESET_MS;
    double factor = spec->factor > 0 ? spec->factor : APUS__BACKOFF_FACTOR;

    double delay_ms = *current_ms == 0 || ran_ms >= reset_ms ? (double)spec->initial_ms : (double)*current_ms * factor;
    *current_ms = delay_ms < (double)maximum_ms ? (uint64_t)delay_ms : maximum_ms;
    if (*current_ms == 0)
        *current_ms = 1; // a factor below one must not bring the delay to "none so far"

    double fraction = (double)(random >> 11) * 0x1p-53; // 0 <= fraction < 1
    return *current_ms - (uint64_t)((double)*current_ms * spec->jitter * fraction);
}
