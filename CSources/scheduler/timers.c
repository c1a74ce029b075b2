#include "scheduler/timers.h"

#include "scheduler/slot.h"

// Beside the kind of deadline, a timer's word says whether a plain thread made it, and whether it has no message yet.
enum { KIND_MASK = 0x3f, TIMER_EMPTY = 0x40, TIMER_SHARED = 0x80 };

// The state word: the slot's number, 31 bits of generation, 3 of state.
enum { STATE_BITS = 3, OWNER_SHIFT = 34 };
#define STATE_MASK UINT64_C(7)
#define GENERATION_MASK UINT64_C(0x7fffffff)

// Cells that are looked at for receivers that have ended: for each cell taken; when there is none left.
enum { SWEEP_EACH = 2, SWEEP_FULL = 1024 };

uint64_t apus__due(uint64_t delay_ms)
{
    if (delay_ms > APUS__TIMER_DELAY_MAX)
        delay_ms = APUS__TIMER_DELAY_MAX;
    return (apus__now_ns() + 999999) / 1000000 + delay_ms;
}

apus_message *apus__timer_message(struct apus__owner *here, const apus_type *type, size_t size, size_t behind)
{
    apus_message *message = apus__message_alloc(here, size + behind, type ? APUS__MESSAGE : APUS__SYSTEM);
    if (apus_unlikely(!message))
        return NULL;
    message->type = type ? type : &apus_type_timeout;
    message->from = APUS_NOBODY;
    message->size = (uint32_t)size;
    message->flags = APUS__EXEMPT;
    return message;
}

static struct apus__timer *timer_at(uint32_t index)
{
    return (struct apus__timer *)apus__table_at(&apus__world.timer_table, index);
}

static uint64_t word_generation(uint64_t word)
{
    return word >> STATE_BITS & GENERATION_MASK;
}

static enum apus__timer_state word_state(uint64_t word)
{
    return (enum apus__timer_state)(word & STATE_MASK);
}

static struct apus__owner *word_owner(uint64_t word)
{
    return apus__world.owners[word >> OWNER_SHIFT];
}

// The word with another state.
static uint64_t word_in(uint64_t word, enum apus__timer_state state)
{
    return (word & ~STATE_MASK) | state;
}

static apus_ref timer_ref(const struct apus__timer *timer)
{
    uint64_t generation = word_generation(apus_load_relaxed(&timer->state));
    return (apus_ref){APUS__TIMER_REF | generation << 32 | timer->deadline.cell};
}

// When it is due is set anew by its slot, at a moment at which another thread may be cancelling it.
static uint64_t timer_due(const struct apus__timer *timer)
{
    return __atomic_load_n(&timer->deadline.entry.due, __ATOMIC_RELAXED);
}

static void timer_set_due(struct apus__timer *timer, uint64_t due)
{
    __atomic_store_n(&timer->deadline.entry.due, due, __ATOMIC_RELAXED);
}

// Frees a timer whose state word is ours. Its message has been delivered, or is dropped by the caller.
static void timer_free(struct apus__owner *here, struct apus__timer *timer, uint32_t index)
{
    uint64_t generation = word_generation(apus_load_relaxed(&timer->state)) + 1;
    // release: nothing of the cell is read by us any more. Pairs with the acquire of a late canceller in timer_of(), which fails.
    apus_store_release(&timer->state, (generation & GENERATION_MASK) << STATE_BITS | APUS__TIMER_FREE);
    apus_bump_relaxed(&here->counters.timers_gone, 1);
    // A plain thread's timers go back to where plain threads take them from.
    if (here->is_foreign || timer->deadline.kind & TIMER_SHARED) {
        apus__table_free_shared(&apus__world.timer_table, index);
        return;
    }
    apus__table_free(&apus__world.timer_table, &here->timer_cells, index);
    uint32_t excess = apus__table_cache_excess(&here->timer_cells);
    if (apus_unlikely(excess))
        apus__table_give_back(&apus__world.timer_table, &here->timer_cells, excess);
}

