// Tests/C/runtime_test.h - what tests of the running runtime share: start, a clean stop, waiting.
#ifndef APUS_TESTS_RUNTIME_TEST_H
#define APUS_TESTS_RUNTIME_TEST_H

#include "test.h"

#include <apus/apus.h>

// After how long a process loses its scheduler: TEST_RESCUE_MS, to have it happen often; 0 is the runtime's default.
static inline uint32_t test_rescue_ms(void)
{
    const char *limit = getenv("TEST_RESCUE_MS");
    return limit ? (uint32_t)atoi(limit) : 0;
}

// Starts the runtime with `schedulers` schedulers (0: the default), unpinned, so that tests may run side by side.
static inline void start_runtime(unsigned schedulers)
{
    apus_options options = {.struct_size = sizeof options, .schedulers = schedulers, .binding = APUS_BIND_NONE,
                            .rescue_ms = test_rescue_ms()};
    CHECK_EQ(apus_start(&options), 0);
}

static inline apus_runtime_info_t runtime_info(void)
{
    apus_runtime_info_t info = {.struct_size = sizeof info};
    CHECK_EQ(apus_runtime_info(&info), 0);
    return info;
}

// Stops the runtime and checks that it gave everything back: no process, no timer, no block in use.
static inline void stop_runtime(void)
{
    CHECK_EQ(apus_stop(5000), 0);
    apus_runtime_info_t info = runtime_info();
    CHECK_EQ(info.processes, 0);
    CHECK_EQ(info.timers, 0);
    CHECK_EQ(info.stacks_parked, 0);
    CHECK_EQ(info.blocks_in_use, 0);
}

// Runs `body` as a blocking process with `argument` and waits until it has ended, which it must do normally.
static inline void run_process(void (*body)(apus_process *self, void *argument), const void *argument, size_t size)
{
    apus_pid pid;
    apus_reason reason = apus_reason_of(APUS_REASON_NORMAL);
    CHECK_EQ(apus_spawn_blocking(body, argument, size, NULL, &pid), 0);
    CHECK_EQ(apus_join(pid, APUS_INFINITY, &reason), 0);
    CHECK(reason.kind == APUS_REASON_NORMAL || reason.kind == APUS_REASON_NOPROC);
}

// Spawns a process without argument or options.
static inline apus_pid spawn_one(const apus_behaviour *behaviour)
{
    apus_pid pid;
    CHECK_EQ(apus_spawn(behaviour, NULL, 0, NULL, &pid), 0);
    return pid;
}

// Matches no message.
static inline bool match_none(const apus_message *message, void *context)
{
    (void)message, (void)context;
    return false;
}

// A blocking body that never takes a message.
static inline void deaf_body(apus_process *self, void *argument)
{
    (void)argument;
    apus_receive(self, match_none, NULL, APUS_INFINITY);
}

#endif
