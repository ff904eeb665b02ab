/* Page tables at work: mappings, permissions, accessed and dirty bits, page sizes, and what
   the TLB may and may not remember.

   Only what the architecture guarantees is printed as a fact. Whether a stale translation
   is really used is up to the CPU, so those lines are marked "~ ". */
#include "console.h"
#include "instructions.h"
#include "pages.h"
#include "privileged.h"

#define RW (ENTRY_PRESENT | ENTRY_WRITABLE)
#define PAGE_A (WINDOW + 0x1000)
#define PAGE_B (WINDOW + 0x2000)
#define PAGE_C (WINDOW + 0x3000) /* never mapped */
#define LARGE_A (WINDOW + LARGE_PAGE)
#define LARGE_B (WINDOW + 2 * LARGE_PAGE)
#define HUGE_A (2 * HUGE_PAGE)
#define NON_CANONICAL_ADDRESS 0x0000800000000000UL
#define LARGE_FRAME 0x1000000UL /* 16 MiB: RAM that nobody else uses */

static u64 *root;

/* ---- Touching memory, with faults caught ---- */

static u64 last_read;

static void do_read(u64 linear) { last_read = *(volatile u64 *)linear; }
static void do_write(u64 linear) { *(volatile u64 *)linear = linear; }
static void do_call(u64 linear) { ((void (*)(void))linear)(); }

static void report_attempt(const char *what, bool done)
{
    print("  %-48s ", what);
    if (done)
        print("done\n");
    else if (caught.frame.vector == VECTOR_PAGE_FAULT)
        print("#PF  error 0x%02lx  CR2 0x%lx\n", caught.frame.error_code, caught.address);
    else
        print("%s  error 0x%02lx\n", exception_name((unsigned)caught.frame.vector), caught.frame.error_code);
}

static void try_read(const char *what, u64 linear) { report_attempt(what, attempt(do_read, linear)); }
static void try_write(const char *what, u64 linear) { report_attempt(what, attempt(do_write, linear)); }
static void try_call(const char *what, u64 linear) { report_attempt(what, attempt(do_call, linear)); }

static void report(const char *what, bool holds) { print("  %-48s %s\n", what, holds ? "yes" : "NO"); }

static u64 peek(u64 linear)
{
    do_read(linear);
    return last_read;
}

static void set(u64 linear, unsigned level, u64 physical, u64 flags)
{
    privileged->set_entry(page_entry(root, linear, level), privileged->entry_for(physical, flags));
}

static void set_and_forget(u64 linear, unsigned level, u64 physical, u64 flags)
{
    set(linear, level, physical, flags);
    privileged->forget_page(linear);
}

static void reload_cr3(void) { write_cr3(read_cr3()); }

/* ---- Lessons ---- */

static u64 *frame_a, *frame_b;

static void mapping(void)
{
    print("Mapping\n");
    try_read("read before anything is mapped", PAGE_A);
    /* Absent entries are never cached: no INVLPG needed when one becomes present. */
    set(PAGE_A, 1, (u64)frame_a, RW);
    try_read("read after mapping, without INVLPG", PAGE_A);
    *(volatile u64 *)PAGE_A = 0x1234;
    report("written through the mapping, seen in the frame", peek((u64)frame_a) == 0x1234);
    set_and_forget(PAGE_B, 1, (u64)frame_a, RW);
    report("second mapping of the frame shows the same", peek(PAGE_B) == 0x1234);
    set_and_forget(PAGE_B, 1, (u64)frame_b, RW);
    report("mapped to another frame, it does not", peek(PAGE_B) != 0x1234);
    set_and_forget(PAGE_B, 1, 0, 0);
    try_read("read after unmapping and INVLPG", PAGE_B);
}

