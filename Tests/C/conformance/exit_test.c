// R1-R11: how processes end, what others see of it, and when.
#include "../scene.h"

#include "process/signal.h"

static void normal_signal_is_ignored(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    (void)self;
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_NORMAL)), 0);
    settle(pid);
    CHECK(apus_is_alive(pid));
    dismiss(pid);
}

TEST(R1_normal_ignored, "R1: exit(P, normal) does nothing to a process that does not trap exits")
{
    play(normal_signal_is_ignored, 100);
}

static void normal_signal_is_trapped(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    CHECK_EQ(apus_trap_exits(self, true), 0);
    tell(pid, (struct order){.run = do_signal, .pid = apus_pid_of(self), .reason = apus_reason_of(APUS_REASON_NORMAL)});
    expect_exit(self, pid, APUS_REASON_NORMAL);
    expect_silence(self);
    dismiss(pid);
}

TEST(R1_normal_trapped, "R1: exit(P, normal) is a message to a process that traps exits")
{
    play(normal_signal_is_trapped, 100);
}

static void signal_from_thread(apus_process *self, void *argument)
{
    (void)argument;
    apus_message *message = expect(self, &apus_type_exit);
    const apus_exit_message *exit = apus_message_payload(message);
    CHECK(apus_pid_equal(exit->from, APUS_NOBODY));
    CHECK_EQ(exit->reason.kind, APUS_REASON_ERROR);
    CHECK_EQ(exit->reason.code, -EIO);
    CHECK_STR(exit->reason.text, "disk gone");
    apus_message_release(message);
}

TEST(R1_thread_signals, "R1: an exit signal from a plain thread is trapped as a message from nobody")
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_TRAP_EXITS};
    apus_reason reason;
    apus_pid pid;
    start_runtime(2);
    CHECK_EQ(apus_spawn_blocking(signal_from_thread, NULL, 0, &options, &pid), 0);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_error(-EIO, "disk gone")), 0);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, &reason), 0);
    CHECK(reason.kind == APUS_REASON_NORMAL || reason.kind == APUS_REASON_NOPROC);
    stop_runtime();
}

static atomic_int exits_handled;

static int count_exit(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    if (apus_message_type(message) != &apus_type_exit)
        return APUS_DONE;
    atomic_fetch_add(&exits_handled, 1);
    return APUS_OK;
}

static const apus_behaviour exit_counter = {.name = "exit counter", .handle = count_exit};

TEST(R1_thread_signals_callback, "R1: a plain thread is nobody's parent: its exit signal is a message to a callback process that traps")
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_TRAP_EXITS};
    apus_pid pid;
    start_runtime(2);
    CHECK_EQ(apus_spawn(&exit_counter, NULL, 0, &options, &pid), 0);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_error(-EIO, NULL)), 0);
    send_number(pid, 1);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    CHECK_EQ(atomic_load(&exits_handled), 1);
    stop_runtime();
}

static void own_normal_exit(apus_process *self, const scene_t *scene)
{
    apus_ref exits, returns;
    apus_pid first = spawn_puppet(scene, 0, &exits), second = spawn_puppet(scene, 0, &returns);
    tell_exit(first, APUS_REASON_NORMAL);
    tell(second, (struct order){.run = do_return, .number = APUS_DONE});
    expect_down(self, exits, first, APUS_REASON_NORMAL);
    expect_down(self, returns, second, APUS_REASON_NORMAL);
    expect_silence(self);
}

TEST(R2_normal, "R2: a process that exits itself with normal, or returns, ends normal")
{
    play(own_normal_exit, 100);
}

static int do_signal_self(apus_process *self, const struct order *order)
{
    CHECK_EQ(apus_exit_signal(apus_pid_of(self), order->reason), 0);
    return APUS_OK;
}

static void normal_signal_to_oneself(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_pid pid = spawn_puppet(scene, 0, &ref);
    tell(pid, (struct order){.run = do_signal_self, .reason = apus_reason_of(APUS_REASON_NORMAL)});
    expect_down(self, ref, pid, APUS_REASON_NORMAL);
}

TEST(R2_normal_signal_to_oneself, "R2: exit(self(), normal) ends the caller, unlike the same signal from another")
{
    play(normal_signal_to_oneself, 50);
}

