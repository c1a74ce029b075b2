// Tests/C/abi/call_test.c - whose the payload of a call is, however the call ends.
//
// Method:  the payload is one number, its type counts how often `drop` is called. A call that returns one of the errors that change
//          nothing must not drop it; any other outcome must, exactly once.
#define _GNU_SOURCE // sched_setaffinity
#include "runtime_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

static atomic_uint drops;

static void count_drop(void *payload, size_t size, const apus_type *type)
{
    (void)payload, (void)size, (void)type;
    atomic_fetch_add(&drops, 1);
}

static const apus_type type_owned = {.name = "owned", .drop = count_drop}, type_plain = {.name = "plain"};

// What the server does with its next request.
enum answer { ANSWER_REPLY, ANSWER_NOTHING, ANSWER_ERROR, ANSWER_END };

static int server_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    enum answer *answer = state;
    if (apus_message_type(message) == &type_plain) {
        memcpy(answer, apus_message_payload(message), sizeof *answer);
        return APUS_OK;
    }
    switch (*answer) {
    case ANSWER_REPLY:
        CHECK_EQ(apus_reply(message, NULL, NULL, 0), 0);
        break;
    case ANSWER_ERROR:
        CHECK_EQ(apus_reply_error(message, apus_reason_error(-EIO, "the disk is gone")), 0);
        CHECK_EQ(apus_reply_error(message, apus_reason_error(-EIO, NULL)), -EALREADY);
        CHECK_EQ(apus_reply(message, NULL, NULL, 0), -EALREADY);
        break;
    case ANSWER_NOTHING:
        break;
    case ANSWER_END:
        return APUS_DONE;
    }
    return APUS_OK;
}

static const apus_behaviour server_behaviour = {.name = "server", .state_size = sizeof(enum answer), .handle = server_handle};

static apus_pid server_that(enum answer answer)
{
    apus_pid pid;
    CHECK_EQ(apus_spawn(&server_behaviour, NULL, 0, NULL, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_plain, &answer, sizeof answer), 0);
    return pid;
}

static void end_server(apus_pid pid)
{
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
}

static int call_owned(apus_pid to, uint64_t timeout_ms, apus_message **reply)
{
    uint64_t payload = 7;
    return apus_call(to, &type_owned, &payload, sizeof payload, timeout_ms, reply);
}

// A server that has not come to its request yet drops it by its end, of which nobody is told as late as that.
static void await_drops(apus_process *self, unsigned count)
{
    while (atomic_load(&drops) < count)
        self ? apus_yield(self) : sched_yield();
    CHECK_EQ(atomic_load(&drops), count);
}

// Each outcome that takes the payload.
static void check_taken(apus_process *self, void *argument)
{
    static const struct {
        enum answer answer;
        uint64_t timeout_ms;
        int result;
    } cases[] = {
        {ANSWER_REPLY, APUS_INFINITY, 0},
        {ANSWER_END, APUS_INFINITY, -ECONNABORTED},
        {ANSWER_ERROR, APUS_INFINITY, -ECONNABORTED},
        {ANSWER_NOTHING, 2, -ETIMEDOUT},
    };
    (void)argument;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        atomic_store(&drops, 0);
        apus_pid server = server_that(cases[i].answer);
        apus_message *reply;
        CHECK_EQ(call_owned(server, cases[i].timeout_ms, &reply), cases[i].result);
        apus_message_release(reply);
        if (apus_is_alive(server))
            end_server(server);
        await_drops(self, 1);
        int result = call_owned(server, APUS_INFINITY, NULL);
        CHECK(result == -ESRCH || result == -ECONNABORTED); // it may be on its way out still
        await_drops(self, 2);
    }
}

TEST(taken, "a call takes its payload, and drops it once, whatever comes of it")
{
    start_runtime(2);
    check_taken(NULL, NULL);
    run_process(check_taken, NULL, 0);
    stop_runtime();
    CHECK_EQ(atomic_load(&drops), 2);
}

