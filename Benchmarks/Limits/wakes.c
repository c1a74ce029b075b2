// wakes.c - what the kernel takes: to wake a thread that sleeps on a futex, and to carry 64 bytes over TCP and back.
#include "limits.h"

#include <arpa/inet.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Alignas(128) _Atomic uint32_t words[2];
static int64_t times;

static void sleep_until(_Atomic uint32_t *word, uint32_t value)
{
    uint32_t seen;
    while ((seen = atomic_load(word)) != value) {
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    }
}

static void wake(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store(word, value);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *partner(void *unused)
{
    for (int64_t i = 1; i <= times; i++) {
        sleep_until(&words[0], (uint32_t)i);
        wake(&words[1], (uint32_t)i);
    }
    return unused;
}

// Two threads put each other to sleep and wake each other: half of a round trip.
static double futex_ns(int64_t count)
{
    pthread_t thread;
    times = count;
    atomic_store(&words[0], 0);
    atomic_store(&words[1], 0);
    check(pthread_create(&thread, NULL, partner, NULL) == 0, "pthread_create");
    int64_t start = now_ns();
    for (int64_t i = 1; i <= count; i++) {
        wake(&words[0], (uint32_t)i);
        sleep_until(&words[1], (uint32_t)i);
    }
    int64_t end = now_ns();
    pthread_join(thread, NULL);
    return (double)(end - start) / (double)(2 * count);
}

static void connect_pair(int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    check(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0, "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
    check(connect(pair[0], (struct sockaddr *)&address, size) == 0, "connect");
    pair[1] = accept(listener, NULL, NULL);
    check(pair[1] >= 0, "accept");
    for (int i = 0; i < 2; i++) {
        setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    close(listener);
}

static double socket_ns(int64_t count)
{
    int pair[2];
    char bytes[64] = {0};
    connect_pair(pair);
    int64_t start = now_ns();
    for (int64_t i = 0; i < count; i++) {
        for (int side = 0; side < 2; side++) {
            check(write(pair[side], bytes, sizeof bytes) == sizeof bytes, "write");
            check(read(pair[1 - side], bytes, sizeof bytes) == sizeof bytes, "read");
        }
    }
    int64_t end = now_ns();
    close(pair[0]);
    close(pair[1]);
    return (double)(end - start) / (double)count;
}

int main(int argc, char **argv)
{
    struct limits_arguments arguments = limits_arguments(argc, argv);
    double futex = 1e12, socket = 1e12;
    for (int i = 0; i < REPETITIONS; i++) {
        double ns = futex_ns(limits_scaled(arguments, 5000));
        futex = ns < futex ? ns : futex;
        ns = socket_ns(limits_scaled(arguments, 5000));
        socket = ns < socket ? ns : socket;
    }
    limits_print("futex", arguments.cores, futex, "ns");
    limits_print("socket", arguments.cores, socket, "ns");
    return 0;
}
