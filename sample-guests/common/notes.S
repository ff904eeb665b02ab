# What loaders look for: the PVH note starts the guest in 32-bit mode without paging; the
# others describe a Xen PV domain. Xen: xen/include/public/elfnote.h
    .intel_syntax noprefix

    .macro note_value type, value
    .balign 4
    .long 4, 8, \type
    .asciz "Xen"
    .quad \value
    .endm

    .macro note_text type, text
    .balign 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  .asciz "\text"
2:
    .endm

    .section .note.Xen, "a", @note
    .globl elf_notes
elf_notes:
    note_value 1, xen_start             # ENTRY
    note_value 2, xen_hypercall_page    # HYPERCALL_PAGE
    note_value 3, 0                     # VIRT_BASE: linear = guest-physical
    note_value 4, 0                     # PADDR_OFFSET
    note_text 5, "xen-3.0"              # XEN_VERSION
    note_text 6, "paravane-sample"      # GUEST_OS
    note_text 8, "generic"              # LOADER
    note_text 9, "yes"                  # PAE_MODE
    note_text 10, ""                    # FEATURES: none needed
    .balign 4
    .long 4, 4, 18                      # PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_start
    .section .note.GNU-stack, "", @progbits