static bool timer_move(struct apus__timer *timer, uint64_t from, enum apus__timer_state to)
{
    // acq_rel: see "Ordering" in timers.h.
    return apus_cas_strong_acq_rel(&timer->state, &from, word_in(from, to));
}

// The message of a timer that has one; NULL for one that is empty.
static apus_message *timer_held(const struct apus__timer *timer)
{
    return timer->deadline.kind & TIMER_EMPTY ? NULL : timer->message;
}

static void timer_discard(struct apus__owner *here, struct apus__timer *timer)
{
    apus_message *message = timer_held(timer);
    timer_free(here, timer, timer->deadline.cell);
    if (message)
        apus__message_drop(here, message);
}

// Whoever is to receive it, if that is a pid, has ended. relaxed: `to` is written before the state that the caller has read.
static bool timer_is_lost(const struct apus__timer *timer)
{
    apus_pid to = {apus_load_relaxed(&timer->to)};
    return to.id != 0 && !apus__find(to);
}

// Cancels the timer if it is active and has lost its receiver. What has a `drop` is left to the slot: the program's code, called here,
// might make timers in its turn.
static void timer_sweep(struct apus__owner *here, struct apus__timer *timer)
{
    uint64_t state = apus_load_acquire(&timer->state);
    if (word_state(state) != APUS__TIMER_ACTIVE || !timer_is_lost(timer) || !timer_move(timer, state, APUS__TIMER_CANCELLED))
        return;
    apus_message *message = timer_held(timer);
    struct apus__owner *owner = word_owner(state);
    if (owner != here || (message && message->type->drop)) {
        apus__owner_tell(owner, here, &timer->inbox, APUS__INBOX_TIMER);
        return;
    }
    apus__wheel_remove(here->wheel, &timer->deadline.entry);
    timer_discard(here, timer);
}

// Looks at the next `count` cells of the table. relaxed: two who look at the same lose time only.
static void timers_sweep(struct apus__owner *here, uint32_t count)
{
    uint32_t limit = apus__table_limit(&apus__world.timer_table), at = apus_load_relaxed(&apus__world.timer_hand);
    count = count < limit ? count : limit;
    if (count > 0)
        apus_store_relaxed(&apus__world.timer_hand, (at + count) % limit);
    for (; count > 0; count--) {
        timer_sweep(here, timer_at(at));
        at = at + 1 < limit ? at + 1 : 0;
    }
}

static uint32_t timer_alloc_cell(struct apus__owner *here)
{
    if (here->is_foreign)
        return apus__table_alloc_shared(&apus__world.timer_table, 0);
    return apus__table_alloc(&apus__world.timer_table, &here->timer_cells, here->node);
}

static uint32_t timer_alloc(struct apus__owner *here)
{
    const struct apus__table *table = &apus__world.timer_table;
    // A plain thread's cache is always empty.
    if (here->timer_cells.first == 0 && apus__table_limit(table) > table->capacity / 2)
        timers_sweep(here, here->is_foreign ? SWEEP_EACH : SWEEP_EACH * APUS__TABLE_BATCH);
    uint32_t index = timer_alloc_cell(here);
    if (apus_likely(index))
        return index;
    timers_sweep(here, SWEEP_FULL);
    return timer_alloc_cell(here);
}

int apus__timer_start(struct apus__owner *here, uint64_t delay_ms, const struct apus__timer_goal *goal, apus_ref *ref)
{
    uint32_t index = timer_alloc(here);
    if (!index)
        return -EAGAIN;
    struct apus__timer *timer = timer_at(index);
    struct apus__owner *owner = here->is_foreign ? apus__world.owners[index % apus__world.owner_count] : here;
    uint64_t word = apus_load_relaxed(&timer->state) | (uint64_t)owner->id << OWNER_SHIFT;
    apus__wheel_entry_init(&timer->deadline.entry);
    timer->deadline.kind = APUS__DEADLINE_TIMER | (here->is_foreign ? TIMER_SHARED : 0u) | (goal->message ? 0u : TIMER_EMPTY);
    timer->deadline.cell = index;
    timer->deadline.entry.due = apus__due(delay_ms);
    apus_store_relaxed(&timer->to, goal->to.id); // relaxed: the state is stored after it
    apus_ref made = timer_ref(timer);
    if (goal->message) {
        timer->message = goal->message;
        timer->message->ref = made;
    } else {
        timer->type = goal->type;
    }
    if (ref)
        *ref = made;
    apus_bump_relaxed(&here->counters.timers_made, 1);
    if (owner == here) {
        apus__wheel_insert(here->wheel, &timer->deadline.entry);
        // release, both: the cell. Pairs with timer_of() of a canceller.
        apus_store_release(&timer->state, word_in(word, APUS__TIMER_ACTIVE));
    } else {
        apus_store_release(&timer->state, word_in(word, APUS__TIMER_MADE));
        apus__owner_tell(owner, here, &timer->inbox, APUS__INBOX_TIMER);
    }
    return 0;
}