static void check_full(apus_process *self, void *argument)
{
    apus_mailbox_policy policy = *(apus_mailbox_policy *)argument;
    // 4 bytes: the message that sets it up fits, the request of 8 never does.
    apus_spawn_options options = {.struct_size = sizeof options, .mailbox_bytes = 4, .mailbox_policy = policy};
    apus_pid full;
    (void)self;
    CHECK_EQ(apus_spawn(&server_behaviour, NULL, 0, &options, &full), 0);
    atomic_store(&drops, 0);
    CHECK_EQ(call_owned(full, 1000, NULL), -ENOBUFS);
    CHECK_EQ(atomic_load(&drops), 1);
    end_server(full);
}

TEST(full, "a call to a full mailbox has taken its payload as well, under each policy that refuses it")
{
    static const apus_mailbox_policy policies[] = {APUS_MAILBOX_FAIL, APUS_MAILBOX_DROP_NEWEST, APUS_MAILBOX_DROP_OLDEST,
                                                   APUS_MAILBOX_BLOCK};
    start_runtime(2);
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        check_full(NULL, (void *)(uintptr_t)&policies[i]);
        run_process(check_full, &policies[i], sizeof policies[i]);
    }
    stop_runtime();
}

// Calls a mailbox that stays full, for a moment or for ever.
static void call_blocked(apus_process *self, void *argument)
{
    struct {
        apus_pid to;
        uint64_t timeout_ms;
    } call;
    (void)self;
    memcpy(&call, argument, sizeof call);
    CHECK_EQ(call_owned(call.to, call.timeout_ms, NULL), -ETIMEDOUT);
}

TEST(blocked, "a call that waits for room in a mailbox drops its payload when its time is up, and when its process is ended")
{
    struct {
        apus_pid to;
        uint64_t timeout_ms;
    } call = {APUS_NOBODY, 2};
    apus_spawn_options options = {
        .struct_size = sizeof options, .mailbox_messages = 1, .mailbox_policy = APUS_MAILBOX_BLOCK};
    apus_pid caller;
    start_runtime(2);
    CHECK_EQ(apus_spawn_blocking(deaf_body, NULL, 0, &options, &call.to), 0);
    CHECK_EQ(apus_send(call.to, &type_plain, NULL, 0), 0);
    atomic_store(&drops, 0);
    run_process(call_blocked, &call, sizeof call);
    CHECK_EQ(atomic_load(&drops), 1);

    call.timeout_ms = APUS_INFINITY;
    CHECK_EQ(apus_spawn_blocking(call_blocked, &call, sizeof call, NULL, &caller), 0);
    apus_process_info_t info = {.struct_size = sizeof info};
    while (info.state != APUS_STATE_WAITING) // in its call
        CHECK_EQ(apus_process_info(caller, APUS_INFINITY, &info), 0);
    end_server(caller);
    CHECK_EQ(apus_join(caller, APUS_INFINITY, NULL), 0);
    CHECK_EQ(atomic_load(&drops), 2);
    end_server(call.to);
    stop_runtime();
}

static void check_kept(apus_process *self, void *argument)
{
    uint64_t payload = 7;
    (void)argument;
    if (self)
        CHECK_EQ(call_owned(apus_pid_of(self), 1, NULL), -EDEADLK);
    CHECK_EQ(apus_call(APUS_NOBODY, &type_owned, NULL, 1, 1, NULL), -EINVAL);
    CHECK_EQ(apus_call(APUS_NOBODY, &type_owned, &payload, APUS_MESSAGE_SIZE_MAX + 1, 1, NULL), -EMSGSIZE);
}

TEST(kept, "a call that is refused outright leaves its payload with the caller; one that finds no runtime has taken it")
{
    atomic_store(&drops, 0);
    start_runtime(2);
    check_kept(NULL, NULL);
    run_process(check_kept, NULL, 0);
    CHECK_EQ(atomic_load(&drops), 0);
    stop_runtime();
    CHECK_EQ(call_owned((apus_pid){(1ull << 32) + 1}, 1, NULL), -ESHUTDOWN);
    CHECK_EQ(atomic_load(&drops), 1);
}

