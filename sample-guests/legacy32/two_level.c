/* The paging of the 386: two levels, 32-bit entries, 4 KiB pages, and the Pentium's 4 MiB pages. */
#include "console.h"
#include "entries.h"
#include "lessons.h"
#include "machine.h"
#include "touching.h"
#include "types.h"

#define ENTRIES 1024
#define LARGE 0x400000U
#define ALL (PAGE_PRESENT | PAGE_WRITABLE | PAGE_USER)
#define RW (PAGE_PRESENT | PAGE_WRITABLE)
#define A WINDOW
#define B (WINDOW + 0x1000)
#define C (WINDOW + 0x2000) /* never mapped */
#define LARGE_A (WINDOW + LARGE)
#define LARGE_B (WINDOW + 2 * LARGE)

static volatile u32 directory[ENTRIES] __attribute__((aligned(4096)));
static volatile u32 low[ENTRIES] __attribute__((aligned(4096))); /* the first 4 MiB: linear = physical */
static volatile u32 window[ENTRIES] __attribute__((aligned(4096)));
static u32 frame_a[1024] __attribute__((aligned(4096))), frame_b[1024] __attribute__((aligned(4096)));

static u32 slot(u32 linear) { return linear >> 22; }

static void set(u32 linear, const void *frame, u32 flags)
{
    window[linear >> 12 & 1023] = (u32)frame | flags;
    invalidate_page(linear);
}

static void set_large(u32 linear, u32 frame, u32 flags)
{
    directory[slot(linear)] = frame | flags | PAGE_LARGE;
    invalidate_page(linear);
}

static void bits(const char *when, u32 entry)
{
    fact(when, "A %u  D %u", !!(entry & PAGE_ACCESSED), !!(entry & PAGE_DIRTY));
}

static void small_pages(void)
{
    print("4 KiB pages\n");
    try_read("read before anything is mapped", A);
    try_write("write before anything is mapped", A);
    directory[slot(WINDOW)] = (u32)window | ALL;
    try_read("read with a table, but no page", A);
    window[A >> 12 & 1023] = (u32)frame_a | RW;
    try_read("read after mapping, without INVLPG", A);
    poke(A, 0x1234);
    fact("written through the mapping, seen in the frame", "0x%x", peek((u32)frame_a));
    set(B, frame_a, RW);
    fact("a second mapping of the frame", "0x%x", peek(B));
    set(B, frame_b, RW);
    fact("mapped to another frame", "0x%x", peek(B));
    set(B, 0, 0);
    try_read("unmapped", B);
    try_write("write across into the absent page", B - 2);

    set(A, frame_a, PAGE_PRESENT);
    try_write("read-only page: write", A);
    write_cr0(read_cr0() & ~CR0_WRITE_PROTECT);
    try_write("the same with CR0.WP clear", A);
    write_cr0(read_cr0() | CR0_WRITE_PROTECT);
    try_write("the same with CR0.WP set", A);
    set(A, frame_a, RW);
    directory[slot(WINDOW)] = (u32)window | PAGE_PRESENT | PAGE_USER;
    write_cr3(read_cr3());
    try_write("writable page below a read-only table", A);
    directory[slot(WINDOW)] = (u32)window | ALL;
    write_cr3(read_cr3());
    try_call("call to a page: there is no NX in this format", A);

    print("Ring 3 and 4 KiB pages\n");
    try_read_in_ring_3("supervisor page: read", A);
    try_write_in_ring_3("supervisor page: write", A);
    try_call_in_ring_3("supervisor page: call", A);
    try_read_in_ring_3("absent page: read", C);
    try_write_in_ring_3("absent page: write", C);
    set(A, frame_a, PAGE_PRESENT | PAGE_USER);
    try_read_in_ring_3("read-only user page: read", A);
    try_write_in_ring_3("read-only user page: write", A);
    write_cr0(read_cr0() & ~CR0_WRITE_PROTECT);
    try_write_in_ring_3("the same with CR0.WP clear", A);
    write_cr0(read_cr0() | CR0_WRITE_PROTECT);
    set(A, frame_a, ALL);
    try_write_in_ring_3("writable user page: write", A);
    directory[slot(WINDOW)] = (u32)window | RW;
    write_cr3(read_cr3());
    try_read_in_ring_3("user page below a supervisor table: read", A);
    directory[slot(WINDOW)] = (u32)window | ALL;
    write_cr3(read_cr3());
}

static void accessed_and_dirty(void)
{
    print("A and D bits\n");
    set(A, frame_a, RW);
    bits("fresh", window[0]);
    peek(A);
    bits("read", window[0]);
    poke(A, 1);
    bits("written", window[0]);
    fact("the directory's entry: A", "%u", !!(directory[slot(WINDOW)] & PAGE_ACCESSED));
    set(A, frame_a, RW);
    poke(A, 2);
    bits("fresh again, written at once", window[0]);
}

static void large_pages(void)
{
    print("4 MiB pages\n");
    write_cr4(read_cr4() | CR4_LARGE_PAGES);
    fact("CR4.PSE", "%u", !!(read_cr4() & CR4_LARGE_PAGES));
    set_large(LARGE_A, LARGE_FRAME, RW);
    bits("fresh", directory[slot(LARGE_A)]);
    peek(LARGE_A + 0x123000);
    bits("read somewhere in it", directory[slot(LARGE_A)]);
    poke(LARGE_A + LARGE - 4, 0xabcd);
    bits("written elsewhere in it", directory[slot(LARGE_A)]);
    set_large(LARGE_B, LARGE_FRAME, PAGE_PRESENT);
    fact("a second mapping shows its last word", "0x%x", peek(LARGE_B + LARGE - 4));
    try_write("read-only 4 MiB page: write", LARGE_B + 0x200000);
    try_read_in_ring_3("supervisor 4 MiB page: read", LARGE_B + 0x200000);
    set_large(LARGE_B, LARGE_FRAME, PAGE_PRESENT | PAGE_USER);
    try_read_in_ring_3("user 4 MiB page: its last word", LARGE_B + LARGE - 4);
    /* The large page makes way for a table that shows one page of it. */
    set(A, (const void *)(LARGE_FRAME + LARGE - 0x1000), RW);
    directory[slot(LARGE_B)] = (u32)window | ALL;
    write_cr3(read_cr3());
    fact("a table in its place: the page's last word", "0x%x", peek(LARGE_B + 0xffc));
    directory[slot(LARGE_A)] = directory[slot(LARGE_B)] = 0;
    write_cr3(read_cr3());
    try_read("after the large page was removed", LARGE_A);
}

void two_level_paging(void)
{
    print("Two-level paging\n");
    for (u32 i = 0; i < ENTRIES; i++)
        low[i] = i << 12 | ALL;
    directory[0] = (u32)low | ALL;
    write_cr3((u32)directory);
    write_cr0(read_cr0() | CR0_PAGING | CR0_WRITE_PROTECT);
    fact("CR0.PG", "%u", read_cr0() >> 31);
    small_pages();
    accessed_and_dirty();
    large_pages();
}
