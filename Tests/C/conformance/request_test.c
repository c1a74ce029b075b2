// R25, R27, R32, R33 for requests in C: one outcome for each, at most once, and never late.
#include "../scene.h"

static const apus_type type_question = {.name = "question"};

// Keeps the last question and answers it when told: `do_answer`.
struct archive {
    apus_message *question;
};

static int do_answer(apus_process *self, const struct order *order);

static int archive_handle(apus_process *self, void *state, apus_message *message)
{
    struct archive *archive = state;
    if (apus_message_type(message) == &type_question) {
        CHECK(apus_message_is_request(message));
        apus_message_release(archive->question);
        archive->question = message;
        return apus_message_keep(message);
    }
    struct order order;
    memcpy(&order, apus_message_payload(message), sizeof order);
    if (order.run == do_answer && archive->question) {
        apus_reply(archive->question, &type_number, &order.number, sizeof order.number);
        CHECK_EQ(apus_reply(archive->question, &type_number, &order.number, sizeof order.number), -EALREADY);
        apus_message_release(archive->question);
        archive->question = NULL;
    }
    return puppet_obey(self, message);
}

static int do_answer(apus_process *self, const struct order *order)
{
    (void)self, (void)order;
    return APUS_OK;
}

static const apus_behaviour archive = {.name = "archive", .state_size = sizeof(struct archive), .handle = archive_handle};

static apus_pid spawn_archive(apus_ref *monitor)
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = monitor ? APUS_SPAWN_MONITOR : 0, .monitor = monitor};
    apus_pid pid;
    CHECK_EQ(apus_spawn(&archive, NULL, 0, &options, &pid), 0);
    return pid;
}

static void late_reply_to_call(apus_process *self, const scene_t *scene)
{
    apus_pid server = spawn_archive(NULL);
    apus_message *reply = (apus_message *)8;
    CHECK_EQ(apus_call(server, &type_question, NULL, 0, (uint64_t)scene->turn % 3, &reply), -ETIMEDOUT);
    CHECK(reply == NULL);
    ask(server, (struct order){.run = do_answer, .number = 1});
    expect_silence(self);
    dismiss(server);
}

TEST(R25_late_reply, "R25: a reply that arrives after the call's timeout never reaches the mailbox")
{
    play(late_reply_to_call, 100);
}

static void late_reply_to_request(apus_process *self, const scene_t *scene)
{
    apus_pid server = spawn_archive(NULL);
    apus_ref ref;
    CHECK_EQ(apus_request(self, server, &type_question, NULL, 0, (uint64_t)scene->turn % 3, &ref), 0);
    apus_message *message = apus_receive(self, NULL, NULL, PATIENCE_MS);
    CHECK(message != NULL);
    CHECK(apus_message_type(message) == &apus_type_timeout);
    CHECK(apus_ref_equal(apus_message_ref(message), ref));
    CHECK(!apus_message_is_reply(message));
    apus_message_release(message);
    ask(server, (struct order){.run = do_answer, .number = 1});
    dismiss(server);
    expect_silence(self);
}

TEST(R25_late_reply_to_request, "R25: after the timeout message of a request neither its reply nor its DOWN arrives")
{
    play(late_reply_to_request, 100);
}

static void reply_races_timeout(apus_process *self, const scene_t *scene)
{
    apus_pid server = spawn_archive(NULL);
    (void)scene;
    for (int i = 0; i < 20; i++) {
        apus_ref ref;
        CHECK_EQ(apus_request(self, server, &type_question, NULL, 0, 1, &ref), 0);
        if (i % 4)
            apus_sleep(self, 1);
        tell(server, (struct order){.run = do_answer, .number = i});
        apus_message *message = apus_receive(self, NULL, NULL, PATIENCE_MS);
        CHECK(message != NULL);
        CHECK(apus_ref_equal(apus_message_ref(message), ref));
        CHECK(apus_message_type(message) == &apus_type_timeout || number_of(message) == i);
        apus_message_release(message);
        settle(server);
        CHECK(apus_receive(self, NULL, NULL, 0) == NULL);
    }
    expect_silence(self);
    dismiss(server);
}

