// Tests/C/torture/handoff_test.c - two slots change carriers 100,000 times under load, and nothing is lost.
//
// Method: a cast of processes keeps both slots busy with everything that could be torn by a change of threads: balls that go to and
// fro within a slot and across, stacks that are set aside in calls, receives and sleeps, timers, children whose end is watched, and
// two plain threads that send and call, processes that keep their threads while they block. Meanwhile the main thread, and every few messages the players themselves, ask for
// hand-offs. Each player checks the order and content of what it gets; in the end the sums of both ends of everything must agree.
#define _GNU_SOURCE // gettid
#include "runtime_test.h"

#include "scheduler/carrier.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum {
    SLOTS = 2,
    SPARES = 3,
    HANDOFFS = 100000,
    PAIRS = 8,
    CALLERS = 4,
    SLEEPERS = 2,
    PARENTS = 2,
    STAYERS = 2,
    THREADS = 2,
    CANARIES = 32
};

static const apus_type type_ball = {.name = "ball"}, type_question = {.name = "question"}, type_beat = {.name = "beat"};

static atomic_bool is_over;     // let everything come to its end
static atomic_bool is_stopping; // the runtime is about to be stopped in the middle of it
static atomic_uint_fast64_t balls_sent, balls_got, beats_due, beats_got, calls_made, calls_answered;
static atomic_uint_fast64_t children_made, children_seen, sleeps, stays;

// Out of line: a stack may go on on another thread, where the address of this thread's variables is another one. On a machine that is busy
// the process may have lost its slot by itself already.
__attribute__((noinline)) static void ask_for_handoff(void)
{
    struct apus__owner *here = apus_load_relaxed(&apus__local.here);
    if (here != NULL)
        apus__slot_request_handoff(apus__slot_of(here));
}

// The result of a send; only while the runtime is being stopped may the receiver be gone.
static void must_arrive(int result)
{
    if (result != -ESRCH || !atomic_load(&is_stopping))
        CHECK_EQ(result, 0);
}

static uint64_t number_in(const apus_message *message)
{
    uint64_t number;
    CHECK_EQ(apus_message_size(message), sizeof number);
    memcpy(&number, apus_message_payload(message), sizeof number);
    return number;
}

// --- Balls: two players throw a number to and fro, one more each time ------------------------------------------------------------

struct player {
    apus_pid partner;
    uint64_t last;
};

static void throw_ball(apus_pid to, uint64_t number)
{
    atomic_fetch_add(&balls_sent, 1);
    must_arrive(apus_send(to, &type_ball, &number, sizeof number));
}

// The first message tells a player its partner; a ball of 0 ends the game.
static int player_handle(apus_process *self, void *state, apus_message *message)
{
    struct player *player = state;
    (void)self;
    if (apus_message_type(message) != &type_ball) {
        memcpy(&player->partner, apus_message_payload(message), sizeof player->partner);
        return APUS_OK;
    }
    uint64_t number = number_in(message);
    atomic_fetch_add(&balls_got, 1);
    CHECK(number == 0 || number == 1 || player->last == 0 || number == player->last + 2);
    player->last = number;
    if (number == 0)
        return APUS_DONE;
    if (number % 16 == 0)
        ask_for_handoff();
    bool is_last = atomic_load(&is_over);
    throw_ball(player->partner, is_last ? 0 : number + 1);
    return is_last ? APUS_DONE : APUS_OK;
}

static const apus_behaviour player = {.name = "player", .state_size = sizeof(struct player), .handle = player_handle};

