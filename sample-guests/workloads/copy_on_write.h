/* Copies of address spaces that share their frames until somebody writes. */
#pragma once

#include "traps.h"

/* For a system call: makes a copy of the current process. */
void process_fork(struct trap_frame *frame);

/* Copies the page at `address`, or makes it writable if nobody else uses it. Answers false if the
   fault is about something else. */
bool copy_on_write_fault(u64 *root, u64 address, u64 error_code);

/* Pages copied, and pages that only needed to be made writable again, since the guest started. */
extern unsigned pages_copied, pages_reclaimed;
