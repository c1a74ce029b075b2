// Tests/C/abi/no_memory_test.c - each public function that can run out of memory, each time at another place.
//
// Goal:    where the system has no memory left, a call says so and changes nothing, and what the model promises happens all the
//          same.
// Method:  memory/inject.h lets the n-th allocation fail, for n = 1, 2, 3 ... until the whole operation goes by without a failure.
//          The operations run in a simulated runtime (scheduler/simulate.h), where nobody else allocates meanwhile, each try in a
//          process of its own. After a failure the same call is made again, and must succeed; when the process has ended, as many
//          blocks are in use as before. What needs threads runs in the real runtime, with the same loop.
// Needs:   a build with APUS_INJECT (debug and the sanitizers); without it there is nothing to test, and the one test says so.
#include "runtime_test.h"

#ifndef APUS_INJECT

TEST(no_injection, "this build cannot inject failures: nothing to test")
{
    CHECK(apus_version() != NULL);
}

#else

#include "abi/enter.h"
#include "memory/inject.h"
#include "process/life.h"
#include "scheduler/carrier.h"
#include "scheduler/runtime.h"
#include "scheduler/simulate.h"

#include <pthread.h>

enum { TRIES_MAX = 500, STEPS_MAX = 100000, LARGE = 100000, WATCHERS = 5 };

static const apus_type type_note = {.name = "note"}, type_try = {.name = "try"}, type_later = {.name = "later"};

// --- Trying ----------------------------------------------------------------------------------------------------------------------

// What is tried inside a process. All but `run` may be NULL.
struct operation {
    const char *name;
    void (*prepare)(apus_process *self);
    int (*run)(apus_process *self, apus_message *handled); // under injection: 0, or a negative error
    void (*undo)(apus_process *self);                      // after it has succeeded
    bool keeps_block; // a bound stays with its cell
};

struct attempt {
    const struct operation *operation;
    uint32_t nth;
};

static bool was_hit;       // the last attempt met the injected failure
static bool was_attempted; // it ran to its end
static apus_pid partner;   // a process that answers requests, and sends a note when it is asked to

// No memory, or no place in a table.
static bool is_lack(int result)
{
    return result == -ENOMEM || result == -EAGAIN;
}

static void attempt_run(apus_process *self, const struct attempt *attempt, apus_message *handled)
{
    const struct operation *operation = attempt->operation;
    if (operation->prepare)
        operation->prepare(self);
    uint64_t hits = apus__inject_hits();
    apus__inject_arm(APUS__INJECT_ANYWHERE, attempt->nth);
    int result = operation->run(self, handled);
    apus__inject_arm(0, 0);
    was_hit = apus__inject_hits() != hits;
    if (result) {
        if (!was_hit || !is_lack(result))
            fprintf(stderr, "%s, failure %u: %d\n", operation->name, attempt->nth, result);
        CHECK(was_hit && is_lack(result));
        CHECK_EQ(operation->run(self, handled), 0);
    }
    if (operation->undo)
        operation->undo(self);
    was_attempted = true;
}

// Takes one message and ends. It is a request, so that replying can be tried as well; an answer twice is refused.
static int prober_handle(apus_process *self, void *state, apus_message *message)
{
    struct attempt attempt;
    (void)state;
    if (apus_message_type(message) != &type_try)
        return APUS_OK;
    memcpy(&attempt, apus_message_payload(message), sizeof attempt);
    attempt_run(self, &attempt, message);
    return APUS_DONE;
}

static const apus_behaviour prober = {.name = "prober", .handle = prober_handle};

static void asker_body(apus_process *self, void *argument)
{
    struct attempt attempt;
    apus_pid pid;
    (void)self;
    memcpy(&attempt, argument, sizeof attempt);
    CHECK_EQ(apus_spawn(&prober, NULL, 0, NULL, &pid), 0);
    int result = apus_call(pid, &type_try, &attempt, sizeof attempt, APUS_INFINITY, NULL);
    CHECK(result == 0 || result == -ECONNABORTED);
}

// The partner keeps at it until it has done what it was asked for.
static int partner_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state;
    if (apus_message_is_request(message))
        while (is_lack(apus_reply(message, NULL, NULL, 0))) {
        }
    else if (apus_message_type(message) == &type_later)
        while (is_lack(apus_send_after(2, apus_message_from(message), &type_note, NULL, 0, NULL))) {
        }
    return APUS_OK;
}

static const apus_behaviour partner_behaviour = {.name = "partner", .handle = partner_handle};

static void begin(void)
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .max_processes = 1024, .max_timers = 1024};
    CHECK_EQ(apus__simulation_begin(&options, 1), 0);
    CHECK_EQ(apus_spawn(&partner_behaviour, NULL, 0, NULL, &partner), 0);
    CHECK(apus__simulation_run(STEPS_MAX));
}

static void end(void)
{
    CHECK_EQ(apus__simulation_end(), 0);
    apus_runtime_info_t info = runtime_info();
    CHECK_EQ(info.processes, 0);
    CHECK_EQ(info.timers, 0);
    CHECK_EQ(info.stacks_parked, 0);
    CHECK_EQ(info.blocks_in_use, 0);
}

static void attempt_once(const struct operation *operation, uint32_t nth)
{
    struct attempt attempt = {operation, nth};
    uint64_t blocks = runtime_info().blocks_in_use;
    was_attempted = false;
    CHECK_EQ(apus_spawn_blocking(asker_body, &attempt, sizeof attempt, NULL, NULL), 0);
    CHECK(apus__simulation_run(STEPS_MAX));
    if (runtime_info().blocks_in_use != blocks && !operation->keeps_block)
        fprintf(stderr, "%s, failure %u: blocks\n", operation->name, nth);
    CHECK(was_attempted);
    CHECK_EQ(runtime_info().processes, 1);
    CHECK_EQ(runtime_info().timers, 0);
    if (!operation->keeps_block)
        CHECK_EQ(runtime_info().blocks_in_use, blocks);
}

