// R16-R20: links: one for each pair, gone for good after unlink, and atomic with spawn.
#include "../scene.h"

static int do_unlink(apus_process *self, const struct order *order)
{
    CHECK_EQ(apus_unlink(self, order->pid), 0);
    return APUS_OK;
}

static void two_links_one_exit(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    apus_pid pid = spawn_puppet(scene, 0, &ref);
    CHECK_EQ(apus_link(self, pid), 0);
    CHECK_EQ(apus_link(self, pid), 0);
    ask(pid, (struct order){.run = do_link, .pid = apus_pid_of(self)});
    CHECK_EQ(info_of(pid).links, 1);
    CHECK_EQ(info_of(apus_pid_of(self)).links, 1);
    tell_exit(pid, APUS_REASON_ERROR);
    expect_exit(self, pid, APUS_REASON_ERROR);
    expect_down(self, ref, pid, APUS_REASON_ERROR);
    expect_silence(self);
}

TEST(R16_two_links_one_exit, "R16: two link calls, one EXIT")
{
    play(two_links_one_exit, 100);
}

static void two_links_one_unlink(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    apus_pid pid = spawn_puppet(scene, APUS_SPAWN_LINK, &ref);
    CHECK_EQ(apus_link(self, pid), 0);
    CHECK_EQ(apus_unlink(self, pid), 0);
    settle(pid);
    CHECK_EQ(info_of(pid).links, 0);
    tell_exit(pid, APUS_REASON_ERROR);
    expect_down(self, ref, pid, APUS_REASON_ERROR);
    expect_silence(self);
}

TEST(R16_one_unlink, "R16: one unlink takes away what two link calls made")
{
    play(two_links_one_unlink, 100);
}

static void unlinked_by_peer(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    apus_pid pid = spawn_puppet(scene, 0, &ref);
    CHECK_EQ(apus_link(self, pid), 0);
    ask(pid, (struct order){.run = do_unlink, .pid = apus_pid_of(self)});
    CHECK_EQ(info_of(apus_pid_of(self)).links, 0);
    tell_exit(pid, APUS_REASON_ERROR);
    expect_down(self, ref, pid, APUS_REASON_ERROR);
    expect_silence(self);
}

TEST(R16_unlink_by_peer, "R16: either side may unlink")
{
    play(unlinked_by_peer, 100);
}

static void unlink_without_link(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    CHECK_EQ(apus_unlink(self, pid), 0);
    CHECK_EQ(apus_unlink(self, apus_pid_of(self)), 0);
    end_and_wait(self, pid);
    CHECK_EQ(apus_unlink(self, pid), 0);
    expect_silence(self);
}

TEST(R17_no_link, "R17: unlink without a link succeeds and does nothing")
{
    play(unlink_without_link, 50);
}

static int exits_waiting(apus_process *self)
{
    int count = 0;
    apus_message *message;
    while ((message = apus_receive(self, sought_matches, &(struct sought){.type = &apus_type_exit}, 0)) != NULL) {
        apus_message_release(message);
        count++;
    }
    return count;
}

static void unlink_races_exit(apus_process *self, const scene_t *scene)
{
    CHECK_EQ(apus_trap_exits(self, true), 0);
    for (int i = 0; i < 20; i++) {
        apus_ref ref;
        apus_pid pid = spawn_puppet(scene, APUS_SPAWN_LINK, &ref);
        tell_exit(pid, APUS_REASON_ERROR);
        for (int spin = 0; spin < i * 20; spin++)
            atomic_thread_fence(memory_order_seq_cst);
        CHECK_EQ(apus_unlink(self, pid), 0);
        int before = exits_waiting(self);
        CHECK(before <= 1);
        expect_down(self, ref, pid, APUS_REASON_ERROR);
        CHECK_EQ(exits_waiting(self), 0);
    }
    expect_silence(self);
}

TEST(R17_unlink_races_exit, "R17: after unlink returns no EXIT of that link arrives, however it raced with the peer's end")
{
    play(unlink_races_exit, 64);
}

static void queued_exit_stays(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    apus_pid pid = spawn_puppet(scene, APUS_SPAWN_LINK, &ref);
    tell_exit(pid, APUS_REASON_ERROR);
    // Looking through the mailbox for the DOWN takes in what arrived before it, so once both are there the EXIT is queued.
    expect_down(self, ref, pid, APUS_REASON_ERROR);
    apus_message *message = expect(self, &apus_type_exit);
    apus_message_release(message);

    pid = spawn_puppet(scene, 0, NULL);
    CHECK_EQ(apus_link(self, pid), 0);
    ask(pid, (struct order){.run = do_signal, .pid = apus_pid_of(self), .reason = apus_reason_error(3, NULL)});
    CHECK_EQ(apus_unlink(self, pid), 0);
    expect_exit(self, pid, APUS_REASON_ERROR);
    dismiss(pid);
}

