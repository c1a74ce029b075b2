#include "scheduler/line.h"

#include <stdlib.h>

// --- The scheduler's side -------------------------------------------------------------------------------------------------------

void apus__line_let_go(struct apus__line *line)
{
    // acq_rel: all that the others did with it, before it is freed.
    if (apus_sub_acq_rel(&line->holders, 1) == 1)
        free(line);
}

static void line_drop(struct apus__slot *slot, uint32_t place)
{
    struct apus__line *line = slot->attended[place].line;
    slot->attended[place] = slot->attended[--slot->attended_count];
    uint32_t attends = slot->owner.id + 1;
    // Unless another scheduler attends to it by now.
    apus_cas_strong_relaxed(&line->attends, &attends, 0);
    apus__line_let_go(line);
}

void apus__line_forget(struct apus__slot *slot, struct apus__line *line)
{
    for (uint32_t i = 0; i < slot->attended_count; i++) {
        if (slot->attended[i].line == line) {
            line_drop(slot, i);
            return;
        }
    }
}

void apus__lines_forget(struct apus__slot *slot)
{
    while (slot->attended_count)
        line_drop(slot, slot->attended_count - 1);
}

// Gives the line a place among those attended to: a free one, or that of one that has asked nothing since the last who wanted a
// place found them all taken. With it goes a hold of the caller's. False if the line has one already, or there is none, or this
// slot does not look.
static bool line_attend(struct apus__slot *slot, struct apus__line *line)
{
    for (uint32_t i = 0; i < slot->attended_count; i++)
        if (slot->attended[i].line == line)
            return false;
    for (uint32_t i = slot->attended_count; i-- > 0 && slot->attended_count == APUS__ATTENDED;) {
        if (!slot->attended[i].has_asked)
            line_drop(slot, i);
        else
            slot->attended[i].has_asked = false;
    }
    if (slot->attended_count == APUS__ATTENDED || !slot->spins)
        return false;
    slot->attended[slot->attended_count++] = (struct apus__attended){line, true};
    apus_store_relaxed(&line->attends, slot->owner.id + 1);
    return true;
}

// Whether the line's request is for this slot to begin: *asked. A bell that is late may come upon the request of another.
static bool line_is_due(struct apus__slot *slot, struct apus__line *line, uint64_t *asked)
{
    // acquire: the request. Pairs with apus__line_ask(). relaxed: `taken` is not behind `asked` unless the request is ours to take.
    *asked = apus_load_acquire(&line->asked);
    return *asked % APUS__LINE_SLOTS == slot->owner.id && *asked > apus_load_relaxed(&line->taken);
}

static void line_take(struct apus__slot *slot, struct apus__line *line, uint64_t asked, bool has_rung)
{
    apus_store_relaxed(&line->taken, asked);
    line->begin(&slot->owner, line, has_rung);
}

bool apus__lines_look(struct apus__slot *slot)
{
    for (uint32_t i = 0; i < slot->attended_count; i++) {
        struct apus__line *line = slot->attended[i].line;
        uint64_t asked;
        if (apus_unlikely(line_is_due(slot, line, &asked))) {
            slot->attended[i].has_asked = true;
            line_take(slot, line, asked, apus_load_relaxed(&line->rung) != 0);
            return true;
        }
        if (apus_unlikely(asked % APUS__LINE_SLOTS != slot->owner.id))
            line_drop(slot, i--);
    }
    return false;
}

// The bell: the line's link has come out of the inbox, and with it its hold.
static void line_rung(struct apus__owner *here, struct apus__command *command)
{
    struct apus__line *line = apus_container_of(command, struct apus__line, errand.command);
    struct apus__slot *slot = apus__slot_of(here);
    uint64_t asked;
    // acq_rel: pairs with the exchange in apus__line_ring(): who has found it set has asked before, and that is seen below. Once it is 0
    // the thread may push the link again.
    apus_exchange_acq_rel(&line->rung, 0);
    bool is_due = line_is_due(slot, line, &asked), attends = is_due && line_attend(slot, line);
    if (is_due)
        line_take(slot, line, asked, true);
    if (!attends)
        apus__line_let_go(line);
}

// --- The thread's side ----------------------------------------------------------------------------------------------------------

struct apus__line *apus__line_new(void (*begin)(struct apus__owner *here, struct apus__line *line, bool has_rung),
                                  void (*body)(struct apus__owner *here, struct apus__errand *errand),
                                  void (*dispose)(struct apus__errand *errand))
{
    struct apus__line *line = apus__inject_fail(APUS__INJECT_MALLOC) ? NULL : aligned_alloc(APUS_CACHE_LINE, sizeof *line);
    if (!line)
        return NULL;
    memset(line, 0, sizeof *line);
    apus_store_relaxed(&line->holders, 1);
    line->begin = begin;
    line->errand.body = body;
    line->errand.dispose = dispose;
    line->errand.command.run = line_rung;
    return line;
}

void apus__line_ring(struct apus__owner *here, struct apus__line *line)
{
    uint32_t id = apus_load_relaxed(&line->asked) % APUS__LINE_SLOTS;
    // acq_rel: see line_rung().
    if (apus_exchange_acq_rel(&line->rung, 1))
        return;
    apus_add_relaxed(&line->holders, 1);
    apus__owner_tell(apus__world.owners[id], here, &line->errand.command.link, APUS__INBOX_COMMAND);
}
