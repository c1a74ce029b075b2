// Goal: what a thread asks of Linux: pinning, names, numbers, the fork guard, futexes, the clock, membarrier.
//
// Method: each promise of the headers is asked for and then checked by another way of asking the kernel.
#define _GNU_SOURCE 1
#include "os/thread.h"

#include <pthread.h>
#include <sched.h>

#include "../test.h"
#include "base/atomic.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/membarrier.h"

TEST(pin_cpu, "a pinned thread runs on its CPU only")
{
    struct apus__topology topology;
    CHECK_EQ(apus__topology_read(&topology, NULL, NULL), 0);
    for (unsigned i = 0; i < topology.cpu_count; i++) {
        CHECK_EQ(apus__thread_pin_cpu(0, topology.cpus[i].id), 0);
        CHECK_EQ(sched_getcpu(), topology.cpus[i].id);
    }
    CHECK_EQ(apus__thread_pin_cpu(0, 8191), -EINVAL);
    apus__topology_free(&topology);
}

TEST(pin_node, "a thread pinned to a node may use all CPUs of that node that the topology lists")
{
    struct apus__topology topology;
    cpu_set_t set;
    CHECK_EQ(apus__topology_read(&topology, NULL, NULL), 0);
    unsigned node = (unsigned)topology.cpus[0].node, members = 0;
    for (unsigned i = 0; i < topology.cpu_count; i++)
        members += topology.cpus[i].node == (int)node;
    CHECK_EQ(apus__thread_pin_cpu(0, topology.cpus[0].id), 0);
    CHECK_EQ(apus__thread_pin_node(&topology, node), 0);
    CHECK_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    CHECK_EQ(CPU_COUNT(&set), members);
    CHECK_EQ(apus__thread_pin_node(&topology, topology.node_count), -EINVAL);
    apus__topology_free(&topology);
}

TEST(name, "a thread's name is cut to what the kernel keeps")
{
    char name[32];
    apus__thread_name("apus-0");
    pthread_getname_np(pthread_self(), name, sizeof name);
    CHECK_STR(name, "apus-0");
    apus__thread_name("a name of more than fifteen bytes");
    pthread_getname_np(pthread_self(), name, sizeof name);
    CHECK_STR(name, "a name of more ");
}

static void *store_id(void *out)
{
    *(uint32_t *)out = apus__thread_id();
    return NULL;
}

TEST(thread_id, "each thread has a number of its own")
{
    uint32_t other = 0;
    pthread_t thread;
    CHECK_EQ(apus__thread_id(), getpid());
    CHECK_EQ(pthread_create(&thread, NULL, store_id, &other), 0);
    pthread_join(thread, NULL);
    CHECK(other != 0 && other != apus__thread_id());
}

// The exit status of a child that runs `body`.
static int child_status(void (*body)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void exit_if_fork(void)
{
    _exit(apus__process_is_fork() ? 7 : 0);
}

static void arm_again(void)
{
    CHECK(apus__process_is_fork());
    CHECK_EQ(apus__fork_guard_arm(NULL), 0);
    CHECK(!apus__process_is_fork());
    _exit(child_status(exit_if_fork));
}

TEST(fork_guard, "a fork child knows that it is one, and its parent stays the original")
{
    CHECK(!apus__process_is_fork());
    CHECK_EQ(apus__fork_guard_arm(NULL), 0);
    CHECK(!apus__process_is_fork());
    CHECK_EQ(child_status(exit_if_fork), 7);
    CHECK(!apus__process_is_fork());
}

TEST(fork_guard_again, "a fork child that arms the guard becomes the original for its own children")
{
    CHECK_EQ(apus__fork_guard_arm(NULL), 0);
    CHECK_EQ(child_status(arm_again), 7);
}

TEST(clock, "the clock does not go back")
{
    uint64_t before = apus__clock_ns();
    CHECK(before > 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = apus__clock_ns();
        CHECK(now >= before);
        before = now;
    }
}

TEST(futex_timeout, "a futex wait ends after its time-out")
{
    _Atomic uint32_t word = 5;
    uint64_t timeout_ns = 20000000, before = apus__clock_ns();
    // Early returns are allowed, so the wait is repeated for the time that is left; a machine under load may only make it longer.
    uint64_t now = before;
    while (now - before < timeout_ns) {
        apus__futex_wait(&word, 5, timeout_ns - (now - before));
        now = apus__clock_ns();
    }
    apus__futex_wait(&word, 5, 0);
}

TEST(futex_changed, "a futex wait on another value returns at once")
{
    _Atomic uint32_t word = 6;
    apus__futex_wait(&word, 5, UINT64_MAX);
}

static _Atomic uint32_t turn;

static void *take_turns(void *unused)
{
    for (uint32_t i = 0; i < 2000; i += 2) {
        // acquire and release: hand the turn over; the partner is the same loop in futex_wakes.
        while (apus_load_acquire(&turn) != i + 1)
            apus__futex_wait(&turn, i, UINT64_MAX);
        apus_store_release(&turn, i + 2);
        apus__futex_wake(&turn, 1);
    }
    return unused;
}

TEST(futex_wakes, "no wake-up is lost between two threads that take turns")
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, take_turns, NULL), 0);
    for (uint32_t i = 0; i < 2000; i += 2) {
        apus_store_release(&turn, i + 1);
        apus__futex_wake(&turn, UINT32_MAX);
        while (apus_load_acquire(&turn) != i + 2)
            apus__futex_wait(&turn, i + 1, UINT64_MAX);
    }
    pthread_join(thread, NULL);
}

TEST(membarrier, "membarrier works once it is registered, or says that it is missing")
{
    int failed = apus__membarrier_register();
    CHECK(failed == 0 || failed == -ENOSYS || failed == -EINVAL || failed == -EPERM);
    if (failed == 0)
        apus__membarrier_all();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
