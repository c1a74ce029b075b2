// os/fault.h - what a thread that has had a fault can find out about it, and the handlers for that.
//
// Idea:     handlers for the signals of faults, on a stack of their own; the registers and the stack of the faulting code; which code
//           that is: the C library's, a function that runs others once, an allocator.
// Who:      arm, disarm: one thread, at start and stop. Everything that takes a fault: the handler. Altstacks: the thread itself.
// Safe:     in the handler nothing allocates or locks: the unwinder finds its tables by _dl_find_object(3), which is made for that
//           (glibc 2.35), and is called once before, so that everything it needs is loaded.
// Static:   a program without a dynamic linker cannot be told apart from its C library, so rule 3 of docs/guides/faults.md cannot be
//           checked, nor rule 5 in one that has loaded the library by dlopen(3) (os/interpose.h): apus__fault_can_judge() is false there.
#ifndef APUS_OS_FAULT_H
#define APUS_OS_FAULT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "os/stack.h"

enum { APUS__FRAMES_MAX = 48 };

struct apus__fault {
    int signal, code;
    bool is_abort;            // the interposed abort() or assert() has raised it
    uint64_t address, pc, sp; // of the code that had the fault
    unsigned frame_count;
    uintptr_t frames[APUS__FRAMES_MAX]; // innermost first: pc, then return addresses; the first that were found
    bool is_complete;         // the stack was walked up to its root
    const char *forbidden;    // a function on the stack that must not be left for good, or NULL
    uintptr_t user_return;    // where the return address lies that leads to the innermost code outside the C library
    bool is_in_libc;          // pc is the C library's or the dynamic linker's, and it is not one of mem... or str... called from elsewhere
};

typedef void apus__fault_handler(int signal, siginfo_t *info, void *context);

// Installs `handler` for SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP and SIGABRT, keeping those that are there. 0 or a negative errno.
int apus__fault_arm(apus__fault_handler *handler);

// Puts the old handlers back, for all signals or for one. Async-signal-safe.
void apus__fault_disarm(void);
void apus__fault_restore(int signal);

// Whether faults can be judged at all.
bool apus__fault_can_judge(void);

// Whether the signal came from the instruction that had the fault, and not from kill(2) and the like.
bool apus__fault_is_synchronous(int signal, const siginfo_t *info);

// Fills in everything. The code at `root` is where stacks of interest end.
void apus__fault_read(struct apus__fault *fault, int signal, const siginfo_t *info, void *context, const char *root);

// A stack for the handler, for the calling thread; with it given back at the thread's end. 0 or -ENOMEM.
int apus__altstack_install(struct apus__stack *stack);
void apus__altstack_remove(struct apus__stack *stack);

// --- The yellow zone: room for the C library to finish in, when a stack has ended inside it ------------------------------------

// Opens a part of the guard below `stack` and arranges that the innermost frame outside the C library is not returned to, but has a
// fault of its own instead, which apus__fault_read() then tells as the first one. False if that cannot be done; else the handler returns.
bool apus__yellow_open(const struct apus__stack *stack, const struct apus__fault *fault);

#endif
