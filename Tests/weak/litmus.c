// Tests/weak/litmus.c - the two patterns the core lives on, by real threads: what the explorer shows of the model, seen on a machine.
//
// Goal:    no outcome that the orders in queue/inbox.h forbid.
// Method:  two threads, ROUNDS rounds each on data of its own, with a start that is as close as a spin allows. Compiled for aarch64 and run
//          under emulation it shows that the code runs; on a real aarch64 machine, that the processor obeys. qemu 7.2 does not keep a
//          seq_cst store (stlr) before a later seq_cst load (ldar), as the architecture does: it makes them plain ones of x86. With an
//          emulator the second pattern is therefore counted, and not judged.
#include "queue/inbox.h"

#include "../C/test.h"

#include <pthread.h>

enum { ROUNDS = 20000 };

struct round {
    struct apus__inbox inbox;
    struct apus__inbox_link link;
    uint64_t data;
    bool parked, must_wake;
} __attribute__((aligned(64)));

static struct round rounds[ROUNDS];
static _Atomic int arrived[ROUNDS];
static long seen;

// Both threads of a round are here.
static void meet(int round)
{
    atomic_fetch_add(&arrived[round], 1);
    while (atomic_load(&arrived[round]) < 2)
        apus__cpu_relax();
}

static void *push_all(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        meet(i);
        rounds[i].data = (uint64_t)i + 1;
        rounds[i].must_wake = apus__inbox_push(&rounds[i].inbox, &rounds[i].link, 0);
    }
    return NULL;
}

static void *take_all(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        meet(i);
        if (apus__inbox_take(&rounds[i].inbox)) {
            seen++;
            if (rounds[i].data != (uint64_t)i + 1)
                _exit(1);
        }
    }
    return NULL;
}

static void *park_all(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        meet(i);
        uint32_t parked;
        rounds[i].parked = apus__inbox_park(&rounds[i].inbox, 0, &parked);
    }
    return NULL;
}

static void run(void *(*other)(void *))
{
    pthread_t threads[2];
    memset(rounds, 0, sizeof rounds);
    memset(arrived, 0, sizeof arrived);
    CHECK_EQ(pthread_create(&threads[0], NULL, push_all, NULL), 0);
    CHECK_EQ(pthread_create(&threads[1], NULL, other, NULL), 0);
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
    CHECK_EQ(pthread_join(threads[1], NULL), 0);
}

TEST(message, "who takes a link has seen what was written before it was pushed")
{
    run(take_all);
    fprintf(stderr, "%ld of %d were taken in the same moment\n", seen, ROUNDS);
}

TEST(dekker, "a push wakes a taker that has parked, or the taker has seen it")
{
    int slept_through = 0;
    run(park_all);
    for (int i = 0; i < ROUNDS; i++)
        slept_through += rounds[i].parked && !rounds[i].must_wake;
    fprintf(stderr, "%d of %d slept through%s\n", slept_through, ROUNDS, test_is_emulated() ? ", by the emulator's order" : "");
    CHECK(slept_through == 0 || test_is_emulated());
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
