// Tests/C/abi/caller_test.c - callers of plain threads (abi/caller.c): the process that asks has its pid before it is begun.
//
// Method:  a clerk answers by what the payload says, as one does that was handed the way to reply; each answer is another number. What
//          callers hold is counted by spawning until there is no place left: as many times as before.
#include "runtime_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

static const apus_type type_ask = {.name = "ask"}, type_number = {.name = "number"}, type_do = {.name = "do"};

enum act { ACT_REPLY, ACT_PUT_BY, ACT_ANSWER_LATE, ACT_PASS_ON, ACT_STAY, ACT_END };

// A question: whom to answer, and what. Of any size.
struct question {
    apus_caller caller;
    uint64_t number;
    char more[1000];
};

enum { QUESTION = offsetof(struct question, more) };

// What the clerk is told to do with what comes next.
struct order {
    enum act act;
    apus_pid other; // to whom to pass it on
};

struct clerk {
    struct order order;
    struct question late;
};

static atomic_uint asked;
static atomic_bool may_go;

static void answer(const struct question *question)
{
    int result = apus_reply_to(question->caller.pid, question->caller.ref, &type_number, &question->number, sizeof question->number);
    CHECK(result == 0 || result == -ESRCH); // its time may be up
}

static int clerk_obey(struct clerk *clerk, const struct order *order)
{
    clerk->order = *order;
    if (order->act == ACT_ANSWER_LATE) {
        answer(&clerk->late);
        clerk->order.act = ACT_REPLY;
    }
    return APUS_OK;
}

static int clerk_handle(apus_process *self, void *state, apus_message *message)
{
    struct clerk *clerk = state;
    struct question question;
    (void)self;
    if (apus_message_type(message) == &type_do)
        return clerk_obey(clerk, apus_message_payload(message));
    memcpy(&question, apus_message_payload(message), QUESTION);
    atomic_fetch_add(&asked, 1);
    if (apus_message_is_request(message)) {
        CHECK(apus_pid_equal(apus_message_from(message), question.caller.pid));
        CHECK(apus_ref_equal(apus_message_ref(message), question.caller.ref));
    }
    if (clerk->order.act == ACT_END)
        return APUS_DONE;
    if (clerk->order.act == ACT_PASS_ON)
        return apus_send(clerk->order.other, &type_ask, &question, QUESTION);
    while (clerk->order.act == ACT_STAY && !atomic_load(&may_go))
        sched_yield();
    if (clerk->order.act == ACT_PUT_BY)
        clerk->late = question;
    else
        answer(&question);
    return APUS_OK;
}

static const apus_behaviour clerk_behaviour = {.name = "clerk", .state_size = sizeof(struct clerk), .handle = clerk_handle};

static apus_pid spawn_clerk(void)
{
    return spawn_one(&clerk_behaviour);
}

static void tell(apus_pid clerk, enum act act, apus_pid other)
{
    struct order order = {act, other};
    CHECK_EQ(apus_send(clerk, &type_do, &order, sizeof order), 0);
}

static apus_caller make(void)
{
    apus_caller caller;
    CHECK_EQ(apus_caller_make(APUS_NOBODY, &caller), 0);
    CHECK(caller.pid.id && caller.ref.id);
    return caller;
}

// Asks as `caller`, by a payload of that size.
static int ask_as(apus_caller caller, apus_pid to, size_t size, uint64_t timeout_ms)
{
    static atomic_uint numbers;
    struct question question = {.caller = caller, .number = atomic_fetch_add(&numbers, 1)};
    apus_message *reply = (apus_message *)8;
    int result = apus_call_as(caller, to, &type_ask, &question, size, timeout_ms, &reply);
    if (!result) {
        CHECK_EQ(*(const uint64_t *)apus_message_payload(reply), question.number);
        CHECK(apus_message_is_reply(reply) && apus_message_type(reply) == &type_number);
        CHECK(apus_ref_equal(apus_message_ref(reply), caller.ref));
    }
    apus_message_release(reply);
    return result;
}

static void ask_often(apus_pid to, int count)
{
    for (int i = 0; i < count; i++)
        CHECK_EQ(ask_as(make(), to, QUESTION, APUS_INFINITY), 0);
}

enum { OFTEN = 100 };

// --- What a caller is good for --------------------------------------------------------------------------------------------------