TEST(R25_race, "R25: of reply and timeout at the same moment exactly one arrives")
{
    play(reply_races_timeout, 64);
}

static void one_reply_only(apus_process *self, const scene_t *scene)
{
    apus_pid server = spawn_archive(NULL);
    apus_ref ref;
    (void)scene;
    CHECK_EQ(apus_request(self, server, &type_question, NULL, 0, APUS_INFINITY, &ref), 0);
    settle(server);
    for (int64_t i = 0; i < 3; i++)
        apus_reply_to(apus_pid_of(self), ref, &type_number, &i, sizeof i);
    tell(server, (struct order){.run = do_answer, .number = 9});
    expect_number(self, 0);
    settle(server);
    dismiss(server);
    expect_silence(self);
}

TEST(R25_once, "R25: of several replies to one request the first arrives, the others are dropped")
{
    play(one_reply_only, 100);
}

static void abandoned_request(apus_process *self, const scene_t *scene)
{
    apus_pid server = spawn_archive(NULL);
    apus_ref ref;
    CHECK_EQ(apus_request(self, server, &type_question, NULL, 0, scene->turn % 2 ? APUS_INFINITY : 3600000, &ref), 0);
    CHECK(apus_request_is_open(self, ref));
    CHECK_EQ(apus_request_abandon(self, ref), 1);
    CHECK(!apus_request_is_open(self, ref));
    CHECK_EQ(apus_request_abandon(self, ref), 0);
    ask(server, (struct order){.run = do_answer});
    expect_silence(self);

    CHECK_EQ(apus_request(self, server, &type_question, NULL, 0, APUS_INFINITY, &ref), 0);
    ask(server, (struct order){.run = do_answer});
    apus_request_abandon(self, ref); // the reply was sent before that of the call, so it is here, and is taken out
    expect_silence(self);
    dismiss(server);
}

TEST(R25_abandon, "R25: after a request is given up nothing of it arrives, nor is left in the mailbox")
{
    play(abandoned_request, 100);
}

static void request_and_reply(apus_process *self, const scene_t *scene)
{
    apus_pid server = spawn_archive(NULL);
    apus_ref ref;
    apus_message *reply;
    (void)scene;
    CHECK_EQ(apus_request(self, server, &type_question, "what", 4, APUS_INFINITY, &ref), 0);
    CHECK(apus_request_is_open(self, ref));
    tell(server, (struct order){.run = do_answer, .number = 42});
    reply = apus_receive(self, NULL, NULL, PATIENCE_MS);
    CHECK(!apus_request_is_open(self, ref));
    CHECK(reply != NULL);
    CHECK(apus_message_is_reply(reply));
    CHECK(!apus_message_is_request(reply));
    CHECK(apus_ref_equal(apus_message_ref(reply), ref));
    CHECK(apus_pid_equal(apus_message_from(reply), server));
    CHECK_EQ(number_of(reply), 42);
    CHECK_EQ(apus_reply(reply, NULL, NULL, 0), -EINVAL);
    apus_message_release(reply);
    dismiss(server);
    expect_silence(self);
}

TEST(R27_request, "R27: a request brings its reply with its reference, and after that no DOWN")
{
    play(request_and_reply, 100);
}

// Passes each question on to the next in the chain, inside its own callback, and adds one to the answer.
struct link_in_chain {
    apus_pid next;
};

static int chain_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(struct link_in_chain));
    return APUS_OK;
}

static int chain_handle(apus_process *self, void *state, apus_message *message)
{
    struct link_in_chain *link = state;
    int64_t depth = 0;
    apus_message *reply;
    (void)self;
    if (link->next.id) {
        CHECK_EQ(apus_call(link->next, &type_question, NULL, 0, PATIENCE_MS, &reply), 0);
        depth = number_of(reply);
        apus_message_release(reply);
    }
    depth++;
    return apus_reply(message, &type_number, &depth, sizeof depth);
}