static void spawn_pair(apus_pid pids[2])
{
    for (int i = 0; i < 2; i++)
        CHECK_EQ(apus_spawn(&player, NULL, 0, NULL, &pids[i]), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(apus_send(pids[i], &type_question, &pids[1 - i], sizeof *pids), 0);
    throw_ball(pids[0], 1);
}

// --- Stacks: a server, and callers whose frames must survive ---------------------------------------------------------------------

// Answers each question with its square, and tells apart who asks: the plain threads' messages must arrive in order.
struct server {
    uint64_t next[THREADS];
};

struct question {
    uint64_t thread; // of a plain thread: its number; else THREADS
    uint64_t number;
};

static int server_handle(apus_process *self, void *state, apus_message *message)
{
    struct server *server = state;
    struct question question;
    (void)self;
    if (apus_message_type(message) != &type_question)
        return APUS_DONE;
    memcpy(&question, apus_message_payload(message), sizeof question);
    if (question.thread < THREADS)
        CHECK_EQ(question.number, server->next[question.thread]++);
    if (!apus_message_is_request(message))
        return APUS_OK;
    uint64_t square = question.number * question.number;
    atomic_fetch_add(&calls_answered, 1);
    must_arrive(apus_reply(message, NULL, &square, sizeof square));
    return APUS_OK;
}

static const apus_behaviour server_behaviour = {.name = "server", .state_size = sizeof(struct server), .handle = server_handle};
static apus_pid server;

static void ask_server(uint64_t thread, uint64_t number)
{
    struct question question = {thread, number};
    apus_message *reply;
    atomic_fetch_add(&calls_made, 1);
    int result = apus_call(server, &type_question, &question, sizeof question, APUS_INFINITY, &reply);
    if (result && atomic_load(&is_stopping)) {
        apus_message_release(reply);
        return;
    }
    CHECK_EQ(result, 0);
    CHECK_EQ(number_in(reply), number * number);
    apus_message_release(reply);
}

static bool is_beat(const apus_message *message, void *context)
{
    return apus_message_type(message) == &type_beat && number_in(message) == *(uint64_t *)context;
}

// Waits in all three ways, each time with a frame full of numbers that are looked at afterwards.
static void caller_body(apus_process *self, void *argument)
{
    uint64_t seed = *(uint64_t *)argument;
    for (uint64_t round = 1; !atomic_load(&is_over); round++) {
        volatile uint64_t canaries[CANARIES];
        for (unsigned i = 0; i < CANARIES; i++)
            canaries[i] = seed * round + i;
        ask_server(THREADS, seed + round);
        atomic_fetch_add(&beats_due, 1);
        CHECK_EQ(apus_send_after(round % 2, apus_pid_of(self), &type_beat, &round, sizeof round, NULL), 0);
        if (round % 4 == 0)
            ask_for_handoff();
        apus_message *beat = apus_receive(self, is_beat, &round, APUS_INFINITY);
        CHECK_EQ(number_in(beat), round);
        apus_message_release(beat);
        atomic_fetch_add(&beats_got, 1);
        for (unsigned i = 0; i < CANARIES; i++)
            CHECK_EQ(canaries[i], seed * round + i);
    }
}

static void sleeper_body(apus_process *self, void *argument)
{
    (void)argument;
    while (!atomic_load(&is_over)) {
        uint64_t before = apus_now_ms();
        CHECK_EQ(apus_sleep(self, 2), 0);
        CHECK(apus_now_ms() >= before + 2);
        CHECK_EQ(apus_yield(self), 0);
        atomic_fetch_add(&sleeps, 1);
    }
}

// Gives its slot away, to have it again on its thread: each time from whichever carrier the slot has by then.
static void stayer_body(apus_process *self, void *argument)
{
    (void)argument;
    while (!atomic_load(&is_over)) {
        pid_t thread = gettid();
        CHECK_EQ(apus_blocking_begin(self), 0);
        usleep(50);
        CHECK_EQ(apus_blocking_end(self), 0);
        CHECK_EQ(gettid(), thread);
        atomic_fetch_add(&stays, 1);
        ask_for_handoff();
        CHECK_EQ(apus_yield(self), 0);
    }
}

// --- Children --------------------------------------------------------------------------------------------------------------------

static int child_init(apus_process *self, void *state, const void *argument)
{
    int32_t code;
    (void)state;
    memcpy(&code, argument, sizeof code);
    return apus_exit(self, apus_reason_error(code, "done"));
}

static const apus_behaviour child = {.name = "child", .init = child_init};

static void parent_body(apus_process *self, void *argument)
{
    (void)argument;
    for (int32_t code = 1; !atomic_load(&is_over); code++) {
        apus_ref ref;
        apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref};
        atomic_fetch_add(&children_made, 1);
        CHECK_EQ(apus_spawn(&child, &code, sizeof code, &options, NULL), 0);
        apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
        CHECK(apus_message_type(message) == &apus_type_down && apus_ref_equal(apus_message_ref(message), ref));
        const apus_down_message *down = apus_message_payload(message);
        CHECK_EQ(down->reason.kind, APUS_REASON_ERROR);
        CHECK_EQ(down->reason.code, code);
        apus_message_release(message);
        atomic_fetch_add(&children_seen, 1);
    }
}

// --- Plain threads ---------------------------------------------------------------------------------------------------------------

static void *thread_main(void *argument)
{
    uint64_t thread = (uintptr_t)argument, number = 0;
    while (!atomic_load(&is_over) && !atomic_load(&is_stopping)) {
        for (int i = 0; i < 15; i++, number++) {
            struct question question = {thread, number};
            CHECK_EQ(apus_send(server, &type_question, &question, sizeof question), 0);
        }
        ask_server(thread, number++);
    }
    return NULL;
}

// --- The play --------------------------------------------------------------------------------------------------------------------

struct cast {
    apus_pid pids[2 * PAIRS + CALLERS + SLEEPERS + PARENTS + STAYERS];
    unsigned count;
    pthread_t threads[THREADS];
};

