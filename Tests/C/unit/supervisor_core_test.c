// Tests/C/unit/supervisor_core_test.c - the supervisor's decisions without threads, processes or a clock.
//
// Goal:    every rule R40-R55 as an exchange of events and actions; then 100,000 random events for each strategy, with invariants
//          checked by a world that keeps its own account of who is alive.
// Method:  a world plays the shell: it performs each action on make-believe processes and writes it down, so that a whole exchange
//          reads as one line:
//              +a  a is started      +a!  its start fails      +a?  it answers "ignore"
//              -a  a is told to shut down      xa  it is killed      a.  it has ended      @N  the clock was moved on to N, waiting
//              ~a:N  a timer of N ms was armed for a      =N  the request was answered N      END:reason
//          Children that `resist` a shutdown end only when killed. Time passes only while waiting, and by `clock`.
#include "../test.h"

#include <stdarg.h>

#include "otp/backoff.h"
#include "otp/decision.h"

enum { WORLD_CHILDREN = 24, WORLD_TRACE = 4096, WORLD_TIMERS = 64 };

struct actor {
    struct apus__child child; // first, so that a child is its actor
    char id[8];
    apus_pid pid;             // of the process that is alive, or {0}
    bool in_use;
    bool told, killed;
    bool resists;
    int fails, ignores;       // so many starts still go wrong
    int starts;               // so far
    uint64_t told_ms;
};

struct timer {
    uint64_t ticket, at_ms;
};

struct world {
    struct apus__decision decision;
    struct apus__store store;
    struct actor actors[WORLD_CHILDREN];
    struct timer timers[WORLD_TIMERS];
    size_t timer_count;
    uint64_t now_ms, last_pid;
    apus_pid parent;
    int status;         // of the last reply
    apus_pid answer;    // its pid
    apus_reason_kind end;
    bool ended;
    bool quiet;         // writes no trace
    uint64_t (*chance)(struct world *world, uint64_t below); // of a random run; NULL: none
    uint64_t seed;
    char trace[WORLD_TRACE];
    size_t trace_size;
};

// Everything a test allocates hangs on one chain, so that a leak checker sees that it is known, and a random run can free it.
struct block {
    struct block *next;
    uint64_t unused; // keeps the bytes behind 16-aligned
};

static struct block *blocks;

static void *world_source(void *context, size_t size)
{
    (void)context;
    struct block *block = calloc(1, sizeof *block + size);
    block->next = blocks;
    blocks = block;
    return block + 1;
}

static void world_free_all(void)
{
    while (blocks != NULL) {
        struct block *block = blocks;
        blocks = block->next;
        free(block);
    }
}