static void protection(void)
{
    print("Protection\n");
    *(volatile u8 *)frame_a = 0xc3; /* RET */
    set_and_forget(PAGE_A, 1, (u64)frame_a, ENTRY_PRESENT);
    try_read("read-only page: read", PAGE_A);
    try_write("read-only page: write", PAGE_A);
    try_call("read-only page: call", PAGE_A);
    write_cr0(read_cr0() & ~CR0_WRITE_PROTECT);
    try_write("read-only page: write with CR0.WP clear", PAGE_A + 8);
    write_cr0(read_cr0() | CR0_WRITE_PROTECT);
    try_write("read-only page: write with CR0.WP set again", PAGE_A + 8);

    set_and_forget(PAGE_A, 1, (u64)frame_a, RW | ENTRY_NO_EXECUTE);
    try_write("no-execute page: write", PAGE_A + 8);
    try_call("no-execute page: call", PAGE_A);

    u64 *level2 = page_entry(root, PAGE_A, 2);
    u64 old = *level2;
    set_and_forget(PAGE_A, 1, (u64)frame_a, RW);
    privileged->set_entry(level2, old & ~ENTRY_WRITABLE);
    reload_cr3();
    try_write("writable page below a read-only level 2 entry", PAGE_A + 8);
    privileged->set_entry(level2, old | ENTRY_NO_EXECUTE);
    reload_cr3();
    try_call("page below a no-execute level 2 entry", PAGE_A);
    privileged->set_entry(level2, old);
    reload_cr3();
    try_call("the same with the entry as it was", PAGE_A);
}

static void straddling(void)
{
    print("Accesses across a page boundary\n");
    set_and_forget(PAGE_B, 1, (u64)frame_b, RW);
    *(volatile u64 *)(PAGE_C - 8) = 0x1122334455667788;
    try_write("write of 8 bytes, 3 of them on an absent page", PAGE_C - 5);
    report("nothing of it was written", peek(PAGE_C - 8) == 0x1122334455667788);
}

static void print_bits(const char *when, u64 linear, unsigned level)
{
    u64 entry = *(volatile u64 *)page_entry(root, linear, level);
    print("  %-48s A %u  D %u\n", when, !!(entry & ENTRY_ACCESSED), !!(entry & ENTRY_DIRTY));
}

static void accessed_and_dirty(void)
{
    print("Accessed and dirty bits\n");
    set_and_forget(PAGE_A, 1, (u64)frame_a, RW);
    print_bits("4 KiB page, fresh", PAGE_A, 1);
    peek(PAGE_A);
    print_bits("after a read", PAGE_A, 1);
    do_write(PAGE_A);
    print_bits("after a write", PAGE_A, 1);
    print_bits("the level 2 entry above it", PAGE_A, 2);

    set_and_forget(PAGE_A, 1, (u64)frame_a, RW);
    do_write(PAGE_A);
    print_bits("fresh again, written at once", PAGE_A, 1);
    set_and_forget(PAGE_A, 1, (u64)frame_a, RW);
    print_bits("cleared", PAGE_A, 1);
    peek(PAGE_A);
    print_bits("after INVLPG and a read: set again", PAGE_A, 1);

    set_and_forget(PAGE_A, 1, (u64)frame_a, ENTRY_PRESENT);
    attempt(do_write, PAGE_A);
    u64 entry = *(volatile u64 *)page_entry(root, PAGE_A, 1);
    report("a write that faults leaves D clear", !(entry & ENTRY_DIRTY));

    set_and_forget(LARGE_A, 2, LARGE_FRAME, RW | ENTRY_LARGE);
    print_bits("2 MiB page, fresh", LARGE_A, 2);
    peek(LARGE_A + 0x5000);
    print_bits("after a read somewhere in it", LARGE_A, 2);
    do_write(LARGE_A + 0x1ff000);
    print_bits("after a write elsewhere in it", LARGE_A, 2);
}

static void large_pages(void)
{
    print("Page sizes\n");
    report("2 MiB page reaches its last byte", (do_write(LARGE_A + LARGE_PAGE - 8), peek(LARGE_FRAME + LARGE_PAGE - 8) == LARGE_A + LARGE_PAGE - 8));
    set_and_forget(LARGE_B, 2, LARGE_FRAME, ENTRY_PRESENT | ENTRY_LARGE | ENTRY_NO_EXECUTE);
    report("a second mapping of it shows the same", peek(LARGE_B + LARGE_PAGE - 8) == LARGE_A + LARGE_PAGE - 8);
    try_write("read-only 2 MiB page: write", LARGE_B + 0x123450);
    try_call("no-execute 2 MiB page: call", LARGE_B + 0x123450);

    /* Split: a table of 512 entries that say together what the large entry said. */
    u64 *table = frame_take();
    for (unsigned i = 0; i < 512; i++)
        table[i] = privileged->entry_for(LARGE_FRAME + i * PAGE_SIZE, i == 7 ? 0 : RW);
    privileged->adopt_table(table, 1);
    privileged->set_entry(page_entry(root, LARGE_A, 2), privileged->entry_for((u64)table, RW));
    reload_cr3();
    report("split into 4 KiB pages, it shows the same", peek(LARGE_A + LARGE_PAGE - 8) == LARGE_A + LARGE_PAGE - 8);
    try_read("except where the split left out page 7", LARGE_A + 7 * PAGE_SIZE + 0x10);

    bool huge = read_cpuid(0x80000000).eax >= 0x80000001 && read_cpuid(0x80000001).edx >> 26 & 1;
    print("~ CPUID says that there are %s1 GiB pages\n", huge ? "" : "no ");
    if (huge) {
        set_and_forget(HUGE_A, 3, 0, RW | ENTRY_LARGE);
        print("~ 1 GiB page shows the frame: %s\n", peek(HUGE_A + (u64)frame_a) == peek((u64)frame_a) ? "yes" : "NO");
        set_and_forget(HUGE_A, 3, 0, 0);
    }
}

