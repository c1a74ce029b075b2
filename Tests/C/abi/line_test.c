// Tests/C/abi/line_test.c - plain threads that call again and again, so that a scheduler attends to their lines (scheduler/line.h).
//
// Method:  each test calls many times before, between and after what it is about, so that the line is attended to at most of its
//          moments, and in no fixed order. Who is called counts: each request is handled once, however it came.
#include "runtime_test.h"

#include "memory/inject.h"
#include "process/owner.h"
#include "scheduler/foreign.h"
#include "scheduler/line.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static atomic_uint drops, handled, strays;
static _Atomic uint64_t put_by; // the last caller whose request was
static atomic_bool may_go;

static void count_drop(void *payload, size_t size, const apus_type *type)
{
    (void)payload, (void)size, (void)type;
    atomic_fetch_add(&drops, 1);
}

static const apus_type type_number = {.name = "number"}, type_do = {.name = "do"};
static const apus_type type_owned = {.name = "owned", .drop = count_drop};

// What a clerk does when it is told to, and what it does with its next request.
enum act { ACT_REPLY, ACT_PUT_BY, ACT_ANSWER_LATE, ACT_STAY, ACT_END };

#define STRAY UINT64_MAX // of a call that times out, which may be before it has begun

struct clerk {
    enum act act;
    uint64_t next; // number in order
    apus_caller late;
};

static int clerk_do(struct clerk *clerk, enum act act)
{
    uint64_t wrong = STRAY;
    clerk->act = act;
    if (act == ACT_ANSWER_LATE) {
        apus_reply_to(clerk->late.pid, clerk->late.ref, &type_number, &wrong, sizeof wrong);
        clerk->act = ACT_REPLY;
    }
    return APUS_OK;
}

static int clerk_handle(apus_process *self, void *state, apus_message *message)
{
    struct clerk *clerk = state;
    (void)self;
    if (apus_message_type(message) == &type_do)
        return clerk_do(clerk, *(enum act *)apus_message_payload(message));
    uint64_t number;
    memcpy(&number, apus_message_payload(message), sizeof number);
    CHECK_EQ(apus_load_relaxed(&apus__local.pinned), 0);
    if (number == STRAY) {
        atomic_fetch_add(&strays, 1);
    } else {
        atomic_fetch_add(&handled, 1);
        CHECK_EQ(number, clerk->next++);
    }
    if (!apus_message_is_request(message) || clerk->act == ACT_END)
        return apus_message_is_request(message) ? APUS_DONE : APUS_OK;
    if (clerk->act == ACT_PUT_BY) {
        clerk->late = (apus_caller){apus_message_from(message), apus_message_ref(message)};
        atomic_store(&put_by, clerk->late.pid.id);
        return APUS_OK;
    }
    while (clerk->act == ACT_STAY && !atomic_load(&may_go))
        usleep(100);
    CHECK_EQ(apus_reply(message, &type_number, &number, sizeof number), 0);
    return APUS_OK;
}

static const apus_behaviour clerk_behaviour = {.name = "clerk", .state_size = sizeof(struct clerk), .handle = clerk_handle};

static apus_pid spawn_clerk(void)
{
    return spawn_one(&clerk_behaviour);
}

static void tell(apus_pid clerk, enum act act)
{
    CHECK_EQ(apus_send(clerk, &type_do, &act, sizeof act), 0);
}

// As a caller that was made before, every other time.
static int call(apus_pid to, const apus_type *type, uint64_t number, uint64_t timeout_ms)
{
    static _Thread_local unsigned turn;
    apus_caller caller;
    apus_message *reply;
    int result;
    if (turn++ % 2) {
        CHECK_EQ(apus_caller_make(APUS_NOBODY, &caller), 0);
        result = apus_call_as(caller, to, type, &number, sizeof number, timeout_ms, &reply);
    } else {
        result = apus_call(to, type, &number, sizeof number, timeout_ms, &reply);
    }
    if (!result)
        CHECK_EQ(*(uint64_t *)apus_message_payload(reply), number);
    apus_message_release(reply);
    return result;
}

