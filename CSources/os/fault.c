// os/fault.c - see fault.h.
#define _GNU_SOURCE 1
#include "os/fault.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "base/assert.h"
#include "base/atomic.h"
#include "os/interpose.h"
#include "os/pages.h"

enum { RANGES_MAX = 8, STARTS_MAX = 64, ALTSTACK_MORE = 28 << 10, ALTSTACK_USED = 8 << 10, YELLOW_BYTES = 128 << 10 };

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
enum { SIGNALS = sizeof fault_signals / sizeof *fault_signals };

struct range {
    uintptr_t low, high;
};

struct start {
    uintptr_t address; // of a function
    const char *name;
};

// Found once, at arming; read by handlers.
static struct {
    struct sigaction old[SIGNALS];
    _Atomic uint32_t is_armed;
    bool has_looked;
    struct range libc[RANGES_MAX]; // code of the C library ...
    unsigned libc_count;
    struct range loader[RANGES_MAX]; // ... and of the dynamic linker
    unsigned loader_count;
    struct start plain[STARTS_MAX];     // functions in which a fault is as good as in their caller
    unsigned plain_count;
    struct start forbidden[STARTS_MAX]; // functions that must not be left for good
    unsigned forbidden_count;
    uintptr_t abort_start, assert_start;
} fault;

// --- Looking around -------------------------------------------------------------------------------------------------------------

static bool range_has(const struct range *ranges, unsigned count, uintptr_t at)
{
    for (unsigned i = 0; i < count; i++)
        if (at >= ranges[i].low && at < ranges[i].high)
            return true;
    return false;
}

static int fault_look_at_object(struct dl_phdr_info *info, size_t size, void *context)
{
    const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
    const char *name = slash ? slash + 1 : "";
    bool is_libc = strncmp(name, "libc.so", 7) == 0 || strncmp(name, "libc-", 5) == 0, is_loader = strncmp(name, "ld-", 3) == 0;
    (void)size, (void)context;
    for (unsigned i = 0; i < info->dlpi_phnum && (is_libc || is_loader); i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
            continue;
        struct range range = {info->dlpi_addr + header->p_vaddr, info->dlpi_addr + header->p_vaddr + header->p_memsz};
        if (is_libc && fault.libc_count < RANGES_MAX)
            fault.libc[fault.libc_count++] = range;
        if (is_loader && fault.loader_count < RANGES_MAX)
            fault.loader[fault.loader_count++] = range;
    }
    return 0;
}

static bool fault_in_libc(uintptr_t pc)
{
    return range_has(fault.libc, fault.libc_count, pc) || range_has(fault.loader, fault.loader_count, pc);
}

// Where the function begins that has the instruction at `pc`; 0 if that is not known. The unwinder takes what it is given for a return
// address, and looks one byte before it.
static uintptr_t function_start(uintptr_t pc)
{
    return (uintptr_t)_Unwind_FindEnclosingFunction((void *)(pc + 1));
}

static void fault_add(struct start *starts, unsigned *count, uintptr_t pc, const char *name)
{
    uintptr_t start = pc ? function_start(pc) : 0;
    if (start && *count < STARTS_MAX)
        starts[(*count)++] = (struct start){start, name};
}

static const char *fault_find(const struct start *starts, unsigned count, uintptr_t start)
{
    for (unsigned i = 0; i < count && start; i++)
        if (starts[i].address == start)
            return starts[i].name;
    return NULL;
}

// Which function calls an initialiser that is run once: by being one. pthread_once() and swift_once() go on elsewhere by a jump.
static uintptr_t fault_learned;

static __attribute__((noinline)) void fault_learn_pthread(void)
{
    fault_learned = (uintptr_t)__builtin_return_address(0);
}

static __attribute__((noinline)) void fault_learn_swift(void *context)
{
    (void)context;
    fault_learned = (uintptr_t)__builtin_return_address(0);
}