// The message to deliver: the timer's own, or one for a timer that is empty. NULL if there is no memory.
static apus_message *timer_message(struct apus__owner *here, const struct apus__timer *timer)
{
    if (timer_held(timer))
        return timer->message;
    apus_message *message = apus__timer_message(here, timer->type, 0, 0);
    if (message)
        message->ref = timer_ref(timer);
    return message;
}

// Not in the wheel, due, and without memory for its message: tries again at the next tick, late, but not lost. If another thread has
// cancelled it, that sends it here, out of the wheel or in it.
static void timer_put_off(struct apus__slot *slot, struct apus__timer *timer)
{
    timer_set_due(timer, slot->owner.now_ms + 1);
    apus__wheel_insert(&slot->wheel, &timer->deadline.entry);
}

static void timer_fire(struct apus__slot *slot, struct apus__timer *timer)
{
    struct apus__owner *here = &slot->owner;
    apus_message *message = timer_message(here, timer);
    if (apus_unlikely(!message)) {
        timer_put_off(slot, timer);
        return;
    }
    if (!timer_move(timer, word_in(apus_load_relaxed(&timer->state), APUS__TIMER_ACTIVE), APUS__TIMER_FIRED)) {
        if (!timer_held(timer))
            apus__message_free(here, message);
        return; // cancelled by another thread, which sends it here
    }
    apus_pid to = {apus_load_relaxed(&timer->to)}; // relaxed: claimed
    if (to.id == 0)
        apus__name_whereis((const char *)apus_message_payload(message) + message->size, &to);
    timer_free(here, timer, timer->deadline.cell);
    if (apus__deliver(here, to, message) != 0)
        apus__message_drop(here, message);
}

void apus__timers_run(struct apus__slot *slot, uint64_t now_ms)
{
    struct apus__wheel_entry *entry;
    while ((entry = apus__wheel_pop(&slot->wheel, now_ms))) {
        struct apus__deadline *deadline = apus_container_of(entry, struct apus__deadline, entry);
        if ((deadline->kind & KIND_MASK) == APUS__DEADLINE_TIMER)
            timer_fire(slot, apus_container_of(deadline, struct apus__timer, deadline));
        else
            apus__signal_deadline(&slot->owner, deadline);
    }
}

void apus__timer_arrived(struct apus__slot *slot, struct apus__inbox_link *link)
{
    struct apus__timer *timer = apus_container_of(link, struct apus__timer, inbox);
    uint64_t state = apus_load_acquire(&timer->state);
    if (word_state(state) == APUS__TIMER_MADE) {
        apus__wheel_insert(&slot->wheel, &timer->deadline.entry);
        if (timer_move(timer, state, APUS__TIMER_ACTIVE))
            return;
        state = apus_load_acquire(&timer->state);
    }
    // Cancelled, before or after it came to be in the wheel; or just being cancelled, and then it is the canceller's.
    apus__wheel_remove(&slot->wheel, &timer->deadline.entry);
    if (word_state(state) == APUS__TIMER_CANCELLING && timer_move(timer, state, APUS__TIMER_ARRIVED))
        return;
    timer_discard(&slot->owner, timer);
}

