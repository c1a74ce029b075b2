// otp/decision_stop.c - stopping a range of children: shutdown first, kill when their time is up.
//
// Idea:       a cursor walks from the last child back to the first (R40). One that runs is told, by shutdown or (brutal kill, or a
//             budget that is used up) by kill. Unless the strategy stops concurrently and the supervisor is ending, the next one's
//             turn comes when this one is gone; otherwise all are told, and then awaited together (R52).
// Deadlines:  each child has its own; the plan's `wake_ms` is never later than the earliest of them. When it comes, the children
//             whose time is up are killed, and waited for without limit: nothing else can be done about a process that a kill does
//             not end, and to start its successor beside it would be worse. A stop budget (R55) bounds every deadline.
// Cost:       O(1) for each child, and O(children) for each deadline that passes.
#include "otp/decision_internal.h"

#include <assert.h>

static uint64_t stop_sum(uint64_t now_ms, uint64_t more_ms)
{
    return more_ms > APUS_INFINITY - now_ms ? APUS_INFINITY : now_ms + more_ms;
}

static uint64_t stop_earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static bool stop_is_concurrent(const struct apus__decision *decision)
{
    return decision->strategy->stops_concurrently && decision->plan.goal == APUS__GOAL_END;
}

static struct apus__action stop_await(struct apus__decision *decision)
{
    decision->phase = APUS__PHASE_AWAITING;
    return (struct apus__action){.kind = APUS__ACTION_AWAIT, .at_ms = decision->plan.wake_ms};
}

// Tells a child that runs to end.
static struct apus__action stop_tell(struct apus__decision *decision, struct apus__child *child, uint64_t now_ms)
{
    struct apus__plan *plan = &decision->plan;
    bool kill = child->shutdown_ms == APUS_SHUTDOWN_BRUTAL_KILL || now_ms >= plan->budget_ms;
    uint64_t deadline_ms = kill ? APUS_INFINITY : stop_earlier(stop_sum(now_ms, child->shutdown_ms), plan->budget_ms);
    apus__child_set_stopping(&decision->children, child, deadline_ms);
    plan->stopping++;
    plan->wake_ms = stop_earlier(plan->wake_ms, deadline_ms);
    decision->phase = APUS__PHASE_SIGNALLING;
    return (struct apus__action){.kind = kill ? APUS__ACTION_KILL : APUS__ACTION_SHUTDOWN, .child = child};
}

// Goes on with the next child of the range that runs.
static struct apus__action stop_next(struct apus__decision *decision, uint64_t now_ms)
{
    struct apus__plan *plan = &decision->plan;
    while (plan->cursor != NULL) {
        struct apus__child *child = plan->cursor;
        plan->cursor = child == plan->first ? NULL : child->previous;
        if (child == plan->subject)
            continue;
        if (apus__child_is_up(child))
            return stop_tell(decision, child, now_ms);
        apus__decision_child_gone(decision, child);
    }
    return plan->stopping > 0 ? stop_await(decision) : apus__decision_stop_finished(decision);
}

struct apus__action apus__decision_stop_range(struct apus__decision *decision, enum apus__goal goal, struct apus__child *subject,
                                              struct apus__child *first, struct apus__child *last, uint64_t now_ms)
{
    struct apus__plan *plan = &decision->plan;
    plan->goal = goal;
    plan->subject = subject;
    plan->first = first;
    plan->cursor = last;
    plan->due = NULL;
    plan->stopping = 0;
    plan->wake_ms = APUS_INFINITY;
    bool has_budget = decision->stop_budget_ms > 0 && goal != APUS__GOAL_TERMINATE;
    plan->budget_ms = has_budget ? stop_sum(now_ms, decision->stop_budget_ms) : APUS_INFINITY;
    return stop_next(decision, now_ms);
}

// Kills the next child whose time is up, or waits on.
static struct apus__action stop_kill_due(struct apus__decision *decision, uint64_t now_ms)
{
    struct apus__plan *plan = &decision->plan;
    while (plan->due != NULL) {
        struct apus__child *child = plan->due;
        plan->due = child->previous;
        if (child->state != APUS__CHILD_STOPPING)
            continue;
        if (child->deadline_ms <= now_ms) {
            child->deadline_ms = APUS_INFINITY;
            decision->phase = APUS__PHASE_SIGNALLING;
            return (struct apus__action){.kind = APUS__ACTION_KILL, .child = child};
        }
        plan->wake_ms = stop_earlier(plan->wake_ms, child->deadline_ms);
    }
    return stop_await(decision);
}

struct apus__action apus__decision_stop_signalled(struct apus__decision *decision, uint64_t now_ms)
{
    if (decision->plan.due != NULL)
        return stop_kill_due(decision, now_ms);
    return stop_is_concurrent(decision) ? stop_next(decision, now_ms) : stop_await(decision);
}

struct apus__action apus__decision_stop_deadline(struct apus__decision *decision, uint64_t now_ms)
{
    assert(decision->phase == APUS__PHASE_AWAITING);
    decision->plan.wake_ms = APUS_INFINITY;
    decision->plan.due = decision->children.last;
    return stop_kill_due(decision, now_ms);
}

struct apus__action apus__decision_stop_down(struct apus__decision *decision, const struct apus__event *event)
{
    struct apus__plan *plan = &decision->plan;
    struct apus__child *child = apus__children_find_pid(&decision->children, event->pid);
    if (child == NULL || child->state != APUS__CHILD_STOPPING) {
        apus__decision_note_end(decision, event->pid, &event->reason);
        return stop_await(decision);
    }
    plan->stopping--;
    apus__decision_child_gone(decision, child);
    if (plan->stopping > 0)
        return stop_await(decision);
    plan->wake_ms = APUS_INFINITY;
    return stop_next(decision, event->now_ms);
}