static void fault_look_for_once(void)
{
    pthread_once_t once = PTHREAD_ONCE_INIT;
    static long swift_word;
    void (*swift_once)(long *word, void (*body)(void *), void *context) =
        (void (*)(long *, void (*)(void *), void *))dlsym(RTLD_DEFAULT, "swift_once");
    fault_learned = 0;
    pthread_once(&once, fault_learn_pthread);
    fault_add(fault.forbidden, &fault.forbidden_count, fault_learned, "pthread_once");
    fault_learned = 0;
    if (swift_once)
        swift_once(&swift_word, fault_learn_swift, NULL);
    fault_add(fault.forbidden, &fault.forbidden_count, fault_learned, "swift_once");
}

static _Unwind_Reason_Code fault_warm(struct _Unwind_Context *context, void *argument)
{
    (void)context, (void)argument;
    return _URC_NO_REASON;
}

static void fault_look_around(void)
{
    static const char *const plain[] = {
        "memcpy", "memmove", "mempcpy", "memset", "memcmp", "memchr", "memrchr", "rawmemchr", "memccpy", "memmem", "bcopy", "bzero",
        "strlen", "strnlen", "strcpy", "strncpy", "stpcpy", "stpncpy", "strcat", "strncat", "strcmp", "strncmp", "strcasecmp",
        "strncasecmp", "strchr", "strchrnul", "strrchr", "strstr", "strspn", "strcspn", "strpbrk", "__memcpy_chk", "__memmove_chk",
        "__memset_chk", "__strcpy_chk", "__strcat_chk"};
    static const char *const forbidden[] = {
        "malloc", "calloc", "realloc", "free", "memalign", "posix_memalign", "aligned_alloc", "dlopen", "dlclose", "dlsym",
        "dl_iterate_phdr", "__cxa_guard_acquire", "fork", "exit"};
    _Unwind_Backtrace(fault_warm, NULL);
    if (fault.has_looked)
        return;
    fault.has_looked = true;
    dl_iterate_phdr(fault_look_at_object, NULL);
    for (unsigned i = 0; i < sizeof plain / sizeof *plain; i++)
        fault_add(fault.plain, &fault.plain_count, (uintptr_t)dlsym(RTLD_DEFAULT, plain[i]), plain[i]);
    for (unsigned i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        fault_add(fault.forbidden, &fault.forbidden_count, (uintptr_t)dlsym(RTLD_DEFAULT, forbidden[i]), forbidden[i]);
    fault.abort_start = function_start((uintptr_t)abort);
    fault.assert_start = function_start((uintptr_t)__assert_fail);
    fault_look_for_once();
}

bool apus__fault_can_judge(void)
{
    return fault.libc_count > 0 && fault.loader_count > 0 && apus__interposes();
}

// --- Handlers -------------------------------------------------------------------------------------------------------------------

int apus__fault_arm(apus__fault_handler *handler)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    fault_look_around();
    for (int i = 0; i < SIGNALS; i++)
        if (sigaction(fault_signals[i], &action, &fault.old[i]))
            return -errno;
    apus_store_release(&fault.is_armed, 1);
    return 0;
}

void apus__fault_restore(int signal)
{
    for (int i = 0; i < SIGNALS; i++)
        if (fault_signals[i] == signal)
            sigaction(signal, &fault.old[i], NULL);
}

void apus__fault_disarm(void)
{
    // acq_rel: the old handlers. Once for each arming.
    if (apus_exchange_acq_rel(&fault.is_armed, 0))
        for (int i = 0; i < SIGNALS; i++)
            sigaction(fault_signals[i], &fault.old[i], NULL);
}

