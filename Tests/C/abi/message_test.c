// Messages, requests, timers, names: the documented errors of the functions that send, and the ownership of what they are given.
#include "../scene.h"

#include <pthread.h>

static atomic_int drops;

static void count_drop(void *payload, size_t size, const apus_type *type)
{
    CHECK_EQ(size, 8);
    CHECK_EQ(*(const int64_t *)payload, 77);
    CHECK_STR(type->name, "owned");
    atomic_fetch_add(&drops, 1);
}

static const apus_type type_owned = {.name = "owned", .drop = count_drop};

static void check_send_arguments(apus_pid pid)
{
    apus_message *reply = (apus_message *)8;
    char byte = 0;
    CHECK_EQ(apus_send(pid, NULL, "x", 1), -EINVAL);
    CHECK_EQ(apus_send(pid, &type_number, NULL, 1), -EINVAL);
    CHECK_EQ(apus_send(pid, &type_number, &byte, APUS_MESSAGE_SIZE_MAX + 1), -EMSGSIZE);
    CHECK_EQ(apus_send_name(NULL, &type_number, NULL, 0), -EINVAL);
    CHECK_EQ(apus_send_name("somebody", NULL, NULL, 0), -EINVAL);
    CHECK_EQ(apus_send_name("somebody", &type_number, NULL, 1), -EINVAL);
    CHECK_EQ(apus_send_message(pid, NULL), -EINVAL);
    CHECK(apus_message_new(NULL, 8) == NULL);
    CHECK(apus_message_new(&type_number, APUS_MESSAGE_SIZE_MAX + 1) == NULL);
    CHECK_EQ(apus_call(pid, NULL, NULL, 0, 0, &reply), -EINVAL);
    CHECK_EQ(apus_call(pid, &type_number, NULL, 1, 0, &reply), -EINVAL);
    CHECK_EQ(apus_call(pid, &type_number, &byte, APUS_MESSAGE_SIZE_MAX + 1, 0, &reply), -EMSGSIZE);
    CHECK(reply == NULL);
    CHECK_EQ(apus_reply(NULL, NULL, NULL, 0), -EINVAL);
    CHECK_EQ(apus_reply_to(pid, (apus_ref){1}, NULL, NULL, 1), -EINVAL);
    CHECK_EQ(apus_reply_to(pid, APUS_NO_REF, NULL, NULL, 0), -EINVAL);
    CHECK_EQ(apus_reply_to(pid, (apus_ref){1}, NULL, &byte, APUS_MESSAGE_SIZE_MAX + 1), -EMSGSIZE);
    CHECK_EQ(apus_send_after(1, pid, NULL, NULL, 1, NULL), -EINVAL);
    CHECK_EQ(apus_send_after(1, pid, NULL, &byte, APUS_MESSAGE_SIZE_MAX + 1, NULL), -EMSGSIZE);
    CHECK_EQ(apus_send_after((1ull << 40) + 1, pid, NULL, NULL, 0, NULL), -ERANGE);
    CHECK_EQ(apus_send_after(APUS_INFINITY, pid, NULL, NULL, 0, NULL), -ERANGE);
    CHECK_EQ(apus_send_name_after(1, NULL, NULL, NULL, 0, NULL), -EINVAL);
    CHECK_EQ(apus_send_name_after(1, "name", NULL, NULL, 1, NULL), -EINVAL);
    CHECK_EQ(apus_send_name_after((1ull << 40) + 1, "name", NULL, NULL, 0, NULL), -ERANGE);
    CHECK_EQ(apus_rearm(APUS_NO_REF, (1ull << 40) + 1), -ERANGE);
    CHECK_EQ(apus_rearm((apus_ref){UINT64_MAX}, 1), -ENOENT);
    CHECK_EQ(apus_cancel(APUS_NO_REF, NULL), -ENOENT);
    CHECK_EQ(apus_cancel((apus_ref){UINT64_MAX}, NULL), -ENOENT);
}

// Memory for cells comes in steps; a pid just past the last one, which nobody can have been given, must not be looked for there.
static void send_to_nobody(void)
{
    enum { INDEXES_MAX = 1 << 22, STEP = 1 << 10 };
    for (uint64_t index = STEP; index <= INDEXES_MAX; index += STEP) {
        apus_pid nobody = {UINT64_C(0x7fffffff) << 32 | index};
        CHECK_EQ(apus_send(nobody, &type_number, "12345678", 8), -ESRCH);
        CHECK_EQ(apus_send(nobody, &type_number, "1234567890123456789012345678901", 32), -ESRCH);
        CHECK(!apus_is_alive(nobody));
    }
}

