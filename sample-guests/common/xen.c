/* Privileged operations of a Xen PV domain: the kernel runs in ring 3 like its processes,
   and asks for everything. Compare entry by entry with native.c. */
#include "xen.h"

#include "console.h"
#include "instructions.h"
#include "pages.h"
#include "privileged.h"
#include "start_info.h"

extern u8 xen_hypercall_page[128][32];
extern u8 xen_stubs[33][32]; /* vectors 0-31, then 0x80 */
extern void xen_event(void), xen_system_call(void), xen_trap_exit(void);
extern void (*trap_exit)(void);

static const struct xen_start_info *xen;
static const u64 *machine_frames;

/* Xen's page of news for us takes the place of this one. */
static u8 shared_page[PAGE_SIZE] __attribute__((aligned(4096)));
static volatile struct xen_shared_info *const shared = (void *)shared_page;
#define VCPU (&shared->vcpus[0])

static long hypercall(enum hypercall number, u64 a, u64 b, u64 c, u64 d)
{
    long result;
    register u64 fourth asm("r10") = d;
    asm volatile("call %[stub]"
                 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(fourth)
                 : [stub] "r"(xen_hypercall_page[number])
                 : "rcx", "r11", "r8", "memory");
    return result;
}

/* ---- Traps ---- */

static void set_trap_gate(unsigned vector, unsigned ring)
{
    if (vector >= 32 && vector != VECTOR_INT80)
        return; /* interrupts come as events */
    struct xen_trap_info table[2] = {{
        .vector = (u8)vector,
        .flags = (u8)(ring | 4),
        .selector = XEN_USER_CODE,
        .address = (u64)xen_stubs[vector < 32 ? vector : 32],
    }};
    hypercall(HYPERCALL_SET_TRAP_TABLE, (u64)table, 0, 0, 0);
}

static u64 fault_address(void) { return VCPU->fault_address; }

static void set_callback(u16 type, void (*entry)(void))
{
    struct xen_callback callback = {.type = type, .flags = CALLBACK_MASK_EVENTS, .address = (u64)entry};
    hypercall(HYPERCALL_CALLBACK_OP, 0, (u64)&callback, 0, 0);
}

static void set_kernel_stack(u64 top) { hypercall(HYPERCALL_STACK_SWITCH, XEN_STACK, top, 0, 0); }
static void system_calls_start(void) { set_callback(CALLBACK_SYSCALL, xen_system_call); }

/* ---- Events: one bit for each port ---- */

static trap_handler event_handlers[64];

static void interrupts_off(void)
{
    VCPU->upcall_mask = 1;
    asm volatile("" : : : "memory");
}

static void interrupts_on(void)
{
    asm volatile("" : : : "memory");
    VCPU->upcall_mask = 0;
    /* What came while we masked is delivered on the way out of any hypercall. */
    if (VCPU->upcall_pending)
        hypercall(HYPERCALL_XEN_VERSION, 0, 0, 0, 0);
}

/* Unmasks events and waits, in one step for which Xen vouches. */
static void idle(void) { hypercall(HYPERCALL_SCHED_OP, SCHEDULE_BLOCK, 0, 0, 0); }

static void handle_events(struct trap_frame *frame)
{
    VCPU->upcall_pending = 0; /* order matters: what comes from now on calls us again */
    u64 word = __atomic_exchange_n(&VCPU->pending_words, 0, __ATOMIC_SEQ_CST);
    if (!(word & 1)) /* our few ports all lie in the first word */
        return;
    u64 ports = shared->event_pending[0] & ~shared->event_mask[0];
    for (unsigned port = 0; port < 64; port++)
        if (ports >> port & 1) {
            __atomic_and_fetch(&shared->event_pending[0], ~(1UL << port), __ATOMIC_SEQ_CST);
            if (event_handlers[port])
                event_handlers[port](frame);
        }
}

static u32 bind_virtual_interrupt(u32 virq, trap_handler handler)
{
    struct xen_bind_virq bind = {.virq = virq};
    hypercall(HYPERCALL_EVENT_CHANNEL_OP, EVENT_BIND_VIRQ, (u64)&bind, 0, 0);
    event_handlers[bind.port] = handler;
    return bind.port;
}

static void unmask(u32 port) { hypercall(HYPERCALL_EVENT_CHANNEL_OP, EVENT_UNMASK, (u64)&port, 0, 0); }

/* ---- Console ---- */

static int typed = -1; /* a character that console_wait has read ahead */

static void console_write(const char *text, size_t length)
{
    hypercall(HYPERCALL_CONSOLE_IO, CONSOLE_WRITE, length, (u64)text, 0);
}