TEST(ways, "a call as a caller is answered by what its payload says, of each size, wherever the callee is, by another process too")
{
    enum { CLERKS = 5 };
    apus_pid clerks[CLERKS];
    start_runtime(2);
    for (int i = 0; i < CLERKS; i++)
        clerks[i] = spawn_clerk();
    tell(clerks[0], ACT_PASS_ON, clerks[1]);
    for (int i = 0; i < 3000; i++)
        CHECK_EQ(ask_as(make(), clerks[i / 7 % CLERKS], QUESTION + (size_t)(i * 3) % 64 * (i % 5 == 0 ? 15 : 1), APUS_INFINITY), 0);
    CHECK_EQ(runtime_info().processes, CLERKS);
    stop_runtime();
}

TEST(once, "a caller is good for one call")
{
    start_runtime(2);
    apus_pid clerk = spawn_clerk();
    unsigned before = atomic_load(&asked);
    for (int i = 0; i < OFTEN; i++) {
        apus_caller used = make(), dropped = make(), other;
        CHECK_EQ(ask_as(used, clerk, QUESTION, APUS_INFINITY), 0);
        CHECK_EQ(ask_as(used, clerk, QUESTION, APUS_INFINITY), -EINVAL);
        CHECK_EQ(ask_as(used, clerk, sizeof(struct question), APUS_INFINITY), -EINVAL);
        apus_caller_drop(used);
        apus_caller_drop(dropped);
        apus_caller_drop(dropped);
        CHECK_EQ(ask_as(dropped, clerk, QUESTION, APUS_INFINITY), -EINVAL);
        CHECK_EQ(ask_as(dropped, clerk, sizeof(struct question), APUS_INFINITY), -EINVAL);
        CHECK_EQ(apus_caller_make(clerk, &other), 0);
        CHECK_EQ(ask_as(other, clerk, QUESTION, APUS_INFINITY), -EINVAL);
        CHECK_EQ(ask_as(other, used.pid, QUESTION, APUS_INFINITY), -EINVAL);
        CHECK_EQ(ask_as((apus_caller){{7}, {7}}, clerk, QUESTION, APUS_INFINITY), -EINVAL);
        CHECK_EQ(ask_as((apus_caller){APUS_NOBODY, {7}}, clerk, QUESTION, APUS_INFINITY), -EINVAL);
    }
    CHECK_EQ(atomic_load(&asked), before + OFTEN);
    stop_runtime();
}

TEST(errors, "a call that is refused has used its caller up")
{
    start_runtime(2);
    apus_pid clerk = spawn_clerk();
    apus_caller caller = make();
    CHECK_EQ(apus_call_as(caller, clerk, &type_ask, NULL, 1, APUS_INFINITY, NULL), -EINVAL);
    CHECK_EQ(ask_as(caller, clerk, QUESTION, APUS_INFINITY), -EINVAL);
    caller = make();
    CHECK_EQ(apus_call_as(caller, clerk, &type_ask, &caller, SIZE_MAX / 2, APUS_INFINITY, NULL), -EMSGSIZE);
    CHECK_EQ(ask_as(caller, clerk, QUESTION, APUS_INFINITY), -EINVAL);
    caller = make();
    CHECK_EQ(ask_as(caller, caller.pid, QUESTION, APUS_INFINITY), -EDEADLK);
    CHECK_EQ(ask_as(caller, clerk, QUESTION, APUS_INFINITY), -EINVAL);
    stop_runtime();
    CHECK_EQ(apus_caller_make(APUS_NOBODY, &caller), -ESHUTDOWN);
    CHECK_EQ(apus_simulation_begin(NULL, 1), 0);
    CHECK_EQ(apus_caller_make(APUS_NOBODY, &caller), -EDEADLK);
    CHECK_EQ(apus_simulation_end(), 0);
}

TEST(nested, "callers that are made while others are not used yet are each their own")
{
    enum { DEPTH = 4 };
    start_runtime(2);
    apus_pid clerk = spawn_clerk();
    for (int i = 0; i < OFTEN; i++) {
        apus_caller callers[DEPTH];
        for (int j = 0; j < DEPTH; j++) {
            callers[j] = make();
            for (int k = 0; k < j; k++)
                CHECK(!apus_pid_equal(callers[k].pid, callers[j].pid));
        }
        for (int j = 0; j < DEPTH; j++)
            CHECK_EQ(ask_as(callers[(i + 3 * j) % DEPTH], clerk, QUESTION, APUS_INFINITY), 0);
    }
    stop_runtime();
}