static void second_exit_replaces_reason(apus_process *self, void *argument)
{
    (void)argument;
    CHECK_EQ(apus_exit(self, apus_reason_error(1, "first")), APUS_EXITED);
    CHECK_EQ(apus_exit(self, apus_reason_error(2, "second")), APUS_EXITED);
}

static void last_reason_counts(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref};
    apus_pid pid;
    (void)scene;
    CHECK_EQ(apus_spawn_blocking(second_exit_replaces_reason, NULL, 0, &options, &pid), 0);
    apus_message *message = expect_down_message(self, ref, pid, APUS_REASON_ERROR);
    const apus_down_message *down = apus_message_payload(message);
    CHECK_EQ(down->reason.code, 2);
    CHECK_STR(down->reason.text, "second");
    apus_message_release(message);
}

TEST(R2_second_exit, "R2: a second apus_exit replaces the reason of the first")
{
    play(last_reason_counts, 50);
}

static void kill_is_not_trapped(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    apus_pid pid = spawn_puppet(scene, APUS_SPAWN_TRAP_EXITS | APUS_SPAWN_LINK, &ref);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    expect_down(self, ref, pid, APUS_REASON_KILLED);
    expect_exit(self, pid, APUS_REASON_KILLED);
    expect_silence(self);
}

TEST(R3_kill, "R3: kill can't be trapped and becomes killed, which links may trap")
{
    play(kill_is_not_trapped, 100);
}

static atomic_int terminations;

static void count_termination(apus_process *self, void *state, const apus_reason *reason)
{
    (void)self, (void)state, (void)reason;
    atomic_fetch_add(&terminations, 1);
}

static const apus_behaviour terminated = {.name = "terminated", .handle = puppet_handle, .terminate = count_termination};

static void end_terminated(apus_process *self, apus_reason signal, struct order order, apus_reason_kind kind)
{
    apus_ref ref;
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref};
    CHECK_EQ(apus_spawn(&terminated, NULL, 0, &options, &pid), 0);
    settle(pid);
    if (order.run)
        tell(pid, order);
    else
        CHECK_EQ(apus_exit_signal(pid, signal), 0);
    expect_down(self, ref, pid, kind);
}

static void signals_do_not_terminate(apus_process *self, void *argument)
{
    struct order none = {0};
    apus_reason reason = apus_reason_of(APUS_REASON_KILL);
    (void)argument;
    end_terminated(self, reason, none, APUS_REASON_KILLED);
    end_terminated(self, apus_reason_of(APUS_REASON_SHUTDOWN), none, APUS_REASON_SHUTDOWN);
    CHECK_EQ(atomic_load(&terminations), 0);
    end_terminated(self, reason, (struct order){.run = do_return, .number = APUS_DONE}, APUS_REASON_NORMAL);
    end_terminated(self, reason, (struct order){.run = do_return, .number = -EIO}, APUS_REASON_ERROR);
    end_terminated(self, reason, (struct order){.run = do_exit, .reason = apus_reason_error(7, NULL)}, APUS_REASON_ERROR);
    CHECK_EQ(atomic_load(&terminations), 3);
}

TEST(R3_terminate, "R3: terminate runs when a process ends of its own accord, not when a signal ends it")
{
    start_runtime(2);
    run_process(signals_do_not_terminate, NULL, 0);
    stop_runtime();
}

static void parents_exit_terminates(apus_process *self, void *argument)
{
    apus_ref ref;
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options, .monitor = &ref,
                                  .flags = APUS_SPAWN_MONITOR | APUS_SPAWN_LINK | APUS_SPAWN_TRAP_EXITS};
    (void)argument;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    CHECK_EQ(apus_spawn(&terminated, NULL, 0, &options, &pid), 0);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_SHUTDOWN)), 0);
    expect_down(self, ref, pid, APUS_REASON_SHUTDOWN);
    CHECK_EQ(atomic_load(&terminations), 1);
}

TEST(R3_parent_terminates, "R3: terminate runs when a process that traps exits is told to end by its parent")
{
    start_runtime(2);
    run_process(parents_exit_terminates, NULL, 0);
    stop_runtime();
}

