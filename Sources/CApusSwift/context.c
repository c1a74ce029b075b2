// context.c - what Swift keeps in thread-local variables although it belongs to the code that runs, taken along with a stack.
//
// Problem:   a process that waits in a callback, or whose scheduler was taken from its thread meanwhile (apus/hooks.h), goes on later, and
//            perhaps on another thread. Swift keeps three things per thread that belong to what runs: the set of accesses under way
//            (exclusivity), the current task, and the record of the executor it is on. With the wrong ones an access is reported as a
//            conflict, or a task does not know that it is one.
// Idea:      all three are words in the thread-local blocks of the modules that have the runtime. Where they lie is learnt once, by looking:
//            for the head of the accesses while one of ours is under way; and inside a task, for the word that is the current task, and
//            beside it for a word that points into the stack. A thread's blocks are found by dl_iterate_phdr(3), once for each thread.
//            The accesses have functions of their own in the runtime, so their word is only read: mostly it says that there are none.
// Invariants: outside of any process a carrier runs no Swift task and binds no value: these words are NULL there, so leaving stores NULL.
// Unknown:   if the word of the accesses is not found, the runtime's functions are called each time. If those of the task are not (a runtime
//            that this does not know), processes whose body is asynchronous end at once, and say why. If that of the values is not, they
//            stay with the thread.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // dl_iterate_phdr
#endif
#include "context.h"

#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

extern __attribute__((swiftcall)) void *swift_task_getCurrent(void);
extern void swift_beginAccess(void *word, void *access[3], size_t flags, void *where);
extern void swift_endAccess(void *access[3]);
extern __attribute__((swiftcall)) void swift_task_localValuePush(const void *key, void *value, const void *type);
extern __attribute__((swiftcall)) void swift_task_localValuePop(void);
extern const char int_type[] __asm__("$sSiN"); // the metadata of Int

struct saved {
    void *accesses[2];
    void *task;
    void *executor;
    void *locals;
    bool is_empty; // the rest is not set, since there was nothing
};

_Static_assert(sizeof(struct saved) <= APUS_HOOK_CONTEXT, "what is saved fits the hook's context");

// Where a word lies: in which module, by where that was loaded, and how far from the beginning of its thread-local block.
struct place {
    ElfW(Addr) module;
    size_t offset;
};

// Written once each, before `known` says so.
static struct place accesses_place, task_place, executor_place, locals_place;
enum { NOTHING = 1, ACCESSES = 2, TASK = 4, LOCALS = 8 };
static unsigned known = NOTHING;

// What this thread has found, and of which of those that are known. In place of a word that is not known there is one of these: there may be
// accesses, and there is no task, nor a value.
#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
static THREAD_LOCAL struct apus_swift_words mine;
static THREAD_LOCAL unsigned mine_known;
static THREAD_LOCAL void *no_task, *no_executor, *no_locals;
static void *some_access = &some_access;

struct block {
    ElfW(Addr) module;
    char *begin;
};

static int find_block(struct dl_phdr_info *info, size_t size, void *context)
{
    struct block *block = context;
    (void)size;
    if (info->dlpi_addr != block->module || !info->dlpi_tls_data)
        return 0;
    block->begin = info->dlpi_tls_data;
    return 1;
}

static void **word_at_place(const struct place *place)
{
    struct block block = {place->module, NULL};
    dl_iterate_phdr(find_block, &block);
    return (void **)(void *)(block.begin + place->offset);
}

static __attribute__((noinline)) void find_words(unsigned now_known)
{
    void *none[2] = {NULL, NULL};
    swift_task_exitThreadLocalContext((char *)none); // these three make the thread's blocks, if it has none yet
    swift_task_enterThreadLocalContext((char *)none);
    swift_task_getCurrent();
    mine.accesses = now_known & ACCESSES ? word_at_place(&accesses_place) : &some_access;
    mine.task = now_known & TASK ? word_at_place(&task_place) : &no_task;
    mine.executor = now_known & TASK ? word_at_place(&executor_place) : &no_executor;
    mine.locals = now_known & LOCALS ? word_at_place(&locals_place) : &no_locals;
    mine_known = now_known;
}

static inline unsigned what_is_known(void)
{
    // acquire: where the words lie. Pairs with the release in learn().
    return __atomic_load_n(&known, __ATOMIC_ACQUIRE);
}

struct apus_swift_words *apus_swift_words(void)
{
    unsigned now_known = what_is_known();
    if (mine_known != now_known)
        find_words(now_known);
    return &mine;
}

// --- Learning -------------------------------------------------------------------------------------------------------------------

static void learn(unsigned what)
{
    __atomic_fetch_or(&known, what, __ATOMIC_RELEASE);
}

