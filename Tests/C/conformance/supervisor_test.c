// Tests/C/conformance/supervisor_test.c - R40 to R55 on the running runtime.
//
// Goal:    each rule of supervisors once or more, through the public functions only.
// Method:  a child writes into a journal when it starts ("+a") and when it is told to stop ("-a": it traps exits, so that its
//          terminate is called); the test waits until the journal reads as it must. Knobs make the next starts of a child fail, be
//          ignored or hang, or make it ignore a shutdown. `poke` makes a child end in some way. Expected: OTP's supervisor(3).
#include "../runtime_test.h"

#include <pthread.h>
#include <stdatomic.h>

// The journal ---------------------------------------------------------------------------------------------------------------------

static pthread_mutex_t journal_lock = PTHREAD_MUTEX_INITIALIZER;
static char journal[4096];

static void journal_write(char what, char id)
{
    pthread_mutex_lock(&journal_lock);
    size_t size = strlen(journal);
    if (size < sizeof journal - 4)
        snprintf(journal + size, sizeof journal - size, "%s%c%c", size ? " " : "", what, id);
    pthread_mutex_unlock(&journal_lock);
}

static bool journal_is(const char *want)
{
    pthread_mutex_lock(&journal_lock);
    bool is = strcmp(journal, want) == 0;
    pthread_mutex_unlock(&journal_lock);
    return is;
}

// Waits until the journal reads so, and empties it.
static void expect(const char *want)
{
    for (int i = 0; i < 5000 && !journal_is(want); i++)
        usleep(1000);
    CHECK_STR(journal, want);
    journal[0] = '\0';
}

// Gives what must not happen the time to happen.
static void expect_nothing(void)
{
    usleep(30000);
    CHECK_STR(journal, "");
}

// Children ------------------------------------------------------------------------------------------------------------------------

struct knobs {
    atomic_int fails, ignores, hangs; // so many of the next starts go wrong
    atomic_int starts;
    atomic_bool stubborn;             // takes a second to stop
    atomic_bool slow;                 // takes 200 ms to start
};

static struct knobs knobs[128];

enum { END_NORMAL, END_ERROR, END_SHUTDOWN, END_UNLINKED };

static const apus_type poke_type = {.name = "poke"};

static bool knob_take(atomic_int *knob)
{
    if (atomic_load(knob) <= 0)
        return false;
    atomic_fetch_sub(knob, 1);
    return true;
}

static int child_init(apus_process *self, void *state, const void *argument)
{
    char id = *(const char *)argument;
    struct knobs *knob = &knobs[(int)id];
    *(char *)state = id;
    atomic_fetch_add(&knob->starts, 1);
    if (knob_take(&knob->fails))
        return apus_exit(self, apus_reason_error(-EIO, "no disk"));
    if (knob_take(&knob->ignores))
        return APUS_IGNORE;
    if (knob_take(&knob->hangs))
        apus_sleep(self, APUS_INFINITY);
    if (atomic_load(&knob->slow))
        apus_sleep(self, 200);
    journal_write('+', id);
    return APUS_OK;
}

static int child_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    if (apus_message_type(message) != &poke_type)
        return APUS_OK;
    switch (*(const int *)apus_message_payload(message)) {
    case END_NORMAL:
        return APUS_DONE;
    case END_ERROR:
        return -EPIPE;
    case END_SHUTDOWN:
        return apus_exit(self, apus_reason_of(APUS_REASON_SHUTDOWN));
    case END_UNLINKED:
        apus_unlink(self, apus_parent_of(self));
        return -EPIPE;
    default:
        return APUS_OK;
    }
}

static void child_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    char id = *(const char *)state;
    if (reason->kind != APUS_REASON_SHUTDOWN)
        return;
    if (atomic_load(&knobs[(int)id].stubborn))
        apus_sleep(self, 1000);
    journal_write('-', id);
}

static const apus_behaviour child = {
    .name = "child",
    .state_size = 16,
    .init = child_init,
    .handle = child_handle,
    .terminate = child_terminate,
};

static const apus_spawn_options trapping = {.struct_size = sizeof trapping, .flags = APUS_SPAWN_TRAP_EXITS};

#define CHILD(name, ...)                                                                                                       \
    {.struct_size = sizeof(apus_child_spec), .id = name, .behaviour = &child, .argument = name, .argument_size = sizeof name, \
     .options = &trapping, ##__VA_ARGS__}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static apus_pid start(apus_supervisor_spec spec)
{
    apus_pid supervisor;
    spec.struct_size = sizeof spec;
    int result = apus_supervisor_start(NULL, &spec, &supervisor);
    if (result != 0)
        fprintf(stderr, "supervisor: %s\n", apus_supervisor_last_error());
    CHECK_EQ(result, 0);
    return supervisor;
}

static apus_pid start_three(apus_strategy strategy, uint32_t intensity)
{
    const apus_child_spec children[] = {CHILD("a"), CHILD("b"), CHILD("c")};
    apus_pid supervisor = start((apus_supervisor_spec){
        .strategy = strategy, .intensity_is_set = true, .intensity = intensity, .children = children, .child_count = 3});
    expect("+a +b +c");
    return supervisor;
}

static apus_child_info info_of(apus_pid supervisor, const char *id)
{
    apus_child_info infos[16];
    int64_t count = apus_supervisor_which_children(supervisor, infos, COUNT(infos));
    for (int64_t i = 0; i < count; i++)
        if (strcmp(infos[i].id, id) == 0)
            return infos[i];
    return (apus_child_info){.id = ""};
}

static void poke_pid(apus_pid pid, int how)
{
    CHECK_EQ(apus_send(pid, &poke_type, &how, sizeof how), 0);
}

static void poke(apus_pid supervisor, const char *id, int how)
{
    poke_pid(info_of(supervisor, id).pid, how);
}

// A process that watches the supervisor from before the test makes it end, since a later question would only be told `noproc`.
static atomic_int watch_state; // 0: none, 1: watches, 2 + kind: it has seen the end

static void watcher(apus_process *self, void *argument)
{
    apus_ref ref;
    CHECK_EQ(apus_monitor(self, *(apus_pid *)argument, &ref), 0);
    atomic_store(&watch_state, 1);
    apus_message *down = apus_receive(self, NULL, NULL, APUS_INFINITY);
    atomic_store(&watch_state, 2 + (int)((apus_down_message *)apus_message_payload(down))->reason.kind);
    apus_message_release(down);
}

static void watch(apus_pid supervisor)
{
    atomic_store(&watch_state, 0);
    CHECK_EQ(apus_spawn_blocking(watcher, &supervisor, sizeof supervisor, NULL, NULL), 0);
    while (atomic_load(&watch_state) == 0)
        usleep(100);
}

// Waits until the supervisor that is watched has ended.
static apus_reason_kind ended(void)
{
    for (int i = 0; i < 5000 && atomic_load(&watch_state) < 2; i++)
        usleep(1000);
    CHECK(atomic_load(&watch_state) >= 2);
    return (apus_reason_kind)(atomic_load(&watch_state) - 2);
}

static void stop(apus_pid supervisor)
{
    CHECK_EQ(apus_supervisor_stop(supervisor, 5000), 0);
    CHECK(!apus_is_alive(supervisor));
}

#define SUPERVISOR_TEST(id, text)                \
    static void supervised_##id(void);           \
    TEST(id, text)                               \
    {                                            \
        start_runtime(2);                        \
        supervised_##id();                       \
        stop_runtime();                          \
    }                                            \
    static void supervised_##id(void)

// R40-R42 -------------------------------------------------------------------------------------------------------------------------

SUPERVISOR_TEST(R40_order, "R40: children start in order and stop in reverse order")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 1);
    apus_child_info infos[3];
    CHECK_EQ(apus_supervisor_which_children(supervisor, infos, 3), 3);
    CHECK_STR(infos[0].id, "a");
    CHECK_STR(infos[2].id, "c");
    CHECK(apus_is_alive(infos[1].pid));
    stop(supervisor);
    expect("-c -b -a");
    CHECK_EQ(apus_supervisor_which_children(supervisor, infos, 3), -ESRCH);
    CHECK_EQ(apus_supervisor_stop(supervisor, 100), -ESRCH);
}

