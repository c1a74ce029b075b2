// Tests/otp/play.c - plays the scenarios of a file (scenarios.txt says what the lines mean) on Apus, in the simulator.
//
//   play FILE [SEED]    prints what happened in each; what play.escript prints of the same file must be the same
//
// Idea:    the driver of the simulation is the conductor: it reads the lines, sends each to the actor it names, and lets the
//          simulation run until nothing can run. The seed chooses the order of turns and which actors are blocking processes, which
//          must not show. Everything runs on one thread, so that all may read the tables below.
// Order:   what a step made happen is printed in an order of its own where nothing is promised: see `event_compare`.
#include "scheduler/simulate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x) ((x) ? (void)0 : (fprintf(stderr, "play: line %d: failed: %s\n", line_number, #x), exit(1)))

enum {
    LINE = 160, NAME = 16, WORDS = 24, ACTORS = 64, PIDS = 4096, REFS = 256, KEPT = 16, EVENTS = 4096, STEPS_MAX = 1000000,
    LONG_MS = 3600000, SHORT_MS = 1000, WAIT_MS = 5000, PERIOD_MS = 3600000
};

// --- What is known ---------------------------------------------------------------------------------------------------------------

struct asker {
    apus_pid caller;
    apus_ref ref;
};

struct actor {
    char name[NAME];
    apus_pid pid;
    bool held;
    bool is_dynamic;             // a dynamic supervisor, or a child of one
    bool is_stubborn;
    int fails, ignores;          // of the next starts
    int counts[ACTORS];          // numbers got, by sender
    char on_down[NAME];
    struct asker kept[KEPT];
    int kept_count;
};

static int line_number;
static uint64_t play_seed;
static apus_pid observer, dead; // who was never born is dead
static struct actor actors[ACTORS];
static int actor_count;
static struct { apus_pid pid; int actor; } pids[PIDS];
static int pid_count;
static struct { char name[NAME]; apus_ref ref; bool is_of_name; } refs[REFS];
static int ref_count;

static const apus_type type_order = {.name = "order"}, type_number = {.name = "number"}, type_tick = {.name = "tick"},
                       type_ask = {.name = "ask"}, type_watch = {.name = "watch"};

static struct actor *actor_named(const char *name)
{
    for (int i = 0; i < actor_count; i++)
        if (strcmp(actors[i].name, name) == 0)
            return &actors[i];
    CHECK(actor_count < ACTORS && strlen(name) < NAME);
    struct actor *actor = &actors[actor_count++];
    memset(actor, 0, sizeof *actor);
    strcpy(actor->name, name);
    actor->pid = dead;
    return actor;
}

// A process begins to play the actor, perhaps not the first one.
static struct actor *actor_put(const char *name, apus_pid pid)
{
    struct actor *actor = actor_named(name);
    CHECK(pid_count < PIDS);
    actor->pid = pid;
    pids[pid_count].pid = pid;
    pids[pid_count++].actor = (int)(actor - actors);
    actor->held = false;
    actor->kept_count = 0;
    actor->on_down[0] = '\0';
    memset(actor->counts, 0, sizeof actor->counts);
    return actor;
}

static struct actor *actor_of(apus_pid pid)
{
    for (int i = pid_count - 1; i >= 0; i--)
        if (apus_pid_equal(pids[i].pid, pid))
            return &actors[pids[i].actor];
    return NULL;
}

static const char *name_of(apus_pid pid)
{
    struct actor *actor = actor_of(pid);
    return actor ? actor->name : "someone";
}

static void ref_put(const char *name, apus_ref ref)
{
    CHECK(ref_count < REFS && strlen(name) < NAME);
    strcpy(refs[ref_count].name, name);
    refs[ref_count].is_of_name = false;
    refs[ref_count++].ref = ref;
}

static apus_ref ref_named(const char *name)
{
    for (int i = ref_count - 1; i >= 0; i--)
        if (strcmp(refs[i].name, name) == 0)
            return refs[i].ref;
    return APUS_NO_REF;
}

static int ref_find(apus_ref ref)
{
    for (int i = ref_count - 1; i >= 0; i--)
        if (apus_ref_equal(refs[i].ref, ref))
            return i;
    CHECK(!"a reference that was given out");
    return 0;
}

// --- Events ----------------------------------------------------------------------------------------------------------------------

enum { NUMBERS = 0, LEARNT = 1, DONE = 2 };

struct event {
    char subject[NAME];
    int class;
    char source[LINE];
    char text[LINE];
    int number;
};

static struct event events[EVENTS];
static int event_count;

