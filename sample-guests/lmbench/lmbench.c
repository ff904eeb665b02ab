/* What operations cost: those of the other guests, in one table. */
#include "console.h"
#include "copy_on_write.h"
#include "pages.h"
#include "start_info.h"
#include "system_calls.h"
#include "text.h"
#include "workloads.h"

int main(void)
{
    u64 percent = text_number(start_info.command_line, "count=", 100);
    unsigned some = (unsigned)(4 * percent / 100);
    workload_system_calls_start();
    unsigned frames = frames_in_use();

    report("time_stamp_read", time_stamp_reads(10 * percent));
    report("interrupts_on_off", interrupt_switches(10 * percent));
    report("visit", visits(5 * percent));
    report("visit_in_bursts", visits_often(5 * percent));
    report("null_call_int80", null_calls(BY_INT80, 20 * percent));
    report("null_call_syscall", null_calls(BY_SYSCALL, 20 * percent));
    report("context_switch_0k", context_switches(0, percent));
    report("context_switch_64k", context_switches(16, percent));
    report("fork_run_exit", forks(some, 16));
    print("Pages copied: %u; all frames came back: %s\n", pages_copied, frames_in_use() == frames ? "yes" : "NO");
    report("map_touch_unmap", map_touch_unmap(some, false));
    report("map_touch_unmap_batched", map_touch_unmap(some, true));
    report("map_on_demand", map_on_demand(some));
    report("write_protection", write_protections(some));
    report("tick_idle_1000", ticks_while_idle(1000, some));
    return 0;
}
