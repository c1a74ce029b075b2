// Tests/C/unit/child_spec_test.c - specs: what is wrong with one is said, and a child's own goes before its template's.
//
// Goal:    each refusal of apus__supervisor_spec_check and apus__child_spec_check with its sentence; each field of
//          apus__child_spec_merge (R52).
// Method:  one right spec, wrong in one place at a time; a template and a spec that differ in every field.
#include "../test.h"

#include "otp/child_spec.h"

static char text[APUS__SPEC_TEXT];

static int handle(apus_process *self, void *state, apus_message *message)
{
    (void)self, (void)state, (void)message;
    return APUS_OK;
}

static void body(apus_process *self, void *argument)
{
    (void)self, (void)argument;
}

static int start(apus_process *supervisor, const void *argument, apus_pid *pid)
{
    (void)supervisor, (void)argument, (void)pid;
    return 0;
}

static void keep(const void *argument, size_t size)
{
    (void)argument, (void)size;
}

static const apus_behaviour one = {.name = "one", .handle = handle}, two = {.name = "two", .handle = handle},
                            nameless = {.handle = handle};
static const apus_type owned = {.name = "owned"};

static void refuses_supervisor(apus_supervisor_spec spec, const char *sentence)
{
    CHECK_EQ(apus__supervisor_spec_check(&spec, text), -EINVAL);
    CHECK_STR(text, sentence);
}

TEST(supervisors, "what is wrong with a supervisor's spec is said")
{
    const apus_child_spec children[2] = {{.id = "a"}, {.id = "b"}};
    const apus_supervisor_spec right = {.struct_size = sizeof right, .children = children, .child_count = 2};
    CHECK_EQ(apus__supervisor_spec_check(&right, text), 0);
    apus_supervisor_spec wrong = right;
    wrong.struct_size--;
    refuses_supervisor(wrong, "the supervisor's struct_size is not sizeof(apus_supervisor_spec)");
    wrong = right;
    wrong.strategy = APUS_DYNAMIC + 1;
    refuses_supervisor(wrong, "the strategy is none of the four");
    wrong = right;
    wrong.auto_shutdown = APUS_AUTO_SHUTDOWN_ALL_SIGNIFICANT + 1;
    refuses_supervisor(wrong, "auto_shutdown is out of range");
    wrong = right;
    wrong.children = NULL;
    refuses_supervisor(wrong, "there are no children, but child_count is not 0");
    wrong = right;
    wrong.strategy = APUS_DYNAMIC;
    refuses_supervisor(wrong, "a dynamic supervisor has one template, not 2 children");
    wrong.child_count = 1;
    CHECK_EQ(apus__supervisor_spec_check(&wrong, text), 0);
}

static const apus_supervisor_spec never = {.struct_size = sizeof never};
static const apus_supervisor_spec any = {.struct_size = sizeof any, .auto_shutdown = APUS_AUTO_SHUTDOWN_ANY_SIGNIFICANT};

static void refuses_child(apus_child_spec spec, const char *sentence)
{
    CHECK_EQ(apus__child_spec_check(&spec, &never, text), -EINVAL);
    CHECK_STR(text, sentence);
}

