// R70-R71: bounded mailboxes: which messages a bound counts, what it does with those over it, and what it never touches.
//
// The receivers trap exits and wait for an exit message before they read anything else: signals always fit, so that is how a test
// can speak to a process whose mailbox is full.
#include "../scene.h"

#include <pthread.h>

enum { BOUND = 4 };

static const apus_type type_report = {.name = "report"};

struct report {
    int64_t count;
    int64_t numbers[32];
    int64_t signals;
};

static bool is_the_word(const apus_message *message, void *context)
{
    (void)context;
    return apus_message_type(message) == &apus_type_exit &&
           ((const apus_exit_message *)apus_message_payload(message))->reason.kind == APUS_REASON_TIMEOUT;
}

// Waits for the exit message `timeout`, then reads all there is and reports it to `argument`.
static void read_when_told(apus_process *self, void *argument)
{
    apus_pid report_to = *(const apus_pid *)argument;
    struct report report = {0};
    apus_message *message = apus_receive(self, is_the_word, NULL, PATIENCE_MS);
    CHECK(message != NULL);
    apus_message_release(message);
    while ((message = apus_receive(self, NULL, NULL, 0)) != NULL) {
        if (apus_message_type(message) == &type_number && report.count < 32)
            report.numbers[report.count++] = number_of(message);
        else
            report.signals++;
        apus_message_release(message);
    }
    CHECK_EQ(apus_send(report_to, &type_report, &report, sizeof report), 0);
}

static apus_pid spawn_bounded(apus_process *self, apus_mailbox_policy policy, uint32_t messages, size_t bytes,
                              apus_pid dead_letters)
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_TRAP_EXITS, .mailbox_messages = messages,
                                  .mailbox_bytes = bytes, .mailbox_policy = policy, .dead_letters = dead_letters};
    apus_pid pid, me = apus_pid_of(self);
    CHECK_EQ(apus_spawn_blocking(read_when_told, &me, sizeof me, &options, &pid), 0);
    return pid;
}

static struct report read_mailbox(apus_process *self, apus_pid pid)
{
    struct report report;
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_TIMEOUT)), 0);
    apus_message *message = expect(self, &type_report);
    memcpy(&report, apus_message_payload(message), sizeof report);
    apus_message_release(message);
    return report;
}

static int try_number(apus_pid to, int64_t number)
{
    return apus_send(to, &type_number, &number, sizeof number);
}

static void full_mailbox_fails(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_bounded(self, APUS_MAILBOX_FAIL, BOUND, 0, APUS_NOBODY);
    (void)scene;
    for (int i = 0; i < BOUND; i++)
        CHECK_EQ(try_number(pid, i), 0);
    CHECK_EQ(try_number(pid, 100), -ENOBUFS);
    apus_message *message = apus_message_new(&type_number, sizeof(int64_t));
    CHECK(message != NULL);
    CHECK_EQ(apus_send_message(pid, message), -ENOBUFS);
    apus_message_release(message);
    CHECK_EQ(info_of(pid).messages, BOUND);
    struct report report = read_mailbox(self, pid);
    CHECK_EQ(report.count, BOUND);
    for (int i = 0; i < BOUND; i++)
        CHECK_EQ(report.numbers[i], i);
}

TEST(R70_fail, "R70: a full mailbox with the policy fail refuses the message")
{
    play(full_mailbox_fails, 50);
}

static void newest_are_dropped(apus_process *self, const scene_t *scene)
{
    apus_pid pid = spawn_bounded(self, APUS_MAILBOX_DROP_NEWEST, BOUND, 0, APUS_NOBODY);
    (void)scene;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(try_number(pid, i), 0);
    CHECK_EQ(info_of(pid).dropped, 10 - BOUND);
    struct report report = read_mailbox(self, pid);
    CHECK_EQ(report.count, BOUND);
    for (int i = 0; i < BOUND; i++)
        CHECK_EQ(report.numbers[i], i);
}

TEST(R70_drop_newest, "R70: the policy drop newest keeps the first messages; R71: the others are counted")
{
    play(newest_are_dropped, 50);
}

