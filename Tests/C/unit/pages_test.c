// Goal: address space behaves as os/pages.h and os/stack.h say, faults included.
//
// Method: accesses that must fault are made by forked children, whose signal is looked at.
#define _GNU_SOURCE 1
#include "os/pages.h"

#include <sys/resource.h>

#include "../test.h"
#include "os/node.h"
#include "os/stack.h"

// Does a write to `at` fault? Sanitizers turn the fault into an exit, so anything but a clean end counts.
static bool write_faults(volatile char *at)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        *at = 1;
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(reserve, "reserved pages are aligned and fault; committed ones are zero and can be written")
{
    size_t page = apus__page_size();
    for (size_t alignment = page; alignment <= page << 10; alignment <<= 2) {
        char *at = apus__pages_reserve(4 * page, alignment);
        CHECK(at);
        CHECK_EQ((uintptr_t)at % alignment, 0);
        CHECK(write_faults(at));
        CHECK_EQ(apus__pages_commit(at + page, page, 0), 0);
        CHECK(write_faults(at));
        CHECK(write_faults(at + 2 * page));
        CHECK_EQ(at[page], 0);
        memset(at + page, 1, page);
        apus__pages_release(at, 4 * page);
    }
}

TEST(reserve_large, "a terabyte of addresses costs no memory, and what does not fit is NULL")
{
    size_t page = apus__page_size(), size = (size_t)1 << 40;
    // ThreadSanitizer leaves less room than that.
#if !defined(__SANITIZE_THREAD__)
    char *at = apus__pages_reserve(size, page);
    CHECK(at);
    CHECK_EQ(apus__pages_commit(at + size / 2, page, -1), 0);
    at[size / 2] = 1;
    apus__pages_release(at, size);
#endif
    CHECK(!apus__pages_reserve(SIZE_MAX & -page, page));
    CHECK(!apus__pages_reserve(SIZE_MAX & -page, 2 * page));
    CHECK(!apus__pages_reserve(size << 15, page));
}

TEST(discard, "discarded pages read as zeros and can be written again")
{
    size_t page = apus__page_size();
    char *at = apus__pages_reserve(2 * page, page);
    CHECK(at);
    CHECK_EQ(apus__pages_commit(at, 2 * page, -1), 0);
    memset(at, 1, 2 * page);
    apus__pages_discard(at, page);
    CHECK_EQ(at[0], 0);
    CHECK_EQ(at[page], 1);
    at[0] = 2;
    CHECK_EQ(at[0], 2);
    apus__pages_release(at, 2 * page);
}

TEST(release_part, "a part of what was reserved can be given back")
{
    size_t page = apus__page_size();
    char *at = apus__pages_reserve(3 * page, page);
    CHECK(at);
    CHECK_EQ(apus__pages_commit(at, 3 * page, -1), 0);
    apus__pages_release(at + page, page);
    CHECK(!write_faults(at));
    CHECK(write_faults(at + page));
    CHECK(!write_faults(at + 2 * page));
    apus__pages_release(at, page);
    apus__pages_release(at + 2 * page, page);
}

TEST(page_node, "a committed page lies on the node it was committed for")
{
    size_t page = apus__page_size();
    for (unsigned node = 0; node < apus__node_count(); node++) {
        char *at = apus__pages_reserve(page, page);
        CHECK(at);
        CHECK_EQ(apus__pages_commit(at, page, (int)node), 0);
        at[0] = 1;
        int found = apus__page_node(at);
        CHECK(found == (int)node || found == -1);
        apus__pages_release(at, page);
    }
    // A node that does not exist is no reason to fail.
    char *at = apus__pages_reserve(page, page);
    CHECK_EQ(apus__pages_commit(at, page, 4000), 0);
    CHECK_EQ(apus__page_node((void *)8), -1);
    apus__pages_release(at, page);
}

TEST(limits, "the page size and the number of mappings are known")
{
    CHECK_EQ(apus__page_size(), sysconf(_SC_PAGESIZE));
    CHECK(apus__map_limit() >= 1024);
    CHECK_EQ(apus__map_limit(), apus__map_limit());
}

