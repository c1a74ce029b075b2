// base/types.h - the few macros every layer shares.
#ifndef APUS_BASE_TYPES_H
#define APUS_BASE_TYPES_H

#include <stddef.h>
#include <stdint.h>

// The unit of sharing between cores. 64 bytes on x86-64 and on the aarch64 servers we know.
#define APUS_CACHE_LINE 64
#define apus_cache_aligned _Alignas(APUS_CACHE_LINE)

// The structure that holds `member` at `pointer`.
#define apus_container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

// Begins with a cache line, so that what it takes does not depend on the size of the code in front of it (2 to 3 % of pairs).
#define apus_hot __attribute__((hot, aligned(APUS_CACHE_LINE)))
#define apus_cold __attribute__((cold, noinline))
#define apus_inline static inline __attribute__((always_inline))

#endif
