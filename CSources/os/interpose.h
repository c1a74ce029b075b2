// os/interpose.h - functions of the C library that Apus stands in front of, to know what a fault leaves behind.
//
//   abort, __assert_fail             so that these are told apart from a SIGABRT of the C library's own (a corrupt heap) and can be contained
//   fputs                            remembers what a thread said last on standard error: language runtimes explain their traps so
//   pthread_mutex_lock and the like  count how many the thread holds
//   __cxa_guard_acquire, _release    count the initialisers of static variables under way (C++)
//   pthread_create                   a thread made by one that is bound to a core may use all CPUs of the program: Linux would bind it
//                                    to the same core, and with it whatever a library makes of it (a pool of threads, say)
//
// They are exported by the shared library and are in the archive; what they do is what the C library's do, and a count more. Under a
// sanitizer they are left out. docs/decisions/0010 has the reasons.
#ifndef APUS_OS_INTERPOSE_H
#define APUS_OS_INTERPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct apus__cpus;

// What a thread holds and has said. Plain: the thread itself, and its signal handlers.
struct apus__held {
    int32_t mutexes;
    int32_t guards;
    uint32_t aborting; // in abort()
    char *text; // where what is said goes, or NULL
    uint32_t text_size;
    uint32_t text_length;
    uint64_t (*turn)(void); // what the thread is at, by a number that nothing else it does has; asked only if `text` is not NULL
    uint64_t said_turn;     // what it was at when it said that
    const struct apus__cpus *cpus; // that threads made by this one, and children forked by it, may use; NULL: its own
};

// Whether the program's calls come here: locks a mutex as the program would, and looks whether that was counted. They do not in a program
// that has loaded the library by dlopen(3), whose calls have been bound to the C library before; nor, as if so, in one without dlsym(3).
bool apus__interposes(void);

extern __thread struct apus__held apus__held __attribute__((tls_model("initial-exec")));

#endif
