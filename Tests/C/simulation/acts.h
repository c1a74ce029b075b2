// Tests/C/simulation/acts.h - what an actor, or the driver, can do to others: one function for each act, which chooses whom it is
// done to, makes the call, checks its result and puts it on record.
#ifndef APUS_TESTS_SIMULATION_ACTS_H
#define APUS_TESTS_SIMULATION_ACTS_H

#include "model.h"

static inline uint32_t draw(int me, uint32_t bound)
{
    return apus__random_below(&model.actors[me].random, bound);
}

// One of the youngest actors, or of all, as the seed has it; there is always one. Often it is the same as the last time: most of
// what can go wrong takes two things between the same two.
static inline int draw_actor(int me)
{
    struct actor *actor = &model.actors[me];
    int count = model.actor_count - 1, circle = count < model.circle ? count : model.circle;
    if (!actor->friend || draw(me, 2))
        actor->friend = 1 + count - circle + (int)draw(me, (uint32_t)circle);
    return actor->friend;
}

static inline apus_pid pid_of(int who)
{
    return model.actors[who].pid;
}

// --- Spawning --------------------------------------------------------------------------------------------------------------------

static int actor_init(apus_process *self, void *state, const void *argument);
static int actor_handle(apus_process *self, void *state, apus_message *message);
static void actor_terminate(apus_process *self, void *state, const apus_reason *reason);
static void actor_body(apus_process *self, void *argument);

// The state is larger than what a cell holds, so that it is a block of its own.
struct actor_state {
    int me;
    char more[100];
};

static const apus_behaviour actor_small = {
    .name = "actor", .state_size = sizeof(int), .init = actor_init, .handle = actor_handle, .terminate = actor_terminate};
static const apus_behaviour actor_large = {.name = "large actor",
                                           .state_size = sizeof(struct actor_state),
                                           .init = actor_init,
                                           .handle = actor_handle,
                                           .terminate = actor_terminate};

// Chooses how the mailbox is bounded, if at all. Who waits for space must not be waited for, so such an actor does nothing else.
static inline void draw_bound(int me, struct actor *child, apus_spawn_options *options)
{
    if (draw(me, 6) != 0)
        return;
    // In bytes: some messages are larger than all of it may be.
    if (draw(me, 2))
        options->mailbox_messages = 1 + draw(me, 3);
    else
        options->mailbox_bytes = 20 + draw(me, 100);
    options->mailbox_policy = (apus_mailbox_policy)draw(me, me == DRIVER ? 3 : 4);
    child->may_lose = options->mailbox_policy == APUS_MAILBOX_DROP_NEWEST || options->mailbox_policy == APUS_MAILBOX_DROP_OLDEST;
    child->is_sink = options->mailbox_policy == APUS_MAILBOX_BLOCK;
}

static inline void draw_options(int me, struct actor *child, apus_spawn_options *options, apus_ref *ref)
{
    options->flags = draw(me, 16);
    if (me == DRIVER)
        options->flags &= APUS_SPAWN_TRAP_EXITS;
    options->priority = (apus_priority)draw(me, 4);
    options->monitor = options->flags & APUS_SPAWN_MONITOR ? ref : NULL;
    options->label = draw(me, 4) == 0 ? "a label" : NULL;
    options->node = draw(me, 2) ? 1 + (int)draw(me, apus__world.pool.node_count) : 0;
    if (draw(me, 4) == 0 && model.actor_count > 1)
        options->near = pid_of(draw_actor(me));
    draw_bound(me, child, options);
}

static inline void actor_reset(struct actor *actor, int number)
{
    memset(actor, 0, sizeof *actor);
    apus__random_init(&actor->random, model.seed * ACTORS_MAX + (unsigned)number);
}

static inline void spawned(int me, int child, const apus_spawn_options *options, apus_ref ref)
{
    struct actor *actor = &model.actors[child];
    bool links = options->flags & APUS_SPAWN_LINK;
    actor->wants_ack = options->flags & APUS_SPAWN_ACK;
    actor->has_trapped = options->flags & APUS_SPAWN_TRAP_EXITS;
    actor->has_not_trapped = !actor->has_trapped;
    actor->follows_parent = links || me == DRIVER;
    if (links)
        model.actors[me].linked[child] = true;
    if (options->flags & APUS_SPAWN_MONITOR)
        model.monitors[model.monitor_count++] = (struct monitor){.ref = ref, .from = me, .to = child};
}