static void try_all(const struct operation *operations, size_t count)
{
    uint64_t hits = apus__inject_hits();
    begin();
    for (size_t i = 0; i < count; i++) {
        uint32_t nth = 0;
        do
            attempt_once(&operations[i], ++nth);
        while (was_hit && nth < TRIES_MAX);
        CHECK(!was_hit);
    }
    end();
    CHECK(apus__inject_hits() - hits >= count);
}

#define TRY_ALL(operations) try_all(operations, sizeof(operations) / sizeof *(operations))

// --- Spawning --------------------------------------------------------------------------------------------------------------------

static apus_pid child;

static int idle_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    return APUS_OK;
}

struct large_state {
    char bytes[LARGE];
};

static const apus_behaviour idle = {.name = "idle", .handle = idle_handle};
static const apus_behaviour idle_medium = {.name = "medium", .state_size = 1000, .handle = idle_handle};
static const apus_behaviour idle_large = {.name = "large", .state_size = sizeof(struct large_state), .handle = idle_handle};

static int spawn_with(const apus_behaviour *behaviour, size_t size, const apus_spawn_options *options)
{
    static const char argument[LARGE];
    child = APUS_NOBODY;
    int result = apus_spawn(behaviour, size ? argument : NULL, size, options, &child);
    CHECK(result == 0 || child.id == 0);
    return result;
}

static void spawn_undo(apus_process *self)
{
    (void)self;
    CHECK_EQ(apus_exit_signal(child, apus_reason_of(APUS_REASON_KILL)), 0);
}

static int spawn_plain(apus_process *self, apus_message *handled)
{
    (void)self, (void)handled;
    return spawn_with(&idle, 0, NULL);
}

static int spawn_argument(apus_process *self, apus_message *handled)
{
    (void)self, (void)handled;
    return spawn_with(&idle_medium, 100, NULL);
}

static int spawn_large(apus_process *self, apus_message *handled)
{
    (void)self, (void)handled;
    return spawn_with(&idle_large, LARGE, NULL);
}

static int spawn_options(apus_process *self, apus_message *handled)
{
    apus_spawn_options options = {.struct_size = sizeof options, .label = "a label", .arena_limit = 1000, .name = "child"};
    apus_pid pid;
    (void)self, (void)handled;
    int result = spawn_with(&idle, 10, &options);
    CHECK_EQ(apus_whereis("child", &pid), result ? -ESRCH : 0);
    CHECK(apus_pid_equal(pid, child));
    return result;
}

static int spawn_related(apus_process *self, apus_message *handled)
{
    apus_ref ref = APUS_NO_REF;
    apus_spawn_options options = {.struct_size = sizeof options, .monitor = &ref};
    (void)handled;
    options.flags = APUS_SPAWN_LINK | APUS_SPAWN_MONITOR | APUS_SPAWN_ACK;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    int result = spawn_with(&idle, 0, &options);
    CHECK((ref.id != 0) == (result == 0));
    CHECK((self->relations != NULL) == (result == 0));
    return result;
}

static int spawn_bounded(apus_process *self, apus_message *handled)
{
    apus_spawn_options options = {.struct_size = sizeof options, .mailbox_messages = 3};
    (void)self, (void)handled;
    return spawn_with(&idle, 0, &options);
}

static void idle_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_receive(self, NULL, NULL, APUS_INFINITY);
}

static int spawn_blocking(apus_process *self, apus_message *handled)
{
    (void)self, (void)handled;
    return apus_spawn_blocking(idle_body, "argument", 9, NULL, &child);
}

TEST(spawning, "spawning without memory fails and leaves nothing behind")
{
    static const struct operation operations[] = {
        {"spawn", NULL, spawn_plain, spawn_undo, false},
        {"spawn with an argument", NULL, spawn_argument, spawn_undo, false},
        {"spawn with large argument and state", NULL, spawn_large, spawn_undo, false},
        {"spawn with a name and a label", NULL, spawn_options, spawn_undo, false},
        {"spawn with link, monitor and ack", NULL, spawn_related, spawn_undo, false},
        {"spawn with a bound", NULL, spawn_bounded, spawn_undo, true},
        {"spawn blocking", NULL, spawn_blocking, spawn_undo, false},
    };
    TRY_ALL(operations);
}

// --- Messages --------------------------------------------------------------------------------------------------------------------

static apus_message *made;
static apus_ref timer;

static int send_small(apus_process *self, apus_message *handled)
{
    (void)self, (void)handled;
    return apus_send(partner, &type_note, "hello", 5);
}

static int send_medium(apus_process *self, apus_message *handled)
{
    static const char payload[5000];
    (void)self, (void)handled;
    return apus_send(partner, &type_note, payload, sizeof payload);
}

static int send_large(apus_process *self, apus_message *handled)
{
    static const char payload[LARGE];
    (void)self, (void)handled;
    return apus_send(partner, &type_note, payload, sizeof payload);
}

static int send_to_self(apus_process *self, apus_message *handled)
{
    (void)handled;
    return apus_send(apus_pid_of(self), &type_note, "hello", 5);
}

static int message_make(apus_process *self, apus_message *handled)
{
    (void)self, (void)handled;
    made = apus_message_new(&type_note, 40);
    return made ? 0 : -ENOMEM;
}

static int message_make_large(apus_process *self, apus_message *handled)
{
    (void)self, (void)handled;
    made = apus_message_new(&type_note, LARGE);
    return made ? 0 : -ENOMEM;
}

