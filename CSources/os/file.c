// os/file.c - see file.h. System calls instead of stdio: a file of /proc is a snapshot per read(), and no buffer is allocated.
#define _GNU_SOURCE 1
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool file_read(char *text, size_t size, const char *format, va_list arguments)
{
    char path[PATH_MAX];
    text[0] = '\0';
    int length = vsnprintf(path, sizeof path, format, arguments);
    if (length < 0 || (size_t)length >= sizeof path)
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t used = 0;
    ssize_t got = 0;
    while (used < size - 1 && ((got = read(fd, text + used, size - 1 - used)) > 0 || (got < 0 && errno == EINTR)))
        used += got > 0 ? (size_t)got : 0;
    close(fd);
    if (used > 0 && text[used - 1] == '\n')
        used--;
    text[used] = '\0';
    return got >= 0;
}

bool apus__file_read(char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool done = file_read(text, size, format, arguments);
    va_end(arguments);
    return done;
}

long apus__file_number(long otherwise, const char *format, ...)
{
    char text[32], *end;
    va_list arguments;
    va_start(arguments, format);
    bool done = file_read(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!done)
        return otherwise;
    long number = strtol(text, &end, 10);
    return end == text ? otherwise : number;
}
