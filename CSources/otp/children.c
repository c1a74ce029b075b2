#include "otp/children.h"

#include <assert.h>
#include <string.h>

#define CHILD_OF(node, member) ((struct apus__child *)(void *)((char *)(node)-offsetof(struct apus__child, member)))

// FNV-1a.
static uint64_t children_hash(const char *id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *id != '\0'; id++)
        hash = (hash ^ (uint8_t)*id) * UINT64_C(0x100000001b3);
    return hash;
}

void apus__children_init(struct apus__children *children, struct apus__store *store)
{
    memset(children, 0, sizeof *children);
    apus__keymap_init(&children->by_pid, store);
    apus__keymap_init(&children->by_id, store);
    apus__keymap_init(&children->by_ticket, store);
}

void apus__children_append(struct apus__children *children, struct apus__child *child)
{
    assert(child->state == APUS__CHILD_STOPPED);
    child->next = NULL;
    child->previous = children->last;
    if (children->last != NULL)
        children->last->next = child;
    else
        children->first = child;
    children->last = child;
    if (child->id != NULL) {
        child->by_id.key = children_hash(child->id);
        apus__keymap_insert(&children->by_id, &child->by_id);
    }
    children->count++;
    children->supervisors += child->kind == APUS_SUPERVISOR;
}

void apus__children_reject(struct apus__children *children, struct apus__child *child)
{
    child->next = children->dropped;
    children->dropped = child;
}

void apus__children_drop(struct apus__children *children, struct apus__child *child)
{
    assert(child->state == APUS__CHILD_STOPPED);
    if (child->previous != NULL)
        child->previous->next = child->next;
    else
        children->first = child->next;
    if (child->next != NULL)
        child->next->previous = child->previous;
    else
        children->last = child->previous;
    if (child->id != NULL)
        apus__keymap_remove(&children->by_id, &child->by_id);
    children->count--;
    children->supervisors -= child->kind == APUS_SUPERVISOR;
    apus__children_reject(children, child);
}

struct apus__child *apus__children_take_dropped(struct apus__children *children)
{
    struct apus__child *child = children->dropped;
    if (child != NULL)
        children->dropped = child->next;
    return child;
}

struct apus__child *apus__children_find_id(const struct apus__children *children, const char *id)
{
    struct apus__keymap_node *node = apus__keymap_find(&children->by_id, children_hash(id));
    while (node != NULL && strcmp(CHILD_OF(node, by_id)->id, id) != 0)
        node = apus__keymap_find_next(node);
    return node != NULL ? CHILD_OF(node, by_id) : NULL;
}

struct apus__child *apus__children_find_pid(const struct apus__children *children, apus_pid pid)
{
    struct apus__keymap_node *node = apus__keymap_find(&children->by_pid, pid.id);
    return node != NULL ? CHILD_OF(node, by_pid) : NULL;
}

struct apus__child *apus__children_find_ticket(const struct apus__children *children, uint64_t ticket)
{
    struct apus__keymap_node *node = apus__keymap_find(&children->by_ticket, ticket);
    return node != NULL ? CHILD_OF(node, by_ticket) : NULL;
}

apus_pid apus__child_pid(const struct apus__child *child)
{
    bool runs = child->state == APUS__CHILD_RUNNING || child->state == APUS__CHILD_STOPPING;
    return (apus_pid){runs ? child->by_pid.key : 0};
}

// Every change of state passes through here, which keeps the counters.
static void child_set_state(struct apus__children *children, struct apus__child *child, enum apus__child_state state)
{
    if (child->significant)
        children->live_significant += (uint64_t)(state != APUS__CHILD_STOPPED) - (uint64_t)(child->state != APUS__CHILD_STOPPED);
    child->state = (uint8_t)state;
}

static void child_forget_pid(struct apus__children *children, struct apus__child *child)
{
    if (child->by_pid.key != 0)
        apus__keymap_remove(&children->by_pid, &child->by_pid);
    child->by_pid.key = 0;
}

static void child_forget_ticket(struct apus__children *children, struct apus__child *child)
{
    if (child->by_ticket.key != 0)
        apus__keymap_remove(&children->by_ticket, &child->by_ticket);
    child->by_ticket.key = 0;
}

// Takes the child out of the list of those that have ended.
static void child_unlist_ended(struct apus__children *children, struct apus__child *child)
{
    if (child->ended_previous != NULL)
        child->ended_previous->ended_next = child->ended_next;
    else
        children->ended_first = child->ended_next;
    if (child->ended_next != NULL)
        child->ended_next->ended_previous = child->ended_previous;
    else
        children->ended_last = child->ended_previous;
    child->ended = false;
}