static void translations_remembered(void)
{
    print("What the TLB may remember\n");
    *(volatile u64 *)frame_a = 0xa;
    *(volatile u64 *)frame_b = 0xb;
    set_and_forget(PAGE_A, 1, (u64)frame_a, RW);
    peek(PAGE_A);
    set(PAGE_A, 1, (u64)frame_b, RW);
    print("~ without INVLPG, the old frame is seen: %s\n", peek(PAGE_A) == 0xa ? "yes" : "no");
    privileged->forget_page(PAGE_A + 0x123);
    report("after INVLPG of any byte of it, the new one", peek(PAGE_A) == 0xb);

    set(PAGE_A, 1, (u64)frame_a, RW);
    reload_cr3();
    report("after a CR3 load, the new one", peek(PAGE_A) == 0xa);

    set_and_forget(PAGE_A, 1, (u64)frame_a, ENTRY_PRESENT);
    peek(PAGE_A);
    set(PAGE_A, 1, (u64)frame_a, RW);
    /* More permission without INVLPG: at worst one fault, which itself drops the translation. */
    bool first = attempt(do_write, PAGE_A);
    report("permission raised: a second write succeeds", first || attempt(do_write, PAGE_A));

    print("Global pages\n");
    report("CR4.PGE can be set", (write_cr4(read_cr4() | CR4_GLOBAL_PAGES), read_cr4() & CR4_GLOBAL_PAGES));
    *(volatile u64 *)frame_a = 0xa;
    set_and_forget(PAGE_A, 1, (u64)frame_a, RW | ENTRY_GLOBAL);
    peek(PAGE_A);
    set(PAGE_A, 1, (u64)frame_b, RW | ENTRY_GLOBAL);
    reload_cr3();
    print("~ after a CR3 load, the old frame is seen: %s\n", peek(PAGE_A) == 0xa ? "yes" : "no");
    privileged->forget_page(PAGE_A);
    report("after INVLPG, the new one", peek(PAGE_A) == 0xb);

    set(PAGE_A, 1, (u64)frame_a, RW | ENTRY_GLOBAL);
    write_cr4(read_cr4() & ~CR4_GLOBAL_PAGES);
    report("after CR4.PGE was cleared, the new one", peek(PAGE_A) == 0xa);

    invalidate_page(PAGE_C);
    invalidate_page(NON_CANONICAL_ADDRESS);
    report("INVLPG of absent and non-canonical: no fault", true);
}

static void address_spaces(void)
{
    print("Address spaces\n");
    struct address_space here = {.root = root};
    struct address_space there = address_space_make();
    page_map(there.root, PAGE_A, frame_b, RW);
    set_and_forget(PAGE_A, 1, (u64)frame_a, RW);
    report("here, the page shows one frame", peek(PAGE_A) == 0xa);
    privileged->use_address_space(&there);
    report("there, the same address shows another", peek(PAGE_A) == 0xb);
    try_read("there, what only here has mapped", PAGE_B);
    privileged->use_address_space(&here);
    report("back here, the first again", peek(PAGE_A) == 0xa);
}

int main(void)
{
    if (privileged != &native_operations) {
        print("This guest is about the bare CPU; a hypervisor keeps most of it for itself.\n");
        return 1;
    }

    root = privileged->root_table();
    frame_a = frame_take();
    frame_b = frame_take();
    mapping();
    protection();
    straddling();
    accessed_and_dirty();
    large_pages();
    translations_remembered();
    address_spaces();
    print("Done.\n");
    return 0;
}