static void send_to_nobody_in_process(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    send_to_nobody();
}

TEST(pids_of_nobody, "a pid that was never given is nobody's, wherever it points")
{
    start_runtime(1);
    send_to_nobody();
    run_process(send_to_nobody_in_process, NULL, 0);
    stop_runtime();
}

static void check_in_process(apus_process *self, void *argument)
{
    apus_pid pid = *(const apus_pid *)argument;
    char byte = 0;
    apus_ref ref;
    check_send_arguments(pid);
    CHECK_EQ(apus_request(self, pid, NULL, NULL, 0, 0, &ref), -EINVAL);
    CHECK_EQ(apus_request(self, pid, &type_number, NULL, 1, 0, &ref), -EINVAL);
    CHECK_EQ(apus_request(self, pid, &type_number, NULL, 0, 0, NULL), -EINVAL);
    CHECK_EQ(apus_request(self, pid, &type_number, &byte, APUS_MESSAGE_SIZE_MAX + 1, 0, &ref), -EMSGSIZE);
    CHECK_EQ(apus_request_abandon(self, APUS_NO_REF), 0);
    CHECK(!apus_request_is_open(self, APUS_NO_REF));
    CHECK_EQ(apus_request_abandon(self, (apus_ref){UINT64_MAX}), 0);
    expect_silence(self);
}

TEST(send_arguments, "every function that sends refuses a missing type or payload, and sizes and delays that are too large")
{
    start_runtime(2);
    apus_pid pid = spawn_puppet_with(false, NULL);
    CHECK_EQ(apus_register("somebody", pid), 0);
    check_send_arguments(pid);
    run_process(check_in_process, &pid, sizeof pid);
    stop_runtime();
}

static void check_names(apus_pid pid)
{
    char name[APUS_NAME_MAX + 2];
    apus_pid found;
    memset(name, 'n', sizeof name - 1);
    name[APUS_NAME_MAX + 1] = 0;
    CHECK_EQ(apus_register(name, pid), -EINVAL);
    CHECK_EQ(apus_register("", pid), -EINVAL);
    CHECK_EQ(apus_register(NULL, pid), -EINVAL);
    CHECK_EQ(apus_register("name", APUS_NOBODY), -ESRCH);
    CHECK_EQ(apus_register("name", (apus_pid){UINT64_MAX}), -ESRCH);
    CHECK_EQ(apus_whereis(NULL, &found), -EINVAL);
    CHECK_EQ(apus_whereis("name", NULL), -EINVAL);
    CHECK_EQ(apus_unregister(NULL), -EINVAL);
    CHECK_EQ(apus_unregister("name"), -ESRCH);
    name[APUS_NAME_MAX] = 0;
    CHECK_EQ(apus_register(name, pid), 0);
    CHECK_EQ(apus_whereis(name, &found), 0);
    CHECK(apus_pid_equal(found, pid));
    CHECK_EQ(apus_unregister(name), 0);
}

TEST(names, "names are 1 to 127 bytes; the functions of the registry refuse others")
{
    start_runtime(2);
    check_names(spawn_puppet_with(false, NULL));
    stop_runtime();
}

static void check_payloads(apus_process *self, void *argument)
{
    (void)argument;
    for (size_t size = 0; size < 3000000; size = size * 3 + 1) {
        apus_message *message = apus_message_new(&type_number, size);
        CHECK(message != NULL);
        CHECK_EQ((uintptr_t)apus_message_payload(message) % 16, 0);
        CHECK_EQ(apus_message_size(message), size);
        CHECK(apus_message_type(message) == &type_number);
        memset(apus_message_payload(message), 0x5a, size);
        CHECK_EQ(apus_send_message(apus_pid_of(self), message), 0);
        message = apus_receive(self, NULL, NULL, PATIENCE_MS);
        CHECK(message != NULL);
        CHECK_EQ(apus_message_size(message), size);
        CHECK((uintptr_t)apus_message_payload(message) % 16 == 0);
        CHECK(apus_pid_equal(apus_message_from(message), apus_pid_of(self)));
        CHECK_EQ(apus_message_ref(message).id, 0);
        CHECK(!apus_message_is_request(message) && !apus_message_is_reply(message));
        for (size_t i = 0; i < size; i += 7)
            CHECK_EQ(((const char *)apus_message_payload(message))[i], 0x5a);
        CHECK_EQ(apus_send_message(apus_pid_of(self), message), 0); // received, and sent on
        message = apus_receive(self, NULL, NULL, PATIENCE_MS);
        CHECK(message != NULL);
        CHECK_EQ(apus_message_size(message), size);
        apus_message_release(message);
    }
    CHECK(!apus_message_is_request(NULL) && !apus_message_is_reply(NULL));
}

