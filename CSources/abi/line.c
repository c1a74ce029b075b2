// abi/line.c - calls of a plain thread by its line (scheduler/line.h): an errand that is used again and again.
//
// Idea:       the thread writes the request, asks, and waits for another word than the errand's last; the scheduler makes the
//             errand's process and asks in its name at once, before its first turn and without a stack (scheduler/wait.h). Whoever
//             brings the outcome writes the answer, and in its turn the process has nothing to do but to end. Only if the request cannot
//             be sent as simply as that, to a full mailbox or in the middle of a callback, or while cells are few, the process has a body
//             that calls as any other does. What does not fit a line, or finds its bell under way to another scheduler, or no cell here,
//             has an errand of its own (request.c).
// A caller:   what it asks as one that was made before (caller.c) goes to the scheduler of the cell that is reserved for that, which begins
//             the process there. With the answer comes the pid of a cell for the thread's next caller.
// Where:      the line stays with the scheduler that attends to it while the thread calls one process. A scheduler that finds this
//             to be another's by now serves the request all the same, and attends no more: so the thread looks where the process
//             is.
// Ownership:  as an errand's, but DONE leaves the block to the thread's next call. One that it has given up it leaves behind, and
//             takes another.
// Told early: the thread is told before the process ends, which is hidden from all others by then, so that it need not wait for that. From
//             then on the line may serve its next request, or be gone: nothing of it is touched. The answer is written last and at once:
//             the thread, which spins on that cache line, would take it away in between.
// Few cells:  threads that are told at once may ask again before the processes of their last requests have ended, which then are several
//             for each. One that is told in the process's turn does not: so what is kept for errands is enough for as many threads.
// Ordering:   in line.h and errand.c. A process that was ended in its wait says nothing, and the thread finds what it has written itself.
#include "abi/enter.h"
#include "process/nursery.h"

#include <stdlib.h>

static struct apus__line *line_of(struct apus__errand *errand)
{
    return apus_container_of(errand, struct apus__line, errand);
}

// --- The scheduler's side -------------------------------------------------------------------------------------------------------

// A cell for the thread's next caller, if it wants one, and its callee is here still, where the thread has asked.
static apus_pid line_reserve(struct apus__owner *here, const struct apus__line *line)
{
    if (!line->wants_spare || apus_load_relaxed(&line->taken) % APUS__LINE_SLOTS != here->id)
        return APUS_NOBODY;
    const struct apus_process *process = apus__find(line->to);
    return process && apus_load_relaxed(&process->owner) == here->id ? apus__reserve_here(here) : APUS_NOBODY;
}

static uint64_t line_timeout(const struct apus__line *line)
{
    return line->timeout_ms == UINT32_MAX ? APUS_INFINITY : line->timeout_ms;
}

// Writes the answer, with the reply if there is one that has room in it.
static void line_say(struct apus__line *line, int result, enum apus__line_says says, apus_pid spare, const apus_message *reply)
{
    line->errand.result = result;
    line->says = (uint8_t)says;
    if (line->caller.id)
        line->spare = spare;
    else if (reply)
        line->ref = reply->ref;
    if (!reply)
        return;
    line->size = (uint8_t)reply->size;
    line->reply.type = reply->type;
    line->reply.from = reply->from;
    memcpy(line->reply.payload, apus_message_payload(reply), reply->size);
}

// Tells the thread what the call of `process` has come to, which then ends.
static void line_answer(struct apus__owner *here, struct apus__line *line, struct apus_process *process, int result, apus_message *reply)
{
    apus__errand_hide(process);
    apus_pid spare = line_reserve(here, line);
    bool fits = reply && reply->kind == APUS__REPLY && reply->size <= APUS__LINE_REPLY;
    if (fits)
        line_say(line, result, APUS__LINE_SAYS_REPLY, spare, reply);
    else if (reply && (line->where = apus__message_copy_out(here, reply, NULL, 0)))
        line_say(line, result, APUS__LINE_SAYS_WHERE, spare, NULL);
    else
        line_say(line, reply ? -ENOBUFS : result, APUS__LINE_SAYS_RESULT, spare, NULL);
    apus__errand_done(here, &line->errand);
    if (fits)
        apus__message_free(here, reply); // its payload has moved
}

static void line_run(struct apus__owner *here, struct apus__errand *errand)
{
    struct apus__line *line = line_of(errand);
    apus_message *reply = NULL;
    int result = apus__call_here(here, line->caller, line->to, line->type, line->request, line->size, line_timeout(line), &line->is_begun,
                                 &reply);
    line_answer(here, line, here->current, result, reply);
}

static void line_ended(apus_process *self, void *argument)
{
    (void)self;
    (void)argument;
}

