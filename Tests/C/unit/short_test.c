// Goal:   a plain message of 17 to 32 bytes to a process of its scheduler that handles messages takes one cache line, and is in everything
//         else as any other: what it says, its order, when it is kept, received in the middle of a callback, released, sent on, dropped.
// Method: what lies where is looked at for each size. Then a process sends itself messages of several sizes and does all of that with
//         them, drawn by a seed, beside a plain array that says what must come; each payload counts its drop.
#include "../scene.h"

#include "memory/inject.h"
#include "os/random.h"
#include "process/process.h"

#include <unistd.h>

// --- What lies where --------------------------------------------------------------------------------------------------------------

enum { SIZES = 49 };

static int handled;

static void fill(unsigned char bytes[SIZES], size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(size * 7 + i);
}

static int reader_handle(apus_process *self, void *state, apus_message *message)
{
    unsigned char wanted[SIZES];
    size_t size = apus_message_size(message);
    (void)self, (void)state;
    fill(wanted, size);
    CHECK(memcmp(apus_message_payload(message), wanted, size) == 0);
    CHECK_EQ((uintptr_t)apus_message_payload(message) % 16, 0);
    CHECK_EQ(apus_message_ref(message).id, 0);
    CHECK(apus_message_from(message).id != 0);
    CHECK(apus_message_type(message) == &type_number);
    CHECK(!apus_message_is_request(message) && !apus_message_is_reply(message));
    CHECK_EQ((message->flags & APUS__SHORT) != 0, size > APUS__LINE_PAYLOAD && size <= APUS__SHORT_PAYLOAD);
    if (size <= APUS__SHORT_PAYLOAD)
        CHECK(message->block == 0 || message->block == APUS__SEGMENT); // a line
    handled++;
    return APUS_OK;
}

static const apus_behaviour reader = {.name = "reader", .handle = reader_handle};

// Each size by itself, and then all of them, so that they lie in blocks and in segments.
static void writer_body(apus_process *self, void *argument)
{
    const apus_pid *to = argument;
    unsigned char bytes[SIZES];
    for (int together = 0; together < 2; together++)
        for (size_t size = 0; size < SIZES; size++) {
            fill(bytes, size);
            CHECK_EQ(apus_send(*to, &type_number, bytes, size), 0);
            if (!together)
                CHECK_EQ(apus_yield(self), 0);
        }
}

TEST(sizes, "messages of up to 32 bytes to a process that handles them take a line, and say what they should")
{
    start_runtime(1);
    handled = 0;
    apus_pid pid = spawn_one(&reader);
    run_process(writer_body, &pid, sizeof pid);
    CHECK_EQ(apus_exit_signal(pid, apus_reason_of(APUS_REASON_SHUTDOWN)), 0);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
    CHECK_EQ(handled, 2 * SIZES);
}

// --- From elsewhere -------------------------------------------------------------------------------------------------------------

enum { WAITING = 20 };

static atomic_int told;

// Keeps its scheduler until all has been sent, which is then taken at once.
static int late_handle(apus_process *self, void *state, apus_message *message)
{
    unsigned char wanted[SIZES];
    (void)self, (void)state;
    if (handled++ == 0) {
        atomic_store(&told, 1);
        while (atomic_load(&told) != 2)
            usleep(100);
    } else {
        bool is_behind_others = handled > 3;
        fill(wanted, 24);
        CHECK_EQ(apus_message_size(message), 24);
        CHECK(memcmp(apus_message_payload(message), wanted, 24) == 0);
        CHECK(apus_pid_equal(apus_message_from(message), APUS_NOBODY));
        CHECK_EQ(message->flags & APUS__SHORT, is_behind_others ? APUS__SHORT : 0);
        CHECK_EQ(message->block == APUS__SEGMENT, is_behind_others);
    }
    return handled <= WAITING ? APUS_OK : APUS_DONE;
}

static const apus_behaviour late = {.name = "late", .handle = late_handle};

TEST(elsewhere, "messages of 24 bytes from elsewhere become short where they are gathered behind others")
{
    unsigned char bytes[SIZES];
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .rescue_ms = APUS_RESCUE_OFF};
    fill(bytes, 24);
    handled = 0;
    atomic_store(&told, 0);
    CHECK_EQ(apus_start(&options), 0);
    apus_pid pid = spawn_one(&late);
    CHECK_EQ(apus_send(pid, &type_number, NULL, 0), 0);
    while (atomic_load(&told) != 1)
        usleep(100);
    for (int i = 0; i < WAITING; i++)
        CHECK_EQ(apus_send(pid, &type_number, bytes, 24), 0);
    atomic_store(&told, 2);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
    CHECK_EQ(handled, 1 + WAITING);
}

// --- All that can be done with one ------------------------------------------------------------------------------------------------

enum { STEPS = 100000, PILE_MAX = 200, KEPT_MAX = 50 };

struct hoard {
    struct apus__random dice;
    int64_t pile[PILE_MAX]; // what waits, in order
    unsigned piled;
    apus_message *kept[KEPT_MAX];
    unsigned kept_count;
    int64_t last;
    int64_t sent;
    int steps;
};

static struct hoard hoard;
static int64_t dropped;

static void count_drop(void *payload, size_t size, const apus_type *type)
{
    (void)payload, (void)size, (void)type;
    dropped++;
}

static const apus_type type_owned = {.name = "owned", .drop = count_drop};