TEST(unborn, "nobody finds the process of a caller before the call, nor after it")
{
    start_runtime(2);
    apus_pid clerk = spawn_clerk();
    for (int i = 0; i < OFTEN; i++) {
        apus_caller caller = make();
        for (int j = 0; j < 2; j++) {
            CHECK(!apus_is_alive(caller.pid));
            CHECK_EQ(apus_send(caller.pid, &type_number, NULL, 0), -ESRCH);
            CHECK_EQ(apus_exit_signal(caller.pid, apus_reason_of(APUS_REASON_KILL)), -ESRCH);
            CHECK_EQ(apus_reply_to(caller.pid, caller.ref, &type_number, NULL, 0), -ESRCH);
            CHECK_EQ(ask_as(caller, clerk, QUESTION, APUS_INFINITY), j ? -EINVAL : 0);
        }
        CHECK_EQ(runtime_info().processes, 1);
    }
    stop_runtime();
}

TEST(late, "an answer that comes too late is not that of the next call")
{
    start_runtime(2);
    apus_pid clerk = spawn_clerk();
    for (int i = 0; i < 10; i++) {
        ask_often(clerk, OFTEN);
        tell(clerk, ACT_PUT_BY, APUS_NOBODY);
        apus_caller caller = make();
        CHECK_EQ(ask_as(caller, clerk, QUESTION, i % 2), -ETIMEDOUT);
        CHECK_EQ(ask_as(caller, clerk, QUESTION, APUS_INFINITY), -EINVAL);
        tell(clerk, ACT_ANSWER_LATE, APUS_NOBODY);
    }
    ask_often(clerk, OFTEN);
    stop_runtime();
}

TEST(ends, "a callee that ends in the call fails it, and the calls after it")
{
    start_runtime(2);
    for (int i = 0; i < 30; i++) {
        apus_pid clerk = spawn_clerk();
        ask_often(clerk, OFTEN);
        tell(clerk, ACT_END, APUS_NOBODY);
        CHECK_EQ(ask_as(make(), clerk, QUESTION, APUS_INFINITY), -ECONNABORTED);
        for (int j = 0; j < 5; j++)
            CHECK_EQ(ask_as(make(), clerk, QUESTION, APUS_INFINITY), -ESRCH);
    }
    stop_runtime();
}

// --- Several threads ------------------------------------------------------------------------------------------------------------

struct rival {
    apus_caller caller;
    apus_pid clerk;
    pthread_t thread;
    int result;
};

static void *rival_main(void *argument)
{
    struct rival *rival = argument;
    rival->result = ask_as(rival->caller, rival->clerk, QUESTION, APUS_INFINITY);
    return NULL;
}

TEST(rivals, "of several threads that call as one caller, or drop it, one has it")
{
    enum { RIVALS = 3 };
    unsigned used = 0;
    start_runtime(2);
    apus_pid clerk = spawn_clerk();
    for (int i = 0; i < 200; i++) {
        struct rival rivals[RIVALS];
        apus_caller caller = make();
        unsigned before = atomic_load(&asked), had = 0;
        for (int j = 0; j < RIVALS; j++) {
            rivals[j] = (struct rival){.caller = caller, .clerk = clerk};
            CHECK_EQ(pthread_create(&rivals[j].thread, NULL, rival_main, &rivals[j]), 0);
        }
        if (i % 2)
            apus_caller_drop(caller);
        int mine = ask_as(caller, clerk, QUESTION, APUS_INFINITY);
        CHECK(mine == 0 || mine == -EINVAL);
        had += mine == 0;
        for (int j = 0; j < RIVALS; j++) {
            CHECK_EQ(pthread_join(rivals[j].thread, NULL), 0);
            CHECK(rivals[j].result == 0 || rivals[j].result == -EINVAL);
            had += rivals[j].result == 0;
        }
        CHECK(had == 1 || (i % 2 && had == 0));
        CHECK_EQ(atomic_load(&asked) - before, had);
        used += had;
    }
    CHECK(used >= 100);
    stop_runtime();
}

static void *ask_clerks(void *argument)
{
    const apus_pid *clerks = argument;
    for (int i = 0; i < 10 * OFTEN; i++) {
        apus_caller caller = make();
        if (i % 10 == 9)
            apus_caller_drop(caller);
        else
            CHECK_EQ(ask_as(caller, clerks[i / 20 % 2], QUESTION, APUS_INFINITY), 0);
    }
    return NULL;
}