// Calls `count` times; returns the number that comes next.
static uint64_t call_on(apus_pid to, uint64_t next, int count)
{
    for (int i = 0; i < count; i++)
        CHECK_EQ(call(to, &type_number, next++, APUS_INFINITY), 0);
    return next;
}

enum { OFTEN = 100 };

TEST(order, "what a thread sends and then calls arrives in that order, once, at whomever it calls")
{
    enum { CLERKS = 6, ROUNDS = 3000 };
    apus_pid clerks[CLERKS];
    uint64_t next[CLERKS] = {0};
    start_runtime(2);
    for (int i = 0; i < CLERKS; i++)
        clerks[i] = spawn_clerk();
    for (int i = 0; i < ROUNDS; i++) {
        int to = i / 10 % CLERKS; // some times in a row
        for (int sends = i % 3; sends > 0; sends--) {
            CHECK_EQ(apus_send(clerks[to], &type_number, &next[to], sizeof next[to]), 0);
            next[to]++;
        }
        next[to] = call_on(clerks[to], next[to], 1);
    }
    uint64_t sum = 0;
    for (int i = 0; i < CLERKS; i++)
        sum += next[i];
    CHECK_EQ(atomic_load(&handled), sum);
    stop_runtime();
}

static _Atomic uint64_t echoed;

static int echo_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    atomic_store(&echoed, apus_message_ref(message).id);
    CHECK_EQ(apus_reply(message, apus_message_type(message), apus_message_payload(message), apus_message_size(message)), 0);
    return APUS_OK;
}

TEST(sizes, "payloads and replies of each size go there and back, whether or not they fit a line")
{
    static const apus_behaviour echo_behaviour = {.name = "echo", .handle = echo_handle};
    apus_pid echo;
    char payload[200];
    start_runtime(2);
    CHECK_EQ(apus_spawn(&echo_behaviour, NULL, 0, NULL, &echo), 0);
    for (int i = 0; i < 4000; i++) {
        size_t size = (size_t)(i * 7) % sizeof payload;
        memset(payload, 'a' + i % 26, size);
        apus_message *reply;
        CHECK_EQ(apus_call(echo, &type_number, payload, size, APUS_INFINITY, i % 5 ? &reply : NULL), 0);
        if (i % 5 == 0)
            continue;
        CHECK(apus_message_is_reply(reply) && apus_message_type(reply) == &type_number);
        CHECK(apus_pid_equal(apus_message_from(reply), echo));
        CHECK_EQ(apus_message_ref(reply).id, atomic_load(&echoed));
        CHECK_EQ(apus_message_size(reply), size);
        CHECK_EQ(memcmp(apus_message_payload(reply), payload, size), 0);
        apus_message_release(reply);
    }
    stop_runtime();
}

TEST(late, "a reply that comes too late is not that of the next call, and a call whose time is up leaves no process")
{
    start_runtime(2);
    apus_pid clerk = spawn_clerk();
    uint64_t next = 0;
    for (int i = 0; i < 10; i++) {
        next = call_on(clerk, next, OFTEN);
        tell(clerk, ACT_PUT_BY);
        CHECK_EQ(call(clerk, &type_owned, STRAY, 1), -ETIMEDOUT);
        while (apus_is_alive((apus_pid){atomic_load(&put_by)}))
            usleep(100);
        CHECK_EQ(call(clerk, &type_owned, STRAY, 0), -ETIMEDOUT);
        tell(clerk, ACT_ANSWER_LATE);
    }
    call_on(clerk, next, OFTEN);
    stop_runtime();
    CHECK_EQ(atomic_load(&drops), 20);
}

// A thread whose call stays with its clerk until it may go.
struct stay {
    apus_pid clerk;
    uint64_t next;
    pthread_t thread;
};

