#include "scheduler/foreign.h"

#include "base/list.h"
#include "memory/poison.h"
#include "os/thread.h"
#include "process/message.h"
#include "process/nursery.h"
#include "rcu/rcu.h"
#include "scheduler/line.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

// A thread that sends faster than is received takes fresh memory for each message, and that is dear. Beyond so many bytes it gives way, for
// each 4 KB more, to whoever waits for its core: mostly the scheduler that would give the memory back.
enum { GROWS_FREELY = 512 * 1024 };

struct foreign {
    struct apus__owner owner;
    struct apus__keeps keeps;
    struct apus__list in_all;
    _Atomic bool is_present; // has joined the present run; changed with `foreign.lock` held
    uint64_t carved;         // bytes, as of its last call
};

_Static_assert(offsetof(struct foreign, keeps) == sizeof(struct apus__owner), "see apus__foreign_keeps()");

static struct {
    pthread_mutex_t lock; // when threads come and go, and at stop
    struct apus__list all;
    pthread_key_t key;
    pthread_once_t once;
    struct apus__counters gone; // of threads that have ended in this run
} foreign = {.lock = PTHREAD_MUTEX_INITIALIZER, .all = {&foreign.all, &foreign.all}, .once = PTHREAD_ONCE_INIT};

static __thread struct foreign *foreign_mine;

// Whether it is part of the present run. relaxed: what that means is ordered by the lock, or the read section.
static bool foreign_is_present(const struct foreign *mine)
{
    return apus_load_relaxed(&mine->is_present);
}

static void foreign_add_counters(struct apus__counters *sum, const struct apus__counters *part)
{
    apus_bump_relaxed(&sum->errands, apus_load_relaxed(&part->errands));
    apus_bump_relaxed(&sum->spawned, apus_load_relaxed(&part->spawned));
    apus_bump_relaxed(&sum->sent_remote, apus_load_relaxed(&part->sent_remote));
    apus_bump_relaxed(&sum->timers_made, apus_load_relaxed(&part->timers_made));
    apus_bump_relaxed(&sum->timers_gone, apus_load_relaxed(&part->timers_gone));
    apus_bump_relaxed(&sum->wakes, apus_load_relaxed(&part->wakes));
}

static void foreign_release(struct foreign *mine)
{
    if (!foreign_is_present(mine))
        return;
    apus__reserve_release(&mine->owner);
    apus__heap_retire(&mine->owner.heap);
    foreign_add_counters(&foreign.gone, &mine->owner.counters);
    apus_store_relaxed(&mine->is_present, false);
}

static void foreign_thread_ends(void *value)
{
    struct foreign *mine = value;
    pthread_mutex_lock(&foreign.lock);
    if (foreign_is_present(mine)) // the cells are there until its heap has been retired
        apus__reserved_drop(mine->keeps.spare.pid);
    foreign_release(mine);
    apus__list_remove(&mine->in_all);
    pthread_mutex_unlock(&foreign.lock);
    apus__rcu_unregister();
    if (mine->keeps.line)
        apus__line_let_go(mine->keeps.line);
    free(mine->keeps.room);
    foreign_mine = NULL;
    free(mine);
}

static void foreign_make_key(void)
{
    apus_check(pthread_key_create(&foreign.key, foreign_thread_ends) == 0);
}

static struct foreign *foreign_new(void)
{
    pthread_once(&foreign.once, foreign_make_key);
    struct foreign *mine = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : aligned_alloc(_Alignof(struct foreign), sizeof *mine);
    if (!mine)
        return NULL;
    memset(mine, 0, sizeof *mine);
    if (pthread_setspecific(foreign.key, mine)) {
        free(mine);
        return NULL;
    }
    apus__rcu_register();
    pthread_mutex_lock(&foreign.lock);
    apus__list_append(&foreign.all, &mine->in_all);
    pthread_mutex_unlock(&foreign.lock);
    foreign_mine = mine;
    return mine;
}