static void message_undo(apus_process *self)
{
    (void)self;
    apus_message_release(made);
}

static void message_send_undo(apus_process *self)
{
    (void)self;
    CHECK_EQ(apus_send_message(partner, made), 0);
}

static int keep(apus_process *self, apus_message *handled)
{
    (void)self;
    int result = apus_message_keep(handled);
    made = handled;
    return result;
}

static void later(apus_process *self)
{
    (void)self;
    CHECK_EQ(apus_send(partner, &type_later, NULL, 0), 0);
}

static bool is_note(const apus_message *message, void *context)
{
    (void)context;
    return apus_message_type(message) == &type_note;
}

static int receive(apus_process *self, apus_message *handled)
{
    (void)handled;
    made = apus_receive(self, is_note, NULL, APUS_INFINITY);
    return made ? 0 : -ENOMEM;
}

static int sleep_a_little(apus_process *self, apus_message *handled)
{
    (void)handled;
    return apus_sleep(self, 1);
}

static int yield(apus_process *self, apus_message *handled)
{
    (void)handled;
    return apus_yield(self);
}

static int send_after(apus_process *self, apus_message *handled)
{
    (void)self, (void)handled;
    return apus_send_after(1000, partner, NULL, "hello", 5, &timer);
}

static int send_name_after(apus_process *self, apus_message *handled)
{
    (void)self, (void)handled;
    return apus_send_name_after(1000, "nobody", &type_note, "hello", 5, &timer);
}

static void timer_undo(apus_process *self)
{
    (void)self;
    CHECK_EQ(apus_cancel(timer, NULL), 0);
}

TEST(messages, "sending, making, keeping and receiving without memory fail and change nothing")
{
    static const struct operation operations[] = {
        {"send", NULL, send_small, NULL, false},
        {"send 5,000 bytes", NULL, send_medium, NULL, false},
        {"send 100,000 bytes", NULL, send_large, NULL, false},
        {"send to oneself", NULL, send_to_self, NULL, false},
        {"message_new", NULL, message_make, message_undo, false},
        {"message_new of 100,000 bytes", NULL, message_make_large, message_undo, false},
        {"message_new and send", NULL, message_make, message_send_undo, false},
        {"message_keep", NULL, keep, message_undo, false},
        {"receive", later, receive, message_undo, false},
        {"sleep", NULL, sleep_a_little, NULL, false},
        {"yield", NULL, yield, NULL, false},
        {"send_after", NULL, send_after, timer_undo, false},
        {"send_name_after", NULL, send_name_after, timer_undo, false},
    };
    TRY_ALL(operations);
}

enum { SHORT_BYTES = APUS_MESSAGE_SHORT + 8, SHORT_ONES = 100 }; // more than a scheduler has blocks in reserve

static void send_short(apus_pid to, char number)
{
    char payload[SHORT_BYTES] = {number};
    while (is_lack(apus_send(to, &type_note, payload, sizeof payload))) {
    }
}

static char short_number(const apus_message *message)
{
    CHECK(message && message->flags & APUS_MESSAGE_SHORT && apus_message_size(message) == SHORT_BYTES);
    return *(char *)apus_message_payload(message);
}

static int short_sender_init(apus_process *self, void *state, const void *argument)
{
    (void)self, (void)state;
    send_short(*(const apus_pid *)argument, 1);
    return APUS_DONE;
}

// Receives with the nth block failing. NULL, and true, if that has left the message where it was.
static bool receive_with_failure(apus_process *self, uint32_t nth, uint64_t timeout_ms, apus_message **message)
{
    uint64_t hits = apus__inject_hits();
    apus__inject_arm(1u << APUS__INJECT_HEAP, nth);
    *message = apus_receive(self, is_note, NULL, timeout_ms);
    apus__inject_arm(0, 0);
    was_hit = apus__inject_hits() != hits;
    return !*message;
}

static void receive_without_memory(apus_process *self)
{
    apus_message *message;
    CHECK_EQ(apus_set_label(self, "has what holds messages"), 0);
    for (char i = 0; i < SHORT_ONES; i++)
        send_short(apus_pid_of(self), i);
    for (char i = 0; i < SHORT_ONES; i++) {
        CHECK(receive_with_failure(self, 1, APUS_INFINITY, &message));
        CHECK_EQ(short_number(apus_receive(self, is_note, NULL, 0)), i);
    }
}

static void wait_without_memory(apus_process *self)
{
    static const apus_behaviour short_sender = {.name = "sender", .init = short_sender_init, .handle = idle_handle};
    const apus_pid me = apus_pid_of(self);
    int lacks = 0;
    uint32_t nth = 0;
    do {
        apus_message *message;
        CHECK_EQ(apus_spawn(&short_sender, &me, sizeof me, NULL, NULL), 0);
        if (receive_with_failure(self, ++nth, APUS_INFINITY, &message)) {
            message = apus_receive(self, is_note, NULL, 0);
            lacks++;
        }
        CHECK_EQ(short_number(message), 1);
    } while (was_hit);
    CHECK(lacks > 0);
}

static int receiver_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state, (void)message;
    receive_without_memory(self);
    wait_without_memory(self);
    was_attempted = true;
    return APUS_DONE;
}

TEST(short_messages, "a short message that a callback has no memory to hold stays in the mailbox, in its place")
{
    static const apus_behaviour receiver = {.name = "receiver", .handle = receiver_handle};
    apus_options options = {.struct_size = sizeof options, .schedulers = 1};
    CHECK_EQ(apus__simulation_begin(&options, 1), 0);
    CHECK_EQ(apus_send(spawn_one(&receiver), &type_try, NULL, 0), 0);
    CHECK(apus__simulation_run(STEPS_MAX));
    CHECK(was_attempted);
    end();
}

