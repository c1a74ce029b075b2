// R29: names: one for each process, one process for each name, and clear errors.
#include "../scene.h"

static void errors_are_clear(apus_process *self, const scene_t *scene)
{
    char name[32], other[32];
    apus_pid found, first = spawn_puppet(scene, 0, NULL), second = spawn_puppet(scene, 0, NULL);
    snprintf(name, sizeof name, "clear %d", scene->turn);
    snprintf(other, sizeof other, "other %d", scene->turn);
    CHECK_EQ(apus_register(name, first), 0);
    CHECK_EQ(apus_register(name, second), -EEXIST);
    CHECK_EQ(apus_register(name, first), -EEXIST);
    CHECK_EQ(apus_register(other, first), -EALREADY);
    CHECK_EQ(apus_whereis(name, &found), 0);
    CHECK(apus_pid_equal(found, first));
    CHECK_EQ(apus_whereis(other, &found), -ESRCH);
    CHECK(apus_pid_equal(found, APUS_NOBODY));
    CHECK_STR(info_of(first).name, name);
    CHECK_EQ(apus_unregister(name), 0);
    CHECK_EQ(apus_unregister(name), -ESRCH);
    CHECK_STR(info_of(first).name, "");
    CHECK_EQ(apus_register(other, first), 0);
    CHECK_EQ(apus_register(name, second), 0);
    end_and_wait(self, second);
    CHECK_EQ(apus_register(name, second), -ESRCH);
    CHECK_EQ(apus_whereis(name, &found), -ESRCH);
    end_and_wait(self, first);
}

TEST(R29_errors, "R29: registering fails if the name is taken, the pid is named, or the pid is dead")
{
    play(errors_are_clear, 100);
}

static void message_by_name(apus_process *self, const scene_t *scene)
{
    char name[32];
    snprintf(name, sizeof name, "mail %d", scene->turn);
    CHECK_EQ(apus_register(name, apus_pid_of(self)), 0);
    CHECK_EQ(apus_send_name(name, &type_number, &(int64_t){6}, sizeof(int64_t)), 0);
    expect_number(self, 6);
    CHECK_EQ(apus_unregister(name), 0);
    CHECK_EQ(apus_send_name(name, &type_number, &(int64_t){6}, sizeof(int64_t)), -ESRCH);
    expect_silence(self);
}

TEST(R29_send, "R29: a message to a name reaches whoever has it now")
{
    play(message_by_name, 50);
}

static void spawn_with_name(apus_process *self, const scene_t *scene)
{
    char name[32];
    apus_ref ref;
    apus_pid found, refused = {7};
    snprintf(name, sizeof name, "born %d", scene->turn);
    apus_spawn_options options = {.struct_size = sizeof options, .name = name};
    apus_pid pid = spawn_puppet_with(scene->blocking, &options);
    CHECK_EQ(apus_whereis(name, &found), 0);
    CHECK(apus_pid_equal(found, pid));
    options.flags = APUS_SPAWN_LINK | APUS_SPAWN_MONITOR;
    options.monitor = &ref;
    CHECK_EQ(apus_spawn(&puppet, NULL, 0, &options, &refused), -EEXIST);
    CHECK_EQ(info_of(apus_pid_of(self)).links, 0);
    CHECK_EQ(info_of(apus_pid_of(self)).monitors, 0);
    expect_silence(self);
    end_and_wait(self, pid);
    CHECK_EQ(apus_whereis(name, &found), -ESRCH);
}

TEST(R29_spawn, "R29: a process may be born with its name; if that is taken, nothing is born")
{
    play(spawn_with_name, 100);
}

static int do_register(apus_process *self, const struct order *order)
{
    char name[32];
    snprintf(name, sizeof name, "race %d", (int)order->number);
    int result = apus_register(name, apus_pid_of(self));
    CHECK(result == 0 || result == -EEXIST);
    send_number(order->pid, result);
    return APUS_OK;
}

static void race_for_name(apus_process *self, const scene_t *scene)
{
    enum { RACERS = 8 };
    apus_pid pids[RACERS];
    int won = 0;
    for (int i = 0; i < RACERS; i++)
        pids[i] = spawn_puppet(scene, 0, NULL);
    for (int i = 0; i < RACERS; i++)
        tell(pids[i], (struct order){.run = do_register, .pid = apus_pid_of(self), .number = scene->turn});
    for (int i = 0; i < RACERS; i++) {
        apus_message *message = expect(self, &type_number);
        won += number_of(message) == 0;
        apus_message_release(message);
    }
    CHECK_EQ(won, 1);
    for (int i = 0; i < RACERS; i++)
        end_and_wait(self, pids[i]);
    apus_pid found;
    char name[32];
    snprintf(name, sizeof name, "race %d", scene->turn);
    CHECK_EQ(apus_whereis(name, &found), -ESRCH);
}

TEST(R29_race, "R29: of eight processes that register one name at once, one wins")
{
    play(race_for_name, 100);
}

static void register_races_death(apus_process *self, const scene_t *scene)
{
    char name[32];
    snprintf(name, sizeof name, "doomed %d", scene->turn);
    for (int i = 0; i < 20; i++) {
        apus_ref ref;
        apus_pid found, pid = spawn_puppet(scene, 0, &ref);
        tell_exit(pid, APUS_REASON_NORMAL);
        for (int spin = 0; spin < i * 20; spin++)
            atomic_thread_fence(memory_order_seq_cst);
        int result = apus_register(name, pid);
        CHECK(result == 0 || result == -ESRCH);
        expect_down(self, ref, pid, APUS_REASON_NORMAL);
        CHECK_EQ(apus_whereis(name, &found), -ESRCH);
    }
}

TEST(R29_register_races_death, "R29: a name given to a process that is dying does not outlive it")
{
    play(register_races_death, 64);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