static void *stay_call(void *argument)
{
    const struct stay *stay = argument;
    CHECK_EQ(call(stay->clerk, &type_number, stay->next, APUS_INFINITY), 0);
    return NULL;
}

static void stay_begin(struct stay *stay)
{
    unsigned before = atomic_load(&handled);
    atomic_store(&may_go, false);
    tell(stay->clerk, ACT_STAY);
    CHECK_EQ(pthread_create(&stay->thread, NULL, stay_call, stay), 0);
    while (atomic_load(&handled) == before)
        sched_yield();
}

static void stay_end(const struct stay *stay)
{
    atomic_store(&may_go, true);
    CHECK_EQ(pthread_join(stay->thread, NULL), 0);
    tell(stay->clerk, ACT_REPLY);
}

TEST(given_up, "a request that its thread gives up while its scheduler is stuck is begun no more, its payload is dropped once, no line left")
{
    enum { ROUNDS = 8, WARM = 3, EACH = 3, LEFT_MAX = (ROUNDS - WARM) * EACH * sizeof(struct apus__line) / 2 };
    size_t before = 0;
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .rescue_ms = APUS_RESCUE_OFF};
    CHECK_EQ(apus_start(&options), 0);
    apus_pid clerk = spawn_clerk();
    uint64_t next = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (i == WARM)
            before = mallinfo2().uordblks;
        next = call_on(clerk, next, OFTEN);
        struct stay stay = {.clerk = clerk, .next = next++};
        stay_begin(&stay);
        for (int j = 0; j < EACH; j++)
            CHECK_EQ(call(clerk, &type_owned, STRAY, 1), -ETIMEDOUT);
        CHECK_EQ(atomic_load(&drops), EACH * (unsigned)i);
        stay_end(&stay);
        next = call_on(clerk, next, OFTEN);
        CHECK_EQ(atomic_load(&drops), EACH * (unsigned)(i + 1));
    }
    CHECK(mallinfo2().uordblks < before + LEFT_MAX);
    CHECK_EQ(atomic_load(&strays), 0);
    stop_runtime();
}

TEST(ends, "a callee that ends in a call fails it with the reason, and the calls after it")
{
    start_runtime(2);
    for (int i = 0; i < 30; i++) {
        apus_message *down;
        apus_pid clerk = spawn_clerk();
        uint64_t next = call_on(clerk, 0, OFTEN);
        tell(clerk, ACT_END);
        CHECK_EQ(apus_call(clerk, &type_owned, &next, sizeof next, APUS_INFINITY, &down), -ECONNABORTED);
        CHECK(apus_message_type(down) == &apus_type_down && !apus_message_is_reply(down));
        CHECK_EQ(((apus_down_message *)apus_message_payload(down))->reason.kind, APUS_REASON_NORMAL);
        apus_message_release(down);
        for (int j = 0; j < 5; j++)
            CHECK_EQ(call(clerk, &type_owned, next, APUS_INFINITY), -ESRCH);
    }
    stop_runtime();
    CHECK_EQ(atomic_load(&drops), 30 * 6);
}

static void full_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_message *request;
    while ((request = apus_receive(self, NULL, NULL, APUS_INFINITY))) {
        if (apus_message_is_request(request))
            CHECK_EQ(apus_reply(request, apus_message_type(request), apus_message_payload(request), apus_message_size(request)), 0);
        apus_message_release(request);
    }
}

