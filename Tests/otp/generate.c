// Tests/otp/generate.c - random scenarios for play.escript and play.c, as text.
//
//   generate COUNT [SEED]
//
// Idea:  whatever is generated must have one outcome under every interleaving that OTP allows, so that two runtimes can be compared.
//        A step ends before the next one begins, which leaves what happens within a step. So:
//        - one process fails in a step, and what follows from it is told of, but not acted upon (no on_down);
//        - one supervisor in a scenario, since two would write into the journal at the same time;
//        - whoever may be sent a link's exit while it waits for an outcome traps exits: the starter of a server or supervisor, and
//          the one who calls. One that waits gets no orders until it has its answer.
//        - whoever is sent a number by one that ends at once traps exits, and is no server: others that are linked with both may
//          take it along before it reads the number, since nothing is promised across senders.
//        - nobody links with a supervisor's children, which are told to stop at the same time as its parent's links hear of its end.
//        Left out is where Apus differs (docs/otp.md): a supervisor that fails to start, a monitor of oneself, a kill of oneself, a dynamic child that
//        answers ignore when it is restarted.
#include "os/random.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACTORS_MAX = 12, CHILDREN_MAX = 10, MONITORS_MAX = 12, TIMERS_MAX = 8, NAMES = 3 };

static struct apus__random seed;

static struct {
    int actors;
    bool traps[ACTORS_MAX], holds[ACTORS_MAX], is_server[ACTORS_MAX], is_named[ACTORS_MAX];
    int monitors, timers, numbers;
    int owners[MONITORS_MAX]; // of the monitors: who may take them back
    int parent; // of the supervisor, or -1
    bool is_dynamic;
    char ids[CHILDREN_MAX][16];
    char children[CHILDREN_MAX][16]; // the actor that fails: itself, or the one child of a supervisor
    int child_count;
    int waits_for; // who is asked by `waiter`, or -1
    int waiter;
} world;

static int below(int bound)
{
    return (int)apus__random_below(&seed, (uint32_t)bound);
}

static bool one_in(int of)
{
    return below(of) == 0;
}

static const char *reason(void)
{
    static const char *const reasons[] = {"normal", "shutdown", "shutdown:3", "kill", "error:1", "error:-7", "killed", "error:5"};
    return reasons[below(8)];
}

static const char *name(void)
{
    static const char *const names[NAMES] = {"n1", "n2", "n3"};
    return names[below(NAMES)];
}

static const char *actor(int number)
{
    static char names[ACTORS_MAX][4];
    snprintf(names[number], sizeof *names, "p%c", 'a' + number);
    return names[number];
}

// An actor that can be told something: not the one that waits.
static int able(void)
{
    int number = below(world.actors);
    return world.waits_for >= 0 && number == world.waiter ? world.waits_for : number;
}

static const char *anyone(void)
{
    if (world.child_count && one_in(4))
        return world.children[below(world.child_count)];
    return actor(below(world.actors));
}

static int new_actor(bool traps)
{
    world.traps[world.actors] = traps;
    world.holds[world.actors] = false;
    return world.actors++;
}

static int new_monitor(int owner)
{
    world.owners[world.monitors] = owner;
    return world.monitors++;
}

static void spawn(void)
{
    bool traps = one_in(2);
    printf("spawn %s%s\n", actor(new_actor(traps)), traps ? " trap" : "");
}

static void spawn_by(void)
{
    static const char *const ways[] = {"", " link", "", " link"};
    if (world.actors == ACTORS_MAX)
        return;
    int by = able();
    bool traps = one_in(2);
    const char *way = ways[below(4)];
    printf("spawn_by %s %s%s%s", actor(by), actor(new_actor(traps)), way, traps ? " trap" : "");
    if (world.monitors < MONITORS_MAX && one_in(2))
        printf(" monitor=m%d", new_monitor(by));
    if (one_in(3))
        printf(" dies=%s", reason());
    printf("\n");
}

static void link_or_monitor(void)
{
    int number = able();
    const char *me = actor(number), *other = anyone(), *peer = actor(below(world.actors));
    switch (below(8)) {
    case 0:
    case 1:
    case 2:
        printf("link %s %s\n", me, peer);
        break;
    case 3:
        printf("unlink %s %s\n", me, peer);
        break;
    case 4:
    case 5:
        if (world.monitors < MONITORS_MAX && strcmp(me, other) != 0)
            printf("monitor %s %s m%d\n", me, other, new_monitor(number));
        break;
    case 6:
        if (world.monitors < MONITORS_MAX && !world.is_named[number])
            printf("monitor_name %s %s m%d\n", me, name(), new_monitor(number));
        break;
    default:
        for (int i = 0; i < world.monitors; i++)
            if (world.owners[i] == number && one_in(2)) {
                printf("demonitor %s m%d%s\n", me, i, one_in(2) ? " flush" : "");
                return;
            }
    }
}

