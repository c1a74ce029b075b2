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

// Opens a new segment behind the last message, which lies in `full`, or, if that is NULL, somewhere else.
static apus_message *mailbox_open(struct apus__owner *here, struct apus_process *process, unsigned class, struct apus__segment *full)
{
    struct apus__segment *segment = apus__heap_alloc(&here->heap, class);
    if (!segment)
        return NULL;
    apus_message *message = (apus_message *)((uintptr_t)segment + APUS_CACHE_LINE);
    segment->left = 0;
    segment->next = NULL;
    if (full) {
        full->next = segment;
        here->piles_up = true;
        if (here->current)
            here->current->flags |= APUS__PILES_UP;
    }
    apus__mailbox_append(process, message);
    return message;
}

static apus_message *mailbox_open_narrow(struct apus__owner *here, struct apus_process *process)
{
    bool is_open = process->flags & APUS__OPEN;
    apus_message *message = mailbox_open(here, process, APUS__SEGMENT_CLASS, is_open ? apus__segment_of(process->last) : NULL);
    if (message) {
        process->flags |= APUS__OPEN;
        apus__message_set_next(message, (apus_message *)((uintptr_t)message + APUS_CACHE_LINE));
    }
    return message;
}

apus_message *apus__mailbox_extend_wide(struct apus__owner *here, struct apus_process *process, size_t size)
{
    unsigned lines = apus__lines(size);
    apus_message *last = process->last, *message;
    if (!apus__mailbox_has_several(process))
        return NULL;
    bool is_open = apus__mailbox_lines(process) == lines;
    if (is_open && apus__wide_line(last) + 2 * lines <= APUS__WIDE_LINES) {
        message = (apus_message *)((uintptr_t)last + lines * APUS_CACHE_LINE);
        process->last = message;
    } else {
        message = mailbox_open(here, process, APUS__WIDE_CLASS, is_open ? apus__wide_segment_of(last) : NULL);
        if (!message)
            return NULL;
        process->flags |= (lines - 1) * (APUS__OPEN_WIDE / 3);
    }
    char *after = (char *)message + lines * APUS_CACHE_LINE;
    apus__message_set_next(message, (apus_message *)after);
    for (unsigned line = 0; line < lines; line++)
        __builtin_prefetch(after + line * APUS_CACHE_LINE, 1);
    return message;
}

static void wide_prefetch(const apus_message *message)
{
    const char *next = (const char *)apus__wide_segment_of(message)->next;
    if (!next)
        return;
    const char *place = next + (uintptr_t)message % APUS__WIDE_BYTES;
    if (apus__wide_line(message) == 1)
        __builtin_prefetch(next);
    for (unsigned line = 0; line < apus__lines(message->size); line++)
        __builtin_prefetch(place + line * APUS_CACHE_LINE);
}

void apus__wide_free(struct apus__owner *here, apus_message *message)
{
    struct apus__segment *segment = apus__wide_segment_of(message);
    wide_prefetch(message);
    apus__poison(message, APUS_CACHE_LINE);
    if (--segment->left == 0)
        apus__heap_free(&here->heap, segment, APUS__WIDE_CLASS);
}

apus_message *apus__mailbox_extend_slow(struct apus__owner *here, struct apus_process *process, uint8_t *block)
{
    if (apus__mailbox_has_several(process)) {
        *block = APUS__SEGMENT;
        return mailbox_open_narrow(here, process);
    }
    apus_message *message = apus__heap_alloc(&here->heap, 0);
    *block = 0;
    if (message)
        apus__mailbox_append(process, message);
    return message;
}

apus_message *apus__holder_new(struct apus__owner *here, apus_message *message)
{
    apus_message *holder = apus__message_alloc(here, sizeof message, APUS__HOLDER);
    if (holder)
        memcpy(apus_message_payload(holder), &message, sizeof message);
    return holder;
}

void apus__unhold(struct apus__owner *here, struct apus_process *process, apus_message *message)
{
    apus_message *held = message->flags & APUS__SHORT ? apus__message_next(message) : message;
    apus__unlink_held(process, held);
    if (held != message)
        apus__message_free(here, held);
    message->flags = (uint8_t)(message->flags & ~APUS__HELD);
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