static void tell(const char *subject, int class, const char *source, const char *format, ...)
{
    CHECK(event_count < EVENTS);
    struct event *event = &events[event_count];
    event->number = event_count++;
    event->class = class;
    snprintf(event->subject, sizeof event->subject, "%s", subject);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(event->text, sizeof event->text, format, arguments);
    va_end(arguments);
    snprintf(event->source, sizeof event->source, "%s", source ? source : event->text);
}

#define learnt(subject, ...) tell(subject, LEARNT, NULL, __VA_ARGS__)
#define done(actor, ...) tell((actor)->name, DONE, "", __VA_ARGS__)

// By actor: numbers by their sender, in order; what was learnt of ends, sorted; what it was asked for, as it came.
static int event_compare(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    int order = strcmp(x->subject, y->subject);
    order = order ? order : x->class - y->class;
    order = order ? order : strcmp(x->source, y->source);
    return order ? order : x->number - y->number;
}

// Of one that is gone after this step it is not promised whether it heard of other ends before.
static bool event_is_promised(const struct event *event)
{
    return strncmp(event->source, "down ", 5) != 0 || apus_is_alive(actor_named(event->subject)->pid);
}

static void events_print(void)
{
    qsort(events, (size_t)event_count, sizeof *events, event_compare);
    for (int i = 0; i < event_count; i++)
        if (event_is_promised(&events[i]))
            printf("  %s: %s\n", events[i].subject, events[i].text);
    event_count = 0;
}

// --- Words -----------------------------------------------------------------------------------------------------------------------

struct words {
    char text[LINE];
    char *word[WORDS];
    int count;
};

static void words_split(struct words *words, const char *line)
{
    snprintf(words->text, sizeof words->text, "%s", line);
    words->count = 0;
    for (char *word = strtok(words->text, " \n"); word && words->count < WORDS; word = strtok(NULL, " \n"))
        words->word[words->count++] = word;
}

static bool words_have(const struct words *words, const char *word)
{
    for (int i = 1; i < words->count; i++)
        if (strcmp(words->word[i], word) == 0)
            return true;
    return false;
}

// What follows `key` in the word that begins with it, or NULL.
static const char *words_value(const struct words *words, const char *key)
{
    for (int i = 1; i < words->count; i++)
        if (strncmp(words->word[i], key, strlen(key)) == 0)
            return words->word[i] + strlen(key);
    return NULL;
}

static apus_reason reason_from(const char *text)
{
    static const struct { const char *name; apus_reason_kind kind; } kinds[] = {
        {"normal", APUS_REASON_NORMAL}, {"shutdown", APUS_REASON_SHUTDOWN}, {"kill", APUS_REASON_KILL},
        {"killed", APUS_REASON_KILLED}, {"noproc", APUS_REASON_NOPROC}, {"timeout", APUS_REASON_TIMEOUT},
    };
    if (strncmp(text, "error:", 6) == 0)
        return apus_reason_error(atoi(text + 6), NULL);
    apus_reason reason = apus_reason_of(APUS_REASON_SHUTDOWN);
    if (strncmp(text, "shutdown:", 9) == 0)
        reason.code = atoi(text + 9);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(text, kinds[i].name) == 0)
            reason.kind = kinds[i].kind;
    return reason;
}

static const char *reason_text(const apus_reason *reason)
{
    static char text[64];
    switch (reason->kind) {
    case APUS_REASON_ERROR:
        snprintf(text, sizeof text, "error:%d", reason->code);
        return text;
    case APUS_REASON_SHUTDOWN:
        snprintf(text, sizeof text, reason->code ? "shutdown:%d" : "shutdown", reason->code);
        return text;
    default:
        apus_reason_text(reason, text, sizeof text);
        return text;
    }
}

static uint64_t time_from(const char *text)
{
    return strcmp(text, "long") == 0 ? LONG_MS : SHORT_MS;
}

// --- Actors ----------------------------------------------------------------------------------------------------------------------

static int obey(apus_process *self, struct actor *me, const char *line);

static const char *where(const char *name)
{
    static char text[LINE];
    apus_pid pid;
    if (apus_whereis(name, &pid) != 0)
        snprintf(text, sizeof text, "%s is nobody", name);
    else
        snprintf(text, sizeof text, "%s is %s", name, name_of(pid));
    return text;
}

static const char *after_text(const struct actor *me, apus_pid from)
{
    static char text[32];
    struct actor *sender = actor_of(from);
    int count = sender ? me->counts[sender - actors] : 0;
    snprintf(text, sizeof text, count ? " after %d" : "", count);
    return text;
}