static bool has(const struct dl_phdr_info *info, ElfW(Addr) function)
{
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

static const void *word_at(const char *address)
{
    return *(void *const *)(const void *)address;
}

static int look_for_accesses(struct dl_phdr_info *info, size_t size, void *access)
{
    const char *begin = info->dlpi_tls_data;
    (void)size;
    if (!begin || !has(info, (ElfW(Addr))(uintptr_t)&swift_beginAccess))
        return 0;
    size_t bytes = block_size(info);
    for (size_t at = 0; at + sizeof(void *) <= bytes; at += sizeof(void *)) {
        if (word_at(begin + at) == access) {
            accesses_place = (struct place){info->dlpi_addr, at};
            learn(ACCESSES);
            return 1;
        }
    }
    return 1;
}

static void learn_accesses(void)
{
    enum { MODIFY = 1, TRACKING = 0x20 }; // ExclusivityAccessFlags in MetadataValues.h
    void *word = NULL, *access[3];
    swift_beginAccess(&word, access, MODIFY | TRACKING, NULL);
    dl_iterate_phdr(look_for_accesses, access);
    swift_endAccess(access);
}

static int look_for_locals(struct dl_phdr_info *info, size_t size, void *context)
{
    char **before = context;
    const char *begin = info->dlpi_tls_data;
    (void)size;
    if (!begin || !has(info, (ElfW(Addr))(uintptr_t)&swift_task_localValuePush))
        return 0;
    size_t bytes = block_size(info);
    if (!*before) {
        *before = malloc(bytes);
        if (*before)
            memcpy(*before, begin, bytes);
        return 1;
    }
    for (size_t at = 0; at + sizeof(void *) <= bytes; at += sizeof(void *)) {
        if (!word_at(*before + at) && word_at(begin + at)) {
            locals_place = (struct place){info->dlpi_addr, at};
            learn(LOCALS);
            return 1;
        }
    }
    return 1;
}

static void bind_value(char **before)
{
    static const char key;
    intptr_t value = 0;
    swift_task_localValuePush(&key, &value, int_type);
    if (before)
        dl_iterate_phdr(look_for_locals, before);
    swift_task_localValuePop();
}

// On a thread of its own, which is in no task.
static void *learn_locals_here(void *unused)
{
    char *before = NULL;
    bind_value(NULL); // what the first one makes for the thread is there before it is looked at
    dl_iterate_phdr(look_for_locals, &before);
    if (before)
        bind_value(&before);
    free(before);
    return unused;
}

static void learn_locals(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, learn_locals_here, NULL) == 0)
        pthread_join(thread, NULL);
}

struct search {
    const void *task;
    const char *stack; // the newest frame: the executor's record lies in an older one
};

static int look_for_task(struct dl_phdr_info *info, size_t size, void *context)
{
    enum { NEAR = 4 * sizeof(void *), STACK = 1 << 16 };
    const struct search *search = context;
    const char *begin = info->dlpi_tls_data;
    (void)size;
    if (!begin || !has(info, (ElfW(Addr))(uintptr_t)&swift_task_getCurrent))
        return 0;
    size_t bytes = block_size(info);
    for (size_t at = 0; at + sizeof(void *) <= bytes; at += sizeof(void *)) {
        if (word_at(begin + at) != search->task)
            continue;
        size_t first = at > NEAR ? at - NEAR : 0, last = at + NEAR < bytes - sizeof(void *) ? at + NEAR : bytes - sizeof(void *);
        for (size_t beside = first; beside <= last; beside += sizeof(void *)) {
            const char *value = word_at(begin + beside);
            if (beside != at && value > search->stack && value < search->stack + STACK) {
                task_place = (struct place){info->dlpi_addr, at};
                executor_place = (struct place){info->dlpi_addr, beside};
                learn(TASK);
                return 1;
            }
        }
    }
    return 1;
}

static void learn_task(void)
{
    struct search search = {swift_task_getCurrent(), __builtin_frame_address(0)};
    if (search.task)
        dl_iterate_phdr(look_for_task, &search);
}

bool apus_swift_learn_task(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!(what_is_known() & TASK))
        pthread_once(&once, learn_task);
    return what_is_known() & TASK;
}

// --- The hooks ------------------------------------------------------------------------------------------------------------------

static __attribute__((noinline)) void leave(struct saved *saved)
{
    struct apus_swift_words *here = apus_swift_words();
    saved->is_empty = false;
    apus_swift_accesses_leave(here, saved->accesses);
    saved->task = *here->task;
    saved->executor = *here->executor;
    saved->locals = *here->locals;
    *here->task = NULL;
    *here->executor = NULL;
    *here->locals = NULL;
}

static __attribute__((noinline)) void enter(struct saved *saved)
{
    struct apus_swift_words *here = apus_swift_words();
    apus_swift_accesses_enter(here, saved->accesses);
    *here->task = saved->task;
    *here->executor = saved->executor;
    *here->locals = saved->locals;
}

// Mostly there is nothing: no access under way, no task and no value.
void apus_swift_leave(void *context)
{
    struct saved *saved = context;
    if (__builtin_expect(mine_known != what_is_known() || *mine.accesses || *mine.task || *mine.executor || *mine.locals, false)) {
        leave(saved);
        return;
    }
    saved->is_empty = true;
}

void apus_swift_enter(void *context)
{
    struct saved *saved = context;
    if (__builtin_expect(!saved->is_empty, false))
        enter(saved);
}

void apus_swift_install_hooks(void)
{
    static const apus_hooks hooks = {.struct_size = sizeof hooks, .leave = apus_swift_leave, .enter = apus_swift_enter};
    learn_accesses();
    learn_locals();
    apus_set_hooks(&hooks);
}
