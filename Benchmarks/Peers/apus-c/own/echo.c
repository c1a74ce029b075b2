// echo.c - a TCP server with a process for each connection; the common client keeps 1, 10, 100 and 1,000 connections busy.
//
// The client (Benchmarks/Common/echo_client.c, named by BENCH_ECHO_CLIENT) is a child of this program, so it has the same CPUs. It
// prints a line `CONNECTIONS RATE P50 P99` for each, round trips a second and microseconds, when all is done.
#define _GNU_SOURCE // accept4
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int fd;
};

// Reads and writes until there is no more. What the client has not read yet is never more than one message of 64 bytes, so a write takes
// all.
static int connection_pump(apus_process *self, struct connection *me)
{
    char bytes[4096];
    ssize_t got;
    do {
        got = read(me->fd, bytes, sizeof bytes);
        check(got <= 0 || write(me->fd, bytes, (size_t)got) == got, "write");
    } while (got == sizeof bytes);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        apus_unwatch(self, me->fd);
        close(me->fd);
        return APUS_DONE;
    }
    return apus_watch(self, me->fd, APUS_IO_READ);
}

static int connection_init(apus_process *self, void *state, const void *argument)
{
    *(struct connection *)state = *(const struct connection *)argument;
    return connection_pump(self, state);
}

static int connection_handle(apus_process *self, void *state, apus_message *message)
{
    (void)message;
    return connection_pump(self, state);
}

static const apus_behaviour connection = {.name = "connection", .state_size = sizeof(struct connection), .init = connection_init,
                                          .handle = connection_handle};

static int listener_wait(apus_process *self, int fd)
{
    for (;;) {
        struct connection next = {accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (next.fd < 0) {
            return apus_watch(self, fd, APUS_IO_READ);
        }
        int on = 1;
        setsockopt(next.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        spawn(&connection, &next, sizeof next);
    }
}

static int listener_init(apus_process *self, void *state, const void *argument)
{
    *(int *)state = *(const int *)argument;
    return listener_wait(self, *(int *)state);
}

static int listener_handle(apus_process *self, void *state, apus_message *message)
{
    (void)message;
    return listener_wait(self, *(int *)state);
}

static const apus_behaviour listener = {.name = "listener", .state_size = sizeof(int), .init = listener_init,
                                        .handle = listener_handle};

static int listen_here(unsigned *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    check(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 4096) == 0, "listen");
    check(getsockname(fd, (struct sockaddr *)&address, &size) == 0, "port");
    *port = ntohs(address.sin_port);
    return fd;
}

// Takes the client's report. Returns the rate with 100 connections.
static double read_report(FILE *file)
{
    static char names[4][3][24];
    char line[256];
    double of_100 = 0;
    for (int level = 0; fgets(line, sizeof line, file) != NULL; level++) {
        int connections;
        double rate, p50, p99;
        check(level < 4 && sscanf(line, "%d %lf %lf %lf", &connections, &rate, &p50, &p99) == 4, "the client's report");
        snprintf(names[level][0], sizeof names[level][0], "c%d", connections);
        snprintf(names[level][1], sizeof names[level][1], "c%d_p50", connections);
        snprintf(names[level][2], sizeof names[level][2], "c%d_p99", connections);
        also(names[level][0], rate, "round trips/s");
        also(names[level][1], p50, "us");
        also(names[level][2], p99, "us");
        of_100 = connections == 100 ? rate : of_100;
    }
    return of_100;
}

static double run(apus_process *boss)
{
    const char *client = getenv("BENCH_ECHO_CLIENT");
    check(client != NULL, "BENCH_ECHO_CLIENT names the client");
    unsigned port;
    int fd = listen_here(&port);
    spawn(&listener, &fd, sizeof fd);
    char command[512];
    snprintf(command, sizeof command, "exec '%s' %u %lld", client, port, (long long)scaled(100000));
    FILE *file = popen(command, "r");
    check(file != NULL, "start the client");
    // The boss waits for the first line, which comes when all is done, without holding up its scheduler.
    check(fcntl(fileno(file), F_SETFL, O_NONBLOCK) == 0 && apus_watch(boss, fileno(file), APUS_IO_READ) == 0, "watch");
    apus_message_release(apus_receive(boss, NULL, NULL, APUS_INFINITY));
    check(fcntl(fileno(file), F_SETFL, 0) == 0, "blocking again");
    double rate = read_report(file);
    check(pclose(file) == 0 && rate > 0, "the client's own check");
    return rate;
}

const struct workload echo_workload = {"echo", "round trips/s", run};