static int answer(apus_process *self, struct actor *me, const apus_message *request)
{
    const char *how = apus_message_payload(request);
    if (strcmp(how, "reply") == 0) {
        apus_reply(request, NULL, NULL, 0);
    } else if (strcmp(how, "keep") == 0) {
        CHECK(me->kept_count < KEPT);
        me->kept[me->kept_count++] = (struct asker){apus_message_from(request), apus_message_ref(request)};
    } else if (strncmp(how, "exit:", 5) == 0) {
        return apus_exit(self, reason_from(how + 5));
    }
    return APUS_OK;
}

static int meet(apus_process *self, apus_message *message)
{
    struct actor *me = actor_of(apus_pid_of(self));
    const apus_type *type = apus_message_type(message);
    const void *payload = apus_message_payload(message);
    if (type == &type_order)
        return obey(self, me, payload);
    if (type == &type_ask)
        return answer(self, me, message);
    if (type == &type_tick)
        learnt(me->name, "tick %s", (const char *)payload);
    if (type == &type_number) {
        struct actor *sender = actor_of(apus_message_from(message));
        me->counts[sender - actors]++;
        tell(me->name, NUMBERS, sender->name, "got %s from %s", (const char *)payload, sender->name);
    }
    if (type != &apus_type_exit && type != &apus_type_down)
        return APUS_OK;
    if (type == &apus_type_exit) {
        const apus_exit_message *exit = payload;
        learnt(me->name, "exit from %s %s%s", name_of(exit->from), reason_text(&exit->reason), after_text(me, exit->from));
    } else {
        const apus_down_message *down = payload;
        int ref = ref_find(down->ref);
        // OTP tells the name, not the pid, of what was monitored by name.
        learnt(me->name, "down %s %s%s", refs[ref].name, reason_text(&down->reason),
               refs[ref].is_of_name ? "" : after_text(me, down->pid));
    }
    if (me->on_down[0])
        done(me, "%s", where(me->on_down));
    return APUS_OK;
}

// The actors come in four sorts: as callback and as blocking processes, which must not differ, as servers, and as children.

static int actor_init(apus_process *self, void *state, const void *name)
{
    (void)state;
    actor_put(name, apus_pid_of(self));
    return APUS_OK;
}

static bool match_order(const apus_message *message, void *context)
{
    (void)context;
    return apus_message_type(message) == &type_order;
}

// While it is held it takes orders only.
static int actor_handle(apus_process *self, void *state, apus_message *message)
{
    (void)state;
    struct actor *me = actor_of(apus_pid_of(self));
    int result = meet(self, message);
    while (result == APUS_OK && me->held) {
        apus_message *order = apus_receive(self, match_order, NULL, APUS_INFINITY);
        result = meet(self, order);
        apus_message_release(order);
    }
    return result;
}

static void actor_body(apus_process *self, void *name)
{
    struct actor *me = actor_put(name, apus_pid_of(self));
    int result = APUS_OK;
    while (result == APUS_OK) {
        apus_message *message = apus_receive(self, me->held ? match_order : NULL, NULL, APUS_INFINITY);
        result = meet(self, message);
        apus_message_release(message);
    }
    if (result < 0)
        apus_exit(self, apus_reason_error(result, NULL));
}

struct server_start {
    char name[NAME];
    char how[32];
};

static int server_init(apus_process *self, void *state, const void *argument)
{
    const struct server_start *start = argument;
    (void)state;
    actor_put(start->name, apus_pid_of(self));
    if (strncmp(start->how, "stop:", 5) == 0)
        return apus_exit(self, reason_from(start->how + 5));
    return strcmp(start->how, "ignore") == 0 ? APUS_IGNORE : APUS_OK;
}

static void server_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    (void)state;
    learnt(name_of(apus_pid_of(self)), "terminate %s", reason_text(reason));
}

static void tree_tell(const struct actor *child, char what)
{
    char text[LINE];
    snprintf(text, sizeof text, "%c%s", what, child->name);
    tell("tree", child->is_dynamic ? LEARNT : DONE, child->is_dynamic ? text : "", "%s", text);
}

static int child_init(apus_process *self, void *state, const void *name)
{
    (void)state;
    struct actor *me = actor_named(name);
    bool fails = me->fails > 0, ignores = me->ignores > 0;
    me->fails -= fails;
    me->ignores -= ignores;
    if (fails)
        return -5;
    if (ignores)
        return APUS_IGNORE;
    actor_put(name, apus_pid_of(self));
    tree_tell(me, '+');
    return APUS_OK;
}

static void child_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    (void)state;
    struct actor *me = actor_of(apus_pid_of(self));
    if (me->is_stubborn)
        apus_sleep(self, APUS_INFINITY);
    if (reason->kind == APUS_REASON_SHUTDOWN && reason->code == 0)
        tree_tell(me, '-');
}

