// otp/decision.c - events from outside, and the common course of plans; stopping is in decision_stop.c.
#include "otp/decision_internal.h"

#include "otp/backoff.h"

#include <assert.h>
#include <string.h>

static const struct apus__strategy *const decision_strategies[] = {
    [APUS_ONE_FOR_ONE] = &apus__strategy_one_for_one,
    [APUS_ONE_FOR_ALL] = &apus__strategy_one_for_all,
    [APUS_REST_FOR_ONE] = &apus__strategy_rest_for_one,
    [APUS_DYNAMIC] = &apus__strategy_dynamic,
};

void apus__decision_init(struct apus__decision *decision, const apus_supervisor_spec *spec, apus_pid parent, uint64_t seed,
                         struct apus__store *store)
{
    memset(decision, 0, sizeof *decision);
    decision->strategy = decision_strategies[spec->strategy];
    decision->auto_shutdown = spec->auto_shutdown;
    decision->max_children = spec->strategy == APUS_DYNAMIC ? spec->max_children : 0;
    decision->stop_budget_ms = spec->stop_budget_ms;
    decision->parent = parent;
    decision->random = seed | 1;
    apus__children_init(&decision->children, store);
    apus__intensity_init(&decision->intensity, spec->intensity_is_set ? spec->intensity : 1,
                         spec->period_ms > 0 ? spec->period_ms : 5000, store);
}