static void world_write(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void world_write(struct world *world, const char *format, ...)
{
    if (world->quiet)
        return;
    if (world->trace_size > 0)
        world->trace_size += (size_t)snprintf(world->trace + world->trace_size, WORLD_TRACE - world->trace_size, " ");
    va_list arguments;
    va_start(arguments, format);
    world->trace_size += (size_t)vsnprintf(world->trace + world->trace_size, WORLD_TRACE - world->trace_size, format, arguments);
    va_end(arguments);
}

static struct world *world_new(apus_supervisor_spec spec)
{
    struct world *world = world_source(NULL, sizeof *world);
    world->parent = (apus_pid){1};
    world->last_pid = 100;
    world->now_ms = 1000;
    apus__store_init(&world->store, world_source, NULL);
    memset(&world->decision, 0xa5, sizeof world->decision); // whatever was there before
    apus__decision_init(&world->decision, &spec, world->parent, 42, &world->store);
    CHECK_EQ(world->decision.phase, APUS__PHASE_IDLE);
    return world;
}

static struct world *world_of(apus_strategy strategy, uint32_t intensity)
{
    return world_new((apus_supervisor_spec){.strategy = strategy, .intensity_is_set = true, .intensity = intensity});
}

static struct actor *actor_new(struct world *world, const char *id, apus_restart restart)
{
    for (size_t i = 0; i < WORLD_CHILDREN; i++) {
        struct actor *actor = &world->actors[i];
        if (actor->in_use)
            continue;
        *actor = (struct actor){.in_use = true};
        snprintf(actor->id, sizeof actor->id, "%s", id);
        actor->child.id = actor->id;
        actor->child.restart = (uint8_t)restart;
        actor->child.shutdown_ms = 5000;
        return actor;
    }
    return NULL;
}

// A child of the spec, there before the supervisor begins.
static struct actor *actor_add(struct world *world, const char *id, apus_restart restart)
{
    struct actor *actor = actor_new(world, id, restart);
    actor->child.next = &actor->child; // whatever was there before
    apus__children_append(&world->decision.children, &actor->child);
    return actor;
}

static struct actor *actor_of(struct world *world, const char *id)
{
    for (size_t i = 0; i < WORLD_CHILDREN; i++)
        if (world->actors[i].in_use && strcmp(world->actors[i].id, id) == 0)
            return &world->actors[i];
    return NULL;
}

static struct apus__event world_start(struct world *world, struct actor *actor)
{
    CHECK_EQ(actor->pid.id, 0);
    CHECK(actor->in_use);
    actor->starts++;
    if (actor->fails > 0) {
        actor->fails--;
        world_write(world, "+%s!", actor->id);
        return (struct apus__event){.kind = APUS__EVENT_FAILED, .status = -EIO};
    }
    if (actor->ignores > 0) {
        actor->ignores--;
        world_write(world, "+%s?", actor->id);
        return (struct apus__event){.kind = APUS__EVENT_IGNORED};
    }
    world_write(world, "+%s", actor->id);
    actor->pid = (apus_pid){++world->last_pid};
    actor->told = actor->killed = false;
    return (struct apus__event){.kind = APUS__EVENT_STARTED, .pid = actor->pid};
}

static struct apus__event world_signal(struct world *world, struct actor *actor, bool kill)
{
    CHECK(actor->in_use && actor->pid.id != 0);
    CHECK(kill || !actor->told);
    CHECK(!actor->killed);
    world_write(world, "%c%s", kill ? 'x' : '-', actor->id);
    actor->told = true;
    actor->killed = kill;
    actor->told_ms = world->now_ms;
    return (struct apus__event){.kind = APUS__EVENT_DONE};
}

static struct apus__event world_await(struct world *world, uint64_t at_ms)
{
    for (size_t i = 0; i < WORLD_CHILDREN; i++) {
        struct actor *actor = &world->actors[i];
        if (actor->in_use && actor->pid.id != 0 && actor->told && (actor->killed || !actor->resists)) {
            apus_pid pid = actor->pid;
            actor->pid = APUS_NOBODY;
            world_write(world, "%s.", actor->id);
            return (struct apus__event){
                .kind = APUS__EVENT_DOWN,
                .pid = pid,
                .reason = apus_reason_of(actor->killed ? APUS_REASON_KILLED : APUS_REASON_SHUTDOWN),
            };
        }
    }
    CHECK(at_ms != APUS_INFINITY); // or it would wait for ever
    CHECK(at_ms >= world->now_ms);
    world->now_ms = at_ms;
    world_write(world, "@%" PRIu64, at_ms);
    return (struct apus__event){.kind = APUS__EVENT_DEADLINE};
}

static struct apus__event world_arm(struct world *world, const struct apus__action *action)
{
    CHECK(world->timer_count < WORLD_TIMERS);
    world_write(world, "~%s:%" PRIu64, action->child->id, action->delay_ms);
    world->timers[world->timer_count++] = (struct timer){action->ticket, world->now_ms + action->delay_ms};
    return (struct apus__event){.kind = APUS__EVENT_DONE};
}

static void world_end(struct world *world)
{
    static const char *const kinds[] = {"normal",       "shutdown", "kill",  "killed", "noproc",
                                        "noconnection", "timeout",  "error", "fault"};
    world->ended = true;
    world->end = world->decision.reason.kind;
    world_write(world, "END:%s", kinds[world->end]);
    for (size_t i = 0; i < WORLD_CHILDREN; i++)
        CHECK_EQ(world->actors[i].pid.id, 0);
}

static void world_random_deaths(struct world *world);

// The table at the head of decision.h.
static void world_check_phase(const struct world *world, enum apus__action_kind action)
{
    static const enum apus__phase phases[] = {
        [APUS__ACTION_WAIT] = APUS__PHASE_IDLE,           [APUS__ACTION_START] = APUS__PHASE_STARTING,
        [APUS__ACTION_SHUTDOWN] = APUS__PHASE_SIGNALLING, [APUS__ACTION_KILL] = APUS__PHASE_SIGNALLING,
        [APUS__ACTION_AWAIT] = APUS__PHASE_AWAITING,      [APUS__ACTION_ARM] = APUS__PHASE_ARMING,
        [APUS__ACTION_REPLY] = APUS__PHASE_REPLYING,      [APUS__ACTION_END] = APUS__PHASE_ENDED,
    };
    CHECK_EQ(world->decision.phase, phases[action]);
}

// Gives an event and performs what comes of it, until there is nothing more to do.
static void world_run(struct world *world, struct apus__event event)
{
    for (;;) {
        event.now_ms = world->now_ms;
        struct apus__action action = apus__decision_step(&world->decision, &event);
        world_check_phase(world, action.kind);
        if (world->chance == NULL || action.kind == APUS__ACTION_WAIT || action.kind == APUS__ACTION_AWAIT)
            CHECK(apus__decision_is_valid(&world->decision));
        struct actor *actor = (struct actor *)action.child;
        switch (action.kind) {
        case APUS__ACTION_START:
            if (world->chance)
                world_random_deaths(world);
            event = world_start(world, actor);
            break;
        case APUS__ACTION_SHUTDOWN:
        case APUS__ACTION_KILL:
            event = world_signal(world, actor, action.kind == APUS__ACTION_KILL);
            break;
        case APUS__ACTION_AWAIT:
            if (world->chance)
                world_random_deaths(world);
            event = world_await(world, action.at_ms);
            break;
        case APUS__ACTION_ARM:
            event = world_arm(world, &action);
            break;
        case APUS__ACTION_REPLY:
            world->status = action.status;
            world->answer = action.pid;
            world_write(world, "=%d", action.status);
            event = (struct apus__event){.kind = APUS__EVENT_DONE};
            break;
        case APUS__ACTION_END:
            world_end(world);
            return;
        case APUS__ACTION_WAIT:
            for (struct apus__child *child; (child = apus__children_take_dropped(&world->decision.children)) != NULL;) {
                CHECK_EQ(((struct actor *)child)->pid.id, 0);
                ((struct actor *)child)->in_use = false;
            }
            return;
        }
    }
}

static void begin(struct world *world)
{
    world_run(world, (struct apus__event){.kind = APUS__EVENT_INIT});
}

// The child's process ends of its own accord.
static void dies(struct world *world, const char *id, apus_reason_kind kind)
{
    struct actor *actor = actor_of(world, id);
    apus_pid pid = actor->pid;
    CHECK(pid.id != 0);
    actor->pid = APUS_NOBODY;
    world_run(world, (struct apus__event){.kind = APUS__EVENT_DOWN, .pid = pid, .reason = apus_reason_of(kind)});
}

static int request(struct world *world, enum apus__event_kind kind, const char *id)
{
    world_run(world, (struct apus__event){.kind = kind, .child = apus__children_find_id(&world->decision.children, id)});
    return world->status;
}

// Fires the timers that are due `later_ms` from now, in order.
static void clock_on(struct world *world, uint64_t later_ms)
{
    uint64_t until_ms = world->now_ms + later_ms;
    for (;;) {
        size_t best = world->timer_count;
        for (size_t i = 0; i < world->timer_count; i++)
            if (world->timers[i].at_ms <= until_ms &&
                (best == world->timer_count || world->timers[i].at_ms < world->timers[best].at_ms))
                best = i;
        if (best == world->timer_count || world->ended)
            break;
        struct timer timer = world->timers[best];
        world->timers[best] = world->timers[--world->timer_count];
        if (timer.at_ms > world->now_ms)
            world->now_ms = timer.at_ms;
        world_run(world, (struct apus__event){.kind = APUS__EVENT_TIMER, .ticket = timer.ticket});
    }
    if (world->now_ms < until_ms)
        world->now_ms = until_ms;
}

static void stop(struct world *world, apus_reason_kind kind)
{
    world_run(world, (struct apus__event){.kind = APUS__EVENT_EXIT, .pid = world->parent, .reason = apus_reason_of(kind)});
}

// Compares what was written since the last comparison.
#define CHECK_TRACE(world, want)        \
    do {                                \
        CHECK_STR((world)->trace, want); \
        (world)->trace_size = 0;        \
        (world)->trace[0] = '\0';       \
    } while (0)

static struct world *three(apus_strategy strategy, uint32_t intensity)
{
    struct world *world = world_of(strategy, intensity);
    actor_add(world, "a", APUS_PERMANENT);
    actor_add(world, "b", APUS_PERMANENT);
    actor_add(world, "c", APUS_PERMANENT);
    begin(world);
    CHECK_TRACE(world, "+a +b +c =0");
    return world;
}

// Rules ---------------------------------------------------------------------------------------------------------------------------

TEST(R40_order, "R40: children start in order and stop in reverse order")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 1);
    stop(world, APUS_REASON_SHUTDOWN);
    CHECK_TRACE(world, "-c c. -b b. -a a. END:shutdown");
}

TEST(R41_failed_start, "R41: a child that fails to start stops the siblings already started, in reverse")
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 1);
    actor_add(world, "a", APUS_PERMANENT);
    actor_add(world, "b", APUS_PERMANENT);
    actor_add(world, "c", APUS_PERMANENT)->fails = 1;
    actor_add(world, "d", APUS_PERMANENT);
    begin(world);
    CHECK_TRACE(world, "+a +b +c! -b b. -a a. END:error");
    CHECK_EQ(world->decision.reason.code, -EIO);
}

TEST(R42_one_for_one, "R42: one_for_one touches only the failed child")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 9);
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+b");
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+a");
}

