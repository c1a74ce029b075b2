// supervised_worker.c - a worker that fails, and comes back. It divides what it is told to; told to divide by nothing, it ends with
// an error, and its supervisor starts it again under the same name. Callers that come later notice nothing.
#define _DEFAULT_SOURCE
#include <apus/apus.h>

#include <stdio.h>
#include <unistd.h>

static const apus_type type_divide = {.name = "divide"};

struct divide {
    int dividend, divisor;
};

static int begin(apus_process *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    printf("The divider starts as pid %llx.\n", (unsigned long long)apus_pid_of(self).id);
    return APUS_OK;
}

static int divide(apus_process *self, void *state, apus_message *message)
{
    const struct divide *task = apus_message_payload(message);
    (void)state;
    if (task->divisor == 0)
        return apus_exit(self, apus_reason_error(1, "division by zero"));
    int quotient = task->dividend / task->divisor;
    return apus_reply(message, NULL, &quotient, sizeof quotient);
}

static const apus_behaviour divider = {.name = "divider", .init = begin, .handle = divide};

// Asks whoever has the name now; waits while the supervisor brings it back. Returns the quotient, or -1.
static int ask_divider(int dividend, int divisor)
{
    struct divide task = {dividend, divisor};
    apus_message *reply = NULL;
    apus_pid pid;
    int quotient = -1, error = -ESRCH;
    for (int tries = 0; error == -ESRCH && tries < 5000; tries++) {
        if (apus_whereis("divider", &pid) == 0)
            error = apus_call(pid, &type_divide, &task, sizeof task, 5000, &reply);
        else
            usleep(1000);
    }
    if (error == 0) {
        quotient = *(const int *)apus_message_payload(reply);
        printf("%d / %d = %d\n", dividend, divisor, quotient);
    } else if (error == -ECONNABORTED) {
        const apus_down_message *down = apus_message_payload(reply);
        char text[100];
        apus_reason_text(&down->reason, text, sizeof text);
        printf("%d / %d: the divider ended: %s\n", dividend, divisor, text);
    } else {
        printf("%d / %d: %s\n", dividend, divisor, apus_strerror(error));
    }
    apus_message_release(reply);
    return quotient;
}

int main(void)
{
    apus_spawn_options named = {.struct_size = sizeof named, .name = "divider"};
    apus_child_spec child = {.struct_size = sizeof child, .id = "divider", .behaviour = &divider, .options = &named};
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .strategy = APUS_ONE_FOR_ONE, .children = &child, .child_count = 1};
    apus_pid supervisor;
    if (apus_start(NULL) != 0)
        return 1;
    int error = apus_supervisor_start(NULL, &spec, &supervisor);
    if (error != 0) {
        fprintf(stderr, "supervised_worker: %s: %s\n", apus_strerror(error), apus_supervisor_last_error());
        return 1;
    }
    int before = ask_divider(42, 6), crash = ask_divider(42, 0), after = ask_divider(91, 7);
    return apus_stop(1000) != 0 || before != 7 || crash != -1 || after != 13;
}