static void oldest_are_dropped(apus_process *self, const scene_t *scene)
{
    bool by_bytes = scene->turn / 2 % 2;
    apus_pid pid = spawn_bounded(self, APUS_MAILBOX_DROP_OLDEST, by_bytes ? 0 : BOUND, by_bytes ? BOUND * sizeof(int64_t) : 0, APUS_NOBODY);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(try_number(pid, i), 0);
    CHECK_EQ(info_of(pid).dropped, 10 - BOUND);
    struct report report = read_mailbox(self, pid);
    CHECK_EQ(report.count, BOUND);
    for (int i = 0; i < BOUND; i++)
        CHECK_EQ(report.numbers[i], 10 - BOUND + i);
}

TEST(R70_drop_oldest, "R70: the policy drop oldest keeps the last messages; R71: the others are counted")
{
    play(oldest_are_dropped, 50);
}

static void bytes_are_counted(apus_process *self, const scene_t *scene)
{
    char payload[60] = {0};
    apus_pid pid = spawn_bounded(self, APUS_MAILBOX_FAIL, 0, 100, APUS_NOBODY);
    (void)scene;
    CHECK_EQ(apus_send(pid, &type_order, payload, 60), 0);
    CHECK_EQ(apus_send(pid, &type_order, payload, 60), -ENOBUFS);
    CHECK_EQ(apus_send(pid, &type_order, payload, 40), 0);
    CHECK_EQ(apus_send(pid, &type_order, payload, 1), -ENOBUFS);
    CHECK_EQ(read_mailbox(self, pid).signals, 2);
}

TEST(R70_bytes, "R70: a bound in bytes counts the payloads that wait")
{
    play(bytes_are_counted, 50);
}

static int do_reply(apus_process *self, const struct order *order)
{
    (void)self;
    apus_reply_to(order->pid, (apus_ref){(uint64_t)order->number}, NULL, NULL, 0);
    return APUS_OK;
}

// The receiver of the next test: asks and watches, then fills its own mailbox, then expects every kind of signal in it.
static void get_signals_when_full(apus_process *self, void *argument)
{
    const scene_t *scene = argument;
    apus_ref request, monitor, timer;
    int pipe_ends[2];
    int64_t number = 0;
    apus_pid server = spawn_puppet(scene, 0, NULL), mortal = spawn_puppet(scene, 0, &monitor);
    CHECK_EQ(pipe(pipe_ends), 0);
    CHECK_EQ(apus_request(self, server, &type_number, &number, sizeof number, APUS_INFINITY, &request), 0);
    CHECK_EQ(apus_watch(self, pipe_ends[0], APUS_IO_READ), 0);
    for (int i = 0; i < BOUND; i++)
        CHECK_EQ(try_number(apus_pid_of(self), i), 0);
    CHECK_EQ(try_number(apus_pid_of(self), 100), -ENOBUFS);

    CHECK_EQ(apus_send_after(1, apus_pid_of(self), NULL, NULL, 0, &timer), 0);
    apus_message_release(expect(self, &apus_type_timeout));
    tell_exit(mortal, APUS_REASON_ERROR);
    expect_down(self, monitor, mortal, APUS_REASON_ERROR);
    tell(server, (struct order){.run = do_reply, .pid = apus_pid_of(self), .number = (int64_t)request.id});
    apus_message_release(expect(self, &apus_type_reply));
    CHECK_EQ(apus_exit_signal(apus_pid_of(self), apus_reason_error(1, NULL)), 0);
    apus_message_release(expect(self, &apus_type_exit));
    CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
    apus_message_release(expect(self, &apus_type_io));

    CHECK_EQ(try_number(apus_pid_of(self), 100), -ENOBUFS);
    settle(server);
    for (int i = 0; i < BOUND; i++)
        expect_number(self, i);
    CHECK_EQ(try_number(apus_pid_of(self), 5), 0);
    expect_number(self, 5);
    apus_unwatch(self, pipe_ends[0]);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    dismiss(server);
}