static void hoard_send(apus_process *self)
{
    static const size_t sizes[] = {8, 16, 17, 24, 24, 25, 32, 32, 33, 80};
    size_t size = sizes[apus__random_below(&hoard.dice, sizeof sizes / sizeof sizes[0])];
    char payload[80];
    int64_t number = ++hoard.last;
    if (hoard.piled == PILE_MAX)
        return;
    memset(payload, (int)(number & 0x7f), sizeof payload);
    memcpy(payload, &number, sizeof number);
    CHECK_EQ(apus_send(apus_pid_of(self), &type_owned, payload, size), 0);
    hoard.pile[hoard.piled++] = number;
    hoard.sent++;
}

static int64_t hoard_number(const apus_message *message)
{
    const char *payload = apus_message_payload(message);
    int64_t number;
    memcpy(&number, payload, sizeof number);
    for (size_t i = sizeof number; i < apus_message_size(message); i++)
        CHECK_EQ(payload[i], number & 0x7f);
    return number;
}

static void hoard_expect(const apus_message *message, unsigned at)
{
    CHECK(at < hoard.piled);
    CHECK_EQ(hoard_number(message), hoard.pile[at]);
    memmove(&hoard.pile[at], &hoard.pile[at + 1], (--hoard.piled - at) * sizeof hoard.pile[0]);
}

static void hoard_keep(apus_message *message)
{
    hoard.kept[hoard.kept_count++] = message;
}

static bool is_hoarded(const apus_message *message, void *wanted)
{
    return apus_message_type(message) == &type_owned && hoard_number(message) == *(const int64_t *)wanted;
}

// Out of the middle of the mailbox, in the middle of a callback.
static void hoard_receive(apus_process *self)
{
    unsigned at = apus__random_below(&hoard.dice, hoard.piled);
    int64_t wanted = hoard.pile[at];
    apus_message *message = apus_receive(self, is_hoarded, &wanted, 0);
    CHECK(message != NULL);
    hoard_expect(message, at);
    hoard_keep(message);
}

static void hoard_let_go(apus_process *self, bool sends_on)
{
    unsigned at = apus__random_below(&hoard.dice, hoard.kept_count);
    apus_message *message = hoard.kept[at];
    hoard.kept[at] = hoard.kept[--hoard.kept_count];
    if (sends_on && hoard.piled < PILE_MAX) {
        hoard.pile[hoard.piled++] = hoard_number(message);
        CHECK_EQ(apus_send_message(apus_pid_of(self), message), 0);
    } else {
        apus_message_release(message);
    }
}

static int hoard_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    hoard_expect(message, 0);
    if (++hoard.steps == STEPS)
        return APUS_DONE; // with what it has kept, and what waits
    uint32_t act = apus__random_below(&hoard.dice, 8);
    // Tides, so that the mailbox is short and long by turns. Never empty: else it would end here.
    unsigned sends = hoard.steps / 500 % 2 ? 2 : apus__random_below(&hoard.dice, 2);
    for (unsigned i = 0; i < sends || hoard.piled < 2; i++)
        hoard_send(self);
    if (act < 3 && hoard.kept_count < KEPT_MAX) {
        CHECK_EQ(apus_message_keep(message), 0);
        hoard_keep(message);
    } else if (act == 3 && hoard.piled < PILE_MAX) {
        hoard.pile[hoard.piled++] = hoard_number(message);
        CHECK_EQ(apus_send_message(apus_pid_of(self), message), 0);
    }
    if (act == 4 && hoard.piled > 2 && hoard.kept_count < KEPT_MAX)
        hoard_receive(self);
    if (act >= 5 && hoard.kept_count)
        hoard_let_go(self, act == 5);
    return APUS_OK;
}

static const apus_behaviour hoarder = {.name = "hoarder", .handle = hoard_handle};

static int hoard_begin(apus_process *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    hoard_send(self);
    return APUS_OK;
}

TEST(hoard, "short messages are kept, received in the middle of a callback, sent on, released and dropped as others are")
{
    apus_behaviour behaviour = hoarder;
    apus_reason reason;
    behaviour.init = hoard_begin;
    memset(&hoard, 0, sizeof hoard);
    apus__random_init(&hoard.dice, 20261127);
    dropped = 0;
    start_runtime(1);
    CHECK_EQ(apus_join(spawn_one(&behaviour), APUS_INFINITY, &reason), 0);
    stop_runtime();
    CHECK_EQ(hoard.steps, STEPS);
    CHECK(hoard.kept_count > 0 && hoard.piled > 0);
    CHECK_EQ(dropped, hoard.sent);
}

// --- No memory: what is received is in abi/no_memory_test.c ------------------------------------------------------------------------

#ifdef APUS_INJECT

static int miser_handle(apus_process *self, void *state, apus_message *message)
{
    apus_message *warm;
    (void)self, (void)state;
    CHECK(message->flags & APUS__SHORT);
    CHECK((warm = apus_message_new(&type_number, 8)) != NULL); // so that there is all but the holder
    apus_message_release(warm);
    apus__inject_arm(1u << APUS__INJECT_HEAP, 1);
    CHECK_EQ(apus_message_keep(message), -ENOMEM);
    apus__inject_arm(0, 0);
    CHECK(!(message->flags & APUS__HELD));
    CHECK_EQ(apus_message_keep(message), 0);
    CHECK_EQ(apus_message_keep(message), -EALREADY);
    handled++;
    return APUS_DONE;
}

static const apus_behaviour miser = {.name = "miser", .handle = miser_handle};

static void miser_body(apus_process *self, void *argument)
{
    (void)self;
    CHECK_EQ(apus_send(*(const apus_pid *)argument, &type_number, "twenty-four bytes, short", 24), 0);
}

TEST(no_memory, "without memory a short message is not kept")
{
    start_runtime(1);
    handled = 0;
    apus_pid pid = spawn_one(&miser);
    run_process(miser_body, &pid, sizeof pid);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
    CHECK_EQ(handled, 1);
}

#endif

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
