// R26-R28: waiting for messages: selective receive, calls over a long mailbox, hibernation.
#include "../scene.h"

static bool is_number(const apus_message *message, void *context)
{
    int64_t number;
    if (apus_message_type(message) != &type_number)
        return false;
    memcpy(&number, apus_message_payload(message), sizeof number);
    return number == *(const int64_t *)context;
}

static void take_number(apus_process *self, int64_t number, uint64_t timeout_ms)
{
    apus_message *message = apus_receive(self, is_number, &number, timeout_ms);
    CHECK(message != NULL);
    CHECK_EQ(number_of(message), number);
    apus_message_release(message);
}

static void others_stay_in_order(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    for (int i = 0; i < 100; i++)
        tell(pid, (struct order){.run = do_send, .pid = apus_pid_of(self), .number = i});
    take_number(self, 70, PATIENCE_MS);
    take_number(self, 30, PATIENCE_MS);
    take_number(self, 99, PATIENCE_MS);
    for (int i = 0; i < 99; i++)
        if (i != 30 && i != 70)
            expect_number(self, i);
    expect_silence(self);
    dismiss(pid);
}

TEST(R26_order, "R26: selective receive leaves the other messages in order")
{
    play(others_stay_in_order, 64);
}

static void zero_timeout_scans_all(apus_process *self, const scene_t *scene)
{
    int64_t absent = -1;
    (void)scene;
    for (int i = 0; i < 10000; i++)
        send_number(apus_pid_of(self), i);
    CHECK(apus_receive(self, is_number, &absent, 0) == NULL);
    take_number(self, 9999, 0);
    take_number(self, 5000, 0);
    take_number(self, 0, 0);
    expect_number(self, 1);
}

TEST(R26_zero_timeout, "R26: a zero timeout looks through the whole queue and does not wait")
{
    play(zero_timeout_scans_all, 16);
}

static void time_out_leaves_all(apus_process *self, const scene_t *scene)
{
    int64_t absent = -1;
    (void)scene;
    for (int i = 0; i < 10; i++)
        send_number(apus_pid_of(self), i);
    CHECK(apus_receive(self, is_number, &absent, 5) == NULL);
    for (int i = 0; i < 10; i++)
        expect_number(self, i);
    expect_silence(self);
}

TEST(R26_time_out, "R26: a receive that times out leaves every message in its place")
{
    play(time_out_leaves_all, 64);
}

// A callback process that waits for number 1000 inside its first handle, and reports what it then gets, in order.
struct picky {
    apus_pid report_to;
    bool has_waited;
};

static int picky_init(apus_process *self, void *state, const void *argument)
{
    struct picky *picky = state;
    (void)self;
    memcpy(&picky->report_to, argument, sizeof picky->report_to);
    return APUS_OK;
}

static int picky_handle(apus_process *self, void *state, apus_message *message)
{
    struct picky *picky = state;
    int64_t first = number_of(message);
    if (!picky->has_waited) {
        picky->has_waited = true;
        take_number(self, 1000, PATIENCE_MS);
        CHECK_EQ(number_of(message), first);
        send_number(picky->report_to, 1000);
    }
    send_number(picky->report_to, first);
    return APUS_OK;
}

static const apus_behaviour picky = {.name = "picky", .state_size = sizeof(struct picky), .init = picky_init,
                                     .handle = picky_handle};

static void callback_waits(apus_process *self, const scene_t *scene)
{
    apus_pid pid, me = apus_pid_of(self);
    (void)scene;
    CHECK_EQ(apus_spawn(&picky, &me, sizeof me, NULL, &pid), 0);
    for (int i = 0; i < 50; i++)
        send_number(pid, i);
    apus_yield(self);
    send_number(pid, 1000);
    for (int i = 50; i < 100; i++)
        send_number(pid, i);
    expect_number(self, 1000);
    for (int i = 0; i < 100; i++)
        expect_number(self, i);
    expect_silence(self);
    dismiss(pid);
}

TEST(R26_callback_waits, "R26: a callback that waits takes no other message meanwhile; those it skipped are handled next, in order")
{
    play(callback_waits, 64);
}

