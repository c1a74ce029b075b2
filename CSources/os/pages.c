// os/pages.c - see pages.h. Memory policies are set by system calls: libnuma's calls for it print warnings and may exit.
#define _GNU_SOURCE 1
#include "os/pages.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/atomic.h"
#include "os/file.h"
#include "os/node.h"

enum { MAP_LIMIT_DEFAULT = 65530, NODE_BITS = 1024, LONG_BITS = 8 * sizeof(unsigned long) };

size_t apus__page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static bool pages_are_whole(const void *at, size_t size)
{
    return size > 0 && (((uintptr_t)at | size) & (apus__page_size() - 1)) == 0;
}

void *apus__pages_reserve(size_t size, size_t alignment)
{
    size_t page = apus__page_size();
    apus_check(pages_are_whole(NULL, size));
    apus_check(alignment >= page && (alignment & (alignment - 1)) == 0);
    // Any mapping this much larger contains an aligned one; the rest goes back at once.
    size_t slack = alignment - page;
    if (size > SIZE_MAX - slack)
        return NULL;
    char *mapped = mmap(NULL, size + slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)mapped & (alignment - 1);
    if (before > 0)
        apus__pages_release(mapped, before);
    if (slack > before)
        apus__pages_release(mapped + before + size, slack - before);
    return mapped + before;
}

// Prefers `node` for pages not yet touched. Nothing is made of a failure: memory from elsewhere is slower, not wrong.
static void pages_bind(void *at, size_t size, int node)
{
    unsigned long mask[NODE_BITS / LONG_BITS] = {0};
    int id = apus__node_to_kernel(node);
    if (apus__node_count() < 2 || id < 0 || id >= NODE_BITS)
        return;
    mask[id / LONG_BITS] = 1ul << (id % LONG_BITS);
    // The kernel takes one bit less than it is told.
    syscall(SYS_mbind, at, size, MPOL_PREFERRED, mask, (unsigned long)NODE_BITS + 1, 0u);
}

int apus__pages_commit(void *at, size_t size, int node)
{
    apus_check(pages_are_whole(at, size));
    if (mprotect(at, size, PROT_READ | PROT_WRITE) != 0)
        return -ENOMEM;
    if (node >= 0)
        pages_bind(at, size, node);
    return 0;
}

void apus__pages_prefer_huge(void *at, size_t size)
{
    apus_check(pages_are_whole(at, size));
    (void)madvise(at, size, MADV_HUGEPAGE);
}

void apus__pages_discard(void *at, size_t size)
{
    apus_check(pages_are_whole(at, size));
    int failed = madvise(at, size, MADV_DONTNEED);
    apus_check(failed == 0);
}

void apus__pages_release(void *at, size_t size)
{
    apus_check(pages_are_whole(at, size));
    if (munmap(at, size) == 0)
        return;
    // To unmap the middle of what the kernel has merged takes one mapping more, and there may be none left. Then the addresses are
    // lost, but the memory is not.
    apus_check(errno == ENOMEM);
    madvise(at, size, MADV_DONTNEED);
}

size_t apus__map_limit(void)
{
    // relaxed: every thread that finds 0 reads the same file and stores the same number.
    static _Atomic size_t known;
    size_t limit = apus_load_relaxed(&known);
    if (limit == 0) {
        long read = apus__file_number(MAP_LIMIT_DEFAULT, "/proc/sys/vm/max_map_count");
        limit = read > 0 ? (size_t)read : MAP_LIMIT_DEFAULT;
        apus_store_relaxed(&known, limit);
    }
    return limit;
}

int apus__page_node(const void *at)
{
    int id = -1;
    if (syscall(SYS_get_mempolicy, &id, NULL, 0ul, at, (unsigned long)(MPOL_F_NODE | MPOL_F_ADDR)) < 0)
        return -1;
    return apus__node_from_kernel(id);
}
