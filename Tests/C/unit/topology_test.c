// Goal: os/topology and os/quota read machines that we do not have, and the one that we have.
//
// Method: each test writes a small copy of /sys or of a cgroup tree below a temporary directory, in the kernel's formats, and reads
// it back through the public root parameters.
#define _GNU_SOURCE 1
#include "os/topology.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "../test.h"
#include "os/node.h"
#include "os/quota.h"
#include "os/thread.h"

static char root[64];

static int remove_entry(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status, (void)flag, (void)walk;
    return remove(path);
}

static void remove_root(void)
{
    nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void new_root(void)
{
    strcpy(root, "/tmp/apus-topology-XXXXXX");
    CHECK(mkdtemp(root));
    atexit(remove_root);
}

// Writes `text` and a newline to a file below the root, and makes the directories on the way.
__attribute__((format(printf, 2, 3))) static void put(const char *text, const char *format, ...)
{
    char path[PATH_MAX], name[PATH_MAX - 64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    CHECK(file);
    fprintf(file, "%s\n", text);
    fclose(file);
}

static void put_number(int number, const char *what, unsigned cpu)
{
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    put(text, "devices/system/cpu/cpu%u/%s", cpu, what);
}

// A CPU with a first-level cache of its own and a third level shared by the list.
static void put_cpu(unsigned cpu, int package, int core, const char *sharing)
{
    put_number(package, "topology/physical_package_id", cpu);
    put_number(core, "topology/core_id", cpu);
    put_number(1, "cache/index0/level", cpu);
    put_number((int)cpu, "cache/index0/shared_cpu_list", cpu);
    put_number(3, "cache/index3/level", cpu);
    put(sharing, "devices/system/cpu/cpu%u/cache/index3/shared_cpu_list", cpu);
}

static void put_node(unsigned node, const char *cpus, const char *distances)
{
    put(cpus, "devices/system/node/node%u/cpulist", node);
    put(distances, "devices/system/node/node%u/distance", node);
}

// Two packages, each of two nodes, each with a cache and two cores of two threads. As on many machines, the second threads of all
// cores are numbered after the first ones.
static void put_two_packages(void)
{
    new_root();
    put("0-15", "devices/system/cpu/online");
    for (unsigned cpu = 0; cpu < 16; cpu++) {
        unsigned core = cpu % 8;
        const char *sharing[] = {"0-1,8-9", "2-3,10-11", "4-5,12-13", "6-7,14-15"};
        put_cpu(cpu, core < 4 ? 0 : 1, (int)(core % 4), sharing[core / 2]);
    }
    put_node(0, "0-1,8-9", "10 12 20 22");
    put_node(1, "2-3,10-11", "12 10 22 20");
    put_node(2, "4-5,12-13", "20 22 10 12");
    put_node(3, "6-7,14-15", "22 20 12 10");
}

TEST(two_packages, "two packages of two nodes are read as they are")
{
    struct apus__topology topology;
    put_two_packages();
    CHECK_EQ(apus__topology_read(&topology, root, root), 0);
    CHECK_EQ(topology.cpu_count, 16);
    CHECK_EQ(topology.node_count, 4);
    for (unsigned i = 0; i < 16; i++) {
        CHECK_EQ(topology.cpus[i].node, i / 4);
        CHECK_EQ(topology.cpus[i].package, i / 8);
        CHECK_EQ(topology.cpus[i].cache, i / 4);
    }
    CHECK_EQ(apus__topology_distance(&topology, 0, 0), 10);
    CHECK_EQ(apus__topology_distance(&topology, 0, 3), 22);
    CHECK_EQ(apus__topology_distance(&topology, 2, 3), 12);
    CHECK_EQ(apus__topology_schedulers(&topology), 16);
    apus__topology_free(&topology);
    apus__topology_free(&topology);
    CHECK_EQ(topology.cpu_count, 0);
}

TEST(siblings, "hardware threads of one core are neighbours in the order of CPUs")
{
    struct apus__topology topology;
    put_two_packages();
    CHECK_EQ(apus__topology_read(&topology, root, root), 0);
    unsigned want[] = {0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15};
    for (unsigned i = 0; i < 16; i++)
        CHECK_EQ(topology.cpus[i].id, want[i]);
    apus__topology_free(&topology);
}

TEST(sparse_nodes, "node numbers with holes are numbered densely, and the kernel's are kept")
{
    struct apus__topology topology;
    new_root();
    put("0-3", "devices/system/cpu/online");
    for (unsigned cpu = 0; cpu < 4; cpu++)
        put_cpu(cpu, cpu / 2, (int)cpu, cpu < 2 ? "0-1" : "2-3");
    // 8 and 250 have CPUs; 16 is memory without CPUs.
    put_node(8, "0-1", "10 30 40");
    put_node(16, "", "30 10 50");
    put_node(250, "2-3", "40 50 10");
    put("", "devices/system/node/node_of_something_else");
    CHECK_EQ(apus__topology_read(&topology, root, root), 0);
    CHECK_EQ(topology.node_count, 3);
    CHECK_EQ(topology.node_ids[0], 8);
    CHECK_EQ(topology.node_ids[1], 16);
    CHECK_EQ(topology.node_ids[2], 250);
    CHECK_EQ(topology.cpus[0].node, 0);
    CHECK_EQ(topology.cpus[3].node, 2);
    CHECK_EQ(apus__topology_distance(&topology, 2, 1), 50);
    apus__topology_free(&topology);
}

TEST(no_nodes, "a machine without node directories is one node")
{
    struct apus__topology topology;
    new_root();
    put("0-1", "devices/system/cpu/online");
    put_cpu(0, 0, 0, "0-1");
    put_cpu(1, 0, 1, "0-1");
    CHECK_EQ(apus__topology_read(&topology, root, root), 0);
    CHECK_EQ(topology.node_count, 1);
    CHECK_EQ(topology.cpus[1].node, 0);
    CHECK_EQ(topology.cpus[0].cache, topology.cpus[1].cache);
    CHECK_EQ(apus__topology_distance(&topology, 0, 0), 10);
    apus__topology_free(&topology);
}

TEST(no_distances, "nodes without distances are 10 and 20 apart")
{
    struct apus__topology topology;
    new_root();
    put("0-1", "devices/system/cpu/online");
    put("0", "devices/system/node/node0/cpulist");
    put("1", "devices/system/node/node1/cpulist");
    CHECK_EQ(apus__topology_read(&topology, root, root), 0);
    CHECK_EQ(apus__topology_distance(&topology, 1, 1), 10);
    CHECK_EQ(apus__topology_distance(&topology, 1, 0), 20);
    apus__topology_free(&topology);
}

TEST(offline, "offline CPUs are left out")
{
    struct apus__topology topology;
    new_root();
    put("0,2-3,9", "devices/system/cpu/online");
    put("0-15", "devices/system/cpu/present");
    put_number(0, "online", 3);
    CHECK_EQ(apus__topology_read(&topology, root, root), 0);
    CHECK_EQ(topology.cpu_count, 3);
    CHECK_EQ(topology.cpus[0].id, 0);
    CHECK_EQ(topology.cpus[1].id, 2);
    CHECK_EQ(topology.cpus[2].id, 9);
    apus__topology_free(&topology);
}

TEST(bare, "CPUs of which nothing is known share one package and one cache, each with a core of its own")
{
    struct apus__topology topology;
    new_root();
    put("0-2", "devices/system/cpu/online");
    put_number(-1, "topology/physical_package_id", 1);
    CHECK_EQ(apus__topology_read(&topology, root, root), 0);
    CHECK_EQ(topology.cpu_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(topology.cpus[i].package, 0);
        CHECK_EQ(topology.cpus[i].cache, 0);
        CHECK_EQ(topology.cpus[i].core, i);
    }
    apus__topology_free(&topology);
}

TEST(no_cpus, "a tree without CPUs is refused")
{
    struct apus__topology topology;
    new_root();
    CHECK_EQ(apus__topology_read(&topology, root, root), -ENOENT);
    CHECK_EQ(topology.cpu_count, 0);
    CHECK(!topology.cpus);
}

TEST(quota_least, "the quota is the least over the cgroup and its parents")
{
    new_root();
    put("max 100000", "cpu.max");
    put("250000 100000", "a/cpu.max");
    put("150000 100000", "a/b/cpu.max");
    put("400000 100000", "a/b/c/cpu.max");
    CHECK(apus__quota_of(root, "/a/b/c") == 1.5);
    CHECK(apus__quota_of(root, "/a/b") == 1.5);
    CHECK(apus__quota_of(root, "/a") == 2.5);
    CHECK(apus__quota_of(root, "/") == 0);
    CHECK(apus__quota_of(root, "") == 0);
}

TEST(quota_absent, "what cannot be read does not limit")
{
    new_root();
    put("50000 100000", "cpu.max");
    put("nonsense", "a/cpu.max");
    CHECK(apus__quota_of(root, "/a/not/there") == 0.5);
    CHECK(apus__quota_of(root, "/../outside") == 0.5);
    CHECK(apus__quota_of("/not/there", "/a") == 0);
}

TEST(quota_schedulers, "schedulers are the CPUs, at most the quota rounded up, at least one")
{
    struct {
        unsigned cpus;
        double quota;
        unsigned want;
    } cases[] = {{8, 0, 8}, {8, 3, 3}, {8, 2.1, 3}, {8, 0.1, 1}, {8, 7.5, 8}, {8, 100, 8}, {1, 0, 1}, {0, 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct apus__topology topology = {.cpu_count = cases[i].cpus, .quota = cases[i].quota};
        CHECK_EQ(apus__topology_schedulers(&topology), cases[i].want);
    }
}

TEST(real_machine, "the real machine's CPUs are those that the thread may use")
{
    struct apus__topology all, one;
    CHECK_EQ(apus__topology_read(&all, NULL, NULL), 0);
    CHECK(all.cpu_count >= 1);
    CHECK_EQ(all.node_count, apus__node_count());
    for (unsigned i = 0; i < all.cpu_count; i++)
        CHECK(all.cpus[i].node >= 0 && (unsigned)all.cpus[i].node < all.node_count);
    for (unsigned node = 0; node < all.node_count; node++)
        CHECK_EQ(apus__topology_distance(&all, node, node), 10);
    unsigned last = all.cpus[all.cpu_count - 1].id;
    CHECK_EQ(apus__thread_pin_cpu(0, last), 0);
    CHECK_EQ(apus__topology_read(&one, NULL, NULL), 0);
    CHECK_EQ(one.cpu_count, 1);
    CHECK_EQ(one.cpus[0].id, last);
    apus__topology_free(&one);
    apus__topology_free(&all);
}

TEST(node_numbers, "node numbers translate back and forth")
{
    for (unsigned node = 0; node < apus__node_count(); node++)
        CHECK_EQ(apus__node_from_kernel(apus__node_to_kernel((int)node)), node);
    CHECK_EQ(apus__node_to_kernel(-1), -1);
    CHECK_EQ(apus__node_to_kernel((int)apus__node_count()), -1);
    CHECK_EQ(apus__node_from_kernel(4095), -1);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
