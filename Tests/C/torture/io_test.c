// Tests/C/torture/io_test.c - whoever sleeps waits for descriptors, and is woken by all else: nothing is slept through.
//
// Method: pairs of processes pass a byte to and fro over sockets, each waiting for its own; on the way every other time the byte travels as
// a message as well, so that schedulers that sleep where descriptors are waited for have to be woken by other schedulers, by plain threads
// and by timers. A wake-up that is lost leaves the pairs waiting for ever, and the test hangs.
#include "runtime_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { PAIRS = 12, ROUNDS = 3000, THREADS = 2 };

static const apus_type type_go = {.name = "go"};
static atomic_int pairs_left;
static atomic_bool is_over;

struct player {
    int fd;
    int left;
};

static int player_init(apus_process *self, void *state, const void *argument)
{
    struct player *me = state;
    *me = *(const struct player *)argument;
    return apus_watch(self, me->fd, APUS_IO_READ);
}

// Passes the byte on: at once, by way of a message to itself, or after a moment.
static void player_pass(apus_process *self, struct player *me)
{
    char byte = 'x';
    switch (me->left % 16) {
    case 3:
        CHECK_EQ(apus_send(apus_pid_of(self), &type_go, NULL, 0), 0);
        break;
    case 7:
        CHECK_EQ(apus_send_after(1, apus_pid_of(self), &type_go, NULL, 0, NULL), 0);
        break;
    default:
        CHECK_EQ(write(me->fd, &byte, 1), 1);
    }
}

static int player_handle(apus_process *self, void *state, apus_message *message)
{
    struct player *me = state;
    char byte;
    if (apus_message_type(message) == &type_go) {
        byte = 'x';
        CHECK_EQ(write(me->fd, &byte, 1), 1);
        return APUS_OK;
    }
    CHECK(apus_message_type(message) == &apus_type_io);
    ssize_t got = read(me->fd, &byte, 1);
    if (got == 0) { // the other one has ended
        close(me->fd);
        atomic_fetch_sub(&pairs_left, 1);
        return APUS_DONE;
    }
    CHECK_EQ(got, 1);
    if (--me->left == 0) {
        CHECK_EQ(apus_unwatch(self, me->fd), 0);
        close(me->fd);
        return APUS_DONE;
    }
    CHECK_EQ(apus_watch(self, me->fd, APUS_IO_READ), 0);
    player_pass(self, me);
    return APUS_OK;
}

static const apus_behaviour player = {.name = "player", .state_size = sizeof(struct player), .init = player_init,
                                      .handle = player_handle};

static void start_pair(int rounds)
{
    int fds[2];
    apus_pid pid;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(apus_spawn(&player, &(struct player){fds[i], rounds + i}, sizeof(struct player), NULL, &pid), 0);
    char byte = 'x';
    CHECK_EQ(write(fds[0], &byte, 1), 1);
}

static int echo_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    CHECK_EQ(apus_reply(message, &type_go, NULL, 0), 0);
    return APUS_OK;
}

// Calls a process again and again, with pauses in which all schedulers may go to sleep.
static void *call_all_the_time(void *argument)
{
    apus_pid server = *(apus_pid *)argument;
    while (!atomic_load(&is_over)) {
        apus_message *reply;
        CHECK_EQ(apus_call(server, &type_go, NULL, 0, APUS_INFINITY, &reply), 0);
        apus_message_release(reply);
        usleep(50);
    }
    return NULL;
}

static void play(unsigned schedulers)
{
    static const apus_behaviour echo = {.name = "echo", .handle = echo_handle};
    pthread_t threads[THREADS];
    apus_pid server;
    start_runtime(schedulers);
    atomic_store(&is_over, false);
    atomic_store(&pairs_left, PAIRS);
    CHECK_EQ(apus_spawn(&echo, NULL, 0, NULL, &server), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, call_all_the_time, &server), 0);
    for (int i = 0; i < PAIRS; i++)
        start_pair((int)test_scaled(ROUNDS));
    while (atomic_load(&pairs_left) > 0)
        usleep(1000);
    atomic_store(&is_over, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(apus_exit_signal(server, apus_reason_of(APUS_REASON_KILL)), 0);
    stop_runtime();
}

TEST(sleep_with_descriptors, "bytes, messages, calls and timers all reach schedulers that sleep waiting for descriptors")
{
    for (unsigned schedulers = 1; schedulers <= 4; schedulers++)
        play(schedulers);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