static int console_read(void)
{
    int letter = typed;
    typed = -1;
    if (letter >= 0)
        return letter;
    char buffer;
    return hypercall(HYPERCALL_CONSOLE_IO, CONSOLE_READ, 1, (u64)&buffer, 0) == 1 ? (u8)buffer : -1;
}

static void console_event(struct trap_frame *frame) { (void)frame; /* it woke us: that's all */ }

static void console_wait(void)
{
    static bool bound;
    if (!bound)
        unmask(bind_virtual_interrupt(VIRQ_CONSOLE, console_event));
    bound = true;
    interrupts_off();
    while ((typed = console_read()) < 0) {
        idle();
        interrupts_off();
    }
    interrupts_on();
}

/* ---- Timer: one-shot, wound up again on each tick ---- */

static u32 timer_port;
static bool timer_bound;
static trap_handler tick_handler;
static u64 period, deadline;

/* Nanoseconds since Xen started: Xen publishes a moment, the TSC tells the time since. */
static u64 system_time(void)
{
    volatile struct xen_time *time = &VCPU->time;
    u32 version;
    u64 now;
    do {
        version = time->version;
        asm volatile("" : : : "memory");
        u64 ticks = read_time_stamp() - time->tsc_then;
        ticks = time->shift < 0 ? ticks >> -time->shift : ticks << time->shift;
        now = time->time_then + (u64)((unsigned __int128)ticks * time->multiplier >> 32);
        asm volatile("" : : : "memory");
    } while (version & 1 || version != time->version); /* odd: Xen is writing */
    return now;
}

static void tick(struct trap_frame *frame)
{
    deadline += period;
    hypercall(HYPERCALL_SET_TIMER_OP, deadline, 0, 0, 0);
    tick_handler(frame);
}

static void timer_start(unsigned hertz, trap_handler handler)
{
    tick_handler = handler;
    period = 1000000000UL / hertz;
    deadline = system_time() + period;
    hypercall(HYPERCALL_VCPU_OP, VCPU_STOP_PERIODIC_TIMER, 0, 0, 0);
    if (!timer_bound)
        timer_port = bind_virtual_interrupt(VIRQ_TIMER, tick);
    timer_bound = true;
    unmask(timer_port);
    hypercall(HYPERCALL_SET_TIMER_OP, deadline, 0, 0, 0);
}

static void timer_stop(void) { hypercall(HYPERCALL_SET_TIMER_OP, 0, 0, 0, 0); }
static bool timer_pending(void) { return shared->event_pending[0] >> timer_port & 1; }

/* ---- Page tables: Xen checks every entry before the CPU sees it ---- */

static u64 entry_for(u64 physical, u64 flags)
{
    return physical ? machine_frames[physical / PAGE_SIZE] * PAGE_SIZE + physical % PAGE_SIZE + flags : flags;
}

static u64 entry_target(u64 entry) { return MACHINE_TO_PHYSICAL[(entry & ENTRY_ADDRESS) / PAGE_SIZE] * PAGE_SIZE; }

static bool batching, forgetting_due;
static struct xen_mmu_update updates[64]; /* what a batch has put off */
static unsigned updates_due;

/* All that is due, in two calls through the doorway at once. */
static void catch_up(void)
{
    struct xen_mmuext flush = {.command = MMUEXT_FLUSH_TLB};
    struct xen_call calls[2];
    unsigned count = 0;
    if (updates_due)
        calls[count++] = (struct xen_call){HYPERCALL_MMU_UPDATE, 0, {(u64)updates, updates_due, 0, DOMAIN_SELF}};
    if (forgetting_due)
        calls[count++] = (struct xen_call){HYPERCALL_MMUEXT_OP, 0, {(u64)&flush, 1, 0, DOMAIN_SELF}};
    if (count && hypercall(HYPERCALL_MULTICALL, (u64)calls, count, 0, 0))
        panic("Xen refused a multicall");
    for (unsigned i = 0; i < count; i++)
        if (calls[i].result)
            panic("Xen refused call %u of a batch of %u entries", i, updates_due);
    updates_due = 0;
    forgetting_due = false;
}

static void batch(bool on)
{
    batching = on;
    catch_up();
}

static void set_entry(u64 *entry, u64 value)
{
    struct xen_mmu_update update = {.entry = entry_for((u64)entry, 0), .value = value};
    if (batching) {
        if (updates_due == LENGTH(updates))
            catch_up();
        updates[updates_due++] = update;
    } else if (hypercall(HYPERCALL_MMU_UPDATE, (u64)&update, 1, 0, DOMAIN_SELF)) {
        panic("Xen refused the page table entry 0x%lx", value);
    }
}