SUPERVISOR_TEST(R41_failed_start, "R41: a child that fails to start stops those before it; the answer names it and the reason")
{
    const apus_child_spec children[] = {CHILD("a"), CHILD("b"), CHILD("c"), CHILD("d")};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = children, .child_count = 4};
    apus_pid supervisor;
    knobs['c'].fails = 1;
    CHECK_EQ(apus_supervisor_start(NULL, &spec, &supervisor), -EIO);
    CHECK_EQ(supervisor.id, 0);
    expect("+a +b -b -a");
    CHECK_STR(apus_supervisor_last_error(), "child \"c\": error -5 (Input/output error): no disk");
    apus_reason reason;
    CHECK(apus_supervisor_last_reason(&reason));
    CHECK_EQ(reason.code, -EIO);
    CHECK_STR(reason.text, apus_supervisor_last_error());
    CHECK_EQ(apus_supervisor_stop(supervisor, 0), -ESRCH);
    CHECK(!apus_supervisor_last_reason(&reason));
}

static void start_failing(apus_process *self, void *argument)
{
    (void)argument;
    const apus_child_spec inner_children[] = {CHILD("a"), CHILD("b")};
    const apus_supervisor_spec inner = {.struct_size = sizeof inner, .children = inner_children, .child_count = 2};
    const apus_child_spec children[] = {{.struct_size = sizeof(apus_child_spec), .id = "inner", .supervisor = &inner}};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = children, .child_count = 1};
    apus_pid supervisor;
    knobs['b'].fails = 1;
    apus_trap_exits(self, true);
    CHECK_EQ(apus_supervisor_start(self, &spec, &supervisor), -EIO);
    CHECK(strstr(apus_supervisor_last_error(), "child \"inner\": ") != NULL);
    CHECK(strstr(apus_supervisor_last_error(), "child \"b\": ") != NULL);
    CHECK(strstr(apus_supervisor_last_error(), "no disk") != NULL);
    apus_message *exit = apus_receive(self, NULL, NULL, 1000); // R31: and the exit message, for a parent that traps
    CHECK(exit != NULL && apus_message_type(exit) == &apus_type_exit);
    CHECK_EQ(((apus_exit_message *)apus_message_payload(exit))->reason.code, -EIO);
    apus_message_release(exit);
    CHECK_EQ(apus_supervisor_start(self, &spec, &supervisor), 0);
    CHECK_EQ(apus_supervisor_stop(supervisor, 1000), 0);
}

SUPERVISOR_TEST(R41_nested, "R41: the answer names the path to a child that fails to start inside a child supervisor")
{
    run_process(start_failing, NULL, 0);
    expect("+a -a +a +b -b -a");
}

SUPERVISOR_TEST(R41_start_timeout, "R41, R30: an init that takes longer than its time is killed, and answers a time-out")
{
    const apus_child_spec children[] = {CHILD("a"), CHILD("b", .start_timeout_ms = 50)};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = children, .child_count = 2};
    apus_pid supervisor;
    knobs['b'].hangs = 1;
    CHECK_EQ(apus_supervisor_start(NULL, &spec, &supervisor), -ETIMEDOUT);
    expect("+a -a");
    CHECK(strstr(apus_supervisor_last_error(), "child \"b\": ") != NULL);
}

SUPERVISOR_TEST(R42_one_for_one, "R42: one_for_one touches only the failed child")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 9);
    apus_child_info before = info_of(supervisor, "b");
    poke(supervisor, "b", END_ERROR);
    expect("+b");
    apus_child_info after = info_of(supervisor, "b");
    CHECK(!apus_pid_equal(before.pid, after.pid));
    CHECK_EQ(after.restarts, 1);
    expect_nothing();
    stop(supervisor);
}

SUPERVISOR_TEST(R42_one_for_all, "R42: one_for_all stops all others in reverse, then starts all in order")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ALL, 9);
    poke(supervisor, "b", END_ERROR);
    expect("-c -a +a +b +c");
    stop(supervisor);
}

SUPERVISOR_TEST(R42_rest_for_one, "R42: rest_for_one stops the later siblings, then starts the failed one and the later ones")
{
    apus_pid supervisor = start_three(APUS_REST_FOR_ONE, 9);
    poke(supervisor, "b", END_ERROR);
    expect("-c +b +c");
    poke(supervisor, "a", END_ERROR);
    expect("-c -b +a +b +c");
    stop(supervisor);
}

