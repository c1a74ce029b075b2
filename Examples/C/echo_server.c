// echo_server.c - a TCP server that sends back what it gets, with a process for each connection, which waits for its socket as for any
// message: ten thousand connections are ten thousand small processes, and no thread.
//   echo_server PORT             serves until it is killed
//   echo_server --self-test N    opens N connections from a second OS process, and checks the echoes (default: 100)
#define _GNU_SOURCE
#include <apus/apus.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int begin(apus_process *self, void *state, const void *argument)
{
    return apus_watch(self, *(int *)state = *(const int *)argument, APUS_IO_READ);
}

// The socket is ready. Sends back what has come until it would have to wait, and then asks for the next message.
static int echo(apus_process *self, void *state, apus_message *message)
{
    int fd = *(const int *)state;
    char buffer[4096];
    (void)message;
    while (true) {
        ssize_t seen = recv(fd, buffer, sizeof buffer, MSG_PEEK);
        if (seen <= 0)
            return seen < 0 && errno == EAGAIN ? apus_watch(self, fd, APUS_IO_READ) : APUS_DONE;
        ssize_t sent = send(fd, buffer, (size_t)seen, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN ? apus_watch(self, fd, APUS_IO_WRITE) : APUS_DONE;
        recv(fd, buffer, (size_t)sent, 0); // takes away what was sent; the rest stays in the socket
    }
}

static void hang_up(apus_process *self, void *state, const apus_reason *reason)
{
    (void)reason;
    apus_unwatch(self, *(const int *)state);
    close(*(const int *)state);
}

static const apus_behaviour connection = {
    .name = "connection", .state_size = sizeof(int), .init = begin, .handle = echo, .terminate = hang_up};

// Accepts connections, and spawns a process for each.
static void serve(apus_process *self, void *argument)
{
    int listener = *(const int *)argument;
    while (apus_watch(self, listener, APUS_IO_READ) == 0) {
        apus_message_release(apus_receive(self, NULL, NULL, APUS_INFINITY));
        for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
            if (apus_spawn(&connection, &fd, sizeof fd, NULL, NULL) != 0)
                close(fd);
    }
}

// The other side of the self-test: opens all connections and speaks on each, then listens to each. Whether all were echoed.
static bool speak_and_listen(const struct sockaddr_in *address, int count)
{
    int *fd = calloc((size_t)count, sizeof *fd), opened = 0, echoed = 0, answer;
    for (; opened < count && (fd[opened] = socket(AF_INET, SOCK_STREAM, 0)) >= 0 &&
           connect(fd[opened], (const struct sockaddr *)address, sizeof *address) == 0; opened++)
        send(fd[opened], &opened, sizeof opened, MSG_NOSIGNAL);
    for (int i = 0; i < opened; close(fd[i++]))
        echoed += recv(fd[i], &answer, sizeof answer, MSG_WAITALL) == sizeof answer && answer == i;
    printf("%d of %d connections were echoed.\n", echoed, count);
    return echoed == count;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(argc == 2 ? atoi(argv[1]) : 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rlimit limit; // each connection takes a descriptor
    socklen_t length = sizeof address;
    apus_pid server;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), failed = 0;
    getrlimit(RLIMIT_NOFILE, &limit);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit.rlim_max, limit.rlim_max});
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 4096) != 0)
        return 1;
    getsockname(listener, (struct sockaddr *)&address, &length);
    pid_t client = argc == 2 ? 0 : fork(); // before the runtime starts: a fork cannot use its parent's
    if (argc != 2 && client == 0) {
        alarm(60);
        close(listener);
        return !speak_and_listen(&address, argc > 2 ? atoi(argv[2]) : 100);
    }
    if (apus_start(NULL) != 0 || apus_spawn_blocking(serve, &listener, sizeof listener, NULL, &server) != 0)
        return 1;
    if (argc == 2)
        return apus_join(server, APUS_INFINITY, NULL) != 0;
    waitpid(client, &failed, 0);
    return apus_stop(1000) != 0 || failed != 0;
}
