// Tests/C/unit/held_up_test.c - what everybody else sees while a thread is held up between two steps.
//
// Goal:   a thread that is stopped in the middle of a call delays nobody but those who wait for it: no other one is refused, misled, or
//         forgotten meanwhile.
// Method: the steps that such a thread has done are done here by hand, by the core's own functions; then others do what they like.
#include "../scene.h"

#include "process/life.h"
#include "process/nursery.h"

#include <pthread.h>
#include <sched.h>

// A process to be acted on by hand, and its cell.
struct subject {
    apus_pid pid;
    struct apus_process *cell;
};

static void idle_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_message_release(apus_receive(self, NULL, NULL, PATIENCE_MS));
}

static struct subject subject_spawn(const apus_spawn_options *options)
{
    struct subject subject;
    CHECK_EQ(apus_spawn_blocking(idle_body, NULL, 0, options, &subject.pid), 0);
    subject.cell = apus__cell_at((uint32_t)subject.pid.id);
    return subject;
}

static void subject_end(struct subject subject)
{
    CHECK_EQ(apus_send(subject.pid, &type_order, NULL, 0), 0);
    CHECK_EQ(apus_join(subject.pid, APUS_INFINITY, NULL), 0);
}

static apus_pid earlier_occupant(struct subject subject)
{
    return (apus_pid){subject.pid.id - (UINT64_C(1) << 32)};
}

// --- Spawning --------------------------------------------------------------------------------------------------------------------

TEST(unborn_info, "a process whose first signal is not sent yet can be asked about")
{
    start_runtime(1);
    subject_end(subject_spawn(NULL)); // by when the nursery is filled
    struct apus_process *cell = apus__cell_at((uint32_t)apus_load_relaxed(&apus__world.owners[0]->nursery));
    CHECK(cell->flags & APUS__UNBORN);
    apus_pid pid = {(uint64_t)(cell->generation + 1) << 32 | apus__index_of(cell)};
    apus_store_release(&cell->pid, pid.id); // as apus__spawn_there(), before it delivers
    apus_process_info_t info = info_of(pid);
    CHECK_EQ(info.state, APUS_STATE_STARTING);
    CHECK(info.behaviour != NULL);
    apus_store_release(&cell->pid, 0);
    stop_runtime();
}

enum { SPAWNERS = 4 };

static pthread_barrier_t all;

static void *spawn_all(void *argument)
{
    pthread_barrier_wait(&all);
    while (apus_spawn_blocking(idle_body, NULL, 0, NULL, NULL) == 0) {
    }
    return argument;
}

static int nursery_length(const struct apus__owner *owner)
{
    int length = 0;
    for (uint32_t at = (uint32_t)apus_load_relaxed(&owner->nursery); at != 0; length++)
        at = (uint32_t)apus_load_relaxed(&apus__cell_at(at)->link);
    return length;
}

TEST(nursery_kept, "threads that fill the table at the same time leave the cells that are kept for errands")
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .max_processes = 64};
    pthread_barrier_init(&all, NULL, SPAWNERS);
    for (long round = 0; round < test_scaled(200); round++) {
        pthread_t threads[SPAWNERS];
        CHECK_EQ(apus_start(&options), 0);
        for (int i = 0; i < SPAWNERS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, spawn_all, NULL), 0);
        for (int i = 0; i < SPAWNERS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(nursery_length(apus__world.owners[0]), APUS__NURSERY_FOR_ERRANDS);
        CHECK_EQ(apus_stop(0), 0);
    }
}

// --- Names -----------------------------------------------------------------------------------------------------------------------

static void name_before_pid(apus_process *self, void *argument)
{
    struct apus__name *entry;
    apus_pid found, unborn = {UINT64_C(0x7fffffff) << 32 | (uint32_t)apus_pid_of(self).id};
    (void)argument;
    CHECK_EQ(apus__name_claim("early", unborn, &entry), 0); // as cell_announce(), before the pid is stored
    CHECK_EQ(apus_whereis("early", &found), -ESRCH);
    CHECK(apus_pid_equal(found, APUS_NOBODY));
    CHECK_EQ(apus_send_name("early", &type_order, NULL, 0), -ESRCH);
    CHECK_EQ(apus_register("early", apus_pid_of(self)), -EEXIST);
    apus__name_disclaim(entry);
    CHECK_EQ(apus_register("early", apus_pid_of(self)), 0);
}

TEST(name_before_pid, "who is found by a name can be sent to: a name whose process is being spawned is nobody's yet")
{
    start_runtime(1);
    run_process(name_before_pid, NULL, 0);
    stop_runtime();
}

