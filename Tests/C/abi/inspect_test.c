// Looking at what runs, descriptors, texts: the documented errors and results of the small functions.
#include "../scene.h"

#include <fcntl.h>

TEST(version, "apus_version is that of the headers")
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH);
    CHECK_STR(apus_version(), text);
}

TEST(strerror, "apus_strerror says what each error of Apus means, for either sign")
{
    static const int errors[] = {EINVAL, ESHUTDOWN, ENOMEM, ECHILD, EPERM, ESRCH, EALREADY, EAGAIN, EDEADLK, ETIMEDOUT, EEXIST,
                                 ENOBUFS, EMSGSIZE, ERANGE, ENOENT, ECONNABORTED, EBADF, EBUSY, ENOSPC, EINPROGRESS, ELOOP};
    CHECK_STR(apus_strerror(-ESRCH), "no such process");
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const char *text = apus_strerror(-errors[i]);
        CHECK_STR(text, apus_strerror(errors[i]));
        CHECK(strcmp(text, "unknown error") != 0);
        CHECK(strlen(text) > 3 && text[strlen(text) - 1] != '.');
    }
    CHECK_STR(apus_strerror(-100000), "unknown error");
    CHECK_STR(apus_strerror(-EXDEV), "unknown error");
}

static const char *text_of(apus_reason reason)
{
    static char buffer[600];
    size_t length = apus_reason_text(&reason, buffer, sizeof buffer);
    CHECK_EQ(length, strlen(buffer));
    return buffer;
}

TEST(reason_text, "apus_reason_text writes reasons for people, as snprintf does")
{
    char small[4] = "xyz";
    apus_reason reason = apus_reason_of(APUS_REASON_NORMAL), fault = {APUS_REASON_FAULT, SIGSEGV, NULL, 0x10, 0x55d2};
    CHECK_STR(text_of(reason), "normal");
    CHECK_STR(text_of((apus_reason){APUS_REASON_SHUTDOWN, 0, NULL, 0, 0}), "shutdown");
    CHECK_STR(text_of((apus_reason){APUS_REASON_SHUTDOWN, 3, NULL, 0, 0}), "shutdown(3)");
    CHECK_STR(text_of(apus_reason_error(-EIO, "disk gone")), "error -5 (Input/output error): disk gone");
    CHECK_STR(text_of(fault), "fault: SIGSEGV at 0x10, pc 0x55d2");
    for (int kind = APUS_REASON_NORMAL; kind <= APUS_REASON_FAULT; kind++)
        CHECK(strlen(text_of(apus_reason_of((apus_reason_kind)kind))) > 3);
    CHECK_EQ(apus_reason_text(&reason, NULL, 0), 6);
    CHECK_EQ(apus_reason_text(&reason, small, sizeof small), 6);
    CHECK_STR(small, "nor");
    CHECK_EQ(apus_reason_text(&reason, small, 1), 6);
    CHECK_STR(small, "");
}

static void check_text_is_cut(apus_process *self, const scene_t *scene)
{
    static char text[400];
    apus_ref ref;
    apus_pid pid = spawn_puppet(scene, 0, &ref);
    // A letter of two bytes lies across the limit, so that the cut must go before it.
    memset(text, 'x', sizeof text - 1);
    memcpy(text + APUS_REASON_TEXT_MAX - 1, "\xc3\xa9", 2);
    tell(pid, (struct order){.run = do_exit, .reason = apus_reason_error(1, text)});
    apus_message *message = expect_down_message(self, ref, pid, APUS_REASON_ERROR);
    const apus_down_message *down = apus_message_payload(message);
    CHECK_EQ(strlen(down->reason.text), APUS_REASON_TEXT_MAX - 1);
    CHECK(memcmp(down->reason.text, text, APUS_REASON_TEXT_MAX - 1) == 0);
    apus_message_release(message);
}

TEST(reason_text_cut, "a reason's text of more than 255 bytes is cut at a character boundary on its way")
{
    play_on(1, check_text_is_cut, 1);
}

static atomic_bool is_busy, may_return;

static int be_busy(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    atomic_store(&is_busy, true);
    while (!atomic_load(&may_return))
        usleep(100);
    return APUS_DONE;
}

static const apus_behaviour busy = {.name = "busy", .handle = be_busy};

