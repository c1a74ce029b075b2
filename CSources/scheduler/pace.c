#include "scheduler/pace.h"

#include "scheduler/slot.h"

enum {
    SHORT_TURN_NS = 1000, // and for each signal to another slot
    SPAWN_NS = 200,
    FRESH_NS = 1,        // a byte
    CHEAP_NS = 200,      // or less, if there are many slots:
    ALL_TO_ALL_NS = 260, // of a slot, for a signal, where all send to all
    WORTH_TIMES = 6,     // as fast must all slots be in bulk as one of them, to be worth it
    WINDOW_TURNS = 64, // in a window, unless they take so long, or exchange so much:
    WINDOW_NS = 1000000,
    WINDOW_SIGNALS = 2048,
    BULK_SIGNALS = 16, // cheap ones, for each turn
    APART_PART = 8, // of the signals, one in so many goes to another slot, at least one in
    APART_WINDOWS = 4,
    TOGETHER_FIRST_NS = 10 * 1000000,
    TOGETHER_MOST_NS = 1000 * 1000000
};

// Whether the slot's processes are together now; many messages have gone to others for long enough: from now on they are.
static bool pace_look_apart(struct apus__pace *pace, bool is_apart, uint64_t now_ns)
{
    uint64_t until_ns = apus_load_relaxed(&pace->together_until_ns), last_ns = apus_load_relaxed(&pace->together_ns);
    if (now_ns < until_ns) {
        pace->apart = 0;
        return true;
    }
    pace->apart = is_apart ? pace->apart + 1 : 0;
    if (pace->apart < APART_WINDOWS)
        return false;
    // It counts as found again if it comes within twice the time they were together.
    uint64_t next_ns = now_ns < until_ns + 2 * last_ns ? 2 * last_ns : TOGETHER_FIRST_NS;
    next_ns = next_ns < TOGETHER_MOST_NS ? next_ns : TOGETHER_MOST_NS;
    apus_store_relaxed(&pace->together_ns, next_ns);
    apus_store_relaxed(&pace->together_until_ns, now_ns + next_ns);
    return true;
}

void apus__pace_pass_on(const struct apus__pace *pace, struct apus__pace *other)
{
    uint64_t until_ns = apus_load_relaxed(&pace->together_until_ns);
    if (until_ns > apus_load_relaxed(&other->together_until_ns)) {
        apus_store_relaxed(&other->together_ns, apus_load_relaxed(&pace->together_ns));
        apus_store_relaxed(&other->together_until_ns, until_ns);
    }
}

// How many signals the slot's processes have sent and handled.
static uint64_t pace_signals(const struct apus__owner *here)
{
    const struct apus__counters *counters = &here->counters;
    return apus_load_relaxed(&counters->sent_local) + apus_load_relaxed(&counters->sent_remote) + apus_load_relaxed(&counters->handled);
}

uint64_t apus__pace_cheap_ns(const struct apus__owner *here)
{
    uint64_t worth_ns = WORTH_TIMES * ALL_TO_ALL_NS / apus__machine.slot_count;
    return pace_signals(here) * (worth_ns < CHEAP_NS ? worth_ns : CHEAP_NS) + apus_load_relaxed(&here->heap.carved_pages) * FRESH_NS;
}

uint64_t apus__pace_busy_ns(const struct apus__owner *here)
{
    return apus__pace_cheap_ns(here) + apus_load_relaxed(&here->counters.spawned) * SPAWN_NS;
}

static void pace_look_at_window(struct apus__pace *pace, struct apus__owner *here, uint64_t now_ns)
{
    const struct apus__counters *counters = &here->counters;
    uint64_t slices = apus_load_relaxed(&counters->slices), took_ns = now_ns - pace->window_ns, turns = slices - pace->window_slices;
    uint64_t remote = apus_load_relaxed(&counters->sent_remote), sent = apus_load_relaxed(&counters->sent_local) + remote;
    uint64_t signals = pace_signals(here) - pace->window_signals, cheap_ns = apus__pace_cheap_ns(here) - pace->window_cheap_ns;
    if (turns < WINDOW_TURNS && took_ns < WINDOW_NS && signals < WINDOW_SIGNALS)
        return;
    uint64_t remote_now = remote - pace->window_remote;
    bool in_bulk = cheap_ns > took_ns && signals >= BULK_SIGNALS * turns;
    // With the time asleep: a slot that does little but hand out work, and waits for that, is not apart from those who do it.
    bool is_apart = remote_now * APART_PART > sent - pace->window_sent && remote_now * APUS__APART_NS > now_ns - pace->window_began_ns;
    bool are_together = pace_look_apart(pace, is_apart, now_ns) && took_ns <= turns * APUS__TURN_IS_LONG_NS;
    here->in_bulk = are_together || in_bulk;
    pace->window_began_ns = pace->window_ns = now_ns;
    pace->window_slices = slices;
    pace->window_sent = sent;
    pace->window_remote = remote;
    pace->window_signals += signals;
    pace->window_cheap_ns += cheap_ns;
}

void apus__pace_look(struct apus__pace *pace, struct apus__owner *here, uint64_t now_ns, uint64_t took_ns)
{
    const struct apus__counters *counters = &here->counters;
    uint64_t slices = apus_load_relaxed(&counters->slices), turns = slices - pace->looked_slices;
    // What takes its time only because it is far away, or because a crowd is born, would not be done sooner by another slot.
    uint64_t remote = apus_load_relaxed(&counters->sent_remote), spawned = apus_load_relaxed(&counters->spawned);
    uint64_t excused_ns = (remote - pace->looked_remote) * SHORT_TURN_NS + (spawned - pace->looked_spawned) * SPAWN_NS;
    pace->looked_remote = remote;
    pace->looked_spawned = spawned;
    if (turns > 0) {
        // One long turn among short ones says nothing of the turns to come.
        bool are_short = took_ns < turns * SHORT_TURN_NS + excused_ns;
        here->turns_are_short = are_short || pace->turns_were_short;
        pace->turns_were_short = are_short;
        pace->looked_slices = slices;
    }
    pace_look_at_window(pace, here, now_ns);
}
