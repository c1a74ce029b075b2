// os/context_aarch64.h - the stack switch for aarch64 (AAPCS64); a part of os/context.c, which includes it once.
//
// A stack that is not running, from its stack pointer upwards:
//
//     [x19 ... x28][x29, x30][d8 ... d15][fpcr, unused]
//
// The control word is loaded only if it differs from the one in force: writing it holds up the pipeline, and hardly any program
// changes it. The switch ends with `ret`, as branch target identification allows no other jump to the place after a call.
#ifndef APUS_OS_CONTEXT_AARCH64_H
#define APUS_OS_CONTEXT_AARCH64_H

#include <stdint.h>

#if defined(__ARM_FEATURE_BTI_DEFAULT)
#define CONTEXT_LANDING "    hint #34\n" // bti c
#else
#define CONTEXT_LANDING ""
#endif

struct context_frame {
    uint64_t x19_to_x28[10];
    uint64_t x29, x30;
    uint64_t d8_to_d15[8];
    uint64_t fpcr, unused;
};
_Static_assert(sizeof(struct context_frame) == 176, "the offsets in the assembly");

// The second half of a switch: continues the context whose stack pointer has been loaded. x9 holds the present fpcr.
#define CONTEXT_CONTINUE                                                                                 \
    "    ldr x11, [sp, #160]\n"                                                                          \
    "    cmp x9, x11\n"                                                                                  \
    "    b.eq 1f\n"                                                                                      \
    "    msr fpcr, x11\n"                                                                                \
    "1:  ldp x19, x20, [sp, #0]\n"                                                                       \
    "    ldp x21, x22, [sp, #16]\n"                                                                      \
    "    ldp x23, x24, [sp, #32]\n"                                                                      \
    "    ldp x25, x26, [sp, #48]\n"                                                                      \
    "    ldp x27, x28, [sp, #64]\n"                                                                      \
    "    ldp x29, x30, [sp, #80]\n"                                                                      \
    "    ldp d8, d9, [sp, #96]\n"                                                                        \
    "    ldp d10, d11, [sp, #112]\n"                                                                     \
    "    ldp d12, d13, [sp, #128]\n"                                                                     \
    "    ldp d14, d15, [sp, #144]\n"                                                                     \
    "    add sp, sp, #176\n"                                                                             \
    "    .cfi_def_cfa_offset 0\n"                                                                        \
    "    .cfi_restore x19\n"                                                                             \
    "    .cfi_restore x20\n"                                                                             \
    "    .cfi_restore x21\n"                                                                             \
    "    .cfi_restore x22\n"                                                                             \
    "    .cfi_restore x23\n"                                                                             \
    "    .cfi_restore x24\n"                                                                             \
    "    .cfi_restore x25\n"                                                                             \
    "    .cfi_restore x26\n"                                                                             \
    "    .cfi_restore x27\n"                                                                             \
    "    .cfi_restore x28\n"                                                                             \
    "    .cfi_restore x29\n"                                                                             \
    "    .cfi_restore x30\n"                                                                             \
    "    .cfi_restore d8\n"                                                                              \
    "    .cfi_restore d9\n"                                                                              \
    "    .cfi_restore d10\n"                                                                             \
    "    .cfi_restore d11\n"                                                                             \
    "    .cfi_restore d12\n"                                                                             \
    "    .cfi_restore d13\n"                                                                             \
    "    .cfi_restore d14\n"                                                                             \
    "    .cfi_restore d15\n"                                                                             \
    "    ret\n"

// The two second halves of a switch from one context to another.
#define CONTEXT_TO_CONTINUE                                                                              \
    /* From here on the frame is the other context's, of the same shape: the table above still holds. */ \
    "    ldr x10, [x1]\n"                                                                                \
    "    mov sp, x10\n"                                                                                  \
    CONTEXT_CONTINUE
#define CONTEXT_TO_START                                                                                 \
    "    ldr x10, [x1, #8]\n"                                                                            \
    "    mov sp, x10\n"                                                                                  \
    "    .cfi_undefined x30\n"                                                                           \
    "    cbz x9, 1f\n"                                                                                   \
    "    msr fpcr, xzr\n"                                                                                \
    "1:  mov x29, xzr\n"                                                                                 \
    "    b apus__context_begin\n"

