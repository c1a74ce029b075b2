// Tests/C/faults/soak_test.c - a thousand faults of all kinds among a hundred thousand processes that work.
//
// Method: groups of a hundred: a ring in which a token goes round and counts, and a keeper who is linked to a victim and monitors it,
// spawns it, sees it fall, and tells. Every fifth victim is a supervisor's child instead, which must be there again afterwards. In the
// end every token must have the right count, every keeper have seen one exit and one down message with the right signal, and the log
// have one report for each fault, of the right process.
#include "fault.h"

enum { RING = 98, ROUNDS = 20 };

static long groups;
static apus_pid *fallen; // by group: who had the fault
static int *fault_of;
static atomic_long rings_done, keepers_done, reports;

struct told {
    apus_pid pid;
    int code;
};
static struct told *told;

static void note(const apus_log *entry, void *context)
{
    (void)context;
    if (entry->kind == APUS_LOG_RESCUE)
        return;
    if (entry->kind != APUS_LOG_CRASH) {
        fprintf(stderr, "%s", entry->text);
        _exit(1);
    }
    long number = atomic_fetch_add(&reports, 1);
    CHECK(number < groups);
    told[number] = (struct told){entry->pid, entry->reason.code};
}

// --- Rings ----------------------------------------------------------------------------------------------------------------------

static const apus_type type_next = {.name = "next"}, type_token = {.name = "token"};

static int ring_handle(apus_process *self, void *state, apus_message *message)
{
    apus_pid *next = state;
    (void)self;
    if (apus_message_type(message) == &type_next) {
        memcpy(next, apus_message_payload(message), sizeof *next);
        return APUS_OK;
    }
    uint64_t count = *(const uint64_t *)apus_message_payload(message) + 1;
    bool is_last = count > (uint64_t)RING * ROUNDS;
    if (count == (uint64_t)RING * ROUNDS)
        atomic_fetch_add(&rings_done, 1);
    if (count < (uint64_t)RING * (ROUNDS + 1))
        CHECK_EQ(apus_send(*next, &type_token, &count, sizeof count), 0);
    return is_last ? APUS_DONE : APUS_OK;
}

static const apus_behaviour ring = {.name = "ring", .state_size = sizeof(apus_pid), .handle = ring_handle};

static void ring_start(void)
{
    apus_pid pids[RING];
    uint64_t zero = 0;
    for (int i = 0; i < RING; i++)
        CHECK_EQ(apus_spawn(&ring, NULL, 0, NULL, &pids[i]), 0);
    for (int i = 0; i < RING; i++)
        CHECK_EQ(apus_send(pids[i], &type_next, &pids[(i + 1) % RING], sizeof *pids), 0);
    CHECK_EQ(apus_send(pids[0], &type_token, &zero, sizeof zero), 0);
}

// --- Victims --------------------------------------------------------------------------------------------------------------------

static void fall(apus_process *self, long group)
{
    volatile char *memory = apus_alloc(self, 500);
    memory[0] = 1;
    fallen[group] = apus_pid_of(self);
    fault_of[group] = (int)(group % FAULTS);
    faults[fault_of[group]].have();
}

static int victim_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    if (apus_message_is_request(message))
        CHECK_EQ(apus_reply(message, NULL, NULL, 0), 0);
    else
        fall(self, *(const long *)apus_message_payload(message));
    return APUS_OK;
}

static const apus_behaviour victim = {.name = "victim", .state_size = 100, .handle = victim_handle};

static void victim_body(apus_process *self, void *argument)
{
    apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
    (void)argument;
    fall(self, *(const long *)apus_message_payload(message));
}