// Somebody registers the earlier occupant of a cell, has put the name into the cell, and has not seen yet that this one has ended.
static void name_of_earlier(apus_process *self, void *argument)
{
    struct apus__name *entry;
    apus_process_info_t info = {.struct_size = sizeof info};
    struct subject subject = subject_spawn(NULL);
    (void)self, (void)argument;
    CHECK_EQ(apus__name_claim("earlier", earlier_occupant(subject), &entry), 0);
    apus_store_relaxed(&subject.cell->name, entry); // as name_attach()
    CHECK_EQ(apus_process_info(subject.pid, PATIENCE_MS, &info), 0);
    CHECK_STR(info.name, "");
    CHECK_EQ(apus_register("later", subject.pid), 0);
    CHECK_EQ(apus_process_info(subject.pid, PATIENCE_MS, &info), 0);
    CHECK_STR(info.name, "later");
    CHECK_EQ(apus_register("earlier", subject.pid), -EALREADY);
    CHECK_EQ(apus_unregister("later"), 0);
    CHECK_EQ(apus_register("earlier", subject.pid), 0);
    CHECK_EQ(apus_send(subject.pid, &type_order, NULL, 0), 0);
}

TEST(name_of_earlier, "a name on its way to the earlier occupant of a cell keeps the later one from none")
{
    start_runtime(2);
    run_process(name_of_earlier, NULL, 0);
    stop_runtime();
}

// Somebody unregisters a name, has taken it out of the table, and not yet out of the cell.
static void name_half_gone(apus_process *self, void *argument)
{
    struct subject subject = subject_spawn(&(apus_spawn_options){.struct_size = sizeof(apus_spawn_options), .name = "first"});
    struct apus__name *entry = apus_load_relaxed(&subject.cell->name);
    (void)argument;
    CHECK(apus__names_remove(apus__world.names, entry)); // as name_take_out()
    CHECK_EQ(apus_unregister("first"), -ESRCH);
    CHECK_STR(info_of(subject.pid).name, "");
    CHECK_EQ(apus_register("second", subject.pid), 0);
    CHECK_EQ(apus_register("first", apus_pid_of(self)), 0);
    apus__name_free(entry);
    CHECK_EQ(apus_send(subject.pid, &type_order, NULL, 0), 0);
}

TEST(name_half_gone, "a name that is being taken from a process is free, and the process may have another one")
{
    start_runtime(2);
    run_process(name_half_gone, NULL, 0);
    stop_runtime();
}

// --- Bounds ----------------------------------------------------------------------------------------------------------------------

static atomic_bool has_stopped;
static atomic_long handled;

static int count_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    atomic_fetch_add(&handled, 1);
    return APUS_OK;
}

static const apus_behaviour counter = {.name = "counter", .handle = count_handle};

static apus_pid spawn_counter(apus_mailbox_policy policy)
{
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options, .mailbox_messages = 1, .mailbox_bytes = 100, .mailbox_policy = policy};
    CHECK_EQ(apus_spawn(&counter, NULL, 0, &options, &pid), 0);
    return pid;
}

// Sends what is larger than the whole mailbox may be, again and again.
static void *send_too_much(void *argument)
{
    static const char much[1000];
    const apus_pid *to = argument;
    while (!atomic_load(&has_stopped))
        CHECK_EQ(apus_send(*to, &type_order, much, sizeof much), -ENOBUFS);
    return NULL;
}

// One that sends too much is refused, and another one sends one message after the other, as soon as the one before is handled.
static void bound_refuses_one(apus_mailbox_policy policy)
{
    pthread_t thread;
    start_runtime(1);
    apus_pid to = spawn_counter(policy);
    CHECK_EQ(pthread_create(&thread, NULL, send_too_much, &to), 0);
    for (long sent = 0; sent < test_scaled(2000); sent++) {
        CHECK_EQ(apus_send(to, &type_order, NULL, 0), 0);
        while (atomic_load(&handled) <= sent)
            sched_yield();
    }
    atomic_store(&has_stopped, true);
    pthread_join(thread, NULL);
    stop_runtime();
}

TEST(bound_fail, "R70: a message that is refused takes up no room meanwhile: nobody else is refused for it")
{
    bound_refuses_one(APUS_MAILBOX_FAIL);
}

TEST(bound_block, "R70: ... and nobody else waits for room that is there")
{
    bound_refuses_one(APUS_MAILBOX_BLOCK);
}

static pthread_barrier_t both;

static void *send_one(void *argument)
{
    pthread_barrier_wait(&both);
    return (void *)(intptr_t)apus_send(*(const apus_pid *)argument, &type_order, NULL, 0);
}

TEST(bound_exact, "R70: of two messages that come at the same time to a mailbox with room for one, one is refused")
{
    const apus_spawn_options options = {.struct_size = sizeof options, .mailbox_messages = 1};
    start_runtime(1);
    pthread_barrier_init(&both, NULL, 2);
    for (long round = 0; round < test_scaled(500); round++) {
        pthread_t thread;
        apus_pid to;
        void *theirs;
        CHECK_EQ(apus_spawn_blocking(deaf_body, NULL, 0, &options, &to), 0);
        CHECK_EQ(pthread_create(&thread, NULL, send_one, &to), 0);
        int ours = (int)(intptr_t)send_one(&to);
        pthread_join(thread, &theirs);
        CHECK_EQ(ours + (int)(intptr_t)theirs, -ENOBUFS);
        CHECK_EQ(apus_exit_signal(to, apus_reason_of(APUS_REASON_KILL)), 0);
    }
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