int apus__altstack_install(struct apus__stack *stack)
{
    size_t least = getauxval(AT_MINSIGSTKSZ), usual = (size_t)MINSIGSTKSZ;
    int result = apus__stack_map(stack, (least < usual ? usual : least) + ALTSTACK_MORE, apus__page_size(), -1);
    if (result)
        return result;
    // Touched now, as far as a handler will use it: page faults would be most of the time from a fault to the next process.
    for (size_t used = 1; used <= ALTSTACK_USED; used += apus__page_size())
        *((volatile char *)stack->low + stack->size - used) = 0;
    stack_t use = {.ss_sp = stack->low, .ss_size = stack->size};
    return sigaltstack(&use, NULL) ? -errno : 0;
}

void apus__altstack_remove(struct apus__stack *stack)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    apus__stack_unmap(stack);
}

// --- The fault ------------------------------------------------------------------------------------------------------------------

bool apus__fault_is_synchronous(int signal, const siginfo_t *info)
{
    if (signal == SIGBUS && info->si_code == BUS_MCEERR_AO)
        return false; // memory somewhere has gone bad, which the kernel tells whoever
#ifdef TRAP_PERF
    if (signal == SIGTRAP && info->si_code == TRAP_PERF)
        return false;
#endif
    return info->si_code > 0;
}

#if defined(__x86_64__)
#define CONTEXT_PC(c) ((c)->uc_mcontext.gregs[REG_RIP])
#define CONTEXT_SP(c) ((c)->uc_mcontext.gregs[REG_RSP])
#elif defined(__aarch64__)
#define CONTEXT_PC(c) ((c)->uc_mcontext.pc)
#define CONTEXT_SP(c) ((c)->uc_mcontext.sp)
#endif

// Whether there is code at all. A call through a wild pointer has its pc nowhere; who made the call is where it would return to.
static bool fault_is_code(uintptr_t pc)
{
    struct dl_find_object object;
    return _dl_find_object((void *)pc, &object) == 0;
}

static uintptr_t fault_return_address(const ucontext_t *context)
{
#if defined(__x86_64__)
    return *(const uintptr_t *)CONTEXT_SP(context);
#else
    return context->uc_mcontext.regs[30];
#endif
}

struct walk {
    struct apus__fault *fault;
    uintptr_t pc;   // where the walk of interest begins: frames before it are the handler's
    uintptr_t root; // function at which it ends
    bool has_begun;
};

static _Unwind_Reason_Code fault_step(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    struct apus__fault *found = walk->fault;
    int is_before = 0;
    uintptr_t pc = _Unwind_GetIPInfo(context, &is_before);
    if (!walk->has_begun && pc != walk->pc)
        return _URC_NO_REASON;
    walk->has_begun = true;
    if (found->frame_count < APUS__FRAMES_MAX)
        found->frames[found->frame_count++] = pc;
    uintptr_t within = is_before ? pc : pc - 1;
    uintptr_t start = function_start(within);
    bool is_loader = range_has(fault.loader, fault.loader_count, within);
    const char *forbidden = is_loader ? "the dynamic linker" : fault_find(fault.forbidden, fault.forbidden_count, start);
    if (start == walk->root) {
        found->is_complete = true;
        return _URC_END_OF_STACK;
    }
    if (!found->forbidden)
        found->forbidden = forbidden;
    if (!found->user_return && !forbidden && !fault_in_libc(within))
        found->user_return = _Unwind_GetCFA(context) - sizeof(uintptr_t);
    return _URC_NO_REASON;
}

// Of an abort, the place of interest is where abort() or the assertion was called.
static void fault_blame_caller_of_abort(struct apus__fault *found)
{
    for (unsigned i = 0; i + 1 < found->frame_count; i++) {
        uintptr_t start = function_start(found->frames[i] - 1);
        if (start != fault.abort_start && start != fault.assert_start)
            continue;
        memmove(found->frames, found->frames + i + 1, (found->frame_count - i - 1) * sizeof *found->frames);
        found->frame_count -= i + 1;
        found->pc = found->frames[0];
        i = UINT32_MAX; // an assertion calls abort(): once more
    }
}

// --- The yellow zone ------------------------------------------------------------------------------------------------------------

