// Spawning, and the functions that act on the calling process: their documented errors.
#include "../scene.h"

#include <pthread.h>

static int spawn_with(apus_spawn_options options)
{
    apus_pid pid;
    options.struct_size = sizeof options;
    return apus_spawn(&puppet, NULL, 0, &options, &pid);
}

static void check_spawn_arguments(void)
{
    static const apus_behaviour nameless = {.handle = puppet_handle};
    apus_spawn_options small = {.struct_size = 4};
    char long_name[APUS_NAME_MAX + 2];
    apus_pid pid;
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    CHECK_EQ(apus_spawn(NULL, NULL, 0, NULL, &pid), -EINVAL);
    CHECK_EQ(apus_spawn(&nameless, NULL, 0, NULL, &pid), -EINVAL);
    CHECK_EQ(apus_spawn(&puppet, NULL, 8, NULL, &pid), -EINVAL);
    CHECK_EQ(apus_spawn(&puppet, NULL, 0, &small, &pid), -EINVAL);
    small.struct_size = 0;
    CHECK_EQ(apus_spawn(&puppet, NULL, 0, &small, &pid), -EINVAL);
    CHECK_EQ(apus_spawn_blocking(NULL, NULL, 0, NULL, &pid), -EINVAL);
    CHECK_EQ(apus_spawn_blocking(puppet_body, NULL, 8, NULL, &pid), -EINVAL);
    CHECK_EQ(apus_spawn_blocking(puppet_body, NULL, 0, &small, &pid), -EINVAL);
    CHECK_EQ(spawn_with((apus_spawn_options){.flags = 1u << 20}), -EINVAL);
    CHECK_EQ(spawn_with((apus_spawn_options){.priority = (apus_priority)4}), -EINVAL);
    CHECK_EQ(spawn_with((apus_spawn_options){.mailbox_policy = (apus_mailbox_policy)4}), -EINVAL);
    CHECK_EQ(spawn_with((apus_spawn_options){.name = ""}), -EINVAL);
    CHECK_EQ(spawn_with((apus_spawn_options){.name = long_name}), -EINVAL);
    CHECK_EQ(spawn_with((apus_spawn_options){.node = 100000}), -EINVAL);
    CHECK_EQ(spawn_with((apus_spawn_options){.node = -1}), -EINVAL);
}

TEST(spawn_arguments, "apus_spawn and apus_spawn_blocking refuse arguments that are NULL or out of range")
{
    start_runtime(1);
    check_spawn_arguments();
    CHECK_EQ(runtime_info().spawned, 0);
    CHECK_EQ(spawn_with((apus_spawn_options){.near = {12345}}), 0);
    CHECK_EQ(spawn_with((apus_spawn_options){.node = 1}), 0);
    stop_runtime();
}

// Spawns until no more can be; tells how many could.
static void spawn_to_the_limit(apus_process *self, void *argument)
{
    apus_pid pid;
    int result, count = 0;
    (void)self;
    while ((result = apus_spawn(&puppet, NULL, 0, NULL, &pid)) == 0)
        count++;
    CHECK_EQ(result, -EAGAIN);
    **(int **)argument = count;
}

TEST(spawn_to_the_limit, "apus_spawn: a process has max_processes to itself, whatever other schedulers set aside, and no end of them")
{
    static const unsigned schedulers[] = {1, 2, 4, 16}, limits[] = {1, 64, 1024};
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++) {
            apus_options options = {.struct_size = sizeof options, .schedulers = schedulers[i], .binding = APUS_BIND_NONE,
                                    .max_processes = limits[k]};
            int count = 0, *told = &count;
            CHECK_EQ(apus_start(&options), 0);
            run_process(spawn_to_the_limit, &told, sizeof told); // joins, so that it needs one of the cells kept
            CHECK(count >= (int)limits[k] && count <= 8192);
            CHECK_EQ(apus_stop(0), 0);
        }
    }
}