// Waiting takes no block: what it needs is there from the first time.
static void expiry_body(apus_process *self, void *argument)
{
    (void)argument;
    CHECK_EQ(apus_sleep(self, 1), 0);
    CHECK_EQ(apus_send_after(5, apus_pid_of(self), &type_note, NULL, 0, &timer), 0);
    uint64_t hits = apus__inject_hits();
    apus__inject_arm(1u << APUS__INJECT_HEAP, 1);
    apus_message *message = apus_receive(self, is_note, NULL, APUS_INFINITY);
    apus__inject_arm(0, 0);
    CHECK_EQ(apus__inject_hits(), hits + 1);
    CHECK(message && apus_ref_equal(apus_message_ref(message), timer));
    apus_message_release(message);
    was_attempted = true;
}

TEST(expiry, "a timer without a payload that finds no memory when it is due comes a little later")
{
    begin();
    was_attempted = false;
    CHECK_EQ(apus_spawn_blocking(expiry_body, NULL, 0, NULL, NULL), 0);
    CHECK(apus__simulation_run(STEPS_MAX));
    CHECK(was_attempted);
    end();
}

// --- Requests, links, monitors, names --------------------------------------------------------------------------------------------

static apus_ref ref;

static int call(apus_process *self, apus_message *handled)
{
    apus_message *reply;
    (void)self, (void)handled;
    int result = apus_call(partner, &type_note, "question", 8, APUS_INFINITY, &reply);
    CHECK((reply != NULL) == (result == 0));
    apus_message_release(reply);
    return result;
}

static bool is_outcome(const apus_message *message, void *context)
{
    (void)context;
    return apus_ref_equal(apus_message_ref(message), ref);
}

static int request(apus_process *self, apus_message *handled)
{
    (void)handled;
    return apus_request(self, partner, &type_note, "question", 8, 10000, &ref);
}

static int request_without_limit(apus_process *self, apus_message *handled)
{
    (void)handled;
    return apus_request(self, partner, &type_note, "question", 8, APUS_INFINITY, &ref);
}

static void request_undo(apus_process *self)
{
    apus_message *reply = apus_receive(self, is_outcome, NULL, APUS_INFINITY);
    CHECK(apus_message_is_reply(reply));
    apus_message_release(reply);
}

static int reply(apus_process *self, apus_message *handled)
{
    (void)self;
    return apus_reply(handled, NULL, "answer", 6);
}

static int reply_to(apus_process *self, apus_message *handled)
{
    (void)self;
    return apus_reply_to(apus_message_from(handled), apus_message_ref(handled), NULL, "answer", 6);
}

static int link_partner(apus_process *self, apus_message *handled)
{
    (void)handled;
    int result = apus_link(self, partner);
    CHECK((self->relations != NULL) == (result == 0));
    return result;
}

static void link_undo(apus_process *self)
{
    CHECK_EQ(apus_unlink(self, partner), 0);
}

static int monitor(apus_process *self, apus_message *handled)
{
    (void)handled;
    int result = apus_monitor(self, partner, &ref);
    CHECK((self->relations != NULL) == (result == 0));
    return result;
}

static int monitor_nobody(apus_process *self, apus_message *handled)
{
    (void)handled;
    return apus_monitor_name(self, "nobody", &ref);
}

static void monitor_undo(apus_process *self)
{
    CHECK(apus_demonitor(self, ref, APUS_DEMONITOR_FLUSH) >= 0);
}

static int exit_signal(apus_process *self, apus_message *handled)
{
    apus_reason reason = apus_reason_of(APUS_REASON_NORMAL);
    (void)self, (void)handled;
    reason.text = "nothing of importance";
    return apus_exit_signal(partner, reason);
}

static int name_self(apus_process *self, apus_message *handled)
{
    apus_pid pid;
    (void)handled;
    int result = apus_register("prober", apus_pid_of(self));
    CHECK_EQ(apus_whereis("prober", &pid), result ? -ESRCH : 0);
    return result;
}

static void name_undo(apus_process *self)
{
    (void)self;
    CHECK_EQ(apus_unregister("prober"), 0);
}

static int label_self(apus_process *self, apus_message *handled)
{
    (void)handled;
    return apus_set_label(self, "a label");
}

static int inspect(apus_process *self, apus_message *handled)
{
    apus_process_info_t info = {.struct_size = sizeof info};
    (void)self, (void)handled;
    return apus_process_info(partner, APUS_INFINITY, &info);
}

static int alloc_small(apus_process *self, apus_message *handled)
{
    (void)handled;
    return apus_alloc(self, 100) ? 0 : -ENOMEM;
}

static int alloc_large(apus_process *self, apus_message *handled)
{
    (void)handled;
    return apus_alloc(self, LARGE) ? 0 : -ENOMEM;
}

TEST(relations, "requests, links, monitors, names and memory of one's own fail without memory and change nothing")
{
    static const struct operation operations[] = {
        {"call", NULL, call, NULL, false},
        {"request", NULL, request, request_undo, false},
        {"request without a limit", NULL, request_without_limit, request_undo, false},
        {"reply", NULL, reply, NULL, false},
        {"reply_to", NULL, reply_to, NULL, false},
        {"link", NULL, link_partner, link_undo, false},
        {"monitor", NULL, monitor, monitor_undo, false},
        {"monitor a name", NULL, monitor_nobody, monitor_undo, false},
        {"exit_signal", NULL, exit_signal, NULL, false},
        {"register", NULL, name_self, name_undo, false},
        {"set_label", NULL, label_self, NULL, false},
        {"process_info", NULL, inspect, NULL, false},
        {"alloc", NULL, alloc_small, NULL, false},
        {"alloc 100,000 bytes", NULL, alloc_large, NULL, false},
    };
    TRY_ALL(operations);
}

