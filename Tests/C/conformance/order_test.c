// R12-R14: signals of one sender arrive in the order sent, and those to nobody vanish.
#include "../scene.h"

#include <pthread.h>

enum { SENDERS = 4 };

struct stream {
    apus_pid to;
    int64_t sender;
    int64_t count;
};

struct item {
    int64_t sender;
    int64_t number;
};

static const apus_type type_item = {.name = "item"};

static void send_stream(apus_process *self, void *argument)
{
    const struct stream *stream = argument;
    (void)self;
    for (int64_t i = 0; i < stream->count; i++) {
        struct item item = {stream->sender, i};
        CHECK_EQ(apus_send(stream->to, &type_item, &item, sizeof item), 0);
    }
}

static void *send_stream_from_thread(void *argument)
{
    send_stream(NULL, argument);
    return NULL;
}

static void take_streams(apus_process *self, void *argument)
{
    const struct stream *expected = argument;
    int64_t next[SENDERS] = {0};
    for (int64_t left = expected->count * expected->sender; left > 0; left--) {
        apus_message *message = expect(self, &type_item);
        const struct item *item = apus_message_payload(message);
        CHECK_EQ(item->number, next[item->sender]);
        next[item->sender]++;
        apus_message_release(message);
    }
}

static void order_of_streams(unsigned schedulers, bool threads)
{
    struct stream all = {.sender = SENDERS, .count = test_scaled(20000)}, streams[SENDERS];
    pthread_t ids[SENDERS];
    apus_pid receiver;
    start_runtime(schedulers);
    CHECK_EQ(apus_spawn_blocking(take_streams, &all, sizeof all, NULL, &receiver), 0);
    for (int i = 0; i < SENDERS; i++) {
        streams[i] = (struct stream){receiver, i, all.count};
        if (threads)
            CHECK_EQ(pthread_create(&ids[i], NULL, send_stream_from_thread, &streams[i]), 0);
        else
            CHECK_EQ(apus_spawn_blocking(send_stream, &streams[i], sizeof streams[i], NULL, NULL), 0);
    }
    for (int i = 0; threads && i < SENDERS; i++)
        CHECK_EQ(pthread_join(ids[i], NULL), 0);
    CHECK_EQ(apus_join(receiver, APUS_INFINITY, NULL), 0);
    stop_runtime();
}

TEST(R12_messages_of_processes, "R12: messages of each of four processes arrive in the order sent")
{
    order_of_streams(1, false);
    order_of_streams(2, false);
    order_of_streams(4, false);
}

TEST(R12_messages_of_threads, "R12: messages of each of four plain threads arrive in the order sent")
{
    order_of_streams(1, true);
    order_of_streams(4, true);
}

enum { MIXED = 64 };

static int do_send_mixed(apus_process *self, const struct order *order)
{
    char name[32];
    snprintf(name, sizeof name, "mixed %d", (int)order->number);
    for (int i = 0; i < MIXED; i++) {
        int64_t number = i;
        apus_message *message;
        apus_ref ref;
        switch (i % 5) {
        case 0:
            send_number(order->pid, number);
            break;
        case 1:
            CHECK_EQ(apus_exit_signal(order->pid, apus_reason_error(i, NULL)), 0);
            break;
        case 2:
            CHECK_EQ(apus_request(self, order->pid, &type_number, &number, sizeof number, APUS_INFINITY, &ref), 0);
            break;
        case 3:
            message = apus_message_new(&type_number, sizeof number);
            CHECK(message != NULL);
            memcpy(apus_message_payload(message), &number, sizeof number);
            CHECK_EQ(apus_send_message(order->pid, message), 0);
            break;
        default:
            CHECK_EQ(apus_send_name(name, &type_number, &number, sizeof number), 0);
        }
    }
    return APUS_OK;
}