TEST(spawn_from_thread, "apus_spawn: a plain thread cannot link, monitor or be told of the start")
{
    apus_ref ref;
    start_runtime(1);
    CHECK_EQ(spawn_with((apus_spawn_options){.flags = APUS_SPAWN_LINK}), -EPERM);
    CHECK_EQ(spawn_with((apus_spawn_options){.flags = APUS_SPAWN_MONITOR, .monitor = &ref}), -EPERM);
    CHECK_EQ(spawn_with((apus_spawn_options){.flags = APUS_SPAWN_ACK}), -EPERM);
    CHECK_EQ(spawn_with((apus_spawn_options){.flags = APUS_SPAWN_TRAP_EXITS}), 0);
    CHECK_EQ(spawn_with((apus_spawn_options){.name = "taken"}), 0);
    CHECK_EQ(spawn_with((apus_spawn_options){.name = "taken"}), -EEXIST);
    CHECK_EQ(runtime_info().spawned, 2);
    stop_runtime();
}

static void monitor_needs_place(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    CHECK_EQ(spawn_with((apus_spawn_options){.flags = APUS_SPAWN_MONITOR}), -EINVAL);
    check_spawn_arguments();
    CHECK_EQ(apus_spawn(&puppet, NULL, 0, NULL, NULL), 0);
}

TEST(spawn_from_process, "apus_spawn from a process refuses the same, and a monitor without a place for its reference")
{
    start_runtime(1);
    run_process(monitor_needs_place, NULL, 0);
    stop_runtime();
}

TEST(process_limit, "apus_spawn: -EAGAIN at the limit of processes; those that end make room")
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_NONE, .max_processes = 4000};
    static apus_pid pids[8193];
    CHECK_EQ(apus_start(&options), 0);
    for (int round = 0; round < 5; round++) {
        int count = 0, error = 0;
        while (count <= 8192 && (error = apus_spawn(&puppet, NULL, 0, NULL, &pids[count])) == 0)
            count++;
        CHECK_EQ(error, -EAGAIN);
        CHECK(count >= (round == 0 ? 4000 : 3000)); // later a scheduler may have kept more than it now needs
        for (int i = 0; i < count; i++)
            dismiss(pids[i]);
        for (int wait = 0; runtime_info().processes > 0 && wait < PATIENCE_MS; wait++)
            usleep(1000);
        CHECK_EQ(runtime_info().processes, 0);
    }
    stop_runtime();
}

static int end_at_once(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state, (void)argument;
    return APUS_DONE;
}

static const apus_behaviour mayfly = {.name = "mayfly", .init = end_at_once, .handle = puppet_handle};

static void *spawn_many(void *argument)
{
    for (long i = 0; i < *(long *)argument; i++)
        CHECK_EQ(apus_spawn(&mayfly, NULL, 0, NULL, NULL), 0);
    return NULL;
}

TEST(spawn_from_threads, "apus_spawn: plain threads that take each other's cells away get one each, however fast they ask")
{
    enum { THREADS = 6 };
    long count = test_scaled(100000);
    pthread_t threads[THREADS];
    for (unsigned schedulers = 1; schedulers <= 2; schedulers++) {
        start_runtime(schedulers);
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, spawn_many, &count), 0);
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        stop_runtime();
    }
}

// The functions that take `self`, with arguments that are otherwise right.

static int call_link(apus_process *self) { return apus_link(self, (apus_pid){1}); }
static int call_unlink(apus_process *self) { return apus_unlink(self, (apus_pid){1}); }
static int call_monitor(apus_process *self) { return apus_monitor(self, (apus_pid){1}, &(apus_ref){0}); }
static int call_monitor_name(apus_process *self) { return apus_monitor_name(self, "name", &(apus_ref){0}); }
static int call_demonitor(apus_process *self) { return apus_demonitor(self, (apus_ref){1}, 0); }
static int call_abandon(apus_process *self) { return apus_request_abandon(self, (apus_ref){1}); }
static int call_trap_exits(apus_process *self) { return apus_trap_exits(self, true); }
static int call_set_priority(apus_process *self) { return apus_set_priority(self, APUS_PRIORITY_LOW); }
static int call_set_label(apus_process *self) { return apus_set_label(self, "label"); }
static int call_sleep(apus_process *self) { return apus_sleep(self, 0); }
static int call_yield(apus_process *self) { return apus_yield(self); }
static int call_watch(apus_process *self) { return apus_watch(self, 0, APUS_IO_READ); }
static int call_unwatch(apus_process *self) { return apus_unwatch(self, 0); }
static int call_request(apus_process *self)
{
    return apus_request(self, (apus_pid){1}, &type_number, NULL, 0, 0, &(apus_ref){0});
}