// --- Spawning elsewhere -----------------------------------------------------------------------------------------------------------

static bool is_end_of_child(const apus_message *message, void *context)
{
    (void)context;
    return apus_message_type(message) == &apus_type_down || apus_message_type(message) == &apus_type_exit ||
           apus_message_type(message) == &apus_type_started;
}

// As if the other scheduler were on another node: the parent has its half of link and monitor before the child is made, which then may
// find no memory. The failure is armed until the child has ended.
static void elsewhere_body(apus_process *self, void *argument)
{
    uint32_t nth = *(uint32_t *)argument;
    struct apus__wishes wishes = {.flags = APUS_SPAWN_LINK | APUS_SPAWN_MONITOR | APUS_SPAWN_ACK, .label = "a label"};
    struct apus__birth birth = {.behaviour = &idle_medium, .parent = apus_pid_of(self), .wishes = &wishes};
    uint64_t hits = apus__inject_hits();
    int result, heard = 0, error;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    do {
        CHECK_EQ(apus_yield(self), 0); // the nursery is being filled
        struct apus__owner *here = apus__enter_self(self, &error);
        wishes.monitor.id = apus__new_ref(here);
        apus__inject_arm(1u << APUS__INJECT_HEAP, nth);
        result = apus__spawn_there(here, apus__world.owners[!here->id], &birth, NULL, 0, &child);
        apus__depart();
    } while (result == -EAGAIN);
    if (result == 0)
        apus_exit_signal(child, apus_reason_of(APUS_REASON_SHUTDOWN));
    for (apus_message *message; result == 0 && heard < 3 && (message = apus_receive(self, is_end_of_child, NULL, 1000)); heard++)
        apus_message_release(message);
    apus__inject_arm(0, 0);
    was_hit = apus__inject_hits() != hits;
    CHECK(result == 0 || (was_hit && result == -ENOMEM));
    CHECK_EQ(heard, result ? 0 : 3);
    was_attempted = true;
}

TEST(born_elsewhere, "a process that cannot be made where it was sent ends, and its parent hears of it")
{
    uint32_t nth = 0;
    begin();
    do {
        nth++;
        was_attempted = false;
        CHECK_EQ(apus_spawn_blocking(elsewhere_body, &nth, sizeof nth, NULL, NULL), 0);
        CHECK(apus__simulation_run(STEPS_MAX));
        CHECK(was_attempted);
    } while (was_hit && nth < TRIES_MAX);
    CHECK(!was_hit && nth > 5);
    end();
}

// --- Plain threads ---------------------------------------------------------------------------------------------------------------

// The driver of the simulation is a plain thread: `self` is NULL, and nothing is handled.
static int spawn_labelled(apus_process *self, apus_message *handled)
{
    apus_spawn_options options = {.struct_size = sizeof options, .name = "child"};
    apus_pid pid;
    (void)self, (void)handled;
    int result = spawn_with(&idle, 10, &options);
    CHECK_EQ(apus_whereis("child", &pid), result ? -ESRCH : 0);
    return result;
}

static int name_partner(apus_process *self, apus_message *handled)
{
    (void)self, (void)handled;
    return apus_register("prober", partner);
}

static void thread_attempt(const struct operation *operation, uint32_t nth)
{
    uint64_t blocks = runtime_info().blocks_in_use;
    attempt_run(NULL, &(struct attempt){operation, nth}, NULL);
    CHECK(apus__simulation_run(STEPS_MAX));
    if (runtime_info().blocks_in_use != blocks)
        fprintf(stderr, "%s, failure %u: blocks\n", operation->name, nth);
    CHECK_EQ(runtime_info().blocks_in_use, blocks);
    CHECK_EQ(runtime_info().processes, 1);
}

TEST(plain_threads, "calls of a plain thread fail without memory and change nothing")
{
    static const struct operation operations[] = {
        {"spawn", NULL, spawn_plain, spawn_undo, false},
        {"spawn with large argument and state", NULL, spawn_large, spawn_undo, false},
        {"spawn with a name", NULL, spawn_labelled, spawn_undo, false},
        {"spawn blocking", NULL, spawn_blocking, spawn_undo, false},
        {"send", NULL, send_small, NULL, false},
        {"send 100,000 bytes", NULL, send_large, NULL, false},
        {"message_new", NULL, message_make, message_undo, false},
        {"message_new and send", NULL, message_make, message_send_undo, false},
        {"send_after", NULL, send_after, timer_undo, false},
        {"send_name_after", NULL, send_name_after, timer_undo, false},
        {"exit_signal", NULL, exit_signal, NULL, false},
        {"register", NULL, name_partner, name_undo, false},
    };
    begin();
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        uint32_t nth = 0;
        do
            thread_attempt(&operations[i], ++nth);
        while (was_hit && nth < TRIES_MAX);
        CHECK(!was_hit && nth > 1);
    }
    end();
}

// --- Supervisors -----------------------------------------------------------------------------------------------------------------

static apus_pid supervisor;

static apus_child_spec child_spec(const char *id)
{
    return (apus_child_spec){.struct_size = sizeof(apus_child_spec), .id = id, .behaviour = &idle_medium, .shutdown_ms = 1000};
}

static int supervisor_start(apus_process *self, apus_message *handled)
{
    apus_child_spec children[] = {child_spec("first"), child_spec("second")};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .name = "supervisor", .children = children, .child_count = 2};
    (void)handled;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    return apus_supervisor_start(self, &spec, &supervisor);
}

static void supervisor_undo(apus_process *self)
{
    (void)self;
    CHECK_EQ(apus_supervisor_stop(supervisor, APUS_INFINITY), 0);
}

static void supervisor_prepare(apus_process *self)
{
    CHECK_EQ(supervisor_start(self, NULL), 0);
}

