#include "process/circle.h"

#include "process/name.h"

#include <stdio.h>

enum { LABEL_SIZE = sizeof ((struct apus__extra *)0)->label };

// A process in a call, and what it waits for: that the next one replies to `ref`.
struct circle_link {
    apus_pid pid;
    uint64_t ref;
    bool is_unread; // the request lies in the next one's mailbox
    char label[LABEL_SIZE];
};

// What travels: the processes found so far. The second time round `again` of them have been found as they were.
struct circle_round {
    uint32_t count, again;
    bool is_told; // it is a circle, and on its way to the one that is told
    struct circle_link links[APUS__CIRCLE_MAX];
};

// --- Looking at one process -----------------------------------------------------------------------------------------------------

// The call the process waits in, or NULL.
static struct apus__wait *circle_wait(const struct apus_process *process)
{
    if ((process->flags & (APUS__WAITING | APUS__READY | APUS__EXITING)) != APUS__WAITING)
        return NULL;
    struct apus__wait *wait = process->extra->wait;
    return wait->ref && !wait->takes_messages ? wait : NULL;
}

static bool circle_is_request(const apus_message *message, uint64_t ref)
{
    return message->kind == APUS__REQUEST && message->ref.id == ref && !(message->flags & APUS__ANSWERED);
}

// Whether the process, which waits, has the request `ref` and has not answered it; and whether it has not even read it.
static bool circle_owes(struct apus__owner *here, const struct apus_process *process, uint64_t ref, bool *is_unread)
{
    const struct apus__extra *extra = process->extra;
    uint32_t depth = 0;
    *is_unread = false;
    if (extra->serving == ref || (extra->wait->handling && circle_is_request(extra->wait->handling, ref)))
        return true;
    for (const apus_message *held = extra->held; held && depth < APUS__CIRCLE_DEPTH; held = apus__message_next(held), depth++)
        if (circle_is_request(held, ref))
            return true;
    *is_unread = true;
    const apus_message *message = process->first;
    while (message && depth < APUS__CIRCLE_DEPTH && !circle_is_request(message, ref)) {
        message = apus__mailbox_next(process, message);
        depth++;
    }
    here->looked_at += depth;
    return message && depth < APUS__CIRCLE_DEPTH;
}

// What people call the process: its label, else its name, else that of its behaviour.
static void circle_label(struct apus_process *process, char *label)
{
    const char *behaviour = process->behaviour->name ? process->behaviour->name : "process";
    if (process->extra->label[0])
        memcpy(label, process->extra->label, LABEL_SIZE);
    else if (!apus__name_copy(process, label, LABEL_SIZE))
        memcpy(label, behaviour, strnlen(behaviour, LABEL_SIZE - 1));
}

static void circle_add(struct circle_round *round, struct apus_process *process, const struct apus__wait *wait)
{
    struct circle_link *link = &round->links[round->count++];
    *link = (struct circle_link){.pid = apus__pid(process), .ref = wait->ref};
    circle_label(process, link->label);
}

// --- Beginning ------------------------------------------------------------------------------------------------------------------

// How many looks were set in this tick, and how many messages were looked at, less what each tick allows for.
static void circle_count(struct apus__owner *here)
{
    uint64_t allowed = (here->now_ms - here->looks_ms) * APUS__CIRCLE_LOOKS;
    if (allowed > 0)
        here->looks = 0;
    here->looked_at = here->looked_at > allowed ? here->looked_at - (uint32_t)allowed : 0;
    here->looks_ms = here->now_ms;
}

// When to look: with the next tick, if this is the first to be looked at then; the others one by one in those after it, since where many
// wait for each other most do so for a moment only.
static uint64_t circle_when(struct apus__owner *here)
{
    circle_count(here);
    if (here->looks < APUS__CIRCLE_LATE)
        here->looks++;
    return here->now_ms + here->looks;
}

void apus__circle_suspect(struct apus__owner *here, struct apus_process *process)
{
    struct apus__wait *wait = circle_wait(process);
    if (!wait || process == here->current || process->last->kind != APUS__REQUEST)
        return;
    bool is_timed = apus__wheel_entry_is_linked(&wait->deadline.entry);
    if (is_timed && wait->deadline.kind == APUS__DEADLINE_LOOK)
        return;
    uint64_t soon = circle_when(here);
    if (is_timed && wait->deadline.entry.due <= soon)
        return; // the call is over by then
    apus__wheel_remove(here->wheel, &wait->deadline.entry);
    wait->due = is_timed ? wait->deadline.entry.due : 0;
    wait->deadline.kind = APUS__DEADLINE_LOOK;
    wait->deadline.entry.due = soon;
    apus__wheel_insert(here->wheel, &wait->deadline.entry);
}

