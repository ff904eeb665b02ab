# From the CPU's frame to a struct trap_frame and back, and ways to and from other rings.
#include "descriptors.h"
    .intel_syntax noprefix
    .text
    .balign 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    push 0
    .endif
    push vector
    jmp trap_common
    .set vector, vector + 1
    .endr

trap_common:
    pusha
    push ds
    push es
    cld
    mov eax, DATA_0
    mov ds, eax
    mov es, eax
    push esp
    call trap_dispatch
    add esp, 4
    pop es
    pop ds
    popa
    add esp, 8                          # vector, error code
    iret

    .macro enter_attempt
    push ebp
    push ebx
    push esi
    push edi
    pushf
    mov [attempt_stack], esp
    .endm

# u32 attempt_call(probe, argument)
    .globl attempt_call
attempt_call:
    enter_attempt
    push dword ptr [esp + 28]
    call [esp + 28]                     # the probe: one slot higher after the push
    jmp finished

# attempt_outer(probe, argument, code, stack, stack_top, flags): IRET to an outer ring, where the
# probe finds its argument and outer_return on its stack.
    .globl attempt_outer
attempt_outer:
    enter_attempt
    mov eax, [esp + 40]                 # stack_top
    sub eax, 8
    mov ecx, [esp + 28]                 # argument
    mov [eax + 4], ecx
    mov dword ptr [eax], offset outer_return
    mov ecx, [esp + 44]                 # flags
    mov edx, [esp + 32]                 # code
    mov ebx, [esp + 24]                 # probe
    mov esi, [esp + 36]                 # stack
    push esi
    push eax
    push ecx
    push edx
    push ebx
    mov ds, esi
    mov es, esi
    mov esi, DATA_0
    mov fs, esi                         # IRET takes away what the outer ring may not have
    iret

outer_return:
    int 0x80
    ud2

# Every trap in a probe, and INT 0x80 from an outer ring, end here.
    .globl attempt_abandon
attempt_abandon:
    mov esp, [attempt_stack]
finished:
    mov esp, [attempt_stack]
    mov dword ptr [attempt_stack], 0
    mov ecx, DATA_0
    mov ds, ecx
    mov es, ecx
    mov ss, ecx
    xor ecx, ecx
    mov fs, ecx
    mov gs, ecx
    popf
    pop edi
    pop esi
    pop ebx
    pop ebp
    ret

# Behind the call gate, in ring 0: [esp] EIP, CS, first, second, ESP, SS. Answers 100 * ring + 10 * first + second.
    .globl gate_entry
gate_entry:
    mov eax, cs
    and eax, 3
    imul eax, eax, 100
    imul edx, dword ptr [esp + 8], 10
    add eax, edx
    add eax, [esp + 12]
    retf 8

    .bss
    .balign 4
    .globl attempt_stack
attempt_stack:
    .long 0
    .section .note.GNU-stack, "", @progbits
