#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void apus__assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "apus: assertion failed: %s (%s:%d)\n", what, file, line);
    abort();
}