TEST(R42_one_for_all, "R42: one_for_all stops all others in reverse, then starts all in order")
{
    struct world *world = three(APUS_ONE_FOR_ALL, 9);
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-c c. -a a. +a +b +c");
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-c c. -b b. +a +b +c");
    dies(world, "c", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-b b. -a a. +a +b +c");
}

TEST(R42_rest_for_one, "R42: rest_for_one stops the later ones in reverse, then starts the failed one and the later ones in order")
{
    struct world *world = three(APUS_REST_FOR_ONE, 9);
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-c c. +b +c");
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-c c. -b b. +a +b +c");
    dies(world, "c", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+c");
}

TEST(R42_stopped_siblings, "R42: one_for_all also starts siblings that had been stopped, as OTP does")
{
    struct world *world = three(APUS_ONE_FOR_ALL, 9);
    CHECK_EQ(request(world, APUS__EVENT_TERMINATE, "a"), 0);
    CHECK_TRACE(world, "-a a. =0");
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-c c. +a +b +c");
}

TEST(R42_two_deaths, "R42: a sibling that dies while the range is being stopped is not signalled, and comes back with the range")
{
    struct world *world = three(APUS_ONE_FOR_ALL, 9);
    struct actor *a = actor_of(world, "a"), *c = actor_of(world, "c");
    c->resists = true;
    // Drive by hand: b dies; while c is awaited, a dies too.
    struct apus__event event = {.kind = APUS__EVENT_DOWN, .pid = actor_of(world, "b")->pid, .now_ms = world->now_ms,
                                .reason = apus_reason_of(APUS_REASON_ERROR)};
    actor_of(world, "b")->pid = APUS_NOBODY;
    struct apus__action action = apus__decision_step(&world->decision, &event);
    CHECK_EQ(action.kind, APUS__ACTION_SHUTDOWN);
    CHECK(action.child == &c->child);
    event.kind = APUS__EVENT_DONE;
    CHECK_EQ(apus__decision_step(&world->decision, &event).kind, APUS__ACTION_AWAIT);
    event = (struct apus__event){.kind = APUS__EVENT_DOWN, .pid = a->pid, .reason = apus_reason_of(APUS_REASON_ERROR),
                                 .now_ms = world->now_ms};
    a->pid = APUS_NOBODY;
    CHECK_EQ(apus__decision_step(&world->decision, &event).kind, APUS__ACTION_AWAIT);
    event.pid = c->pid;
    c->pid = APUS_NOBODY;
    world_run(world, event);
    CHECK_TRACE(world, "+a +b +c");
    CHECK_EQ(world->decision.intensity.sum, 1);
}

TEST(R43_intensity, "R43: more than `intensity` restarts within the period stop all children and end the supervisor")
{
    struct world *world = world_new((apus_supervisor_spec){.intensity_is_set = true, .intensity = 2, .period_ms = 1000});
    actor_add(world, "a", APUS_PERMANENT);
    actor_add(world, "b", APUS_PERMANENT);
    begin(world);
    dies(world, "a", APUS_REASON_ERROR);
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+a +b =0 +a +b");
    clock_on(world, 1001); // both have left the period
    dies(world, "a", APUS_REASON_ERROR);
    clock_on(world, 500);
    dies(world, "a", APUS_REASON_ERROR);
    clock_on(world, 500); // 1000 after the first: still within
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+a +a -b b. END:shutdown");
}

TEST(R43_defaults, "R43: the defaults are 1 in 5 seconds")
{
    struct world *world = world_new((apus_supervisor_spec){.strategy = APUS_ONE_FOR_ONE});
    actor_add(world, "a", APUS_PERMANENT);
    begin(world);
    dies(world, "a", APUS_REASON_ERROR);
    clock_on(world, 5001);
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+a =0 +a +a");
    clock_on(world, 5000);
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "END:shutdown");
}

TEST(R43_zero, "R43: intensity 0 means the first failure")
{
    struct world *world = three(APUS_ONE_FOR_ALL, 0);
    dies(world, "a", APUS_REASON_NORMAL);
    CHECK_TRACE(world, "-c c. -b b. END:shutdown");
}

TEST(R43_window, "R43: the window agrees with a plain list of all restarts, over 200,000 random restarts")
{
    static uint64_t times[400000];
    struct apus__store store;
    apus__store_init(&store, world_source, NULL);
    for (unsigned round = 0; round < 40; round++) {
        uint32_t limit = round * round;
        uint64_t period_ms = 1 + (round * 37) % 211, now_ms = 0, first = 0, count = 0;
        struct apus__intensity window;
        apus__intensity_init(&window, limit, period_ms, &store);
        srand(round);
        for (unsigned i = 0; i < 5000; i++) {
            now_ms += (uint64_t)(rand() % 8 == 0 ? rand() % 50 : rand() % 2);
            times[count++] = now_ms;
            while (now_ms - times[first] > period_ms)
                first++;
            bool allowed = apus__intensity_add(&window, now_ms);
            CHECK_EQ(allowed, count - first <= limit);
            CHECK(window.used <= period_ms + 1);
            if (!allowed) { // a supervisor would be gone; begin again
                apus__intensity_init(&window, limit, period_ms, &store);
                first = count;
            }
        }
    }
}

TEST(R43_huge, "R43: an intensity of a thousand million costs no memory to speak of")
{
    struct apus__store store;
    apus__store_init(&store, world_source, NULL);
    struct apus__intensity window;
    apus__intensity_init(&window, 1000000000, 1000, &store);
    for (uint64_t i = 0; i < 3000000; i++)
        CHECK(apus__intensity_add(&window, i / 100));
    CHECK(window.capacity <= 2048);
    CHECK_EQ(window.sum, 100 * 1001);
}

static void ends_and(apus_restart restart, apus_reason_kind kind, const char *trace, bool spec_stays)
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 9);
    actor_add(world, "a", restart);
    begin(world);
    dies(world, "a", kind);
    CHECK_TRACE(world, trace);
    CHECK_EQ(apus__children_find_id(&world->decision.children, "a") != NULL, spec_stays);
}

TEST(R44_restart_types, "R44: permanent always; transient not after normal or shutdown; temporary never, and its spec goes")
{
    ends_and(APUS_PERMANENT, APUS_REASON_NORMAL, "+a =0 +a", true);
    ends_and(APUS_PERMANENT, APUS_REASON_SHUTDOWN, "+a =0 +a", true);
    ends_and(APUS_PERMANENT, APUS_REASON_FAULT, "+a =0 +a", true);
    ends_and(APUS_TRANSIENT, APUS_REASON_NORMAL, "+a =0", true);
    ends_and(APUS_TRANSIENT, APUS_REASON_SHUTDOWN, "+a =0", true);
    ends_and(APUS_TRANSIENT, APUS_REASON_KILLED, "+a =0 +a", true);
    ends_and(APUS_TRANSIENT, APUS_REASON_ERROR, "+a =0 +a", true);
    ends_and(APUS_TEMPORARY, APUS_REASON_NORMAL, "+a =0", false);
    ends_and(APUS_TEMPORARY, APUS_REASON_ERROR, "+a =0", false);
}

static void temporary_sibling(apus_strategy strategy, const char *trace)
{
    struct world *world = world_of(strategy, 9);
    actor_add(world, "a", APUS_PERMANENT);
    actor_add(world, "t", APUS_TEMPORARY);
    actor_add(world, "b", APUS_PERMANENT);
    actor_add(world, "u", APUS_TEMPORARY);
    begin(world);
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, trace);
    CHECK_EQ(world->decision.children.count, 2);
    CHECK(apus__children_find_id(&world->decision.children, "t") == NULL);
}

