/* The null system call: nothing but the way into the kernel and back. */
#include "console.h"
#include "start_info.h"
#include "system_calls.h"
#include "text.h"
#include "workloads.h"

#define USUAL_COUNT 20000

int main(void)
{
    u64 count = text_number(start_info.command_line, "count=", USUAL_COUNT);
    workload_system_calls_start();
    print("Null system calls from ring 3, %lu each way\n", count);
    report("null_call_int80", null_calls(BY_INT80, count));
    report("null_call_syscall", null_calls(BY_SYSCALL, count));
    print("The kernel counted %lu calls.\n", system_call_counts[SYSTEM_NULL]);
    return 0;
}