TEST(bounds, "a call waits for space in a mailbox that blocks, and fails where it is full and refuses")
{
    apus_spawn_options blocks = {.struct_size = sizeof blocks, .mailbox_messages = 1, .mailbox_policy = APUS_MAILBOX_BLOCK};
    apus_spawn_options fails = {.struct_size = sizeof fails, .mailbox_bytes = 4, .mailbox_policy = APUS_MAILBOX_FAIL};
    apus_pid patient, full;
    start_runtime(2);
    CHECK_EQ(apus_spawn_blocking(full_body, NULL, 0, &blocks, &patient), 0);
    CHECK_EQ(apus_spawn_blocking(full_body, NULL, 0, &fails, &full), 0);
    for (uint64_t i = 0; i < 500; i++) {
        for (int j = 0; j < 3; j++)
            CHECK_EQ(apus_send(patient, &type_number, &i, sizeof i), 0);
        CHECK_EQ(call(patient, &type_number, i, APUS_INFINITY), 0);
        CHECK_EQ(call(full, &type_owned, i, APUS_INFINITY), -ENOBUFS);
    }
    CHECK_EQ(atomic_load(&drops), 500);
    stop_runtime();
}

// A clerk of its own, so that the numbers are in order.
static void *call_often(void *argument)
{
    (void)argument;
    for (int i = 0; i < 10; i++) {
        apus_pid clerk = spawn_clerk();
        call_on(clerk, 0, OFTEN);
        CHECK_EQ(apus_exit_signal(clerk, apus_reason_of(APUS_REASON_KILL)), 0);
    }
    return NULL;
}

TEST(threads, "more threads than a scheduler attends to call it, end while it does, and others come")
{
    enum { THREADS = 12, ROUNDS = 3 };
    pthread_t threads[THREADS];
    start_runtime(2);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, call_often, NULL), 0);
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(atomic_load(&handled), ROUNDS * THREADS * 10 * OFTEN);
    stop_runtime();
}

static atomic_bool is_over;
static atomic_uint calls_made;
static _Atomic uint64_t callee;

// Calls whoever is there, over many runs of the runtime.
static void *call_until_over(void *argument)
{
    (void)argument;
    while (!atomic_load(&is_over)) {
        uint64_t number = atomic_fetch_add(&calls_made, 1);
        apus_message *reply;
        int result = apus_call((apus_pid){atomic_load(&callee)}, &type_owned, &number, sizeof number, APUS_INFINITY, &reply);
        if (!result)
            CHECK_EQ(*(uint64_t *)apus_message_payload(reply), number);
        else
            CHECK(result == -ESHUTDOWN || result == -ESRCH || result == -ECONNABORTED);
        apus_message_release(reply);
    }
    return NULL;
}

static int copy_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    int result = apus_reply(message, &type_number, apus_message_payload(message), apus_message_size(message));
    CHECK(result == 0 || result == -ESRCH); // the stop has ended who asked
    return APUS_OK;
}

// Waits in its callback, so that the stop ends it, and those who call it, in their waits.
static void never_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_sleep(self, 1000000);
}

TEST(stop, "threads that call go on calling while the runtime stops, is not there, and starts again")
{
    enum { THREADS = 3, RUNS = 30 };
    static const apus_behaviour copy_behaviour = {.name = "copy", .handle = copy_handle};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, call_until_over, NULL), 0);
    for (int run = 0; run < RUNS; run++) {
        apus_pid pid;
        start_runtime(2);
        CHECK_EQ(apus_spawn(&copy_behaviour, NULL, 0, NULL, &pid), 0);
        atomic_store(&callee, pid.id);
        for (unsigned until = atomic_load(&calls_made) + 300; atomic_load(&calls_made) < until;)
            sched_yield();
        if (run % 2) {
            CHECK_EQ(apus_spawn_blocking(never_body, NULL, 0, NULL, &pid), 0);
            atomic_store(&callee, pid.id);
            for (unsigned until = atomic_load(&calls_made) + 1; atomic_load(&calls_made) < until;)
                usleep(run * 10);
        }
        stop_runtime();
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(atomic_load(&drops), atomic_load(&calls_made));
}

static void *end_after_calls(void *clerk)
{
    call_on(*(apus_pid *)clerk, 0, OFTEN);
    return NULL;
}

