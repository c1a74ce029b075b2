// Tests/C/numa/machine_test.c - the emulated machine itself, before anything is said about Apus on it.
//
// Goal:   when a test of placement fails, know whether the machine or the runtime is wrong.
// Method: the kernel's own answers: node and CPU counts, distances, and the node on which a touched page lies.
#define _GNU_SOURCE // sched_setaffinity
#include "test.h"

#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <sys/mman.h>

enum { NODES = 4, CPUS = 8 };

TEST(four_nodes_eight_cpus, "the machine has four nodes with two CPUs each")
{
    CHECK(numa_available() >= 0);
    CHECK_EQ(numa_num_configured_nodes(), NODES);
    CHECK_EQ(numa_num_configured_cpus(), CPUS);
    for (int cpu = 0; cpu < CPUS; cpu++)
        CHECK_EQ(numa_node_of_cpu(cpu), cpu / 2);
}

TEST(distances, "neighbours are at distance 20, others at 30")
{
    for (int a = 0; a < NODES; a++)
        for (int b = 0; b < NODES; b++)
            CHECK_EQ(numa_distance(a, b), a == b ? 10 : a / 2 == b / 2 ? 20 : 30);
}

static int node_of_page(void *page)
{
    int node = -1;
    CHECK_EQ(get_mempolicy(&node, NULL, 0, page, MPOL_F_NODE | MPOL_F_ADDR), 0);
    return node;
}

TEST(pages_lie_where_asked, "a page bound to a node lies on that node")
{
    for (int node = 0; node < NODES; node++) {
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED);
        unsigned long mask = 1ul << node;
        CHECK_EQ(mbind(page, 4096, MPOL_BIND, &mask, 8 * sizeof mask, 0), 0);
        memset(page, 1, 4096);
        CHECK_EQ(node_of_page(page), node);
    }
}

TEST(first_touch, "a page without a policy lies on the node of the CPU that touched it first")
{
    for (int cpu = 0; cpu < CPUS; cpu++) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        CHECK_EQ(sched_setaffinity(0, sizeof set, &set), 0);
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED);
        *page = 1;
        CHECK_EQ(node_of_page(page), cpu / 2);
    }
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