static inline void do_spawn(int me)
{
    apus_spawn_options options = {.struct_size = sizeof options};
    apus_ref ref = APUS_NO_REF;
    if (model.actor_count == ACTORS_MAX || model.monitor_count == RECORDS_MAX)
        return;
    int number = model.actor_count, name = draw(me, 6) == 0 ? (int)draw(me, NAMES) : NONE;
    struct actor *child = &model.actors[number];
    actor_reset(child, number);
    child->parent = me;
    draw_options(me, child, &options, &ref);
    options.name = name == NONE ? NULL : name_texts[name];
    child->is_blocking = draw(me, 3) == 0;
    child->is_picky = child->is_blocking && draw(me, 2);
    int result;
    if (child->is_blocking)
        result = apus_spawn_blocking(actor_body, &number, sizeof number, &options, &child->pid);
    else
        result = apus_spawn(draw(me, 2) ? &actor_small : &actor_large, &number, sizeof number, &options, &child->pid);
    trace("spawn", me, number, result);
    bool is_taken = name != NONE && model.names[name] != NONE && is_alive(model.names[name]);
    CHECK(result == 0 || (result == -EEXIST && is_taken) || (result == -ESHUTDOWN && apus__world.state != APUS__WORLD_RUNNING));
    if (result)
        return;
    model.actor_count++;
    spawned(me, number, &options, ref);
    if (name != NONE)
        model.names[name] = number;
}

// --- Links, monitors, exits ------------------------------------------------------------------------------------------------------

static inline void do_link(apus_process *self, int me)
{
    int to = draw_actor(me), result = apus_link(self, pid_of(to));
    trace("link", me, to, result);
    CHECK(result == 0 || (result == -ESRCH && !is_alive(to)));
    if (result == 0) {
        model.actors[me].linked[to] = true;
        model.actors[me].rid_of[to] = false;
    }
}

static inline bool has_exit_from(const apus_process *self, apus_pid from)
{
    const apus_message *message = self->first;
    while (message && !(message->type == &apus_type_exit && apus_pid_equal(message->from, from)))
        message = apus__mailbox_next(self, message);
    return message != NULL;
}

static inline bool is_about_to_run(int who)
{
    const struct apus_process *process = apus__find(pid_of(who));
    return process && process->flags & APUS__SCHEDULED;
}

// Mostly of one with whom there is a link, and rather of one that may be gone before it hears of this.
static inline void do_unlink(apus_process *self, int me)
{
    int to = draw_actor(me), count = model.actor_count;
    for (int i = 0; i < 2 * count && !(model.actors[me].linked[to] && (i >= count || is_about_to_run(to))); i++)
        to = to + 1 < count ? to + 1 : 1;
    trace("unlink", me, to, 0);
    model.actors[me].unlinked[to] = true;
    CHECK_EQ(apus_unlink(self, pid_of(to)), 0);
    model.actors[me].rid_of[to] = !has_exit_from(self, pid_of(to));
}

static inline void do_monitor(apus_process *self, int me)
{
    int to = draw_actor(me), name = (int)draw(me, 4 * NAMES);
    if (model.monitor_count == RECORDS_MAX)
        return;
    struct monitor *monitor = &model.monitors[model.monitor_count++];
    *monitor = (struct monitor){.from = me, .to = to};
    if (name >= NAMES) {
        CHECK_EQ(apus_monitor(self, pid_of(to), &monitor->ref), 0);
    } else {
        bool is_held = model.names[name] != NONE && is_alive(model.names[name]);
        monitor->to = is_held ? model.names[name] : DRIVER; // nobody, who is as dead
        CHECK_EQ(apus_monitor_name(self, name_texts[name], &monitor->ref), 0);
    }
    trace("monitor", me, monitor->to, (int64_t)monitor->ref.id);
}

static inline void do_demonitor(apus_process *self, int me)
{
    if (model.monitor_count == 0)
        return;
    struct monitor *monitor = &model.monitors[draw(me, (uint32_t)model.monitor_count)];
    if (monitor->from != me || monitor->ref.id == 0)
        return;
    bool flushes = draw(me, 2);
    int result = apus_demonitor(self, monitor->ref, flushes ? APUS_DEMONITOR_FLUSH : 0);
    trace("demonitor", me, (int64_t)monitor->ref.id, result);
    CHECK(result == 0 || (result == 1 && !monitor->is_ended && monitor->downs == 0));
    monitor->is_ended = monitor->is_ended || result == 1;
    monitor->is_flushed = monitor->is_flushed || (flushes && result == 0 && monitor->downs == 0);
}

