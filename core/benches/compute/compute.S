# A compute loop for comparing speeds: 32-bit, Multiboot 1, so that QEMU, Bochs (through GRUB) and
# Paravane all boot the same file. Prints a checksum, which must be the same everywhere, on COM1.
.intel_syntax noprefix
.set ROUNDS, 20000000

.text
.long 0x1badb002, 0, -0x1badb002
.globl _start
_start:
    mov esp, offset stack_top
# Eight data bits: Bochs' BIOS leaves the port otherwise.
    mov edx, 0x3fb
    mov al, 3
    out dx, al
    mov esi, offset begin
    call print
    mov ecx, ROUNDS
    mov eax, 1
    xor ebx, ebx
    mov edi, offset table
# 14 instructions a round: arithmetic, logic, a shift, a load, a store, a call, two branches.
round:
    imul eax, eax, 1664525
    add eax, 1013904223
    mov edx, eax
    shr edx, 22
    mov ebp, [edi + edx * 4]
    xor ebp, eax
    mov [edi + edx * 4], ebp
    add ebx, ebp
    test eax, 0x400
    jz skip
    call rotate
skip:
    dec ecx
    jnz round
    mov esi, offset end
    call print
    mov edx, ebx
    mov ecx, 8
digit:
    rol edx, 4
    mov eax, edx
    and eax, 15
    mov al, [hexadecimal + eax]
    call put
    dec ecx
    jnz digit
    mov al, 10
    call put
# QEMU and Paravane end at the exit port, Bochs at its shutdown port.
    xor eax, eax
    mov edx, 0xf4
    out dx, eax
    mov esi, offset shutdown
    mov edx, 0x8900
letter:
    lodsb
    test al, al
    jz forever
    out dx, al
    jmp letter
forever:
    cli
    hlt
    jmp forever

rotate:
    rol ebx, 3
    ret

# Prints the text at ESI.
print:
    lodsb
    test al, al
    jz printed
    call put
    jmp print
printed:
    ret

# Sends AL to COM1.
put:
    push edx
    push eax
    mov edx, 0x3fd
busy:
    in al, dx
    test al, 0x20
    jz busy
    pop eax
    mov edx, 0x3f8
    out dx, al
# Bochs shows what goes to this port at once; the others ignore it or show it elsewhere.
    out 0xe9, al
    pop edx
    ret

.data
begin: .asciz "begin\n"
end: .asciz "checksum "
shutdown: .asciz "Shutdown"
hexadecimal: .ascii "0123456789abcdef"
.bss
.align 4096
table: .skip 4096
.skip 4096
stack_top:
