#include "scheduler/poller.h"

#include "os/pages.h"
#include "os/thread.h"
#include "scheduler/foreign.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { POLLER_FDS_MAX = 1 << 20, POLLER_BATCH = 64 };

static struct {
    pthread_mutex_t starting; // guards the first watch only
    _Atomic int ready;
    int epoll;
    int wake; // an eventfd: written once, to end the thread
    pthread_t thread;
    _Atomic uint64_t *watchers; // pid by descriptor
} poller = {.starting = PTHREAD_MUTEX_INITIALIZER};

void apus__poller_tell(apus_pid pid, int fd, unsigned events)
{
    int error;
    struct apus__owner *here = apus__foreign_enter(&error);
    if (!here)
        return;
    apus_message *message = apus__message_alloc_certain(here, sizeof(apus_io_message), APUS__SYSTEM);
    message->type = &apus_type_io;
    apus_io_message *io = apus_message_payload(message);
    io->fd = fd;
    io->events = events;
    if (apus__deliver(here, pid, message) != 0)
        apus__message_free(here, message);
    apus__foreign_leave();
}

static void poller_send(int fd, uint32_t happened)
{
    // acq_rel: takes the watch; whoever puts one in afterwards comes after this.
    apus_pid pid = {apus_exchange_acq_rel(&poller.watchers[fd], 0)};
    if (pid.id)
        apus__poller_tell(pid, fd, (happened & (EPOLLIN | EPOLLRDHUP) ? APUS_IO_READ : 0u) |
                                       (happened & EPOLLOUT ? APUS_IO_WRITE : 0u) |
                                       (happened & (EPOLLERR | EPOLLHUP) ? APUS_IO_ERROR : 0u));
}

static void *poller_main(void *argument)
{
    (void)argument;
    apus__thread_name("apus-io");
    for (;;) {
        struct epoll_event events[POLLER_BATCH];
        int count = epoll_wait(poller.epoll, events, POLLER_BATCH, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == poller.wake)
                return NULL;
            poller_send(events[i].data.fd, events[i].events);
        }
    }
}

static size_t poller_bytes(void)
{
    return POLLER_FDS_MAX * sizeof *poller.watchers;
}

static void poller_close(void)
{
    if (poller.watchers)
        apus__pages_release((void *)poller.watchers, poller_bytes());
    if (poller.epoll >= 0)
        close(poller.epoll);
    if (poller.wake >= 0)
        close(poller.wake);
    poller.watchers = NULL;
}

static int poller_open(void)
{
    poller.epoll = epoll_create1(EPOLL_CLOEXEC);
    poller.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    poller.watchers = apus__pages_reserve(poller_bytes(), apus__page_size());
    struct epoll_event event = {.events = EPOLLIN, .data.fd = poller.wake};
    if (poller.epoll >= 0 && poller.wake >= 0 && poller.watchers &&
        apus__pages_commit((void *)poller.watchers, poller_bytes(), -1) == 0 &&
        epoll_ctl(poller.epoll, EPOLL_CTL_ADD, poller.wake, &event) == 0 &&
        !apus__inject_fail(APUS__INJECT_THREAD) && pthread_create(&poller.thread, NULL, poller_main, NULL) == 0)
        return 0;
    poller_close();
    return -ENOMEM;
}

static int poller_ensure(void)
{
    // acquire: what poller_open() set up. Pairs with the release below.
    if (apus_load_acquire(&poller.ready))
        return 0;
    pthread_mutex_lock(&poller.starting);
    int result = apus_load_relaxed(&poller.ready) ? 0 : poller_open();
    if (!result)
        apus_store_release(&poller.ready, 1);
    pthread_mutex_unlock(&poller.starting);
    return result;
}

static int poller_watch(int fd, unsigned events, apus_pid pid)
{
    if (fd < 0 || fd >= POLLER_FDS_MAX)
        return -EBADF;
    int result = poller_ensure();
    if (result)
        return result;
    uint64_t watcher = apus_load_relaxed(&poller.watchers[fd]);
    do {
        if (watcher && watcher != pid.id && apus__find((apus_pid){watcher}))
            return fcntl(fd, F_GETFD) < 0 ? -EBADF : -EBUSY;
    } while (!apus_cas_weak_acq_rel(&poller.watchers[fd], &watcher, pid.id));
    struct epoll_event event = {.events = EPOLLONESHOT | (events & APUS_IO_READ ? EPOLLIN | EPOLLRDHUP : 0u) |
                                          (events & APUS_IO_WRITE ? EPOLLOUT : 0u),
                                .data.fd = fd};
    // A descriptor stays in epoll's set between watches; it is new there the first time, and after it was closed and opened again.
    if (epoll_ctl(poller.epoll, EPOLL_CTL_MOD, fd, &event) == 0 || epoll_ctl(poller.epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    result = -errno;
    apus_cas_strong_acq_rel(&poller.watchers[fd], &pid.id, 0);
    return result == -ENOSPC ? -ENOMEM : result;
}

static void poller_unwatch(int fd, apus_pid pid)
{
    if (!apus_load_acquire(&poller.ready) || fd < 0 || fd >= POLLER_FDS_MAX)
        return;
    uint64_t watcher = pid.id;
    if (apus_cas_strong_acq_rel(&poller.watchers[fd], &watcher, 0))
        epoll_ctl(poller.epoll, EPOLL_CTL_DEL, fd, NULL);
}

void apus__poller_init(void)
{
    apus__world.watch = poller_watch;
    apus__world.unwatch = poller_unwatch;
}

void apus__poller_stop(void)
{
    if (!apus_load_acquire(&poller.ready))
        return;
    uint64_t one = 1;
    while (write(poller.wake, &one, sizeof one) < 0 && errno == EINTR) {
    }
    pthread_join(poller.thread, NULL);
    poller_close();
    apus_store_relaxed(&poller.ready, 0);
}
