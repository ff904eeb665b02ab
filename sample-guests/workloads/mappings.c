/* Workloads with page tables: the kernel maps pages into its own window. */
#include "console.h"
#include "instructions.h"
#include "pages.h"
#include "privileged.h"
#include "workloads.h"

#define PAGES 64
#define STORM (WINDOW + 0x1000000)
#define RW (ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_NO_EXECUTE)

static u64 *entries; /* of the level 1 table that covers the storm's pages */
static u64 *frames[PAGES];

static u64 address(unsigned page) { return STORM + page * PAGE_SIZE; }

static void take_frames(void)
{
    if (frames[0])
        return;
    entries = page_entry(privileged->root_table(), STORM, 1);
    for (unsigned i = 0; i < PAGES; i++) {
        frames[i] = frame_take();
        *frames[i] = i;
    }
}

static void set(unsigned page, u64 flags)
{
    privileged->set_entry(&entries[page], flags ? privileged->entry_for((u64)frames[page], flags) : 0);
}

/* Reads each page and adds to what it finds; answers whether each showed its own frame. */
static bool touch_all(u64 round)
{
    bool right = true;
    for (unsigned i = 0; i < PAGES; i++) {
        volatile u64 *page = (u64 *)address(i);
        right &= *page == i + round;
        *page = i + round + 1;
    }
    return right;
}

static void reset_frames(void)
{
    take_frames();
    for (unsigned i = 0; i < PAGES; i++)
        *frames[i] = i;
}

static void unmap_all(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        set(i, 0);
        privileged->forget_page(address(i));
    }
}

struct measured map_touch_unmap(unsigned rounds, bool batched)
{
    bool right = true;
    reset_frames();
    u64 start = read_time_stamp();
    for (unsigned round = 0; round < rounds; round++) {
        if (batched)
            privileged->batch(true);
        for (unsigned i = 0; i < PAGES; i++)
            set(i, RW);
        if (batched)
            privileged->batch(false);
        right &= touch_all(round);
        if (batched)
            privileged->batch(true);
        unmap_all();
        if (batched)
            privileged->batch(false);
    }
    return (struct measured){read_time_stamp() - start, rounds * PAGES, right};
}

static unsigned faults;

/* Maps the page that was missing, or gives write permission to one that had none. */
static void mend(struct trap_frame *frame)
{
    u64 linear = privileged->fault_address();
    if (linear < STORM || linear >= address(PAGES))
        panic("page fault at 0x%lx on 0x%lx", frame->rip, linear);
    unsigned page = (unsigned)((linear - STORM) / PAGE_SIZE);
    faults++;
    set(page, RW);
    privileged->forget_page(address(page));
}

struct measured map_on_demand(unsigned rounds)
{
    bool right = true;
    reset_frames();
    faults = 0;
    trap_handler old = trap_handle(VECTOR_PAGE_FAULT, mend);
    u64 start = read_time_stamp();
    for (unsigned round = 0; round < rounds; round++) {
        right &= touch_all(round);
        privileged->batch(true);
        unmap_all();
        privileged->batch(false);
    }
    u64 cycles = read_time_stamp() - start;
    trap_handle(VECTOR_PAGE_FAULT, old);
    return (struct measured){cycles, faults, right && faults == rounds * PAGES};
}

struct measured write_protections(unsigned rounds)
{
    bool right = true;
    reset_frames();
    faults = 0;
    trap_handler old = trap_handle(VECTOR_PAGE_FAULT, mend);
    for (unsigned i = 0; i < PAGES; i++)
        set(i, RW);
    u64 start = read_time_stamp();
    for (unsigned round = 0; round < rounds; round++) {
        privileged->batch(true);
        for (unsigned i = 0; i < PAGES; i++) {
            set(i, RW & ~ENTRY_WRITABLE);
            privileged->forget_page(address(i));
        }
        privileged->batch(false);
        right &= touch_all(round);
    }
    u64 cycles = read_time_stamp() - start;
    privileged->batch(true);
    unmap_all();
    privileged->batch(false);
    trap_handle(VECTOR_PAGE_FAULT, old);
    return (struct measured){cycles, faults, right && faults == rounds * PAGES};
}
