/* Exceptions, interrupts and ways to other rings. */
#pragma once

#include "types.h"

#define VECTOR_PAGE_FAULT 14
#define VECTOR_IRQ0 0x20
#define VECTOR_INT80 0x80

/* What traps.S leaves on the stack, low address first. esp and ss are there only if the ring changed. */
struct trap_frame {
    u32 es, ds, edi, esi, ebp, unused, ebx, edx, ecx, eax;
    u32 vector, error_code;
    u32 eip, cs, eflags, esp, ss;
};

/* How a probe ended. */
struct outcome {
    bool returned;
    u32 value;   /* what it returned, in any ring */
    u32 address; /* CR2 after page faults */
    struct trap_frame frame;
};

/* Calls probe(argument) in ring 0. An exception abandons it. */
struct outcome attempt(u32 (*probe)(u32), u32 argument);

/* The same in ring 1 or 3, with these flags besides the reserved one. A probe out there returns by INT 0x80. */
struct outcome attempt_in_ring(unsigned ring, u32 (*probe)(u32), u32 argument, u32 flags);

/* Called on each timer interrupt. */
extern void (*timer_handler)(struct trap_frame *frame);

/* Prints what came of a probe: "value 0x1" or "#GP error 0x10". A page fault brings its address along. */
void report(const char *what, struct outcome outcome);

/* For what QEMU's TCG doesn't check: the same on a marked line. */
void report_marked(const char *what, struct outcome outcome);
