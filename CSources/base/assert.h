// base/assert.h - assertions in three strengths.
//
//   apus_check(x)    always on: cheap, guards memory against corruption; prints and aborts
//   apus_debug(x)    with APUS_DEBUG (the sanitizer and test builds): any price up to O(1) per operation
//   apus_validate(x) with APUS_VALIDATE: walks whole structures
//
// A failed assertion is a defect of Apus or a broken contract; what the outside world may cause is an error code instead.
#ifndef APUS_BASE_ASSERT_H
#define APUS_BASE_ASSERT_H

#include <stdbool.h>

// Prints `what` with its place on standard error and aborts. Never returns.
_Noreturn void apus__assert_failed(const char *what, const char *file, int line);

#define apus_check(x) (__builtin_expect(!!(x), 1) ? (void)0 : apus__assert_failed(#x, __FILE__, __LINE__))

#ifdef APUS_DEBUG
#define apus_debug(x) apus_check(x)
#else
#define apus_debug(x) ((void)0)
#endif

#ifdef APUS_VALIDATE
#define apus_validate(x) apus_check(x)
#else
#define apus_validate(x) ((void)0)
#endif

#define apus_likely(x) __builtin_expect(!!(x), 1)
#define apus_unlikely(x) __builtin_expect(!!(x), 0)

#endif