TEST(payloads, "payloads of all sizes arrive whole and 16-aligned")
{
    start_runtime(2);
    run_process(check_payloads, NULL, 0);
    stop_runtime();
}

TEST(largest_payload, "a payload of APUS_MESSAGE_SIZE_MAX can be made, sent and dropped")
{
    if (SANITIZED)
        return;
    start_runtime(1);
    apus_pid pid = spawn_puppet_with(false, NULL);
    apus_message *message = apus_message_new(&type_number, APUS_MESSAGE_SIZE_MAX);
    CHECK(message != NULL);
    ((char *)apus_message_payload(message))[APUS_MESSAGE_SIZE_MAX - 1] = 1;
    CHECK_EQ(apus_send_message(pid, message), 0);
    settle(pid);
    stop_runtime();
}

static int64_t seventy_seven = 77;

static void check_drops(apus_process *self, void *argument)
{
    apus_pid me = apus_pid_of(self);
    (void)argument;
    CHECK_EQ(apus_send(me, &type_owned, &seventy_seven, 8), 0);
    apus_message_release(apus_receive(self, NULL, NULL, PATIENCE_MS));
    CHECK_EQ(atomic_load(&drops), 1);

    CHECK_EQ(apus_send(me, &type_owned, &seventy_seven, 8), 0);
    apus_message *message = apus_receive(self, NULL, NULL, PATIENCE_MS);
    apus_message_take(message);
    apus_message_release(message);
    CHECK_EQ(atomic_load(&drops), 1);

    apus_message_release(apus_message_new(&type_owned, 8)); // never sent: its payload is not looked at
    CHECK_EQ(atomic_load(&drops), 1);

    CHECK_EQ(apus_send(me, &type_owned, &seventy_seven, 8), 0);
    CHECK(apus_receive(self, NULL, NULL, PATIENCE_MS) != NULL); // kept to the end
    CHECK_EQ(apus_send(me, &type_owned, &seventy_seven, 8), 0); // never read
    CHECK(apus_message_new(&type_owned, 8) != NULL);            // never sent
}

TEST(drops, "drop is called once for each message that was sent, and not for those that were taken or never sent")
{
    start_runtime(2);
    run_process(check_drops, NULL, 0);
    stop_runtime();
    CHECK_EQ(atomic_load(&drops), 3);
}

static void check_timer_drops(apus_process *self, void *argument)
{
    apus_pid me = apus_pid_of(self), pid = spawn_puppet_with(false, NULL);
    apus_ref ref;
    (void)argument;
    CHECK_EQ(apus_send_after(3600000, me, &type_owned, &seventy_seven, 8, &ref), 0);
    CHECK_EQ(apus_cancel(ref, NULL), 0);
    for (int wait = 0; atomic_load(&drops) < 1 && wait < PATIENCE_MS; wait++)
        apus_sleep(self, 1);
    CHECK_EQ(atomic_load(&drops), 1);
    CHECK_EQ(apus_send_after(1, me, &type_owned, &seventy_seven, 8, &ref), 0);
    apus_message_release(apus_receive(self, NULL, NULL, PATIENCE_MS));
    CHECK_EQ(atomic_load(&drops), 2);
    CHECK_EQ(apus_send_after(3600000, pid, &type_owned, &seventy_seven, 8, &ref), 0);
    end_and_wait(self, pid);
    CHECK_EQ(apus_send_after(3600000, me, &type_owned, &seventy_seven, 8, &ref), 0);
    CHECK_EQ(apus_send_name_after(3600000, "nobody", &type_owned, &seventy_seven, 8, &ref), 0);
}

