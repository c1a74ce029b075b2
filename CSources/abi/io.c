#include "abi/enter.h"

static int watch_here(struct apus__owner *here, apus_process *self, int fd, unsigned events)
{
    if (events == 0 || events & ~(unsigned)(APUS_IO_READ | APUS_IO_WRITE))
        return -EINVAL;
    if (fd < 0)
        return -EBADF;
    bool is_new = !apus__relation_find(self, APUS__WATCHING, (uint64_t)fd);
    if (is_new && !apus__relation_add(here, self, APUS__WATCHING, (uint64_t)fd, 0, false))
        return -ENOMEM;
    int result = apus__world.watch(fd, events, apus__pid(self));
    if (result && is_new)
        apus__relation_remove(here, self, apus__relation_find(self, APUS__WATCHING, (uint64_t)fd));
    return result;
}

int apus_watch(apus_process *self, int fd, unsigned events)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = watch_here(here, self, fd, events);
        apus__depart();
    }
    return result;
}

static int unwatch_here(struct apus__owner *here, apus_process *self, int fd)
{
    struct apus__relation *watching = fd < 0 ? NULL : apus__relation_find(self, APUS__WATCHING, (uint64_t)fd);
    if (watching) {
        apus__relation_remove(here, self, watching);
        apus__world.unwatch(fd, apus__pid(self));
    }
    return 0;
}

int apus_unwatch(apus_process *self, int fd)
{
    int result;
    struct apus__owner *here = apus__enter_self(self, &result);
    if (here) {
        result = unwatch_here(here, self, fd);
        apus__depart();
    }
    return result;
}