static void own_kill_is_unconverted(apus_process *self, const scene_t *scene)
{
    apus_ref ref, peer_ref;
    apus_pid pid = spawn_puppet(scene, 0, &ref), peer = spawn_puppet(scene, 0, &peer_ref);
    CHECK_EQ(apus_trap_exits(self, true), 0);
    CHECK_EQ(apus_link(self, pid), 0);
    ask(pid, (struct order){.run = do_link, .pid = peer});
    tell_exit(pid, APUS_REASON_KILL);
    expect_exit(self, pid, APUS_REASON_KILL);
    expect_down(self, ref, pid, APUS_REASON_KILL);
    expect_down(self, peer_ref, peer, APUS_REASON_KILL);
    expect_silence(self);
}

TEST(R4_own_kill, "R4: a process that exits itself with kill sends kill over its links, unconverted, and it may be trapped")
{
    play(own_kill_is_unconverted, 100);
}

static void link_carries_reason(apus_process *self, const scene_t *scene)
{
    apus_ref refs[4];
    apus_pid chain[4];
    for (int i = 0; i < 4; i++) {
        chain[i] = spawn_puppet(scene, 0, &refs[i]);
        if (i > 0)
            ask(chain[i], (struct order){.run = do_link, .pid = chain[i - 1]});
    }
    tell(chain[0], (struct order){.run = do_exit, .reason = apus_reason_error(-EIO, "disk gone")});
    for (int i = 0; i < 4; i++) {
        apus_message *message = expect_down_message(self, refs[i], chain[i], APUS_REASON_ERROR);
        const apus_down_message *down = apus_message_payload(message);
        CHECK_EQ(down->reason.code, -EIO);
        CHECK_STR(down->reason.text, "disk gone");
        apus_message_release(message);
    }
    expect_silence(self);
}

TEST(R5_abnormal, "R5: an abnormal exit ends linked processes that do not trap, one after the other, with the same reason")
{
    play(link_carries_reason, 100);
}

static void normal_exit_of_link(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_pid pid = spawn_puppet(scene, 0, &ref), peer = spawn_puppet(scene, 0, NULL);
    CHECK_EQ(apus_trap_exits(self, true), 0);
    CHECK_EQ(apus_link(self, pid), 0);
    ask(pid, (struct order){.run = do_link, .pid = peer});
    tell_exit(pid, APUS_REASON_NORMAL);
    expect_exit(self, pid, APUS_REASON_NORMAL);
    expect_down(self, ref, pid, APUS_REASON_NORMAL);
    settle(peer);
    CHECK(apus_is_alive(peer));
    dismiss(peer);
}

TEST(R5_normal, "R5: a normal exit of a linked peer is ignored, or delivered to one that traps")
{
    play(normal_exit_of_link, 100);
}

static void queued_exit_stays(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    struct order order = {.run = do_signal, .pid = apus_pid_of(self), .reason = apus_reason_error(5, NULL)};
    CHECK_EQ(apus_trap_exits(self, true), 0);
    ask(pid, order);
    CHECK_EQ(apus_trap_exits(self, false), 0);
    expect_exit(self, pid, APUS_REASON_ERROR);
    dismiss(pid);
}

TEST(R6_queued_exit_stays, "R6: turning trapping off leaves an EXIT that is queued where it is")
{
    play(queued_exit_stays, 100);
}

static int fail_init(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state, (void)argument;
    return -EIO;
}

static const apus_behaviour fails_at_init = {.name = "fails at init", .init = fail_init, .handle = puppet_handle,
                                             .terminate = count_termination};

static void negative_return_is_error(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_pid pid = spawn_puppet(scene, 0, &ref);
    tell(pid, (struct order){.run = do_return, .number = -ENOSPC});
    apus_message *message = expect_down_message(self, ref, pid, APUS_REASON_ERROR);
    CHECK_EQ(((const apus_down_message *)apus_message_payload(message))->reason.code, -ENOSPC);
    apus_message_release(message);

    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref};
    CHECK_EQ(apus_spawn(&fails_at_init, NULL, 0, &options, &pid), 0);
    message = expect_down_message(self, ref, pid, APUS_REASON_ERROR);
    CHECK_EQ(((const apus_down_message *)apus_message_payload(message))->reason.code, -EIO);
    apus_message_release(message);
    CHECK_EQ(atomic_load(&terminations), 0);
}

TEST(R7_negative_return, "R7: a negative return of init or handle becomes an error reason with its code")
{
    play(negative_return_is_error, 50);
}