SUPERVISOR_TEST(R42_all_at_once, "R42: siblings that are killed together all come back")
{
    enum { MANY = 500 };
    static char ids[MANY][8];
    static apus_child_spec children[MANY];
    static apus_child_info before[MANY], after[MANY];
    for (size_t i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof ids[i], "%zu", i);
        children[i] = (apus_child_spec)CHILD("x");
        children[i].id = ids[i];
    }
    apus_pid supervisor = start((apus_supervisor_spec){
        .intensity_is_set = true, .intensity = 100000, .children = children, .child_count = MANY});
    CHECK_EQ(apus_supervisor_which_children(supervisor, before, MANY), MANY);
    for (size_t i = 0; i < MANY; i++)
        apus_exit_signal(before[i].pid, apus_reason_of(APUS_REASON_KILL));
    for (int i = 0; i < 5000 && atomic_load(&knobs['x'].starts) < 2 * MANY; i++)
        usleep(1000);
    CHECK_EQ(apus_supervisor_which_children(supervisor, after, MANY), MANY);
    for (size_t i = 0; i < MANY; i++) {
        CHECK(apus_is_alive(after[i].pid) && !apus_pid_equal(before[i].pid, after[i].pid));
        CHECK_EQ(after[i].restarts, 1);
    }
    stop(supervisor);
}

// R43-R46 -------------------------------------------------------------------------------------------------------------------------

SUPERVISOR_TEST(R43_intensity, "R43: more than `intensity` restarts within the period end it, with shutdown")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 2);
    poke(supervisor, "b", END_ERROR);
    expect("+b");
    poke(supervisor, "a", END_ERROR);
    expect("+a");
    watch(supervisor);
    poke(supervisor, "b", END_ERROR);
    CHECK_EQ(ended(), APUS_REASON_SHUTDOWN);
    expect("-c -a");
}

SUPERVISOR_TEST(R43_defaults, "R43: the default is one restart in five seconds")
{
    const apus_child_spec children[] = {CHILD("a")};
    apus_pid supervisor = start((apus_supervisor_spec){.children = children, .child_count = 1});
    poke(supervisor, "a", END_ERROR);
    expect("+a +a");
    watch(supervisor);
    poke(supervisor, "a", END_ERROR);
    CHECK_EQ(ended(), APUS_REASON_SHUTDOWN);
}

SUPERVISOR_TEST(R43_zero, "R43: intensity 0 means the first failure")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 0);
    watch(supervisor);
    poke(supervisor, "a", END_ERROR);
    CHECK_EQ(ended(), APUS_REASON_SHUTDOWN);
    expect("-c -b");
}

SUPERVISOR_TEST(R43_period, "R43: restarts that have left the period do not count")
{
    const apus_child_spec children[] = {CHILD("a")};
    apus_pid supervisor = start((apus_supervisor_spec){.period_ms = 20, .children = children, .child_count = 1});
    expect("+a");
    for (int i = 0; i < 3; i++) {
        poke(supervisor, "a", END_ERROR);
        expect("+a");
        usleep(40000);
    }
    stop(supervisor);
}

SUPERVISOR_TEST(R44_restart_types, "R44: permanent always; transient not after normal or shutdown; temporary never")
{
    const apus_child_spec children[] = {CHILD("p"), CHILD("t", .restart = APUS_TRANSIENT), CHILD("x", .restart = APUS_TEMPORARY)};
    apus_pid supervisor = start((apus_supervisor_spec){
        .intensity_is_set = true, .intensity = 9, .children = children, .child_count = 3});
    expect("+p +t +x");
    poke(supervisor, "p", END_NORMAL);
    expect("+p");
    poke(supervisor, "t", END_ERROR);
    expect("+t");
    poke(supervisor, "t", END_NORMAL);
    poke(supervisor, "x", END_ERROR);
    expect_nothing();
    apus_child_info transient = info_of(supervisor, "t");
    CHECK_STR(transient.id, "t");
    CHECK_EQ(transient.pid.id, 0);
    CHECK_STR(info_of(supervisor, "x").id, "");
    CHECK_EQ(apus_supervisor_restart_child(supervisor, "t", NULL), 0);
    expect("+t");
    poke(supervisor, "t", END_SHUTDOWN);
    expect("-t"); // its own terminate
    expect_nothing();
    stop(supervisor);
}

SUPERVISOR_TEST(R45_temporary_siblings, "R45: a temporary sibling stopped by one_for_all or rest_for_one does not come back")
{
    const apus_child_spec children[] = {CHILD("a"), CHILD("t", .restart = APUS_TEMPORARY), CHILD("b")};
    const apus_strategy strategies[] = {APUS_ONE_FOR_ALL, APUS_REST_FOR_ONE};
    for (size_t i = 0; i < 2; i++) {
        apus_pid supervisor = start((apus_supervisor_spec){.strategy = strategies[i], .children = children, .child_count = 3});
        expect("+a +t +b");
        poke(supervisor, "a", END_ERROR);
        expect("-b -t +a +b");
        CHECK_EQ(apus_supervisor_which_children(supervisor, NULL, 0), 2);
        stop(supervisor);
        expect("-b -a");
    }
}

static void watch_brutal(apus_process *self, void *argument)
{
    apus_pid supervisor = *(apus_pid *)argument;
    apus_ref ref;
    CHECK_EQ(apus_monitor(self, info_of(supervisor, "a").pid, &ref), 0);
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, "a"), 0);
    apus_message *down = apus_receive(self, NULL, NULL, 1000);
    CHECK(down != NULL && apus_message_type(down) == &apus_type_down);
    CHECK_EQ(((apus_down_message *)apus_message_payload(down))->reason.kind, APUS_REASON_KILLED);
    apus_message_release(down);
}

SUPERVISOR_TEST(R46_brutal_kill, "R46: brutal kill: no clean-up, DOWN says killed")
{
    const apus_child_spec children[] = {CHILD("a", .shutdown_ms = APUS_SHUTDOWN_BRUTAL_KILL)};
    apus_pid supervisor = start((apus_supervisor_spec){.children = children, .child_count = 1});
    expect("+a");
    run_process(watch_brutal, &supervisor, sizeof supervisor);
    expect_nothing();
    stop(supervisor);
}

