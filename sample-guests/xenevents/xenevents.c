/* Events, time and memory of a Xen PV domain. */
#include "console.h"
#include "instructions.h"
#include "pages.h"
#include "privileged.h"
#include "start_info.h"
#include "traps.h"
#include "xen.h"

extern u8 xen_hypercall_page[128][32];
extern void failsafe_entry(void);
extern void return_to(u64 code, u64 stack);

/* Xen's page of news: mapped once more, as xen.c keeps its own mapping to itself. */
static u8 news_page[PAGE_SIZE] __attribute__((aligned(4096)));
static volatile struct xen_shared_info *const news = (void *)news_page;
#define VCPU (&news->vcpus[0])

static long call(unsigned number, u64 a, u64 b, u64 c, u64 d)
{
    long result;
    register u64 fourth asm("r10") = d;
    asm volatile("call %[stub]"
                 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(fourth)
                 : [stub] "r"(xen_hypercall_page[number])
                 : "rcx", "r11", "r8", "memory");
    return result;
}

static long event(u32 command, const volatile void *argument) { return call(HYPERCALL_EVENT_CHANNEL_OP, command, (u64)argument, 0, 0); }
static void show(const char *what, long result) { print("%-58s %d\n", what, (int)result); }
static u64 machine(const void *page) { return privileged->entry_for((u64)page, 0); }

static volatile unsigned upcalls;
static u64 upcall_flags, seen_ports;

static void count(struct trap_frame *frame)
{
    upcalls++;
    upcall_flags = frame->rflags;
    VCPU->upcall_pending = 0;
    u64 words = __atomic_exchange_n(&VCPU->pending_words, 0, __ATOMIC_SEQ_CST);
    seen_ports = words & 1 ? __atomic_exchange_n(&news->event_pending[0], 0, __ATOMIC_SEQ_CST) : 0;
}

static void state(const char *when, u32 port)
{
    print("%-40s pending %lu, masked %lu, word %lu, upcall %u, handled %u\n", when, news->event_pending[0] >> port & 1,
          news->event_mask[0] >> port & 1, VCPU->pending_words & 1, VCPU->upcall_pending, upcalls);
}

static void status(const char *what, u32 port)
{
    struct {
        u16 domain, padding;
        u32 port, status, vcpu, details[2];
    } request = {.domain = 0x7ff0, .port = port};
    long result = event(5, &request);
    print("%-40s %ld, kind %u\n", what, result, request.status);
}

static void channels(void)
{
    print("Event channels\n");
    u32 ipi[2] = {0, 0};
    show("bind an IPI", event(7, ipi));
    u32 port = ipi[1];
    status("an IPI", port);
    privileged->interrupts_off();
    news->event_mask[0] |= 1UL << port;
    state("events off, port masked", port);
    show("send", event(4, &port));
    state("after it", port);
    show("send again", event(4, &port));
    show("unmask the port", event(9, &port));
    state("after it", port);
    privileged->interrupts_on();
    state("events on", port);
    print("the handler saw only this port: %s; interrupted code had events %s\n", seen_ports == 1UL << port ? "yes" : "no",
          upcall_flags & FLAG_INTERRUPT ? "on" : "off");
    show("send with events on", event(4, &port));
    state("after it", port);
    privileged->interrupts_off();
    show("send with events off", event(4, &port));
    state("after it", port);
    show("block", call(HYPERCALL_SCHED_OP, SCHEDULE_BLOCK, 0, 0, 0));
    state("after it", port);
    privileged->interrupts_off();

    u64 ports[] = {(u64)&port, 1, 0};
    event(4, &port);
    show("poll a pending port", call(HYPERCALL_SCHED_OP, 3, (u64)ports, 0, 0));
    privileged->interrupts_on();
    privileged->interrupts_off();
    show("close", event(3, &port));
    status("a closed port", port);
    show("send to it", event(4, &port));

    struct {
        u16 domain, remote;
        u32 port;
    } unbound = {0x7ff0, 0x7ff0, 0};
    show("a port for ourselves to connect to", event(6, &unbound));
    status("it", unbound.port);
    show("send to nobody", event(4, &unbound.port));
    struct {
        u32 remote, remote_port, port;
    } connect = {0x7ff0, unbound.port, 0};
    show("connect", event(0, &connect));
    status("this end", connect.port);
    status("the other end", unbound.port);
    show("connect again", event(0, &connect));
    news->event_pending[0] = 0;
    VCPU->pending_words = 0;
    VCPU->upcall_pending = 0;
    show("send at this end", event(4, &connect.port));
    print("pending at the other end: %lu\n", news->event_pending[0] >> unbound.port & 1);
    privileged->interrupts_on();
    privileged->interrupts_off();
    show("close this end", event(3, &connect.port));
    status("the other end", unbound.port);
    show("close it", event(3, &unbound.port));
}

