/* apus/link.h - links and monitors: how processes learn of each other's end. */
#ifndef APUS_LINK_H
#define APUS_LINK_H

#include <apus/base.h>
#include <apus/reason.h>
#include <apus/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Links the calling process with another: when one ends, the other gets an exit signal with the reason. At most one link for each
 * pair; linking again, or to oneself, succeeds and does nothing.
 * Errors: -ESRCH `to` has ended and the caller does not trap exits; if it traps, it gets an exit message `noproc` and 0 instead.
 *         Where the end of `to` is learnt of only later, the exit signal `noproc` arrives as a signal.
 * Cost:   a 64-byte block on each side; O(1) whatever the number of links.
 * OTP:    link/1. */
APUS_API int apus_link(apus_process *self, apus_pid to);

/* Takes the link away. After it returns no exit signal of that link arrives; an exit message already in the mailbox stays.
 * Returns 0 also if there was no link. OTP: unlink/1. */
APUS_API int apus_unlink(apus_process *self, apus_pid to);

/* Watches another process: when it ends, or if it is gone already (`noproc`), the caller gets one `apus_type_down` message with
 * this reference. Each call makes a monitor of its own.
 * ref:  receives the reference; must not be NULL.
 * OTP:  monitor(process, Pid). */
APUS_API int apus_monitor(apus_process *self, apus_pid to, apus_ref *ref);

/* As `apus_monitor`, of whoever is registered under `name`; if nobody is, `noproc`. OTP: monitor(process, Name). */
APUS_API int apus_monitor_name(apus_process *self, const char *name, apus_ref *ref);

enum {
    APUS_DEMONITOR_FLUSH = 1 /* also take the monitor's down message out of the mailbox, if it is there */
};

/* Ends a monitor. A down message that is in the mailbox already stays there, unless flushed.
 * Returns: 1 if the monitor was still active, 0 if it was not (it has fired, or is none of the caller's).
 * OTP:     demonitor(Ref, [info, flush]). */
APUS_API int apus_demonitor(apus_process *self, apus_ref ref, unsigned flags);

/* A linked process has ended, or someone sent an exit signal, and this process traps exits. The payload is an `apus_exit_message`,
 * `apus_message_from` its sender. */
APUS_API extern const apus_type apus_type_exit;
typedef struct apus_exit_message {
    apus_pid from;
    apus_reason reason; /* its text lives as long as the message */
} apus_exit_message;

/* A monitored process has ended, or a request can no longer be answered. The payload is an `apus_down_message`, the message's ref
 * that of the monitor or request. */
APUS_API extern const apus_type apus_type_down;
typedef struct apus_down_message {
    apus_ref ref;
    apus_pid pid;
    apus_reason reason; /* its text lives as long as the message */
} apus_down_message;

#ifdef __cplusplus
}
#endif

#endif