// A child that was started although the answer was lost is there when it is asked for again.
static int start_child(apus_process *self, apus_message *handled)
{
    apus_child_spec spec = child_spec("third");
    apus_pid pid;
    (void)self, (void)handled;
    int result = apus_supervisor_start_child(supervisor, &spec, &pid);
    return result == -EALREADY ? 0 : result;
}

static int which_children(apus_process *self, apus_message *handled)
{
    apus_child_info children[4];
    (void)self, (void)handled;
    int64_t count = apus_supervisor_which_children(supervisor, children, 4);
    CHECK(count == 2 || count < 0);
    return count < 0 ? (int)count : 0;
}

static int count_children(apus_process *self, apus_message *handled)
{
    apus_child_counts counts = {0};
    (void)self, (void)handled;
    int result = apus_supervisor_count_children(supervisor, &counts);
    CHECK(result != 0 || counts.active == 2);
    return result;
}

static bool is_starting_slowly;
static char filling[4096]; // takes room in the supervisor's arena
static size_t filling_size;

static int slow_init(apus_process *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    is_starting_slowly = true;
    return apus_sleep(self, 100);
}

static const apus_behaviour slow = {.name = "slow", .init = slow_init, .handle = idle_handle};

// A supervisor that waits for a child that it starts again.
static void wait_for_slow_start(apus_process *self)
{
    apus_spawn_options named = {.struct_size = sizeof named, .name = "slow"};
    apus_child_spec children[] = {child_spec("first"), {.struct_size = sizeof *children, .id = "slow", .behaviour = &slow,
                                                            .argument = filling, .argument_size = filling_size,
                                                            .options = &named}};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .children = children, .child_count = 2};
    apus_pid pid;
    CHECK_EQ(apus_trap_exits(self, true), 0);
    CHECK_EQ(apus_supervisor_start(self, &spec, &supervisor), 0);
    CHECK_EQ(apus_whereis("slow", &pid), 0);
    is_starting_slowly = false;
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), 0);
    while (!is_starting_slowly)
        CHECK_EQ(apus_sleep(self, 1), 0);
}

TEST(supervisors, "a supervisor that cannot start for want of memory leaves nothing behind, and one that cannot answer says so")
{
    static const struct operation operations[] = {
        {"supervisor_start", NULL, supervisor_start, supervisor_undo, false},
        {"start_child", supervisor_prepare, start_child, supervisor_undo, false},
        {"which_children", supervisor_prepare, which_children, supervisor_undo, false},
        {"count_children", supervisor_prepare, count_children, supervisor_undo, false},
    };
    static const struct operation while_starting[] = {
        {"count_children while one starts", wait_for_slow_start, count_children, supervisor_undo, false},
    };
    TRY_ALL(operations);
    for (filling_size = 16; filling_size < sizeof filling; filling_size += 96) // once the arena is full when the request is put aside
        TRY_ALL(while_starting);
}

// A child that does not come up the second time, when there is no memory either.
static int starts;
static bool fills_mailbox;

static int start_in_need(apus_process *self, const void *argument, apus_pid *pid)
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_LINK};
    (void)argument;
    if (++starts != 2)
        return apus_spawn(&idle, NULL, 0, &options, pid);
    if (fills_mailbox)
        CHECK_EQ(apus_send(apus_pid_of(self), &type_note, NULL, 0), 0);
    else
        apus__inject_arm(APUS__INJECT_ANYWHERE, 1);
    return -EIO;
}

static void kill_needy(apus_process *self, void *argument)
{
    apus_child_spec needy = {.struct_size = sizeof needy, .id = "needy", .start = start_in_need};
    apus_supervisor_spec inner = {.struct_size = sizeof inner, .children = &needy, .child_count = 1,
                                  .intensity_is_set = true, .intensity = 10};
    apus_spawn_options small = {.struct_size = sizeof small, .name = "inner", .mailbox_messages = 1};
    apus_child_spec child = {.struct_size = sizeof child, .id = "inner", .supervisor = &inner, .options = &small};
    apus_supervisor_spec outer = {.struct_size = sizeof outer, .children = &child, .child_count = 1};
    apus_child_info info = {.restarts = 0};
    apus_pid inner_pid;
    (void)argument;
    CHECK_EQ(apus_supervisor_start(self, &outer, &supervisor), 0);
    CHECK_EQ(apus_whereis("inner", &inner_pid), 0);
    CHECK_EQ(apus_supervisor_which_children(inner_pid, &info, 1), 1);
    CHECK_EQ(apus_exit_signal(info.pid, apus_reason_of(APUS_REASON_KILL)), 0);
    apus_sleep(self, APUS_INFINITY);
}

static void check_needy_comes_back(bool by_bound)
{
    begin();
    starts = 0;
    fills_mailbox = by_bound;
    CHECK_EQ(apus_spawn_blocking(kill_needy, NULL, 0, NULL, NULL), 0);
    CHECK(apus__simulation_run(STEPS_MAX));
    apus__inject_arm(0, 0);
    CHECK_EQ(starts, 3);
    end();
}

TEST(restart, "a supervisor comes back to a child that has not started again, though it has no memory to be told of that, or its mailbox is full")
{
    check_needy_comes_back(false);
    check_needy_comes_back(true);
}

// --- Promises --------------------------------------------------------------------------------------------------------------------

static unsigned downs, exits;
static apus_reason_kind down_kind;
static int32_t down_code;

