// os/topology.c - see topology.h.
//
// Two sources, one result: the real machine (affinity mask, libnuma) and a copy of /sys under any root, which tests use to show us
// machines that we do not have. Only the set of CPUs and the nodes differ; packages, cores and caches come from the tree in both.
//
// A cache is named by the lowest CPU that shares it, whether we may run there or not; these names are then numbered densely.
#define _GNU_SOURCE 1
#include "os/topology.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "os/file.h"
#include "os/node.h"
#include "os/quota.h"

enum {
    BITS_MAX = 8192,   // the most CPUs that a Linux kernel can be built for; far more than it can have nodes
    LIST_SIZE = 32768, // text of a CPU list: 8192 CPUs, every other one, is "0,2,4,..." in 24 kB
    CACHE_INDEX_MAX = 8,
    DISTANCE_LOCAL = 10,
    DISTANCE_REMOTE = 20,
};

// A set of CPUs or nodes.
struct topology_set {
    uint64_t bits[BITS_MAX / 64];
};

static bool topology_set_has(const struct topology_set *set, unsigned i)
{
    return i < BITS_MAX && (set->bits[i / 64] >> (i % 64) & 1);
}

static void topology_set_add(struct topology_set *set, unsigned long i)
{
    if (i < BITS_MAX)
        set->bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static unsigned topology_set_count(const struct topology_set *set)
{
    unsigned count = 0;
    for (unsigned i = 0; i < BITS_MAX / 64; i++)
        count += (unsigned)__builtin_popcountll(set->bits[i]);
    return count;
}

// The least member, or -1.
static int topology_set_first(const struct topology_set *set)
{
    for (unsigned i = 0; i < BITS_MAX / 64; i++)
        if (set->bits[i])
            return (int)(i * 64) + __builtin_ctzll(set->bits[i]);
    return -1;
}

// Parses the kernel's list format, "0-3,8,10-11"; stops at what it does not understand. An empty list is an empty set.
static void topology_set_parse(struct topology_set *set, const char *text)
{
    memset(set, 0, sizeof *set);
    while (*text) {
        char *end;
        unsigned long first = strtoul(text, &end, 10), last = first;
        if (end == text)
            return;
        if (*end == '-') {
            text = end + 1;
            last = strtoul(text, &end, 10);
            if (end == text)
                return;
        }
        for (unsigned long i = first; i <= last && i < BITS_MAX; i++)
            topology_set_add(set, i);
        if (*end != ',')
            return;
        text = end + 1;
    }
}

// Reads a list file; false if it is not there.
static bool topology_set_read(struct topology_set *set, const char *directory, const char *file)
{
    char text[LIST_SIZE];
    bool found = apus__file_read(text, sizeof text, "%s/%s", directory, file);
    topology_set_parse(set, text);
    return found;
}

// The CPUs that are online by the tree: the kernel's list, less those whose own `online` file says 0.
static void topology_online(struct topology_set *cpus, const char *root)
{
    char directory[256];
    snprintf(directory, sizeof directory, "%s/devices/system/cpu", root);
    if (!topology_set_read(cpus, directory, "online"))
        topology_set_read(cpus, directory, "present");
    for (unsigned cpu = 0; cpu < BITS_MAX; cpu++)
        if (topology_set_has(cpus, cpu) && apus__file_number(1, "%s/cpu%u/online", directory, cpu) == 0)
            cpus->bits[cpu / 64] &= ~(UINT64_C(1) << (cpu % 64));
}

// The CPUs that the calling thread may run on.
static void topology_allowed(struct topology_set *cpus)
{
    cpu_set_t *allowed = CPU_ALLOC(BITS_MAX);
    size_t size = CPU_ALLOC_SIZE(BITS_MAX);
    memset(cpus, 0, sizeof *cpus);
    if (allowed) {
        CPU_ZERO_S(size, allowed);
        if (sched_getaffinity(0, size, allowed) == 0)
            for (unsigned cpu = 0; cpu < BITS_MAX; cpu++)
                if (CPU_ISSET_S(cpu, size, allowed))
                    topology_set_add(cpus, cpu);
        CPU_FREE(allowed);
    }
    // Only a sandbox refuses to tell; we run on something, so the answer is at least one CPU.
    if (topology_set_first(cpus) < 0)
        topology_online(cpus, "/sys");
    if (topology_set_first(cpus) < 0)
        topology_set_add(cpus, 0);
}

// The name of the CPU's last-level cache: the lowest CPU that shares it; -1 if the tree does not say.
static int topology_cache_name(const char *root, unsigned cpu)
{
    int name = -1;
    long highest = 0;
    for (int index = 0; index < CACHE_INDEX_MAX; index++) {
        char directory[256];
        struct topology_set shared;
        snprintf(directory, sizeof directory, "%s/devices/system/cpu/cpu%u/cache/index%d", root, cpu, index);
        long level = apus__file_number(0, "%s/level", directory);
        if (level <= highest || !topology_set_read(&shared, directory, "shared_cpu_list"))
            continue;
        int first = topology_set_first(&shared);
        if (first >= 0) {
            highest = level;
            name = first;
        }
    }
    return name;
}

// Fills the CPU array from the tree, all but the node. `cache` holds the cache's name until topology_number_caches().
static int topology_read_cpus(struct apus__topology *out, const struct topology_set *cpus, const char *root)
{
    out->cpus = calloc(topology_set_count(cpus), sizeof *out->cpus);
    if (!out->cpus)
        return -ENOMEM;
    for (unsigned id = 0; id < BITS_MAX; id++) {
        if (!topology_set_has(cpus, id))
            continue;
        long package = apus__file_number(-1, "%s/devices/system/cpu/cpu%u/topology/physical_package_id", root, id);
        long core = apus__file_number(-1, "%s/devices/system/cpu/cpu%u/topology/core_id", root, id);
        out->cpus[out->cpu_count++] = (struct apus__cpu){
            .id = id,
            // Some firmware says -1 for what it does not know.
            .package = package < 0 ? 0 : (int)package,
            .core = core < 0 ? (int)id : (int)core,
            .cache = topology_cache_name(root, id),
        };
    }
    return 0;
}

static int topology_allocate_nodes(struct apus__topology *out, unsigned count)
{
    out->node_count = count;
    out->node_ids = calloc(count, sizeof *out->node_ids);
    out->distances = calloc((size_t)count * count, sizeof *out->distances);
    return out->node_ids && out->distances ? 0 : -ENOMEM;
}

// Nodes of the real machine.
static int topology_read_nodes(struct apus__topology *out)
{
    unsigned count = apus__node_count();
    if (topology_allocate_nodes(out, count) != 0)
        return -ENOMEM;
    for (unsigned node = 0; node < count; node++) {
        out->node_ids[node] = apus__node_to_kernel((int)node);
        for (unsigned to = 0; to < count; to++)
            out->distances[node * count + to] = apus__node_distance((int)node, (int)to);
    }
    for (unsigned i = 0; i < out->cpu_count; i++)
        out->cpus[i].node = apus__node_of_cpu(out->cpus[i].id);
    return 0;
}

// The node numbers for which the tree has a directory.
static void topology_find_nodes(struct topology_set *nodes, const char *directory)
{
    memset(nodes, 0, sizeof *nodes);
    DIR *entries = opendir(directory);
    if (!entries)
        return;
    for (struct dirent *entry; (entry = readdir(entries));) {
        unsigned id;
        char rest;
        if (sscanf(entry->d_name, "node%u%c", &id, &rest) == 1)
            topology_set_add(nodes, id);
    }
    closedir(entries);
}

// One row of the distance table: as many numbers as there are nodes, in their order.
static void topology_parse_distances(struct apus__topology *out, unsigned node, const char *text)
{
    int *row = &out->distances[node * out->node_count];
    for (unsigned to = 0; to < out->node_count; to++) {
        char *end;
        long distance = strtol(text, &end, 10);
        row[to] = distance > 0 ? (int)distance : to == node ? DISTANCE_LOCAL : DISTANCE_REMOTE;
        text = end;
    }
}

// Nodes by a tree; one node without node directories. CPUs that no node lists are on node 0.
static int topology_parse_nodes(struct apus__topology *out, const char *root)
{
    char directory[256], text[LIST_SIZE];
    struct topology_set nodes, members;
    snprintf(directory, sizeof directory, "%s/devices/system/node", root);
    topology_find_nodes(&nodes, directory);
    if (topology_set_first(&nodes) < 0)
        topology_set_add(&nodes, 0);
    if (topology_allocate_nodes(out, topology_set_count(&nodes)) != 0)
        return -ENOMEM;
    unsigned node = 0;
    for (unsigned id = 0; id < BITS_MAX; id++) {
        if (!topology_set_has(&nodes, id))
            continue;
        out->node_ids[node] = (int)id;
        apus__file_read(text, sizeof text, "%s/node%u/distance", directory, id);
        topology_parse_distances(out, node, text);
        apus__file_read(text, sizeof text, "%s/node%u/cpulist", directory, id);
        topology_set_parse(&members, text);
        for (unsigned i = 0; i < out->cpu_count; i++)
            if (topology_set_has(&members, out->cpus[i].id))
                out->cpus[i].node = (int)node;
        node++;
    }
    return 0;
}

// Without a known cache, the CPUs of one package and node count as sharing one, named by the first of them.
static void topology_guess_caches(struct apus__topology *out)
{
    for (unsigned i = 0; i < out->cpu_count; i++) {
        struct apus__cpu *cpu = &out->cpus[i];
        for (unsigned j = 0; cpu->cache < 0; j++)
            if (out->cpus[j].node == cpu->node && out->cpus[j].package == cpu->package)
                cpu->cache = (int)out->cpus[j].id;
    }
}

static int topology_compare(const void *left, const void *right)
{
    const struct apus__cpu *a = left, *b = right;
    int keys[][2] = {{a->node, b->node},   {a->package, b->package},  {a->cache, b->cache},
                     {a->core, b->core},   {(int)a->id, (int)b->id}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

// Replaces the names of caches by dense numbers, in the order of the array. Equal names need not be neighbours: a cache may span
// nodes where the firmware splits a socket into several.
static void topology_number_caches(struct apus__topology *out)
{
    int numbers[BITS_MAX], count = 0;
    memset(numbers, -1, sizeof numbers);
    for (unsigned i = 0; i < out->cpu_count; i++) {
        int *number = &numbers[out->cpus[i].cache];
        if (*number < 0)
            *number = count++;
        out->cpus[i].cache = *number;
    }
}

int apus__topology_read(struct apus__topology *out, const char *sysfs_root, const char *cgroup_root)
{
    struct topology_set cpus;
    memset(out, 0, sizeof *out);
    if (sysfs_root)
        topology_online(&cpus, sysfs_root);
    else
        topology_allowed(&cpus);
    if (topology_set_first(&cpus) < 0)
        return -ENOENT;
    int failed = topology_read_cpus(out, &cpus, sysfs_root ? sysfs_root : "/sys");
    if (failed == 0)
        failed = sysfs_root ? topology_parse_nodes(out, sysfs_root) : topology_read_nodes(out);
    if (failed != 0) {
        apus__topology_free(out);
        return failed;
    }
    topology_guess_caches(out);
    qsort(out->cpus, out->cpu_count, sizeof *out->cpus, topology_compare);
    topology_number_caches(out);
    out->quota = apus__quota_read(cgroup_root ? cgroup_root : "/sys/fs/cgroup");
    return 0;
}

int apus__topology_plain(struct apus__topology *out)
{
    *out = (struct apus__topology){.cpu_count = 1, .node_count = 1};
    out->cpus = calloc(1, sizeof *out->cpus);
    out->distances = calloc(1, sizeof *out->distances);
    out->node_ids = calloc(1, sizeof *out->node_ids);
    if (!out->cpus || !out->distances || !out->node_ids) {
        apus__topology_free(out);
        return -ENOMEM;
    }
    out->distances[0] = 10;
    return 0;
}

void apus__topology_free(struct apus__topology *topology)
{
    free(topology->cpus);
    free(topology->distances);
    free(topology->node_ids);
    memset(topology, 0, sizeof *topology);
}

unsigned apus__topology_schedulers(const struct apus__topology *topology)
{
    unsigned count = topology->cpu_count;
    if (topology->quota > 0 && topology->quota < count) {
        unsigned whole = (unsigned)topology->quota;
        count = whole + (topology->quota > whole);
    }
    return count > 0 ? count : 1;
}

int apus__topology_distance(const struct apus__topology *topology, unsigned from_node, unsigned to_node)
{
    apus_check(from_node < topology->node_count && to_node < topology->node_count);
    return topology->distances[from_node * topology->node_count + to_node];
}
