// Tests/C/simulation/actors.h - the cast of a simulated run: processes that do whatever their random numbers tell them.
//
// Each actor draws from a generator of its own, so that what it does depends on the seed and on what reaches it, and on nothing
// else. An action costs one unit of the run's energy; when that is used up, everybody only takes what still comes, and the run
// dies down.
#ifndef APUS_TESTS_SIMULATION_ACTORS_H
#define APUS_TESTS_SIMULATION_ACTORS_H

#include "acts.h"

enum { DEPTH_MAX = 2 }; // of waits within waits

static int actor_receive(apus_process *self, int me, apus_match *match, void *context, uint64_t timeout_ms, int depth);

// --- Waiting ---------------------------------------------------------------------------------------------------------------------

static inline int do_wait(apus_process *self, int me, int depth)
{
    apus_process_info_t info = {.struct_size = sizeof info};
    int to = draw_actor(me), result = APUS_OK;
    trace("wait", me, depth, 0);
    switch (draw(me, 5)) {
    case 0:
        CHECK_EQ(apus_sleep(self, draw(me, 10)), 0);
        break;
    case 1:
        CHECK_EQ(apus_yield(self), 0);
        break;
    case 2:
        result = apus_process_info(pid_of(to), APUS_INFINITY, &info);
        CHECK(result == 0 ? apus_pid_equal(info.pid, pid_of(to)) : result == -ESRCH && !is_alive(to));
        result = APUS_OK;
        break;
    default:
        result = actor_receive(self, me, NULL, NULL, draw(me, 10), depth + 1);
        break;
    }
    trace("waited", me, depth, 0);
    return result;
}

// --- Acting ----------------------------------------------------------------------------------------------------------------------

// Ends the actor in one of the ways there are.
static inline int do_end(apus_process *self, int me)
{
    uint32_t how = draw(me, 4);
    apus_reason reason = {.kind = draw_kind(me), .code = SELF_CODES + me, .text = draw(me, 2) ? "it had enough" : NULL};
    trace("end", me, how, reason.kind);
    if (how == 0)
        return -(SELF_CODES + me);
    if (how == 1 || (how > 1 && reason.kind == APUS_REASON_NORMAL))
        model.actors[me].chose_normal = true;
    return how == 1 ? APUS_DONE : apus_exit(self, reason);
}

// What the driver can do as well.
static inline void act_anywhere(int me, uint32_t choice)
{
    static void (*const acts[])(int me) = {do_spawn, do_exit_signal, do_send,  do_send, do_send,
                                           do_make,  do_send_name,   do_timer, do_cancel, do_name};
    if (!records_are_full())
        acts[choice % (sizeof acts / sizeof *acts)](me);
}

static inline void act_inside(apus_process *self, int me, uint32_t choice)
{
    static void (*const acts[])(apus_process *self, int me) = {do_link,      do_link,    do_link, do_unlink,  do_unlink, do_monitor,
                                                               do_demonitor, do_request, do_trap, do_abandon, do_request};
    if (!records_are_full())
        acts[choice % (sizeof acts / sizeof *acts)](self, me);
}

// One action.
static inline int act(apus_process *self, int me, int depth)
{
    uint32_t choice = draw(me, 64);
    if (model.energy <= 0 || model.actors[me].is_sink)
        return APUS_OK;
    model.energy--;
    if (draw(me, (uint32_t)model.life) == 0)
        return do_end(self, me);
    if (choice < 24)
        act_anywhere(me, choice);
    else if (choice < 44)
        act_inside(self, me, choice);
    else if (choice < 48)
        do_answer(me);
    else if (choice < 50)
        do_forward(me);
    else if (choice < 54 && depth < DEPTH_MAX && !records_are_full())
        do_call(me);
    else if (choice < 60 && depth < DEPTH_MAX)
        return do_wait(self, me, depth);
    else if (choice < 62)
        CHECK(apus_alloc(self, 1 + draw(me, 3000)) != NULL);
    else
        CHECK_EQ(apus_hibernate(self), APUS_OK);
    return APUS_OK;
}

// --- Taking ----------------------------------------------------------------------------------------------------------------------

static inline void take_down(int me, apus_message *message)
{
    const apus_down_message *down = apus_message_payload(message);
    struct monitor *monitor = monitor_of(down->ref);
    if (!monitor) {
        request_outcome(me, message, OUTCOME_DOWN);
        return;
    }
    struct actor *actor = &model.actors[me];
    trace("down", me, monitor->to, down->reason.kind);
    CHECK(monitor->from == me && !monitor->is_ended && !monitor->is_flushed && !is_alive(monitor->to));
    CHECK_EQ(++monitor->downs, 1);
    // R8: its names are free. R13: what it sent before has arrived.
    for (int i = 0; i < NAMES; i++) {
        apus_pid pid;
        CHECK(apus_whereis(name_texts[i], &pid) != 0 || monitor->to == DRIVER || !apus_pid_equal(pid, pid_of(monitor->to)));
    }
    if (down->reason.kind != APUS_REASON_NOPROC && !actor->is_picky && !actor->may_lose)
        CHECK_EQ(actor->got[monitor->to], model.actors[monitor->to].sent[me]);
}

