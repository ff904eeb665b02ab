# Instructions that raise exceptions in ring 3. They run at WINDOW_CODE, not where they are
# linked: position-independent code only. UD2 follows those that might raise nothing.
#include "layout.h"
#include "probe_macros.h"

    .section .rodata.probe_table, "a"
    .globl user_probes
user_probes:

    .text

# ---- Privileged instructions ----
    probe "HLT", RING3
    here
    hlt

    probe "CLI with IOPL 0", RING3
    here
    cli

    probe "IN from a port with IOPL 0", RING3
    here
    in al, 0x60

    probe "MOV to CR3", RING3
    here
    mov cr3, rax

    probe "MOV from CR0", RING3
    here
    mov rax, cr0

    probe "MOV from DR7", RING3
    here
    mov rax, dr7

    probe "CLTS", RING3
    here
    clts

    probe "INVLPG", RING3
    here
    invlpg [rsp]

    probe "LGDT", RING3
    here
    lgdt [rsp - 16]

    probe "RDMSR", RING3
    mov ecx, 0xc0000080
    here
    rdmsr

    probe "WRMSR", RING3
    mov ecx, 0xc0000080
    here
    wrmsr

# ---- Rings ----
    probe "MOV DS, data segment of ring 0", RING3
    mov eax, 0x10
    here
    mov ds, eax

    probe "far return to ring 0", RING3
    push 0x08
    push 0
    here
    retfq

    probe "IRET to ring 0", RING3
    push 0x10
    push rsp
    push 2
    push 0x08
    push 0
    here
    iretq

    probe "POPF cannot set IF: UD2 shows RFLAGS", RING3
    push 0x202
    popfq
    here
    ud2

# ---- Pages ----
    probe "read from a supervisor page", RING3
    here
    mov eax, [PAGE_SUPERVISOR]

    probe "write to a supervisor page", RING3
    here
    mov [PAGE_SUPERVISOR], eax

    probe "jump to a supervisor page", RING3
    mov eax, PAGE_SUPERVISOR
    here
    jmp rax

    probe "read from an absent page", RING3
    here
    mov eax, [PAGE_UNMAPPED]

    probe "write to a read-only user page", RING3
    here
    mov [PAGE_USER_READ_ONLY], eax

    probe "jump to a no-execute user page", RING3
    lea rax, [rsp - 64]
    here
    jmp rax

    probe "misaligned read with CR0.AM and AC set", RING3 | ALIGNMENT_CHECK | UNCOMPARED
    here
    mov eax, [rsp - 7]
    ud2

    .section .rodata.probe_table, "a"
    .globl user_probes_end
user_probes_end:
    .section .note.GNU-stack, "", @progbits
