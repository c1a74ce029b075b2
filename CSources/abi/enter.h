// abi/enter.h - the way into the core: every public function finds out who is calling, and whether it may.
#ifndef APUS_ABI_ENTER_H
#define APUS_ABI_ENTER_H

#include "scheduler/foreign.h"
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

// Something a process does for a plain thread: the head of a block that holds all it needs (errand.c).
struct apus__errand {
    int result;                   // -ESHUTDOWN if the process was ended before it was done
    _Atomic uint32_t word;        // futex
    struct apus__command command; // in the inbox of the scheduler that is to do it
    void (*body)(struct apus__owner *here, struct apus__errand *errand); // stores `result`
    void (*dispose)(struct apus__errand *errand);                  // frees it, with what it holds
    uint32_t asked;               // schedulers that had no cell for it
};

// The scheduler that gets a process of a plain thread: one that is idle, else the one the thread used last.
struct apus__owner *apus__spawn_anywhere(struct apus__owner *here);
// Runs the errand, beside the process `to` or, if that is dead or nobody, anywhere, and sleeps until it is done, at most about
// timeout_ms. *is_mine: the errand is the caller's again; if not, time was up, and it is disposed of later. Errors: what the errand gave;
// -ESHUTDOWN, -EAGAIN, -ENOMEM; -ETIMEDOUT.
int apus__run_errand(struct apus__errand *errand, apus_pid to, uint64_t timeout_ms, bool *is_mine);

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