TEST(timer_drops, "the payload of a timer that is cancelled, or never fires, is dropped once")
{
    start_runtime(2);
    run_process(check_timer_drops, NULL, 0);
    stop_runtime();
    CHECK_EQ(atomic_load(&drops), 5);
}

// Keeps every message it handles, checks the errors of keeping, and releases the one before; every third at once.
static int keeper_handle(apus_process *self, void *state, apus_message *message)
{
    apus_message **kept = state;
    int64_t number = number_of(message);
    apus_message *made = apus_message_new(&type_number, 8);
    (void)self;
    CHECK(made != NULL);
    CHECK_EQ(apus_message_keep(NULL), -EINVAL);
    CHECK(apus_message_keep(made) < 0);
    CHECK_EQ(apus_message_keep(message), 0);
    CHECK_EQ(apus_message_keep(message), -EALREADY);
    if (*kept) {
        CHECK_EQ(apus_message_keep(*kept), -EALREADY);
        apus_message_release(*kept);
    }
    apus_message_release(made);
    *kept = number % 3 ? message : NULL;
    if (!*kept)
        apus_message_release(message);
    return number == 99 ? APUS_DONE : APUS_OK;
}

static const apus_behaviour keeper = {.name = "keeper", .state_size = sizeof(apus_message *), .handle = keeper_handle};

TEST(keep, "apus_message_keep: once, and only the message being handled")
{
    apus_pid pid;
    start_runtime(2);
    CHECK_EQ(apus_spawn(&keeper, NULL, 0, NULL, &pid), 0);
    for (int64_t i = 0; i < 100; i++)
        send_number(pid, i);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    apus_message *message = apus_message_new(&type_number, 8);
    CHECK(message != NULL);
    CHECK_EQ(apus_message_keep(message), -EINVAL);
    apus_message_release(message);
    stop_runtime();
}

TEST(thread_messages, "a plain thread makes, sends and releases messages")
{
    start_runtime(2);
    apus_pid pid = spawn_puppet_with(true, NULL);
    for (int i = 0; i < 1000; i++) {
        apus_message *message = apus_message_new(&type_number, 8);
        CHECK(message != NULL);
        if (i % 2)
            CHECK_EQ(apus_send_message(pid, message), 0);
        else
            apus_message_release(message);
    }
    settle(pid);
    stop_runtime();
}

// Answers a number with the same one, and ends at 0.
static int echo_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    int64_t number = number_of(message);
    if (number == 0)
        return apus_exit(self, apus_reason_error(-EIO, "told to"));
    return apus_reply(message, &type_number, &number, sizeof number);
}

static const apus_behaviour echo = {.name = "echo", .handle = echo_handle};

static void take_five(apus_process *self, void *argument)
{
    (void)argument;
    expect_number(self, 5);
}

// --- Over the stop --------------------------------------------------------------------------------------------------------------

static apus_pid full;

static int stay(apus_process *self, void *state, apus_message *message)
{
    (void)state, (void)message;
    return apus_sleep(self, APUS_INFINITY);
}

static const apus_behaviour stays = {.name = "stays", .handle = stay};

// The receiver may end first.
static void *send_into_stop(void *argument)
{
    int64_t value = 77;
    int result = argument ? apus_send_message(full, argument) : apus_send(full, &type_owned, &value, 8);
    CHECK(result == -ESHUTDOWN || result == -ESRCH);
    apus_message_release(argument);
    return NULL;
}

static apus_message *new_owned(void)
{
    apus_message *message = apus_message_new(&type_owned, 8);
    CHECK(message != NULL);
    *(int64_t *)apus_message_payload(message) = 77;
    return message;
}

TEST(stopped_in_wait, "a plain thread that waits for room when the runtime is stopped keeps its payload, or its message")
{
    apus_spawn_options bounded = {.struct_size = sizeof bounded, .mailbox_messages = 1, .mailbox_policy = APUS_MAILBOX_BLOCK};
    pthread_t senders[2];
    start_runtime(2);
    CHECK_EQ(apus_spawn(&stays, NULL, 0, &bounded, &full), 0);
    CHECK_EQ(apus_send(full, &type_number, NULL, 0), 0);
    while (runtime_info().stacks_parked < 1)
        usleep(500);
    CHECK_EQ(apus_send(full, &type_number, NULL, 0), 0);
    pthread_create(&senders[0], NULL, send_into_stop, NULL);
    pthread_create(&senders[1], NULL, send_into_stop, new_owned());
    while (runtime_info().stacks_parked < 3)
        usleep(500);
    CHECK_EQ(apus_stop(0), 0);
    pthread_join(senders[0], NULL);
    pthread_join(senders[1], NULL);
    CHECK_EQ(atomic_load(&drops), 0);
    start_runtime(1);
    stop_runtime();
}

