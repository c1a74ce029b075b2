// os/context_x86_64.h - the stack switch for x86-64 (System V ABI); a part of os/context.c, which includes it once.
//
// A stack that is not running, from its stack pointer upwards:
//
//     [mxcsr, x87 control][r15][r14][r13][r12][rbx][rbp][return address]
//
// The control words are always saved, but loaded only if they differ from those in force: loading them holds up the pipeline, and
// hardly any program changes them.
#ifndef APUS_OS_CONTEXT_X86_64_H
#define APUS_OS_CONTEXT_X86_64_H

#include <stdint.h>

#if defined(__CET__)
#define CONTEXT_LANDING "    endbr64\n"
#else
#define CONTEXT_LANDING ""
#endif

struct context_frame {
    uint32_t mxcsr;
    uint32_t x87_control;
    uintptr_t r15, r14, r13, r12, rbx, rbp;
    uintptr_t return_address;
};

__asm__(
    ".text\n"
    ".p2align 4\n"
    ".globl " CONTEXT_SWAP "\n"
    ".hidden " CONTEXT_SWAP "\n"
    ".type " CONTEXT_SWAP ", @function\n"
    CONTEXT_SWAP ":\n"
    "    .cfi_startproc\n"
    CONTEXT_LANDING
    "    pushq %rbp\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "    .cfi_rel_offset %rbp, 0\n"
    "    pushq %rbx\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "    .cfi_rel_offset %rbx, 0\n"
    "    pushq %r12\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "    .cfi_rel_offset %r12, 0\n"
    "    pushq %r13\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "    .cfi_rel_offset %r13, 0\n"
    "    pushq %r14\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "    .cfi_rel_offset %r14, 0\n"
    "    pushq %r15\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "    .cfi_rel_offset %r15, 0\n"
    "    subq $8, %rsp\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "    stmxcsr (%rsp)\n"
    "    fnstcw 4(%rsp)\n"
    "    movl (%rsp), %eax\n"
    "    movzwl 4(%rsp), %ecx\n"
    "    movq %rsp, (%rdi)\n"
    // From here on the frame is the other context's, of the same shape: the table above still holds.
    "    movq (%rsi), %rsp\n"
    "    cmpl %eax, (%rsp)\n"
    "    jne 3f\n"
    "1:  cmpw %cx, 4(%rsp)\n"
    "    jne 4f\n"
    "2:  addq $8, %rsp\n"
    "    .cfi_adjust_cfa_offset -8\n"
    "    .cfi_remember_state\n"
    "    popq %r15\n"
    "    .cfi_adjust_cfa_offset -8\n"
    "    .cfi_restore %r15\n"
    "    popq %r14\n"
    "    .cfi_adjust_cfa_offset -8\n"
    "    .cfi_restore %r14\n"
    "    popq %r13\n"
    "    .cfi_adjust_cfa_offset -8\n"
    "    .cfi_restore %r13\n"
    "    popq %r12\n"
    "    .cfi_adjust_cfa_offset -8\n"
    "    .cfi_restore %r12\n"
    "    popq %rbx\n"
    "    .cfi_adjust_cfa_offset -8\n"
    "    .cfi_restore %rbx\n"
    "    popq %rbp\n"
    "    .cfi_adjust_cfa_offset -8\n"
    "    .cfi_restore %rbp\n"
    "    ret\n"
    "    .cfi_restore_state\n"
    "    .cfi_adjust_cfa_offset 8\n"
    "3:  ldmxcsr (%rsp)\n"
    "    jmp 1b\n"
    "4:  fldcw 4(%rsp)\n"
    "    jmp 2b\n"
    "    .cfi_endproc\n"
    ".size " CONTEXT_SWAP ", . - " CONTEXT_SWAP "\n"

    ".p2align 4\n"
    ".globl apus__context_begin\n"
    ".hidden apus__context_begin\n"
    ".type apus__context_begin, @function\n"
    "apus__context_begin:\n"
    "    .cfi_startproc\n"
    "    .cfi_undefined %rip\n"
    CONTEXT_LANDING
    "    movq %r12, %rdi\n"
    "    callq *%rbx\n"
    "    ud2\n"
    "    .cfi_endproc\n"
    ".size apus__context_begin, . - apus__context_begin\n");

static void context_lay_out(struct context_frame *frame, void (*run)(struct context_start *), struct context_start *start)
{
    *frame = (struct context_frame){
        .mxcsr = 0x1f80, // all exceptions masked, round to nearest: what a thread starts with
        .x87_control = 0x37f,
        .rbx = (uintptr_t)run,
        .r12 = (uintptr_t)start,
        .return_address = (uintptr_t)apus__context_begin,
    };
}

#endif
