// Tests/weak/weak_test.c - the lock-free code of the core under every order that C11's memory model allows (explore.h).
//
// Cases:   the inbox (queue/inbox.h): what is pushed is seen by who takes it; nothing is slept through. The shelf (memory/heap.c): a
//          batch is handed on with all that was done to it, by whichever way. The hand-over of a process (process/signal.c,
//          scheduler/share.c): transcribed, since the real functions need a whole runtime.
// Planted: for each case, each kind of access whose order it relies on is made relaxed, and that must be found.
#include "explore.h"

// After this the core's own code uses the explorer's atomics.
#include "memory/heap.c"
#include "os/futex.h"
#define apus__futex_wake(word, count) weak_futex_wake(word)
#include "queue/inbox.h"

#include "../C/test.h"

enum { ITEMS = 3 };

struct item {
    struct apus__inbox_link link; // first
    uint64_t data;
};

static struct item items[ITEMS] __attribute__((aligned(8)));
static struct apus__inbox inbox;
static uint64_t taken;
static const char *wrong;

static const char *no_check(void)
{
    return wrong;
}

static void check_case(void (*reset)(void), void (*const *bodies)(void), int count, const char *(*check)(void), unsigned planted)
{
    const char *failure = weak_explore(reset, bodies, count, check);
    if (failure)
        fprintf(stderr, "after %ld runs: %s\n", weak.runs, failure);
    CHECK(failure == NULL);
    fprintf(stderr, "%ld runs\n", weak.runs);
    for (unsigned kind = WEAK_LOAD_ACQUIRE; kind <= WEAK_CAS; kind++) {
        if (!(planted & 1u << kind))
            continue;
        weak_planted = (enum weak_kind)kind;
        failure = weak_explore(reset, bodies, count, check);
        weak_planted = WEAK_NONE;
        if (!failure || weak.runs == RUNS_MAX)
            fprintf(stderr, "kind %u made relaxed is not found\n", kind);
        CHECK(failure != NULL && weak.runs < RUNS_MAX);
    }
}

// --- The inbox: what is pushed is seen ---------------------------------------------------------------------------------------------

static void inbox_reset(void)
{
    weak_quiet(items, sizeof items);
    memset(items, 0, sizeof items);
    memset(&inbox, 0, sizeof inbox);
    taken = 0;
    wrong = NULL;
}

static void push_item(int index)
{
    weak_write(&items[index].data, 7);
    if (apus__inbox_push(&inbox, &items[index].link, 0))
        apus__inbox_wake(&inbox);
}

static void push_0(void)
{
    push_item(0);
}

static void push_1(void)
{
    push_item(1);
}

// Takes all there is; the data of each must have been seen.
static void take_all(void)
{
    uintptr_t link = apus__inbox_take(&inbox);
    while (link) {
        uintptr_t next = apus__inbox_next(link);
        struct item *item = (struct item *)(void *)apus__inbox_untag(link);
        if (weak_read(&item->data) != 7)
            wrong = "an item is taken without what it holds";
        taken++;
        link = next;
    }
}

TEST(inbox, "the inbox: who takes a link has seen what was written before it was pushed")
{
    void (*const bodies[])(void) = {push_0, push_1, take_all};
    check_case(inbox_reset, bodies, 3, no_check, 1u << WEAK_EXCHANGE | 1u << WEAK_CAS);
}

// --- The inbox: nothing is slept through ---------------------------------------------------------------------------------------------

static void park_until_one(void)
{
    take_all();
    if (taken)
        return;
    uint32_t parked;
    if (apus__inbox_park(&inbox, 0, &parked))
        weak_futex_wait(&inbox.park, sizeof inbox.park, parked);
    apus__inbox_say(&inbox, APUS__AWAKE);
    take_all();
}

static const char *check_taken_one(void)
{
    return wrong ? wrong : taken == 1 ? NULL : "a push is slept through";
}

TEST(parking, "the inbox: a push is seen by a taker that parks, or wakes it")
{
    void (*const bodies[])(void) = {park_until_one, push_0};
    // What is stored, by exchanges, and loaded in Dekker's pattern, on both sides.
    check_case(inbox_reset, bodies, 2, check_taken_one, 1u << WEAK_EXCHANGE | 1u << WEAK_LOAD_SEQCST | 1u << WEAK_CAS);
}

// --- The shelf ---------------------------------------------------------------------------------------------------------------------

static struct apus__shelf shelf;
static char memory[2][64] __attribute__((aligned(64)));
static uint64_t uses[2];
static struct apus__batch *stash;
static uint32_t place;

static struct apus__batch *batch_of(int index)
{
    return (struct apus__batch *)(void *)memory[index];
}

