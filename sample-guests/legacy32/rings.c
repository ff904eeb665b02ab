/* Rings 1 and 3: what they may do, how they get in and out, and how the timer takes the CPU from them. */
#include "console.h"
#include "descriptors.h"
#include "lessons.h"
#include "machine.h"
#include "traps.h"

#define FLAG_IOPL_1 (1U << 12)
#define FLAG_IOPL_3 (3U << 12)
#define POST_PORT 0x80

#define RING_PROBE(name, instruction)                                                                    \
    static u32 name(u32 value)                                                                           \
    {                                                                                                    \
        asm volatile(instruction : "+a"(value) : : "ecx", "edx", "memory", "cc");                        \
        return value;                                                                                    \
    }

RING_PROBE(read_cs, "mov eax, cs")
RING_PROBE(read_ss, "mov eax, ss")
RING_PROBE(read_ds, "mov eax, ds")
RING_PROBE(halt, "hlt")
RING_PROBE(disable, "cli\n\tpushf\n\tpop eax\n\tand eax, 0x200")
RING_PROBE(enable, "sti\n\tpushf\n\tpop eax\n\tand eax, 0x200")
RING_PROBE(pop_flags, "push 0x3202\n\tpopf\n\tpushf\n\tpop eax\n\tand eax, 0x3200")
RING_PROBE(clear_with_pop, "push 0x2\n\tpopf\n\tpushf\n\tpop eax\n\tand eax, 0x200")
RING_PROBE(read_cr0_there, "mov eax, cr0")
RING_PROBE(write_cr3_there, "mov cr3, eax")
RING_PROBE(load_gdt, "lgdt [esp]")
RING_PROBE(clear_ts, "clts")
RING_PROBE(in_port, "in al, 0x80\n\txor eax, eax")
RING_PROBE(load_kernel_data, "mov ecx, 0x10\n\tmov ds, ecx")
RING_PROBE(load_own_data, "mov ecx, ss\n\tmov ds, ecx")
RING_PROBE(int_3, "int3")
RING_PROBE(int_21, "int 0x21")
RING_PROBE(call_gate, "push 7\n\tpush 4\n\tmov ecx, esp\n\tcall 0x53:0\n\tsub ecx, esp\n\tadd ecx, 8\n\tshl ecx, 16\n\tor eax, ecx")
RING_PROBE(call_kernel_gate, "call 0x8b:0")
RING_PROBE(jump_to_kernel, "push 0x08\n\tpush 0\n\tretf")
RING_PROBE(return_to_kernel, "pushf\n\tpush 0x08\n\tpush 0\n\tiret")
RING_PROBE(call_conforming, ".byte 0x9a\n\t.long 2f\n\t.word 0x5b\n\tjmp 1f\n2:\tmov eax, cs\n\tretf\n1:")
RING_PROBE(read_fs, "mov eax, fs")

static u32 echo(u32 value)
{
    return value;
}

static volatile u32 ticks, ring_of_tick;

static void tick(struct trap_frame *frame)
{
    ticks++;
    ring_of_tick = frame->cs & 3;
}

static u32 wait_for_ticks(u32 count)
{
    while (ticks < count)
        ;
    return count;
}

static void preemption(unsigned ring)
{
    out8(0x20, 0x11);
    out8(0x21, VECTOR_IRQ0);
    out8(0x21, 0x04);
    out8(0x21, 0x01);
    out8(0x21, 0xfe);
    out8(0x43, 0x34);
    out8(0x40, 1193 & 0xff);
    out8(0x40, 1193 >> 8);
    ticks = 0;
    timer_handler = tick;
    report("waits for 3 ticks with IF set", attempt_in_ring(ring, wait_for_ticks, 3, FLAG_INTERRUPT));
    out8(0x21, 0xff);
    fact("the ring that the timer interrupted", "%u", ring_of_tick);
}

static void ring(unsigned ring)
{
    print("Ring %u\n", ring);
    report("CS", attempt_in_ring(ring, read_cs, 0, 0));
    report("SS", attempt_in_ring(ring, read_ss, 0, 0));
    report("DS", attempt_in_ring(ring, read_ds, 0, 0));
    report("FS, which held the kernel's data before IRET", attempt_in_ring(ring, read_fs, 0, 0));
    report("an argument in, a value out", attempt_in_ring(ring, echo, 0x77, 0));
    report("HLT", attempt_in_ring(ring, halt, 0, 0));
    report("CLI", attempt_in_ring(ring, disable, 0, 0));
    report("STI", attempt_in_ring(ring, enable, 0, 0));
    report("POPF of IF and IOPL: what stays", attempt_in_ring(ring, pop_flags, 0, 0));
    report("POPF without IF: IF stays", attempt_in_ring(ring, clear_with_pop, 0, FLAG_INTERRUPT));
    report("MOV from CR0", attempt_in_ring(ring, read_cr0_there, 0, 0));
    report("MOV to CR3", attempt_in_ring(ring, write_cr3_there, 0, 0));
    report("LGDT", attempt_in_ring(ring, load_gdt, 0, 0));
    report("CLTS", attempt_in_ring(ring, clear_ts, 0, 0));
    report("IN", attempt_in_ring(ring, in_port, 0, 0));
    permit_port(POST_PORT, true);
    report("IN from a port that the TSS permits", attempt_in_ring(ring, in_port, 0, 0));
    permit_port(POST_PORT, false);
    report("DS: the kernel's data", attempt_in_ring(ring, load_kernel_data, 0, 0));
    report("DS: its own data", attempt_in_ring(ring, load_own_data, 0, 0));
    report("INT3, whose gate is the kernel's", attempt_in_ring(ring, int_3, 0, 0));
    report("INT 0x21", attempt_in_ring(ring, int_21, 0, 0));
    report("RETF to ring 0", attempt_in_ring(ring, jump_to_kernel, 0, 0));
    report("IRET to ring 0", attempt_in_ring(ring, return_to_kernel, 0, 0));
    report("call gate, 2 parameters: 10 * 4 + 7; ESP as before", attempt_in_ring(ring, call_gate, 0, 0));
    report("call gate of the kernel's own", attempt_in_ring(ring, call_kernel_gate, 0, 0));
    report("conforming code of ring 0: CS in it", attempt_in_ring(ring, call_conforming, 0, 0));

    u32 iopl = ring == 1 ? FLAG_IOPL_1 : FLAG_IOPL_3;
    report("IOPL raised: CLI, then IF", attempt_in_ring(ring, disable, 0, iopl | FLAG_INTERRUPT));
    report("IOPL raised: STI, then IF", attempt_in_ring(ring, enable, 0, iopl));
    report("IOPL raised: POPF without IF, then IF", attempt_in_ring(ring, clear_with_pop, 0, iopl | FLAG_INTERRUPT));
    report("IOPL raised: IN", attempt_in_ring(ring, in_port, 0, iopl));
    preemption(ring);
}

void rings(const char *paging)
{
    print("Rings, with %s\n", paging);
    /* No device may interrupt yet. */
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    ring(1);
    ring(3);
}
