/* Two address spaces play ping-pong. Each process writes to its working set, yields, and expects
   to find what it wrote; both sets lie at the same linear address. */
#include "console.h"
#include "start_info.h"
#include "system_calls.h"
#include "text.h"
#include "workloads.h"

#define USUAL_COUNT 300
#define PAGES_IN_64_KIB 16

int main(void)
{
    u64 rounds = text_number(start_info.command_line, "count=", USUAL_COUNT);
    workload_system_calls_start();
    print("Two processes, %lu rounds\n", rounds);
    report("context_switch_0k", context_switches(0, rounds));
    report("context_switch_64k", context_switches(PAGES_IN_64_KIB, rounds));
    print("The kernel switched %lu times.\n", system_call_counts[SYSTEM_YIELD]);
    return 0;
}