void apus__child_set_starting(struct apus__children *children, struct apus__child *child)
{
    assert(child->state == APUS__CHILD_STOPPED || child->state == APUS__CHILD_RESTARTING);
    child_forget_ticket(children, child);
    child_set_state(children, child, APUS__CHILD_STARTING);
}

void apus__child_set_running(struct apus__children *children, struct apus__child *child, apus_pid pid, uint64_t now_ms)
{
    assert(child->state == APUS__CHILD_STARTING && pid.id != 0);
    child_forget_pid(children, child);
    child->by_pid.key = pid.id;
    apus__keymap_insert(&children->by_pid, &child->by_pid);
    child->started_ms = now_ms;
    children->running++;
    child_set_state(children, child, APUS__CHILD_RUNNING);
}

void apus__child_set_stopping(struct apus__children *children, struct apus__child *child, uint64_t deadline_ms)
{
    assert(apus__child_is_up(child));
    child->deadline_ms = deadline_ms;
    child_set_state(children, child, APUS__CHILD_STOPPING);
}

void apus__child_set_restarting(struct apus__children *children, struct apus__child *child)
{
    assert(child->state == APUS__CHILD_STARTING || (child->state == APUS__CHILD_RUNNING && !child->ended));
    child_set_state(children, child, APUS__CHILD_RESTARTING);
}

void apus__child_set_stopped(struct apus__children *children, struct apus__child *child)
{
    if (child->ended)
        child_unlist_ended(children, child);
    else if (child->state == APUS__CHILD_STOPPING)
        children->running--;
    child_forget_pid(children, child);
    child_forget_ticket(children, child);
    child_set_state(children, child, APUS__CHILD_STOPPED);
}

uint64_t apus__child_issue_ticket(struct apus__children *children, struct apus__child *child)
{
    assert(child->state == APUS__CHILD_RESTARTING && child->by_ticket.key == 0);
    child->by_ticket.key = ++children->last_ticket;
    apus__keymap_insert(&children->by_ticket, &child->by_ticket);
    return child->by_ticket.key;
}

void apus__children_note_end(struct apus__children *children, apus_pid pid, bool orderly)
{
    struct apus__child *child = apus__children_find_pid(children, pid);
    if (child == NULL || !apus__child_is_up(child))
        return;
    child->ended = true;
    child->ended_orderly = orderly;
    child->ended_next = NULL;
    child->ended_previous = children->ended_last;
    if (children->ended_last != NULL)
        children->ended_last->ended_next = child;
    else
        children->ended_first = child;
    children->ended_last = child;
    children->running--;
}

struct apus__child *apus__children_take_ended(struct apus__children *children)
{
    struct apus__child *child = children->ended_first;
    if (child != NULL)
        child_unlist_ended(children, child);
    return child;
}

static bool child_is_valid(const struct apus__children *children, const struct apus__child *child)
{
    bool running = child->state == APUS__CHILD_RUNNING || child->state == APUS__CHILD_STOPPING;
    bool listed = child->by_pid.key != 0;
    if (running && !listed)
        return false;
    if (child->state == APUS__CHILD_STOPPED && (listed || child->by_ticket.key != 0))
        return false;
    if (listed && apus__children_find_pid(children, (apus_pid){child->by_pid.key}) != child)
        return false;
    if (child->by_ticket.key != 0 && child->state != APUS__CHILD_RESTARTING)
        return false;
    if (child->id != NULL && apus__children_find_id(children, child->id) != child)
        return false;
    return !child->ended || child->state == APUS__CHILD_RUNNING;
}

bool apus__children_is_valid(const struct apus__children *children)
{
    uint64_t count = 0, running = 0, supervisors = 0, significant = 0, ended = 0, pids = 0, tickets = 0, ids = 0;
    const struct apus__child *previous = NULL;
    for (const struct apus__child *child = children->first; child != NULL; previous = child, child = child->next) {
        if (child->previous != previous || !child_is_valid(children, child))
            return false;
        count++;
        running += apus__child_is_up(child) || child->state == APUS__CHILD_STOPPING;
        supervisors += child->kind == APUS_SUPERVISOR;
        significant += child->significant && child->state != APUS__CHILD_STOPPED;
        ended += child->ended;
        pids += child->by_pid.key != 0;
        tickets += child->by_ticket.key != 0;
        ids += child->id != NULL;
    }
    for (const struct apus__child *child = children->ended_first; child != NULL; child = child->ended_next)
        ended--;
    return previous == children->last && ended == 0 && count == children->count && running == children->running &&
           supervisors == children->supervisors && significant == children->live_significant && pids == children->by_pid.count &&
           tickets == children->by_ticket.count && ids == children->by_id.count;
}