TEST(threads, "many threads call two clerks as callers, and end")
{
    enum { THREADS = 12, ROUNDS = 3 };
    pthread_t threads[THREADS];
    start_runtime(2);
    apus_pid clerks[2] = {spawn_clerk(), spawn_clerk()};
    unsigned before = atomic_load(&asked);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, ask_clerks, clerks), 0);
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(atomic_load(&asked) - before, ROUNDS * THREADS * 9 * OFTEN);
    stop_runtime();
}

// --- The places -----------------------------------------------------------------------------------------------------------------

// How many processes can be spawned; and ends them.
static unsigned count_places(void)
{
    static apus_pid pids[1024];
    unsigned count = 0;
    while (apus_spawn(&clerk_behaviour, NULL, 0, NULL, &pids[count]) == 0)
        count++;
    for (unsigned i = 0; i < count; i++)
        CHECK_EQ(apus_exit_signal(pids[i], apus_reason_of(APUS_REASON_KILL)), 0);
    for (unsigned i = 0; i < count; i++)
        CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
    return count;
}

static apus_pid held_clerk;
static apus_caller held[8];

// Leaves nothing behind but a spare.
static void *visit(void *argument)
{
    (void)argument;
    ask_often(held_clerk, OFTEN);
    apus_caller first = make(), second = make();
    CHECK_EQ(ask_as(first, held_clerk, QUESTION, APUS_INFINITY), 0);
    CHECK_EQ(ask_as(second, held_clerk, QUESTION, APUS_INFINITY), 0);
    apus_caller_drop(make());
    CHECK_EQ(apus_call_as(make(), held_clerk, &type_ask, NULL, 1, APUS_INFINITY, NULL), -EINVAL);
    ask_often(held_clerk, 2);
    return NULL;
}

static void visits(int count)
{
    pthread_t threads[16];
    for (int i = 0; i < count; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, visit, NULL), 0);
    for (int i = 0; i < count; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

TEST(places, "a place is back when its caller was used or dropped, and that which a thread keeps when it ends")
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .max_processes = 256};
    CHECK_EQ(apus_start(&options), 0);
    held_clerk = spawn_clerk();
    unsigned places = count_places();
    CHECK(places >= 200);
    for (int i = 0; i < 5; i++) {
        visits(16);
        CHECK_EQ(count_places(), places);
    }
    for (int i = 0; i < 8; i++)
        held[i] = make();
    CHECK_EQ(count_places(), places - 8);
    for (int i = 0; i < 8; i++)
        apus_caller_drop(held[i]);
    CHECK_EQ(count_places(), places);
    stop_runtime();
}

TEST(crowded, "in a full table there are places for some callers, and errands besides, and more when these are gone")
{
    static apus_pid pids[1024]; // what schedulers set aside is room, too
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .max_processes = 128};
    CHECK_EQ(apus_start(&options), 0);
    apus_pid clerk = spawn_clerk();
    unsigned count = 0, callers = 0;
    while (count < 1024 && apus_spawn(&clerk_behaviour, NULL, 0, NULL, &pids[count]) == 0)
        count++;
    CHECK(count >= 64 && count < 1024);
    for (int i = 0; i < OFTEN; i++)
        CHECK_EQ(ask_as(make(), clerk, QUESTION, APUS_INFINITY), 0);
    while (callers < 8 && apus_caller_make(APUS_NOBODY, &held[callers]) == 0)
        callers++;
    CHECK(callers > 0 && callers < 8);
    CHECK_EQ(apus_call(pids[0], &type_do, &(struct order){ACT_REPLY, APUS_NOBODY}, sizeof(struct order), 1, NULL), -ETIMEDOUT);
    for (unsigned i = 0; i < callers; i++)
        CHECK_EQ(ask_as(held[i], clerk, QUESTION, APUS_INFINITY), 0);
    ask_often(clerk, OFTEN);
    stop_runtime();
}

// The request of a clerk that stays, in its own thread.
static void *ask_and_stay(void *argument)
{
    (void)argument;
    CHECK_EQ(ask_as(make(), held_clerk, QUESTION, APUS_INFINITY), 0);
    return NULL;
}