static u64 now(void)
{
    volatile struct xen_time *time = &VCPU->time;
    u64 ticks = read_time_stamp() - time->tsc_then;
    ticks = time->shift < 0 ? ticks >> -time->shift : ticks << time->shift;
    return time->time_then + (u64)((unsigned __int128)ticks * time->multiplier >> 32);
}

#define MILLISECOND 1000000UL

static void timers(void)
{
    print("Time\n");
    print("the page of time is %s\n", VCPU->time.version % 2 == 0 && VCPU->time.multiplier ? "valid" : "not valid");
    u64 start = now();
    print("time goes on: %s\n", now() >= start ? "yes" : "no");
    call(HYPERCALL_VCPU_OP, VCPU_STOP_PERIODIC_TIMER, 0, 0, 0);
    u32 bind[3] = {VIRQ_TIMER, 0, 0};
    show("bind the timer", event(1, bind));
    status("its port", bind[2]);
    u64 past[2] = {1000, 0};
    unsigned before = upcalls;
    show("a one-shot timer in the past", call(HYPERCALL_VCPU_OP, 8, 0, (u64)past, 0));
    privileged->interrupts_off();
    while (upcalls == before)
        call(HYPERCALL_SCHED_OP, SCHEDULE_BLOCK, 0, 0, 0);
    print("it fired\n");
    privileged->interrupts_off();
    start = now();
    before = upcalls;
    show("a timer in 20 ms", call(HYPERCALL_SET_TIMER_OP, start + 20 * MILLISECOND, 0, 0, 0));
    while (upcalls == before) {
        call(HYPERCALL_SCHED_OP, SCHEDULE_BLOCK, 0, 0, 0);
        privileged->interrupts_off();
    }
    print("it fired after 20 ms: %s\n", now() >= start + 20 * MILLISECOND ? "yes" : "no");
    privileged->interrupts_off();
    start = now();
    u32 port = bind[2];
    u64 poll[] = {(u64)&port, 1, start + 10 * MILLISECOND};
    show("poll its port for 10 ms", call(HYPERCALL_SCHED_OP, 3, (u64)poll, 0, 0));
    print("that took 10 ms: %s\n", now() >= start + 10 * MILLISECOND ? "yes" : "no");
    show("set a timer and stop it", call(HYPERCALL_SET_TIMER_OP, now() + 5 * MILLISECOND, 0, 0, 0));
    show("stop it", call(HYPERCALL_SET_TIMER_OP, 0, 0, 0, 0));
    poll[2] = now() + 10 * MILLISECOND;
    show("poll its port for 10 ms", call(HYPERCALL_SCHED_OP, 3, (u64)poll, 0, 0));
    print("pending: %lu\n", news->event_pending[0] >> port & 1);
    show("close it", event(3, &port));

    static volatile u64 run_state[6];
    u64 area = (u64)run_state;
    show("register a run-state area", call(HYPERCALL_VCPU_OP, 5, 0, (u64)&area, 0));
    print("state %lu, and it ran for a while: %s\n", run_state[0] & 0xffffffff, run_state[2] > 0 ? "yes" : "no");
}

static u64 value;
static void store_8(u64 address) { asm volatile("mov [%0], %1" : : "r"(address), "r"(value) : "memory"); }

static void writable_tables(void)
{
    print("Page tables that seem writable\n");
    u64 *l1 = frame_take(), *plain = frame_take();
    call(HYPERCALL_UPDATE_VA_MAPPING, (u64)l1, machine(l1) | ENTRY_PRESENT, 2, 0);
    struct xen_mmuext pin = {.command = 0, .frame_or_address = machine(l1) / PAGE_SIZE};
    show("pin", call(HYPERCALL_MMUEXT_OP, (u64)&pin, 1, 0, DOMAIN_SELF));
    value = machine(plain) | ENTRY_PRESENT | ENTRY_WRITABLE;
    print("~ write without the assist, which a first domain may, too: %s\n", attempt(store_8, (u64)l1) ? "done" : "refused");
    show("turn the assist on", call(21, 0, 2, 0, 0));
    print("write an entry: %s\n", attempt(store_8, (u64)l1) ? "done" : "refused");
    print("it is there: %s, for the kernel only: %lu, user bit: %lu\n", (l1[0] & ENTRY_ADDRESS) == machine(plain) ? "yes" : "no", l1[0] >> 52 & 1,
          l1[0] >> 2 & 1);
    value = machine(l1) | ENTRY_PRESENT | ENTRY_WRITABLE;
    print("write an entry that maps the table writable: %s\n", attempt(store_8, (u64)(l1 + 1)) ? "done" : "refused");
    if (caught.frame.vector == VECTOR_PAGE_FAULT)
        print("by a page fault at offset 0x%lx, error code 0x%lx\n", caught.address % PAGE_SIZE, caught.frame.error_code);
    value = 0;
    print("clear the entry: %s\n", attempt(store_8, (u64)l1) ? "done" : "refused");
    u64 entry = machine(plain) | ENTRY_PRESENT;
    asm volatile("xchg %0, [%1]" : "+r"(entry) : "r"(l1 + 2) : "memory");
    print("exchange: it held 0x%lx\n", entry);
    show("turn the assist off", call(21, 1, 2, 0, 0));
    pin.command = 4;
    show("unpin", call(HYPERCALL_MMUEXT_OP, (u64)&pin, 1, 0, DOMAIN_SELF));
}