// Links with and monitors the process it is told of, and counts what it hears.
static int watcher_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    if (apus_message_type(message) == &type_note) {
        apus_pid pid;
        apus_ref watched;
        memcpy(&pid, apus_message_payload(message), sizeof pid);
        while (is_lack(apus_monitor(self, pid, &watched)) || is_lack(apus_link(self, pid))) {
        }
        return APUS_OK;
    }
    if (apus_message_type(message) == &apus_type_exit) {
        exits += ((apus_exit_message *)apus_message_payload(message))->from.id != 0;
    } else if (apus_message_type(message) == &apus_type_down) {
        const apus_down_message *down = apus_message_payload(message);
        downs++;
        down_kind = down->reason.kind;
        down_code = down->reason.code;
    }
    return APUS_OK;
}

static const apus_behaviour watcher = {.name = "watcher", .handle = watcher_handle};

static void watch(apus_pid pid, unsigned count)
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_TRAP_EXITS};
    apus_pid who;
    downs = exits = 0;
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(apus_spawn(&watcher, NULL, 0, &options, &who), 0);
        CHECK_EQ(apus_send(who, &type_note, &pid, sizeof pid), 0);
    }
}

// Runs the simulation to its rest while the n-th allocation fails. True if one did.
static bool run_with_failure(uint32_t nth)
{
    uint64_t hits = apus__inject_hits();
    apus__inject_arm(APUS__INJECT_ANYWHERE, nth);
    CHECK(apus__simulation_run(STEPS_MAX));
    apus__inject_arm(0, 0);
    return apus__inject_hits() != hits;
}

static bool end_is_heard(uint32_t nth)
{
    begin();
    CHECK_EQ(spawn_with(&idle_medium, 10, NULL), 0);
    watch(child, WATCHERS);
    CHECK(apus__simulation_run(STEPS_MAX));
    CHECK_EQ(apus_exit_signal(child, apus_reason_error(-EIO, "the disk is gone")), 0);
    bool hit = run_with_failure(nth);
    CHECK_EQ(downs, WATCHERS);
    CHECK_EQ(exits, WATCHERS);
    CHECK(down_kind == APUS_REASON_ERROR && down_code == -EIO);
    end();
    return hit;
}

TEST(ends, "who watches a process hears of its end even without memory")
{
    uint32_t nth = 1;
    while (end_is_heard(nth))
        CHECK(++nth < TRIES_MAX);
    CHECK(nth > WATCHERS);
}

static void exiting_body(apus_process *self, void *argument)
{
    (void)argument;
    CHECK_EQ(apus_exit(self, apus_reason_error(-EIO, "the disk is gone")), APUS_EXITED);
}

static int exiting_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state, (void)message;
    return apus_exit(self, apus_reason_error(-EIO, "the disk is gone"));
}

// A process that ends itself with a reason, for which there is no memory.
static bool reason_is_kept(bool is_blocking, uint32_t nth)
{
    static const apus_behaviour exiting = {.name = "exiting", .handle = exiting_handle};
    begin();
    if (is_blocking)
        CHECK_EQ(apus_spawn_blocking(exiting_body, NULL, 0, NULL, &child), 0);
    else
        CHECK_EQ(apus_spawn(&exiting, NULL, 0, NULL, &child), 0);
    watch(child, 1);
    if (!is_blocking) {
        CHECK(apus__simulation_run(STEPS_MAX));
        CHECK_EQ(apus_send(child, &type_note, "go", 2), 0);
    }
    bool hit = run_with_failure(nth);
    CHECK(downs >= 1); // more if it was the watcher that had to try again
    CHECK(down_kind == APUS_REASON_NOPROC || (down_kind == APUS_REASON_ERROR && down_code == -EIO) ||
          (hit && down_code == -ENOMEM));
    end();
    return hit;
}

TEST(reasons, "the reason a process ends itself with is heard even without memory")
{
    for (int is_blocking = 0; is_blocking < 2; is_blocking++) {
        uint32_t nth = 1;
        while (reason_is_kept(is_blocking, nth))
            CHECK(++nth < TRIES_MAX);
        CHECK(nth > 1);
    }
}

// The process is made by its scheduler, later than the spawn.
static bool birth_is_heard(uint32_t nth)
{
    apus_spawn_options options = {.struct_size = sizeof options, .label = "a label", .mailbox_messages = 3};
    begin();
    CHECK_EQ(spawn_with(&idle_large, 10, &options), 0);
    watch(child, 1);
    bool hit = run_with_failure(nth);
    CHECK(apus_is_alive(child) ? downs == 0 : downs == 1);
    if (downs)
        CHECK(hit && ((down_kind == APUS_REASON_ERROR && down_code == -ENOMEM) || down_kind == APUS_REASON_NOPROC));
    end();
    return hit;
}

TEST(births, "a process that cannot be made ends with an error")
{
    uint32_t nth = 1;
    while (birth_is_heard(nth))
        CHECK(++nth < TRIES_MAX);
    CHECK(nth > 1);
}

static bool stop_is_clean(uint32_t nth)
{
    begin();
    CHECK_EQ(spawn_with(&idle_medium, 10, NULL), 0);
    watch(child, WATCHERS);
    CHECK_EQ(apus_spawn_blocking(idle_body, NULL, 0, NULL, NULL), 0);
    CHECK_EQ(apus_send_after(1000, partner, NULL, "hello", 5, NULL), 0);
    apus__simulation_run(20);
    uint64_t hits = apus__inject_hits();
    apus__inject_arm(APUS__INJECT_ANYWHERE, nth);
    end();
    apus__inject_arm(0, 0);
    return apus__inject_hits() != hits;
}

TEST(stops, "a stop without memory is as clean as any")
{
    uint32_t nth = 1;
    while (stop_is_clean(nth))
        CHECK(++nth < TRIES_MAX);
    CHECK(nth > 1);
}

// --- The real runtime ------------------------------------------------------------------------------------------------------------

