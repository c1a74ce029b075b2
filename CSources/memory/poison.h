// memory/poison.h - tells AddressSanitizer which blocks of our own pools are free.
//
// The pools never give memory back to the C library, so without this the sanitizer would not see the use of a message after its
// release. A free block is poisoned as a whole; the pool opens it again when it hands it out or stores a list in it. Costs nothing
// in other builds.
#ifndef APUS_MEMORY_POISON_H
#define APUS_MEMORY_POISON_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define APUS__POISON 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define APUS__POISON 1
#endif

#ifdef APUS__POISON
#include <sanitizer/asan_interface.h>
#define apus__poison(at, size) ASAN_POISON_MEMORY_REGION((at), (size))
#define apus__unpoison(at, size) ASAN_UNPOISON_MEMORY_REGION((at), (size))
#else
#define apus__poison(at, size) ((void)(at), (void)(size))
#define apus__unpoison(at, size) ((void)(at), (void)(size))
#endif

#endif
