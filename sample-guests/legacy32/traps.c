#include "traps.h"

#include "console.h"
#include "descriptors.h"
#include "machine.h"

static const char *const names[32] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "",    "#TS", "#NP", "#SS", "#GP", "#PF", "",
    "#MF", "#AC", "#MC", "#XM", "",    "",    "",    "",    "",    "",    "",    "",    "",    "",    "",    "",
};

void (*timer_handler)(struct trap_frame *frame);

static struct outcome outcome;

/* traps.S */
u32 attempt_call(u32 (*probe)(u32), u32 argument);
u32 attempt_outer(u32 (*probe)(u32), u32 argument, u32 code, u32 stack, u32 stack_top, u32 flags);
void attempt_abandon(void) __attribute__((noreturn));
extern u32 attempt_stack;

static u8 outer_stack[4096] __attribute__((aligned(4096)));
static u8 ring0_stack[4096] __attribute__((aligned(4096)));

struct outcome attempt(u32 (*probe)(u32), u32 argument)
{
    outcome = (struct outcome){.returned = true};
    u32 value = attempt_call(probe, argument);
    if (outcome.returned)
        outcome.value = value;
    return outcome;
}

struct outcome attempt_in_ring(unsigned ring, u32 (*probe)(u32), u32 argument, u32 flags)
{
    outcome = (struct outcome){.returned = true};
    set_ring0_stack((u32)ring0_stack + sizeof ring0_stack);
    u32 code = (ring == 1 ? CODE_1 : CODE_3) | ring, stack = (ring == 1 ? DATA_1 : DATA_3) | ring;
    attempt_outer(probe, argument, code, stack, (u32)outer_stack + sizeof outer_stack, flags | 2);
    return outcome;
}

/* Called by traps.S. */
void trap_dispatch(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_IRQ0 && timer_handler) {
        out8(0x20, 0x20);
        timer_handler(frame);
        return;
    }
    if (!attempt_stack || (frame->vector >= 32 && frame->vector != VECTOR_INT80)) {
        print("panic: vector %u, error code 0x%x, EIP 0x%x, CR2 0x%x\n", frame->vector, frame->error_code, frame->eip, read_cr2());
        shutdown(1);
    }
    outcome.returned = frame->vector == VECTOR_INT80;
    outcome.value = frame->eax;
    outcome.address = read_cr2();
    outcome.frame = *frame;
    attempt_abandon();
}

static void report_outcome(struct outcome end)
{
    u32 vector = end.frame.vector;
    if (end.returned)
        print("value 0x%x", end.value);
    else
        print("%s", vector < 32 ? names[vector] : "?");
    if (!end.returned && (vector == 8 || (vector >= 10 && vector <= 14)))
        print(" error 0x%x", end.frame.error_code);
    if (!end.returned && vector == VECTOR_PAGE_FAULT)
        print(" CR2 0x%x", end.address);
    print("\n");
}

void report(const char *what, struct outcome end)
{
    print("  %-52s", what);
    report_outcome(end);
}

void report_marked(const char *what, struct outcome end)
{
    print("~ %-52s", what);
    report_outcome(end);
}