// The code of a switch, under the name given; void name(struct apus__context *from, struct apus__context *to).
#define CONTEXT_SWITCH(name, second_half)                                                                \
    ".text\n"                                                                                            \
    ".p2align 4\n"                                                                                       \
    ".globl " name "\n"                                                                                  \
    ".hidden " name "\n"                                                                                 \
    ".type " name ", %function\n"                                                                        \
    name ":\n"                                                                                           \
    "    .cfi_startproc\n"                                                                               \
    CONTEXT_LANDING                                                                                      \
    "    sub sp, sp, #176\n"                                                                             \
    "    .cfi_adjust_cfa_offset 176\n"                                                                   \
    "    stp x19, x20, [sp, #0]\n"                                                                       \
    "    stp x21, x22, [sp, #16]\n"                                                                      \
    "    stp x23, x24, [sp, #32]\n"                                                                      \
    "    stp x25, x26, [sp, #48]\n"                                                                      \
    "    stp x27, x28, [sp, #64]\n"                                                                      \
    "    stp x29, x30, [sp, #80]\n"                                                                      \
    "    .cfi_rel_offset x19, 0\n"                                                                       \
    "    .cfi_rel_offset x20, 8\n"                                                                       \
    "    .cfi_rel_offset x21, 16\n"                                                                      \
    "    .cfi_rel_offset x22, 24\n"                                                                      \
    "    .cfi_rel_offset x23, 32\n"                                                                      \
    "    .cfi_rel_offset x24, 40\n"                                                                      \
    "    .cfi_rel_offset x25, 48\n"                                                                      \
    "    .cfi_rel_offset x26, 56\n"                                                                      \
    "    .cfi_rel_offset x27, 64\n"                                                                      \
    "    .cfi_rel_offset x28, 72\n"                                                                      \
    "    .cfi_rel_offset x29, 80\n"                                                                      \
    "    .cfi_rel_offset x30, 88\n"                                                                      \
    "    stp d8, d9, [sp, #96]\n"                                                                        \
    "    stp d10, d11, [sp, #112]\n"                                                                     \
    "    stp d12, d13, [sp, #128]\n"                                                                     \
    "    stp d14, d15, [sp, #144]\n"                                                                     \
    "    .cfi_rel_offset d8, 96\n"                                                                       \
    "    .cfi_rel_offset d9, 104\n"                                                                      \
    "    .cfi_rel_offset d10, 112\n"                                                                     \
    "    .cfi_rel_offset d11, 120\n"                                                                     \
    "    .cfi_rel_offset d12, 128\n"                                                                     \
    "    .cfi_rel_offset d13, 136\n"                                                                     \
    "    .cfi_rel_offset d14, 144\n"                                                                     \
    "    .cfi_rel_offset d15, 152\n"                                                                     \
    "    mrs x9, fpcr\n"                                                                                 \
    "    str x9, [sp, #160]\n"                                                                           \
    "    mov x10, sp\n"                                                                                  \
    "    str x10, [x0]\n"                                                                                \
    second_half                                                                                          \
    "    .cfi_endproc\n"                                                                                 \
    ".size " name ", . - " name "\n"

__asm__(
    ".text\n"
    ".p2align 4\n"
    ".globl apus__context_begin\n"
    ".hidden apus__context_begin\n"
    ".type apus__context_begin, %function\n"
    "apus__context_begin:\n"
    "    .cfi_startproc\n"
    "    .cfi_undefined x30\n"
    CONTEXT_LANDING
    "    ldp x9, x0, [sp, #16]\n"
    "    blr x9\n"
    "    mrs x9, fpcr\n"
    "    ldr x10, [x0]\n"
    "    mov sp, x10\n"
    "    .cfi_def_cfa_offset 176\n"
    "    .cfi_offset x19, -176\n"
    "    .cfi_offset x20, -168\n"
    "    .cfi_offset x21, -160\n"
    "    .cfi_offset x22, -152\n"
    "    .cfi_offset x23, -144\n"
    "    .cfi_offset x24, -136\n"
    "    .cfi_offset x25, -128\n"
    "    .cfi_offset x26, -120\n"
    "    .cfi_offset x27, -112\n"
    "    .cfi_offset x28, -104\n"
    "    .cfi_offset x29, -96\n"
    "    .cfi_offset x30, -88\n"
    "    .cfi_offset d8, -80\n"
    "    .cfi_offset d9, -72\n"
    "    .cfi_offset d10, -64\n"
    "    .cfi_offset d11, -56\n"
    "    .cfi_offset d12, -48\n"
    "    .cfi_offset d13, -40\n"
    "    .cfi_offset d14, -32\n"
    "    .cfi_offset d15, -24\n"
    CONTEXT_CONTINUE
    "    .cfi_endproc\n"
    ".size apus__context_begin, . - apus__context_begin\n");

static void context_lay_out(struct context_frame *frame)
{
    *frame = (struct context_frame){
        .x30 = (uintptr_t)apus__context_begin,
        .fpcr = 0, // no traps, round to nearest: what a thread starts with
    };
}

#endif
