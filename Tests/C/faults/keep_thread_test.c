// Tests/C/faults/keep_thread_test.c - a process that keeps its thread (APUS_SPAWN_KEEP_THREAD) loses its scheduler as others do, and has
// it again on the thread it stayed on.
//
// Method: as rescue_test.c: one scheduler, so that whoever gets a turn got it because the scheduler was taken; nothing is measured. Which
// thread the code is on is asked of the system, at the beginning of a callback and after each call of Apus in it.
#define _GNU_SOURCE
#include "stay.h"

#include <string.h>

static const apus_type type_number = {.name = "number"};
static const apus_spawn_options keeps = {.struct_size = sizeof keeps, .flags = APUS_SPAWN_KEEP_THREAD};
static const apus_spawn_options keeps_and_unwinds = {.struct_size = sizeof keeps,
                                                     .flags = APUS_SPAWN_KEEP_THREAD | APUS_SPAWN_UNWIND};

static void await_nobody_detached(void)
{
    while (runtime_info().detached)
        usleep(200);
}

// --- A server, to see whether the scheduler works -------------------------------------------------------------------------------

static apus_pid server_pid;

static int serve(apus_process *self, void *state, apus_message *message)
{
    uint64_t *count = state;
    (void)self;
    ++*count;
    if (apus_message_is_request(message))
        CHECK_EQ(apus_reply(message, &type_number, count, sizeof *count), 0);
    return APUS_OK;
}

static const apus_behaviour server = {.name = "server", .state_size = sizeof(uint64_t), .handle = serve};

static void spawn_server(void)
{
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &server_pid), 0);
}

// How many messages the server has had.
static uint64_t ask_server(void)
{
    apus_message *reply;
    CHECK_EQ(apus_call(server_pid, &type_number, NULL, 0, APUS_INFINITY, &reply), 0);
    uint64_t count = *(const uint64_t *)apus_message_payload(reply);
    apus_message_release(reply);
    return count;
}

// --- Staying, and going on ------------------------------------------------------------------------------------------------------

static _Thread_local int on_thread; // whose address the code keeps

// Stays, then makes use of everything, on one thread from beginning to end.
static int stay_and_work(apus_process *self, void *state, apus_message *message)
{
    uint64_t *handled = state;
    int *word = &on_thread;
    pid_t thread = gettid();
    if ((*handled)++ > 0)
        return *handled == 4 ? APUS_DONE : APUS_OK;
    *word = 1;
    atomic_fetch_add(&stage, 1);
    stay();
    CHECK_EQ(*word, 1);
    CHECK(apus_self() == self);
    CHECK_EQ(gettid(), thread);
    CHECK_EQ(*word, 1);
    CHECK_EQ(apus_send(server_pid, &type_number, NULL, 0), 0);
    memset(apus_alloc(self, 100), 1, 100);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(apus_send(apus_pid_of(self), &type_number, NULL, 0), 0);
    CHECK_EQ(*handled, 1);
    CHECK_EQ(gettid(), thread);
    *word = 0;
    if (apus_message_is_request(message))
        CHECK_EQ(apus_reply(message, &type_number, NULL, 0), 0);
    return APUS_OK;
}

static const apus_behaviour culprit = {.name = "culprit", .state_size = 64, .handle = stay_and_work};

