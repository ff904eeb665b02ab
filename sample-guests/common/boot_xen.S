# Xen PV entry: 64-bit mode, ring 3, on tables and a stack that Xen prepared; RSI = start_info.
# Compare with boot_pvh.S: there is nothing left to set up.
    .intel_syntax noprefix
    .text
    .globl xen_start
xen_start:
    cld
    mov rsp, offset boot_stack_top
    mov rdi, rsi
    xor ebp, ebp
    call start_xen
    ud2

# Xen writes the hypercall stubs here: 32 bytes for each number.
    .balign 4096
    .globl xen_hypercall_page
xen_hypercall_page:
    .skip 4096, 0xcc

# Xen pushes R11 and RCX on top of the CPU's frame, and puts the event mask into the upper
# half of the CS slot. Take both away, and the frame is the one that traps.S knows.
    .macro to_native_frame cs_offset
    pop rcx
    pop r11
    mov dword ptr [rsp + \cs_offset + 4], 0
    .endm

    .macro xen_stub vector
    .balign 32
    .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30
    to_native_frame 16
    .else
    to_native_frame 8
    push 0
    .endif
    push \vector
    jmp trap_common
    .endm

    .balign 32
    .globl xen_stubs, xen_event, xen_system_call
xen_stubs:
    .set number, 0
    .rept 32
    xen_stub number
    .set number, number + 1
    .endr
    xen_stub 0x80

# SYSCALL from ring 3: Xen has switched to the kernel's stack and tables already.
xen_system_call:
    xen_stub 0x100
xen_event:
    xen_stub 0x101

# The hypercall iret wants, above the CPU's frame, a word of flags; its stub pushes RCX, R11 and RAX.
    .globl xen_trap_exit
xen_trap_exit:
    add rsp, 8                          # vector
    mov qword ptr [rsp], 0              # the error code's slot: no flags
    jmp xen_hypercall_page + 23 * 32
    .section .note.GNU-stack, "", @progbits
