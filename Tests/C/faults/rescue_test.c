// Tests/C/faults/rescue_test.c - a process that stays in its callback loses its scheduler to the others, and nothing else.
//
// Method: mostly one scheduler, so that whoever gets a turn got it because the scheduler was taken from the culprit, which stays in its
// callback until the test lets it go. Nothing is measured: what must not happen would hang. Rescues are counted after few messages: on
// a machine with much to do the system may stop any callback for as long as makes it a long one.
#include "stay.h"

#include "scheduler/slot.h"

#include <pthread.h>

static const apus_type type_number = {.name = "number"};

static void reach(int value)
{
    atomic_store(&stage, value);
}

static void send_number(apus_pid to, uint64_t number)
{
    CHECK_EQ(apus_send(to, &type_number, &number, sizeof number), 0);
}

static uint64_t number_in(const apus_message *message)
{
    return *(const uint64_t *)apus_message_payload(message);
}

// --- A server, to see whether the scheduler works -------------------------------------------------------------------------------

static int echo(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    uint64_t number = number_in(message) + 1;
    if (apus_message_is_request(message))
        CHECK_EQ(apus_reply(message, &type_number, &number, sizeof number), 0);
    return APUS_OK;
}

static const apus_behaviour server = {.name = "server", .handle = echo};

static apus_pid spawn_server(void)
{
    apus_pid pid;
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &pid), 0);
    return pid;
}

static uint64_t ask(apus_pid to, uint64_t number)
{
    apus_message *reply;
    CHECK_EQ(apus_call(to, &type_number, &number, sizeof number, APUS_INFINITY, &reply), 0);
    number = number_in(reply);
    apus_message_release(reply);
    return number;
}

// --- Staying --------------------------------------------------------------------------------------------------------------------

static apus_pid helper;

struct memory {
    uint64_t before, after;
};

// Stays in the middle, then makes use of everything: its state, its message, calls, its own mailbox, children, its arena.
static int stay_and_work(apus_process *self, void *state, apus_message *message)
{
    struct memory *memory = state;
    uint64_t number = number_in(message);
    if (number == 0) {
        memory->after++;
        return memory->after == 3 ? APUS_DONE : APUS_OK;
    }
    memory->before = number;
    reach(1);
    stay();
    CHECK(apus_self() == self);
    CHECK_EQ(number_in(message), number);
    CHECK_EQ(ask(helper, number), number + 1);
    char *bytes = apus_alloc(self, 100);
    memset(bytes, 1, 100);
    for (uint64_t i = 0; i < 3; i++)
        send_number(apus_pid_of(self), 0);
    apus_ref ref;
    CHECK_EQ(apus_monitor(self, helper, &ref), 0);
    CHECK_EQ(apus_demonitor(self, ref, APUS_DEMONITOR_FLUSH), 1);
    CHECK_EQ(memory->before, number);
    CHECK_EQ(memory->after, 0);
    if (apus_message_is_request(message))
        CHECK_EQ(apus_reply(message, &type_number, &number, sizeof number), 0);
    reach(2);
    return APUS_OK;
}

static const apus_behaviour culprit = {.name = "culprit", .state_size = sizeof(struct memory), .handle = stay_and_work};

