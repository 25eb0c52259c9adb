# void registers_loop(const uint64_t in[14], uint64_t out[14], const void *xsave_in, void *xsave_out, uint64_t mask)
#
# Loads every general register but rsp from `in` and the extended state from `xsave_in`, spins until registers_stop
# is set, then stores all of it. No memory is written and no register changes in the loop, so a dump finds just these values.
# Order in the arrays: rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14.
# r15 counts the turns, so that the loop is seen to go on.
    .text
    .globl registers_loop
    .type registers_loop, @function
registers_loop:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %r8
    push %rcx
    push %rsi
    mov %rdi, %r9
    mov %r8, %rax
    mov %r8, %r10
    mov %rdx, %r11
    mov %r10, %rdx
    shr $32, %rdx
    xrstor64 (%r11)
    mov 0x00(%r9), %rax
    mov 0x08(%r9), %rbx
    mov 0x10(%r9), %rcx
    mov 0x18(%r9), %rdx
    mov 0x20(%r9), %rsi
    mov 0x28(%r9), %rdi
    mov 0x30(%r9), %rbp
    mov 0x38(%r9), %r8
    mov 0x50(%r9), %r11
    mov 0x58(%r9), %r12
    mov 0x60(%r9), %r13
    mov 0x68(%r9), %r14
    mov 0x48(%r9), %r10
    mov 0x40(%r9), %r9
    xor %r15d, %r15d
1:  inc %r15
    cmpl $0, registers_stop(%rip)
    je 1b
    mov (%rsp), %r15
    mov %rax, 0x00(%r15)
    mov %rbx, 0x08(%r15)
    mov %rcx, 0x10(%r15)
    mov %rdx, 0x18(%r15)
    mov %rsi, 0x20(%r15)
    mov %rdi, 0x28(%r15)
    mov %rbp, 0x30(%r15)
    mov %r8, 0x38(%r15)
    mov %r9, 0x40(%r15)
    mov %r10, 0x48(%r15)
    mov %r11, 0x50(%r15)
    mov %r12, 0x58(%r15)
    mov %r13, 0x60(%r15)
    mov %r14, 0x68(%r15)
    mov 0x08(%rsp), %rdi
    mov 0x10(%rsp), %rax
    mov %rax, %rdx
    shr $32, %rdx
    xsave64 (%rdi)
    add $24, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    fninit
    ldmxcsr default_mxcsr(%rip)
    ret
    .size registers_loop, . - registers_loop
    .section .rodata
default_mxcsr: .long 0x1f80
    .section .note.GNU-stack, "", @progbits