static void spawn_body(struct cast *cast, void (*body)(apus_process *self, void *argument), uint64_t seed)
{
    CHECK_EQ(apus_spawn_blocking(body, &seed, sizeof seed, NULL, &cast->pids[cast->count++]), 0);
}

static void cast_enter(struct cast *cast)
{
    CHECK_EQ(apus_spawn(&server_behaviour, NULL, 0, NULL, &server), 0);
    for (; cast->count < 2 * PAIRS; cast->count += 2)
        spawn_pair(&cast->pids[cast->count]);
    for (unsigned i = 0; i < CALLERS; i++)
        spawn_body(cast, caller_body, 1000003 * (i + 1));
    for (unsigned i = 0; i < SLEEPERS; i++)
        spawn_body(cast, sleeper_body, 0);
    for (unsigned i = 0; i < PARENTS; i++)
        spawn_body(cast, parent_body, 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&cast->threads[i], NULL, thread_main, (void *)i), 0);
}

// Not where there is to be no spare: who blocks asks for some.
static void spawn_stayers(struct cast *cast)
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_KEEP_THREAD};
    for (unsigned i = 0; i < STAYERS; i++)
        CHECK_EQ(apus_spawn_blocking(stayer_body, NULL, 0, &options, &cast->pids[cast->count++]), 0);
}

static void cast_leave(struct cast *cast)
{
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(cast->threads[i], NULL), 0);
    for (unsigned i = 0; i < cast->count; i++)
        CHECK_EQ(apus_join(cast->pids[i], APUS_INFINITY, NULL), 0);
    CHECK_EQ(apus_send(server, &type_ball, NULL, 0), 0);
    CHECK_EQ(apus_join(server, APUS_INFINITY, NULL), 0);
}

static uint64_t handoffs_of(unsigned slot)
{
    return apus_load_relaxed(&apus__machine.slots[slot]->owner.counters.handoffs);
}

static void hand_over(uint64_t wanted)
{
    while (handoffs_of(0) + handoffs_of(1) < wanted || handoffs_of(0) < wanted / 4 || handoffs_of(1) < wanted / 4) {
        for (unsigned i = 0; i < SLOTS; i++)
            apus__slot_request_handoff(apus__machine.slots[i]);
        sched_yield();
    }
}

TEST(handoff_under_load, "slots that change carriers under load lose nothing")
{
    struct cast cast = {0};
    start_runtime(SLOTS);
    CHECK_EQ(apus__carriers_spare(SPARES), 0);
    cast_enter(&cast);
    spawn_stayers(&cast);
    hand_over((uint64_t)test_scaled(HANDOFFS));
    cast_leave(&cast);
    CHECK(runtime_info().handoffs >= (uint64_t)test_scaled(HANDOFFS));
    CHECK_EQ(atomic_load(&balls_got), atomic_load(&balls_sent));
    CHECK_EQ(atomic_load(&beats_got), atomic_load(&beats_due));
    CHECK_EQ(atomic_load(&calls_answered), atomic_load(&calls_made));
    CHECK_EQ(atomic_load(&children_seen), atomic_load(&children_made));
    CHECK(atomic_load(&balls_got) > 0 && atomic_load(&beats_got) > 0);
    CHECK(atomic_load(&children_seen) > 0 && atomic_load(&sleeps) > 0 && atomic_load(&stays) > 0);
    stop_runtime();
}

static void stop_at_once(void)
{
    struct cast cast = {0};
    atomic_store(&is_stopping, false);
    start_runtime(SLOTS);
    CHECK_EQ(apus__carriers_spare(SPARES), 0);
    cast_enter(&cast);
    spawn_stayers(&cast);
    hand_over(64);
    atomic_store(&is_stopping, true);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(cast.threads[i], NULL), 0);
    for (unsigned i = 0; i < SLOTS; i++)
        apus__slot_request_handoff(apus__machine.slots[i]);
    stop_runtime();
}

TEST(handoff_and_stop, "a runtime whose slots are changing carriers stops cleanly, again and again")
{
    for (long i = 0; i < test_scaled(100); i++)
        stop_at_once();
}

TEST(handoff_without_spare, "a slot without a spare to go to stays where it is")
{
    struct cast cast = {0};
    apus_options options = {.struct_size = sizeof options, .schedulers = SLOTS, .binding = APUS_BIND_NONE, .rescue_ms = APUS_RESCUE_OFF};
    CHECK_EQ(apus_start(&options), 0);
    cast_enter(&cast);
    for (int i = 0; i < 1000; i++) {
        apus__slot_request_handoff(apus__machine.slots[i % SLOTS]);
        sched_yield();
    }
    cast_leave(&cast);
    CHECK_EQ(runtime_info().handoffs, 0);
    CHECK_EQ(atomic_load(&balls_got), atomic_load(&balls_sent));
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