static void others_run_while_one_stays(void (*how)(void))
{
    apus_pid pid;
    stay = how;
    start_on(1);
    helper = spawn_server();
    CHECK_EQ(apus_spawn(&culprit, NULL, 0, NULL, &pid), 0);
    send_number(pid, 7);
    await_stage(1);
    CHECK_EQ(ask(helper, 7), 8);
    CHECK_EQ(runtime_info().rescues, 1);
    CHECK_EQ(runtime_info().detached, 1);
    for (uint64_t i = 0; i < 1000; i++)
        CHECK_EQ(ask(helper, i), i + 1);
    CHECK_EQ(atomic_load(&stage), 1);
    apus_process_info_t info = {.struct_size = sizeof info};
    CHECK_EQ(apus_process_info(pid, APUS_INFINITY, &info), 0);
    CHECK_EQ(info.state, APUS_STATE_RUNNING);
    atomic_store(&may_go, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    CHECK_EQ(atomic_load(&stage), 2);
    CHECK_EQ(runtime_info().detached, 0);
    stop_runtime();
}

TEST(sleeping, "others run while a process sleeps in the system; then it goes on with all it had")
{
    others_run_while_one_stays(stay_asleep);
}

TEST(computing, "others run while a process computes; then it goes on with all it had")
{
    others_run_while_one_stays(stay_computing);
}

// What came while it stayed is there, in order, before what it sends itself.
static int take_in_order(apus_process *self, void *state, apus_message *message)
{
    uint64_t *next = state, number = number_in(message);
    (void)self;
    CHECK_EQ(number, *next);
    if ((*next)++ == 0) {
        reach(1);
        stay_asleep();
    }
    return number == 100 ? APUS_DONE : APUS_OK;
}

static const apus_behaviour in_order = {.name = "in order", .state_size = 8, .handle = take_in_order};

TEST(order, "R12: messages that arrive while a process has lost its scheduler are handled in order when it is back")
{
    apus_pid pid;
    start_on(1);
    helper = spawn_server();
    CHECK_EQ(apus_spawn(&in_order, NULL, 0, NULL, &pid), 0);
    send_number(pid, 0);
    await_stage(1);
    CHECK_EQ(ask(helper, 7), 8);
    CHECK_EQ(runtime_info().rescues, 1);
    for (uint64_t i = 1; i <= 100; i++) {
        send_number(pid, i);
        ask(helper, i);
    }
    atomic_store(&may_go, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
}

// --- Every callback -------------------------------------------------------------------------------------------------------------

static int stay_in_init(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state;
    CHECK_EQ(*(const int *)argument, 5);
    reach(1);
    stay_asleep();
    CHECK_EQ(*(const int *)argument, 5);
    return APUS_OK;
}

static int end(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    return APUS_DONE;
}

static void stay_in_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    (void)self, (void)state;
    CHECK_EQ(reason->kind, APUS_REASON_NORMAL);
    atomic_store(&may_go, false);
    reach(2);
    stay_asleep();
    CHECK_EQ(reason->kind, APUS_REASON_NORMAL);
}

static const apus_behaviour slow_ends = {
    .name = "slow ends", .init = stay_in_init, .handle = end, .terminate = stay_in_terminate};

TEST(init_and_terminate, "init and terminate may stay as well, and are only called once")
{
    apus_pid pid;
    int five = 5;
    start_on(1);
    helper = spawn_server();
    CHECK_EQ(apus_spawn(&slow_ends, &five, sizeof five, NULL, &pid), 0);
    send_number(pid, 0);
    await_stage(1);
    ask(helper, 1);
    atomic_store(&may_go, true);
    await_stage(2);
    ask(helper, 1);
    CHECK(apus_is_alive(pid));
    atomic_store(&may_go, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    CHECK_EQ(runtime_info().rescues, 2);
    stop_runtime();
}

// Each round waits in Apus, then stays, so that the stack goes from carrier to carrier; its frame must come along.
static void come_and_go(apus_process *self, void *argument)
{
    volatile uint64_t canaries[32];
    for (uint64_t i = 0; i < 32; i++)
        canaries[i] = i * *(uint64_t *)argument;
    for (int round = 0; round < 20; round++) {
        CHECK_EQ(ask(helper, 1), 2);
        usleep(12000);
        CHECK_EQ(apus_sleep(self, 1), 0);
    }
    for (uint64_t i = 0; i < 32; i++)
        CHECK_EQ(canaries[i], i * *(uint64_t *)argument);
}

TEST(blocking_bodies, "straight-line processes lose and regain schedulers again and again, with their frames")
{
    enum { BODIES = 8 };
    apus_pid pids[BODIES];
    start_on(2);
    helper = spawn_server();
    for (uint64_t i = 0; i < BODIES; i++)
        CHECK_EQ(apus_spawn_blocking(come_and_go, &i, sizeof i, NULL, &pids[i]), 0);
    for (int i = 0; i < BODIES; i++)
        CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
    CHECK(runtime_info().rescues > 0);
    CHECK_EQ(runtime_info().rescues_refused, 0);
    stop_runtime();
}

TEST(timers, "a timer fires while its scheduler's only other process stays in its callback")
{
    apus_pid pid;
    stay = stay_asleep;
    start_on(1);
    helper = spawn_server();
    CHECK_EQ(apus_spawn(&culprit, NULL, 0, NULL, &pid), 0);
    send_number(pid, 7);
    await_stage(1);
    uint64_t number = 1;
    apus_pid ended;
    static const apus_behaviour mortal = {.name = "mortal", .handle = end};
    CHECK_EQ(apus_spawn(&mortal, NULL, 0, NULL, &ended), 0);
    CHECK_EQ(apus_send_after(30, ended, &type_number, &number, sizeof number, NULL), 0);
    CHECK_EQ(apus_join(ended, APUS_INFINITY, NULL), 0);
    atomic_store(&may_go, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
}

// --- Killed ---------------------------------------------------------------------------------------------------------------------

static int stay_for_good(apus_process *self, void *state, apus_message *message)
{
    uint64_t *memory = state, number = number_in(message);
    apus_pid me = apus_pid_of(self);
    *memory = number;
    reach(1);
    stay();
    // Ended long ago for everybody else, but nothing that it uses has been taken away.
    CHECK(apus_pid_equal(apus_pid_of(self), me));
    CHECK_EQ(*memory, number);
    CHECK_EQ(number_in(message), number);
    reach(2);
    if (number == 9)
        send_number(helper, 1); // does not return: there is nobody left to return to
    CHECK(number != 9);
    return APUS_OK;
}

static const apus_behaviour stuck = {.name = "stuck", .state_size = 64, .handle = stay_for_good};

static void watch_stuck(apus_process *self, void *argument)
{
    apus_pid pid;
    apus_ref ref, request;
    uint64_t number = *(uint64_t *)argument;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_MONITOR, .monitor = &ref, .name = "stuck"};
    CHECK_EQ(apus_spawn(&stuck, NULL, 0, &options, &pid), 0);
    CHECK_EQ(apus_request(self, pid, &type_number, &number, sizeof number, APUS_INFINITY, &request), 0);
    while (atomic_load(&stage) == 0)
        apus_sleep(self, 1);
    CHECK(apus_is_alive(pid));
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    CHECK(!apus_is_alive(pid));
    for (int i = 0; i < 2; i++) { // one for the monitor, one for the request
        apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
        const apus_down_message *down = apus_message_payload(message);
        CHECK(apus_message_type(message) == &apus_type_down);
        CHECK(apus_ref_equal(down->ref, ref) || apus_ref_equal(down->ref, request));
        CHECK_EQ(down->reason.kind, APUS_REASON_KILLED);
        apus_message_release(message);
    }
    apus_pid found;
    CHECK_EQ(apus_whereis("stuck", &found), -ESRCH);
    CHECK_EQ(apus_spawn(&server, NULL, 0, &(apus_spawn_options){.struct_size = sizeof options, .name = "stuck"}, &found), 0);
    CHECK_EQ(ask(found, 1), 2);
    CHECK_EQ(atomic_load(&stage), 1); // it is in its callback still
}

static void killed_in_callback(uint64_t number, void (*how)(void))
{
    stay = how;
    start_on(1);
    helper = spawn_server();
    run_process(watch_stuck, &number, sizeof number);
    atomic_store(&may_go, true);
    while (runtime_info().detached)
        usleep(100);
    CHECK_EQ(atomic_load(&stage), 2);
    stop_runtime();
}

TEST(killed_asleep, "R11: a process that is killed in a long callback is gone for everyone at once, and ends when that returns")
{
    killed_in_callback(7, stay_asleep);
}

TEST(killed_computing, "R11: the same for one that computes")
{
    killed_in_callback(7, stay_computing);
}

TEST(killed_calls, "R11: one that was killed meanwhile ends in its next call of Apus")
{
    killed_in_callback(9, stay_asleep);
}

static atomic_int unwound, cleaned;

// What a process that was killed meanwhile and unwinds may do: it knows itself, and everything else is refused.
static void expect_refusals(apus_process *self)
{
    apus_pid pid;
    apus_message *reply;
    uint64_t number = 1;
    CHECK(apus_self() == self);
    CHECK_EQ(apus_send(helper, &type_number, &number, sizeof number), -ECANCELED);
    CHECK_EQ(apus_call(helper, &type_number, &number, sizeof number, APUS_INFINITY, &reply), -ECANCELED);
    CHECK_EQ(apus_call_as((apus_caller){{1}, {1}}, helper, &type_number, NULL, 0, APUS_INFINITY, &reply), -ECANCELED);
    CHECK_EQ(apus_sleep(self, 1), -ECANCELED);
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &pid), -ECANCELED);
    CHECK_EQ(apus_exit_signal(helper, apus_reason_of(APUS_REASON_KILL)), -ECANCELED);
    CHECK_EQ(apus_yield(NULL), -EINVAL);
    CHECK(apus_receive(self, NULL, NULL, APUS_INFINITY) == NULL);
    CHECK(apus_message_new(&type_number, 8) == NULL);
    CHECK(apus_alloc(self, 8) == NULL);
    CHECK(!apus_is_alive(helper));
    CHECK(apus_self() == self);
}