static void end_something(void)
{
    int number = able();
    const char *me = actor(number);
    switch (below(8)) {
    case 0:
    case 1:
        printf("exit %s %s\n", me, reason());
        break;
    case 2:
        printf("done %s\n", me);
        break;
    case 3:
        printf("fail %s %d\n", me, 1 + below(9));
        break;
    case 4: {
        int to = below(world.actors);
        if (world.traps[to] && !world.is_server[to])
            printf("send_exit %s %s %d %s\n", me, actor(to), world.numbers++, reason());
        break;
    }
    case 5: {
        const char *victim = anyone();
        if (world.traps[number] && strcmp(me, victim) != 0)
            printf("kill_alive %s %s\n", me, victim);
        break;
    }
    default:
        printf("signal %s %s %s\n", me, anyone(), reason());
    }
}

static void send(void)
{
    int me = able();
    switch (below(6)) {
    case 0:
        printf("send_name %s %s %d\n", actor(me), name(), world.numbers++);
        break;
    case 1:
        printf("alive %s %s\n", actor(me), anyone());
        break;
    case 2:
        printf("hibernate %s\n", actor(me));
        break;
    default:
        printf("send %s %s", actor(me), actor(below(world.actors)));
        for (int i = 1 + below(4); i > 0; i--)
            printf(" %d", world.numbers++);
        printf("\n");
    }
}

static void hold_or_take(void)
{
    int me = able();
    if (world.is_server[me])
        return; // a gen_server takes what comes
    if (!world.holds[me] && one_in(2)) {
        world.holds[me] = true;
        printf("hold %s\n", actor(me));
    } else if (world.holds[me] && one_in(2)) {
        world.holds[me] = false;
        printf("release %s\n", actor(me));
    } else if (world.numbers) {
        printf("take %s %d\n", actor(me), below(world.numbers));
    }
}

static void trap(void)
{
    int me = able();
    // A starter, and one that waits, go on trapping.
    if (me == world.parent || world.waits_for >= 0)
        return;
    world.traps[me] = !world.traps[me];
    printf("trap %s %s\n", actor(me), world.traps[me] ? "on" : "off");
}

static void names(void)
{
    const char *me = actor(able());
    int other = below(world.actors);
    switch (below(3)) {
    case 0:
        world.is_named[other] = true;
        printf("register %s %s %s\n", me, name(), actor(other));
        break;
    case 1:
        printf("unregister %s %s\n", me, name());
        break;
    default:
        printf("whereis %s %s\n", me, name());
    }
}

static void timers(bool may_wait)
{
    const char *me = actor(able());
    if (world.timers == TIMERS_MAX || (world.timers && one_in(3))) {
        printf("cancel %s t%d\n", me, below(world.timers));
    } else if (may_wait && one_in(8)) {
        if (one_in(2))
            printf("timer %s %s short %d t%d &\nwait\n", me, actor(below(world.actors)), world.numbers++, world.timers++);
        else
            printf("timer_name %s %s short %d t%d &\nwait\n", me, name(), world.numbers++, world.timers++);
    } else {
        printf("timer %s %s long %d t%d\n", me, actor(below(world.actors)), world.numbers++, world.timers++);
    }
}

static void call(bool may_wait)
{
    int me = able(), other = below(world.actors);
    if (world.waits_for >= 0 || world.holds[other])
        return;
    if (!world.traps[me] || me == other || one_in(3)) {
        printf("call %s %s long reply\n", actor(me), actor(other));
    } else if (may_wait && one_in(8)) {
        printf("call %s %s short keep &\nwait\nanswer %s\n", actor(me), actor(other), actor(other));
    } else if (one_in(2)) {
        printf("call %s %s long exit:%s\n", actor(me), actor(other), reason());
    } else {
        printf("call %s %s long keep\n", actor(me), actor(other));
        world.waiter = me;
        world.waits_for = other;
    }
}

static void finish_call(void)
{
    if (one_in(2))
        printf("answer %s\n", actor(world.waits_for));
    printf("exit %s %s\n", actor(world.waits_for), reason());
    // Whoever was asked may have been held since.
    if (world.holds[world.waits_for])
        printf("release %s\n", actor(world.waits_for));
    world.waits_for = -1;
}

static void server(void)
{
    static const char *const inits[] = {"ok", "ok", "ok", "ignore", "stop:error:2", "stop:shutdown"};
    int by = able();
    if (world.actors == ACTORS_MAX || !world.traps[by] || world.waits_for >= 0)
        return;
    bool traps = one_in(2);
    world.is_server[world.actors] = true;
    world.is_named[world.actors] = true;
    printf("server %s %s %s%s", actor(by), actor(new_actor(traps)), inits[below(6)], traps ? " trap" : "");
    if (one_in(3))
        printf(" name=%s", name());
    printf("\n");
    // Its starter is not to stop trapping: the parent's exit has a meaning of its own.
}