void apus__timers_drop(struct apus__slot *slot)
{
    for (size_t i = 0; i < APUS__WHEEL_LEVELS * APUS__WHEEL_SLOTS; i++) {
        while (!apus__list_is_empty(&slot->wheel.slot[i])) {
            struct apus__wheel_entry *entry = apus_container_of(slot->wheel.slot[i].next, struct apus__wheel_entry, link);
            struct apus__deadline *deadline = apus_container_of(entry, struct apus__deadline, entry);
            struct apus__timer *timer = apus_container_of(deadline, struct apus__timer, deadline);
            apus_check((deadline->kind & KIND_MASK) == APUS__DEADLINE_TIMER);
            apus__wheel_remove(&slot->wheel, entry);
            timer_discard(&slot->owner, timer);
        }
    }
}

// The timer of the reference, and its word, if it is MADE or ACTIVE; else NULL.
static struct apus__timer *timer_of(apus_ref ref, uint64_t *word)
{
    uint32_t index = (uint32_t)ref.id;
    if (!(ref.id & APUS__TIMER_REF) || index == 0 || index >= apus__table_limit(&apus__world.timer_table))
        return NULL;
    struct apus__timer *timer = timer_at(index);
    *word = apus_load_acquire(&timer->state);
    bool is_live = word_state(*word) == APUS__TIMER_MADE || word_state(*word) == APUS__TIMER_ACTIVE;
    return is_live && word_generation(*word) == (ref.id >> 32 & GENERATION_MASK) ? timer : NULL;
}

// Takes the timer of the reference for the canceller; NULL if it is not active. *word: as it was, MADE or ACTIVE.
static struct apus__timer *timer_claim(apus_ref ref, uint64_t *word)
{
    struct apus__timer *timer;
    while ((timer = timer_of(ref, word)))
        if (timer_move(timer, *word, word_state(*word) == APUS__TIMER_MADE ? APUS__TIMER_CANCELLING : APUS__TIMER_CANCELLED))
            return timer;
    return NULL;
}

// Lets go of a claimed timer: it is freed here, or by its slot.
static void timer_let_go(struct apus__owner *here, struct apus__timer *timer, uint64_t word)
{
    struct apus__owner *owner = word_owner(word);
    if (word_state(word) == APUS__TIMER_MADE) {
        if (!timer_move(timer, word_in(word, APUS__TIMER_CANCELLING), APUS__TIMER_CANCELLED))
            timer_discard(here, timer);
    } else if (owner == here) {
        apus__wheel_remove(here->wheel, &timer->deadline.entry);
        timer_discard(here, timer);
    } else {
        apus__owner_tell(owner, here, &timer->inbox, APUS__INBOX_TIMER);
    }
}

int apus__timer_rearm(struct apus__owner *here, apus_ref ref, uint64_t delay_ms)
{
    uint64_t word;
    struct apus__timer *timer = timer_of(ref, &word);
    // One in our wheel is freed by nobody else, so it needs no claim: another thread that cancels it meanwhile sends it here.
    if (timer && word_state(word) == APUS__TIMER_ACTIVE && word_owner(word) == here && !timer_is_lost(timer)) {
        apus__wheel_remove(here->wheel, &timer->deadline.entry);
        timer_set_due(timer, apus__due(delay_ms));
        apus__wheel_insert(here->wheel, &timer->deadline.entry);
        return 0;
    }
    if (!(timer = timer_claim(ref, &word)))
        return -ENOENT;
    bool has_receiver = !timer_is_lost(timer);
    timer_let_go(here, timer, word);
    return has_receiver ? -EPERM : -ENOENT;
}

int apus__timer_cancel(struct apus__owner *here, apus_ref ref, uint64_t *left_ms)
{
    uint64_t word;
    struct apus__timer *timer = timer_claim(ref, &word);
    if (!timer)
        return -ENOENT;
    uint64_t due = timer_due(timer);
    bool is_active = !timer_is_lost(timer);
    timer_let_go(here, timer, word);
    if (left_ms) {
        uint64_t now = (apus__now_ns() + 999999) / 1000000; // rounded up, as apus__due() does
        *left_ms = due > now ? due - now : 0;
    }
    return is_active ? 0 : -ENOENT;
}