static void signals_always_fit(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_TRAP_EXITS | APUS_SPAWN_MONITOR,
                                  .monitor = &ref, .mailbox_messages = BOUND};
    CHECK_EQ(apus_spawn_blocking(get_signals_when_full, scene, sizeof *scene, &options, &pid), 0);
    expect_down(self, ref, pid, APUS_REASON_NORMAL);
}

TEST(R70_signals, "R70: timer, DOWN, reply, EXIT, I/O and the reply of a call are admitted to a full mailbox")
{
    play(signals_always_fit, 50);
}

static void dropping_spares_signals(apus_process *self, const scene_t *scene)
{
    apus_mailbox_policy policy = scene->turn % 2 ? APUS_MAILBOX_DROP_OLDEST : APUS_MAILBOX_DROP_NEWEST;
    apus_pid pid = spawn_bounded(self, policy, 1, 0, APUS_NOBODY);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(try_number(pid, i), 0);
        CHECK_EQ(apus_exit_signal(pid, apus_reason_error(i, NULL)), 0);
    }
    struct report report = read_mailbox(self, pid);
    CHECK_EQ(report.count, 1);
    CHECK_EQ(report.numbers[0], scene->turn % 2 ? 9 : 0);
    CHECK_EQ(report.signals, 10);
}

static const apus_type type_exempt = {.name = "exempt", .is_exempt = true};

static void exempt_messages_fit(apus_process *self, const scene_t *scene)
{
    apus_ref ref;
    apus_mailbox_policy policy = (apus_mailbox_policy)(scene->turn % (APUS_MAILBOX_BLOCK + 1));
    apus_pid pid = spawn_bounded(self, policy, BOUND, 0, APUS_NOBODY);
    for (int i = 0; i < BOUND; i++) {
        CHECK_EQ(apus_send(pid, &type_exempt, NULL, 0), 0);
        CHECK_EQ(try_number(pid, i), 0);
    }
    CHECK_EQ(apus_send(pid, &type_exempt, NULL, 0), 0);
    CHECK_EQ(apus_request(self, pid, &type_exempt, NULL, 0, APUS_INFINITY, &ref), 0);
    CHECK_EQ(info_of(pid).messages, 2 * BOUND + 2);
    CHECK_EQ(info_of(pid).dropped, 0);
    // What is sent later drops none of them.
    bool drops_oldest = policy == APUS_MAILBOX_DROP_OLDEST;
    for (int i = BOUND; drops_oldest && i < 2 * BOUND; i++)
        CHECK_EQ(try_number(pid, i), 0);
    struct report report = read_mailbox(self, pid);
    CHECK_EQ(report.count, BOUND);
    for (int i = 0; i < BOUND; i++)
        CHECK_EQ(report.numbers[i], drops_oldest ? BOUND + i : i);
    CHECK_EQ(report.signals, BOUND + 2);
}

TEST(R70_exempt, "R70: messages and requests of an exempt type always fit, are not counted, and drop nothing, nor are they dropped")
{
    play(exempt_messages_fit, 50);
}

// A child that reads its mailbox only after the word, and tells at its end how many numbers it had, and why it ended.
struct late_child {
    apus_pid report_to;
    struct report report;
};

static int late_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    ((struct late_child *)state)->report_to = *(const apus_pid *)argument;
    return APUS_OK;
}

static int late_handle(apus_process *self, void *state, apus_message *message)
{
    if (apus_message_type(message) == &type_number)
        ((struct late_child *)state)->report.count++;
    else
        apus_message_release(apus_receive(self, is_the_word, NULL, PATIENCE_MS));
    return APUS_OK;
}

static void late_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    struct late_child *child = state;
    (void)self;
    child->report.signals = reason->kind;
    CHECK_EQ(apus_send(child->report_to, &type_report, &child->report, sizeof child->report), 0);
}

static const apus_behaviour late = {
    .name = "late", .state_size = sizeof(struct late_child), .init = late_init, .handle = late_handle, .terminate = late_terminate};

static void stop_child(apus_process *self, void *argument)
{
    (void)self;
    CHECK_EQ(apus_supervisor_terminate_child(*(const apus_pid *)argument, "late"), 0);
}

