# PVH entry: 32-bit protected mode without paging, which is where this guest wants to be.
    .intel_syntax noprefix
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18                      # PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_start

    .text
    .globl pvh_start
pvh_start:
    cli
    cld
    mov esp, offset boot_stack_top
    xor ebp, ebp
    call descriptors_start
    call main
    push eax
    call shutdown

    .bss
    .balign 16
boot_stack:
    .skip 16384
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