static const apus_behaviour
    actor_behaviour = {.name = "actor", .init = actor_init, .handle = actor_handle},
    server_behaviour = {.name = "server", .init = server_init, .handle = actor_handle, .terminate = server_terminate},
    child_behaviour = {.name = "child", .init = child_init, .handle = actor_handle, .terminate = child_terminate};

static int spawn_actor(const char *name, const apus_spawn_options *options)
{
    struct actor *actor = actor_named(name);
    // A server that traps exits ends with its parent (R36); a plain process does not, so that must be a blocking one.
    bool is_blocking = options->flags & APUS_SPAWN_LINK || (play_seed * 31 + (uint64_t)name[0]) % 2;
    return is_blocking ? apus_spawn_blocking(actor_body, actor->name, NAME, options, &actor->pid)
                       : apus_spawn(&actor_behaviour, actor->name, NAME, options, &actor->pid);
}

static void dead_body(apus_process *self, void *argument)
{
    (void)self, (void)argument;
}

// The observer tells why each actor ended.
static void observer_body(apus_process *self, void *argument)
{
    (void)argument;
    for (;;) {
        apus_message *message = apus_receive(self, NULL, NULL, APUS_INFINITY);
        apus_ref ref;
        if (apus_message_type(message) == &apus_type_down) {
            const apus_down_message *down = apus_message_payload(message);
            learnt(name_of(down->pid), "ended %s", reason_text(&down->reason));
        } else {
            CHECK(apus_monitor(self, *(apus_pid *)apus_message_payload(message), &ref) == 0);
        }
        apus_message_release(message);
    }
}

// --- Orders: processes -----------------------------------------------------------------------------------------------------------

static void dying_body(apus_process *self, void *reason)
{
    apus_exit(self, reason_from(reason));
}

static void spawn_by(const struct words *words)
{
    apus_ref monitor = APUS_NO_REF;
    const char *dies = words_value(words, "dies="), *monitor_name = words_value(words, "monitor=");
    apus_spawn_options options = {.struct_size = sizeof options, .monitor = &monitor};
    options.flags = (words_have(words, "link") ? APUS_SPAWN_LINK : 0u) | (words_have(words, "trap") ? APUS_SPAWN_TRAP_EXITS : 0u) |
                    (monitor_name ? APUS_SPAWN_MONITOR : 0u);
    if (dies) {
        char reason[32];
        apus_pid pid;
        snprintf(reason, sizeof reason, "%s", dies);
        CHECK(apus_spawn_blocking(dying_body, reason, sizeof reason, &options, &pid) == 0);
        actor_put(words->word[2], pid);
    } else {
        CHECK(spawn_actor(words->word[2], &options) == 0);
    }
    if (monitor_name)
        ref_put(monitor_name, monitor);
}

static bool match_number(const apus_message *message, void *number)
{
    return apus_message_type(message) == &type_number && strcmp(apus_message_payload(message), number) == 0;
}

static void take(apus_process *self, struct actor *me, char *number)
{
    apus_message *message = apus_receive(self, match_number, number, 0);
    if (message)
        done(me, "took %s from %s", number, name_of(apus_message_from(message)));
    else
        done(me, "took nothing");
    apus_message_release(message);
}

static void call(struct actor *me, const struct words *words)
{
    apus_message *reply = NULL;
    const char *how = words->word[4];
    int result = apus_call(actor_named(words->word[2])->pid, &type_ask, how, strlen(how) + 1, time_from(words->word[3]), &reply);
    const char *outcome = result == 0 ? "ok" : result == -ETIMEDOUT ? "timeout" : result == -ESRCH ? "noproc" : "refused";
    if (result == -ECONNABORTED)
        outcome = reason_text(&((const apus_down_message *)apus_message_payload(reply))->reason);
    done(me, "call %s %s", words->word[2], outcome);
    apus_message_release(reply);
}

static bool match_started(const apus_message *message, void *pid)
{
    return apus_message_type(message) == &apus_type_started && apus_pid_equal(apus_message_from(message), *(apus_pid *)pid);
}