static int started_status(apus_process *self, apus_pid pid, apus_reason_kind *kind)
{
    apus_message *message = expect(self, &apus_type_started);
    const apus_started *started = apus_message_payload(message);
    int status = started->status;
    CHECK(apus_pid_equal(started->pid, pid));
    *kind = started->reason.kind;
    apus_message_release(message);
    return status;
}

static int ignore_init(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state, (void)argument;
    return APUS_IGNORE;
}

static const apus_behaviour ignores = {.name = "ignores", .init = ignore_init, .handle = puppet_handle};

static void start_is_acknowledged(apus_process *self, const scene_t *scene)
{
    const apus_behaviour *kinds[] = {&puppet, &fails_at_init, &ignores};
    const int status[] = {APUS_OK, -EIO, APUS_IGNORE};
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_ACK};
    (void)scene;
    for (int i = 0; i < 3; i++) {
        apus_reason_kind kind;
        apus_pid pid;
        CHECK_EQ(apus_spawn(kinds[i], NULL, 0, &options, &pid), 0);
        CHECK_EQ(started_status(self, pid, &kind), status[i]);
        if (i == 1)
            CHECK_EQ(kind, APUS_REASON_ERROR);
        dismiss(pid);
    }
    expect_silence(self);
}

TEST(R7_started, "R7: a start that was asked to be acknowledged says ok, ignore or the error, once")
{
    play(start_is_acknowledged, 50);
}

static int wait_in_init(apus_process *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    apus_receive(self, NULL, NULL, APUS_INFINITY);
    return APUS_OK;
}

static const apus_behaviour waits_in_init = {.name = "waits in init", .init = wait_in_init, .handle = puppet_handle};

static void killed_start_is_acknowledged(apus_process *self, const scene_t *scene)
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_ACK};
    apus_reason_kind kind;
    apus_pid pid;
    (void)scene;
    CHECK_EQ(apus_spawn(&waits_in_init, NULL, 0, &options, &pid), 0);
    dismiss(pid);
    CHECK(started_status(self, pid, &kind) < 0);
    CHECK_EQ(kind, APUS_REASON_KILLED);
}

TEST(R7_killed_start, "R7: a process killed before its init has ended acknowledges that")
{
    play(killed_start_is_acknowledged, 100);
}

static void resources_go_first(apus_process *self, const scene_t *scene)
{
    char name[32];
    apus_ref ref, timer;
    apus_pid found;
    snprintf(name, sizeof name, "mortal %d", scene->turn);
    apus_spawn_options options = {.struct_size = sizeof options, .monitor = &ref, .name = name,
                                  .flags = APUS_SPAWN_MONITOR | (scene->turn % 4 < 2 ? APUS_SPAWN_LINK : 0)};
    CHECK_EQ(apus_trap_exits(self, true), 0);
    apus_pid pid = spawn_puppet_with(scene->blocking, &options);
    CHECK_EQ(apus_send_after(3600000, pid, NULL, NULL, 0, &timer), 0);
    CHECK_EQ(apus_whereis(name, &found), 0);
    CHECK(apus_pid_equal(found, pid));
    if (scene->turn % 2)
        tell_exit(pid, APUS_REASON_ERROR);
    else
        dismiss(pid);
    apus_message *message = apus_receive(self, NULL, NULL, PATIENCE_MS);
    CHECK(message != NULL);
    CHECK_EQ(apus_whereis(name, &found), -ESRCH);
    CHECK_EQ(apus_cancel(timer, NULL), -ENOENT);
    CHECK(!apus_is_alive(pid));
    CHECK_EQ(apus_register(name, apus_pid_of(self)), 0);
    CHECK_EQ(apus_unregister(name), 0);
    apus_message_release(message);
}

TEST(R8_resources_go_first, "R8: name and timers of a process are gone before its EXIT or DOWN arrives")
{
    play(resources_go_first, 300);
}

static int do_watch(apus_process *self, const struct order *order)
{
    CHECK_EQ(apus_watch(self, (int)order->number, APUS_IO_READ), 0);
    return APUS_OK;
}

