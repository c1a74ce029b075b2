// Tests/C/simulation/model.h - what a simulated cast has done, on record, and the promises that the record is held against.
//
// Everything runs on one thread, so plain variables are enough. Records are made before the call they are about and completed by
// its result. All of it is cleared for each seed.
#ifndef APUS_TESTS_SIMULATION_MODEL_H
#define APUS_TESTS_SIMULATION_MODEL_H

#include "test.h"

#include "os/random.h"
#include "process/relation.h"
#include "scheduler/simulate.h"
#include "scheduler/slot.h"

enum {
    ACTORS_MAX = 96,
    NOTES_MAX = 4096,
    RECORDS_MAX = 1024,
    NAMES = 4,
    KEPT_MAX = 4,
    DRIVER = 0, // the actor that is the plain thread
    NONE = -1
};

// A process of the cast, living or dead; number 0 is the driver.
struct actor {
    apus_pid pid; // nobody's: it could not be spawned
    struct apus__random random;
    int parent;
    int friend;      // whom it thought of last
    bool is_blocking;
    bool is_picky;   // picks messages out of order
    bool is_sink;    // does nothing but take messages
    bool may_lose;   // its mailbox drops what does not fit
    bool has_trapped, has_not_trapped;
    bool chose_normal;   // it ended itself, or was told by itself or its parent to end, with reason normal
    bool follows_parent; // if it traps exits: it ends when its parent does (R36), even normally
    bool wants_ack;
    unsigned acks;
    unsigned terminated;
    uint16_t sent[ACTORS_MAX]; // messages to each other actor
    uint16_t got[ACTORS_MAX];  // number of the last one from each
    bool linked[ACTORS_MAX], unlinked[ACTORS_MAX]; // towards each
    bool exited[ACTORS_MAX];                       // has heard of its end over a link
    bool rid_of[ACTORS_MAX];                       // the link was taken away, and no exit of it lay in the mailbox
    apus_message *kept[KEPT_MAX];
    unsigned kept_count;
};

// A message, from the call that sends it to its end.
enum note_kind { NOTE_MESSAGE, NOTE_REQUEST, NOTE_REPLY, NOTE_TIMER, NOTE_FORWARD };
struct note {
    enum note_kind kind;
    int from, to; // NONE: to a name
    uint16_t number; // among those from `from` to `to`
    bool is_sent;
    bool is_doubtful; // the sender was ended, or gave up, while it may have been waiting for space: it was sent, or it was not
    unsigned handled, freed;
};

enum outcome { OUTCOME_NONE, OUTCOME_REPLY, OUTCOME_DOWN, OUTCOME_TIMEOUT };
struct request {
    apus_ref ref;
    int from, to, note;
    bool is_limited, is_replied, is_given_up, is_call;
    unsigned outcomes;
};

struct monitor {
    apus_ref ref;
    int from, to;
    bool is_ended;   // demonitor said that it was active
    bool is_flushed;
    unsigned downs;
};

struct timer {
    apus_ref ref;
    int note;
    uint64_t due_ns;
    bool is_cancelled;
};

// An exit signal from one process to another, told from all others by its code.
struct exit_record {
    int from, to;
    apus_reason_kind kind;
    unsigned delivered;
};

static struct {
    uint64_t seed;
    uint64_t trace; // hash of all that happened
    int energy;     // actions left
    int circle;     // how many others an actor has to do with
    int life;       // after how many actions, on average, an actor ends itself
    struct actor actors[ACTORS_MAX];
    int actor_count;
    struct note notes[NOTES_MAX];
    int note_count;
    struct request requests[RECORDS_MAX];
    int request_count;
    struct monitor monitors[RECORDS_MAX];
    int monitor_count;
    struct timer timers[RECORDS_MAX];
    int timer_count;
    struct exit_record exits[RECORDS_MAX]; // by code - EXIT_CODES
    int exit_count;
    int names[NAMES]; // whose they are, or NONE
} model;