TEST(stop_at_once, "a line that is attended to until the runtime stops is let go, though its thread has ended")
{
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        start_runtime(2);
        apus_pid clerk = spawn_clerk();
        CHECK_EQ(pthread_create(&thread, NULL, end_after_calls, &clerk), 0);
        pthread_join(thread, NULL);
        stop_runtime();
    }
}

TEST(rescued, "a scheduler that was taken from a callback that stays goes on attending to the lines it had")
{
    start_runtime(1);
    for (int i = 0; i < 5; i++) {
        apus_pid clerk = spawn_clerk();
        struct stay stay = {.clerk = spawn_clerk()};
        uint64_t next = call_on(clerk, 0, OFTEN);
        stay_begin(&stay);
        call_on(clerk, next, OFTEN);
        stay_end(&stay);
    }
    CHECK(runtime_info().rescues >= 5);
    stop_runtime();
}

TEST(spare, "with the answer to a caller that was made before mostly comes a cell for the next one")
{
    int spares = 0;
    start_runtime(1);
    apus_pid clerk = spawn_clerk();
    for (uint64_t i = 0; i < OFTEN; i++) {
        apus_caller caller;
        CHECK_EQ(apus_caller_make(APUS_NOBODY, &caller), 0);
        CHECK_EQ(apus_call_as(caller, clerk, &type_number, &i, sizeof i, APUS_INFINITY, NULL), 0);
        spares += apus__foreign_keeps_now()->spare.pid.id != 0;
    }
    CHECK(spares > OFTEN / 2);
    stop_runtime();
}

// --- Whom a call is from --------------------------------------------------------------------------------------------------------

static atomic_bool has_answer;

// Waits for `flag`, for 10 s at most.
static bool wait_for(atomic_bool *flag)
{
    for (int i = 0; i < 100000 && !atomic_load(flag); i++)
        usleep(100);
    return atomic_load(flag);
}

static int lingers_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    atomic_store(&has_answer, false);
    CHECK_EQ(apus_reply(message, &type_number, apus_message_payload(message), apus_message_size(message)), 0);
    CHECK(wait_for(&has_answer));
    return APUS_OK;
}

TEST(lingers, "a thread has its answer while the callback that gave it goes on")
{
    static const apus_behaviour lingers = {.name = "lingers", .handle = lingers_handle};
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .rescue_ms = APUS_RESCUE_OFF};
    CHECK_EQ(apus_start(&options), 0);
    apus_pid server = spawn_one(&lingers);
    for (uint64_t i = 0; i < OFTEN; i++) {
        CHECK_EQ(call(server, &type_number, i, APUS_INFINITY), 0);
        atomic_store(&has_answer, true);
    }
    stop_runtime();
}

static atomic_uint without_stack;

enum look { LOOK_INSPECT, LOOK_KILL, LOOK_EXIT };

static bool is_down(const apus_message *message, void *monitor)
{
    return apus_message_type(message) == &apus_type_down && apus_ref_equal(apus_message_ref(message), *(apus_ref *)monitor);
}

// Looks at its caller, or ends it.
static void looker_body(apus_process *self, void *argument)
{
    apus_process_info_t info = {.struct_size = sizeof info};
    apus_message *request;
    (void)argument;
    while ((request = apus_receive(self, NULL, NULL, APUS_INFINITY))) {
        apus_pid caller = apus_message_from(request);
        uint64_t look;
        memcpy(&look, apus_message_payload(request), sizeof look);
        CHECK_EQ(apus_process_info(caller, APUS_INFINITY, &info), 0);
        CHECK_EQ(info.state, APUS_STATE_WAITING);
        atomic_fetch_add(&without_stack, info.memory < 4096);
        if (look == LOOK_KILL)
            CHECK_EQ(apus_exit_signal(caller, apus_reason_of(APUS_REASON_KILL)), 0);
        if (look == LOOK_EXIT)
            CHECK_EQ(apus_exit_signal(caller, apus_reason_error(-EIO, NULL)), 0);
        apus_ref monitor;
        CHECK_EQ(apus_monitor(self, caller, &monitor), 0);
        if (look == LOOK_INSPECT)
            CHECK_EQ(apus_reply(request, &type_number, &look, sizeof look), 0);
        apus_message_release(request);
        apus_message_release(apus_receive(self, is_down, &monitor, APUS_INFINITY));
    }
}

