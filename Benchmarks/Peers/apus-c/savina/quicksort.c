// quicksort.c - Savina's quicksort: a process splits its numbers and hands the halves to two others, down to 2,048 of them.
//
// A message carries a pointer to numbers, which it gives away with them.
#include "bench.h"
#include "kernels.h"

enum { THRESHOLD = 2048 };

static const apus_type sorted_type = {.name = "sorted"};

struct sorted {
    struct kernel_slice slice;
    bool greater; // the part above the pivot, not the one below
};

struct sorter {
    struct kernel_slice all;
    int64_t parts; // to come
    bool greater;
};

static void sorter_report(apus_process *self, const struct sorter *me)
{
    struct sorted sorted = {me->all, me->greater};
    check(apus_send(apus_parent_of(self), &sorted_type, &sorted, sizeof sorted) == 0, "sorted");
}

static int sorter_init(apus_process *self, void *state, const void *argument);
static int sorter_handle(apus_process *self, void *state, apus_message *message);
static const apus_behaviour sorter = {.name = "sorter", .state_size = sizeof(struct sorter), .init = sorter_init,
                                      .handle = sorter_handle};

static void sorter_hand_out(struct sorter *me, struct kernel_slice part, bool greater)
{
    if (part.count > 0) {
        struct kernel_slice own = {malloc((size_t)part.count * sizeof *own.values), part.count};
        memcpy(own.values, part.values, (size_t)part.count * sizeof *own.values);
        spawn(&sorter, &(struct sorter){own, 0, greater}, sizeof(struct sorter));
        me->parts++;
    }
}

static int sorter_init(apus_process *self, void *state, const void *argument)
{
    struct sorter *me = state;
    *me = *(const struct sorter *)argument;
    if (me->all.count <= THRESHOLD) {
        kernel_sort(me->all);
        sorter_report(self, me);
        return APUS_DONE;
    }
    struct kernel_parts parts = kernel_split(me->all);
    // What is equal to the pivot has its place already; the parts come to lie on both sides of it.
    memcpy(me->all.values + parts.less.count, parts.equal.values, (size_t)parts.equal.count * sizeof *me->all.values);
    sorter_hand_out(me, parts.less, false);
    sorter_hand_out(me, parts.greater, true);
    free(parts.less.values);
    if (me->parts > 0) {
        return APUS_OK;
    }
    sorter_report(self, me);
    return APUS_DONE;
}

static int sorter_handle(apus_process *self, void *state, apus_message *message)
{
    struct sorter *me = state;
    const struct sorted *part = apus_message_payload(message);
    int64_t *place = part->greater ? me->all.values + me->all.count - part->slice.count : me->all.values;
    memcpy(place, part->slice.values, (size_t)part->slice.count * sizeof *place);
    free(part->slice.values);
    if (--me->parts > 0) {
        return APUS_OK;
    }
    sorter_report(self, me);
    return APUS_DONE;
}

static double run(apus_process *boss)
{
    int64_t total = scaled(1000000), before = 0, after = 0;
    uint64_t seed = 1024;
    struct sorter all = {{malloc((size_t)total * sizeof(int64_t)), total}, 0, false};
    check(all.all.values != NULL, "memory");
    for (int64_t i = 0; i < total; i++) {
        all.all.values[i] = (int64_t)(random_next(&seed) >> 4);
        before += all.all.values[i] % 1000003;
    }
    int64_t start = now_ns();
    spawn(&sorter, &all, sizeof all);
    apus_message *message = apus_receive(boss, NULL, NULL, APUS_INFINITY);
    int64_t end = now_ns();
    struct sorted sorted = *(const struct sorted *)apus_message_payload(message);
    apus_message_release(message);
    check(sorted.slice.count == total, "length");
    for (int64_t i = 0; i < total; i++) {
        check(i == 0 || sorted.slice.values[i - 1] <= sorted.slice.values[i], "order");
        after += sorted.slice.values[i] % 1000003;
    }
    check(before == after, "the same numbers");
    free(sorted.slice.values);
    return (double)total / seconds(end - start);
}

const struct workload quicksort_workload = {"quicksort", "values/s", run};