static void signals_of_all_kinds(apus_process *self, const scene_t *scene)
{
    char name[32];
    apus_ref ref;
    apus_pid pid = spawn_puppet(scene, 0, &ref);
    snprintf(name, sizeof name, "mixed %d", scene->turn);
    CHECK_EQ(apus_register(name, apus_pid_of(self)), 0);
    CHECK_EQ(apus_trap_exits(self, true), 0);
    tell(pid, (struct order){.run = do_send_mixed, .pid = apus_pid_of(self), .number = scene->turn});
    tell_exit(pid, APUS_REASON_NORMAL);
    for (int i = 0; i < MIXED; i++) {
        apus_message *message = apus_receive(self, NULL, NULL, PATIENCE_MS);
        CHECK(message != NULL);
        CHECK(apus_pid_equal(apus_message_from(message), pid));
        if (apus_message_type(message) == &apus_type_exit)
            CHECK_EQ(((const apus_exit_message *)apus_message_payload(message))->reason.code, i);
        else
            CHECK_EQ(number_of(message), i);
        CHECK_EQ(apus_message_type(message) == &apus_type_exit, i % 5 == 1);
        CHECK_EQ(apus_message_is_request(message), i % 5 == 2);
        apus_message_release(message);
    }
    expect_down(self, ref, pid, APUS_REASON_NORMAL);
    CHECK_EQ(apus_unregister(name), 0);
}

TEST(R12_mixed, "R12: messages, exit signals, requests, messages by name and the final DOWN keep their order")
{
    play(signals_of_all_kinds, 100);
}

static int do_reply_and_send(apus_process *self, const struct order *order)
{
    (void)self;
    send_number(order->pid, 1);
    CHECK_EQ(apus_reply_to(order->pid, (apus_ref){(uint64_t)order->number}, &type_number, &(int64_t){2}, sizeof(int64_t)), 0);
    send_number(order->pid, 3);
    return APUS_OK;
}

static void replies_keep_their_place(apus_process *self, const scene_t *scene)
{
    apus_pid server = spawn_puppet(scene, 0, NULL), keeper = spawn_puppet(scene, 0, NULL);
    apus_ref ref;
    // The server ignores the request; the keeper answers it, so that the reply lies between two messages of the same sender.
    CHECK_EQ(apus_request(self, server, &type_number, NULL, 0, APUS_INFINITY, &ref), 0);
    tell(keeper, (struct order){.run = do_reply_and_send, .pid = apus_pid_of(self), .number = (int64_t)ref.id});
    expect_number(self, 1);
    apus_message *reply = apus_receive(self, NULL, NULL, PATIENCE_MS);
    CHECK(reply != NULL);
    CHECK(apus_message_is_reply(reply));
    CHECK(apus_ref_equal(apus_message_ref(reply), ref));
    CHECK_EQ(number_of(reply), 2);
    apus_message_release(reply);
    expect_number(self, 3);
    dismiss(server);
    dismiss(keeper);
}

TEST(R12_replies, "R12: a reply keeps its place between the messages of its sender")
{
    play(replies_keep_their_place, 100);
}

static int do_link_unlink_exit(apus_process *self, const struct order *order)
{
    CHECK_EQ(apus_link(self, order->pid), 0);
    CHECK_EQ(apus_unlink(self, order->pid), 0);
    send_number(order->pid, 1);
    return apus_exit(self, apus_reason_error(1, NULL));
}

static void unlink_before_exit(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_pid pid = spawn_puppet(scene, 0, &ref);
    tell(pid, (struct order){.run = do_link_unlink_exit, .pid = apus_pid_of(self)});
    expect_number(self, 1);
    expect_down(self, ref, pid, APUS_REASON_ERROR);
    expect_silence(self);
}

TEST(R12_unlink_before_exit, "R12: link, unlink, then an error: the peer that does not trap lives on")
{
    play(unlink_before_exit, 200);
}

static int do_monitor_chatter(apus_process *self, const struct order *order)
{
    apus_ref ref;
    CHECK_EQ(apus_monitor(self, order->pid, &ref), 0);
    CHECK_EQ(apus_demonitor(self, ref, 0), 1);
    CHECK_EQ(apus_monitor(self, order->pid, &ref), 0);
    return APUS_OK;
}

