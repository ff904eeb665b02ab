#include "copy_on_write.h"

#include "pages.h"
#include "privileged.h"
#include "processes.h"
#include "text.h"

/* A bit that the paging hardware leaves to software: writable, but shared. */
#define ENTRY_COPY_ON_WRITE (1UL << 9)

#define PAGE_FAULT_PROTECTION 1
#define PAGE_FAULT_WRITE 2

unsigned pages_copied, pages_reclaimed;

static void make_tables(u64 linear, u64 *entry, void *child_root)
{
    (void)entry;
    page_entry(child_root, linear, 1);
}

static void share_page(u64 linear, u64 *entry, void *child_root)
{
    u64 shared = *entry;
    if (shared & ENTRY_WRITABLE) {
        shared = (shared & ~ENTRY_WRITABLE) | ENTRY_COPY_ON_WRITE;
        privileged->set_entry(entry, shared);
        privileged->forget_page(linear);
    }
    privileged->set_entry(page_entry(child_root, linear, 1), shared);
    frame_share((void *)privileged->entry_target(shared));
}

void process_fork(struct trap_frame *frame)
{
    unsigned number = process_place();
    struct process *parent = process_get(process_current), *child = process_get(number);
    *child = (struct process){.space = address_space_make(), .frame = *frame};

    /* Order matters: a batch makes no tables, so they come first. */
    pages_visit(parent->space.root, make_tables, child->space.root);
    privileged->batch(true);
    pages_visit(parent->space.root, share_page, child->space.root);
    privileged->batch(false);

    child->frame.rax = 0;
    frame->rax = number;
    child->state = RUNNABLE;
}

bool copy_on_write_fault(u64 *root, u64 address, u64 error_code)
{
    u64 wanted = PAGE_FAULT_PROTECTION | PAGE_FAULT_WRITE;
    if ((error_code & wanted) != wanted || address < WINDOW || address >= WINDOW + HUGE_PAGE)
        return false;
    u64 *entry = page_entry(root, address, 1), old = *entry;
    if (!(old & ENTRY_COPY_ON_WRITE))
        return false;

    void *frame = (void *)privileged->entry_target(old);
    u64 flags = ((old & ~ENTRY_ADDRESS) | ENTRY_WRITABLE) & ~ENTRY_COPY_ON_WRITE;
    if (frame_users(frame) == 1) {
        pages_reclaimed++;
    } else {
        pages_copied++;
        frame_give(frame);
        frame = memcpy(frame_take(), frame, PAGE_SIZE);
    }
    page_map(root, address & ~(PAGE_SIZE - 1), frame, flags);
    return true;
}
