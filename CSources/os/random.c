// os/random.c - see random.h.
#include "os/random.h"

// splitmix64: spreads neighbouring seeds over all 64 bits, and never gives four zeros in a row.
static uint64_t random_spread(uint64_t *x)
{
    *x += 0x9e3779b97f4a7c15u;
    uint64_t z = *x;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void apus__random_init(struct apus__random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = random_spread(&seed);
}
