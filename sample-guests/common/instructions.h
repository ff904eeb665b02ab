/* Machine instructions that C has no words for. One instruction, one function.
   All of these but cpuid and rdtsc are privileged: only native.c and the guests
   that teach bare hardware (exceptions, paging) may use them. */
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
    static inline u64 read_##name(void)                                                                  \
    {                                                                                                    \
        u64 value;                                                                                       \
        asm volatile("mov %0, " #name : "=r"(value));                                                    \
        return value;                                                                                    \
    }                                                                                                    \
    static inline void write_##name(u64 value) { asm volatile("mov " #name ", %0" : : "r"(value) : "memory"); }

CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(dr0)
CONTROL_REGISTER(dr1)
CONTROL_REGISTER(dr6)
CONTROL_REGISTER(dr7)

#define CR0_MONITOR_COPROCESSOR (1UL << 1)
#define CR0_EMULATE_X87 (1UL << 2)
#define CR0_TASK_SWITCHED (1UL << 3)
#define CR0_WRITE_PROTECT (1UL << 16)
#define CR0_ALIGNMENT_MASK (1UL << 18)
#define CR4_GLOBAL_PAGES (1UL << 7)

static inline u64 read_msr(u32 number)
{
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return (u64)high << 32 | low;
}

static inline void write_msr(u32 number, u64 value)
{
    asm volatile("wrmsr" : : "c"(number), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SYSCALL_MASK 0xc0000084

static inline void invalidate_page(u64 linear) { asm volatile("invlpg [%0]" : : "r"(linear) : "memory"); }

static inline u64 read_time_stamp(void)
{
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

struct cpuid {
    u32 eax, ebx, ecx, edx;
};

static inline struct cpuid read_cpuid(u32 leaf)
{
    struct cpuid answer;
    asm volatile("cpuid" : "=a"(answer.eax), "=b"(answer.ebx), "=c"(answer.ecx), "=d"(answer.edx) : "a"(leaf), "c"(0));
    return answer;
}
