// os/context_x86_64.h - the stack switch for x86-64 (System V ABI); a part of os/context.c, which includes it once.
//
// A stack that is not running, from its stack pointer upwards:
//
//     [mxcsr, x87 control][r15][r14][r13][r12][rbx][rbp][return address]
//
// What a switch costs is whether the processor foresees where it goes on. Measured on an AMD EPYC, two contexts taking turns, the
// code at 11 different addresses, in nanoseconds for each switch:
//
//                                                          one copy of the code     a copy for each of the two
//     return by `ret`                                          14.3 - 16.6               12.3 - 14.5
//     return by jump                                            5.9 - 16.7                5.9 -  6.7     what is done here
//     return by jump, control words compared before loading    13.5 - 15.7
//     return by jump, control words left alone                  5.2 - 15.6                2.5 -  4.4
//
// A `ret` on another stack than the call's is foreseen wrongly; a jump is foreseen by where it went last. But what starts a context, and is
// continued when that one's entry returns, is called and returned to in the order in which the processor keeps return addresses, though on
// two stacks: there a `ret` is foreseen, and so is the next one of its caller. The control words cost 2 to 3 ns, and keeping them is what
// the calling convention asks for.
#ifndef APUS_OS_CONTEXT_X86_64_H
#define APUS_OS_CONTEXT_X86_64_H

#include <stdint.h>

#if defined(__CET__)
#define CONTEXT_LANDING "    endbr64\n"
#define CONTEXT_JUMP "    notrack jmpq" // what follows a call is no landing place
#else
#define CONTEXT_LANDING ""
#define CONTEXT_JUMP "    jmpq"
#endif

struct context_frame {
    uint32_t mxcsr;
    uint32_t x87_control;
    uintptr_t r15, r14, r13, r12, rbx, rbp;
    uintptr_t return_address;
};

// Loads the registers of the context whose stack pointer has been loaded, up to the return address.
#define CONTEXT_LOAD                                                                                     \
    "    ldmxcsr (%rsp)\n"                                                                               \
    "    fldcw 4(%rsp)\n"                                                                                \
    "    addq $8, %rsp\n"                                                                                \
    "    .cfi_adjust_cfa_offset -8\n"                                                                    \
    "    popq %r15\n"                                                                                    \
    "    .cfi_adjust_cfa_offset -8\n"                                                                    \
    "    .cfi_restore %r15\n"                                                                            \
    "    popq %r14\n"                                                                                    \
    "    .cfi_adjust_cfa_offset -8\n"                                                                    \
    "    .cfi_restore %r14\n"                                                                            \
    "    popq %r13\n"                                                                                    \
    "    .cfi_adjust_cfa_offset -8\n"                                                                    \
    "    .cfi_restore %r13\n"                                                                            \
    "    popq %r12\n"                                                                                    \
    "    .cfi_adjust_cfa_offset -8\n"                                                                    \
    "    .cfi_restore %r12\n"                                                                            \
    "    popq %rbx\n"                                                                                    \
    "    .cfi_adjust_cfa_offset -8\n"                                                                    \
    "    .cfi_restore %rbx\n"                                                                            \
    "    popq %rbp\n"                                                                                    \
    "    .cfi_adjust_cfa_offset -8\n"                                                                    \
    "    .cfi_restore %rbp\n"

// The two second halves of a switch from one context to another.
#define CONTEXT_TO_CONTINUE                                                                              \
    /* From here on the frame is the other context's, of the same shape: the table above still holds. */ \
    "    movq (%rsi), %rsp\n"                                                                            \
    CONTEXT_LOAD                                                                                         \
    "    popq %rdx\n"                                                                                    \
    "    .cfi_adjust_cfa_offset -8\n"                                                                    \
    "    .cfi_register %rip, %rdx\n"                                                                     \
    CONTEXT_JUMP " *%rdx\n"
