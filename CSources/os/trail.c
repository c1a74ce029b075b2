// os/trail.c - see trail.h.
#define _GNU_SOURCE 1
#include "os/trail.h"

#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include "os/file.h"

enum { TRAIL_WORDS = 4096 }; // how far a stack is looked through

// The last two numbers in the file are the stack pointer and the pc. "running" has none.
static bool trail_ends(uint32_t id, uintptr_t *sp, uintptr_t *pc)
{
    char text[256];
    if (!apus__file_read(text, sizeof text, "/proc/self/task/%u/syscall", id))
        return false;
    char *last = strrchr(text, ' ');
    if (!last)
        return false;
    *pc = (uintptr_t)strtoull(last, NULL, 16);
    *last = '\0';
    last = strrchr(text, ' ');
    *sp = last ? (uintptr_t)strtoull(last, NULL, 16) : 0;
    return *sp && *pc;
}

// Whether the instruction before `pc`, which is code, calls something.
static bool trail_is_after_call(uintptr_t pc)
{
#if defined(__x86_64__)
    const uint8_t *at = (const uint8_t *)pc;
    if (at[-5] == 0xe8) // call to an address
        return true;
    for (int length = 2; length <= 7; length++) // call through a register or memory: ff /2, with all ways to say where
        if (at[-length] == 0xff && (at[1 - length] & 0x38) == 0x10)
            return true;
    return false;
#else
    uint32_t instruction = pc % 4 ? 0 : *(const uint32_t *)(pc - 4);
    return (instruction & 0xfc000000) == 0x94000000 || (instruction & 0xfffffc1f) == 0xd63f0000; // bl, blr
#endif
}

static bool trail_is_return(uintptr_t word)
{
    // The unwinder knows whether there is a function: it looks one byte before what it is given.
    return word > 4096 && _Unwind_FindEnclosingFunction((void *)word) && trail_is_after_call(word);
}

__attribute__((no_sanitize("thread", "address"))) unsigned apus__trail(uint32_t id, const struct apus__stack *stack, uintptr_t *frames,
                                                                       unsigned most)
{
    uintptr_t sp, pc, low = (uintptr_t)stack->low;
    if (!trail_ends(id, &sp, &pc) || sp < low || sp >= low + stack->size || most == 0)
        return 0;
    unsigned count = 0;
    frames[count++] = pc;
    const volatile uintptr_t *word = (const uintptr_t *)(sp & -sizeof(uintptr_t)), *end = (const uintptr_t *)(low + stack->size);
    for (int i = 0; i < TRAIL_WORDS && word < end && count < most; i++, word++) {
        uintptr_t found = *word; // once: it may change
        if (trail_is_return(found))
            frames[count++] = found;
    }
    return count;
}
