// Everything at once: processes on two to four schedulers and plain threads spawn, link, monitor, send, request, set timers,
// register, exit and kill at random, and the books must balance at the end.
//
// The cast     IMMORTALS trap exits, are never killed, and keep strict books. Mortals do the same at random, and end at random or
//              are killed; new ones are spawned into their places. Threads send, spawn, kill, call and inspect from outside.
// The books    Each monitor, request and timer of an actor is an entry: made by the call, closed by its one outcome. An outcome
//              without an entry (a second DOWN, a late reply, a message of a cancelled timer, ...) fails the test at once. At the
//              end each entry of the immortals must close, or be found active by demonitor if it watches another immortal.
// The order    Each talker numbers what it sends to one pid, and the receiver must see the numbers without a gap.
// The end      When the operations are used up, the mortals are killed, the immortals close their books and end, and the runtime
//              must stop with nothing left.
//
// The seed is printed; TEST_SEED=<it> makes the same choices again (the threads' interleaving is the machine's).
#include "../scene.h"

#include <pthread.h>

enum {
    IMMORTALS = 16,
    ACTORS = 128, // places, immortals first
    THREADS = 3,
    ENTRIES = 64,
    TALKERS = 256, // remembered by a receiver
    NAMES = 32,
    STEPS_A_TURN = 8
};

static const apus_type type_talk = {.name = "talk"};
static const apus_type type_noise = {.name = "noise"};
static const apus_type type_alarm = {.name = "alarm"};
static const apus_type type_turn = {.name = "turn"};

struct talk {
    uint64_t talker;
    uint64_t number;
};

enum entry_kind { ENTRY_NONE, ENTRY_MONITOR, ENTRY_REQUEST, ENTRY_TIMER };

struct entry {
    enum entry_kind kind;
    apus_ref ref;
    apus_pid of;
};

struct actor {
    uint64_t random;
    uint64_t talker; // this actor's serial number
    int place;
    bool is_finishing;
    struct entry entries[ENTRIES];
    struct { apus_pid to; uint64_t next; } said[ACTORS];
    struct talk heard[TALKERS]; // the next number expected of a talker
};

struct casting {
    uint64_t seed;
    int place;
};

static _Atomic uint64_t places[ACTORS]; // pids
static atomic_long operations_left;
static _Atomic uint64_t talkers;
static atomic_int immortals_idle, immortals_closed;
static atomic_bool mortals_are_gone;

static uint64_t random_next(uint64_t *random)
{
    uint64_t x = *random += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static unsigned random_below(uint64_t *random, unsigned limit)
{
    return (unsigned)((random_next(random) >> 32) * limit >> 32);
}

static apus_pid pid_at(int place)
{
    return (apus_pid){atomic_load(&places[place])};
}

static void check_among(const char *call, int result, const int *allowed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (result == allowed[i])
            return;
    fprintf(stderr, "%s returned %d (%s)\n", call, result, apus_strerror(result));
    _exit(1);
}

// The call may answer 0 or one of the errors named.
#define MAY(call, ...)                                                                                  \
    do {                                                                                                \
        const int may_allowed[] = {0, __VA_ARGS__};                                                     \
        check_among(#call, (call), may_allowed, sizeof may_allowed / sizeof *may_allowed);              \
    } while (0)

static struct entry *entry_of(struct actor *actor, apus_ref ref)
{
    for (int i = 0; i < ENTRIES; i++)
        if (actor->entries[i].kind != ENTRY_NONE && apus_ref_equal(actor->entries[i].ref, ref))
            return &actor->entries[i];
    return NULL;
}

static struct entry *entry_free(struct actor *actor)
{
    for (int i = 0; i < ENTRIES; i++)
        if (actor->entries[i].kind == ENTRY_NONE)
            return &actor->entries[i];
    return NULL;
}

static struct entry *entry_random(struct actor *actor, enum entry_kind kind)
{
    unsigned start = random_below(&actor->random, ENTRIES);
    for (unsigned i = 0; i < ENTRIES; i++)
        if (actor->entries[(start + i) % ENTRIES].kind == kind)
            return &actor->entries[(start + i) % ENTRIES];
    return NULL;
}

static void open_entry(struct entry *entry, enum entry_kind kind, apus_ref ref, apus_pid of)
{
    CHECK(ref.id != 0);
    *entry = (struct entry){kind, ref, of};
}

static void close_entry(struct actor *actor, const apus_message *message, bool monitor, bool request, bool timer)
{
    struct entry *entry = entry_of(actor, apus_message_ref(message));
    if (!entry || !((monitor && entry->kind == ENTRY_MONITOR) || (request && entry->kind == ENTRY_REQUEST) ||
                    (timer && entry->kind == ENTRY_TIMER)))
        fprintf(stderr, "a message of type %s for an entry of kind %d\n", apus_message_type(message)->name,
                entry ? (int)entry->kind : -1);
    CHECK(entry != NULL);
    CHECK((monitor && entry->kind == ENTRY_MONITOR) || (request && entry->kind == ENTRY_REQUEST) ||
          (timer && entry->kind == ENTRY_TIMER));
    entry->kind = ENTRY_NONE;
}

static void hear(struct actor *actor, const struct talk *talk)
{
    struct talk *heard = &actor->heard[talk->talker % TALKERS];
    if (heard->talker == talk->talker)
        CHECK_EQ(talk->number, heard->number);
    *heard = (struct talk){talk->talker, talk->number + 1};
}

static void take(struct actor *actor, apus_message *message)
{
    const apus_type *type = apus_message_type(message);
    if (type == &type_talk)
        hear(actor, apus_message_payload(message));
    else if (type == &apus_type_down)
        close_entry(actor, message, true, true, false);
    else if (type == &apus_type_reply || type == &apus_type_timeout)
        close_entry(actor, message, false, true, false);
    else if (type == &type_alarm)
        close_entry(actor, message, false, false, true);
    else
        CHECK(type == &type_noise || type == &apus_type_exit);
    if (apus_message_is_request(message))
        MAY(apus_reply(message, NULL, NULL, 0), -ESRCH);
}

static void *made_message(size_t size, apus_message **message)
{
    *message = apus_message_new(&type_talk, size);
    CHECK(*message != NULL);
    return apus_message_payload(*message);
}

static void talk_to(struct actor *actor, int place)
{
    apus_pid to = pid_at(place);
    if (!apus_pid_equal(actor->said[place].to, to)) {
        actor->said[place].to = to;
        actor->said[place].next = 0;
    }
    struct talk talk = {actor->talker, actor->said[place].next++};
    if (random_below(&actor->random, 4) > 0) {
        MAY(apus_send(to, &type_talk, &talk, sizeof talk), -ESRCH);
    } else {
        apus_message *message;
        memcpy(made_message(sizeof talk, &message), &talk, sizeof talk);
        int result = apus_send_message(to, message);
        CHECK(result == 0 || result == -ESRCH);
        if (result != 0)
            apus_message_release(message);
    }
}

static apus_reason random_reason(uint64_t *random)
{
    static const apus_reason_kind kinds[] = {APUS_REASON_NORMAL, APUS_REASON_SHUTDOWN, APUS_REASON_TIMEOUT, APUS_REASON_NOPROC};
    unsigned choice = random_below(random, 6);
    return choice < 4 ? apus_reason_of(kinds[choice]) : apus_reason_error((int32_t)choice, choice == 5 ? "a text" : NULL);
}

static const char *random_name(uint64_t *random)
{
    static char names[NAMES][24];
    static atomic_bool made;
    if (!atomic_load(&made)) { // made first by main, before there are threads
        for (int i = 0; i < NAMES; i++)
            snprintf(names[i], sizeof names[i], "name %d", i);
        atomic_store(&made, true);
    }
    return names[random_below(random, NAMES)];
}

static const apus_behaviour actor_behaviour;
static void actor_body(apus_process *self, void *argument);

// Spawns a mortal into a place whose actor has died. `owner` is NULL for a plain thread.
static void spawn_mortal(struct actor *owner, uint64_t *random)
{
    int place = IMMORTALS + (int)random_below(random, ACTORS - IMMORTALS);
    uint64_t old = atomic_load(&places[place]);
    apus_pid pid;
    apus_ref ref;
    if (apus_is_alive((apus_pid){old}))
        return;
    struct casting casting = {random_next(random), place};
    struct entry *entry = owner ? entry_free(owner) : NULL;
    apus_spawn_options options = {.struct_size = sizeof options};
    if (owner && random_below(random, 2))
        options.flags |= APUS_SPAWN_LINK;
    if (random_below(random, 2))
        options.flags |= APUS_SPAWN_TRAP_EXITS;
    if (random_below(random, 4) == 0)
        options.name = random_name(random);
    if (entry) {
        options.flags |= APUS_SPAWN_MONITOR;
        options.monitor = &ref;
    }
    int result = random_below(random, 2) ? apus_spawn(&actor_behaviour, &casting, sizeof casting, &options, &pid)
                                         : apus_spawn_blocking(actor_body, &casting, sizeof casting, &options, &pid);
    CHECK(result == 0 || (result == -EEXIST && options.name));
    if (result != 0)
        return;
    if (entry)
        open_entry(entry, ENTRY_MONITOR, ref, pid);
    if (!atomic_compare_exchange_strong(&places[place], &old, pid.id))
        MAY(apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL)), -ESRCH); // another was faster
}

