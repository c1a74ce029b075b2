// Goal:   a mailbox whose messages lie in blocks, in segments that are open, full and left half used, keeps order and content, whatever
//         is taken out of its middle, kept, released in any order or sent on; and nothing is left at the end.
// Method: a process sends itself messages of several sizes and receives them, drawn by a seed, beside a plain array that says what must
//         come. Stopping checks that no block is in use.
#include "../scene.h"

#include "os/random.h"
#include "process/process.h"

#include <unistd.h>

enum { STEPS = 200000, PILE_MAX = 200, HELD_MAX = 50 };

static struct apus__random dice;
static int64_t pile[PILE_MAX]; // what waits, in order
static unsigned piled;
static apus_message *held[HELD_MAX];
static unsigned held_count;
static int64_t last_number;

static bool is_number(const apus_message *message, void *wanted)
{
    return *(const int64_t *)apus_message_payload(message) == *(const int64_t *)wanted;
}

static void pile_send(apus_process *self)
{
    static const size_t sizes[] = {8, 8, 8, 16, 24, 80, 100, 104, 144, 200, 208, 216};
    static size_t size; // mostly as the last time, so that segments become full
    int64_t payload[27] = {++last_number, ~last_number};
    if (piled == PILE_MAX)
        return;
    if (size == 0 || apus__random_below(&dice, 8) == 0)
        size = sizes[apus__random_below(&dice, sizeof sizes / sizeof sizes[0])];
    payload[size / 8 - 1] = size == 8 ? last_number : ~last_number;
    CHECK_EQ(apus_send(apus_pid_of(self), &type_number, payload, size), 0);
    pile[piled++] = last_number;
}

// Takes the message at `at`, which is kept for a while, or released at once.
static void pile_take(apus_process *self, unsigned at)
{
    int64_t wanted = pile[at];
    apus_message *message = apus_receive(self, at ? is_number : NULL, &wanted, 0);
    CHECK(message != NULL);
    const int64_t *payload = apus_message_payload(message);
    CHECK_EQ(payload[0], wanted);
    size_t words = apus_message_size(message) / 8;
    CHECK(words == 1 || (payload[1] == ~wanted && payload[words - 1] == ~wanted));
    CHECK(apus_pid_equal(apus_message_from(message), apus_pid_of(self)));
    memmove(&pile[at], &pile[at + 1], (--piled - at) * sizeof pile[0]);
    if (held_count < HELD_MAX)
        held[held_count++] = message;
    else
        apus_message_release(message);
}

static void held_end(apus_process *self, bool sends_on)
{
    unsigned at = apus__random_below(&dice, held_count);
    apus_message *message = held[at];
    held[at] = held[--held_count];
    if (sends_on && piled < PILE_MAX) {
        pile[piled++] = *(const int64_t *)apus_message_payload(message);
        CHECK_EQ(apus_send_message(apus_pid_of(self), message), 0);
    } else {
        apus_message_release(message);
    }
}

static void piling_body(apus_process *self, void *argument)
{
    (void)argument;
    for (int step = 0; step < STEPS; step++) {
        // Tides, so that the mailbox is short and long by turns.
        bool flood = step / 1000 % 2;
        uint32_t act = apus__random_below(&dice, 8);
        if (act < (flood ? 5 : 3))
            pile_send(self);
        else if (act < 6 && piled)
            pile_take(self, act % 2 ? apus__random_below(&dice, piled) : 0);
        else if (act >= 6 && held_count)
            held_end(self, act == 6);
    }
    while (piled > PILE_MAX / 4)
        pile_take(self, piled - 1);
}

TEST(piling, "a mailbox keeps order and content, whatever is taken out of its middle, kept or sent on")
{
    apus__random_init(&dice, 20261125);
    start_runtime(1);
    run_process(piling_body, NULL, 0);
    stop_runtime();
}

enum { PASSED = 20 };

// Sends itself so many messages, and then takes them all.
static void pass(apus_process *self, const void *payload, size_t size, apus_message *messages[PASSED])
{
    for (int i = 0; i < PASSED; i++)
        CHECK_EQ(apus_send(apus_pid_of(self), &type_number, payload, size), 0);
    for (int i = 0; i < PASSED; i++)
        messages[i] = apus_receive(self, NULL, NULL, 0);
}

