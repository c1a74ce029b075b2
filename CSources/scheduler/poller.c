#include "scheduler/poller.h"

#include "os/bell.h"
#include "os/pages.h"
#include "scheduler/slot.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

enum { POLLER_FDS_MAX = 1 << 20, POLLER_BELL = -1, MILLION = 1000000 };
enum poller_turn { POLLER_FREE, POLLER_LOOKS, POLLER_WAITS };

// Nobody watches, somebody is about to, somebody does.
enum watch_kind { WATCH_NONE, WATCH_BEGINS, WATCH_STANDS, WATCH_KINDS = 4 };

struct poller_watch {
    _Atomic uint32_t state; // a kind, and a number times WATCH_KINDS
    _Atomic uint64_t pid;   // whose; written by who has made it WATCH_BEGINS
};

static struct {
    pthread_mutex_t starting; // guards the first watch only
    _Atomic int is_used;
    int epoll;
    struct poller_watch *watches; // by descriptor
    apus_cache_aligned _Atomic uint32_t turn;
    _Atomic uint32_t gives_way; // somebody does
} poller = {.starting = PTHREAD_MUTEX_INITIALIZER};

// --- Watches --------------------------------------------------------------------------------------------------------------------

// The same number, of another kind.
static uint32_t watch_turned(uint32_t state, enum watch_kind kind)
{
    return state - state % WATCH_KINDS + kind;
}

static uint64_t watch_tag(int fd, uint32_t state)
{
    return (uint64_t)state << 32 | (uint32_t)fd;
}

// Begins a watch; *state is what it is known by. False if another process that lives watches, or another is about to.
static bool watch_put(struct poller_watch *watch, apus_pid pid, uint32_t *state)
{
    // acquire, as the compare and swap that fails: the pid, of that watch or a later one. Pairs with the store below.
    uint32_t before = apus_load_acquire(&watch->state);
    do {
        apus_pid watcher = {apus_load_relaxed(&watch->pid)};
        if (before % WATCH_KINDS == WATCH_BEGINS ||
            (before % WATCH_KINDS == WATCH_STANDS && watcher.id != pid.id && apus__find(watcher)))
            return false;
        *state = watch_turned(before + WATCH_KINDS, WATCH_BEGINS);
        // acq_rel: the pid is written after whoever had the watch before has read it. Pairs with watch_take().
    } while (!apus_cas_weak_acq_rel(&watch->state, &before, *state));
    apus_store_relaxed(&watch->pid, pid.id);
    *state = watch_turned(*state, WATCH_STANDS);
    // release: the pid. Pairs with watch_take().
    apus_store_release(&watch->state, *state);
    return true;
}

// Ends the watch of that state, whose it was; false if it has ended.
static bool watch_take(struct poller_watch *watch, uint32_t state, apus_pid *pid)
{
    // acquire: the pid. Pairs with watch_put().
    if (apus_load_acquire(&watch->state) != state)
        return false;
    pid->id = apus_load_relaxed(&watch->pid);
    // acq_rel: if the watch still stands no other pid has been written, and none is before this. Pairs with watch_put().
    return apus_cas_strong_acq_rel(&watch->state, &state, watch_turned(state, WATCH_NONE));
}

// --- Events ---------------------------------------------------------------------------------------------------------------------

void apus__poller_tell(struct apus__owner *here, apus_pid pid, int fd, unsigned events)
{
    apus_message *message = apus__message_alloc_certain(here, sizeof(apus_io_message), APUS__SYSTEM);
    message->type = &apus_type_io;
    apus_io_message *io = apus_message_payload(message);
    io->fd = fd;
    io->events = events;
    if (apus__deliver(here, pid, message) != 0)
        apus__message_free(here, message);
}

void apus__poller_deliver(struct apus__owner *here, const struct apus__poll *poll)
{
    for (int i = 0; i < poll->count; i++) {
        int fd = (int)(uint32_t)poll->events[i].data.u64;
        uint32_t happened = poll->events[i].events;
        apus_pid pid;
        if (fd != POLLER_BELL && watch_take(&poller.watches[fd], (uint32_t)(poll->events[i].data.u64 >> 32), &pid))
            apus__poller_tell(here, pid, fd, (happened & (EPOLLIN | EPOLLRDHUP) ? APUS_IO_READ : 0u) |
                                                 (happened & EPOLLOUT ? APUS_IO_WRITE : 0u) |
                                                 (happened & (EPOLLERR | EPOLLHUP) ? APUS_IO_ERROR : 0u));
    }
}

// --- Turns ----------------------------------------------------------------------------------------------------------------------

// *turn: what it was before.
static bool poller_begin(enum poller_turn what, uint32_t *turn)
{
    // relaxed: a slot that has ended its own turn sees that or what came later, which is all that I1 needs.
    *turn = apus_load_relaxed(&poller.turn);
    // acq_rel: after whoever was at the set before. Pairs with apus__poller_end().
    return *turn == POLLER_FREE && apus_cas_strong_acq_rel(&poller.turn, turn, what);
}

bool apus__poller_is_free(void)
{
    return apus_load_relaxed(&poller.turn) == POLLER_FREE;
}

bool apus__poller_begin_wait(bool *waits)
{
    uint32_t turn;
    bool is_ours = poller_begin(POLLER_WAITS, &turn);
    *waits = turn == POLLER_WAITS;
    return is_ours;
}

void apus__poller_end(void)
{
    // release: pairs with poller_begin().
    apus_store_release(&poller.turn, POLLER_FREE);
}