TEST(R17_queued_exit_stays, "R17: an EXIT that is queued when unlink is called stays queued")
{
    play(queued_exit_stays, 100);
}

struct survivor {
    apus_pid peer;
    atomic_bool *unlinked; // in the scene, which waits
};

static void survive_after_unlink(apus_process *self, void *argument)
{
    const struct survivor *survivor = argument;
    apus_pid peer = survivor->peer;
    apus_ref ref;
    CHECK_EQ(apus_monitor(self, peer, &ref), 0);
    CHECK_EQ(apus_link(self, peer), 0);
    tell_exit(peer, APUS_REASON_ERROR);
    CHECK_EQ(apus_unlink(self, peer), 0);
    atomic_store(survivor->unlinked, true);
    expect_down(self, ref, peer, APUS_REASON_ERROR);
    expect_silence(self);
}

static void unlinked_process_survives(apus_process *self, const scene_t *scene)
{
    atomic_bool unlinked = false;
    apus_ref ref;
    apus_pid pid;
    struct survivor survivor = {spawn_puppet(scene, 0, NULL), &unlinked};
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref};
    CHECK_EQ(apus_spawn_blocking(survive_after_unlink, &survivor, sizeof survivor, &options, &pid), 0);
    apus_message *message = expect(self, &apus_type_down);
    // An EXIT that came before unlink returned may end the process, rightly. Afterwards it may not.
    apus_reason_kind kind = ((const apus_down_message *)apus_message_payload(message))->reason.kind;
    CHECK(kind == APUS_REASON_NORMAL || !atomic_load(&unlinked));
    apus_message_release(message);
}

TEST(R17_unlinked_survives, "R17: a process that does not trap survives its peer's error after unlink has returned")
{
    play(unlinked_process_survives, 200);
}

enum { FLIPS = 200 };

struct flipper {
    apus_pid observer;
    uint64_t seed;
};

static const apus_type type_peer = {.name = "peer"};

// Links to and unlinks from its peer at random, tells the peer and the observer that it is through, and waits to be ended.
static void flip_links(apus_process *self, void *argument)
{
    const struct flipper *flipper = argument;
    uint64_t random = flipper->seed;
    apus_pid peer;
    apus_message *message = expect(self, &type_peer);
    memcpy(&peer, apus_message_payload(message), sizeof peer);
    apus_message_release(message);
    for (int i = 0; i < FLIPS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        if (random >> 63)
            CHECK_EQ(apus_link(self, peer), 0);
        else
            CHECK_EQ(apus_unlink(self, peer), 0);
        if ((random >> 40) % 16 == 0)
            apus_yield(self);
    }
    send_number(peer, 1);
    message = expect(self, &type_number); // the peer's: all its links and unlinks are here
    apus_message_release(message);
    send_number(flipper->observer, 1);
    puppet_body(self, NULL);
}