TEST(looked_at, "the process of a call mostly waits without a stack, and can be monitored and ended")
{
    start_runtime(2);
    apus_pid looker;
    CHECK_EQ(apus_spawn_blocking(looker_body, NULL, 0, NULL, &looker), 0);
    for (int i = 0; i < OFTEN; i++) {
        CHECK_EQ(call(looker, &type_number, LOOK_INSPECT, APUS_INFINITY), 0);
        CHECK_EQ(call(looker, &type_number, LOOK_KILL, APUS_INFINITY), -ESHUTDOWN);
        CHECK_EQ(call(looker, &type_number, LOOK_EXIT, APUS_INFINITY), -ESHUTDOWN);
    }
    CHECK(atomic_load(&without_stack) > OFTEN);
    stop_runtime();
}

// Takes its requests while its turn goes on, so that bells are heard in the middle of it.
static void polls_body(apus_process *self, void *argument)
{
    (void)argument;
    for (int answered = 0; answered < OFTEN;) {
        apus_message *request = apus_receive(self, NULL, NULL, 0);
        if (request) {
            CHECK_EQ(apus_reply(request, &type_number, apus_message_payload(request), apus_message_size(request)), 0);
            apus_message_release(request);
            answered++;
        } else if (answered % 2) {
            apus_yield(self);
        }
    }
}

TEST(polled, "a call whose bell is heard in the middle of a callback is answered")
{
    start_runtime(1);
    apus_pid server;
    CHECK_EQ(apus_spawn_blocking(polls_body, NULL, 0, NULL, &server), 0);
    for (uint64_t i = 0; i < OFTEN; i++)
        CHECK_EQ(call(server, &type_number, i, APUS_INFINITY), 0);
    stop_runtime();
}

static int kills_first_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    CHECK_EQ(apus_exit_signal(apus_message_from(message), apus_reason_of(APUS_REASON_KILL)), 0);
    apus_reply(message, &type_number, apus_message_payload(message), apus_message_size(message));
    return APUS_OK;
}

TEST(killed_first, "R12: a process of a call that is killed, and answered after that, has no answer")
{
    static const apus_behaviour kills_first = {.name = "kills first", .handle = kills_first_handle};
    start_runtime(1);
    apus_pid server = spawn_one(&kills_first);
    for (uint64_t i = 0; i < OFTEN; i++)
        CHECK_EQ(call(server, &type_number, i, APUS_INFINITY), -ESHUTDOWN);
    stop_runtime();
}

// --- What the processes of calls take up that have been told and have not ended -------------------------------------------------

static void *call_server(void *argument)
{
    for (uint64_t i = 0; i < 100 * OFTEN; i++) {
        apus_message *reply;
        CHECK_EQ(apus_call(*(apus_pid *)argument, &type_number, &i, sizeof i, APUS_INFINITY, &reply), 0);
        apus_message_release(reply);
    }
    return NULL;
}

TEST(no_cells, "as many threads as cells are kept for go on calling while there are no others")
{
    static const apus_behaviour idles = {.name = "idles"}, echo = {.name = "echo", .handle = echo_handle};
    enum { THREADS = 8 };
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .max_processes = 64};
    pthread_t threads[THREADS];
    CHECK_EQ(apus_start(&options), 0);
    apus_pid server = spawn_one(&echo), pid;
    while (apus_spawn(&idles, NULL, 0, NULL, &pid) == 0) {
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, call_server, &server), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    stop_runtime();
}