static void reservations(void)
{
    print("Memory\n");
    u16 self = 0x7ff0;
    long pages = call(12, 3, (u64)&self, 0, 0);
    print("the domain has memory: %s\n", pages > 1000 ? "yes" : "no");
    u64 *page = frame_take();
    u64 old = machine(page) / PAGE_SIZE, frame = old;
    struct {
        u64 list, count;
        u32 order, flags;
        u16 domain;
    } reservation = {.list = (u64)&frame, .count = 1, .domain = 0x7ff0};
    show("unmap a page", call(HYPERCALL_UPDATE_VA_MAPPING, (u64)page, 0, 2, 0));
    show("give its frame back", call(12, 1, (u64)&reservation, 0, 0));
    show("one page less", pages - call(12, 3, (u64)&self, 0, 0));
    show("give it back again", call(12, 1, (u64)&reservation, 0, 0));
    show("map it", call(HYPERCALL_UPDATE_VA_MAPPING, (u64)page, old * PAGE_SIZE | 3, 2, 0) < 0);
    frame = (u64)page / PAGE_SIZE;
    show("take a frame", call(12, 6, (u64)&reservation, 0, 0));
    show("as many pages as before", pages - call(12, 3, (u64)&self, 0, 0));
    print("the machine-to-physical table knows it: %s\n", MACHINE_TO_PHYSICAL[frame] == (u64)page / PAGE_SIZE ? "yes" : "no");
    show("map it", call(HYPERCALL_UPDATE_VA_MAPPING, (u64)page, frame * PAGE_SIZE | 3, 2, 0));
    page[5] = 77;
    print("it can be written: %s\n", page[5] == 77 ? "yes" : "no");
    reservation.domain = 1234;
    show("of another domain", call(12, 6, (u64)&reservation, 0, 0));
}

static bool by_failsafe;
static void failed(struct trap_frame *frame)
{
    by_failsafe = true;
    caught.frame = *frame;
    abandon_attempt(frame);
}

static void try_return(u64 code) { return_to(code, XEN_STACK); }
static void try_stack(u64 stack) { return_to(XEN_KERNEL_CODE, stack); }

static void attempt_return(const char *what, void (*probe)(u64), u64 selector)
{
    by_failsafe = false;
    bool done = attempt(probe, selector);
    print("%-40s %s", what, done ? "done" : by_failsafe ? "failsafe" : exception_name((unsigned)caught.frame.vector));
    if (!done)
        print("(0x%lx), CS 0x%lx, SS 0x%lx", caught.frame.error_code, caught.frame.cs, caught.frame.ss);
    print("\n");
}

static void returns(void)
{
    print("Returns\n");
    struct xen_callback callback = {.type = 1, .flags = CALLBACK_MASK_EVENTS, .address = (u64)failsafe_entry};
    call(HYPERCALL_CALLBACK_OP, 0, (u64)&callback, 0, 0);
    trap_handle(VECTOR_EVENT, failed);
    attempt_return("to the kernel", try_return, XEN_KERNEL_CODE);
    attempt_return("to a code segment that is none", try_return, 0x1000);
    attempt_return("to code that is data", try_return, 0xe028);
    attempt_return("to a stack segment that is none", try_stack, 0x1000);
    attempt_return("to a stack that is code", try_stack, 0xe020);
    attempt_return("to no stack segment", try_stack, 0);
}

int main(void)
{
    /* start_info says where Xen's page is; the command line in it leads us there. */
    const struct xen_start_info *xen = (const void *)(start_info.command_line - offsetof(struct xen_start_info, command_line));
    call(HYPERCALL_UPDATE_VA_MAPPING, (u64)news_page, xen->shared_info | ENTRY_PRESENT | ENTRY_WRITABLE, 2, 0);
    trap_handle(VECTOR_EVENT, count);
    channels();
    timers();
    writable_tables();
    reservations();
    returns();
    print("Xen is still there.\n");
    return 0;
}