TEST(children, "what is wrong with a child's spec is said, and which child it is")
{
    const apus_spawn_options plain = {.struct_size = sizeof plain}, cut = {.struct_size = 1},
                             owning = {.struct_size = sizeof owning, .argument_type = &owned},
                             monitoring = {.struct_size = sizeof monitoring, .flags = APUS_SPAWN_MONITOR};
    const apus_child_spec right = {.struct_size = sizeof right, .id = "a", .behaviour = &one, .options = &plain};
    CHECK_EQ(apus__child_spec_check(&right, &never, text), 0);
    refuses_child((apus_child_spec){.struct_size = 1}, "a child's struct_size, argument or options' struct_size is wrong");
    apus_child_spec wrong = right;
    wrong.options = &cut;
    refuses_child(wrong, "a child's struct_size, argument or options' struct_size is wrong");
    wrong = right;
    wrong.id = NULL;
    refuses_child(wrong, "a child has no id");
#define WRONG(sentence, ...)                                                            \
    do {                                                                                \
        wrong = right;                                                                  \
        __VA_ARGS__;                                                                    \
        refuses_child(wrong, "child \"a\": " sentence);                                 \
    } while (0)
    WRONG("there is no way to start it", wrong.behaviour = NULL);
    WRONG("there are several ways to start it", wrong.body = body);
    WRONG("its behaviour has no name", wrong.behaviour = &nameless);
    WRONG("a permanent child cannot be significant", wrong.significant = true);
    WRONG("a significant child needs auto_shutdown", wrong.significant = true, wrong.restart = APUS_TRANSIENT);
    WRONG("keep needs an argument_type in the options", wrong.keep = keep, wrong.options = NULL);
    WRONG("keep and the options' argument_type need each other", wrong.keep = keep);
    WRONG("keep and the options' argument_type need each other", wrong.options = &owning);
    WRONG("APUS_SPAWN_MONITOR is the supervisor's", wrong.options = &monitoring);
    WRONG("the backoff's factor is below 1", wrong.backoff.factor = 0.5);
    WRONG("the backoff's factor is below 1", wrong.backoff.factor = __builtin_nan(""));
    WRONG("the backoff's jitter is not within 0 and 1", wrong.backoff.jitter = 1.5);
    WRONG("the backoff's jitter is not within 0 and 1", wrong.backoff.jitter = __builtin_nan(""));
    WRONG("its restart or kind is out of range", wrong.restart = APUS_TEMPORARY + 1);
    WRONG("its restart or kind is out of range", wrong.kind = APUS_SUPERVISOR + 1);
    wrong = right;
    wrong.significant = true;
    wrong.restart = APUS_TRANSIENT;
    CHECK_EQ(apus__child_spec_check(&wrong, &any, text), 0);
}

TEST(R52_merge, "R52: what a dynamic child says of itself goes before its template, field by field")
{
    const apus_spawn_options options[2] = {{.struct_size = sizeof options[0]}, {.struct_size = sizeof options[0]}};
    const apus_child_spec template = {.struct_size = sizeof template, .id = "template", .behaviour = &one, .argument = "1",
                                      .argument_size = 2, .options = &options[0], .shutdown_ms = 100, .start_timeout_ms = 10,
                                      .backoff = {.initial_ms = 1}};
    apus_child_spec merged = apus__child_spec_merge(&template, NULL);
    CHECK(merged.id == NULL && merged.behaviour == &one && merged.options == &options[0]);

    apus_child_spec own = {.struct_size = sizeof own, .id = "own"};
    merged = apus__child_spec_merge(&template, &own);
    CHECK_STR(merged.id, "own");
    CHECK(merged.behaviour == &one && merged.argument == template.argument && merged.argument_size == 2);
    CHECK(merged.options == &options[0] && merged.shutdown_ms == 100 && merged.start_timeout_ms == 10 && merged.backoff.initial_ms == 1);
    CHECK(merged.restart == APUS_PERMANENT && merged.kind == APUS_WORKER && !merged.significant && merged.keep == NULL);

    own = (apus_child_spec){.struct_size = sizeof own, .behaviour = &two, .argument = "22", .argument_size = 3, .keep = keep,
                            .options = &options[1], .restart = APUS_TEMPORARY, .kind = APUS_SUPERVISOR, .significant = true,
                            .shutdown_ms = 200, .start_timeout_ms = 20, .backoff = {.initial_ms = 2}};
    merged = apus__child_spec_merge(&template, &own);
    CHECK(merged.behaviour == &two && merged.argument == own.argument && merged.argument_size == 3 && merged.keep == keep);
    CHECK(merged.options == &options[1] && merged.restart == APUS_TEMPORARY && merged.kind == APUS_SUPERVISOR && merged.significant);
    CHECK(merged.shutdown_ms == 200 && merged.start_timeout_ms == 20 && merged.backoff.initial_ms == 2);

    // One way to start takes the place of another.
    const apus_supervisor_spec nested = {.struct_size = sizeof nested};
    merged = apus__child_spec_merge(&template, &(apus_child_spec){.body = body});
    CHECK(merged.behaviour == NULL && merged.body == body);
    merged = apus__child_spec_merge(&template, &(apus_child_spec){.start = start});
    CHECK(merged.behaviour == NULL && merged.start == start);
    merged = apus__child_spec_merge(&template, &(apus_child_spec){.supervisor = &nested});
    CHECK(merged.behaviour == NULL && merged.supervisor == &nested);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
