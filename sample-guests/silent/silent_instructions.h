/* The silent sensitive instructions, one function each. None of them faults outside ring 0; each
   has another meaning there. */
#pragma once

#include "selectors.h"
#include "types.h"

#define FLAG_IOPL (3UL << 12)

static inline u64 read_flags(void)
{
    u64 flags;
    asm volatile("pushfq; pop %0" : "=r"(flags));
    return flags;
}

static inline void write_flags(u64 flags) { asm volatile("push %0; popfq" : : "r"(flags) : "cc", "memory"); }

/* IRET to the next instruction: the ring stays the same. */
static inline void return_with_flags(u64 flags)
{
    asm volatile("mov rax, rsp\n\t"
                 "mov ecx, ss\n\t"
                 "push rcx\n\t"
                 "push rax\n\t"
                 "push %[flags]\n\t"
                 "mov ecx, cs\n\t"
                 "push rcx\n\t"
                 "lea rcx, [rip + 1f]\n\t"
                 "push rcx\n\t"
                 "iretq\n"
                 "1:"
                 :
                 : [flags] "D"(flags)
                 : "rax", "rcx", "cc", "memory");
}

static inline u64 read_machine_status(void)
{
    u64 word;
    asm volatile("smsw %0" : "=r"(word));
    return word;
}

struct table_register {
    u16 limit;
    u64 base;
} __attribute__((packed));

static inline struct table_register store_gdt(void)
{
    struct table_register gdt;
    asm volatile("sgdt %0" : "=m"(gdt));
    return gdt;
}

static inline struct table_register store_idt(void)
{
    struct table_register idt;
    asm volatile("sidt %0" : "=m"(idt));
    return idt;
}

#define READS(name, instruction)                                                                         \
    static inline u64 name(void)                                                                         \
    {                                                                                                    \
        u64 value;                                                                                       \
        asm volatile(instruction : "=r"(value));                                                         \
        return value;                                                                                    \
    }

READS(store_ldt, "sldt %0")
READS(store_task, "str %0")
READS(read_cs, "mov %0, cs")
READS(read_ss, "mov %0, ss")
READS(push_fs, "push fs; pop %0")

/* Calls a RETF by a far pointer, and answers with the selector that CALL pushed. */
static inline u64 far_call_cs(void)
{
    struct {
        u32 offset;
        u16 selector;
    } __attribute__((packed)) pointer = {.selector = SELECTOR_CODE};
    u64 cs;
    asm volatile("mov eax, offset 1f\n\t"
                 "mov dword ptr %[pointer], eax\n\t"
                 "call fword ptr %[pointer]\n\t"
                 "jmp 2f\n"
                 "1:\tmov %k[cs], [rsp + 4]\n\t"
                 ".byte 0xcb\n" /* RETF, of 32-bit words like the call */
                 "2:"
                 : [cs] "=&r"(cs), [pointer] "+m"(pointer)
                 :
                 : "rax", "memory");
    return cs & 0xffff;
}

/* ---- What a selector stands for; without a segment of that kind, ZF is clear and the answer 0 ---- */

static inline u64 access_rights(u64 selector)
{
    u64 rights;
    asm volatile("xor %k0, %k0\n\tlar %k0, %k1" : "=&r"(rights) : "r"(selector) : "cc");
    return rights;
}

static inline u64 segment_limit(u64 selector)
{
    u64 limit;
    asm volatile("xor %k0, %k0\n\tlsl %k0, %k1" : "=&r"(limit) : "r"(selector) : "cc");
    return limit;
}

static inline u64 verify_read(u64 selector)
{
    bool readable;
    asm volatile("verr %w1" : "=@ccz"(readable) : "r"(selector));
    return readable;
}

static inline u64 verify_write(u64 selector)
{
    bool writable;
    asm volatile("verw %w1" : "=@ccz"(writable) : "r"(selector));
    return writable;
}