SUPERVISOR_TEST(R46_timeout, "R46: a timeout means shutdown first, kill after the time")
{
    const apus_child_spec children[] = {CHILD("a", .shutdown_ms = 50), CHILD("b", .shutdown_ms = 50)};
    apus_pid supervisor = start((apus_supervisor_spec){.children = children, .child_count = 2});
    expect("+a +b");
    knobs['b'].stubborn = true;
    uint64_t before_ms = apus_now_ms();
    stop(supervisor);
    uint64_t took_ms = apus_now_ms() - before_ms;
    CHECK(took_ms >= 50 && took_ms < 900);
    expect("-a");
}

SUPERVISOR_TEST(R46_infinity, "R46: a supervisor as child is waited for without limit")
{
    const apus_child_spec inner_children[] = {CHILD("a", .shutdown_ms = APUS_INFINITY)};
    const apus_supervisor_spec inner = {.struct_size = sizeof inner, .children = inner_children, .child_count = 1};
    const apus_child_spec children[] = {{.struct_size = sizeof(apus_child_spec), .id = "inner", .supervisor = &inner}};
    apus_pid supervisor = start((apus_supervisor_spec){.children = children, .child_count = 1});
    expect("+a");
    CHECK_EQ(info_of(supervisor, "inner").kind, APUS_SUPERVISOR);
    knobs['a'].stubborn = true;
    stop(supervisor);
    expect("-a");
}

// R47-R50 -------------------------------------------------------------------------------------------------------------------------

SUPERVISOR_TEST(R47_retry, "R47: a restart that fails is tried again, and each try counts")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 4);
    knobs['b'].fails = 2;
    poke(supervisor, "b", END_ERROR);
    expect("+b");
    CHECK_EQ(atomic_load(&knobs['b'].starts), 4);
    knobs['b'].fails = 99; // three restarts so far; a fourth is allowed, and fails
    watch(supervisor);
    poke(supervisor, "b", END_ERROR);
    CHECK_EQ(ended(), APUS_REASON_SHUTDOWN);
    CHECK_EQ(atomic_load(&knobs['b'].starts), 5);
    expect("-c -a");
}

SUPERVISOR_TEST(R47_pending, "R47: requests that come while a child is being restarted are answered after, in order")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 4);
    knobs['b'].slow = true;
    int starts = atomic_load(&knobs['b'].starts);
    apus_pid a = info_of(supervisor, "a").pid;
    poke(supervisor, "b", END_ERROR);
    while (atomic_load(&knobs['b'].starts) == starts)
        usleep(100);
    poke_pid(a, END_ERROR);
    CHECK(apus_is_alive(info_of(supervisor, "b").pid));
    expect("+b +a");
    stop(supervisor);
    expect("-c -b -a");
}

SUPERVISOR_TEST(R48_terminate, "R48: terminate_child keeps the spec, doesn't count; restart and delete need a stopped child")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 0), pid;
    CHECK_EQ(apus_supervisor_restart_child(supervisor, "b", &pid), -EALREADY);
    CHECK(apus_pid_equal(pid, info_of(supervisor, "b").pid));
    CHECK_EQ(apus_supervisor_delete_child(supervisor, "b"), -EBUSY);
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, "b"), 0);
    expect("-b");
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, "b"), 0);
    CHECK_EQ(info_of(supervisor, "b").pid.id, 0);
    CHECK_EQ(apus_supervisor_restart_child(supervisor, "b", &pid), 0);
    expect("+b");
    CHECK(apus_is_alive(pid));
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, "b"), 0);
    CHECK_EQ(apus_supervisor_delete_child(supervisor, "b"), 0);
    CHECK_EQ(apus_supervisor_delete_child(supervisor, "b"), -ENOENT);
    CHECK_EQ(apus_supervisor_restart_child(supervisor, "b", &pid), -ENOENT);
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, "b"), -ENOENT);
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, NULL), -EINVAL);
    CHECK_EQ(apus_supervisor_terminate_pid(supervisor, info_of(supervisor, "a").pid), -EINVAL);
    CHECK(apus_is_alive(supervisor));
    stop(supervisor);
    expect("-b -c -a");
}

SUPERVISOR_TEST(R49_duplicates, "R49: a duplicate id answers with its pid if it runs, and that it is there if it is stopped")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 1), pid;
    const apus_child_spec b = CHILD("b"), d = CHILD("d");
    CHECK_EQ(apus_supervisor_start_child(supervisor, &b, &pid), -EALREADY);
    CHECK(apus_pid_equal(pid, info_of(supervisor, "b").pid));
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, "b"), 0);
    CHECK_EQ(apus_supervisor_start_child(supervisor, &b, &pid), -EEXIST);
    CHECK_EQ(apus_supervisor_start_child(supervisor, &d, &pid), 0);
    CHECK(apus_is_alive(pid));
    expect("-b +d");
    knobs['e'].fails = 1;
    const apus_child_spec e = CHILD("e");
    CHECK_EQ(apus_supervisor_start_child(supervisor, &e, &pid), -EIO);
    CHECK(strstr(apus_supervisor_last_error(), "no disk") != NULL);
    apus_reason reason;
    CHECK(apus_supervisor_last_reason(&reason));
    CHECK_EQ(reason.kind, APUS_REASON_ERROR);
    CHECK_STR(reason.text, "no disk");
    CHECK_EQ(apus_supervisor_start_child(supervisor, &d, &pid), -EALREADY);
    CHECK(!apus_supervisor_last_reason(&reason));
    CHECK_STR(info_of(supervisor, "e").id, "");
    stop(supervisor);
    expect("-d -c -a");
}

SUPERVISOR_TEST(R50_ignore, "R50: ignore at start keeps the spec with no pid; of a temporary child it is dropped")
{
    const apus_child_spec children[] = {CHILD("a"), CHILD("t", .restart = APUS_TEMPORARY)};
    knobs['a'].ignores = knobs['t'].ignores = 1;
    apus_pid supervisor = start((apus_supervisor_spec){.children = children, .child_count = 2}), pid;
    CHECK_EQ(apus_supervisor_which_children(supervisor, NULL, 0), 1);
    CHECK_EQ(info_of(supervisor, "a").pid.id, 0);
    apus_child_counts counts;
    CHECK_EQ(apus_supervisor_count_children(supervisor, &counts), 0);
    CHECK_EQ(counts.specs, 1);
    CHECK_EQ(counts.active, 0);
    CHECK_EQ(counts.workers, 1);
    CHECK_EQ(counts.supervisors, 0);
    knobs['b'].ignores = 1;
    const apus_child_spec b = CHILD("b");
    CHECK_EQ(apus_supervisor_start_child(supervisor, &b, &pid), 0);
    CHECK_EQ(pid.id, 0);
    CHECK_EQ(apus_supervisor_which_children(supervisor, NULL, 0), 2);
    stop(supervisor);
}

// R51 -----------------------------------------------------------------------------------------------------------------------------

static apus_pid start_significant(apus_auto_shutdown mode)
{
    const apus_child_spec children[] = {CHILD("p"), CHILD("a", .restart = APUS_TRANSIENT, .significant = true),
                                        CHILD("b", .restart = APUS_TEMPORARY, .significant = true)};
    apus_pid supervisor = start((apus_supervisor_spec){
        .auto_shutdown = mode, .intensity_is_set = true, .intensity = 9, .children = children, .child_count = 3});
    expect("+p +a +b");
    return supervisor;
}

SUPERVISOR_TEST(R51_any, "R51: any_significant: a transient's normal end, or any of a temporary one, ends it")
{
    apus_pid supervisor = start_significant(APUS_AUTO_SHUTDOWN_ANY_SIGNIFICANT);
    poke(supervisor, "a", END_ERROR);
    expect("+a");
    watch(supervisor);
    poke(supervisor, "a", END_NORMAL);
    CHECK_EQ(ended(), APUS_REASON_SHUTDOWN);
    expect("-b -p");

    supervisor = start_significant(APUS_AUTO_SHUTDOWN_ANY_SIGNIFICANT);
    watch(supervisor);
    poke(supervisor, "b", END_ERROR);
    CHECK_EQ(ended(), APUS_REASON_SHUTDOWN);
    expect("-a -p");
}

SUPERVISOR_TEST(R51_all, "R51: all_significant: when the last one ends; a child ended by terminate_child doesn't trigger it")
{
    apus_pid supervisor = start_significant(APUS_AUTO_SHUTDOWN_ALL_SIGNIFICANT);
    poke(supervisor, "b", END_NORMAL);
    expect_nothing();
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, "a"), 0);
    expect("-a");
    expect_nothing();
    CHECK_EQ(apus_supervisor_restart_child(supervisor, "a", NULL), 0);
    expect("+a");
    watch(supervisor);
    poke(supervisor, "a", END_NORMAL);
    CHECK_EQ(ended(), APUS_REASON_SHUTDOWN);
    expect("-p");
}

SUPERVISOR_TEST(R51_refused, "R51: significant with permanent, or with auto_shutdown never, is refused, as other errors")
{
    apus_pid supervisor;
    const apus_child_spec wrong[] = {
        CHILD("a", .significant = true),
        CHILD("a", .restart = APUS_TRANSIENT, .significant = true),
        CHILD("a", .body = (void (*)(apus_process *, void *))(uintptr_t)1),
        {.struct_size = sizeof(apus_child_spec), .id = "a"},
        {.struct_size = sizeof(apus_child_spec), .behaviour = &child},
        {.struct_size = 8, .id = "a", .behaviour = &child},
        CHILD("a", .restart = (apus_restart)3),
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = &wrong[i], .child_count = 1};
        spec.auto_shutdown = i == 0 ? APUS_AUTO_SHUTDOWN_ANY_SIGNIFICANT : APUS_AUTO_SHUTDOWN_NEVER;
        CHECK_EQ(apus_supervisor_start(NULL, &spec, &supervisor), -EINVAL);
        CHECK(strlen(apus_supervisor_last_error()) > 0);
    }
    const apus_child_spec twice[] = {CHILD("a"), CHILD("a")};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = twice, .child_count = 2};
    CHECK_EQ(apus_supervisor_start(NULL, &spec, &supervisor), -EEXIST);
    CHECK_EQ(apus_supervisor_start(NULL, NULL, &supervisor), -EINVAL);
    CHECK_EQ(apus_supervisor_start(NULL, &spec, NULL), -EINVAL);
    supervisor = start_three(APUS_ONE_FOR_ONE, 1);
    CHECK_EQ(apus_supervisor_start_child(supervisor, &wrong[3], NULL), -EINVAL);
    CHECK_EQ(apus_supervisor_start_child(supervisor, NULL, NULL), -EINVAL);
    stop(supervisor);
}

SUPERVISOR_TEST(R29_name, "R29: a supervisor's name can be used, and a taken one is an error")
{
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .name = "top"};
    apus_pid first, second, found;
    CHECK_EQ(apus_supervisor_start(NULL, &spec, &first), 0);
    CHECK_EQ(apus_whereis("top", &found), 0);
    CHECK(apus_pid_equal(first, found));
    CHECK_EQ(apus_supervisor_start(NULL, &spec, &second), -EEXIST);
    stop(first);
    CHECK_EQ(apus_supervisor_start(NULL, &spec, &second), 0);
    stop(second);
}

// R52 -----------------------------------------------------------------------------------------------------------------------------

SUPERVISOR_TEST(R52_dynamic, "R52: children by template, extra arguments reused at restart, found by pid")
{
    const apus_child_spec template = CHILD("t", .restart = APUS_TRANSIENT);
    apus_pid supervisor = start((apus_supervisor_spec){
        .strategy = APUS_DYNAMIC, .intensity_is_set = true, .intensity = 9, .children = &template, .child_count = 1});
    apus_pid t, x, y;
    CHECK_EQ(apus_supervisor_start_child(supervisor, NULL, &t), 0);
    const apus_child_spec extra = {.struct_size = sizeof extra, .argument = "x", .argument_size = 2};
    CHECK_EQ(apus_supervisor_start_child(supervisor, &extra, &x), 0);
    const apus_child_spec named = {.struct_size = sizeof named, .id = "y", .argument = "y", .argument_size = 2,
                                   .restart = APUS_TEMPORARY};
    CHECK_EQ(apus_supervisor_start_child(supervisor, &named, &y), 0);
    expect("+t +x +y");
    CHECK_EQ(apus_supervisor_start_child(supervisor, &named, &y), -EALREADY);

    poke_pid(x, END_ERROR); // comes back with its own argument
    expect("+x");
    poke_pid(t, END_NORMAL); // transient: dropped
    poke_pid(y, END_ERROR);  // temporary: dropped
    usleep(20000);
    apus_child_info infos[4];
    CHECK_EQ(apus_supervisor_which_children(supervisor, infos, 4), 1);
    CHECK(!apus_pid_equal(infos[0].pid, x));
    CHECK_EQ(apus_supervisor_terminate_pid(supervisor, x), 0);           // it has ended: there is nothing to stop
    CHECK_EQ(apus_supervisor_terminate_pid(supervisor, supervisor), -ENOENT); // it runs, and is no child
    CHECK_EQ(apus_supervisor_terminate_pid(supervisor, infos[0].pid), 0);
    expect("-x");
    apus_child_counts counts;
    CHECK_EQ(apus_supervisor_count_children(supervisor, &counts), 0);
    CHECK_EQ(counts.specs, 0);
    stop(supervisor);
}