static void line_then(struct apus__owner *here, struct apus__wait *wait)
{
    apus_message *reply = NULL;
    int result = apus__call_end(here, wait, &reply);
    *apus__body(wait->process) = line_ended;
    wait->process->extra->pins++; // to wake another scheduler for its end would take longer than that
    line_answer(here, apus_container_of(wait, struct apus__line, wait), wait->process, result, reply);
}

// Asks in the name of the process, whose body then need not. False if that would take more than to send and to wait.
static bool line_ask_at_once(struct apus__owner *here, struct apus__line *line, struct apus_process *process)
{
    if (apus_unlikely(here->current != NULL || apus__nursery_is_small(here)))
        return false;
    here->current = process;
    here->handling = NULL;
    line->wait.then = line_then;
    int result = apus__call_begin(here, &line->wait, line->caller, line->to, line->type, line->request, line->size, line_timeout(line),
                                  &line->is_begun);
    here->current = NULL;
    return result == 0;
}

static void line_begin(struct apus__owner *here, struct apus__line *line, bool has_rung)
{
    line->is_begun = false;
    const struct apus_process *process = apus__find(line->to);
    bool is_abandoned = has_rung && apus__errand_is_abandoned(&line->errand);
    // relaxed: only where the next request should better go.
    if (apus_unlikely(is_abandoned || (process && apus_load_relaxed(&process->owner) != here->id)))
        apus__line_forget(apus__slot_of(here), line);
    struct apus_process *asks;
    int result = is_abandoned ? -ETIMEDOUT : apus__errand_make(here, &line->errand, line->caller, &asks);
    if (apus_likely(result == 0)) {
        if (apus_unlikely(!line_ask_at_once(here, line, asks)))
            apus__schedule(here, asks);
        return;
    }
    apus__errand_refuse(here, &line->errand, result);
}

// --- The thread's side, and what is left for the scheduler of what it has given up ---------------------------------------------

// As the reply to `caller`; nobody: the answer says to what.
static void line_copy_reply(const struct apus__line *line, apus_pid caller, apus_message *room)
{
    apus__message_set_head(room, line->size, APUS__REPLY, APUS__BLOCK_ROOM);
    room->type = line->reply.type;
    room->from = line->reply.from;
    room->ref = caller.id ? apus__caller_ref(caller) : line->ref;
    memcpy(apus_message_payload(room), line->reply.payload, line->size);
}

static void line_drop_reply(const struct apus__line *line)
{
    _Alignas(16) char room[sizeof(apus_message) + APUS__LINE_REPLY];
    line_copy_reply(line, APUS_NOBODY, (apus_message *)(void *)room);
    apus__payload_drop((apus_message *)(void *)room);
}

// Drops the payload of a request that has failed so, unless it has gone on or is its caller's. Without a reply the answer has left it as it
// was.
static void line_drop_request(const struct apus__line *line, int result)
{
    _Alignas(16) char payload[APUS__LINE_REQUEST];
    if (!result || !line->type->drop || line->is_begun || apus__call_has_changed_nothing(result))
        return;
    memcpy(payload, line->request, line->size);
    line->type->drop(payload, line->size, line->type);
}

// The result of the request of `caller` that is done, and in *outcome what has come with it: in `room`, if there is one, or in a block
// of its own. What is left is dropped; not in the line, and last, since `drop` might call by it.
static int line_take_answer(struct apus__line *line, apus_pid caller, apus_message *room, apus_message **outcome)
{
    int result = line->errand.result;
    *outcome = NULL;
    if (line->says == APUS__LINE_SAYS_WHERE) {
        *outcome = line->where;
    } else if (line->says == APUS__LINE_SAYS_REPLY && room) {
        line_copy_reply(line, caller, room);
        *outcome = room;
    } else if (line->says == APUS__LINE_SAYS_REPLY) {
        line_drop_reply(line);
        result = -ENOBUFS;
    } else {
        line_drop_request(line, result);
    }
    return result;
}

// The cell that was reserved with the answer; nobody's if none was.
static apus_pid line_take_spare(const struct apus__line *line)
{
    return line->wants_spare && line->says != APUS__LINE_SAYS_NOTHING ? line->spare : APUS_NOBODY;
}

static void line_drop_outcome(apus_message *outcome)
{
    if (!outcome)
        return;
    apus__payload_drop(outcome);
    apus__foreign_free(outcome);
}

// The thread has been told that its time is up, and has left the line behind.
static void line_dispose(struct apus__errand *errand)
{
    struct apus__line *line = line_of(errand);
    uint32_t inside = apus__pin();
    apus_message *outcome;
    line->errand.result = -ETIMEDOUT;
    apus__reserved_drop(line_take_spare(line));
    line_take_answer(line, APUS_NOBODY, NULL, &outcome);
    line_drop_outcome(outcome);
    apus__unpin(inside);
    apus__line_let_go(line);
}