#define CONTEXT_TO_START                                                                                 \
    "    movq 8(%rsi), %rsp\n"                                                                           \
    "    .cfi_undefined %rip\n"                                                                          \
    "    ldmxcsr context_control(%rip)\n"                                                                \
    "    fldcw 4 + context_control(%rip)\n"                                                              \
    "    xorl %ebp, %ebp\n"                                                                              \
    "    jmp apus__context_begin\n"

// The code of a switch, under the name given; void name(struct apus__context *from, struct apus__context *to).
#define CONTEXT_SWITCH(name, second_half)                                                                \
    ".text\n"                                                                                            \
    ".p2align 4\n"                                                                                       \
    ".globl " name "\n"                                                                                  \
    ".hidden " name "\n"                                                                                 \
    ".type " name ", @function\n"                                                                        \
    name ":\n"                                                                                           \
    "    .cfi_startproc\n"                                                                               \
    CONTEXT_LANDING                                                                                      \
    "    pushq %rbp\n"                                                                                   \
    "    .cfi_adjust_cfa_offset 8\n"                                                                     \
    "    .cfi_rel_offset %rbp, 0\n"                                                                      \
    "    pushq %rbx\n"                                                                                   \
    "    .cfi_adjust_cfa_offset 8\n"                                                                     \
    "    .cfi_rel_offset %rbx, 0\n"                                                                      \
    "    pushq %r12\n"                                                                                   \
    "    .cfi_adjust_cfa_offset 8\n"                                                                     \
    "    .cfi_rel_offset %r12, 0\n"                                                                      \
    "    pushq %r13\n"                                                                                   \
    "    .cfi_adjust_cfa_offset 8\n"                                                                     \
    "    .cfi_rel_offset %r13, 0\n"                                                                      \
    "    pushq %r14\n"                                                                                   \
    "    .cfi_adjust_cfa_offset 8\n"                                                                     \
    "    .cfi_rel_offset %r14, 0\n"                                                                      \
    "    pushq %r15\n"                                                                                   \
    "    .cfi_adjust_cfa_offset 8\n"                                                                     \
    "    .cfi_rel_offset %r15, 0\n"                                                                      \
    "    subq $8, %rsp\n"                                                                                \
    "    .cfi_adjust_cfa_offset 8\n"                                                                     \
    "    stmxcsr (%rsp)\n"                                                                               \
    "    fnstcw 4(%rsp)\n"                                                                               \
    "    movq %rsp, (%rdi)\n"                                                                            \
    second_half                                                                                          \
    "    .cfi_endproc\n"                                                                                 \
    ".size " name ", . - " name "\n"

__asm__(
    ".section .rodata\n"
    ".p2align 3\n"
    "context_control: .long 0x1f80, 0x37f\n" // all exceptions masked, round to nearest: what a thread starts with
    ".text\n"
    ".p2align 4\n"
    ".globl apus__context_begin\n"
    ".hidden apus__context_begin\n"
    ".type apus__context_begin, @function\n"
    "apus__context_begin:\n"
    "    .cfi_startproc\n"
    "    .cfi_undefined %rip\n"
    CONTEXT_LANDING
    "    movq 24(%rsp), %rdi\n"
    "    callq *16(%rsp)\n"
    "    movq (%rax), %rsp\n"
    "    .cfi_def_cfa_offset 64\n"
    "    .cfi_offset %rip, -8\n"
    "    .cfi_offset %rbp, -16\n"
    "    .cfi_offset %rbx, -24\n"
    "    .cfi_offset %r12, -32\n"
    "    .cfi_offset %r13, -40\n"
    "    .cfi_offset %r14, -48\n"
    "    .cfi_offset %r15, -56\n"
    CONTEXT_LOAD
    "    ret\n"
    "    .cfi_endproc\n"
    ".size apus__context_begin, . - apus__context_begin\n");

static void context_lay_out(struct context_frame *frame)
{
    *frame = (struct context_frame){
        .mxcsr = 0x1f80, // as context_control
        .x87_control = 0x37f,
        .return_address = (uintptr_t)apus__context_begin,
    };
}

#endif