static void start_server(apus_process *self, struct actor *me, const struct words *words)
{
    struct server_start start = {"", ""};
    snprintf(start.name, sizeof start.name, "%s", words->word[2]);
    snprintf(start.how, sizeof start.how, "%s", words->word[3]);
    apus_spawn_options options = {.struct_size = sizeof options, .flags = APUS_SPAWN_LINK | APUS_SPAWN_ACK};
    options.flags |= words_have(words, "trap") ? APUS_SPAWN_TRAP_EXITS : 0u;
    options.name = words_value(words, "name=");
    apus_pid pid;
    int result = apus_spawn(&server_behaviour, &start, sizeof start, &options, &pid);
    if (result) {
        done(me, "server %s %s", start.name, result == -EEXIST ? "taken" : apus_strerror(result));
        return;
    }
    apus_message *message = apus_receive(self, match_started, &pid, APUS_INFINITY);
    const apus_started *started = apus_message_payload(message);
    done(me, "server %s %s", start.name,
         started->status == 0 ? "ok" : started->status == APUS_IGNORE ? "ignore" : reason_text(&started->reason));
    apus_message_release(message);
}

// --- Orders: supervisors ---------------------------------------------------------------------------------------------------------

struct child_text {
    char id[NAME];
    apus_supervisor_spec nested;
    apus_child_spec spec, grandchild;
    char grandchild_id[NAME];
};

static const apus_spawn_options trapping = {.struct_size = sizeof trapping, .flags = APUS_SPAWN_TRAP_EXITS};

static apus_child_spec child_of(const char *id)
{
    return (apus_child_spec){.struct_size = sizeof(apus_child_spec), .id = id, .behaviour = &child_behaviour, .argument = id,
                             .argument_size = NAME, .options = &trapping, .shutdown_ms = LONG_MS};
}

// id:restart[:how it is stopped][:sig][:sup]
static void child_parse(struct child_text *child, const char *text)
{
    char copy[LINE];
    snprintf(copy, sizeof copy, "%s", text);
    size_t id_length = strcspn(text, ":");
    memset(child, 0, sizeof *child);
    snprintf(child->id, sizeof child->id, "%s", strtok(copy, ":"));
    child->spec = child_of(child->id);
    for (char *word; (word = strtok(NULL, ":"));) {
        if (strcmp(word, "transient") == 0)
            child->spec.restart = APUS_TRANSIENT;
        else if (strcmp(word, "temporary") == 0)
            child->spec.restart = APUS_TEMPORARY;
        else if (strcmp(word, "brutal") == 0)
            child->spec.shutdown_ms = APUS_SHUTDOWN_BRUTAL_KILL;
        else if (strcmp(word, "short") == 0)
            child->spec.shutdown_ms = SHORT_MS;
        else if (strcmp(word, "sig") == 0)
            child->spec.significant = true;
        else if (strcmp(word, "sup") == 0)
            child->spec.supervisor = &child->nested;
    }
    if (!child->spec.supervisor)
        return;
    snprintf(child->grandchild_id, sizeof child->grandchild_id, "%.*s1", (int)id_length, text);
    child->grandchild = child_of(child->grandchild_id);
    child->nested = (apus_supervisor_spec){.struct_size = sizeof child->nested, .intensity_is_set = true, .intensity = 1,
                                           .period_ms = PERIOD_MS, .children = &child->grandchild, .child_count = 1};
    child->spec.behaviour = NULL;
    child->spec.options = NULL;
    if (child->spec.shutdown_ms == LONG_MS)
        child->spec.shutdown_ms = APUS_INFINITY;
    child->spec.argument = NULL;
    child->spec.argument_size = 0;
}

// A nested spec must stay where it is while its supervisor may be started again.
static struct child_text child_texts[64];
static int child_text_count;

static struct child_text *child_text(const char *text)
{
    CHECK(child_text_count < 64);
    child_parse(&child_texts[child_text_count], text);
    return &child_texts[child_text_count++];
}

static void start_supervisor(apus_process *self, struct actor *me, const struct words *words)
{
    static const char *const strategies[] = {"one_for_one", "one_for_all", "rest_for_one", "dynamic"};
    static const char *const autos[] = {"never", "any_significant", "all_significant"};
    apus_child_spec children[WORDS];
    apus_supervisor_spec spec = {.struct_size = sizeof spec, .intensity_is_set = true, .period_ms = PERIOD_MS,
                                 .intensity = (uint32_t)atoi(words->word[4]), .children = children};
    for (int i = 0; i < 4; i++)
        spec.strategy = strcmp(words->word[3], strategies[i]) == 0 ? (apus_strategy)i : spec.strategy;
    for (int i = 0; i < 3; i++)
        spec.auto_shutdown = strcmp(words->word[5], autos[i]) == 0 ? (apus_auto_shutdown)i : spec.auto_shutdown;
    for (int i = 6; i < words->count; i++)
        children[spec.child_count++] = child_text(words->word[i])->spec;
    if (spec.strategy == APUS_DYNAMIC)
        children[0].id = NULL;
    apus_pid pid;
    int result = apus_supervisor_start(self, &spec, &pid);
    if (result == 0) {
        actor_put(words->word[2], pid)->is_dynamic = spec.strategy == APUS_DYNAMIC;
        done(me, "sup %s ok", words->word[2]);
    } else if (result == -EINVAL) {
        done(me, "sup %s refused", words->word[2]);
    } else {
        char id[NAME] = "";
        sscanf(apus_supervisor_last_error(), "child \"%15[^\"]", id);
        done(me, "sup %s failed %s error:%d", words->word[2], id, result);
    }
}

