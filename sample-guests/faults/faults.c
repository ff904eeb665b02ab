/* Faults and page protections that are the same in every world: what the kernel's handler is
   told may not depend on whether a CPU or a hypervisor tells it. */
#include "console.h"
#include "pages.h"
#include "privileged.h"

#define PAGE_READ_WRITE WINDOW
#define PAGE_ABSENT (WINDOW + 0x1000)
#define PAGE_READ_ONLY (WINDOW + 0x2000)
#define PAGE_NO_EXECUTE (WINDOW + 0x3000)
#define NON_CANONICAL 0x0000800000000000UL
#define RW (ENTRY_PRESENT | ENTRY_WRITABLE)

/* The address of the instruction that should raise the exception. */
static u64 here;

/* Executes one instruction, having noted its address in `here`. */
#define RAISE(instruction, argument)                                                                     \
    asm volatile("lea r11, [rip + 1f]\n\t"                                                               \
                 "mov %[here], r11\n"                                                                    \
                 "1:\t" instruction                                                                      \
                 : [here] "=m"(here)                                                                     \
                 : [input] "D"(argument)                                                                 \
                 : "rax", "rdx", "r11", "cc", "memory")

static void divide(u64 zero) { RAISE("div %[input]", zero); }
static void breakpoint(u64 unused) { RAISE("int3", unused); }
static void int_3(u64 unused) { RAISE(".byte 0xcd, 0x03", unused); }
static void int_4(u64 unused) { RAISE("int 4", unused); }
static void undefined(u64 unused) { RAISE("ud2", unused); }
static void lock_register(u64 unused) { RAISE(".byte 0xf0, 0x01, 0xc0", unused); }
static void move_to_cs(u64 selector) { RAISE(".byte 0x8e, 0xcf", selector); }
static void move_to_ds(u64 selector) { RAISE("mov ds, edi", selector); }
static void move_to_ss(u64 selector) { RAISE("mov ss, edi", selector); }
static void read_8(u64 address) { RAISE("mov rax, [%[input]]", address); }
static void write_8(u64 address) { RAISE("mov [%[input]], rax", address); }
static void add_1(u64 address) { RAISE("inc qword ptr [%[input]]", address); }
static void call(u64 address) { RAISE("call %[input]", address); }

static void single_step(u64 unused)
{
    (void)unused;
    asm volatile("lea r11, [rip + 1f]\n\t"
                 "mov %[here], r11\n\t"
                 "pushfq\n\t"
                 "or dword ptr [rsp], 0x100\n\t"
                 "popfq\n"
                 "1:\tnop"
                 : [here] "=m"(here)
                 :
                 : "r11", "cc", "memory");
}

static const struct {
    const char *what;
    void (*raise)(u64 argument);
    u64 argument;
} faults[] = {
    {"DIV by zero", divide, 0},
    {"single step: TF set by POPF", single_step, 0},
    {"INT3", breakpoint, 0},
    {"INT 3 in its two-byte form", int_3, 0},
    {"INT 4", int_4, 0},
    {"UD2", undefined, 0},
    {"LOCK on a register operand", lock_register, 0},
    {"MOV to CS", move_to_cs, 0x10},
    {"MOV DS, selector of no segment", move_to_ds, 0x2000},
    {"MOV SS, selector of no segment", move_to_ss, 0x2000},
    {"read from a non-canonical address", read_8, NON_CANONICAL},
    {"write to a non-canonical address", write_8, NON_CANONICAL},
    {"read from an absent page", read_8, PAGE_ABSENT + 0x123},
    {"write to an absent page", write_8, PAGE_ABSENT + 0x123},
    {"call to an absent page", call, PAGE_ABSENT + 0x123},
    {"read that runs into an absent page", read_8, PAGE_ABSENT - 3},
    {"write that runs into an absent page", write_8, PAGE_ABSENT - 3},
    {"read from a read-only page", read_8, PAGE_READ_ONLY},
    {"write to a read-only page", write_8, PAGE_READ_ONLY},
    {"INC in a read-only page", add_1, PAGE_READ_ONLY},
    {"write to a no-execute page", write_8, PAGE_NO_EXECUTE},
    {"call to a no-execute page", call, PAGE_NO_EXECUTE},
};

static void report(const char *what, bool raised)
{
    const struct trap_frame *frame = &caught.frame;
    unsigned vector = (unsigned)frame->vector;
    if (!raised) {
        print("none     %s\n", what);
        return;
    }
    print("%2u %s   %-40s", vector, exception_name(vector), what);
    if (exception_has_error_code(vector))
        print("  error 0x%04lx", frame->error_code);
    if (vector == VECTOR_PAGE_FAULT && frame->rip == caught.address)
        print("  RIP = CR2");
    else
        print("  RIP +%lu", frame->rip - here);
    if (vector == VECTOR_PAGE_FAULT)
        print("  CR2 0x%lx", caught.address);
    print("\n");
}

static void raise_all(void)
{
    for (unsigned i = 0; i < LENGTH(faults); i++)
        report(faults[i].what, !attempt(faults[i].raise, faults[i].argument));
}

static void print_entry(u64 *root, const char *when)
{
    u64 entry = *(volatile u64 *)page_entry(root, PAGE_ABSENT, 1);
    print("%-40s P %u  W %u  A %u  D %u\n", when, !!(entry & ENTRY_PRESENT), !!(entry & ENTRY_WRITABLE), !!(entry & ENTRY_ACCESSED),
          !!(entry & ENTRY_DIRTY));
}

/* A page comes, is used, loses permissions and goes. */
static void life_of_a_page(u64 *root)
{
    u64 *frame = frame_take();
    volatile u64 *page = (u64 *)PAGE_ABSENT;
    page_map(root, PAGE_ABSENT, frame, RW);
    print_entry(root, "mapped");
    (void)*page;
    print_entry(root, "read");
    *page = 0x1234;
    print_entry(root, "written");
    print("%-40s %s\n", "the frame holds what was written", *(volatile u64 *)frame == 0x1234 ? "yes" : "NO");
    page_map(root, PAGE_ABSENT, frame, ENTRY_PRESENT);
    report("write after it became read-only", !attempt(write_8, PAGE_ABSENT));
    page_map(root, PAGE_ABSENT, frame, 0);
    report("read after it was unmapped", !attempt(read_8, PAGE_ABSENT));
}

int main(void)
{
    u64 *root = privileged->root_table();
    page_map(root, PAGE_READ_WRITE, frame_take(), RW | ENTRY_NO_EXECUTE);
    page_map(root, PAGE_READ_ONLY, frame_take(), ENTRY_PRESENT);
    page_map(root, PAGE_NO_EXECUTE, frame_take(), RW | ENTRY_NO_EXECUTE);

    print("Faults, caught one at a time\n");
    raise_all();
    print("The life of a page\n");
    life_of_a_page(root);
    print("All faults came back.\n");
    return 0;
}
