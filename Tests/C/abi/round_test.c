// Tests/C/abi/round_test.c - when those that have not begun give way to others, and when not.
//
// Method:  a process spawns others on its one scheduler. What they have to wait for is counted in messages and births, not in time.
#include "scene.h"

static const apus_type type_go = {.name = "go"}, type_ping = {.name = "ping"}, type_pong = {.name = "pong"};

// Runs a body on a runtime of one scheduler.
static void direct(void (*body)(apus_process *self, void *argument))
{
    apus_pid pid;
    start_runtime(1);
    CHECK_EQ(apus_spawn_blocking(body, NULL, 0, NULL, &pid), 0);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    CHECK_EQ(apus_stop(PATIENCE_MS), 0);
}

static void send_to(apus_pid to, const apus_type *type)
{
    int result = apus_send(to, type, NULL, 0);
    CHECK(result == 0 || result == -ESRCH); // when all are being stopped
}

// --- All with all ---------------------------------------------------------------------------------------------------------------

// Each has pinged all others when it has begun. If those that have begun handle what has come before the next ones begin, only pings to
// those that have not are under way, at most a quarter of all, 31 % with rows of eight; 97 % while they did not.
enum { MEMBERS = 300, PINGS = MEMBERS * (MEMBERS - 1), UNDER_WAY_MAX = PINGS * 2 / 5 };

static apus_pid members[MEMBERS], director;
static int under_way, under_way_max, pongs; // touched on the one scheduler only

static void member_send(apus_pid to, const apus_type *type)
{
    send_to(to, type);
    if (++under_way > under_way_max)
        under_way_max = under_way;
}

static int member_handle(apus_process *self, void *state, apus_message *message)
{
    const apus_type *type = apus_message_type(message);
    (void)state;
    if (type == &type_go) {
        for (int i = 0; i < MEMBERS; i++)
            if (!apus_pid_equal(members[i], apus_pid_of(self)))
                member_send(members[i], &type_ping);
        return APUS_OK;
    }
    under_way--;
    if (type == &type_ping)
        member_send(apus_message_from(message), &type_pong);
    else if (++pongs == PINGS)
        send_to(director, &type_pong);
    return APUS_OK;
}

static const apus_behaviour member = {.name = "member", .handle = member_handle};

static void direct_all_with_all(apus_process *self, void *argument)
{
    (void)argument;
    director = apus_pid_of(self);
    for (int i = 0; i < MEMBERS; i++)
        CHECK_EQ(apus_spawn(&member, NULL, 0, NULL, &members[i]), 0);
    for (int i = 0; i < MEMBERS; i++)
        send_to(members[i], &type_go);
    apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
}

TEST(round, "those that have not begun give way to all whom they pile up messages for")
{
    direct(direct_all_with_all);
    CHECK(under_way_max < UNDER_WAY_MAX);
}

// --- All through one --------------------------------------------------------------------------------------------------------------

// Makers send parcels to takers when they begin, through one carrier, which has several turns for those of one maker: a turn ends after 64 messages
// if these pile up. 7 of 200 makers' parcels are under way at most if it has them before further makers begin; nearly all if it has one turn for
// each row of makers.
enum { MAKERS = 200, PARCELS = 100, PARCELS_MAX = 20 * PARCELS };

static apus_pid carrier;
static int taken;

static int maker_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    (void)state;
    for (int i = 0; i < PARCELS; i++) {
        CHECK_EQ(apus_send(carrier, &type_go, argument, sizeof(apus_pid)), 0);
        if (++under_way > under_way_max)
            under_way_max = under_way;
    }
    return APUS_DONE;
}

static int carrier_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    send_to(*(const apus_pid *)apus_message_payload(message), &type_go);
    return APUS_OK;
}

static int taker_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    under_way--;
    if (++taken == MAKERS * PARCELS)
        send_to(director, &type_pong);
    return APUS_OK;
}

static const apus_behaviour maker = {.name = "maker", .init = maker_init};
static const apus_behaviour carries = {.name = "carrier", .handle = carrier_handle};
static const apus_behaviour taker = {.name = "taker", .handle = taker_handle};

static void direct_parcels(apus_process *self, void *argument)
{
    (void)argument;
    director = apus_pid_of(self);
    CHECK_EQ(apus_spawn(&carries, NULL, 0, NULL, &carrier), 0);
    for (int i = 0; i < MAKERS; i++) {
        apus_pid to;
        CHECK_EQ(apus_spawn(&taker, NULL, 0, NULL, &to), 0);
        CHECK_EQ(apus_spawn(&maker, &to, sizeof to, NULL, NULL), 0);
    }
    apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
}

TEST(through_one, "those that have not begun give way to one through whom all messages go, for as many turns as it takes")
{
    direct(direct_parcels);
    CHECK(under_way_max < PARCELS_MAX);
}

// --- Waiting for each other -----------------------------------------------------------------------------------------------------

// Each is sent several errands before it has begun, and for each asks one of higher number, which has its own before it in its mailbox. If
// those that have begun go on before further ones begin, 73 ask at once, 325 while they did not.
enum { CLERKS = 600, SENT = CLERKS / 5 * 4, ERRANDS = SENT * 20, ASKING_MAX = 150 };

static apus_pid clerks[CLERKS];
static int asking, asking_max, errands;

