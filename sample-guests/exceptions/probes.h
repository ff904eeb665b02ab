/* One row of the table that probes.S and ring3_probes.S fill. */
#pragma once

#include "probe_kinds.h"
#include "types.h"

struct probe {
    const char *title;
    u64 run;  /* where the probe starts */
    u64 here; /* the instruction that should raise the exception */
    u64 kind;
};

extern const struct probe kernel_probes[], kernel_probes_end[];
extern const struct probe user_probes[], user_probes_end[];

/* Goes to ring 3 at `code`, on a stack at WINDOW_STACK. probes.S */
void enter_ring3(u64 code);
void enter_ring3_with_alignment_check(u64 code);