// Has given up three requests when it ends.
static void *give_up(void *argument)
{
    pthread_t thread;
    (void)argument;
    ask_often(held_clerk, OFTEN);
    for (int i = 0; i < 3; i++)
        held[i] = make();
    unsigned before = atomic_load(&asked);
    atomic_store(&may_go, false);
    tell(held_clerk, ACT_STAY, APUS_NOBODY);
    CHECK_EQ(pthread_create(&thread, NULL, ask_and_stay, NULL), 0);
    while (atomic_load(&asked) == before)
        sched_yield();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(ask_as(held[i], held_clerk, i == 1 ? sizeof(struct question) : QUESTION, 1), -ETIMEDOUT);
    atomic_store(&may_go, true);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    tell(held_clerk, ACT_REPLY, APUS_NOBODY);
    visits(1); // after what was given up
    for (int i = 0; i < 3; i++)
        CHECK_EQ(ask_as(held[i], held_clerk, QUESTION, APUS_INFINITY), -EINVAL);
    CHECK_EQ(atomic_load(&asked) - before, 1 + OFTEN + 4);
    // One that was begun: its clerk stays.
    atomic_store(&may_go, false);
    tell(held_clerk, ACT_STAY, APUS_NOBODY);
    CHECK_EQ(ask_as(make(), held_clerk, QUESTION, 1), -ETIMEDOUT);
    atomic_store(&may_go, true);
    tell(held_clerk, ACT_REPLY, APUS_NOBODY);
    visits(1);
    return NULL;
}

TEST(given_up, "a request that its thread gives up while its scheduler is stuck is begun no more, and its place is back")
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE,
                            .rescue_ms = APUS_RESCUE_OFF, .max_processes = 256};
    CHECK_EQ(apus_start(&options), 0);
    held_clerk = spawn_clerk();
    unsigned places = count_places();
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, give_up, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(count_places(), places);
    }
    tell(held_clerk, ACT_PUT_BY, APUS_NOBODY);
    CHECK_EQ(ask_as(make(), held_clerk, QUESTION, 1), -ETIMEDOUT);
    stop_runtime();
}

// --- Runs of the runtime --------------------------------------------------------------------------------------------------------

TEST(restart, "a caller of an earlier run is good for nothing, and what a thread has kept neither")
{
    apus_caller old = {APUS_NOBODY, {0}};
    for (int run = 0; run < 12; run++) {
        start_runtime(2);
        apus_pid clerk = spawn_clerk();
        if (run % 2)
            apus_caller_drop(old);
        if (run)
            CHECK_EQ(ask_as(old, clerk, QUESTION, APUS_INFINITY), -EINVAL);
        ask_often(clerk, run % 3 ? OFTEN : 0);
        old = make();
        CHECK(!apus_is_alive(old.pid));
        ask_often(clerk, run % 4);
        stop_runtime();
        apus_caller_drop(old);
        CHECK_EQ(ask_as(old, clerk, QUESTION, APUS_INFINITY), -ESHUTDOWN);
    }
}

static atomic_bool is_over;
static atomic_uint calls_made;
static _Atomic uint64_t callee;

static void *ask_until_over(void *argument)
{
    (void)argument;
    while (!atomic_load(&is_over)) {
        apus_caller caller;
        atomic_fetch_add(&calls_made, 1);
        int result = apus_caller_make(APUS_NOBODY, &caller);
        if (!result)
            result = ask_as(caller, (apus_pid){atomic_load(&callee)}, QUESTION, APUS_INFINITY);
        // -EINVAL: the caller is of the run before.
        CHECK(result == 0 || result == -ESHUTDOWN || result == -ESRCH || result == -ECONNABORTED || result == -EINVAL);
    }
    return NULL;
}

TEST(stop, "threads that call as callers go on while the runtime stops, is not there, and starts again")
{
    enum { THREADS = 3, RUNS = 12 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, ask_until_over, NULL), 0);
    for (int run = 0; run < RUNS; run++) {
        start_runtime(2);
        apus_pid clerk = spawn_clerk();
        atomic_store(&callee, clerk.id);
        for (unsigned until = atomic_load(&calls_made) + 300; atomic_load(&calls_made) < until;)
            sched_yield();
        if (run % 2)
            tell(clerk, ACT_PUT_BY, APUS_NOBODY); // the stop ends who asks now, in its wait
        stop_runtime();
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