static inline void take_exit(int me, apus_message *message)
{
    const apus_exit_message *exit = apus_message_payload(message);
    int from = actor_of(exit->from), record = exit->reason.code - EXIT_CODES;
    trace("exit taken", me, from, exit->reason.code);
    CHECK(model.actors[me].has_trapped);
    if (exit->reason.kind == APUS_REASON_SHUTDOWN && exit->reason.code == 0)
        return; // the runtime is being stopped
    if (record >= 0 && record < model.exit_count && model.exits[record].from == from && model.exits[record].to == me) {
        CHECK_EQ(++model.exits[record].delivered, 1);
        return;
    }
    CHECK(from > DRIVER && !is_alive(from));
    CHECK(model.actors[me].linked[from] || model.actors[from].linked[me]);
    CHECK(!model.actors[me].rid_of[from] || model.actors[from].linked[me]); // R17
    model.actors[me].exited[from] = true;
}

static inline void take_started(int me, apus_message *message)
{
    const apus_started *started = apus_message_payload(message);
    int child = actor_of(started->pid);
    trace("started", me, child, started->status);
    CHECK(child > DRIVER && model.actors[child].wants_ack && model.actors[child].parent == me);
    CHECK_EQ(++model.actors[child].acks, 1);
}

// True if the message has been kept.
static inline bool take_note(int me, apus_message *message)
{
    int number = note_in(message);
    const struct note *note = &model.notes[number];
    trace("note", me, number, note->kind);
    note_handled(number, me);
    if (apus_message_is_reply(message))
        request_outcome(me, message, OUTCOME_REPLY);
    if (note->kind == NOTE_TIMER)
        for (int i = 0; i < model.timer_count; i++)
            CHECK(model.timers[i].note != number || model.timers[i].due_ns <= apus__now_ns());
    struct actor *actor = &model.actors[me];
    uint32_t choice = draw(me, 4);
    if (choice == 0 && actor->kept_count < KEPT_MAX && !records_are_full()) {
        int result = apus_message_keep(message);
        CHECK(result == 0 || result == -EALREADY);
        actor->kept[actor->kept_count++] = message;
        return true;
    }
    if (choice < 3 && apus_message_is_request(message) && !records_are_full())
        reply_to_request(me, message);
    return false;
}

// True if the message has been kept.
static inline bool actor_take(int me, apus_message *message)
{
    const apus_type *type = apus_message_type(message);
    if (type == &type_note)
        return take_note(me, message);
    if (type == &apus_type_down)
        take_down(me, message);
    else if (type == &apus_type_exit)
        take_exit(me, message);
    else if (type == &apus_type_started)
        take_started(me, message);
    else if (type == &apus_type_timeout)
        request_outcome(me, message, OUTCOME_TIMEOUT);
    else
        CHECK(!"a message of unknown type");
    return false;
}

static inline int act_a_little(apus_process *self, int me, int depth)
{
    int result = APUS_OK;
    for (uint32_t acts = draw(me, 6); acts > 0 && result == APUS_OK; acts--)
        result = act(self, me, depth);
    return result;
}

static int actor_receive(apus_process *self, int me, apus_match *match, void *context, uint64_t timeout_ms, int depth)
{
    apus_message *message = apus_receive(self, match, context, timeout_ms);
    if (message && !actor_take(me, message))
        apus_message_release(message);
    return message ? act_a_little(self, me, depth) : act(self, me, depth);
}

// --- Being -----------------------------------------------------------------------------------------------------------------------

static int actor_init(apus_process *self, void *state, const void *argument)
{
    int me;
    memcpy(&me, argument, sizeof me);
    memcpy(state, argument, sizeof me);
    CHECK(apus_pid_equal(apus_pid_of(self), pid_of(me)));
    trace("init", me, 0, 0);
    if (draw(me, 32) == 0) {
        model.actors[me].chose_normal = true;
        return APUS_IGNORE;
    }
    return act(self, me, 0);
}

static int actor_handle(apus_process *self, void *state, apus_message *message)
{
    int me;
    memcpy(&me, state, sizeof me);
    CHECK(apus_pid_equal(apus_pid_of(self), pid_of(me)) && model.actors[me].terminated == 0);
    actor_take(me, message);
    return act_a_little(self, me, 0);
}

static void actor_terminate(apus_process *self, void *state, const apus_reason *reason)
{
    int me;
    memcpy(&me, state, sizeof me);
    trace("terminate", me, reason->kind, reason->code);
    CHECK_EQ(++model.actors[me].terminated, 1);
    if (draw(me, 2))
        act(self, me, 0);
}

// Those who are picky look for messages of one half of the cast first.
static inline bool is_from_half(const apus_message *message, void *context)
{
    return actor_of(apus_message_from(message)) % 2 == *(int *)context;
}

static void actor_body(apus_process *self, void *argument)
{
    int me = *(int *)argument, result = APUS_OK;
    trace("body", me, 0, 0);
    while (result == APUS_OK) {
        bool is_tired = model.energy <= 0 || model.actors[me].is_sink;
        int half = (int)draw(me, 2);
        bool picks = model.actors[me].is_picky && !is_tired && draw(me, 2);
        result = actor_receive(self, me, picks ? is_from_half : NULL, &half, is_tired ? APUS_INFINITY : draw(me, 50), 0);
    }
    if (result < 0)
        apus_exit(self, apus_reason_error(result, NULL));
    else if (result == APUS_DONE)
        apus_exit(self, apus_reason_of(APUS_REASON_NORMAL));
}

#endif