static const apus_behaviour chain = {.name = "chain", .state_size = sizeof(struct link_in_chain), .init = chain_init,
                                     .handle = chain_handle};

static void nested_calls(apus_process *self, const scene_t *scene)
{
    enum { DEPTH = 50 };
    struct link_in_chain link = {APUS_NOBODY};
    apus_pid pids[DEPTH];
    apus_message *reply;
    (void)self, (void)scene;
    for (int i = 0; i < DEPTH; i++) {
        CHECK_EQ(apus_spawn(&chain, &link, sizeof link, NULL, &pids[i]), 0);
        link.next = pids[i];
    }
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(apus_call(link.next, &type_question, NULL, 0, PATIENCE_MS, &reply), 0);
        CHECK_EQ(number_of(reply), DEPTH);
        apus_message_release(reply);
    }
    for (int i = 0; i < DEPTH; i++)
        dismiss(pids[i]);
}

TEST(R27_nested, "R27: calls within callbacks, fifty deep, return in turn")
{
    play(nested_calls, 32);
}

static void call_the_dead(apus_process *self, const scene_t *scene)
{
    apus_pid server = spawn_puppet(scene, 0, NULL);
    apus_message *reply = (apus_message *)8;
    apus_ref ref;
    end_and_wait(self, server);
    CHECK_EQ(apus_call(server, &type_question, NULL, 0, PATIENCE_MS, &reply), -ESRCH);
    CHECK(reply == NULL);
    CHECK_EQ(apus_call(server, &type_question, NULL, 0, PATIENCE_MS, NULL), -ESRCH);
    CHECK_EQ(apus_request(self, server, &type_question, NULL, 0, APUS_INFINITY, &ref), 0);
    expect_down(self, ref, server, APUS_REASON_NOPROC);
    CHECK_EQ(apus_request(self, server, &type_question, NULL, 0, 3600000, &ref), 0);
    expect_down(self, ref, server, APUS_REASON_NOPROC);
    expect_silence(self);
}

TEST(R32_dead_server, "R32: a call to a dead server says that there is none; a request brings DOWN noproc")
{
    play(call_the_dead, 100);
}

static void call_oneself(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_message *reply = (apus_message *)8;
    (void)scene;
    CHECK_EQ(apus_call(apus_pid_of(self), &type_question, NULL, 0, APUS_INFINITY, &reply), -EDEADLK);
    CHECK(reply == NULL);
    CHECK_EQ(apus_request(self, apus_pid_of(self), &type_question, NULL, 0, APUS_INFINITY, &ref), -EDEADLK);
    expect_silence(self);
}

TEST(R32_oneself, "R32: a call to oneself is refused at once")
{
    play(call_oneself, 50);
}

TEST(R32_thread, "R32: a plain thread's call gives the reply, the timeout, or that the server is gone")
{
    apus_message *reply;
    start_runtime(2);
    for (int i = 0; i < 200; i++) {
        struct order stop = {.run = do_return, .number = APUS_DONE};
        apus_pid server = spawn_archive(NULL);
        reply = (apus_message *)8;
        CHECK_EQ(apus_call(server, &type_question, NULL, 0, 1, &reply), -ETIMEDOUT);
        CHECK(reply == NULL);
        ask(server, (struct order){.run = do_answer});
        CHECK_EQ(apus_call(server, &type_order, &stop, sizeof stop, PATIENCE_MS, &reply), -ECONNABORTED);
        CHECK(reply != NULL);
        CHECK(apus_message_type(reply) == &apus_type_down);
        CHECK_EQ(((const apus_down_message *)apus_message_payload(reply))->reason.kind, APUS_REASON_NORMAL);
        apus_message_release(reply);
        CHECK_EQ(apus_call(server, &type_order, &stop, sizeof stop, PATIENCE_MS, &reply), -ESRCH);
        CHECK(reply == NULL);
    }
    stop_runtime();
}

