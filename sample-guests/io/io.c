/* Visits to whoever stands behind the devices. On a PC, a port is read; a Xen domain has no ports, and
   asks Xen. A burst goes through the doorway once for many visits: REP INSB, or a multicall. */
#include "console.h"
#include "start_info.h"
#include "text.h"
#include "workloads.h"

#define USUAL_COUNT 2048

int main(void)
{
    u64 count = text_number(start_info.command_line, "count=", USUAL_COUNT);
    print("The same visit, %lu times each way; right: every answer was the same\n", count);
    struct measured single = visits(count), bursts = visits_often(count);
    report("visit", single);
    report("visit_in_bursts", bursts);
    print("Visits: %lu\n", single.operations + bursts.operations);
    return 0;
}
