#include "pages.h"

#include "console.h"
#include "privileged.h"

#define TABLE_FLAGS (ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_USER)

/* In .bss, not above the image: there a Xen PV domain has no memory mapped. */
static u8 arena[224][PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned frames_taken;

void *frame_take(void)
{
    if (frames_taken == LENGTH(arena))
        panic("out of frames");
    return arena[frames_taken++];
}

static u64 *table_take(unsigned level)
{
    u64 *table = frame_take();
    privileged->adopt_table(table, level);
    return table;
}

static unsigned slot(u64 linear, unsigned level) { return linear >> (12 + 9 * (level - 1)) & 511; }

u64 *page_entry(u64 *root, u64 linear, unsigned level)
{
    u64 *table = root;
    for (unsigned at = 4; at > level; at--) {
        u64 *entry = &table[slot(linear, at)];
        if (!(*entry & ENTRY_PRESENT))
            privileged->set_entry(entry, privileged->entry_for((u64)table_take(at - 1), TABLE_FLAGS));
        table = (u64 *)privileged->entry_target(*entry);
    }
    return &table[slot(linear, level)];
}

void page_map(u64 *root, u64 linear, const void *frame, u64 flags)
{
    privileged->set_entry(page_entry(root, linear, 1), privileged->entry_for((u64)frame, flags));
    privileged->forget_page(linear);
}

struct address_space address_space_make(void)
{
    /* The kernel's part is one entry of level 3: copied, it shares everything below. */
    u64 *kernel_root = privileged->root_table();
    u64 *kernel_level3 = (u64 *)privileged->entry_target(kernel_root[0]);

    struct address_space space = {.root = table_take(4)};
    u64 *level3 = table_take(3);
    privileged->set_entry(&level3[0], kernel_level3[0]);
    privileged->set_entry(&space.root[0], privileged->entry_for((u64)level3, TABLE_FLAGS));

    if (privileged->kernel_in_user_ring) {
        page_entry(space.root, WINDOW, 2); /* makes the table that both roots share */
        space.user_root = table_take(4);
        u64 *user_level3 = table_take(3);
        privileged->set_entry(&user_level3[1], level3[1]);
        privileged->set_entry(&space.user_root[0], privileged->entry_for((u64)user_level3, TABLE_FLAGS));
    }
    return space;
}
