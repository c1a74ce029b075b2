// Tests/C/scene.h - the small stage on which tests of behaviour play: scenes, and puppets that do what a scene tells them.
//
// A scene is a blocking process that plays one situation and checks what it sees in its own mailbox. `play` runs it many times, up
// to 16 scenes at once, on 1, 2 and 4 schedulers, so that the same signals travel within one scheduler and across two. Every second
// scene uses callback processes as its puppets, the others blocking ones, since the two take their signals in different places:
// between callbacks, or in the middle of a wait.
//
// A puppet runs the orders it is sent, in its own process. `tell` sends an order; `ask` sends one and waits until it is done, and
// since signals of one sender keep their order, everything the scene sent before has then reached the puppet as well.
//
// Waits are bounded by PATIENCE_MS, far longer than anything here takes; no test passes or fails by the clock otherwise.
#ifndef APUS_TESTS_SCENE_H
#define APUS_TESTS_SCENE_H

#include "runtime_test.h"

#include <stdatomic.h>

enum {
    PATIENCE_MS = 30000,
    SCENES_AT_ONCE = 16
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

typedef struct scene {
    unsigned schedulers;
    int turn;      // number of this scene, from 0
    bool blocking; // whether its puppets are blocking processes
} scene_t;

typedef void(scene_body)(apus_process *self, const scene_t *scene);

struct scene_argument {
    scene_t scene;
    scene_body *body;
};

static atomic_int scenes_played;

static inline void scene_run(apus_process *self, void *argument)
{
    const struct scene_argument *given = argument;
    given->body(self, &given->scene);
    atomic_fetch_add(&scenes_played, 1);
}

// Plays a scene `times` times on a runtime of its own. A scene that is ended from outside is not counted, and fails the test.
static inline void play_on(unsigned schedulers, scene_body *body, int times)
{
    apus_pid pids[SCENES_AT_ONCE];
    start_runtime(schedulers);
    atomic_store(&scenes_played, 0);
    for (int turn = 0; turn < times;) {
        int count = 0;
        for (; count < SCENES_AT_ONCE && turn < times; count++, turn++) {
            struct scene_argument argument = {{schedulers, turn, turn % 2 == 1}, body};
            CHECK_EQ(apus_spawn_blocking(scene_run, &argument, sizeof argument, NULL, &pids[count]), 0);
        }
        for (int i = 0; i < count; i++)
            CHECK_EQ(apus_join(pids[i], APUS_INFINITY, NULL), 0);
    }
    CHECK_EQ(atomic_load(&scenes_played), times);
    stop_runtime();
}

static inline void play(scene_body *body, int times)
{
    play_on(1, body, times);
    play_on(2, body, times);
    play_on(4, body, times);
}

// Numbers, to tell messages apart.

static const apus_type type_number = {.name = "number"};

static inline void send_number(apus_pid to, int64_t number)
{
    CHECK_EQ(apus_send(to, &type_number, &number, sizeof number), 0);
}

static inline int64_t number_of(const apus_message *message)
{
    int64_t number = 0;
    CHECK(apus_message_type(message) == &type_number);
    CHECK_EQ(apus_message_size(message), sizeof number);
    memcpy(&number, apus_message_payload(message), sizeof number);
    return number;
}

// Orders and puppets.

struct order {
    int (*run)(apus_process *self, const struct order *order); // answers as a callback does
    apus_pid pid;
    apus_reason reason; // its text, if any, is static
    int64_t number;
};

static const apus_type type_order = {.name = "order"};

static inline int puppet_obey(apus_process *self, apus_message *message)
{
    struct order order;
    if (apus_message_type(message) == &apus_type_exit) {
        const apus_exit_message *exit = apus_message_payload(message);
        return exit->reason.kind == APUS_REASON_SHUTDOWN ? APUS_DONE : APUS_OK;
    }
    if (apus_message_type(message) != &type_order)
        return APUS_OK;
    memcpy(&order, apus_message_payload(message), sizeof order);
    int result = order.run(self, &order);
    if (result == APUS_OK && apus_message_is_request(message)) {
        int error = apus_reply(message, NULL, NULL, 0);
        CHECK(error == 0 || error == -ESRCH); // the caller may have given up
    }
    return result;
}

static inline int puppet_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    return puppet_obey(self, message);
}

static const apus_behaviour puppet = {.name = "puppet", .handle = puppet_handle};

static inline void puppet_body(apus_process *self, void *argument)
{
    int result = APUS_OK;
    (void)argument;
    while (result == APUS_OK) {
        apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
        result = puppet_obey(self, message);
        apus_message_release(message);
    }
    if (result < 0)
        apus_exit(self, apus_reason_error(result, NULL));
}

static inline apus_pid spawn_puppet_with(bool blocking, const apus_spawn_options *options)
{
    apus_pid pid = APUS_NOBODY;
    if (blocking)
        CHECK_EQ(apus_spawn_blocking(puppet_body, NULL, 0, options, &pid), 0);
    else
        CHECK_EQ(apus_spawn(&puppet, NULL, 0, options, &pid), 0);
    return pid;
}

// Spawns a puppet of the scene's kind; `monitor` may be NULL.
static inline apus_pid spawn_puppet(const scene_t *scene, unsigned flags, apus_ref *monitor)
{
    apus_spawn_options options = {.struct_size = sizeof options, .flags = flags, .monitor = monitor};
    if (monitor)
        options.flags |= APUS_SPAWN_MONITOR;
    return spawn_puppet_with(scene->blocking, &options);
}

static inline void tell(apus_pid to, struct order order)
{
    CHECK_EQ(apus_send(to, &type_order, &order, sizeof order), 0);
}

