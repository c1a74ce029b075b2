/* apus/request.h - requests and replies. */
#ifndef APUS_REQUEST_H
#define APUS_REQUEST_H

#include <apus/base.h>
#include <apus/message.h>
#include <apus/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sends a request and goes on; its outcome arrives later as exactly one message whose ref is `*ref`: the reply, `apus_type_down` if
 * the other process ends (or has ended) before it replied, or `apus_type_timeout`. A reply that comes later than that is dropped.
 * ref:       receives the reference; must not be NULL.
 * Errors:    as `apus_send`, but a dead receiver is not one: it gives a down message with `noproc`. -EDEADLK to oneself.
 * Cost:      as a send, one more block, and a timer if timeout_ms is finite.
 * OTP:       gen_server:send_request/2 with an alias. */
APUS_API int apus_request(apus_process *self, apus_pid to, const apus_type *type, const void *payload, size_t size,
                          uint64_t timeout_ms, apus_ref *ref);

/* Gives a request up: its outcome will not arrive any more; if it is in the mailbox already, it is taken out.
 * Returns: 1 if the request was still open, 0 if not. */
APUS_API int apus_request_abandon(apus_process *self, apus_ref ref);

/* Whether the outcome of a request is still to come. Not if it is in the mailbox or has been taken, if the request was given up, or was
 * none of self's. */
APUS_API bool apus_request_is_open(apus_process *self, apus_ref ref);

/* Answers a request. `request` may be the message being handled, or one that was kept.
 * type:      of the reply; NULL for `apus_type_reply`.
 * Errors:    -EINVAL the message is not a request; -EALREADY it has been answered; -ESRCH the caller has ended, as advice.
 * OTP:       gen_server:reply/2. */
APUS_API int apus_reply(const apus_message *request, const apus_type *type, const void *payload, size_t size);

/* Answers a request with a failure: its outcome is an `apus_type_down` message with `reason`, as if the process had ended with it;
 * `apus_call` returns -ECONNABORTED, or -ESRCH for `noproc`. For a server that cannot reply, because it has no memory for one, and
 * does not want to end.
 * Errors:    -EINVAL the message is not a request, or the reason's kind is unknown; -EALREADY it has been answered. Never -ENOMEM.
 * OTP:       gen_server:reply/2 with an {error, Reason} that the caller does not match. */
APUS_API int apus_reply_error(const apus_message *request, apus_reason reason);

/* Answers a request known by its caller and reference, when the request itself is gone. Any process may do it; a request that has
 * been answered, has timed out or was never made drops the reply silently. */
APUS_API int apus_reply_to(apus_pid caller, apus_ref ref, const apus_type *type, const void *payload, size_t size);

/* Sends a request and waits for its reply: a process sets its stack aside and takes no other message meanwhile, a plain thread
 * sleeps.
 * reply:     receives the reply, now the caller's (`apus_message_release` it). May be NULL: then the reply is dropped. One handed to
 *            a plain thread may be kept and released after the runtime has been stopped.
 * Errors:    -ETIMEDOUT no reply in time, and a late one will never be seen; -ESRCH there is no such process; -ECONNABORTED it
 *            ended before it replied: `*reply`, if asked for, is then an `apus_type_down` message with its reason, to be released;
 *            -EDEADLK a process called itself; -ELOOP it waited in a circle of calls, of which this one ends so: `*reply`, if asked
 *            for, is a down message whose reason's text names the circle, "b <2.1> calls a <1.1> calls b <2.1>"; -EMSGSIZE; -ENOBUFS as `apus_send`, or there was no memory to hand the reply to a
 *            plain thread; -ESHUTDOWN also if the runtime is stopped meanwhile; -ECANCELED the calling process must end
 *            (APUS_SPAWN_UNWIND). On other errors `*reply` is NULL.
 * Ownership: the payload is taken, and its `drop` called in the end, whatever comes of the call; but not on -EINVAL, -EMSGSIZE,
 *            -EDEADLK, -ENOMEM and -EAGAIN, which change nothing.
 * Circles:   of processes that wait in calls, up to 16, each with the request of the one before it unread, or in the callback that was
 *            given it, or kept. Found within two milliseconds or so, whatever the time limits are; one call of the circle fails, the
 *            last one that was made. A circle that is reported was one: at some moment each of them waited for the next. But that a
 *            server has handed the way to reply to another process is not known: let it return from its callback before it calls.
 * Cost:      between processes on one scheduler: two messages and two stack switches, no locked instruction. From a plain thread:
 *            a wake-up in each direction. A request to a process that waits in a call itself: at most once in a millisecond a signal
 *            to whom that one waits for.
 * OTP:       gen_server:call/3, which leaves circles to their time limits. */
APUS_API int apus_call(apus_pid to, const apus_type *type, const void *payload, size_t size, uint64_t timeout_ms,
                       apus_message **reply);

/* Who asks, and in which request: what `apus_reply_to` needs to know, before the request is sent, so that its payload may carry it. */
typedef struct apus_caller {
    apus_pid pid;
    apus_ref ref;
} apus_caller;

/* Makes a caller, good for one `apus_call_as` or `apus_request_as`. A plain value.
 * asker:     the process that will ask; APUS_NOBODY: the one that calls or, on a plain thread, the one that `apus_call_as` will make
 *            for the call. Of such a caller nobody finds the process before that, and it holds a place for a process until it is used
 *            or dropped; any other one that is not used costs nothing.
 * Errors:    on a plain thread, of APUS_NOBODY: -EAGAIN there is no place, -ESHUTDOWN, -EDEADLK it drives a simulation.
 * Cost:      on a plain thread: two locked instructions and a wait for a scheduler if it keeps no place there; none from the second
 *            call on, if the callees are on one scheduler: the thread keeps a place for its next caller then, until it ends. */
APUS_API int apus_caller_make(apus_pid asker, apus_caller *caller);

/* Gives a caller back that will not be used. If it was used, or was made for a process, nothing happens. Any thread. */
APUS_API void apus_caller_drop(apus_caller caller);

/* As `apus_request`, with a reference that was made before. Errors: also -EINVAL the caller was made for another process. */
APUS_API int apus_request_as(apus_process *self, apus_caller caller, apus_pid to, const apus_type *type, const void *payload,
                             size_t size, uint64_t timeout_ms);

/* As `apus_call`, with a reference that was made before. On a plain thread it uses the caller up, whatever comes of it.
 * Errors:    also -EINVAL the caller was not made for the calling process or, on a plain thread, was made for a process, has been used or
 *            dropped, or is of an earlier run of the runtime. */
APUS_API int apus_call_as(apus_caller caller, apus_pid to, const apus_type *type, const void *payload, size_t size,
                          uint64_t timeout_ms, apus_message **reply);

/* The type of a reply whose replier named none. */
APUS_API extern const apus_type apus_type_reply;

#ifdef __cplusplus
}
#endif

#endif
