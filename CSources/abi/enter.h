// abi/enter.h - the way into the core: every public function finds out who is calling, and whether it may.
#ifndef APUS_ABI_ENTER_H
#define APUS_ABI_ENTER_H

#include "scheduler/foreign.h"
#include "scheduler/line.h"
#include "scheduler/rescue.h"
#include "scheduler/slot.h"

// The owner that acts for the calling thread; NULL with *error set if there is none. To be left again.
struct apus__owner *apus__enter_otherwise(int *error);

apus_inline struct apus__owner *apus__enter(int *error)
{
    struct apus__owner *here = apus__arrive();
    return apus_likely(here != NULL) ? here : apus__enter_otherwise(error);
}

apus_inline void apus__leave(struct apus__owner *here)
{
    if (apus_unlikely(here->is_foreign))
        apus__foreign_leave();
    apus__depart();
}

// The owner on which `self` is running right now, or NULL with *error: -EINVAL for NULL, -EPERM for somebody else's process. To be left by
// apus__depart().
struct apus__owner *apus__enter_self_otherwise(const apus_process *self, int *error);

apus_inline struct apus__owner *apus__enter_self(const apus_process *self, int *error)
{
    struct apus__owner *here = apus__arrive();
    return apus_likely(here && self && here->current == self) ? here : apus__enter_self_otherwise(self, error);
}

// What a wait without a result came to: 0, or that the process must end.
static inline int apus__wait_outcome(const apus_process *self)
{
    return self->flags & APUS__EXITING ? -ECANCELED : 0;
}

// Whether options of apus_start are in range: 0 or -EINVAL.
int apus__options_check(const apus_options *options);

// The scheduler that gets a process of a plain thread: one that is idle, else the one the thread used last.
struct apus__owner *apus__spawn_anywhere(struct apus__owner *here);
// Runs the errand, in the cell that is reserved for `caller` or, if that is nobody, beside the process `to` or, if that is dead or
// nobody, anywhere, and sleeps until it is done, at most about timeout_ms. *is_mine: the errand is the thread's again; if not, time was
// up, and it is disposed of later. Errors: what the errand gave; -ESHUTDOWN, -EAGAIN, -ENOMEM; -ETIMEDOUT; -EINVAL no cell is reserved
// for the caller (any more).
int apus__run_errand(struct apus__errand *errand, apus_pid caller, apus_pid to, uint64_t timeout_ms, bool *is_mine);

// The parts of it, for an errand that is used again (line.c). By the thread: the scheduler of `to`, or any; whether to spin for it, since
// it does not want the thread's core; whether the word is no more `open` after a spin; the same asleep, false if time is up, and the
// errand is disposed of later. By the scheduler: a process for it, as apus__spawn_errand(); that it is done, or cannot be;
// whether the thread has given it up; that it is for `to`, which may have to leave the thread's core.
uint32_t apus__errand_where(struct apus__owner *here, apus_pid to);
bool apus__errand_may_spin(uint32_t id);
bool apus__errand_spin(const struct apus__errand *errand, uint32_t open);
bool apus__errand_await(struct apus__errand *errand, uint32_t open, uint64_t timeout_ms);
int apus__errand_make(struct apus__owner *here, struct apus__errand *errand, apus_pid caller, struct apus_process **process);
void apus__errand_done(struct apus__owner *here, struct apus__errand *errand);
void apus__errand_refuse(struct apus__owner *here, struct apus__errand *errand, int error);
bool apus__errand_is_abandoned(const struct apus__errand *errand);
void apus__errand_makes_way(struct apus__owner *here, apus_pid to);

// Calls by the line of the calling thread, which is plain, as `caller` or, if that is nobody, a new one. False if that cannot be, and
// nothing has been done: the call is to be made by an errand of its own.
bool apus__line_call(apus_pid caller, apus_pid to, const apus_type *type, const void *payload, size_t size,
                     uint64_t timeout_ms, apus_message **reply, int *result);
// Which scheduler has the cell that is reserved for the pid of a caller; APUS__FOREIGN if none has (caller.c). By a plain thread.
uint32_t apus__caller_at(struct apus__owner *here, apus_pid pid);
// The reference of such a caller, which is good for one request: it is known by its pid, and so need not be said. Bit 62 marks it.
static inline apus_ref apus__caller_ref(apus_pid pid)
{
    return (apus_ref){UINT64_C(1) << 62 | pid.id >> 32 << APUS__TABLE_CAPACITY_BITS | (uint32_t)pid.id};
}
// What it needs of request.c: a call by the current process, which was begun as `caller` or, if that is nobody, as any, *is_begun once
// the payload has gone into a request. The same in two steps, without a stack: the first says that the outcome is waited for, which may
// have been there and told by `wait->then` by the time it returns, or fails with nothing changed; the second, for that, ends the wait.
// Whether a call that failed so has left the payload with its caller; and a copy of a message that does not need the runtime, in `room`
// of so many bytes of payload if that is enough, NULL if there is no memory. The message, whose payload has moved there, is freed.
int apus__call_here(struct apus__owner *here, apus_pid caller, apus_pid to, const apus_type *type, const void *payload, size_t size,
                    uint64_t timeout_ms, bool *is_begun, apus_message **reply);
int apus__call_begin(struct apus__owner *here, struct apus__wait *wait, apus_pid caller, apus_pid to, const apus_type *type,
                     const void *payload, size_t size, uint64_t timeout_ms, bool *is_begun);
int apus__call_end(struct apus__owner *here, struct apus__wait *wait, apus_message **reply);
bool apus__call_has_changed_nothing(int result);
apus_message *apus__message_copy_out(struct apus__owner *here, apus_message *message, apus_message *room, size_t room_size);

// Memory for an errand of `size` bytes, zeroed; NULL if there is none. And its plain disposal.
void *apus__errand_new(size_t size, void (*body)(struct apus__owner *here, struct apus__errand *errand));
void apus__errand_dispose(struct apus__errand *errand);
void apus__errand_ended(struct apus__owner *here, struct apus_process *process);

// Delivers, and where the mailbox is full and blocks its senders, waits for space. As apus__deliver.
int apus__deliver_or_wait(struct apus__owner *here, apus_pid to, apus_message *message);

// By the current process, which owns `message`: waits until there may be room for it. Errors: -ENOMEM, -ETIMEDOUT.
int apus__wait_for_space(struct apus__owner *here, apus_pid to, apus_message *message, uint64_t timeout_ms);

// By the current process: sends the signal with a new reference and `value`, and waits for its outcome, a reply or a down message.
// Errors: -ETIMEDOUT, -ENOMEM.
int apus__ask(struct apus__owner *here, apus_pid to, enum apus__kind kind, uint64_t value, uint64_t timeout_ms,
              apus_message **outcome);

#endif
