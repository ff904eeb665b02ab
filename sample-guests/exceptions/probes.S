# Instructions that raise exceptions in ring 0. A probe may leave registers, segments and
# control registers in any state: exceptions.c puts them back. It returns only if nothing
# was raised.
#include "layout.h"
#include "probe_macros.h"

    .section .rodata.probe_table, "a"
    .balign 8
    .globl kernel_probes
kernel_probes:

    .text

# ---- Arithmetic ----
    probe "DIV by zero"
    xor ecx, ecx
    here
    div ecx
    ret

    probe "IDIV whose quotient does not fit"
    mov eax, 0x80000000
    cdq
    mov ecx, -1
    here
    idiv ecx
    ret

    probe "AAM by zero, in a 32-bit code segment"
    call to_code32
    .code32
    here
    aam 0
    ud2
    .code64

    probe "INTO with OF set, in a 32-bit code segment"
    call to_code32
    .code32
    mov eax, 0x7fffffff
    add eax, 1
    here
    into
    ud2
    .code64

    probe "INT 4"
    here
    int 4
    ret

    probe "BOUND with a bad index, in a 32-bit code segment"
    call to_code32
    .code32
    mov eax, 11
    here
    bound eax, bounds
    ud2
    .code64

# ---- Debugging ----
    probe "INT3"
    here
    int3
    ret

    probe "INT 3 in its two-byte form"
    here
    .byte 0xcd, 0x03
    ret

    probe "ICEBP", UNCOMPARED
    here
    .byte 0xf1
    ret

    probe "single step: TF set by POPF"
    pushfq
    or dword ptr [rsp], 0x100
    popfq
    here
    nop
    ret

    probe "instruction breakpoint in DR0"
    lea rax, [rip + 1f]
    mov dr0, rax
    mov eax, 0x401                      # L0: execution
    mov dr7, rax
    here
1:  nop
    ret

    probe "write breakpoint in DR1: write"
    call watch_writes
    here
    mov dword ptr [watched], 1
    ret

    probe "write breakpoint in DR1: read"
    call watch_writes
    here
    mov eax, [watched]
    ret

    probe "read or write breakpoint in DR1: read"
    call watch_writes
    or eax, 0x300000                    # RW1 = 3
    mov dr7, rax
    here
    mov eax, [watched]
    ret

# ---- Opcodes ----
    probe "UD2"
    here
    ud2
    ret

    probe "PUSH ES in 64-bit mode"
    here
    .byte 0x06
    ret

    probe "LOCK on a register operand"
    here
    .byte 0xf0, 0x01, 0xc0
    ret

    probe "MOV to CS"
    mov eax, 0x10
    here
    .byte 0x8e, 0xc8
    ret

    probe "SYSCALL while EFER.SCE is clear"
    here
    syscall
    ret

# ---- Coprocessor: this guest has none, and says so in CR0.EM ----
    probe "FNOP with CR0.EM set"
    here
    fnop
    ret

    probe "FNOP with CR0.TS set and EM clear"
    mov rax, cr0
    and eax, 0xfffffffb
    or eax, 8
    mov cr0, rax
    here
    fnop
    ret

    probe "WAIT with CR0.TS and MP set"
    mov rax, cr0
    or eax, 10
    mov cr0, rax
    here
    fwait
    ret

# ---- Segments ----
    probe "MOV ES, absent data segment"
    mov eax, SELECTOR_ABSENT_DATA
    here
    mov es, eax
    ret

    probe "far return to an absent code segment"
    push SELECTOR_ABSENT_CODE
    lea rax, [rip + 1f]
    push rax
    here
    retfq
1:  ret

    probe "MOV SS, absent data segment"
    mov eax, SELECTOR_ABSENT_DATA
    here
    mov ss, eax
    ret

    probe "MOV DS, selector beyond the GDT"
    mov eax, 0x2000
    here
    mov ds, eax
    ret

    probe "MOV DS, LDT selector while there is no LDT"
    xor eax, eax
    lldt ax
    mov eax, 0x34
    here
    mov ds, eax
    ret

    probe "MOV SS, code segment"
    mov eax, 0x08
    here
    mov ss, eax
    ret

    probe "far return to a data segment"
    push 0x10
    lea rax, [rip + 1f]
    push rax
    here
    retfq
1:  ret

    probe "LTR with the busy TSS"
    mov eax, 0x30
    here
    ltr ax
    ret

    probe "LLDT with a data segment"
    mov eax, 0x10
    here
    lldt ax
    ret

    probe "IRET with NT set, in long mode"
    pushfq
    or dword ptr [rsp], 0x4000
    popfq
    here
    iretq

# ---- Addresses ----
    probe "read from a non-canonical address"
    movabs rax, NON_CANONICAL
    here
    mov rax, [rax]
    ret

    probe "write to a non-canonical address"
    movabs rax, NON_CANONICAL
    here
    mov [rax], al
    ret

    probe "read from an absent page"
    here
    mov eax, [PAGE_UNMAPPED + 0x123]
    ret

    probe "write to an absent page"
    here
    mov [PAGE_UNMAPPED + 0x123], eax
    ret

    probe "call to an absent page"
    mov eax, PAGE_UNMAPPED + 0x123
    here
    call rax
    ret

    probe "read that runs into an absent page"
    here
    mov rax, [PAGE_UNMAPPED - 3]
    ret

    probe "write that runs into an absent page"
    here
    mov [PAGE_UNMAPPED - 3], rax
    ret

    probe "read from a read-only page"
    here
    mov eax, [PAGE_READ_ONLY + 8]
    ret

    probe "write to a read-only page, CR0.WP set"
    here
    mov [PAGE_READ_ONLY + 8], eax
    ret

    probe "write to a read-only page, CR0.WP clear"
    mov rax, cr0
    and eax, 0xfffeffff
    mov cr0, rax
    here
    mov [PAGE_READ_ONLY + 8], eax
    ret

    probe "call to a no-execute page"
    mov eax, PAGE_NO_EXECUTE
    here
    call rax
    ret

    probe "read through an entry with a reserved bit", UNCOMPARED
    here
    mov eax, [PAGE_RESERVED_BIT]
    ret

    probe "push on an absent stack page"
    mov esp, PAGE_UNMAPPED + 0x800
    here
    push rax
    ret

    .section .rodata.probe_table, "a"
    .globl kernel_probes_end
kernel_probes_end:

    .text

# Returns to its caller in the 32-bit code segment of ring 0. Its low 32 bits are all of
# RSP and RIP, as the guest lives below 4 GiB.
to_code32:
    pop rax
    push SELECTOR_CODE32
    push rax
    retfq

watch_writes:
    mov eax, offset watched
    mov dr1, rax
    mov eax, 0xd00404                   # L1; RW1 = 1: writes; LEN1 = 3: four bytes
    mov dr7, rax
    ret

# void enter_ring3(u64 code)
    .globl enter_ring3, enter_ring3_with_alignment_check
enter_ring3_with_alignment_check:
    mov eax, 0x40002
    jmp 1f
enter_ring3:
    mov eax, 2
1:  push 0x23
    mov ecx, WINDOW_STACK
    push rcx
    push rax
    push 0x2b
    push rdi
    iretq

    .section .rodata
    .balign 4
bounds:
    .long 0, 10

    .data
    .balign 4
watched:
    .long 0
    .section .note.GNU-stack, "", @progbits
