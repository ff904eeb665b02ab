/* Sensitive instructions that don't fault outside ring 0: each asks the CPU for something that the
   kernel knows anyway, or changes something whose effect it can see. */
#include "console.h"
#include "instructions.h"
#include "privileged.h"
#include "selectors.h"
#include "silent_instructions.h"

#define HERTZ 1000
#define MSR_TIME_STAMP 0x10

/* Defined by native.c: what LGDT and LIDT were given. */
extern u64 native_gdt[], native_idt[];

static unsigned lies;

static void compare(const char *what, u64 expected, u64 got)
{
    bool truth = got == expected;
    lies += !truth;
    print("%-50s expected 0x%lx, got 0x%lx: %s\n", what, expected, got, truth ? "truth" : "A LIE");
}

static void confirm(const char *what, bool holds)
{
    lies += !holds;
    print("%-50s expected yes, got %s: %s\n", what, holds ? "yes" : "no", holds ? "truth" : "A LIE");
}

/* ---- RFLAGS ---- */

static volatile unsigned ticks;

static void tick(struct trap_frame *frame)
{
    (void)frame;
    ticks++;
}

/* Does a tick that waits get in after `instruction` was executed? */
static bool lets_interrupts_in(void (*instruction)(void))
{
    privileged->interrupts_off();
    privileged->timer_start(HERTZ, tick);
    while (!privileged->timer_pending())
        ;
    ticks = 0;
    instruction();
    for (volatile unsigned i = 0; i < 100; i++)
        ;
    bool came = ticks != 0;
    privileged->timer_stop();
    /* Whatever happened, the next test starts with no tick waiting. */
    privileged->interrupts_on();
    for (volatile unsigned i = 0; i < 100; i++)
        ;
    privileged->interrupts_off();
    return came;
}

/* The same for an instruction that should hold ticks back: they are on when it is executed. */
static bool holds_interrupts_back(void (*instruction)(void))
{
    ticks = 0;
    privileged->interrupts_on();
    instruction();
    privileged->timer_start(HERTZ, tick);
    unsigned patience = 10000000;
    while (!privileged->timer_pending() && ticks == 0 && --patience)
        ;
    for (volatile unsigned i = 0; i < 100; i++)
        ;
    bool held = ticks == 0;
    privileged->timer_stop();
    privileged->interrupts_on();
    for (volatile unsigned i = 0; i < 100; i++)
        ;
    privileged->interrupts_off();
    return held;
}

static void popf_with_if(void) { write_flags(read_flags() | FLAG_INTERRUPT); }
static void popf_without_if(void) { write_flags(read_flags() & ~FLAG_INTERRUPT); }
static void iret_with_if(void) { return_with_flags(read_flags() | FLAG_INTERRUPT); }
static void iret_without_if(void) { return_with_flags(read_flags() & ~FLAG_INTERRUPT); }

static void flags(void)
{
    print("RFLAGS\n");
    privileged->interrupts_on();
    u64 with = read_flags();
    privileged->interrupts_off();
    compare("PUSHF after STI: IF", 1, with >> 9 & 1);
    compare("PUSHF after CLI: IF", 0, read_flags() >> 9 & 1);
    confirm("POPF with IF set lets a waiting tick in", lets_interrupts_in(popf_with_if));
    confirm("POPF with IF clear holds ticks back", holds_interrupts_back(popf_without_if));
    confirm("IRET with IF set lets a waiting tick in", lets_interrupts_in(iret_with_if));
    confirm("IRET with IF clear holds ticks back", holds_interrupts_back(iret_without_if));
    write_flags(read_flags() | FLAG_IOPL);
    compare("PUSHF after POPF with IOPL 3: IOPL", 3, (read_flags() & FLAG_IOPL) >> 12);
    write_flags(read_flags() & ~FLAG_IOPL);
    compare("PUSHF after POPF with IOPL 0: IOPL", 0, (read_flags() & FLAG_IOPL) >> 12);
}

/* ---- CR0 ---- */

static void machine_status(void)
{
    print("Machine status word\n");
    u64 old = read_cr0();
    compare("SMSW, 16 bits: those of CR0", old & 0xffff, read_machine_status() & 0xffff);
    write_cr0(old | CR0_TASK_SWITCHED);
    compare("SMSW after TS was set: TS", 1, read_machine_status() >> 3 & 1);
    asm volatile("clts");
    compare("SMSW after CLTS: TS", 0, read_machine_status() >> 3 & 1);
    write_cr0(old | CR0_ALIGNMENT_MASK);
    compare("SMSW, 64 bits, after AM was set: AM", 1, read_machine_status() >> 18 & 1);
    write_cr0(old & ~CR0_WRITE_PROTECT);
    compare("SMSW, 64 bits, after WP was cleared: WP", 0, read_machine_status() >> 16 & 1);
    write_cr0(old);
}

/* ---- Tables ---- */