static inline apus_reason_kind draw_kind(int me)
{
    static const apus_reason_kind kinds[] = {APUS_REASON_NORMAL, APUS_REASON_SHUTDOWN, APUS_REASON_ERROR, APUS_REASON_KILL};
    return kinds[draw(me, 4)];
}

static inline void do_exit_signal(int me)
{
    int to = draw_actor(me);
    if (model.exit_count == RECORDS_MAX || draw(me, 3) > 0)
        return; // seldom, or too few would live for long
    struct exit_record *record = &model.exits[model.exit_count];
    *record = (struct exit_record){.from = me, .to = to, .kind = draw_kind(me)};
    apus_reason reason = {.kind = record->kind, .code = EXIT_CODES + model.exit_count++};
    if (draw(me, 2))
        reason.text = "somebody wanted it so";
    if (record->kind == APUS_REASON_NORMAL && (me == to || model.actors[to].parent == me))
        model.actors[to].chose_normal = true;
    int result = apus_exit_signal(pid_of(to), reason);
    trace("exit", me, to, record->kind);
    CHECK_EQ(result, is_alive(to) || me == to ? 0 : -ESRCH);
    if (record->kind == APUS_REASON_KILL)
        CHECK(!apus_is_alive(pid_of(to)));
    if (result)
        record->to = DRIVER;
}

static inline void do_trap(apus_process *self, int me)
{
    bool on = draw(me, 2);
    trace("trap", me, on, 0);
    *(on ? &model.actors[me].has_trapped : &model.actors[me].has_not_trapped) = true;
    CHECK_EQ(apus_trap_exits(self, on), 0);
}

// --- Messages --------------------------------------------------------------------------------------------------------------------

static inline bool records_are_full(void)
{
    return model.note_count + 4 > NOTES_MAX || model.request_count == RECORDS_MAX || model.timer_count == RECORDS_MAX;
}

static inline size_t draw_size(int me)
{
    return draw(me, 4) ? offsetof(struct note_payload, more) : sizeof(struct note_payload);
}

static inline bool is_refused(int result, int to)
{
    return (result == -ESRCH && !is_alive(to)) || (result == -ENOBUFS && is_alive(to));
}

// The driver cannot wait for space in a mailbox.
static inline bool may_send(int me, int to)
{
    return me != DRIVER || !model.actors[to].is_sink;
}

static inline void do_send(int me)
{
    int to = draw_actor(me);
    if (!may_send(me, to))
        return;
    struct note_payload payload = {.note = note_new(NOTE_MESSAGE, me, to)};
    int result = apus_send(pid_of(to), &type_note, &payload, draw_size(me));
    trace("send", me, to, result);
    note_returned(payload.note, result);
    CHECK(result == 0 || is_refused(result, to));
}

// Made in place, and sent, dropped, or left to the end of its maker, which a plain thread cannot do.
static inline void do_make(int me)
{
    int to = draw_actor(me), number = note_new(NOTE_FORWARD, me, to);
    apus_message *message = apus_message_new(&type_note, sizeof(struct note_payload));
    uint32_t choice = draw(me, 4);
    CHECK(message != NULL);
    struct note_payload *payload = apus_message_payload(message);
    *payload = (struct note_payload){.note = number};
    int result = choice > 1 && may_send(me, to) ? apus_send_message(pid_of(to), message) : -ECANCELED;
    trace("make", me, to, result);
    note_returned(number, result);
    if (result && (choice > 0 || me == DRIVER)) {
        apus_message_take(message);
        apus_message_release(message);
    }
}

static inline void do_send_name(int me)
{
    uint32_t name = draw(me, NAMES);
    int to = model.names[name];
    if (to == NONE || !may_send(me, to))
        return;
    struct note_payload payload = {.note = note_new(NOTE_MESSAGE, me, to)};
    int result = apus_send_name(name_texts[name], &type_note, &payload, draw_size(me));
    trace("send name", me, to, result);
    note_returned(payload.note, result);
    CHECK(result == 0 || is_refused(result, to));
}

