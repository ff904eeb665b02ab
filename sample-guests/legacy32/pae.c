/* The paging of the Pentium Pro: three levels, 64-bit entries, 2 MiB pages, and later NX. */
#include "console.h"
#include "entries.h"
#include "lessons.h"
#include "machine.h"
#include "touching.h"
#include "types.h"

#define ENTRIES 512
#define LARGE 0x200000U
#define ALL (PAGE_PRESENT | PAGE_WRITABLE | PAGE_USER)
#define RW (PAGE_PRESENT | PAGE_WRITABLE)
#define NO_EXECUTE (1ULL << 63)
#define A WINDOW
#define B (WINDOW + 0x1000)
#define LARGE_A (WINDOW + LARGE)
#define LARGE_B (WINDOW + 2 * LARGE)
#define HIGH 0xc0000000U /* the fourth GiB: a pointer of its own */

static volatile u64 pointers[4] __attribute__((aligned(32)));
static volatile u64 low[ENTRIES] __attribute__((aligned(4096))); /* the first GiB: linear = physical, 2 MiB pages */
static volatile u64 directory[ENTRIES] __attribute__((aligned(4096)));
static volatile u64 window[ENTRIES] __attribute__((aligned(4096)));
static u32 frame_a[1024] __attribute__((aligned(4096))), frame_b[1024] __attribute__((aligned(4096)));

static u32 slot(u32 linear) { return linear >> 21 & 511; }

static void set(u32 linear, const void *frame, u64 flags)
{
    window[linear >> 12 & 511] = (u32)frame | flags;
    invalidate_page(linear);
}

static void set_large(u32 linear, u32 frame, u64 flags)
{
    directory[slot(linear)] = frame | flags | PAGE_LARGE;
    invalidate_page(linear);
}

static void bits(const char *when, u64 entry)
{
    fact(when, "A %u  D %u", !!(entry & PAGE_ACCESSED), !!(entry & PAGE_DIRTY));
}

static void small_pages(void)
{
    print("4 KiB pages\n");
    try_read("read before anything is mapped", A);
    directory[slot(WINDOW)] = (u32)window | ALL;
    set(A, frame_a, RW);
    poke(A, 0x1234);
    fact("written through the mapping, seen in the frame", "0x%x", peek((u32)frame_a));
    bits("the entry", window[0]);
    fact("the directory's entry: A", "%u", !!(directory[slot(WINDOW)] & PAGE_ACCESSED));
    set(B, frame_b, PAGE_PRESENT);
    try_write("read-only page: write", B);
    bits("its entry after the fault", window[1]);
    try_read_in_ring_3("supervisor page in ring 3: read", A);
    set(A, frame_a, ALL);
    try_write_in_ring_3("user page in ring 3: write", A);
    directory[slot(WINDOW)] = (u32)window | PAGE_PRESENT | PAGE_USER;
    write_cr3(read_cr3());
    try_write_in_ring_3("the same below a read-only table", A);
    directory[slot(WINDOW)] = (u32)window | ALL;
    write_cr3(read_cr3());
}

static void no_execute(void)
{
    print("NX\n");
    write_msr_low(MSR_EFER, read_msr_low(MSR_EFER) | EFER_NO_EXECUTE);
    write_cr3(read_cr3());
    poke((u32)frame_a, 0xc3); /* RET */
    set(A, frame_a, ALL);
    try_call("executable page: call", A);
    set(A, frame_a, ALL | NO_EXECUTE);
    try_read("no-execute page: read", A);
    try_call("no-execute page: call", A);
    try_call_in_ring_3("no-execute page in ring 3: call", A);
    set(A, frame_a, ALL);
    directory[slot(WINDOW)] = (u32)window | ALL | NO_EXECUTE;
    write_cr3(read_cr3());
    try_call("page below a no-execute table: call", A);
    directory[slot(WINDOW)] = (u32)window | ALL;
    write_cr3(read_cr3());
    try_call("the same without NX: call", A);
}

static void large_pages(void)
{
    print("2 MiB pages\n");
    set_large(LARGE_A, LARGE_FRAME, RW);
    bits("fresh", directory[slot(LARGE_A)]);
    peek(LARGE_A + 0x123000);
    bits("read somewhere in it", directory[slot(LARGE_A)]);
    poke(LARGE_A + LARGE - 4, 0xabcd);
    bits("written elsewhere in it", directory[slot(LARGE_A)]);
    set_large(LARGE_B, LARGE_FRAME, PAGE_PRESENT | NO_EXECUTE);
    fact("a second mapping shows its last word", "0x%x", peek(LARGE_B + LARGE - 4));
    try_write("read-only 2 MiB page: write", LARGE_B + 0x100000);
    try_call("no-execute 2 MiB page: call", LARGE_B + 0x100000);
    try_read_in_ring_3("supervisor 2 MiB page in ring 3: read", LARGE_B + 0x100000);
}

static void pointer_table(void)
{
    print("The four pointers\n");
    try_read("the fourth GiB has none", HIGH + 0x1000);
    pointers[3] = (u32)directory | PAGE_PRESENT;
    write_cr3(read_cr3());
    fact("after CR3 was loaded, it shows the second's pages", "0x%x", peek(HIGH + LARGE + LARGE - 4));
    pointers[3] = 0;
    write_cr3(read_cr3());
    try_read("after it was taken away and CR3 loaded", HIGH + LARGE);
}

void pae_paging(void)
{
    print("PAE paging\n");
    for (u32 i = 0; i < ENTRIES; i++)
        low[i] = (u64)i * LARGE | ALL | PAGE_LARGE;
    pointers[0] = (u32)low | PAGE_PRESENT;
    pointers[1] = (u32)directory | PAGE_PRESENT;
    /* Order matters: with paging on, CR4.PAE would change the meaning of the tables under our feet. */
    write_cr0(read_cr0() & ~CR0_PAGING);
    write_cr4(read_cr4() | CR4_WIDE_ENTRIES);
    write_cr3((u32)pointers);
    write_cr0(read_cr0() | CR0_PAGING);
    fact("CR4.PAE and CR0.PG", "%u %u", !!(read_cr4() & CR4_WIDE_ENTRIES), read_cr0() >> 31);
    small_pages();
    no_execute();
    large_pages();
    pointer_table();
}