enum { GATHERED = 8 };

struct gathers {
    int count;
    apus_caller callers[GATHERED];
};

// Answers all at once, and stays until its scheduler has been taken, and what waited there been given away.
static int gathers_handle(apus_process *self, void *state, apus_message *message)
{
    struct gathers *gathers = state;
    uint64_t number = 0;
    (void)self;
    gathers->callers[gathers->count++] = (apus_caller){apus_message_from(message), apus_message_ref(message)};
    if (gathers->count < GATHERED)
        return APUS_OK;
    for (int i = 0; i < GATHERED; i++)
        CHECK_EQ(apus_reply_to(gathers->callers[i].pid, gathers->callers[i].ref, &type_number, &number, sizeof number), 0);
    CHECK(wait_for(&may_go));
    return APUS_OK;
}

static void *call_once(void *argument)
{
    CHECK_EQ(call(*(apus_pid *)argument, &type_number, 0, APUS_INFINITY), 0);
    return NULL;
}

TEST(not_shared, "processes of calls that have only to end are not given to another scheduler")
{
    static const apus_behaviour gathers = {.name = "gathers", .state_size = sizeof(struct gathers), .handle = gathers_handle};
    pthread_t threads[GATHERED];
    start_runtime(2);
    apus_pid server = spawn_one(&gathers);
    for (int i = 0; i < GATHERED; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, call_once, &server), 0);
    for (int i = 0; i < GATHERED; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 10000 && runtime_info().rescues == 0; i++)
        usleep(1000);
    CHECK(runtime_info().rescues > 0);
    CHECK_EQ(runtime_info().shared, 0);
    atomic_store(&may_go, true);
    stop_runtime();
}

// --- What requests and replies own -----------------------------------------------------------------------------------------------

static uint64_t asked_word = 0x0dd5a11ca7e5cafe, replied_word = 0x1ce5ca7efeedbeef;

static atomic_uint owned_made, owned_dropped;

static void owned_drop(void *payload, size_t size, const apus_type *type)
{
    const uint64_t *words = payload;
    CHECK_EQ((uintptr_t)payload % 16, 0);
    for (size_t i = 0; i < size / sizeof *words; i++)
        CHECK_EQ(words[i], *(const uint64_t *)type->context);
    atomic_fetch_add(&owned_dropped, 1);
}

static const apus_type type_asked = {.name = "asked", .drop = owned_drop, .context = &asked_word};
static const apus_type type_replied = {.name = "replied", .drop = owned_drop, .context = &replied_word};

struct wanted {
    uint32_t size;
    bool late; // not before it may go
};

static int gives_handle(apus_process *self, void *state, apus_message *message)
{
    uint64_t words[64];
    struct wanted wanted;
    (void)self, (void)state;
    CHECK(apus_message_type(message) == &type_number); // what was given up is not begun
    memcpy(&wanted, apus_message_payload(message), sizeof wanted);
    for (int i = 0; i < 64; i++)
        words[i] = replied_word;
    while (wanted.late && !atomic_load(&may_go))
        usleep(100);
    CHECK_EQ(apus_reply(message, &type_replied, words, wanted.size), 0);
    atomic_fetch_add(&owned_made, 1);
    return APUS_OK;
}