enum { RETURNS = 7, DROPPED = 9, REFUSED = 10, NEVER_RETURNS = 11 };

static int stay_and_unwind(apus_process *self, void *state, apus_message *message)
{
    stay_for_good(self, state, message);
    if (*(uint64_t *)state == REFUSED)
        expect_refusals(self);
    while (*(uint64_t *)state == NEVER_RETURNS)
        CHECK_EQ(apus_yield(self), -ECANCELED);
    atomic_fetch_add(&unwound, 1);
    return APUS_OK;
}

static void count_cleanup(apus_process *self, void *state)
{
    (void)self;
    CHECK(*(uint64_t *)state == RETURNS || *(uint64_t *)state == REFUSED);
    atomic_fetch_add(&cleaned, 1);
}

static const apus_behaviour owner = {.name = "owner", .state_size = 64, .handle = stay_and_unwind, .cleanup = count_cleanup};

static void killed_with_what_it_owns(uint64_t number, unsigned flags)
{
    apus_pid pid;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = flags};
    atomic_store(&unwound, 0);
    atomic_store(&cleaned, 0);
    stay = stay_asleep;
    start_on(1);
    helper = spawn_server();
    CHECK_EQ(apus_spawn(&owner, NULL, 0, &options, &pid), 0);
    send_number(pid, number);
    await_stage(1);
    ask(helper, 1);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    CHECK(!apus_is_alive(pid));
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0); // it has departed
    CHECK_EQ(atomic_load(&cleaned), 0); // its code may be using the state
    atomic_store(&may_go, true);
    while (runtime_info().detached)
        usleep(100);
    stop_runtime();
}

