// otp/stash.h - messages put aside, first in, first out: what reaches a supervisor while it waits for a child.
//
// Idea:       waiting with a match function would look at the whole mailbox for each child that starts; a thousand children that
//             crash together would cost a million looks. Instead the supervisor takes each message out once, and keeps in this ring
//             those whose turn has not come.
// Who:        the supervisor's process, which owns the messages.
#ifndef APUS_OTP_STASH_H
#define APUS_OTP_STASH_H

#include <apus/message.h>

#include "otp/store.h"

struct apus__stash {
    struct apus__store *store;
    apus_message **ring;
    size_t capacity; // a power of two, or 0
    size_t first;
    size_t count;
};

void apus__stash_init(struct apus__stash *stash, struct apus__store *store);

// Puts a message at the end. False: there is no memory, and the message is still the caller's.
bool apus__stash_push(struct apus__stash *stash, apus_message *message);

// Takes the first message; NULL if there is none.
apus_message *apus__stash_pop(struct apus__stash *stash);

#endif
