/* What a workload reports: cycles by the time-stamp counter, and whether all went as it should. */
#pragma once

#include "types.h"

struct measured {
    u64 cycles, operations;
    bool right;
};

/* Prints the fact on a plain line, the cycles per operation on a marked one:

       null_syscall             2000 operations, right
       ~ result null_syscall 123 cycles                    */
void report(const char *name, struct measured measured);