static void others_run_while_one_stays(void (*how)(void))
{
    apus_pid pid;
    stay = how;
    start_on(1);
    spawn_server();
    CHECK_EQ(apus_spawn(&culprit, NULL, 0, &keeps, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    await_stage(1);
    CHECK_EQ(ask_server(), 1); // answered only once the culprit has lost the scheduler
    CHECK_EQ(runtime_info().detached, 1);
    for (uint64_t i = 2; i <= 1000; i++)
        CHECK_EQ(ask_server(), i);
    atomic_store(&may_go, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    CHECK_EQ(ask_server(), 1002);
    CHECK_EQ(runtime_info().detached, 0);
    stop_runtime();
}

TEST(asleep, "others run while a process that keeps its thread sleeps in the system; then it goes on, on that thread")
{
    others_run_while_one_stays(stay_asleep);
}

TEST(computing, "the same while it computes")
{
    others_run_while_one_stays(stay_computing);
}

// Loses its scheduler in each round, and has it again for a call or two.
static void come_and_go(apus_process *self, void *argument)
{
    pid_t thread = gettid();
    (void)argument;
    for (int round = 0; round < 20; round++) {
        usleep(12000);
        CHECK_EQ(apus_send(server_pid, &type_number, NULL, 0), 0);
        CHECK_EQ(gettid(), thread);
        CHECK(apus_alloc(self, 16) != NULL);
        CHECK_EQ(gettid(), thread);
    }
}

TEST(rounds, "processes that keep their threads lose and regain schedulers again and again, beside some that do not")
{
    enum { BODIES = 12 };
    apus_pid pids[BODIES];
    start_on(2);
    spawn_server();
    stay = stay_asleep;
    atomic_store(&may_go, true);
    for (int i = 0; i < BODIES; i++)
        CHECK_EQ(apus_spawn_blocking(come_and_go, NULL, 0, &keeps, &pids[i]), 0);
    for (int i = 0; i < BODIES; i++)
        CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
    CHECK_EQ(ask_server(), BODIES * 20 + 1);
    CHECK(runtime_info().rescues > 0);
    CHECK_EQ(runtime_info().rescues_refused, 0);
    CHECK_EQ(runtime_info().detached, 0);
    stop_runtime();
}

static void block_by_itself(apus_process *self, void *argument)
{
    pid_t thread = gettid();
    (void)argument;
    CHECK_EQ(apus_blocking_begin(self), 0);
    atomic_fetch_add(&stage, 1);
    stay_asleep();
    CHECK_EQ(apus_blocking_end(self), 0);
    CHECK_EQ(gettid(), thread);
}

static void warm_up(apus_process *self, void *argument)
{
    (void)argument;
    CHECK_EQ(apus_blocking_begin(self), 0);
    CHECK_EQ(apus_blocking_end(self), 0);
}

TEST(by_itself, "apus_blocking_begin lets the others go on at once, and apus_blocking_end comes back to the thread")
{
    apus_pid pid;
    start_with((apus_options){.rescue_ms = APUS_RESCUE_OFF});
    while (runtime_info().handoffs == 0) // the first ones find no thread to spare yet
        run_process(warm_up, NULL, 0);
    spawn_server();
    CHECK_EQ(apus_spawn_blocking(block_by_itself, NULL, 0, &keeps, &pid), 0);
    await_stage(1);
    CHECK_EQ(ask_server(), 1);
    atomic_store(&may_go, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
}

static void stay_body(apus_process *self, void *argument)
{
    pid_t thread = gettid();
    (void)argument;
    atomic_fetch_add(&stage, 1);
    stay_asleep();
    CHECK(apus_self() == self);
    CHECK_EQ(gettid(), thread);
}

TEST(ceiling, "more than detached_max of them wait for their turn to lose the scheduler, and all come to their end")
{
    enum { BODIES = 7 };
    apus_pid pids[BODIES];
    start_with((apus_options){.detached_max = 3});
    for (int i = 0; i < BODIES; i++)
        CHECK_EQ(apus_spawn_blocking(stay_body, NULL, 0, &keeps, &pids[i]), 0);
    while (runtime_info().rescues_refused == 0)
        usleep(1000);
    await_stage(4);
    CHECK_EQ(runtime_info().detached, 3);
    CHECK_EQ(atomic_load(&stage), 4);
    atomic_store(&may_go, true);
    for (int i = 0; i < BODIES; i++)
        CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
    CHECK_EQ(runtime_info().detached, 0);
    stop_runtime();
}

// --- Killed ---------------------------------------------------------------------------------------------------------------------

static atomic_int called, returned, cleaned;

// Calls Apus after it has stayed, if told to.
static int stay_and_call(apus_process *self, void *state, apus_message *message)
{
    bool calls = apus_message_size(message) > 0;
    (void)state;
    atomic_fetch_add(&stage, 1);
    stay_asleep();
    atomic_fetch_add(&called, 1);
    int outcome = calls ? apus_yield(self) : 0; // which may not return
    CHECK(outcome == 0 || outcome == -ECANCELED);
    atomic_fetch_add(&returned, 1);
    return APUS_OK;
}

static void count_cleanup(apus_process *self, void *state)
{
    (void)self, (void)state;
    atomic_fetch_add(&cleaned, 1);
}

static const apus_behaviour mortal = {.name = "mortal", .state_size = 64, .handle = stay_and_call, .cleanup = count_cleanup};

static apus_pid spawn_mortal(const apus_spawn_options *options, bool calls)
{
    apus_pid pid;
    atomic_store(&called, 0);
    atomic_store(&returned, 0);
    atomic_store(&cleaned, 0);
    CHECK_EQ(apus_spawn(&mortal, NULL, 0, options, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_number, "", calls ? 1 : 0), 0);
    await_stage(1);
    ask_server(); // so it has lost its scheduler
    return pid;
}

static void killed_while_it_stays(const apus_spawn_options *options, bool calls)
{
    bool is_dropped = calls && !(options->flags & APUS_SPAWN_UNWIND);
    start_on(1);
    spawn_server();
    apus_pid pid = spawn_mortal(options, calls);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    CHECK(!apus_is_alive(pid));
    ask_server();
    CHECK_EQ(atomic_load(&cleaned), 0); // its code may be using the state
    atomic_store(&may_go, true);
    await_nobody_detached();
    CHECK_EQ(atomic_load(&returned), !is_dropped);
    ask_server(); // which comes after the burial
    CHECK_EQ(atomic_load(&cleaned), !is_dropped);
    stop_runtime();
}

TEST(killed_calls, "R11: one that is killed meanwhile and calls Apus loses its stack there, or is refused, and its thread is a spare again")
{
    killed_while_it_stays(&keeps, true);
    killed_while_it_stays(&keeps_and_unwinds, true);
}

TEST(killed_returns, "R11: one that is killed meanwhile and returns is cleaned up")
{
    killed_while_it_stays(&keeps, false);
    killed_while_it_stays(&keeps_and_unwinds, false);
}

// Holds the scheduler while the other comes back to it, and then kills that one; unless it loses the scheduler itself meanwhile.
static int kill_who_comes_back(apus_process *self, void *state, apus_message *message)
{
    apus_pid pid = *(const apus_pid *)apus_message_payload(message);
    (void)self, (void)state;
    atomic_store(&may_go, true);
    while (atomic_load(&called) == 0) {
    }
    usleep(2000); // by now it most likely waits for its turn
    apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL));
    return APUS_DONE;
}

static const apus_behaviour killer = {.name = "killer", .handle = kill_who_comes_back};

static void killed_as_it_comes_back(const apus_spawn_options *options, bool calls)
{
    apus_pid other;
    start_on(1);
    spawn_server();
    apus_pid pid = spawn_mortal(options, calls);
    CHECK_EQ(apus_spawn(&killer, NULL, 0, NULL, &other), 0);
    CHECK_EQ(apus_send(other, &type_number, &pid, sizeof pid), 0);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    await_nobody_detached();
    ask_server();
    stop_runtime();
}

TEST(killed_between, "one that is killed between its return to the scheduler and its turn goes as it wished: unwound, or dropped")
{
    for (int i = 0; i < 5; i++) {
        killed_as_it_comes_back(&keeps, true);
        killed_as_it_comes_back(&keeps, false);
        killed_as_it_comes_back(&keeps_and_unwinds, true);
        killed_as_it_comes_back(&keeps_and_unwinds, false);
    }
}

TEST(stop, "stopping kills those that stay, and waits for their threads")
{
    start_on(2);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(apus_spawn_blocking(stay_body, NULL, 0, &keeps, NULL), 0);
    await_stage(5);
    CHECK_EQ(apus_stop(0), -ETIMEDOUT); // after the kill
    atomic_store(&may_go, true);
    stop_runtime();
    start_on(1); // and again
    spawn_server();
    CHECK_EQ(ask_server(), 1);
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
