/* Dispatches traps to handlers, and abandons probes that fault. */
#include "traps.h"

#include "console.h"
#include "privileged.h"

static trap_handler handlers[VECTOR_COUNT];

struct caught caught;

/* Set by attempt.S while a probe runs: its stack pointer, where abandoned probes return to. */
extern u64 attempt_stack;
extern void attempt_abandoned(void);

static const char *const names[32] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "",    "#TS", "#NP", "#SS", "#GP", "#PF", "",
    "#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "",    "",    "",    "",    "",    "",    "#HV", "#VC", "#SX", "",
};

const char *exception_name(unsigned vector) { return vector < LENGTH(names) ? names[vector] : ""; }

bool exception_has_error_code(unsigned vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30;
}

bool frame_from_user(const struct trap_frame *frame) { return frame->cs == privileged->user_code; }

trap_handler trap_handle(unsigned vector, trap_handler handler)
{
    trap_handler old = handlers[vector];
    handlers[vector] = handler;
    return old;
}

void traps_start(void)
{
    for (unsigned vector = 0; vector < 256; vector++)
        privileged->set_trap_gate(vector, vector == VECTOR_INT80 ? 3 : 0);
}

void abandon_attempt(struct trap_frame *frame)
{
    /* attempt_abandoned reloads the callee-saved registers from this stack,
       so the probe may have left anything in its registers and segments. */
    frame->vector = VECTOR_BREAKPOINT; /* anything but VECTOR_SYSCALL, which returns to ring 3 */
    frame->rip = (u64)attempt_abandoned;
    frame->rsp = attempt_stack;
    frame->rflags = 0x2;
    frame->cs = privileged->kernel_code;
    frame->ss = privileged->kernel_stack;
}

static void catch_exception(struct trap_frame *frame)
{
    caught.address = frame->vector == VECTOR_PAGE_FAULT ? privileged->fault_address() : 0;
    caught.frame = *frame;
    abandon_attempt(frame);
    frame->rflags |= caught.frame.rflags & FLAG_INTERRUPT; /* whoever attempts keeps his interrupts */
}

/* Called by traps.S. */
void trap_dispatch(struct trap_frame *frame)
{
    if (frame->vector < VECTOR_COUNT && handlers[frame->vector])
        handlers[frame->vector](frame);
    else if (frame->vector < 32 && attempt_stack)
        catch_exception(frame);
    else
        panic("unexpected vector %lu %s, error code 0x%lx, RIP 0x%lx, CR2 0x%lx", frame->vector,
              exception_name((unsigned)frame->vector), frame->error_code, frame->rip, privileged->fault_address());
}
