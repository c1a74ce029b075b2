// R21-R24: monitors: each gives one DOWN with its reference, or none if it was ended in time. R25, the alias of a call that is
// given up, is in request_test.c with the other rules of requests; its part that concerns DOWN is here.
#include "../scene.h"

static void monitor_the_dead(apus_process *self, const scene_t *scene)
{
    apus_ref first, second;
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    end_and_wait(self, pid);
    CHECK_EQ(apus_monitor(self, pid, &first), 0);
    CHECK_EQ(apus_monitor(self, pid, &second), 0);
    CHECK(!apus_ref_equal(first, second));
    expect_down(self, second, pid, APUS_REASON_NOPROC);
    expect_down(self, first, pid, APUS_REASON_NOPROC);
    expect_silence(self);
}

TEST(R21_dead_pid, "R21: a monitor of a dead pid gives DOWN noproc")
{
    play(monitor_the_dead, 100);
}

static void monitor_unknown_name(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    (void)scene;
    CHECK_EQ(apus_monitor_name(self, "nobody is called so", &ref), 0);
    expect_down(self, ref, APUS_NOBODY, APUS_REASON_NOPROC);
    expect_silence(self);
}

TEST(R21_unknown_name, "R21: a monitor of an unknown name gives DOWN noproc")
{
    play(monitor_unknown_name, 50);
}

static void monitor_by_name(apus_process *self, const scene_t *scene)
{
    char name[32];
    apus_ref ref;
    snprintf(name, sizeof name, "watched %d", scene->turn);
    apus_spawn_options options = {.struct_size = sizeof options, .name = name};
    apus_pid pid = spawn_puppet_with(scene->blocking, &options);
    CHECK_EQ(apus_monitor_name(self, name, &ref), 0);
    tell_exit(pid, APUS_REASON_SHUTDOWN);
    expect_down(self, ref, pid, APUS_REASON_SHUTDOWN);
    expect_silence(self);
}

TEST(R21_known_name, "R21: a monitor of a known name is one of its process")
{
    play(monitor_by_name, 50);
}

enum { MONITORS = 50 };

static void monitors_stack(apus_process *self, const scene_t *scene)
{
    apus_ref refs[MONITORS];
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    apus_reason_kind kind = scene->turn % 4 < 2 ? APUS_REASON_NORMAL : APUS_REASON_ERROR;
    for (int i = 0; i < MONITORS; i++)
        CHECK_EQ(apus_monitor(self, pid, &refs[i]), 0);
    CHECK_EQ(info_of(apus_pid_of(self)).monitors, MONITORS);
    CHECK_EQ(info_of(pid).monitored_by, MONITORS);
    tell_exit(pid, kind);
    for (int i = MONITORS - 1; i >= 0; i--)
        expect_down(self, refs[i], pid, kind);
    expect_silence(self);
    CHECK_EQ(info_of(apus_pid_of(self)).monitors, 0);
}

TEST(R22_stack, "R22: n monitors give n DOWNs with n references, each once, also for a normal exit")
{
    play(monitors_stack, 64);
}

static void monitors_race_death(apus_process *self, const scene_t *scene)
{
    apus_ref refs[MONITORS];
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    tell_exit(pid, APUS_REASON_ERROR);
    for (int i = 0; i < MONITORS; i++)
        CHECK_EQ(apus_monitor(self, pid, &refs[i]), 0);
    for (int i = 0; i < MONITORS; i++) {
        struct sought sought = {&apus_type_down, refs[i], APUS_NOBODY};
        apus_message *message = apus_receive(self, sought_matches, &sought, PATIENCE_MS);
        CHECK(message != NULL);
        apus_reason_kind kind = ((const apus_down_message *)apus_message_payload(message))->reason.kind;
        CHECK(kind == APUS_REASON_ERROR || kind == APUS_REASON_NOPROC);
        apus_message_release(message);
    }
    expect_silence(self);
}

TEST(R22_race, "R22: each monitor made while the process dies gives one DOWN, with its reason or noproc")
{
    play(monitors_race_death, 200);
}

static void monitor_oneself(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    (void)scene;
    CHECK_EQ(apus_monitor(self, apus_pid_of(self), &ref), 0);
    expect_silence(self);
    apus_demonitor(self, ref, APUS_DEMONITOR_FLUSH);
}

TEST(R22_oneself, "R22: a process that monitors itself hears nothing of it")
{
    play(monitor_oneself, 50);
}

static void demonitor_in_time(apus_process *self, const scene_t *scene)
{
    apus_ref ended, kept;
    apus_pid pid = spawn_puppet(scene, 0, &ended);
    CHECK_EQ(apus_monitor(self, pid, &kept), 0);
    CHECK_EQ(apus_demonitor(self, ended, 0), 1);
    CHECK_EQ(apus_demonitor(self, ended, 0), 0);
    CHECK_EQ(apus_demonitor(self, APUS_NO_REF, 0), 0);
    tell_exit(pid, APUS_REASON_ERROR);
    expect_down(self, kept, pid, APUS_REASON_ERROR);
    expect_silence(self);
}