static int clerk_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    if (apus_message_is_request(message)) {
        CHECK_EQ(apus_reply(message, NULL, NULL, 0), 0);
        return APUS_OK;
    }
    int number = *(const int *)apus_message_payload(message), errand = errands++;
    if (++asking > asking_max)
        asking_max = asking;
    apus_pid other = clerks[number + 1 + errand * 7919 % (CLERKS - number - 1)];
    CHECK_EQ(apus_call(other, &type_ping, NULL, 0, APUS_INFINITY, NULL), 0);
    asking--;
    send_to(director, &type_pong);
    return APUS_OK;
}

static const apus_behaviour clerk = {.name = "clerk", .handle = clerk_handle};

static void direct_errands(apus_process *self, void *argument)
{
    (void)argument;
    director = apus_pid_of(self);
    for (int i = 0; i < CLERKS; i++)
        CHECK_EQ(apus_spawn(&clerk, NULL, 0, NULL, &clerks[i]), 0);
    for (int i = 0; i < ERRANDS; i++) {
        int number = i % SENT;
        CHECK_EQ(apus_send(clerks[number], &type_go, &number, sizeof number), 0);
    }
    for (int i = 0; i < ERRANDS; i++)
        apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
}

TEST(errands, "those that have not begun give way to others while many wait, each on a stack")
{
    direct(direct_errands);
    CHECK(asking_max < ASKING_MAX);
}

// --- More and more --------------------------------------------------------------------------------------------------------------

// Players send each other a ball and so always wait. One spawns children in each turn, and each of these piles up messages: if all players had
// a turn before the next row of children, more would be born than begin. 592 wait to begin at most; 2,900 of the 3,200 if that were so.
enum { PAIRS = 32, TURNS = 200, CHILDREN = 16, PILE = 40, UNBEGUN_MAX = 1000 };

static apus_pid players[2 * PAIRS];
static int born, begun, unbegun_max;

static int child_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    (void)state;
    (void)argument;
    for (int i = 0; i < PILE; i++)
        send_to(players[begun % (2 * PAIRS)], &type_pong);
    begun++;
    return APUS_DONE;
}

static const apus_behaviour child = {.name = "child", .init = child_init};

static void give_birth(void)
{
    for (int i = 0; i < CHILDREN; i++, born++)
        CHECK_EQ(apus_spawn(&child, NULL, 0, NULL, NULL), 0);
    if (born - begun > unbegun_max)
        unbegun_max = born - begun;
    if (born == TURNS * CHILDREN)
        send_to(director, &type_pong);
}

static int player_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    *(int *)state = *(const int *)argument;
    return APUS_OK;
}

static int player_handle(apus_process *self, void *state, apus_message *message)
{
    int number = *(int *)state;
    (void)self;
    if (apus_message_type(message) != &type_ping)
        return APUS_OK;
    if (number == 0 && born < TURNS * CHILDREN)
        give_birth();
    send_to(players[number ^ 1], &type_ping);
    return APUS_OK;
}

static const apus_behaviour player = {.name = "player", .state_size = sizeof(int), .init = player_init, .handle = player_handle};

static void direct_births(apus_process *self, void *argument)
{
    (void)argument;
    director = apus_pid_of(self);
    for (int i = 0; i < 2 * PAIRS; i++)
        CHECK_EQ(apus_spawn(&player, &i, sizeof i, NULL, &players[i]), 0);
    for (int i = 0; i < 2 * PAIRS; i += 2)
        send_to(players[i], &type_ping);
    apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
}

TEST(births, "one who spawns many who pile up messages cannot keep them from beginning")
{
    direct(direct_births);
    CHECK(unbegun_max < UNBEGUN_MAX);
}

// --- Without end ----------------------------------------------------------------------------------------------------------------

// Two play without end while others have not begun, each of which piles up messages for them. All have begun after 13,100 strokes.
enum { LATE = 100, STROKES_MAX = 100000 };

static int strokes, strokes_then; // when all had begun

static int late_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    (void)state;
    (void)argument;
    for (int i = 0; i < PILE; i++)
        send_to(players[i % 2], &type_pong);
    if (++begun < LATE)
        return APUS_DONE;
    strokes_then = strokes;
    send_to(director, &type_pong);
    return APUS_DONE;
}

static int endless_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    if (apus_message_type(message) != &type_ping)
        return APUS_OK;
    if (++strokes == STROKES_MAX)
        send_to(director, &type_pong);
    send_to(players[strokes % 2], &type_ping);
    return APUS_OK;
}

static const apus_behaviour late = {.name = "late", .init = late_init};
static const apus_behaviour endless = {.name = "endless", .handle = endless_handle};

static void direct_endless(apus_process *self, void *argument)
{
    (void)argument;
    director = apus_pid_of(self);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(apus_spawn(&endless, NULL, 0, NULL, &players[i]), 0);
    for (int i = 0; i < LATE; i++)
        CHECK_EQ(apus_spawn(&late, NULL, 0, NULL, NULL), 0);
    send_to(players[0], &type_ping);
    apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
}

TEST(endless, "those that have not begun give way to two who never stop for some turns only")
{
    direct(direct_endless);
    CHECK_EQ(begun, LATE);
    CHECK(strokes_then < STROKES_MAX);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
