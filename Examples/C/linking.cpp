// linking.cpp - links, from C++: a parent that traps exits hears of each child's end, as a message that says why.
#include <apus/apus.h>

#include <cstdio>
#include <vector>

namespace {

// A child lives for its message, and ends as it says: 0 well, else with that error.
int obey(apus_process *self, void *, apus_message *message)
{
    int code = *static_cast<const int *>(apus_message_payload(message));
    return code == 0 ? static_cast<int>(APUS_DONE) : apus_exit(self, apus_reason_error(code, "as told"));
}

constexpr apus_type type_code = {"code", nullptr, nullptr, false};
constexpr apus_behaviour child = {"child", 0, nullptr, obey, nullptr, nullptr};

struct Outcome {
    int normal = 0, failed = 0;
};

void parent(apus_process *self, void *argument)
{
    auto *outcome = *static_cast<Outcome **>(argument);
    std::vector<apus_pid> children(4);
    apus_trap_exits(self, true); // before the first link, so that a child's failure is a message and not our end

    apus_spawn_options options = {};
    options.struct_size = sizeof options;
    options.flags = APUS_SPAWN_LINK;
    for (auto &pid : children)
        if (apus_spawn(&child, nullptr, 0, &options, &pid) != 0)
            return;

    apus_unlink(self, children[3]); // of this one we shall hear nothing
    for (int code = 0; code < 4; code++)
        apus_send(children[static_cast<std::size_t>(code)], &type_code, &code, sizeof code);

    for (int heard = 0; heard < 3; heard++) {
        apus_message *message = apus_receive(self, nullptr, nullptr, 5000);
        if (!message || apus_message_type(message) != &apus_type_exit)
            return;
        auto *exit = static_cast<const apus_exit_message *>(apus_message_payload(message));
        char text[100];
        apus_reason_text(&exit->reason, text, sizeof text);
        std::printf("child %llx ended: %s\n", static_cast<unsigned long long>(exit->from.id), text);
        (exit->reason.kind == APUS_REASON_NORMAL ? outcome->normal : outcome->failed)++;
        apus_message_release(message);
    }
}

} // namespace

int main()
{
    Outcome outcome, *result = &outcome;
    apus_pid pid;
    if (apus_start(nullptr) != 0 || apus_spawn_blocking(parent, &result, sizeof result, nullptr, &pid) != 0)
        return 1;
    if (apus_join(pid, 10000, nullptr) != 0 || apus_stop(1000) != 0)
        return 1;
    std::printf("%d child ended well, %d failed, and the parent lived on.\n", outcome.normal, outcome.failed);
    return outcome.normal != 1 || outcome.failed != 2;
}
