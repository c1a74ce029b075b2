// R32 for calls that wait for each other: a circle of them is told of at once, and nothing else is.
//
// Stops are servers that are given a path of pids: each calls the next one and answers with what became of that. They come in three
// kinds, which have a request in three places while they wait: as what their callback was given, as a message that a blocking body
// holds, and as no more than the way to reply. Calls have no time limit: a circle that is not told of leaves the test hanging.
#include "../scene.h"

#include <stdio.h>

enum { STOPS_MAX = 18, KINDS = 3 };

static const apus_type type_path = {.name = "path"};
static const apus_type type_outcome = {.name = "outcome"};

struct path {
    uint64_t timeout_ms;
    int count;
    apus_pid stops[STOPS_MAX]; // still to be called
};

struct outcome {
    int result;
    char text[APUS_REASON_TEXT_MAX + 1];
};

// Calls the first stop of the path, if there is one.
static struct outcome path_follow(const struct path *path)
{
    struct outcome outcome = {0};
    struct path rest = {path->timeout_ms, path->count - 1, {APUS_NOBODY}};
    apus_message *reply;
    if (path->count == 0)
        return outcome;
    memcpy(rest.stops, path->stops + 1, sizeof rest.stops - sizeof *rest.stops);
    outcome.result = apus_call(path->stops[0], &type_path, &rest, sizeof rest, path->timeout_ms, &reply);
    if (outcome.result == 0)
        memcpy(&outcome, apus_message_payload(reply), sizeof outcome);
    else if (outcome.result == -ELOOP)
        snprintf(outcome.text, sizeof outcome.text, "%s", ((const apus_down_message *)apus_message_payload(reply))->reason.text);
    apus_message_release(reply);
    return outcome;
}

static int stop_handle(apus_process *self, void *state, apus_message *message)
{
    struct path path;
    (void)state;
    if (apus_message_type(message) != &type_path)
        return puppet_obey(self, message);
    memcpy(&path, apus_message_payload(message), sizeof path);
    struct outcome outcome = path_follow(&path);
    int error = apus_reply(message, &type_outcome, &outcome, sizeof outcome);
    CHECK(error == 0 || error == -ESRCH);
    return APUS_OK;
}

static void stop_body(apus_process *self, void *argument)
{
    bool keeps = *(const bool *)argument;
    for (;;) {
        struct path path;
        apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
        CHECK(apus_message_type(message) == &type_path);
        apus_pid from = apus_message_from(message);
        apus_ref ref = apus_message_ref(message);
        memcpy(&path, apus_message_payload(message), sizeof path);
        if (!keeps)
            apus_message_release(message);
        struct outcome outcome = path_follow(&path);
        int error = apus_reply_to(from, ref, &type_outcome, &outcome, sizeof outcome);
        CHECK(error == 0 || error == -ESRCH);
        if (keeps)
            apus_message_release(message);
    }
}

static apus_pid spawn_stop(int kind, const char *label)
{
    static const apus_behaviour stop = {.name = "stop", .handle = stop_handle};
    apus_spawn_options options = {.struct_size = sizeof options, .label = label};
    apus_pid pid;
    bool keeps = kind == 1;
    if (kind == 0)
        CHECK_EQ(apus_spawn(&stop, NULL, 0, &options, &pid), 0);
    else
        CHECK_EQ(apus_spawn_blocking(stop_body, &keeps, sizeof keeps, &options, &pid), 0);
    return pid;
}

// Has `count` stops call each other in a circle.
static struct outcome go_round(int kind, int count, uint64_t timeout_ms, apus_pid *stops)
{
    struct path path = {timeout_ms, count + 1, {APUS_NOBODY}};
    for (int i = 0; i < count; i++) {
        char label[16];
        snprintf(label, sizeof label, "s%d", i);
        stops[i] = path.stops[i] = spawn_stop((kind + i) % KINDS, label);
    }
    path.stops[count] = path.stops[0];
    return path_follow(&path);
}

static void dismiss_all(const apus_pid *stops, int count)
{
    for (int i = 0; i < count; i++) {
        CHECK(apus_is_alive(stops[i]));
        dismiss(stops[i]);
    }
}

static void circle(apus_process *self, const scene_t *scene)
{
    apus_pid stops[STOPS_MAX];
    char text[APUS_REASON_TEXT_MAX + 1];
    struct outcome outcome = go_round(scene->turn, 2, APUS_INFINITY, stops);
    CHECK_EQ(outcome.result, -ELOOP);
    snprintf(text, sizeof text, "s1 <%u.%u> calls s0 <%u.%u> calls s1 <%u.%u>", (unsigned)stops[1].id, (unsigned)(stops[1].id >> 32),
             (unsigned)stops[0].id, (unsigned)(stops[0].id >> 32), (unsigned)stops[1].id, (unsigned)(stops[1].id >> 32));
    CHECK_STR(outcome.text, text);
    dismiss_all(stops, 2);
    outcome = go_round(scene->turn, 3, PATIENCE_MS, stops);
    CHECK_EQ(outcome.result, -ELOOP);
    CHECK(strncmp(outcome.text, "s2 <", 4) == 0); // the one that called last
    dismiss_all(stops, 3);
    expect_silence(self);
}