static void check_error(apus_process *self, void *argument)
{
    apus_ref ref;
    apus_pid server = server_that(ANSWER_ERROR);
    uint64_t payload = 7;
    (void)argument;
    CHECK_EQ(apus_request(self, server, &type_owned, &payload, sizeof payload, APUS_INFINITY, &ref), 0);
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    CHECK(apus_message_type(message) == &apus_type_down);
    CHECK(apus_ref_equal(apus_message_ref(message), ref));
    const apus_down_message *down = apus_message_payload(message);
    CHECK(apus_pid_equal(down->pid, server));
    CHECK_EQ(down->reason.kind, APUS_REASON_ERROR);
    CHECK_EQ(down->reason.code, -EIO);
    CHECK_STR(down->reason.text, "the disk is gone");
    CHECK_EQ(apus_reply_error(message, apus_reason_of(APUS_REASON_NORMAL)), -EINVAL);
    apus_message_release(message);
    CHECK(apus_is_alive(server));
    end_server(server);
}

TEST(errors, "a request answered with an error fails with its reason, once, and its server lives on")
{
    start_runtime(2);
    CHECK_EQ(apus_reply_error(NULL, apus_reason_of(APUS_REASON_NORMAL)), -EINVAL);
    run_process(check_error, NULL, 0);
    stop_runtime();
}

// Answers by what the payload says, not by what the request says.
static int clerk_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    const apus_caller *caller = apus_message_payload(message);
    uint64_t answer = 5;
    CHECK_EQ(apus_reply_to(caller->pid, caller->ref, NULL, &answer, sizeof answer), 0);
    return APUS_OK;
}

static void check_callers(apus_process *self, void *argument)
{
    static const apus_behaviour clerk_behaviour = {.name = "clerk", .handle = clerk_handle};
    apus_pid clerk, nobody = APUS_NOBODY;
    apus_caller caller, other;
    apus_message *reply;
    (void)argument;
    CHECK_EQ(apus_spawn(&clerk_behaviour, NULL, 0, NULL, &clerk), 0);
    CHECK_EQ(apus_caller_make(nobody, NULL), -EINVAL);
    CHECK_EQ(apus_caller_make(nobody, &caller), 0);
    CHECK(apus_pid_equal(caller.pid, apus_pid_of(self)));
    CHECK_EQ(apus_call_as(caller, clerk, &type_plain, &caller, sizeof caller, APUS_INFINITY, &reply), 0);
    CHECK_EQ(*(const uint64_t *)apus_message_payload(reply), 5);
    apus_message_release(reply);
    CHECK_EQ(apus_caller_make(apus_pid_of(self), &caller), 0);
    CHECK_EQ(apus_request_as(self, caller, clerk, &type_plain, &caller, sizeof caller, APUS_INFINITY), 0);
    reply = apus_receive(self, NULL, NULL, APUS_INFINITY);
    CHECK(apus_ref_equal(apus_message_ref(reply), caller.ref));
    CHECK_EQ(*(const uint64_t *)apus_message_payload(reply), 5);
    apus_message_release(reply);
    CHECK_EQ(apus_caller_make(clerk, &other), 0);
    CHECK_EQ(apus_call_as(other, clerk, &type_plain, &other, sizeof other, APUS_INFINITY, &reply), -EINVAL);
    CHECK_EQ(apus_request_as(self, other, clerk, &type_plain, &other, sizeof other, APUS_INFINITY), -EINVAL);
    end_server(clerk);
}

TEST(callers, "a payload may carry who asks and in which request, and be answered by that alone")
{
    apus_caller caller;
    start_runtime(2);
    run_process(check_callers, NULL, 0);
    CHECK_EQ(apus_caller_make((apus_pid){77}, &caller), 0);
    CHECK_EQ(apus_call_as(caller, (apus_pid){77}, &type_plain, NULL, 0, 1, NULL), -EINVAL);
    stop_runtime();
    CHECK_EQ(apus_caller_make((apus_pid){77}, &caller), -ESHUTDOWN);
}

static int echo_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    CHECK_EQ(apus_reply(message, NULL, apus_message_payload(message), apus_message_size(message)), 0);
    return APUS_OK;
}