// --- Supervisors -----------------------------------------------------------------------------------------------------------------

static int new_child(void)
{
    snprintf(world.ids[world.child_count], sizeof *world.ids, "c%d", world.child_count);
    snprintf(world.children[world.child_count], sizeof *world.children, "c%d", world.child_count);
    return world.child_count++;
}

static void child_spec(bool may_be_significant)
{
    static const char *const restarts[] = {"permanent", "transient", "temporary"};
    int restart = below(3), number = new_child();
    printf(" %s:%s", world.children[number], restarts[restart]);
    if (one_in(5))
        printf(":brutal");
    if (may_be_significant && restart && one_in(3))
        printf(":sig");
    else if (one_in(6)) {
        printf(":sup");
        snprintf(world.children[number], sizeof *world.children, "c%d1", number);
    }
}

static void supervisor(void)
{
    static const char *const strategies[] = {"one_for_one", "one_for_all", "rest_for_one", "dynamic"};
    static const char *const autos[] = {"never", "never", "any_significant", "all_significant"};
    int strategy = below(4), automatic = below(4);
    world.parent = new_actor(true);
    world.is_dynamic = strategy == 3;
    printf("spawn %s trap\n", actor(world.parent));
    if (one_in(4) && !world.is_dynamic)
        printf("next c%d ignore 1\n", below(3));
    printf("sup %s s %s %d %s", actor(world.parent), strategies[strategy], below(6), world.is_dynamic ? "never" : autos[automatic]);
    if (world.is_dynamic) {
        static const char *const templates[] = {"t:permanent", "t:transient", "t:temporary", "t:permanent:brutal"};
        printf(" %s", templates[below(4)]);
    } else {
        for (int i = 1 + below(5); i > 0; i--)
            child_spec(automatic > 1);
    }
    printf("\n");
}

static void ask_supervisor(void)
{
    static const char *const asks[] = {"terminate_child", "restart_child", "delete_child", "restart_child"};
    const char *parent = actor(world.parent);
    const char *child = world.child_count ? world.ids[below(world.child_count)] : "c0";
    if (one_in(4) && world.child_count < CHILDREN_MAX) {
        // One that is not asked for in this start would be in a restart.
        if (one_in(5))
            printf("next c%d %s 1\n", world.child_count, world.is_dynamic || one_in(2) ? "fail" : "ignore");
        printf("start_child %s s", parent);
        if (world.is_dynamic)
            printf(" %s", world.children[new_child()]);
        else
            child_spec(false);
        printf("\n");
    } else if (world.is_dynamic && world.child_count && one_in(2)) {
        printf("terminate_pid %s s %s\n", parent, child);
    } else if (!world.is_dynamic) {
        printf("%s %s s %s\n", asks[below(4)], parent, child);
    }
    if (one_in(2))
        printf("which %s s\n", parent);
    else if (!world.is_dynamic && one_in(4))
        printf("count %s s\n", parent);
}

static void fail_child(void)
{
    if (!world.child_count)
        return;
    const char *child = world.children[below(world.child_count)];
    if (one_in(4))
        printf("next %s %s %d\n", world.children[below(world.child_count)], !world.is_dynamic && one_in(3) ? "ignore" : "fail",
               1 + below(3));
    if (one_in(3))
        printf("signal %s %s %s\n", actor(able()), child, one_in(2) ? "kill" : reason());
    else
        printf("exit %s %s\n", child, reason());
    if (one_in(2))
        printf("which %s s\n", actor(world.parent));
}

// --- A scenario ------------------------------------------------------------------------------------------------------------------

static void step(bool may_wait)
{
    int what = below(world.parent >= 0 ? 40 : 26);
    if (world.waits_for >= 0 && one_in(4))
        finish_call();
    else if (what < 5)
        link_or_monitor();
    else if (what < 9)
        end_something();
    else if (what < 12)
        send();
    else if (what < 15)
        hold_or_take();
    else if (what < 16)
        trap();
    else if (what < 18)
        names();
    else if (what < 20)
        timers(may_wait);
    else if (what < 22)
        call(may_wait);
    else if (what < 24)
        spawn_by();
    else if (what < 26)
        server();
    else if (what < 33)
        fail_child();
    else if (world.waits_for < 0 || world.waiter != world.parent)
        ask_supervisor();
}

static void scenario(uint64_t number)
{
    memset(&world, 0, sizeof world);
    apus__random_init(&seed, number);
    world.parent = world.waits_for = world.waiter = -1;
    bool may_wait = one_in(20);
    printf("scenario random %llu\n", (unsigned long long)number);
    for (int i = 2 + below(3); i > 0; i--)
        spawn();
    if (one_in(2))
        supervisor();
    for (int i = 6 + below(20); i > 0; i--)
        step(may_wait);
    if (world.waits_for >= 0)
        finish_call();
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 10;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (uint64_t i = 0; i < count; i++)
        scenario(first + i);
    return 0;
}