static const struct {
    const char *name;
    int (*call)(apus_process *self);
} self_calls[] = {
    {"apus_link", call_link},         {"apus_unlink", call_unlink},           {"apus_monitor", call_monitor},
    {"apus_monitor_name", call_monitor_name}, {"apus_demonitor", call_demonitor}, {"apus_request", call_request},
    {"apus_request_abandon", call_abandon},   {"apus_trap_exits", call_trap_exits}, {"apus_set_priority", call_set_priority},
    {"apus_set_label", call_set_label}, {"apus_sleep", call_sleep},           {"apus_yield", call_yield},
    {"apus_watch", call_watch},       {"apus_unwatch", call_unwatch},
};

static void check_self_calls(apus_process *self, int error)
{
    for (size_t i = 0; i < sizeof self_calls / sizeof *self_calls; i++) {
        int got = self_calls[i].call(self);
        if (got != error)
            fprintf(stderr, "%s\n", self_calls[i].name);
        CHECK_EQ(got, error);
    }
    CHECK(apus_receive(self, NULL, NULL, 0) == NULL);
    CHECK(apus_alloc(self, 16) == NULL);
}

static apus_process *_Atomic other_self;
static atomic_bool other_may_go;

static void lend_self(apus_process *self, void *argument)
{
    (void)argument;
    atomic_store(&other_self, self);
    while (!atomic_load(&other_may_go))
        apus_sleep(self, 1);
}

static void use_wrong_self(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    check_self_calls(atomic_load(&other_self), -EPERM);
    check_self_calls(NULL, -EINVAL);
}

TEST(wrong_self, "every function that takes self refuses one that is not the caller, and NULL")
{
    apus_pid pid;
    start_runtime(2);
    CHECK_EQ(apus_spawn_blocking(lend_self, NULL, 0, NULL, &pid), 0);
    while (!atomic_load(&other_self))
        usleep(1000);
    check_self_calls(atomic_load(&other_self), -EPERM);
    check_self_calls(NULL, -EINVAL);
    run_process(use_wrong_self, NULL, 0);
    atomic_store(&other_may_go, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
}

static void check_own_arguments(apus_process *self, void *argument)
{
    char label[100];
    apus_pid me = apus_pid_of(self);
    (void)argument;
    CHECK(apus_self() == self);
    CHECK(apus_is_alive(me));
    CHECK(apus_pid_equal(apus_parent_of(self), APUS_NOBODY));
    CHECK_EQ(apus_set_priority(self, (apus_priority)4), -EINVAL);
    CHECK_EQ(apus_set_priority(self, (apus_priority)-1), -EINVAL);
    CHECK_EQ(apus_set_priority(self, APUS_PRIORITY_HIGH), 0);
    CHECK_EQ(info_of(me).priority, APUS_PRIORITY_HIGH);
    memset(label, 'x', sizeof label);
    label[99] = 0;
    CHECK_EQ(apus_set_label(self, label), 0);
    CHECK_EQ(strlen(info_of(me).label), 63);
    CHECK_EQ(apus_set_label(self, NULL), 0);
    CHECK_STR(info_of(me).label, "");
    CHECK_EQ(apus_monitor(self, me, NULL), -EINVAL);
    CHECK_EQ(apus_monitor_name(self, "name", NULL), -EINVAL);
    CHECK_EQ(apus_monitor_name(self, NULL, &(apus_ref){0}), -EINVAL);
    CHECK_EQ(apus_demonitor(self, (apus_ref){1}, 1u << 9), -EINVAL);
    CHECK_EQ(apus_join(me, 0, NULL), -EPERM);
    CHECK(apus_alloc(self, 0) == NULL);
    for (size_t size = 1; size < 100000; size *= 3) {
        char *memory = apus_alloc(self, size);
        CHECK(memory != NULL);
        CHECK_EQ((uintptr_t)memory % 16, 0);
        memset(memory, 0x77, size);
    }
    apus_pid child = spawn_puppet_with(false, NULL);
    CHECK(apus_pid_equal(info_of(child).parent, me));
}

TEST(own_arguments, "functions of the calling process check their arguments")
{
    start_runtime(2);
    CHECK(apus_self() == NULL);
    run_process(check_own_arguments, NULL, 0);
    stop_runtime();
}

static void take_too_much(apus_process *self, void *argument)
{
    (void)argument;
    while (apus_alloc(self, 1000))
        continue;
    apus_receive(self, NULL, NULL, APUS_INFINITY);
    CHECK(false);
}

static void arena_has_a_limit(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref,
                                  .arena_limit = 100000};
    (void)scene;
    CHECK_EQ(apus_spawn_blocking(take_too_much, NULL, 0, &options, &pid), 0);
    expect_down(self, ref, pid, APUS_REASON_KILLED);
}

