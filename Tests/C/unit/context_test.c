// Goal: the stack switch keeps what the calling convention says it keeps, on every thread, and walkers stop at the root of a stack.
//
// Method: two or more contexts that switch to each other, with values in callee-saved registers and in the control words.
#define _GNU_SOURCE 1
#include "os/context.h"

#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <unwind.h>

#include "../test.h"
#include "base/atomic.h"
#include "base/types.h"
#include "os/clock.h"

// A register for floating point, in the words of gcc's constraints.
#if defined(__x86_64__)
#define FLOAT_REGISTER "+x"
#else
#define FLOAT_REGISTER "+w"
#endif

enum { STACK_SIZE = 256 * 1024, GUARD_SIZE = 64 * 1024 };

// A context that was started by a test, and the one it returns to.
struct pair {
    struct apus__context native, other;
    struct apus__stack stack;
    long count;
    bool done;
};

static void pair_start(struct pair *pair, struct apus__context *(*entry)(void *))
{
    memset(pair, 0, sizeof *pair);
    CHECK_EQ(apus__stack_map(&pair->stack, STACK_SIZE, GUARD_SIZE, -1), 0);
    apus__context_adopt(&pair->native);
    apus__context_make(&pair->other, &pair->stack, entry, pair);
}

static void pair_go(struct pair *pair)
{
    apus__context_switch(&pair->native, &pair->other);
}

static void pair_go_anew(struct pair *pair)
{
    apus__context_start(&pair->native, &pair->other);
}

static void pair_back(struct pair *pair)
{
    apus__context_switch(&pair->other, &pair->native);
}

// What an entry returns at last.
static struct apus__context *pair_leave(struct pair *pair)
{
    pair->done = true;
    return &pair->native;
}

static void pair_end(struct pair *pair)
{
    apus__context_destroy(&pair->other);
    apus__context_destroy(&pair->native);
    apus__stack_unmap(&pair->stack);
}

static struct apus__context *count_up(void *argument)
{
    struct pair *pair = argument;
    while (!pair->done) {
        pair->count++;
        pair_back(pair);
    }
    return &pair->native;
}

TEST(million, "a million switches return a million times")
{
    struct pair pair;
    long rounds = test_scaled(500000);
    pair_start(&pair, count_up);
    uint64_t before = apus__clock_ns();
    for (long i = 0; i < rounds; i++)
        pair_go(&pair);
    uint64_t after = apus__clock_ns();
    CHECK_EQ(pair.count, rounds);
    if (getenv("TEST_TIMES"))
        printf("     %.2f ns per switch\n", (double)(after - before) / (double)(2 * rounds));
    pair_end(&pair);
}

static struct apus__context *leave_at_once(void *argument)
{
    char local[64];
    memset(local, 1, sizeof local);
    __asm__ volatile("" ::"r"(local) : "memory");
    return pair_leave(argument);
}

TEST(leave, "a context that leaves can be made again on the same stack")
{
    struct pair pair;
    pair_start(&pair, leave_at_once);
    for (int i = 0; i < 1000; i++) {
        pair.done = false;
        pair_go(&pair);
        CHECK(pair.done);
        apus__context_destroy(&pair.other);
        apus__context_make(&pair.other, &pair.stack, leave_at_once, &pair);
    }
    pair_end(&pair);
}

static struct apus__context *check_stack(void *argument)
{
    struct pair *pair = argument;
    // An aligned vector on the stack faults if the entry's frame is not aligned as the calling convention says.
    typedef double vector __attribute__((vector_size(16)));
    volatile vector aligned = {1, 2};
    char *here = __builtin_frame_address(0);
    CHECK(here >= (char *)pair->stack.low && here < (char *)pair->stack.low + pair->stack.size);
    CHECK_EQ((uintptr_t)&aligned % 16, 0);
    CHECK(aligned[1] == 2);
    char text[64];
    snprintf(text, sizeof text, "%.3f %Lf", 1.5, 2.5L);
    CHECK_STR(text, "1.500 2.500000");
    return pair_leave(pair);
}

TEST(stack, "the entry runs on the given stack, aligned")
{
    struct pair pair;
    pair_start(&pair, check_stack);
    pair_go(&pair);
    CHECK(pair.done);
    pair_end(&pair);
}

static __attribute__((noinline)) long recurse(struct pair *pair, long depth)
{
    volatile char frame[64];
    frame[0] = (char)depth;
    if (depth == 0) {
        pair_back(pair);
        return 0;
    }
    long below = recurse(pair, depth - 1);
    CHECK_EQ(frame[0], (char)depth);
    return below + 1;
}

