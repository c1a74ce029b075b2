// base/error.c - what the errors of Apus mean, and the version of the library.
//
// One table: every errno that a public header names, with the meaning it has here. A function's declaration says more where an error
// means something of its own there. Adding an error to a header means adding a line to the table; reason_test.c looks for it.
#include <apus/base.h>

#define ERROR_TABLE(X)                                                        \
    X(EAGAIN, "a limit of processes, timers or threads is reached")           \
    X(EALREADY, "it has been done already")                                   \
    X(EBADF, "not an open file descriptor")                                   \
    X(EBUSY, "it is in use")                                                  \
    X(ECANCELED, "the process must end")                                      \
    X(ECHILD, "this OS process is a fork of the one that runs Apus")          \
    X(ECONNABORTED, "the process ended before it answered")                   \
    X(EDEADLK, "the caller would wait for itself")                            \
    X(EEXIST, "the name or id is taken")                                      \
    X(EINPROGRESS, "it is under way")                                         \
    X(ELOOP, "calls wait for each other in a circle")                         \
    X(EINVAL, "an argument is missing or out of range")                       \
    X(EMSGSIZE, "the message is too large")                                   \
    X(ENOBUFS, "the mailbox is full")                                         \
    X(ENOENT, "it is not there, or no longer active")                         \
    X(ENOMEM, "out of memory")                                                \
    X(ENOSPC, "the limit of children is reached")                             \
    X(ENOSYS, "this build of the library cannot do that")                     \
    X(EPROTO, "it failed with an error of its own")                           \
    X(EPERM, "the caller may not do this")                                    \
    X(ERANGE, "the time is too large")                                        \
    X(ESHUTDOWN, "the runtime is not running")                                \
    X(ESRCH, "no such process")                                               \
    X(ETIMEDOUT, "the time is up")

#define ERROR_VERSION_TEXT(major, minor, patch) #major "." #minor "." #patch
#define ERROR_VERSION(major, minor, patch) ERROR_VERSION_TEXT(major, minor, patch)

const char *apus_strerror(int error)
{
#define ERROR_CASE(code, text) \
    case code:                 \
    case -code:                \
        return text;
    switch (error) {
    case 0:
        return "no error";
        ERROR_TABLE(ERROR_CASE)
    default:
        return "unknown error";
    }
#undef ERROR_CASE
}

const char *apus_version(void)
{
    return ERROR_VERSION(APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH);
}
