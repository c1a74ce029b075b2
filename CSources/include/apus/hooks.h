/* apus/hooks.h - for those who put another language on top of Apus: what goes with a stack that is set aside. */
#ifndef APUS_HOOKS_H
#define APUS_HOOKS_H

#include <apus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of the context that `leave` fills and `enter` reads, aligned to 16. */
#define APUS_HOOK_CONTEXT 64

/* Two functions, kept by address, for what a language's runtime keeps in thread-local variables although it belongs to the code that
 * runs: `leave` takes it off the thread into `context`, `enter` puts it on the thread that goes on. They are called in pairs around
 * every wait inside a callback (`apus_receive`, `apus_call`, `apus_sleep` ...), and around the return of a process whose scheduler was
 * taken away meanwhile. `enter` may run on another thread than `leave` did, and is not called at all if the process is ended in its wait:
 * the context is then forgotten. They must not call Apus. */
typedef struct apus_hooks {
    size_t struct_size;            /* sizeof(apus_hooks) */
    void (*leave)(void *context);
    void (*enter)(void *context);
} apus_hooks;

/* Installs the hooks for the whole program; NULL takes them away. Waits that have begun keep those they began with.
 * Threads: any; before `apus_start` is best.
 * Errors:  -EINVAL. */
APUS_API int apus_set_hooks(const apus_hooks *hooks);

#ifdef __cplusplus
}
#endif

#endif
