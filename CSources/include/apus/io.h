/* apus/io.h - readiness of file descriptors, as messages. */
#ifndef APUS_IO_H
#define APUS_IO_H

#include <apus/base.h>
#include <apus/message.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    APUS_IO_READ = 1,  /* it can be read, or the peer has closed */
    APUS_IO_WRITE = 2, /* it can be written */
    APUS_IO_ERROR = 4  /* an error or a hang-up; always reported, need not be asked for */
};

/* Asks for one `apus_type_io` message when the descriptor is ready. One shot: ask again after each message. A second call for the
 * same descriptor by the same process replaces the events asked for.
 * fd:      non-blocking, and open until the message has come or `apus_unwatch`. Watches go when their process ends, however it
 *          ends; the descriptor stays open, and is the program's to close: `cleanup` can do that, but is not called after a fault.
 * events:  APUS_IO_READ, APUS_IO_WRITE, or both.
 * Errors:  -EBADF; -EPERM the descriptor cannot be waited for (a plain file); -EBUSY another process watches it; -ENOMEM.
 * OTP:     prim_inet's active once, enif_select. */
APUS_API int apus_watch(apus_process *self, int fd, unsigned events);

/* Ends a watch; call it before the descriptor is closed. A message already sent stays. Returns 0 also if there was no watch. */
APUS_API int apus_unwatch(apus_process *self, int fd);

/* A descriptor is ready. The payload is an `apus_io_message`. */
APUS_API extern const apus_type apus_type_io;
typedef struct apus_io_message {
    int fd;
    unsigned events; /* APUS_IO_... */
} apus_io_message;

#ifdef __cplusplus
}
#endif

#endif
