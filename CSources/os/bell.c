#include "os/bell.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int bell = -1;

int apus__bell_open(void)
{
    bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return bell >= 0 ? bell : -errno;
}

void apus__bell_close(void)
{
    if (bell >= 0)
        close(bell);
    bell = -1;
}

void apus__bell_ring(void)
{
    int saved = errno;
    uint64_t one = 1;
    while (write(bell, &one, sizeof one) < 0 && errno == EINTR) {
    }
    errno = saved;
}
