#define _GNU_SOURCE 1
#include "os/interpose.h"

#include "os/context.h"
#include "os/thread.h"

__thread struct apus__held apus__held __attribute__((tls_model("initial-exec")));

#if !defined(APUS_CONTEXT_ASAN) && !defined(APUS_CONTEXT_TSAN)

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

// Weak: in a static program the C library's own may be linked as well, and are taken then.
#define INTERPOSED __attribute__((visibility("default"), weak))

// --- Ending the program ---------------------------------------------------------------------------------------------------------

static void abort_raise(void)
{
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGABRT);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGABRT);
}

// As the C library's: SIGABRT, and if that is caught and returned from, SIGABRT without a handler. The first one is ours: it may contain
// the fault, in which case it does not return; else it has put back whatever handler there was before.
INTERPOSED void abort(void)
{
    apus__held.aborting = 1;
    abort_raise();
    apus__held.aborting = 0;
    abort_raise();
    signal(SIGABRT, SIG_DFL);
    abort_raise();
    for (;;)
        _exit(127);
}

static void held_say(const char *text)
{
    struct apus__held *held = &apus__held;
    size_t length = strlen(text);
    if (!held->text)
        return;
    uint64_t turn = held->turn();
    if (turn != held->said_turn || length >= held->text_size - held->text_length) // begins anew rather than losing the latest
        held->text_length = 0;
    if (length >= held->text_size)
        length = held->text_size - 1;
    memcpy(held->text + held->text_length, text, length);
    held->text_length += (uint32_t)length;
    held->text[held->text_length] = 0;
    held->said_turn = turn;
}

INTERPOSED void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
    char text[512];
    snprintf(text, sizeof text, "%s%s%s:%u: %s%sAssertion `%s' failed.\n", program_invocation_short_name,
             program_invocation_short_name[0] ? ": " : "", file, line, function ? function : "", function ? ": " : "", assertion);
    held_say(text);
    fwrite(text, 1, strlen(text), stderr);
    fflush(stderr);
    abort();
}

INTERPOSED int fputs(const char *restrict text, FILE *restrict stream)
{
    if (stream == stderr)
        held_say(text);
    size_t length = strlen(text);
    return fwrite(text, 1, length, stream) == length ? 1 : EOF;
}

// --- Locks ----------------------------------------------------------------------------------------------------------------------

// In a static program the C library's functions have these names; in a dynamic one they are looked up behind ours.
int __pthread_mutex_lock(pthread_mutex_t *mutex) __attribute__((weak));
int __pthread_mutex_trylock(pthread_mutex_t *mutex) __attribute__((weak));
int __pthread_mutex_unlock(pthread_mutex_t *mutex) __attribute__((weak));
int __pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *time) __attribute__((weak));
int __pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *time) __attribute__((weak));
int __pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) __attribute__((weak));
extern __typeof__(dlsym) dlsym __attribute__((weak));

static int (*real_lock)(pthread_mutex_t *), (*real_trylock)(pthread_mutex_t *), (*real_unlock)(pthread_mutex_t *);
static int (*real_timedlock)(pthread_mutex_t *, const struct timespec *);
static int (*real_clocklock)(pthread_mutex_t *, clockid_t, const struct timespec *);
static int (*real_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

#define LOOK_UP(where, name) (dlsym ? dlsym(where, name) : NULL)
#define FIND(pointer, name) (pointer = (__typeof__(pointer))LOOK_UP(RTLD_NEXT, #name), pointer ? pointer : (pointer = __##name))

// Before any other constructor, and again by whoever is earlier still.
__attribute__((constructor(101))) static void interpose_find(void)
{
    FIND(real_trylock, pthread_mutex_trylock);
    FIND(real_unlock, pthread_mutex_unlock);
    FIND(real_timedlock, pthread_mutex_timedlock);
    FIND(real_clocklock, pthread_mutex_clocklock);
    FIND(real_create, pthread_create);
    FIND(real_lock, pthread_mutex_lock); // last: it says that the others are there
}

static void interpose_need(void)
{
    if (__builtin_expect(!real_lock, 0))
        interpose_find();
}

static int held_count(int result)
{
    if (result == 0 || result == EOWNERDEAD)
        apus__held.mutexes++;
    return result;
}

INTERPOSED int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    interpose_need();
    return held_count(real_lock(mutex));
}