TEST(released_late, "a message that a plain thread has made is released after the stop as well, and leaves nothing")
{
    start_runtime(1);
    apus_message *small = new_owned(), *large = apus_message_new(&type_owned, 100000);
    CHECK_EQ(apus_stop(5000), 0);
    CHECK_EQ(runtime_info().blocks_in_use, 2);
    apus_message_release(small);
    apus_message_release(large);
    CHECK_EQ(atomic_load(&drops), 0);
    start_runtime(1);
    stop_runtime();
}

static int answer_owned(apus_process *self, void *state, apus_message *message)
{
    int64_t value = 77;
    (void)self, (void)state;
    if (apus_message_is_request(message))
        CHECK_EQ(apus_reply(message, &type_owned, &value, sizeof value), 0);
    return APUS_OK;
}

static const apus_behaviour answers_owned = {.name = "answers_owned", .handle = answer_owned};

TEST(thread_takes, "what a plain thread has taken out of a reply is not dropped where it sends the reply on, and dropped where it has not")
{
    apus_message *reply;
    start_runtime(1);
    apus_pid pid = spawn_one(&answers_owned);
    for (int taken = 1; taken >= 0; taken--) {
        CHECK_EQ(apus_call(pid, &type_number, NULL, 0, PATIENCE_MS, &reply), 0);
        if (taken)
            apus_message_take(reply);
        CHECK_EQ(apus_send_message(pid, reply), 0);
        CHECK_EQ(apus_call(pid, &type_number, NULL, 0, PATIENCE_MS, &reply), 0); // comes after it
        CHECK_EQ(atomic_load(&drops), 1 - taken);
        apus_message_take(reply);
        apus_message_release(reply);
    }
    stop_runtime();
}

TEST(thread_passes_on, "a plain thread sends a reply on; the outcome of a call that failed it cannot")
{
    apus_pid server, taker;
    apus_message *outcome;
    int64_t number = 5;
    start_runtime(2);
    CHECK_EQ(apus_spawn(&echo, NULL, 0, NULL, &server), 0);
    CHECK_EQ(apus_spawn_blocking(take_five, NULL, 0, NULL, &taker), 0);
    CHECK_EQ(apus_call(server, &type_number, &number, sizeof number, PATIENCE_MS, &outcome), 0);
    CHECK_EQ(apus_send_message(taker, outcome), 0);
    CHECK_EQ(apus_join(taker, APUS_INFINITY, NULL), 0);
    CHECK_EQ(apus_call(server, &type_number, &number, sizeof number, PATIENCE_MS, &outcome), 0);
    CHECK_EQ(apus_send_message(taker, outcome), -ESRCH);
    CHECK_EQ(number_of(outcome), 5);
    apus_message_release(outcome);
    apus_pid other = spawn_puppet_with(false, NULL);
    number = 0;
    CHECK_EQ(apus_call(server, &type_number, &number, sizeof number, PATIENCE_MS, &outcome), -ECONNABORTED);
    CHECK_EQ(apus_send_message(other, outcome), -EINVAL);
    CHECK_STR(((const apus_down_message *)apus_message_payload(outcome))->reason.text, "told to");
    apus_message_release(outcome);
    settle(other);
    stop_runtime();
}

static void *send_once(void *argument)
{
    send_number(*(const apus_pid *)argument, 1);
    return NULL;
}

TEST(many_threads, "threads that come, send and go leave nothing behind")
{
    pthread_t threads[16];
    start_runtime(2);
    apus_pid pid = spawn_puppet_with(false, NULL);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 16; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, send_once, &pid), 0);
        for (int i = 0; i < 16; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    settle(pid);
    stop_runtime();
}

static int set_timers(apus_pid pid, apus_ref *refs, int limit)
{
    int count = 0, error = 0;
    while (count < limit && (error = apus_send_after(3600000, pid, NULL, NULL, 0, &refs[count])) == 0)
        count++;
    CHECK_EQ(error, -EAGAIN);
    return count;
}

