/* Frames and page tables. The guest's kernel lives linear = physical in every world, so a
   pointer to a frame is its guest-physical address. */
#pragma once

#include "types.h"

/*  63 62        52 51                              12 11  9 8 7 6 5 4 3 2 1 0
   +--+------------+----------------------------------+-----+-+-+-+-+---+-+-+-+
   |NX|  software  |        address of the frame      | sw  |G|L|D|A|   |U|W|P|
   +--+------------+----------------------------------+-----+-+-+-+-+---+-+-+-+   L: large, in levels 2 and 3 */
#define ENTRY_PRESENT (1UL << 0)
#define ENTRY_WRITABLE (1UL << 1)
#define ENTRY_USER (1UL << 2)
#define ENTRY_ACCESSED (1UL << 5)
#define ENTRY_DIRTY (1UL << 6)
#define ENTRY_LARGE (1UL << 7)
#define ENTRY_GLOBAL (1UL << 8)
#define ENTRY_NO_EXECUTE (1UL << 63)
#define ENTRY_ADDRESS 0x000ffffffffff000UL

#define LARGE_PAGE 0x200000UL
#define HUGE_PAGE 0x40000000UL

/* Guests put their own mappings here: the first address that the kernel's tables don't cover,
   in a level 3 slot of its own, so that it can differ from one address space to the next. */
#define WINDOW HUGE_PAGE

/* An address space: the kernel at slot 0 of its level 3 table, the window at slot 1.
   user_root is a second root without the kernel; only Xen needs it, where kernel and
   user share ring 3 and so can't share tables. */
struct address_space {
    u64 *root;
    u64 *user_root;
};

/* Frames. Each has one user when it is taken, zeroed; it is free again when every user has given
   it back. Giving back memory that was never taken (a page of the image, say) does nothing. */
void *frame_take(void);
void frame_share(const void *frame);
void frame_give(const void *frame);
unsigned frame_users(const void *frame);
unsigned frames_in_use(void);

/* The entry that maps `linear` at `level` (1: 4 KiB, 2: 2 MiB, 3: 1 GiB). Missing tables on
   the way are made; they allow everything, so that the last entry decides. */
u64 *page_entry(u64 *root, u64 linear, unsigned level);

/* Maps one 4 KiB page. */
void page_map(u64 *root, u64 linear, const void *frame, u64 flags);

/* Visits each 4 KiB page that is present in the window. */
void pages_visit(u64 *root, void (*visit)(u64 linear, u64 *entry, void *context), void *context);

struct address_space address_space_make(void);

/* Gives back the tables and all frames in the window. The CPU must be in another space. */
void address_space_free(const struct address_space *space);