// Joins the run that is under way. In a read section, so that it cannot end meanwhile.
static bool foreign_join_run(struct foreign *mine)
{
    pthread_mutex_lock(&foreign.lock);
    struct apus__owner *owner = &mine->owner;
    memset(owner, 0, sizeof *owner);
    owner->id = APUS__FOREIGN;
    owner->is_foreign = true;
    // References of plain threads: ranges of 2^32 above those of the schedulers.
    owner->next_ref = (UINT64_C(1) << 60) + (apus_add_relaxed(&apus__world.foreign_refs, 1) << 32);
    bool joined = apus__heap_init(&owner->heap, &apus__world.pool, 0) == 0;
    if (joined) {
        apus_store_relaxed(&mine->is_present, true);
        mine->keeps.spare = mine->keeps.made = (struct apus__place){APUS_NOBODY, 0};
        owner->reserve_wanted = APUS__RESERVE_FOREIGN;
    }
    pthread_mutex_unlock(&foreign.lock);
    return joined;
}

struct apus__owner *apus__foreign_enter(int *error)
{
    *error = apus__process_is_fork() ? -ECHILD : -ESHUTDOWN;
    // relaxed: a first look, so that calls before the first start leave no trace; the look that counts is below.
    if (*error == -ECHILD || apus_load_relaxed(&apus__world.state) < APUS__WORLD_RUNNING)
        return NULL;
    struct foreign *mine = foreign_mine ? foreign_mine : foreign_new();
    *error = -ENOMEM;
    if (!mine)
        return NULL;
    apus__rcu_read_lock();
    // acquire: what the start set up. Pairs with the release of RUNNING in runtime.c.
    if (apus_load_acquire(&apus__world.state) < APUS__WORLD_RUNNING)
        *error = -ESHUTDOWN;
    else if (foreign_is_present(mine) || foreign_join_run(mine)) {
        if (apus_unlikely(mine->owner.reserved < APUS__RESERVE_FOREIGN))
            apus__reserve_fill(&mine->owner);
        return &mine->owner;
    }
    apus__rcu_read_unlock();
    return NULL;
}

void apus__foreign_leave(void)
{
    apus__rcu_read_unlock();
    struct foreign *mine = foreign_mine;
    if (apus_likely(mine->owner.heap.carved == mine->carved))
        return;
    mine->carved = mine->owner.heap.carved;
    if (mine->carved > GROWS_FREELY)
        sched_yield();
}

struct apus__keeps *apus__foreign_keeps_now(void)
{
    struct foreign *mine = foreign_mine;
    bool is_running = mine && apus_load_relaxed(&apus__world.state) == APUS__WORLD_RUNNING && !apus__process_is_fork();
    return is_running && foreign_is_present(mine) ? &mine->keeps : NULL;
}

enum { ROOM_BYTES = sizeof(apus_message) + APUS__LINE_REPLY };

void apus__foreign_free(apus_message *message)
{
    struct foreign *mine = message->block == APUS__BLOCK_ROOM ? foreign_mine : NULL;
    if (!mine || mine->keeps.room) {
        free(message);
        return;
    }
    apus__poison(message, ROOM_BYTES);
    mine->keeps.room = message;
}

apus_message *apus__foreign_room(struct apus__keeps *keeps)
{
    apus_message *room = keeps->room;
    keeps->room = NULL;
    if (room)
        apus__unpoison(room, ROOM_BYTES);
    else if (!apus__inject_fail(APUS__INJECT_MALLOC))
        room = malloc(ROOM_BYTES);
    if (room)
        room->block = APUS__BLOCK_ROOM;
    return room;
}

void apus__foreign_retire_all(void)
{
    pthread_mutex_lock(&foreign.lock);
    for (struct apus__list *link = foreign.all.next; link != &foreign.all; link = link->next)
        foreign_release(apus_container_of(link, struct foreign, in_all));
    pthread_mutex_unlock(&foreign.lock);
}

void apus__foreign_next_run(void)
{
    pthread_mutex_lock(&foreign.lock);
    memset(&foreign.gone, 0, sizeof foreign.gone);
    pthread_mutex_unlock(&foreign.lock);
}

void apus__foreign_each(void (*visit)(const struct apus__counters *counters, void *context), void *context)
{
    pthread_mutex_lock(&foreign.lock);
    visit(&foreign.gone, context);
    for (struct apus__list *link = foreign.all.next; link != &foreign.all; link = link->next) {
        struct foreign *one = apus_container_of(link, struct foreign, in_all);
        if (foreign_is_present(one))
            visit(&one->owner.counters, context);
    }
    pthread_mutex_unlock(&foreign.lock);
}
