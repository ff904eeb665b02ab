# bool attempt(void (*probe)(u64), u64 argument): calls a probe that may fault.
# A setjmp of one level: traps.c sends abandoned probes to attempt_abandoned, with
# RSP as it was here.
    .intel_syntax noprefix
    .text
    .globl attempt, attempt_abandoned
attempt:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    pushfq
    mov [attempt_stack], rsp
    mov rax, rdi
    mov rdi, rsi
    call rax
    mov eax, 1
    jmp finished

attempt_abandoned:
    xor eax, eax
finished:
    mov qword ptr [attempt_stack], 0
    popfq
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

    .bss
    .align 8
    .globl attempt_stack
attempt_stack:
    .quad 0
    .section .note.GNU-stack, "", @progbits
