// os/random.h - a small seeded generator for scheduler choices and the simulator. Not for secrets.
//
// The same seed gives the same numbers on every machine, which is what lets a failure be replayed. One generator is used by one
// thread at a time. xoshiro256** filled from splitmix64, after the public-domain description by Blackman and Vigna (2018).
#ifndef APUS_OS_RANDOM_H
#define APUS_OS_RANDOM_H

#include <stdint.h>

struct apus__random {
    uint64_t state[4]; // never all zero
};

// Any seed will do, 0 and neighbours included.
void apus__random_init(struct apus__random *random, uint64_t seed);

static inline uint64_t apus__random_rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

// 64 even bits.
static inline uint64_t apus__random_next(struct apus__random *random)
{
    uint64_t *s = random->state;
    uint64_t result = apus__random_rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = apus__random_rotate(s[3], 45);
    return result;
}

// A number from 0 to bound - 1; bound > 0. The bias is below bound / 2^32, which no scheduler notices.
static inline uint32_t apus__random_below(struct apus__random *random, uint32_t bound)
{
    return (uint32_t)(((apus__random_next(random) >> 32) * bound) >> 32);
}

#endif
