// Tests/gates/outside.c - usage: outside COUNT - the main thread sends COUNT messages to one process, as fast as it can. Exit status 0
// if each was handled. Run under callgrind with --toggle-collect=apus_send, only the sender's side is counted.
#include <apus/apus.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const apus_type ping = {.name = "ping"};
static _Atomic long handled;

static int count_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    handled++;
    return APUS_OK;
}

static const apus_behaviour counter = {.name = "counter", .handle = count_handle};

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "outside: %s failed\n", what);
    exit(1);
}

int main(int argc, char **argv)
{
    apus_pid pid;
    check(argc == 2, "the reading of the arguments");
    long count = atol(argv[1]);
    check(apus_start(&(apus_options){.struct_size = sizeof(apus_options), .schedulers = 1}) == 0, "start");
    check(apus_spawn(&counter, NULL, 0, NULL, &pid) == 0, "spawn");
    for (long i = 0; i < count; i++)
        check(apus_send(pid, &ping, &i, sizeof i) == 0, "send");
    while (handled < count)
        usleep(1000);
    check(apus_stop(0) == 0, "stop");
    return 0;
}
