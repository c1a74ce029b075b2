// os/thread.c - see thread.h.
//
// The fork guard is a flag that a pthread_atfork handler sets in the child, so that asking costs one load and no system call. A
// child made by clone() or vfork() directly runs no handlers and is not seen; such a child may only exec anyway.
#define _GNU_SOURCE 1
#include "os/thread.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "os/interpose.h"

enum { CPU_SETS = sizeof(struct apus__cpus) / sizeof(cpu_set_t) };

int apus__thread_pin_cpu(uint32_t id, unsigned cpu)
{
    cpu_set_t sets[CPU_SETS];
    if (cpu >= CPU_SETS * CPU_SETSIZE)
        return -EINVAL;
    CPU_ZERO_S(sizeof sets, sets);
    CPU_SET_S(cpu, sizeof sets, sets);
    return sched_setaffinity((pid_t)id, sizeof sets, sets) < 0 ? -errno : 0;
}

int apus__thread_cpus(struct apus__cpus *cpus)
{
    return sched_getaffinity(0, sizeof cpus->sets, (cpu_set_t *)(void *)cpus->sets) < 0 ? -errno : 0;
}

int apus__thread_use(const struct apus__cpus *cpus)
{
    return sched_setaffinity(0, sizeof cpus->sets, (const cpu_set_t *)(const void *)cpus->sets) < 0 ? -errno : 0;
}

int apus__thread_cpu(void)
{
    return sched_getcpu();
}

int apus__thread_pin_node(const struct apus__topology *topology, unsigned node)
{
    unsigned count = 0;
    for (unsigned i = 0; i < topology->cpu_count; i++)
        if (topology->cpus[i].node == (int)node && topology->cpus[i].id >= count)
            count = topology->cpus[i].id + 1;
    if (count == 0)
        return -EINVAL;
    cpu_set_t *set = CPU_ALLOC(count);
    if (!set)
        return -ENOMEM;
    CPU_ZERO_S(CPU_ALLOC_SIZE(count), set);
    for (unsigned i = 0; i < topology->cpu_count; i++)
        if (topology->cpus[i].node == (int)node)
            CPU_SET_S(topology->cpus[i].id, CPU_ALLOC_SIZE(count), set);
    int failed = sched_setaffinity(0, CPU_ALLOC_SIZE(count), set) < 0 ? -errno : 0;
    CPU_FREE(set);
    return failed;
}

void apus__thread_name(const char *name)
{
    char cut[16];
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(pthread_self(), cut);
}

enum { LOWERED_NICE = 10 }; // about a tenth of the share of a thread with nice 0

int apus__thread_lower(uint32_t id, int *nice)
{
    errno = 0;
    *nice = getpriority(PRIO_PROCESS, id);
    if (errno || *nice >= LOWERED_NICE)
        return errno ? -errno : -EALREADY;
    return setpriority(PRIO_PROCESS, id, LOWERED_NICE) ? -errno : 0;
}

int apus__thread_raise(uint32_t id, int nice)
{
    return setpriority(PRIO_PROCESS, id, nice) ? -errno : 0;
}

bool apus__thread_may_set_nice(void)
{
    struct rlimit limit;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (getrlimit(RLIMIT_NICE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= 20))
        return true; // 20 - rlim_cur is the lowest nice allowed
    return syscall(SYS_capget, &head, caps) == 0 && caps[CAP_TO_INDEX(CAP_SYS_NICE)].effective & CAP_TO_MASK(CAP_SYS_NICE);
}

uint32_t apus__thread_id(void)
{
    return (uint32_t)gettid();
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static int fork_registered;    // 0 or a negative errno; written under fork_once
static _Atomic bool fork_seen; // relaxed throughout: the child of fork() has one thread, and nothing else is read by its word
static _Atomic(void (*)(void)) fork_tell; // relaxed: as the flag

static void fork_in_child(void)
{
    void (*tell)(void) = apus_load_relaxed(&fork_tell);
    apus_store_relaxed(&fork_seen, true);
    if (tell)
        tell();
    if (apus__held.cpus)
        apus__thread_use(apus__held.cpus);
}

static void fork_register(void)
{
    fork_registered = -pthread_atfork(NULL, NULL, fork_in_child);
}

int apus__fork_guard_arm(void (*in_child)(void))
{
    pthread_once(&fork_once, fork_register);
    apus_store_relaxed(&fork_tell, in_child);
    apus_store_relaxed(&fork_seen, false);
    return fork_registered;
}

bool apus__process_is_fork(void)
{
    return apus_load_relaxed(&fork_seen);
}
