// The init of a pid namespace that a restore makes. It gets this page alone of us, so there is no C in it.
#include "namespace_init.h"

#ifndef __x86_64__
#error "the init of a new pid namespace is written for x86-64"
#endif

// Aligned so that it lies in one page. r12: the child whose end counts; ebx: how it ended.
asm(".pushsection .text.cp_namespace_init, \"ax\", @progbits\n"
    ".p2align 7\n"
    ".hidden cp_namespace_init_code\n"
    ".globl cp_namespace_init_code\n"
    ".type cp_namespace_init_code, @function\n"
    "cp_namespace_init_code:\n"
    "1:  movl $61, %eax\n"          // wait4(-1, rsp, __WALL, NULL)
    "    movq $-1, %rdi\n"
    "    movq %rsp, %rsi\n"
    "    movl $0x40000000, %edx\n"
    "    xorl %r10d, %r10d\n"
    "    syscall\n"
    "    cmpq $-4, %rax\n"          // EINTR
    "    je 1b\n"
    "    testq %rax, %rax\n"        // ECHILD
    "    js 2f\n"
    "    cmpq %rax, %r12\n"
    "    jne 1b\n"
    "    movl (%rsp), %ebx\n"
    "    jmp 1b\n"
    "2:  movl %ebx, %edi\n"
    "    andl $0x7f, %edi\n"
    "    jz 3f\n"
    "    addl $128, %edi\n"
    "    jmp 4f\n"
    "3:  movzbl %bh, %edi\n"
    "4:  movl $231, %eax\n"         // exit_group
    "    syscall\n"
    "    jmp 4b\n"
    ".size cp_namespace_init_code, . - cp_namespace_init_code\n"
    ".popsection\n");

extern const char cp_namespace_init_code[] __attribute__((visibility("hidden")));

const void *cp_namespace_init(void)
{
    return cp_namespace_init_code;
}
