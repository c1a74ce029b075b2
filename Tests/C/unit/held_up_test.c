// Tests/C/unit/held_up_test.c - what everybody else sees while a thread is held up between two steps.
//
// Goal:   a thread that is stopped in the middle of a call delays nobody but those who wait for it: no other one is refused, misled, or
//         forgotten meanwhile.
// Method: the steps that such a thread has done are done here by hand, by the core's own functions; then others do what they like.
#include "../scene.h"

#include "process/life.h"

#include <pthread.h>
#include <sched.h>

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

static bool is_nothing(const apus_message *message, void *context)
{
    (void)message, (void)context;
    return false;
}

static void deaf_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_receive(self, is_nothing, NULL, APUS_INFINITY);
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
