/* The programs, as addresses in the image of ring 3. Each takes one argument. */
#pragma once

#include "types.h"

void program_greeter(u64 unused);
void program_neighbour(u64 rounds);
void program_offender(u64 offence);
void program_counter(u64 way);

enum offence {
    READ_KERNEL_MEMORY,
    WRITE_OWN_CODE,
    EXECUTE_OWN_STACK,
    OVERFLOW_STACK,
    DIVIDE_BY_ZERO,
    UNDEFINED_INSTRUCTION,
    HALT,
    DISABLE_INTERRUPTS,
    READ_NON_CANONICAL,
    OFFENCE_COUNT
};

enum way { BY_INT80, BY_SYSCALL };
