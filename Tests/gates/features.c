// Tests/gates/features.c - usage: features on|off|show ROUNDS - a ping-pong of 2 * ROUNDS messages on one scheduler, with faults contained
// and long callbacks rescued, or without both. `show` is `on`, and then a process faults and one stays in its callback: exit status 0 if
// each of them has only harmed itself.
#include <apus/apus.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const apus_type type_ball = {.name = "ball"};

struct ball {
    apus_pid from;
    long left;
};

static int hit(apus_process *self, void *state, apus_message *message)
{
    struct ball ball = *(const struct ball *)apus_message_payload(message);
    apus_pid to = ball.from;
    (void)state;
    if (ball.left == 0)
        return APUS_DONE;
    ball = (struct ball){apus_pid_of(self), ball.left - 1};
    return apus_send(to, &type_ball, &ball, sizeof ball);
}

static const apus_behaviour player = {.name = "player", .handle = hit};

static void fall(apus_process *self, void *argument)
{
    (void)self, (void)argument;
    __builtin_trap();
}

static void stay(apus_process *self, void *argument)
{
    apus_runtime_info_t info = {.struct_size = sizeof info};
    (void)self, (void)argument;
    while (apus_runtime_info(&info) == 0 && info.rescues == 0)
        usleep(1000);
}

static void wait_a_little(apus_process *self, void *argument)
{
    (void)argument;
    apus_sleep(self, 1);
}

// What they do when they are on. Returns whether they do.
static int shows(void)
{
    apus_pid pid;
    return apus_spawn_blocking(fall, NULL, 0, NULL, &pid) == 0 && apus_join(pid, 10000, NULL) == 0 &&
           apus_spawn_blocking(stay, NULL, 0, NULL, &pid) == 0 &&
           apus_spawn_blocking(wait_a_little, NULL, 0, NULL, NULL) == 0 && apus_join(pid, 10000, NULL) == 0;
}

// Nobody waits in a process meanwhile, since callgrind does not follow a stack that is set aside.
static int play(long messages)
{
    apus_pid one, other;
    if (apus_spawn(&player, NULL, 0, NULL, &one) || apus_spawn(&player, NULL, 0, NULL, &other))
        return 0;
    struct ball ball = {one, messages};
    if (apus_send(other, &type_ball, &ball, sizeof ball))
        return 0;
    while (apus_is_alive(other))
        usleep(1000);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    long messages = 2 * atol(argv[2]);
    int is_shown = strcmp(argv[1], "show") == 0;
    apus_options options = {.struct_size = sizeof options, .schedulers = 1, .binding = APUS_BIND_NONE};
    if (strcmp(argv[1], "off") == 0) {
        options.faults = APUS_FAULTS_IGNORE;
        options.rescue_ms = APUS_RESCUE_OFF;
    }
    if (apus_start(&options) || !play(messages) || (is_shown && !shows()))
        return 1;
    apus_runtime_info_t info = {.struct_size = sizeof info};
    return apus_stop(1000) || apus_runtime_info(&info) || info.handled < (uint64_t)messages || info.faults != (uint64_t)is_shown;
}
