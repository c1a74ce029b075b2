// Tests/C/faults/fault.h - faults to be had on purpose, and a runtime that remembers what its log was told.
#ifndef APUS_TESTS_FAULT_H
#define APUS_TESTS_FAULT_H

#include "runtime_test.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { FAULTS_ARE_CONTAINED = 0 }; // the sanitizer reports them itself
#else
enum { FAULTS_ARE_CONTAINED = 1 };
#endif

// Under a sanitizer, and in a program without a dynamic linker, a test of faults has nothing to test.
#define NEEDS_CONTAINMENT()                                  \
    do {                                                     \
        if (!FAULTS_ARE_CONTAINED || test_is_emulated())     \
            return;                                          \
    } while (0)

static const apus_type type_number = {.name = "number"};

// Values the compiler knows nothing of.
static volatile int fault_zero, fault_one = 1;
static int *volatile fault_null;
static int (*volatile fault_wild)(void);

static inline void fault_null_pointer(void) { *fault_null = 1; }
static inline void fault_read(void) { fault_zero = fault_null[4]; }
static inline void fault_division(void)
{
#if defined(__x86_64__)
    fault_zero = 5 / fault_zero;
#else
    raise(SIGFPE);
#endif
}
static inline void fault_illegal(void) { __builtin_trap(); }
static inline void fault_abort(void) { abort(); }
static inline void fault_assert(void) { __assert_fail("the sky holds", "fault.h", 1, "fault_assert"); }
static inline void fault_breakpoint(void)
{
#if defined(__x86_64__)
    __asm__ volatile("int3");
#else
    __asm__ volatile("brk #0");
#endif
}
static inline void fault_wild_call(void) { fault_zero = fault_wild(); }
static inline void fault_memset(void) { memset(fault_null, 1, 100 + (size_t)fault_zero); }
static inline void fault_strlen(void) { fault_zero = (int)strlen((const char *)fault_null); }

__attribute__((noinline)) static int fault_go_deeper(volatile char *above)
{
    volatile char frame[1000];
    frame[0] = *above;
    return fault_one ? fault_go_deeper(frame) + frame[0] : 0;
}

static inline void fault_overflow(void)
{
    volatile char top = 1;
    fault_zero = fault_go_deeper(&top);
}

// One frame that is larger than most guards: 400 KB jumped one of 68 KB.
__attribute__((noinline)) static void fault_big_frame(void)
{
    volatile char frame[400 << 10];
    frame[0] = 1;
    frame[sizeof frame - 1] = frame[0];
}

// The stack ends inside the C library, in its allocator or its formatting.
__attribute__((noinline)) static int fault_format_deeper(int depth)
{
    volatile char frame[48];
    char text[64];
    void *memory = malloc(100 + (size_t)depth % 7);
    frame[0] = (char)snprintf(text, sizeof text, "%d %f", depth, depth * 1.5);
    free(memory);
    return fault_one ? fault_format_deeper(depth + 1) + frame[0] : 0;
}

static inline void fault_overflow_in_libc(void) { fault_zero = fault_format_deeper(1); }

static inline void fault_bus(void)
{
    char name[] = "/tmp/apus-fault-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    unlink(name);
    CHECK_EQ(ftruncate(fd, 4096), 0);
    volatile char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    CHECK_EQ(ftruncate(fd, 0), 0);
    memory[0] = 1;
}

struct fault {
    const char *name;
    void (*have)(void);
    int signal;
    const char *text; // part of it, or NULL
};

static const struct fault faults[] = {
    {"null pointer", fault_null_pointer, SIGSEGV, NULL},
    {"read at 0x10", fault_read, SIGSEGV, NULL},
#if defined(__x86_64__)
    {"division by zero", fault_division, SIGFPE, NULL},
#endif
    {"illegal instruction", fault_illegal, SIGILL, NULL},
    {"abort", fault_abort, SIGABRT, NULL},
    {"assert", fault_assert, SIGABRT, "Assertion `the sky holds' failed"},
    {"breakpoint", fault_breakpoint, SIGTRAP, NULL},
    {"call of a null pointer", fault_wild_call, SIGSEGV, NULL},
    {"memset", fault_memset, SIGSEGV, NULL},
    {"strlen", fault_strlen, SIGSEGV, NULL},
    {"bus error", fault_bus, SIGBUS, NULL},
    {"stack overflow", fault_overflow, SIGSEGV, NULL},
    {"large frame", fault_big_frame, SIGSEGV, NULL},
#if defined(__x86_64__)
    {"stack overflow in the C library", fault_overflow_in_libc, SIGSEGV, NULL},
#endif
};
enum { FAULTS = sizeof faults / sizeof *faults };

// What the log was told.
static struct {
    pthread_mutex_t lock;
    unsigned count;
    apus_log_kind kind;
    apus_pid pid;
    char text[16384], json[32768];
} logged = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline void remember(const apus_log *entry, void *context)
{
    (void)context;
    if (entry->kind == APUS_LOG_RESCUE)
        return;
    pthread_mutex_lock(&logged.lock);
    logged.count++;
    logged.kind = entry->kind;
    logged.pid = entry->pid;
    snprintf(logged.text, sizeof logged.text, "%s", entry->text);
    snprintf(logged.json, sizeof logged.json, "%s", entry->json);
    pthread_mutex_unlock(&logged.lock);
}

static inline unsigned logged_count(void)
{
    pthread_mutex_lock(&logged.lock);
    unsigned count = logged.count;
    pthread_mutex_unlock(&logged.lock);
    return count;
}

static inline void await_logged(unsigned count)
{
    while (logged_count() < count)
        usleep(500);
}

static inline void start_with_faults(unsigned schedulers)
{
    apus_options options = {.struct_size = sizeof options, .schedulers = schedulers, .binding = APUS_BIND_NONE, .log = remember,
                            .faults_per_minute = 20000, .faults_in_all = 20000};
    CHECK_EQ(apus_start(&options), 0);
}

#endif
