# PVH entry: from 32-bit protected mode without paging to 64-bit C.
# EBX points to the hvm_start_info; we keep it in EBP until there is a stack to pass it on.
    .intel_syntax noprefix

    .section .text.boot, "ax"
    .code32
    .globl pvh_start
pvh_start:
    cli
    cld
    mov ebp, ebx

# Linear = physical for the first GiB, in 2 MiB pages.
    mov edi, offset boot_level2
    mov eax, 0x83                       # present, writable, large
    mov ecx, 512
1:  mov [edi], eax
    mov dword ptr [edi + 4], 0
    add eax, 0x200000
    add edi, 8
    loop 1b
    mov dword ptr [boot_level3], offset boot_level2 + 3
    mov dword ptr [boot_level4], offset boot_level3 + 7 # user, too: guests add user pages below

# Order matters: PAE, CR3 and EFER.LME before CR0.PG, whose setting activates long mode.
    mov eax, cr4
    or eax, 1 << 5                      # PAE
    mov cr4, eax
    mov eax, offset boot_level4
    mov cr3, eax
    mov ecx, 0xc0000080                 # EFER
    rdmsr
    or eax, 1 << 8 | 1 << 11            # LME, NXE
    wrmsr
    mov eax, 0x80010035                 # PG, WP, NE, ET, EM, PE: this guest has no x87
    mov cr0, eax

    lgdt [gdt_register]
    jmp 0x08:long_mode

    .code64
long_mode:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    mov rsp, offset boot_stack_top
    mov edi, ebp
    xor ebp, ebp                        # ends backtraces
    call start_pvh
    ud2

# Selectors; native.c and SYSCALL/SYSRET count on this order:
#   0x08 kernel code  0x10 kernel data  0x18 user code, 32-bit  0x20 user data  0x28 user code
#   0x30 TSS (two slots)  0x40 kernel code, 32-bit  0x48.. spare
    .data
    .balign 16
    .globl native_gdt
native_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00cffb000000ffff
    .quad 0x00cff3000000ffff
    .quad 0x00affb000000ffff
    .quad 0, 0
    .quad 0x00cf9b000000ffff
    .fill 7, 8, 0
gdt_end:

gdt_register:
    .word gdt_end - native_gdt - 1
    .quad native_gdt

    .bss
    .balign 4096
boot_level4:
    .skip 4096
boot_level3:
    .skip 4096
boot_level2:
    .skip 4096
    .globl boot_stack, boot_stack_top
boot_stack:
    .skip 16384
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
