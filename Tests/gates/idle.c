// Tests/gates/idle.c - usage: idle SECONDS - starts the runtime as it is by default, with 100 processes that wait and a timer that is
// far off, and does nothing. Prints "TICKS SWITCHES": processor time of the program meanwhile in clock ticks, and how often threads of
// the runtime gave up their core, that is, how often they had been woken.
#include <apus/apus.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ignore(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    return APUS_OK;
}

static void wait_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_receive(self, NULL, NULL, APUS_INFINITY);
}

static const apus_behaviour idler = {.name = "idler", .handle = ignore};
static const apus_type alarm_type = {.name = "alarm"};

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "idle: %s failed\n", what);
    exit(1);
}

// The number behind `key` in a file of /proc.
static long read_number(const char *path, const char *key)
{
    char line[256];
    long number = -1;
    FILE *file = fopen(path, "r");
    check(file != NULL, path);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            number = atol(line + strlen(key));
    fclose(file);
    check(number >= 0, key);
    return number;
}

static long cpu_ticks(void)
{
    unsigned long user, system;
    FILE *file = fopen("/proc/self/stat", "r");
    check(file && fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2, "stat");
    fclose(file);
    return (long)(user + system);
}

// Of all threads but this one, which only sleeps here.
static long voluntary_switches(void)
{
    long sum = 0;
    char path[300];
    DIR *tasks = opendir("/proc/self/task");
    check(tasks != NULL, "opendir");
    for (struct dirent *task; (task = readdir(tasks));) {
        if (task->d_name[0] == '.' || atoi(task->d_name) == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        sum += read_number(path, "voluntary_ctxt_switches:");
    }
    closedir(tasks);
    return sum;
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 10;
    apus_pid pid;
    check(apus_start(NULL) == 0, "start");
    for (int i = 0; i < 50; i++) {
        check(apus_spawn(&idler, NULL, 0, NULL, &pid) == 0, "spawn");
        check(apus_spawn_blocking(wait_body, NULL, 0, NULL, NULL) == 0, "spawn_blocking");
    }
    check(apus_send_after(3600000, pid, &alarm_type, NULL, 0, NULL) == 0, "send_after");
    sleep(1); // until all have come to rest
    long ticks = cpu_ticks(), switches = voluntary_switches();
    sleep(seconds);
    printf("%ld %ld\n", cpu_ticks() - ticks, voluntary_switches() - switches);
    check(apus_stop(0) == 0, "stop");
    return 0;
}