TEST(R45_temporary_siblings, "R45: a temporary sibling stopped by one_for_all or rest_for_one does not come back")
{
    temporary_sibling(APUS_ONE_FOR_ALL, "+a +t +b +u =0 -u u. -b b. -t t. +a +b");
    temporary_sibling(APUS_REST_FOR_ONE, "+a +t +b +u =0 -u u. -b b. -t t. +a +b");
}

TEST(R45_all_others_temporary, "R45: the first and the last of the range may be temporary")
{
    struct world *world = world_of(APUS_ONE_FOR_ALL, 9);
    actor_add(world, "s", APUS_TEMPORARY);
    actor_add(world, "a", APUS_PERMANENT);
    actor_add(world, "u", APUS_TEMPORARY);
    begin(world);
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+s +a +u =0 -u u. -s s. +a");
}

TEST(R46_brutal_kill, "R46: brutal kill kills at once")
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 1);
    actor_add(world, "a", APUS_PERMANENT);
    actor_add(world, "b", APUS_PERMANENT)->child.shutdown_ms = APUS_SHUTDOWN_BRUTAL_KILL;
    begin(world);
    stop(world, APUS_REASON_SHUTDOWN);
    CHECK_TRACE(world, "+a +b =0 xb b. -a a. END:shutdown");
}

TEST(R46_timeout, "R46: a timeout means shutdown first, kill after the time")
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 1);
    actor_add(world, "a", APUS_PERMANENT);
    struct actor *b = actor_add(world, "b", APUS_PERMANENT);
    b->resists = true;
    b->child.shutdown_ms = 300;
    begin(world);
    stop(world, APUS_REASON_SHUTDOWN);
    CHECK_TRACE(world, "+a +b =0 -b @1300 xb b. -a a. END:shutdown");
}

TEST(R46_own_times, "R46: each child has its own time from when it is told")
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 1);
    actor_add(world, "a", APUS_PERMANENT)->resists = true;
    actor_add(world, "b", APUS_PERMANENT)->child.shutdown_ms = 400; // it is gone before
    begin(world);
    stop(world, APUS_REASON_SHUTDOWN);
    CHECK_TRACE(world, "+a +b =0 -b b. -a @6000 xa a. END:shutdown");
}

static struct apus__action step(struct world *world, enum apus__event_kind kind, uint64_t later_ms)
{
    world->now_ms += later_ms;
    struct apus__event event = {.kind = kind, .pid = world->parent, .now_ms = world->now_ms,
                                .reason = apus_reason_of(APUS_REASON_SHUTDOWN)};
    return apus__decision_step(&world->decision, &event);
}

TEST(R46_killed_once, "R46: one that takes its time to end by a kill is not killed again when another's time is up")
{
    struct world *world = world_of(APUS_DYNAMIC, 1);
    actor_add(world, "a", APUS_PERMANENT)->child.shutdown_ms = 100;
    actor_add(world, "b", APUS_PERMANENT)->child.shutdown_ms = 200;
    begin(world);
    CHECK_EQ(step(world, APUS__EVENT_EXIT, 0).kind, APUS__ACTION_SHUTDOWN);
    CHECK_EQ(step(world, APUS__EVENT_DONE, 0).kind, APUS__ACTION_SHUTDOWN);
    CHECK_EQ(step(world, APUS__EVENT_DONE, 0).at_ms, world->now_ms + 100);
    struct apus__action action = step(world, APUS__EVENT_DEADLINE, 100);
    CHECK(action.kind == APUS__ACTION_KILL && action.child == &actor_of(world, "a")->child);
    CHECK_EQ(step(world, APUS__EVENT_DONE, 0).at_ms, world->now_ms + 100);
    action = step(world, APUS__EVENT_DEADLINE, 100);
    CHECK(action.kind == APUS__ACTION_KILL && action.child == &actor_of(world, "b")->child);
    action = step(world, APUS__EVENT_DONE, 0);
    CHECK(action.kind == APUS__ACTION_AWAIT && action.at_ms == APUS_INFINITY);
}

TEST(R46_infinity, "R46: infinity has no deadline")
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 1);
    struct actor *a = actor_add(world, "a", APUS_PERMANENT);
    a->child.shutdown_ms = APUS_INFINITY;
    begin(world);
    struct apus__event event = {.kind = APUS__EVENT_TERMINATE, .child = &a->child, .now_ms = 5};
    CHECK_EQ(apus__decision_step(&world->decision, &event).kind, APUS__ACTION_SHUTDOWN);
    event.kind = APUS__EVENT_DONE;
    struct apus__action action = apus__decision_step(&world->decision, &event);
    CHECK_EQ(action.kind, APUS__ACTION_AWAIT);
    CHECK(action.at_ms == APUS_INFINITY);
}

TEST(R47_retry, "R47: a restart that fails is tried again, and each try counts")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 3);
    actor_of(world, "b")->fails = 99;
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+b! ~b:0");
    clock_on(world, 0);
    CHECK_TRACE(world, "+b! ~b:0 +b! -c c. -a a. END:shutdown"); // three tries, as OTP
}

TEST(R47_retry_succeeds, "R47: requests get in between two tries")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 3);
    CHECK_EQ(actor_of(world, "b")->child.restarts, 0);
    actor_of(world, "b")->fails = 1;
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_EQ(request(world, APUS__EVENT_RESTART, "b"), -EINPROGRESS);
    CHECK_EQ(request(world, APUS__EVENT_DELETE, "b"), -EBUSY);
    CHECK_TRACE(world, "+b! ~b:0 =-115 =-16");
    clock_on(world, 0);
    CHECK_TRACE(world, "+b");
    CHECK_EQ(actor_of(world, "b")->child.restarts, 1);
}

TEST(R47_retry_terminated, "R47: a child terminated while it waits for its next try is not tried again")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 3);
    actor_of(world, "b")->fails = 1;
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_EQ(request(world, APUS__EVENT_TERMINATE, "b"), 0);
    clock_on(world, 10);
    CHECK_TRACE(world, "+b! ~b:0 =0");
    CHECK_EQ(request(world, APUS__EVENT_DELETE, "b"), 0);
}

TEST(R47_one_for_all, "R47: where a sibling fails in the restart of all, those started are stopped before the next try")
{
    struct world *world = three(APUS_ONE_FOR_ALL, 3);
    actor_of(world, "c")->fails = 1;
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-c c. -b b. +a +b +c! ~c:0");
    clock_on(world, 0);
    CHECK_TRACE(world, "-b b. -a a. +a +b +c");
    CHECK_EQ(world->decision.intensity.sum, 2);
}

TEST(R47_rest_for_one, "R47: where a later sibling fails in a restart of the rest, the next try begins with it")
{
    struct world *world = three(APUS_REST_FOR_ONE, 3);
    actor_of(world, "b")->fails = 1;
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-c c. -b b. +a +b! ~b:0");
    clock_on(world, 0);
    CHECK_TRACE(world, "+b +c");
}