TEST(killed_returns, "one that was killed meanwhile and returns has unwound its stack, and its state is cleaned up")
{
    killed_with_what_it_owns(RETURNS, 0);
    CHECK_EQ(atomic_load(&unwound), 1);
    CHECK_EQ(atomic_load(&cleaned), 1);
}

TEST(killed_calls_dropped, "one that calls Apus instead loses its stack there, and is not cleaned up")
{
    killed_with_what_it_owns(DROPPED, 0);
    CHECK_EQ(atomic_load(&unwound), 0);
    CHECK_EQ(atomic_load(&cleaned), 0);
}

TEST(killed_calls_refused, "with APUS_SPAWN_UNWIND its calls are refused, so that it returns, and its state is cleaned up")
{
    killed_with_what_it_owns(REFUSED, APUS_SPAWN_UNWIND);
    killed_with_what_it_owns(REFUSED, APUS_SPAWN_UNWIND | APUS_SPAWN_KEEP_THREAD);
    CHECK_EQ(atomic_load(&unwound), 1);
    CHECK_EQ(atomic_load(&cleaned), 1);
}

TEST(killed_calls_on, "one that calls on and on loses its stack all the same")
{
    killed_with_what_it_owns(NEVER_RETURNS, APUS_SPAWN_UNWIND);
    CHECK_EQ(atomic_load(&unwound), 0);
    CHECK_EQ(atomic_load(&cleaned), 0);
}

