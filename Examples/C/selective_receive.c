// selective_receive.c - a process that is one straight body, and takes its messages in the order it likes: first what is urgent,
// then the rest, in the order in which it came.
#include <apus/apus.h>

#include <stdio.h>
#include <string.h>

static const apus_type type_urgent = {.name = "urgent"};
static const apus_type type_letter = {.name = "letter"};
static const apus_type type_log = {.name = "log"};

static bool is_type(const apus_message *message, void *type)
{
    return apus_message_type(message) == type;
}

// Works through its letters, urgent ones first, and reports the order in which it read them to the process given.
static void read_letters(apus_process *self, void *argument)
{
    apus_pid report_to = *(const apus_pid *)argument;
    char log[100] = "";
    apus_message *message = apus_receive(self, is_type, (void *)&type_log, APUS_INFINITY); // the others wait meanwhile
    apus_message_release(message);
    while ((message = apus_receive(self, is_type, (void *)&type_urgent, 0)) != NULL ||
           (message = apus_receive(self, NULL, NULL, 0)) != NULL) {
        printf("%-7s %s\n", apus_message_type(message)->name, (const char *)apus_message_payload(message));
        strcat(log, apus_message_payload(message));
        strcat(log, " ");
        apus_message_release(message);
    }
    apus_send(report_to, &type_log, log, strlen(log) + 1);
}

static void write_letters(apus_process *self, void *argument)
{
    bool *is_right = *(bool **)argument;
    apus_pid me = apus_pid_of(self), reader;
    if (apus_spawn_blocking(read_letters, &me, sizeof me, NULL, &reader) != 0)
        return;
    apus_send(reader, &type_letter, "one", 4);
    apus_send(reader, &type_letter, "two", 4);
    apus_send(reader, &type_urgent, "fire", 5);
    apus_send(reader, &type_letter, "three", 6);
    apus_send(reader, &type_urgent, "flood", 6);
    apus_send(reader, &type_log, NULL, 0);

    // The answer, or nothing if it takes more than five seconds.
    apus_message *message = apus_receive(self, is_type, (void *)&type_log, 5000);
    *is_right = message && strcmp(apus_message_payload(message), "fire flood one two three ") == 0;
    apus_message_release(message);
}

int main(void)
{
    bool is_right = false, *result = &is_right;
    apus_pid writer;
    if (apus_start(NULL) != 0 || apus_spawn_blocking(write_letters, &result, sizeof result, NULL, &writer) != 0)
        return 1;
    if (apus_join(writer, 10000, NULL) != 0 || apus_stop(1000) != 0)
        return 1;
    puts(is_right ? "Urgent letters came first, the others in their order." : "The order is wrong.");
    return !is_right;
}
