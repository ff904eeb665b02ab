# The failsafe callback: Xen could not return to the frame it was given. It pushes the selectors of
# the data segments, too; what is left looks like any other frame.
    .intel_syntax noprefix
    .text
    .globl failsafe_entry
failsafe_entry:
    pop rcx
    pop r11
    add rsp, 32
    mov dword ptr [rsp + 12], 0
    push 0
    push 0x101
    jmp trap_common

# Returns, by the hypercall, to the selectors in RDI (code) and RSI (stack).
    .globl return_to
return_to:
    mov rdx, rsp
    push rsi
    push rdx
    push 0x202
    push rdi
    lea rax, [rip + 1f]
    push rax
    push 0
    jmp xen_hypercall_page + 23 * 32
1:  ret
    .section .note.GNU-stack, "", @progbits
