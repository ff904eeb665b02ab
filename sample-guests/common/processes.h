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

/* The same for a program of two arguments, with `pages` pages of memory at PROCESS_MEMORY. */
#define PROCESS_MEMORY (WINDOW + 0x140000)
#define PROCESS_MEMORY_PAGES 64
unsigned process_make_with_memory(void (*program)(u64, u64), u64 first, u64 second, unsigned pages);

/* An unused place in the process table, for whoever makes a process in another way. */
unsigned process_place(void);

/* Gives back all a process has that no longer runs. */
void process_free(unsigned number);
struct process *process_get(unsigned number);

/* Runs all runnable processes in turn, until every one has ended. Returns to the caller's address space. */
void processes_run(void);

/* For system calls: the process that trapped, and ways to take the CPU from it. */
extern unsigned process_current;
void process_yield(struct trap_frame *frame);
void process_end(struct trap_frame *frame, enum process_state state, u64 exit_code);

/* May the current process read this range? */
bool process_can_read(u64 address, u64 length);

/* From a ring 3 RIP to its offset in the image of the programs. */
u64 process_image_offset(u64 rip);
