#include "system_calls.h"

#include "console.h"
#include "copy_on_write.h"
#include "privileged.h"
#include "processes.h"

u64 system_call_counts[5];
u64 wrong_in_processes;

static void system_call(struct trap_frame *frame)
{
    u64 number = frame->rax;
    if (number >= LENGTH(system_call_counts))
        panic("there is no system call %lu", number);
    system_call_counts[number]++;
    switch (number) {
    case SYSTEM_END:
        wrong_in_processes += frame->rsi;
        process_end(frame, ENDED, frame->rdi);
        break;
    case SYSTEM_NULL:
        frame->rax = 1;
        break;
    case SYSTEM_YIELD:
        process_yield(frame);
        break;
    case SYSTEM_FORK:
        process_fork(frame);
        break;
    case SYSTEM_FORGET:
        frame->rax = process_get((unsigned)frame->rdi)->exit_code;
        process_free((unsigned)frame->rdi);
        break;
    }
}

static void page_fault(struct trap_frame *frame)
{
    u64 address = privileged->fault_address();
    if (!frame_from_user(frame) || !copy_on_write_fault(process_get(process_current)->space.root, address, frame->error_code))
        panic("page fault at 0x%lx on 0x%lx, error code 0x%lx", frame->rip, address, frame->error_code);
}

void workload_system_calls_start(void)
{
    trap_handle(VECTOR_INT80, system_call);
    trap_handle(VECTOR_SYSCALL, system_call);
    trap_handle(VECTOR_PAGE_FAULT, page_fault);
    privileged->system_calls_start();
}
