// os/node.c - see node.h. The only user of libnuma.
#include "os/node.h"

#include <numa.h>
#include <pthread.h>

#include "base/assert.h"

enum { NODES_MAX = 1024 }; // the kernel's own limit (CONFIG_NODES_SHIFT is at most 10)

static pthread_once_t node_once = PTHREAD_ONCE_INIT;
static bool node_has_numa;
static unsigned node_count;
static int node_ids[NODES_MAX];

static void node_read(void)
{
    node_has_numa = numa_available() >= 0;
    if (node_has_numa) {
        for (int id = 0; id <= numa_max_node() && node_count < NODES_MAX; id++)
            if (numa_bitmask_isbitset(numa_nodes_ptr, (unsigned)id))
                node_ids[node_count++] = id;
    }
    if (node_count == 0) {
        node_has_numa = false;
        node_ids[0] = 0;
        node_count = 1;
    }
}

unsigned apus__node_count(void)
{
    pthread_once(&node_once, node_read);
    return node_count;
}

int apus__node_to_kernel(int node)
{
    return node >= 0 && (unsigned)node < apus__node_count() ? node_ids[node] : -1;
}

int apus__node_from_kernel(int id)
{
    for (unsigned node = 0; node < apus__node_count(); node++)
        if (node_ids[node] == id)
            return (int)node;
    return -1;
}

int apus__node_of_cpu(unsigned cpu)
{
    int node = -1;
    if (apus__node_count() > 1)
        node = apus__node_from_kernel(numa_node_of_cpu((int)cpu));
    return node < 0 ? 0 : node;
}

int apus__node_distance(int from, int to)
{
    int from_id = apus__node_to_kernel(from), to_id = apus__node_to_kernel(to);
    apus_check(from_id >= 0 && to_id >= 0);
    int distance = node_has_numa ? numa_distance(from_id, to_id) : 0;
    if (distance > 0)
        return distance;
    return from == to ? 10 : 20;
}
