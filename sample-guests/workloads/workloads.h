/* The workloads: each is the subject of a guest of its own, and lmbench runs them all.
   Whoever calls one that has processes calls workload_system_calls_start first. */
#pragma once

#include "measured.h"
#include "ring3_workloads.h"

/* simple.c */
struct measured time_stamp_reads(u64 count);
struct measured interrupt_switches(u64 count); /* off and on again */
struct measured visits(u64 count);
struct measured visits_often(u64 count); /* 256 at a time */

/* processes of ring 3: running.c */
struct measured null_calls(enum way way, u64 count);
struct measured context_switches(unsigned pages, u64 rounds);
struct measured forks(u64 count, unsigned pages);

/* mappings.c; operations are pages. */
struct measured map_touch_unmap(unsigned rounds, bool batched);
struct measured map_on_demand(unsigned rounds);       /* a page fault maps each page */
struct measured write_protections(unsigned rounds);   /* a page fault makes each page writable again */

/* ticking.c; operations are ticks. */
struct measured ticks_while_idle(unsigned hertz, unsigned count);

/* The cycles of a fixed piece of work while the timer ticks. operations: the ticks that came. */
struct measured work_while_ticking(unsigned hertz, u64 work);
