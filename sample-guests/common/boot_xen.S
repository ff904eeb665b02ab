# Xen PV entry: 64-bit mode, ring 3, on tables and a stack that Xen prepared; RSI = start_info.
    .intel_syntax noprefix
    .text
    .globl xen_start
xen_start:
    ud2

# Xen writes the hypercall stubs here: 32 bytes for each number.
    .balign 4096
    .globl xen_hypercall_page
xen_hypercall_page:
    .skip 4096, 0xcc
    .section .note.GNU-stack, "", @progbits