// Lets the killed one come back, and receives meanwhile, which takes in what arrives at the scheduler.
static int receive_beside(apus_process *self, void *state, apus_message *message)
{
    (void)state, (void)message;
    atomic_store(&may_go, true);
    for (int i = 0; i < 100 || runtime_info().detached; i++) {
        CHECK(apus_receive(self, NULL, NULL, 0) == NULL);
        CHECK(apus_self() == self);
        usleep(100);
    }
    return APUS_DONE;
}

TEST(killed_beside, "one that was killed meanwhile is not buried in the middle of somebody else's callback")
{
    static const apus_behaviour beside = {.name = "beside", .handle = receive_beside};
    apus_pid pid, other;
    atomic_store(&cleaned, 0);
    stay = stay_asleep;
    start_with((apus_options){.rescue_ms = 100});
    helper = spawn_server();
    CHECK_EQ(apus_spawn(&owner, NULL, 0, NULL, &pid), 0);
    CHECK_EQ(apus_spawn(&beside, NULL, 0, NULL, &other), 0);
    send_number(pid, 7);
    await_stage(1);
    ask(helper, 1);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    ask(helper, 1);
    send_number(other, 1);
    CHECK_EQ(apus_join(other, APUS_INFINITY, NULL), 0);
    stop_runtime();
    CHECK_EQ(atomic_load(&cleaned), 1);
}

// --- Supervised -----------------------------------------------------------------------------------------------------------------

static atomic_int starts;

static int count_start(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state, (void)argument;
    atomic_fetch_add(&starts, 1);
    return APUS_OK;
}

static int spin_for_good(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    if (apus_message_is_request(message))
        return echo(self, state, message);
    reach(1);
    stay_computing();
    return APUS_OK;
}

static const apus_behaviour spinner = {.name = "spinner", .init = count_start, .handle = spin_for_good};

static void supervise(apus_process *self, void *argument)
{
    (void)argument;
    apus_pid top, child;
    apus_spawn_options options = {.struct_size = sizeof options, .name = "spinner"};
    apus_child_spec spec = {.struct_size = sizeof spec, .id = "spinner", .behaviour = &spinner, .options = &options,
                            .shutdown_ms = 20};
    apus_supervisor_spec tree = {.struct_size = sizeof tree, .children = &spec, .child_count = 1};
    CHECK_EQ(apus_supervisor_start(self, &tree, &top), 0);
    CHECK_EQ(apus_whereis("spinner", &child), 0);
    send_number(child, 1);
    while (atomic_load(&stage) == 0)
        apus_sleep(self, 1);
    CHECK_EQ(apus_supervisor_terminate_child(top, "spinner"), 0);
    CHECK(!apus_is_alive(child));
    CHECK_EQ(apus_supervisor_restart_child(top, "spinner", NULL), 0);
    CHECK_EQ(apus_whereis("spinner", &child), 0);
    CHECK_EQ(ask(child, 1), 2);
    CHECK_EQ(atomic_load(&starts), 2);
    CHECK_EQ(runtime_info().detached, 1); // its thread still spins
}

TEST(supervised, "a process that never returns is killed by its supervisor's shutdown time-out and replaced while its thread spins")
{
    start_on(1);
    atomic_store(&starts, 0);
    run_process(supervise, NULL, 0);
    atomic_store(&may_go, true);
    stop_runtime();
}

// --- The ceiling, stopping, threads beside --------------------------------------------------------------------------------------

static void stay_body(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    atomic_fetch_add(&stage, 1);
    stay_asleep();
}