static void crossing_links_settle(apus_process *self, const scene_t *scene)
{
    apus_pid pids[2];
    apus_ref refs[2];
    for (int i = 0; i < 2; i++) {
        apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &refs[i]};
        struct flipper flipper = {apus_pid_of(self), (uint64_t)scene->turn * 2 + (uint64_t)i + 1};
        CHECK_EQ(apus_spawn_blocking(flip_links, &flipper, sizeof flipper, &options, &pids[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        CHECK_EQ(apus_send(pids[i], &type_peer, &pids[1 - i], sizeof pids[i]), 0);
    expect_number(self, 1);
    expect_number(self, 1);
    uint64_t links[2];
    // An acknowledgement may still be on its way back, but no side may stay of another mind.
    for (int wait = 0; wait < 10; wait++)
        for (int i = 0; i < 2; i++)
            links[i] = info_of(pids[i]).links;
    CHECK(links[0] <= 1);
    CHECK_EQ(links[0], links[1]);
    int first = scene->turn % 2;
    tell_exit(pids[first], APUS_REASON_ERROR);
    expect_down(self, refs[first], pids[first], APUS_REASON_ERROR);
    if (links[0]) {
        expect_down(self, refs[1 - first], pids[1 - first], APUS_REASON_ERROR);
    } else {
        settle(pids[1 - first]);
        dismiss(pids[1 - first]);
        expect_down(self, refs[1 - first], pids[1 - first], APUS_REASON_KILLED);
    }
}

TEST(R17_crossing, "R17: links and unlinks that cross on the way settle to the same state on both sides")
{
    play(crossing_links_settle, 200);
}

static void link_to_the_dead(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    end_and_wait(self, pid);
    CHECK_EQ(apus_link(self, pid), -ESRCH);
    expect_silence(self);
    CHECK_EQ(apus_trap_exits(self, true), 0);
    CHECK_EQ(apus_link(self, pid), 0);
    expect_exit(self, pid, APUS_REASON_NOPROC);
    expect_silence(self);
    CHECK_EQ(info_of(apus_pid_of(self)).links, 0);
}

TEST(R18_dead_pid, "R18: linking to a dead pid is an error, or EXIT noproc to a process that traps")
{
    play(link_to_the_dead, 100);
}

static void link_races_death(apus_process *self, const scene_t *scene)
{
    CHECK_EQ(apus_trap_exits(self, true), 0);
    for (int i = 0; i < 20; i++) {
        apus_pid pid = spawn_puppet(scene, 0, NULL);
        tell_exit(pid, APUS_REASON_ERROR);
        for (int spin = 0; spin < i * 20; spin++)
            atomic_thread_fence(memory_order_seq_cst);
        CHECK_EQ(apus_link(self, pid), 0);
        apus_message *message = expect(self, &apus_type_exit);
        const apus_exit_message *exit = apus_message_payload(message);
        CHECK(apus_pid_equal(exit->from, pid));
        CHECK(exit->reason.kind == APUS_REASON_ERROR || exit->reason.kind == APUS_REASON_NOPROC);
        apus_message_release(message);
    }
    expect_silence(self);
    CHECK_EQ(info_of(apus_pid_of(self)).links, 0);
}

TEST(R18_link_races_death, "R18: linking to a process that is dying gives exactly one EXIT, with its reason or noproc")
{
    play(link_races_death, 64);
}

static void link_to_oneself(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    CHECK_EQ(apus_link(self, apus_pid_of(self)), 0);
    CHECK_EQ(info_of(apus_pid_of(self)).links, 0);
    apus_pid pid = spawn_puppet(scene, APUS_SPAWN_TRAP_EXITS, &ref);
    ask(pid, (struct order){.run = do_link, .pid = pid});
    tell_exit(pid, APUS_REASON_ERROR);
    expect_down(self, ref, pid, APUS_REASON_ERROR);
    expect_silence(self);
}

TEST(R19_oneself, "R19: linking to oneself succeeds and does nothing")
{
    play(link_to_oneself, 50);
}

enum { CHILDREN = 200 };

static int fail_at_once(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state, (void)argument;
    return -EIO;
}

static const apus_behaviour fails_at_once = {.name = "fails at once", .init = fail_at_once, .handle = puppet_handle};

static void fail_in_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_exit(self, apus_reason_error(-EIO, NULL));
}

static void children_that_die_at_once(apus_process *self, const scene_t *scene)
{
    apus_pid pids[CHILDREN];
    apus_ref refs[CHILDREN];
    CHECK_EQ(apus_trap_exits(self, true), 0);
    for (int i = 0; i < CHILDREN; i++) {
        apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_LINK | APUS_SPAWN_MONITOR,
                                      .monitor = &refs[i]};
        if (scene->blocking)
            CHECK_EQ(apus_spawn_blocking(fail_in_body, NULL, 0, &options, &pids[i]), 0);
        else
            CHECK_EQ(apus_spawn(&fails_at_once, NULL, 0, &options, &pids[i]), 0);
    }
    for (int i = 0; i < CHILDREN; i++) {
        apus_message *message = expect_exit_message(self, pids[i], APUS_REASON_ERROR);
        CHECK_EQ(((const apus_exit_message *)apus_message_payload(message))->reason.code, -EIO);
        apus_message_release(message);
        message = expect_down_message(self, refs[i], pids[i], APUS_REASON_ERROR);
        CHECK_EQ(((const apus_down_message *)apus_message_payload(message))->reason.code, -EIO);
        apus_message_release(message);
    }
    expect_silence(self);
}

TEST(R20_atomic, "R20: of 200 linked and monitored children that die at once, 200 signal with their reason")
{
    play(children_that_die_at_once, 16);
}

static void spawn_and_fail(apus_process *self, void *argument)
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_LINK};
    (void)argument;
    CHECK_EQ(apus_spawn(&fails_at_once, NULL, 0, &options, NULL), 0);
    apus_receive(self, NULL, NULL, APUS_INFINITY);
    CHECK(false);
}

static void parent_dies_with_child(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref};
    (void)scene;
    CHECK_EQ(apus_spawn_blocking(spawn_and_fail, NULL, 0, &options, &pid), 0);
    expect_down(self, ref, pid, APUS_REASON_ERROR);
}

TEST(R20_parent, "R20: a parent that waits and does not trap is ended by its linked child's error")
{
    play(parent_dies_with_child, 200);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
