#include "process/life.h"

struct apus__world apus__world;
__thread struct apus__local apus__local __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) struct apus__owner *apus__arrive_anew(void)
{
    apus_store_relaxed(&apus__local.inside, 1);
    atomic_signal_fence(memory_order_seq_cst);
    return apus_load_acquire(&apus__local.here);
}

__attribute__((noinline)) void apus__depart_anew(void)
{
    apus_store_release(&apus__local.inside, 0);
}

struct apus__extra *apus__extra(struct apus__owner *here, struct apus_process *process)
{
    if (!process->extra) {
        struct apus__extra *extra = apus__heap_alloc(&here->heap, apus__heap_class(sizeof *extra));
        if (!extra)
            return NULL;
        memset(extra, 0, sizeof *extra);
        extra->arena_limit = SIZE_MAX;
        process->extra = extra;
    }
    return process->extra;
}

// Opens a new segment behind the last message.
static apus_message *mailbox_open(struct apus__owner *here, struct apus_process *process)
{
    struct apus__segment *segment = apus__heap_alloc(&here->heap, APUS__SEGMENT_CLASS);
    if (!segment)
        return NULL;
    apus_message *message = (apus_message *)((uintptr_t)segment + APUS_CACHE_LINE);
    segment->left = 0;
    segment->next = NULL;
    if (process->flags & APUS__OPEN) {
        apus__segment_of(process->last)->next = segment;
        if (here->current)
            here->current->flags |= APUS__PILES_UP;
    }
    apus__mailbox_append(process, message);
    process->flags |= APUS__OPEN;
    apus__message_set_next(message, (apus_message *)((uintptr_t)message + APUS_CACHE_LINE));
    return message;
}

apus_message *apus__mailbox_extend_slow(struct apus__owner *here, struct apus_process *process, uint8_t *block)
{
    if (process->first) {
        *block = APUS__SEGMENT;
        return mailbox_open(here, process);
    }
    apus_message *message = apus__heap_alloc(&here->heap, 0);
    *block = 0;
    if (message)
        apus__mailbox_append(process, message);
    return message;
}

void apus__extra_trim(struct apus__owner *here, struct apus_process *process)
{
    struct apus__extra *extra = process->extra;
    if (!extra || extra->held || extra->exit_reason || extra->wait || extra->arena || extra->pins || extra->label[0] ||
        extra->arena_limit != SIZE_MAX)
        return;
    apus__heap_free(&here->heap, extra, apus__heap_class(sizeof *extra));
    process->extra = NULL;
}