static void watch_goes_first(apus_process *self, const scene_t *scene)
{
    int pipe_ends[2];
    apus_ref ref;
    CHECK_EQ(pipe(pipe_ends), 0);
    apus_pid pid = spawn_puppet(scene, 0, &ref);
    ask(pid, (struct order){.run = do_watch, .number = pipe_ends[0]});
    CHECK_EQ(apus_watch(self, pipe_ends[0], APUS_IO_READ), -EBUSY);
    dismiss(pid);
    expect_down(self, ref, pid, APUS_REASON_KILLED);
    CHECK_EQ(apus_watch(self, pipe_ends[0], APUS_IO_READ), 0);
    CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
    apus_message *message = expect(self, &apus_type_io);
    const apus_io_message *io = apus_message_payload(message);
    CHECK_EQ(io->fd, pipe_ends[0]);
    CHECK(io->events & APUS_IO_READ);
    apus_message_release(message);
    CHECK_EQ(apus_unwatch(self, pipe_ends[0]), 0);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

TEST(R8_watch_goes_first, "R8: a descriptor watched by a process is free before its DOWN arrives")
{
    play(watch_goes_first, 100);
}

static void killed_is_not_alive(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, APUS_SPAWN_TRAP_EXITS, NULL);
    (void)self;
    CHECK(apus_is_alive(pid));
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    CHECK(!apus_is_alive(pid));
}

TEST(R9_killed_is_not_alive, "R9: after kill the caller finds the process not alive")
{
    play(killed_is_not_alive, 1000);
}

TEST(R9_thread_kills, "R9: after kill from a plain thread the process is not alive")
{
    start_runtime(2);
    for (int i = 0; i < 1000; i++) {
        apus_pid pid = spawn_puppet_with(i % 2, NULL);
        CHECK(apus_is_alive(pid));
        CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
        CHECK(!apus_is_alive(pid));
    }
    stop_runtime();
}

static int compare_pids(const void *a, const void *b)
{
    uint64_t left = ((const apus_pid *)a)->id, right = ((const apus_pid *)b)->id;
    return (left > right) - (left < right);
}

static void signalled_is_not_alive(apus_process *self, const scene_t *scene)
{
    (void)self;
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    settle(pid);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_error(-EIO, NULL)), 0);
    CHECK(!apus_is_alive(pid));
}

TEST(R11_exit_has_arrived, "R11: whom an exit signal has reached, as it does at once on its scheduler, is not alive any more")
{
    play_on(1, signalled_is_not_alive, 100);
}

// Kills the process of this generation, which may not be the cell's any more.
static void doom(struct apus_process *cell, uint64_t generation)
{
    apus__doom(cell, (apus_pid){generation << 32 | 3});
}

TEST(R9_late_kill, "R9: a kill that was meant for an earlier process of a cell takes no mark from a later one")
{
    // Generations wrap, and a cell may have been used any number of times since its last mark.
    static const uint64_t generations[] = {7, 8, 0x70000000, 0xe0000000, 2, 0x80000003};
    struct apus_process cell = {0};
    for (size_t i = 0; i < sizeof generations / sizeof *generations; i++) {
        apus_store_relaxed(&cell.pid, generations[i] << 32 | 3);
        doom(&cell, generations[i]);
        CHECK_EQ(cell.doomed, generations[i] << 32 | 3);
        doom(&cell, generations[i] - 1);
        doom(&cell, i > 0 ? generations[i - 1] : 6);
        CHECK_EQ(cell.doomed, generations[i] << 32 | 3);
    }
}

static int end_at_once(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state, (void)argument;
    return APUS_DONE;
}

static const apus_behaviour mayfly = {.name = "mayfly", .init = end_at_once, .handle = puppet_handle};

TEST(R10_pids_are_new, "R10: no pid is given twice, though the table has 512 places")
{
    long count = test_scaled(200000);
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_NONE, .max_processes = 512};
    apus_pid *pids = malloc((size_t)count * sizeof *pids);
    CHECK(pids != NULL);
    CHECK_EQ(apus_start(&options), 0);
    for (long i = 0; i < count; i++) {
        int error;
        while ((error = apus_spawn(&mayfly, NULL, 0, NULL, &pids[i])) == -EAGAIN)
            apus_join(pids[i - 1], APUS_INFINITY, NULL);
        CHECK_EQ(error, 0);
        CHECK(pids[i].id != 0);
    }
    for (long i = 0; i < count; i += 97) {
        CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
        CHECK(!apus_is_alive(pids[i]));
        CHECK_EQ(apus_send(pids[i], &type_number, NULL, 0), -ESRCH);
    }
    qsort(pids, (size_t)count, sizeof *pids, compare_pids);
    for (long i = 1; i < count; i++)
        CHECK(pids[i].id != pids[i - 1].id);
    free(pids);
    stop_runtime();
}

