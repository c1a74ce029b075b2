// echo_client.c - the client of the echo workload, the same for every peer. usage: echo_client PORT ROUND_TRIPS
//
// For 1, 10, 100 and 1,000 connections in turn: each has one message of 64 bytes under way, all in all ROUND_TRIPS of them (a
// tenth with one connection). Prints, when all is done, a line `CONNECTIONS RATE P50 P99`: round trips a second, and microseconds
// from the write of a message to the read of the last byte of its answer. Exit status 0 only if every answer was its question.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, EVENTS = 256, CONNECTIONS_MAX = 1000 };

struct connection {
    int fd;
    int got; // bytes of the answer so far
    int64_t sent;
    int64_t number; // of the message under way, which stands in its first bytes
    char answer[SIZE];
};

static struct connection connections[CONNECTIONS_MAX];

static void check(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void connection_open(struct connection *me, int epoll, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = me};
    int on = 1;
    me->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(me->fd >= 0 && connect(me->fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    setsockopt(me->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, me->fd, &event) == 0, "epoll_ctl");
}

static void connection_ask(struct connection *me, int64_t number)
{
    char question[SIZE] = {0};
    memcpy(question, &number, sizeof number);
    me->number = number;
    me->got = 0;
    me->sent = now_ns();
    check(write(me->fd, question, SIZE) == SIZE, "write");
}

// Reads what is there. Returns whether the answer is complete, and checks it.
static bool connection_read(struct connection *me)
{
    ssize_t got = read(me->fd, me->answer + me->got, (size_t)(SIZE - me->got));
    check(got > 0, "read");
    me->got += (int)got;
    if (me->got < SIZE) {
        return false;
    }
    check(memcmp(me->answer, &me->number, sizeof me->number) == 0, "the answer is the question");
    return true;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void run_level(unsigned port, int count, int64_t total)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int64_t *times = malloc((size_t)total * sizeof *times), asked = 0, done = 0;
    check(epoll >= 0 && times != NULL, "epoll_create1");
    for (int i = 0; i < count; i++) {
        connection_open(&connections[i], epoll, port);
    }
    int64_t start = now_ns();
    for (; asked < count; asked++) {
        connection_ask(&connections[asked], asked);
    }
    while (done < total) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, 10000);
        check(ready > 0, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!connection_read(connection)) {
                continue;
            }
            times[done++] = now_ns() - connection->sent;
            if (asked < total) {
                connection_ask(connection, asked++);
            }
        }
    }
    int64_t end = now_ns();
    qsort(times, (size_t)total, sizeof *times, compare);
    printf("%d %.1f %.2f %.2f\n", count, (double)total * 1e9 / (double)(end - start), (double)times[(total - 1) / 2] / 1000,
           (double)times[(total * 99 + 99) / 100 - 1] / 1000);
    for (int i = 0; i < count; i++) {
        close(connections[i].fd);
    }
    close(epoll);
    free(times);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: echo_client PORT ROUND_TRIPS\n");
        return 2;
    }
    unsigned port = (unsigned)atoi(argv[1]);
    int64_t total = atoll(argv[2]);
    for (int count = 1; count <= CONNECTIONS_MAX; count *= 10) {
        int64_t round_trips = count == 1 ? total / 10 : total;
        run_level(port, count, round_trips < count ? count : round_trips);
    }
    return 0;
}
