/* apus/system.h - being told of what goes wrong slowly: long callbacks, long mailboxes, many restarts. */
#ifndef APUS_SYSTEM_H
#define APUS_SYSTEM_H

#include <apus/base.h>
#include <apus/message.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum apus_system_event {
    APUS_SYSTEM_LONG_CALLBACK = 1, /* a process is in its callback for `value` milliseconds: long_callback_ms, or as many as it took
                                    * until it lost its scheduler to others, whichever came first; told once for each callback */
    APUS_SYSTEM_LONG_MAILBOX = 2,  /* at least `value` messages wait for the process: told once, and again after they were fewer */
    APUS_SYSTEM_MANY_RESTARTS = 3  /* the supervisor has restarted children `value` times within its period */
} apus_system_event;

/* The payload of an `apus_type_system` message. */
typedef struct apus_system_message {
    apus_system_event event;
    apus_pid pid;     /* whom it is about */
    uint64_t value;
} apus_system_message;

APUS_API extern const apus_type apus_type_system;

/* From when on to be told; 0: not at all. */
typedef struct apus_system_limits {
    size_t struct_size;         /* sizeof(apus_system_limits) */
    uint32_t long_callback_ms;
    uint32_t long_mailbox;      /* messages */
    uint32_t many_restarts;
} apus_system_limits;

/* Makes `subscriber` the one process that is told, in place of whoever was before. APUS_NOBODY, or NULL limits: nobody is.
 * Order:  events are messages from nobody; they come when they are noticed: callbacks by the monitor's looks, which are some milliseconds
 *         apart; mailboxes when the process has used up its turn with messages left, begins to wait, or stays in a callback.
 * Errors: -EINVAL; -ESRCH there is no such process.
 * Cost:   nothing for each message; while long_mailbox is set, a process that falls behind counts its messages, up to the limit, each turn.
 * OTP:    erlang:system_monitor/2. */
APUS_API int apus_system_monitor(apus_pid subscriber, const apus_system_limits *limits);

/* Tells the subscriber of an event, if it wants events of that kind from `value` or less on. For those who write supervisors of their own.
 * Errors: -EINVAL. That nobody wants it is no error. */
APUS_API int apus_system_report(apus_system_event event, apus_pid pid, uint64_t value);

#ifdef __cplusplus
}
#endif

#endif
