/* Privileged operations of a bare PC: instructions, the 16550 UART (COM1), the two 8259
   interrupt controllers and channel 0 of the 8254 timer. */
#include "instructions.h"
#include "pages.h"
#include "privileged.h"

/* ---- Descriptor tables ---- */

struct idt_gate {
    u16 offset_low, selector;
    u8 stack, type; /* stack: 1-7 selects an IST slot, 0 the usual stack */
    u16 offset_middle;
    u32 offset_high, reserved;
} __attribute__((packed));

struct task_state {
    u32 reserved0;
    u64 stacks[3]; /* RSP for traps into rings 0, 1 and 2 */
    u64 reserved1;
    u64 interrupt_stacks[7];
    u64 reserved2;
    u16 reserved3, io_map;
} __attribute__((packed));

#define GATE_INTERRUPT 0x8e
#define TSS_SELECTOR 0x30

extern u64 native_gdt[];
extern u8 native_stubs[256][16];
extern void native_system_call(void);
extern u64 native_kernel_stack;

struct idt_gate native_idt[256] __attribute__((aligned(16)));
static struct task_state task_state = {.io_map = sizeof task_state};
static u8 double_fault_stack[4096] __attribute__((aligned(16)));

static void set_trap_gate(unsigned vector, unsigned ring)
{
    u64 entry = (u64)native_stubs[vector];
    native_idt[vector] = (struct idt_gate){
        .offset_low = (u16)entry,
        .offset_middle = (u16)(entry >> 16),
        .offset_high = (u32)(entry >> 32),
        .selector = 0x08,
        .type = (u8)(GATE_INTERRUPT | ring << 5),
        /* A double fault often means that the stack is the problem, so it brings its own. */
        .stack = vector == VECTOR_DOUBLE_FAULT ? 1 : 0,
    };
}

static void set_kernel_stack(u64 top)
{
    task_state.stacks[0] = top;
    native_kernel_stack = top;
}

static void system_calls_start(void)
{
    write_msr(MSR_STAR, 0x08UL << 32 | 0x18UL << 48);
    write_msr(MSR_LSTAR, (u64)native_system_call);
    write_msr(MSR_SYSCALL_MASK, 0x47700); /* AC, NT, IOPL, DF, IF and TF: a clean start in the kernel */
    write_msr(MSR_EFER, read_msr(MSR_EFER) | 1);
}

static u64 fault_address(void) { return read_cr2(); }

/* ---- Interrupts: two 8259s, all lines masked but those somebody asked for ---- */

#define PIC1_COMMAND 0x20
#define PIC1_DATA 0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA 0xa1
#define END_OF_INTERRUPT 0x20
#define READ_REQUESTS 0x0a

static void interrupt_controllers_start(void)
{
    out8(PIC1_COMMAND, 0x11); /* ICW1: edge triggered, cascaded, ICW4 follows */
    out8(PIC2_COMMAND, 0x11);
    out8(PIC1_DATA, VECTOR_IRQ0); /* ICW2: first vector */
    out8(PIC2_DATA, VECTOR_IRQ0 + 8);
    out8(PIC1_DATA, 0x04); /* ICW3: the second one hangs on line 2 */
    out8(PIC2_DATA, 0x02);
    out8(PIC1_DATA, 0x01); /* ICW4: 8086 mode */
    out8(PIC2_DATA, 0x01);
    out8(PIC1_DATA, 0xff);
    out8(PIC2_DATA, 0xff);
}

static void set_line_masked(unsigned line, bool masked)
{
    u8 mask = in8(PIC1_DATA);
    out8(PIC1_DATA, (u8)(masked ? mask | 1U << line : mask & ~(1U << line)));
}

static void interrupts_on(void) { asm volatile("sti" : : : "memory"); }
static void interrupts_off(void) { asm volatile("cli" : : : "memory"); }

/* STI takes effect after the next instruction: no interrupt can slip in before HLT. */
static void idle(void) { asm volatile("sti; hlt" : : : "memory"); }

/* ---- Console: COM1; line 4 wakes who waits for input ---- */

#define COM1 0x3f8
#define LINE_STATUS (COM1 + 5)
#define SCRATCH (COM1 + 7) /* a byte that the UART only keeps */
#define SCRATCH_VALUE 0x5a
#define STATUS_RECEIVED 0x01
#define STATUS_TRANSMITTER_EMPTY 0x20

static void console_start(void)
{
    /* The receive FIFO is left as it is: resetting it would lose what was typed already. */
    out8(COM1 + 1, 0x00); /* no interrupts */
    out8(COM1 + 3, 0x80); /* divisor latch: 115200 baud */
    out8(COM1 + 0, 0x01);
    out8(COM1 + 1, 0x00);
    out8(COM1 + 3, 0x03); /* 8 bits, no parity, 1 stop bit */
    out8(COM1 + 4, 0x0b); /* DTR, RTS, and OUT2, which lets interrupts through */
    out8(SCRATCH, SCRATCH_VALUE);
}

static void console_write(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        while (!(in8(LINE_STATUS) & STATUS_TRANSMITTER_EMPTY))
            ;
        out8(COM1, (u8)text[i]);
    }
}

static int console_read(void) { return in8(LINE_STATUS) & STATUS_RECEIVED ? in8(COM1) : -1; }