static void signal_ends_wait(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_pid pid = spawn_puppet_with(true, &(apus_spawn_options){.struct_size = sizeof(apus_spawn_options),
                                                                 .flags = APUS_SPAWN_MONITOR, .monitor = &ref});
    (void)scene;
    settle(pid);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_error(-EIO, NULL)), 0);
    expect_down(self, ref, pid, APUS_REASON_ERROR);
}

TEST(R26_signal_ends_wait, "R26: a signal that ends the process ends it in the middle of its wait")
{
    play(signal_ends_wait, 100);
}

static void calls_over_long_mailbox(apus_process *self, const scene_t *scene)
{
    long waiting = test_scaled(1000000), calls = test_scaled(10000);
    apus_pid server = spawn_puppet(scene, 0, NULL);
    for (long i = 0; i < waiting; i++)
        send_number(apus_pid_of(self), i);
    for (long i = 0; i < calls; i++)
        settle(server);
    for (long i = 0; i < waiting; i++)
        expect_number(self, i);
    expect_silence(self);
    dismiss(server);
}

TEST(R27_long_mailbox, 
     "R27: 10,000 calls over a mailbox of 1,000,000 end within the time limit, as they would not if each looked through it")
{
    play_on(1, calls_over_long_mailbox, 1);
    play_on(2, calls_over_long_mailbox, 1);
}

struct sleeper {
    apus_pid report_to;
    int64_t sum;
};

static int sleeper_handle(apus_process *self, void *state, apus_message *message)
{
    struct sleeper *sleeper = state;
    int64_t number = number_of(message);
    sleeper->sum += number;
    if (number >= 0)
        return apus_hibernate(self);
    send_number(sleeper->report_to, sleeper->sum);
    sleeper->sum = 0;
    return APUS_OK;
}

static const apus_behaviour sleeper = {.name = "sleeper", .state_size = sizeof(struct sleeper), .init = picky_init,
                                       .handle = sleeper_handle};

static void hibernation_keeps_all(apus_process *self, const scene_t *scene)
{
    apus_pid pid, me = apus_pid_of(self);
    (void)scene;
    CHECK_EQ(apus_spawn(&sleeper, &me, sizeof me, NULL, &pid), 0);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 20; i++)
            send_number(pid, i);
        if (round % 2)
            apus_sleep(self, 1);
        send_number(pid, -1);
        expect_number(self, 19 * 20 / 2 - 1);
    }
    dismiss(pid);
}

TEST(R28_callback, "R28: a hibernating process keeps its state and mailbox, and wakes on a message")
{
    play(hibernation_keeps_all, 32);
}

static void hibernate_in_body(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    for (int i = 0; i < 1000; i++)
        send_number(apus_pid_of(self), i);
    CHECK_EQ(apus_hibernate(self), APUS_OK);
    for (int i = 0; i < 1000; i++)
        expect_number(self, i);
    CHECK_EQ(apus_hibernate(self), APUS_OK);
    tell(pid, (struct order){.run = do_send, .pid = apus_pid_of(self), .number = 5});
    expect_number(self, 5);
    dismiss(pid);
}

TEST(R28_blocking, "R28: a blocking process may hibernate with messages waiting")
{
    play(hibernate_in_body, 32);
}

static int use_stack(apus_process *self, const struct order *order)
{
    volatile char buffer[100000];
    for (size_t i = 0; i < sizeof buffer; i += 100)
        buffer[i] = 1;
    apus_sleep(self, 1);
    (void)order;
    return buffer[500] == 1 ? APUS_OK : -1;
}

static int do_hibernate(apus_process *self, const struct order *order)
{
    (void)order;
    return apus_hibernate(self);
}

static void hibernation_gives_back(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    ask(pid, (struct order){.run = use_stack});
    size_t before = info_of(pid).memory;
    ask(pid, (struct order){.run = do_hibernate});
    CHECK(info_of(pid).memory <= before);
    CHECK(before > 0);
    settle(pid);
    dismiss(pid);
    (void)self;
}

TEST(R28_memory, "R28: hibernation never leaves a process with more memory than before")
{
    play(hibernation_gives_back, 32);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
