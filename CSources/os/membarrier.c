// os/membarrier.c - see membarrier.h.
#define _GNU_SOURCE 1
#include "os/membarrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"

static int membarrier_call(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) < 0 ? -errno : 0;
}

int apus__membarrier_register(void)
{
    return membarrier_call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

void apus__membarrier_all(void)
{
    int failed = membarrier_call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    apus_check(failed == 0);
}
