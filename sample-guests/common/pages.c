#include "pages.h"

#include "console.h"
#include "privileged.h"
#include "text.h"

#define TABLE_FLAGS (ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_USER)

/* In .bss, not above the image: there a Xen PV domain has no memory mapped. */
static u8 arena[224][PAGE_SIZE] __attribute__((aligned(4096)));
static u8 users[LENGTH(arena)];
static u16 given_back[LENGTH(arena)]; /* a stack */
static unsigned given_back_count, ever_taken;

void *frame_take(void)
{
    unsigned number;
    if (given_back_count) {
        number = given_back[--given_back_count];
        memset(arena[number], 0, PAGE_SIZE);
    } else {
        if (ever_taken == LENGTH(arena))
            panic("out of frames");
        number = ever_taken++;
    }
    users[number] = 1;
    return arena[number];
}

static bool in_arena(const void *frame) { return (const u8 *)frame >= arena[0] && (const u8 *)frame < arena[LENGTH(arena)]; }
static unsigned number_of(const void *frame) { return (unsigned)(((const u8 *)frame - arena[0]) / PAGE_SIZE); }

void frame_share(const void *frame)
{
    if (in_arena(frame))
        users[number_of(frame)]++;
}

void frame_give(const void *frame)
{
    if (in_arena(frame) && --users[number_of(frame)] == 0)
        given_back[given_back_count++] = (u16)number_of(frame);
}

unsigned frame_users(const void *frame) { return in_arena(frame) ? users[number_of(frame)] : 1; }
unsigned frames_in_use(void) { return ever_taken - given_back_count; }

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

/* A table that `entry` refers to, or null. */
static u64 *table_below(u64 entry)
{
    bool table = (entry & (ENTRY_PRESENT | ENTRY_LARGE)) == ENTRY_PRESENT;
    return table ? (u64 *)privileged->entry_target(entry) : NULL;
}

static u64 *window_table(u64 *root) { return table_below(table_below(root[0])[slot(WINDOW, 3)]); }

void pages_visit(u64 *root, void (*visit)(u64 linear, u64 *entry, void *context), void *context)
{
    u64 *level2 = window_table(root);
    for (unsigned i = 0; level2 && i < 512; i++) {
        u64 *level1 = table_below(level2[i]);
        for (unsigned j = 0; level1 && j < 512; j++)
            if (level1[j] & ENTRY_PRESENT)
                visit(WINDOW + i * LARGE_PAGE + j * PAGE_SIZE, &level1[j], context);
    }
}

static void give_frame(u64 linear, u64 *entry, void *context)
{
    (void)linear, (void)context;
    frame_give((void *)privileged->entry_target(*entry));
}

static void give_table(void *table, unsigned level)
{
    privileged->release_table(table, level);
    frame_give(table);
}

void address_space_free(const struct address_space *space)
{
    u64 *level3 = table_below(space->root[0]), *level2 = window_table(space->root);
    pages_visit(space->root, give_frame, NULL);
    give_table(space->root, 4);
    if (space->user_root) {
        u64 *user_level3 = table_below(space->user_root[0]);
        give_table(space->user_root, 4);
        give_table(user_level3, 3);
    }
    give_table(level3, 3);
    for (unsigned i = 0; level2 && i < 512; i++)
        if (level2[i] & ENTRY_PRESENT)
            give_table(table_below(level2[i]), 1);
    if (level2)
        give_table(level2, 2);
}