static void monitor_then_kill(apus_process *self, const scene_t *scene)
{
    apus_pid watched = spawn_puppet(scene, 0, NULL), watcher = spawn_puppet(scene, 0, NULL);
    (void)self;
    ask(watcher, (struct order){.run = do_monitor_chatter, .pid = watched});
    apus_process_info_t info = info_of(watcher);
    CHECK_EQ(info.monitors, 1);
    ask(watcher, (struct order){.run = do_signal, .pid = watched, .reason = apus_reason_of(APUS_REASON_NORMAL)});
    for (int wait = 0; info_of(watched).monitored_by != 1 && wait < PATIENCE_MS; wait++)
        apus_sleep(self, 1);
    CHECK_EQ(info_of(watched).monitored_by, 1);
    end_and_wait(self, watched);
    settle(watcher);
    dismiss(watcher);
}

TEST(R12_monitors, "R12: monitor, demonitor, monitor leave one monitor on both sides")
{
    play(monitor_then_kill, 100);
}

enum { LAST_WORDS = 100 };

static int do_last_words(apus_process *self, const struct order *order)
{
    for (int i = 0; i < LAST_WORDS; i++)
        send_number(order->pid, i);
    return apus_exit(self, apus_reason_error(1, NULL));
}

static void last_words_arrive_first(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    apus_pid pid = spawn_puppet(scene, APUS_SPAWN_LINK, &ref);
    tell(pid, (struct order){.run = do_last_words, .pid = apus_pid_of(self)});
    for (int i = 0; i < LAST_WORDS; i++)
        expect_number(self, i);
    expect_exit(self, pid, APUS_REASON_ERROR);
    expect_down(self, ref, pid, APUS_REASON_ERROR);
    expect_silence(self);
}

TEST(R13_last_words, "R13: what a process sent before it died arrives before its EXIT and its DOWN")
{
    play(last_words_arrive_first, 200);
}

static atomic_int drops;

static void count_drop(void *payload, size_t size, const apus_type *type)
{
    (void)payload, (void)size, (void)type;
    atomic_fetch_add(&drops, 1);
}

static const apus_type type_owned = {.name = "owned", .drop = count_drop};

static void sends_to_the_dead(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_puppet(scene, 0, NULL);
    end_and_wait(self, pid);
    CHECK_EQ(apus_send(pid, &type_owned, "x", 1), -ESRCH);
    CHECK_EQ(apus_send(APUS_NOBODY, &type_owned, "x", 1), -ESRCH);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), -ESRCH);
    CHECK_EQ(apus_send_name("nobody has this name", &type_owned, "x", 1), -ESRCH);
    CHECK_EQ(atomic_load(&drops), 0);
    apus_message *message = apus_message_new(&type_number, 8);
    CHECK(message != NULL);
    CHECK_EQ(apus_send_message(pid, message), -ESRCH);
    apus_message_release(message);
    CHECK_EQ(apus_send_after(0, pid, NULL, NULL, 0, NULL), 0);
    expect_silence(self);
}

TEST(R14_dead_pid, "R14: a send to a dead pid or an unknown name says so and does nothing else")
{
    play(sends_to_the_dead, 100);
}

static void unread_messages_are_dropped(apus_process *self, const scene_t *scene)
{
    atomic_store(&drops, 0);
    for (int i = 0; i < 50; i++) {
        apus_pid pid;
        int sent = 0, taken = atomic_load(&drops);
        CHECK_EQ(apus_spawn_blocking(puppet_body, NULL, 0, NULL, &pid), 0);
        dismiss(pid);
        for (int n = 0; n < 20; n++)
            sent += apus_send(pid, &type_owned, "x", 1) == 0;
        end_and_wait(self, pid);
        for (int wait = 0; atomic_load(&drops) - taken < sent && wait < PATIENCE_MS; wait++)
            apus_sleep(self, 1);
        CHECK_EQ(atomic_load(&drops) - taken, sent);
    }
    (void)scene;
}

TEST(R14_unread, "R14: each message that a dying process leaves unread is dropped once")
{
    play_on(1, unread_messages_are_dropped, 1);
    play_on(2, unread_messages_are_dropped, 1);
    play_on(4, unread_messages_are_dropped, 1);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