TEST(R47_earlier_sibling, "R47: where an earlier sibling fails in the restart of all, the next try is its own")
{
    struct world *world = three(APUS_ONE_FOR_ALL, 3);
    actor_of(world, "a")->fails = 1;
    dies(world, "c", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-b b. -a a. +a! ~a:0");
    CHECK_EQ(actor_of(world, "c")->child.state, APUS__CHILD_STOPPED);
    clock_on(world, 0);
    CHECK_TRACE(world, "+a +b +c");
}

TEST(R47_superseded, "R47: a failure of another child meanwhile supersedes the try of one_for_all")
{
    struct world *world = three(APUS_ONE_FOR_ALL, 9);
    actor_of(world, "b")->fails = 1;
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-c c. -b b. +a +b! ~b:0");
    dies(world, "a", APUS_REASON_ERROR);
    clock_on(world, 10);
    CHECK_TRACE(world, "+a +b +c");
}

TEST(R48_terminate, "R48: terminate_child keeps the spec and doesn't count as a restart")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 0);
    CHECK_EQ(request(world, APUS__EVENT_TERMINATE, "b"), 0);
    CHECK_EQ(request(world, APUS__EVENT_TERMINATE, "b"), 0);
    CHECK_TRACE(world, "-b b. =0 =0");
    CHECK_EQ(world->decision.intensity.sum, 0);
    CHECK_EQ(request(world, APUS__EVENT_RESTART, "b"), 0);
    CHECK_EQ(world->answer.id, actor_of(world, "b")->pid.id);
    CHECK_EQ(request(world, APUS__EVENT_RESTART, "b"), -EALREADY);
    CHECK_EQ(world->answer.id, actor_of(world, "b")->pid.id);
    CHECK_EQ(request(world, APUS__EVENT_DELETE, "b"), -EBUSY);
    CHECK_EQ(request(world, APUS__EVENT_TERMINATE, "b"), 0);
    CHECK_EQ(request(world, APUS__EVENT_DELETE, "b"), 0);
    CHECK_EQ(request(world, APUS__EVENT_DELETE, "b"), -ENOENT);
    CHECK_EQ(request(world, APUS__EVENT_RESTART, "b"), -ENOENT);
    CHECK_EQ(request(world, APUS__EVENT_TERMINATE, "b"), -ENOENT);
}

TEST(R48_terminate_temporary, "R48: terminate_child drops a temporary child's spec")
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 1);
    actor_add(world, "t", APUS_TEMPORARY);
    begin(world);
    CHECK_EQ(request(world, APUS__EVENT_TERMINATE, "t"), 0);
    CHECK_EQ(request(world, APUS__EVENT_RESTART, "t"), -ENOENT);
}

TEST(R48_restart_fails, "R48: restart_child that fails answers the error, and the child stays stopped")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 0);
    request(world, APUS__EVENT_TERMINATE, "b");
    actor_of(world, "b")->fails = 1;
    CHECK_EQ(request(world, APUS__EVENT_RESTART, "b"), -EIO);
    CHECK_EQ(request(world, APUS__EVENT_RESTART, "b"), 0);
    CHECK_TRACE(world, "-b b. =0 +b! =-5 +b =0");
}

static int add(struct world *world, struct actor *actor)
{
    world_run(world, (struct apus__event){.kind = APUS__EVENT_ADD, .child = &actor->child});
    return world->status;
}

TEST(R49_duplicates, "R49: a duplicate id answers with the pid if it runs, and otherwise that it is there")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 1);
    CHECK_EQ(add(world, actor_new(world, "b", APUS_PERMANENT)), -EALREADY);
    CHECK_EQ(world->answer.id, actor_of(world, "b")->pid.id);
    request(world, APUS__EVENT_TERMINATE, "b");
    CHECK_EQ(add(world, actor_new(world, "b", APUS_PERMANENT)), -EEXIST);
    CHECK_EQ(world->answer.id, 0);
    CHECK_EQ(add(world, actor_new(world, "d", APUS_PERMANENT)), 0);
    stop(world, APUS_REASON_SHUTDOWN);
    CHECK_TRACE(world, "=-114 -b b. =0 =-17 +d =0 -d d. -c c. -a a. END:shutdown");
}

TEST(R49_failed_add, "R49: a child added that fails to start is forgotten")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 1);
    struct actor *d = actor_new(world, "d", APUS_PERMANENT);
    d->fails = 1;
    CHECK_EQ(add(world, d), -EIO);
    CHECK_EQ(world->decision.children.count, 3);
    CHECK_EQ(add(world, actor_new(world, "d", APUS_PERMANENT)), 0);
}

TEST(R50_ignore, "R50: ignore at start keeps the spec with no pid; of a temporary child it is dropped")
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 1);
    actor_add(world, "a", APUS_PERMANENT)->ignores = 1;
    actor_add(world, "t", APUS_TEMPORARY)->ignores = 1;
    begin(world);
    CHECK_TRACE(world, "+a? +t? =0");
    CHECK_EQ(world->decision.children.count, 1);
    apus_child_counts counts;
    apus__decision_count(&world->decision, &counts);
    CHECK_EQ(counts.specs, 1);
    CHECK_EQ(counts.active, 0);
    CHECK_EQ(request(world, APUS__EVENT_RESTART, "a"), 0);
    CHECK_EQ(world->answer.id, actor_of(world, "a")->pid.id);

    struct actor *b = actor_new(world, "b", APUS_PERMANENT);
    b->ignores = 1;
    CHECK_EQ(add(world, b), 0);
    CHECK_EQ(world->answer.id, 0);
    CHECK_EQ(world->decision.children.count, 2);
}

TEST(R50_ignore_at_restart, "R50: ignore at a restart leaves the child stopped")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 1);
    actor_of(world, "b")->ignores = 1;
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+b?");
    CHECK_EQ(actor_of(world, "b")->child.state, APUS__CHILD_STOPPED);
}

static struct world *significant(apus_strategy strategy, apus_auto_shutdown mode, apus_restart a, apus_restart b)
{
    struct world *world = world_new((apus_supervisor_spec){.strategy = strategy, .auto_shutdown = mode, .intensity_is_set = true,
                                                           .intensity = 5});
    actor_add(world, "p", APUS_PERMANENT);
    actor_add(world, "a", a);
    actor_of(world, "a")->child.significant = true;
    actor_add(world, "b", b);
    actor_of(world, "b")->child.significant = true;
    begin(world);
    CHECK_TRACE(world, "+p +a +b =0");
    return world;
}

TEST(R51_any, "R51: any_significant: a significant transient's normal end, or any of a temporary one, ends it")
{
    struct world *world = significant(APUS_ONE_FOR_ONE, APUS_AUTO_SHUTDOWN_ANY_SIGNIFICANT, APUS_TRANSIENT, APUS_TEMPORARY);
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+a");
    dies(world, "a", APUS_REASON_NORMAL);
    CHECK_TRACE(world, "-b b. -p p. END:shutdown");

    world = significant(APUS_ONE_FOR_ONE, APUS_AUTO_SHUTDOWN_ANY_SIGNIFICANT, APUS_TRANSIENT, APUS_TEMPORARY);
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-a a. -p p. END:shutdown");
}