TEST(R32_circle, "R32: of calls that wait for each other in a circle the last one fails at once, and names them all")
{
    play(circle, 60);
}

static void long_circle(apus_process *self, const scene_t *scene)
{
    apus_pid stops[STOPS_MAX];
    (void)self;
    CHECK_EQ(go_round(scene->turn, 16, APUS_INFINITY, stops).result, -ELOOP);
    dismiss_all(stops, 16);
    CHECK_EQ(go_round(scene->turn, 17, 50, stops).result, -ETIMEDOUT);
    dismiss_all(stops, 17);
}

TEST(R32_long_circle, "R32: a circle of up to 16 is found; a longer one is left to its time limits")
{
    play(long_circle, 20);
}

// Two that call each other at one moment: each is in the callback that calls when the other's request comes.
static atomic_int met[64];

static int do_meet(apus_process *self, const struct order *order)
{
    struct path path = {APUS_INFINITY, 1, {order->pid}};
    atomic_int *here = &met[order->number];
    atomic_fetch_add(here, 1);
    while (atomic_load(here) < 2)
        apus_yield(self);
    struct outcome outcome = path_follow(&path);
    CHECK(outcome.result == 0 || outcome.result == -ELOOP);
    atomic_fetch_add(here, outcome.result ? 10 : 100);
    return APUS_OK;
}

static void cross(apus_process *self, const scene_t *scene)
{
    int place = scene->turn % 64;
    apus_pid pair[2] = {spawn_stop(0, "left"), spawn_stop(0, "right")};
    (void)self;
    atomic_store(&met[place], 0);
    for (int i = 0; i < 2; i++)
        tell(pair[i], (struct order){.run = do_meet, .pid = pair[1 - i], .number = place});
    settle(pair[0]);
    settle(pair[1]);
    CHECK_EQ(atomic_load(&met[place]), 112);
    dismiss_all(pair, 2);
}

TEST(R32_crossing_calls, "R32: of two calls that cross one fails, the other is answered")
{
    play(cross, 64 * 3);
}

// The same under the simulator, where the two rounds that find the circle from both sides cross in every way.
static apus_pid simulated[2];

static int simulated_begin(void *context)
{
    (void)context;
    atomic_store(&met[0], 0);
    for (int i = 0; i < 2; i++)
        simulated[i] = spawn_stop(0, i ? "right" : "left");
    for (int i = 0; i < 2; i++)
        tell(simulated[i], (struct order){.run = do_meet, .pid = simulated[1 - i], .number = 0});
    return 0;
}

static const char *simulated_check(void *context, apus_simulation_moment moment)
{
    (void)context;
    return moment == APUS_SIMULATION_STEP || atomic_load(&met[0]) == 112 ? NULL : "not one of the two has failed";
}

TEST(R32_simulated, "R32: of two calls that cross one fails, in whatever order things happen")
{
    apus_simulation simulation = {
        .struct_size = sizeof simulation, .begin = simulated_begin, .check = simulated_check, .schedulers = 2};
    apus_simulation_result result = {.struct_size = sizeof result};
    CHECK_EQ(apus_simulate(&simulation, 1, (uint64_t)test_scaled(2000), &result), 0);
    CHECK_STR(result.failure, "");
}

// B sends to A while A waits for it: no circle. And B hands the way to reply to D, and later calls C, which calls A: A waits for D.
static const apus_type type_way = {.name = "way"};
struct way {
    apus_pid caller;
    apus_ref ref;
};

static int broker_handle(apus_process *self, void *state, apus_message *message)
{
    apus_pid clerk;
    (void)state;
    if (!apus_message_is_request(message) || apus_message_type(message) != &type_number)
        return stop_handle(self, NULL, message);
    memcpy(&clerk, apus_message_payload(message), sizeof clerk);
    struct way way = {apus_message_from(message), apus_message_ref(message)};
    send_number(way.caller, 1);
    CHECK_EQ(apus_send(clerk, &type_way, &way, sizeof way), 0);
    return APUS_OK;
}

static int clerk_handle(apus_process *self, void *state, apus_message *message)
{
    struct way *way = state;
    (void)self;
    if (apus_message_type(message) == &type_way)
        memcpy(way, apus_message_payload(message), sizeof *way);
    else if (apus_message_is_request(message))
        CHECK_EQ(apus_reply(message, &type_way, way, sizeof *way), 0);
    else
        CHECK_EQ(apus_reply_to(way->caller, way->ref, NULL, NULL, 0), 0);
    return APUS_OK;
}

static bool clerk_has_it(apus_pid clerk)
{
    apus_message *reply;
    CHECK_EQ(apus_call(clerk, &type_number, NULL, 0, PATIENCE_MS, &reply), 0);
    bool has_it = ((const struct way *)apus_message_payload(reply))->caller.id != 0;
    apus_message_release(reply);
    return has_it;
}

