// atomics.c - what a locked instruction costs: on a line of one's own, on a line that all want, and a line's way between two cores.
#include "limits.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS_MAX = 1024 };

static _Alignas(128) _Atomic uint64_t shared;
static _Alignas(128) _Atomic uint64_t turn;
static _Alignas(128) atomic_int ready;
static cpu_set_t allowed;
static int64_t times;
static int threads;

static double exchange_ns(int64_t count)
{
    static _Alignas(128) _Atomic uint64_t own;
    uint64_t sum = 0;
    int64_t start = now_ns();
    for (int64_t i = 1; i <= count; i++) {
        sum += atomic_exchange_explicit(&own, (uint64_t)i, memory_order_acq_rel);
    }
    int64_t end = now_ns();
    check(sum == (uint64_t)(count * (count - 1) / 2), "exchange: every value came back");
    atomic_store(&own, 0);
    return (double)(end - start) / (double)count;
}

static void wait_for_all(void)
{
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < threads) {
    }
}

// Each adds up what it finds in the shared word and puts its own number there.
static void *exchange_body(void *index)
{
    uint64_t found = 0;
    limits_bind(&allowed, (int)(intptr_t)index);
    wait_for_all();
    for (int64_t i = 0; i < times; i++) {
        found += atomic_exchange_explicit(&shared, 1, memory_order_acq_rel);
    }
    return (void *)(uintptr_t)found;
}

static double shared_per_s(int count, int64_t each)
{
    pthread_t thread[THREADS_MAX];
    uintptr_t found = 0;
    times = each;
    threads = count;
    atomic_store(&ready, 0);
    atomic_store(&shared, 0);
    int64_t start = now_ns();
    for (int i = 0; i < count; i++) {
        check(pthread_create(&thread[i], NULL, exchange_body, (void *)(intptr_t)i) == 0, "pthread_create");
    }
    for (int i = 0; i < count; i++) {
        void *result;
        pthread_join(thread[i], &result);
        found += (uintptr_t)result;
    }
    int64_t end = now_ns();
    check(found == (uintptr_t)(count * each - 1), "exchange: only the first found nothing");
    return (double)(count * each) * 1e9 / (double)(end - start);
}

// The word counts; one thread makes it odd, the other even.
static void *line_body(void *parity)
{
    uint64_t mine = (uint64_t)(uintptr_t)parity;
    limits_bind(&allowed, (int)mine);
    wait_for_all();
    for (int64_t i = 0; i < times; i++) {
        uint64_t value;
        while ((value = atomic_load_explicit(&turn, memory_order_acquire)) % 2 != mine) {
        }
        atomic_store_explicit(&turn, value + 1, memory_order_release);
    }
    return NULL;
}

static double line_ns(int64_t each)
{
    pthread_t thread[2];
    times = each;
    threads = 2;
    atomic_store(&ready, 0);
    atomic_store(&turn, 0);
    int64_t start = now_ns();
    for (uintptr_t i = 0; i < 2; i++) {
        check(pthread_create(&thread[i], NULL, line_body, (void *)i) == 0, "pthread_create");
    }
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
    int64_t end = now_ns();
    check(atomic_load(&turn) == (uint64_t)(2 * each), "line: every turn was taken");
    return (double)(end - start) / (double)(2 * each);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct limits_arguments arguments = limits_arguments(argc, argv);
    int cores = arguments.cores < THREADS_MAX ? arguments.cores : THREADS_MAX;
    check(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "sched_getaffinity");
    // The least of many short tries is what the machine does when nobody disturbs it. Not so for the shared line: a try in which
    // the threads happen to run one after the other is the fastest, so of those it is the one in the middle.
    double exchange = 1e9, line = 1e9, all[REPETITIONS];
    for (int i = 0; i < REPETITIONS; i++) {
        double ns = exchange_ns(limits_scaled(arguments, 1000000));
        exchange = ns < exchange ? ns : exchange;
        all[i] = shared_per_s(cores, limits_scaled(arguments, 500000));
    }
    qsort(all, REPETITIONS, sizeof *all, compare);
    for (int i = 0; cores > 1 && i < 5 * REPETITIONS; i++) {
        double ns = line_ns(limits_scaled(arguments, 10000));
        line = ns < line ? ns : line;
    }
    limits_print("exchange", cores, exchange, "ns");
    limits_print("exchange_shared", cores, all[REPETITIONS / 2], "exchanges/s");
    if (cores > 1) {
        limits_print("line", cores, line, "ns");
    }
    return 0;
}