static void console_interrupt(struct trap_frame *frame)
{
    (void)frame; /* the byte stays in the UART until console_read takes it */
    out8(PIC1_COMMAND, END_OF_INTERRUPT);
}

static void console_wait(void)
{
    trap_handle(VECTOR_IRQ0 + 4, console_interrupt);
    out8(COM1 + 1, 0x01); /* interrupt when a byte is there */
    set_line_masked(4, false);
    interrupts_off();
    while (!(in8(LINE_STATUS) & STATUS_RECEIVED)) {
        idle();
        interrupts_off();
    }
    interrupts_on();
}

/* ---- Timer: 8254 channel 0 on line 0 ---- */

#define PIT_CHANNEL0 0x40
#define PIT_COMMAND 0x43
#define PIT_HERTZ 1193182

static trap_handler tick_handler;

static void tick(struct trap_frame *frame)
{
    /* Order matters: the handler may switch to another process, so acknowledge first. */
    out8(PIC1_COMMAND, END_OF_INTERRUPT);
    tick_handler(frame);
}

static void timer_start(unsigned hertz, trap_handler handler)
{
    u32 divisor = PIT_HERTZ / hertz;
    tick_handler = handler;
    trap_handle(VECTOR_IRQ0, tick);
    out8(PIT_COMMAND, 0x34); /* channel 0, low byte then high, mode 2: rate generator */
    out8(PIT_CHANNEL0, (u8)divisor);
    out8(PIT_CHANNEL0, (u8)(divisor >> 8));
    set_line_masked(0, false);
}

static void timer_stop(void) { set_line_masked(0, true); }

static bool timer_pending(void)
{
    out8(PIC1_COMMAND, READ_REQUESTS);
    return in8(PIC1_COMMAND) & 1;
}

/* ---- Page tables ---- */

static u64 entry_for(u64 physical, u64 flags) { return physical | flags; }
static u64 entry_target(u64 entry) { return entry & ENTRY_ADDRESS; }
static void adopt_table(void *page, unsigned level) { (void)page, (void)level; }
static void release_table(void *page, unsigned level) { (void)page, (void)level; }
static void set_entry(u64 *entry, u64 value) { *(volatile u64 *)entry = value; }

/* In a batch, one CR3 load at the end takes the place of many INVLPGs. */
static bool batching, forgetting_due;

static void forget_page(u64 linear)
{
    forgetting_due = batching;
    if (!batching)
        invalidate_page(linear);
}

static void batch(bool on)
{
    batching = on;
    if (!on && forgetting_due)
        write_cr3(read_cr3());
    forgetting_due = false;
}

static u64 *root_table(void) { return (u64 *)(read_cr3() & ENTRY_ADDRESS); }
static void use_address_space(const struct address_space *space) { write_cr3((u64)space->root); }

/* ---- Visits: the UART's scratch register ---- */

static u8 visit(void) { return in8(SCRATCH); }

static void visit_often(u8 *answers, unsigned count)
{
    asm volatile("rep insb" : "+D"(answers), "+c"(count) : "d"(SCRATCH) : "memory");
}

/* ---- The end ---- */

#define EXIT_PORT 0xf4 /* QEMU's isa-debug-exit: status = 2 * value + 1 */

static void __attribute__((noreturn)) shutdown(u32 value)
{
    out32(EXIT_PORT, value);
    for (;;)
        asm volatile("cli; hlt");
}

static void __attribute__((noreturn)) reboot(void)
{
    /* The keyboard controller can pull the reset line. */
    out8(0x64, 0xfe);
    /* If nobody listens there: a trap without an IDT is a triple fault. */
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) empty = {0, 0};
    for (;;)
        asm volatile("lidt %0; int3" : : "m"(empty));
}

/* Called by start.c before anything else. */
void native_start(void)
{
    u64 base = (u64)&task_state;
    native_gdt[TSS_SELECTOR / 8] = (sizeof task_state - 1) | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
    native_gdt[TSS_SELECTOR / 8 + 1] = base >> 32;
    task_state.interrupt_stacks[0] = (u64)double_fault_stack + sizeof double_fault_stack;
    asm volatile("ltr %w0" : : "r"(TSS_SELECTOR));

    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) idt_register = {sizeof native_idt - 1, (u64)native_idt};
    asm volatile("lidt %0" : : "m"(idt_register));

    console_start();
    interrupt_controllers_start();
}

const struct privileged_operations native_operations = {
    .name = "native instructions",
    .kernel_code = 0x08,
    .kernel_stack = 0x10,
    .user_code = 0x2b,
    .user_stack = 0x23,
    .console_write = console_write,
    .console_read = console_read,
    .console_wait = console_wait,
    .set_trap_gate = set_trap_gate,
    .fault_address = fault_address,
    .interrupts_on = interrupts_on,
    .interrupts_off = interrupts_off,
    .idle = idle,
    .timer_start = timer_start,
    .timer_stop = timer_stop,
    .timer_pending = timer_pending,
    .entry_for = entry_for,
    .entry_target = entry_target,
    .adopt_table = adopt_table,
    .release_table = release_table,
    .set_entry = set_entry,
    .forget_page = forget_page,
    .batch = batch,
    .root_table = root_table,
    .use_address_space = use_address_space,
    .set_kernel_stack = set_kernel_stack,
    .system_calls_start = system_calls_start,
    .visit = visit,
    .visit_often = visit_often,
    .shutdown = shutdown,
    .reboot = reboot,
};