enum { EXIT_CODES = 1000, SELF_CODES = 100000 }; // of exit/2; of processes that end themselves: + their number

static const char *const name_texts[NAMES] = {"anna", "berta", "clara", "dora"};

// --- The trace -------------------------------------------------------------------------------------------------------------------

static bool trace_is_shown;

static inline void trace(const char *what, int who, int64_t a, int64_t b)
{
    const int64_t words[] = {who, a, b, (int64_t)apus_now_ms()};
    for (unsigned i = 0; i < 4; i++)
        model.trace = (model.trace ^ (uint64_t)words[i]) * UINT64_C(0x100000001b3);
    for (const char *c = what; *c; c++)
        model.trace = (model.trace ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    if (trace_is_shown)
        fprintf(stderr, "%6" PRIu64 " ms  %2d %-12s %" PRId64 " %" PRId64 "\n", apus_now_ms(), who, what, a, b);
}

// --- Finding ---------------------------------------------------------------------------------------------------------------------

static inline int actor_of(apus_pid pid)
{
    for (int i = 1; i < model.actor_count; i++)
        if (pid.id && apus_pid_equal(model.actors[i].pid, pid))
            return i;
    return pid.id ? NONE : DRIVER;
}

static inline struct request *request_of(apus_ref ref)
{
    for (int i = model.request_count; i-- > 0;)
        if (apus_ref_equal(model.requests[i].ref, ref))
            return &model.requests[i];
    return NULL;
}

static inline struct monitor *monitor_of(apus_ref ref)
{
    for (int i = model.monitor_count; i-- > 0;)
        if (apus_ref_equal(model.monitors[i].ref, ref))
            return &model.monitors[i];
    return NULL;
}

static inline bool is_alive(int who)
{
    return who > DRIVER && model.actors[who].pid.id != 0 && apus__find(model.actors[who].pid) != NULL;
}

// --- Notes -----------------------------------------------------------------------------------------------------------------------

struct note_payload {
    int note;
    int about; // of a reply: the request
    char more[40]; // some are sent with it, so that messages have two sizes
};

static inline void note_drop(void *payload, size_t size, const apus_type *type)
{
    struct note_payload note;
    CHECK_STR(type->name, "note");
    memcpy(&note, payload, offsetof(struct note_payload, more));
    CHECK(size >= offsetof(struct note_payload, more) && note.note >= 0 && note.note < model.note_count);
    CHECK(model.notes[note.note].is_sent);
    CHECK_EQ(++model.notes[note.note].freed, 1);
}

static const apus_type type_note = {.name = "note", .drop = note_drop};

// `is_sent` is set before the call, in which the message may be dropped already, and taken back if the call fails. A call that may
// wait may never return; note_returned() says that it has.
static inline int note_new(enum note_kind kind, int from, int to)
{
    CHECK(model.note_count < NOTES_MAX);
    struct note *note = &model.notes[model.note_count];
    *note = (struct note){.kind = kind, .from = from, .to = to, .is_sent = true};
    note->is_doubtful = kind != NOTE_TIMER && kind != NOTE_REPLY && model.actors[to].is_sink;
    if (kind == NOTE_MESSAGE || kind == NOTE_REQUEST)
        note->number = ++model.actors[from].sent[to];
    return model.note_count++;
}

static inline void note_returned(int number, int result)
{
    struct note *note = &model.notes[number];
    note->is_doubtful = false;
    if (result == 0)
        return;
    note->is_sent = false;
    CHECK_EQ(note->freed, 0);
    if (note->kind == NOTE_MESSAGE || note->kind == NOTE_REQUEST)
        model.actors[note->from].sent[note->to]--;
}

static inline int note_in(const apus_message *message)
{
    struct note_payload payload;
    CHECK(apus_message_size(message) >= offsetof(struct note_payload, more));
    memcpy(&payload, apus_message_payload(message), offsetof(struct note_payload, more));
    CHECK(payload.note >= 0 && payload.note < model.note_count);
    return payload.note;
}

// R12: a note has reached `me`, in the order in which it was sent.
static inline void note_handled(int number, int me)
{
    struct note *note = &model.notes[number];
    struct actor *actor = &model.actors[me];
    CHECK(note->is_sent && note->freed == 0);
    CHECK(note->to == me || note->to == NONE);
    CHECK_EQ(++note->handled, 1);
    if (note->kind != NOTE_MESSAGE && note->kind != NOTE_REQUEST)
        return;
    if (actor->may_lose)
        CHECK(note->number > actor->got[note->from]);
    else
        CHECK_EQ(note->number, actor->got[note->from] + 1);
    actor->got[note->from] = note->number;
}

// --- When all is quiet -----------------------------------------------------------------------------------------------------------

// No message is lost: who lives has handled what was sent to it.
static inline void check_notes(void)
{
    for (int i = 0; i < model.note_count; i++) {
        const struct note *note = &model.notes[i];
        bool is_user_note = note->kind != NOTE_REPLY && note->kind != NOTE_TIMER;
        if (is_user_note && note->is_sent && !note->is_doubtful && is_alive(note->to) && !model.actors[note->to].may_lose)
            CHECK_EQ(note->handled, 1);
        CHECK(note->handled || note->freed || !note->is_sent || note->is_doubtful);
    }
}

// R22, R23: a monitor gives one DOWN if the other ends, none if it was ended before.
static inline void check_monitors(void)
{
    for (int i = 0; i < model.monitor_count; i++) {
        const struct monitor *monitor = &model.monitors[i];
        if (!is_alive(monitor->from))
            continue;
        if (monitor->is_ended || is_alive(monitor->to))
            CHECK_EQ(monitor->downs, 0);
        else if (!monitor->is_flushed)
            CHECK_EQ(monitor->downs, 1);
    }
}

// One outcome for each request; none yet only if nobody has answered, ended, or grown tired.
static inline void check_requests(void)
{
    for (int i = 0; i < model.request_count; i++) {
        const struct request *request = &model.requests[i];
        if (!is_alive(request->from) || request->ref.id == 0)
            continue;
        bool may_be_open = is_alive(request->to) && !request->is_limited && !request->is_replied;
        if (request->is_given_up)
            CHECK_EQ(request->outcomes, 0);
        else
            CHECK(request->outcomes == 1 || (request->outcomes == 0 && may_be_open));
    }
}

// R15: exactly one of expiry and cancel. What has been sent on is a timer's no more.
static inline void check_timers(void)
{
    for (int i = 0; i < model.timer_count; i++) {
        const struct note *note = &model.notes[model.timers[i].note];
        if (model.timers[i].is_cancelled)
            CHECK(note->handled == 0 && note->freed == 1);
        else if (is_alive(note->to) && note->kind == NOTE_TIMER)
            CHECK_EQ(note->handled, 1);
        CHECK(note->handled || note->freed);
    }
}

// R1-R5: an exit signal reached a process that traps as a message, and ended one that does not.
static inline void check_exits(void)
{
    for (int i = 0; i < model.exit_count; i++) {
        const struct exit_record *record = &model.exits[i];
        if (!is_alive(record->to))
            continue;
        const struct actor *to = &model.actors[record->to];
        CHECK(record->kind != APUS_REASON_KILL);
        if (!to->has_trapped)
            CHECK(record->kind == APUS_REASON_NORMAL && record->delivered == 0 && record->from != record->to);
        if (!to->has_not_trapped)
            CHECK_EQ(record->delivered, 1);
    }
}

// R5, R17: both sides of a link that nobody has taken away see the same.
static inline void check_link(int here, int there)
{
    const struct actor *mine = &model.actors[here], *other = &model.actors[there];
    if (mine->unlinked[there] || other->unlinked[here] || !(mine->linked[there] || other->linked[here]))
        return;
    if (!is_alive(here) || is_alive(there) || other->pid.id == 0)
        return;
    if (!mine->has_not_trapped)
        CHECK(mine->exited[there]);
    if (!mine->has_trapped)
        CHECK(other->chose_normal || (other->follows_parent && other->has_trapped));
}

static inline void check_links(void)
{
    for (int i = 1; i < model.actor_count; i++)
        for (int j = 1; j < model.actor_count; j++)
            if (i != j)
                check_link(i, j);
}

static inline void check_names(void)
{
    for (int i = 0; i < NAMES; i++) {
        apus_pid pid;
        int result = apus_whereis(name_texts[i], &pid);
        if (model.names[i] != NONE && is_alive(model.names[i]))
            CHECK(result == 0 && apus_pid_equal(pid, model.actors[model.names[i]].pid));
        else
            CHECK_EQ(result, -ESRCH);
    }
}

// What each living process has to do with others has its other half there.
static inline void check_relation(struct apus__relation *relation, void *context)
{
    struct apus_process *process = context, *peer = apus__find((apus_pid){relation->peer});
    apus_pid me = apus__pid(process);
    switch (relation->kind) {
    case APUS__LINKED:
        CHECK(peer && relation->unlink_id == 0);
        CHECK(apus__relation_find(peer, APUS__LINKED, me.id));
        break;
    case APUS__MONITORING:
        CHECK(peer && apus__relation_find(peer, APUS__MONITORED_BY, relation->key));
        break;
    case APUS__MONITORED_BY:
        CHECK(peer && apus__relation_find(peer, APUS__MONITORING, relation->key));
        break;
    case APUS__ASKED:
        CHECK(peer && !relation->timed);
        break;
    case APUS__ASKED_BY:
        break; // stays if the caller gave up while the request lay in the mailbox
    default:
        CHECK(!"a relation that should be gone");
    }
}

static inline void check_actor(int who)
{
    const struct actor *actor = &model.actors[who];
    struct apus_process *process = apus__find(actor->pid);
    if (!process)
        return;
    CHECK(process->first == NULL && apus_load_relaxed(&process->remote) == NULL);
    CHECK(!(process->flags & (APUS__SCHEDULED | APUS__EXITING | APUS__STARTING)));
    CHECK(actor->is_blocking == !!(process->flags & APUS__WAITING));
    CHECK(!process->extra || process->extra->pins == 0);
    CHECK(actor->is_blocking == (process->extra && process->extra->wait));
    apus__relation_each(process, check_relation, process);
    struct apus__bound *bound = apus_load_relaxed(&process->bound);
    CHECK(!bound || (apus_load_relaxed(&bound->messages) == 0 && apus_load_relaxed(&bound->bytes) == 0));
    if (actor->wants_ack && is_alive(actor->parent))
        CHECK_EQ(actor->acks, 1);
    CHECK_EQ(actor->terminated, 0);
}

static inline void check_quiet(void)
{
    for (int i = 1; i < model.actor_count; i++)
        check_actor(i);
    check_notes();
    check_monitors();
    check_requests();
    check_timers();
    check_exits();
    check_links();
    check_names();
}

// After the end: everything that was sent has been freed, once, and nothing else is held.
static inline void check_over(void)
{
    apus_runtime_info_t info = {.struct_size = sizeof info};
    CHECK_EQ(apus_runtime_info(&info), 0);
    CHECK_EQ(info.processes, 0);
    CHECK_EQ(info.timers, 0);
    CHECK_EQ(info.stacks_parked, 0);
    CHECK_EQ(info.blocks_in_use, 0);
    for (int i = 0; i < model.note_count; i++)
        CHECK(model.notes[i].freed == model.notes[i].is_sent || model.notes[i].is_doubtful);
}

#endif