static void child_that_is_full_is_stopped(apus_process *self, const scene_t *scene)
{
    apus_pid supervisor, pid, me = apus_pid_of(self);
    apus_supervisor_spec tree = {.struct_size = sizeof tree};
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_TRAP_EXITS, .mailbox_messages = BOUND,
                                  .mailbox_policy = (apus_mailbox_policy)(scene->turn % (APUS_MAILBOX_BLOCK + 1))};
    apus_child_spec spec = {.struct_size = sizeof spec, .id = "late", .behaviour = &late, .argument = &me, .argument_size = sizeof me,
                            .options = &options, .shutdown_ms = PATIENCE_MS};
    CHECK_EQ(apus_supervisor_start(self, &tree, &supervisor), 0);
    CHECK_EQ(apus_supervisor_start_child(supervisor, &spec, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_order, NULL, 0), 0);
    while (info_of(pid).messages > 0)
        apus_sleep(self, 1);
    for (int i = 0; i < BOUND; i++)
        CHECK_EQ(try_number(pid, i), 0);
    CHECK_EQ(apus_spawn_blocking(stop_child, &supervisor, sizeof supervisor, NULL, NULL), 0);
    while (info_of(pid).messages == BOUND)
        apus_sleep(self, 1);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_TIMEOUT)), 0);
    apus_message *message = expect(self, &type_report);
    const struct report *report = apus_message_payload(message);
    CHECK_EQ(report->count, BOUND);
    CHECK_EQ(report->signals, APUS_REASON_SHUTDOWN);
    apus_message_release(message);
    CHECK_EQ(apus_supervisor_stop(supervisor, APUS_INFINITY), 0);
}

TEST(R70_shutdown, "R70, R46: a supervisor's shutdown reaches a child whose mailbox is full, after what is in it")
{
    play(child_that_is_full_is_stopped, 20);
}

static void *send_while_blocked(void *argument)
{
    for (int i = 0; i < 20; i++)
        CHECK_EQ(try_number(*(const apus_pid *)argument, i), 0);
    return NULL;
}

static void take_slowly(apus_process *self, void *argument)
{
    (void)argument;
    for (int i = 0; i < 20; i++) {
        CHECK(info_of(apus_pid_of(self)).messages <= BOUND);
        apus_sleep(self, 1);
        expect_number(self, i);
    }
}

static void block_sender(unsigned schedulers)
{
    apus_spawn_options options = {.struct_size = sizeof options, .mailbox_messages = BOUND, .mailbox_policy = APUS_MAILBOX_BLOCK};
    pthread_t thread;
    apus_pid pid;
    start_runtime(schedulers);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(apus_spawn_blocking(take_slowly, NULL, 0, &options, &pid), 0);
        CHECK_EQ(pthread_create(&thread, NULL, send_while_blocked, &pid), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    }
    stop_runtime();
}

TEST(R70_block_thread, "R70: the policy block lets a plain thread wait until there is room, and loses nothing")
{
    block_sender(1);
    block_sender(2);
}