static void open_something(apus_process *self, struct actor *actor, unsigned choice)
{
    struct entry *entry = entry_free(actor);
    apus_pid of = pid_at((int)random_below(&actor->random, ACTORS));
    uint64_t delay_ms = random_below(&actor->random, 8) ? random_below(&actor->random, 10) : 3600000;
    apus_ref ref;
    if (!entry)
        return;
    if (choice == 0) {
        if (apus_pid_equal(of, apus_pid_of(self)))
            return; // a monitor of oneself never closes
        CHECK_EQ(apus_monitor(self, of, &ref), 0);
        open_entry(entry, ENTRY_MONITOR, ref, of);
    } else if (choice == 1) {
        int result = apus_request(self, of, &type_noise, "request", 7, delay_ms < 100 ? delay_ms : APUS_INFINITY, &ref);
        CHECK(result == 0 || (result == -EDEADLK && apus_pid_equal(of, apus_pid_of(self))));
        if (result == 0)
            open_entry(entry, ENTRY_REQUEST, ref, of);
    } else {
        size_t size = 24 * (delay_ms % 2);
        CHECK_EQ(apus_send_after(delay_ms, apus_pid_of(self), &type_alarm, "alarm clock alarm clock", size, &ref), 0);
        open_entry(entry, ENTRY_TIMER, ref, of);
    }
}

static void close_something(apus_process *self, struct actor *actor, unsigned choice)
{
    struct entry *entry = entry_random(actor, choice == 0 ? ENTRY_MONITOR : choice == 1 ? ENTRY_REQUEST : ENTRY_TIMER);
    if (!entry)
        return;
    if (choice == 0) {
        bool flush = random_below(&actor->random, 2);
        int active = apus_demonitor(self, entry->ref, flush ? APUS_DEMONITOR_FLUSH : 0);
        CHECK(active == 0 || active == 1);
        if (active || flush)
            entry->kind = ENTRY_NONE; // else its DOWN is in the mailbox
    } else if (choice == 1) {
        int open = apus_request_abandon(self, entry->ref);
        CHECK(open == 0 || open == 1);
        entry->kind = ENTRY_NONE;
    } else {
        int rearmed = random_below(&actor->random, 2) ? apus_rearm(entry->ref, random_below(&actor->random, 5)) : 0;
        int result = apus_cancel(entry->ref, NULL);
        CHECK(rearmed == 0 || rearmed == -ENOENT || rearmed == -EPERM);
        CHECK(result == 0 || result == -ENOENT);
        if (result == 0 || rearmed == -EPERM)
            entry->kind = ENTRY_NONE; // else its message is on the way
    }
}

static void use_names(uint64_t *random, apus_pid pid)
{
    apus_pid found;
    switch (random_below(random, 5)) {
    case 0:
        MAY(apus_register(random_name(random), pid), -EEXIST, -EALREADY, -ESRCH);
        break;
    case 1:
        MAY(apus_unregister(random_name(random)), -ESRCH);
        break;
    case 2:
        MAY(apus_whereis(random_name(random), &found), -ESRCH);
        break;
    case 3:
        MAY(apus_send_name(random_name(random), &type_noise, "n", 1), -ESRCH);
        break;
    default:
        CHECK_EQ(apus_send_name_after(random_below(random, 5), random_name(random), &type_noise, NULL, 0, NULL), 0);
    }
}