TEST(R51_all, "R51: with all_significant, the last of them ends the supervisor")
{
    struct world *world = significant(APUS_ONE_FOR_ONE, APUS_AUTO_SHUTDOWN_ALL_SIGNIFICANT, APUS_TRANSIENT, APUS_TEMPORARY);
    dies(world, "a", APUS_REASON_NORMAL);
    CHECK_TRACE(world, "");
    dies(world, "b", APUS_REASON_NORMAL);
    CHECK_TRACE(world, "-p p. END:shutdown");
}

TEST(R51_terminated, "R51: a child ended by terminate_child, or by a sibling's failure, doesn't trigger it")
{
    struct world *world = significant(APUS_ONE_FOR_ALL, APUS_AUTO_SHUTDOWN_ANY_SIGNIFICANT, APUS_TRANSIENT, APUS_TEMPORARY);
    CHECK_EQ(request(world, APUS__EVENT_TERMINATE, "a"), 0);
    CHECK_TRACE(world, "-a a. =0");
    dies(world, "p", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-b b. +p +a");

    world = significant(APUS_ONE_FOR_ONE, APUS_AUTO_SHUTDOWN_ALL_SIGNIFICANT, APUS_TRANSIENT, APUS_TRANSIENT);
    request(world, APUS__EVENT_TERMINATE, "a");
    request(world, APUS__EVENT_TERMINATE, "b");
    CHECK_TRACE(world, "-a a. =0 -b b. =0");
}

TEST(R51_restarting_counts, "R51: a significant child that waits for its restart is not at its end")
{
    struct world *world = significant(APUS_ONE_FOR_ONE, APUS_AUTO_SHUTDOWN_ALL_SIGNIFICANT, APUS_TRANSIENT, APUS_TRANSIENT);
    actor_of(world, "a")->fails = 1;
    dies(world, "a", APUS_REASON_ERROR);
    dies(world, "b", APUS_REASON_NORMAL);
    clock_on(world, 0);
    CHECK_TRACE(world, "+a! ~a:0 +a");
}

TEST(R52_dynamic, "R52: dynamic children restart alone, are dropped when they end for good, and are stopped concurrently")
{
    struct world *world = world_of(APUS_DYNAMIC, 9);
    begin(world);
    CHECK_TRACE(world, "=0");
    for (const char *id = "abcd"; *id; id++) {
        char name[2] = {*id, '\0'};
        CHECK_EQ(add(world, actor_new(world, name, *id == 'b' ? APUS_TRANSIENT : APUS_PERMANENT)), 0);
    }
    CHECK_TRACE(world, "+a =0 +b =0 +c =0 +d =0");
    dies(world, "c", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+c");
    dies(world, "b", APUS_REASON_NORMAL);
    CHECK_EQ(world->decision.children.count, 3);
    actor_of(world, "a")->resists = true;
    actor_of(world, "a")->child.shutdown_ms = 100;
    actor_of(world, "c")->resists = true;
    actor_of(world, "c")->child.shutdown_ms = 200;
    stop(world, APUS_REASON_SHUTDOWN);
    CHECK_TRACE(world, "-d -c -a d. @1100 xa a. @1200 xc c. END:shutdown");
}

TEST(R52_terminate, "R52: a dynamic child is terminated alone and dropped; the others don't notice")
{
    struct world *world = world_of(APUS_DYNAMIC, 9);
    begin(world);
    add(world, actor_new(world, "a", APUS_PERMANENT));
    add(world, actor_new(world, "b", APUS_PERMANENT));
    struct apus__child *b = apus__children_find_pid(&world->decision.children, actor_of(world, "b")->pid);
    CHECK(b == &actor_of(world, "b")->child);
    world_run(world, (struct apus__event){.kind = APUS__EVENT_TERMINATE, .child = b});
    CHECK_TRACE(world, "=0 +a =0 +b =0 -b b. =0");
    CHECK_EQ(world->decision.children.count, 1);
}

TEST(R52_old_pid, "R52: a dynamic child that waits for its restart is found under its old pid")
{
    struct world *world = world_of(APUS_DYNAMIC, 9);
    begin(world);
    struct actor *a = actor_new(world, "a", APUS_PERMANENT);
    add(world, a);
    apus_pid pid = a->pid;
    a->fails = 1;
    dies(world, "a", APUS_REASON_ERROR);
    struct apus__child *found = apus__children_find_pid(&world->decision.children, pid);
    CHECK(found == &a->child);
    world_run(world, (struct apus__event){.kind = APUS__EVENT_TERMINATE, .child = found});
    clock_on(world, 1);
    CHECK_TRACE(world, "=0 +a =0 +a! ~a:0 =0");
    CHECK_EQ(world->decision.children.count, 0);
    CHECK(apus__children_find_pid(&world->decision.children, pid) == NULL);
}

TEST(R52_max_children, "R52: max_children counts those being restarted")
{
    struct world *world = world_new((apus_supervisor_spec){.strategy = APUS_DYNAMIC, .max_children = 2, .intensity_is_set = true,
                                                           .intensity = 9});
    begin(world);
    add(world, actor_new(world, "a", APUS_PERMANENT));
    add(world, actor_new(world, "b", APUS_PERMANENT));
    actor_of(world, "a")->fails = 1;
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_EQ(add(world, actor_new(world, "c", APUS_PERMANENT)), -ENOSPC);
    clock_on(world, 0);
    CHECK_EQ(add(world, actor_new(world, "c", APUS_PERMANENT)), -ENOSPC);
    actor_of(world, "a")->child.restart = APUS_TEMPORARY;
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_EQ(add(world, actor_new(world, "c", APUS_PERMANENT)), 0);
}

TEST(R53_exits, "R53: an EXIT from a stranger is ignored; the parent's ends the supervisor, with its reason")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 1);
    world_run(world, (struct apus__event){.kind = APUS__EVENT_EXIT, .pid = {77}, .reason = apus_reason_of(APUS_REASON_ERROR)});
    world_run(world, (struct apus__event){.kind = APUS__EVENT_EXIT, .pid = actor_of(world, "a")->pid,
                                          .reason = apus_reason_of(APUS_REASON_ERROR)});
    world_run(world, (struct apus__event){.kind = APUS__EVENT_EXIT, .reason = apus_reason_of(APUS_REASON_NORMAL)});
    world_run(world, (struct apus__event){.kind = APUS__EVENT_DOWN, .pid = {77}, .reason = apus_reason_of(APUS_REASON_ERROR)});
    CHECK_TRACE(world, "");
    stop(world, APUS_REASON_KILLED);
    CHECK_TRACE(world, "-c c. -b b. -a a. END:killed");
}

TEST(R54_monitor, "R54: the end of a child is learnt from its monitor, however the link stands")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 1);
    dies(world, "a", APUS_REASON_NOPROC); // as if it had been gone before it was watched
    CHECK_TRACE(world, "+a");
}

TEST(R55_backoff, "R55: a restart waits for its backoff, which grows up to its maximum and is reset by a long run")
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 99);
    apus_backoff backoff = {.initial_ms = 100, .factor = 3, .maximum_ms = 500, .reset_ms = 2000};
    actor_add(world, "a", APUS_PERMANENT)->child.backoff = &backoff;
    begin(world);
    clock_on(world, 10000);
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "+a =0 ~a:100");
    clock_on(world, 99);
    CHECK_TRACE(world, "");
    clock_on(world, 1);
    CHECK_TRACE(world, "+a");
    actor_of(world, "a")->fails = 2;
    dies(world, "a", APUS_REASON_ERROR);
    clock_on(world, 5000);
    CHECK_TRACE(world, "~a:300 +a! ~a:500 +a! ~a:500 +a");
    dies(world, "a", APUS_REASON_ERROR);
    CHECK_TRACE(world, "~a:100");
}