TEST(timer_limit, "apus_send_after: -EAGAIN at the limit of timers; cancelled ones make room")
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_NONE, .max_timers = 4000};
    static apus_ref refs[8193];
    CHECK_EQ(apus_start(&options), 0);
    apus_pid pid = spawn_puppet_with(false, NULL);
    for (int round = 0; round < 20; round++) {
        int count = set_timers(pid, refs, 8193);
        CHECK(count >= 4000);
        for (int i = 0; i < count; i++)
            CHECK_EQ(apus_cancel(refs[i], NULL), 0);
        for (int wait = 0; runtime_info().timers > 0 && wait < PATIENCE_MS; wait++)
            usleep(1000);
    }
    stop_runtime();
}

enum { LOST_ROUNDS = 20, LOST_TIMERS = 1000 };

// Many timers for a process that ends long before they are due, and others after it.
static void lose_timers(apus_process *self, void *argument)
{
    (void)argument;
    for (int round = 0; round < LOST_ROUNDS; round++) {
        apus_pid pid = spawn_puppet_with(false, NULL);
        for (int i = 0; i < LOST_TIMERS; i++)
            CHECK_EQ(apus_send_after(3600000, pid, round % 2 ? &type_number : NULL, &i, sizeof i, NULL), 0);
        end_and_wait(self, pid);
    }
}

TEST(lost_timers, "timers whose receiver has ended make room long before they are due")
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .max_timers = 4000};
    CHECK_EQ(apus_start(&options), 0);
    run_process(lose_timers, NULL, 0);
    stop_runtime();
}

TEST(lost_timers_of_threads, "the same of plain threads, and of payloads that own something, which is dropped")
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_NONE, .max_timers = 4000};
    const int64_t owned = 77;
    CHECK_EQ(apus_start(&options), 0);
    for (int round = 0; round < LOST_ROUNDS; round++) {
        apus_pid pid = spawn_puppet_with(false, NULL);
        for (int i = 0; i < LOST_TIMERS; i++) {
            while (apus_send_after(3600000, pid, &type_owned, &owned, sizeof owned, NULL) == -EAGAIN)
                usleep(1000);
        }
        dismiss(pid);
        CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    }
    stop_runtime();
    CHECK_EQ(atomic_load(&drops), LOST_ROUNDS * LOST_TIMERS);
}

static int reply_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    if (!apus_message_is_request(message)) {
        CHECK_EQ(apus_reply(message, NULL, NULL, 0), -EINVAL);
        return APUS_OK;
    }
    CHECK_EQ(apus_reply(message, NULL, NULL, 1), -EINVAL);
    CHECK_EQ(apus_reply(message, NULL, "x", APUS_MESSAGE_SIZE_MAX + 1), -EMSGSIZE);
    CHECK_EQ(apus_reply(message, NULL, "yes", 4), 0);
    CHECK_EQ(apus_reply(message, NULL, "no", 3), -EALREADY);
    return APUS_OK;
}

static const apus_behaviour replier = {.name = "replier", .handle = reply_handle};

static void check_reply(apus_pid pid)
{
    apus_message *reply;
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    CHECK_EQ(apus_call(pid, &type_number, "?", 2, PATIENCE_MS, &reply), 0);
    CHECK(apus_message_type(reply) == &apus_type_reply);
    CHECK(apus_message_is_reply(reply));
    CHECK(apus_pid_equal(apus_message_from(reply), pid));
    CHECK_STR((const char *)apus_message_payload(reply), "yes");
    apus_message_release(reply);
    CHECK_EQ(apus_call(pid, &type_number, "?", 2, PATIENCE_MS, NULL), 0);
}

static void check_reply_in_process(apus_process *self, void *argument)
{
    (void)self;
    check_reply(*(const apus_pid *)argument);
}

TEST(reply, "apus_reply: once, to a request, with arguments in range; from processes and threads")
{
    apus_pid pid;
    start_runtime(2);
    CHECK_EQ(apus_spawn(&replier, NULL, 0, NULL, &pid), 0);
    for (int i = 0; i < 100; i++)
        check_reply(pid);
    run_process(check_reply_in_process, &pid, sizeof pid);
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
