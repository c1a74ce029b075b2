// Tests/C/test.h - the C test harness: one binary for each file, each test in an OS process of its own with a time limit.
//
//   TEST(R16_two_links_one_exit, "R16: two link calls, one EXIT") { CHECK(...); CHECK_EQ(got, want); }
//   int main(int argc, char **argv) { return test_main(argc, argv); }
//
// A test passes if its process exits with 0 within the limit (TEST_TIMEOUT seconds, default 60; sanitizers and valgrind multiply it
// by TEST_SLOW), so a crash, a hang, or a leaked non-zero exit names the test. `binary NAME...` runs those only; `binary --list`
// lists; `binary --here NAME` runs one in this process, for a debugger. The last line is "N passed, N failed".
#ifndef APUS_TESTS_TEST_H
#define APUS_TESTS_TEST_H

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct test {
    const char *name;
    const char *sentence;
    void (*run)(void);
    struct test *next;
};

static struct test *test_first, **test_last = &test_first;

#define TEST(id, text)                                                          \
    static void test_##id(void);                                                \
    __attribute__((constructor)) static void test_register_##id(void)           \
    {                                                                           \
        static struct test test = {#id, text, test_##id, NULL};                 \
        *test_last = &test;                                                     \
        test_last = &test.next;                                                 \
    }                                                                           \
    static void test_##id(void)

#define CHECK(x)                                                                \
    do {                                                                        \
        if (!(x)) {                                                             \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #x);     \
            _exit(1);                                                           \
        }                                                                       \
    } while (0)

#define CHECK_EQ(got, want)                                                     \
    do {                                                                        \
        long long test_got = (long long)(got), test_want = (long long)(want);   \
        if (test_got != test_want) {                                            \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld (%s)\n", __FILE__, __LINE__, #got, test_got, test_want, #want); \
            _exit(1);                                                           \
        }                                                                       \
    } while (0)

#define CHECK_STR(got, want)                                                    \
    do {                                                                        \
        const char *test_got = (got), *test_want = (want);                      \
        if (strcmp(test_got, test_want) != 0) {                                 \
            fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got, test_got, test_want); \
            _exit(1);                                                           \
        }                                                                       \
    } while (0)

static inline unsigned test_timeout_s(void)
{
    const char *limit = getenv("TEST_TIMEOUT"), *slow = getenv("TEST_SLOW");
    return (limit ? (unsigned)atoi(limit) : 60u) * (slow ? (unsigned)atoi(slow) : 1u);
}

// How much work a torture test should do: `base` times TEST_SCALE (default 1; the sanitizer targets lower it).
static inline long test_scaled(long base)
{
    const char *scale = getenv("TEST_SCALE");
    double scaled = (double)base * (scale ? atof(scale) : 1.0);
    return scaled < 1 ? 1 : (long)scaled;
}

// Whether an emulator runs this as a program of another architecture: it has threads and memory of its own, which the system counts
// as ours. Tests/run.sh says so.
static inline bool test_is_emulated(void)
{
    return getenv("TEST_EMULATED") != NULL;
}

static inline bool test_run_one(const struct test *test)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(test_timeout_s());
        test->run();
        exit(0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (passed)
        printf("ok   %s\n", test->sentence);
    else if (WIFSIGNALED(status))
        printf("FAIL %s (%s: %s)\n", test->sentence, test->name,
               WTERMSIG(status) == SIGALRM ? "time limit" : strsignal(WTERMSIG(status)));
    else
        printf("FAIL %s (%s: exit status %d)\n", test->sentence, test->name, WEXITSTATUS(status));
    fflush(stdout);
    return passed;
}

static inline bool test_is_chosen(const struct test *test, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], test->name) == 0)
            return true;
    return argc < 2;
}

static inline int test_main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (struct test *test = test_first; test; test = test->next)
            printf("%s\t%s\n", test->name, test->sentence);
        return 0;
    }
    bool here = argc > 2 && strcmp(argv[1], "--here") == 0;
    for (struct test *test = test_first; test; test = test->next) {
        if (!test_is_chosen(test, argc, argv))
            continue;
        if (here) {
            test->run();
            passed++;
        } else if (test_run_one(test)) {
            passed++;
        } else {
            failed++;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0 || passed == 0;
}

#endif