// How a request goes: to which scheduler, whether the thread spins until it is done, and whether it needs the bell.
struct line_way {
    uint32_t id;
    bool spins, rings;
};

// The line of the thread, and the way to `to`, or to the cell of the caller; NULL if it cannot be by a line.
static struct apus__line *line_find(struct apus__owner *here, apus_pid caller, apus_pid to, struct line_way *way)
{
    if (apus_load_relaxed(&apus__world.state) != APUS__WORLD_RUNNING || apus__world.is_simulated)
        return NULL;
    struct apus__line **mine = &apus__foreign_keeps(here)->line, *line = *mine;
    if (apus_unlikely(!line) && !(line = *mine = apus__line_new(line_begin, line_run, line_dispose)))
        return NULL;
    way->id = apus__errand_where(here, to);
    if (caller.id) {
        here->last_used = way->id; // the next caller had better be there
        way->id = apus__caller_at(here, caller);
        if (apus_unlikely(way->id == APUS__FOREIGN))
            return NULL;
    }
    // Who attends has a core, and so has this thread: they are two.
    way->rings = !apus__line_is_attended(line, way->id);
    way->spins = !way->rings || apus__errand_may_spin(way->id);
    // relaxed: the next ring is ordered by its own exchange.
    return way->rings && apus_load_relaxed(&line->rung) ? NULL : line;
}

// Until the request is done. False if time is up, and it has been given up.
static bool line_await(struct apus__line *line, uint32_t open, uint64_t timeout_ms, struct line_way way)
{
    if (way.spins && apus_likely(apus__errand_spin(&line->errand, open)))
        return true;
    if (!way.rings) {
        int error;
        struct apus__owner *here = apus__foreign_enter(&error);
        // The runtime is not taken down while the request is open; when it is not, there may be nobody to be rung.
        if (here && apus_load_relaxed(&line->errand.word) == open)
            apus__line_ring(here, line);
        if (here)
            apus__foreign_leave();
    }
    return apus__errand_await(&line->errand, open, timeout_ms);
}

// What the thread asks with, but for its asking.
static void line_write(struct apus__line *line, apus_pid caller, apus_pid to, const apus_type *type, const void *payload,
                       size_t size, uint64_t timeout_ms, bool wants_spare)
{
    // Even to store what is there would take the cache line away from the scheduler.
    if (apus_unlikely(!apus_pid_equal(line->to, to)))
        line->to = to;
    if (apus_unlikely(line->type != type))
        line->type = type;
    line->errand.result = -ESHUTDOWN;
    line->says = APUS__LINE_SAYS_NOTHING;
    line->caller = caller;
    line->timeout_ms = (uint32_t)timeout_ms;
    line->size = (uint8_t)size;
    line->wants_spare = wants_spare;
    if (size)
        memcpy(line->request, payload, size);
}

// Whether the size of the payload and the time limit can be said in a line's request.
static bool line_has_room(size_t size, uint64_t timeout_ms)
{
    return size <= APUS__LINE_REQUEST && (timeout_ms < UINT32_MAX || timeout_ms == APUS_INFINITY);
}

bool apus__line_call(apus_pid caller, apus_pid to, const apus_type *type, const void *payload, size_t size,
                     uint64_t timeout_ms, apus_message **reply, int *result)
{
    struct apus__owner *here = !line_has_room(size, timeout_ms) || apus__local.carrier ? NULL : apus__foreign_enter(result);
    if (!here)
        return false;
    struct line_way way;
    struct apus__line *line = line_find(here, caller, to, &way);
    if (!line) {
        apus__foreign_leave();
        return false;
    }
    struct apus__keeps *keeps = apus__foreign_keeps(here);
    line_write(line, caller, to, type, payload, size, timeout_ms, caller.id && !keeps->spare.pid.id);
    uint32_t open = apus_load_relaxed(&line->errand.word);
    apus_bump_relaxed(&here->counters.errands, 1);
    apus__line_ask(line, way.id);
    if (way.rings)
        apus__line_ring(here, line);
    apus__foreign_leave();
    // Not before: the scheduler is at it meanwhile.
    apus_message *room = apus__foreign_room(keeps), *outcome = NULL;
    if (line_await(line, open, timeout_ms, way)) {
        if (line->wants_spare)
            keeps->spare = (struct apus__place){line_take_spare(line), way.id};
        *result = line_take_answer(line, caller, room, &outcome);
    } else {
        *result = -ETIMEDOUT;
        keeps->line = NULL;
    }
    if (room && outcome != room)
        apus__foreign_free(room);
    if (reply)
        *reply = outcome;
    else
        line_drop_outcome(outcome);
    return *result != -EAGAIN; // there was no cell: others are to be asked as well
}
