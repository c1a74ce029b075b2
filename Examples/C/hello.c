// hello.c - a process that greets. Spawn it, send it a name, and it answers before it ends.
#include <apus/apus.h>

#include <stdio.h>

static const apus_type type_name = {.name = "name"};

// The process: takes one message, greets, and says how long the name was.
static void greet(apus_process *self, void *argument)
{
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    const char *name = apus_message_payload(message);
    size_t length = apus_message_size(message) - 1;
    (void)argument;
    printf("Hello, %s!\n", name);
    apus_reply(message, &type_name, &length, sizeof length);
    apus_message_release(message);
}

int main(void)
{
    apus_pid greeter;
    apus_message *reply = NULL;
    if (apus_start(NULL) != 0 || apus_spawn_blocking(greet, NULL, 0, NULL, &greeter) != 0)
        return 1;

    // A call is a message that waits for its reply; `apus_send` would not wait.
    int error = apus_call(greeter, &type_name, "world", sizeof "world", 5000, &reply);
    if (error != 0) {
        fprintf(stderr, "hello: %s\n", apus_strerror(error));
        return 1;
    }
    size_t length = *(const size_t *)apus_message_payload(reply);
    printf("The greeter counted %zu letters.\n", length);
    apus_message_release(reply);
    return apus_stop(1000) != 0 || length != 5;
}