static void server_crashes(apus_process *self, const scene_t *scene)
{
    struct order crash = {.run = do_exit, .reason = apus_reason_error(-EIO, "disk gone")};
    apus_message *reply = NULL;
    apus_ref ref;
    apus_pid server = spawn_puppet(scene, 0, NULL);
    CHECK_EQ(apus_call(server, &type_order, &crash, sizeof crash, PATIENCE_MS, &reply), -ECONNABORTED);
    CHECK(reply != NULL);
    CHECK(apus_message_type(reply) == &apus_type_down);
    const apus_down_message *down = apus_message_payload(reply);
    CHECK(apus_pid_equal(down->pid, server));
    CHECK_EQ(down->reason.kind, APUS_REASON_ERROR);
    CHECK_EQ(down->reason.code, -EIO);
    CHECK_STR(down->reason.text, "disk gone");
    apus_message_release(reply);

    server = spawn_puppet(scene, 0, NULL);
    CHECK_EQ(apus_call(server, &type_order, &crash, sizeof crash, APUS_INFINITY, NULL), -ECONNABORTED);
    server = spawn_puppet(scene, 0, NULL);
    CHECK_EQ(apus_request(self, server, &type_order, &crash, sizeof crash, 3600000, &ref), 0);
    expect_down(self, ref, server, APUS_REASON_ERROR);
    expect_silence(self);
}

TEST(R33_crash, "R33: a server that crashes during a call ends the call with its reason")
{
    play(server_crashes, 100);
}

static void kill_races_call(apus_process *self, const scene_t *scene)
{
    for (int i = 0; i < 20; i++) {
        apus_pid server = spawn_puppet(scene, 0, NULL), killer = spawn_puppet(scene, 0, NULL);
        struct order nothing = {.run = do_nothing};
        tell(killer, (struct order){.run = do_signal, .pid = server, .reason = apus_reason_of(APUS_REASON_KILL)});
        apus_message *reply = NULL;
        int result = apus_call(server, &type_order, &nothing, sizeof nothing, PATIENCE_MS, &reply);
        CHECK(result == 0 || result == -ECONNABORTED || result == -ESRCH);
        CHECK_EQ(reply != NULL, result != -ESRCH);
        apus_message_release(reply);
        dismiss(killer);
    }
    expect_silence(self);
}

TEST(R33_race, "R33: a call to a server that is being killed returns, with the reply or the end")
{
    play(kill_races_call, 64);
}

static int caller_and_die(apus_process *self, const struct order *order)
{
    apus_ref ref;
    CHECK_EQ(apus_request(self, order->pid, &type_question, NULL, 0, APUS_INFINITY, &ref), 0);
    return APUS_DONE;
}

static void caller_dies(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_pid server = spawn_archive(NULL), caller = spawn_puppet(scene, 0, &ref);
    tell(caller, (struct order){.run = caller_and_die, .pid = server});
    expect_down(self, ref, caller, APUS_REASON_NORMAL);
    ask(server, (struct order){.run = do_answer});
    dismiss(server);
}

TEST(R33_caller_dies, "R33: a caller that ends before its reply leaves the server untouched")
{
    play(caller_dies, 100);
}

static int ignore_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    return APUS_OK;
}

static const apus_behaviour ignoring = {.name = "ignoring", .handle = ignore_handle};

// A server that has not answered remembers who asked, until it answers, ends, or is told that nobody waits any more.
static void given_up(apus_process *self, const scene_t *scene)
{
    apus_pid server;
    apus_ref refs[20];
    (void)scene;
    CHECK_EQ(apus_spawn(&ignoring, NULL, 0, NULL, &server), 0);
    size_t before = info_of(server).memory;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(apus_request(self, server, &type_question, NULL, 0, APUS_INFINITY, &refs[i]), 0);
    while (info_of(server).messages > 0)
        apus_yield(self);
    CHECK(info_of(server).memory > before);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(apus_request_abandon(self, refs[i]), 1);
    CHECK(info_of(server).memory <= before + 128); // the table of what it remembers may stay
    expect_silence(self);
    dismiss(server);
}

TEST(R25_given_up, "R25: a server forgets a request that was given up")
{
    play(given_up, 50);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