static struct apus__context *recurse_deeply(void *argument)
{
    struct pair *pair = argument;
    pair->count = recurse(pair, 500);
    return pair_leave(pair);
}

TEST(deep, "a context switches away from deep within a recursion and returns through it")
{
    struct pair pair;
    pair_start(&pair, recurse_deeply);
    pair_go(&pair);
    CHECK_EQ(pair.count, 0);
    pair_go(&pair);
    CHECK_EQ(pair.count, 500);
    pair_end(&pair);
}

static struct apus__context *recurse_forever(void *argument)
{
    struct pair *pair = argument;
    pair->count = recurse(pair, INT64_MAX);
    return pair_leave(pair);
}

TEST(overflow, "a recursion without end faults in the guard")
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct pair pair;
        fclose(stderr);
        pair_start(&pair, recurse_forever);
        pair_go(&pair);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

// Makes the compiler hold these values in registers here, without knowing what they are.
#define HOLD_INTEGERS __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(e), "+r"(f), "+r"(g))
#define HOLD_FLOATS                                                                                       \
    __asm__ volatile("" : FLOAT_REGISTER(s), FLOAT_REGISTER(t), FLOAT_REGISTER(u), FLOAT_REGISTER(v),     \
                          FLOAT_REGISTER(w), FLOAT_REGISTER(x), FLOAT_REGISTER(y), FLOAT_REGISTER(z))

// Switches with known values in many registers at once; the compiler keeps some of them in callee-saved ones.
static __attribute__((noinline)) void hold_registers(struct pair *pair, long base, void (*go)(struct pair *))
{
    long a = base, b = base + 1, c = base + 2, e = base + 3, f = base + 4, g = base + 5;
    double s = 0.5 + base, t = 1.5 + base, u = 2.5 + base, v = 3.5 + base;
    double w = 4.5 + base, x = 5.5 + base, y = 6.5 + base, z = 7.5 + base;
    HOLD_INTEGERS;
    HOLD_FLOATS;
    go(pair);
    HOLD_INTEGERS;
    HOLD_FLOATS;
    CHECK(a == base && b == base + 1 && c == base + 2 && e == base + 3 && f == base + 4 && g == base + 5);
    CHECK(s == 0.5 + base && t == 1.5 + base && u == 2.5 + base && v == 3.5 + base);
    CHECK(w == 4.5 + base && x == 5.5 + base && y == 6.5 + base && z == 7.5 + base);
}

static struct apus__context *hold_on_other(void *argument)
{
    struct pair *pair = argument;
    for (long i = 0; i < 100; i++)
        hold_registers(pair, 1000 * i, pair_back);
    return pair_leave(pair);
}

TEST(registers, "callee-saved registers survive a switch")
{
    struct pair pair;
    pair_start(&pair, hold_on_other);
    for (long i = 0; !pair.done; i++)
        hold_registers(&pair, -77 * i, pair_go);
    pair_end(&pair);
}

static struct apus__context *change_rounding(void *argument)
{
    struct pair *pair = argument;
    CHECK_EQ(fegetround(), FE_TONEAREST);
    for (int i = 0; i < 3; i++) {
        fesetround(FE_DOWNWARD);
        pair_back(pair);
        CHECK_EQ(fegetround(), FE_DOWNWARD);
    }
    return pair_leave(pair);
}

TEST(control_words, "each context keeps its own floating point control words, and starts with the default ones")
{
    struct pair pair;
    volatile double one = 1, three = 3;
    pair_start(&pair, change_rounding);
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    double up = one / three;
    while (!pair.done) {
        pair_go(&pair);
        CHECK_EQ(fegetround(), FE_UPWARD);
        CHECK(one / three == up);
    }
    fesetround(FE_TONEAREST);
    pair_end(&pair);
}

// Three contexts: the thread's starts the outer one, which starts the inner one, which has the thread's go on.
struct nest {
    struct pair outer, inner;
};

// What an entry leaves as control words, not to be found there when it is started again; but with sanitizers it is.
#if defined(APUS_CONTEXT_TSAN) || defined(APUS_CONTEXT_ASAN)
enum { LEFT_BEHIND = FE_TONEAREST };
#else
enum { LEFT_BEHIND = FE_DOWNWARD };
#endif

static struct apus__context *nest_inner(void *argument)
{
    struct nest *nest = apus_container_of(argument, struct nest, inner);
    nest->inner.count++;
    CHECK_EQ(fegetround(), FE_TONEAREST);
    fesetround(LEFT_BEHIND);
    return &nest->outer.native;
}

