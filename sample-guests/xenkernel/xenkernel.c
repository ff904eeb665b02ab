/* Privileged instructions in a kernel that is in ring 3. */
#include "console.h"
#include "pages.h"
#include "privileged.h"
#include "traps.h"
#include "xen.h"

extern u8 xen_hypercall_page[128][32];

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

static volatile u64 got;

#define PROBE(name, code, ...) \
    static void name(u64 argument) { asm volatile(code : "=a"(got) : "a"(argument), "c"(argument) : "rdx", "memory", ##__VA_ARGS__); }

PROBE(read_cr0, "mov rax, cr0")
PROBE(read_cr2, "mov rax, cr2")
PROBE(read_cr3, "mov rax, cr3")
PROBE(read_cr4, "mov rax, cr4")
PROBE(read_cr8, "mov rax, cr8")
PROBE(write_cr0, "mov cr0, rcx")
PROBE(write_cr2, "mov cr2, rcx")
PROBE(write_cr3, "mov cr3, rcx")
PROBE(write_cr8, "mov cr8, rcx")
PROBE(clear_ts, "clts")
PROBE(read_dr0, "mov rax, dr0")
PROBE(write_dr0, "mov dr0, rcx")
PROBE(read_dr7, "mov rax, dr7")
PROBE(disable, "cli")
PROBE(enable, "sti")
PROBE(load_gdt, "lgdt [rsp]")
PROBE(load_idt, "lidt [rsp]")
PROBE(load_ldt, "lldt cx")
PROBE(load_task, "ltr cx")
PROBE(load_msw, "lmsw cx")
PROBE(invalidate, "invlpg [rcx]")
PROBE(write_back, "wbinvd")
PROBE(swap_gs, "swapgs")
PROBE(sysret, "rex.w sysret")
PROBE(read_counter, "rdpmc")
PROBE(in_80, "in al, 0x80")
PROBE(out_80, "out 0x80, al")
PROBE(in_pci, "mov edx, 0xcf8; in eax, dx")
PROBE(in_pic, "in al, 0x21")
PROBE(load_ds, "mov ds, ecx; xor ecx, ecx; mov ds, ecx")
PROBE(load_es, "mov es, ecx; mov eax, es; xor ecx, ecx; mov es, ecx")
PROBE(int_80, "int 0x80")
PROBE(int_81, "int 0x81")
PROBE(int_82, "int 0x82")
PROBE(int_40, "int 40")
PROBE(push_flags, "pushfq; pop rax")
PROBE(pop_no_interrupts, "pushfq; and dword ptr [rsp], ~0x200; popfq; pushfq; pop rax")
PROBE(store_gdt_limit, "sub rsp, 16; sgdt [rsp]; movzx eax, word ptr [rsp]; add rsp, 16")
PROBE(code_selector, "mov eax, cs")
PROBE(stack_selector, "mov eax, ss")
PROBE(load_8, "mov rax, [rcx]")
PROBE(store_8, "mov [rcx], rax")
PROBE(user_data_lar, "mov ecx, 0xe02b; lar eax, ecx")

static void read_model(u64 number)
{
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"((u32)number));
    got = low | (u64)high << 32;
}

static u64 model_value;
static void write_model(u64 number)
{
    asm volatile("wrmsr" : : "a"((u32)model_value), "d"((u32)(model_value >> 32)), "c"((u32)number));
}

static void forced_cpuid(u64 leaf)
{
    u32 a = (u32)leaf, b, c = 0, d;
    asm volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    got = b | (u64)c << 32;
}

static void outcome(bool went)
{
    const struct trap_frame *frame = &caught.frame;
    if (went) {
        print("done");
        return;
    }
    print("%s", exception_name((unsigned)frame->vector));
    if (exception_has_error_code((unsigned)frame->vector))
        print("(0x%lx)", frame->error_code);
    if (frame->vector == VECTOR_PAGE_FAULT && caught.address >> 63)
        print(" at 0x%lx", caught.address);
    else if (frame->vector == VECTOR_PAGE_FAULT) /* ours: where depends on the linker */
        print(" at 0x...%03lx", caught.address % PAGE_SIZE);
}

static bool show(const char *what, void (*probe)(u64), u64 argument)
{
    bool went = attempt(probe, argument);
    print("%-50s ", what);
    outcome(went);
    print("\n");
    return went;
}

/* The same, and the value that it left in `got`, as far as `mask` covers it. */
static void value(const char *what, void (*probe)(u64), u64 argument, u64 mask)
{
    got = 0;
    bool went = attempt(probe, argument);
    print("%-50s ", what);
    outcome(went);
    if (went)
        print("  0x%lx", got & mask);
    print("\n");
}

static void model(const char *what, u32 number, u64 new_value)
{
    model_value = new_value;
    show(what, write_model, number);
}

#define FS_BASE 0xc0000100
#define GS_BASE 0xc0000101
#define KERNEL_GS_BASE 0xc0000102

static void control_registers(void)
{
    print("Control and debug registers\n");
    call(5, 0, 0, 0, 0);
    value("MOV from CR0", read_cr0, 0, 0x80010019);
    u64 cr0 = got;
    show("MOV to CR0: the same", write_cr0, cr0);
    show("MOV to CR0: with TS", write_cr0, cr0 | 8);
    value("MOV from CR0", read_cr0, 0, 8);
    show("CLTS", clear_ts, 0);
    value("MOV from CR0", read_cr0, 0, 8);
    show("MOV to CR0: without WP", write_cr0, cr0 & ~(1UL << 16));
    show("MOV to CR0: without PG", write_cr0, cr0 & ~(1UL << 31));
    show("MOV to CR2", write_cr2, 0x1234560);
    value("MOV from CR2", read_cr2, 0, -1UL);
    show("MOV from CR3", read_cr3, 0);
    u64 root = got;
    print("it is the machine address of the root table: %s\n", root == privileged->entry_for((u64)privileged->root_table(), 0) ? "yes" : "no");
    show("MOV to CR3: the same", write_cr3, root);
    show("MOV to CR3: no root table", write_cr3, 0);
    value("MOV from CR4", read_cr4, 0, 0x20);
    show("MOV from CR8", read_cr8, 0);
    show("MOV to CR8", write_cr8, 0);
    show("LMSW", load_msw, 0x33);
    show("MOV to DR0", write_dr0, 0x2000);
    value("MOV from DR0", read_dr0, 0, -1UL);
    show("MOV to DR0: in Xen", write_dr0, 0xffff820000000000);
    value("MOV from DR7", read_dr7, 0, -1UL);
    show("MOV to DR0: 0", write_dr0, 0);
}

static void interrupt_flag(void)
{
    print("The interrupt flag\n");
    trap_handle(VECTOR_EVENT, abandon_attempt); /* nobody sends any */
    value("PUSHF: IF in the real flags", push_flags, 0, FLAG_INTERRUPT);
    value("POPF without IF, PUSHF", pop_no_interrupts, 0, FLAG_INTERRUPT);
    show("STI", enable, 0);
    show("CLI", disable, 0);
    value("PUSHF: IF in the real flags", push_flags, 0, FLAG_INTERRUPT);
    for (u32 level = 1; level < 4; level += 2) {
        call(33, 6, (u64)&level, 0, 0);
        print("I/O privilege level %u\n", level);
        show("STI", enable, 0);
        show("CLI", disable, 0);
    }
    call(33, 6, (u64)(u32[]){0}, 0, 0);
    value("PUSHF: the privilege level in the real flags", push_flags, 0, 0x3000);
    call(21, 0, 4, 0, 0);
    print("The assist for an architectural I/O privilege level\n");
    show("STI", enable, 0);
    show("CLI", disable, 0);
    call(33, 6, (u64)(u32[]){3}, 0, 0);
    show("STI", enable, 0);
    show("CLI", disable, 0);
    show("IN from 0x80", in_80, 0);
    value("PUSHF: the privilege level in the real flags", push_flags, 0, 0x3000);
    call(33, 6, (u64)(u32[]){0}, 0, 0);
    show("IN from 0x80 at I/O privilege 0", in_80, 0);
    call(21, 1, 4, 0, 0);
}

static void model_registers(void)
{
    print("Model-specific registers\n");
    model("WRMSR FS_BASE", FS_BASE, 0x123000);
    value("RDMSR FS_BASE", read_model, FS_BASE, -1UL);
    model("WRMSR FS_BASE: not canonical", FS_BASE, 0x0000900000000000);
    model("WRMSR GS_BASE", GS_BASE, 0x456000);
    value("RDMSR GS_BASE", read_model, GS_BASE, -1UL);
    model("WRMSR KERNEL_GS_BASE", KERNEL_GS_BASE, 0x789000);
    value("RDMSR KERNEL_GS_BASE", read_model, KERNEL_GS_BASE, -1UL);
    call(25, 1, 0xabc000, 0, 0);
    value("set_segment_base GS_USER, RDMSR KERNEL_GS_BASE", read_model, KERNEL_GS_BASE, -1UL);
    call(25, 2, 0xdef000, 0, 0);
    value("set_segment_base GS_KERNEL, RDMSR GS_BASE", read_model, GS_BASE, -1UL);
    value("RDMSR EFER: LME, LMA, NXE", read_model, 0xc0000080, 0xd00);
    value("RDMSR LSTAR", read_model, 0xc0000082, 0);
    model("WRMSR LSTAR", 0xc0000082, 0x1000);
    model("WRMSR STAR", 0xc0000081, 0x1000);
    show("RDMSR of a register that does not exist", read_model, 0x12345678);
    model("WRMSR of one", 0x12345678, 0);
    show("RDMSR TSC", read_model, 0x10);
    model("WRMSR TSC", 0x10, 0);
    value("RDMSR PAT", read_model, 0x277, -1UL);
    model("WRMSR PAT: another one", 0x277, 0x0007040600070406);
    model("WRMSR EFER: without NXE", 0xc0000080, 0x501);
    value("RDMSR microcode revision", read_model, 0x8b, 0);
    model("WRMSR microcode revision", 0x8b, 0);
}

static void ports(void)
{
    print("Ports\n");
    show("IN from 0x80 at I/O privilege 0", in_80, 0);
    call(33, 6, (u64)(u32[]){1}, 0, 0);
    show("IN from 0x80 at I/O privilege 1", in_80, 0);
    show("OUT to 0x80", out_80, 0);
    value("IN from 0x21, the interrupt controller's", in_pic, 0, 0xff);
    show("IN from 0xcf8", in_pci, 0);
    call(33, 6, (u64)(u32[]){0}, 0, 0);
    show("OUT to 0x80 at I/O privilege 0", out_80, 0);
}

static void tables_and_others(void)
{
    print("Tables and others\n");
    show("LGDT", load_gdt, 0);
    show("LIDT", load_idt, 0);
    show("LLDT", load_ldt, 0);
    show("LTR", load_task, 0xe040);
    value("SGDT: the limit", store_gdt_limit, 0, 0xffff);
    value("MOV from CS", code_selector, 0, 0xffff);
    value("MOV from SS", stack_selector, 0, 0xffff);
    value("LAR of the stack segment", user_data_lar, 0, 0xffff00);
    show("INVLPG", invalidate, 0x1000);
    show("WBINVD", write_back, 0);
    show("SWAPGS", swap_gs, 0);
    show("SYSRET", sysret, 0);
    show("RDPMC", read_counter, 0);
    value("forced CPUID 0x40000000", forced_cpuid, 0x40000000, -1UL);
}

static void interrupts(void)
{
    print("Software interrupts from the kernel\n");
    show("INT 0x80, for which there is a handler of ring 3", int_80, 0);
    print("~ the CPU's error code is vector * 8 + 2; QEMU's TCG makes it vector * 16 + 2\n");
    show("~ INT 0x81, for which there is none", int_81, 0);
    show("~ INT 0x82", int_82, 0);
    struct xen_trap_info traps[2] = {{.vector = 40, .flags = 0, .selector = XEN_USER_CODE, .address = 0x1000}};
    call(0, (u64)traps, 0, 0, 0);
    show("~ INT 40, whose handler is for ring 0", int_40, 0);
}

static void count_int_80(struct trap_frame *frame) { (void)frame; }

static void segments(void)
{
    print("Segments\n");
    static u64 descriptors[512] __attribute__((aligned(4096)));
    show("MOV DS, null", load_ds, 0);
    show("MOV DS, Xen's flat data of ring 3", load_ds, 0xe02b);
    show("MOV DS, Xen's own data", load_ds, 0xe010);
    show("MOV DS, Xen's own code", load_ds, 0xe008);
    show("MOV DS, 32-bit code of ring 3", load_ds, 0xe023);
    show("MOV DS, behind the limit", load_ds, 0xf003);
    show("MOV DS, in the local table that is not there", load_ds, 0x0f);
    descriptors[1] = 0x00cff2000000ffff;
    descriptors[2] = 0x00cf72000000ffff; /* not present */
    u64 mapping = privileged->entry_for((u64)descriptors, ENTRY_PRESENT);
    struct xen_mmuext set_ldt = {.command = 13, .frame_or_address = (u64)descriptors, .count = 16};
    call(26, (u64)&set_ldt, 1, 0, DOMAIN_SELF);
    show("MOV DS, in a local table that can be written", load_ds, 0x0f);
    call(14, (u64)descriptors, mapping, 2, 0);
    value("MOV ES, in a local table that can't", load_es, 0x0f, 0xffff);
    show("MOV DS, a segment that is not present", load_ds, 0x17);
    show("MOV DS, behind the local table's limit", load_ds, 0x87);
    print("its descriptor now: 0x%lx\n", descriptors[1]);
    set_ldt.count = 0;
    call(26, (u64)&set_ldt, 1, 0, DOMAIN_SELF);
    show("MOV DS, after it is gone", load_ds, 0x0f);
}

static void memory(void)
{
    print("Xen's own memory\n");
    value("read the machine-to-physical table", load_8, 0xffff800000000000, 0);
    show("write it", store_8, 0xffff800000000000);
    show("~ read Xen's data", load_8, 0xffff82d040200000);
    show("read where nothing of Xen is", load_8, 0xffff808000000000);
    show("read behind Xen", load_8, 0xffff880000000000);
    u64 mapping[3];
    call(12, 12, (u64)mapping, 0, 0);
    print("machine-to-physical mapping: 0x%lx 0x%lx\n", mapping[0], mapping[1]);
    u32 features[2] = {0, 0};
    call(17, 6, (u64)features, 0, 0);
    print("features: 0x%x\n", features[1] & 0x220e0); /* those of a first domain left out */
    print("version: 0x%lx\n", call(17, 0, 0, 0, 0));
    u64 start;
    call(17, 5, (u64)&start, 0, 0);
    print("Xen starts at 0x%lx\n", start);
}

static void frames(void)
{
    print("Exception frames\n");
    extern void frames_undefined(u64);
    asm volatile(".pushsection .text\nframes_undefined: ud2\nret\n.popsection");
    attempt(frames_undefined, 0);
    const struct trap_frame *frame = &caught.frame;
    print("CS 0x%lx SS 0x%lx, stack pointer a multiple of 16: %s\n", frame->cs, frame->ss, (u64)frame->rsp % 8 == 0 ? "yes" : "no");
    print("RFLAGS.IF with events masked: %lu\n", frame->rflags >> 9 & 1);
}

int main(void)
{
    trap_handle(VECTOR_INT80, count_int_80);
    control_registers();
    interrupt_flag();
    model_registers();
    ports();
    tables_and_others();
    interrupts();
    segments();
    memory();
    frames();
    print("Xen is still there.\n");
    return 0;
}