TEST(ceiling, "beyond detached_max a process keeps its scheduler, which is counted")
{
    apus_pid pid;
    start_with((apus_options){.detached_max = 3});
    for (int i = 0; i < 6; i++)
        CHECK_EQ(apus_spawn_blocking(stay_body, NULL, 0, NULL, &pid), 0);
    while (runtime_info().rescues_refused == 0)
        usleep(1000);
    await_stage(4);
    CHECK_EQ(runtime_info().detached, 3);
    CHECK_EQ(atomic_load(&stage), 4);
    atomic_store(&may_go, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    CHECK(runtime_info().rescues >= 3); // more if those that came back made room while others still slept
    stop_runtime();
}

enum { BEGINNERS = 4 };
static atomic_int at_the_start;

static void begin_with_the_others(apus_process *self, void *argument)
{
    (void)argument;
    for (int round = 1; round <= 20; round++) {
        atomic_fetch_add(&at_the_start, 1);
        while (atomic_load(&at_the_start) < round * BEGINNERS)
            CHECK_EQ(apus_yield(self), 0);
        CHECK_EQ(apus_blocking_begin(self), 0);
        CHECK(apus_load_relaxed(&apus__machine.detached) <= 1); // not by a call, which would come back
        CHECK_EQ(apus_blocking_end(self), 0);
    }
}

TEST(ceiling_at_once, "detached_max holds also for processes that give up their schedulers at the same time")
{
    start_with((apus_options){.detached_max = 1, .schedulers = 2});
    for (long run = test_scaled(100); run > 0; run--) { // in some of which they gather on one scheduler
        apus_pid pids[BEGINNERS];
        atomic_store(&at_the_start, 0);
        for (int i = 0; i < BEGINNERS; i++)
            CHECK_EQ(apus_spawn_blocking(begin_with_the_others, NULL, 0, NULL, &pids[i]), 0);
        for (int i = 0; i < BEGINNERS; i++)
            CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
    }
    stop_runtime();
}

static void *let_go_later(void *argument)
{
    usleep(200000);
    atomic_store(&may_go, true);
    return argument;
}

TEST(stop, "stopping kills what has lost its scheduler, and waits for its thread")
{
    pthread_t thread;
    start_on(2);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(apus_spawn_blocking(stay_body, NULL, 0, NULL, NULL), 0);
    await_stage(5);
    CHECK_EQ(pthread_create(&thread, NULL, let_go_later, NULL), 0);
    CHECK_EQ(apus_stop(0), 0);
    CHECK(atomic_load(&may_go));
    CHECK_EQ(runtime_info().processes, 0);
    CHECK_EQ(runtime_info().blocks_in_use, 0);
    pthread_join(thread, NULL);
    start_on(1); // and again
    CHECK_EQ(ask(spawn_server(), 1), 2);
    stop_runtime();
}

TEST(off, "with APUS_RESCUE_OFF no process loses its scheduler")
{
    apus_pid pid;
    start_with((apus_options){.rescue_ms = APUS_RESCUE_OFF});
    CHECK_EQ(apus_spawn_blocking(stay_body, NULL, 0, NULL, &pid), 0);
    await_stage(1);
    send_number(spawn_server(), 1);
    usleep(100000);
    CHECK_EQ(runtime_info().rescues, 0);
    atomic_store(&may_go, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
}

// --- The log --------------------------------------------------------------------------------------------------------------------

static char told_text[16384], told_json[32768]; // of the last rescue; read once `told` has grown
static atomic_int told;

static void tell(const apus_log *entry, void *context)
{
    (void)context;
    CHECK_EQ(entry->kind, APUS_LOG_RESCUE);
    snprintf(told_text, sizeof told_text, "%s", entry->text);
    snprintf(told_json, sizeof told_json, "%s", entry->json);
    atomic_fetch_add(&told, 1);
}

static void check_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fprintf(stderr, "not in it: %s\n%s", part, text);
    CHECK(strstr(text, part));
}

static int door[2]; // a pipe: who stays in the system reads from it

__attribute__((noinline)) static void stay_reading(void)
{
    char byte;
    CHECK_EQ(read(door[0], &byte, 1), 1);
}

static void tells_of(void (*how)(void))
{
    apus_pid pid, other;
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .log = tell};
    apus_spawn_options named = {.struct_size = sizeof named, .name = "feed", .label = "slow \"one\""};
    stay = how;
    CHECK_EQ(pipe(door), 0);
    CHECK_EQ(apus_start(&options), 0);
    helper = spawn_server();
    CHECK_EQ(apus_spawn(&culprit, NULL, 0, &named, &pid), 0);
    send_number(pid, 7);
    send_number(pid, 0);
    await_stage(1);
    CHECK_EQ(apus_spawn(&server, NULL, 0, NULL, &other), 0); // kept waiting
    while (atomic_load(&told) == 0)
        usleep(1000);
    atomic_store(&may_go, true);
    CHECK_EQ(write(door[1], "", 1), 1);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
    check_has(told_text, " (culprit, named feed, slow \"one\") has been in its callback for ");
    check_has(told_text, "in handle of a message of type \"number\", on scheduler 0; parent <0.0>; ");
    check_has(told_json, "{\"event\":\"rescue\",\"time\":");
    check_has(told_json, ",\"name\":\"feed\",\"label\":\"slow \\\"one\\\"\",\"callback\":\"handle\",\"message\":\"number\"");
}

