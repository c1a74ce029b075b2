#include "scheduler/runtime.h"

#include "abi/enter.h"
#include "os/thread.h"

enum { SCHEDULERS_MAX = 1024, TABLE_MAX = 1 << 27, STACK_MIN = 16 << 10, DETACHED_MAX = 4096, FAULTS_MAX = 100000 };

int apus__options_check(const apus_options *options)
{
    bool is_right = options->struct_size == sizeof *options && options->schedulers <= SCHEDULERS_MAX &&
                    (unsigned)options->binding <= APUS_BIND_NONE && options->max_processes <= TABLE_MAX &&
                    options->max_timers <= TABLE_MAX && (options->stack_size == 0 || options->stack_size >= STACK_MIN) &&
                    options->stack_size <= (size_t)1 << 32 && options->detached_max <= DETACHED_MAX &&
                    (unsigned)options->faults <= APUS_FAULTS_IGNORE &&
                    (options->faults_in_all <= FAULTS_MAX || options->faults_in_all == APUS_FAULTS_NONE) &&
                    (options->faults_per_minute <= FAULTS_MAX || options->faults_per_minute == APUS_FAULTS_NONE);
    return is_right ? 0 : -EINVAL;
}

int apus_start(const apus_options *options)
{
    static const apus_options defaults = {.struct_size = sizeof defaults};
    int result = apus__options_check(options ? options : &defaults);
    if (result)
        return result;
    if (apus_self())
        return -EDEADLK;
    return apus__runtime_start(options ? options : &defaults, apus__errand_ended);
}

int apus_stop(uint64_t timeout_ms)
{
    return apus_self() ? -EDEADLK : apus__runtime_stop(timeout_ms);
}

bool apus_is_running(void)
{
    return !apus__process_is_fork() && apus_load_relaxed(&apus__world.state) == APUS__WORLD_RUNNING;
}

uint64_t apus_now_ms(void)
{
    return apus__now_ns() / 1000000;
}

int apus_runtime_info(apus_runtime_info_t *info)
{
    if (!info || info->struct_size != sizeof *info)
        return -EINVAL;
    int error;
    struct apus__owner *here = apus__enter(&error);
    if (!here)
        return apus__runtime_info_last(error, info);
    apus__runtime_info(info);
    apus__leave(here);
    return 0;
}

int64_t apus_each_process(bool (*visit)(apus_pid pid, void *context), void *context)
{
    int error;
    if (!visit)
        return -EINVAL;
    struct apus__owner *here = apus__enter(&error);
    if (!here)
        return error;
    int64_t visits = apus__each_live(visit, context);
    apus__leave(here);
    return visits;
}

static void topology_copy(const struct apus__topology *topology, apus_cpu_info *cpus, size_t capacity, double *quota)
{
    for (size_t i = 0; i < capacity && i < topology->cpu_count; i++) {
        const struct apus__cpu *cpu = &topology->cpus[i];
        cpus[i] = (apus_cpu_info){cpu->id, cpu->node, cpu->package, cpu->core, cpu->cache};
    }
    if (quota)
        *quota = topology->quota;
}

// Calls `use` with the running world's topology, or with a fresh one.
static int topology_with(int (*use)(const struct apus__topology *topology, void *context), void *context)
{
    int error;
    struct apus__owner *here = apus__enter(&error);
    if (here) {
        int result = use(apus__runtime_topology(), context);
        apus__leave(here);
        return result;
    }
    if (error != -ESHUTDOWN)
        return error;
    struct apus__topology topology;
    int result = apus__topology_read(&topology, NULL, NULL);
    if (result)
        return result;
    result = use(&topology, context);
    apus__topology_free(&topology);
    return result;
}

struct topology_question {
    apus_cpu_info *cpus;
    size_t capacity;
    double *quota;
};

static int topology_answer(const struct apus__topology *topology, void *context)
{
    struct topology_question *question = context;
    topology_copy(topology, question->cpus, question->capacity, question->quota);
    return (int)topology->cpu_count;
}

int apus_topology(apus_cpu_info *cpus, size_t capacity, double *quota)
{
    struct topology_question question = {cpus, capacity, quota};
    return !cpus && capacity ? -EINVAL : topology_with(topology_answer, &question);
}

static int distance_answer(const struct apus__topology *topology, void *context)
{
    const int *nodes = context;
    int count = (int)topology->node_count;
    if (nodes[0] < 0 || nodes[1] < 0 || nodes[0] >= count || nodes[1] >= count)
        return -EINVAL;
    return apus__topology_distance(topology, (unsigned)nodes[0], (unsigned)nodes[1]);
}

int apus_node_distance(int from, int to)
{
    int nodes[2] = {from, to};
    return topology_with(distance_answer, nodes);
}
