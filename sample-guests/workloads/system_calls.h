/* The system calls of the workloads' processes: number in RAX, arguments in RDI and RSI, result in
   RAX, through INT 0x80 as well as SYSCALL. */
#pragma once

#include "types.h"

#define SYSTEM_END 0    /* (value, wrong): the process ends; `wrong` counts what it found wrong */
#define SYSTEM_NULL 1   /* () -> 1: the least that a system call can do */
#define SYSTEM_YIELD 2  /* (): the next process runs */
#define SYSTEM_FORK 3   /* () -> the number of the new process, in the new process 0 */
#define SYSTEM_FORGET 4 /* (number) -> the value with which that process ended; its memory is given back */

/* Serves these calls, and page faults on pages to be copied. Anything else that ring 3 raises is
   the end of the guest. */
void workload_system_calls_start(void);

/* How often each was called since the guest started. */
extern u64 system_call_counts[5];

/* What processes found wrong. */
extern u64 wrong_in_processes;