static inline void ask(apus_pid to, struct order order)
{
    CHECK_EQ(apus_call(to, &type_order, &order, sizeof order, PATIENCE_MS, NULL), 0);
}

// What puppets can be told to do.

static inline int do_nothing(apus_process *self, const struct order *order)
{
    (void)self, (void)order;
    return APUS_OK;
}

static inline int do_exit(apus_process *self, const struct order *order)
{
    return apus_exit(self, order->reason);
}

static inline int do_return(apus_process *self, const struct order *order)
{
    (void)self;
    return (int)order->number;
}

static inline int do_link(apus_process *self, const struct order *order)
{
    CHECK_EQ(apus_link(self, order->pid), 0);
    return APUS_OK;
}

static inline int do_monitor(apus_process *self, const struct order *order)
{
    apus_ref ref;
    CHECK_EQ(apus_monitor(self, order->pid, &ref), 0);
    return APUS_OK;
}

static inline int do_signal(apus_process *self, const struct order *order)
{
    (void)self;
    CHECK_EQ(apus_exit_signal(order->pid, order->reason), 0);
    return APUS_OK;
}

static inline int do_send(apus_process *self, const struct order *order)
{
    (void)self;
    send_number(order->pid, order->number);
    return APUS_OK;
}

// Waits until everything the caller sent to this puppet before has been seen by it.
static inline void settle(apus_pid pid)
{
    ask(pid, (struct order){.run = do_nothing});
}

static inline void tell_exit(apus_pid pid, apus_reason_kind kind)
{
    tell(pid, (struct order){.run = do_exit, .reason = apus_reason_of(kind)});
}

static inline void dismiss(apus_pid pid)
{
    apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL));
}

// What a scene expects of its own mailbox.

struct sought {
    const apus_type *type;
    apus_ref ref;  // {0}: any
    apus_pid from; // {0}: any
};

static inline bool sought_matches(const apus_message *message, void *context)
{
    const struct sought *sought = context;
    return (!sought->type || apus_message_type(message) == sought->type) &&
           (!sought->ref.id || apus_ref_equal(apus_message_ref(message), sought->ref)) &&
           (!sought->from.id || apus_pid_equal(apus_message_from(message), sought->from));
}

// Takes the first message of a type, which must come.
static inline apus_message *expect(apus_process *self, const apus_type *type)
{
    struct sought sought = {type, APUS_NO_REF, APUS_NOBODY};
    apus_message *message = apus_receive(self, sought_matches, &sought, PATIENCE_MS);
    CHECK(message != NULL);
    return message;
}

// Takes the first message, whatever it is, and checks that it is this number.
static inline void expect_number(apus_process *self, int64_t number)
{
    apus_message *message = apus_receive(self, NULL, NULL, PATIENCE_MS);
    CHECK(message != NULL);
    CHECK_EQ(number_of(message), number);
    apus_message_release(message);
}

static inline apus_message *expect_exit_message(apus_process *self, apus_pid from, apus_reason_kind kind)
{
    struct sought sought = {&apus_type_exit, APUS_NO_REF, from};
    apus_message *message = apus_receive(self, sought_matches, &sought, PATIENCE_MS);
    CHECK(message != NULL);
    const apus_exit_message *exit = apus_message_payload(message);
    CHECK(apus_pid_equal(exit->from, from));
    CHECK_EQ(exit->reason.kind, kind);
    CHECK_EQ(apus_message_size(message), sizeof *exit);
    return message;
}

static inline void expect_exit(apus_process *self, apus_pid from, apus_reason_kind kind)
{
    apus_message_release(expect_exit_message(self, from, kind));
}

static inline apus_message *expect_down_message(apus_process *self, apus_ref ref, apus_pid pid, apus_reason_kind kind)
{
    struct sought sought = {&apus_type_down, ref, APUS_NOBODY};
    apus_message *message = apus_receive(self, sought_matches, &sought, PATIENCE_MS);
    CHECK(message != NULL);
    const apus_down_message *down = apus_message_payload(message);
    CHECK(apus_ref_equal(down->ref, ref));
    CHECK(apus_pid_equal(down->pid, pid) && apus_pid_equal(apus_message_from(message), pid));
    CHECK_EQ(down->reason.kind, kind);
    CHECK_EQ(apus_message_size(message), sizeof *down);
    return message;
}

static inline void expect_down(apus_process *self, apus_ref ref, apus_pid pid, apus_reason_kind kind)
{
    apus_message_release(expect_down_message(self, ref, pid, kind));
}

// Checks that the mailbox is empty and that nothing is on its way. What must not come may always come later, so this gives the
// others some turns; a defect shows in one of the many scenes, and a correct runtime never fails here.
static inline void expect_silence(apus_process *self)
{
    for (int i = 0; i < 2; i++) {
        apus_message *message = apus_receive(self, NULL, NULL, 1);
        if (message)
            fprintf(stderr, "unexpected message of type %s\n", apus_message_type(message)->name);
        CHECK(message == NULL);
    }
}

static inline apus_process_info_t info_of(apus_pid pid)
{
    apus_process_info_t info = {.struct_size = sizeof info};
    CHECK_EQ(apus_process_info(pid, PATIENCE_MS, &info), 0);
    return info;
}

// Ends `pid` and waits until the caller knows, so that everyone finds it gone.
static inline void end_and_wait(apus_process *self, apus_pid pid)
{
    apus_ref ref;
    CHECK_EQ(apus_monitor(self, pid, &ref), 0);
    dismiss(pid);
    struct sought sought = {&apus_type_down, ref, APUS_NOBODY};
    apus_message *message = apus_receive(self, sought_matches, &sought, PATIENCE_MS);
    CHECK(message != NULL);
    apus_message_release(message);
}

#endif
