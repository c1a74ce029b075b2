// process/arena.c - memory that lives as long as its process: bump allocation in chunks from the owner's heap, freed whole.
#include "process/life.h"

struct apus__arena_chunk {
    struct apus__arena_chunk *next;
    size_t used; // bytes, this head included
    size_t size;
    unsigned block;
};

enum { ARENA_FIRST = 512, ARENA_CHUNK = 4096, ARENA_ALIGN = 16 };

static struct apus__arena_chunk *arena_grow(struct apus__owner *here, struct apus__extra *extra, size_t size)
{
    size_t wanted = extra->arena ? ARENA_CHUNK : ARENA_FIRST;
    size_t needed = size + ((sizeof(struct apus__arena_chunk) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1));
    unsigned block;
    struct apus__arena_chunk *chunk = apus__heap_alloc_bytes(&here->heap, needed > wanted ? needed : wanted, &block);
    if (!chunk)
        return NULL;
    chunk->used = needed - size;
    chunk->size = needed > wanted ? needed : wanted;
    chunk->block = block;
    chunk->next = extra->arena;
    extra->arena = chunk;
    return chunk;
}

void *apus__arena_alloc(struct apus__owner *here, struct apus_process *process, size_t size)
{
    struct apus__extra *extra = apus__extra(here, process);
    if (!extra || size == 0 || size > SIZE_MAX / 2)
        return NULL;
    size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (size > extra->arena_limit - extra->arena_used) {
        static const apus_reason killed = {.kind = APUS_REASON_KILLED, .text = "over its arena limit"};
        apus__must_end(here, process, &killed);
        return NULL;
    }
    struct apus__arena_chunk *chunk = extra->arena;
    if (!chunk || chunk->size - chunk->used < size)
        chunk = arena_grow(here, extra, size);
    if (!chunk)
        return NULL;
    void *memory = (char *)chunk + chunk->used;
    chunk->used += size;
    extra->arena_used += size;
    return memory;
}

void apus__arena_free(struct apus__owner *here, struct apus_process *process)
{
    struct apus__arena_chunk *chunk = process->extra->arena;
    while (chunk) {
        struct apus__arena_chunk *next = chunk->next;
        apus__heap_free(&here->heap, chunk, chunk->block);
        chunk = next;
    }
    process->extra->arena = NULL;
}