static void mmuext(u32 command, u64 frame_or_address)
{
    struct xen_mmuext operation = {.command = command, .frame_or_address = frame_or_address};
    hypercall(HYPERCALL_MMUEXT_OP, (u64)&operation, 1, 0, DOMAIN_SELF);
}

/* A table may be mapped, but not writable: else its owner could get round the checks. */
static void adopt_table(void *page, unsigned level)
{
    u64 entry = entry_for((u64)page, ENTRY_PRESENT);
    hypercall(HYPERCALL_UPDATE_VA_MAPPING, (u64)page, entry, UPDATE_INVALIDATE_PAGE, 0);
    if (level == 4) /* pinned: checked once, not at each switch to it */
        mmuext(MMUEXT_PIN_L4, machine_frames[(u64)page / PAGE_SIZE]);
}

/* No table any more: its owner may write to it again. */
static void release_table(void *page, unsigned level)
{
    if (level == 4)
        mmuext(MMUEXT_UNPIN, machine_frames[(u64)page / PAGE_SIZE]);
    u64 entry = entry_for((u64)page, ENTRY_PRESENT | ENTRY_WRITABLE);
    if (hypercall(HYPERCALL_UPDATE_VA_MAPPING, (u64)page, entry, UPDATE_INVALIDATE_PAGE, 0))
        panic("Xen still needs the table at 0x%lx", (u64)page);
}

static void forget_page(u64 linear)
{
    if (batching)
        forgetting_due = true;
    else
        mmuext(MMUEXT_INVALIDATE_PAGE, linear);
}

static u64 *root_table(void) { return (u64 *)xen->root_table; }

static void use_address_space(const struct address_space *space)
{
    mmuext(MMUEXT_NEW_BASEPTR, machine_frames[(u64)space->root / PAGE_SIZE]);
    mmuext(MMUEXT_NEW_USER_BASEPTR, space->user_root ? machine_frames[(u64)space->user_root / PAGE_SIZE] : 0);
}

/* ---- Visits: the hypercall that does next to nothing ---- */

static u8 visit(void) { return (u8)hypercall(HYPERCALL_XEN_VERSION, 0, 0, 0, 0); }

static void visit_often(u8 *answers, unsigned count)
{
    static struct xen_call calls[32];
    while (count) {
        unsigned some = count < LENGTH(calls) ? count : LENGTH(calls);
        for (unsigned i = 0; i < some; i++)
            calls[i] = (struct xen_call){.number = HYPERCALL_XEN_VERSION};
        hypercall(HYPERCALL_MULTICALL, (u64)calls, some, 0, 0);
        for (unsigned i = 0; i < some; i++)
            *answers++ = (u8)calls[i].result;
        count -= some;
    }
}

/* ---- The end ---- */

static void __attribute__((noreturn)) end(u32 reason)
{
    for (;;)
        hypercall(HYPERCALL_SCHED_OP, SCHEDULE_SHUTDOWN, (u64)&reason, 0, 0);
}

/* A domain has no exit value, only a reason: anything but success is a crash. */
static void __attribute__((noreturn)) shutdown(u32 value) { end(value ? SHUTDOWN_CRASH : SHUTDOWN_POWER_OFF); }
static void __attribute__((noreturn)) reboot(void) { end(SHUTDOWN_REBOOT); }

static const struct privileged_operations xen_operations = {
    .name = "Xen hypercalls",
    .kernel_code = XEN_KERNEL_CODE,
    .kernel_stack = XEN_STACK,
    .user_code = XEN_USER_CODE,
    .user_stack = XEN_STACK,
    .kernel_in_user_ring = true,
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

/* Called by boot_xen.S. */
void start_xen(const struct xen_start_info *given)
{
    privileged = &xen_operations;
    trap_exit = xen_trap_exit;
    xen = given;
    machine_frames = (const u64 *)given->frame_list;

    hypercall(HYPERCALL_UPDATE_VA_MAPPING, (u64)shared_page, given->shared_info | ENTRY_PRESENT | ENTRY_WRITABLE,
              UPDATE_INVALIDATE_PAGE, 0);
    trap_handle(VECTOR_EVENT, handle_events);
    set_callback(CALLBACK_EVENT, xen_event);

    start_info.way = "Xen PV";
    start_info.command_line = given->command_line;
    start_info.ranges[start_info.range_count++] = (struct memory_range){0, given->page_count * PAGE_SIZE, true};
    traps_start();
    privileged->shutdown((u32)main());
}
