#include "descriptors.h"

#include "machine.h"
#include "traps.h"

u64 gdt[32] __attribute__((aligned(16)));
u64 ldt[4] __attribute__((aligned(16)));
static u64 idt[256] __attribute__((aligned(16)));

static struct {
    u32 link, esp0, ss0, others[22];
    u16 trap, io_map;
    u8 forbidden[0x2000 / 8 + 1]; /* a bit for each port; all ones after the last */
} __attribute__((packed)) task = {.ss0 = DATA_0, .io_map = 0x68};

extern u8 trap_stubs[256][16];
extern void gate_entry(void);

u64 descriptor(u32 base, u32 limit, u32 access, u32 size)
{
    u32 low = (limit & 0xffff) | base << 16;
    u32 high = (base >> 16 & 0xff) | access << 8 | (limit & 0xf0000) | size << 20 | (base & 0xff000000);
    return low | (u64)high << 32;
}

static u64 gate(u32 selector, u32 offset, u32 access, u32 parameters)
{
    return ((offset & 0xffff) | selector << 16) | (u64)((offset & 0xffff0000) | access << 8 | parameters) << 32;
}

void set_ring0_stack(u32 top) { task.esp0 = top; }

void permit_port(u16 port, bool permitted)
{
    u8 bit = (u8)(1 << port % 8);
    task.forbidden[port / 8] = (u8)(permitted ? task.forbidden[port / 8] & ~bit : task.forbidden[port / 8] | bit);
}

struct table_register {
    u16 limit;
    u32 base;
} __attribute__((packed));

/* Called by boot.S. */
void descriptors_start(void)
{
    gdt[CODE_0 / 8] = descriptor(0, 0xfffff, CODE, SIZE_32_PAGES);
    gdt[DATA_0 / 8] = descriptor(0, 0xfffff, DATA, SIZE_32_PAGES);
    gdt[CODE_3 / 8] = descriptor(0, 0xfffff, CODE | RING(3), SIZE_32_PAGES);
    gdt[DATA_3 / 8] = descriptor(0, 0xfffff, DATA | RING(3), SIZE_32_PAGES);
    gdt[TASK / 8] = descriptor((u32)&task, sizeof task - 1, PRESENT | 0x9, 0);
    gdt[CODE_1 / 8] = descriptor(0, 0xfffff, CODE | RING(1), SIZE_32_PAGES);
    gdt[DATA_1 / 8] = descriptor(0, 0xfffff, DATA | RING(1), SIZE_32_PAGES);
    gdt[LOCAL / 8] = descriptor((u32)ldt, sizeof ldt - 1, PRESENT | 0x2, 0);
    gdt[GATE / 8] = gate(CODE_0, (u32)gate_entry, PRESENT | RING(3) | 0xc, 2);
    gdt[CONFORMING / 8] = descriptor(0, 0xfffff, CODE_CONFORMING, SIZE_32_PAGES);
    gdt[READ_ONLY / 8] = descriptor(0, 0xfffff, DATA_READ_ONLY, SIZE_32_PAGES);
    gdt[ABSENT / 8] = descriptor(0, 0xfffff, DATA & ~PRESENT, SIZE_32_PAGES);
    gdt[SMALL / 8] = descriptor(0, 0xfff, DATA, SIZE_32);
    gdt[EXPAND_DOWN / 8] = descriptor(0, 0xfff, DATA_EXPAND_DOWN, SIZE_32_PAGES);
    gdt[EXECUTE_ONLY / 8] = descriptor(0, 0xfffff, CODE_EXECUTE_ONLY, SIZE_32_PAGES);
    gdt[KERNEL_GATE / 8] = gate(CODE_0, (u32)gate_entry, PRESENT | 0xc, 2);

    struct table_register gdt_register = {sizeof gdt - 1, (u32)gdt};
    asm volatile("lgdt %0\n\t"
                 "mov ds, %1\n\t"
                 "mov es, %1\n\t"
                 "mov ss, %1\n\t"
                 "mov fs, %2\n\t"
                 "mov gs, %2\n\t"
                 "push %3\n\t"
                 "push offset 1f\n\t"
                 "retf\n"
                 "1:"
                 :
                 : "m"(gdt_register), "r"(DATA_0), "r"(0), "i"(CODE_0)
                 : "memory");

    for (unsigned vector = 0; vector < 256; vector++)
        idt[vector] = gate(CODE_0, (u32)trap_stubs[vector], PRESENT | 0xe | (vector == VECTOR_INT80 ? RING(3) : 0), 0);
    struct table_register idt_register = {sizeof idt - 1, (u32)idt};
    asm volatile("lidt %0" : : "m"(idt_register));

    for (unsigned i = 0; i < sizeof task.forbidden; i++)
        task.forbidden[i] = 0xff;
    asm volatile("ltr %w0" : : "r"(TASK));
}