SUPERVISOR_TEST(R52_concurrent_stop, "R52: dynamic children are stopped concurrently")
{
    const apus_child_spec template = CHILD("s");
    apus_pid supervisor = start((apus_supervisor_spec){.strategy = APUS_DYNAMIC, .children = &template, .child_count = 1});
    knobs['s'].stubborn = true; // each takes a second
    for (int i = 0; i < 100; i++)
        CHECK_EQ(apus_supervisor_start_child(supervisor, NULL, NULL), 0);
    uint64_t before_ms = apus_now_ms();
    stop(supervisor);
    CHECK(apus_now_ms() - before_ms < 20000); // one after the other they would take 100 s
}

SUPERVISOR_TEST(R52_max_children, "R52: max_children is a limit")
{
    const apus_child_spec template = CHILD("t", .restart = APUS_TEMPORARY);
    apus_pid supervisor = start((apus_supervisor_spec){
        .strategy = APUS_DYNAMIC, .max_children = 2, .children = &template, .child_count = 1});
    apus_pid first;
    CHECK_EQ(apus_supervisor_start_child(supervisor, NULL, &first), 0);
    CHECK_EQ(apus_supervisor_start_child(supervisor, NULL, NULL), 0);
    CHECK_EQ(apus_supervisor_start_child(supervisor, NULL, NULL), -ENOSPC);
    CHECK_EQ(apus_supervisor_terminate_pid(supervisor, first), 0);
    CHECK_EQ(apus_supervisor_start_child(supervisor, NULL, NULL), 0);
    stop(supervisor);
}

SUPERVISOR_TEST(R52_churn, "R52: 20,000 dynamic children come and go in memory that is used again")
{
    const apus_child_spec template = CHILD("t", .restart = APUS_TEMPORARY);
    apus_pid supervisor = start((apus_supervisor_spec){.strategy = APUS_DYNAMIC, .children = &template, .child_count = 1});
    apus_process_info_t info = {.struct_size = sizeof info};
    size_t before = 0;
    long rounds = test_scaled(20000);
    for (long i = 0; i < rounds; i++) {
        apus_pid pid;
        CHECK_EQ(apus_supervisor_start_child(supervisor, NULL, &pid), 0);
        CHECK_EQ(apus_supervisor_terminate_pid(supervisor, pid), 0);
        if (i == rounds / 2) {
            CHECK_EQ(apus_process_info(supervisor, 1000, &info), 0);
            before = info.memory;
        }
    }
    CHECK_EQ(apus_process_info(supervisor, 1000, &info), 0);
    // The link and the monitor of the last child may be on their way out at either moment; 10,000 children kept would be 640 KB.
    CHECK(info.memory <= before + 256);
    stop(supervisor);
}

// R53-R55 -------------------------------------------------------------------------------------------------------------------------

static void stranger(apus_process *self, void *argument)
{
    (void)self;
    apus_pid supervisor = *(apus_pid *)argument;
    CHECK_EQ(apus_exit_signal(supervisor, apus_reason_of(APUS_REASON_SHUTDOWN)), 0);
    CHECK_EQ(apus_exit_signal(supervisor, apus_reason_error(-EIO, "go away")), 0);
}

SUPERVISOR_TEST(R53_stranger, "R53: an EXIT from a stranger is ignored")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 0);
    run_process(stranger, &supervisor, sizeof supervisor);
    CHECK_EQ(apus_supervisor_which_children(supervisor, NULL, 0), 3);
    expect_nothing();
    stop(supervisor);
    expect("-c -b -a");
}

static void parent_that_ends(apus_process *self, void *argument)
{
    const apus_child_spec children[] = {CHILD("a"), CHILD("b")};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = children, .child_count = 2};
    CHECK_EQ(apus_supervisor_start(self, &spec, *(apus_pid **)argument), 0);
}

SUPERVISOR_TEST(R53_parent, "R53: the end of the supervisor's parent ends it, and its children")
{
    static apus_pid supervisor;
    apus_pid *where = &supervisor;
    run_process(parent_that_ends, &where, sizeof where);
    expect("+a +b -b -a");
    apus_reason reason;
    CHECK_EQ(apus_join(supervisor, 5000, &reason), 0);
}

static void parent_of_restarting(apus_process *self, void *argument)
{
    const apus_child_spec children[] = {CHILD("a"), CHILD("b")};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = children, .child_count = 2};
    apus_pid supervisor;
    CHECK_EQ(apus_supervisor_start(self, &spec, &supervisor), 0);
    knobs['b'].slow = true;
    poke(supervisor, "b", END_ERROR);
    while (atomic_load(&knobs['b'].starts) < 2)
        apus_sleep(self, 1);
    **(apus_pid **)argument = supervisor;
}

SUPERVISOR_TEST(R53_parent_meanwhile, "R53: the end of the parent while a child is being restarted ends everything all the same")
{
    static apus_pid supervisor;
    apus_pid *where = &supervisor;
    run_process(parent_of_restarting, &where, sizeof where);
    expect("+a +b +b -b -a");
}

static void parent_that_stops(apus_process *self, void *argument)
{
    (void)argument;
    const apus_child_spec children[] = {CHILD("a")};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = children, .child_count = 1};
    apus_pid supervisor;
    CHECK_EQ(apus_supervisor_start(self, &spec, &supervisor), 0);
    CHECK_EQ(apus_supervisor_start(NULL, &spec, &supervisor), 0); // one that is not linked with anyone
    CHECK_EQ(apus_supervisor_stop(supervisor, 1000), 0);
    CHECK_EQ(apus_supervisor_start(self, &spec, &supervisor), 0);
    CHECK_EQ(apus_supervisor_stop(supervisor, 1000), 0); // and this process, which doesn't trap, lives on
    expect("+a +a -a +a -a");
}