TEST(told_asleep, "the log is told of a process that has lost its scheduler asleep: name, label, message, and where its thread sleeps")
{
    tells_of(stay_reading);
    if (test_is_emulated())
        return; // what the system says is then about the emulator
    check_has(told_text, "  asleep;");
    check_has(told_text, " stay_reading+");
    check_has(told_text, " stay_and_work+");
    check_has(told_json, "\"thread\":\"asleep\"");
    check_has(told_json, " stay_reading+");
}

TEST(told_computing, "and of one that has lost it computing: the function that was called")
{
    tells_of(stay_computing);
    check_has(told_text, "  computing, in a call of:\n  #0 0x");
    check_has(told_text, " stay_and_work+0 ");
    check_has(told_json, "\"thread\":\"computing\"");
}

// --- Hooks ----------------------------------------------------------------------------------------------------------------------

static __thread uintptr_t on_thread; // what belongs to the code that runs, as a language's runtime would keep it
static atomic_int leaves, enters;

static void leave(void *context)
{
    memcpy(context, &on_thread, sizeof on_thread);
    on_thread = 0;
    atomic_fetch_add(&leaves, 1);
}

static void enter(void *context)
{
    CHECK_EQ(on_thread, 0);
    memcpy(&on_thread, context, sizeof on_thread);
    atomic_fetch_add(&enters, 1);
}

__attribute__((noinline)) static uintptr_t *thread_word(void)
{
    __asm__ volatile("");
    return &on_thread;
}

static void keep_a_word(apus_process *self, void *argument)
{
    uintptr_t mine = *(uintptr_t *)argument;
    CHECK_EQ(*thread_word(), 0);
    *thread_word() = mine;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(apus_sleep(self, 1), 0);
        CHECK_EQ(*thread_word(), mine);
        usleep(11000);
        CHECK_EQ(ask(helper, 1), 2);
        CHECK_EQ(*thread_word(), mine);
    }
    *thread_word() = 0;
}

static void yield_body(apus_process *self, void *argument)
{
    (void)argument;
    while (!atomic_load(&may_go))
        CHECK_EQ(apus_yield(self), 0);
}

// Sleeps first, so that all its spawn has brought to its scheduler has been taken in, and stays when nobody waits there.
static void sleep_and_stay_body(apus_process *self, void *argument)
{
    CHECK_EQ(apus_sleep(self, 30), 0);
    stay_body(self, argument);
}

