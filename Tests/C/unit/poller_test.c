// Tests/C/unit/poller_test.c - who is about to wait for descriptors: when it lets others have its core first; and that an event is told
// to the watch that it is of, whatever has become of that between its being found and its being told.
#include "../runtime_test.h"

#include "scheduler/poller.h"
#include "scheduler/slot.h"

#include <sys/socket.h>

// With so many schedulers, of which so many sleep.
static bool gives_way(uint32_t slots, uint32_t parked)
{
    apus__machine.slot_count = slots;
    apus_store_relaxed(&apus__machine.parked, parked);
    return apus__poller_give_way();
}

TEST(give_way, "a core is given up only while another scheduler is awake, again and again")
{
    CHECK(!gives_way(1, 0));
    CHECK(!gives_way(2, 1));
    CHECK(!gives_way(8, 7));
    CHECK(gives_way(2, 0));
    CHECK(gives_way(2, 0));
    CHECK(gives_way(8, 6));
}

// With nobody else at the set: the body is the callback of the only scheduler, which nobody takes from it.
static void run_alone(void (*body)(apus_process *self, void *argument))
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .rescue_ms = APUS_RESCUE_OFF};
    CHECK_EQ(apus_start(&options), 0);
    run_process(body, NULL, 0);
    stop_runtime();
}

// Finds what is ready in the stead of the only scheduler, whose callback this is.
static void find(struct apus__poll *poll, int count)
{
    bool waits;
    CHECK(apus__poller_begin_wait(&waits));
    apus__poller_wait(poll, 0);
    CHECK_EQ(poll->count, count);
}

// Tells what was found. The events of the one message that then has come, 0 if none has.
static unsigned tell(apus_process *self, const struct apus__poll *poll)
{
    apus__poller_deliver(&apus__machine.slots[0]->owner, poll);
    apus_message *message = apus_receive(self, NULL, NULL, 0);
    if (!message)
        return 0;
    unsigned events = ((const apus_io_message *)apus_message_payload(message))->events;
    apus_message_release(message);
    CHECK(apus_receive(self, NULL, NULL, 0) == NULL);
    return events;
}

// An event of a descriptor that is closed before it is told, and whose number is then that of another, which is watched too.
static void watch_reused(apus_process *self, void *argument)
{
    (void)argument;
    int old[2], other[2];
    struct apus__poll poll;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, old), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, other), 0);
    CHECK_EQ(apus_watch(self, old[0], APUS_IO_WRITE), 0);
    find(&poll, 1);
    CHECK_EQ(apus_unwatch(self, old[0]), 0);
    CHECK_EQ(dup2(other[0], old[0]), old[0]);
    CHECK_EQ(apus_watch(self, old[0], APUS_IO_READ), 0);
    CHECK_EQ(tell(self, &poll), 0);
    CHECK_EQ(write(other[1], "x", 1), 1);
    find(&poll, 1);
    CHECK_EQ(tell(self, &poll), APUS_IO_READ);
    CHECK_EQ(apus_unwatch(self, old[0]), 0);
}

TEST(reused, "an event of a descriptor that was closed is not told to who watches another of its number")
{
    run_alone(watch_reused);
}

// An event that was found before other events were asked for.
static void watch_replaced(apus_process *self, void *argument)
{
    (void)argument;
    int fds[2];
    struct apus__poll poll;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CHECK_EQ(apus_watch(self, fds[0], APUS_IO_WRITE), 0);
    find(&poll, 1);
    CHECK_EQ(apus_watch(self, fds[0], APUS_IO_READ), 0);
    CHECK_EQ(tell(self, &poll), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    find(&poll, 1);
    CHECK_EQ(tell(self, &poll), APUS_IO_READ);
}

TEST(replaced, "an event of what a process no longer asks for is not told, and what it asks for is")
{
    run_alone(watch_replaced);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