static void keep_linked(apus_process *self, long group)
{
    apus_pid pid;
    apus_ref ref;
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_LINK | APUS_SPAWN_MONITOR, .monitor = &ref};
    apus_trap_exits(self, true);
    if (group % 2)
        CHECK_EQ(apus_spawn(&victim, NULL, 0, &options, &pid), 0);
    else
        CHECK_EQ(apus_spawn_blocking(victim_body, NULL, 0, &options, &pid), 0);
    CHECK_EQ(apus_send(pid, &type_number, &group, sizeof group), 0);
    for (unsigned seen = 0; seen != 3;) {
        apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
        bool is_exit = apus_message_type(message) == &apus_type_exit;
        const apus_exit_message *exit = apus_message_payload(message);
        const apus_down_message *down = apus_message_payload(message);
        const apus_reason *reason = is_exit ? &exit->reason : &down->reason;
        CHECK(is_exit || apus_message_type(message) == &apus_type_down);
        CHECK(apus_pid_equal(apus_message_from(message), pid));
        CHECK_EQ(reason->kind, APUS_REASON_FAULT);
        CHECK_EQ(reason->code, faults[group % FAULTS].signal);
        CHECK(!(seen & (is_exit ? 1 : 2)));
        seen |= is_exit ? 1 : 2;
        apus_message_release(message);
    }
}

static void keep_supervised(apus_process *self, long group)
{
    apus_pid top, before, after;
    char name[32];
    snprintf(name, sizeof name, "child %ld", group);
    apus_spawn_options options = {.struct_size = sizeof options, .name = name};
    apus_child_spec spec = {.struct_size = sizeof spec, .id = "child", .behaviour = &victim, .options = &options};
    apus_supervisor_spec tree = {.struct_size = sizeof tree, .children = &spec, .child_count = 1};
    CHECK_EQ(apus_supervisor_start(self, &tree, &top), 0);
    CHECK_EQ(apus_whereis(name, &before), 0);
    CHECK_EQ(apus_send(before, &type_number, &group, sizeof group), 0);
    while (apus_whereis(name, &after) || apus_pid_equal(before, after))
        apus_sleep(self, 1);
    CHECK_EQ(apus_call(after, &type_number, NULL, 0, APUS_INFINITY, NULL), 0);
}

static void keeper_body(apus_process *self, void *argument)
{
    long group = *(const long *)argument;
    ring_start();
    if (group % 5 == 0)
        keep_supervised(self, group);
    else
        keep_linked(self, group);
    atomic_fetch_add(&keepers_done, 1);
}

// --- The soak -------------------------------------------------------------------------------------------------------------------

static int compare_told(const void *a, const void *b)
{
    uint64_t left = ((const struct told *)a)->pid.id, right = ((const struct told *)b)->pid.id;
    return (left > right) - (left < right);
}

static void check_reports(void)
{
    qsort(told, (size_t)groups, sizeof *told, compare_told);
    for (long group = 0; group < groups; group++) {
        struct told key = {fallen[group], 0};
        const struct told *found = bsearch(&key, told, (size_t)groups, sizeof *told, compare_told);
        CHECK(found != NULL);
        CHECK_EQ(found->code, faults[fault_of[group]].signal);
    }
}

TEST(soak, "1,000 faults among 100,000 working processes: nothing is lost, and every report is of the right process")
{
    NEEDS_CONTAINMENT();
    groups = test_scaled(1000);
    fallen = calloc((size_t)groups, sizeof *fallen);
    fault_of = calloc((size_t)groups, sizeof *fault_of);
    told = calloc((size_t)groups, sizeof *told);
    apus_options options = {.struct_size = sizeof options, .schedulers = 2, .binding = APUS_BIND_NONE, .log = note,
                            .faults_per_minute = 2000, .faults_in_all = 2000, .rescue_ms = test_rescue_ms()};
    CHECK_EQ(apus_start(&options), 0);
    for (long group = 0; group < groups; group++) {
        CHECK_EQ(apus_spawn_blocking(keeper_body, &group, sizeof group, NULL, NULL), 0);
    }
    while (atomic_load(&keepers_done) < groups || atomic_load(&rings_done) < groups || atomic_load(&reports) < groups)
        usleep(10000);
    CHECK_EQ(runtime_info().faults, (uint64_t)groups);
    stop_runtime();
    check_reports();
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