static void shelf_reset(void)
{
    memset(&shelf, 0, sizeof shelf);
    memset(memory, 0, sizeof memory);
    memset(uses, 0, sizeof uses);
    stash = NULL;
    place = 0;
    taken = 0;
    wrong = NULL;
    // All but the first place are full already, of a batch nobody touches, so that the second one put goes on top of the first.
    static struct apus__batch full[APUS__SHELF_PLACES];
    for (unsigned i = 1; i < APUS__SHELF_PLACES; i++)
        atomic_init(&shelf.places[i], &full[i]);
}

static void put_0(void)
{
    weak_write(&uses[0], 1);
    shelf_put(&shelf, 0, batch_of(0));
}

static void put_1(void)
{
    weak_write(&uses[1], 1);
    shelf_put(&shelf, 0, batch_of(1));
}

static void use(struct apus__batch *batch)
{
    for (int i = 0; i < 2; i++) {
        if (batch != batch_of(i))
            continue;
        if (weak_read(&uses[i]) != 1)
            wrong = "a batch is used before its last use was seen";
        weak_write(&uses[i], 2);
        taken |= 1u << i;
    }
}

// Takes the first place's chain alone: the other places are not empty.
static void take_shelf(void)
{
    struct apus__batch *chain = apus_exchange_acquire(&shelf.places[0], NULL);
    for (; chain; chain = chain->next)
        use(chain);
}

static void take_by_shelf_take(void)
{
    if (apus_load_relaxed(&shelf.places[0]) != NULL)
        use(shelf_take(&shelf, &place, &stash));
    use(stash);
}

TEST(shelf_chain, "the shelf: who takes a chain has seen the last use of every batch in it")
{
    void (*const bodies[])(void) = {put_0, put_1, take_shelf};
    check_case(shelf_reset, bodies, 3, no_check, 1u << WEAK_EXCHANGE | 1u << WEAK_CAS);
}

TEST(shelf_take, "the shelf: shelf_take hands a batch on with all that was done to it")
{
    void (*const bodies[])(void) = {put_0, take_by_shelf_take};
    check_case(shelf_reset, bodies, 2, no_check, 1u << WEAK_EXCHANGE | 1u << WEAK_CAS);
}

// --- A process changes owners --------------------------------------------------------------------------------------------------------

static _Atomic uint32_t owner;
static _Atomic uintptr_t remote;
static uint64_t cell, envelope;
static struct apus__inbox inboxes[2];
static struct item links[2]; // of the gift, and of the notification

static void give_reset(void)
{
    memset(inboxes, 0, sizeof inboxes);
    memset(links, 0, sizeof links);
    weak_quiet(links, sizeof links);
    atomic_init(&owner, 0);
    atomic_init(&remote, 0);
    cell = envelope = taken = 0;
    wrong = NULL;
}

// Slot 0 works on the cell and gives it to slot 1 (scheduler/share.c: share_add, apus__share).
static void giver(void)
{
    weak_write(&cell, 1);
    apus_store_release(&owner, 1);
    apus__inbox_push(&inboxes[1], &links[0].link, 1);
}

// Anybody sends (process/signal.c: signal_push, signal_notify).
static void pusher(void)
{
    uintptr_t newest = apus_load_relaxed(&remote);
    weak_write(&envelope, 1);
    if (apus_cas_strong_acq_rel(&remote, &newest, (uintptr_t)&envelope))
        apus__inbox_push(&inboxes[apus_load_relaxed(&owner)], &links[1].link, 2);
}

// Slot 1 takes what has arrived (apus__signal_notified, signal_take; apus__signal_given).
static void receiver(void)
{
    for (int look = 0; look < 2; look++) {
        for (uintptr_t link = apus__inbox_take(&inboxes[1]); link; link = apus__inbox_next(link)) {
            if (apus__inbox_tag(link) == 2 && apus_load_acquire(&owner) != 1) {
                wrong = "a notification for a cell of this slot is not known as such";
                return;
            }
            if (apus__inbox_tag(link) == 2 && apus_exchange_acq_rel(&remote, 0)) {
                weak_read(&envelope);
                weak_write(&cell, weak_read(&cell) + 1);
            } else if (apus__inbox_tag(link) == 1) {
                weak_write(&cell, weak_read(&cell) + 1);
            }
        }
    }
}

TEST(owner, "a process: a notification that overtakes its gift finds the cell as its last owner left it")
{
    void (*const bodies[])(void) = {giver, pusher, receiver};
    // An exchange made relaxed loses the envelope; the load of the owner the cell; the store of the owner too.
    check_case(give_reset, bodies, 3, no_check, 1u << WEAK_EXCHANGE | 1u << WEAK_LOAD_ACQUIRE | 1u << WEAK_STORE_RELEASE | 1u << WEAK_CAS);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