// xorshift64* (Vigna 2016); jitter needs no more.
static uint64_t decision_random(struct apus__decision *decision)
{
    uint64_t x = decision->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    decision->random = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

struct apus__action apus__decision_reply(struct apus__decision *decision, int status, apus_pid pid)
{
    decision->phase = APUS__PHASE_REPLYING;
    return (struct apus__action){.kind = APUS__ACTION_REPLY, .status = status, .pid = pid};
}

static struct apus__action decision_wait(struct apus__decision *decision)
{
    decision->phase = APUS__PHASE_IDLE;
    return (struct apus__action){.kind = APUS__ACTION_WAIT};
}

// A child that is not coming back: its spec stays without a process, or goes with it (R44, R52).
void apus__decision_child_gone(struct apus__decision *decision, struct apus__child *child)
{
    apus__child_set_stopped(&decision->children, child);
    if (child->restart == APUS_TEMPORARY || !decision->strategy->keeps_stopped)
        apus__children_drop(&decision->children, child);
}

struct apus__action apus__decision_end(struct apus__decision *decision, apus_reason reason, uint64_t now_ms)
{
    decision->reason = reason;
    return apus__decision_stop_range(decision, APUS__GOAL_END, NULL, decision->children.first, decision->children.last, now_ms);
}

static struct apus__action decision_arm(struct apus__decision *decision, struct apus__child *child, uint64_t delay_ms)
{
    uint64_t ticket = apus__child_issue_ticket(&decision->children, child);
    decision->phase = APUS__PHASE_ARMING;
    return (struct apus__action){.kind = APUS__ACTION_ARM, .child = child, .ticket = ticket, .delay_ms = delay_ms};
}

// Starting ------------------------------------------------------------------------------------------------------------------------

static struct apus__action decision_start(struct apus__decision *decision, struct apus__child *child)
{
    decision->plan.cursor = child;
    decision->phase = APUS__PHASE_STARTING;
    apus__child_set_starting(&decision->children, child);
    return (struct apus__action){.kind = APUS__ACTION_START, .child = child};
}

static struct apus__action decision_start_range(struct apus__decision *decision, enum apus__goal goal, struct apus__child *first,
                                                struct apus__child *last)
{
    decision->plan.goal = goal;
    decision->plan.last = last;
    return decision_start(decision, first);
}

// Starts, once the stop before it is done, the children that share the subject's fate. The range is taken anew, since temporary
// children have been dropped from it.
struct apus__action apus__decision_stop_finished(struct apus__decision *decision)
{
    struct apus__plan *plan = &decision->plan;
    const struct apus__strategy *strategy = decision->strategy;
    switch (plan->goal) {
    case APUS__GOAL_RESTART:
        return decision_start_range(decision, APUS__GOAL_RESTART, strategy->first(&decision->children, plan->subject),
                                    strategy->last(&decision->children, plan->subject));
    case APUS__GOAL_ARM:
        return decision_arm(decision, plan->subject, plan->delay_ms);
    case APUS__GOAL_TERMINATE:
        return apus__decision_reply(decision, APUS_OK, APUS_NOBODY);
    default:
        assert(plan->goal == APUS__GOAL_END);
        decision->phase = APUS__PHASE_ENDED;
        return (struct apus__action){.kind = APUS__ACTION_END};
    }
}

// Stops the range of a RESTARTING child, and then starts it, at once or after a delay.
static struct apus__action decision_restart_range(struct apus__decision *decision, struct apus__child *child, uint64_t delay_ms,
                                                  uint64_t now_ms)
{
    decision->plan.delay_ms = delay_ms;
    return apus__decision_stop_range(decision, delay_ms > 0 ? APUS__GOAL_ARM : APUS__GOAL_RESTART, child,
                                     decision->strategy->first(&decision->children, child),
                                     decision->strategy->last(&decision->children, child), now_ms);
}

// A child has failed: it ran for `ran_ms` and ended, or a try to start it again failed (`retry`).
static struct apus__action decision_failed(struct apus__decision *decision, struct apus__child *child, bool retry, uint64_t ran_ms,
                                           uint64_t now_ms)
{
    if (!apus__intensity_add(&decision->intensity, now_ms)) {
        apus__decision_child_gone(decision, child);
        return apus__decision_end(decision, apus_reason_of(APUS_REASON_SHUTDOWN), now_ms);
    }
    apus__child_set_restarting(&decision->children, child);
    uint64_t delay_ms = 0;
    if (child->backoff != NULL)
        delay_ms = apus__backoff_next(child->backoff, &child->delay_ms, ran_ms, decision_random(decision));
    if (retry && delay_ms == 0)
        return decision_arm(decision, child, 0);
    return decision_restart_range(decision, child, delay_ms, now_ms);
}

// Whether the end of a child that is not coming back ends the supervisor (R51).
static bool decision_shuts_down(const struct apus__decision *decision, bool significant)
{
    switch (decision->auto_shutdown) {
    case APUS_AUTO_SHUTDOWN_ANY_SIGNIFICANT:
        return significant;
    case APUS_AUTO_SHUTDOWN_ALL_SIGNIFICANT:
        return significant && decision->children.live_significant == 0;
    default:
        return false;
    }
}

// Deals with a child that has ended of its own accord. WAIT: there is nothing to do.
static struct apus__action decision_child_ended(struct apus__decision *decision, struct apus__child *child, uint64_t now_ms)
{
    if (child->restart == APUS_PERMANENT || (child->restart == APUS_TRANSIENT && !child->ended_orderly))
        return decision_failed(decision, child, false, now_ms - child->started_ms, now_ms);
    bool significant = child->significant;
    apus__decision_child_gone(decision, child);
    if (decision_shuts_down(decision, significant))
        return apus__decision_end(decision, apus_reason_of(APUS_REASON_SHUTDOWN), now_ms);
    return decision_wait(decision);
}

// A plan is done: deals with the children that have ended, until one of them needs a plan of its own or none is left.
static struct apus__action decision_settle(struct apus__decision *decision, uint64_t now_ms)
{
    struct apus__child *child;
    while ((child = apus__children_take_ended(&decision->children)) != NULL) {
        struct apus__action action = decision_child_ended(decision, child, now_ms);
        if (action.kind != APUS__ACTION_WAIT)
            return action;
    }
    return decision_wait(decision);
}

// Goes on after a child that was started or ignored: the next one, or the end of the plan.
static struct apus__action decision_start_next(struct apus__decision *decision, struct apus__child *next, apus_pid pid,
                                               uint64_t now_ms)
{
    if (next != NULL)
        return decision_start(decision, next);
    if (decision->plan.goal == APUS__GOAL_RESTART)
        return decision_settle(decision, now_ms);
    return apus__decision_reply(decision, APUS_OK, pid);
}

static struct apus__action decision_started(struct apus__decision *decision, const struct apus__event *event)
{
    struct apus__plan *plan = &decision->plan;
    struct apus__child *child = plan->cursor;
    struct apus__child *next = child == plan->last ? NULL : child->next;
    apus_pid pid = APUS_NOBODY;
    if (event->kind == APUS__EVENT_STARTED) {
        apus__child_set_running(&decision->children, child, event->pid, event->now_ms);
        child->restarts += plan->goal == APUS__GOAL_RESTART;
        if (plan->goal != APUS__GOAL_INIT)
            pid = event->pid;
    } else {
        apus__decision_child_gone(decision, child);
    }
    return decision_start_next(decision, next, pid, event->now_ms);
}

static struct apus__action decision_start_failed(struct apus__decision *decision, const struct apus__event *event)
{
    struct apus__child *child = decision->plan.cursor;
    switch (decision->plan.goal) {
    case APUS__GOAL_RESTART:
        // If a sibling before the subject failed, the next try is the sibling's, and the subject waits with the others for its
        // turn.
        if (decision->plan.subject->state == APUS__CHILD_RESTARTING)
            apus__child_set_stopped(&decision->children, decision->plan.subject);
        return decision_failed(decision, child, true, 0, event->now_ms);
    case APUS__GOAL_ADD:
        apus__child_set_stopped(&decision->children, child);
        apus__children_drop(&decision->children, child);
        return apus__decision_reply(decision, event->status, APUS_NOBODY);
    case APUS__GOAL_START_AGAIN:
        apus__child_set_stopped(&decision->children, child);
        return apus__decision_reply(decision, event->status, APUS_NOBODY);
    default:
        assert(decision->plan.goal == APUS__GOAL_INIT);
        return apus__decision_end(decision, apus_reason_error(event->status, NULL), event->now_ms);
    }
}

// Requests ------------------------------------------------------------------------------------------------------------------------

static struct apus__action decision_add(struct apus__decision *decision, struct apus__child *child)
{
    struct apus__children *children = &decision->children;
    const struct apus__child *present = child->id != NULL ? apus__children_find_id(children, child->id) : NULL;
    if (present != NULL || (decision->max_children > 0 && children->count >= decision->max_children)) {
        apus__children_reject(children, child);
        if (present == NULL)
            return apus__decision_reply(decision, -ENOSPC, APUS_NOBODY);
        apus_pid pid = apus__child_pid(present);
        return apus__decision_reply(decision, pid.id != 0 ? -EALREADY : -EEXIST, pid);
    }
    apus__children_append(children, child);
    return decision_start_range(decision, APUS__GOAL_ADD, child, child);
}

static struct apus__action decision_restart(struct apus__decision *decision, struct apus__child *child)
{
    switch (child->state) {
    case APUS__CHILD_RUNNING:
        return apus__decision_reply(decision, -EALREADY, apus__child_pid(child));
    case APUS__CHILD_RESTARTING:
        return apus__decision_reply(decision, -EINPROGRESS, APUS_NOBODY);
    default:
        return decision_start_range(decision, APUS__GOAL_START_AGAIN, child, child);
    }
}

static struct apus__action decision_delete(struct apus__decision *decision, struct apus__child *child)
{
    if (child->state != APUS__CHILD_STOPPED)
        return apus__decision_reply(decision, -EBUSY, APUS_NOBODY);
    apus__children_drop(&decision->children, child);
    return apus__decision_reply(decision, APUS_OK, APUS_NOBODY);
}

static struct apus__action decision_request(struct apus__decision *decision, const struct apus__event *event)
{
    struct apus__child *child = event->child;
    if (child == NULL)
        return apus__decision_reply(decision, -ENOENT, APUS_NOBODY);
    switch (event->kind) {
    case APUS__EVENT_ADD:
        return decision_add(decision, child);
    case APUS__EVENT_RESTART:
        return decision_restart(decision, child);
    case APUS__EVENT_DELETE:
        return decision_delete(decision, child);
    default:
        return apus__decision_stop_range(decision, APUS__GOAL_TERMINATE, NULL, child, child, event->now_ms);
    }
}

// Events --------------------------------------------------------------------------------------------------------------------------

static struct apus__action decision_begin(struct apus__decision *decision)
{
    struct apus__children *children = &decision->children;
    if (children->first == NULL)
        return apus__decision_reply(decision, APUS_OK, APUS_NOBODY);
    return decision_start_range(decision, APUS__GOAL_INIT, children->first, children->last);
}

static struct apus__action decision_timer(struct apus__decision *decision, const struct apus__event *event)
{
    struct apus__child *child = apus__children_find_ticket(&decision->children, event->ticket);
    if (child == NULL)
        return decision_wait(decision); // the child was stopped, started or dropped meanwhile
    return decision_restart_range(decision, child, 0, event->now_ms);
}

static struct apus__action decision_down(struct apus__decision *decision, const struct apus__event *event)
{
    if (decision->phase == APUS__PHASE_AWAITING)
        return apus__decision_stop_down(decision, event);
    apus__decision_note_end(decision, event->pid, &event->reason);
    return decision_settle(decision, event->now_ms);
}

// The outcomes DONE: what was done is known from the phase.
static struct apus__action decision_done(struct apus__decision *decision, const struct apus__event *event)
{
    if (decision->phase == APUS__PHASE_SIGNALLING)
        return apus__decision_stop_signalled(decision, event->now_ms);
    return decision_settle(decision, event->now_ms);
}

struct apus__action apus__decision_step(struct apus__decision *decision, const struct apus__event *event)
{
    switch (event->kind) {
    case APUS__EVENT_DOWN:
        return decision_down(decision, event);
    case APUS__EVENT_STARTED:
    case APUS__EVENT_IGNORED:
        return decision_started(decision, event);
    case APUS__EVENT_FAILED:
        return decision_start_failed(decision, event);
    case APUS__EVENT_DONE:
        return decision_done(decision, event);
    case APUS__EVENT_DEADLINE:
        return apus__decision_stop_deadline(decision, event->now_ms);
    case APUS__EVENT_TIMER:
        return decision_timer(decision, event);
    case APUS__EVENT_EXIT:
        if (!apus__decision_obeys(decision, event->pid, &event->reason))
            return decision_wait(decision);
        return apus__decision_end(decision, event->reason, event->now_ms);
    case APUS__EVENT_STOP:
        return apus__decision_end(decision, event->reason, event->now_ms);
    case APUS__EVENT_INIT:
        return decision_begin(decision);
    default:
        return decision_request(decision, event);
    }
}

void apus__decision_count(const struct apus__decision *decision, apus_child_counts *counts)
{
    const struct apus__children *children = &decision->children;
    *counts = (apus_child_counts){
        .specs = children->count,
        .active = children->running,
        .supervisors = children->supervisors,
        .workers = children->count - children->supervisors,
    };
}

bool apus__decision_is_valid(const struct apus__decision *decision)
{
    if (!apus__children_is_valid(&decision->children))
        return false;
    if (decision->phase != APUS__PHASE_IDLE)
        return true;
    for (const struct apus__child *child = decision->children.first; child != NULL; child = child->next) {
        if (child->state == APUS__CHILD_STARTING || child->state == APUS__CHILD_STOPPING || child->ended)
            return false;
        if (child->state == APUS__CHILD_RESTARTING && child->by_ticket.key == 0)
            return false;
    }
    return decision->children.ended_first == NULL;
}
