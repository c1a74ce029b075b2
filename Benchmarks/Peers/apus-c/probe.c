#include "probe.h"

#include "bench.h"

struct prober {
    apus_pid echo;
    int64_t number;
    int64_t sent; // when
    int64_t end;
    void (*record)(int64_t ns);
};

static int echo_handle(apus_process *self, void *state, apus_message *message)
{
    (void)self;
    (void)state;
    send_number(apus_message_from(message), &number_type, number_of(message) + 1);
    return APUS_OK;
}

static void prober_probe(struct prober *me)
{
    me->sent = now_ns();
    send_number(me->echo, &number_type, me->number);
}

static int prober_init(apus_process *self, void *state, const void *argument)
{
    (void)self;
    *(struct prober *)state = *(const struct prober *)argument;
    prober_probe(state);
    return APUS_OK;
}

static int prober_handle(apus_process *self, void *state, apus_message *message)
{
    struct prober *me = state;
    int64_t now = now_ns();
    check(number_of(message) == ++me->number, "reply");
    me->record(now - me->sent);
    if (now < me->end) {
        prober_probe(me);
        return APUS_OK;
    }
    send_number(apus_parent_of(self), &number_type, me->number);
    return APUS_DONE;
}

static const apus_behaviour echo = {.name = "echo", .handle = echo_handle};
static const apus_behaviour prober = {.name = "prober", .state_size = sizeof(struct prober), .init = prober_init,
                                      .handle = prober_handle};

void probe_start(int64_t end, void (*record)(int64_t ns))
{
    struct prober probe = {.echo = spawn(&echo, NULL, 0), .end = end, .record = record};
    spawn(&prober, &probe, sizeof probe);
}