TEST(R55_jitter, "R55: jitter takes a share off each delay, not the same each time")
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 99);
    const apus_backoff backoff = {.initial_ms = 1000, .factor = 1, .jitter = 0.5};
    actor_add(world, "a", APUS_PERMANENT)->child.backoff = &backoff;
    begin(world);
    uint64_t least = 1000, most = 0;
    for (int i = 0; i < 20; i++) {
        dies(world, "a", APUS_REASON_ERROR);
        uint64_t delay = world->timers[0].at_ms - world->now_ms;
        least = delay < least ? delay : least;
        most = delay > most ? delay : most;
        clock_on(world, delay);
    }
    CHECK(least > 500 && least < most && most <= 1000);
}

TEST(R55_backoff_all, "R55: with a backoff the siblings of one_for_all are stopped before the wait")
{
    struct world *world = three(APUS_ONE_FOR_ALL, 9);
    apus_backoff backoff = {.initial_ms = 100};
    actor_of(world, "b")->child.backoff = &backoff;
    dies(world, "b", APUS_REASON_ERROR);
    CHECK_TRACE(world, "-c c. -a a. ~b:100");
    clock_on(world, 100);
    CHECK_TRACE(world, "+a +b +c");
}

TEST(R55_backoff_function, "R55: delays follow initial, factor, maximum, jitter and reset")
{
    uint64_t current = 0;
    apus_backoff backoff = {.initial_ms = 10};
    CHECK_EQ(apus__backoff_next(&backoff, &current, 0, 0), 10);
    CHECK_EQ(apus__backoff_next(&backoff, &current, 0, 0), 20);
    CHECK_EQ(apus__backoff_next(&backoff, &current, 59999, 0), 40);
    CHECK_EQ(apus__backoff_next(&backoff, &current, 60000, 0), 10);
    for (int i = 0; i < 100; i++)
        apus__backoff_next(&backoff, &current, 0, 0);
    CHECK_EQ(current, 60000);
    backoff = (apus_backoff){.initial_ms = 1000, .jitter = 0.5, .factor = 1};
    current = 0;
    CHECK_EQ(apus__backoff_next(&backoff, &current, 0, 0), 1000);
    CHECK_EQ(apus__backoff_next(&backoff, &current, 0, UINT64_MAX), 501);
    CHECK_EQ(apus__backoff_next(&backoff, &current, 0, UINT64_MAX / 2), 751);
    backoff = (apus_backoff){.factor = 2};
    CHECK_EQ(apus__backoff_next(&backoff, &current, 0, 7), 0);
}

TEST(R55_budget, "R55: a budget bounds the time for stopping all: who is not gone then is killed, still in reverse")
{
    struct world *world = world_new((apus_supervisor_spec){.stop_budget_ms = 1000});
    actor_add(world, "a", APUS_PERMANENT)->resists = true;
    actor_add(world, "b", APUS_PERMANENT);
    actor_add(world, "c", APUS_PERMANENT)->child.shutdown_ms = APUS_INFINITY;
    actor_add(world, "d", APUS_PERMANENT)->child.shutdown_ms = 400;
    actor_of(world, "c")->resists = actor_of(world, "d")->resists = true;
    begin(world);
    stop(world, APUS_REASON_SHUTDOWN);
    CHECK_TRACE(world, "+a +b +c +d =0 -d @1400 xd d. -c @2000 xc c. xb b. xa a. END:shutdown");
}

TEST(R55_budget_dynamic, "R55: the budget holds for a dynamic supervisor too")
{
    struct world *world = world_new((apus_supervisor_spec){.strategy = APUS_DYNAMIC, .stop_budget_ms = 50});
    begin(world);
    add(world, actor_new(world, "a", APUS_PERMANENT));
    add(world, actor_new(world, "b", APUS_PERMANENT));
    actor_of(world, "a")->resists = true;
    stop(world, APUS_REASON_SHUTDOWN);
    CHECK_TRACE(world, "=0 +a =0 +b =0 -b -a b. @1050 xa a. END:shutdown");
}

TEST(R55_budget_terminate, "R55: the budget does not shorten terminate_child")
{
    struct world *world = world_new((apus_supervisor_spec){.stop_budget_ms = 50});
    actor_add(world, "a", APUS_PERMANENT)->resists = true;
    begin(world);
    request(world, APUS__EVENT_TERMINATE, "a");
    CHECK_TRACE(world, "+a =0 -a @6000 xa a. =0");
}

TEST(deaths_while_busy, "the ends of other children during a plan are dealt with after it, in order")
{
    struct world *world = three(APUS_ONE_FOR_ONE, 9);
    struct actor *a = actor_of(world, "a"), *b = actor_of(world, "b"), *c = actor_of(world, "c");
    apus_reason reason = apus_reason_of(APUS_REASON_ERROR);
    struct apus__event event = {.kind = APUS__EVENT_DOWN, .pid = b->pid, .now_ms = world->now_ms, .reason = reason};
    b->pid = APUS_NOBODY;
    CHECK_EQ(apus__decision_step(&world->decision, &event).kind, APUS__ACTION_START);
    apus__decision_note_end(&world->decision, c->pid, &reason);
    apus__decision_note_end(&world->decision, a->pid, &reason);
    apus__decision_note_end(&world->decision, a->pid, &reason); // a second time means nothing
    a->pid = c->pid = APUS_NOBODY;
    world_run(world, world_start(world, b));
    CHECK_TRACE(world, "+b +c +a");
}

TEST(counts, "count tells specs, active, supervisors and workers")
{
    struct world *world = world_of(APUS_ONE_FOR_ONE, 9);
    actor_add(world, "a", APUS_PERMANENT);
    struct actor *b = actor_new(world, "b", APUS_PERMANENT);
    b->child.kind = APUS_SUPERVISOR;
    apus__children_append(&world->decision.children, &b->child);
    begin(world);
    request(world, APUS__EVENT_TERMINATE, "a");
    apus_child_counts counts;
    apus__decision_count(&world->decision, &counts);
    CHECK_EQ(counts.specs, 2);
    CHECK_EQ(counts.active, 1);
    CHECK_EQ(counts.supervisors, 1);
    CHECK_EQ(counts.workers, 1);
}

TEST(many, "tables and lists hold 100,000 children, each found by id and pid")
{
    static struct actor actors[100000];
    struct apus__store store;
    struct apus__children children;
    apus__store_init(&store, world_source, NULL);
    apus__children_init(&children, &store);
    for (size_t i = 0; i < 100000; i++) {
        snprintf(actors[i].id, sizeof actors[i].id, "%zu", i);
        actors[i].child.id = actors[i].id;
        apus__children_append(&children, &actors[i].child);
        apus__child_set_starting(&children, &actors[i].child);
        apus__child_set_running(&children, &actors[i].child, (apus_pid){(i << 32) + 1 + i}, 0);
    }
    CHECK(apus__children_is_valid(&children));
    for (size_t i = 0; i < 100000; i += 2) {
        apus__children_note_end(&children, (apus_pid){(i << 32) + 1 + i}, true);
        CHECK(apus__children_take_ended(&children) == &actors[i].child);
        apus__child_set_stopped(&children, &actors[i].child);
        apus__children_drop(&children, &actors[i].child);
    }
    CHECK(apus__children_is_valid(&children));
    CHECK_EQ(children.count, 50000);
}

