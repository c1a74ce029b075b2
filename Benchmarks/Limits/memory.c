// memory.c - what memory costs: a small block of the C library, copies of several sizes into fresh blocks, and the bandwidth of
// all cores.
#include "limits.h"

#include <pthread.h>
#include <string.h>

enum { LARGEST = 1 << 20, BIG = 32 << 20, THREADS_MAX = 1024 };

static int64_t source[LARGEST / sizeof(int64_t)];

static double allocation_ns(int64_t count)
{
    int64_t sum = 0, start = now_ns();
    for (int64_t i = 0; i < count; i++) {
        volatile int64_t *block = malloc(64); // volatile: the compiler may leave out a block that it sees come and go
        check(block != NULL, "malloc");
        block[0] = i;
        sum += block[0];
        free((void *)block);
    }
    int64_t end = now_ns();
    check(sum == count * (count - 1) / 2, "allocation: what was written was read");
    return (double)(end - start) / (double)count;
}

// What a message of that size costs at least: a block, a copy into it, one look at every word.
static double copy_per_s(size_t size, int64_t count)
{
    int64_t words = (int64_t)(size / sizeof *source), sum = 0, start = now_ns();
    for (int64_t i = 0; i < count; i++) {
        int64_t *block = malloc(size);
        check(block != NULL, "malloc");
        memcpy(block, source, size);
        __asm__ volatile("" : : "r"(block) : "memory"); // as if somebody else were to read it
        for (int64_t k = 0; k < words; k++) {
            sum += block[k];
        }
        free(block);
    }
    int64_t end = now_ns();
    check(sum == count * (words * (words + 1) / 2), "copy: sum of all words");
    return (double)size * (double)count * 1e9 / (double)(end - start);
}

static cpu_set_t allowed;

static void *bandwidth_body(void *index)
{
    static _Thread_local char *from, *to;
    limits_bind(&allowed, (int)(intptr_t)index);
    from = malloc(BIG);
    to = malloc(BIG);
    check(from != NULL && to != NULL, "malloc");
    memset(from, 1, BIG);
    memset(to, 2, BIG);
    int64_t start = now_ns();
    for (int i = 0; i < 4; i++) {
        memcpy(to, from, BIG);
        from[i] = to[BIG - 1 - i];
    }
    int64_t ns = now_ns() - start;
    check(to[BIG / 2] == 1, "copy");
    free(from);
    free(to);
    return (void *)(intptr_t)ns;
}

// Bytes read and written, by as many threads as there are cores.
static double bandwidth_per_s(int cores)
{
    pthread_t threads[THREADS_MAX];
    double sum = 0;
    for (int i = 0; i < cores; i++) {
        check(pthread_create(&threads[i], NULL, bandwidth_body, (void *)(intptr_t)i) == 0, "pthread_create");
    }
    for (int i = 0; i < cores; i++) {
        void *ns;
        pthread_join(threads[i], &ns);
        sum += 4 * 2.0 * BIG * 1e9 / (double)(intptr_t)ns;
    }
    return sum;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        size_t size;
        int64_t count;
    } sizes[] = {{"copy_64", 64, 500000}, {"copy_1k", 1024, 200000}, {"copy_16k", 16384, 20000}, {"copy_256k", 262144, 1000},
                 {"copy_1m", LARGEST, 200}};
    struct limits_arguments arguments = limits_arguments(argc, argv);
    int cores = arguments.cores < THREADS_MAX ? arguments.cores : THREADS_MAX;
    double allocation = 1e9, bandwidth = 0, copies[5] = {0};
    check(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "sched_getaffinity");
    for (size_t i = 0; i < sizeof source / sizeof *source; i++) {
        source[i] = (int64_t)i + 1;
    }
    for (int i = 0; i < REPETITIONS; i++) {
        double ns = allocation_ns(limits_scaled(arguments, 2000000));
        allocation = ns < allocation ? ns : allocation;
        for (int k = 0; k < 5; k++) {
            double per_s = copy_per_s(sizes[k].size, limits_scaled(arguments, sizes[k].count));
            copies[k] = per_s > copies[k] ? per_s : copies[k];
        }
    }
    for (int i = 0; i < 2; i++) {
        double per_s = bandwidth_per_s(cores);
        bandwidth = per_s > bandwidth ? per_s : bandwidth;
    }
    limits_print("allocation", cores, allocation, "ns");
    limits_print("bandwidth", cores, bandwidth, "bytes/s");
    for (int k = 0; k < 5; k++) {
        limits_print(sizes[k].name, cores, copies[k], "bytes/s");
    }
    return 0;
}
