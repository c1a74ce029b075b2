// ping_pong.c - two processes that send a ball to and fro. Callback processes: a message comes, `handle` runs, and that is all that
// a process costs while it has nothing to do.
#define _POSIX_C_SOURCE 200809L
#include <apus/apus.h>

#include <stdio.h>
#include <time.h>

static const apus_type type_ball = {.name = "ball"};
static const apus_type type_serve = {.name = "serve"};

enum { EXCHANGES = 1000000 };

struct player {
    long hits;
};

// Sends the ball back to whoever sent it, until it has gone to and fro often enough.
static int play(apus_process *self, void *state, apus_message *message)
{
    struct player *player = state;
    long ball = 0;
    apus_pid other;
    (void)self;
    if (apus_message_type(message) == &type_serve) {
        other = *(const apus_pid *)apus_message_payload(message);
    } else {
        other = apus_message_from(message);
        ball = *(const long *)apus_message_payload(message) + 1;
    }
    player->hits++;
    if (ball > EXCHANGES) {
        printf("This player hit the ball %ld times.\n", player->hits);
        return APUS_DONE;
    }
    apus_send(other, &type_ball, &ball, sizeof ball);
    return ball == EXCHANGES ? APUS_DONE : APUS_OK;
}

static const apus_behaviour player = {.name = "player", .state_size = sizeof(struct player), .handle = play};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(void)
{
    apus_pid alice, bob;
    apus_reason reason;
    if (apus_start(NULL) != 0 || apus_spawn(&player, NULL, 0, NULL, &alice) != 0 || apus_spawn(&player, NULL, 0, NULL, &bob) != 0)
        return 1;
    double start = seconds();
    if (apus_send(alice, &type_serve, &bob, sizeof bob) != 0)
        return 1;
    if (apus_join(alice, 60000, &reason) != 0 || apus_join(bob, 60000, &reason) != 0)
        return 1;
    printf("%d messages, %.0f ns each.\n", EXCHANGES, (seconds() - start) / EXCHANGES * 1e9);
    return apus_stop(1000) != 0;
}