INTERPOSED int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    interpose_need();
    return held_count(real_trylock(mutex));
}

INTERPOSED int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict time)
{
    interpose_need();
    return held_count(real_timedlock(mutex, time));
}

INTERPOSED int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *time)
{
    interpose_need();
    return held_count(real_clocklock(mutex, clock, time));
}

INTERPOSED int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    interpose_need();
    int result = real_unlock(mutex);
    if (result == 0)
        apus__held.mutexes--;
    return result;
}

bool apus__interposes(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int (*lock)(pthread_mutex_t *) = LOOK_UP(RTLD_DEFAULT, "pthread_mutex_lock");
    int (*unlock)(pthread_mutex_t *) = LOOK_UP(RTLD_DEFAULT, "pthread_mutex_unlock");
    int32_t before = apus__held.mutexes;
    if (!lock || !unlock)
        return false;
    lock(&mutex);
    bool is_counted = apus__held.mutexes > before;
    unlock(&mutex);
    return is_counted;
}

// --- Threads --------------------------------------------------------------------------------------------------------------------

// In a static program the C library's pthread_create is only there if something needs it: thrd_create does.
__attribute__((used)) static const void *const interpose_needs_create = (const void *)thrd_create;

// The thread takes its creator's CPUs in the moment it is made, unless `attributes` name others: so the creator has those of the program
// meanwhile. It may be moved, and comes back.
INTERPOSED int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*body)(void *),
                              void *restrict argument)
{
    struct apus__cpus own;
    const struct apus__cpus *cpus = apus__held.cpus;
    interpose_need();
    bool is_widened = cpus && apus__thread_cpus(&own) == 0 && apus__thread_use(cpus) == 0;
    int result = real_create(thread, attributes, body, argument);
    if (is_widened)
        apus__thread_use(&own);
    return result;
}

// --- Initialisers of static variables (the C++ ABI for Itanium, 3.3.2) ----------------------------------------------------------
//
// Complete in itself, so that it does not matter which C++ library there is, if any: the first byte of a guard says that the variable is
// made; the second one that somebody is at it.

INTERPOSED int __cxa_guard_acquire(uint64_t *guard)
{
    uint8_t *bytes = (uint8_t *)guard;
    // acquire: the variable. Pairs with __cxa_guard_release().
    while (!__atomic_load_n(&bytes[0], __ATOMIC_ACQUIRE)) {
        if (!__atomic_exchange_n(&bytes[1], 1, __ATOMIC_ACQUIRE)) {
            if (__atomic_load_n(&bytes[0], __ATOMIC_RELAXED)) {
                __atomic_store_n(&bytes[1], 0, __ATOMIC_RELEASE);
                return 0;
            }
            apus__held.guards++;
            return 1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL); // another thread is at it: rare, and short
    }
    return 0;
}

INTERPOSED void __cxa_guard_release(uint64_t *guard)
{
    uint8_t *bytes = (uint8_t *)guard;
    // release: the variable. Pairs with __cxa_guard_acquire() and with the compiler's own look at the first byte.
    __atomic_store_n(&bytes[0], 1, __ATOMIC_RELEASE);
    __atomic_store_n(&bytes[1], 0, __ATOMIC_RELEASE);
    apus__held.guards--;
}

INTERPOSED void __cxa_guard_abort(uint64_t *guard)
{
    __atomic_store_n((uint8_t *)guard + 1, 0, __ATOMIC_RELEASE);
    apus__held.guards--;
}

#else

bool apus__interposes(void)
{
    return false;
}

#endif
