// os/topology.h - which CPUs this OS process may use, how they are grouped, and how far their memory nodes are apart.
//
// Read once at start; plain data afterwards, so that any thread may read it without care until it is freed. CPUs are ordered so
// that neighbours in the array share as much hardware as possible (node, then package, last-level cache, core), which lets the
// scheduler say "the next slot" when it means "the nearest slot".
//
// Node numbers are dense everywhere in Apus, 0 to node_count - 1 in the order of the kernel's numbers, which may have holes; os/
// translates where it calls the kernel. `node_ids` keeps the kernel's number of each. `distances` is row-major, in the kernel's
// unit: 10 is local, 20 twice as far.
#ifndef APUS_OS_TOPOLOGY_H
#define APUS_OS_TOPOLOGY_H

struct apus__cpu {
    unsigned id; // the kernel's number
    int node;
    int package; // the kernel's physical_package_id, 0 if unknown
    int core;    // the kernel's core_id; hardware threads of one core share it. The CPU's id if unknown
    int cache;   // dense number of the last-level cache, unique over the machine
};

struct apus__topology {
    unsigned cpu_count; // at least 1
    struct apus__cpu *cpus;
    unsigned node_count; // at least 1
    int *distances;      // node_count * node_count
    int *node_ids;       // node_count; the kernel's numbers, ascending
    double quota;        // CPUs granted by the cgroup, 0 = no limit
};

// Fills `out` from this machine, or from the given trees.
//
// Args:      sysfs_root NULL = /sys: nodes and distances come from libnuma, and the CPUs are those of sched_getaffinity(). Any
//            other root is parsed as a copy of /sys, and all its online CPUs count.
//            cgroup_root NULL = /sys/fs/cgroup. The cgroup within it is that of /proc/self/cgroup (version 2 only).
// Ownership: the arrays are the caller's, to be freed with apus__topology_free().
// Errors:    -ENOMEM; -ENOENT if no CPU was found (only with a sysfs_root of the caller's). Then `out` is empty.
int apus__topology_read(struct apus__topology *out, const char *sysfs_root, const char *cgroup_root);

// Fills `out` with a machine of one node and one CPU that is not this one: for what must be the same everywhere. Errors: -ENOMEM.
int apus__topology_plain(struct apus__topology *out);

// Frees the arrays and empties `topology`; may be called twice.
void apus__topology_free(struct apus__topology *topology);

// How many schedulers this machine can feed: one for each CPU, at most the quota rounded up, at least 1.
unsigned apus__topology_schedulers(const struct apus__topology *topology);

// The distance from node to node; 10 is local.
int apus__topology_distance(const struct apus__topology *topology, unsigned from_node, unsigned to_node);

#endif