#if defined(__x86_64__)
// What is returned to in the stead of the code that has used up its stack.
__asm__(".text\n"
        ".globl apus__yellow_end\n.hidden apus__yellow_end\n.type apus__yellow_end, @function\n"
        "apus__yellow_end:\n    ud2\n");
extern const char apus__yellow_end[] __attribute__((visibility("hidden")));
#endif

static __thread struct {
    uintptr_t was;    // the return address replaced; 0: none is
    uint64_t address; // of the access that found no stack
    bool is_told;
} yellow;

bool apus__yellow_open(const struct apus__stack *stack, const struct apus__fault *found)
{
#if defined(__x86_64__)
    uintptr_t low = (uintptr_t)stack->low;
    if (found->signal != SIGSEGV || !stack->guarded || found->address >= low || found->address < low - stack->guard || yellow.was ||
        !found->is_complete || found->user_return < low || stack->guard < YELLOW_BYTES)
        return false;
    if (mprotect((char *)stack->low - YELLOW_BYTES, YELLOW_BYTES, PROT_READ | PROT_WRITE))
        return false;
    yellow.was = *(uintptr_t *)found->user_return;
    yellow.address = found->address;
    *(uintptr_t *)found->user_return = (uintptr_t)apus__yellow_end;
    return true;
#else
    (void)stack, (void)found;
    return false;
#endif
}

// A fault at the end of the yellow zone is looked at as one at the place that was to be returned to.
static void yellow_undo(ucontext_t *registers)
{
    yellow.is_told = false;
#if defined(__x86_64__)
    if (yellow.was && (uintptr_t)CONTEXT_PC(registers) == (uintptr_t)apus__yellow_end) {
        CONTEXT_PC(registers) = (greg_t)yellow.was;
        yellow.was = 0;
        yellow.is_told = true;
    }
#else
    (void)registers;
#endif
}

static void yellow_tell(struct apus__fault *found)
{
    if (!yellow.is_told)
        return;
    found->signal = SIGSEGV;
    found->address = yellow.address;
}

void apus__fault_read(struct apus__fault *found, int signal, const siginfo_t *info, void *context, const char *root)
{
    ucontext_t *registers = context;
    memset(found, 0, sizeof *found);
    yellow_undo(registers);
    found->signal = signal;
    found->code = info->si_code;
    found->is_abort = signal == SIGABRT && apus__held.aborting;
    found->pc = (uint64_t)CONTEXT_PC(registers);
    found->sp = (uint64_t)CONTEXT_SP(registers);
    found->address = info->si_code > 0 ? (uint64_t)(uintptr_t)info->si_addr : 0; // one that was sent has the sender's pid there
    struct walk walk = {.fault = found, .pc = found->pc, .root = function_start((uintptr_t)root)};
    bool is_wild = !fault_is_code(found->pc) && info->si_code > 0;
    if (is_wild) {
        // The unwinder reads the registers from `context`: as if the call had returned at once.
        walk.pc = fault_return_address(registers);
        CONTEXT_PC(registers) = (__typeof__(CONTEXT_PC(registers)))walk.pc;
#if defined(__x86_64__)
        CONTEXT_SP(registers) += sizeof(uintptr_t);
#endif
        found->frames[found->frame_count++] = found->pc;
    }
    _Unwind_Backtrace(fault_step, &walk);
    if (is_wild) {
        CONTEXT_PC(registers) = (__typeof__(CONTEXT_PC(registers)))found->pc;
        CONTEXT_SP(registers) = (__typeof__(CONTEXT_SP(registers)))found->sp;
    }
    if (found->is_abort)
        fault_blame_caller_of_abort(found);
    yellow_tell(found);
    found->is_in_libc = !found->is_abort && fault_in_libc(found->pc);
    if (found->is_in_libc && fault_find(fault.plain, fault.plain_count, function_start(found->pc)))
        found->is_in_libc = found->frame_count < 2 || fault_in_libc(found->frames[1]);
}