static void check_every_size(apus_process *self, void *argument)
{
    static const apus_behaviour echo_behaviour = {.name = "echo", .handle = echo_handle};
    enum { LARGEST = 200 };
    unsigned char payload[LARGEST];
    apus_pid echo;
    apus_message *message;
    (void)argument;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (unsigned char)(i + 1);
    CHECK_EQ(apus_spawn(&echo_behaviour, NULL, 0, NULL, &echo), 0);
    for (size_t size = 0; size <= sizeof payload; size++) {
        CHECK_EQ(apus_call(echo, &type_plain, payload, size, APUS_INFINITY, &message), 0);
        CHECK_EQ(apus_message_size(message), size);
        CHECK_EQ(memcmp(apus_message_payload(message), payload, size), 0);
        apus_message_release(message);
        CHECK_EQ(apus_send(apus_pid_of(self), &type_plain, payload, size), 0);
        message = apus_receive(self, NULL, NULL, APUS_INFINITY);
        CHECK_EQ(apus_message_size(message), size);
        CHECK_EQ(memcmp(apus_message_payload(message), payload, size), 0);
        apus_message_release(message);
    }
    end_server(echo);
}

TEST(every_size, "a payload of each size that is copied in a way of its own arrives whole, in a call, a reply and a send")
{
    start_runtime(2);
    run_process(check_every_size, NULL, 0);
    stop_runtime();
}

// Calls both processes from the one CPU that the thread is on.
static void check_calls_from(int cpu, const apus_pid pids[2])
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    for (uint64_t i = 0; i < 300; i++) {
        apus_message *reply;
        CHECK_EQ(apus_call(pids[i % 2], &type_plain, &i, sizeof i, APUS_INFINITY, &reply), 0);
        CHECK_EQ(*(const uint64_t *)apus_message_payload(reply), i);
        apus_message_release(reply);
    }
}

TEST(cores, "a plain thread has its replies whether or not its core is that of a scheduler it needs, bound or not")
{
    static const apus_binding bindings[] = {APUS_BIND_CORES, APUS_BIND_NODES, APUS_BIND_NONE};
    static const apus_behaviour echo_behaviour = {.name = "echo", .handle = echo_handle};
    cpu_set_t allowed;
    CHECK_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    for (size_t i = 0; i < 2 * sizeof bindings / sizeof *bindings; i++) {
        apus_options options = {.struct_size = sizeof options, .schedulers = 1 + (unsigned)i % 2, .binding = bindings[i / 2]};
        apus_pid pids[2];
        CHECK_EQ(sched_setaffinity(0, sizeof allowed, &allowed), 0);
        CHECK_EQ(apus_start(&options), 0);
        for (size_t j = 0; j < 2; j++)
            CHECK_EQ(apus_spawn(&echo_behaviour, NULL, 0, NULL, &pids[j]), 0);
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &allowed))
                check_calls_from(cpu, pids);
        stop_runtime();
    }
}

static int where_handle(apus_process *self, void *state, apus_message *message)
{
    int cpu = sched_getcpu();
    (void)self, (void)state;
    CHECK_EQ(apus_reply(message, NULL, &cpu, sizeof cpu), 0);
    return APUS_OK;
}

// Calls from a CPU until the answer comes from another one.
static void call_until_aside(int cpu, apus_pid where)
{
    cpu_set_t one;
    int there;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    do {
        apus_message *reply;
        CHECK_EQ(apus_call(where, &type_plain, NULL, 0, APUS_INFINITY, &reply), 0);
        there = *(const int *)apus_message_payload(reply);
        apus_message_release(reply);
    } while (there == cpu);
}

TEST(aside, "a process that is called again and again from its own core leaves that to the thread, while another scheduler sleeps")
{
    static const apus_behaviour where_behaviour = {.name = "where", .handle = where_handle};
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_CORES};
    cpu_set_t allowed;
    apus_pid where;
    CHECK_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    if (CPU_COUNT(&allowed) < 2)
        return;
    CHECK_EQ(apus_start(&options), 0);
    CHECK_EQ(apus_spawn(&where_behaviour, NULL, 0, NULL, &where), 0);
    for (int round = 0; round < 3; round++)
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &allowed))
                call_until_aside(cpu, where);
    stop_runtime();
}