static void block_process_by(apus_process *self, apus_spawn_options options)
{
    apus_ref ref;
    apus_pid pid;
    options.struct_size = sizeof options;
    options.flags = APUS_SPAWN_MONITOR;
    options.monitor = &ref;
    options.mailbox_policy = APUS_MAILBOX_BLOCK;
    CHECK_EQ(apus_spawn_blocking(take_slowly, NULL, 0, &options, &pid), 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(try_number(pid, i), 0);
    expect_down(self, ref, pid, APUS_REASON_NORMAL);
}

static void block_process(apus_process *self, const scene_t *scene)
{
    (void)scene;
    block_process_by(self, (apus_spawn_options){.mailbox_messages = BOUND});
    block_process_by(self, (apus_spawn_options){.mailbox_bytes = sizeof(int64_t)}); // each message fills it
}

TEST(R70_block_process, "R70: the policy block lets a process wait until there is room, and loses nothing")
{
    play(block_process, 50);
}

static int do_fill(apus_process *self, const struct order *order)
{
    int error = 0;
    (void)self;
    for (int i = 0; i < BOUND + 1 && error == 0; i++)
        error = try_number(order->pid, i);
    CHECK_EQ(error, -ESRCH);
    return APUS_OK;
}

static void receiver_of_blocked_dies(apus_process *self, const scene_t *scene)
{
    apus_pid sender = spawn_puppet(scene, 0, NULL);
    apus_pid pid = spawn_bounded(self, APUS_MAILBOX_BLOCK, BOUND, 0, APUS_NOBODY);
    apus_ref ref;
    CHECK_EQ(apus_monitor(self, pid, &ref), 0);
    tell(sender, (struct order){.run = do_fill, .pid = pid});
    for (int wait = 0; wait < scene->turn % 8; wait++)
        apus_yield(self);
    dismiss(pid);
    expect_down(self, ref, pid, APUS_REASON_KILLED);
    settle(sender);
    dismiss(sender);
}

TEST(R70_block_death, "R70: a sender that is blocked goes on with an error when the receiver dies")
{
    play(receiver_of_blocked_dies, 100);
}

TEST(R70_drop_spares_signals, "R70: dropping messages does not drop signals")
{
    play(dropping_spares_signals, 50);
}

static void dropped_go_to_dead_letters(apus_process *self, const scene_t *scene)
{
    bool oldest = scene->turn % 2;
    apus_mailbox_policy policy = oldest ? APUS_MAILBOX_DROP_OLDEST : APUS_MAILBOX_DROP_NEWEST;
    apus_pid pid = spawn_bounded(self, policy, BOUND, 0, apus_pid_of(self));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(try_number(pid, i), 0);
    CHECK_EQ(info_of(pid).dropped, 10 - BOUND);
    for (int i = 0; i < 10 - BOUND; i++)
        expect_number(self, oldest ? i : BOUND + i);
    CHECK_EQ(read_mailbox(self, pid).count, BOUND);
    expect_silence(self);
}

TEST(R71_dead_letters, "R71: dropped messages are counted and go to the dead-letter process")
{
    play(dropped_go_to_dead_letters, 50);
}

static void dropped_request_is_a_letter(apus_process *self, const scene_t *scene)
{
    apus_mailbox_policy policy = scene->turn % 2 ? APUS_MAILBOX_DROP_OLDEST : APUS_MAILBOX_DROP_NEWEST;
    apus_pid pid = spawn_bounded(self, policy, 1, 0, apus_pid_of(self));
    const int64_t numbers[2] = {1, 2};
    apus_ref refs[2];
    for (int i = 0; i < 2; i++)
        CHECK_EQ(apus_request(self, pid, &type_number, &numbers[i], sizeof numbers[i], PATIENCE_MS, &refs[i]), 0);
    int dropped = policy == APUS_MAILBOX_DROP_NEWEST;
    struct sought failure = {&apus_type_down, refs[dropped], APUS_NOBODY}, letter = {&type_number, APUS_NO_REF, APUS_NOBODY};
    apus_message *message = apus_receive(self, sought_matches, &failure, PATIENCE_MS);
    CHECK(message && ((const apus_down_message *)apus_message_payload(message))->reason.code == -ENOBUFS);
    apus_message_release(message);
    message = apus_receive(self, sought_matches, &letter, PATIENCE_MS);
    CHECK(message && number_of(message) == numbers[dropped]);
    CHECK(!apus_message_is_request(message));
    CHECK_EQ(apus_reply(message, NULL, NULL, 0), -EINVAL);
    apus_message_release(message);
    CHECK_EQ(apus_request_abandon(self, refs[!dropped]), 1);
    dismiss(pid);
}

TEST(R71_dropped_requests, "R71: a request that is dropped fails, and is a plain message as a dead letter")
{
    play(dropped_request_is_a_letter, 50);
}

// Where the dead-letter process has no room either, the message ends there, whoever gets that one's dead letters.
static void dead_letters_end(apus_process *self, const scene_t *scene)
{
    (void)scene;
    apus_pid second = spawn_bounded(self, APUS_MAILBOX_DROP_NEWEST, BOUND, 0, apus_pid_of(self));
    apus_pid first = spawn_bounded(self, APUS_MAILBOX_DROP_NEWEST, BOUND, 0, second);
    for (int i = 0; i < 3 * BOUND; i++)
        CHECK_EQ(try_number(first, i), 0);
    CHECK_EQ(info_of(first).dropped, 2 * BOUND);
    CHECK_EQ(info_of(second).dropped, BOUND);
    struct report report = read_mailbox(self, second);
    CHECK_EQ(report.count, BOUND);
    for (int i = 0; i < BOUND; i++)
        CHECK_EQ(report.numbers[i], BOUND + i);
    CHECK_EQ(read_mailbox(self, first).count, BOUND);
    expect_silence(self);
}

TEST(R71_dead_letters_end, "R71: a dead letter for which there is no room is dropped and counted, and does not go on")
{
    play(dead_letters_end, 50);
}

static atomic_int drops;

static void count_drop(void *payload, size_t size, const apus_type *type)
{
    (void)payload, (void)size, (void)type;
    atomic_fetch_add(&drops, 1);
}

static const apus_type type_owned = {.name = "owned", .drop = count_drop};

static int variant; // of a scene that is played alone, since it counts drops

static void dropped_payload_is_released(apus_process *self, const scene_t *scene)
{
    apus_mailbox_policy policy = variant % 2 ? APUS_MAILBOX_DROP_OLDEST : APUS_MAILBOX_DROP_NEWEST;
    (void)scene;
    apus_pid pid = spawn_bounded(self, policy, BOUND, 0, APUS_NOBODY);
    atomic_store(&drops, 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(apus_send(pid, &type_owned, "x", 1), 0);
    CHECK_EQ(info_of(pid).dropped, 10 - BOUND);
    CHECK_EQ(atomic_load(&drops), 10 - BOUND);
    CHECK_EQ(read_mailbox(self, pid).signals, BOUND);
    CHECK_EQ(atomic_load(&drops), 10);
}

TEST(R71_drop, "R71: the payload of a dropped message is released once")
{
    for (variant = 0; variant < 10; variant++) {
        play_on(1, dropped_payload_is_released, 1);
        play_on(2, dropped_payload_is_released, 1);
    }
}

// --- Sending on to a full mailbox -------------------------------------------------------------------------------------------------

static int send_on(apus_process *self, void *state, apus_message *message)
{
    const apus_pid *to = state;
    (void)self;
    if (apus_message_type(message) == &type_owned)
        CHECK_EQ(apus_send_message(*to, message), -ENOBUFS); // does not return if it is killed meanwhile
    return APUS_OK;
}

static int send_on_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(apus_pid));
    return APUS_OK;
}

