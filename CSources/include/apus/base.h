/* apus/base.h - what every other header needs: visibility, pids, references, errors.
 *
 * Defaults that hold for every function of Apus unless its declaration says otherwise:
 *   Result     0 on success, or a negative errno; `apus_strerror` gives its meaning here. Predicates return bool.
 *   Threads    any thread of the program may call it, processes and plain threads alike; never from a signal handler.
 *   Ownership  arguments are borrowed for the call: strings and payloads are copied. Behaviours, types and match functions are
 *              kept by address and must outlive every process that uses them.
 *   Order      signals from one process (or thread) to another arrive in the order in which the calls were made.
 *   Errors     -EINVAL       an argument is NULL or out of range
 *              -ESHUTDOWN    the runtime is not started, or has been stopped
 *              -ENOMEM       the system has no memory left; nothing has changed
 *              -ECHILD       this OS process is a fork of the one that started the runtime
 *              -EPERM        the function takes `self`, and `self` is not the process that is calling
 *   Cost       O(1), and never a lock.
 *   Times      milliseconds, in arguments that end in _ms; APUS_INFINITY waits for ever.
 */
#ifndef APUS_BASE_H
#define APUS_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define APUS_API __attribute__((visibility("default")))
#else
#define APUS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define APUS_VERSION_MAJOR 0
#define APUS_VERSION_MINOR 1
#define APUS_VERSION_PATCH 0

/* A time that never comes, for every argument that ends in _ms. */
#define APUS_INFINITY UINT64_MAX

/* A process identifier: names one process for ever. 32 bits of generation above 32 bits of index; a table index is used again
 * with the next generation, so a pid comes round only after 2^32 uses of its index. A plain value: copy, compare, store and send
 * it freely. {0} is nobody. */
typedef struct apus_pid {
    uint64_t id;
} apus_pid;

/* A reference: names one monitor, timer or request, unique within the run of the runtime. A plain value; {0} is none. */
typedef struct apus_ref {
    uint64_t id;
} apus_ref;

#ifdef __cplusplus
#define APUS_NOBODY (apus_pid{0})
#define APUS_NO_REF (apus_ref{0})
#else
#define APUS_NOBODY ((apus_pid){0})
#define APUS_NO_REF ((apus_ref){0})
#endif

/* A process, as seen from inside: the `self` of its callbacks. Valid only on the thread that runs the callback, and only until the
 * callback returns. */
typedef struct apus_process apus_process;

static inline bool apus_pid_equal(apus_pid a, apus_pid b)
{
    return a.id == b.id;
}

static inline bool apus_ref_equal(apus_ref a, apus_ref b)
{
    return a.id == b.id;
}

/* What an error of Apus means, as a sentence without a full stop: `apus_strerror(-ESRCH)` is "no such process". Takes the negative
 * value or its positive errno. The text is static; for errors Apus never returns it is "unknown error". Async-signal-safe. */
APUS_API const char *apus_strerror(int error);

/* The version of the library that is linked, as "0.1.0". The text is static. Async-signal-safe. */
APUS_API const char *apus_version(void);

#ifdef __cplusplus
}
#endif

#endif
