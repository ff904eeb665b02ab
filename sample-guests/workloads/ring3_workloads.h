/* The processes of the workloads. Each ends with the cycles it took by the time-stamp counter. */
#pragma once

#include "types.h"

enum way { BY_INT80, BY_SYSCALL };

/* Makes `count` null system calls. */
void program_null_calls(u64 way, u64 count);

/* Writes to each cache line of `pages` pages, gives the CPU away, finds all as it was; `rounds` times. */
void program_ping(u64 rounds, u64 pages);

/* Fills `pages` pages; `count` times: forks a child, waits for it, and finds its own pages unchanged. The
   child finds the parent's values, changes every fourth page and ends. */
void program_forks(u64 count, u64 pages);
