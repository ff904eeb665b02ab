/* Exceptions, interrupts and system calls, as C sees them. */
#pragma once

#include "types.h"

enum vector {
    VECTOR_DIVIDE_ERROR = 0,
    VECTOR_DEBUG = 1,
    VECTOR_BREAKPOINT = 3,
    VECTOR_OVERFLOW = 4,
    VECTOR_BOUND_RANGE = 5,
    VECTOR_INVALID_OPCODE = 6,
    VECTOR_DEVICE_NOT_AVAILABLE = 7,
    VECTOR_DOUBLE_FAULT = 8,
    VECTOR_SEGMENT_NOT_PRESENT = 11,
    VECTOR_STACK_FAULT = 12,
    VECTOR_GENERAL_PROTECTION = 13,
    VECTOR_PAGE_FAULT = 14,
    VECTOR_ALIGNMENT_CHECK = 17,
    VECTOR_IRQ0 = 0x20, /* where native.c puts the sixteen lines of the 8259s */
    VECTOR_INT80 = 0x80,
    VECTOR_SYSCALL = 0x100, /* not a vector: marks frames made by SYSCALL */
    VECTOR_EVENT = 0x101,   /* nor this: an event from Xen */
    VECTOR_COUNT
};

/* What traps.S leaves on the stack, low address first. */
struct trap_frame {
    u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    u64 vector, error_code;
    u64 rip, cs, rflags, rsp, ss;
};

typedef void (*trap_handler)(struct trap_frame *frame);

/* Sets all gates. INT 0x80 is open to ring 3. */
void traps_start(void);

/* From now on `vector` is handled by `handler`. Unhandled traps end the guest. Returns the handler
   that it had. */
trap_handler trap_handle(unsigned vector, trap_handler handler);

/* "#PF" and so on; "" for what isn't an exception. */
const char *exception_name(unsigned vector);
bool exception_has_error_code(unsigned vector);
bool frame_from_user(const struct trap_frame *frame);

/* Leaves the kernel through `frame`. traps.S */
void trap_return(struct trap_frame *frame) __attribute__((noreturn));

/* Probing: calls probe(argument). If it raises an exception that has no handler of its own,
   the probe is abandoned and the exception is kept in `caught`. */
struct caught {
    u64 address; /* CR2 at the time; only page faults set it */
    struct trap_frame frame;
};
extern struct caught caught;
bool attempt(void (*probe)(u64), u64 argument);

/* Makes the trap return, with interrupts off, to the caller of attempt, which answers false. */
void abandon_attempt(struct trap_frame *frame);