// A kept message goes on to somebody else.
static inline void do_forward(int me)
{
    struct actor *actor = &model.actors[me];
    if (actor->kept_count == 0)
        return;
    apus_message *message = actor->kept[--actor->kept_count];
    struct note *note = &model.notes[note_in(message)];
    struct note before = *note;
    int to = draw_actor(me);
    if (apus_message_is_request(message)) {
        CHECK_EQ(apus_send_message(pid_of(to), message), -EINVAL); // not while it is open
        apus_message_release(message);
        return;
    }
    *note = (struct note){.kind = NOTE_FORWARD, .from = me, .to = to, .is_sent = true, .is_doubtful = model.actors[to].is_sink};
    int result = apus_send_message(pid_of(to), message);
    trace("forward", me, to, result);
    note->is_doubtful = false;
    if (result) {
        CHECK(is_refused(result, to));
        *note = before;
        apus_message_release(message);
    }
}

// --- Requests --------------------------------------------------------------------------------------------------------------------

static inline struct request *request_new(enum note_kind kind, int me, int to, struct note_payload *payload)
{
    struct request *request = &model.requests[model.request_count];
    *request = (struct request){.from = me, .to = to, .note = note_new(kind, me, to)};
    *payload = (struct note_payload){.note = request->note, .about = model.request_count++};
    return request;
}

static inline void do_request(apus_process *self, int me)
{
    struct note_payload payload;
    int to = draw_actor(me);
    if (to == me)
        return;
    struct request *request = request_new(NOTE_REQUEST, me, to, &payload);
    request->is_limited = draw(me, 2);
    uint64_t timeout = request->is_limited ? draw(me, 20) : APUS_INFINITY;
    int result = apus_request(self, pid_of(to), &type_note, &payload, draw_size(me), timeout, &request->ref);
    trace("request", me, to, result);
    note_returned(request->note, result);
    CHECK(result == 0 || result == -ENOBUFS);
    if (result)
        request->ref = APUS_NO_REF;
}

static inline void do_abandon(apus_process *self, int me)
{
    if (model.request_count == 0)
        return;
    struct request *request = &model.requests[draw(me, (uint32_t)model.request_count)];
    if (request->from != me || request->is_call || request->ref.id == 0)
        return;
    int result = apus_request_abandon(self, request->ref);
    trace("abandon", me, (int64_t)request->ref.id, result);
    CHECK(result == 0 || (result == 1 && request->outcomes == 0 && !request->is_given_up));
    request->is_given_up = request->is_given_up || request->outcomes == 0;
}

static inline void reply_to_request(int me, apus_message *message)
{
    struct note_payload asked;
    memcpy(&asked, apus_message_payload(message), offsetof(struct note_payload, more));
    struct request *request = &model.requests[asked.about];
    struct note_payload payload = {.note = note_new(NOTE_REPLY, me, request->from), .about = asked.about};
    bool by_ref = draw(me, 3) == 0;
    int result = by_ref ? apus_reply_to(apus_message_from(message), apus_message_ref(message), &type_note, &payload, draw_size(me))
                        : apus_reply(message, &type_note, &payload, draw_size(me));
    trace("reply", me, asked.about, result);
    note_returned(payload.note, result);
    CHECK(result == 0 || (result == -ESRCH && !is_alive(request->from)));
    request->is_replied = request->is_replied || result == 0;
    if (!by_ref)
        CHECK_EQ(apus_reply(message, &type_note, &payload, draw_size(me)), -EALREADY);
}

static inline void do_answer(int me)
{
    struct actor *actor = &model.actors[me];
    if (actor->kept_count == 0)
        return;
    apus_message *message = actor->kept[--actor->kept_count];
    if (apus_message_is_request(message) && draw(me, 4))
        reply_to_request(me, message);
    apus_message_release(message);
}

static inline void request_outcome(int me, apus_message *message, enum outcome outcome)
{
    struct request *request = request_of(apus_message_ref(message));
    CHECK(request && request->from == me && !request->is_given_up && !request->is_call);
    CHECK_EQ(++request->outcomes, 1);
    trace("outcome", me, (int64_t)request->ref.id, outcome);
    if (outcome == OUTCOME_DOWN)
        CHECK(!is_alive(request->to) || model.actors[request->to].may_lose);
    if (outcome == OUTCOME_TIMEOUT)
        CHECK(request->is_limited);
}

static inline const char *down_text(const apus_message *down)
{
    const char *text = ((const apus_down_message *)apus_message_payload(down))->reason.text;
    return text ? text : "";
}