static const apus_behaviour sender_on = {.name = "sender on", .state_size = sizeof(apus_pid), .init = send_on_init, .handle = send_on};

// By turns messages of one and of three words, alone in the mailbox and behind others: they lie in blocks and in segments. It is killed while it
// waits, or is refused.
static void full_is_sent_on_to(apus_process *self, const scene_t *scene)
{
    char payload[24] = {0};
    bool waits = variant < 4;
    (void)scene;
    apus_pid full = spawn_bounded(self, waits ? APUS_MAILBOX_BLOCK : APUS_MAILBOX_FAIL, 1, 0, APUS_NOBODY), pid;
    CHECK_EQ(try_number(full, 0), 0);
    CHECK_EQ(apus_spawn(&sender_on, &full, sizeof full, NULL, &pid), 0);
    atomic_store(&drops, 0);
    for (int i = 0; variant % 4 >= 2 && i < 3; i++)
        CHECK_EQ(try_number(pid, i), 0);
    CHECK_EQ(apus_send(pid, &type_owned, payload, variant % 2 ? sizeof payload : 8), 0);
    while (info_of(pid).state != (waits ? APUS_STATE_WAITING : APUS_STATE_IDLE))
        CHECK_EQ(apus_yield(self), 0);
    end_and_wait(self, pid);
    CHECK_EQ(atomic_load(&drops), 1);
    dismiss(full);
}

TEST(R71_sent_on, "R71: the payload of a message that cannot be sent on to a full mailbox is released once")
{
    for (variant = 0; variant < 8; variant++)
        play_on(1, full_is_sent_on_to, 1);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