SUPERVISOR_TEST(R53_stop, "R53: a parent that stops its supervisor is not hit by the link")
{
    run_process(parent_that_stops, NULL, 0);
    expect("-a");
}

SUPERVISOR_TEST(R54_unlinked, "R54: a child that unlinks itself and dies is still noticed")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 1);
    poke(supervisor, "b", END_UNLINKED);
    expect("+b");
    stop(supervisor);
}

SUPERVISOR_TEST(R54_kill, "R54: children don't outlive a supervisor that is killed")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 1);
    watch(supervisor);
    apus_exit_signal(supervisor, apus_reason_of(APUS_REASON_KILL));
    CHECK_EQ(ended(), APUS_REASON_KILLED);
    for (int i = 0; i < 2000 && runtime_info().processes > 0; i++)
        usleep(1000);
    CHECK_EQ(runtime_info().processes, 0);
}

static void wait_until_restarting(apus_pid supervisor, const char *id)
{
    for (int i = 0; i < 5000 && !info_of(supervisor, id).restarting; i++)
        usleep(1000);
    CHECK(info_of(supervisor, id).restarting);
}

SUPERVISOR_TEST(R55_backoff, "R55: a restart can have a backoff")
{
    const apus_child_spec children[] = {CHILD("a", .backoff = {.initial_ms = 300, .factor = 2})};
    apus_pid supervisor = start((apus_supervisor_spec){
        .intensity_is_set = true, .intensity = 9, .children = children, .child_count = 1});
    expect("+a");
    uint64_t before_ms = apus_now_ms();
    poke(supervisor, "a", END_ERROR);
    wait_until_restarting(supervisor, "a");
    CHECK_EQ(apus_supervisor_restart_child(supervisor, "a", NULL), -EINPROGRESS);
    CHECK_EQ(apus_supervisor_delete_child(supervisor, "a"), -EBUSY);
    expect("+a");
    CHECK(apus_now_ms() - before_ms >= 300);
    before_ms = apus_now_ms();
    poke(supervisor, "a", END_ERROR);
    expect("+a");
    CHECK(apus_now_ms() - before_ms >= 600);
    poke(supervisor, "a", END_ERROR);
    wait_until_restarting(supervisor, "a");
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, "a"), 0); // the pending restart goes
    usleep(1300000);
    expect_nothing();
    CHECK_EQ(apus_supervisor_restart_child(supervisor, "a", NULL), 0);
    expect("+a");
    stop(supervisor);
}

SUPERVISOR_TEST(R55_budget, "R55: stopping a tree can have a total time budget")
{
    const apus_child_spec children[] = {CHILD("a"), CHILD("b"), CHILD("c")};
    apus_pid supervisor = start((apus_supervisor_spec){.stop_budget_ms = 100, .children = children, .child_count = 3});
    expect("+a +b +c");
    knobs['c'].stubborn = knobs['b'].stubborn = true;
    uint64_t before_ms = apus_now_ms();
    stop(supervisor);
    uint64_t took_ms = apus_now_ms() - before_ms;
    CHECK(took_ms >= 100 && took_ms < 900);
}

// Ways to start -------------------------------------------------------------------------------------------------------------------

static void body(apus_process *self, void *argument)
{
    journal_write('+', *(char *)argument);
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    int how = *(int *)apus_message_payload(message);
    apus_message_release(message);
    if (how == END_ERROR)
        apus_exit(self, apus_reason_error(-EIO, NULL));
}

static int custom(apus_process *supervisor, const void *argument, apus_pid *pid)
{
    (void)supervisor;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_LINK};
    if (knob_take(&knobs[(int)*(const char *)argument].fails))
        return -EIO;
    return apus_spawn_blocking(body, argument, 2, &options, pid);
}

SUPERVISOR_TEST(R42_ways_to_start, "R42: blocking bodies and children by a function of one's own are restarted like any other")
{
    const apus_child_spec children[] = {
        {.struct_size = sizeof(apus_child_spec), .id = "a", .body = body, .argument = "a", .argument_size = 2},
        {.struct_size = sizeof(apus_child_spec), .id = "b", .start = custom, .argument = "b", .argument_size = 2,
         .restart = APUS_TRANSIENT},
    };
    apus_pid supervisor = start((apus_supervisor_spec){
        .intensity_is_set = true, .intensity = 9, .children = children, .child_count = 2});
    for (int i = 0; i < 5000 && !journal_is("+a +b") && !journal_is("+b +a"); i++) // the two run side by side
        usleep(1000);
    journal[0] = '\0';
    poke(supervisor, "a", END_ERROR);
    expect("+a");
    knobs['b'].fails = 1;
    poke(supervisor, "b", END_ERROR);
    expect("+b");
    poke(supervisor, "b", END_NORMAL);
    expect_nothing();
    CHECK_EQ(info_of(supervisor, "b").pid.id, 0);
    stop(supervisor);
}

static int custom_supervisor(apus_process *supervisor, const void *argument, apus_pid *pid)
{
    (void)argument;
    const apus_child_spec children[] = {CHILD("b")};
    const apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = children, .child_count = 1};
    return apus_supervisor_start(supervisor, &spec, pid);
}

SUPERVISOR_TEST(R41_custom, "R41: a function of one's own that starts a supervisor need not say why that failed")
{
    const apus_supervisor_spec spec = {.struct_size = sizeof spec, .strategy = APUS_DYNAMIC};
    apus_pid supervisor, pid;
    CHECK_EQ(apus_supervisor_start(NULL, &spec, &supervisor), 0);
    const apus_child_spec child_spec = {.struct_size = sizeof child_spec, .start = custom_supervisor};
    knobs['b'].fails = 1;
    CHECK_EQ(apus_supervisor_start_child(supervisor, &child_spec, &pid), -EIO);
    CHECK_STR(apus_supervisor_last_error(),
              "a child: error -5 (Input/output error): child \"b\": error -5 (Input/output error): no disk");
    apus_reason reason;
    CHECK(apus_supervisor_last_reason(&reason));
    CHECK_STR(reason.text, "child \"b\": error -5 (Input/output error): no disk");
    knobs['x'].fails = 1; // what was said before is not for a start that has nothing to say
    const apus_child_spec silent = {.struct_size = sizeof silent, .start = custom, .argument = "x", .argument_size = 2};
    CHECK_EQ(apus_supervisor_start_child(supervisor, &silent, &pid), -EIO);
    CHECK_STR(apus_supervisor_last_error(), "a child: error -5 (Input/output error)");
    stop(supervisor);
}