// The limit is kept to the nanosecond where the kernel can, else to the millisecond above.
static int poller_sleep(struct epoll_event *events, uint64_t timeout_ns)
{
    struct timespec limit = {(time_t)(timeout_ns / (1000 * MILLION)), (long)(timeout_ns % (1000 * MILLION))};
    int count = epoll_pwait2(poller.epoll, events, APUS__POLLER_BATCH, timeout_ns == UINT64_MAX ? NULL : &limit, NULL);
    if (count >= 0 || errno != ENOSYS)
        return count;
    uint64_t limit_ms = timeout_ns / MILLION + (timeout_ns % MILLION != 0);
    int milliseconds = limit_ms > INT32_MAX ? INT32_MAX : (int)limit_ms;
    return epoll_wait(poller.epoll, events, APUS__POLLER_BATCH, timeout_ns == UINT64_MAX ? -1 : milliseconds);
}

void apus__poller_wait(struct apus__poll *poll, uint64_t timeout_ns)
{
    poll->count = poller_sleep(poll->events, timeout_ns);
    apus__poller_end();
}

bool apus__poller_look(struct apus__owner *here)
{
    struct apus__poll poll;
    uint32_t turn;
    if (!poller_begin(POLLER_LOOKS, &turn))
        return false;
    poll.count = epoll_wait(poller.epoll, poll.events, APUS__POLLER_BATCH, 0);
    apus__poller_end();
    apus__poller_deliver(here, &poll);
    return poll.count > 0;
}

bool apus__poller_give_way(void)
{
    uint32_t nobody = 0;
    // relaxed, all: nothing is handed over, and who sleeps or wakes meanwhile makes no difference but in time.
    bool others_sleep = apus_load_relaxed(&apus__machine.parked) + 1 >= apus__machine.slot_count;
    if (others_sleep || !apus_cas_strong_relaxed(&poller.gives_way, &nobody, 1))
        return false;
    sched_yield();
    apus_store_relaxed(&poller.gives_way, 0);
    return true;
}

// --- The set --------------------------------------------------------------------------------------------------------------------

static size_t poller_bytes(void)
{
    return POLLER_FDS_MAX * sizeof *poller.watches;
}

static void poller_close(void)
{
    if (poller.watches)
        apus__pages_release((void *)poller.watches, poller_bytes());
    if (poller.epoll >= 0)
        close(poller.epoll);
    apus__bell_close();
    poller.watches = NULL;
}

static int poller_open(void)
{
    int bell = apus__bell_open();
    poller.epoll = epoll_create1(EPOLL_CLOEXEC);
    poller.watches = apus__pages_reserve(poller_bytes(), apus__page_size());
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = watch_tag(POLLER_BELL, 0)};
    if (poller.epoll >= 0 && bell >= 0 && poller.watches &&
        apus__pages_commit((void *)poller.watches, poller_bytes(), -1) == 0 &&
        epoll_ctl(poller.epoll, EPOLL_CTL_ADD, bell, &event) == 0)
        return 0;
    poller_close();
    return -ENOMEM;
}

bool apus__poller_is_used(void)
{
    // seq_cst: Dekker's pattern, see "The first". Pairs with poller_ensure(). Also what poller_open() has set up.
    return apus_load_seqcst(&poller.is_used) != 0;
}

static int poller_ensure(void)
{
    // acquire: what poller_open() set up. Pairs with the exchange below.
    if (apus_load_acquire(&poller.is_used))
        return 0;
    pthread_mutex_lock(&poller.starting);
    int result = apus_load_relaxed(&poller.is_used) ? 0 : poller_open();
    if (!result) {
        apus_exchange_seqcst(&poller.is_used, 1);
        apus__slot_tell(apus__machine.slots[0], 0);
    }
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
    struct poller_watch *watch = &poller.watches[fd];
    uint32_t state;
    if (!watch_put(watch, pid, &state))
        return fcntl(fd, F_GETFD) < 0 ? -EBADF : -EBUSY;
    struct epoll_event event = {.events = EPOLLONESHOT | (events & APUS_IO_READ ? EPOLLIN | EPOLLRDHUP : 0u) |
                                          (events & APUS_IO_WRITE ? EPOLLOUT : 0u),
                                .data.u64 = watch_tag(fd, state)};
    // A descriptor stays in epoll's set between watches; it is new there the first time, and after it was closed and opened again.
    if (epoll_ctl(poller.epoll, EPOLL_CTL_MOD, fd, &event) == 0 || epoll_ctl(poller.epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    result = -errno;
    watch_take(watch, state, &pid);
    return result == -ENOSPC ? -ENOMEM : result;
}

static void poller_unwatch(int fd, apus_pid pid)
{
    if (!apus_load_acquire(&poller.is_used) || fd < 0 || fd >= POLLER_FDS_MAX)
        return;
    struct poller_watch *watch = &poller.watches[fd];
    // acquire: the pid, of that watch or a later one, so that it is not taken for that of another process. Pairs with watch_put().
    uint32_t state = apus_load_acquire(&watch->state);
    if (state % WATCH_KINDS == WATCH_STANDS && apus_load_relaxed(&watch->pid) == pid.id)
        watch_take(watch, state, &pid);
}

void apus__poller_init(void)
{
    apus__world.watch = poller_watch;
    apus__world.unwatch = poller_unwatch;
}

void apus__poller_stop(void)
{
    if (!apus_load_acquire(&poller.is_used))
        return;
    poller_close();
    apus_store_relaxed(&poller.is_used, 0);
}