TEST(for_others, "a process that stays loses its scheduler while others wait, on whichever scheduler they do")
{
    apus_pid pid, others[4];
    start_on(2);
    CHECK_EQ(apus_spawn_blocking(sleep_and_stay_body, NULL, 0, NULL, &pid), 0);
    await_stage(1);
    for (int i = 0; i < 4; i++) // on the other scheduler: it is idle, and then the one used last
        CHECK_EQ(apus_spawn_blocking(yield_body, NULL, 0, NULL, &others[i]), 0);
    while (runtime_info().rescues == 0)
        usleep(1000);
    atomic_store(&may_go, true);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(apus_join(others[i], APUS_INFINITY, NULL), 0);
    stop_runtime();
}

// --- Work behind it -------------------------------------------------------------------------------------------------------------

enum { BEHIND = 20 };
static atomic_int behind_done;

static int behind_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    atomic_fetch_add(&behind_done, 1);
    return APUS_OK;
}

// Wakes others, who wait behind it, and comes back when they all have had their turn.
static int outstay_handle(apus_process *self, void *state, apus_message *message)
{
    static const apus_behaviour behind = {.name = "behind", .handle = behind_handle};
    apus_pid pids[BEHIND];
    (void)self, (void)state, (void)message;
    for (int i = 0; i < BEHIND; i++) {
        CHECK_EQ(apus_spawn(&behind, NULL, 0, NULL, &pids[i]), 0);
        send_number(pids[i], 1);
    }
    while (atomic_load(&behind_done) < BEHIND) {
    }
    return APUS_DONE;
}

TEST(work_behind, "what waits behind a long callback goes to a scheduler that sleeps, and the callback's is not taken from it")
{
    static const apus_behaviour outstay = {.name = "outstay", .handle = outstay_handle};
    // A limit that is not reached, unless the work stays; it is looked at ten times as often.
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_NONE, .rescue_ms = 5000};
    CHECK_EQ(apus_start(&options), 0);
    for (int i = 0; i < 3; i++) {
        atomic_store(&behind_done, 0);
        apus_pid pid;
        CHECK_EQ(apus_spawn(&outstay, NULL, 0, NULL, &pid), 0);
        send_number(pid, 1);
        CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    }
    CHECK_EQ(runtime_info().rescues, 0);
    CHECK(runtime_info().shared >= 3 * BEHIND);
    stop_runtime();
}

static void done_body(apus_process *self, void *argument)
{
    (void)self, (void)argument;
}

TEST(work_taken, "what waits behind a callback is taken by a scheduler that has nothing to do, also if the monitor never looks")
{
    static const apus_behaviour outstay = {.name = "outstay", .handle = outstay_handle};
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_NONE, .rescue_ms = APUS_RESCUE_OFF};
    CHECK_EQ(apus_start(&options), 0);
    apus_pid pid;
    CHECK_EQ(apus_spawn(&outstay, NULL, 0, NULL, &pid), 0);
    send_number(pid, 1);
    while (atomic_load(&behind_done) < BEHIND) { // the other one is woken now and then, and has nothing to do again
        CHECK_EQ(apus_spawn_blocking(done_body, NULL, 0, NULL, NULL), 0);
        usleep(100);
    }
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
}

TEST(hooks, "what the hooks take off the thread comes along wherever the stack goes on")
{
    static const apus_hooks hooks = {sizeof hooks, leave, enter};
    apus_pid pids[8];
    CHECK_EQ(apus_set_hooks(&(apus_hooks){sizeof hooks, leave, NULL}), -EINVAL);
    CHECK_EQ(apus_set_hooks(&hooks), 0);
    start_on(2);
    helper = spawn_server();
    for (uintptr_t i = 0; i < 8; i++) {
        uintptr_t word = i + 1;
        CHECK_EQ(apus_spawn_blocking(keep_a_word, &word, sizeof word, NULL, &pids[i]), 0);
    }
    for (int i = 0; i < 8; i++)
        CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
    CHECK(runtime_info().rescues > 0);
    CHECK_EQ(atomic_load(&leaves), atomic_load(&enters));
    CHECK_EQ(apus_set_hooks(NULL), 0);
    stop_runtime();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