// Starts with the n-th failure at the places of `mask`. True if one was met.
static bool start_with_failure(unsigned mask, uint32_t nth)
{
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_NONE};
    uint64_t hits = apus__inject_hits();
    apus__inject_arm(mask, nth);
    int result = apus_start(&options);
    apus__inject_arm(0, 0);
    bool hit = apus__inject_hits() != hits;
    CHECK(result == 0 || (hit && is_lack(result)));
    CHECK(apus_is_running() == (result == 0));
    if (result)
        CHECK_EQ(apus_start(&options), 0);
    stop_runtime();
    return hit;
}

TEST(starts, "a start fails at each place where it can, and the next one succeeds")
{
    for (unsigned site = 0; site <= APUS__INJECT_SITES; site++) {
        unsigned mask = site < APUS__INJECT_SITES ? 1u << site : APUS__INJECT_ANYWHERE;
        uint32_t nth = 1;
        while (start_with_failure(mask, nth))
            CHECK(++nth < TRIES_MAX);
        CHECK(site == APUS__INJECT_LARGE || nth > 1);
    }
}

TEST(spares, "a spare that cannot be made is an error, and those there are stay")
{
    start_runtime(2);
    apus__inject_arm(1u << APUS__INJECT_THREAD, 3);
    CHECK_EQ(apus__carriers_spare(4), -EAGAIN);
    CHECK_EQ(apus__carriers_spare(4), 0);
    stop_runtime();
}

// What a thread that waits can do, on its own first visit to the runtime.
struct visit {
    int (*make)(void);
    uint32_t nth;
    bool was_hit;
};

static void *visit_main(void *argument)
{
    struct visit *visit = argument;
    uint64_t hits = apus__inject_hits();
    apus__inject_arm(APUS__INJECT_ANYWHERE, visit->nth);
    int result = visit->make();
    apus__inject_arm(0, 0);
    visit->was_hit = apus__inject_hits() != hits;
    CHECK(result == 0 || (visit->was_hit && is_lack(result)));
    if (result)
        CHECK_EQ(visit->make(), 0);
    return NULL;
}

static int visit_send(void)
{
    return apus_send(partner, &type_note, "hello", 5);
}

static int visit_call(void)
{
    apus_message *answer;
    int result = apus_call(partner, &type_note, "question", 8, APUS_INFINITY, &answer);
    CHECK((answer != NULL) == (result == 0));
    apus_message_release(answer);
    return result == -ENOBUFS ? -ENOMEM : result; // the reply could not be handed out
}

static int visit_call_as(void)
{
    apus_caller caller;
    apus_message *answer = NULL;
    int result = apus_caller_make(APUS_NOBODY, &caller);
    if (result)
        return result;
    result = apus_call_as(caller, partner, &type_note, "question", 8, APUS_INFINITY, &answer);
    CHECK((answer != NULL) == (result == 0));
    apus_message_release(answer);
    CHECK_EQ(apus_call_as(caller, partner, &type_note, "question", 8, APUS_INFINITY, &answer), -EINVAL);
    return result == -ENOBUFS ? -ENOMEM : result;
}

static int visit_inspect(void)
{
    apus_process_info_t info = {.struct_size = sizeof info};
    return apus_process_info(partner, APUS_INFINITY, &info);
}

static int visit_join(void)
{
    int result = apus_join(partner, 1, NULL);
    return result == -ETIMEDOUT ? 0 : result;
}

static int visit_start_child(void)
{
    int result = spawn_with(&idle_medium, 10, NULL);
    int killed = apus_exit_signal(child, apus_reason_of(APUS_REASON_KILL));
    CHECK(killed == 0 || killed == -ESRCH); // its scheduler may have had no memory to make it
    return result;
}

static void visit_until_all_is_well(int (*make)(void))
{
    struct visit visit = {make, 0, true};
    while (visit.was_hit) {
        pthread_t thread;
        CHECK(++visit.nth < TRIES_MAX);
        CHECK_EQ(pthread_create(&thread, NULL, visit_main, &visit), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK(visit.nth > 1);
}

TEST(visits, "a thread's first call fails without memory, and its second succeeds")
{
    start_runtime(2);
    CHECK_EQ(apus_spawn(&partner_behaviour, NULL, 0, NULL, &partner), 0);
    visit_until_all_is_well(visit_send);
    visit_until_all_is_well(visit_call);
    visit_until_all_is_well(visit_call_as);
    visit_until_all_is_well(visit_inspect);
    visit_until_all_is_well(visit_join);
    visit_until_all_is_well(visit_start_child);
    stop_runtime();
}

static int watched[2];

static int watch_pipe(apus_process *self, apus_message *handled)
{
    (void)handled;
    int result = apus_watch(self, watched[0], APUS_IO_READ);
    CHECK((self->relations != NULL) == (result == 0));
    return result;
}

static void watcher_body(apus_process *self, void *argument)
{
    static const struct operation operation = {"watch", NULL, watch_pipe, NULL, false};
    uint32_t nth = *(uint32_t *)argument;
    attempt_run(self, &(struct attempt){&operation, nth}, NULL);
}

// What descriptors are waited for with is made by the first watch of a run.
TEST(watches, "watching a descriptor fails without memory, and changes nothing")
{
    CHECK_EQ(pipe(watched), 0);
    uint32_t nth = 0;
    do {
        start_runtime(1);
        nth++;
        CHECK_EQ(apus_spawn_blocking(watcher_body, &nth, sizeof nth, NULL, &child), 0);
        int result;
        while (is_lack(result = apus_join(child, APUS_INFINITY, NULL))) {
            // It was us who met the failure.
        }
        CHECK_EQ(result, 0);
        stop_runtime();
    } while (was_hit && nth < TRIES_MAX);
    CHECK(!was_hit && nth > 1);
}

#endif

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
