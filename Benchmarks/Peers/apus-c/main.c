// main.c - one workload of the common set, on Apus through its C ABI. usage: bench WORKLOAD CORES SCALE
//
// Prints apus-c,WORKLOAD,CORES,VALUE,UNIT on stdout, and a line WORKLOAD.METRIC for each further value; anything else on stderr.
// Exit status 0 only if the workload's own check of counts and sums held and the runtime then stopped with nothing left; 1 if not;
// 3 for a workload that Apus has no form of.
#include "bench.h"
#include "histogram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned bench_cores;
static double bench_scale;
static double result;

const apus_type number_type = {.name = "number"};

void check(bool ok, const char *what)
{
    if (ok) {
        return;
    }
    fprintf(stderr, "apus-c: check failed: %s\n", what);
    _exit(1);
}

double scale(void)
{
    return bench_scale;
}

int64_t scaled(int64_t count)
{
    int64_t n = (int64_t)((double)count * bench_scale + 0.5);
    return n < 1 ? 1 : n;
}

int64_t receive_number(apus_process *boss)
{
    apus_message *message = apus_receive(boss, NULL, NULL, APUS_INFINITY);
    check(message != NULL && apus_message_type(message) == &number_type, "receive");
    int64_t number = number_of(message);
    apus_message_release(message);
    return number;
}

int64_t receive_sum(apus_process *boss, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += receive_number(boss);
    }
    return sum;
}

enum { METRICS_MAX = 16 };
static struct metric {
    const char *name;
    double value;
    const char *unit;
} metrics[METRICS_MAX];
static int metric_count;

void also(const char *metric, double value, const char *unit)
{
    check(metric_count < METRICS_MAX, "room for a metric");
    metrics[metric_count++] = (struct metric){metric, value, unit};
}

static const struct workload *find_workload(const char *name)
{
    for (size_t i = 0; suite[i] != NULL; i++) {
        if (strcmp(suite[i]->name, name) == 0) {
            return suite[i];
        }
    }
    const struct workload *const tables[] = {message_workloads, spawn_workloads, failure_workloads, time_workloads};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct workload *w = tables[i]; w->name != NULL; w++) {
            if (strcmp(w->name, name) == 0) {
                return w;
            }
        }
    }
    return NULL;
}

static void boss_body(apus_process *self, void *argument)
{
    result = (*(const struct workload *const *)argument)->run(self);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench WORKLOAD CORES SCALE\n");
        return 2;
    }
    const struct workload *workload = find_workload(argv[1]);
    if (workload == NULL) {
        fprintf(stderr, "apus-c: no workload %s\n", argv[1]);
        return 3;
    }
    bench_cores = (unsigned)atoi(argv[2]);
    bench_scale = atof(argv[3]);
    check(bench_cores > 0 && bench_scale > 0, "CORES and SCALE are numbers");

    check(apus_start(&(apus_options){.struct_size = sizeof(apus_options), .schedulers = bench_cores}) == 0, "start");
    apus_runtime_info_t info = {.struct_size = sizeof info};
    // Refuse to print a number measured under other limits than asked for.
    check(apus_runtime_info(&info) == 0 && info.schedulers == bench_cores, "the runtime has CORES schedulers");
    apus_pid boss;
    check(apus_spawn_blocking(boss_body, &workload, sizeof workload, NULL, &boss) == 0, "spawn of the boss");
    apus_reason reason;
    check(apus_join(boss, APUS_INFINITY, &reason) == 0, "join");
    check(reason.kind == APUS_REASON_NORMAL || reason.kind == APUS_REASON_NOPROC, "the boss ended normally");
    check(apus_stop(0) == 0, "stop"); // at once: what is left of a workload only waits
    check(apus_runtime_info(&info) == 0 && info.processes == 0 && info.timers == 0, "nothing is left");

    printf("apus-c,%s,%u,%.*f,%s\n", workload->name, bench_cores, result >= 1000 ? 1 : 4, result, workload->unit);
    for (int i = 0; i < metric_count; i++) {
        printf("apus-c,%s.%s,%u,%.*f,%s\n", workload->name, metrics[i].name, bench_cores, metrics[i].value >= 1000 ? 1 : 4,
               metrics[i].value, metrics[i].unit);
    }
    histogram_print();
    return 0;
}
