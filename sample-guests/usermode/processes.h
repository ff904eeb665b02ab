/* Processes: an address space and the registers of ring 3. */
#pragma once

#include "pages.h"
#include "traps.h"

enum process_state { UNUSED, RUNNABLE, ENDED, KILLED };

struct process {
    enum process_state state;
    struct address_space space;
    struct trap_frame frame; /* its registers while it doesn't run */
    unsigned preemptions;
    u64 exit_code;
};

/* Makes a process that will run program(argument). Returns its number, from 1. */
unsigned process_make(void (*program)(u64), u64 argument);
struct process *process_get(unsigned number);

/* Runs all runnable processes in turn, until every one has ended. */
void processes_run(void);

/* For system calls: the process that trapped, and ways to take the CPU from it. */
extern unsigned process_current;
void process_yield(struct trap_frame *frame);
void process_end(struct trap_frame *frame, enum process_state state, u64 exit_code);

/* May the current process read this range? */
bool process_can_read(u64 address, u64 length);

/* From a ring 3 RIP to its offset in the image of the programs. */
u64 process_image_offset(u64 rip);