static void body_that_ends(apus_process *self, void *argument)
{
    journal_write('+', *(const char *)argument);
    if (*(const char *)argument == 'e')
        apus_exit(self, apus_reason_error(-EIO, NULL));
}

// The first child ends before the supervisor gets to know of it; later ones stay.
static int custom_that_ends(apus_process *supervisor, const void *argument, apus_pid *pid)
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_LINK};
    bool is_first = atomic_fetch_add(&knobs[(int)*(const char *)argument].starts, 1) == 0;
    int result = apus_spawn_blocking(is_first ? body_that_ends : body, argument, 2, &options, pid);
    for (apus_process_info_t info = {.struct_size = sizeof info}; is_first && !result; result = apus_yield(supervisor))
        if (apus_process_info(*pid, 1000, &info) == -ESRCH)
            return 0;
    return result;
}

SUPERVISOR_TEST(R44_ended_at_start, "R44: of a child that has ended before it can be watched, its exit tells how")
{
    const apus_child_spec children[] = {
        {.struct_size = sizeof(apus_child_spec), .id = "n", .start = custom_that_ends, .argument = "n", .argument_size = 2,
         .restart = APUS_TRANSIENT},
        {.struct_size = sizeof(apus_child_spec), .id = "e", .start = custom_that_ends, .argument = "e", .argument_size = 2,
         .restart = APUS_TRANSIENT},
    };
    apus_pid supervisor = start((apus_supervisor_spec){
        .intensity_is_set = true, .intensity = 1, .children = children, .child_count = 2});
    expect("+n +e +e");
    CHECK_EQ(info_of(supervisor, "n").pid.id, 0);
    CHECK_EQ(info_of(supervisor, "n").restarts, 0);
    CHECK_EQ(info_of(supervisor, "e").restarts, 1);
    stop(supervisor);
}

static void sends_what_is_none(apus_process *self, void *argument)
{
    (void)argument;
    const apus_child_spec child = {.struct_size = sizeof child, .id = "a", .body = body, .argument = "a", .argument_size = 2};
    const apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = &child, .child_count = 1};
    const apus_type *const types[] = {&apus_type_exit, &apus_type_down, &apus_type_started};
    const apus_pid own = apus_pid_of(self);
    apus_pid supervisor;
    apus_child_counts counts;
    CHECK_EQ(apus_supervisor_start(self, &spec, &supervisor), 0);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        CHECK_EQ(apus_send(supervisor, types[i], NULL, 0), 0);
        CHECK_EQ(apus_send(supervisor, types[i], &own, sizeof own), 0); // as if the parent had ended, but for the rest of it
    }
    CHECK_EQ(apus_supervisor_count_children(supervisor, &counts), 0);
    CHECK_EQ(counts.active, 1);
    CHECK_EQ(apus_supervisor_stop(supervisor, APUS_INFINITY), 0);
}

SUPERVISOR_TEST(R53_none_of_its_messages, "R53: what bears a type of the runtime's, and is too small for it, means nothing")
{
    run_process(sends_what_is_none, NULL, 0);
    journal[0] = '\0';
}

static int impostor_handle(apus_process *self, void *state, apus_message *message)
{
    char answer[4000];
    (void)self, (void)state;
    memset(answer, 'x', sizeof answer);
    return apus_message_is_request(message) ? apus_reply(message, NULL, answer, sizeof answer) : APUS_OK;
}

TEST(impostor, "what is no supervisor, and answers what it likes, is given no more room than there is")
{
    static const apus_behaviour impostor = {.name = "impostor", .handle = impostor_handle};
    struct {
        apus_child_info infos[2];
        char behind[sizeof(apus_child_info)];
    } room = {.behind = "untouched"};
    apus_child_counts counts;
    apus_pid pid, child;
    start_runtime(2);
    CHECK_EQ(apus_spawn(&impostor, NULL, 0, NULL, &pid), 0);
    apus_supervisor_which_children(pid, room.infos, 2);
    CHECK_STR(room.behind, "untouched");
    apus_supervisor_which_children(pid, NULL, 0);
    apus_supervisor_count_children(pid, &counts);
    apus_supervisor_restart_child(pid, "a", &child);
    CHECK(strlen(apus_supervisor_last_error()) <= APUS_REASON_TEXT_MAX);
    stop_runtime();
}

static void asks_with_large_spec(apus_process *self, void *argument)
{
    (void)self;
    apus_pid supervisor = *(apus_pid *)argument;
    static char large[10000] = "l";
    const apus_child_spec spec = {.struct_size = sizeof spec, .id = "l", .behaviour = &child, .argument = large,
                                  .argument_size = sizeof large, .options = &trapping};
    apus_pid pid;
    CHECK_EQ(apus_supervisor_start_child(supervisor, &spec, &pid), 0);
    CHECK_EQ(apus_supervisor_start_child(supervisor, &spec, &pid), -EALREADY);
    CHECK_EQ(apus_supervisor_start_child(APUS_NOBODY, &spec, &pid), -ESRCH);
}

SUPERVISOR_TEST(R49_large, "R49: a spec of any size can be given, from a process and from a plain thread")
{
    apus_pid supervisor = start_three(APUS_ONE_FOR_ONE, 1);
    run_process(asks_with_large_spec, &supervisor, sizeof supervisor);
    expect("+l");
    CHECK_EQ(apus_supervisor_terminate_child(supervisor, "l"), 0);
    CHECK_EQ(apus_supervisor_delete_child(supervisor, "l"), 0);
    static char large[10000] = "l";
    const apus_child_spec spec = {.struct_size = sizeof spec, .id = "l", .behaviour = &child, .argument = large,
                                  .argument_size = sizeof large};
    CHECK_EQ(apus_supervisor_start_child(supervisor, &spec, NULL), 0);
    expect("-l +l");
    stop(supervisor);
}

SUPERVISOR_TEST(R40_runtime_stop, "R40: stopping the runtime stops the tree in order")
{
    start_three(APUS_ONE_FOR_ALL, 1);
    CHECK_EQ(apus_stop(5000), 0);
    expect("-c -b -a");
    start_runtime(1);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