static void nest_start_inner(struct pair *outer)
{
    struct nest *nest = apus_container_of(outer, struct nest, outer);
    apus__context_start(&outer->other, &nest->inner.other);
}

static struct apus__context *nest_outer(void *argument)
{
    struct pair *outer = argument;
    CHECK_EQ(fegetround(), FE_TONEAREST);
    fesetround(FE_TOWARDZERO);
    hold_registers(outer, -++outer->count, nest_start_inner);
    CHECK_EQ(fegetround(), FE_TOWARDZERO);
    fesetround(LEFT_BEHIND);
    return &outer->native;
}

TEST(start, "a context whose entry has returned is started again; who goes on has its own registers and control words")
{
    struct nest nest;
    pair_start(&nest.outer, nest_outer);
    pair_start(&nest.inner, nest_inner);
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    for (long i = 1; i <= 100000; i++) {
        hold_registers(&nest.outer, i, pair_go_anew);
        CHECK_EQ(nest.inner.count, i);
        hold_registers(&nest.outer, 3 * i, pair_go);
        CHECK_EQ(nest.outer.count, i);
        CHECK_EQ(fegetround(), FE_UPWARD);
    }
    fesetround(FE_TONEAREST);
    pair_end(&nest.outer);
    pair_end(&nest.inner);
}

struct walk {
    struct pair pair;
    int frames;
    bool stopped;
};

static _Unwind_Reason_Code walk_frame(struct _Unwind_Context *context, void *argument)
{
    (void)context;
    int *frames = argument;
    return ++*frames > 50 ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

static struct apus__context *walk_stack(void *argument)
{
    struct walk *walk = argument;
    walk->stopped = _Unwind_Backtrace(walk_frame, &walk->frames) == _URC_END_OF_STACK;
    return pair_leave(&walk->pair);
}

static void check_walk(void (*go)(struct pair *))
{
    struct walk walk = {.frames = 0};
    pair_start(&walk.pair, walk_stack);
    apus__context_destroy(&walk.pair.other);
    apus__context_make(&walk.pair.other, &walk.pair.stack, walk_stack, &walk);
    go(&walk.pair);
    CHECK(walk.stopped);
    // walk_stack, apus__context_begin, and its caller, which is nobody; a sanitizer adds its own.
    CHECK(walk.frames >= 3 && walk.frames < 10);
    pair_end(&walk.pair);
}

TEST(unwind, "an unwinder finds the entry and stops at the root")
{
    check_walk(pair_go);
    check_walk(pair_go_anew);
}

// A ring of contexts that two threads carry in turn: thread 0 takes each even round, thread 1 each odd one.
enum { WANDERERS = 8 };

struct wanderer {
    struct apus__context context;
    struct apus__context *carrier;
    struct apus__stack stack;
    long steps;
};

static struct wanderer wanderers[WANDERERS];
static _Atomic long wander_round;
static long wander_rounds;

static struct apus__context *wander(void *argument)
{
    struct wanderer *wanderer = argument;
    while (wanderer->carrier) {
        wanderer->steps++;
        apus__context_switch(&wanderer->context, wanderer->carrier);
    }
    return NULL;
}

static void *carry(void *number)
{
    struct apus__context native;
    apus__context_adopt(&native);
    for (long round = (long)(intptr_t)number; round < wander_rounds; round += 2) {
        // acquire: the other thread's contexts, published by its release below.
        while (apus_load_acquire(&wander_round) != round)
            sched_yield();
        for (int i = 0; i < WANDERERS; i++) {
            wanderers[i].carrier = &native;
            apus__context_switch(&native, &wanderers[i].context);
        }
        apus_store_release(&wander_round, round + 1);
    }
    apus__context_destroy(&native);
    return NULL;
}

TEST(threads, "a context continues on another thread than the one it stopped on")
{
    pthread_t threads[2];
    wander_rounds = 2 * test_scaled(1000);
    for (int i = 0; i < WANDERERS; i++) {
        CHECK_EQ(apus__stack_map(&wanderers[i].stack, STACK_SIZE, GUARD_SIZE, -1), 0);
        apus__context_make(&wanderers[i].context, &wanderers[i].stack, wander, &wanderers[i]);
    }
    for (intptr_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, carry, (void *)i), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < WANDERERS; i++) {
        CHECK_EQ(wanderers[i].steps, wander_rounds);
        apus__context_destroy(&wanderers[i].context);
        apus__stack_unmap(&wanderers[i].stack);
    }
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
