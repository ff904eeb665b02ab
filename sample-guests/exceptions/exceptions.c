/* Raises exceptions on purpose, one at a time, and reports what the CPU told the handler.

   Each line: vector and name, what was tried, the error code, RIP as the distance from the
   instruction that was to raise the exception (faults +0, traps its length), CR2 of page
   faults, the cause bits of DR6 of debug exceptions. */
#include "console.h"
#include "instructions.h"
#include "layout.h"
#include "pages.h"
#include "privileged.h"
#include "probes.h"

#define RW (ENTRY_PRESENT | ENTRY_WRITABLE)
#define DR6_CLEAR 0xffff0ff0
#define DR7_CLEAR 0x400
#define BREAKPOINT0_EXECUTE 0x401

extern u8 user_image[], user_image_end[];
extern u64 native_gdt[];

static u8 trap_stack[4096] __attribute__((aligned(16)));
static u64 normal_cr0;

static void map_window(void)
{
    u64 *root = privileged->root_table();
    for (u64 offset = 0; user_image + offset < user_image_end; offset += PAGE_SIZE)
        page_map(root, WINDOW_CODE + offset, user_image + offset, ENTRY_PRESENT | ENTRY_USER);
    page_map(root, WINDOW_STACK - PAGE_SIZE, frame_take(), RW | ENTRY_USER | ENTRY_NO_EXECUTE);
    page_map(root, PAGE_READ_ONLY, frame_take(), ENTRY_PRESENT);
    page_map(root, PAGE_NO_EXECUTE, frame_take(), RW | ENTRY_NO_EXECUTE);
    page_map(root, PAGE_SUPERVISOR, frame_take(), RW);
    page_map(root, PAGE_USER_READ_ONLY, frame_take(), ENTRY_PRESENT | ENTRY_USER);

    /* Bits 20-13 of a 2 MiB entry are reserved on every CPU. */
    privileged->set_entry(page_entry(root, PAGE_RESERVED_BIT, 2), RW | ENTRY_LARGE | 1UL << 13);
}

/* Undoes whatever a probe did to the CPU. */
static void mend_cpu(void)
{
    write_dr7(DR7_CLEAR);
    write_dr6(DR6_CLEAR);
    write_cr0(normal_cr0);
    asm volatile("mov ds, %k0; mov es, %k0; mov ss, %k0" : : "r"(0x10));
}

static void print_debug_causes(u64 dr6)
{
    print("  DR6");
    for (unsigned i = 0; i < 4; i++)
        if (dr6 >> i & 1)
            print(" B%u", i);
    print("%s%s%s", dr6 >> 13 & 1 ? " BD" : "", dr6 >> 14 & 1 ? " BS" : "", dr6 & 0xe00f ? "" : " none");
}

static void report(const struct probe *probe, bool raised, u64 dr6)
{
    if (!raised) {
        print("none     %s\n", probe->title);
        return;
    }
    const struct trap_frame *frame = &caught.frame;
    unsigned vector = (unsigned)frame->vector;
    print("%2u %s   %-48s", vector, exception_name(vector), probe->title);
    if (exception_has_error_code(vector))
        print("  error 0x%04lx", frame->error_code);

    u64 linked_at = probe->kind & RING3 ? frame->rip - WINDOW_CODE + (u64)user_image : frame->rip;
    if (vector == VECTOR_DOUBLE_FAULT)
        ; /* the manual leaves RIP undefined */
    else if (vector == VECTOR_PAGE_FAULT && frame->rip == caught.address)
        print("  RIP = CR2");
    else
        print("  RIP +%lu", linked_at - probe->here);

    if (vector == VECTOR_PAGE_FAULT)
        print("  CR2 0x%lx", caught.address);
    if (vector == VECTOR_DEBUG)
        print_debug_causes(dr6);
    if (probe->kind & RING3)
        print("  IF %lu", frame->rflags >> 9 & 1);
    print("\n");
}

static void run_probe(const struct probe *probe)
{
    void (*run)(u64) = (void (*)(u64))probe->run;
    u64 argument = 0;
    if (probe->kind & RING3) {
        run = probe->kind & ALIGNMENT_CHECK ? enter_ring3_with_alignment_check : enter_ring3;
        argument = probe->run - (u64)user_image + WINDOW_CODE;
    }
    if (probe->kind & ALIGNMENT_CHECK)
        write_cr0(normal_cr0 | CR0_ALIGNMENT_MASK);

    bool raised = !attempt(run, argument);
    u64 dr6 = read_dr6();
    mend_cpu();
    if (probe->kind & UNCOMPARED)
        print("~ ");
    report(probe, raised, dr6);
}

/* ---- Exceptions that are handled and resumed, rather than abandoned ---- */

static unsigned debug_exceptions;

static void resume_past_breakpoint(struct trap_frame *frame)
{
    debug_exceptions++;
    frame->rflags |= FLAG_RESUME; /* else the same breakpoint would strike again, forever */
}

static void count_step(struct trap_frame *frame)
{
    (void)frame;
    debug_exceptions++;
}

static void show_resumption(void)
{
    unsigned passes = 0;
    trap_handle(VECTOR_DEBUG, resume_past_breakpoint);
    asm volatile("lea rax, [rip + 1f]\n\t"
                 "mov dr0, rax\n\t"
                 "mov eax, %1\n\t"
                 "mov dr7, rax\n"
                 "1:\tinc %0\n\t"
                 "cmp %0, 3\n\t"
                 "jne 1b"
                 : "+r"(passes)
                 : "i"(BREAKPOINT0_EXECUTE)
                 : "rax", "cc", "memory");
    mend_cpu();
    print("Breakpoint in a loop of %u passes, resumed with RF: hit %u times\n", passes, debug_exceptions);

    debug_exceptions = 0;
    trap_handle(VECTOR_DEBUG, count_step);
    asm volatile("pushfq\n\t"
                 "or dword ptr [rsp], 0x100\n\t"
                 "popfq\n\t"
                 "nop\n\t" /* TF is set from here */
                 "nop\n\t"
                 "nop\n\t"
                 "pushfq\n\t"
                 "and dword ptr [rsp], 0xfffffeff\n\t"
                 "popfq" /* the last one that is stepped: TF was set when it began */
                 :
                 :
                 : "cc", "memory");
    mend_cpu();
    print("Single-stepped three NOPs, PUSHF, AND and POPF: %u debug exceptions\n", debug_exceptions);
    trap_handle(VECTOR_DEBUG, NULL);
}

int main(void)
{
    if (privileged != &native_operations) {
        print("This guest is about the bare CPU; a hypervisor keeps most of it for itself.\n");
        return 1;
    }

    native_gdt[SELECTOR_ABSENT_DATA / 8] = 0x00cf13000000ffff;
    native_gdt[SELECTOR_ABSENT_CODE / 8] = 0x00af1b000000ffff;
    privileged->set_kernel_stack((u64)trap_stack + sizeof trap_stack);
    normal_cr0 = read_cr0();
    map_window();
    mend_cpu();

    print("In ring 0:\n");
    for (const struct probe *probe = kernel_probes; probe < kernel_probes_end; probe++)
        run_probe(probe);

    print("In ring 3:\n");
    for (const struct probe *probe = user_probes; probe < user_probes_end; probe++)
        run_probe(probe);

    print("Handled and resumed:\n");
    show_resumption();

    print("All exceptions came back.\n");
    return 0;
}
