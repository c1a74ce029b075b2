// os/context.h - switching stacks in user space.
//
// Idea:       a context that is not running is the address of its saved registers on its own stack. A switch pushes the registers
//             that the calling convention makes the callee keep, stores the stack pointer, loads the other one, and pops.
// Lives:      apus__context_adopt() makes a context for the stack that a thread runs on already; apus__context_make() makes one for
//             a new stack. Each is destroyed while it is not running (or, an adopted one, by its own thread).
// Invariants: I1 one thread at a time runs a context. I2 a context is switched to only after the switch away from it has returned
//             into another one: whoever publishes a context for another thread does so from the other side of the switch.
//             I3 the context that `entry` returns is not running.
// Threads:    a context may be continued by another thread than the one it stopped on. Code on it must not keep addresses of
//             thread-local variables over a switch, and compilers do keep them: call a noinline function to find them again.
// Ordering:   none. The hand-over between threads (I2) needs a release and an acquire of its own.
// Kept:       the callee-saved registers, and the floating point control words (x86-64: mxcsr, x87 control; aarch64: fpcr). A context
//             starts, each time, with the control words that a new program has.
//             Not kept: the signal mask, thread-local storage, the C++ exception state of the thread.
// Sanitizers: ThreadSanitizer and AddressSanitizer are told of each switch; the fields for that exist in those builds only. There a context
//             that is started again has the control words that its entry has left.
// Unwinding:  debuggers and unwinders go up to `entry` and the root above it, and stop there.
#ifndef APUS_OS_CONTEXT_H
#define APUS_OS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "os/stack.h"

#if defined(__SANITIZE_THREAD__)
#define APUS_CONTEXT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define APUS_CONTEXT_TSAN 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#define APUS_CONTEXT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define APUS_CONTEXT_ASAN 1
#endif
#endif

struct apus__context {
    void *sp;   // where the registers are saved; meaningless while the context runs
    void *root; // the upper end of its stack, where it is started
#ifdef APUS_CONTEXT_TSAN
    void *fiber;
    void *owned; // the fiber to destroy; NULL for a thread's own
#endif
#ifdef APUS_CONTEXT_ASAN
    const void *low; // bounds of the stack
    size_t size;
    void *fake;  // AddressSanitizer's heap frames of this stack, while the context does not run
    bool native; // a thread's own stack
#endif
};

// The code at the root of each stack that was made here; an address only.
extern const char apus__context_begin[] __attribute__((visibility("hidden")));

// Makes `context` start with entry(argument) on `stack` at the first switch to it. The stack stays the caller's, and outlives it. What
// `entry` returns is continued then; `context` itself may be started again.
void apus__context_make(struct apus__context *context, const struct apus__stack *stack,
                        struct apus__context *(*entry)(void *argument), void *argument);

// Makes `native` stand for the stack that the calling thread was started with and runs on now, to be switched away from.
void apus__context_adopt(struct apus__context *native);

// Stops the caller here as `from`, and continues `to`. Returns when someone switches to `from`.
void apus__context_switch(struct apus__context *from, struct apus__context *to);

// Stops the caller here as `from`, and starts `to`, which was made and has not run since, or whose entry has returned. If the entry then
// returns `from`, and has started nothing itself that has not come back so, the processor foresees that the call here returns, and where
// its caller returns: it keeps a stack of return addresses, which is as this call has left it once all calls on the other stack have
// returned. By a switch from somewhere in between, each would be foreseen wrongly, for 8 ns.
void apus__context_start(struct apus__context *from, struct apus__context *to);

// Ends a context that is not running; its stack may be unmapped or used for another context. `context` may be made again.
void apus__context_destroy(struct apus__context *context);

#endif