static int do_ask_broker(apus_process *self, const struct order *order)
{
    apus_pid clerk = {(uint64_t)order->number};
    (void)self;
    CHECK_EQ(apus_call(order->pid, &type_number, &clerk, sizeof clerk, APUS_INFINITY, NULL), 0);
    return APUS_OK;
}

static void handed_on(apus_process *self, const scene_t *scene)
{
    static const apus_behaviour broker = {.name = "broker", .handle = broker_handle};
    static const apus_behaviour clerk = {.name = "clerk", .state_size = sizeof(struct way), .handle = clerk_handle};
    apus_pid a = spawn_stop(0, "a"), b, c = spawn_stop(scene->turn % KINDS, "c"), d;
    apus_ref ref;
    CHECK_EQ(apus_spawn(&broker, NULL, 0, NULL, &b), 0);
    CHECK_EQ(apus_spawn(&clerk, NULL, 0, NULL, &d), 0);
    tell(a, (struct order){.run = do_ask_broker, .pid = b, .number = (int64_t)d.id});
    while (!clerk_has_it(d))
        apus_yield(self);
    struct path path = {APUS_INFINITY, 2, {c, a}};
    CHECK_EQ(apus_request(self, b, &type_path, &path, sizeof path, APUS_INFINITY, &ref), 0);
    apus_sleep(self, 5); // long enough for somebody to look; the outcome is the same without
    send_number(d, 1);
    apus_message *reply = expect(self, &type_outcome);
    CHECK_EQ(((const struct outcome *)apus_message_payload(reply))->result, 0);
    apus_message_release(reply);
    dismiss_all((apus_pid[]){a, b, c, d}, 4);
}

TEST(R32_no_circle, "R32: one that sends to its caller, or has put the request by and another answers it, is in no circle")
{
    play(handed_on, 48);
}

// Calls at random between a few stops, without a time limit: each circle is told of, since all calls end; and where a call fails a
// circle is really there, since those it is made of wait still.
enum { CROWD = 6, CROWD_CALLS = 400 };
static apus_pid crowd[CROWD];
static _Atomic(int) crowd_calls[CROWD]; // 1 + whom each one calls
static atomic_int crowd_circles, crowd_ends;

static int crowd_index(apus_pid pid)
{
    int index = 0;
    while (!apus_pid_equal(crowd[index], pid))
        index++;
    return index;
}

static int crowd_handle(apus_process *self, void *state, apus_message *message)
{
    uint64_t seed, *random = state;
    memcpy(&seed, apus_message_payload(message), sizeof seed);
    *random = (*random + seed) * UINT64_C(6364136223846793005) + 1442695040888963407;
    int mine = crowd_index(apus_pid_of(self)), other = (int)(*random >> 40) % CROWD;
    if (*random >> 33 & 1 && other != mine) {
        seed = *random >> 20;
        atomic_store(&crowd_calls[mine], other + 1);
        int result = apus_call(crowd[other], &type_number, &seed, sizeof seed, APUS_INFINITY, NULL);
        if (result == -ELOOP) {
            int next = mine;
            for (int i = 0; i < CROWD && (next != mine || i == 0); i++) {
                CHECK(atomic_load(&crowd_calls[next]) != 0);
                next = atomic_load(&crowd_calls[next]) - 1;
            }
            CHECK_EQ(next, mine);
            atomic_fetch_add(&crowd_circles, 1);
        } else {
            // A request whose call failed is handled all the same, and may be under way when everything is stopped.
            CHECK(result == 0 || atomic_load(&crowd_ends) == CROWD_CALLS);
        }
        atomic_store(&crowd_calls[mine], 0);
    }
    if (!apus_message_is_request(message))
        atomic_fetch_add(&crowd_ends, 1);
    else if (apus_reply(message, NULL, NULL, 0) != 0)
        CHECK_EQ(atomic_load(&crowd_ends), CROWD_CALLS);
    return APUS_OK;
}

TEST(R32_crowd, "R32: among calls at random every circle is told of, and no circle that is none")
{
    static const apus_behaviour member = {.name = "member", .state_size = sizeof(uint64_t), .handle = crowd_handle};
    for (unsigned schedulers = 1; schedulers <= 4; schedulers *= 2) {
        start_runtime(schedulers);
        atomic_store(&crowd_circles, 0);
        atomic_store(&crowd_ends, 0);
        for (int i = 0; i < CROWD; i++)
            CHECK_EQ(apus_spawn(&member, NULL, 0, NULL, &crowd[i]), 0);
        for (int i = 0; i < CROWD_CALLS; i++) {
            uint64_t seed = (uint64_t)i;
            CHECK_EQ(apus_send(crowd[i % CROWD], &type_number, &seed, sizeof seed), 0);
        }
        while (atomic_load(&crowd_ends) < CROWD_CALLS)
            usleep(1000);
        CHECK(atomic_load(&crowd_circles) > 0);
        stop_runtime();
    }
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