TEST(outlives, "the reply to a plain thread, small or large, is its own, and outlives the runtime")
{
    static const apus_behaviour echo_behaviour = {.name = "echo", .handle = echo_handle};
    static const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 100000};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    static char payload[100000];
    apus_message *replies[SIZES];
    apus_pid echo;
    memset(payload, 'x', sizeof payload);
    start_runtime(2);
    CHECK_EQ(apus_spawn(&echo_behaviour, NULL, 0, NULL, &echo), 0);
    for (size_t i = 0; i < SIZES; i++) {
        CHECK_EQ(apus_call(echo, &type_plain, payload, sizes[i], APUS_INFINITY, &replies[i]), 0);
        CHECK_EQ(apus_call(echo, &type_plain, payload, sizes[i], APUS_INFINITY, NULL), 0);
    }
    stop_runtime();
    for (size_t i = 0; i < SIZES; i++) {
        CHECK_EQ(apus_message_size(replies[i]), sizes[i]);
        CHECK_EQ(memcmp(apus_message_payload(replies[i]), payload, sizes[i]), 0);
        apus_message_release(replies[i]);
    }
}

static atomic_bool is_stuck, may_go_on;

static int stuck_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    atomic_store(&is_stuck, true);
    while (!atomic_load(&may_go_on))
        ;
    return APUS_OK;
}

TEST(stuck, "a call to a scheduler that is stuck in a callback times out while it is, and drops its payload once")
{
    static const apus_behaviour stuck_behaviour = {.name = "stuck", .handle = stuck_handle};
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .rescue_ms = APUS_RESCUE_OFF};
    apus_pid stuck;
    atomic_store(&drops, 0);
    CHECK_EQ(apus_start(&options), 0);
    CHECK_EQ(apus_spawn(&stuck_behaviour, NULL, 0, NULL, &stuck), 0);
    CHECK_EQ(apus_send(stuck, &type_plain, NULL, 0), 0);
    while (!atomic_load(&is_stuck))
        sched_yield();
    CHECK_EQ(call_owned(stuck, 1, NULL), -ETIMEDOUT);
    CHECK_EQ(atomic_load(&drops), 0);
    atomic_store(&may_go_on, true);
    await_drops(NULL, 1);
    CHECK_EQ(call_owned(stuck, 1, NULL), -ETIMEDOUT); // it does not answer
    await_drops(NULL, 2);
    stop_runtime();
    CHECK_EQ(atomic_load(&drops), 2);
}

// Takes requests until it is told to answer them all.
static int collector_handle(apus_process *self, void *state, apus_message *message)
{
    struct {
        apus_message *requests[64];
        unsigned count;
    } *collected = state;
    (void)self;
    if (apus_message_is_request(message)) {
        CHECK_EQ(apus_message_keep(message), 0);
        collected->requests[collected->count++] = message;
        atomic_fetch_add(&drops, 1);
        return APUS_OK;
    }
    for (unsigned i = 0; i < collected->count; i++) {
        CHECK_EQ(apus_reply(collected->requests[i], NULL, NULL, 0), 0);
        apus_message_release(collected->requests[i]);
    }
    collected->count = 0;
    return APUS_OK;
}

static void idle_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_receive(self, NULL, NULL, APUS_INFINITY);
}

static atomic_uint refused;

static void *call_crowded(void *argument)
{
    int result = apus_call(*(apus_pid *)argument, &type_plain, NULL, 0, APUS_INFINITY, NULL);
    CHECK(result == 0 || result == -EAGAIN);
    if (result)
        atomic_fetch_add(&refused, 1);
    return NULL;
}

TEST(crowded, "calls of plain threads find a cell in a full table, and -EAGAIN when those kept for them are gone, until they are back")
{
    enum { CALLERS = 40 };
    static const apus_behaviour collector_behaviour = {.name = "collector", .state_size = 65 * sizeof(void *),
                                                       .handle = collector_handle};
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .max_processes = 1024};
    pthread_t threads[CALLERS];
    apus_pid collector;
    CHECK_EQ(apus_start(&options), 0);
    CHECK_EQ(apus_spawn(&collector_behaviour, NULL, 0, NULL, &collector), 0);
    while (apus_spawn_blocking(idle_body, NULL, 0, NULL, NULL) == 0)
        ;
    for (int round = 0; round < 3; round++) {
        atomic_store(&drops, 0);
        atomic_store(&refused, 0);
        for (int i = 0; i < CALLERS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, call_crowded, &collector), 0);
        while (atomic_load(&drops) + atomic_load(&refused) < CALLERS)
            sched_yield();
        CHECK(atomic_load(&drops) > 0);
        CHECK(atomic_load(&refused) > 0);
        CHECK_EQ(apus_send(collector, &type_plain, NULL, 0), 0);
        for (int i = 0; i < CALLERS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