TEST(stack_guard, "a write below a stack faults, and all of the stack can be written")
{
    struct apus__stack stack;
    size_t page = apus__page_size();
    CHECK_EQ(apus__stack_map(&stack, 10 * page - 7, page + 1, 0), 0);
    CHECK(stack.guarded);
    CHECK_EQ(stack.size, 10 * page);
    CHECK_EQ(stack.guard, 2 * page);
    memset(stack.low, 1, stack.size);
    CHECK(write_faults((char *)stack.low - 1));
    CHECK(write_faults((char *)stack.low - stack.guard));
    apus__stack_unmap(&stack);
    CHECK(!stack.low);
    apus__stack_unmap(&stack);
}

TEST(stack_unguarded, "a stack without a guard is asked for by a guard of 0")
{
    struct apus__stack stack;
    CHECK_EQ(apus__stack_map(&stack, 1, 0, -1), 0);
    CHECK(!stack.guarded);
    CHECK_EQ(stack.size, apus__page_size());
    memset(stack.low, 1, stack.size);
    apus__stack_unmap(&stack);
}

TEST(stack_none, "a stack that does not fit is refused")
{
    struct apus__stack stack;
    CHECK_EQ(apus__stack_map(&stack, SIZE_MAX, 1, -1), -ENOMEM);
    CHECK_EQ(apus__stack_map(&stack, (size_t)1 << 55, 1, -1), -ENOMEM);
    CHECK(!stack.low);
}

TEST(stack_many, "guards end at a quarter of the map limit, stacks do not, and a stack given back gives its guard back")
{
    size_t most = apus__map_limit() / 4, count = most + 100;
    if (most > 20000)
        return; // a machine set up for far more; the rule is the same
    struct apus__stack *stacks = calloc(count, sizeof *stacks), last;
    CHECK(stacks);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(apus__stack_map(&stacks[i], 1, 1, -1), 0);
        CHECK_EQ(stacks[i].guarded, i < most);
    }
    apus__stack_unmap(&stacks[7]);
    CHECK_EQ(apus__stack_map(&last, 1, 1, -1), 0);
    CHECK(last.guarded);
    apus__stack_unmap(&last);
    for (size_t i = 0; i < count; i++)
        apus__stack_unmap(&stacks[i]);
    free(stacks);
}

TEST(stack_row, "stacks of a row have a guard each, and are unmapped by themselves; what was not taken goes with the row")
{
    enum { COUNT = 5, TAKEN = 3 };
    struct apus__stack_row row;
    struct apus__stack stacks[TAKEN], other;
    size_t page = apus__page_size();
    CHECK_EQ(apus__stack_row_map(&row, COUNT, 3 * page, 2 * page, -1), 0);
    CHECK_EQ(row.left, COUNT);
    for (unsigned i = 0; i < TAKEN; i++) {
        stacks[i] = apus__stack_row_take(&row);
        CHECK(stacks[i].guarded);
        CHECK_EQ(stacks[i].guard, 2 * page);
        memset(stacks[i].low, 1, stacks[i].size);
    }
    CHECK_EQ(row.left, COUNT - TAKEN);
    char *rest = row.next.low;
    *rest = 1;
    apus__stack_unmap(&stacks[1]);
    stacks[1] = stacks[2];
    for (unsigned i = 0; i < 2; i++) {
        memset(stacks[i].low, 2, stacks[i].size);
        CHECK(write_faults((char *)stacks[i].low - 1));
        CHECK(write_faults((char *)stacks[i].low - stacks[i].guard));
    }
    apus__stack_row_unmap(&row);
    CHECK_EQ(row.left, 0);
    CHECK(write_faults(rest));
    apus__stack_row_unmap(&row);
    apus__stack_unmap(&stacks[0]);
    apus__stack_unmap(&stacks[1]);
    // All of the guards have been given back, or there would be none for so many more.
    for (size_t i = 0; i < apus__map_limit() / 4; i++) {
        CHECK_EQ(apus__stack_row_map(&row, 2, page, page, -1), 0);
        other = apus__stack_row_take(&row);
        CHECK(other.guarded);
        apus__stack_unmap(&other);
        apus__stack_row_unmap(&row);
    }
    CHECK_EQ(apus__stack_row_map(&row, COUNT, (size_t)1 << 50, page, -1), -ENOMEM);
    CHECK_EQ(row.left, 0);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