TEST(process_info, "apus_process_info: what is known of a process, and its errors")
{
    apus_process_info_t info = {.struct_size = sizeof info}, small = {.struct_size = 4};
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_TRAP_EXITS, .name = "known", .label = "seen",
                                  .priority = APUS_PRIORITY_LOW};
    apus_pid pid;
    start_runtime(2);
    pid = spawn_puppet_with(false, &options);
    settle(pid);
    CHECK_EQ(apus_process_info(pid, PATIENCE_MS, &info), 0);
    CHECK(apus_pid_equal(info.pid, pid));
    CHECK(apus_pid_equal(info.parent, APUS_NOBODY));
    CHECK(info.traps_exits);
    CHECK_EQ(info.priority, APUS_PRIORITY_LOW);
    CHECK(info.scheduler < 2);
    CHECK(info.reductions >= 1);
    CHECK_EQ(info.messages, 0);
    CHECK_EQ(info.links + info.monitors + info.monitored_by + info.dropped, 0);
    CHECK(info.memory > 0);
    CHECK_STR(info.behaviour, "puppet");
    CHECK_STR(info.name, "known");
    CHECK_STR(info.label, "seen");
    CHECK_EQ(apus_process_info(pid, 0, NULL), -EINVAL);
    CHECK_EQ(apus_process_info(pid, 0, &small), -EINVAL);
    CHECK_EQ(apus_process_info(APUS_NOBODY, PATIENCE_MS, &info), -ESRCH);
    dismiss(pid);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    CHECK_EQ(apus_process_info(pid, PATIENCE_MS, &info), -ESRCH);
    stop_runtime();

    // Without rescue, which would answer in the busy process's stead.
    apus_options options_off = {.struct_size = sizeof options_off, .schedulers = 2, .binding = APUS_BIND_NONE,
                                .rescue_ms = APUS_RESCUE_OFF};
    CHECK_EQ(apus_start(&options_off), 0);
    CHECK_EQ(apus_spawn(&busy, NULL, 0, NULL, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    while (!atomic_load(&is_busy))
        usleep(100);
    CHECK_EQ(apus_process_info(pid, 1, &info), -ETIMEDOUT);
    atomic_store(&may_return, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
}

TEST(runtime_info, "apus_runtime_info: counters, and its errors")
{
    apus_runtime_info_t small = {.struct_size = 4};
    start_runtime(2);
    CHECK_EQ(apus_runtime_info(NULL), -EINVAL);
    CHECK_EQ(apus_runtime_info(&small), -EINVAL);
    for (int i = 0; i < 10; i++)
        send_number(spawn_puppet_with(i % 2, NULL), i);
    while (runtime_info().handled < 10)
        usleep(1000);
    apus_runtime_info_t info = runtime_info();
    CHECK_EQ(info.schedulers, 2);
    CHECK_EQ(info.processes, 10);
    CHECK_EQ(info.spawned, 10);
    CHECK(info.memory > 0);
    stop_runtime();
    CHECK_EQ(runtime_info().spawned, 10);
}

static void wait_for_one(apus_process *self, void *argument)
{
    (void)argument;
    apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
}

TEST(stacks_given_back, "stacks that nobody needs go back while nothing runs, on each scheduler all but the few that it keeps")
{
    enum { WAITERS = 500, SCHEDULERS = 2, KEPT = 64, ROW = 16, STACK_BYTES = (256 + 1024) << 10 };
    static apus_pid waiters[WAITERS];
    start_runtime(SCHEDULERS);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(apus_spawn_blocking(wait_for_one, NULL, 0, NULL, &waiters[i]), 0);
    while (runtime_info().stacks_parked < WAITERS)
        usleep(1000);
    CHECK(runtime_info().memory > (size_t)WAITERS * STACK_BYTES);
    for (int i = 0; i < WAITERS; i++)
        send_number(waiters[i], i);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(apus_join(waiters[i], APUS_INFINITY, NULL), 0);
    // Of each scheduler: those that it keeps, the one that it runs on, and a row of which it has used one. The rest is not stacks.
    const size_t left = (size_t)SCHEDULERS * (KEPT + 1 + ROW) * STACK_BYTES, rest = (size_t)16 << 20;
    while (runtime_info().memory > left + rest)
        usleep(1000);
    stop_runtime();
}

static int do_send_large(apus_process *self, const struct order *order)
{
    (void)self;
    tell(order->pid, (struct order){.run = do_nothing});
    return APUS_OK;
}

TEST(signal_counters, "what is sent within a scheduler and to it is counted, and so is waking it")
{
    const apus_spawn_options bounded = {.struct_size = sizeof bounded, .mailbox_messages = 100};
    start_runtime(1);
    for (int i = 0; i < 4; i++) {
        apus_pid pid = spawn_puppet_with(false, i == 1 ? &bounded : NULL);
        struct order order = {.run = i == 2 ? do_monitor : i == 3 ? do_send_large : do_send, .pid = pid};
        apus_runtime_info_t before = runtime_info(), after = before;
        for (uint64_t n = 1; n <= 10; n++) { // one at a time: what waits in the mailbox from elsewhere comes before a signal to oneself
            tell(pid, order); // by a plain thread, which is nobody's scheduler
            while (after = runtime_info(), after.handled < before.handled + (i == 2 ? n : 2 * n))
                usleep(100);
        }
        CHECK_EQ(after.sent_remote - before.sent_remote, 10);
        CHECK_EQ(after.sent_local - before.sent_local, 10);
    }
    apus_pid pid = spawn_puppet_with(false, NULL);
    for (uint64_t wakes = runtime_info().wakes; runtime_info().wakes == wakes; usleep(1000))
        send_number(pid, 0); // until the scheduler has gone to sleep in between
    stop_runtime();
}

static bool count_visit(apus_pid pid, void *context)
{
    int *left = context;
    CHECK(pid.id != 0);
    return --*left != 0;
}

TEST(each_process, "apus_each_process visits those that are alive, and stops when told")
{
    int left = -1;
    start_runtime(2);
    CHECK_EQ(apus_each_process(NULL, NULL), -EINVAL);
    for (int i = 0; i < 100; i++)
        settle(spawn_puppet_with(i % 2, NULL));
    CHECK_EQ(apus_each_process(count_visit, &left), 100);
    CHECK_EQ(left, -101);
    left = 5;
    CHECK_EQ(apus_each_process(count_visit, &left), 5);
    stop_runtime();
}

static void check_topology(void)
{
    apus_cpu_info cpus[4];
    double quota = -1;
    int count = apus_topology(NULL, 0, NULL);
    CHECK(count >= 1);
    memset(cpus, 0xff, sizeof cpus);
    CHECK_EQ(apus_topology(cpus, 1, &quota), count);
    CHECK(cpus[0].node >= 0 && cpus[1].cpu == UINT32_MAX);
    CHECK(quota >= 0);
    CHECK_EQ(apus_topology(NULL, 4, NULL), -EINVAL);
    CHECK_EQ(apus_node_distance(cpus[0].node, cpus[0].node), 10);
    CHECK_EQ(apus_node_distance(-1, 0), -EINVAL);
    CHECK_EQ(apus_node_distance(0, 100000), -EINVAL);
}

TEST(topology, "apus_topology and apus_node_distance tell of the machine, before and after the start")
{
    check_topology();
    start_runtime(1);
    check_topology();
    stop_runtime();
}

static void watch_errors(apus_process *self, void *argument)
{
    int pipe_ends[2], file = open("/proc/self/exe", O_RDONLY);
    (void)argument;
    CHECK(file >= 0);
    CHECK_EQ(pipe(pipe_ends), 0);
    CHECK_EQ(apus_watch(self, -1, APUS_IO_READ), -EBADF);
    CHECK_EQ(apus_watch(self, 100000, APUS_IO_READ), -EBADF);
    CHECK_EQ(apus_watch(self, file, APUS_IO_READ), -EPERM);
    CHECK_EQ(apus_watch(self, pipe_ends[0], 0), -EINVAL);
    CHECK_EQ(apus_watch(self, pipe_ends[0], 1u << 8), -EINVAL);
    CHECK_EQ(apus_unwatch(self, pipe_ends[0]), 0);
    CHECK_EQ(apus_unwatch(self, -1), 0);
    close(file);
    for (int i = 0; i < 1000; i++) {
        char byte;
        CHECK_EQ(apus_watch(self, pipe_ends[0], APUS_IO_READ), 0);
        CHECK_EQ(apus_watch(self, pipe_ends[0], APUS_IO_READ), 0); // replaces the first
        CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
        apus_message *message = apus_receive(self, NULL, NULL, PATIENCE_MS);
        CHECK(message != NULL);
        CHECK(apus_message_type(message) == &apus_type_io);
        CHECK(apus_pid_equal(apus_message_from(message), APUS_NOBODY));
        CHECK_EQ(((const apus_io_message *)apus_message_payload(message))->events, APUS_IO_READ);
        apus_message_release(message);
        CHECK_EQ(read(pipe_ends[0], &byte, 1), 1);
    }
    CHECK_EQ(apus_watch(self, pipe_ends[1], APUS_IO_WRITE), 0);
    apus_message *message = expect(self, &apus_type_io);
    CHECK_EQ(((const apus_io_message *)apus_message_payload(message))->fd, pipe_ends[1]);
    CHECK_EQ(((const apus_io_message *)apus_message_payload(message))->events, APUS_IO_WRITE);
    apus_message_release(message);
    CHECK_EQ(apus_watch(self, pipe_ends[0], APUS_IO_READ), 0);
    CHECK_EQ(apus_unwatch(self, pipe_ends[0]), 0);
    CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
    expect_silence(self);
    close(pipe_ends[1]);
    CHECK_EQ(apus_watch(self, pipe_ends[0], APUS_IO_READ), 0);
    message = expect(self, &apus_type_io);
    CHECK(((const apus_io_message *)apus_message_payload(message))->events & (APUS_IO_READ | APUS_IO_ERROR));
    apus_message_release(message);
    CHECK_EQ(apus_unwatch(self, pipe_ends[0]), 0);
    close(pipe_ends[0]);
}

TEST(watch, "apus_watch: one message each time it is asked, none after unwatch, and its errors")
{
    start_runtime(2);
    for (int i = 0; i < 3; i++)
        run_process(watch_errors, NULL, 0);
    stop_runtime();
}

static void watch_and_leave(apus_process *self, void *argument)
{
    CHECK_EQ(apus_watch(self, *(const int *)argument, APUS_IO_READ), 0);
}

TEST(watch_ends, "a descriptor may be closed, and its number used again, after its watcher has ended")
{
    start_runtime(2);
    for (int i = 0; i < 200; i++) {
        int pipe_ends[2];
        apus_pid pid;
        CHECK_EQ(pipe(pipe_ends), 0);
        CHECK_EQ(apus_spawn_blocking(watch_and_leave, &pipe_ends[0], sizeof(int), NULL, &pid), 0);
        if (i % 2)
            CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
        CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
    }
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
