/* What the world told us when it started the guest, in one form for all worlds. */
#pragma once

#include "types.h"

struct memory_range {
    u64 base, length;
    bool usable;
};

struct start_info {
    const char *way; /* "PVH" or "Xen PV" */
    const char *command_line;
    unsigned range_count;
    struct memory_range ranges[16];
};

extern struct start_info start_info;

/* Sum of the usable ranges, in bytes. */
u64 usable_memory(void);

/* Each guest has one. The returned value is the guest's exit value: 0 for success. */
int main(void);
