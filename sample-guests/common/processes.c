/* The process table and the switch from one process to the next. The kernel is never
   pre-empted, so one kernel stack serves all: a switch saves the trap frame on it in the
   process and puts another process's frame there. */
#include "processes.h"

#include "console.h"
#include "privileged.h"
#include "text.h"

#define STACK_TOP (WINDOW + 0x100000)
#define STACK_PAGES 2

extern u8 user_image[], user_data[], user_image_end[];

static struct process processes[20];
static u8 kernel_stack[8192] __attribute__((aligned(16)));
unsigned process_current;

struct process *process_get(unsigned number) { return &processes[number]; }

u64 process_image_offset(u64 rip) { return rip - WINDOW; }

unsigned process_place(void)
{
    unsigned number = 1;
    while (processes[number].state != UNUSED)
        if (++number == LENGTH(processes))
            panic("too many processes");
    return number;
}

static unsigned make(u64 program, u64 first, u64 second)
{
    unsigned number = process_place();
    struct process *process = &processes[number];
    *process = (struct process){0};
    process->space = address_space_make();
    u64 *root = process->space.root;

    /* Code is shared and read-only; data is copied, so each process has its own. */
    for (u8 *page = user_image; page < user_image_end; page += PAGE_SIZE) {
        u64 linear = WINDOW + (u64)(page - user_image);
        if (page < user_data) {
            page_map(root, linear, page, ENTRY_PRESENT | ENTRY_USER);
        } else {
            void *copy = memcpy(frame_take(), page, PAGE_SIZE);
            page_map(root, linear, copy, ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_USER | ENTRY_NO_EXECUTE);
        }
    }
    for (unsigned i = 1; i <= STACK_PAGES; i++)
        page_map(root, STACK_TOP - i * PAGE_SIZE, frame_take(), ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_USER | ENTRY_NO_EXECUTE);

    process->frame = (struct trap_frame){
        .rip = WINDOW + (program - (u64)user_image),
        .rsp = STACK_TOP - 8, /* as if called */
        .rdi = first,
        .rsi = second,
        .rflags = FLAG_INTERRUPT | 2,
        .cs = privileged->user_code,
        .ss = privileged->user_stack,
    };
    process->state = RUNNABLE;
    return number;
}

unsigned process_make(void (*program)(u64), u64 argument) { return make((u64)program, argument, 0); }

unsigned process_make_with_memory(void (*program)(u64, u64), u64 first, u64 second, unsigned pages)
{
    unsigned number = make((u64)program, first, second);
    u64 *root = processes[number].space.root;
    for (unsigned i = 0; i < pages; i++)
        page_map(root, PROCESS_MEMORY + i * PAGE_SIZE, frame_take(),
                 ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_USER | ENTRY_NO_EXECUTE);
    return number;
}

void process_free(unsigned number)
{
    address_space_free(&processes[number].space);
    processes[number].state = UNUSED;
}

/* The next runnable process after the current one, or 0. */
static unsigned next_runnable(void)
{
    for (unsigned step = 1; step <= LENGTH(processes); step++) {
        unsigned number = (process_current + step) % LENGTH(processes);
        if (processes[number].state == RUNNABLE)
            return number;
    }
    return 0;
}

static void resume(unsigned number, struct trap_frame *frame)
{
    process_current = number;
    privileged->use_address_space(&processes[number].space);
    *frame = processes[number].frame;
}

void process_yield(struct trap_frame *frame)
{
    processes[process_current].frame = *frame;
    resume(next_runnable(), frame);
}

void process_end(struct trap_frame *frame, enum process_state state, u64 exit_code)
{
    processes[process_current].state = state;
    processes[process_current].exit_code = exit_code;
    unsigned next = next_runnable();
    if (next)
        resume(next, frame);
    else
        abandon_attempt(frame); /* back to processes_run */
}

static void enter(u64 number)
{
    static struct trap_frame frame;
    resume((unsigned)number, &frame);
    trap_return(&frame);
}

void processes_run(void)
{
    struct address_space callers = {.root = privileged->root_table()};
    process_current = 0;
    privileged->set_kernel_stack((u64)kernel_stack + sizeof kernel_stack);
    attempt(enter, next_runnable());
    privileged->use_address_space(&callers);
}

bool process_can_read(u64 address, u64 length)
{
    if (address < WINDOW || address >= STACK_TOP || length > STACK_TOP - address)
        return false;
    for (u64 page = address & ~(PAGE_SIZE - 1); page < address + length; page += PAGE_SIZE) {
        u64 wanted = ENTRY_PRESENT | ENTRY_USER;
        if ((*page_entry(processes[process_current].space.root, page, 1) & wanted) != wanted)
            return false;
    }
    return true;
}
