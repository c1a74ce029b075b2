// context.c - what Swift keeps in thread-local variables although it belongs to the code that runs, taken along with a stack.
//
// Problem:   a process that waits in a callback, or whose scheduler was taken from its thread meanwhile (apus/hooks.h), goes on later, and
//            perhaps on another thread. Swift keeps three things per thread that belong to what runs: the set of accesses under way
//            (exclusivity), the current task, and the record of the executor it is on. With the wrong ones an access is reported as a
//            conflict, or a task does not know that it is one.
// Idea:      the accesses have functions of their own in the runtime. The other two are words in the thread-local block of the module that
//            has the runtime; where they lie in it is learnt once, by looking, inside a task, for the word that is the current task, and
//            beside it for a word that points into the stack. A thread's block is found by dl_iterate_phdr(3), once for each thread.
// Invariants: outside of any process a carrier runs no Swift task: both words are NULL there, so leaving stores NULL.
// Unknown:   if the words are not found (a runtime that this does not know), processes whose body is asynchronous end at once, and say why.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // dl_iterate_phdr
#endif
#include "context.h"

#include <link.h>
#include <pthread.h>
#include <string.h>

extern __attribute__((swiftcall)) void *swift_task_getCurrent(void);

struct saved {
    char accesses[2 * sizeof(void *)];
    void *task;
    void *executor;
};

_Static_assert(sizeof(struct saved) <= APUS_HOOK_CONTEXT, "what is saved fits the hook's context");

// Where the words lie, from the beginning of the module's thread-local block. Written once, before `is_known` (release).
static struct {
    ElfW(Addr) module; // where it was loaded: which module it is
    size_t task, executor;
    bool is_known;
} words;

static __thread char *mine; // this thread's block of that module

static bool is_known(void)
{
    // acquire: where the words lie. Pairs with the release in learn_once().
    return __atomic_load_n(&words.is_known, __ATOMIC_ACQUIRE);
}

static int find_block(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    if (info->dlpi_addr != words.module || !info->dlpi_tls_data)
        return 0;
    *(char **)context = info->dlpi_tls_data;
    return 1;
}

static char *block(void)
{
    if (!mine) {
        swift_task_getCurrent(); // makes the thread's block, if it has none yet
        dl_iterate_phdr(find_block, &mine);
    }
    return mine;
}

struct apus_swift_words apus_swift_words(void)
{
    char *here = block();
    return (struct apus_swift_words){(void **)(void *)(here + words.task), (void **)(void *)(here + words.executor)};
}

// --- Learning -------------------------------------------------------------------------------------------------------------------

struct search {
    const void *task;
    const char *stack; // the newest frame: the executor's record lies in an older one
};

static bool has_runtime(const struct dl_phdr_info *info)
{
    ElfW(Addr) function = (ElfW(Addr))(uintptr_t)&swift_task_getCurrent;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        ElfW(Addr) begin = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && function >= begin && function < begin + segment->p_memsz)
            return true;
    }
    return false;
}

static size_t block_size(const struct dl_phdr_info *info)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            return info->dlpi_phdr[i].p_memsz;
    return 0;
}

static int look(struct dl_phdr_info *info, size_t size, void *context)
{
    enum { NEAR = 4 * sizeof(void *), STACK = 1 << 16 };
    const struct search *search = context;
    const char *begin = info->dlpi_tls_data;
    (void)size;
    if (!begin || !has_runtime(info))
        return 0;
    size_t bytes = block_size(info);
    for (size_t at = 0; at + sizeof(void *) <= bytes; at += sizeof(void *)) {
        if (*(void *const *)(const void *)(begin + at) != search->task)
            continue;
        size_t first = at > NEAR ? at - NEAR : 0, last = at + NEAR < bytes - sizeof(void *) ? at + NEAR : bytes - sizeof(void *);
        for (size_t beside = first; beside <= last; beside += sizeof(void *)) {
            const char *value = *(char *const *)(const void *)(begin + beside);
            if (beside != at && value > search->stack && value < search->stack + STACK) {
                words.module = info->dlpi_addr;
                words.task = at;
                words.executor = beside;
                __atomic_store_n(&words.is_known, true, __ATOMIC_RELEASE);
                return 1;
            }
        }
    }
    return 1;
}

static void learn_once(void)
{
    struct search search = {swift_task_getCurrent(), __builtin_frame_address(0)};
    if (search.task)
        dl_iterate_phdr(look, &search);
}

bool apus_swift_learn_task(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!is_known())
        pthread_once(&once, learn_once);
    return is_known();
}

// --- The hooks ------------------------------------------------------------------------------------------------------------------

void apus_swift_leave(void *context)
{
    struct saved *saved = context;
    memset(saved, 0, sizeof *saved);
    swift_task_exitThreadLocalContext(saved->accesses);
    if (!is_known())
        return;
    struct apus_swift_words here = apus_swift_words();
    saved->task = *here.task;
    saved->executor = *here.executor;
    *here.task = NULL;
    *here.executor = NULL;
}

void apus_swift_enter(void *context)
{
    struct saved *saved = context;
    swift_task_enterThreadLocalContext(saved->accesses);
    if (!is_known())
        return;
    struct apus_swift_words here = apus_swift_words();
    *here.task = saved->task;
    *here.executor = saved->executor;
}

void apus_swift_install_hooks(void)
{
    static const apus_hooks hooks = {.struct_size = sizeof hooks, .leave = apus_swift_leave, .enter = apus_swift_enter};
    apus_set_hooks(&hooks);
}
