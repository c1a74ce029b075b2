// os/file.h - reads the small text files through which Linux tells about itself (/proc, /sys).
#ifndef APUS_OS_FILE_H
#define APUS_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>

// Reads the file named by `format` and its arguments into `text`, ends it with a zero and drops one trailing newline. What does not
// fit is cut off. False if there is no such file or it cannot be read; `text` is then empty.
bool apus__file_read(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

// The same for a file that holds one whole number; `otherwise` if it cannot be read.
long apus__file_number(long otherwise, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