static void tables(void)
{
    print("Descriptor tables\n");
    struct table_register gdt = store_gdt(), idt = store_idt();
    confirm("SGDT: the base that LGDT loaded", gdt.base == (u64)native_gdt);
    compare("SGDT: the limit that LGDT loaded", 16 * 8 - 1, gdt.limit);
    confirm("SIDT: the base that LIDT loaded", idt.base == (u64)native_idt);
    compare("SIDT: the limit that LIDT loaded", 256 * 16 - 1, idt.limit);
    struct table_register shorter = {.limit = 128 * 16 + 15, .base = (u64)native_idt};
    asm volatile("lidt %0" : : "m"(shorter));
    compare("SIDT after a shorter table was loaded: its limit", shorter.limit, store_idt().limit);
    /* Not what SIDT said: if that was a lie, the next trap would be the last. */
    struct table_register whole = {.limit = 256 * 16 - 1, .base = (u64)native_idt};
    asm volatile("lidt %0" : : "m"(whole));

    compare("SLDT before any LLDT", 0, store_ldt());
    u64 ldt = (u64)native_gdt;
    native_gdt[SELECTOR_LDT / 8] = 0xf | (ldt & 0xffffff) << 16 | 0x82UL << 40 | (ldt >> 24 & 0xff) << 56;
    native_gdt[SELECTOR_LDT / 8 + 1] = ldt >> 32;
    asm volatile("lldt %w0" : : "r"(SELECTOR_LDT));
    compare("SLDT after LLDT", SELECTOR_LDT, store_ldt());
    asm volatile("lldt %w0" : : "r"(0));
    compare("STR: the selector that LTR loaded", SELECTOR_TASK, store_task());
}

/* ---- Selectors and descriptors ---- */

static u64 code_in_interrupt;

static void note_code(struct trap_frame *frame) { code_in_interrupt = frame->cs; }

static void selectors(void)
{
    print("Selectors\n");
    compare("MOV from CS", SELECTOR_CODE, read_cs());
    compare("MOV from SS", SELECTOR_DATA, read_ss());
    asm volatile("mov fs, %0" : : "r"(SELECTOR_DATA));
    compare("PUSH FS", SELECTOR_DATA, push_fs());
    asm volatile("mov fs, %0" : : "r"(0));
    compare("CALL far: CS on the stack", SELECTOR_CODE, far_call_cs());
    trap_handler old = trap_handle(VECTOR_INT80, note_code);
    asm volatile("int 0x80" : : : "memory");
    trap_handle(VECTOR_INT80, old);
    compare("INT n: CS on the stack", SELECTOR_CODE, code_in_interrupt);
}

#define WRITABLE 0x92UL
#define READ_ONLY 0x90UL

static void set_own_segment(u64 type, unsigned ring)
{
    native_gdt[SELECTOR_OWN / 8] = 0x0001000000002345UL | 0x40UL << 48 | (type | ring << 5) << 40;
}

static void descriptors(void)
{
    print("Descriptors\n");
    compare("LAR of the code segment: DPL", 0, access_rights(SELECTOR_CODE) >> 13 & 3);
    compare("LAR of the data segment: DPL", 0, access_rights(SELECTOR_DATA) >> 13 & 3);
    compare("LAR of the TSS: type (busy)", 0xb, access_rights(SELECTOR_TASK) >> 8 & 0xf);
    set_own_segment(WRITABLE, 0);
    compare("LSL of a segment of 0x12346 bytes", 0x12345, segment_limit(SELECTOR_OWN));
    compare("VERR of a data segment", 1, verify_read(SELECTOR_OWN));
    compare("VERW of a writable one", 1, verify_write(SELECTOR_OWN));
    compare("VERR of it with RPL 3", 0, verify_read(SELECTOR_OWN | 3));
    set_own_segment(READ_ONLY, 0);
    compare("VERW after it became read-only", 0, verify_write(SELECTOR_OWN));
    set_own_segment(WRITABLE, 3);
    compare("LAR after it was given to ring 3: DPL", 3, access_rights(SELECTOR_OWN) >> 13 & 3);
    compare("VERR of it with RPL 3", 1, verify_read(SELECTOR_OWN | 3));
    native_gdt[SELECTOR_OWN / 8] = 0;
    compare("VERR after it was removed", 0, verify_read(SELECTOR_OWN));
}

/* ---- Time and identity ---- */

static void print_vendor(const char *what, u32 a, u32 b, u32 c)
{
    u32 words[4] = {a, b, c, 0};
    print("~ %s: %s\n", what, (const char *)words);
}

static void identity(void)
{
    print("Time and identity\n");
    u64 before = read_time_stamp(), middle = read_msr(MSR_TIME_STAMP), after = read_time_stamp();
    confirm("RDTSC twice: time goes on", before < after);
    print("~ RDMSR of the time-stamp counter in between: %s\n", before <= middle && middle <= after ? "fits" : "DOES NOT FIT");
    struct cpuid vendor = read_cpuid(0), features = read_cpuid(1);
    confirm("CPUID: this CPU has a TSC", features.edx >> 4 & 1);
    print_vendor("CPUID: made by", vendor.ebx, vendor.edx, vendor.ecx);
    bool guest = features.ecx >> 31;
    print("~ CPUID: says that there is a hypervisor: %s\n", guest ? "yes" : "no");
    if (guest) {
        struct cpuid hypervisor = read_cpuid(0x40000000);
        print_vendor("CPUID: it calls itself", hypervisor.ebx, hypervisor.ecx, hypervisor.edx);
    }
}

int main(void)
{
    if (privileged != &native_operations) {
        print("This guest believes that it has a CPU of its own; a Xen PV kernel knows better.\n");
        return 1;
    }
    flags();
    machine_status();
    tables();
    selectors();
    descriptors();
    identity();
    print("Lies: %u\n", lies);
    return 0;
}
