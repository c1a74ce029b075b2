// otp/store.h - memory for a supervisor's children: blocks from the process's arena that can be used again.
//
// Idea:       an arena is freed whole when its process ends, however it ends, so nothing leaks even if the supervisor is killed;
//             but single blocks of it cannot be given back. The store keeps a free list for each size class (64, 96, 128, 192, 256
//             ...: a power of two and one and a half of it, so at most a third of a block is wasted).
// Who:        the supervisor's process only.
// Cost:       O(1); no system call once a size has been used before.
#ifndef APUS_OTP_STORE_H
#define APUS_OTP_STORE_H

#include <stddef.h>

enum { APUS__STORE_CLASSES = 64 }; // up to 64 << 31 bytes

struct apus__store {
    void *(*source)(void *context, size_t size); // where new blocks come from: 16-aligned, or NULL
    void *context;
    void *free[APUS__STORE_CLASSES]; // the first word of a free block points at the next one
};

void apus__store_init(struct apus__store *store, void *(*source)(void *context, size_t size), void *context);

// A block of at least `size` bytes, 16-aligned, not zeroed; NULL if there is no memory.
void *apus__store_take(struct apus__store *store, size_t size);

// Gives back a block taken with the same `size`. NULL is allowed.
void apus__store_give(struct apus__store *store, void *block, size_t size);

#endif