void apus__circle_look(struct apus__owner *here, struct apus__wait *wait)
{
    struct apus_process *process = wait->process;
    apus__wheel_entry_init(&wait->deadline.entry);
    circle_count(here);
    uint64_t later = here->looked_at > APUS__CIRCLE_DEPTH ? circle_when(here) : UINT64_MAX;
    if (later < (wait->due ? wait->due : UINT64_MAX)) { // enough for now
        wait->deadline.entry.due = later;
        apus__wheel_insert(here->wheel, &wait->deadline.entry);
        return;
    }
    wait->deadline.kind = APUS__DEADLINE_WAIT;
    if (wait->due) {
        wait->deadline.entry.due = wait->due;
        apus__wheel_insert(here->wheel, &wait->deadline.entry);
    }
    apus_message *message = circle_wait(process) ? apus__message_alloc(here, sizeof(struct circle_round), APUS__CIRCLE) : NULL;
    if (!message)
        return; // it waits no more; or there is no memory, and its time limit must do
    struct circle_round *round = apus_message_payload(message);
    round->count = round->again = 0;
    round->is_told = false;
    message->from = APUS_NOBODY;
    circle_add(round, process, wait);
    apus__signal_pass(here, wait->asked, message);
}

// --- Going round ----------------------------------------------------------------------------------------------------------------

// Whom a circle's call is to fail for: the same one in whatever order the circle was found.
static const struct circle_link *circle_told(const struct circle_round *round)
{
    const struct circle_link *told = NULL;
    for (uint32_t i = 0; i < round->count; i++)
        if (round->links[i].is_unread && (!told || round->links[i].pid.id > told->pid.id))
            told = &round->links[i];
    return told;
}

// The first time round. False if this is no circle.
static bool circle_follow(struct apus__owner *here, struct circle_round *round, struct apus_process *process, const struct apus__wait *wait)
{
    struct circle_link *last = &round->links[round->count - 1];
    if (!circle_owes(here, process, last->ref, &last->is_unread))
        return false;
    if (apus_pid_equal(round->links[0].pid, apus__pid(process))) {
        round->again = 1;
        return round->links[0].ref == wait->ref;
    }
    if (round->count == APUS__CIRCLE_MAX)
        return false;
    circle_add(round, process, wait);
    return true;
}

// The second time.
static bool circle_compare(struct circle_round *round, struct apus_process *process, const struct apus__wait *wait)
{
    const struct circle_link *link = &round->links[round->again++];
    return apus_pid_equal(link->pid, apus__pid(process)) && link->ref == wait->ref;
}

// The chain from the one that is told back to it, as "a <1.1> calls b <2.1> calls a <1.1>".
static void circle_text(const struct circle_round *round, apus_pid from, char *text, size_t size)
{
    uint32_t first = 0;
    while (!apus_pid_equal(round->links[first].pid, from))
        first++;
    size_t length = 0;
    for (uint32_t i = 0; i <= round->count && length < size; i++) {
        const struct circle_link *link = &round->links[(first + i) % round->count];
        length += (size_t)snprintf(text + length, size - length, "%s%s <%u.%u>", i ? " calls " : "", link->label, (uint32_t)link->pid.id,
                                   (uint32_t)(link->pid.id >> 32));
    }
}

// Ends the call of `process`. The outcome is a down message that says that the process itself is in the way.
static void circle_tell(struct apus__owner *here, struct apus_process *process, uint64_t ref, const struct circle_round *round)
{
    char text[APUS_REASON_TEXT_MAX + 1];
    circle_text(round, apus__pid(process), text, sizeof text);
    apus_reason reason = apus_reason_error(-ELOOP, text);
    apus_message *down = apus__down_message(here, ref, apus__pid(process), &reason);
    if (!apus__signal_result(here, process, ref, down))
        apus__message_free(here, down);
}

void apus__circle_arrive(struct apus__owner *here, struct apus_process *process, apus_message *message)
{
    struct circle_round *round = apus_message_payload(message);
    const struct apus__wait *wait = circle_wait(process);
    bool goes_on = wait && !round->is_told;
    if (wait && round->is_told)
        circle_tell(here, process, circle_told(round)->ref, round);
    else if (wait)
        goes_on = round->again ? circle_compare(round, process, wait) : circle_follow(here, round, process, wait);
    if (!goes_on) {
        apus__message_free(here, message);
        return;
    }
    const struct circle_link *told = round->again == round->count ? circle_told(round) : NULL;
    round->is_told = told != NULL;
    apus__signal_pass(here, told ? told->pid : wait->asked, message);
}