TEST(arena_limit, "apus_alloc over the arena limit ends the process with killed")
{
    play(arena_has_a_limit, 32);
}

TEST(join, "apus_join: the reason, noproc for the dead, and the time-out")
{
    apus_reason reason;
    start_runtime(2);
    apus_pid pid = spawn_puppet_with(false, NULL);
    CHECK_EQ(apus_join(pid, 0, &reason), -ETIMEDOUT);
    CHECK_EQ(apus_join(pid, 5, NULL), -ETIMEDOUT);
    dismiss(pid);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, &reason), 0);
    CHECK(reason.kind == APUS_REASON_KILLED || reason.kind == APUS_REASON_NOPROC);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, &reason), 0);
    CHECK_EQ(reason.kind, APUS_REASON_NOPROC);
    CHECK_EQ(apus_join(APUS_NOBODY, APUS_INFINITY, &reason), 0);
    CHECK_EQ(reason.kind, APUS_REASON_NOPROC);
    stop_runtime();
}

static void *join_thread(void *argument)
{
    apus_reason reason;
    CHECK_EQ(apus_join(*(const apus_pid *)argument, APUS_INFINITY, &reason), 0);
    CHECK(reason.kind == APUS_REASON_ERROR || reason.kind == APUS_REASON_NOPROC);
    CHECK(reason.kind == APUS_REASON_NOPROC || reason.code == -5);
    return NULL;
}

TEST(join_many, "apus_join: many threads may wait for one process")
{
    pthread_t threads[8];
    start_runtime(2);
    for (int round = 0; round < 100; round++) {
        apus_pid pid = spawn_puppet_with(round % 2, NULL);
        for (int i = 0; i < 8; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, join_thread, &pid), 0);
        tell(pid, (struct order){.run = do_exit, .reason = apus_reason_error(-5, NULL)});
        for (int i = 0; i < 8; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    stop_runtime();
}

TEST(is_alive, "apus_is_alive: nobody and pids never given are not alive")
{
    start_runtime(1);
    CHECK(!apus_is_alive(APUS_NOBODY));
    CHECK(!apus_is_alive((apus_pid){UINT64_MAX}));
    CHECK(!apus_is_alive((apus_pid){123456}));
    CHECK_EQ(apus_exit_signal(APUS_NOBODY, apus_reason_of(APUS_REASON_KILL)), -ESRCH);
    CHECK_EQ(apus_exit_signal((apus_pid){UINT64_MAX}, apus_reason_of(APUS_REASON_KILL)), -ESRCH);
    stop_runtime();
}

TEST(exit_signal_arguments, "apus_exit_signal: a reason of no kind is refused")
{
    start_runtime(1);
    apus_pid pid = spawn_puppet_with(false, NULL);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of((apus_reason_kind)9)), -EINVAL);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of((apus_reason_kind)-1)), -EINVAL);
    CHECK(apus_is_alive(pid));
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
