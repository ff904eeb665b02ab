/* Instructions that C has no words for, in their 32-bit form. */
#pragma once

#include "types.h"

static inline void out8(u16 port, u8 value) { asm volatile("out dx, al" : : "a"(value), "d"(port)); }
static inline void out32(u16 port, u32 value) { asm volatile("out dx, eax" : : "a"(value), "d"(port)); }

static inline u8 in8(u16 port)
{
    u8 value;
    asm volatile("in al, dx" : "=a"(value) : "d"(port));
    return value;
}

#define CONTROL_REGISTER(name)                                                                           \
    static inline u32 read_##name(void)                                                                  \
    {                                                                                                    \
        u32 value;                                                                                       \
        asm volatile("mov %0, " #name : "=r"(value));                                                    \
        return value;                                                                                    \
    }                                                                                                    \
    static inline void write_##name(u32 value) { asm volatile("mov " #name ", %0" : : "r"(value) : "memory"); }

CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)

#define CR0_WRITE_PROTECT (1U << 16)
#define CR0_PAGING (1U << 31)
#define CR4_LARGE_PAGES (1U << 4)     /* PSE */
#define CR4_WIDE_ENTRIES (1U << 5)    /* PAE */
#define MSR_EFER 0xc0000080
#define EFER_NO_EXECUTE (1U << 11)

static inline u32 read_msr_low(u32 number)
{
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return low;
}

static inline void write_msr_low(u32 number, u32 low)
{
    asm volatile("wrmsr" : : "c"(number), "a"(low), "d"(0) : "memory");
}

static inline void invalidate_page(u32 linear) { asm volatile("invlpg [%0]" : : "r"(linear) : "memory"); }