static void send_signal(uint64_t *random)
{
    int place = (int)random_below(random, ACTORS);
    bool kill = place >= IMMORTALS && random_below(random, 8) == 0;
    MAY(apus_exit_signal(pid_at(place), kill ? apus_reason_of(APUS_REASON_KILL) : random_reason(random)), -ESRCH);
}

static void disturb(apus_process *self, struct actor *actor)
{
    apus_process_info_t info = {.struct_size = sizeof info};
    apus_pid pid = pid_at((int)random_below(&actor->random, ACTORS));
    apus_message *reply = NULL;
    int result;
    switch (random_below(&actor->random, 6)) {
    case 0:
        result = apus_call(pid, &type_noise, "call", 4, random_below(&actor->random, 3), &reply);
        check_among("apus_call", result, (const int[]){0, -ETIMEDOUT, -ESRCH, -ECONNABORTED, -EDEADLK, -ELOOP}, 6);
        CHECK_EQ(reply != NULL, result == 0 || result == -ECONNABORTED || result == -ELOOP);
        apus_message_release(reply);
        break;
    case 1:
        CHECK_EQ(apus_set_priority(self, random_below(&actor->random, 2) ? APUS_PRIORITY_LOW : APUS_PRIORITY_NORMAL), 0);
        break;
    case 2:
        MAY(apus_process_info(pid, 1, &info), -ESRCH, -ETIMEDOUT);
        break;
    case 3:
        CHECK_EQ(apus_yield(self), 0);
        break;
    case 4:
        CHECK(apus_alloc(self, 1 + random_below(&actor->random, 64)) != NULL);
        break;
    default:
        CHECK_EQ(apus_set_label(self, random_name(&actor->random)), 0);
    }
}

// One operation. Returns what a callback would: only mortals end.
static int step(apus_process *self, struct actor *actor)
{
    unsigned choice = random_below(&actor->random, 1024);
    int place = (int)random_below(&actor->random, ACTORS);
    bool mortal = actor->place >= IMMORTALS;
    if (choice < 600)
        talk_to(actor, place);
    else if (choice < 700)
        open_something(self, actor, choice % 3);
    else if (choice < 780)
        close_something(self, actor, choice % 3);
    else if (choice < 840)
        MAY(apus_link(self, pid_at(place)), -ESRCH);
    else if (choice < 890)
        CHECK_EQ(apus_unlink(self, pid_at(place)), 0);
    else if (choice < 930)
        use_names(&actor->random, apus_pid_of(self));
    else if (choice < 960)
        send_signal(&actor->random);
    else if (choice < 1000)
        spawn_mortal(actor, &actor->random);
    else if (choice < 1015)
        disturb(self, actor);
    else if (mortal && choice < 1018)
        CHECK_EQ(apus_trap_exits(self, choice % 2), 0);
    else if (mortal && choice < 1021)
        return apus_exit(self, choice == 1020 ? apus_reason_of(APUS_REASON_KILL) : random_reason(&actor->random));
    else if (mortal)
        return choice == 1021 ? -7 : APUS_DONE;
    return APUS_OK;
}

// The end of an immortal: first all operations end, then the mortals go, then each entry closes.
static bool books_are_closed(apus_process *self, struct actor *actor)
{
    if (!actor->is_finishing) {
        actor->is_finishing = true;
        atomic_fetch_add(&immortals_idle, 1);
    }
    if (!atomic_load(&mortals_are_gone))
        return false;
    for (int i = 0; i < ENTRIES; i++) {
        struct entry *entry = &actor->entries[i];
        bool of_immortal = false;
        for (int place = 0; place < IMMORTALS; place++)
            of_immortal |= apus_pid_equal(entry->of, pid_at(place));
        if (entry->kind == ENTRY_MONITOR && of_immortal) {
            CHECK_EQ(apus_demonitor(self, entry->ref, 0), 1);
            entry->kind = ENTRY_NONE;
        } else if (entry->kind == ENTRY_TIMER && apus_cancel(entry->ref, NULL) == 0) {
            entry->kind = ENTRY_NONE;
        }
        if (entry->kind != ENTRY_NONE)
            return false;
    }
    return true;
}