static const char *start_child(struct actor *supervisor, const char *text, apus_pid *child)
{
    static char outcome[32];
    apus_child_spec extra = {.struct_size = sizeof extra};
    char id[NAME] = "";
    if (supervisor->is_dynamic) {
        snprintf(id, sizeof id, "%s", text);
        actor_named(text)->is_dynamic = true;
        extra.argument = id;
        extra.argument_size = sizeof id;
    }
    int result = apus_supervisor_start_child(supervisor->pid, supervisor->is_dynamic ? &extra : &child_text(text)->spec, child);
    switch (result) {
    case 0:
        return child->id ? "ok" : "ignored";
    case -EEXIST:
        return "present";
    case -EALREADY:
        return "running";
    case -EINVAL:
        return "refused";
    case -ESRCH:
    case -ECONNABORTED:
        return "noproc";
    default:
        snprintf(outcome, sizeof outcome, "error:%d", result);
        return outcome;
    }
}

static const char *ask_text(int result, bool is_ignored)
{
    static char outcome[32];
    switch (result) {
    case 0:
        return is_ignored ? "ignored" : "ok";
    case -ENOENT:
        return "not_found";
    case -EALREADY:
    case -EBUSY:
        return "running";
    case -EINPROGRESS:
        return "restarting";
    case -ESRCH:
    case -ECONNABORTED:
        return "noproc";
    default:
        snprintf(outcome, sizeof outcome, "error:%d", result);
        return outcome;
    }
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void which_children(struct actor *me, const struct actor *supervisor)
{
    apus_child_info infos[32];
    char texts[32][2 * NAME], line[LINE] = "";
    int64_t count = apus_supervisor_which_children(supervisor->pid, infos, 32);
    for (int64_t i = 0; i < count; i++)
        snprintf(texts[i], sizeof texts[i], "%.15s:%s", supervisor->is_dynamic ? name_of(infos[i].pid) : infos[i].id,
                 infos[i].restarting ? "restarting" : infos[i].pid.id ? "up" : "down");
    if (supervisor->is_dynamic && count > 0)
        qsort(texts, (size_t)count, sizeof *texts, text_compare);
    for (int64_t i = 0; i < count; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " %s", texts[i]);
    done(me, "which %s", count < 0 ? ask_text((int)count, false) : count ? line + 1 : "");
}

static void ask_supervisor(struct actor *me, const struct words *words)
{
    struct actor *supervisor = actor_named(words->word[2]);
    const char *what = words->word[0], *id = words->count > 3 ? words->word[3] : NULL;
    apus_pid child = APUS_NOBODY;
    if (strcmp(what, "start_child") == 0) {
        done(me, "%s %s", what, start_child(supervisor, id, &child));
    } else if (strcmp(what, "terminate_child") == 0) {
        done(me, "%s %s", what, ask_text(apus_supervisor_terminate_child(supervisor->pid, id), false));
    } else if (strcmp(what, "terminate_pid") == 0) {
        done(me, "%s %s", what, ask_text(apus_supervisor_terminate_pid(supervisor->pid, actor_named(id)->pid), false));
    } else if (strcmp(what, "restart_child") == 0) {
        int result = apus_supervisor_restart_child(supervisor->pid, id, &child);
        done(me, "%s %s", what, ask_text(result, child.id == 0));
    } else if (strcmp(what, "delete_child") == 0) {
        done(me, "%s %s", what, ask_text(apus_supervisor_delete_child(supervisor->pid, id), false));
    } else if (strcmp(what, "which") == 0) {
        which_children(me, supervisor);
    } else if (strcmp(what, "count") == 0) {
        apus_child_counts counts;
        int result = apus_supervisor_count_children(supervisor->pid, &counts);
        if (result)
            done(me, "count %s", ask_text(result, false));
        else
            done(me, "count %d %d %d %d", (int)counts.specs, (int)counts.active, (int)counts.supervisors, (int)counts.workers);
    } else {
        fprintf(stderr, "play: line %d: no such order: %s\n", line_number, what);
        exit(1);
    }
}

// --- Orders ----------------------------------------------------------------------------------------------------------------------

static void send_number(apus_pid to, const char *number)
{
    apus_send(to, &type_number, number, strlen(number) + 1);
}

static void alive(struct actor *me, const struct actor *other)
{
    done(me, "%s %s", other->name, apus_is_alive(other->pid) ? "is alive" : "is not alive");
}

// Names and timers. False if the order is none of these.
static bool obey_names(struct actor *me, const struct words *words)
{
    const char *what = words->word[0], *b = words->count > 2 ? words->word[2] : "", *c = words->count > 3 ? words->word[3] : "";
    apus_ref ref = APUS_NO_REF;
    if (strcmp(what, "send_name") == 0) {
        if (apus_send_name(b, &type_number, c, strlen(c) + 1) == -ESRCH)
            done(me, "nobody there");
    } else if (strcmp(what, "on_down") == 0) {
        snprintf(me->on_down, sizeof me->on_down, "%s", b);
    } else if (strcmp(what, "register") == 0) {
        done(me, apus_register(b, actor_named(c)->pid) == 0 ? "registered" : "not registered");
    } else if (strcmp(what, "unregister") == 0) {
        done(me, apus_unregister(b) == 0 ? "unregistered" : "not unregistered");
    } else if (strcmp(what, "whereis") == 0) {
        done(me, "%s", where(b));
    } else if (strcmp(what, "timer") == 0) {
        CHECK(apus_send_after(time_from(c), actor_named(b)->pid, &type_tick, words->word[4], strlen(words->word[4]) + 1, &ref) == 0);
        ref_put(words->word[5], ref);
    } else if (strcmp(what, "timer_name") == 0) {
        CHECK(apus_send_name_after(time_from(c), b, &type_tick, words->word[4], strlen(words->word[4]) + 1, &ref) == 0);
        ref_put(words->word[5], ref);
    } else if (strcmp(what, "cancel") == 0) {
        uint64_t left = 0;
        int result = apus_cancel(ref_named(b), &left);
        CHECK(result == -ENOENT || (left > LONG_MS / 2 && left <= LONG_MS));
        done(me, result == 0 ? "cancel active" : "cancel inactive");
    } else {
        return false;
    }
    return true;
}

// Links and monitors. False if the order is none of these.
static bool obey_links(apus_process *self, struct actor *me, const struct words *words)
{
    const char *what = words->word[0], *b = words->count > 2 ? words->word[2] : "", *c = words->count > 3 ? words->word[3] : "";
    apus_ref ref = APUS_NO_REF;
    if (strcmp(what, "spawn_by") == 0) {
        spawn_by(words);
    } else if (strcmp(what, "trap") == 0) {
        CHECK(apus_trap_exits(self, strcmp(b, "on") == 0) == 0);
    } else if (strcmp(what, "link") == 0) {
        if (apus_link(self, actor_named(b)->pid) == -ESRCH)
            done(me, "link noproc");
    } else if (strcmp(what, "unlink") == 0) {
        CHECK(apus_unlink(self, actor_named(b)->pid) == 0);
    } else if (strcmp(what, "monitor") == 0) {
        CHECK(apus_monitor(self, actor_named(b)->pid, &ref) == 0);
        ref_put(c, ref);
    } else if (strcmp(what, "monitor_name") == 0) {
        CHECK(apus_monitor_name(self, b, &ref) == 0);
        ref_put(c, ref);
        refs[ref_count - 1].is_of_name = true;
    } else if (strcmp(what, "demonitor") == 0) {
        int was = apus_demonitor(self, ref_named(b), words_have(words, "flush") ? APUS_DEMONITOR_FLUSH : 0);
        done(me, "demonitor %s %s", b, was == 1 ? "active" : "inactive");
    } else if (strcmp(what, "signal") == 0) {
        apus_exit_signal(actor_named(b)->pid, reason_from(c));
    } else if (strcmp(what, "kill_alive") == 0) {
        apus_exit_signal(actor_named(b)->pid, apus_reason_of(APUS_REASON_KILL));
        alive(me, actor_named(b));
    } else if (strcmp(what, "alive") == 0) {
        alive(me, actor_named(b));
    } else {
        return false;
    }
    return true;
}

static int obey(apus_process *self, struct actor *me, const char *line)
{
    struct words words;
    words_split(&words, line);
    const char *what = words.word[0], *b = words.count > 2 ? words.word[2] : "", *c = words.count > 3 ? words.word[3] : "";
    if (strcmp(what, "exit") == 0)
        return apus_exit(self, reason_from(b));
    if (strcmp(what, "done") == 0)
        return APUS_DONE;
    if (strcmp(what, "fail") == 0)
        return -atoi(b);
    if (strcmp(what, "hibernate") == 0)
        return apus_hibernate(self);
    if (strcmp(what, "send_exit") == 0) {
        send_number(actor_named(b)->pid, c);
        return apus_exit(self, reason_from(words.word[4]));
    }
    if (strcmp(what, "send") == 0) {
        for (int i = 3; i < words.count; i++)
            send_number(actor_named(b)->pid, words.word[i]);
    } else if (strcmp(what, "hold") == 0) {
        me->held = true;
    } else if (strcmp(what, "release") == 0) {
        me->held = false;
    } else if (strcmp(what, "take") == 0) {
        take(self, me, words.word[2]);
    } else if (strcmp(what, "call") == 0) {
        call(me, &words);
    } else if (strcmp(what, "answer") == 0) {
        for (int i = 0; i < me->kept_count; i++)
            apus_reply_to(me->kept[i].caller, me->kept[i].ref, NULL, NULL, 0);
        me->kept_count = 0;
    } else if (strcmp(what, "server") == 0) {
        start_server(self, me, &words);
    } else if (strcmp(what, "sup") == 0) {
        start_supervisor(self, me, &words);
    } else if (!obey_links(self, me, &words) && !obey_names(me, &words)) {
        ask_supervisor(me, &words);
    }
    return APUS_OK;
}

// --- The conductor ---------------------------------------------------------------------------------------------------------------

static void settle(void)
{
    CHECK(apus__simulation_settle(STEPS_MAX));
}

static void watch(const char *name)
{
    apus_pid pid = actor_named(name)->pid;
    CHECK(apus_send(observer, &type_watch, &pid, sizeof pid) == 0);
}

static void direct(const char *line)
{
    struct words words;
    words_split(&words, line);
    const char *what = words.word[0];
    if (strcmp(what, "spawn") == 0) {
        apus_spawn_options options = {.struct_size = sizeof options};
        options.flags = words_have(&words, "trap") ? APUS_SPAWN_TRAP_EXITS : 0u;
        CHECK(spawn_actor(words.word[1], &options) == 0);
        watch(words.word[1]);
    } else if (strcmp(what, "next") == 0) {
        struct actor *child = actor_named(words.word[1]);
        *(strcmp(words.word[2], "fail") == 0 ? &child->fails : &child->ignores) = atoi(words.word[3]);
    } else if (strcmp(what, "stubborn") == 0) {
        actor_named(words.word[1])->is_stubborn = true;
    } else if (strcmp(what, "wait") == 0) {
        settle();
        apus__simulation_pass(WAIT_MS);
    } else {
        apus_send(actor_named(words.word[1])->pid, &type_order, line, strlen(line) + 1);
        if (strcmp(what, "spawn_by") != 0 || words_value(&words, "dies="))
            return;
        settle();
        if (!apus_pid_equal(actor_named(words.word[2])->pid, dead))
            watch(words.word[2]);
    }
}

static void begin(void)
{
    apus_options options = {.struct_size = sizeof options, .max_processes = 1024, .max_timers = 1024, .stack_size = 64 << 10};
    CHECK(apus__simulation_begin(&options, play_seed + (uint64_t)line_number) == 0);
    actor_count = pid_count = ref_count = event_count = child_text_count = 0;
    CHECK(apus_spawn_blocking(observer_body, NULL, 0, NULL, &observer) == 0);
    CHECK(apus_spawn_blocking(dead_body, NULL, 0, NULL, &dead) == 0);
    settle();
}

static void end(void)
{
    apus_runtime_info_t info = {.struct_size = sizeof info};
    CHECK(apus__simulation_end() == 0);
    CHECK(apus_runtime_info(&info) == 0);
    CHECK(info.processes == 0 && info.timers == 0 && info.stacks_parked == 0 && info.blocks_in_use == 0);
}

int main(int argc, char **argv)
{
    char line[LINE];
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    bool is_on = false;
    CHECK(file != NULL);
    play_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    while (fgets(line, sizeof line, file)) {
        line_number++;
        line[strcspn(line, "\n")] = '\0';
        if (line[strspn(line, " ")] == '\0' || line[0] == '#')
            continue;
        bool is_scenario = strncmp(line, "scenario ", 9) == 0;
        if (is_scenario && is_on)
            end();
        printf(is_scenario ? "%s\n" : "> %s\n", line);
        if (is_scenario) {
            begin();
            is_on = true;
            continue;
        }
        direct(line);
        if (line[strlen(line) - 1] == '&')
            continue; // the next step belongs to this one
        settle();
        events_print();
    }
    if (is_on)
        end();
    fclose(file);
    return 0;
}
