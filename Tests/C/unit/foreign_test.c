// Tests/C/unit/foreign_test.c - what the runtime knows of plain threads.
#include "../runtime_test.h"

#include "memory/poison.h"
#include "process/message.h"
#include "scheduler/foreign.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

static const apus_type type_number = {.name = "number"};

static int answer(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    return apus_message_is_request(message) ? apus_reply(message, NULL, NULL, 0) : APUS_OK;
}

static const apus_behaviour server = {.name = "server", .handle = answer};

static void add(const struct apus__counters *counters, void *context)
{
    struct apus__counters *sum = context;
    apus_bump_relaxed(&sum->spawned, apus_load_relaxed(&counters->spawned));
    apus_bump_relaxed(&sum->sent_remote, apus_load_relaxed(&counters->sent_remote));
    apus_bump_relaxed(&sum->errands, apus_load_relaxed(&counters->errands));
    apus_bump_relaxed(&sum->timers_made, apus_load_relaxed(&counters->timers_made));
    apus_bump_relaxed(&sum->wakes, apus_load_relaxed(&counters->wakes));
}

static struct apus__counters count_all(void)
{
    struct apus__counters sum = {0};
    apus__foreign_each(add, &sum);
    return sum;
}

// Does a bit of everything. Leaves in *argument what all threads together have done by then.
static void *work(void *argument)
{
    apus_pid pid;
    apus_ref ref;
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &pid), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
        CHECK_EQ(apus_call(pid, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
    }
    CHECK_EQ(apus_send_after(3600000, pid, &type_number, NULL, 0, &ref), 0);
    *(struct apus__counters *)argument = count_all();
    return NULL;
}

TEST(ended, "what a plain thread has done counts after it has ended, and not in the next run")
{
    for (int run = 0; run < 2; run++) {
        pthread_t thread;
        struct apus__counters before;
        start_runtime(1);
        CHECK_EQ(pthread_create(&thread, NULL, work, &before), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        struct apus__counters after = count_all();
        CHECK_EQ(before.spawned, 1);
        CHECK_EQ(before.errands, 5);
        CHECK_EQ(before.timers_made, 1);
        CHECK(before.sent_remote >= 5);
        CHECK_EQ(after.spawned, before.spawned);
        CHECK_EQ(after.errands, before.errands);
        CHECK_EQ(after.timers_made, before.timers_made);
        CHECK_EQ(after.sent_remote, before.sent_remote);
        CHECK_EQ(after.wakes, before.wakes);
        CHECK_EQ(runtime_info().timers, 1);
        CHECK_EQ(apus_stop(5000), 0);
        CHECK_EQ(runtime_info().spawned, 1);
    }
}

static apus_pid told;

// The library has seen to the thread's end already, since its key was made first.
static void tell(void *value)
{
    (void)value;
    CHECK_EQ(apus_send(told, &type_number, NULL, 0), 0);
}

static void *tell_at_end(void *argument)
{
    tell(NULL);
    CHECK_EQ(pthread_setspecific(*(const pthread_key_t *)argument, &told), 0);
    return NULL;
}

TEST(ending, "a thread that calls Apus while it ends is known anew, and what it does counts")
{
    pthread_key_t key;
    pthread_t thread;
    start_runtime(1);
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &told), 0);
    CHECK_EQ(pthread_key_create(&key, tell), 0);
    uint64_t before = count_all().sent_remote;
    CHECK_EQ(pthread_create(&thread, NULL, tell_at_end, &key), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(count_all().sent_remote, before + 2);
    stop_runtime();
}

static void *make_caller(void *argument)
{
    CHECK_EQ(apus_caller_make(told, argument), 0);
    return NULL;
}

TEST(callers, "callers that several threads make for one process are not the same, whichever threads have ended")
{
    enum { THREADS = 3 };
    apus_caller callers[THREADS];
    start_runtime(1);
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &told), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, make_caller, &callers[i]), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        for (int k = 0; k < i; k++)
            CHECK(!apus_ref_equal(callers[i].ref, callers[k].ref));
    }
    stop_runtime();
}

TEST(room, "a thread keeps the memory of one reply that has room for any, and no other")
{
    start_runtime(1);
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &told), 0);
    struct apus__keeps *keeps = apus__foreign_keeps_now();
    apus_message *room = apus__foreign_room(keeps), *more = apus__foreign_room(keeps);
    CHECK(room != more && room->block == APUS__BLOCK_ROOM && more->block == APUS__BLOCK_ROOM);
    apus__foreign_free(room);
    apus__foreign_free(more);
    CHECK(keeps->room == room);
#ifdef APUS__POISON
    CHECK(__asan_address_is_poisoned(room));
#endif
    CHECK(apus__foreign_room(keeps) == room);
    CHECK(keeps->room == NULL);
    apus_message *small = malloc(sizeof *small);
    CHECK(small != NULL);
    small->block = APUS__BLOCK_MALLOC;
    apus__foreign_free(small);
    CHECK(keeps->room == NULL);
    apus__foreign_free(room);
    CHECK_EQ(apus_stop(5000), 0);
    CHECK(apus__foreign_keeps_now() == NULL);
}

TEST(reserve, "a thread that has entered holds what its signals need that are promised")
{
    int error;
    start_runtime(1);
    struct apus__owner *here = apus__foreign_enter(&error);
    CHECK(here != NULL);
    CHECK_EQ(here->reserved, APUS__RESERVE_FOREIGN);
    apus__foreign_leave();
    stop_runtime();
}

static int ignore(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    return APUS_OK;
}

static const apus_behaviour mute = {.name = "mute", .handle = ignore};
static apus_pid mute_pid;

static void *call_and_leave_rooms(void *unused)
{
    CHECK_EQ(apus_call(mute_pid, &type_number, NULL, 0, 1, NULL), -ETIMEDOUT);
    CHECK_EQ(apus_call(told, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
    struct apus__keeps *keeps = apus__foreign_keeps_now();
    apus_message *room = apus__foreign_room(keeps), *more = apus__foreign_room(keeps);
    apus__foreign_free(room);
    apus__foreign_free(more);
    return unused;
}

TEST(memory, "of threads that have called and ended no memory is left")
{
    enum { THREADS = 300, LEFT_MAX = THREADS * sizeof(apus_message) / 2 }; // a few lines are held by the scheduler until it sleeps
    size_t before = 0;
    start_runtime(1);
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &told), 0);
    CHECK_EQ(apus_spawn(&mute, NULL, 0, NULL, &mute_pid), 0);
    for (int i = 0; i < 2 * THREADS; i++) {
        pthread_t thread;
        if (i == THREADS)
            before = mallinfo2().uordblks;
        CHECK_EQ(pthread_create(&thread, NULL, call_and_leave_rooms, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK(mallinfo2().uordblks < before + LEFT_MAX);
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
