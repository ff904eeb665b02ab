# From the CPU's exception frame to a struct trap_frame and back.
#
#   pushed by the CPU        SS RSP RFLAGS CS RIP [error code]
#   pushed by the stub       [0 for the error code] vector
#   pushed by save           RDI RSI RDX RCX RAX R8-R11 RBX RBP R12-R15     <- RSP, in RDI for C
    .intel_syntax noprefix

    .macro save
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    .endm

    .macro restore
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    .endm

# One stub for each vector, 16 bytes apart, so that gate n points to native_stubs + 16 n.
    .text
    .balign 16
    .globl native_stubs
native_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    push 0
    .endif
    push vector
    jmp trap_common
    .set vector, vector + 1
    .endr

# SYSCALL: RCX = return RIP, R11 = RFLAGS, RSP still the user's. With one CPU two plain
# variables do what SWAPGS and a per-CPU area do in a larger kernel; interrupts are off here.
    .globl native_system_call
native_system_call:
    mov [user_rsp], rsp
    mov rsp, [native_kernel_stack]
    push 0x23
    push qword ptr [user_rsp]
    push r11
    push 0x2b
    push rcx
    push 0
    push 0x100

    .globl trap_common
trap_common:
    save
    cld
    mov rdi, rsp
    call trap_dispatch
    mov rdi, rsp

# Leaves through the frame at RDI: by the way that fits the world.
    .globl trap_return
trap_return:
    mov rsp, rdi
    restore
    jmp [trap_exit]

# A frame made by SYSCALL goes back by SYSRET: RCX and R11 are lost to the user by
# definition. User addresses are in the lower half here, so RCX is canonical.
    .globl native_trap_exit
native_trap_exit:
    cmp dword ptr [rsp], 0x100
    je 1f
    add rsp, 16
    iretq
1:  mov rcx, [rsp + 16]
    mov r11, [rsp + 32]
    mov rsp, [rsp + 40]
    sysretq

    .data
    .balign 8
    .globl trap_exit
trap_exit:
    .quad native_trap_exit

    .bss
    .balign 8
    .globl native_kernel_stack
native_kernel_stack:
    .quad 0
user_rsp:
    .quad 0
    .section .note.GNU-stack, "", @progbits