static void release_all(apus_message *messages[PASSED])
{
    for (int i = 0; i < PASSED; i++)
        apus_message_release(messages[i]);
}

static void segments_body(apus_process *self, void *argument)
{
    apus_message *messages[PASSED];
    (void)argument;
    pass(self, &last_number, sizeof last_number, messages);
    CHECK(messages[0]->block < APUS__SEGMENT && messages[1]->block < APUS__SEGMENT);
    for (int i = 2; i < PASSED; i++) {
        CHECK_EQ(messages[i]->block, APUS__SEGMENT);
        CHECK_EQ(apus__segment_line(messages[i]), 1 + (i - 2) % 7);
    }
    CHECK(apus__segment_of(messages[2])->next == apus__segment_of(messages[9]));
    CHECK(!(self->flags & APUS__OPEN));
    release_all(messages);
}

TEST(segments, "two messages have a block of their own each, those that pile up behind them lie side by side")
{
    start_runtime(1);
    run_process(segments_body, NULL, 0);
    stop_runtime();
}

static void wide_body(apus_process *self, void *argument)
{
    apus_message *messages[PASSED];
    (void)argument;
    for (int lines = 2; lines <= 4; lines++) {
        char payload[APUS__WIDE_PAYLOAD] = {0};
        size_t size = (size_t)lines * APUS_CACHE_LINE - sizeof(apus_message);
        unsigned fit = (APUS__WIDE_LINES - 1) / lines;
        pass(self, payload, size, messages);
        CHECK(messages[0]->block < APUS__SEGMENT && messages[1]->block < APUS__SEGMENT);
        for (unsigned i = 2; i < PASSED; i++) {
            CHECK_EQ(messages[i]->block, APUS__WIDE);
            CHECK_EQ(apus__wide_line(messages[i]), 1 + (i - 2) % fit * lines);
        }
        CHECK(apus__wide_segment_of(messages[2])->next == apus__wide_segment_of(messages[2 + fit]));
        CHECK(!(self->flags & APUS__OPEN_WIDE));
        release_all(messages);
    }
}

TEST(wide, "messages of two to four lines lie side by side from the third on, in segments of their own")
{
    start_runtime(1);
    run_process(wide_body, NULL, 0);
    stop_runtime();
}

// --- From elsewhere -------------------------------------------------------------------------------------------------------------

enum { FEW = 64, MANY = 65 }; // signals that are taken at once

struct waiting {
    int messages; // that a plain thread sends while the process is in its callback
    uint8_t last_block;
};

static atomic_int told;

// Enters the runtime only when all have been sent, so that it takes them at once.
static void waiting_body(apus_process *self, void *argument)
{
    const struct waiting *wanted = argument;
    atomic_store(&told, 1);
    while (atomic_load(&told) != 2)
        usleep(100);
    for (int i = 1; i <= wanted->messages; i++) {
        apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
        CHECK(message != NULL);
        CHECK_EQ(*(const int64_t *)apus_message_payload(message), i);
        CHECK_EQ(message->block, i <= 2 ? 0 : wanted->last_block);
        apus_message_release(message);
    }
}

static void send_to_waiting(int messages, uint8_t last_block)
{
    struct waiting wanted = {messages, last_block};
    apus_pid pid;
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE, .rescue_ms = APUS_RESCUE_OFF};
    CHECK_EQ(apus_start(&options), 0);
    atomic_store(&told, 0);
    CHECK_EQ(apus_spawn_blocking(waiting_body, &wanted, sizeof wanted, NULL, &pid), 0);
    while (atomic_load(&told) != 1)
        usleep(100);
    for (int64_t i = 1; i <= messages; i++)
        CHECK_EQ(apus_send(pid, &type_number, &i, sizeof i), 0);
    atomic_store(&told, 2);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, NULL), 0);
    stop_runtime();
}

TEST(gathered, "a few messages from elsewhere move to where those before them lie, many stay where they are")
{
    send_to_waiting(FEW, APUS__SEGMENT);
    send_to_waiting(MANY, 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