static int turn(apus_process *self, struct actor *actor)
{
    int result = APUS_OK;
    if (atomic_fetch_sub(&operations_left, STEPS_A_TURN) <= 0)
        return APUS_OK;
    for (int i = 0; i < STEPS_A_TURN && result == APUS_OK; i++)
        result = step(self, actor);
    return result;
}

static void cast(apus_process *self, struct actor *actor, const struct casting *casting)
{
    actor->random = casting->seed;
    actor->place = casting->place;
    actor->talker = atomic_fetch_add(&talkers, 1) + 1;
    if (casting->place < IMMORTALS)
        CHECK_EQ(apus_trap_exits(self, true), 0);
}

// Serves until all immortals have closed their books, since others may wait for its replies.
static bool may_leave(apus_process *self, struct actor *actor, bool *is_closed)
{
    if (actor->place < IMMORTALS && !*is_closed && books_are_closed(self, actor)) {
        *is_closed = true;
        atomic_fetch_add(&immortals_closed, 1);
    }
    return atomic_load(&immortals_closed) == IMMORTALS;
}

static void actor_body(apus_process *self, void *argument)
{
    struct actor *actor = apus_alloc(self, sizeof *actor);
    bool is_closed = false;
    int result = APUS_OK;
    CHECK(actor != NULL);
    memset(actor, 0, sizeof *actor);
    cast(self, actor, argument);
    while (result == APUS_OK) {
        apus_message *message;
        bool is_over = atomic_load(&operations_left) <= 0;
        while ((message = apus_receive(self, NULL, NULL, is_over ? 1 : 0)) != NULL) {
            take(actor, message);
            apus_message_release(message);
            is_over = false;
        }
        result = turn(self, actor);
        apus_yield(self);
        if (atomic_load(&operations_left) <= 0 && may_leave(self, actor, &is_closed))
            return;
    }
    if (result < 0)
        apus_exit(self, apus_reason_error(result, NULL));
}

struct callback_actor {
    struct actor actor;
    bool is_closed;
};

static int actor_init(apus_process *self, void *state, const void *argument)
{
    cast(self, &((struct callback_actor *)state)->actor, argument);
    return apus_send(apus_pid_of(self), &type_turn, NULL, 0);
}

static int actor_handle(apus_process *self, void *state, apus_message *message)
{
    struct callback_actor *callback = state;
    if (apus_message_type(message) != &type_turn) {
        take(&callback->actor, message);
        return APUS_OK;
    }
    int result = turn(self, &callback->actor);
    if (result != APUS_OK)
        return result;
    if (atomic_load(&operations_left) > 0)
        return apus_send(apus_pid_of(self), &type_turn, NULL, 0);
    if (may_leave(self, &callback->actor, &callback->is_closed))
        return APUS_DONE;
    return apus_send_after(1, apus_pid_of(self), &type_turn, NULL, 0, NULL);
}

static const apus_behaviour actor_behaviour = {.name = "actor", .state_size = sizeof(struct callback_actor), .init = actor_init,
                                               .handle = actor_handle};

static bool count_visit(apus_pid pid, void *context)
{
    ++*(int *)context;
    return pid.id != 0;
}

static void look_around(uint64_t *random)
{
    apus_process_info_t info = {.struct_size = sizeof info};
    apus_pid pid = pid_at((int)random_below(random, ACTORS));
    int visits = 0;
    switch (random_below(random, 8)) {
    case 0:
        CHECK_EQ(apus_each_process(count_visit, &visits), visits);
        break;
    case 1:
        MAY(apus_process_info(pid, 1, &info), -ESRCH, -ETIMEDOUT);
        break;
    case 2:
        MAY(apus_join(pid, random_below(random, 2), NULL), -ETIMEDOUT);
        break;
    case 3:
        runtime_info();
        break;
    default:
        apus_is_alive(pid);
    }
}

static void *thread_run(void *argument)
{
    struct actor *actor = calloc(1, sizeof *actor);
    apus_ref timer = APUS_NO_REF;
    CHECK(actor != NULL);
    actor->random = *(const uint64_t *)argument;
    actor->talker = atomic_fetch_add(&talkers, 1) + 1;
    while (atomic_fetch_sub(&operations_left, 1) > 0) {
        unsigned choice = random_below(&actor->random, 1024);
        int place = (int)random_below(&actor->random, ACTORS);
        if (choice < 700)
            talk_to(actor, place);
        else if (choice < 800)
            CHECK_EQ(apus_send_after(random_below(&actor->random, 20), pid_at(place), &type_noise, NULL, 0, &timer), 0);
        else if (choice < 860)
            MAY(apus_cancel(timer, NULL), -ENOENT);
        else if (choice < 900)
            use_names(&actor->random, pid_at(place));
        else if (choice < 940)
            send_signal(&actor->random);
        else if (choice < 980)
            spawn_mortal(NULL, &actor->random);
        else if (choice < 985)
            look_around(&actor->random);
        else if (choice < 990) // a call to an immortal: also keeps this thread from running far ahead of the processes
            MAY(apus_call(pid_at(place % IMMORTALS), &type_noise, NULL, 0, PATIENCE_MS, NULL), -ETIMEDOUT);
    }
    free(actor);
    return NULL;
}

static bool kill_mortal(apus_pid pid, void *context)
{
    for (int i = 0; i < IMMORTALS; i++)
        if (apus_pid_equal(pid, pid_at(i)))
            return true;
    ++*(int *)context;
    apus_exit_signal(pid, apus_reason_of(APUS_REASON_KILL));
    return true;
}

static uint64_t seed_of_run(void)
{
    const char *given = getenv("TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
    printf("     TEST_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    return seed;
}

// Spawns the first cast, from a process, so that an exit signal of a thread is not one of a parent's. The first actors may look at
// places that are still empty: nobody, to all functions.
static void cast_all(apus_process *self, void *argument)
{
    uint64_t random = *(const uint64_t *)argument;
    (void)self;
    for (int i = 0; i < ACTORS; i++) {
        struct casting casting = {random_next(&random), i};
        apus_pid pid;
        apus_spawn_options options = {.struct_size = sizeof options, .flags = i < IMMORTALS ? APUS_SPAWN_TRAP_EXITS : 0};
        if (i % 2)
            CHECK_EQ(apus_spawn(&actor_behaviour, &casting, sizeof casting, &options, &pid), 0);
        else
            CHECK_EQ(apus_spawn_blocking(actor_body, &casting, sizeof casting, &options, &pid), 0);
        atomic_store(&places[i], pid.id);
    }
}

static void torture(unsigned schedulers, long operations)
{
    uint64_t random = seed_of_run(), seeds[THREADS];
    pthread_t threads[THREADS];
    start_runtime(schedulers);
    random_name(&random);
    atomic_store(&operations_left, operations);
    run_process(cast_all, &random, sizeof random);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = random_next(&random);
        CHECK_EQ(pthread_create(&threads[i], NULL, thread_run, &seeds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    while (atomic_load(&immortals_idle) < IMMORTALS)
        usleep(1000);
    for (int mortals = 1; mortals > 0;) {
        mortals = 0;
        apus_each_process(kill_mortal, &mortals);
        usleep(1000);
    }
    atomic_store(&mortals_are_gone, true);
    for (int i = 0; i < IMMORTALS; i++)
        CHECK_EQ(apus_join(pid_at(i), APUS_INFINITY, NULL), 0);
    stop_runtime();
    apus_runtime_info_t info = runtime_info();
    printf("     %" PRIu64 " spawned, %" PRIu64 " signals local, %" PRIu64 " remote, %" PRIu64 " shared\n", info.spawned,
           info.sent_local, info.sent_remote, info.shared);
    CHECK(info.sent_local > 0);
    CHECK(schedulers == 1 || info.sent_remote > 0);
}

TEST(all_api_1, "everything at once on one scheduler")
{
    torture(1, test_scaled(1000000));
}

TEST(all_api_2, "everything at once on two schedulers")
{
    torture(2, test_scaled(5000000));
}

TEST(all_api_4, "everything at once on four schedulers")
{
    torture(4, test_scaled(4000000));
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