TEST(R23_in_time, "R23: demonitor before the death: no DOWN, and it says that the monitor was active")
{
    play(demonitor_in_time, 100);
}

static void demonitor_too_late(apus_process *self, const scene_t *scene)
{
    apus_ref first, second, last;
    apus_pid pid = spawn_puppet(scene, 0, &first);
    CHECK_EQ(apus_monitor(self, pid, &second), 0);
    end_and_wait(self, pid);
    CHECK_EQ(apus_monitor(self, pid, &last), 0);
    expect_down(self, last, pid, APUS_REASON_NOPROC);
    struct sought any = {&apus_type_down, APUS_NO_REF, APUS_NOBODY};
    apus_message *message = apus_receive(self, sought_matches, &any, PATIENCE_MS);
    CHECK(message != NULL);
    bool first_came = apus_ref_equal(apus_message_ref(message), first);
    apus_ref other = first_came ? second : first;
    apus_message_release(message);
    // The second DOWN is queued or about to be; taking any message makes sure that it is queued.
    while (info_of(apus_pid_of(self)).monitors > 0)
        apus_yield(self);
    CHECK_EQ(apus_demonitor(self, other, 0), 0);
    expect_down(self, other, pid, APUS_REASON_KILLED);
    expect_silence(self);
}

TEST(R23_too_late, "R23: demonitor does not remove a DOWN that is queued, and says that the monitor was not active")
{
    play(demonitor_too_late, 100);
}

static void demonitor_flush(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_pid pid = spawn_puppet(scene, 0, &ref);
    send_number(apus_pid_of(self), 1);
    dismiss(pid);
    while (info_of(apus_pid_of(self)).monitors > 0)
        apus_yield(self);
    send_number(apus_pid_of(self), 2);
    CHECK_EQ(apus_demonitor(self, ref, APUS_DEMONITOR_FLUSH), 0);
    expect_number(self, 1);
    expect_number(self, 2);
    expect_silence(self);
}

TEST(R23_flush, "R23: demonitor with flush removes the DOWN that is queued, and nothing else")
{
    play(demonitor_flush, 100);
}

static void demonitor_races_death(apus_process *self, const scene_t *scene)
{
    for (int i = 0; i < 20; i++) {
        apus_ref ref;
        apus_pid pid = spawn_puppet(scene, 0, &ref);
        struct sought down = {&apus_type_down, ref, APUS_NOBODY};
        dismiss(pid);
        for (int spin = 0; spin < i * 20; spin++)
            atomic_thread_fence(memory_order_seq_cst);
        bool flush = (scene->turn / 2) % 2;
        int active = apus_demonitor(self, ref, flush ? APUS_DEMONITOR_FLUSH : 0);
        CHECK(active == 0 || active == 1);
        apus_message *message = apus_receive(self, sought_matches, &down, active || flush ? 0 : PATIENCE_MS);
        CHECK_EQ(message != NULL, !active && !flush);
        apus_message_release(message);
    }
    expect_silence(self);
}

TEST(R23_race, "R23: demonitor and DOWN at the same moment: either it was active, or there is one DOWN")
{
    play(demonitor_races_death, 64);
}

static void watcher_dies(apus_process *self, const scene_t *scene)
{
    apus_pid watched = spawn_puppet(scene, 0, NULL), watcher = spawn_puppet(scene, 0, NULL);
    ask(watcher, (struct order){.run = do_monitor, .pid = watched});
    end_and_wait(self, watcher);
    settle(watched);
    CHECK(apus_is_alive(watched));
    for (int wait = 0; info_of(watched).monitored_by != 0 && wait < PATIENCE_MS; wait++)
        apus_sleep(self, 1);
    CHECK_EQ(info_of(watched).monitored_by, 0);
    end_and_wait(self, watched);
}

TEST(R24_one_way, "R24: the watcher's death does not touch the watched")
{
    play(watcher_dies, 100);
}

static void answer_after_down(apus_process *self, const scene_t *scene)
{
    apus_pid server = spawn_puppet(scene, 0, NULL);
    apus_ref ref;
    CHECK_EQ(apus_request(self, server, &type_number, NULL, 0, APUS_INFINITY, &ref), 0);
    settle(server);
    dismiss(server);
    expect_down(self, ref, server, APUS_REASON_KILLED);
    apus_reply_to(apus_pid_of(self), ref, NULL, NULL, 0);
    CHECK_EQ(apus_request_abandon(self, ref), 0);
    expect_silence(self);
}

TEST(R25_after_down, "R25: a reply that arrives after the request's DOWN never reaches the mailbox")
{
    play(answer_after_down, 100);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