TEST(owned, "what a request or a reply owns is dropped once: when the thread releases it, does not want it, or has given up")
{
    static const apus_behaviour gives = {.name = "gives", .handle = gives_handle};
    static const uint32_t sizes[] = {8, 16, 24, 72, 80, 88, 512};
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .rescue_ms = APUS_RESCUE_OFF};
    CHECK_EQ(apus_start(&options), 0);
    apus_pid server = spawn_one(&gives);
    unsigned dropped = 0;
    for (int i = 0; i < 7 * 20; i++) {
        struct wanted wanted = {sizes[i % 7], false}, late = {sizes[i % 7], true};
        uint64_t words[3] = {asked_word, asked_word, asked_word};
        apus_message *reply;
        CHECK_EQ(apus_call(server, &type_number, &wanted, sizeof wanted, APUS_INFINITY, &reply), 0);
        CHECK_EQ(apus_message_size(reply), wanted.size);
        CHECK_EQ(atomic_load(&owned_dropped), dropped);
        apus_message_release(reply);
        CHECK_EQ(atomic_load(&owned_dropped), ++dropped);
        CHECK_EQ(apus_call(server, &type_number, &wanted, sizeof wanted, APUS_INFINITY, NULL), 0);
        CHECK_EQ(atomic_load(&owned_dropped), ++dropped);
        if (i % 7 == i / 7 % 7) { // each size, twice or three times
            atomic_store(&may_go, false);
            CHECK_EQ(apus_call(server, &type_number, &late, sizeof late, 1, &reply), -ETIMEDOUT);
            CHECK_EQ(apus_call(server, &type_asked, words, sizeof words, 1, &reply), -ETIMEDOUT);
            atomic_store(&may_go, true);
            CHECK_EQ(apus_call(server, &type_number, &wanted, sizeof wanted, APUS_INFINITY, NULL), 0);
            dropped += 3;
            atomic_fetch_add(&owned_made, 1);
            CHECK_EQ(atomic_load(&owned_dropped), dropped);
        }
    }
    stop_runtime();
    CHECK_EQ(atomic_load(&owned_made), dropped);
}

// --- A drop that calls ------------------------------------------------------------------------------------------------------------

#ifdef APUS_INJECT

static apus_pid calling_server;
static apus_caller made_in_drop;

// By the thread whose reply there was no memory for: by the line it came by.
static void calling_drop(void *payload, size_t size, const apus_type *type)
{
    apus_caller caller;
    (void)payload, (void)size, (void)type;
    CHECK_EQ(apus_caller_make(APUS_NOBODY, &caller), 0);
    CHECK_EQ(apus_call_as(caller, calling_server, &type_do, NULL, 0, APUS_INFINITY, NULL), 0);
    CHECK_EQ(apus_caller_make(APUS_NOBODY, &made_in_drop), 0);
    atomic_fetch_add(&drops, 1);
}

static const apus_type type_calling = {.name = "calling", .drop = calling_drop};

static int calling_handle(apus_process *self, void *state, apus_message *message)
{
    uint64_t number = 0;
    (void)self, (void)state;
    const apus_type *type = apus_message_type(message) == &type_do ? &type_number : &type_calling;
    CHECK_EQ(apus_reply(message, type, &number, sizeof number), 0);
    return APUS_OK;
}

TEST(drop_calls, "what drops a reply that there was no memory for may call, and make callers")
{
    static const apus_behaviour server = {.name = "server", .handle = calling_handle};
    apus_caller caller;
    apus_message *kept, *reply;
    start_runtime(1);
    calling_server = spawn_one(&server);
    atomic_store(&drops, 0);
    // This reply has the memory that the thread keeps for its next one.
    CHECK_EQ(apus_call(calling_server, &type_do, NULL, 0, APUS_INFINITY, &kept), 0);
    CHECK_EQ(apus_caller_make(APUS_NOBODY, &caller), 0);
    apus__inject_arm(1u << APUS__INJECT_MALLOC, 1);
    CHECK_EQ(apus_call_as(caller, calling_server, &type_number, NULL, 0, APUS_INFINITY, &reply), -ENOBUFS);
    apus__inject_arm(0, 0);
    CHECK_EQ(atomic_load(&drops), 1);
    CHECK_EQ(apus_caller_make(APUS_NOBODY, &caller), 0);
    CHECK(!apus_pid_equal(caller.pid, made_in_drop.pid));
    apus_caller_drop(caller);
    apus_caller_drop(made_in_drop);
    apus_message_release(kept);
    stop_runtime();
}

#endif

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