static atomic_bool callback_entered, callback_may_return;

static int stay_in_callback(apus_process *self, void *state, apus_message *message)
{
    (void)state, (void)message;
    apus_pid pid = apus_pid_of(self);
    atomic_store(&callback_entered, true);
    while (!atomic_load(&callback_may_return))
        usleep(100);
    CHECK(apus_pid_equal(apus_pid_of(self), pid));
    return APUS_OK;
}

static const apus_behaviour busy = {.name = "busy", .handle = stay_in_callback};

static void exit_in_callback(apus_reason_kind kind, apus_reason_kind seen)
{
    apus_reason reason = apus_reason_of(APUS_REASON_NORMAL);
    apus_pid pid, other;
    int error;
    atomic_store(&callback_entered, false);
    atomic_store(&callback_may_return, false);
    while ((error = apus_spawn(&busy, NULL, 0, NULL, &pid)) == -EAGAIN)
        usleep(100);
    CHECK_EQ(error, 0);
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    while (!atomic_load(&callback_entered))
        usleep(100);
    CHECK(apus_is_alive(pid));
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(kind)), 0);
    CHECK(!apus_is_alive(pid));
    // Gone as soon as its scheduler was taken from it, if it stayed that long.
    int joined = apus_join(pid, 1, NULL);
    CHECK(joined == 0 || joined == -ETIMEDOUT);
    for (int i = 0; i < 20; i++) {
        while ((error = apus_spawn(&mayfly, NULL, 0, NULL, &other)) == -EAGAIN)
            usleep(100);
        CHECK_EQ(error, 0);
        CHECK(!apus_pid_equal(pid, other));
        CHECK((uint32_t)pid.id != (uint32_t)other.id);
    }
    CHECK(!apus_is_alive(pid));
    CHECK_EQ(apus_register("half dead", pid), -ESRCH);
    atomic_store(&callback_may_return, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, &reason), 0);
    CHECK(reason.kind == seen || reason.kind == APUS_REASON_NOPROC);
}

TEST(R11_kill_in_callback, 
     "R11: a process killed inside a long callback is exiting for everyone; its pid stays taken until it returns")
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_NONE, .max_processes = 512};
    CHECK_EQ(apus_start(&options), 0);
    for (int i = 0; i < 20; i++)
        exit_in_callback(APUS_REASON_KILL, APUS_REASON_KILLED);
    stop_runtime();
}

static _Atomic uint64_t finisher;
static atomic_int finisher_reason;

// Ends by itself as soon as it may.
static void finish(apus_process *self, void *argument)
{
    (void)argument;
    atomic_store(&finisher, apus_pid_of(self).id);
    while (!atomic_load(&callback_may_return)) {
    }
}

static void watch_finisher(apus_process *self, void *argument)
{
    apus_ref monitor;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &monitor};
    (void)argument;
    CHECK_EQ(apus_spawn_blocking(finish, NULL, 0, &options, NULL), 0);
    apus_message *message = expect(self, &apus_type_down);
    atomic_store(&finisher_reason, (int)((const apus_down_message *)apus_message_payload(message))->reason.kind);
    apus_message_release(message);
}

TEST(R11_killed_and_done, "R11: a process that is killed in a callback with which it ends is killed, whatever the callback returns")
{
    apus_pid watcher;
    start_runtime(2);
    for (int i = 0; i < 200; i++) {
        atomic_store(&finisher, 0);
        atomic_store(&callback_may_return, false);
        CHECK_EQ(apus_spawn_blocking(watch_finisher, NULL, 0, NULL, &watcher), 0);
        while (!atomic_load(&finisher))
            sched_yield();
        apus_pid pid = {atomic_load(&finisher)};
        CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
        CHECK(!apus_is_alive(pid));
        atomic_store(&callback_may_return, true);
        CHECK_EQ(apus_join(watcher, APUS_INFINITY, NULL), 0);
        CHECK_EQ(atomic_load(&finisher_reason), APUS_REASON_KILLED);
    }
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