TEST(same_hash, "two ids with the same hash are two children")
{
    static const char *const ids[2] = {"7mohtcOFVz", "c1E51sSEyx"};
    struct apus__child child[2] = {{.id = ids[0]}, {.id = ids[1]}};
    struct apus__store store;
    struct apus__children children;
    apus__store_init(&store, world_source, NULL);
    apus__children_init(&children, &store);
    for (int i = 0; i < 2; i++)
        apus__children_append(&children, &child[i]);
    CHECK_EQ(child[0].by_id.key, child[1].by_id.key);
    for (int i = 0; i < 2; i++)
        CHECK(apus__children_find_id(&children, ids[i]) == &child[i]);
}

// Random runs ---------------------------------------------------------------------------------------------------------------------

static uint64_t world_chance(struct world *world, uint64_t below)
{
    world->seed = world->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (world->seed >> 33) % below;
}

// While the supervisor is busy, others may die too.
static void world_random_deaths(struct world *world)
{
    for (size_t i = 0; i < WORLD_CHILDREN; i++) {
        struct actor *actor = &world->actors[i];
        if (!actor->in_use || actor->pid.id == 0 || actor->told || world->chance(world, 50) != 0)
            continue;
        apus_reason reason = apus_reason_of(world->chance(world, 2) ? APUS_REASON_ERROR : APUS_REASON_NORMAL);
        apus__decision_note_end(&world->decision, actor->pid, &reason);
        actor->pid = APUS_NOBODY;
    }
}

// What must hold whenever the supervisor is at rest.
static void random_check_rest(struct world *world)
{
    uint64_t alive = 0, listed = 0;
    for (size_t i = 0; i < WORLD_CHILDREN; i++) {
        struct actor *actor = &world->actors[i];
        if (!actor->in_use)
            continue;
        listed++;
        alive += actor->pid.id != 0;
        CHECK_EQ(apus__child_pid(&actor->child).id, actor->pid.id);
        if (actor->child.restart == APUS_TEMPORARY)
            CHECK(actor->pid.id != 0 && actor->starts == 1);
        if (!world->decision.strategy->keeps_stopped)
            CHECK(actor->child.state != APUS__CHILD_STOPPED);
    }
    CHECK_EQ(world->decision.children.count, listed);
    CHECK_EQ(world->decision.children.running, alive);
    CHECK(world->decision.intensity.sum <= world->decision.intensity.limit);
}

static struct world *random_world(apus_strategy strategy, uint64_t seed)
{
    static const apus_backoff backoff = {.initial_ms = 20, .jitter = 0.3};
    struct world *world = world_new((apus_supervisor_spec){
        .strategy = strategy,
        .intensity_is_set = true,
        .intensity = (uint32_t)(seed % 40),
        .period_ms = 500,
        .auto_shutdown = (apus_auto_shutdown)(seed % 3),
        .stop_budget_ms = seed % 2 ? 700 : 0,
        .max_children = 12,
    });
    world->quiet = true;
    world->chance = world_chance;
    world->seed = seed;
    for (unsigned i = 0; i < 8 && strategy != APUS_DYNAMIC; i++) {
        char id[8];
        snprintf(id, sizeof id, "%u", i);
        struct actor *actor = actor_new(world, id, (apus_restart)world_chance(world, 3));
        actor->child.significant = actor->child.restart != APUS_PERMANENT && world_chance(world, 4) == 0;
        actor->child.backoff = world_chance(world, 3) == 0 ? &backoff : NULL;
        actor->resists = world_chance(world, 5) == 0;
        apus__children_append(&world->decision.children, &actor->child);
    }
    begin(world);
    return world;
}

static void random_add(struct world *world)
{
    char id[8];
    snprintf(id, sizeof id, "%u", (unsigned)world_chance(world, 16));
    struct actor *actor = actor_new(world, id, (apus_restart)world_chance(world, 3));
    if (actor == NULL)
        return;
    actor->ignores = world_chance(world, 6) == 0;
    actor->fails = world_chance(world, 6) == 0;
    actor->resists = world_chance(world, 6) == 0;
    add(world, actor);
}

static void random_event(struct world *world)
{
    struct actor *actor = &world->actors[world_chance(world, WORLD_CHILDREN)];
    char id[8];
    snprintf(id, sizeof id, "%u", (unsigned)world_chance(world, 16));
    switch (world_chance(world, 12)) {
    case 0:
        random_add(world);
        break;
    case 1:
        request(world, APUS__EVENT_TERMINATE, id);
        break;
    case 2:
        request(world, APUS__EVENT_RESTART, id);
        break;
    case 3:
        request(world, APUS__EVENT_DELETE, id);
        break;
    case 4:
        world_run(world, (struct apus__event){.kind = APUS__EVENT_EXIT, .pid = actor->pid.id ? actor->pid : (apus_pid){77},
                                              .reason = apus_reason_of(APUS_REASON_ERROR)});
        break;
    case 5:
        world_run(world, (struct apus__event){.kind = APUS__EVENT_TIMER, .ticket = world_chance(world, 50)});
        break;
    case 6:
        if (world_chance(world, 40) == 0)
            stop(world, APUS_REASON_SHUTDOWN);
        break;
    case 7:
    case 8:
        clock_on(world, world_chance(world, 200));
        break;
    default:
        if (!actor->in_use || actor->pid.id == 0)
            break;
        actor->fails = world_chance(world, 5) == 0 ? (int)world_chance(world, 4) : 0;
        actor->ignores = world_chance(world, 9) == 0;
        dies(world, actor->id, world_chance(world, 2) ? APUS_REASON_ERROR : APUS_REASON_NORMAL);
    }
}

static void random_run(apus_strategy strategy)
{
    const char *given = getenv("TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 1;
    fprintf(stderr, "strategy %d: seed %" PRIu64 " (repeat with TEST_SEED=%" PRIu64 ")\n", strategy, seed, seed);
    struct world *world = random_world(strategy, seed);
    uint64_t supervisors = 1;
    for (long left = test_scaled(100000); left > 0; left--) {
        if (world->ended) {
            world_free_all();
            world = random_world(strategy, seed + supervisors++);
            continue;
        }
        random_event(world);
        if (!world->ended)
            random_check_rest(world);
    }
    CHECK(supervisors > 10);
}

TEST(random_one_for_one, "100,000 random events leave one_for_one sound")
{
    random_run(APUS_ONE_FOR_ONE);
}

TEST(random_one_for_all, "100,000 random events leave one_for_all sound")
{
    random_run(APUS_ONE_FOR_ALL);
}

TEST(random_rest_for_one, "100,000 random events leave rest_for_one sound")
{
    random_run(APUS_REST_FOR_ONE);
}

TEST(random_dynamic, "100,000 random events leave a dynamic supervisor sound")
{
    random_run(APUS_DYNAMIC);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