static inline void call_outcome(struct request *request, int result, apus_message *outcome)
{
    request->outcomes = 1;
    CHECK(result == 0 || result == -ETIMEDOUT || result == -ESRCH || result == -ECONNABORTED || result == -ENOBUFS ||
          result == -ELOOP);
    if (result == 0) {
        struct note_payload payload;
        memcpy(&payload, apus_message_payload(outcome), offsetof(struct note_payload, more));
        CHECK_EQ(payload.about, request - model.requests);
        note_handled(payload.note, request->from);
    } else if (result == -ECONNABORTED) {
        CHECK(apus_message_type(outcome) == &apus_type_down && !is_alive(request->to));
    } else if (result == -ELOOP) {
        CHECK(apus_message_type(outcome) == &apus_type_down && strstr(down_text(outcome), " calls "));
    } else {
        CHECK(outcome == NULL);
    }
    if (result == -ESRCH)
        CHECK(!is_alive(request->to));
}

static inline void do_call(int me)
{
    struct note_payload payload;
    int to = draw_actor(me);
    if (to == me)
        return;
    // Whether a call that fails has sent its request, only the request's end can tell; so these are not numbered.
    struct request *request = request_new(NOTE_FORWARD, me, to, &payload);
    struct note *note = &model.notes[request->note];
    request->is_call = request->is_limited = true;
    apus_message *outcome;
    trace("call", me, to, 0);
    note->is_doubtful = true;
    int result = apus_call(pid_of(to), &type_note, &payload, draw_size(me), 1 + draw(me, 20), &outcome);
    note->is_doubtful = result == -ESRCH || result == -ENOBUFS || (result == -ETIMEDOUT && model.actors[to].is_sink);
    trace("called", me, to, result);
    call_outcome(request, result, outcome);
    apus_message_release(outcome);
}

// --- Timers, names ---------------------------------------------------------------------------------------------------------------

static inline void do_timer(int me)
{
    int to = draw_actor(me);
    uint64_t delay = draw(me, 2) ? draw(me, 8) : draw(me, 200);
    uint32_t name = draw(me, 4 * NAMES);
    bool is_typed = draw(me, 2);
    struct timer *timer = &model.timers[model.timer_count++];
    *timer = (struct timer){.note = note_new(NOTE_TIMER, me, name < NAMES ? NONE : to), .due_ns = apus__now_ns() + delay * 1000000};
    struct note_payload payload = {.note = timer->note};
    int result;
    if (name < NAMES)
        result = apus_send_name_after(delay, name_texts[name], &type_note, &payload, draw_size(me), &timer->ref);
    else
        result = apus_send_after(delay, pid_of(to), &type_note, &payload, is_typed ? draw_size(me) : sizeof payload, &timer->ref);
    trace("timer", me, to, (int64_t)delay);
    CHECK_EQ(result, 0);
}

static inline void do_cancel(int me)
{
    uint64_t left;
    if (model.timer_count == 0)
        return;
    struct timer *timer = &model.timers[draw(me, (uint32_t)model.timer_count)];
    int result = apus_cancel(timer->ref, &left);
    trace("cancel", me, (int64_t)timer->ref.id, result);
    const struct note *note = &model.notes[timer->note];
    CHECK(result == -ENOENT || (result == 0 && !timer->is_cancelled && note->handled == 0));
    if (result == 0)
        CHECK(left * 1000000 < timer->due_ns + 1000000 - apus__now_ns() || left <= 1);
    timer->is_cancelled = timer->is_cancelled || result == 0;
}

static inline void do_name(int me)
{
    uint32_t name = draw(me, NAMES);
    int to = draw_actor(me), holder = model.names[name], result;
    bool is_held = holder != NONE && is_alive(holder), takes_away = draw(me, 3) == 0;
    if (takes_away) {
        result = apus_unregister(name_texts[name]);
        CHECK_EQ(result, is_held ? 0 : -ESRCH);
        model.names[name] = NONE;
    } else {
        bool has_name = false, is_still_there = apus_is_alive(pid_of(to));
        for (int i = 0; i < NAMES; i++)
            has_name = has_name || model.names[i] == to;
        result = apus_register(name_texts[name], pid_of(to));
        CHECK_EQ(result, !is_still_there ? -ESRCH : is_held ? -EEXIST : has_name ? -EALREADY : 0);
        if (result == 0)
            model.names[name] = to;
    }
    trace("name", me, to, result);
}

#endif
